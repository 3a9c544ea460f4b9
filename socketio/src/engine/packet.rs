//! One Engine.IO packet: a digit for the type and what follows it, or the bytes of a binary
//! message. (Engine.IO protocol v4, "Packet encoding".)

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

use crate::{Frame, Text};

/// Clients differ in whether they pad; both are read, padding is written.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A packet as it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// `0`: the server's first packet, a JSON text.
    Open(Text),
    /// `1`: the session ends.
    Close,
    /// `2`: asks for a pong with the same text.
    Ping(Text),
    /// `3`: answers a ping.
    Pong(Text),
    /// `4`: a message of text.
    Message(Text),
    /// A message of bytes: a binary WebSocket frame, or `b` and base64 in text.
    Binary(Bytes),
    /// `5`: the WebSocket takes over from polling.
    Upgrade,
    /// `6`: ends a poll that has nothing to say.
    Noop,
}

/// Why a text is no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// There is not even a type.
    #[error("the packet is empty")]
    Empty,
    /// The first character is none of `0` to `6` and `b`.
    #[error("the packet's type is unknown")]
    UnknownType,
    /// What follows `b` is not base64.
    #[error("the binary packet is not base64")]
    NotBase64,
}

impl Packet {
    /// Reads a text packet: a WebSocket text frame, or one record of a polling payload. As in the
    /// reference, `b` with base64 is read on both, and data behind `1`, `5` and `6` is ignored.
    pub fn parse(text: &Text) -> Result<Packet, PacketError> {
        let kind = *text.as_bytes().first().ok_or(PacketError::Empty)?;
        // The first byte is ASCII in every arm that cuts behind it.
        let rest = || text.cut(1, text.len());
        Ok(match kind {
            b'0' => Packet::Open(rest()),
            b'1' => Packet::Close,
            b'2' => Packet::Ping(rest()),
            b'3' => Packet::Pong(rest()),
            b'4' => Packet::Message(rest()),
            b'5' => Packet::Upgrade,
            b'6' => Packet::Noop,
            b'b' => Packet::Binary(decode_base64(&text.as_bytes()[1..])?),
            _ => return Err(PacketError::UnknownType),
        })
    }

    /// The frame that carries this packet.
    pub fn to_frame(&self) -> Frame {
        let with = |kind: &str, rest: &Text| {
            Frame::Text(Bytes::from([kind.as_bytes(), rest.as_bytes()].concat()))
        };
        match self {
            Packet::Open(text) => with("0", text),
            Packet::Close => Frame::Text(Bytes::from_static(b"1")),
            Packet::Ping(text) => with("2", text),
            Packet::Pong(text) => with("3", text),
            Packet::Message(text) => with("4", text),
            Packet::Binary(bytes) => Frame::Binary(bytes.clone()),
            Packet::Upgrade => Frame::Text(Bytes::from_static(b"5")),
            Packet::Noop => Frame::Text(Bytes::from_static(b"6")),
        }
    }
}

fn decode_base64(encoded: &[u8]) -> Result<Bytes, PacketError> {
    BASE64.decode(encoded).map(Bytes::from).map_err(|_| PacketError::NotBase64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &'static str) -> Result<Packet, PacketError> {
        Packet::parse(&Text::from(text))
    }

    #[test]
    fn each_type_has_its_digit() {
        assert_eq!(parse("0{}"), Ok(Packet::Open("{}".into())));
        assert_eq!(parse("1"), Ok(Packet::Close));
        assert_eq!(parse("2probe"), Ok(Packet::Ping("probe".into())));
        assert_eq!(parse("3"), Ok(Packet::Pong("".into())));
        assert_eq!(parse("4hello"), Ok(Packet::Message("hello".into())));
        assert_eq!(parse("5"), Ok(Packet::Upgrade));
        assert_eq!(parse("6"), Ok(Packet::Noop));
    }

    #[test]
    fn binary_comes_as_base64_padded_or_not() {
        let expected = Ok(Packet::Binary(Bytes::from_static(&[1, 2, 3, 4])));
        assert_eq!(parse("bAQIDBA=="), expected);
        assert_eq!(parse("bAQIDBA"), expected);
        assert_eq!(parse("b"), Ok(Packet::Binary(Bytes::new())));
        assert_eq!(parse("b*"), Err(PacketError::NotBase64));
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        assert_eq!(parse(""), Err(PacketError::Empty));
        for text in ["abc", "7", "é", " 4hello", "\u{1e}", "€"] {
            assert_eq!(parse(text), Err(PacketError::UnknownType), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_message_survives_the_trip(text in ".*") {
            let packet = Packet::Message(Text::from(text));
            let Frame::Text(bytes) = packet.to_frame() else { panic!("a message is text") };
            prop_assert_eq!(Packet::parse(&Text::try_from(bytes).unwrap()), Ok(packet));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "[0-7b]?.*") {
            let _ = Packet::parse(&Text::from(text));
        }
    }
}
