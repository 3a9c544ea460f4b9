//! Who gets which conversation, over REST and with a real log: claims, transfers, wrap-up, order,
//! skills, and agents who are taken away (contract 11). What the engine decides in each case is
//! tested beside it; here is that the server tells it and does what it says.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use switchboard::app::Claim;
use switchboard::model::{ConversationId, Error, Event, Role};
use tempfile::TempDir;
use uuid::Uuid;

use crate::clock;
use crate::office::{Agent, Chat, Office};
use crate::server::{Server, token};

const SECOND: Duration = Duration::from_secs(1);
const GRACE: Duration = Duration::from_secs(5);

/// What happens to a conversation in the eyes of whoever waits or works.
const MOVES: &[&str] = &[
    "conversation.queued",
    "conversation.assigned",
    "conversation.transferred",
    "conversation.handoff",
    "conversation.closed",
    "conversation.reopened",
];

/// A department served like this, with two agents who are not there yet.
async fn shop(policy: Value, of_each: Value) -> (Office, String, [Agent; 2]) {
    let office = Office::open(&[]).await;
    let sales = office.department("Sales", policy).await;
    let dewi = office.agent("Dewi", &[&sales], of_each.clone()).await;
    let agus = office.agent("Agus", &[&sales], of_each).await;
    (office, sales, [dewi, agus])
}

/// With a disk a commit takes a while, in which the others see a conversation that waits.
async fn on_disk() -> Office {
    Office::of(Server::on_disk(Arc::new(TempDir::new().unwrap()), &[]).await)
}

const AGENTS: u128 = 100;
const TRIES: usize = 10;

