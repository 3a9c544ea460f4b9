//! A client of the bench, whatever dialect it speaks: how it comes in, what it says, and what the
//! frames it gets are. They are told apart by searching for bytes instead of parsing JSON, so that
//! the generator costs less than the server.
//!
//! To add a dialect: a type that is a [`Client`], and a [`Speaker`] if it sends messages, beside
//! `session.rs`, `socketio.rs` and `console.rs`.

use std::fmt;
use std::io::Write as _;
use std::net::SocketAddr;

use anyhow::{Result, bail};

use crate::ws::{Reader, find};

/// One place at the server, and how to take it.
pub(crate) trait Client: Clone + 'static {
    /// Who sits there, for reports.
    fn user(&self) -> &str;

    /// Connects and reads until the place is taken. Frames that come right behind are dropped:
    /// before a scenario starts they are status only.
    fn enter(&self, address: SocketAddr) -> impl Future<Output = Result<Reader>>;

    /// Tells what a text message is.
    fn frame(text: &[u8]) -> Frame<'_>;
}

/// A client that sends messages to a conversation.
pub(crate) trait Speaker: Client {
    /// Writes the frame that sends a stamp, its text padded to `content_bytes`, over `out`.
    fn say(&self, stamp: Stamp, content_bytes: usize, out: &mut Vec<u8>);

    /// Which of its sender's messages an ack answers.
    fn answered(ack: Body<'_>) -> Option<u64>;
}

/// What a message of the bench carries in its text and as its client id.
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
    /// The client is known and comes in.
    Established(Body<'a>),
    /// A message of the bench, or an event that it posted.
    Message(Body<'a>),
    /// The answer to a message.
    Ack(Body<'a>),
    /// A conversation has a new agent.
    Assigned(Body<'a>),
    /// Somebody left a conversation.
    Left(Body<'a>),
    /// Something was refused, or the log could not be followed.
    Refusal(&'a str),
    /// The server wants to hear this, or it takes the client for dead.
    Ping(&'static [u8]),
    /// Anything else: status, receipts, queue news.
    Other,
    /// Not a frame: all frames that came at once have been handed over.
    Lull,
}

/// A frame's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Body<'a>(pub(crate) &'a [u8]);

impl Stamp {
    /// Appends the text of the message, padded to `content_bytes`.
    pub(crate) fn write_text(self, content_bytes: usize, out: &mut Vec<u8>) {
        let start = out.len();
        self.write_id(out);
        out.resize((start + content_bytes).max(out.len()), b'x');
    }

    /// Appends the sender's own id of the message.
    pub(crate) fn write_id(self, out: &mut Vec<u8>) {
        // Writing to memory does not fail.
        let _ = write!(out, "{self}");
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, sent_ns } = self;
        write!(f, "~{number}-{sent_ns}~")
    }
}

impl<'a> Frame<'a> {
    /// A refusal with its whole text.
    pub(crate) fn refusal(text: &'a [u8]) -> Self {
        Self::Refusal(str::from_utf8(text).unwrap_or("a frame that is not UTF-8"))
    }
}

impl<'a> Body<'a> {
    /// The stamp in the text of a message, or in the client id of an ack.
    pub(crate) fn stamp(self) -> Option<Stamp> {
        // Nothing in front of the text and the client id has a tilde, and both say the same, so
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

    /// The text that stands behind this key.
    pub(crate) fn text_of(self, key: &str) -> Option<&'a str> {
        let mut from = 0;
        loop {
            let at = from + find(&self.0[from..], key.as_bytes())?;
            from = at + key.len();
            let quoted = at > 0 && self.0[at - 1] == b'"';
            if let Some(value) = self.0[from..].strip_prefix(br#"":""#).filter(|_| quoted) {
                let end = value.iter().position(|byte| *byte == b'"')?;
                return str::from_utf8(&value[..end]).ok();
            }
        }
    }
}

/// Reads until the first frame has come, which must be the one that says the client is in.
pub(crate) async fn greeted<C: Client>(mut reader: Reader) -> Result<Reader> {
    let mut first = None;
    while first.is_none() {
        let hear = |text: &[u8]| {
            first.get_or_insert_with(|| match C::frame(text) {
                Frame::Established(_) => Ok(()),
                _ => Err(String::from_utf8_lossy(text).into_owned()),
            });
        };
        reader.read(hear).await?;
    }
    match first {
        Some(Err(text)) => bail!("first came {text}"),
        _ => Ok(reader),
    }
}

/// The value of `type`; mostly at the very front.
pub(crate) fn kind(text: &[u8]) -> &[u8] {
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
pub(crate) fn digits(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let end = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
    let (number, rest) = bytes.split_at(end);
    let number = number
        .iter()
        .try_fold(0_u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))?;
    (end > 0).then_some((number, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_comes_back_from_the_text_and_from_the_id() {
        let stamp = Stamp { number: 17, sent_ns: 1_234_567 };
        let (mut text, mut id) = (Vec::new(), Vec::new());
        stamp.write_text(100, &mut text);
        stamp.write_id(&mut id);
        assert_eq!(text.len(), 100);
        assert_eq!(Body(&text).stamp(), Some(stamp));
        assert_eq!(Body(&id).stamp(), Some(stamp));
    }

    #[test]
    fn a_key_is_found_behind_longer_ones_and_values_that_look_like_it() {
        let body = Body(br#"{"my_pid":"a","is":"pid","pid":"b"}"#);
        assert_eq!(body.text_of("pid"), Some("b"));
        assert_eq!(body.text_of("sid"), None);
    }
}
