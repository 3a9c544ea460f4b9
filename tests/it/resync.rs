//! Coming back to Socket.IO after longer or with less: a restart, an old cursor, another user's
//! number, a conversation that went to somebody else. What cannot be told is said to be missing,
//! never left out in silence (contract 3 and 6).

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use switchboard::auth::Claims;
use switchboard::log::Retention;
use switchboard::model::{Moment, Role};
use tempfile::TempDir;

use crate::clock::{settle, within};
use crate::packet;
use crate::recovery::{begin, customer};
use crate::server::{Server, claims, sign, token};
use crate::socketio::{Socket, Told};

const RECOVERY_WINDOW_MS: i64 = 120_000;

/// A customer that talks, and an admin that took part until its line was cut.
struct Scene {
    data: Arc<TempDir>,
    server: Server,
    started: Value,
    budi: Socket,
    sari: String,
    cut: Socket,
}

impl Scene {
    async fn set() -> Scene {
        let data = Arc::new(TempDir::new().unwrap());
        let server = Server::on_disk(data.clone(), &[]).await;
        let started = begin(&server, "conv-1").await;
        let mut budi = customer(&server, &started).await;
        let sari = token(Role::Admin, "sari");
        let mut cut = Socket::open(&server, json!({ "token": sari })).await;
        cut.join("conv-1").await;
        budi.say("conv-1", "before").await;
        while !matches!(cut.told().await, Told::Event(name, _) if name == "message_status") {}
        while !matches!(cut.told().await, Told::Offset) {}
        cut.client.cut().await;
        let scene = Scene { data, server, started, budi, sari, cut };
        scene.wait_for_the_cut().await;
        scene
    }

    /// Until the server has noticed, and noted when it was.
    async fn wait_for_the_cut(&self) {
        let id = self.started["session_id"].as_str().unwrap();
        let path = format!("/api/session/{id}/connection-status?token={}", self.sari);
        let is_here = async || {
            let answer = self.server.request("GET", &path, "").await;
            answer.body["data"]["users"]["sari"].is_object()
        };
        within("the cut", async { while is_here().await {} }).await;
    }

    /// What a client is told that comes back with this.
    async fn come_back(&self, auth: Value) -> Back {
        let mut socket = Socket::open(&self.server, auth).await;
        let mut told = Vec::new();
        // Nothing else has a presence to tell of: it comes last.
        for (name, data) in socket.events_for(Duration::from_millis(100)).await {
            match name.as_str() {
                "message_received" => told.push(data["content"].as_str().unwrap().to_owned()),
                "resync" => told.push(format!("resync: {}", data["reason"].as_str().unwrap())),
                _ => {}
            }
        }
        let is_recovered = socket.pid == self.cut.pid;
        Back { socket, told, is_recovered }
    }

    /// Moves the time at which the server noticed the cut.
    fn age_by(&self, ms: i64) {
        let db = rusqlite::Connection::open(self.data.path().join("switchboard.db")).unwrap();
        let sql = "UPDATE recoveries SET ended_at = ended_at - ?1 WHERE ended_at IS NOT NULL";
        assert_eq!(db.execute(sql, [ms]).unwrap(), 1, "one connection was cut");
    }
}

struct Back {
    socket: Socket,
    told: Vec<String>,
    is_recovered: bool,
}

#[tokio::test]
async fn after_a_restart_it_goes_on_as_after_any_cut() {
    let mut scene = Scene::set().await;
    scene.budi.say("conv-1", "missed").await;
    let Scene { data, server, cut, sari, .. } = scene;
    within("the drain", server.running.drain()).await;
    let server = Server::on_disk(data, &[]).await;
    let mut back = Socket::open(&server, cut.recovery(&sari)).await;
    assert_eq!(back.pid, cut.pid);
    assert_eq!(back.event_of("message_received").await["content"], "missed");
    assert_eq!(back.event_of("connection_status_update").await["event_user_id"], "sari");
}

