//! What administration does to open sockets: whoever may not be here any more is put out at once.

use serde_json::{Value, json};
use switchboard::model::Role;

use crate::server::{Server, claims, sign, token};

async fn asked(server: &Server, method: &str, path: &str, body: Value) -> Value {
    let path = format!("{path}?token={}", token(Role::Admin, "sari"));
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = server.request(method, &path, &body).await;
    assert!(answer.status < 300, "{path}: {answer:?}");
    answer.body["data"].clone()
}

#[tokio::test]
async fn a_disabled_or_removed_agent_is_put_out_and_nobody_else() {
    let server = Server::start(&[]).await;
    for (method, body) in [("PATCH", json!({"is_disabled": true})), ("DELETE", Value::Null)] {
        let begun = asked(&server, "POST", "/api/sessions", json!({})).await;
        let session = begun["session_id"].as_str().unwrap();
        let agent = asked(&server, "POST", "/api/agents", json!({"name": "Dewi"})).await;
        let agent = agent["id"].as_str().unwrap();
        let own = sign(&claims(Role::Agent, agent));
        let other = token(Role::Admin, "agus");
        let path = format!("/ws/{session}/{agent}/agent?token={own}");
        let mut first = server.open(&path).await;
        let mut second = server.open(&path).await;
        let mut bystander = server.open(&format!("/ws/{session}/agus/agent?token={other}")).await;
        bystander.frame_of("connection_established").await;

        asked(&server, method, &format!("/api/agents/{agent}"), body).await;
        assert_eq!(first.end().await, Some(4003), "{method}");
        assert_eq!(second.end().await, Some(4003), "{method}");
        let refusal = server.try_open(&path).await.err().unwrap();
        assert_eq!(refusal.status, 403, "{refusal:?}");
        bystander.say("still here", "m1").await;
        bystander.frame_of("ack").await;
    }
}
