//! The framing of Asterisk's manager interface: a greeting, then packets of `Key: Value` lines, each
//! ended by an empty line. Knows no event. No I/O.

use md5::{Digest, Md5};

use crate::limits::{AMI_GREETING_BYTES_MAX, AMI_PACKET_BYTES_MAX};

/// How every greeting begins.
const GREETING: &str = "Asterisk Call Manager";

/// Why what came is not the manager interface. One line each; nothing of a packet is quoted, because
/// packets have people's numbers and names in them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadWire {
    /// Something else listens there.
    #[error("this is no manager interface of Asterisk: it greets with {0:?}")]
    Greeting(String),
    /// No end of a packet.
    #[error("a packet is longer than {AMI_PACKET_BYTES_MAX} bytes")]
    PacketTooLong,
}

/// One packet: an event, a response, or an item of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Packet {
    fields: Vec<(String, String)>,
    /// Lines that had no key. Variables of a channel may have line breaks in them.
    pub(super) unreadable: usize,
}

impl Packet {
    /// The value of a key, in either case; an empty one is none. Of several the first.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        let of_key =
            |(k, value): &&(String, String)| k.eq_ignore_ascii_case(key) && !value.is_empty();
        self.fields.iter().find(of_key).map(|(_, value)| value.as_str())
    }

    /// The number a key has; `None` if it has none.
    pub(super) fn number<T: std::str::FromStr>(&self, key: &str) -> Option<T> {
        self.get(key)?.parse().ok()
    }

    /// The name of the event, if it is one.
    pub(super) fn event(&self) -> Option<&str> {
        self.get("Event")
    }

    /// Whether it answers an action, and with success.
    pub(super) fn response(&self) -> Option<bool> {
        self.get("Response").map(|given| given.eq_ignore_ascii_case("Success"))
    }

    /// Bytes it takes, about.
    pub(super) fn bytes(&self) -> usize {
        self.fields.iter().map(|(key, value)| key.len() + value.len() + 4).sum()
    }

    fn read(text: &[u8]) -> Packet {
        let mut packet = Packet::default();
        for line in text.split(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(line);
            let line = line.trim_end_matches('\r');
            if line.is_empty() {
                continue;
            }
            match line.split_once(':') {
                Some((key, value)) if is_key(key) => {
                    let value = value.strip_prefix(' ').unwrap_or(value);
                    packet.fields.push((key.to_owned(), value.to_owned()));
                }
                _ => packet.unreadable += 1,
            }
        }
        packet
    }
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_()".contains(&b))
}

/// Takes bytes as they come and gives packets.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    buffer: Vec<u8>,
    /// Up to here there is no end of a packet.
    looked_at: usize,
    /// Its greeting has been read.
    is_greeted: bool,
}

impl Decoder {
    /// Takes what came.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The greeting, once all of it is here.
    ///
    /// # Errors
    /// [`BadWire::Greeting`].
    pub(super) fn greeting(&mut self) -> Result<Option<String>, BadWire> {
        let end = self.buffer.iter().position(|byte| *byte == b'\n');
        let line = &self.buffer[..end.unwrap_or(self.buffer.len())];
        let line = String::from_utf8_lossy(line).trim_end().to_owned();
        let is_possible = line.starts_with(GREETING) || GREETING.starts_with(&line);
        if !is_possible || line.len() > AMI_GREETING_BYTES_MAX || (end.is_some() && line.is_empty())
        {
            return Err(BadWire::Greeting(line.chars().take(40).collect()));
        }
        let Some(end) = end else { return Ok(None) };
        if !line.starts_with(GREETING) {
            return Err(BadWire::Greeting(line));
        }
        self.buffer.drain(..=end);
        self.is_greeted = true;
        Ok(Some(line))
    }

