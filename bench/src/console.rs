//! The hub dialect, as little of it as the bench needs: consoles that hear a tenant's events.

use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::Result;

use crate::client::{Body, Client, Frame, greeted, kind};
use crate::ws::{self, Reader};

/// A console of one of the staff, or of a program.
#[derive(Debug, Clone)]
pub(crate) struct Console(Rc<Known>);

#[derive(Debug)]
struct Known {
    user: String,
    /// A token, or an API key.
    credential: String,
}

impl Console {
    /// A console by what its user proves itself with.
    pub(crate) fn new(user: impl Into<String>, credential: impl Into<String>) -> Self {
        Self(Rc::new(Known { user: user.into(), credential: credential.into() }))
    }

    /// The path to connect to, from behind a cursor if there is one. It names no events, so it
    /// hears all that its role may hear.
    pub(crate) fn path(&self, after: Option<&str>) -> String {
        // Neither tokens, keys nor cursors have a character that would need an escape.
        let path = format!("/ws?token={}", self.0.credential);
        after.map_or(path.clone(), |cursor| format!("{path}&after={cursor}"))
    }
}

impl Client for Console {
    fn user(&self) -> &str {
        &self.0.user
    }

    async fn enter(&self, address: SocketAddr) -> Result<Reader> {
        greeted::<Self>(ws::open(address, &self.path(None)).await?).await
    }

    fn frame(text: &[u8]) -> Frame<'_> {
        match kind(text) {
            b"connected" => Frame::Established(Body(text)),
            b"error" | b"resync" => Frame::refusal(text),
            // Nobody else posts calls or writes, so these are the bench's own.
            b"conversation.left" => Frame::Left(Body(text)),
            b"chat.message" => Frame::Message(Body(text)),
            kind if kind.starts_with(b"call.") => Frame::Message(Body(text)),
            kind if kind.starts_with(b"queue.") && kind != b"queue.stats" => {
                Frame::Message(Body(text))
            }
            _ => Frame::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Stamp;

    #[test]
    fn an_event_of_a_call_tells_its_stamp() {
        let text = br#"{"type":"call.hold","payload":{"unique_id":"1.2","agent_name":"~7-9~"},"id":"evt_L1-2"}"#;
        let Frame::Message(body) = Console::frame(text) else { panic!("no event") };
        assert_eq!(body.stamp(), Some(Stamp { number: 7, sent_ns: 9 }));
        assert_eq!(Console::frame(br#"{"type":"queue.stats","payload":{}}"#), Frame::Other);
        assert!(matches!(Console::frame(br#"{"type":"resync","payload":{}}"#), Frame::Refusal(_)));
    }

    #[test]
    fn a_cursor_goes_with_the_token() {
        let console = Console::new("key", "sbk_1");
        assert_eq!(console.path(Some("L00000001-7")), "/ws?token=sbk_1&after=L00000001-7");
    }
}
