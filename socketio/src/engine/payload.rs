//! The body of a long-polling request or answer: packets separated by the record separator,
//! U+001E. (Engine.IO protocol v4, "HTTP long-polling".)

use base64::Engine as _;
use bytes::Bytes;

use super::packet::{BASE64, Packet, PacketError};
use crate::{Frame, Text};

const SEPARATOR: u8 = 0x1e;

/// Why a body cannot be split into packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// It has more bytes than `maxPayload`.
    #[error("the payload is too large")]
    TooLarge,
    /// It has more packets than allowed.
    #[error("the payload has too many packets")]
    TooManyPackets,
    /// It is not UTF-8.
    #[error("the payload is not UTF-8")]
    NotUtf8,
}

/// A body that is read packet by packet, copying nothing but what base64 forces it to.
#[derive(Clone, Debug)]
pub struct Payload {
    text: Text,
    /// Where the next packet begins; beyond the end of the text when there is none left.
    next: usize,
}

impl Payload {
    /// Checks the body against the bounds: `bytes_max` for all of it and `packets_max` for what it
    /// is divided into. The packets themselves are read by iterating.
    pub fn new(body: Bytes, bytes_max: usize, packets_max: usize) -> Result<Payload, PayloadError> {
        if body.len() > bytes_max {
            return Err(PayloadError::TooLarge);
        }
        if body.iter().filter(|byte| **byte == SEPARATOR).count() >= packets_max {
            return Err(PayloadError::TooManyPackets);
        }
        let text = Text::try_from(body).map_err(|_| PayloadError::NotUtf8)?;
        Ok(Payload { text, next: 0 })
    }

    /// Whether every packet was read.
    pub fn is_done(&self) -> bool {
        self.next > self.text.len()
    }
}

impl Iterator for Payload {
    type Item = Result<Packet, PacketError>;

    /// The next packet. An empty body holds one packet, an empty one, which is an error; and so is
    /// an empty record between two separators.
    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.text.as_bytes().get(self.next..)?;
        let length = rest.iter().position(|byte| *byte == SEPARATOR).unwrap_or(rest.len());
        let record = self.text.cut(self.next, self.next + length);
        self.next += length + 1;
        Some(Packet::parse(&record))
    }
}

/// Bytes that a frame takes in a payload, without the separator.
pub(crate) fn size_in_payload(frame: &Frame) -> usize {
    match frame {
        Frame::Text(text) => text.len(),
        Frame::Binary(bytes) => 1 + bytes.len().div_ceil(3) * 4,
    }
}

/// Joins frames to the body of an answer, copying each once; a single text frame is not copied at
/// all.
pub fn join(frames: &[Frame]) -> Bytes {
    if let [Frame::Text(only)] = frames {
        return only.clone();
    }
    let size = frames.iter().map(|frame| size_in_payload(frame) + 1).sum::<usize>();
    let mut body = Vec::with_capacity(size);
    for frame in frames {
        if !body.is_empty() {
            body.push(SEPARATOR);
        }
        match frame {
            Frame::Text(text) => body.extend_from_slice(text),
            Frame::Binary(bytes) => append_base64(bytes, &mut body),
        }
    }
    Bytes::from(body)
}

fn append_base64(bytes: &[u8], body: &mut Vec<u8>) {
    body.push(b'b');
    let from = body.len();
    body.resize(from + bytes.len().div_ceil(3) * 4, 0);
    // The room is exactly what padded base64 needs, so this cannot fail.
    let written = BASE64.encode_slice(bytes, &mut body[from..]).unwrap_or_default();
    body.truncate(from + written);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(body: &'static str) -> Vec<Result<Packet, PacketError>> {
        Payload::new(Bytes::from_static(body.as_bytes()), 1_000, 10).unwrap().collect()
    }

    #[test]
    fn packets_are_separated_by_the_record_separator() {
        let binary = Packet::Binary(Bytes::from_static(&[1, 2, 3, 4]));
        assert_eq!(
            split("4hello\u{1e}2\u{1e}bAQIDBA=="),
            [Ok(Packet::Message("hello".into())), Ok(Packet::Ping("".into())), Ok(binary)]
        );
    }

    #[test]
    fn multibyte_text_next_to_a_separator_stays_whole() {
        let texts = ["é", "€", "😀"].map(|text| Ok(Packet::Message(text.into())));
        assert_eq!(split("4é\u{1e}4€\u{1e}4😀"), texts);
    }

    #[test]
    fn an_empty_record_is_an_error_wherever_it_is() {
        for body in ["", "\u{1e}4a", "4a\u{1e}", "4a\u{1e}\u{1e}4b"] {
            assert!(split(body).contains(&Err(PacketError::Empty)), "{body:?}");
        }
        let (a, b) = (Ok(Packet::Message("a".into())), Ok(Packet::Message("b".into())));
        assert_eq!(split("4a\u{1e}\u{1e}4b"), [a, Err(PacketError::Empty), b]);
    }

    #[test]
    fn bounds_are_checked_before_anything_is_read() {
        let refused = |body: &[u8], bytes_max, packets_max| {
            Payload::new(Bytes::copy_from_slice(body), bytes_max, packets_max).unwrap_err()
        };
        assert_eq!(refused(b"4hello", 5, 10), PayloadError::TooLarge);
        assert_eq!(refused(b"4a\x1e4b\x1e4c", 100, 2), PayloadError::TooManyPackets);
        assert_eq!(refused(b"4caf\xc3", 100, 10), PayloadError::NotUtf8);
        assert!(Payload::new(Bytes::from_static(b"4a\x1e4b"), 5, 2).is_ok());
    }

    #[test]
    fn a_single_text_is_shared_not_copied() {
        let text = Bytes::from_static(b"42[]");
        assert_eq!(join(&[Frame::Text(text.clone())]).as_ptr(), text.as_ptr());
    }

    proptest! {
        #[test]
        fn what_is_joined_splits_into_the_same(
            parts in prop::collection::vec(
                prop_oneof![
                    "[^\u{1e}]*".prop_map(|text| Packet::Message(Text::from(text))),
                    prop::collection::vec(any::<u8>(), 0..50)
                        .prop_map(|bytes| Packet::Binary(Bytes::from(bytes))),
                ],
                1..10,
            )
        ) {
            let frames: Vec<_> = parts.iter().map(Packet::to_frame).collect();
            let sizes: usize = frames.iter().map(size_in_payload).sum();
            let body = join(&frames);
            prop_assert_eq!(body.len(), sizes + frames.len() - 1);
            let read: Result<Vec<_>, _> = Payload::new(body, 100_000, 10).unwrap().collect();
            prop_assert_eq!(read.unwrap(), parts);
        }

        #[test]
        fn no_body_makes_the_reader_panic(body in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(payload) = Payload::new(Bytes::from(body), 100, 50) {
                prop_assert!(payload.count() <= 50);
            }
        }
    }
}
