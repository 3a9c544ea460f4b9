//! A Socket.IO client for dialogues in Rust: in the namespace, with acknowledgements, and with the
//! two things a client keeps to be taken up again: `pid` and the last offset.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Client, Seen, Speech};
use crate::packet;
use crate::polling;
use crate::server::Server;

/// The path of a session over a WebSocket.
pub const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";

/// What a client is told.
pub enum Told {
    /// Something happened.
    Event(String, Value),
    /// All that came until now is certain: it is not told again.
    Offset,
    /// That this is the end, with the code of a close frame.
    End(Option<u16>),
}

/// A client that is in the namespace.
pub struct Socket {
    /// The client below it.
    pub client: Client,
    /// Under which number it can be taken up again.
    pub pid: String,
    /// The last offset it was told.
    pub offset: String,
    /// What it was told when it was let in.
    pub authenticated: Value,
    asked: u64,
    /// Events that came while something else was waited for.
    waiting: VecDeque<(String, Value)>,
}

impl Socket {
    /// Comes in over a WebSocket, with this `auth`.
    pub async fn open(server: &Server, auth: Value) -> Socket {
        Socket::try_open(server, &auth).await.unwrap_or_else(|why| panic!("{auth}: {why}"))
    }

    /// Comes in over a WebSocket, or has a CONNECT_ERROR.
    pub async fn try_open(server: &Server, auth: &Value) -> Result<Socket, Value> {
        let opened = Client::open_speaking(Speech::EngineIo, server.addr, WEBSOCKET, &[]).await;
        Socket::enter(opened.unwrap_or_else(|refusal| panic!("{refusal:?}")), auth).await
    }

    /// Comes in over long-polling.
    pub async fn open_polling(server: &Server, auth: Value) -> Socket {
        let opened = polling::open(server.addr, &[]).await;
        let client = opened.unwrap_or_else(|refusal| panic!("{refusal:?}"));
        Socket::enter(client, &auth).await.unwrap_or_else(|why| panic!("{auth}: {why}"))
    }

    /// Enters the namespace on a session that was just opened.
    pub async fn enter(mut client: Client, auth: &Value) -> Result<Socket, Value> {
        assert_eq!(client.frame().await[0], "0");
        client.send_text(&format!("40{auth}")).await;
        let mut answer = client.frame().await;
        if answer[0] != "40" {
            assert_eq!(answer[0], "44", "{answer}");
            return Err(answer[1].take());
        }
        let pid = answer[1]["pid"].as_str().expect("a pid").to_owned();
        let (waiting, offset, authenticated) = (VecDeque::new(), String::new(), Value::Null);
        let mut socket = Socket { client, pid, offset, authenticated, asked: 0, waiting };
        let (name, who) = socket.event().await;
        assert_eq!(name, "authenticated");
        socket.authenticated = who;
        let first = socket.client.frame().await;
        socket.offset = packet::cursor(&first).expect("the first offset").0.to_owned();
        assert_eq!(socket.authenticated["cursor"], socket.offset);
        Ok(socket)
    }

    /// What it brings to be taken up again, with whatever proves who it is.
    pub fn recovery(&self, token: &str) -> Value {
        json!({ "token": token, "pid": self.pid, "offset": self.offset })
    }

    /// Sends an event and does not ask for an acknowledgement.
    pub async fn emit(&self, event: Value) {
        self.client.send_text(&format!("42{event}")).await;
    }

    /// Sends an event and waits for its acknowledgement; what comes meanwhile is kept.
    pub async fn call(&mut self, event: Value) -> Value {
        let id = self.ask(event).await;
        self.answer(id).await
    }

    /// Sends an event, to be acknowledged under the number returned.
    pub async fn ask(&mut self, event: Value) -> u64 {
        let id = self.asked;
        self.asked += 1;
        self.client.send_text(&format!("42{id}{event}")).await;
        id
    }

    /// Waits for an acknowledgement; events that come before it are kept.
    pub async fn answer(&mut self, id: u64) -> Value {
        loop {
            let mut frame = self.client.frame().await;
            if frame[0] == format!("43{id}") {
                return frame[1][0].take();
            }
            // Nobody asked for the answers to the others.
            if !frame[0].as_str().is_some_and(|kind| kind.starts_with("43")) {
                let event = self.note(&frame);
                self.waiting.extend(event);
            }
        }
    }

    /// Joins a conversation, which must succeed.
    pub async fn join(&mut self, name: &str) {
        let answer = self.call(json!(["join_conversation", name])).await;
        assert_eq!(answer, json!({ "success": true, "conversationId": name }));
    }

    /// Says something, which must succeed; returns its number.
    pub async fn say(&mut self, name: &str, content: &str) -> u64 {
        let event = json!(["send_message", { "conversationId": name, "content": content }]);
        let answer = self.call(event).await;
        assert_eq!(answer["success"], true, "{answer}");
        answer["seq"].as_u64().expect("a number")
    }

    /// The next event with its argument; offsets are noted and passed over.
    pub async fn event(&mut self) -> (String, Value) {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return event;
            }
            let frame = self.client.frame().await;
            let event = self.note(&frame);
            self.waiting.extend(event);
        }
    }

    /// What comes next.
    pub async fn told(&mut self) -> Told {
        if let Some((name, data)) = self.waiting.pop_front() {
            return Told::Event(name, data);
        }
        loop {
            match self.client.next().await {
                Seen::Frame(frame) => {
                    return self
                        .note(&frame)
                        .map_or(Told::Offset, |(name, data)| Told::Event(name, data));
                }
                Seen::Ping => {}
                Seen::Closed(code) => return Told::End(Some(code)),
                Seen::Lost => return Told::End(None),
            }
        }
    }

    /// The argument of the next event of this name; others are passed over.
    pub async fn event_of(&mut self, name: &str) -> Value {
        loop {
            let (got, argument) = self.event().await;
            if got == name {
                return argument;
            }
        }
    }

    /// Everything that comes until nothing does for a moment of the real clock.
    pub async fn events_for(&mut self, moment: Duration) -> Vec<(String, Value)> {
        let mut events: Vec<_> = self.waiting.drain(..).collect();
        while let Some(seen) = self.client.next_soon(moment).await {
            match seen {
                Seen::Frame(frame) => events.extend(self.note(&frame)),
                Seen::Ping => {}
                end => panic!("it ended: {end:?}"),
            }
        }
        events
    }

    /// Takes an event in; an offset is kept instead, and has to be further than the one before.
    fn note(&mut self, frame: &Value) -> Option<(String, Value)> {
        if let Some((offset, position)) = packet::cursor(frame) {
            let before = packet::position(&self.offset);
            assert!(position > before, "offset {offset} after {}", self.offset);
            self.offset = offset.to_owned();
            return None;
        }
        let (name, arguments) = packet::event(frame).unwrap_or_else(|| panic!("no event: {frame}"));
        let [argument] = arguments else { panic!("not one argument: {frame}") };
        Some((name.to_owned(), argument.clone()))
    }
}
