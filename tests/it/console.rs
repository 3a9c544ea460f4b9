//! Clients of the hub dialect, consoles and visitors alike, and those who post what they hear.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Value, json};
use switchboard::model::Role;

use crate::client::{Answer, Client, Seen, request};
use crate::server::{Server, token};

/// Long enough for whatever is on its way in this process.
pub const MOMENT: Duration = Duration::from_millis(150);

/// Says that the body has an event a line.
pub const NDJSON: (&str, &str) = ("Content-Type", "application/x-ndjson");

/// A client that was let in.
pub struct Console {
    /// The client below it.
    pub client: Client,
    /// The last cursor it was told, with which it can come back.
    pub cursor: String,
    /// Frames that came while something else was waited for.
    waiting: VecDeque<Value>,
}

impl Console {
    /// Opens a socket that must be let in.
    pub async fn open(server: &Server, path: &str) -> Console {
        Console::of(server.open(path).await).await
    }

    /// A console of somebody of the default tenant; `query` is what stands before the token.
    pub async fn open_as(server: &Server, role: Role, user: &str, query: &str) -> Console {
        Console::open(server, &format!("/ws?{query}&token={}", token(role, user))).await
    }

    /// The client of a socket that was just opened.
    pub async fn of(mut client: Client) -> Console {
        let first = client.frame().await;
        assert_eq!(first["type"], "connected", "{first}");
        let cursor = first["payload"]["cursor"].as_str().expect("a cursor").to_owned();
        Console { client, cursor, waiting: VecDeque::new() }
    }

    /// The next frame.
    pub async fn frame(&mut self) -> Value {
        let frame = match self.waiting.pop_front() {
            Some(frame) => frame,
            None => self.client.frame().await,
        };
        self.note(&frame);
        frame
    }

    /// The next frame of a type; others are passed over.
    pub async fn frame_of(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.frame().await;
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// Everything that comes until nothing does for a moment of the real clock.
    pub async fn frames_for(&mut self, moment: Duration) -> Vec<Value> {
        let mut frames: Vec<Value> = self.waiting.drain(..).collect();
        while let Some(seen) = self.client.next_soon(moment).await {
            match seen {
                Seen::Frame(frame) => frames.push(frame),
                Seen::Ping => {}
                end => panic!("it ended: {end:?}"),
            }
        }
        frames.iter().for_each(|frame| self.note(frame));
        frames
    }

    /// Sends a frame.
    pub async fn send(&self, kind: &str, payload: Value) {
        self.client.send(&json!({ "type": kind, "payload": payload })).await;
    }

    /// Sends a frame and waits for the payload of its answer; what comes meanwhile is kept.
    pub async fn ask(&mut self, kind: &str, payload: Value, answer: &str) -> Value {
        self.send(kind, payload).await;
        loop {
            let mut frame = self.client.frame().await;
            if frame["type"] == answer {
                return frame["payload"].take();
            }
            self.waiting.push_back(frame);
        }
    }

    /// Subscribes to more events and, with a cursor, to their past.
    pub async fn subscribe(&mut self, events: &[&str], after: Option<&str>) -> Value {
        let payload = json!({ "events": events, "after": after });
        self.ask("subscribe", payload, "subscribed").await
    }

    /// Has no more of these events.
    pub async fn unsubscribe(&mut self, events: &[&str]) -> Value {
        self.ask("unsubscribe", json!({ "events": events }), "unsubscribed").await
    }

    fn note(&mut self, frame: &Value) {
        if let Some(cursor) = frame["cursor"].as_str() {
            cursor.clone_into(&mut self.cursor);
        }
    }
}

/// Posts to `/api/events` with a token or an API key.
pub async fn post(server: &Server, bearer: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let bearer = format!("Bearer {bearer}");
    let headers = [&[("Authorization", bearer.as_str())], headers].concat();
    request(server.addr, "POST", "/api/events", &headers, body).await
}

/// Posts what must be taken whole; returns the cursor behind it.
pub async fn must_post(server: &Server, bearer: &str, body: &Value) -> String {
    let answer = post(server, bearer, &[], &body.to_string()).await;
    assert_eq!(answer.status, 202, "{body}: {answer:?}");
    let data = &answer.body["data"];
    assert_eq!(data["rejected"], json!([]), "{body}");
    data["cursor"].as_str().expect("a cursor").to_owned()
}

/// Makes an API key; returns its id and the key.
pub async fn make_key(server: &Server, admin: &str, key: Value) -> (String, String) {
    let path = format!("/api/keys?token={admin}");
    let answer = server.request("POST", &path, &key.to_string()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let text = |field: &str| answer.body["data"][field].as_str().expect(field).to_owned();
    (text("id"), text("key"))
}

/// A call that is put on hold: the smallest event of the telephone.
pub fn hold(unique_id: impl std::fmt::Display) -> Value {
    json!({ "type": "call.hold", "payload": { "unique_id": unique_id.to_string() } })
}