    /// The next whole packet, if there is one. To be asked after the greeting.
    ///
    /// # Errors
    /// [`BadWire::PacketTooLong`].
    pub(super) fn next_packet(&mut self) -> Result<Option<Packet>, BadWire> {
        debug_assert!(self.is_greeted);
        loop {
            let Some((text_end, end)) = self.end_of_packet() else {
                // An end may lie across what is here and what comes.
                self.looked_at = self.buffer.len().saturating_sub(3);
                let is_too_long = self.buffer.len() > AMI_PACKET_BYTES_MAX;
                return if is_too_long { Err(BadWire::PacketTooLong) } else { Ok(None) };
            };
            let packet = Packet::read(&self.buffer[..text_end]);
            self.buffer.drain(..end);
            self.looked_at = 0;
            if text_end > AMI_PACKET_BYTES_MAX {
                return Err(BadWire::PacketTooLong);
            }
            // Some actions are answered with an empty line more than there should be.
            if packet != Packet::default() {
                return Ok(Some(packet));
            }
        }
    }

    /// Where the first packet's text ends, and where the next one begins: behind an empty line.
    fn end_of_packet(&self) -> Option<(usize, usize)> {
        if self.looked_at == 0 {
            for empty in [&b"\r\n"[..], b"\n"] {
                if self.buffer.starts_with(empty) {
                    return Some((0, empty.len()));
                }
            }
        }
        let from = self.looked_at;
        let breaks = self.buffer[from..].iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        for (at, _) in breaks {
            let behind = from + at + 1;
            for empty in [&b"\r\n"[..], b"\n"] {
                if self.buffer[behind..].starts_with(empty) {
                    return Some((behind, behind + empty.len()));
                }
            }
        }
        None
    }
}

/// An action as it is sent. Values are of one line; options are checked for that.
pub(super) fn action(name: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("Action: {name}\r\n");
    for (key, value) in fields {
        debug_assert!(!value.contains(['\r', '\n']));
        text += &format!("{key}: {value}\r\n");
    }
    text += "\r\n";
    text.into_bytes()
}