#[tokio::test]
async fn two_minutes_later_it_is_too_late_unless_the_client_says_from_where() {
    let mut scene = Scene::set().await;
    scene.budi.say("conv-1", "missed").await;
    scene.age_by(RECOVERY_WINDOW_MS - 20_000);
    let back = scene.come_back(scene.cut.recovery(&scene.sari)).await;
    assert_eq!((back.is_recovered, &back.told[..]), (true, &["missed".to_owned()][..]));
    back.socket.client.cut().await;
    scene.wait_for_the_cut().await;

    scene.age_by(RECOVERY_WINDOW_MS + 1_000);
    let back = scene.come_back(scene.cut.recovery(&scene.sari)).await;
    assert!(!back.is_recovered, "after more than two minutes");
    assert_eq!(back.told, ["resync: recovery_expired"]);
    let mut patient = scene.cut.recovery(&scene.sari);
    patient["after"] = json!(scene.cut.offset);
    let back = scene.come_back(patient).await;
    assert_eq!((back.is_recovered, &back.told[..]), (true, &["missed".to_owned()][..]));
}

#[tokio::test]
async fn what_is_past_its_retention_is_said_to_be_missing() {
    let mut scene = Scene::set().await;
    scene.budi.say("conv-1", "missed").await;
    let retention = Retention { all_before: Some(Moment(i64::MAX)), ..Retention::default() };
    scene.server.running.app.log.prune(retention).await.unwrap();
    let back = scene.come_back(scene.cut.recovery(&scene.sari)).await;
    assert!(!back.is_recovered);
    assert_eq!(back.told, ["resync: cursor_expired"]);
    // It is in nothing, and can begin anew.
    let mut socket = back.socket;
    socket.join("conv-1").await;
    scene.budi.say("conv-1", "anew").await;
    assert_eq!(socket.event_of("message_received").await["content"], "anew");
}

#[tokio::test]
async fn a_number_or_a_cursor_that_means_nothing_is_a_resync() {
    let scene = Scene::set().await;
    let elsewhere = "L0-1";
    for (pid, offset, reason) in [
        (json!("nonsense"), json!(scene.cut.offset), "unknown_recovery"),
        (
            json!(uuid::Uuid::new_v4().simple().to_string()),
            json!(scene.cut.offset),
            "unknown_recovery",
        ),
        (json!(scene.cut.pid), json!(elsewhere), "unknown_cursor"),
        (json!(scene.cut.pid), json!("nonsense"), "unknown_cursor"),
        (json!(scene.cut.pid), Value::Null, "unknown_cursor"),
        (Value::Null, json!("nonsense"), "unknown_cursor"),
        (Value::Null, json!("17"), "unknown_cursor"),
    ] {
        let auth = json!({ "token": scene.sari, "pid": pid, "offset": offset });
        let back = scene.come_back(auth.clone()).await;
        assert!(!back.is_recovered, "{auth}");
        assert_eq!(back.told, [format!("resync: {reason}")], "{auth}");
    }
    // It was not used up by all this.
    let back = scene.come_back(scene.cut.recovery(&scene.sari)).await;
    assert!(back.is_recovered);
}

#[tokio::test]
async fn another_users_number_takes_nothing_up_and_ends_nothing() {
    let scene = Scene::set().await;
    let mut open = scene.come_back(scene.cut.recovery(&scene.sari)).await;
    assert!(open.is_recovered);
    let acme = Claims { tenant: "acme".into(), ..claims(Role::Admin, "sari") };
    for other in [token(Role::Admin, "another"), sign(&acme)] {
        let back = scene.come_back(scene.cut.recovery(&other)).await;
        assert!(!back.is_recovered);
        assert!(back.told[0].starts_with("resync: unknown_"), "{:?}", back.told);
        assert_eq!(back.told.len(), 1, "{:?}", back.told);
    }
    settle().await;
    let answer = open.socket.call(json!(["history", { "conversationId": "conv-1" }])).await;
    assert_eq!(answer["success"], true, "the owner's socket lives");
}

