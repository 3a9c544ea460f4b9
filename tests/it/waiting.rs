//! What is done about customers who wait: escalations, business hours, and the alert that nobody
//! is there (contract 11).

use std::time::Duration;

use serde_json::{Value, json};
use switchboard::auth::Claims;
use switchboard::model::{Event, Moment, Role};

use crate::clock::{self, settle};
use crate::office::{Chat, Office};
use crate::server::{claims, sign};
use crate::socketio::Socket;

const SECOND: Duration = Duration::from_secs(1);
const GRACE: Duration = Duration::from_secs(5);
/// Nobody is missed earlier after a start: whoever was there may be on the way back.
const START_GRACE: Duration = Duration::from_secs(15);
/// Long enough for whatever is on its way in this process.
const MOMENT: Duration = Duration::from_millis(60);

fn escalates(after_seconds: u32, action: &str) -> Value {
    json!({"escalations": [{"after_seconds": after_seconds, "action": action}]})
}

/// What was said in a conversation, and by whom.
async fn said(office: &Office, chat: &Chat) -> Vec<(Role, String)> {
    let messages = office.log().await.into_iter().filter_map(|event| match event {
        Event::Message(m) if m.session_id.to_string() == chat.id => Some((m.sender_type, m.body)),
        _ => None,
    });
    messages.collect()
}

async fn escalations(office: &Office, chat: &Chat) -> Vec<(String, u64)> {
    let told = office.log().await.into_iter().filter_map(|event| match event {
        Event::Escalated(e) if e.session_id.to_string() == chat.id => {
            Some((e.rule, e.waited_seconds))
        }
        _ => None,
    });
    told.collect()
}

#[tokio::test]
async fn who_waited_too_long_is_given_to_the_bot() {
    let _stopped = clock::stop();
    let office = Office::open(&[("bot.provider", "faq")]).await;
    let sales = office.department("Sales", escalates(30, "bot")).await;
    let dewi = office.agent("Dewi", &[&sales], json!({})).await;
    let wishes = json!({"department_id": sales, "language": "en"});
    let chat = office.customer(wishes).await;
    clock::advance(29 * SECOND).await;
    office.waits(&chat).await;
    assert_eq!(escalations(&office, &chat).await, []);
    clock::advance(2 * SECOND).await;
    assert_eq!(escalations(&office, &chat).await, [("bot".to_owned(), 30)]);
    let said = said(&office, &chat).await;
    assert!(matches!(&said[..], [(Role::Bot, text)] if text.contains("I can try")), "{said:?}");
    assert_eq!(office.kept(&chat).await.status.as_str(), "bot");
    // It waits for nobody any more, and nobody gets it by itself.
    office.beat(&dewi, json!({})).await;
    clock::advance(60 * SECOND).await;
    assert_eq!(office.holder(&chat).await, None);
    assert_eq!(escalations(&office, &chat).await.len(), 1);
}

#[tokio::test]
async fn who_waited_too_long_may_leave_a_message_and_goes_on_waiting() {
    let _stopped = clock::stop();
    // Without a bot its rule says the same.
    for action in ["offline_message", "bot"] {
        let office = Office::open(&[]).await;
        let sales = office.department("Sales", escalates(30, action)).await;
        let dewi = office.agent("Dewi", &[&sales], json!({"languages": ["id"]})).await;
        let wishes = json!({"department_id": sales, "language": "id"});
        let chat = office.customer(wishes).await;
        clock::advance(31 * SECOND).await;
        office.waits(&chat).await;
        assert_eq!(escalations(&office, &chat).await, [(action.to_owned(), 30)]);
        let said = said(&office, &chat).await;
        let is_told = matches!(&said[..], [(Role::Bot, text)] if text.starts_with("Maaf, semua"));
        assert!(is_told, "in its language: {said:?}");
        office.beat(&dewi, json!({})).await;
        office.is_with(&chat, &dewi).await;
    }
}

