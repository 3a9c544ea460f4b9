//! Packets of Engine.IO v4 and Socket.IO v5 over WebSocket, namespace `/`, as far as the bench
//! meets them: each is one text message. Pure.

use super::Recovery;
use crate::client::{Body, Frame, Stamp, digits};

/// Where a WebSocket of the dialect is opened.
pub(crate) const PATH: &str = "/socket.io/?EIO=4&transport=websocket";

/// Engine.IO's answer to a ping.
pub(super) const PONG: &[u8] = b"3";

/// A packet from the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packet<'a> {
    /// Engine.IO is open: the client may enter the namespace.
    Open,
    /// To be answered with a pong.
    Ping,
    /// The namespace is entered, with the number under which the server would take the client up
    /// again, if it does that.
    Connected(Option<&'a str>),
    /// The event that says as whom.
    Authenticated(Body<'a>),
    /// A message of a conversation.
    Message(Body<'a>),
    /// A conversation has a new agent.
    Assigned(Body<'a>),
    /// How far the client was told.
    Cursor(&'a str),
    /// The answer to an event, from its number on.
    Ack(Body<'a>),
    /// The namespace was refused or taken away, an event was refused, or what was missed cannot be
    /// told.
    Refusal(&'a [u8]),
    /// Another event.
    Other,
}

impl<'a> Packet<'a> {
    /// Tells what a text message is.
    pub(crate) fn of(text: &'a [u8]) -> Self {
        match text {
            [b'0', ..] => Self::Open,
            [b'2', ..] => Self::Ping,
            [b'4', b'0', ..] => Self::Connected(Body(text).text_of("pid")),
            [b'4', b'2', event @ ..] => Self::of_event(event, text),
            [b'4', b'3', ack @ ..] => Self::Ack(Body(ack)),
            [b'1', ..] | [b'4', b'1' | b'4', ..] => Self::Refusal(text),
            _ => Self::Other,
        }
    }

    fn of_event(event: &'a [u8], text: &'a [u8]) -> Self {
        let Some(event) = event.strip_prefix(br#"[""#) else { return Self::Other };
        let end = event.iter().position(|byte| *byte == b'"').unwrap_or(0);
        let (name, rest) = event.split_at(end);
        match name {
            b"message_received" => Self::Message(Body(rest)),
            b"cursor" => only_text(rest).map_or(Self::Other, Self::Cursor),
            b"conversation_assigned" => Self::Assigned(Body(rest)),
            b"authenticated" => Self::Authenticated(Body(rest)),
            b"error" | b"resync" => Self::Refusal(text),
            _ => Self::Other,
        }
    }

    /// The packet in the words of all dialects.
    pub(crate) fn frame(self) -> Frame<'a> {
        match self {
            Self::Ping => Frame::Ping(PONG),
            Self::Authenticated(body) => Frame::Established(body),
            Self::Message(body) => Frame::Message(body),
            Self::Ack(body) => Frame::Ack(body),
            Self::Assigned(body) => Frame::Assigned(body),
            Self::Refusal(text) => Frame::refusal(text),
            Self::Open | Self::Connected(_) | Self::Cursor(_) | Self::Other => Frame::Other,
        }
    }
}

/// The text between the name of an event and its end, when that is all the event has.
fn only_text(behind_name: &[u8]) -> Option<&str> {
    let text = behind_name.strip_prefix(br#"",""#)?.strip_suffix(br#""]"#)?;
    str::from_utf8(text).ok()
}

/// The number an ack answers to.
pub(crate) fn ack_number(ack: Body<'_>) -> Option<u64> {
    digits(ack.0).map(|(number, _)| number)
}

/// Enters the namespace, where the client was cut if it was there before.
pub(crate) fn connect(token: &str, recovery: Option<&Recovery>) -> String {
    match recovery {
        Some(Recovery { pid, offset }) => {
            format!(r#"40{{"token":"{token}","pid":"{pid}","offset":"{offset}"}}"#)
        }
        None => format!(r#"40{{"token":"{token}"}}"#),
    }
}

/// Joins a conversation.
pub(crate) fn join(number: usize, conversation: &str) -> String {
    format!(r#"42{number}["join_conversation","{conversation}"]"#)
}

/// Writes the packet that sends a stamp over `out`. Its answer comes under the stamp's number.
pub(crate) fn send(conversation: &str, stamp: Stamp, content_bytes: usize, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(b"42");
    out.extend_from_slice(stamp.number.to_string().as_bytes());
    out.extend_from_slice(br#"["send_message",{"conversationId":""#);
    out.extend_from_slice(conversation.as_bytes());
    out.extend_from_slice(br#"","content":""#);
    stamp.write_text(content_bytes, out);
    out.extend_from_slice(br#"","clientId":""#);
    stamp.write_id(out);
    out.extend_from_slice(br#""}]"#);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_an_event_with_its_number_and_one_object() {
        let mut out = Vec::new();
        send("c-1", Stamp { number: 17, sent_ns: 9 }, 100, &mut out);
        let json = out.strip_prefix(b"4217").unwrap();
        let event: serde_json::Value = serde_json::from_slice(json).unwrap();
        assert_eq!(event[0], "send_message");
        assert_eq!(event[1]["conversationId"], "c-1");
        assert_eq!(event[1]["content"].as_str().map(str::len), Some(100));
        assert_eq!(event[1]["clientId"], "~17-9~");
    }

    #[test]
    fn a_client_that_was_cut_says_where() {
        let recovery = Recovery { pid: "p".into(), offset: "a-7".into() };
        let text = connect("t", Some(&recovery));
        let auth: serde_json::Value = serde_json::from_str(&text[2..]).unwrap();
        assert_eq!(auth, serde_json::json!({"token": "t", "pid": "p", "offset": "a-7"}));
        assert_eq!(connect("t", None), r#"40{"token":"t"}"#);
    }

    #[test]
    fn packets_are_told_apart() {
        assert_eq!(Packet::of(br#"0{"sid":"s","upgrades":[]}"#), Packet::Open);
        assert_eq!(Packet::of(b"2"), Packet::Ping);
        assert_eq!(Packet::of(br#"40{"sid":"s","pid":"p"}"#), Packet::Connected(Some("p")));
        assert_eq!(Packet::of(br#"40{"sid":"s"}"#), Packet::Connected(None));
        assert_eq!(Packet::of(br#"42["cursor","a-7"]"#), Packet::Cursor("a-7"));
        assert_eq!(Packet::of(br#"42["presence_update",{}]"#), Packet::Other);
        for text in [&b"41"[..], b"1", br#"44{"message":"no"}"#, br#"42["error",{}]"#] {
            assert_eq!(Packet::of(text), Packet::Refusal(text));
        }
    }

    #[test]
    fn an_assignment_says_of_what_and_to_whom() {
        let text = br#"42["conversation_assigned",{"conversationId":"c","session_id":"s","agent_id":"a"}]"#;
        let Frame::Assigned(body) = Packet::of(text).frame() else { panic!("no assignment") };
        assert_eq!((body.text_of("session_id"), body.text_of("agent_id")), (Some("s"), Some("a")));
    }

    #[test]
    fn an_ack_tells_its_number_success_and_seq() {
        let text = br#"433[{"success":true,"messageId":"m","seq":4,"timestamp":"t"}]"#;
        let Packet::Ack(body) = Packet::of(text) else { panic!("no ack") };
        assert_eq!(ack_number(body), Some(3));
        assert!(body.success());
        assert_eq!(body.seq(), Some(4));
    }

    #[test]
    fn a_message_has_its_stamp() {
        let text = br#"42["message_received",{"conversationId":"c","content":"~3-9~x","seq":3}]"#;
        let Frame::Message(body) = Packet::of(text).frame() else { panic!("no message") };
        assert_eq!(body.stamp(), Some(Stamp { number: 3, sent_ns: 9 }));
        assert_eq!(body.text_of("conversationId"), Some("c"));
    }
}
