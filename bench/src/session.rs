//! The session dialect, as little of it as the bench needs: where to connect, how a message is
//! sent, and what a frame is.

use std::net::SocketAddr;

use anyhow::Result;
use uuid::Uuid;

use crate::client::{Body, Client, Frame, Speaker, Stamp, greeted, kind};
use crate::ws::{self, Reader};

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

impl Client for Seat {
    fn user(&self) -> &str {
        &self.user
    }

    async fn enter(&self, address: SocketAddr) -> Result<Reader> {
        greeted::<Self>(ws::open(address, &self.path(None)).await?).await
    }

    fn frame(text: &[u8]) -> Frame<'_> {
        match kind(text) {
            b"message" => Frame::Message(Body(text)),
            b"ack" => Frame::Ack(Body(text)),
            b"connection_established" => Frame::Established(Body(text)),
            b"connection_status_update" => status(Body(text)),
            b"error" | b"resync" => Frame::refusal(text),
            _ => Frame::Other,
        }
    }
}

impl Speaker for Seat {
    fn say(&self, stamp: Stamp, content_bytes: usize, out: &mut Vec<u8>) {
        say(stamp, content_bytes, out);
    }

    fn answered(ack: Body<'_>) -> Option<u64> {
        ack.stamp().map(|stamp| stamp.number)
    }
}

/// Who is there is told whenever somebody comes or goes.
fn status(body: Body<'_>) -> Frame<'_> {
    match body.text_of("event_type") {
        Some("user_disconnected") => Frame::Left(body),
        _ => Frame::Other,
    }
}

/// How far the log is read with this frame.
pub(crate) fn cursor(frame: Body<'_>) -> Option<&str> {
    frame.text_of("cursor")
}

/// Writes the frame that sends a stamp over `out`. It names no conversation: the path did.
pub(crate) fn say(stamp: Stamp, content_bytes: usize, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(br#"{"type":"message","data":{"content":""#);
    stamp.write_text(content_bytes, out);
    out.extend_from_slice(br#"","client_id":""#);
    stamp.write_id(out);
    out.extend_from_slice(br#""}}"#);
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
        say(stamp, 100, &mut out);
        let Frame::Message(body) = Seat::frame(&out) else { panic!("no message") };
        assert_eq!(body.stamp(), Some(stamp));
        let parsed: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(parsed["data"]["content"].as_str().map(str::len), Some(100));
        assert_eq!(parsed["data"]["client_id"], "~17-1234567~");
    }

    #[test]
    fn an_ack_tells_success_number_and_stamp() {
        let text =
            br#"{"type":"ack","data":{"client_id":"~3-9~","success":true,"id":"a","seq":3}}"#;
        let Frame::Ack(body) = Seat::frame(text) else { panic!("no ack") };
        assert!(body.success());
        assert_eq!(body.seq(), Some(3));
        assert_eq!(body.stamp(), Some(Stamp { number: 3, sent_ns: 9 }));
        assert_eq!(Seat::answered(body), Some(3));
    }

    #[test]
    fn the_type_is_found_at_the_end_too_and_receipts_are_no_messages() {
        let text = br#"{"data":{"user_type":"agent","cursor":"a-1"},"type":"message"}"#;
        let Frame::Message(body) = Seat::frame(text) else { panic!("no message") };
        assert_eq!(cursor(body), Some("a-1"));
        assert_eq!(body.stamp(), None);
        assert_eq!(Seat::frame(br#"{"type":"message_status","data":{}}"#), Frame::Other);
        assert!(matches!(Seat::frame(br#"{"type":"error","data":{}}"#), Frame::Refusal(_)));
    }

    #[test]
    fn cursors_are_escaped_in_the_path() {
        let seat = Seat::agent(Uuid::nil(), 1);
        assert!(seat.path(Some("a+/=1")).ends_with("/bench-agent-1/agent?after=a%2B%2F%3D1"));
    }
}