#[tokio::test]
async fn who_waited_too_long_may_be_taken_by_another_department() {
    let _stopped = clock::stop();
    let office = Office::open(&[]).await;
    let second = office.department("Second line", Value::Null).await;
    let rule = json!({"name": "help", "after_seconds": 30, "action": {"department": second}});
    let policy = json!({"escalations": [rule]});
    let first = office.department("First line", policy).await;
    let dewi = office.agent("Dewi", &[&first], json!({"max_chats": 1})).await;
    let agus = office.agent("Agus", &[&second], json!({"max_chats": 1})).await;
    let (one, two) = (office.customer_of(&first).await, office.customer_of(&first).await);
    office.beat(&agus, json!({})).await;
    office.waits(&one).await;
    // She may not even look at what waits for others.
    let early = office.act(&agus, &one, "assign", Value::Null).await;
    assert_eq!(early.status, 403, "{early:?}");
    clock::advance(31 * SECOND).await;
    office.is_with(&one, &agus).await;
    office.waits(&two).await;
    // Its own agents may take the other one all the same.
    office.beat(&dewi, json!({})).await;
    office.is_with(&two, &dewi).await;
    assert_eq!(escalations(&office, &two).await, [("help".to_owned(), 30)]);
}

#[tokio::test]
async fn supervisors_hear_of_it_wherever_they_are_and_those_of_others_do_not() {
    let _stopped = clock::stop();
    let office = Office::open(&[]).await;
    let sales = office.department("Sales", escalates(30, "supervisors")).await;
    let chat = office.customer_of(&sales).await;
    let mut sari = office.supervisor().await;
    let acme = sign(&Claims { tenant: "acme".into(), ..claims(Role::Admin, "boss") });
    let mut boss = Socket::open(&office.server, json!({ "token": acme })).await;
    for socket in [&mut sari, &mut boss] {
        socket.events_for(MOMENT).await;
    }
    clock::advance(31 * SECOND).await;
    let told = sari.event_of("conversation_escalated").await;
    assert_eq!((&told["session_id"], &told["action"]), (&json!(chat.id), &json!("supervisors")));
    assert_eq!(told["waited_seconds"], 30);
    assert_eq!(boss.events_for(MOMENT).await, []);
    clock::advance(120 * SECOND).await;
    assert_eq!(escalations(&office, &chat).await.len(), 1, "each rule once");
}

/// A zone in which it is about noon now, so that no span of the test goes on over midnight, and
/// the minutes of its day.
fn around_noon(now: Moment) -> (String, i64) {
    let minutes = now.unix_seconds() / 60 % (24 * 60);
    let ahead = 12 - minutes / 60;
    // The names of these zones have the sign of their ancestors.
    (format!("Etc/GMT{:+}", -ahead), minutes + ahead * 60)
}

fn hours(zone: &str, from: i64, to: i64) -> Value {
    let clock = |minutes: i64| format!("{:02}:{:02}", minutes / 60, minutes % 60);
    let span = format!("{}-{}", clock(from), clock(to));
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let weekly: serde_json::Map<String, Value> =
        days.iter().map(|day| ((*day).to_owned(), json!([span]))).collect();
    json!({"hours": {"time_zone": zone, "weekly": weekly}})
}

#[tokio::test]
async fn who_comes_too_early_is_told_once_and_served_when_the_department_opens() {
    let _stopped = clock::stop();
    let office = Office::open(&[]).await;
    let (zone, now) = around_noon(Moment::now());
    let sales = office.department("Sales", hours(&zone, now + 2, now + 60)).await;
    let dewi = office.agent("Dewi", &[&sales], json!({"languages": ["en"]})).await;
    office.beat(&dewi, json!({})).await;
    let chat = office.customer(json!({"department_id": sales, "language": "en"})).await;
    office.waits(&chat).await;
    let told = office.log().await.into_iter().find_map(|event| match event {
        Event::OutsideHours(told) => Some(told),
        _ => None,
    });
    let opens_at = told.unwrap().opens_at.unwrap();
    let left = Duration::from_millis(opens_at.ms_since(Moment::now()));
    assert!(left > 59 * SECOND && left <= 120 * SECOND, "{left:?}");
    assert_eq!(opens_at.unix_seconds() % 60, 0);
    let said = said(&office, &chat).await;
    assert!(matches!(&said[..], [(Role::Bot, text)] if text.contains("closed")), "{said:?}");
    // The stopped clock is behind the real one by what the test took until now.
    clock::advance(left - 10 * SECOND).await;
    office.waits(&chat).await;
    clock::advance(25 * SECOND).await;
    office.is_with(&chat, &dewi).await;
    let told = office.told(&chat, &["conversation.outside_hours"]).await;
    assert_eq!(told.len(), 1, "told once");
}

