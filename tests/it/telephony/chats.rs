//! Calls take places of their agents, whoever reports them.

use std::sync::Arc;

use serde_json::{Value, json};
use switchboard::model::{Call, Event, Moment};
use tempfile::TempDir;

use super::scene::Scene;
use crate::clock;
use crate::office::Office;
use crate::server::Server;

/// A call uses up its agent's only place.
fn calls_weigh() -> Value {
    json!({"weights": {"chat": 1, "call": 1}})
}

// Contract 11: on a call that uses up its capacity an agent is busy.
#[tokio::test]
async fn an_agent_on_a_call_gets_no_chat_until_it_ends() {
    let _stopped = clock::stop();
    let mut scene = Scene::set().await;
    let sales = scene.office.department("Sales", calls_weigh()).await;
    let of_one = json!({"max_chats": 1, "extension": "1001"});
    let dewi = scene.office.agent("Dewi", &[&sales], of_one).await;
    scene.office.beat(&dewi, json!({})).await;
    let caller = scene.act(|pbx| pbx.call_in("+6281", "1001")).await;
    let leg = scene.act(|pbx| pbx.ring(&caller, "PJSIP/1001")).await;
    scene.act(|pbx| pbx.answer(&caller, &leg)).await;
    assert_eq!(scene.names().await, ["call.incoming", "call.answered"]);
    assert_eq!(scene.office.status(&dewi).await, "busy");
    let chat = scene.office.customer_of(&sales).await;
    scene.office.waits(&chat).await;
    // She gave it away: whoever the caller is led to now, she is free.
    scene.act(|pbx| pbx.transfer_blindly(&leg, "1002")).await;
    scene.office.is_with(&chat, &dewi).await;
    scene.act(|pbx| pbx.hang_up(&caller)).await;
    let Some(Event::Call(Call::CallEnded(end))) = scene.told().await.pop() else { panic!() };
    assert_eq!(end.agent_id.map(|id| id.to_string()), Some(dewi.id.clone()));
}

#[tokio::test]
async fn a_posted_call_takes_the_agents_place_once_and_across_a_restart() {
    let _stopped = clock::stop();
    let data = Arc::new(TempDir::new().unwrap());
    let office = Office::of(Server::on_disk(data.clone(), &[]).await);
    let sales = office.department("Sales", calls_weigh()).await;
    let dewi = office.agent("Dewi", &[&sales], json!({"max_chats": 1})).await;
    office.beat(&dewi, json!({})).await;
    let post = async |office: &Office, name: &str, more: Value| {
        let mut payload = more;
        payload["unique_id"] = "crm-77".into();
        office.admin("POST", "/api/events", json!({ "type": name, "payload": payload })).await;
    };
    let answered = || json!({ "agent_id": dewi.id });
    post(&office, "call.answered", answered()).await;
    post(&office, "call.answered", answered()).await;
    clock::settle().await;
    assert_eq!(office.status(&dewi).await, "busy");
    let chat = office.customer_of(&sales).await;
    office.waits(&chat).await;
    assert!(office.server.running.drain().await);
    let office = Office::of(Server::on_disk(data, &[]).await);
    office.beat(&dewi, json!({})).await;
    assert_eq!(office.status(&dewi).await, "busy", "the call goes on");
    office.waits(&chat).await;
    post(&office, "call.ended", json!({ "duration": 7 })).await;
    office.is_with(&chat, &dewi).await;
}

#[tokio::test]
async fn a_call_whose_end_nobody_tells_is_over_after_a_day() {
    let _stopped = clock::stop();
    let scene = Scene::set().await;
    let sales = scene.office.department("Sales", calls_weigh()).await;
    let dewi = scene.office.agent("Dewi", &[&sales], json!({"max_chats": 1})).await;
    scene.office.beat(&dewi, json!({})).await;
    let payload = json!({ "unique_id": "crm-78", "agent_id": dewi.id });
    let event = json!({ "type": "call.answered", "payload": payload });
    scene.office.admin("POST", "/api/events", event).await;
    clock::settle().await;
    assert_eq!(scene.office.status(&dewi).await, "busy");
    // The log's moments are those of the real clock, so the day is over when somebody says so.
    let app = &scene.office.server.running.app;
    app.forget_calls(Moment(i64::MAX));
    clock::settle().await;
    assert_eq!(scene.office.status(&dewi).await, "online");
}
