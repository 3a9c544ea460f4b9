//! A power cut in the middle of everything that routing does: places, assignments and clocks are
//! what they were, and nothing happens twice (contract 3 and 11).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use switchboard::model::{Event, Moment};
use tempfile::TempDir;

use crate::clock::{self, real_pause, settle};
use crate::office::{Agent, Chat, Office};
use crate::server::Server;

const SECOND: Duration = Duration::from_secs(1);
/// How long after a start agents that were there may take to come back.
const START_GRACE: Duration = Duration::from_secs(15);
/// Leases of heartbeats are kept this often.
const BEATS_KEPT: Duration = Duration::from_secs(11);

/// What the disk has at this moment, for a server that starts from it. The clock stands still and
/// nothing is under way, so this is what a power cut would leave.
fn power_cut(data: &Path) -> Arc<TempDir> {
    let left = TempDir::new().unwrap();
    for entry in data.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        // An index in shared memory, which no power cut leaves.
        if path.is_file() && !name.to_str().unwrap().ends_with("-shm") {
            std::fs::copy(&path, left.path().join(name)).unwrap();
        }
    }
    Arc::new(left)
}

/// A department with its agent, who has one place.
async fn department(office: &Office, name: &str, policy: Value) -> (String, Agent) {
    let id = office.department(name, policy).await;
    let agent = office.agent(&format!("{name}'s"), &[&id], json!({"max_chats": 1})).await;
    (id, agent)
}

/// A customer of a department. Each comes at a moment of its own, so that their order is certain.
async fn customer(office: &Office, department: &str) -> Chat {
    real_pause(Duration::from_millis(2)).await;
    office.customer_of(department).await
}

/// Everything at once.
struct Scene {
    queue: Agent,
    /// In the order in which they are to be served.
    waiting: [Chat; 3],
    works: Agent,
    served: Chat,
    asked: Agent,
    offered: Chat,
    /// Two agents in their grace, and what they have.
    lost: [(Agent, Chat); 2],
    writes_notes: Agent,
    next: Chat,
    impatient: Chat,
    told_twice: Chat,
}

async fn in_the_middle_of_everything(office: &Office) -> Scene {
    let (queue_id, queue) = department(office, "Queue", Value::Null).await;
    let (works_id, works) = department(office, "Works", Value::Null).await;
    // Long enough for a machine that is busy with other things meanwhile.
    let asks = json!({"offer": "accept", "offer_timeout_seconds": 40});
    let (asks_id, asked) = department(office, "Asks", asks).await;
    let (first_id, first_lost) = department(office, "Back", Value::Null).await;
    let (second_id, second_lost) = department(office, "Gone", Value::Null).await;
    let (notes_id, writes_notes) =
        department(office, "Notes", json!({"wrap_up_seconds": 50})).await;
    let soon = json!({"escalations": [{"after_seconds": 2, "action": "supervisors"}]});
    let (soon_id, _) = department(office, "Soon", soon).await;
    let rules = [(1, "first"), (100, "second")].map(|(after_seconds, name)| {
        json!({"name": name, "after_seconds": after_seconds, "action": "supervisors"})
    });
    let (twice_id, _) = department(office, "Twice", json!({"escalations": rules})).await;
    for agent in [&works, &asked, &writes_notes] {
        office.beat(agent, json!({})).await;
    }
    office.server.running.app.keep_beats_now().await.unwrap();
    let told_twice = customer(office, &twice_id).await;
    // No further than until the first rule is due: the log's moments are those of the real clock.
    while escalations(office, &told_twice).await.is_empty() {
        clock::advance(SECOND / 4).await;
    }

    let later = customer(office, &queue_id).await;
    let last = customer(office, &queue_id).await;
    let urgent = customer(office, &queue_id).await;
    office.admin("PATCH", &format!("/api/sessions/{}", urgent.id), json!({"priority": 3})).await;
    let served = customer(office, &works_id).await;
    office.is_with(&served, &works).await;
    let offered = customer(office, &asks_id).await;
    let wrapped = customer(office, &notes_id).await;
    let next = customer(office, &notes_id).await;
    office.is_with(&wrapped, &writes_notes).await;
    office.does(&writes_notes, &wrapped, "close", Value::Null).await;
    let mut lost = Vec::new();
    for (agent, id) in [(first_lost, &first_id), (second_lost, &second_id)] {
        let tab = office.socket(&agent).await;
        let chat = customer(office, id).await;
        office.is_with(&chat, &agent).await;
        tab.client.cut().await;
        lost.push((agent, chat));
    }
    office.connections_are(0).await;
    // Just before the cut; what is due a second later is due while nobody runs.
    let impatient = customer(office, &soon_id).await;
    settle().await;
    let waiting = [urgent, later, last];
    let lost = lost.try_into().unwrap();
    Scene {
        queue,
        waiting,
        works,
        served,
        asked,
        offered,
        lost,
        writes_notes,
        next,
        impatient,
        told_twice,
    }
}

