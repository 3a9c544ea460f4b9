//! What happens at the same time: a replay while more is posted, one post from two producers, and a
//! restart between a post and its repeat. Whatever comes first, each event is told once, in order
//! (contract 3 and 7).

use std::sync::Arc;

use futures_util::future::join_all;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use switchboard::model::Role;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Answer, connect, request};
use crate::clock::within;
use crate::console::{Console, MOMENT, hold, post};
use crate::dice::Dice;
use crate::packet::position;
use crate::server::{Server, token};

/// What a producer posts while its reader comes and goes.
const EVENTS: u64 = 2_000;

/// Cuts without which a race would prove little.
const CUTS_MIN: u64 = 36;

/// A server with a file and outboxes so small that a slow moment fills them.
async fn on_disk(data: &Arc<TempDir>) -> Server {
    Server::on_disk(data.clone(), &[("limits.outbox_events", "64")]).await
}

/// Posts calls numbered from 0, some at a time, with an alert now and then.
fn produce(server: &Server, seed: u64) -> JoinHandle<()> {
    let (addr, bearer) = (server.addr, format!("Bearer {}", token(Role::Admin, "exchange")));
    tokio::spawn(async move {
        let (mut dice, mut next) = (Dice::new(seed), 0);
        while next < EVENTS {
            let end = (next + 1 + dice.below(12)).min(EVENTS);
            let mut events: Vec<Value> = (next..end).map(hold).collect();
            let alert = json!({ "title": next.to_string(), "body": "between the calls" });
            events.push(json!({ "type": "alert", "payload": alert }));
            let body = json!({ "events": events }).to_string();
            let headers = [("Authorization", bearer.as_str())];
            let answer = request(addr, "POST", "/api/events", &headers, &body).await;
            assert_eq!(answer.status, 202, "{answer:?}");
            next = end;
        }
    })
}

/// A reader of calls that has to hear each once, in order, over all its connections.
struct Reader {
    server_addr: std::net::SocketAddr,
    token: String,
    /// The number of the call that comes next.
    next: u64,
    /// The last cursor it has; none before its first connection.
    cursor: Option<String>,
    dice: Dice,
    cuts: u64,
}

type Line = WebSocketStream<TcpStream>;

impl Reader {
    fn new(server: &Server, seed: u64) -> Reader {
        let token = token(Role::Admin, "reader");
        let dice = Dice::new(seed);
        Reader { server_addr: server.addr, token, next: 0, cursor: None, dice, cuts: 0 }
    }

    async fn open(&self, query: &str) -> Line {
        let path = format!("/ws?{query}&token={}", self.token);
        connect(self.server_addr, &path, &[], None).await.unwrap().0
    }

    /// Reads up to so many frames, or until everything was heard. False if the line has ended.
    async fn read(&mut self, line: &mut Line, frames: u64) -> bool {
        for _ in 0..frames {
            if self.next == EVENTS {
                return true;
            }
            match within("a frame", line.next()).await {
                Some(Ok(Message::Text(text))) => self.take(&text),
                Some(Ok(Message::Close(frame))) => {
                    // It was too slow for a moment, and comes back as after any other cut.
                    assert_eq!(frame.map(|frame| u16::from(frame.code)), Some(4008));
                    return false;
                }
                Some(Ok(_)) => {}
                end => panic!("the server ended it: {end:?}"),
            }
        }
        true
    }

    fn take(&mut self, text: &str) {
        let frame: Value = serde_json::from_str(text).unwrap();
        assert_ne!(frame["type"], "resync", "{frame}");
        if frame["type"] == "call.hold" {
            assert_eq!(frame["payload"]["unique_id"], self.next.to_string(), "a hole or a repeat");
            self.next += 1;
        }
        let Some(cursor) = frame["cursor"].as_str() else { return };
        let before = self.cursor.as_deref().map(position);
        assert!(Some(position(cursor)) > before, "{frame} after {before:?}");
        self.cursor = Some(cursor.to_owned());
    }

