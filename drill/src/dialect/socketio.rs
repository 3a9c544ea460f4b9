//! Socket.IO as its own client speaks it: rooms, acknowledgements, and being taken up again by `pid`
//! and offset. Half of the clients are unmodified ones; the others give their last cursor as
//! `auth.after`, too.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Dialect, Told, fate, heard, lives, text};

/// A client.
#[derive(Debug)]
pub(crate) struct Socket {
    token: String,
    gives_after: bool,
    /// What it keeps to be taken up again.
    pid: Option<String>,
    offset: String,
    is_back: bool,
    /// What its questions were about, by their numbers.
    asked: BTreeMap<u64, About>,
    next_number: u64,
}

#[derive(Debug)]
enum About {
    Join(String),
    Message(String),
    Leave(String),
}

impl Socket {
    /// A client with this token.
    pub(crate) fn new(token: &str, gives_after: bool) -> Self {
        Self {
            token: token.to_owned(),
            gives_after,
            pid: None,
            offset: String::new(),
            is_back: false,
            asked: BTreeMap::new(),
            next_number: 0,
        }
    }

    fn auth(&self) -> Value {
        let mut auth = json!({"token": self.token});
        if let Some(pid) = &self.pid {
            auth["pid"] = pid.as_str().into();
            auth["offset"] = self.offset.as_str().into();
        }
        if self.gives_after && !self.offset.is_empty() {
            auth["after"] = self.offset.as_str().into();
        }
        auth
    }

    fn ask(&mut self, about: About, event: &Value) -> String {
        let number = self.next_number;
        self.next_number += 1;
        self.asked.insert(number, about);
        format!("42{number}{event}")
    }

    fn connected(&mut self, data: &Value) -> Vec<Told> {
        let pid = data["pid"].as_str().map(str::to_owned);
        self.is_back = pid.is_some() && pid == self.pid;
        let was_known = self.pid.is_some();
        self.pid = pid;
        match (was_known, self.is_back) {
            (true, false) => vec![Told::Forgotten("another pid".into())],
            (true, true) => vec![Told::Back],
            (false, _) => Vec::new(),
        }
    }

    fn event(&mut self, event: &Value) -> Vec<Told> {
        let (name, data) = (event[0].as_str().unwrap_or_default(), &event[1]);
        let told = match name {
            "authenticated" => Told::Ready,
            "cursor" => {
                self.offset = data.as_str().unwrap_or_default().to_owned();
                Told::Certain
            }
            "message_received" => {
                let message = heard(data, "messageId", &Value::Null);
                Told::Message(text(data, "conversationId"), message)
            }
            "left_conversation" => Told::Out(text(data, "conversationId")),
            // Its acknowledgement says the same.
            "error" if data["event"] == "join_conversation" => return Vec::new(),
            // It has gone to another agent, which has put this one out already.
            "error" if data["event"] == "leave_conversation" => return Vec::new(),
            "error" => Told::Trouble(format!("error {data}")),
            name => return lives(name, data).into_iter().collect(),
        };
        vec![told]
    }

    fn answer(&mut self, text: &str) -> Vec<Told> {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, ack) = text.split_at(digits);
        let ack: Value = serde_json::from_str(ack).unwrap_or_default();
        let ack = &ack[0];
        // Whoever may not be there is not there.
        let is_done = ack["success"] == true || ack["code"] == "forbidden";
        let about = number.parse().ok().and_then(|number| self.asked.remove(&number));
        let told = match about {
            Some(About::Join(conversation)) if ack["success"] == true => {
                Told::In { conversation, is_from_the_beginning: false }
            }
            // Another agent's by now, perhaps.
            Some(About::Join(conversation)) if ack["code"] == "forbidden" => {
                Told::Out(conversation)
            }
            Some(About::Join(_)) => Told::End(format!("not joined: {ack}")),
            Some(About::Message(client_id)) => Told::Answer(client_id, fate(ack, "messageId")),
            Some(About::Leave(conversation)) if is_done => Told::Left(conversation),
            Some(About::Leave(_)) => Told::End(format!("not left: {ack}")),
            None => return Vec::new(),
        };
        vec![told]
    }
}

impl Dialect for Socket {
    const NAME: &'static str = "Socket.IO";

    fn path(&self) -> String {
        "/socket.io/?EIO=4&transport=websocket".into()
    }

    fn token(&self) -> Option<&str> {
        None
    }

    fn begin(&mut self) {
        self.asked.clear();
    }

    fn take(&mut self, packet: &str) -> Vec<Told> {
        let json = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
        match packet.as_bytes() {
            [b'0', ..] => vec![Told::Reply(format!("40{}", self.auth()))],
            [b'2', ..] => vec![Told::Reply("3".into())],
            [b'4', b'0', ..] => self.connected(&json(&packet[2..])),
            [b'4', b'2', ..] => self.event(&json(&packet[2..])),
            [b'4', b'3', ..] => self.answer(&packet[2..]),
            [b'1', ..] | [b'4', b'1' | b'4', ..] => vec![Told::End(packet.to_owned())],
            _ => Vec::new(),
        }
    }

    fn say(&mut self, conversation: &str, client_id: &str) -> String {
        let message =
            json!({"conversationId": conversation, "content": client_id, "clientId": client_id});
        self.ask(About::Message(client_id.to_owned()), &json!(["send_message", message]))
    }

    fn join(&mut self, conversation: &str) -> Option<String> {
        let about = About::Join(conversation.to_owned());
        Some(self.ask(about, &json!(["join_conversation", conversation])))
    }

    fn leave(&mut self, conversation: &str) -> Option<String> {
        let about = About::Leave(conversation.to_owned());
        Some(self.ask(about, &json!(["leave_conversation", conversation])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::books::Fate;

    #[test]
    fn whoever_was_there_says_where_and_knows_whether_it_is_taken_up() {
        let mut socket = Socket::new("t", false);
        assert_eq!(socket.take("0{}"), [Told::Reply(r#"40{"token":"t"}"#.into())]);
        assert_eq!(socket.take(r#"40{"sid":"s","pid":"p"}"#), []);
        assert_eq!(socket.take(r#"42["cursor","La-7"]"#), [Told::Certain]);
        let Told::Reply(again) = &socket.take("0{}")[0] else { panic!("no reply") };
        assert_eq!(
            serde_json::from_str::<Value>(&again[2..]).unwrap(),
            json!({"token": "t", "pid": "p", "offset": "La-7"})
        );
        assert_eq!(socket.take(r#"40{"sid":"s","pid":"p"}"#), [Told::Back]);
        assert!(matches!(&socket.take(r#"40{"sid":"s","pid":"q"}"#)[..], [Told::Forgotten(_)]));
    }

    #[test]
    fn answers_go_to_their_questions() {
        let mut socket = Socket::new("t", false);
        assert_eq!(socket.join("c").unwrap(), r#"420["join_conversation","c"]"#);
        assert!(socket.say("c", "m-1").starts_with(r#"421["send_message","#));
        let kept = r#"431[{"success":true,"messageId":"m","seq":4}]"#;
        let fate = Fate::Kept { id: "m".into(), seq: 4 };
        assert_eq!(socket.take(kept), [Told::Answer("m-1".into(), fate)]);
        let inside = Told::In { conversation: "c".into(), is_from_the_beginning: false };
        assert_eq!(socket.take(r#"430[{"success":true}]"#), [inside]);
    }
}