#[tokio::test]
async fn a_room_that_went_to_somebody_else_does_not_come_back() {
    let scene = Scene::set().await;
    let dewi = token(Role::Agent, "dewi");
    let mut cut = Socket::open(&scene.server, json!({ "token": dewi })).await;
    let other = begin(&scene.server, "conv-2").await;
    cut.join("conv-1").await;
    cut.join("conv-2").await;
    cut.events_for(Duration::from_millis(50)).await;
    cut.client.cut().await;
    let agus = token(Role::Agent, "agus");
    scene.server.request("GET", &format!("/api/sessions?token={agus}"), "").await;
    let id = scene.started["session_id"].as_str().unwrap();
    let path = format!("/api/sessions/{id}/assign?token={agus}");
    assert_eq!(scene.server.request("POST", &path, "{}").await.status, 200);
    let mut budi = scene.budi;
    budi.say("conv-1", "for Agus").await;
    customer(&scene.server, &other).await.say("conv-2", "for anybody").await;

    let mut back = Socket::open(&scene.server, cut.recovery(&dewi)).await;
    assert_eq!(back.pid, cut.pid);
    budi.say("conv-1", "for Agus, later").await;
    let told = back.events_for(Duration::from_millis(100)).await;
    let of_messages = told.iter().filter(|(name, _)| name == "message_received");
    let contents: Vec<_> = of_messages.map(|(_, data)| data["content"].clone()).collect();
    assert_eq!(contents, ["for anybody"]);
}

#[tokio::test]
async fn a_cursor_without_a_number_tells_the_past_when_a_conversation_is_joined() {
    let mut scene = Scene::set().await;
    scene.budi.say("conv-1", "missed").await;
    let auth = json!({ "token": scene.sari, "after": scene.cut.offset });
    let mut back = scene.come_back(auth).await;
    assert_eq!((back.is_recovered, back.told.len()), (false, 0), "it is in nothing yet");
    back.socket.join("conv-1").await;
    assert_eq!(back.socket.event_of("message_received").await["content"], "missed");
    scene.budi.say("conv-1", "live").await;
    assert_eq!(back.socket.event_of("message_received").await["content"], "live");
}

#[tokio::test]
async fn who_is_cut_before_it_joins_is_told_the_past_all_the_same() {
    let mut scene = Scene::set().await;
    scene.budi.say("conv-1", "missed").await;
    let other = begin(&scene.server, "conv-2").await;
    customer(&scene.server, &other).await.say("conv-2", "the latest").await;
    let auth = json!({ "token": scene.sari, "after": scene.cut.offset });
    let mut socket = Socket::open(&scene.server, auth).await;
    socket.join("conv-2").await;
    assert_eq!(socket.event_of("message_received").await["content"], "the latest");
    while !matches!(socket.told().await, Told::Offset) {}
    socket.client.cut().await;
    // A client brings its `auth` again, and what it was told to keep.
    let mut auth = socket.recovery(&scene.sari);
    auth["after"] = json!(scene.cut.offset);
    let mut back = Socket::open(&scene.server, auth).await;
    assert_eq!(back.pid, socket.pid);
    back.join("conv-1").await;
    assert_eq!(back.event_of("message_received").await["content"], "missed");
}

#[tokio::test]
async fn a_past_that_has_arrived_is_not_told_again() {
    let mut scene = Scene::set().await;
    scene.budi.say("conv-1", "the past").await;
    let other = begin(&scene.server, "conv-2").await;
    customer(&scene.server, &other).await.say("conv-2", "the latest").await;
    let auth = json!({ "token": scene.sari, "after": scene.cut.offset });
    let mut socket = Socket::open(&scene.server, auth).await;
    for (name, content) in [("conv-2", "the latest"), ("conv-1", "the past")] {
        socket.join(name).await;
        assert_eq!(socket.event_of("message_received").await["content"], content);
    }
    // What is kept behind it has an offset that shows that it arrived.
    scene.budi.say("conv-1", "live").await;
    assert_eq!(socket.event_of("message_received").await["content"], "live");
    while !matches!(socket.told().await, Told::Offset) {}
    socket.client.cut().await;
    scene.budi.say("conv-1", "missed").await;
    let mut back = Socket::open(&scene.server, socket.recovery(&scene.sari)).await;
    assert_eq!(back.event_of("message_received").await["content"], "missed");
}

