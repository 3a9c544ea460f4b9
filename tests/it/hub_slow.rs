//! Consoles that read slowly, not at all, or are gone, beside others that keep up: they alone are
//! closed, they miss nothing when they come back, and nobody waits for them (contract 3).

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use switchboard::model::Role;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::client::connect;
use crate::clock::{real_pause, within};
use crate::console::{Console, must_post};
use crate::packet::position;
use crate::server::{Server, token};

/// Below the deadline of a write that makes no progress, which would slow the others down to it.
const NOT_SLOWED: Duration = Duration::from_secs(10);

/// Calls of one post. Each is large, so that what the kernel holds for a reader is full soon.
const CALLS_AT_ONCE: u64 = 16;
const CALL_BYTES: usize = 30_000;

/// Posts without a console being closed after which this is no test of slow ones.
const ROUNDS_MAX: u64 = 400;

/// A reader whose kernel takes in little for it.
async fn open_slow(server: &Server, user: &str, query: &str) -> WebSocketStream<TcpStream> {
    let path = format!("/ws?{query}&token={}", token(Role::Admin, user));
    connect(server.addr, &path, &[], Some(4_096)).await.unwrap().0
}

/// What came to a reader of calls, in order.
#[derive(Default)]
struct Heard {
    calls: u64,
    figures: u64,
    cursor: String,
}

impl Heard {
    fn take(&mut self, text: &str) {
        let frame: Value = serde_json::from_str(text).unwrap();
        match frame["type"].as_str().unwrap() {
            "call.incoming" => {
                let number = self.calls.to_string();
                assert_eq!(frame["payload"]["unique_id"], number, "a hole or a repeat");
                self.calls += 1;
            }
            "queue.stats" => self.figures += 1,
            "connected" => {
                frame["payload"]["cursor"].as_str().unwrap().clone_into(&mut self.cursor)
            }
            other => panic!("{other}"),
        }
        if let Some(cursor) = frame["cursor"].as_str() {
            assert!(position(cursor) > position(&self.cursor));
            cursor.clone_into(&mut self.cursor);
        }
    }

    /// Reads until it has so many calls, or is closed; the code then.
    async fn read(&mut self, line: &mut WebSocketStream<TcpStream>, calls: u64) -> Option<u16> {
        while self.calls < calls {
            match within("what it was sent", line.next()).await {
                Some(Ok(Message::Text(text))) => self.take(&text),
                Some(Ok(Message::Close(frame))) => {
                    let _ = line.flush().await;
                    return frame.map(|frame| u16::from(frame.code));
                }
                Some(Ok(_)) => {}
                end => panic!("no close frame: {end:?}"),
            }
        }
        None
    }
}

/// A producer of large calls with the figures of a queue among them, and a reader that keeps up.
struct Scene {
    server: Server,
    bearer: String,
    quick: Console,
    /// Calls posted so far.
    posted: u64,
}

impl Scene {
    async fn set(options: &[(&str, &str)]) -> Scene {
        let server = Server::start(options).await;
        let quick = Console::open_as(&server, Role::Admin, "quick", "events=call.*,queue.*").await;
        Scene { server, bearer: token(Role::Admin, "exchange"), quick, posted: 0 }
    }

    /// Posts some calls, and waits until the quick reader has all of them.
    async fn post(&mut self) {
        let started = Instant::now();
        let name = "x".repeat(CALL_BYTES);
        let call = |number: u64| {
            let payload = json!({
                "unique_id": number.to_string(), "caller_id": "1", "caller_name": name,
                "destination": "1500",
            });
            json!({ "type": "call.incoming", "payload": payload })
        };
        let figures = json!({
            "queue_name": format!("after {}", self.posted), "calls_waiting": 1,
            "available_agents": 1, "logged_in_agents": 1,
        });
        let end = self.posted + CALLS_AT_ONCE;
        let mut events: Vec<Value> = (self.posted..end).map(call).collect();
        events.push(json!({ "type": "queue.stats", "payload": figures }));
        must_post(&self.server, &self.bearer, &json!({ "events": events })).await;
        let mut has_figures = false;
        while self.posted < end || !has_figures {
            let frame = self.quick.frame().await;
            match frame["type"].as_str() {
                Some("queue.stats") => has_figures = true,
                _ => {
                    assert_eq!(frame["payload"]["unique_id"], self.posted.to_string());
                    self.posted += 1;
                }
            }
        }
        assert!(started.elapsed() < NOT_SLOWED, "{:?} up to {end}", started.elapsed());
    }