async fn escalations(office: &Office, chat: &Chat) -> Vec<String> {
    let told = office.log().await.into_iter().filter_map(|event| match event {
        Event::Escalated(e) if e.session_id.to_string() == chat.id => Some(e.rule),
        _ => None,
    });
    told.collect()
}

#[tokio::test]
async fn a_power_cut_in_the_middle_of_everything_loses_nothing_and_doubles_nothing() {
    let _stopped = clock::stop();
    let data = Arc::new(TempDir::new().unwrap());
    let before = Office::of(Server::on_disk(data.clone(), &[]).await);
    let scene = in_the_middle_of_everything(&before).await;
    let until = before.kept(&scene.offered).await.routing.offer.expect("an offer").until;
    assert_eq!(escalations(&before, &scene.told_twice).await, ["first"]);
    assert_eq!(escalations(&before, &scene.impatient).await, [""; 0]);
    let kept = before.log().await;
    let left = power_cut(data.path());
    drop(before);
    real_pause(2 * SECOND).await;

    let office = Office::of(Server::on_disk(left, &[]).await);
    let started = Moment::now();
    // What was is what is, and all that the start did is what was due meanwhile.
    let now = office.log().await;
    assert_eq!(now[..kept.len()], kept[..]);
    let new: Vec<&str> = now[kept.len()..].iter().map(Event::name).collect();
    assert_eq!(new, ["conversation.escalated"]);
    assert_eq!(escalations(&office, &scene.impatient).await, ["supervisors"]);
    office.is_with(&scene.served, &scene.works).await;
    assert_eq!(office.status(&scene.works).await, "busy");
    for (agent, chat) in &scene.lost {
        office.is_with(chat, agent).await;
    }
    let offer = office.kept(&scene.offered).await.routing.offer.expect("it stands");
    assert_eq!((offer.agent_id.to_string(), offer.until), (scene.asked.id.clone(), until));

    // Who is back in time keeps what it has and was never gone; who is not loses it once.
    clock::advance(START_GRACE - 2 * SECOND).await;
    let [(back, theirs), (gone, lost)] = &scene.lost;
    let _tab = office.socket(back).await;
    office.is_with(lost, gone).await;
    clock::advance(3 * SECOND).await;
    office.is_with(theirs, back).await;
    assert_eq!(office.announced(back).await, ["online", "busy"]);
    office.waits(lost).await;
    let moves = ["conversation.assigned", "conversation.handoff", "conversation.queued"];
    assert_eq!(office.told(theirs, &moves[..2]).await, moves[..1]);
    let lost_by = ["conversation.queued", moves[0], moves[1], "conversation.queued"];
    assert_eq!(office.told(lost, &moves).await, lost_by);

    // The offer's time goes on to the moment that was told.
    let passed = (START_GRACE + SECOND) + Duration::from_millis(20);
    let to_go = Duration::from_millis(until.ms_since(started)) - passed;
    clock::advance(to_go - SECOND).await;
    assert!(office.kept(&scene.offered).await.routing.offer.is_some(), "too early");
    clock::advance(2 * SECOND).await;
    assert!(office.kept(&scene.offered).await.routing.offer.is_none(), "its time is over");
    let ends = office.told(&scene.offered, &["conversation.offered", "conversation.offer.ended"]);
    assert_eq!(ends.await, ["conversation.offered", "conversation.offer.ended"]);

    // The wrap-up, too; then the next customer is served.
    clock::advance(30 * SECOND).await;
    office.is_with(&scene.next, &scene.writes_notes).await;
    assert_eq!(escalations(&office, &scene.told_twice).await, ["first"]);
    clock::advance(30 * SECOND).await;
    assert_eq!(escalations(&office, &scene.told_twice).await, ["first", "second"]);
    assert_eq!(escalations(&office, &scene.impatient).await, ["supervisors"]);

    // And the queue is in its order.
    office.beat(&scene.queue, json!({})).await;
    for (place, chat) in scene.waiting.iter().enumerate() {
        assert_eq!(office.holder(chat).await.as_ref(), Some(&scene.queue.id), "{place}");
        assert_eq!(office.told(chat, &moves).await, ["conversation.queued", moves[0]]);
        office.does(&scene.queue, chat, "close", Value::Null).await;
    }
    office.is_with(&scene.served, &scene.works).await;
}

