//! A customer's conversation with the bot, over a socket and REST.

use serde_json::{Value, json};
use switchboard::model::Role;
use uuid::Uuid;

use crate::client::{Answer, Client, request};
use crate::clock;
use crate::provider::Provider;
use crate::server::{Server, claims, sign, token};

/// A conversation with its customer, who is connected.
pub struct Talk {
    /// Its id.
    pub id: String,
    /// The customer's token.
    pub token: String,
    /// The customer's socket.
    pub customer: Client,
}

impl Talk {
    /// A conversation that waits for an agent.
    pub async fn begin(server: &Server) -> Talk {
        let id = Uuid::new_v4().to_string();
        let mut claims = claims(Role::Customer, "budi");
        claims.conversations = vec![id.clone()];
        let token = sign(&claims);
        let path = format!("/ws/{id}/budi/customer?token={token}");
        let mut customer = server.open(&path).await;
        customer.frame_of("conversation_queued").await;
        Talk { id, token, customer }
    }

    /// Asks the bot, in the background.
    pub fn ask(&self, server: &Server, message: &str) -> tokio::task::JoinHandle<Answer> {
        self.ask_as(server, message, json!(null))
    }

    /// As [`Talk::ask`], under a name of the sender's own if it is not null.
    pub fn ask_as(
        &self,
        server: &Server,
        message: &str,
        client_id: Value,
    ) -> tokio::task::JoinHandle<Answer> {
        let mut body = json!({"conversationId": self.id, "message": message});
        if !client_id.is_null() {
            body["clientId"] = client_id;
        }
        let (addr, path) = (server.addr, format!("/api/coze/chat?token={}", self.token));
        tokio::spawn(async move { request(addr, "POST", &path, &[], &body.to_string()).await })
    }

    /// Who said what, oldest first.
    pub async fn said(&self, server: &Server) -> Vec<(String, String)> {
        let path = format!("/api/messages?conversationId={}&token={}", self.id, self.token);
        let history = server.request("GET", &path, "").await;
        let messages = history.body["messages"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        messages.iter().map(|m| (text(&m["sender"]["role"]), text(&m["content"]))).collect()
    }

    /// Where it stands, in the words of the list.
    pub async fn status(&self, server: &Server) -> Value {
        let path = format!("/api/sessions?token={}", token(Role::Admin, "boss"));
        let list = server.request("GET", &path, "").await;
        let sessions = list.body["data"]["sessions"].as_array().unwrap();
        sessions.iter().find(|s| s["session_id"] == *self.id).unwrap()["status"].clone()
    }
}

/// What a server needs to ask this provider.
pub fn options(provider: &Provider) -> Vec<(&str, &str)> {
    vec![
        ("bot.provider", "openai"),
        ("bot.model", "m"),
        ("bot.base_url", &provider.url),
        ("bot.instructions", ""),
    ]
}

/// The answer to a question that must be one.
pub async fn answered(asking: tokio::task::JoinHandle<Answer>) -> Value {
    let answer = clock::within("the answer", asking).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

/// In which roles it was said.
pub fn roles(said: &[(String, String)]) -> Vec<&str> {
    said.iter().map(|(role, _)| role.as_str()).collect()
}