    /// Posts until only so many connections are left.
    async fn post_until(&mut self, connections: usize) {
        let mut rounds = 0;
        while self.server.running.app.open_connections() > connections {
            rounds += 1;
            assert!(rounds < ROUNDS_MAX, "{} calls later nobody is slow", self.posted);
            self.post().await;
        }
    }

    async fn connections_are(&self, count: usize) {
        within("connections", async {
            while self.server.running.app.open_connections() != count {
                real_pause(Duration::from_millis(1)).await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_console_that_does_not_read_is_closed_alone_and_misses_nothing_when_it_returns() {
    // The outbox has its usual 256 places.
    let mut scene = Scene::set(&[]).await;
    let mut slow = open_slow(&scene.server, "slow", "events=call.*,queue.*").await;
    scene.connections_are(2).await;
    scene.post_until(1).await;
    let mut heard = Heard::default();
    let code = heard.read(&mut slow, u64::MAX).await;
    assert_eq!(code, Some(4008));
    assert!(heard.calls < scene.posted, "it was closed although it had everything");
    assert!(heard.figures < scene.posted / CALLS_AT_ONCE, "figures are not kept for who is slow");

    // Its cursor brings it what it missed, at its own pace, while more is posted.
    let query = format!("events=call.*&after={}", heard.cursor);
    let mut slow = open_slow(&scene.server, "slow", &query).await;
    for _ in 0..4 {
        scene.post().await;
    }
    assert_eq!(heard.read(&mut slow, scene.posted).await, None);
    scene.post().await;
    assert_eq!(heard.read(&mut slow, scene.posted).await, None);
}

#[tokio::test]
async fn consoles_that_vanish_and_stall_slow_nobody_down() {
    let mut scene = Scene::set(&[("limits.outbox_events", "64")]).await;
    let mut vanishing = open_slow(&scene.server, "vanishing", "events=call.*").await;
    let _stalled = open_slow(&scene.server, "stalled", "events=call.*").await;
    scene.connections_are(3).await;
    let mut heard = Heard::default();
    for _ in 0..4 {
        scene.post().await;
    }
    heard.read(&mut vanishing, CALLS_AT_ONCE).await;
    vanishing.get_ref().set_zero_linger().unwrap();
    drop(vanishing);
    // The one whose line broke is gone at once, the one that stalls when its outbox is full.
    scene.post_until(1).await;
    let query = format!("events=call.*&after={}", heard.cursor);
    let mut back = open_slow(&scene.server, "vanishing", &query).await;
    assert_eq!(heard.read(&mut back, scene.posted).await, None);
    scene.post().await;
    assert_eq!(heard.read(&mut back, scene.posted).await, None);
}

#[tokio::test]
async fn a_console_that_wants_alerts_alone_is_not_closed_by_a_flood_of_calls() {
    let options = [("limits.outbox_events", "64")];
    let mut scene = Scene::set(&options).await;
    let mut slow = open_slow(&scene.server, "slow", "events=call.*").await;
    // Neither of these reads, either; one has said so in its query, the other by subscribing.
    let mut alerts = open_slow(&scene.server, "alerts", "events=alert").await;
    let mut narrowed = open_slow(&scene.server, "narrowed", "").await;
    let subscribe = json!({ "type": "subscribe", "payload": { "events": ["alert"] } });
    narrowed.send(Message::text(subscribe.to_string())).await.unwrap();
    while next_of(&mut narrowed).await["type"] != "subscribed" {}
    scene.connections_are(4).await;
    scene.post_until(3).await;
    let alert = json!({ "title": "still there", "body": "x" });
    let alert = json!({ "type": "alert", "payload": alert });
    must_post(&scene.server, &scene.bearer, &alert).await;
    for line in [&mut alerts, &mut narrowed] {
        let mut frame = next_of(line).await;
        while frame["type"] == "connected" || frame["type"] == "agent.login" {
            frame = next_of(line).await;
        }
        assert_eq!(frame["payload"]["title"], "still there");
    }
    assert_eq!(Heard::default().read(&mut slow, u64::MAX).await, Some(4008));
}

async fn next_of(line: &mut WebSocketStream<TcpStream>) -> Value {
    loop {
        match within("a frame", line.next()).await {
            Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
            Some(Ok(Message::Ping(_))) => {}
            end => panic!("no frame: {end:?}"),
        }
    }
}
