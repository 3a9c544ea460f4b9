//! Socket.IO clients that stay connected and stop reading, over a WebSocket and over long-polling.
//! Each is closed alone, nobody waits for it, and it is taken up again without a loss; what passes
//! by may be missing for it, and for nobody else (contract 3).

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use switchboard::model::Role;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{connect, request};
use crate::clock::within;
use crate::packet::{self, SEPARATOR};
use crate::recovery::{begin, customer};
use crate::server::{Server, token};
use crate::socketio::{Socket, WEBSOCKET};

/// Below the deadline of a write that makes no progress, which would slow the others down to it.
const NOT_SLOWED: Duration = Duration::from_secs(10);

const OPTIONS: &[(&str, &str)] = &[
    ("limits.outbox_events", "8"),
    ("limits.messages_per_minute", "0"),
    ("limits.typing_per_minute", "0"),
];

/// A conversation with its customer, and a reader that keeps up.
struct Scene {
    server: Server,
    budi: Socket,
    quick: Socket,
}

impl Scene {
    async fn set() -> Scene {
        let server = Server::start(OPTIONS).await;
        let started = begin(&server, "conv-1").await;
        let budi = customer(&server, &started).await;
        let auth = json!({ "token": token(Role::Admin, "quick") });
        let mut quick = Socket::open(&server, auth).await;
        quick.join("conv-1").await;
        Scene { server, budi, quick }
    }

    /// Talks until the slow one is gone, and the quick one has heard why; returns how many
    /// messages that took. Each has gone out to the quick reader before the next is sent.
    async fn talk_until_the_slow_one_is_gone(&mut self) -> u64 {
        let text = "x".repeat(15_000);
        loop {
            let started = Instant::now();
            self.budi.call(json!(["typing_start", "conv-1"])).await;
            let said = self.budi.say("conv-1", &text).await;
            assert!(said < 3_000, "45 MB later the slow reader is still not slow");
            let (mut typed, mut left) = (0, None);
            loop {
                let (name, data) = self.quick.event().await;
                match name.as_str() {
                    "message_received" => break assert_eq!(data["seq"], said),
                    "typing_indicator" => typed += 1,
                    "connection_status_update" if data["event_type"] == "user_disconnected" => {
                        left = Some(data);
                    }
                    _ => {}
                }
            }
            assert_eq!(typed, 2, "nothing is missing for who keeps up");
            assert!(started.elapsed() < NOT_SLOWED, "message {said}: {:?}", started.elapsed());
            if let Some(data) = left {
                assert_eq!(
                    (&data["event_user_id"], &data["disconnect_reason"]),
                    (&json!("slow"), &json!("slow_consumer"))
                );
                return said;
            }
        }
    }

    /// Takes the slow one up again, and checks that it has everything then.
    async fn check_it_goes_on(&self, slow: &Slow, said: u64, token: &str) {
        assert!(slow.certain < said, "it was closed although it had everything");
        let auth = json!({ "token": token, "pid": slow.pid, "offset": slow.offset });
        let mut back = Socket::open(&self.server, auth).await;
        assert_eq!(back.pid, slow.pid, "it was not recovered");
        for seq in slow.certain + 1..=said {
            assert_eq!(back.event_of("message_received").await["seq"], seq);
        }
    }
}

/// What a slow reader has of what it was sent.
#[derive(Default)]
struct Slow {
    pid: String,
    offset: String,
    /// The last message before the last offset.
    certain: u64,
    seen: u64,
    has_joined: bool,
}

impl Slow {
    fn take(&mut self, packet: &Value) {
        if packet[0] == "40" {
            self.pid = packet[1]["pid"].as_str().unwrap().to_owned();
        }
        if let Some((offset, _)) = packet::cursor(packet) {
            (self.offset, self.certain) = (offset.to_owned(), self.seen);
        }
        let Some((name, arguments)) = packet::event(packet) else { return };
        self.has_joined |= name == "joined_conversation";
        if name == "message_received" {
            self.seen += 1;
            assert_eq!(arguments[0]["seq"], self.seen, "a hole or a repeat");
        }
    }
}

const JOIN: &str = r#"42["join_conversation","conv-1"]"#;

#[tokio::test]
async fn a_websocket_that_is_not_read_is_closed_alone_and_misses_nothing() {
    let mut scene = Scene::set().await;
    let token = token(Role::Admin, "slow");
    let (mut ws, _) = connect(scene.server.addr, WEBSOCKET, &[], Some(4_096)).await.unwrap();
    let auth = json!({ "token": token });
    for packet in [format!("40{auth}"), JOIN.to_owned()] {
        ws.send(Message::text(packet)).await.unwrap();
    }
    let mut slow = Slow::default();
    while !slow.has_joined {
        if let Some(Ok(Message::Text(text))) = within("a packet", ws.next()).await {
            slow.take(&packet::read(&text).unwrap());
        }
    }
    let said = scene.talk_until_the_slow_one_is_gone().await;
    // It reads again: what it was sent is in order, and then it is told why.
    let code = loop {
        match within("what it was sent", ws.next()).await {
            Some(Ok(Message::Text(text))) => slow.take(&packet::read(&text).unwrap()),
            Some(Ok(Message::Close(frame))) => break frame.map(|f| u16::from(f.code)),
            Some(Ok(_)) => {}
            end => panic!("no close frame: {end:?}"),
        }
    };
    assert_eq!(code, Some(4008));
    scene.check_it_goes_on(&slow, said, &token).await;
}

#[tokio::test]
async fn a_client_that_polls_no_more_is_closed_alone_and_misses_nothing() {
    let mut scene = Scene::set().await;
    let token = token(Role::Admin, "slow");
    let addr = scene.server.addr;
    let path = "/socket.io/?EIO=4&transport=polling";
    let opened = request(addr, "GET", path, &[], "").await;
    let sid = packet::read(&opened.text).unwrap()[1]["sid"].as_str().unwrap().to_owned();
    let path = format!("{path}&sid={sid}");
    let auth = json!({ "token": token });
    for packet in [format!("40{auth}"), JOIN.to_owned()] {
        assert_eq!(request(addr, "POST", &path, &[], &packet).await.text, "ok");
    }
    let mut slow = Slow::default();
    while !slow.has_joined {
        let polled = request(addr, "GET", &path, &[], "").await;
        polled.text.split(SEPARATOR).for_each(|text| slow.take(&packet::read(text).unwrap()));
    }
    let said = scene.talk_until_the_slow_one_is_gone().await;
    // It polls again: what waited for it, and then that this is the end.
    loop {
        let polled = request(addr, "GET", &path, &[], "").await;
        if polled.status != 200 {
            break;
        }
        polled.text.split(SEPARATOR).for_each(|text| slow.take(&packet::read(text).unwrap()));
    }
    scene.check_it_goes_on(&slow, said, &token).await;
}
