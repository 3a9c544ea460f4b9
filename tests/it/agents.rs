//! Whether an agent is there: every source that can keep it alive, in every order of their ends;
//! what it declared; and for how long at most somebody who is gone is taken for one who is here
//! (document 001; contract 8 and 11).

mod sources;

use std::time::Duration;

use serde_json::{Value, json};
use switchboard::model::Role;

use crate::clock::{self, settle};
use crate::office::{Agent, Chat, Office};

const TTL: Duration = Duration::from_secs(40);
const GRACE: Duration = Duration::from_secs(5);
const SECOND: Duration = Duration::from_secs(1);
/// What the stopped clock moves beyond what it is told, in a few moves.
const SLACK: Duration = Duration::from_millis(20);

const OPTIONS: &[(&str, &str)] = &[("agents.status_ttl", "40"), ("routing.grace", "5")];

/// An office with one agent; the clock stands still.
struct Scene {
    office: Office,
    dewi: Agent,
    chat: Chat,
}

impl Scene {
    /// Dewi is there by a heartbeat only, and has a conversation.
    async fn set(options: &[(&str, &str)]) -> Scene {
        let office = Office::open(options).await;
        let sales = office.department("Sales", Value::Null).await;
        let dewi = office.agent("Dewi", &[&sales], json!({})).await;
        office.beat(&dewi, json!({})).await;
        let chat = office.customer_of(&sales).await;
        office.is_with(&chat, &dewi).await;
        Scene { office, dewi, chat }
    }

    /// The sockets that are closed are gone for the server, too.
    async fn sockets_are(&self, count: usize) {
        self.office.connections_are(count).await;
    }

    async fn is(&self, status: &str, reason: &str) {
        let record = self.office.record(&self.dewi).await;
        assert_eq!((&record["status"], &record["reason"]), (&json!(status), &json!(reason)));
    }

    async fn is_here(&self, why: &str) {
        assert_eq!(self.office.status(&self.dewi).await, "online", "{why}");
        let holder = self.office.kept(&self.chat).await.agent.map(|agent| agent.to_string());
        assert_eq!(holder.as_ref(), Some(&self.dewi.id), "{why}");
    }

    /// Offline at once; told, and its conversation taken, when the grace is over and not before.
    async fn is_lost_and_then_told(&self, why: &str) {
        assert_eq!(self.office.status(&self.dewi).await, "offline", "{why}: not at once");
        assert_eq!(self.office.announced(&self.dewi).await, ["online"], "{why}: too early");
        clock::advance(GRACE - SECOND).await;
        self.office.is_with(&self.chat, &self.dewi).await;
        assert_eq!(self.office.announced(&self.dewi).await, ["online"], "{why}: within the grace");
        clock::advance(SECOND + SLACK).await;
        self.office.waits(&self.chat).await;
        assert_eq!(self.office.announced(&self.dewi).await, ["online", "offline"], "{why}");
        let handoffs = self.office.told(&self.chat, &["conversation.handoff"]).await;
        assert_eq!(handoffs.len(), 1, "{why}: back to the queue once");
    }
}

// 001: what was chosen stays until something else is.
#[tokio::test]
async fn no_way_of_coming_back_resets_away() {
    let _stopped = clock::stop();
    let scene = Scene::set(OPTIONS).await;
    let Scene { office, dewi, chat } = &scene;
    let tab = office.socket(dewi).await;
    office.beat(dewi, json!({"status": "away"})).await;
    scene.is("away", "declared").await;
    // Sockets come and go, and a heartbeat says nothing.
    tab.client.cut().await;
    scene.sockets_are(0).await;
    let tab = office.socket(dewi).await;
    let phone = office.server.open(&office.path(dewi, chat)).await;
    office.beat(dewi, Value::Null).await;
    scene.is("away", "declared").await;
    // Gone for so long that she is told to be offline and loses what she had.
    tab.client.cut().await;
    phone.cut().await;
    scene.sockets_are(0).await;
    clock::advance(TTL + GRACE + SECOND).await;
    scene.is("offline", "heartbeat_ended").await;
    office.waits(chat).await;
    let _tab = office.socket(dewi).await;
    settle().await;
    scene.is("away", "declared").await;
    assert_eq!(office.record(dewi).await["declared"], "away");
    office.waits(chat).await;
    office.beat(dewi, json!({"status": "online"})).await;
    scene.is_here("she says so").await;
    let announced = office.announced(dewi).await;
    assert_eq!(announced, ["online", "away", "offline", "away", "online"]);
}

