//! Every event that can be produced, through every producer there is, to every kind of listener:
//! who hears it, who does not, and that what is heard is what was posted (contract 7).

use std::collections::BTreeSet;

use serde_json::{Value, json};
use switchboard::model::{Event, Role};
use uuid::Uuid;

use crate::client::{Client, Seen};
use crate::console::{Console, MOMENT, NDJSON, make_key, post};
use crate::server::{Server, claims, sign, token};
use crate::socketio::Socket;

/// The frames of the hub that belong to its connections.
const OWN_FRAMES: &[&str] = &["subscribed", "unsubscribed", "pong", "ack", "error"];

/// The public names a producer may use, each with a payload; a notification is for `dewi`.
fn producible() -> Vec<(&'static str, Value)> {
    let names: BTreeSet<&str> = Event::catalogue().map(|(_, facts)| facts.public_name()).collect();
    let samples = Event::samples();
    let payload_of = |name: &'static str| {
        let announced = format!("{name}.announced");
        let sample = samples.iter().find(|event| event.name() == announced);
        let sample = sample.or_else(|| samples.iter().find(|event| event.name() == name)).unwrap();
        let mut payload: Value = serde_json::from_str(&sample.payload().unwrap()).unwrap();
        // What the server gives, or says of it.
        let fields = payload.as_object_mut().unwrap();
        fields.retain(|field, _| !["announced", "notification_id"].contains(&field.as_str()));
        if name == "notification" {
            fields.insert("user_id".into(), json!("dewi"));
        }
        (name, payload)
    };
    let names: Vec<_> = names.into_iter().filter(|name| Event::is_producible(name)).collect();
    assert_eq!(names.len(), 23, "those of document 004");
    names.into_iter().map(payload_of).collect()
}

fn is_durable(name: &str) -> bool {
    let (_, facts) = Event::catalogue().find(|(_, facts)| facts.public_name() == name).unwrap();
    facts.is_durable
}

/// A way to post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Single,
    Batch,
    Lines,
}

/// A server, and those who post to it.
struct Scene {
    server: Server,
    admin: String,
    writer: String,
    chat: Value,
}

impl Scene {
    async fn set() -> Scene {
        let server = Server::start(&[]).await;
        let admin = token(Role::Admin, "boss");
        let key = json!({ "name": "crm", "scopes": ["events:write"] });
        let (_, writer) = make_key(&server, &admin, key).await;
        let body = json!({ "name": "Budi", "external_id": "chat-1" }).to_string();
        let begun = server.request("POST", "/api/sessions", &body).await;
        Scene { server, admin, writer, chat: begun.body["data"].clone() }
    }

    /// Posts events in one of the ways; all of them must be accepted.
    async fn post(&self, by: &str, way: Way, events: &[Value]) {
        let (headers, bodies): (&[_], Vec<String>) = match way {
            Way::Single => (&[], events.iter().map(Value::to_string).collect()),
            Way::Batch => (&[], vec![json!({ "events": events }).to_string()]),
            Way::Lines => {
                let lines: Vec<String> = events.iter().map(Value::to_string).collect();
                (&[NDJSON], vec![lines.join("\n")])
            }
        };
        for body in bodies {
            let answer = post(&self.server, by, headers, &body).await;
            assert_eq!(answer.status, 202, "{body}: {answer:?}");
            assert_eq!(answer.body["data"]["rejected"], json!([]), "{body}");
        }
    }

    fn text(&self, field: &str) -> &str {
        self.chat[field].as_str().unwrap()
    }

    /// A console of a key with these scopes and patterns.
    async fn console_of_key(&self, scope: &str, events: Value, query: &str) -> Console {
        let key = json!({ "name": "reader", "scopes": [scope], "events": events });
        let (_, key) = make_key(&self.server, &self.admin, key).await;
        Console::open(&self.server, &format!("/ws?{query}&token={key}")).await
    }
}

/// A listener of the hub: its name, its console, and which of the producible names it is to hear.
type Listener = (String, Console, Box<dyn Fn(&str) -> bool>);

