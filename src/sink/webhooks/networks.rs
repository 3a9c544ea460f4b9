//! Where no webhook may go: the networks that a server can reach and a tenant must not (server-side
//! request forgery). What counts is the address that is connected to, whatever the name says.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use crate::limits::WEBHOOK_URL_BYTES_MAX;

/// Which networks webhooks may go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Networks {
    /// The public ones, by `https`.
    Public,
    /// These, and this machine; for the demo.
    PublicAndLoopback,
    /// Whatever a single receiver can have.
    All,
}

/// Why an address cannot be a webhook's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// It cannot be read.
    #[error("is no URL: {0}")]
    NoUrl(url::ParseError),
    /// Nobody has such a long one.
    #[error("has more than {WEBHOOK_URL_BYTES_MAX} bytes")]
    TooLong,
    /// It would be read by others on its way, or is none of HTTP.
    #[error("must begin with {0}")]
    Scheme(&'static str),
    /// It would be shown wherever the address is.
    #[error("must not have a user or a password; the signature proves who sends")]
    Credentials,
    /// It is never sent.
    #[error("must not have a fragment (#)")]
    Fragment,
    /// Nobody has this name, or nobody could be asked.
    #[error("the host's name cannot be resolved")]
    Unresolved,
    /// It leads to where no webhook may go. Says what that is and not where: whoever administers a
    /// tenant is not told what names mean inside.
    #[error("leads to {0}; webhooks go to public addresses only")]
    Forbidden(&'static str),
}

impl Networks {
    /// Reads an address, and refuses one that can never be right. A name is not resolved.
    ///
    /// # Errors
    /// [`BadAddress`].
    pub fn check_url(self, text: &str) -> Result<Url, BadAddress> {
        if text.len() > WEBHOOK_URL_BYTES_MAX {
            return Err(BadAddress::TooLong);
        }
        let url = Url::parse(text).map_err(BadAddress::NoUrl)?;
        match (url.scheme(), self) {
            ("https", _) | ("http", Networks::PublicAndLoopback | Networks::All) => {}
            (_, Networks::Public) => return Err(BadAddress::Scheme("https://")),
            _ => return Err(BadAddress::Scheme("https:// or http://")),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadAddress::Credentials);
        }
        if url.fragment().is_some() {
            return Err(BadAddress::Fragment);
        }
        // The parser has made an address of every way to write one: octal, hexadecimal, short.
        match url.host() {
            Some(Host::Ipv4(ip)) => self.check_ip(ip.into())?,
            Some(Host::Ipv6(ip)) => self.check_ip(ip.into())?,
            Some(Host::Domain(_)) => {}
            None => return Err(BadAddress::NoUrl(url::ParseError::EmptyHost)),
        }
        Ok(url)
    }

    /// Refuses an address of a network where no webhook may go.
    ///
    /// # Errors
    /// [`BadAddress::Forbidden`].
    pub fn check_ip(self, ip: IpAddr) -> Result<(), BadAddress> {
        let Some(kind) = kind_of(ip) else { return Ok(()) };
        let is_allowed = match self {
            Networks::Public => false,
            Networks::PublicAndLoopback => kind == LOOPBACK,
            Networks::All => kind != MULTICAST && kind != UNSPECIFIED,
        };
        if is_allowed { Ok(()) } else { Err(BadAddress::Forbidden(kind)) }
    }
}

const LOOPBACK: &str = "this machine";
const PRIVATE: &str = "a private network";
const LINK_LOCAL: &str = "a link-local network";
const MULTICAST: &str = "a multicast group";
const UNSPECIFIED: &str = "no address at all";
const SHARED: &str = "a network that providers share";
const EMBEDDED: &str = "an IPv4 address in disguise";
const RESERVED: &str = "a reserved network";

/// What is special about an address; nothing about a public one. By IANA's registries of special
/// purposes for [IPv4](https://www.iana.org/assignments/iana-ipv4-special-registry) and
/// [IPv6](https://www.iana.org/assignments/iana-ipv6-special-registry).
fn kind_of(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => kind_of_v4(ip),
        IpAddr::V6(ip) => kind_of_v6(ip),
    }
}

fn kind_of_v4(ip: Ipv4Addr) -> Option<&'static str> {
    Some(match ip.octets() {
        [0, 0, 0, 0] => UNSPECIFIED,
        [127, ..] => LOOPBACK,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => PRIVATE,
        [169, 254, ..] => LINK_LOCAL,
        [100, 64..=127, ..] => SHARED,
        [224..=239, ..] | [255, 255, 255, 255] => MULTICAST,
        [0 | 240..=255, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _] => RESERVED,
        _ => return None,
    })
}

