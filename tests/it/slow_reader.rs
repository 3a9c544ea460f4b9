//! A client that stays connected and stops reading. It alone is closed, with 4008, and nobody
//! waits for it; when it comes back it has missed nothing (contract 3).

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use switchboard::model::Role;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

use crate::client::connect;
use crate::clock::within;
use crate::server::{Server, claims, sign, token};

/// Below the deadline of a write that makes no progress, which would slow the others down to it.
const NOT_SLOWED: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_slow_reader_is_closed_alone_and_misses_nothing() {
    let options = [("limits.outbox_events", "8"), ("limits.messages_per_minute", "0")];
    let server = Server::start(&options).await;
    let session = Uuid::new_v4();
    let mut budi = claims(Role::Customer, "budi");
    budi.conversations = vec![session.to_string()];
    let path = format!("/ws/{session}/budi/customer?token={}", sign(&budi));
    let mut writer = server.open(&path).await;
    writer.frame_of("conversation_queued").await;
    let watch = |user: &str| {
        let token = token(Role::Admin, user);
        format!("/ws/{session}/{user}/admin?token={token}")
    };
    let mut quick = server.open(&watch("quick")).await;
    let slow_path = watch("slow");
    let (mut slow, _) = connect(server.addr, &slow_path, &[], Some(4_096)).await.unwrap();

    // Fill what the kernel holds for it, then its outbox. Each message has gone out to the quick
    // reader before the next one is sent.
    let text = "x".repeat(15_000);
    let mut sent = 0;
    let reason = loop {
        sent += 1;
        assert!(sent < 3_000, "45 MB later the slow reader is still not slow");
        let started = Instant::now();
        writer.say(&text, &sent.to_string()).await;
        assert_eq!(writer.frame_of("ack").await["seq"], sent);
        let left = loop {
            let frame = quick.frame().await;
            match frame["type"].as_str() {
                Some("message") if frame["data"]["seq"] == sent => break None,
                Some("message") => panic!("expected {sent}, got {}", frame["data"]["seq"]),
                Some("connection_status_update") if is_leave(&frame) => break Some(frame),
                _ => {}
            }
        };
        assert!(started.elapsed() < NOT_SLOWED, "message {sent} took {:?}", started.elapsed());
        if let Some(frame) = left {
            assert_eq!(quick.frame_of("message").await["seq"], sent);
            break frame["data"]["disconnect_reason"].clone();
        }
    };
    assert_eq!(reason, "slow_consumer");

    // It reads again: what it was sent is whole and in order, and then it is told why.
    let (mut seen, mut cursor) = (0, String::new());
    let code = loop {
        match within("what the slow reader was sent", slow.next()).await {
            Some(Ok(Message::Text(text))) => take(&text, &mut seen, &mut cursor),
            Some(Ok(Message::Close(frame))) => break frame.map(|f| u16::from(f.code)),
            Some(Ok(_)) => {}
            end => panic!("no close frame: {end:?}"),
        }
    };
    assert_eq!(code, Some(4008));
    let _ = slow.flush().await;
    assert!(seen < sent, "it was closed although it had everything");

    // It comes back with its cursor, and replay is paced by its reader, outbox or not.
    let path = format!("{slow_path}&after={cursor}");
    let (mut slow, _) = connect(server.addr, &path, &[], Some(4_096)).await.unwrap();
    while seen < sent {
        match within("what it missed", slow.next()).await {
            Some(Ok(Message::Text(text))) => take(&text, &mut seen, &mut cursor),
            Some(Ok(_)) => {}
            end => panic!("ended during replay: {end:?}"),
        }
    }
    writer.send(&json!({ "type": "ping" })).await;
    writer.frame_of("pong").await;
}

#[tokio::test]
async fn a_post_of_more_events_than_an_outbox_holds_cuts_nobody_who_reads() {
    // A post may have 1,000 events, and an outbox holds 256 (contract 7 and 10).
    let server = Server::start(&[]).await;
    let admin = token(Role::Admin, "ana");
    let mut consoles = Vec::new();
    for user in 0..70 {
        let token = token(Role::Admin, &format!("console-{user}"));
        consoles.push(server.open(&format!("/ws?events=call.hold&token={token}")).await);
    }
    let hold = |call| json!({"type": "call.hold", "payload": {"unique_id": format!("1.{call}")}});
    let posts: Vec<Value> = (0..1_000).map(hold).collect();
    let body = json!({ "events": posts }).to_string();
    let answer = server.request("POST", &format!("/api/events?token={admin}"), &body).await;
    assert_eq!(answer.status, 202);
    for console in &mut consoles {
        let mut heard = 0;
        while heard < 1_000 {
            let frame = console.frame().await;
            if frame["type"] == "call.hold" {
                assert_eq!(frame["payload"]["unique_id"], format!("1.{heard}"));
                heard += 1;
            }
        }
    }
}

fn is_leave(frame: &Value) -> bool {
    frame["data"]["event_type"] == "user_disconnected" && frame["data"]["event_user_id"] == "slow"
}

fn take(text: &str, seen: &mut u64, cursor: &mut String) {
    let frame: Value = serde_json::from_str(text).unwrap();
    if frame["type"] == "message" {
        *seen += 1;
        assert_eq!(frame["data"]["seq"], *seen, "a hole or a repeat");
    }
    if let Some(at) = frame["data"]["cursor"].as_str() {
        *cursor = at.to_owned();
    }
}