/// Consoles of every role, with and without a subscription. `dewi` is whom notifications are for.
async fn consoles(scene: &Scene) -> Vec<Listener> {
    let server = &scene.server;
    let mut listeners: Vec<Listener> = Vec::new();
    let roles = [("dewi", Role::Agent), ("agus", Role::Agent), ("boss", Role::Admin)];
    for (user, role) in roles {
        let is_hers = move |name: &str| name != "notification" || user == "dewi";
        let all = Console::open_as(server, role, user, "").await;
        listeners.push((format!("{user}, all"), all, Box::new(is_hers)));
        let some = Console::open_as(server, role, user, "events=call.*,alert").await;
        // What is addressed to somebody always arrives.
        let subscribed = move |name: &str| {
            name.starts_with("call.")
                || name == "alert"
                || (name == "notification" && is_hers(name))
        };
        listeners.push((format!("{user}, calls and alerts"), some, Box::new(subscribed)));
        let mut none = Console::open_as(server, role, user, "").await;
        none.unsubscribe(&["*"]).await;
        let personal = move |name: &str| name == "notification" && is_hers(name);
        listeners.push((format!("{user}, nothing"), none, Box::new(personal)));
    }
    let reader = scene.console_of_key("events:read", Value::Null, "").await;
    listeners.push(("a reader".into(), reader, Box::new(|_| true)));
    let ruler = scene.console_of_key("admin", Value::Null, "").await;
    listeners.push(("a key of an admin".into(), ruler, Box::new(|_| true)));
    let some = scene.console_of_key("events:read", Value::Null, "events=chat.*").await;
    listeners.push(("a reader of chats".into(), some, Box::new(|name| name.starts_with("chat."))));
    let queues = scene.console_of_key("events:read", json!(["queue.*"]), "").await;
    let is_of_queues: Box<dyn Fn(&str) -> bool> = Box::new(|name| name.starts_with("queue."));
    listeners.push(("a key for queues".into(), queues, is_of_queues));
    let more = scene.console_of_key("events:read", json!(["queue.*"]), "events=*").await;
    let is_of_queues: Box<dyn Fn(&str) -> bool> = Box::new(|name| name.starts_with("queue."));
    listeners.push(("a key for queues that asks for more".into(), more, is_of_queues));
    let path = format!("/ws/public?token={}", scene.text("session_key"));
    let visitor = Console::open(server, &path).await;
    listeners.push(("a visitor".into(), visitor, Box::new(|_| false)));
    listeners
}

/// Everything a socket of another dialect is told within a moment, by name.
async fn names_of(client: &mut Client) -> Vec<String> {
    let mut names = Vec::new();
    while let Some(seen) = client.next_soon(MOMENT).await {
        if let Seen::Frame(frame) = seen {
            names.push(frame["type"].as_str().unwrap().to_owned());
        }
    }
    names
}

/// The frames that posts caused, by the ids their producers gave them.
fn of_posts(frames: Vec<Value>) -> Vec<Value> {
    let is_of_post = |frame: &Value| frame["id"].as_str().is_some_and(|id| id.starts_with("p:"));
    let is_own = |frame: &Value| OWN_FRAMES.iter().any(|kind| frame["type"] == *kind);
    frames.into_iter().filter(|frame| is_of_post(frame) && !is_own(frame)).collect()
}

/// What a listener was told of an event is what its producer said of it.
fn check_frame(listener: &str, frame: &Value, posted: &Value) {
    let name = posted["type"].as_str().unwrap();
    assert_eq!(frame["type"], name, "{listener}");
    assert_eq!(frame["cursor"].is_string(), is_durable(name), "{listener}: {frame}");
    let mut payload = frame["payload"].clone();
    let fields = payload.as_object_mut().unwrap();
    let is_announced = fields.remove("announced") == Some(json!(true));
    let is_said_of_elsewhere = name.starts_with("chat.") || name == "agent.state.changed";
    assert_eq!(is_announced, is_said_of_elsewhere, "{listener}: {frame}");
    let has_number = fields.remove("notification_id").is_some();
    assert_eq!(has_number, name == "notification", "{listener}: {frame}");
    assert_eq!(payload, posted["payload"], "{listener}: {name}");
}