#[tokio::test]
async fn offline_wins_over_open_sockets_until_a_heartbeat_or_a_login() {
    let _stopped = clock::stop();
    let scene = Scene::set(OPTIONS).await;
    let Scene { office, dewi, chat } = &scene;
    let account = json!({"email": "dewi@shop.example", "password": "correct horse battery"});
    office.admin("PATCH", &format!("/api/agents/{}", dewi.id), account.clone()).await;
    let tab = office.socket(dewi).await;
    let phone = office.server.open(&office.path(dewi, chat)).await;
    scene.sockets_are(2).await;
    office.go_offline(dewi).await;
    scene.is("offline", "declared").await;
    // It is told at once, because it was said; what she has is hers for the grace.
    assert_eq!(office.announced(dewi).await, ["online", "offline"]);
    clock::advance(GRACE - SECOND).await;
    office.is_with(chat, dewi).await;
    let third = office.socket(dewi).await;
    clock::advance(SECOND + SLACK).await;
    scene.is("offline", "declared").await;
    office.waits(chat).await;
    // Nor does it help to come anew.
    for client in [&tab.client, &phone, &third.client] {
        client.cut().await;
    }
    scene.sockets_are(0).await;
    let _fourth = office.socket(dewi).await;
    scene.sockets_are(1).await;
    scene.is("offline", "declared").await;

    office.beat(dewi, Value::Null).await;
    scene.is_here("a heartbeat is a return").await;
    office.go_offline(dewi).await;
    scene.is("offline", "declared").await;
    let answer = office.server.request("POST", "/api/auth/login", &account.to_string()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    scene.is_here("a login is a return").await;
    clock::advance(2 * GRACE).await;
    scene.is_here("and she stays").await;
}

#[tokio::test]
async fn a_tab_that_flaps_is_told_once() {
    let _stopped = clock::stop();
    let scene = Scene::set(&[("agents.status_ttl", "10"), ("routing.grace", "5")]).await;
    let first = scene.office.socket(&scene.dewi).await;
    clock::advance(11 * SECOND).await;
    let mut tab = first;
    for flap in 1..=5 {
        tab.client.cut().await;
        scene.sockets_are(0).await;
        scene.is("offline", "disconnected").await;
        clock::advance(GRACE - SECOND).await;
        tab = scene.office.socket(&scene.dewi).await;
        settle().await;
        scene.is_here(&format!("back for the {flap}. time")).await;
    }
    clock::advance(2 * GRACE).await;
    assert_eq!(scene.office.announced(&scene.dewi).await, ["online"]);
    let moves = ["conversation.queued", "conversation.assigned", "conversation.handoff"];
    let told = scene.office.told(&scene.chat, &moves).await;
    assert_eq!(told, ["conversation.queued", "conversation.assigned"]);
}

/// Dewi is kept alive by nothing but a line that she does not answer on any more: until `bound`
/// is over, and no longer.
async fn is_a_ghost_for(scene: &Scene, bound: Duration, why: &str) {
    clock::advance(bound - SECOND).await;
    assert_eq!(scene.office.status(&scene.dewi).await, "online", "{why}: too early");
    clock::advance(SECOND + SLACK).await;
    settle().await;
    scene.is_lost_and_then_told(why).await;
}

// The longest lives of a ghost: the heartbeat's time to live, the session dialect's ping timeout,
// and Socket.IO's ping interval with its ping timeout.
#[tokio::test]
async fn nobody_who_is_gone_is_taken_for_here_longer_than_the_bound() {
    let _stopped = clock::stop();
    let scene = Scene::set(&[]).await;
    is_a_ghost_for(&scene, Duration::from_secs(300), "a heartbeat alone").await;

    let short = &[("agents.status_ttl", "1"), ("routing.grace", "5")];
    let scene = Scene::set(short).await;
    let phone = scene.office.server.open(&scene.office.path(&scene.dewi, &scene.chat)).await;
    scene.sockets_are(1).await;
    phone.freeze().await;
    is_a_ghost_for(&scene, Duration::from_secs(60), "a session's line that broke").await;

    let scene = Scene::set(short).await;
    let tab = scene.office.socket(&scene.dewi).await;
    scene.sockets_are(1).await;
    tab.client.freeze().await;
    is_a_ghost_for(&scene, Duration::from_secs(45), "a line of Socket.IO that broke").await;
}

#[tokio::test]
async fn every_heartbeat_ends_by_itself_in_each_department() {
    let _stopped = clock::stop();
    let office = Office::open(OPTIONS).await;
    let sales = office.department("Sales", Value::Null).await;
    let support = office.department("Support", Value::Null).await;
    let dewi = office.agent("Dewi", &[&sales], json!({})).await;
    let agus = office.agent("Agus", &[&sales, &support], json!({})).await;
    let rina = office.agent("Rina", &[&support], json!({})).await;
    for agent in [&dewi, &agus, &rina] {
        office.beat(agent, json!({})).await;
        clock::advance(10 * SECOND).await;
    }
    // Dewi has 10 seconds left, Agus 20, Rina 30; Agus has a tab as well.
    let tab = office.socket(&agus).await;
    let stages: [(&str, [&[&Agent]; 2]); 5] = [
        ("all are here", [&[&dewi, &agus], &[&agus, &rina]]),
        ("Dewi is gone", [&[&agus], &[&agus, &rina]]),
        ("the tab keeps Agus", [&[&agus], &[&agus, &rina]]),
        ("Rina is gone", [&[&agus], &[&agus]]),
        ("the tab is closed", [&[], &[]]),
    ];
    for (stage, expected) in stages {
        if stage == "the tab is closed" {
            tab.client.cut().await;
            office.connections_are(0).await;
        }
        for (department, expected) in [&sales, &support].into_iter().zip(expected) {
            let mut ids: Vec<&str> = expected.iter().map(|agent| agent.id.as_str()).collect();
            ids.sort_unstable();
            let path = format!("/api/agent-status/department/{department}");
            let listed = office.admin("GET", &path, Value::Null).await;
            let listed = listed.as_array().unwrap().iter().map(|a| a["agent_id"].as_str().unwrap());
            assert_eq!(listed.collect::<Vec<_>>(), ids, "{stage}");
            let stats = office.admin("GET", "/api/agent-status/stats", Value::Null).await;
            let stats = stats.as_array().unwrap().iter();
            let of = stats.filter(|d| d["department_id"] == **department).collect::<Vec<_>>();
            assert_eq!(of[0]["online"], ids.len(), "{stage}");
        }
        clock::advance(10 * SECOND).await;
    }
}

#[tokio::test]
async fn an_admin_is_seen_and_never_routed_to() {
    let _stopped = clock::stop();
    let office = Office::open(OPTIONS).await;
    let sales = office.department("Sales", Value::Null).await;
    let sari = office.agent("Sari", &[&sales], json!({"role": "admin"})).await;
    let token = crate::server::token(Role::Admin, &sari.id);
    let sari = Agent { token, ..sari };
    office.beat(&sari, json!({})).await;
    let _tab = office.socket(&sari).await;
    assert_eq!(office.status(&sari).await, "online");
    let chat = office.customer_of(&sales).await;
    clock::advance(10 * SECOND).await;
    office.waits(&chat).await;
}

// The heartbeat and what it says are one: nobody is online for the moment between.
#[tokio::test]
async fn whoever_comes_to_say_that_it_is_away_or_busy_gets_nothing() {
    let _stopped = clock::stop();
    for status in ["away", "busy"] {
        let office = Office::open(OPTIONS).await;
        let sales = office.department("Sales", Value::Null).await;
        let dewi = office.agent("Dewi", &[&sales], json!({})).await;
        let chat = office.customer_of(&sales).await;
        office.beat(&dewi, json!({"status": status})).await;
        office.waits(&chat).await;
        assert_eq!(office.announced(&dewi).await, [status]);
        let record = office.record(&dewi).await;
        assert_eq!((&record["status"], &record["reason"]), (&json!(status), &json!("declared")));
    }
}