fn kind_of_v6(ip: Ipv6Addr) -> Option<&'static str> {
    Some(match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => UNSPECIFIED,
        [0, 0, 0, 0, 0, 0, 0, 1] => LOOPBACK,
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => EMBEDDED,
        // Where all of IPv4 is reached by such addresses (RFC 6052), what they stand for counts.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            return kind_of_v4(Ipv4Addr::new(a, b, c, d));
        }
        // 6to4 and Teredo.
        [0x2002, ..] | [0x2001, 0, ..] => EMBEDDED,
        [0xff00..=0xffff, ..] => MULTICAST,
        [0xfe80..=0xfebf, ..] => LINK_LOCAL,
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => PRIVATE,
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => RESERVED,
        [0x2000..=0x3fff, ..] => return None,
        _ => RESERVED,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORBIDDEN: &[(&str, &str)] = &[
        ("127.0.0.1", LOOPBACK),
        ("127.255.255.254", LOOPBACK),
        ("::1", LOOPBACK),
        ("0.0.0.0", UNSPECIFIED),
        ("::", UNSPECIFIED),
        ("0.1.2.3", RESERVED),
        ("10.0.0.1", PRIVATE),
        ("10.255.255.255", PRIVATE),
        ("172.16.0.1", PRIVATE),
        ("172.31.255.255", PRIVATE),
        ("192.168.1.1", PRIVATE),
        ("fc00::1", PRIVATE),
        ("fdff:ffff::1", PRIVATE),
        ("fec0::1", PRIVATE),
        ("169.254.169.254", LINK_LOCAL),
        ("fe80::1", LINK_LOCAL),
        ("febf::1", LINK_LOCAL),
        ("100.64.0.1", SHARED),
        ("100.127.255.255", SHARED),
        ("224.0.0.1", MULTICAST),
        ("239.255.255.255", MULTICAST),
        ("255.255.255.255", MULTICAST),
        ("ff02::1", MULTICAST),
        ("192.0.0.8", RESERVED),
        ("192.0.2.1", RESERVED),
        ("192.88.99.1", RESERVED),
        ("198.18.0.1", RESERVED),
        ("198.19.255.255", RESERVED),
        ("198.51.100.1", RESERVED),
        ("203.0.113.1", RESERVED),
        ("240.0.0.1", RESERVED),
        ("255.255.255.254", RESERVED),
        ("::ffff:127.0.0.1", EMBEDDED),
        ("::ffff:8.8.8.8", EMBEDDED),
        ("::ffff:0:8.8.8.8", EMBEDDED),
        ("::8.8.8.8", EMBEDDED),
        ("::2", EMBEDDED),
        ("64:ff9b::7f00:1", LOOPBACK),
        ("64:ff9b::a00:1", PRIVATE),
        ("64:ff9b:1::808:808", RESERVED),
        ("2002:7f00:1::1", EMBEDDED),
        ("2001:0:4136:e378::1", EMBEDDED),
        ("2001:2::1", RESERVED),
        ("2001:10::1", RESERVED),
        ("2001:20::1", RESERVED),
        ("2001:db8::1", RESERVED),
        ("3fff::1", RESERVED),
        ("5f00::1", RESERVED),
        ("100::1", RESERVED),
        ("4000::1", RESERVED),
    ];

    const PUBLIC: &[&str] = &[
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.1",
        "100.63.255.255",
        "100.128.0.1",
        "126.255.255.255",
        "128.0.0.1",
        "169.253.255.255",
        "172.15.255.255",
        "172.32.0.1",
        "192.0.1.1",
        "192.167.255.255",
        "192.169.0.1",
        "198.17.255.255",
        "198.20.0.1",
        "203.0.114.1",
        "223.255.255.255",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2606:4700::1111",
        "2a00:1450::1",
        "3ffe:ffff::1",
        "64:ff9b::808:808",
    ];

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn no_webhook_goes_to_a_network_that_is_not_public() {
        for (text, kind) in FORBIDDEN {
            let expected = Err(BadAddress::Forbidden(kind));
            assert_eq!(Networks::Public.check_ip(ip(text)), expected, "{text}");
        }
        for text in PUBLIC {
            assert_eq!(Networks::Public.check_ip(ip(text)), Ok(()), "{text}");
        }
    }

    #[test]
    fn the_demo_reaches_this_machine_and_no_other_private_one() {
        for (text, kind) in FORBIDDEN {
            let is_allowed = Networks::PublicAndLoopback.check_ip(ip(text)).is_ok();
            assert_eq!(is_allowed, *kind == LOOPBACK, "{text}");
            let is_one_receiver = *kind != MULTICAST && *kind != UNSPECIFIED;
            assert_eq!(Networks::All.check_ip(ip(text)).is_ok(), is_one_receiver, "{text}");
        }
    }

    #[test]
    fn an_address_is_seen_however_it_is_written() {
        for host in [
            "127.0.0.1",
            "127.1",
            "127.0.0.1.",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "017700000001",
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "169.254.169.254",
            "0xa9fea9fe",
            "①②⑦.0.0.1",
            "127。0。0。1",
            "%31%32%37.0.0.1",
        ] {
            let refused = Networks::Public.check_url(&format!("https://{host}/hook"));
            assert!(matches!(refused, Err(BadAddress::Forbidden(_))), "{host}: {refused:?}");
        }
    }

    #[test]
    fn an_address_that_can_never_be_right_is_told_why() {
        let long = format!("https://hooks.example.com/{}", "x".repeat(WEBHOOK_URL_BYTES_MAX));
        for (url, reason) in [
            ("hooks.example.com", "is no URL: relative URL without a base"),
            ("https://", "is no URL: empty host"),
            ("http://hooks.example.com/", "must begin with https://"),
            ("ftp://hooks.example.com/", "must begin with https://"),
            ("file:///etc/passwd", "must begin with https://"),
            (
                "https://user@hooks.example.com/",
                "must not have a user or a password; the \
                signature proves who sends",
            ),
            (
                "https://:pass@hooks.example.com/",
                "must not have a user or a password; the \
                signature proves who sends",
            ),
            ("https://hooks.example.com/#here", "must not have a fragment (#)"),
            (long.as_str(), "has more than 2048 bytes"),
            (
                "https://10.1.2.3/",
                "leads to a private network; webhooks go to public \
                addresses only",
            ),
        ] {
            let refused = Networks::Public.check_url(url).unwrap_err();
            assert_eq!(refused.to_string(), reason, "{url}");
        }
        let http = "http://localhost:9000/hook?a=b";
        assert_eq!(Networks::All.check_url(http).unwrap().as_str(), http);
        assert!(Networks::PublicAndLoopback.check_url("gopher://localhost/").is_err());
        assert!(Networks::Public.check_url("https://hooks.example.com:8443/a?b=c").is_ok());
    }
}