/// 004: acceptance 286 to 301, 308 to 338.
#[tokio::test]
async fn every_event_of_every_producer_is_heard_as_it_was_posted_by_those_it_is_for() {
    let scene = Scene::set().await;
    let server = &scene.server;
    let mut listeners = consoles(&scene).await;
    let (id, dewi, boss) = (scene.text("session_id"), token(Role::Agent, "dewi"), &scene.admin);
    let customer = format!("/ws/{id}/{}/customer", scene.text("user_id"));
    let customer = format!("{customer}?token={}", scene.text("token"));
    let mut customer = server.open(&customer).await;
    let mut observer = server.open(&format!("/ws/{id}/boss/admin?token={boss}")).await;
    let mut asking = Socket::open(server, json!({ "sessionId": scene.text("session_key") })).await;
    let mut answering = Socket::open(server, json!({ "token": dewi })).await;
    answering.join("chat-1").await;
    names_of(&mut customer).await;
    names_of(&mut observer).await;
    for socket in [&mut asking, &mut answering] {
        socket.events_for(MOMENT).await;
    }

    let mut posted = Vec::new();
    for by in ["admin", "key"] {
        for way in [Way::Single, Way::Batch, Way::Lines] {
            let mut events = Vec::new();
            for (name, mut payload) in producible() {
                if name == "queue.stats" {
                    // Of one queue the latest would do.
                    payload["queue_name"] = json!(format!("{by} {way:?}"));
                }
                let id = format!("p:{name} by {by} as {way:?}");
                events.push(json!({ "type": name, "payload": payload, "id": id }));
            }
            let bearer = if by == "admin" { &scene.admin } else { &scene.writer };
            scene.post(bearer, way, &events).await;
            posted.extend(events);
        }
    }
    for (listener, console, is_for_it) in &mut listeners {
        let heard = of_posts(console.frames_for(MOMENT).await);
        let is_due = |event: &&Value| is_for_it(event["type"].as_str().unwrap());
        for kept in [true, false] {
            // What is kept is told in its order, and what is not in its own.
            let is_kept = |event: &&Value| is_durable(event["type"].as_str().unwrap()) == kept;
            let due: Vec<_> = posted.iter().filter(is_due).filter(is_kept).collect();
            let told: Vec<_> = heard.iter().filter(is_kept).collect();
            let ids = |frames: &[&Value]| -> Vec<Value> {
                frames.iter().map(|frame| frame["id"].clone()).collect()
            };
            assert_eq!(ids(&told), ids(&due), "{listener}");
            told.iter().zip(due).for_each(|(frame, event)| check_frame(listener, frame, event));
        }
    }
    // Who only takes part in a conversation hears of none of it but what is for them in person.
    assert_eq!(names_of(&mut customer).await, [""; 0]);
    assert_eq!(names_of(&mut observer).await, [""; 0]);
    assert!(asking.events_for(MOMENT).await.is_empty());
    let personal = answering.events_for(MOMENT).await;
    let mut names = personal.iter().map(|(name, _)| name.as_str()).collect::<BTreeSet<_>>();
    assert!(names.remove("notification") && personal.len() >= 6, "{personal:?}");
    assert!(names.is_empty(), "{names:?}");
}

