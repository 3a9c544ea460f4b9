//! A reader whose line breaks again and again: by its cursor it misses nothing and hears nothing
//! twice (contract 3).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt;
use serde_json::Value;
use switchboard::model::Role;
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

use crate::client::{Client, connect};
use crate::clock::within;
use crate::dice::Dice;
use crate::server::{Server, claims, sign, token};

const RECONNECTS: usize = 100;

#[tokio::test]
async fn a_reader_that_reconnects_a_hundred_times_misses_and_doubles_nothing() {
    let data = Arc::new(TempDir::new().unwrap());
    let options = [("limits.messages_per_minute", "0"), ("limits.outbox_events", "16")];
    let server = Server::on_disk(data, &options).await;
    let session = Uuid::new_v4();
    let mut budi = claims(Role::Customer, "budi");
    budi.conversations = vec![session.to_string()];
    let path = format!("/ws/{session}/budi/customer?token={}", sign(&budi));
    let writer = server.open(&path).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn(write(writer, is_over.clone()));

    let token = token(Role::Admin, "sari");
    let mut reader = Reader { seen: 0, after: "0".to_owned(), cursors: 0, position: None };
    let mut dice = Dice::new(2);
    for _ in 0..RECONNECTS {
        let path = format!("/ws/{session}/sari/admin?token={token}&after={}", reader.after);
        let (mut ws, _) = connect(server.addr, &path, &[], None).await.unwrap();
        // Sometimes before the first frame, sometimes within the replay, sometimes long after.
        let frames = dice.below(3) * dice.below(40);
        for _ in 0..frames {
            match within("a frame", ws.next()).await {
                Some(Ok(Message::Text(text))) => reader.take(&text),
                Some(Ok(_)) => {}
                end => panic!("the server ended it: {end:?}"),
            }
        }
        match dice.below(2) {
            0 => ws.get_ref().set_zero_linger().unwrap(),
            _ => drop(ws.close(None).await),
        }
    }

    is_over.store(true, Ordering::Relaxed);
    let written = within("the writer", writing).await.unwrap();
    assert!(written > 200, "too little was written meanwhile to prove anything: {written}");
    let path = format!("/ws/{session}/sari/admin?token={token}&after={}", reader.after);
    let mut last = server.open(&path).await;
    while reader.seen < written {
        reader.take(&last.frame().await.to_string());
    }
    assert!(reader.cursors > written, "marks and joins have cursors too");
}

/// Says one thing after another, each acknowledged before the next; returns how many.
async fn write(mut writer: Client, is_over: Arc<AtomicBool>) -> u64 {
    let mut written = 0;
    while !is_over.load(Ordering::Relaxed) {
        writer.say("hai", &written.to_string()).await;
        written += 1;
        assert_eq!(writer.frame_of("ack").await["seq"], written);
    }
    written
}

struct Reader {
    /// The number of the last message it has.
    seen: u64,
    after: String,
    /// How many durable frames came.
    cursors: u64,
    /// Where the last one stands in the log.
    position: Option<u64>,
}

impl Reader {
    fn take(&mut self, text: &str) {
        let frame: Value = serde_json::from_str(text).unwrap();
        assert_ne!(frame["type"], "resync", "{frame}");
        if frame["type"] == "message" {
            self.seen += 1;
            assert_eq!(frame["data"]["seq"], self.seen, "a hole or a repeat: {frame}");
        }
        let Some(cursor) = frame["data"]["cursor"].as_str() else { return };
        if frame["type"] == "connection_established" {
            // Where it starts, not something it is told.
            return;
        }
        // The tests know that a cursor ends in a position; clients do not.
        let position = cursor.rsplit('-').next().and_then(|p| p.parse().ok());
        assert!(position > self.position, "{frame} after {:?}", self.position);
        (self.position, self.after) = (position, cursor.to_owned());
        self.cursors += 1;
    }
}