#[tokio::test]
async fn who_waits_when_the_department_closes_is_told_and_not_served() {
    let _stopped = clock::stop();
    let office = Office::open(&[]).await;
    let (zone, now) = around_noon(Moment::now());
    let sales = office.department("Sales", hours(&zone, now - 60, now + 2)).await;
    let dewi = office.agent("Dewi", &[&sales], json!({})).await;
    let chat = office.customer_of(&sales).await;
    assert_eq!(said(&office, &chat).await, []);
    clock::advance(121 * SECOND).await;
    assert_eq!(said(&office, &chat).await.len(), 1);
    office.beat(&dewi, json!({})).await;
    office.waits(&chat).await;
}

/// The alerts about departments, in order.
async fn alerts(office: &Office) -> Vec<String> {
    let told = office.log().await.into_iter().filter_map(|event| match event {
        Event::DepartmentEmpty(e) => Some(format!("{} is empty, {} wait", e.department, e.waiting)),
        Event::DepartmentCovered(e) => Some(format!("{} is covered", e.department)),
        _ => None,
    });
    told.collect()
}

#[tokio::test]
async fn a_department_that_nobody_is_in_is_told_once_and_so_is_the_end_of_that() {
    let _stopped = clock::stop();
    let office = Office::open(&[]).await;
    let sales = office.department("Sales", Value::Null).await;
    let quiet = office.department("Quiet", Value::Null).await;
    let dewi = office.agent("Dewi", &[&sales], json!({})).await;
    let agus = office.agent("Agus", &[&sales], json!({})).await;
    let mut sari = office.supervisor().await;
    clock::advance(START_GRACE).await;
    assert_eq!(alerts(&office).await, [""; 0], "nobody came, and nobody waits");
    let tab = office.socket(&dewi).await;
    settle().await;
    tab.client.cut().await;
    office.connections_are(1).await;
    clock::advance(GRACE - SECOND).await;
    assert_eq!(alerts(&office).await, [""; 0], "she may be back");
    clock::advance(2 * SECOND).await;
    let empty = "Sales is empty, 0 wait".to_owned();
    assert_eq!(alerts(&office).await, std::slice::from_ref(&empty));
    let told = sari.event_of("agent_department_empty").await;
    assert_eq!((&told["department_id"], &told["waiting"]), (&json!(sales), &json!(0)));
    // Neither customers nor somebody who is away change anything about it.
    let chat = office.customer_of(&sales).await;
    office.beat(&agus, json!({"status": "away"})).await;
    clock::advance(60 * SECOND).await;
    assert_eq!(alerts(&office).await, std::slice::from_ref(&empty));
    office.beat(&agus, json!({"status": "online"})).await;
    office.is_with(&chat, &agus).await;
    let covered = "Sales is covered".to_owned();
    assert_eq!(alerts(&office).await, [empty.clone(), covered.clone()]);
    assert_eq!(sari.event_of("agent_department_covered").await["department_id"], json!(sales));
    // Another time it is told again. Who is away takes nothing, and is not there for customers.
    office.beat(&agus, json!({"status": "away"})).await;
    clock::advance(GRACE + SECOND).await;
    assert_eq!(alerts(&office).await, [empty.clone(), covered, empty]);
    // A customer of a department that never had anybody is reason enough.
    office.customer_of(&quiet).await;
    assert_eq!(alerts(&office).await.pop().as_deref(), Some("Quiet is empty, 1 wait"));
}
