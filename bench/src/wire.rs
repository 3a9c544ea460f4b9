//! The session dialect, as little of it as the bench needs: where to connect, how a message is
//! sent, and what a frame is, found by searching for bytes instead of parsing JSON.

use std::io::Write as _;

use uuid::Uuid;

use crate::ws::find;

/// One place in one conversation.
#[derive(Debug, Clone)]
pub(crate) struct Seat {
    /// The conversation.
    pub(crate) session: Uuid,
    /// The user's id.
    pub(crate) user: String,
    /// `customer` or `agent`.
    pub(crate) role: &'static str,
}

/// What a message of the bench carries in its text and in its `client_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// 1, 2, 3 ... of its sender.
    pub(crate) number: u64,
    /// When it was meant to be sent, on the run's clock.
    pub(crate) sent_ns: u64,
}

/// A frame from the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// The first frame of a connection.
    Established(Body<'a>),
    /// A message of the bench.
    Message(Body<'a>),
    /// The answer to a message.
    Ack(Body<'a>),
    /// Something was refused, or the log could not be followed.
    Refusal(&'a str),
    /// Anything else: status, receipts, queue news.
    Other,
    /// Not a frame: all frames that came at once have been handed over.
    Lull,
}

/// A frame's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Body<'a>(&'a [u8]);

impl Seat {
    /// The customer of the conversation with this number.
    pub(crate) fn customer(session: Uuid, number: usize) -> Self {
        Self { session, user: format!("bench-customer-{number}"), role: "customer" }
    }

    /// An agent of the bench.
    pub(crate) fn agent(session: Uuid, number: usize) -> Self {
        Self { session, user: format!("bench-agent-{number}"), role: "agent" }
    }

    /// The path to connect to, resuming behind a cursor if there is one.
    pub(crate) fn path(&self, after: Option<&str>) -> String {
        let Self { session, user, role } = self;
        let path = format!("/ws/{session}/{user}/{role}");
        after.map_or(path.clone(), |cursor| format!("{path}?after={}", percent(cursor)))
    }
}

impl Stamp {
    /// Writes the frame that sends this stamp, its text padded to `content_bytes`, over `out`.
    pub(crate) fn write(self, out: &mut Vec<u8>, content_bytes: usize) {
        let Self { number, sent_ns } = self;
        out.clear();
        out.extend_from_slice(br#"{"type":"message","data":{"content":""#);
        let start = out.len();
        // Writing to memory does not fail.
        let _ = write!(out, "~{number}-{sent_ns}~");
        out.resize((start + content_bytes).max(out.len()), b'x');
        let _ = write!(out, r#"","client_id":"~{number}-{sent_ns}~"}}}}"#);
    }
}

impl<'a> Frame<'a> {
    /// Tells what a text message is.
    pub(crate) fn of(text: &'a [u8]) -> Self {
        match kind(text) {
            b"message" => Self::Message(Body(text)),
            b"ack" => Self::Ack(Body(text)),
            b"connection_established" => Self::Established(Body(text)),
            b"error" | b"resync" => {
                Self::Refusal(str::from_utf8(text).unwrap_or("a frame that is not UTF-8"))
            }
            _ => Self::Other,
        }
    }
}

impl<'a> Body<'a> {
    /// The stamp in the text of a message, or in the `client_id` of an ack.
    pub(crate) fn stamp(self) -> Option<Stamp> {
        // Nothing in front of the text and the `client_id` has a tilde, and both say the same, so
        // one search for a rare byte finds the stamp.
        let start = self.0.iter().position(|byte| *byte == b'~')? + 1;
        let (number, rest) = digits(&self.0[start..])?;
        let (sent_ns, rest) = digits(rest.strip_prefix(b"-")?)?;
        rest.starts_with(b"~").then_some(Stamp { number, sent_ns })
    }

    /// Whether an ack says that the message is stored.
    pub(crate) fn success(self) -> bool {
        find(self.0, br#""success":true"#).is_some()
    }

    /// The message's number in its conversation.
    pub(crate) fn seq(self) -> Option<u64> {
        let start = find(self.0, br#""seq":"#)? + 6;
        digits(&self.0[start..]).map(|(seq, _)| seq)
    }

    /// How far the log is read with this frame.
    pub(crate) fn cursor(self) -> Option<&'a str> {
        const KEY: &[u8] = br#""cursor":""#;
        let value = &self.0[find(self.0, KEY)? + KEY.len()..];
        let end = value.iter().position(|byte| *byte == b'"')?;
        str::from_utf8(&value[..end]).ok()
    }
}

/// The value of `type`; mostly at the very front.
fn kind(text: &[u8]) -> &[u8] {
    const KEY: &[u8] = br#""type":""#;
    let start = match text.get(1..) {
        Some(inner) if inner.starts_with(KEY) => 1 + KEY.len(),
        _ => match find(text, KEY) {
            Some(at) => at + KEY.len(),
            None => return b"",
        },
    };
    let value = &text[start..];
    let end = value.iter().position(|byte| *byte == b'"').unwrap_or(0);
    &value[..end]
}

/// The number at the front and what follows it.
fn digits(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let end = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
    let (number, rest) = bytes.split_at(end);
    let number = number
        .iter()
        .try_fold(0_u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))?;
    (end > 0).then_some((number, rest))
}

/// Percent-encodes everything but the unreserved characters.
fn percent(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_comes_back_from_a_message() {
        let mut out = Vec::new();
        let stamp = Stamp { number: 17, sent_ns: 1_234_567 };
        stamp.write(&mut out, 100);
        let Frame::Message(body) = Frame::of(&out) else { panic!("no message") };
        assert_eq!(body.stamp(), Some(stamp));
        let parsed: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(parsed["data"]["content"].as_str().map(str::len), Some(100));
        assert_eq!(parsed["data"]["client_id"], "~17-1234567~");
    }

    #[test]
    fn an_ack_tells_success_number_and_stamp() {
        let text =
            br#"{"type":"ack","data":{"client_id":"~3-9~","success":true,"id":"a","seq":3}}"#;
        let Frame::Ack(body) = Frame::of(text) else { panic!("no ack") };
        assert!(body.success());
        assert_eq!(body.seq(), Some(3));
        assert_eq!(body.stamp(), Some(Stamp { number: 3, sent_ns: 9 }));
    }

    #[test]
    fn the_type_is_found_at_the_end_too_and_receipts_are_no_messages() {
        let text = br#"{"data":{"user_type":"agent","cursor":"a-1"},"type":"message"}"#;
        let Frame::Message(body) = Frame::of(text) else { panic!("no message") };
        assert_eq!(body.cursor(), Some("a-1"));
        assert_eq!(body.stamp(), None);
        assert_eq!(Frame::of(br#"{"type":"message_status","data":{}}"#), Frame::Other);
        assert!(matches!(Frame::of(br#"{"type":"error","data":{}}"#), Frame::Refusal(_)));
    }

    #[test]
    fn cursors_are_escaped_in_the_path() {
        let seat = Seat::agent(Uuid::nil(), 1);
        assert!(seat.path(Some("a+/=1")).ends_with("/bench-agent-1/agent?after=a%2B%2F%3D1"));
    }
}
