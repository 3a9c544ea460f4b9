//! Joins and leaves while the log cannot keep anything: a full disk, say. What could not be kept
//! is told once the log works again, and exactly once (document 002; contract 2).

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::client::{Client, Seen};
use crate::clock::{self, Stopped, real_pause, within};
use crate::server::Server;

const STATUS: &str = "connection_status_update";

/// Long enough for whatever is owed to be tried again several times.
const A_WHILE: Duration = Duration::from_secs(10);

/// A conversation with its customer, who watches, on a server whose log can be made to fail.
struct Scene {
    server: Server,
    db: Connection,
    session: Uuid,
    budi: Client,
    _stopped: Stopped,
}

impl Scene {
    async fn set() -> Scene {
        let stopped = clock::stop();
        let data = Arc::new(TempDir::new().unwrap());
        let options = [("auth.open_sessions", "true")];
        let server = Server::on_disk(data.clone(), &options).await;
        let db = Connection::open(data.path().join("switchboard.db")).unwrap();
        let session = Uuid::new_v4();
        let mut budi = server.open(&format!("/ws/{session}/budi/customer")).await;
        budi.frame_of("conversation_queued").await;
        Scene { server, db, session, budi, _stopped: stopped }
    }

    /// From now on no event is kept, as if the disk were full.
    fn fill_the_disk(&self) {
        let sql = "CREATE TRIGGER full BEFORE INSERT ON events
                   BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END";
        self.db.execute_batch(sql).unwrap();
    }

    fn make_room(&self) {
        self.db.execute_batch("DROP TRIGGER full").unwrap();
    }

    /// The agent's connection, which is let in whatever the log does.
    async fn dewi(&self) -> Client {
        let mut dewi = self.server.open(&format!("/ws/{}/dewi/agent", self.session)).await;
        dewi.frame_of("connection_established").await;
        dewi
    }

    /// Both are here and know it.
    async fn with_dewi(&mut self) -> Client {
        let mut dewi = self.dewi().await;
        assert_eq!(dewi.frame_of(STATUS).await["event_type"], "user_connected");
        assert_eq!(self.budi_hears().await, "user_connected");
        dewi
    }

    /// The line breaks, and the server notices.
    async fn cut(&self, dewi: Client) {
        dewi.cut().await;
        within("the leave", async {
            while self.users_connected().await != ["budi"] {
                real_pause(Duration::from_millis(1)).await;
            }
        })
        .await;
        clock::settle().await;
    }

    /// What happened to the agent, as the next frame tells the customer.
    async fn budi_hears(&mut self) -> Value {
        let mut told = self.budi.frame_of(STATUS).await;
        assert_eq!(told["event_user_id"], "dewi", "{told}");
        told["event_type"].take()
    }

    async fn budi_hears_nothing(&mut self) {
        clock::settle().await;
        let heard = self.budi.next_soon(Duration::from_millis(20)).await;
        assert!(matches!(heard, None | Some(Seen::Ping)), "{heard:?}");
    }

    /// How often the agent came and went, as the log has it.
    async fn joins_and_leaves(&self) -> (usize, usize) {
        let path = format!("/api/session/{}/events", self.session);
        let answer = self.server.request("GET", &path, "").await;
        let events = answer.body["data"].as_array().unwrap();
        let count = |kind: &str| {
            let is_it = |e: &&Value| e["type"] == kind && e["payload"]["user_id"] == "dewi";
            events.iter().filter(is_it).count()
        };
        (count("conversation.joined"), count("conversation.left"))
    }

    async fn users_connected(&self) -> Vec<String> {
        let path = format!("/api/session/{}/connection-status", self.session);
        let answer = self.server.request("GET", &path, "").await;
        answer.body["data"]["users"].as_object().unwrap().keys().cloned().collect()
    }

    /// Users with a connection anywhere, as presence counts them.
    async fn users_anywhere(&self) -> usize {
        let mut stream = TcpStream::connect(self.server.addr).await.unwrap();
        let ask = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(ask).await.unwrap();
        let mut text = String::new();
        within("the metrics", stream.read_to_string(&mut text)).await.unwrap();
        let line = text.lines().find_map(|l| l.strip_prefix("switchboard_users "));
        line.unwrap_or_else(|| panic!("no gauge of users: {text}")).parse().unwrap()
    }
}

#[tokio::test]
async fn a_leave_that_could_not_be_kept_is_told_once_when_it_can_be() {
    let mut scene = Scene::set().await;
    let dewi = scene.with_dewi().await;
    scene.fill_the_disk();
    scene.cut(dewi).await;
    clock::advance(A_WHILE).await;
    scene.budi_hears_nothing().await;
    assert_eq!(scene.joins_and_leaves().await, (1, 0));
    scene.make_room();
    clock::advance(A_WHILE).await;
    assert_eq!(scene.budi_hears().await, "user_disconnected");
    clock::advance(A_WHILE).await;
    scene.budi_hears_nothing().await;
    assert_eq!(scene.joins_and_leaves().await, (1, 1));
}

#[tokio::test]
async fn who_comes_back_before_its_leave_is_tried_again_has_never_left() {
    comes_back(true).await;
}

#[tokio::test]
async fn who_comes_back_while_nothing_can_be_kept_has_never_left() {
    comes_back(false).await;
}

async fn comes_back(has_room_again: bool) {
    let mut scene = Scene::set().await;
    let dewi = scene.with_dewi().await;
    scene.fill_the_disk();
    scene.cut(dewi).await;
    if has_room_again {
        scene.make_room();
    }
    let mut dewi = scene.dewi().await;
    let snapshot = dewi.frame_of(STATUS).await;
    assert_eq!(snapshot["event_type"], Value::Null, "{snapshot}");
    assert_eq!(snapshot["connection_status"]["total_agent"], 1, "{snapshot}");
    if !has_room_again {
        clock::advance(A_WHILE).await;
        scene.make_room();
    }
    clock::advance(A_WHILE).await;
    scene.budi_hears_nothing().await;
    assert_eq!(scene.joins_and_leaves().await, (1, 0));
    // Its next leave is the one that is told.
    scene.cut(dewi).await;
    assert_eq!(scene.budi_hears().await, "user_disconnected");
    clock::advance(A_WHILE).await;
    scene.budi_hears_nothing().await;
    assert_eq!(scene.joins_and_leaves().await, (1, 1));
}

#[tokio::test]
async fn whose_join_could_not_be_kept_is_nowhere() {
    let mut scene = Scene::set().await;
    assert_eq!(scene.users_anywhere().await, 1);
    scene.fill_the_disk();
    for _ in 0..3 {
        let mut dewi = scene.dewi().await;
        assert_eq!(dewi.end().await, Some(1011));
    }
    clock::settle().await;
    assert_eq!(scene.users_anywhere().await, 1);
    assert_eq!(scene.users_connected().await, ["budi"]);
    scene.make_room();
    clock::advance(A_WHILE).await;
    scene.budi_hears_nothing().await;
    assert_eq!(scene.joins_and_leaves().await, (0, 0));
    let _dewi = scene.with_dewi().await;
    assert_eq!(scene.users_anywhere().await, 2);
    assert_eq!(scene.joins_and_leaves().await, (1, 0));
}
