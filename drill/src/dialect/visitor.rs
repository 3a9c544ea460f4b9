//! The hub dialect as a visitor of a website speaks it: the first connection begins a conversation,
//! later ones come back to it with its token and the last cursor.

use serde_json::{Value, json};

use super::{Dialect, Told, fate, heard, text};

/// A visitor.
#[derive(Debug)]
pub(crate) struct Visitor {
    query: String,
    /// Who it is, once it was told.
    user: String,
    /// Its conversation, likewise.
    conversation: String,
    token: Option<String>,
    after: String,
}

impl Visitor {
    /// Somebody who wants to talk to a department.
    pub(crate) fn new(name: &str, department: &str) -> Self {
        Self {
            query: format!("tenant=default&name={name}&department_id={department}"),
            user: String::new(),
            conversation: String::new(),
            token: None,
            after: String::new(),
        }
    }

    fn connected(&mut self, hello: &Value) -> Vec<Told> {
        if let Some(token) = hello["token"].as_str() {
            self.token = Some(token.to_owned());
            self.conversation = text(hello, "session_id");
            self.user = text(hello, "user_id");
        }
        if self.after.is_empty() {
            self.after = text(hello, "cursor");
        }
        let conversation = self.conversation.clone();
        vec![Told::In { conversation, is_from_the_beginning: true }, Told::Ready]
    }
}

impl Dialect for Visitor {
    const NAME: &'static str = "hub";

    fn path(&self) -> String {
        match self.token {
            Some(_) => format!("/ws/public?after={}", self.after),
            None => format!("/ws/public?{}", self.query),
        }
    }

    fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    fn user(&self) -> Option<&str> {
        Some(&self.user).filter(|user| !user.is_empty()).map(String::as_str)
    }

    fn take(&mut self, frame: &str) -> Vec<Told> {
        let frame: Value = serde_json::from_str(frame).unwrap_or_default();
        let (payload, cursor) = (&frame["payload"], &frame["cursor"]);
        let name = frame["type"].as_str().unwrap_or_default();
        if name == "connected" {
            return self.connected(payload);
        }
        if let Some(cursor) = cursor.as_str() {
            cursor.clone_into(&mut self.after);
        }
        let told = match name {
            "chat.message" => {
                Told::Message(text(payload, "session_id"), heard(payload, "message_id", cursor))
            }
            "ack" => Told::Answer(text(payload, "client_id"), fate(payload, "message_id")),
            "conversation.closed" => Told::Closed(text(payload, "session_id")),
            "resync" => Told::Trouble(format!("resync: {}", text(payload, "reason"))),
            "error" => Told::Trouble(format!("error {}: {}", payload["code"], payload["message"])),
            _ => return Vec::new(),
        };
        vec![told]
    }

    fn say(&mut self, _conversation: &str, client_id: &str) -> String {
        let payload = json!({"body": client_id, "client_id": client_id});
        json!({"type": "chat.message", "payload": payload}).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visitor_comes_back_as_who_it_was() {
        let mut visitor = Visitor::new("ana", "d");
        assert!(visitor.path().contains("name=ana"));
        let told = visitor.take(
            r#"{"type":"connected","payload":{"session_id":"c","user_id":"v","token":"t","cursor":"La-3"}}"#,
        );
        assert_eq!(told[1], Told::Ready);
        assert_eq!(
            (visitor.path().as_str(), visitor.token()),
            ("/ws/public?after=La-3", Some("t"))
        );
        visitor.take(
            r#"{"type":"chat.message","cursor":"La-5","payload":{"session_id":"c","seq":1}}"#,
        );
        assert_eq!(visitor.path(), "/ws/public?after=La-5");
        // A later greeting tells the log's end, which has not been reached by what follows it.
        visitor.take(r#"{"type":"connected","payload":{"cursor":"La-9"}}"#);
        assert_eq!(visitor.path(), "/ws/public?after=La-5");
    }
}