#[tokio::test]
async fn a_wrap_up_that_a_power_cut_meets_keeps_the_place_for_the_rest_of_its_time() {
    let _stopped = clock::stop();
    let data = Arc::new(TempDir::new().unwrap());
    let before = Office::of(Server::on_disk(data.clone(), &[]).await);
    let (sales, dewi) = department(&before, "Sales", json!({"wrap_up_seconds": 20})).await;
    before.beat(&dewi, json!({})).await;
    clock::advance(BEATS_KEPT).await;
    let first = customer(&before, &sales).await;
    before.is_with(&first, &dewi).await;
    before.does(&dewi, &first, "close", Value::Null).await;
    let next = customer(&before, &sales).await;
    before.waits(&next).await;
    let left = power_cut(data.path());
    drop(before);

    let office = Office::of(Server::on_disk(left, &[]).await);
    let record = office.record(&dewi).await;
    assert_eq!((&record["status"], &record["reason"]), (&json!("busy"), &json!("wrap_up")));
    clock::advance(17 * SECOND).await;
    office.waits(&next).await;
    clock::advance(4 * SECOND).await;
    office.is_with(&next, &dewi).await;
}

#[tokio::test]
async fn what_an_agent_declared_and_its_lease_outlive_a_power_cut() {
    let _stopped = clock::stop();
    let data = Arc::new(TempDir::new().unwrap());
    let options = [("agents.status_ttl", "60")];
    let before = Office::of(Server::on_disk(data.clone(), &options).await);
    let sales = before.department("Sales", Value::Null).await;
    let dewi = before.agent("Dewi", &[&sales], json!({})).await;
    let agus = before.agent("Agus", &[&sales], json!({})).await;
    let rina = before.agent("Rina", &[&sales], json!({})).await;
    before.beat(&dewi, json!({"status": "away"})).await;
    before.beat(&agus, json!({"status": "online"})).await;
    before.beat(&rina, json!({"status": "online"})).await;
    before.go_offline(&rina).await;
    clock::advance(BEATS_KEPT).await;
    let kept = before.log().await;
    let left = power_cut(data.path());
    drop(before);

    let office = Office::of(Server::on_disk(left, &options).await);
    let statuses = async || {
        let mut all = Vec::new();
        for agent in [&dewi, &agus, &rina] {
            all.push(office.status(agent).await);
        }
        all
    };
    assert_eq!(statuses().await, ["away", "online", "offline"]);
    assert_eq!(office.log().await, kept, "nobody is told anything");
    clock::advance(55 * SECOND).await;
    assert_eq!(statuses().await, ["away", "online", "offline"]);
    clock::advance(6 * SECOND).await;
    assert_eq!(statuses().await, ["offline", "offline", "offline"]);
    office.beat(&dewi, Value::Null).await;
    office.beat(&rina, Value::Null).await;
    assert_eq!(statuses().await, ["away", "offline", "online"]);
}

#[tokio::test]
async fn what_a_removed_agent_had_goes_back_though_the_power_is_cut_before_that() {
    let _stopped = clock::stop();
    let data = Arc::new(TempDir::new().unwrap());
    let before = Office::of(Server::on_disk(data.clone(), &[]).await);
    let (sales, dewi) = department(&before, "Sales", Value::Null).await;
    before.beat(&dewi, json!({})).await;
    let chat = customer(&before, &sales).await;
    before.is_with(&chat, &dewi).await;
    before.admin("DELETE", &format!("/api/agents/{}", dewi.id), Value::Null).await;
    before.is_with(&chat, &dewi).await;
    let left = power_cut(data.path());
    drop(before);

    let office = Office::of(Server::on_disk(left, &[]).await);
    office.is_with(&chat, &dewi).await;
    clock::advance(6 * SECOND).await;
    office.waits(&chat).await;
}