/// Twice as many as are read of the log at once, so that a cut falls within.
const PAST_MESSAGES: u64 = 600;

#[tokio::test]
async fn a_cut_while_the_past_is_told_loses_nothing_of_it() {
    let data = Arc::new(TempDir::new().unwrap());
    let server = Server::on_disk(data, &[("limits.messages_per_minute", "0")]).await;
    let started = begin(&server, "conv-1").await;
    let mut budi = customer(&server, &started).await;
    let beginning = budi.offset.clone();
    let mut asked = 0;
    for n in 0..PAST_MESSAGES {
        let said = json!({ "conversationId": "conv-1", "content": n.to_string() });
        asked = budi.ask(json!(["send_message", said])).await;
    }
    assert_eq!(budi.answer(asked).await["seq"], PAST_MESSAGES);
    let later = begin(&server, "conv-2").await;
    customer(&server, &later).await.say("conv-2", "the latest").await;
    let sari = token(Role::Admin, "sari");
    for cut_after in [1, 70, 300, 599] {
        let auth = json!({ "token": sari, "after": beginning });
        let mut socket = Socket::open(&server, auth).await;
        // With this it has an offset behind all that follows.
        socket.join("conv-2").await;
        assert_eq!(socket.event_of("message_received").await["content"], "the latest");
        while !matches!(socket.told().await, Told::Offset) {}
        socket.emit(json!(["join_conversation", "conv-1"])).await;
        let mut seen = vec![false; PAST_MESSAGES as usize];
        for _ in 0..cut_after {
            note_seen(&mut seen, &socket.event_of("message_received").await);
        }
        socket.client.cut().await;
        // And once more, while that is told again.
        let mut back = Socket::open(&server, socket.recovery(&sari)).await;
        for _ in 0..cut_after {
            note_seen(&mut seen, &back.event_of("message_received").await);
        }
        back.client.cut().await;
        let mut back = Socket::open(&server, back.recovery(&sari)).await;
        assert_eq!(back.pid, socket.pid);
        while !seen.iter().all(|seen| *seen) {
            note_seen(&mut seen, &back.event_of("message_received").await);
        }
        let (before, now) = (packet::position(&socket.offset), packet::position(&back.offset));
        assert!(now >= before, "{now} after {before}");
    }
}

fn note_seen(seen: &mut [bool], message: &Value) {
    assert_eq!(message["conversationId"], "conv-1");
    seen[message["seq"].as_u64().unwrap() as usize - 1] = true;
}

#[tokio::test]
async fn each_stay_is_bracketed_once_though_the_old_line_is_still_open() {
    let scene = Scene::set().await;
    let mut socket = scene.come_back(scene.cut.recovery(&scene.sari)).await.socket;
    let mut half_open = Vec::new();
    for _ in 0..5 {
        let back = scene.come_back(socket.recovery(&scene.sari)).await;
        assert!(back.is_recovered);
        half_open.push(std::mem::replace(&mut socket, back.socket));
    }
    for mut old in half_open {
        // The client knows it dead; nobody tells it to stay away.
        assert_eq!(old.client.end().await, Some(1000));
    }
    let id = scene.started["session_id"].as_str().unwrap();
    let path = format!("/api/session/{id}/events?limit=200&token={}", scene.sari);
    let answer = scene.server.request("GET", &path, "").await;
    let events = answer.body["data"].as_array().unwrap();
    let of_sari = events.iter().filter(|event| event["payload"]["user_id"] == "sari");
    let stays: Vec<_> = of_sari.map(|event| event["type"].as_str().unwrap()).collect();
    let is_in = stays.iter().filter(|kind| **kind != "chat.message.status");
    for (n, kind) in is_in.enumerate() {
        let expected = if n % 2 == 0 { "conversation.joined" } else { "conversation.left" };
        assert_eq!(*kind, expected, "{stays:?}");
    }
    assert_eq!(stays.last(), Some(&"conversation.joined"));
}