/// More than a socket holds, so that whoever does not read has most of it still before it.
const MISSED_MESSAGES: u64 = 1_000;

/// Said once another agent has the conversation.
const NOT_FOR_DEWI: &str = "for Agus alone";

/// An agent, live or catching up, reads so slowly that meanwhile the conversation goes to another
/// one, and its customer says more. What the first one is told, and how that ends.
async fn read_over_a_hand_over(is_live: bool) -> (Vec<Value>, Option<u16>) {
    let options = [("limits.messages_per_minute", "0"), ("limits.outbox_events", "4096")];
    let server = Server::start(&options).await;
    let session = Uuid::new_v4();
    let mut budi = claims(Role::Customer, "budi");
    budi.conversations = vec![session.to_string()];
    let path = format!("/ws/{session}/budi/customer?token={}", sign(&budi));
    let mut budi = server.open(&path).await;
    let (dewi, agus) = (token(Role::Agent, "dewi"), token(Role::Agent, "agus"));
    let act = async |method: &str, path: String, body: &str| {
        let answer = server.request(method, &path, body).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    };
    act("GET", format!("/api/sessions?token={agus}"), "").await;
    act("POST", format!("/api/sessions/{session}/assign?token={dewi}"), "{}").await;
    let path = format!("/ws/{session}/dewi/agent?token={dewi}");
    let live = match is_live {
        true => Some(connect(server.addr, &path, &[], Some(4_096)).await.unwrap().0),
        false => None,
    };
    let text = "x".repeat(15_000);
    for n in 1..=MISSED_MESSAGES {
        budi.say(&text, &n.to_string()).await;
        assert_eq!(budi.frame_of("ack").await["seq"], n);
    }

    let mut slow = match live {
        Some(live) => live,
        None => {
            let path = format!("{path}&after=0");
            connect(server.addr, &path, &[], Some(4_096)).await.unwrap().0
        }
    };
    let mut heard = Vec::new();
    // It has begun to read, and stops for a while.
    while heard.len() < 10 {
        let Some(Ok(Message::Text(text))) = within("what it missed", slow.next()).await else {
            panic!("it ended");
        };
        heard.push(serde_json::from_str(&text).unwrap());
    }
    let to_agus = r#"{"agent_id": "agus"}"#;
    act("POST", format!("/api/sessions/{session}/transfer?token={dewi}"), to_agus).await;
    budi.say(NOT_FOR_DEWI, "secret").await;
    assert_eq!(budi.frame_of("ack").await["seq"], MISSED_MESSAGES + 1);
    loop {
        match within("the end", slow.next()).await {
            Some(Ok(Message::Text(text))) => heard.push(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Close(frame))) => return (heard, frame.map(|f| u16::from(f.code))),
            Some(Ok(_)) => {}
            end => panic!("no close frame: {end:?}"),
        }
    }
}

#[tokio::test]
async fn who_may_see_it_no_longer_once_it_has_caught_up_is_put_out() {
    let (heard, code) = read_over_a_hand_over(false).await;
    assert_eq!(code, Some(4003));
    let is_present = heard.iter().any(|frame| frame["type"] == "connection_status_update");
    assert!(!is_present, "it was let in before it was put out");
}

#[tokio::test]
async fn who_catches_up_over_a_hand_over_hears_nothing_said_after_it() {
    let (heard, _) = read_over_a_hand_over(false).await;
    let leaked = heard.iter().find(|frame| frame["data"]["content"] == NOT_FOR_DEWI);
    assert_eq!(leaked, None, "after {} frames", heard.len());
}

#[tokio::test]
async fn who_listens_slowly_over_a_hand_over_hears_nothing_said_after_it() {
    let (heard, code) = read_over_a_hand_over(true).await;
    assert_eq!(code, Some(4003));
    let leaked = heard.iter().find(|frame| frame["data"]["content"] == NOT_FOR_DEWI);
    assert_eq!(leaked, None, "after {} frames", heard.len());
}
