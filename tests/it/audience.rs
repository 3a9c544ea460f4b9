//! Who hears what over Socket.IO: offsets behind what is kept and only there, rooms that do not
//! leak, and who is there at all (contract 6).

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use switchboard::auth::Claims;
use switchboard::model::Role;
use tokio_tungstenite::tungstenite::Message;

use crate::client::connect;
use crate::clock::{self, within};
use crate::dice::Dice;
use crate::packet;
use crate::recovery::{begin, customer};
use crate::server::{Server, claims, sign, token};
use crate::socketio::{Socket, Told, WEBSOCKET};

/// Long enough for whatever is on its way in this process.
const MOMENT: Duration = Duration::from_millis(60);

const UNLIMITED: &[(&str, &str)] =
    &[("limits.messages_per_minute", "0"), ("limits.typing_per_minute", "0")];

async fn assign(server: &Server, started: &Value, token: &str, body: &str) {
    let id = started["session_id"].as_str().unwrap();
    let path = format!("/api/sessions/{id}/assign?token={token}");
    let answer = server.request("POST", &path, body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// The names of the events that come within a moment, each with one of its fields.
async fn heard(socket: &mut Socket, field: &str) -> Vec<(String, String)> {
    let events = socket.events_for(MOMENT).await.into_iter();
    events.map(|(name, data)| (name, data[field].as_str().unwrap_or("-").to_owned())).collect()
}

#[tokio::test]
async fn an_offset_comes_behind_what_is_kept_and_only_there() {
    const VOLATILE: &[&str] = &["typing_indicator", "presence_update"];
    let server = Server::start(UNLIMITED).await;
    let started = begin(&server, "conv-1").await;
    let mut budi = customer(&server, &started).await;
    let mut sari = Socket::open(&server, json!({ "token": token(Role::Admin, "sari") })).await;
    let mut dice = Dice::new(3);
    sari.join("conv-1").await;
    let (mut is_due, mut offsets, mut kept, mut passing) = (false, 0, 0, 0);
    for round in 0..60 {
        match dice.below(4) {
            0 => drop(budi.say("conv-1", "one").await),
            1 => {
                // Kept together, so told together.
                for n in 0..5 {
                    let said = json!({ "conversationId": "conv-1", "content": n.to_string() });
                    budi.emit(json!(["send_message", said])).await;
                }
            }
            2 => budi.emit(json!(["typing_start", "conv-1"])).await,
            _ => {
                let user = format!("agent-{round}");
                let auth = json!({ "token": token(Role::Agent, &user) });
                drop(Socket::open(&server, auth).await);
            }
        }
        budi.call(json!(["typing_stop", "conv-1"])).await;
        let end = format!("end of round {round}");
        budi.say("conv-1", &end).await;
        loop {
            match sari.told().await {
                Told::Offset => {
                    assert!(is_due, "an offset behind nothing that is kept");
                    offsets += 1;
                    is_due = false;
                    continue;
                }
                Told::Event(name, _) if VOLATILE.contains(&name.as_str()) => passing += 1,
                Told::Event(_, data) => {
                    is_due = true;
                    kept += 1;
                    if data["content"] == end {
                        break;
                    }
                }
                Told::End(code) => panic!("it ended: {code:?}"),
            }
        }
    }
    while is_due {
        is_due = !matches!(sari.told().await, Told::Offset);
    }
    assert!(passing > 20 && offsets < kept, "{passing} passing, {offsets} offsets, {kept} kept");
}

#[tokio::test]
async fn a_room_is_heard_by_those_in_it_and_by_nobody_else() {
    let server = Server::start(UNLIMITED).await;
    let (one, two) = (begin(&server, "one").await, begin(&server, "two").await);
    let (mut budi, mut citra) = (customer(&server, &one).await, customer(&server, &two).await);
    let mut dewi = Socket::open(&server, json!({ "token": token(Role::Agent, "dewi") })).await;
    let mut sari = Socket::open(&server, json!({ "token": token(Role::Admin, "sari") })).await;
    let acme = Claims { tenant: "acme".into(), ..claims(Role::Admin, "sari") };
    let mut acme = Socket::open(&server, json!({ "token": sign(&acme) })).await;
    budi.join("one").await;
    citra.join("two").await;
    dewi.join("one").await;
    for socket in [&mut budi, &mut citra, &mut dewi, &mut sari, &mut acme] {
        socket.events_for(MOMENT).await;
    }
    budi.say("one", "of one").await;
    citra.say("two", "of two").await;
    citra.emit(json!(["typing_start"])).await;
    for (who, socket, contents) in [
        ("budi", &mut budi, &["of one"][..]),
        ("citra", &mut citra, &["of two"]),
        ("dewi", &mut dewi, &["of one"]),
        // May see both, and asked for neither.
        ("sari", &mut sari, &[]),
        ("acme", &mut acme, &[]),
    ] {
        let events = heard(socket, "content").await;
        let said = events.iter().filter(|(name, _)| name == "message_received");
        let said: Vec<_> = said.map(|(_, content)| content.as_str()).collect();
        assert_eq!(said, contents, "{who}");
        assert!(!events.iter().any(|(name, _)| name == "typing_indicator"), "{who}: {events:?}");
    }
}

/// Far more than a socket holds, so that most of it waits when the client leaves.
const UNREAD_MESSAGES: u64 = 500;

#[tokio::test]
async fn who_left_hears_nothing_of_what_waited_for_it() {
    // Whether the server reads on or writes on first is chance; it has to have read on once.
    for _ in 0..20 {
        if leave_with_a_backlog().await < UNREAD_MESSAGES {
            return;
        }
    }
    panic!("nothing ever waited when it left, so nothing was proved");
}

/// A client leaves a conversation of which much waits for it; returns how many messages it was
/// told, none of them after it had left.
async fn leave_with_a_backlog() -> u64 {
    let options = [UNLIMITED, &[("limits.outbox_events", "4096")]].concat();
    let server = Server::start(&options).await;
    let started = begin(&server, "conv-1").await;
    let mut budi = customer(&server, &started).await;
    let (mut ws, _) = connect(server.addr, WEBSOCKET, &[], Some(4_096)).await.unwrap();
    let auth = json!({ "token": token(Role::Admin, "sari") });
    for packet in [format!("40{auth}"), r#"420["join_conversation","conv-1"]"#.to_owned()] {
        ws.send(Message::text(packet)).await.unwrap();
    }
    let mut next = async || loop {
        match within("a packet", ws.next()).await {
            Some(Ok(Message::Text(text))) => return packet::read(&text).unwrap(),
            Some(Ok(_)) => {}
            end => panic!("it ended: {end:?}"),
        }
    };
    while next().await[0] != "430" {}
    let text = "x".repeat(15_000);
    for _ in 0..UNREAD_MESSAGES {
        budi.say("conv-1", &text).await;
    }
    ws.send(Message::text(r#"421["leave_conversation","conv-1"]"#)).await.unwrap();
    clock::settle().await;
    let mut told = 0;
    let mut has_left = false;
    budi.say("conv-1", "the last").await;
    ws.send(Message::text(r#"422["typing_start","unknown"]"#)).await.unwrap();
    loop {
        let packet = match within("a packet", ws.next()).await {
            Some(Ok(Message::Text(text))) => packet::read(&text).unwrap(),
            Some(Ok(_)) => continue,
            end => panic!("it ended: {end:?}"),
        };
        match packet::event(&packet).map(|(name, _)| name) {
            Some("left_conversation") => has_left = true,
            Some("message_received") => {
                assert!(!has_left, "told of what was said, after it had left");
                told += 1;
            }
            _ if packet[0] == "432" => break,
            _ => {}
        }
    }
    assert!(has_left);
    told
}

#[tokio::test]
async fn a_user_comes_once_and_goes_once_over_all_its_connections() {
    let server = Server::start(&[]).await;
    let started = begin(&server, "conv-1").await;
    let id = started["session_id"].as_str().unwrap();
    let dewi = token(Role::Agent, "dewi");
    let mut sari = Socket::open(&server, json!({ "token": token(Role::Admin, "sari") })).await;
    assert_eq!(sari.event_of("presence_update").await["userId"], "sari");

    // The first one on the session dialect, where it goes by another name.
    let path = format!("/ws/{id}/agent_dewi/agent?token={dewi}");
    let first = server.open(&path).await;
    let update = sari.event_of("presence_update").await;
    assert_eq!((&update["userId"], &update["status"]), (&json!("dewi"), &json!("online")));
    let second = Socket::open(&server, json!({ "token": dewi })).await;
    let third = Socket::open_polling(&server, json!({ "token": dewi })).await;
    first.close().await;
    third.client.close().await;
    assert_eq!(heard(&mut sari, "userId").await, [], "neither first nor last");
    second.client.cut().await;
    let update = sari.event_of("presence_update").await;
    assert_eq!((&update["userId"], &update["status"]), (&json!("dewi"), &json!("offline")));
    let again = server.open(&path).await;
    assert_eq!(sari.event_of("presence_update").await["status"], "online");
    again.cut().await;
    assert_eq!(sari.event_of("presence_update").await["status"], "offline");
    assert_eq!(heard(&mut sari, "userId").await, []);
}

#[tokio::test]
async fn customers_hear_of_their_agent_and_of_nobody_else() {
    let server = Server::start(&[]).await;
    let (one, two) = (begin(&server, "one").await, begin(&server, "two").await);
    let (mut budi, mut citra) = (customer(&server, &one).await, customer(&server, &two).await);
    budi.join("one").await;
    citra.join("two").await;
    let (dewi, agus) = (token(Role::Agent, "dewi"), token(Role::Agent, "agus"));
    for token in [&dewi, &agus] {
        server.request("GET", &format!("/api/sessions?token={token}"), "").await;
    }
    assign(&server, &one, &dewi, "{}").await;
    let acme = Claims { tenant: "acme".into(), ..claims(Role::Admin, "boss") };
    let mut acme = Socket::open(&server, json!({ "token": sign(&acme) })).await;
    for socket in [&mut budi, &mut citra, &mut acme] {
        socket.events_for(MOMENT).await;
    }
    let at_work = Socket::open(&server, json!({ "token": dewi })).await;
    let _other = Socket::open(&server, json!({ "token": agus })).await;
    let update = |who: &str| ("presence_update".to_owned(), who.to_owned());
    assert_eq!(heard(&mut budi, "userId").await, [update("dewi")], "she is his agent");
    assert_eq!(heard(&mut citra, "userId").await, [], "nobody has hers yet");
    at_work.client.close().await;
    assert_eq!(heard(&mut budi, "status").await, [update("offline")]);
    assert_eq!(heard(&mut acme, "userId").await, [], "of another tenant");
}

#[tokio::test]
async fn an_admin_that_joins_leaves_one_entry_in_the_audit_trail() {
    let server = Server::start(&[]).await;
    let (one, two) = (begin(&server, "one").await, begin(&server, "two").await);
    let token = token(Role::Admin, "sari");
    let mut sari = Socket::open(&server, json!({ "token": token })).await;
    assign(&server, &two, &token, r#"{"agent_id": "sari"}"#).await;
    sari.join("one").await;
    sari.join("one").await;
    let history = json!(["history", { "conversationId": "one" }]);
    assert_eq!(sari.call(history).await["success"], true);
    sari.say("one", "hai").await;
    // Its own conversation is no look into somebody else's.
    sari.join("two").await;
    let answer = server.request("GET", &format!("/api/audit?token={token}"), "").await;
    let trail = answer.body["data"]["entries"].as_array().expect("a list");
    let is_look = |entry: &&Value| entry["action"] == "conversation.viewed";
    let looks: Vec<_> = trail.iter().filter(is_look).collect();
    assert_eq!(looks.len(), 1, "{looks:?}");
    assert_eq!((&looks[0]["actor"], &looks[0]["target"]), (&json!("sari"), &one["session_id"]));
}