/// A target makes an event somebody's; who may not hear it otherwise hears it then, and nobody else.
#[tokio::test]
async fn every_event_with_a_target_is_heard_by_the_target_and_by_nobody_else() {
    let scene = Scene::set().await;
    let server = &scene.server;
    let other = server.request("POST", "/api/sessions", r#"{"name": "Eve"}"#).await;
    let path = |chat: &Value| format!("/ws/public?token={}", chat["token"].as_str().unwrap());
    let budi = Console::open(server, &path(&scene.chat)).await;
    let eve = Console::open(server, &path(&other.body["data"])).await;
    let open = async |role, user| Console::open_as(server, role, user, "events=alert").await;
    let mut everybody = vec![
        ("budi", budi),
        ("eve", eve),
        ("dewi", open(Role::Agent, "dewi").await),
        ("agus", open(Role::Agent, "agus").await),
        ("boss", open(Role::Admin, "boss").await),
    ];
    let user = scene.text("user_id");
    let cases: &[(Value, &[&str])] = &[
        (json!({ "user_id": user }), &["budi"]),
        (json!({ "user_id": "dewi" }), &["dewi"]),
        (json!({ "role": "customer" }), &["budi", "eve"]),
        (json!({ "role": "agent" }), &["dewi", "agus"]),
        (json!({ "role": "admin" }), &["boss"]),
        (json!({ "role": "service" }), &[]),
        (json!({ "user_id": "nobody" }), &[]),
    ];
    for (number, (target, hear)) in cases.iter().enumerate() {
        let mut events = Vec::new();
        for (name, mut payload) in producible() {
            if name == "notification" {
                continue;
            }
            if name == "queue.stats" {
                payload["queue_name"] = json!(number.to_string());
            }
            let id = format!("p:{name} {number}");
            events.push(json!({ "type": name, "payload": payload, "id": id, "target": target }));
        }
        scene.post(&scene.writer, Way::Batch, &events).await;
        for (listener, console) in &mut everybody {
            let heard = of_posts(console.frames_for(MOMENT).await);
            let due = if hear.contains(listener) { events.len() } else { 0 };
            assert_eq!(heard.len(), due, "{listener}, {target}: {heard:?}");
            for frame in &heard {
                let event = events.iter().find(|event| event["id"] == frame["id"]).unwrap();
                check_frame(listener, frame, event);
            }
        }
    }
}

/// A conversation's target makes an event its participants', and its agent's and supervisors'.
#[tokio::test]
async fn every_event_for_a_conversation_is_heard_by_those_who_have_it() {
    let scene = Scene::set().await;
    let server = &scene.server;
    let id = scene.text("session_id");
    let dewi = token(Role::Agent, "dewi");
    let path = format!("/api/sessions/{id}/assign?token={dewi}");
    assert_eq!(server.request("POST", &path, "{}").await.status, 200);
    let budi = Console::open(server, &format!("/ws/public?token={}", scene.text("token"))).await;
    let other = server.request("POST", "/api/sessions", r#"{"name": "Eve"}"#).await;
    let eve = other.body["data"]["token"].as_str().unwrap();
    let eve = Console::open(server, &format!("/ws/public?token={eve}")).await;
    let open = async |role, user| Console::open_as(server, role, user, "").await;
    let mut everybody = vec![
        ("budi", budi, true),
        ("dewi, who has it", open(Role::Agent, "dewi").await, true),
        ("boss", open(Role::Admin, "boss").await, true),
        ("a reader", scene.console_of_key("events:read", Value::Null, "").await, true),
        ("eve", eve, false),
        ("agus", open(Role::Agent, "agus").await, false),
        (
            "a key for audits",
            scene.console_of_key("events:read", json!(["audit.*"]), "").await,
            false,
        ),
    ];
    let mut raw = server.open(&format!("/ws/{id}/dewi/agent?token={dewi}")).await;
    names_of(&mut raw).await;
    let mut events = Vec::new();
    for (name, payload) in producible().into_iter().filter(|(name, _)| *name != "notification") {
        let target = json!({ "conversation_id": "chat-1" });
        let id = format!("p:{name}");
        events.push(json!({ "type": name, "payload": payload, "id": id, "target": target }));
    }
    scene.post(&scene.writer, Way::Lines, &events).await;
    for (listener, console, is_for_it) in &mut everybody {
        let heard = of_posts(console.frames_for(MOMENT).await);
        let names = |frames: &[Value]| -> BTreeSet<String> {
            frames.iter().map(|frame| frame["type"].as_str().unwrap().to_owned()).collect()
        };
        let due = if *is_for_it { names(&events) } else { BTreeSet::new() };
        assert_eq!(names(&heard), due, "{listener}");
        assert_eq!(heard.len(), due.len(), "{listener}: once each");
    }
    assert_eq!(names_of(&mut raw).await, ["alert"], "what its dialect has a frame for");
}

/// What the core tells by itself: nobody posts any of it.
#[tokio::test]
async fn what_happens_here_is_told_without_anybody_posting_it() {
    let server = Server::start(&[]).await;
    let mut boss = Console::open_as(&server, Role::Admin, "boss", "").await;
    let sales = Uuid::from_u128(7);
    let of_sales = |user: &str| {
        let mut of = claims(Role::Agent, user);
        of.departments = vec![sales.to_string()];
        sign(&of)
    };
    let dewi = of_sales(&Uuid::from_u128(1).to_string());
    let mut dewi = Console::open(&server, &format!("/ws?token={dewi}")).await;
    let outsider = Uuid::from_u128(2).to_string();
    let mut of = claims(Role::Agent, &outsider);
    of.departments = vec![Uuid::from_u128(8).to_string()];
    let mut outsider = Console::open(&server, &format!("/ws?token={}", sign(&of))).await;

    let body = json!({ "name": "Budi", "department_id": sales }).to_string();
    let chat = server.request("POST", "/api/sessions", &body).await.body["data"].clone();
    let path = format!("/ws/public?token={}", chat["token"].as_str().unwrap());
    let mut budi = Console::open(&server, &path).await;
    let said = json!({ "body": "Hello", "client_id": "m-1" });
    assert_eq!(budi.ask("chat.message", said, "ack").await["success"], true);
    budi.send("chat.typing", json!({ "is_typing": true })).await;
    dewi.frame_of("chat.typing").await;
    let id = chat["session_id"].as_str().unwrap();
    let admin = token(Role::Admin, "boss");
    for (verb, body) in
        [("transfer", json!({ "department_id": Uuid::from_u128(8) })), ("close", json!({}))]
    {
        let path = format!("/api/sessions/{id}/{verb}?token={admin}");
        assert_eq!(server.request("POST", &path, &body.to_string()).await.status, 200, "{verb}");
    }
    let expected = [
        "agent.login",
        "agent.state.changed",
        "chat.session.started",
        "chat.message",
        "chat.typing",
        "conversation.assigned",
        "conversation.transferred",
        "chat.transferred",
        "conversation.closed",
        "chat.session.ended",
        "queue.stats",
    ];
    // The figures of a queue are told once a second.
    let mut heard: BTreeSet<String> = BTreeSet::new();
    while !expected.iter().all(|name| heard.contains(*name)) {
        heard.insert(boss.frame().await["type"].as_str().unwrap().to_owned());
    }
    let names = |frames: Vec<Value>| -> BTreeSet<String> {
        frames.iter().map(|frame| frame["type"].as_str().unwrap().to_owned()).collect()
    };
    let to_outsider = outsider.frames_for(MOMENT).await;
    let is_private =
        |frame: &&Value| ["chat.message", "chat.typing"].iter().any(|kind| frame["type"] == *kind);
    assert_eq!(to_outsider.iter().find(is_private), None, "of another department");
    let to_outsider = names(to_outsider);
    assert!(!to_outsider.contains("chat.session.started"), "it began in another department");
    assert!(to_outsider.contains("conversation.transferred"), "it was given to this one");
    let to_visitor = names(budi.frames_for(MOMENT).await);
    for kept_from_it in
        ["agent.login", "agent.state.changed", "queue.stats", "chat.session.started"]
    {
        assert!(!to_visitor.contains(kept_from_it), "{kept_from_it}");
    }
    for its_own in ["chat.message", "conversation.transferred", "chat.session.ended"] {
        assert!(to_visitor.contains(its_own), "{its_own} of {to_visitor:?}");
    }
}

/// What is addressed to an agent always arrives, from whichever side of a hand-over.
#[tokio::test]
async fn an_agent_hears_that_its_conversation_was_given_away_whatever_it_subscribed_to() {
    let scene = Scene::set().await;
    let server = &scene.server;
    let open = async |user| Console::open_as(server, Role::Agent, user, "events=alert").await;
    let mut agents = [open("dewi").await, open("agus").await, open("rina").await];
    let id = scene.text("session_id");
    for (verb, body) in [
        ("assign", json!({ "agent_id": "dewi" })),
        ("transfer", json!({ "agent_id": "agus" })),
        ("transfer", json!({ "department_id": Uuid::from_u128(7) })),
    ] {
        // The department is made by its first agent.
        let mut of = claims(Role::Agent, "fitri");
        of.departments = vec![Uuid::from_u128(7).to_string()];
        server.request("GET", &format!("/api/sessions?token={}", sign(&of)), "").await;
        let path = format!("/api/sessions/{id}/{verb}?token={}", scene.admin);
        let answer = server.request("POST", &path, &body.to_string()).await;
        assert_eq!(answer.status, 200, "{verb}: {answer:?}");
    }
    let (assigned, transferred) = ("conversation.assigned", "conversation.transferred");
    let due = [vec![assigned, transferred], vec![transferred, transferred], vec![]];
    for (agent, due) in agents.iter_mut().zip(due) {
        let heard = agent.frames_for(MOMENT).await;
        let heard: Vec<_> = heard.iter().map(|frame| frame["type"].as_str().unwrap()).collect();
        assert_eq!(heard, due);
    }
}
