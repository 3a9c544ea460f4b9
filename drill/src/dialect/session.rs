//! The session dialect: one seat in one conversation, taken again behind the last cursor.

use serde_json::{Value, json};

use super::{Dialect, Told, fate, heard, lives, text};

/// A seat.
#[derive(Debug)]
pub(crate) struct Seat {
    conversation: String,
    user: String,
    role: &'static str,
    token: String,
    /// The cursor of the last frame; before the first one the number 0, for everything.
    after: String,
}

impl Seat {
    /// A seat for a `customer` or an `agent`.
    pub(crate) fn new(conversation: &str, user: &str, role: &'static str, token: &str) -> Self {
        Self {
            conversation: conversation.to_owned(),
            user: user.to_owned(),
            role,
            token: token.to_owned(),
            after: "0".into(),
        }
    }
}

impl Dialect for Seat {
    const NAME: &'static str = "session";

    fn path(&self) -> String {
        let Self { conversation, user, role, after, .. } = self;
        format!("/ws/{conversation}/{user}/{role}?after={after}")
    }

    fn token(&self) -> Option<&str> {
        Some(&self.token)
    }

    fn take(&mut self, frame: &str) -> Vec<Told> {
        let frame: Value = serde_json::from_str(frame).unwrap_or_default();
        let data = &frame["data"];
        let name = frame["type"].as_str().unwrap_or_default();
        if name == "connection_established" {
            // Its cursor is the log's end, before anything that was missed has been told.
            let conversation = self.conversation.clone();
            return vec![Told::In { conversation, is_from_the_beginning: true }, Told::Ready];
        }
        if let Some(cursor) = data["cursor"].as_str() {
            cursor.clone_into(&mut self.after);
        }
        let told = match name {
            "message" => {
                Told::Message(self.conversation.clone(), heard(data, "id", &data["cursor"]))
            }
            "ack" => Told::Answer(text(data, "client_id"), fate(data, "id")),
            "error" => Told::Trouble(format!("error {}: {}", data["code"], data["message"])),
            name => return lives(name, data).into_iter().collect(),
        };
        vec![told]
    }

    fn say(&mut self, _conversation: &str, client_id: &str) -> String {
        json!({"type": "message", "data": {"content": client_id, "client_id": client_id}})
            .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::books::Fate;

    #[test]
    fn the_place_is_kept_of_every_frame_but_the_first() {
        let mut seat = Seat::new("c", "ana", "agent", "t");
        assert!(seat.path().ends_with("/ws/c/ana/agent?after=0"));
        seat.take(r#"{"type":"connection_established","data":{"cursor":"La-9"}}"#);
        assert!(seat.path().ends_with("?after=0"));
        let told = seat.take(r#"{"type":"message","data":{"id":"m","seq":2,"cursor":"La-4"}}"#);
        let Told::Message(_, heard) = &told[0] else { panic!("{told:?}") };
        assert_eq!((heard.seq, heard.position), (2, Some(4)));
        assert!(seat.path().ends_with("?after=La-4"));
    }

    #[test]
    fn what_may_help_another_time_is_not_refused() {
        let mut seat = Seat::new("c", "ana", "agent", "t");
        let mut ack = |code: &str| {
            seat.take(&format!(
                r#"{{"type":"ack","data":{{"client_id":"x","success":false,"code":"{code}"}}}}"#
            ))
        };
        assert_eq!(ack("unavailable"), [Told::Answer("x".into(), Fate::Unknown)]);
        assert_eq!(ack("forbidden"), [Told::Answer("x".into(), Fate::Refused("forbidden".into()))]);
    }
}
