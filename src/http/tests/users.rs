//! What is sent to one user (003's `sendToUser`, acceptance 263).

use serde_json::json;

use super::*;

async fn notify(server: &Server, token: &str, body: &Value) -> Reply {
    server.ask(post("/api/users/agent_1/notify").bearer(token).json(body)).await
}

#[tokio::test]
async fn an_admin_and_a_key_that_writes_events_may_notify_a_user() {
    let server = Server::start().await;
    let body = json!({"event": "notification", "payload": {"title": "New ticket"}});
    let reply = notify(&server, &server.token(Role::Admin, "boss"), &body).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert!(reply.body["data"]["cursor"].as_str().unwrap().starts_with('L'));
    let key = server.key(json!(["events:write"])).await;
    let custom = json!({"event": "crm.updated", "payload": {"ticket": 17}});
    assert_eq!(notify(&server, &key, &custom).await.status, 200);
    for token in [server.token(Role::Agent, "sari"), server.begin(json!({})).await.1] {
        notify(&server, &token, &body).await.is_refused(403, "forbidden");
    }
}

#[tokio::test]
async fn what_could_be_taken_for_an_event_of_the_servers_own_is_refused() {
    let server = Server::start().await;
    let own = ["message_received", "cursor", "conversation_assigned", "chat.message", "message"];
    for event in own.into_iter().chain(["", "two words", "disconnect"]) {
        let reply =
            notify(&server, &server.token(Role::Admin, "boss"), &json!({"event": event})).await;
        reply.is_refused(422, "invalid");
        assert!(reply.body["fields"]["event"].is_string(), "{event}");
    }
    let body = json!({"payload": {"titel": "New ticket"}});
    let reply = notify(&server, &server.token(Role::Admin, "boss"), &body).await;
    reply.is_refused(422, "invalid");
    assert!(reply.body["fields"]["payload"].as_str().unwrap().contains("titel"));
}
