//! Routing while the log cannot keep anything, a full disk say: what was decided meanwhile is kept
//! as soon as it can be, once, and nothing is told that is not so any more.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client;
use crate::clock::{self, settle};
use crate::office::{Agent, Office};
use crate::server::Server;

const SECOND: Duration = Duration::from_secs(1);
const GRACE: Duration = Duration::from_secs(5);
/// Long enough for whatever is owed to be tried again several times.
const A_WHILE: Duration = Duration::from_secs(10);

/// An office whose disk can be filled.
struct Scene {
    office: Office,
    sales: String,
    dewi: Agent,
    db: Connection,
}

impl Scene {
    async fn set() -> Scene {
        let data = Arc::new(TempDir::new().unwrap());
        let office = Office::of(Server::on_disk(data.clone(), &[]).await);
        let db = Connection::open(data.path().join("switchboard.db")).unwrap();
        let sales = office.department("Sales", Value::Null).await;
        let dewi = office.agent("Dewi", &[&sales], json!({})).await;
        // Nobody is missed sooner after a start.
        clock::advance(Duration::from_secs(16)).await;
        office.beat(&dewi, json!({})).await;
        Scene { office, sales, dewi, db }
    }

    fn fill_the_disk(&self) {
        let sql = "CREATE TRIGGER full BEFORE INSERT ON events
                   BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END";
        self.db.execute_batch(sql).unwrap();
    }

    fn make_room(&self) {
        self.db.execute_batch("DROP TRIGGER full").unwrap();
    }

    /// Asks for what is answered only when it is kept, and does not wait for that.
    async fn ask(&self, act: &str) {
        let path = format!("/api/agent-status/{act}?token={}", self.dewi.token);
        let addr = self.office.server.addr;
        tokio::spawn(async move { client::request(addr, "POST", &path, &[], "").await });
        settle().await;
    }
}

#[tokio::test]
async fn a_status_that_is_kept_late_does_not_undo_the_next_one() {
    let _stopped = clock::stop();
    let scene = Scene::set().await;
    scene.fill_the_disk();
    scene.ask("offline").await;
    assert_eq!(scene.office.status(&scene.dewi).await, "offline");
    scene.make_room();
    // She is back before the log is tried again.
    scene.office.beat(&scene.dewi, json!({})).await;
    clock::advance(A_WHILE).await;
    assert_eq!(scene.office.status(&scene.dewi).await, "online");
    let announced = scene.office.announced(&scene.dewi).await;
    assert_eq!(announced.last().map(String::as_str), Some("online"), "{announced:?}");
}

#[tokio::test]
async fn an_alert_that_is_kept_late_is_not_told_when_it_is_over() {
    let _stopped = clock::stop();
    let scene = Scene::set().await;
    scene.office.go_offline(&scene.dewi).await;
    clock::advance(GRACE - SECOND).await;
    scene.fill_the_disk();
    clock::advance(SECOND + SECOND / 2).await;
    scene.make_room();
    scene.office.beat(&scene.dewi, json!({})).await;
    clock::advance(A_WHILE).await;
    let events = scene.office.log().await;
    let alerts = events.iter().map(switchboard::model::Event::name);
    let alerts: Vec<&str> = alerts.filter(|name| name.starts_with("agent.department.")).collect();
    assert_eq!(alerts.last(), Some(&"agent.department.covered"), "{alerts:?}");
}

#[tokio::test]
async fn what_was_decided_while_nothing_could_be_kept_is_done_once() {
    let _stopped = clock::stop();
    let scene = Scene::set().await;
    let Scene { office, sales, dewi, .. } = &scene;
    office.go_offline(dewi).await;
    clock::advance(GRACE + SECOND).await;
    let chats = [office.customer_of(sales).await, office.customer_of(sales).await];
    scene.fill_the_disk();
    scene.ask("heartbeat").await;
    clock::advance(A_WHILE).await;
    for chat in &chats {
        office.waits(chat).await;
    }
    scene.make_room();
    clock::advance(A_WHILE).await;
    for chat in &chats {
        office.is_with(chat, dewi).await;
        let told = office.told(chat, &["conversation.assigned", "routing.decided"]).await;
        assert_eq!(told, ["routing.decided", "conversation.assigned"]);
    }
}
