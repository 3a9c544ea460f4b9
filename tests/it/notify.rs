//! What is sent to one user, by `POST /api/users/{id}/notify`, arrives at all its sockets in every
//! dialect, under its own name, and after a cut (contract 6 and 8; acceptance 263).

use std::time::Duration;

use serde_json::{Value, json};
use switchboard::auth::Claims;
use switchboard::model::Role;

use crate::recovery::begin;
use crate::server::{Server, claims, sign, token};
use crate::socketio::Socket;

const MOMENT: Duration = Duration::from_millis(60);

async fn notify(server: &Server, token: &str, user: &str, event: &str, payload: Value) {
    let path = format!("/api/users/{user}/notify?token={token}");
    let body = json!({ "event": event, "payload": payload }).to_string();
    let answer = server.request("POST", &path, &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn what_is_sent_to_a_user_arrives_at_all_its_sockets_and_at_no_other() {
    let server = Server::start(&[]).await;
    let started = begin(&server, "conv-1").await;
    let id = started["session_id"].as_str().unwrap();
    let (dewi, sari) = (token(Role::Agent, "dewi"), token(Role::Admin, "sari"));
    let auth = json!({ "token": dewi });
    let mut one = Socket::open(&server, auth.clone()).await;
    let mut two = Socket::open_polling(&server, auth).await;
    let mut session = server.open(&format!("/ws/{id}/agent_dewi/agent?token={dewi}")).await;
    session.frame_of("connection_status_update").await;
    let mut other = Socket::open(&server, json!({ "token": token(Role::Agent, "agus") })).await;
    let acme = Claims { tenant: "acme".into(), ..claims(Role::Agent, "dewi") };
    let mut elsewhere = Socket::open(&server, json!({ "token": sign(&acme) })).await;
    for socket in [&mut one, &mut two, &mut other, &mut elsewhere] {
        socket.events_for(MOMENT).await;
    }
    let ticket = json!({ "kind": "ticket_assigned", "title": "New ticket", "data": { "id": 17 } });
    notify(&server, &sari, "dewi", "notification", ticket.clone()).await;
    let refund = json!({ "order": "A-1", "amount": 5 });
    notify(&server, &sari, "dewi", "refund.approved", refund.clone()).await;
    for socket in [&mut one, &mut two] {
        let told = socket.event_of("notification").await;
        for (field, value) in ticket.as_object().unwrap() {
            assert_eq!(&told[field], value, "{told}");
        }
        assert_eq!(socket.event_of("refund.approved").await, refund);
    }
    assert_eq!(session.frame_of("notification").await["title"], "New ticket");
    let told = session.frame_of("refund.approved").await;
    assert_eq!((&told["order"], &told["amount"]), (&refund["order"], &refund["amount"]));
    for socket in [&mut other, &mut elsewhere] {
        assert_eq!(socket.events_for(MOMENT).await, []);
    }
}

#[tokio::test]
async fn what_was_sent_to_a_user_while_it_was_cut_arrives_when_it_is_back() {
    let server = Server::start(&[]).await;
    let (dewi, sari) = (token(Role::Agent, "dewi"), token(Role::Admin, "sari"));
    let started = begin(&server, "conv-1").await;
    let mut cut = Socket::open(&server, json!({ "token": dewi })).await;
    cut.join("conv-1").await;
    notify(&server, &sari, "dewi", "notification", json!({ "title": "before" })).await;
    assert_eq!(cut.event_of("notification").await["title"], "before");
    cut.events_for(MOMENT).await;
    cut.client.cut().await;
    notify(&server, &sari, "dewi", "notification", json!({ "title": "missed" })).await;
    // Meant for her, and of a conversation that she is in: told once.
    let id = started["session_id"].as_str().unwrap();
    let path = format!("/api/sessions/{id}/assign?token={dewi}");
    assert_eq!(server.request("POST", &path, "{}").await.status, 200);
    notify(&server, &sari, "dewi", "refund.approved", json!({ "order": "A-1" })).await;

    let mut back = Socket::open(&server, cut.recovery(&dewi)).await;
    let told: Vec<_> = back.events_for(MOMENT).await.into_iter().map(|(name, _)| name).collect();
    let of_log = told.iter().filter(|name| !name.ends_with("_update"));
    let of_log: Vec<_> = of_log.map(String::as_str).collect();
    assert_eq!(of_log, ["notification", "conversation_assigned", "refund.approved"]);

    // With a cursor alone it is the same.
    let auth = json!({ "token": dewi, "after": cut.offset });
    let mut anew = Socket::open(&server, auth).await;
    assert_eq!(anew.event_of("notification").await["title"], "missed");
    assert_eq!(anew.event_of("conversation_assigned").await["conversationId"], id);
    assert_eq!(anew.event_of("refund.approved").await["order"], "A-1");
}

#[tokio::test]
async fn a_name_of_the_dialects_own_is_refused() {
    let server = Server::start(&[]).await;
    let sari = token(Role::Admin, "sari");
    let path = format!("/api/users/dewi/notify?token={sari}");
    for name in [
        "message_received",
        "cursor",
        "authenticated",
        "error",
        "connect",
        "disconnect",
        "resync",
        "",
    ] {
        let body = json!({ "event": name, "payload": {} }).to_string();
        let answer = server.request("POST", &path, &body).await;
        assert_eq!((answer.status, &answer.body["code"]), (422, &json!("invalid")), "{name}");
    }
    let dewi = token(Role::Agent, "dewi");
    let path = format!("/api/users/agus/notify?token={dewi}");
    let answer = server.request("POST", &path, r#"{"event": "hi", "payload": {}}"#).await;
    assert_eq!(answer.status, 403, "{answer:?}");
}