/// What proves that one knows the secret without saying it: the digest of the challenge and the
/// secret behind it, in hexadecimal.
pub(super) fn proof(challenge: &str, secret: &str) -> String {
    let digest = Md5::new().chain_update(challenge).chain_update(secret).finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn greeted() -> Decoder {
        let mut decoder = Decoder::default();
        decoder.push(b"Asterisk Call Manager/9.0.0\r\n");
        assert_eq!(decoder.greeting(), Ok(Some("Asterisk Call Manager/9.0.0".into())));
        decoder
    }

    fn all<'a>(packet: &'a Packet, key: &str) -> Vec<&'a str> {
        let of_key = packet.fields.iter().filter(|(k, _)| k == key);
        of_key.map(|(_, value)| value.as_str()).collect()
    }

    fn packets(decoder: &mut Decoder) -> Vec<Packet> {
        std::iter::from_fn(|| decoder.next_packet().unwrap()).collect()
    }

    #[test]
    fn a_packet_is_what_stands_before_an_empty_line() {
        let mut decoder = greeted();
        decoder.push(b"Event: Hangup\r\nCause-txt: Normal Clearing\r\nAccountCode: \r\n\r\nResp");
        let read = packets(&mut decoder);
        assert_eq!(read.len(), 1);
        assert_eq!((read[0].event(), read[0].response()), (Some("Hangup"), None));
        assert_eq!(read[0].get("cause-TXT"), Some("Normal Clearing"));
        assert_eq!(read[0].get("AccountCode"), None, "an empty value is none");
        decoder.push(b"onse: Error\r\nMessage: Permission denied\r\n\r\n\r\n");
        let read = packets(&mut decoder);
        assert_eq!((read.len(), read[0].response()), (1, Some(false)));
    }

    #[test]
    fn a_key_may_be_there_several_times_and_a_value_may_have_colons() {
        let mut decoder = greeted();
        decoder
            .push(b"ChanVariable: a=1\nChanVariable: b: 2\nDuration: 00:00:07\nChanVariable:\n\n");
        let packet = &packets(&mut decoder)[0];
        assert_eq!(all(packet, "ChanVariable"), ["a=1", "b: 2", ""]);
        assert_eq!(packet.get("ChanVariable"), Some("a=1"));
        assert_eq!(packet.get("Duration"), Some("00:00:07"));
    }

    #[test]
    fn a_line_without_a_key_spoils_no_packet() {
        let mut decoder = greeted();
        decoder.push(
            b"Event: Hold\r\nChanVariable: note=two\r\nlines of text\r\nUniqueid: 1.2\r\n\r\n",
        );
        let packet = &packets(&mut decoder)[0];
        assert_eq!((packet.get("Uniqueid"), packet.unreadable), (Some("1.2"), 1));
    }

    #[test]
    fn letters_that_are_no_utf_8_spoil_nothing() {
        let mut decoder = greeted();
        decoder.push(b"CallerIDName: Jos\xe9\r\nUniqueid: 1.2\r\n\r\n");
        let packet = &packets(&mut decoder)[0];
        assert_eq!(
            (packet.get("CallerIDName"), packet.get("Uniqueid")),
            (Some("Jos\u{fffd}"), Some("1.2"))
        );
    }

    #[test]
    fn whatever_else_greets_is_named() {
        for bytes in
            ["SSH-2.0-OpenSSH_9\r\n", "HTTP/1.1 400", "\r\n", "asterisk", "Asterisk Call\r\n"]
        {
            let mut decoder = Decoder::default();
            decoder.push(bytes.as_bytes());
            let Err(BadWire::Greeting(_)) = decoder.greeting() else { panic!("{bytes:?}") };
        }
        let mut decoder = Decoder::default();
        decoder.push(b"Asterisk Ca");
        assert_eq!(decoder.greeting(), Ok(None), "the rest may still come");
        decoder.push(&[b'x'; AMI_GREETING_BYTES_MAX]);
        assert!(decoder.greeting().is_err(), "but not for ever");
    }

    #[test]
    fn a_packet_without_an_end_is_named() {
        let mut decoder = greeted();
        decoder.push(b"Event: A\r\n\r\nEvent: ");
        decoder.push(&vec![b'x'; AMI_PACKET_BYTES_MAX]);
        assert_eq!(decoder.next_packet().unwrap().unwrap().event(), Some("A"));
        assert_eq!(decoder.next_packet(), Err(BadWire::PacketTooLong));
        let mut decoder = greeted();
        decoder.push(
            &[b"Event: ".to_vec(), vec![b'x'; AMI_PACKET_BYTES_MAX], b"\n\n".to_vec()].concat(),
        );
        assert_eq!(decoder.next_packet(), Err(BadWire::PacketTooLong));
    }

    // RFC 1321, A.5: the digest of "message digest".
    #[test]
    fn a_secret_is_proved_by_the_digest_of_challenge_and_secret() {
        assert_eq!(proof("message ", "digest"), "f96b697d7cb7938d525a2f31aaf161d0");
    }

    #[test]
    fn an_action_ends_with_an_empty_line() {
        let sent = action("Login", &[("Username", "board"), ("ActionID", "1")]);
        assert_eq!(sent, b"Action: Login\r\nUsername: board\r\nActionID: 1\r\n\r\n");
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_cut_the_packets_are_the_same(
            values in prop::collection::vec(prop::collection::vec("[ -~]{0,12}", 1..4), 0..6),
            cuts in prop::collection::vec(1_usize..9, 1..40),
            is_crlf in any::<bool>(),
        ) {
            let end = if is_crlf { "\r\n" } else { "\n" };
            let text: String = values.iter().map(|fields| {
                let lines = fields.iter().map(|value| format!("Key: {value}{end}"));
                lines.collect::<String>() + end
            }).collect();
            let (mut decoder, mut read, mut rest) = (greeted(), vec![], text.as_bytes());
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break }
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                decoder.push(now);
                read.extend(packets(&mut decoder));
                rest = later;
            }
            let got: Vec<Vec<&str>> = read.iter().map(|packet| all(packet, "Key")).collect();
            prop_assert_eq!(got, values);
        }

        #[test]
        fn no_bytes_make_the_decoder_fall_over(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut decoder = greeted();
            decoder.push(&bytes);
            while let Ok(Some(_)) = decoder.next_packet() {}
            let mut decoder = Decoder::default();
            decoder.push(&bytes);
            let _ = decoder.greeting();
        }
    }
}
