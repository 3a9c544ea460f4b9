//! API keys that are for some events alone: whatever way such a key goes, it hears and posts these
//! and nothing else (contract 4).

use serde_json::{Value, json};
use switchboard::model::Role;

use crate::client::request;
use crate::console::{Console, MOMENT, hold, make_key, must_post, post};
use crate::server::{Server, token};
use crate::socketio::Socket;

struct Scene {
    server: Server,
    boss: String,
    chat: Value,
}

impl Scene {
    async fn set() -> Scene {
        let server = Server::start(&[]).await;
        let body = json!({ "name": "Budi", "external_id": "chat-1" }).to_string();
        let chat = server.request("POST", "/api/sessions", &body).await.body["data"].clone();
        Scene { server, boss: token(Role::Admin, "boss"), chat }
    }

    async fn key(&self, scopes: Value, events: Value) -> (String, String) {
        let key = json!({ "name": "exchange", "scopes": scopes, "events": events });
        make_key(&self.server, &self.boss, key).await
    }

    async fn say(&self, text: &str) {
        let event = json!({
            "session_id": self.chat["session_id"], "sender_id": "crm", "sender_type": "agent",
            "body": text,
        });
        let event = json!({ "type": "chat.message", "payload": event });
        must_post(&self.server, &self.boss, &event).await;
    }
}

#[tokio::test]
async fn a_key_for_calls_takes_part_in_no_conversation() {
    let scene = Scene::set().await;
    let (_, narrow) = scene.key(json!(["events:read"]), json!(["call.*"])).await;
    let (_, wide) = scene.key(json!(["events:read"]), json!(["chat.*", "conversation.*"])).await;
    let mut narrow_socket = Socket::open(&scene.server, json!({ "token": narrow })).await;
    let mut wide_socket = Socket::open(&scene.server, json!({ "token": wide })).await;
    let refused = narrow_socket.call(json!(["join_conversation", "chat-1"])).await;
    assert_eq!((&refused["success"], &refused["code"]), (&json!(false), &json!("forbidden")));
    wide_socket.join("chat-1").await;
    scene.say("between the two").await;
    assert_eq!(wide_socket.event_of("message_received").await["content"], "between the two");
    let heard = narrow_socket.events_for(MOMENT).await;
    assert!(heard.iter().all(|(name, _)| name == "error"), "{heard:?}");
    // Nor does it read what was said.
    let path =
        format!("/api/messages?conversationId={}", scene.chat["session_id"].as_str().unwrap());
    for (key, status) in [(&narrow, 403), (&wide, 200)] {
        let bearer = format!("Bearer {key}");
        let headers = [("Authorization", bearer.as_str())];
        let answer = request(scene.server.addr, "GET", &path, &headers, "").await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
}

/// A room tells a key no more than its patterns say, though it may be in it.
#[tokio::test]
async fn a_key_in_a_conversation_hears_its_patterns_of_it() {
    let scene = Scene::set().await;
    let (_, key) = scene.key(json!(["events:read"]), json!(["chat.message"])).await;
    let mut socket = Socket::open(&scene.server, json!({ "token": key })).await;
    socket.join("chat-1").await;
    let alert = json!({ "title": "for this chat", "body": "x" });
    let target = json!({ "conversation_id": "chat-1" });
    let alert = json!({ "type": "alert", "payload": alert, "target": target });
    must_post(&scene.server, &scene.boss, &alert).await;
    scene.say("Hello").await;
    let heard = socket.events_for(MOMENT).await;
    let names: Vec<&str> = heard.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.contains(&"message_received") && !names.contains(&"alert"), "{names:?}");
}

#[tokio::test]
async fn what_is_addressed_to_a_key_has_to_be_of_its_patterns_too() {
    let scene = Scene::set().await;
    let (id, key) = scene.key(json!(["events:read"]), json!(["call.*"])).await;
    let path = format!("/ws?events=alert&token={key}");
    let mut console = Console::open(&scene.server, &path).await;
    let target = json!({ "user_id": format!("key:{id}") });
    let alert = json!({ "title": "not of its patterns", "body": "x" });
    let mut call = hold("its own");
    call["target"] = target.clone();
    let alert = json!({ "type": "alert", "payload": alert, "target": target });
    let told = json!({ "user_id": format!("key:{id}"), "title": "nor this" });
    let told = json!({ "type": "notification", "payload": told });
    let events = json!({ "events": [alert, told, call, hold("not asked for")] });
    must_post(&scene.server, &scene.boss, &events).await;
    let heard = console.frames_for(MOMENT).await;
    let kinds: Vec<_> = heard.iter().map(|frame| &frame["payload"]["unique_id"]).collect();
    assert_eq!(kinds, ["its own"]);
}

#[tokio::test]
async fn a_key_posts_its_patterns_by_whatever_door() {
    let scene = Scene::set().await;
    let (_, key) = scene.key(json!(["events:write"]), json!(["call.*"])).await;
    let mut boss = Console::open_as(&scene.server, Role::Admin, "boss", "events=*").await;
    let told = json!({ "user_id": "boss", "title": "x" });
    let told = json!({ "events": [{ "type": "notification", "payload": told }, hold("1")] });
    let answer = post(&scene.server, &key, &[], &told.to_string()).await;
    assert_eq!(answer.body["data"]["rejected"][0]["code"], "forbidden", "{answer:?}");
    let bearer = format!("Bearer {key}");
    let headers = [("Authorization", bearer.as_str())];
    let body = r#"{"event": "notification", "payload": {"title": "x"}}"#;
    let path = "/api/users/boss/notify";
    let answer = request(scene.server.addr, "POST", path, &headers, body).await;
    assert_eq!((answer.status, &answer.body["code"]), (403, &json!("forbidden")), "{answer:?}");
    assert_eq!(boss.frame_of("call.hold").await["payload"]["unique_id"], "1");
    let heard = boss.frames_for(MOMENT).await;
    assert!(heard.iter().all(|frame| frame["type"] != "notification"), "{heard:?}");
    // A key that may not read hears nothing, and one that may not write posts nothing.
    let refused = scene.server.try_open(&format!("/ws?token={key}")).await.err().unwrap();
    assert_eq!(refused.status, 403);
    let (_, reader) = scene.key(json!(["events:read"]), Value::Null).await;
    assert_eq!(post(&scene.server, &reader, &[], &hold("2").to_string()).await.status, 403);
}
