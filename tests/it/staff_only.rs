//! What is for the staff alone: a customer in the same conversation hears none of it, live or when
//! it comes back, in either dialect.

use std::time::Duration;

use serde_json::{Value, json};
use switchboard::log::Change;
use switchboard::model::{
    ConversationId, Escalated, EscalationAction, Event, Moment, OfferEnded, OfferOutcome, Offered,
    Requirements, Role, TenantId, UserId,
};

use crate::client::{Client, Seen};
use crate::recovery::{begin, customer};
use crate::server::{Server, token};
use crate::socketio::Socket;

/// Long enough for whatever is on its way in this process.
const MOMENT: Duration = Duration::from_millis(100);

const FOR_STAFF: [&str; 3] =
    ["conversation_requirements", "conversation_offered", "conversation_offer_ended"];

async fn commit_routing(server: &Server, session_id: ConversationId) {
    let agent_id = UserId::parse("dewi").unwrap();
    let (priority, skills, language) = (1, vec![], None);
    let (agent_name, until, attempt) = ("Dewi".into(), Moment(9_000), 1);
    let events = vec![
        Event::Requirements(Requirements { session_id, priority, skills, language }),
        Event::Offered(Offered {
            session_id,
            agent_id: agent_id.clone(),
            agent_name,
            until,
            attempt,
        }),
        Event::OfferEnded(OfferEnded { session_id, agent_id, outcome: OfferOutcome::Declined }),
        Event::Escalated(Escalated {
            session_id,
            waited_seconds: 60,
            rule: "after 60 s".into(),
            action: EscalationAction::Supervisors,
            department_id: None,
        }),
    ];
    let change = Change::events(events);
    server.running.app.log.commit(&TenantId::default_tenant(), change).await.unwrap();
}

/// The names of the frames about routing up to the escalation, which everybody hears.
async fn heard(client: &mut Client) -> Vec<String> {
    let mut names = Vec::new();
    while names.last().is_none_or(|last| last != "conversation_escalated") {
        let frame = client.frame().await;
        let name = frame["type"].as_str().unwrap().to_owned();
        if FOR_STAFF.contains(&name.as_str()) || name == "conversation_escalated" {
            names.push(name);
        }
    }
    while let Some(Seen::Frame(Value::Object(frame))) = client.next_soon(MOMENT).await {
        assert_eq!(frame["type"], "connection_status_update", "behind the last one: {frame:?}");
    }
    names
}

async fn heard_over_socketio(socket: &mut Socket) -> Vec<String> {
    let names = socket.events_for(MOMENT).await.into_iter().map(|(name, _)| name);
    names.filter(|n| FOR_STAFF.contains(&n.as_str()) || n == "conversation_escalated").collect()
}

#[tokio::test]
async fn a_customer_hears_nothing_of_offers_live_or_later() {
    let server = Server::start(&[]).await;
    let started = begin(&server, "conv-1").await;
    let session = started["session_id"].as_str().unwrap();
    let id = ConversationId::parse(session).unwrap();
    let theirs = started["token"].as_str().unwrap();
    let theirs =
        format!("/ws/{session}/{}/customer?token={theirs}", started["user_id"].as_str().unwrap());
    let ours = format!("/ws/{session}/sari/admin?token={}", token(Role::Admin, "sari"));
    let mut budi = server.open(&theirs).await;
    let cursor = budi.frame().await["data"]["cursor"].as_str().unwrap().to_owned();
    let mut sari = server.open(&ours).await;
    let mut widget = customer(&server, &started).await;
    widget.join("conv-1").await;
    // In no conversation, and of those above the only one it is offered to.
    let mut dewi = Socket::open(&server, json!({ "token": token(Role::Agent, "dewi") })).await;
    widget.events_for(MOMENT).await;
    commit_routing(&server, id).await;
    let all: Vec<&str> = FOR_STAFF.into_iter().chain(["conversation_escalated"]).collect();
    assert_eq!(heard(&mut sari).await, all);
    assert_eq!(heard(&mut budi).await, all[3..]);
    assert_eq!(heard_over_socketio(&mut widget).await, all[3..]);
    assert_eq!(heard_over_socketio(&mut dewi).await, all[1..]);
    let mut sari = server.open(&format!("{ours}&after={cursor}")).await;
    assert_eq!(heard(&mut sari).await, all);
    let mut budi = server.open(&format!("{theirs}&after={cursor}")).await;
    assert_eq!(heard(&mut budi).await, all[3..]);
    let path = format!("/api/session/{session}/events?token=");
    for (token, expected) in
        [(token(Role::Admin, "sari"), 4), (started["token"].as_str().unwrap().to_owned(), 1)]
    {
        let lines = server.request("GET", &format!("{path}{token}"), "").await.body;
        let lines = lines["data"].as_array().unwrap().clone();
        let is_routing = |line: &&Value| {
            let name = line["type"].as_str().unwrap().replace('.', "_");
            all.contains(&name.as_str())
        };
        assert_eq!(lines.iter().filter(is_routing).count(), expected);
    }
}
