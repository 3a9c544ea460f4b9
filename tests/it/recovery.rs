//! A Socket.IO client whose line breaks: it is taken up again where it was, in the rooms where it
//! was, and misses and doubles nothing (contract 3 and 6).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use switchboard::model::Role;
use tempfile::TempDir;

use crate::clock::{real_pause, within};
use crate::dice::Dice;
use crate::server::{Server, token};
use crate::socketio::{Socket, Told};

/// Long enough for whatever is on its way in this process.
const MOMENT: Duration = Duration::from_millis(50);

const UNLIMITED: &[(&str, &str)] =
    &[("limits.messages_per_minute", "0"), ("limits.connections_per_user", "0")];

async fn on_disk(options: &[(&str, &str)]) -> (Arc<TempDir>, Server) {
    let data = Arc::new(TempDir::new().unwrap());
    let server = Server::on_disk(data.clone(), &[UNLIMITED, options].concat()).await;
    (data, server)
}

/// A conversation that began, and its customer's session.
pub async fn begin(server: &Server, name: &str) -> Value {
    let body = json!({ "name": "Budi", "external_id": name }).to_string();
    let answer = server.request("POST", "/api/sessions", &body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body["data"].clone()
}

/// The customer of a conversation that began, connected.
pub async fn customer(server: &Server, started: &Value) -> Socket {
    Socket::open(server, json!({ "sessionId": started["session_key"] })).await
}

/// What a reader was told of each conversation: the numbers of its messages.
#[derive(Default)]
struct Heard {
    certain: BTreeMap<String, Vec<u64>>,
    /// What came since the last offset, and is told again if the line is cut now.
    tentative: Vec<(String, u64)>,
}

impl Heard {
    /// Takes in what came; false at the end of the line.
    fn note(&mut self, told: Told) -> bool {
        match told {
            Told::Event(name, data) if name == "message_received" => {
                let conversation = data["conversationId"].as_str().unwrap().to_owned();
                self.tentative.push((conversation, data["seq"].as_u64().unwrap()));
            }
            Told::Event(name, data) => assert_ne!(name, "resync", "{data}"),
            Told::Offset => {
                for (conversation, seq) in self.tentative.drain(..) {
                    let seqs = self.certain.entry(conversation).or_default();
                    let last = seqs.last().copied();
                    assert!(last.is_none_or(|last| last + 1 == seq), "{seq} after {last:?}");
                    seqs.push(seq);
                }
            }
            Told::End(code) => {
                // Too much happened at once, and it is taken up again like after any other cut.
                assert_eq!(code, Some(4008));
                return false;
            }
        }
        true
    }

    /// Comes back in the place of a socket that is, or is as good as, cut.
    async fn go_on(&mut self, server: &Server, cut: &Socket, token: &str) -> Socket {
        self.tentative.clear();
        let back = Socket::open(server, cut.recovery(token)).await;
        assert_eq!(back.pid, cut.pid, "it was not recovered");
        back
    }

    fn last_of(&self, conversation: &str) -> u64 {
        self.certain.get(conversation).and_then(|seqs| seqs.last().copied()).unwrap_or(0)
    }
}

#[tokio::test]
async fn what_was_missed_in_several_rooms_comes_back_in_the_order_of_the_log() {
    let (_data, server) = on_disk(&[]).await;
    let mut budis = Vec::new();
    for n in 0..3 {
        let started = begin(&server, &format!("conv-{n}")).await;
        budis.push(customer(&server, &started).await);
    }
    let sari = token(Role::Admin, "sari");
    let mut socket = Socket::open(&server, json!({ "token": sari })).await;
    for n in 0..3 {
        socket.join(&format!("conv-{n}")).await;
    }
    budis[0].say("conv-0", "before the cut").await;
    socket.event_of("message_received").await;
    socket.events_for(MOMENT).await;
    socket.client.cut().await;
    // A name of one's own counts in every conversation; this one says which came first.
    for n in 0..9 {
        budis[n % 3].say(&format!("conv-{}", n % 3), &n.to_string()).await;
    }

    let auth = socket.recovery(&sari);
    let mut back = Socket::open(&server, auth).await;
    assert_eq!(back.pid, socket.pid, "it was not recovered");
    let events = back.events_for(MOMENT).await;
    let told = events.iter().filter(|(name, _)| name == "message_received");
    let told: Vec<_> = told.map(|(_, data)| (&data["conversationId"], &data["content"])).collect();
    let expected: Vec<_> =
        (0..9).map(|n| (json!(format!("conv-{}", n % 3)), json!(n.to_string()))).collect();
    assert_eq!(told, expected.iter().map(|(id, text)| (id, text)).collect::<Vec<_>>());
    // It is in the rooms again, and hears what comes.
    for (n, budi) in budis.iter_mut().enumerate() {
        budi.say(&format!("conv-{n}"), "live").await;
        assert_eq!(back.event_of("message_received").await["content"], "live");
    }
}

#[tokio::test]
async fn everybody_whose_messages_were_missed_hears_that_they_were_delivered() {
    let (_data, server) = on_disk(&[]).await;
    let sari = token(Role::Admin, "sari");
    let mut socket = Socket::open(&server, json!({ "token": sari })).await;
    let mut budis = Vec::new();
    for n in 0..3 {
        let started = begin(&server, &format!("conv-{n}")).await;
        let mut budi = customer(&server, &started).await;
        budi.join(&format!("conv-{n}")).await;
        socket.join(&format!("conv-{n}")).await;
        budis.push(budi);
    }
    socket.events_for(MOMENT).await;
    socket.client.cut().await;
    for (n, budi) in budis.iter_mut().enumerate() {
        budi.say(&format!("conv-{n}"), "hai").await;
    }
    let _back = Socket::open(&server, socket.recovery(&sari)).await;
    for budi in &mut budis {
        let status = budi.event_of("message_status").await;
        assert_eq!((&status["userId"], &status["seq"]), (&json!("sari"), &json!(1)));
    }
}

const ROOMS: u64 = 8;

/// The rooms of the test, each written to until it is over; the numbers of their last messages.
async fn write_to_rooms(
    server: &Server,
    is_over: &Arc<AtomicBool>,
) -> Vec<tokio::task::JoinHandle<u64>> {
    let mut writing = Vec::new();
    for n in 0..ROOMS {
        let name = format!("conv-{n}");
        let started = begin(server, &name).await;
        let (mut budi, is_over) = (customer(server, &started).await, is_over.clone());
        writing.push(tokio::spawn(async move {
            let mut written = 0;
            while written < 3 || !is_over.load(Ordering::Relaxed) {
                written = budi.say(&name, "hai").await;
            }
            written
        }));
    }
    writing
}

/// The reader is cut again and again, at any point, while all rooms are written to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_however_often_the_line_breaks() {
    let (_data, server) = on_disk(&[("limits.outbox_events", "64")]).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let writing = write_to_rooms(&server, &is_over).await;
    let sari = token(Role::Admin, "sari");
    let mut socket = Socket::open(&server, json!({ "token": sari })).await;
    for n in 0..ROOMS {
        socket.emit(json!(["join_conversation", format!("conv-{n}")])).await;
    }
    for _ in 0..ROOMS {
        socket.event_of("joined_conversation").await;
    }
    let (mut heard, mut dice, mut half_open) = (Heard::default(), Dice::new(7), Vec::new());
    for _ in 0..40 {
        let count = dice.below(4) * dice.below(60);
        for _ in 0..count {
            if !heard.note(socket.told().await) {
                break;
            }
        }
        let back = heard.go_on(&server, &socket, &sari).await;
        // Sometimes the server has not noticed yet.
        match dice.below(2) {
            0 => socket.client.cut().await,
            _ => half_open.push(socket),
        }
        socket = back;
    }
    is_over.store(true, Ordering::Relaxed);
    for (n, writing) in writing.into_iter().enumerate() {
        let written = within("a writer", writing).await.unwrap();
        assert!(written > 20, "too little was written meanwhile: {written}");
        while heard.last_of(&format!("conv-{n}")) < written {
            if !heard.note(socket.told().await) {
                socket = heard.go_on(&server, &socket, &sari).await;
            }
        }
    }
}

