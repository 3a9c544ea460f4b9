//! The ranges of options: what a value must be beyond its type. Each error says what was expected.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use url::Url;

use super::value::{Address, Secret, parts};

/// At least one address.
pub(super) fn check_addresses(addresses: &[SocketAddr]) -> Result<(), String> {
    require(!addresses.is_empty(), "at least one address")
}

/// A duration that is not zero.
pub(super) fn check_positive(duration: &Duration) -> Result<(), String> {
    require(!duration.is_zero(), "more than 0 seconds")
}

/// At least one pause, and none that is no pause.
pub(super) fn check_pauses(pauses: &[Duration]) -> Result<(), String> {
    let are_pauses = !pauses.is_empty() && pauses.iter().all(|pause| !pause.is_zero());
    require(are_pauses, "at least one duration, each of more than 0 seconds")
}

/// A number that is not zero.
pub(super) fn check_count(count: &usize) -> Result<(), String> {
    require(*count > 0, "at least 1")
}

/// A number that is not zero.
pub(super) fn check_number(number: &u32) -> Result<(), String> {
    require(*number > 0, "at least 1")
}

/// A share of a hundred.
pub(super) fn check_percent(percent: &u32) -> Result<(), String> {
    require(*percent <= 100, "0 to 100")
}

/// A text that says something.
pub(super) fn check_filled(text: &str) -> Result<(), String> {
    require(!text.trim().is_empty(), "a text that is not empty")
}

/// A frame that has room for the protocols' own frames.
pub(super) fn check_frame_bytes(bytes: &usize) -> Result<(), String> {
    require((1_024..=1 << 30).contains(bytes), "1024 bytes to 1 GiB")
}

/// A store there is.
pub(super) fn check_store(address: &Address) -> Result<(), String> {
    let url = address.expose();
    const KINDS: &str = "sqlite:PATH, postgres://USER:PASSWORD@HOST/DATABASE, memory: or nothing";
    match url.split_once(':') {
        None => require(url.is_empty(), KINDS),
        Some(("memory", "")) => Ok(()),
        Some(("sqlite", path)) => {
            let path = path.strip_prefix("//").unwrap_or(path);
            let is_plain = !path.is_empty() && !path.contains('?') && path != ":memory:";
            require(is_plain, "sqlite:PATH without options, or memory:")
        }
        Some(("postgres" | "postgresql", _)) => {
            let is_address = Url::parse(url).is_ok_and(|url| url.has_host());
            require(is_address, "postgres://USER:PASSWORD@HOST:PORT/DATABASE")
        }
        Some(_) => Err(KINDS.into()),
    }
}

/// Redis, by its host, or several of a cluster with their ports.
pub(super) fn check_redis_host(hosts: &str) -> Result<(), String> {
    let is_one = is_host_name(hosts) || hosts.parse::<Ipv6Addr>().is_ok();
    let are_peers = || parts(hosts).all(|peer| check_peer(peer).is_ok());
    require(
        hosts.is_empty() || is_one || are_peers(),
        "a host, or several with their ports: redis-1:6379,redis-2:6379",
    )
}

/// Hosts and their ports, or nothing.
pub(super) fn check_peers(peers: &str) -> Result<(), String> {
    let are_peers = parts(peers).all(|peer| check_peer(peer).is_ok());
    require(are_peers, "hosts and their ports, such as kafka-1:9092,kafka-2:9092")
}

/// A port.
pub(super) fn check_port(port: &u32) -> Result<(), String> {
    require((1..=65_535).contains(port), "1 to 65535")
}

/// Long enough to be a secret.
pub(super) fn check_encryption_key(key: &Secret) -> Result<(), String> {
    let is_long = key.expose().chars().count() >= 16;
    require(key.is_empty() || is_long, "16 characters or more, or nothing")
}

/// A lease that is renewed in time and ends soon enough (contract 9: no ghost for longer than 10
/// s).
pub(super) fn check_lease(lease: &Duration) -> Result<(), String> {
    let bounds = Duration::from_secs(2)..=Duration::from_secs(8);
    require(bounds.contains(lease), "2s to 8s")
}

/// The name of a topic, or nothing.
pub(super) fn check_topic(topic: &str) -> Result<(), String> {
    let is_name = topic.len() <= 249
        && topic.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    require(is_name, "a topic's name of letters, digits, `.`, `_` and `-`")
}

/// Settings of another program, each a name and a value.
pub(super) fn check_properties(properties: &Secret) -> Result<(), String> {
    let is_setting = |part: &str| part.split_once('=').is_some_and(|(name, _)| !name.is_empty());
    require(parts(properties.expose()).all(is_setting), "name=value, name=value, ...")
}

/// They, with their values.
pub(super) fn properties_of(properties: &Secret) -> Vec<(String, String)> {
    let settings = parts(properties.expose()).filter_map(|part| part.split_once('='));
    settings.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
}

/// A host and a port, or nothing.
pub(super) fn check_peer(address: &str) -> Result<(), String> {
    let is_peer = address.rsplit_once(':').is_some_and(|(host, port)| {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host = match bare {
            Some(bare) => bare.parse::<Ipv6Addr>().is_ok(),
            None => is_host_name(host),
        };
        is_host && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    require(
        address.is_empty() || is_peer,
        "a host and a port, such as pbx.example.com:5038 or [::1]:5038",
    )
}

/// A text that is sent as part of a line.
pub(super) fn check_one_line(text: &str) -> Result<(), String> {
    require(!text.contains(char::is_control), "a text of one line")
}

/// A secret that is sent as part of a line.
pub(super) fn check_secret(secret: &Secret) -> Result<(), String> {
    check_one_line(secret.expose())
}

fn is_host_name(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

/// An `http` or `https` address, or nothing.
pub(super) fn check_address(address: &str) -> Result<(), String> {
    let is_http = |url: Url| matches!(url.scheme(), "http" | "https");
    let ok = address.is_empty() || Url::parse(address).is_ok_and(is_http);
    require(ok, "an address that starts with https:// or http://")
}

/// Origins as browsers send them: a scheme, a host, perhaps a port. They also stand in a
/// Content-Security-Policy, where a `;` or a `,` would begin something else.
pub(super) fn check_origins(origins: &[String]) -> Result<(), String> {
    let wrong = origins.iter().find(|origin| *origin != "*" && !is_origin(origin));
    let Some(wrong) = wrong else { return Ok(()) };
    // What is before an `@` may be a password, here as in `read`.
    let named = if wrong.contains('@') { String::new() } else { format!(" ({wrong:?} is none)") };
    Err(format!("origins such as https://chat.example.com:8443 without a path, or *{named}"))
}

fn is_origin(origin: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => is_host_name(host),
    };
    let is_port = |port: &str| {
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    is_scheme && is_host && port.is_none_or(is_port)
}

/// A level, or filters that `tracing` understands.
pub(super) fn check_level(level: &str) -> Result<(), String> {
    // The filter syntax takes a bare word for a module's name, so that "inof" would silence
    // everything without a word; here a bare word is a level.
    let is_level = |part: &str| {
        part.contains(['=', '[']) || part.parse::<tracing::level_filters::LevelFilter>().is_ok()
    };
    let parses = EnvFilter::builder().parse(level).is_ok();
    require(
        parses && !level.is_empty() && level.split(',').all(|p| is_level(p.trim())),
        "error, warn, info, debug, trace, off, or filters such as info,switchboard::wire=debug",
    )
}

fn require(holds: bool, expected: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(expected.to_owned()) }
}
