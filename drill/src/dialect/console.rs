//! The hub dialect as a console speaks it: an admin's, which hears the whole tenant, or an agent's,
//! which hears what it is given.

use serde_json::Value;

use super::text;
use crate::log::{Entry, position};

/// A console.
#[derive(Debug)]
pub(crate) struct Console {
    token: String,
    after: Option<String>,
}

/// What a frame says to it.
#[derive(Debug)]
pub(crate) enum Shown {
    /// It is let in; the place of the log's end then.
    Hello(Option<u64>),
    /// An event of the log.
    Event(Entry),
    /// What should not come.
    Trouble(String),
    /// What is in no log.
    Passing,
}

impl Console {
    /// A console of whoever has this token.
    pub(crate) fn new(token: &str) -> Self {
        Self { token: token.to_owned(), after: None }
    }

    /// Where to connect to, behind what was heard before.
    pub(crate) fn path(&self) -> String {
        match &self.after {
            Some(after) => format!("/ws?after={after}"),
            None => "/ws".into(),
        }
    }

    /// Who it is.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// What a frame says.
    pub(crate) fn take(&mut self, frame: &str) -> Shown {
        let frame: Value = serde_json::from_str(frame).unwrap_or_default();
        let payload = &frame["payload"];
        if frame["type"] == "connected" {
            let cursor = text(payload, "cursor");
            let end = position(&cursor);
            self.after.get_or_insert(cursor);
            return Shown::Hello(end);
        }
        if let Some(cursor) = frame["cursor"].as_str() {
            self.after = Some(cursor.to_owned());
        }
        match frame["type"].as_str() {
            Some("resync") => Shown::Trouble(format!("resync: {}", text(payload, "reason"))),
            Some("error") => Shown::Trouble(format!("error: {payload}")),
            _ => Entry::of_frame(&frame).map_or(Shown::Passing, Shown::Event),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_console_comes_back_behind_the_last_event() {
        let mut console = Console::new("t");
        assert_eq!(console.path(), "/ws");
        console.take(r#"{"type":"connected","payload":{"cursor":"La-3"}}"#);
        assert_eq!(console.path(), "/ws?after=La-3");
        let event =
            r#"{"type":"alert","payload":{},"cursor":"La-4","timestamp":"2025-01-24T10:30:00Z"}"#;
        assert!(matches!(console.take(event), Shown::Event(entry) if entry.position == 4));
        console.take(r#"{"type":"connected","payload":{"cursor":"La-9"}}"#);
        assert_eq!(console.path(), "/ws?after=La-4");
    }
}