// Document 000: two agents never own one conversation, and the loser learns who won.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_claims_at_once_one_wins_and_the_others_learn_who() {
    let office = on_disk().await;
    let chat = office.customer(json!({})).await;
    let id = ConversationId::parse(&chat.id).unwrap();
    let app = &office.server.running.app;
    let mut claims = Vec::new();
    for n in 1..=AGENTS {
        let who = app.identify(&token(Role::Agent, &Uuid::from_u128(n).to_string())).await.unwrap();
        for _ in 0..TRIES {
            let (app, who) = (app.clone(), who.clone());
            claims
                .push(async move { (who.subject.clone(), app.assign(&who, id, Claim::Own).await) });
        }
    }
    let claims: Vec<_> = claims.into_iter().map(tokio::spawn).collect();
    let mut winners = BTreeSet::new();
    let mut told = Vec::new();
    for claim in claims {
        let (who, claimed) = clock::within("a claim", claim).await.unwrap();
        match claimed {
            Ok(assigned) => {
                assert_eq!(assigned.agent_id, who);
                winners.insert(who);
            }
            Err(Error::Conflict { holder: Some(holder), .. }) => told.push(holder.agent_id),
            Err(err) => panic!("{who}: {err}"),
        }
    }
    assert_eq!(winners.len(), 1, "{winners:?}");
    let winner = winners.first().unwrap().to_string();
    assert_eq!(told.len(), (AGENTS as usize - 1) * TRIES);
    assert!(told.iter().all(|holder| *holder == winner), "somebody was told another winner");
    assert_eq!(office.holder(&chat).await, Some(winner));
    assert_eq!(office.told(&chat, MOVES).await, ["conversation.queued", "conversation.assigned"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_claims_over_http_one_wins_and_the_others_learn_who() {
    let office = on_disk().await;
    let chat = office.customer(json!({})).await;
    let mut asking = Vec::new();
    for n in 1..=AGENTS {
        let token = token(Role::Agent, &Uuid::from_u128(n).to_string());
        let path = format!("/api/sessions/{}/assign?token={token}", chat.id);
        let addr = office.server.addr;
        let request = async move { crate::client::request(addr, "POST", &path, &[], "").await };
        asking.push(tokio::spawn(request));
    }
    let mut answers = Vec::new();
    for asking in asking {
        answers.push(asking.await.unwrap());
    }
    let winner = office.holder(&chat).await.unwrap();
    let won = answers.iter().filter(|answer| answer.status == 200);
    assert_eq!(won.map(|a| &a.body["data"]["agent_id"]).collect::<Vec<_>>(), [&json!(winner)]);
    for lost in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(
            (lost.status, &lost.body["data"]["agent_id"]),
            (409, &json!(winner)),
            "{lost:?}"
        );
    }
}

#[tokio::test]
async fn who_gives_a_conversation_to_the_department_is_not_who_gets_it() {
    let _stopped = clock::stop();
    let (office, sales, [dewi, agus]) = shop(Value::Null, json!({})).await;
    office.beat(&agus, json!({})).await;
    for _ in 0..2 {
        let chat = office.customer_of(&sales).await;
        office.is_with(&chat, &agus).await;
    }
    // From now on Dewi has less to do than Agus, whatever happens.
    office.beat(&dewi, json!({})).await;
    let chat = office.customer_of(&sales).await;
    office.is_with(&chat, &dewi).await;
    let note = json!({"department_id": sales, "note": "asks about an invoice"});
    office.does(&dewi, &chat, "transfer", note).await;
    office.is_with(&chat, &agus).await;
    let notes = office.log().await.into_iter().filter_map(|event| match event {
        Event::Transferred(transferred) => transferred.note,
        _ => None,
    });
    assert_eq!(notes.collect::<Vec<_>>(), ["asks about an invoice"]);

    office.does(&agus, &chat, "transfer", json!({"agent_id": dewi.id})).await;
    office.is_with(&chat, &dewi).await;
    let moves = office.told(&chat, MOVES).await;
    let way = ["queued", "assigned", "transferred", "queued", "assigned", "transferred"];
    assert_eq!(moves, way.map(|name| format!("conversation.{name}")));
    // Who does not have it cannot give it away, and is told who has it.
    let late = office.act(&agus, &chat, "transfer", json!({"department_id": sales})).await;
    assert_eq!((late.status, &late.body["data"]["agent_id"]), (409, &json!(dewi.id)), "{late:?}");
    office.is_with(&chat, &dewi).await;
}

#[tokio::test]
async fn alone_in_a_department_an_agent_gets_back_what_it_gave_away_later() {
    let _stopped = clock::stop();
    let (office, sales, [dewi, _]) = shop(json!({"offer_retry_seconds": 30}), json!({})).await;
    office.beat(&dewi, json!({})).await;
    let chat = office.customer_of(&sales).await;
    office.does(&dewi, &chat, "transfer", json!({"department_id": sales})).await;
    office.waits(&chat).await;
    clock::advance(29 * SECOND).await;
    office.waits(&chat).await;
    clock::advance(2 * SECOND).await;
    office.is_with(&chat, &dewi).await;
}

#[tokio::test]
async fn wrap_up_keeps_the_place_taken_for_its_time() {
    let _stopped = clock::stop();
    let policy = json!({"wrap_up_seconds": 30});
    let (office, sales, [dewi, _]) = shop(policy, json!({"max_chats": 1})).await;
    office.beat(&dewi, json!({})).await;
    let first = office.customer_of(&sales).await;
    office.is_with(&first, &dewi).await;
    let next = office.customer_of(&sales).await;
    office.waits(&next).await;
    let record = office.record(&dewi).await;
    assert_eq!((&record["status"], &record["reason"]), (&json!("busy"), &json!("capacity")));
    office.does(&dewi, &first, "close", Value::Null).await;
    office.waits(&next).await;
    let record = office.record(&dewi).await;
    assert_eq!((&record["status"], &record["reason"]), (&json!("busy"), &json!("wrap_up")));
    clock::advance(29 * SECOND).await;
    office.waits(&next).await;
    clock::advance(2 * SECOND).await;
    office.is_with(&next, &dewi).await;
}

/// Says something as the customer.
async fn says(office: &Office, chat: &Chat, content: &str) {
    let body = json!({"conversationId": chat.id, "content": content});
    let answer = office.ask(&chat.token, "POST", "/api/messages", &body).await;
    assert!(answer.status < 300, "{answer:?}");
}

#[tokio::test]
async fn a_message_after_the_close_is_routed_anew_to_the_last_agent_where_that_is_the_policy() {
    let _stopped = clock::stop();
    for last_agent_first in [true, false] {
        let policy = json!({"last_agent_first": last_agent_first});
        let (office, sales, [dewi, agus]) = shop(policy, json!({})).await;
        office.beat(&dewi, json!({})).await;
        let chat = office.customer_of(&sales).await;
        office.is_with(&chat, &dewi).await;
        for _ in 0..2 {
            let other = office.customer_of(&sales).await;
            office.is_with(&other, &dewi).await;
        }
        office.does(&dewi, &chat, "close", Value::Null).await;
        // Agus has less to do than she has.
        office.beat(&agus, json!({})).await;
        says(&office, &chat, "one more thing").await;
        let expected = if last_agent_first { &dewi } else { &agus };
        office.is_with(&chat, expected).await;
        let moves = office.told(&chat, MOVES).await;
        let way = ["queued", "assigned", "closed", "reopened", "queued", "assigned"];
        assert_eq!(moves, way.map(|name| format!("conversation.{name}")));
        // By hand it is the same.
        office.does(expected, &chat, "close", Value::Null).await;
        let path = format!("/api/sessions/{}/reopen", chat.id);
        let reopened = office.ask(&chat.token, "POST", &path, &Value::Null).await;
        assert_eq!(reopened.status, 200, "{reopened:?}");
        office.is_with(&chat, expected).await;
    }
}

#[tokio::test]
async fn an_old_conversation_comes_before_a_fresh_one_of_higher_priority_in_the_end() {
    let policy = json!({"priority_step_seconds": 1});
    let (office, sales, [dewi, _]) = shop(policy, json!({"max_chats": 1})).await;
    let old = office.customer_of(&sales).await;
    // A level is worth a second, and moments of the log are the real clock's.
    clock::real_pause(Duration::from_millis(1_100)).await;
    let fresh = office.customer_of(&sales).await;
    let urgent = office.customer_of(&sales).await;
    for (chat, priority) in [(&fresh, 1), (&urgent, 2)] {
        let path = format!("/api/sessions/{}", chat.id);
        office.admin("PATCH", &path, json!({"priority": priority})).await;
    }
    office.beat(&dewi, json!({})).await;
    for (chat, why) in [(&urgent, "urgent"), (&old, "old"), (&fresh, "fresh")] {
        assert_eq!(office.holder(chat).await.as_ref(), Some(&dewi.id), "{why}");
        office.does(&dewi, chat, "close", Value::Null).await;
    }
}

#[tokio::test]
async fn only_who_can_do_it_and_speaks_the_language_gets_it() {
    let _stopped = clock::stop();
    let office = Office::open(&[]).await;
    let sales = office.department("Sales", Value::Null).await;
    let more = json!({"skills": ["Billing", "refunds"], "languages": ["id"]});
    let dewi = office.agent("Dewi", &[&sales], more).await;
    let agus = office.agent("Agus", &[&sales], json!({"languages": ["en"]})).await;
    for agent in [&dewi, &agus] {
        office.beat(agent, json!({})).await;
    }
    let asks = async |skills: Value, language: Value| {
        let wishes = json!({"department_id": sales, "skills": skills, "language": language});
        office.customer(wishes).await
    };
    // Dewi alone can do it, however much she has.
    for _ in 0..3 {
        let chat = asks(json!(["billing"]), json!("id")).await;
        office.is_with(&chat, &dewi).await;
    }
    let chat = asks(json!([]), json!("en")).await;
    office.is_with(&chat, &agus).await;
    // Nobody can, until the conversation asks for less, or an agent has learnt something.
    let english = asks(json!(["billing"]), json!("en")).await;
    let german = asks(json!(["refunds", "billing"]), json!("de")).await;
    office.waits(&english).await;
    office.waits(&german).await;
    let path = format!("/api/sessions/{}", german.id);
    office.admin("PATCH", &path, json!({"language": null})).await;
    office.is_with(&german, &dewi).await;
    office.waits(&english).await;
    let path = format!("/api/agents/{}", agus.id);
    office.admin("PATCH", &path, json!({"skills": ["billing"]})).await;
    office.is_with(&english, &agus).await;
}

#[tokio::test]
async fn whoever_is_disabled_or_removed_loses_its_conversations_to_the_head_of_the_queue() {
    let _stopped = clock::stop();
    for (method, body) in [("PATCH", json!({"is_disabled": true})), ("DELETE", Value::Null)] {
        let (office, sales, [dewi, agus]) = shop(Value::Null, json!({"max_chats": 1})).await;
        office.beat(&dewi, json!({})).await;
        let _tab = office.socket(&dewi).await;
        let chat = office.customer_of(&sales).await;
        office.is_with(&chat, &dewi).await;
        let other = office.customer_of(&sales).await;
        office.waits(&other).await;
        office.admin(method, &format!("/api/agents/{}", dewi.id), body).await;
        clock::advance(GRACE + SECOND).await;
        office.waits(&chat).await;
        office.beat(&agus, json!({})).await;
        office.is_with(&chat, &agus).await;
        office.waits(&other).await;
        let moves = office.told(&chat, MOVES).await;
        let way = ["queued", "assigned", "handoff", "queued", "assigned"];
        assert_eq!(moves, way.map(|name| format!("conversation.{name}")), "{method}");
        let last = office.announced(&dewi).await.pop();
        assert_eq!(last.as_deref(), Some("offline"), "{method}");
    }
}