    /// Ends a line in one way or another.
    async fn cut(&mut self, mut line: Line) {
        self.cuts += 1;
        match self.dice.below(2) {
            0 => line.get_ref().set_zero_linger().unwrap(),
            _ => drop(line.close(None).await),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_console_that_is_cut_again_and_again_hears_each_event_once_and_in_order() {
    let data = Arc::new(TempDir::new().unwrap());
    let server = on_disk(&data).await;
    // Where it starts, before anything is posted.
    let begun = Console::open_as(&server, Role::Admin, "reader", "events=call.*").await;
    let mut reader = Reader::new(&server, 11);
    reader.cursor = Some(begun.cursor.clone());
    drop(begun);
    let producing = produce(&server, 5);
    while reader.next < EVENTS {
        let after = reader.cursor.clone().unwrap();
        let mut line = reader.open(&format!("events=call.*,alert&after={after}")).await;
        // Sometimes before the first frame, sometimes within the replay, sometimes live.
        let frames = reader.dice.below(3) * reader.dice.below(60);
        reader.read(&mut line, frames).await;
        reader.cut(line).await;
    }
    within("the producer", producing).await.unwrap();
    assert!(reader.cuts >= CUTS_MIN, "{} cuts prove little", reader.cuts);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_subscription_with_a_past_races_with_what_is_posted_and_misses_and_doubles_nothing() {
    let data = Arc::new(TempDir::new().unwrap());
    let server = on_disk(&data).await;
    let begun = Console::open_as(&server, Role::Admin, "reader", "events=call.*").await;
    let mut reader = Reader::new(&server, 17);
    reader.cursor = Some(begun.cursor.clone());
    drop(begun);
    let producing = produce(&server, 6);
    while reader.next < EVENTS {
        // It comes for something that never happens, and subscribes at some moment after that: to
        // calls first, and to alerts, which it does not count, when calls may be under way.
        let mut line = reader.open("events=queue.*").await;
        let mut subscribe = async |events: &[&str], after: Option<&str>| {
            let payload = json!({ "events": events, "after": after });
            let frame = json!({ "type": "subscribe", "payload": payload }).to_string();
            within("a subscription", line.send(Message::text(frame))).await.unwrap();
        };
        let after = reader.cursor.clone();
        subscribe(&["call.*"], after.as_deref()).await;
        if reader.dice.below(2) == 0 {
            // A second past of what it has asked for already adds nothing to it.
            subscribe(&["call.hold", "queue.left"], after.as_deref()).await;
        }
        let frames = reader.dice.below(3) * reader.dice.below(60);
        // What the answers say of the cursor is where it is told from.
        reader.read(&mut line, frames).await;
        reader.cut(line).await;
    }
    within("the producer", producing).await.unwrap();
    assert!(reader.cuts >= CUTS_MIN, "{} cuts prove little", reader.cuts);
}

/// What is addressed to a console is told whatever it subscribed to, and not again with a past.
#[tokio::test]
async fn what_was_told_because_it_was_addressed_is_not_told_again_by_a_past() {
    let server = Server::start(&[]).await;
    let boss = token(Role::Admin, "boss");
    let mut dewi = Console::open_as(&server, Role::Agent, "dewi", "events=call.*").await;
    let begun = dewi.cursor.clone();
    let alert = |title: &str, target: Value| {
        let payload = json!({ "title": title, "body": "x" });
        json!({ "type": "alert", "payload": payload, "target": target })
    };
    let events = [
        alert("hers", json!({ "user_id": "dewi" })),
        alert("all agents'", json!({ "role": "agent" })),
        alert("anybody's", Value::Null),
    ];
    let events = json!({ "events": events }).to_string();
    assert_eq!(post(&server, &boss, &[], &events).await.status, 202);
    for title in ["hers", "all agents'"] {
        assert_eq!(dewi.frame_of("alert").await["payload"]["title"], title);
    }
    dewi.subscribe(&["alert"], Some(&begun)).await;
    let heard = dewi.frames_for(MOMENT).await;
    let titles: Vec<_> = heard.iter().map(|frame| &frame["payload"]["title"]).collect();
    assert_eq!(titles, ["anybody's"]);
    // Before it came, nothing was told it, addressed or not.
    let late = Console::open_as(&server, Role::Agent, "dewi", "events=call.*").await;
    let mut late = late;
    late.subscribe(&["alert"], Some(&begun)).await;
    assert_eq!(late.frames_for(MOMENT).await.len(), 3);
}

/// Posts as one of several producers, under a key.
async fn post_under(server: &Server, who: &str, key: &str, body: &Value) -> Answer {
    let headers = [("Idempotency-Key", key)];
    post(server, &token(Role::Admin, who), &headers, &body.to_string()).await
}

/// A batch of calls and figures of queues, named after `name`.
fn batch(name: &str) -> Value {
    let figures = json!({
        "queue_name": name, "calls_waiting": 1, "available_agents": 1, "logged_in_agents": 1,
    });
    let stats = json!({ "type": "queue.stats", "payload": figures });
    json!({ "events": [hold(format!("{name} a")), stats, hold(format!("{name} b")), { "type": "dance" }] })
}

/// What a console heard of each name: calls by their ids, figures by their queues.
fn heard_of(frames: &[Value]) -> Vec<String> {
    let told = frames.iter().filter_map(|frame| {
        let payload = &frame["payload"];
        payload["unique_id"].as_str().or_else(|| payload["queue_name"].as_str())
    });
    let mut told: Vec<String> = told.map(str::to_owned).collect();
    told.sort();
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_key_from_two_producers_at_once_is_one_post_and_has_one_answer() {
    const ROUNDS: usize = 60;
    let data = Arc::new(TempDir::new().unwrap());
    let server = on_disk(&data).await;
    let query = "events=call.*,queue.stats";
    let mut console = Console::open_as(&server, Role::Admin, "reader", query).await;
    let mut due = Vec::new();
    for round in 0..ROUNDS {
        let name = format!("round {round:02}");
        let body = batch(&name);
        let posts = ["crm", "exchange", "crm"].map(|who| post_under(&server, who, &name, &body));
        let answers = join_all(posts).await;
        for answer in &answers {
            assert_eq!(answer.status, 202, "{answer:?}");
            assert_eq!(answer.body["data"], answers[0].body["data"], "{name}");
        }
        assert_eq!(answers[0].body["data"]["accepted"], 3);
        due.extend([name.to_string(), format!("{name} a"), format!("{name} b")]);
    }
    due.sort();
    assert_eq!(heard_of(&console.frames_for(MOMENT * 2).await), due);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_key_with_two_bodies_at_once_is_the_first_ones_and_a_conflict_for_the_other() {
    const ROUNDS: usize = 60;
    let data = Arc::new(TempDir::new().unwrap());
    let server = on_disk(&data).await;
    let mut console = Console::open_as(&server, Role::Admin, "reader", "events=call.*").await;
    let mut due = Vec::new();
    for round in 0..ROUNDS {
        let bodies = ["one", "two"].map(|name| hold(format!("{name} {round:02}")));
        let key = round.to_string();
        let posts = bodies.iter().map(|body| post_under(&server, "crm", &key, body));
        let answers = join_all(posts).await;
        let won = answers.iter().position(|answer| answer.status == 202).expect("one of them");
        let lost = &answers[1 - won];
        assert_eq!((lost.status, &lost.body["code"]), (409, &json!("conflict")), "{lost:?}");
        due.push(bodies[won]["payload"]["unique_id"].as_str().unwrap().to_owned());
    }
    due.sort();
    assert_eq!(heard_of(&console.frames_for(MOMENT * 2).await), due);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_event_in_two_batches_at_once_is_one_event() {
    const ROUNDS: usize = 60;
    let data = Arc::new(TempDir::new().unwrap());
    let server = on_disk(&data).await;
    let mut console = Console::open_as(&server, Role::Admin, "reader", "events=call.*").await;
    let with_id = |name: String| {
        let mut event = hold(&name);
        event["id"] = json!(name);
        event
    };
    let mut due = Vec::new();
    for round in 0..ROUNDS {
        let (both, third) = (format!("{round:02} both"), format!("{round:02} third"));
        let posts = ["left", "right"].map(|side| {
            // What one of them has first, the other has last.
            let mut events = vec![with_id(both.clone()), hold(format!("{round:02} {side}"))];
            events.push(with_id(third.clone()));
            if side == "right" {
                events.reverse();
            }
            json!({ "events": events })
        });
        let posts = posts.iter().map(|body| {
            let bearer = token(Role::Admin, "crm");
            let (server, body) = (&server, body.to_string());
            async move { post(server, &bearer, &[], &body).await }
        });
        for answer in join_all(posts).await {
            assert_eq!((answer.status, &answer.body["data"]["accepted"]), (202, &json!(3)));
        }
        due.extend([both, third, format!("{round:02} left"), format!("{round:02} right")]);
    }
    due.sort();
    assert_eq!(heard_of(&console.frames_for(MOMENT * 2).await), due);
}

/// Some of a post may be refused for what came before it; a repeat says so, too.
#[tokio::test]
async fn a_repeat_is_told_of_the_same_refusals() {
    let server = Server::start(&[]).await;
    let mut first = hold("first");
    first["id"] = json!("e-1");
    let boss = token(Role::Admin, "boss");
    assert_eq!(post(&server, &boss, &[], &first.to_string()).await.status, 202);
    let mut other = hold("other");
    other["id"] = json!("e-1");
    let body = json!({ "events": [hold("new"), other, { "type": "dance" }] });
    let answers = [
        post_under(&server, "crm", "k", &body).await,
        post_under(&server, "crm", "k", &body).await,
    ];
    let data = answers.map(|answer| answer.body["data"].clone());
    assert_eq!(data[0]["accepted"], 1, "{}", data[0]);
    assert_eq!(data[0], data[1]);
}

/// What is done between the events of a post is done once, too, and so is what comes behind it.
#[tokio::test]
async fn a_repeat_of_a_post_with_verbs_in_it_does_nothing_again() {
    let server = Server::start(&[]).await;
    let mut console = Console::open_as(&server, Role::Admin, "boss", "events=call.*,chat.*").await;
    let begun = server.request("POST", "/api/sessions", "{}").await.body["data"].clone();
    let chat = json!({ "session_id": begun["session_id"] });
    let close = json!({ "type": "chat.session.ended", "payload": chat });
    let body = json!({ "events": [hold("before"), close, hold("behind"), hold("last")] });
    let posts = [(); 3].map(|()| post_under(&server, "crm", "k", &body));
    for answer in join_all(posts).await {
        assert_eq!((answer.status, &answer.body["data"]["accepted"]), (202, &json!(4)));
    }
    let reopen = format!("/api/sessions/{}/reopen", begun["session_id"].as_str().unwrap());
    let reopen = format!("{reopen}?token={}", token(Role::Admin, "boss"));
    assert_eq!(server.request("POST", &reopen, "{}").await.status, 200);
    let again = post_under(&server, "crm", "k", &body).await;
    assert_eq!(again.body["data"]["accepted"], 4);
    let heard = console.frames_for(MOMENT).await;
    let told = |frame: &Value| match frame["payload"]["unique_id"].as_str() {
        Some(call) => call.to_owned(),
        None => frame["type"].as_str().unwrap().to_owned(),
    };
    let told: Vec<String> = heard.iter().map(told).collect();
    let due = ["chat.session.started", "before", "chat.session.ended", "behind", "last"];
    assert_eq!(told, due);
}

/// A past is asked for while the answers to messages are still on their way to the disk, and a page
/// of the log to the console.
#[tokio::test]
async fn a_subscription_behind_messages_on_their_way_misses_nothing_of_its_past() {
    const CALLS: u64 = 3_000;
    let data = Arc::new(TempDir::new().unwrap());
    let server = Server::on_disk(data, &[("limits.messages_per_minute", "0")]).await;
    let boss = token(Role::Admin, "boss");
    let begun = server.request("POST", "/api/sessions", "{}").await.body["data"].clone();
    let start = Console::open_as(&server, Role::Admin, "reader", "events=alert").await.cursor;
    for first in (0..CALLS).step_by(1_000) {
        let events: Vec<Value> = (first..first + 1_000).map(hold).collect();
        let body = json!({ "events": events }).to_string();
        assert_eq!(post(&server, &boss, &[], &body).await.status, 202);
    }
    for round in 0..8 {
        let query = format!("events=alert&after={start}");
        let mut console = Console::open_as(&server, Role::Admin, "reader", &query).await;
        for n in 0..20 {
            let body = json!({
                "session_id": begun["session_id"], "body": "x", "client_id": format!("{round} {n}"),
            });
            console.send("chat.message", body).await;
        }
        console.subscribe(&["call.*"], Some(&start)).await;
        let calls = console.frames_for(MOMENT).await;
        let calls = calls.iter().filter(|frame| frame["type"] == "call.hold");
        assert_eq!(calls.count() as u64, CALLS, "round {round}");
    }
}

#[tokio::test]
async fn keys_and_ids_are_known_after_a_restart() {
    let data = Arc::new(TempDir::new().unwrap());
    let server = on_disk(&data).await;
    let mut single = hold("single");
    single["id"] = json!("e-1");
    let body = batch("whole");
    let before = [
        post_under(&server, "crm", "k-1", &body).await,
        post_under(&server, "crm", "k-2", &single).await,
    ];
    let since = {
        let console = Console::open_as(&server, Role::Admin, "reader", "events=call.*").await;
        console.cursor.clone()
    };
    server.running.drain().await;

    let server = on_disk(&data).await;
    let query = format!("events=call.*,queue.*&after={since}");
    let mut console = Console::open_as(&server, Role::Admin, "reader", &query).await;
    let after = [
        post_under(&server, "exchange", "k-1", &body).await,
        post_under(&server, "exchange", "k-2", &single).await,
    ];
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((before.status, &before.body), (202, &after.body));
    }
    let boss = token(Role::Admin, "boss");
    assert_eq!(post(&server, &boss, &[], &single.to_string()).await.status, 202, "by its own id");
    assert_eq!(post_under(&server, "crm", "k-1", &hold("other")).await.status, 409);
    let mut other = hold("other");
    other["id"] = json!("e-1");
    assert_eq!(post(&server, &boss, &[], &other.to_string()).await.status, 409);
    assert_eq!(console.frames_for(MOMENT).await, [Value::Null; 0], "none of it is news");
}