/// A client that was away for long has its cursor, and no connection to go on with: it joins all
/// its conversations at once, while they are written to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joining_with_a_cursor_tells_all_of_it_whatever_else_is_joined() {
    let (_data, server) = on_disk(&[]).await;
    let sari = token(Role::Admin, "sari");
    let beginning = Socket::open(&server, json!({ "token": sari })).await.offset;
    let is_over = Arc::new(AtomicBool::new(false));
    let writing = write_to_rooms(&server, &is_over).await;
    real_pause(Duration::from_millis(300)).await;
    let mut readers = Vec::new();
    for _ in 0..8 {
        let auth = json!({ "token": sari, "after": beginning });
        let reader = Socket::open(&server, auth).await;
        for n in 0..ROOMS {
            reader.emit(json!(["join_conversation", format!("conv-{n}")])).await;
        }
        readers.push(reader);
    }
    is_over.store(true, Ordering::Relaxed);
    let mut written = Vec::new();
    for writing in writing {
        written.push(within("a writer", writing).await.unwrap());
    }
    for mut reader in readers {
        let mut heard = vec![0; written.len()];
        while heard != written {
            let data = reader.event_of("message_received").await;
            let name = data["conversationId"].as_str().unwrap();
            let n: usize = name.trim_start_matches("conv-").parse().unwrap();
            heard[n] += 1;
            assert_eq!(data["seq"], heard[n], "of {name}");
        }
    }
}
