//! Conversations over REST: begun, listed, given, passed on, closed, rated.

use std::collections::HashSet;

use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::limits::{LIST_READ_ROWS, LIST_READS_MAX};
use crate::model::{ConversationId, Event, SessionStarted};

#[tokio::test]
async fn a_customer_starts_a_conversation_without_a_token() {
    let server = Server::start().await;
    let reply = server.ask(post("/api/sessions").json(&json!({"name": "Budi"}))).await;
    assert_eq!(reply.status, 201);
    let data = reply.body["data"].as_object().unwrap();
    let keys: HashSet<_> = data.keys().map(String::as_str).collect();
    assert_eq!(keys, HashSet::from(["session_id", "user_id", "token", "session_key", "queue"]));
    assert_eq!(data["queue"], json!({"position": 1, "estimated_wait_seconds": 60}));
    let (value, attributes) = reply.cookie("switchboard_session").unwrap();
    assert_eq!(data["token"], value.as_str());
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax; Max-Age=86400");
    assert_eq!(server.ask(post("/api/sessions")).await.status, 201, "all of it may be left out");
    let stale = post("/api/sessions").bearer("x.y.z");
    assert_eq!(server.ask(stale).await.status, 201, "nobody asks who it was before");
}

#[tokio::test]
async fn what_a_customer_says_of_itself_is_checked() {
    let server = Server::start().await;
    let start = |body: Value| server.ask(post("/api/sessions").json(&body));
    for (body, field) in [
        (json!({"name": "x".repeat(201)}), "name"),
        (json!({"email": "nowhere"}), "email"),
        (json!({"metadata": {"x": "y".repeat(4096)}}), "metadata"),
    ] {
        let reply = start(body).await;
        reply.is_refused(422, "invalid");
        assert!(reply.body["fields"][field].is_string(), "{}", reply.text);
    }
    for body in [
        json!({"metadata": []}),
        json!({"department_id": "sales"}),
        json!({"external_id": "a b"}),
        json!({"nick": "x"}),
    ] {
        start(body).await.is_refused(400, "malformed");
    }
    start(json!({"department_id": DEPARTMENT})).await.is_refused(404, "not_found");
    let of_tenant = |tenant: &str| server.ask(post(&format!("/api/sessions?tenant={tenant}")));
    of_tenant("nobody").await.is_refused(404, "not_found");
    of_tenant("a%20b").await.is_refused(400, "invalid_id");
    assert_eq!(start(json!({"external_id": "conv-1"})).await.status, 201);
    start(json!({"external_id": "conv-1"})).await.is_refused(409, "conflict");
}

#[tokio::test]
async fn the_second_of_two_claims_learns_who_was_first() {
    let server = Server::start().await;
    let (id, _) = server.begin(json!({})).await;
    let path = format!("/api/sessions/{id}/assign");
    let sari = server.token_of(json!({"sub": "sari", "role": "agent", "name": "Sari"}));
    let reply = server.ask(post(&path).bearer(&sari)).await;
    assert_eq!((reply.status.as_u16(), &reply.body["data"]["agent_id"]), (200, &json!("sari")));
    let second = server.token(Role::Agent, "agus");
    let reply = server.ask(post(&path).bearer(&second).json(&json!({}))).await;
    reply.is_refused(409, "conflict");
    assert_eq!(reply.body["data"], json!({"agent_id": "sari", "name": "Sari"}));
    let admin = server.token(Role::Admin, "boss");
    let named = post(&path).bearer(&admin).json(&json!({"agent_id": "agus"}));
    server.ask(named).await.is_refused(409, "conflict");
    let other = post(&path).bearer(&sari).json(&json!({"agent_id": "agus"}));
    server.ask(other).await.is_refused(403, "forbidden");
}

#[tokio::test]
async fn nobody_is_given_to_an_agent_that_is_disabled() {
    let server = Server::start().await;
    let (id, _) = server.begin(json!({})).await;
    server.hire(Agent { is_disabled: true, ..an_agent("gone") }).await;
    let admin = server.token(Role::Admin, "boss");
    let act = |verb: &str| post(&format!("/api/sessions/{id}/{verb}")).bearer(&admin);
    let to = |agent: &str| json!({"agent_id": agent});
    for verb in ["assign", "transfer"] {
        let reply = server.ask(act(verb).json(&to("gone"))).await;
        reply.is_refused(422, "invalid");
        assert!(reply.body["fields"]["agent_id"].is_string(), "{verb}: {}", reply.text);
    }
    server.hire(an_agent("sari")).await;
    assert_eq!(server.ask(act("assign").json(&to("sari"))).await.status, 200);
    let back = server.token(Role::Agent, "gone");
    server.ask(get("/api/sessions").bearer(&back)).await.is_refused(403, "forbidden");
}

#[tokio::test]
async fn a_conversation_is_passed_on_closed_reopened_and_rated() {
    let server = Server::start().await;
    let (sari, agus) = (server.token(Role::Agent, "sari"), server.token(Role::Agent, "agus"));
    assert_eq!(server.ask(get("/api/sessions").bearer(&agus)).await.status, 200);
    let (id, customer) = server.begin(json!({})).await;
    let act = |verb: &str, token: &str| post(&format!("/api/sessions/{id}/{verb}")).bearer(token);
    assert_eq!(server.ask(act("assign", &sari)).await.status, 200);
    for body in [json!({}), json!({"agent_id": "agus", "department_id": DEPARTMENT})] {
        server.ask(act("transfer", &sari).json(&body)).await.is_refused(422, "invalid");
    }
    let to_agus = json!({"agent_id": "agus", "note": "about an invoice"});
    server.ask(act("transfer", &agus).json(&to_agus)).await.is_refused(409, "conflict");
    let reply = server.ask(act("transfer", &sari).json(&to_agus)).await;
    assert_eq!(reply.body["data"]["to_agent_id"], "agus", "{}", reply.text);
    let to_nobody = json!({"department_id": UNKNOWN});
    server.ask(act("transfer", &agus).json(&to_nobody)).await.is_refused(404, "not_found");
    let to_department = json!({"department_id": DEPARTMENT});
    let reply = server.ask(act("transfer", &agus).json(&to_department)).await;
    assert_eq!(reply.body["data"]["to_department_id"], DEPARTMENT, "{}", reply.text);

    assert_eq!(server.ask(act("close", &customer)).await.status, 200);
    server.ask(act("close", &customer)).await.is_refused(409, "conflict");
    assert_eq!(server.ask(act("reopen", &customer)).await.status, 200);
    for score in [json!(0), json!(6), json!(300), json!(-1)] {
        let reply = server.ask(act("rating", &customer).json(&json!({"score": score}))).await;
        reply.is_refused(422, "invalid");
    }
    let half = json!({"score": 4.5});
    server.ask(act("rating", &customer).json(&half)).await.is_refused(400, "malformed");
    let rating = json!({"score": 5, "comment": "Fast"});
    server.ask(act("rating", &sari).json(&rating)).await.is_refused(403, "forbidden");
    assert_eq!(server.ask(act("rating", &customer).json(&rating)).await.status, 200);
}

#[tokio::test]
async fn the_list_shows_each_conversation_once_over_its_pages() {
    let server = Server::start().await;
    let mut begun = HashSet::new();
    for _ in 0..5 {
        begun.insert(server.begin(json!({})).await.0);
    }
    let admin = server.token(Role::Admin, "boss");
    let mut path = "/api/sessions?limit=2".to_owned();
    let (mut listed, mut pages) = (HashSet::new(), 0);
    loop {
        let reply = server.ask(get(&path).bearer(&admin)).await;
        for session in reply.body["data"]["sessions"].as_array().unwrap() {
            assert!(listed.insert(session["session_id"].as_str().unwrap().to_owned()));
            assert_eq!(session["status"], "waiting");
            assert_eq!(session["connection_status"]["total_customer"], 0);
        }
        pages += 1;
        let Some(cursor) = reply.body["data"]["next_cursor"].as_str() else { break };
        assert!(cursor.parse::<u64>().is_err(), "a cursor is never all digits");
        path = format!("/api/sessions?limit=2&cursor={cursor}");
    }
    assert_eq!((listed, pages), (begun, 3));
    let closed = server.ask(get("/api/sessions?status=closed").bearer(&admin)).await;
    assert_eq!(closed.body["data"], json!({"sessions": [], "next_cursor": null}));
}

/// A conversation of a department, begun in the log itself.
async fn begin_in(server: &Server, id: ConversationId, department: u128) {
    let started = Event::SessionStarted(SessionStarted {
        session_id: id,
        customer_id: None,
        visitor_name: None,
        visitor_email: None,
        department_id: Some(Uuid::from_u128(department)),
        skills: vec![],
        language: None,
        external_ids: vec![],
        metadata: None,
    });
    server.parts.app.log.commit(&TenantId::default_tenant(), Change::of(started)).await.unwrap();
}

/// How many conversations somebody sees on each page, to the end.
async fn page_through(server: &Server, token: &str) -> Vec<usize> {
    let (mut path, mut pages) = ("/api/sessions".to_owned(), Vec::new());
    loop {
        let reply = server.ask(get(&path).bearer(token)).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        pages.push(reply.body["data"]["sessions"].as_array().unwrap().len());
        assert!(pages.len() < 100, "it never ends: {pages:?}");
        match reply.body["data"]["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/sessions?cursor={cursor}"),
            None => return pages,
        }
    }
}

#[tokio::test]
async fn who_may_see_nothing_of_many_reaches_the_end_of_the_list() {
    let server = Server::start().await;
    let agent = server.token_of(json!({"sub": "a1", "role": "agent", "departments": []}));
    for _ in 0..600 {
        begin_in(&server, ConversationId::random(), 7).await;
    }
    assert_eq!(page_through(&server, &agent).await, [0]);
}

#[tokio::test]
async fn a_page_of_a_long_list_is_looked_for_so_long_and_no_longer() {
    let server = Server::start().await;
    let department = Uuid::from_u128(8);
    let agent = json!({"sub": "a1", "role": "agent", "departments": [department]});
    let agent = server.token_of(agent);
    // The oldest, with the smallest id, is the last of the list, and the only one for this agent.
    begin_in(&server, ConversationId(Uuid::from_u128(1)), department.as_u128()).await;
    for _ in 0..LIST_READ_ROWS * LIST_READS_MAX {
        begin_in(&server, ConversationId::random(), 7).await;
    }
    assert_eq!(page_through(&server, &agent).await, [0, 1], "the first page gave up in time");
}

#[tokio::test]
async fn the_flight_recorder_tells_what_happened_and_nothing_that_was_said() {
    let server = Server::start().await;
    let (id, customer) = server.begin(json!({"email": "budi@example.com"})).await;
    let message = json!({"conversationId": id, "content": "secret words"});
    server.ask(post("/api/messages").bearer(&customer).json(&message)).await;
    let agent = server.token(Role::Agent, "sari");
    server.ask(post(&format!("/api/sessions/{id}/assign")).bearer(&agent)).await;
    let reply = server.ask(get(&format!("/api/session/{id}/events")).bearer(&agent)).await;
    assert!(!reply.text.contains("secret words"));
    let events = reply.body["data"].as_array().unwrap();
    let types: Vec<_> = events.iter().map(|e| e["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["chat.session.started", "conversation.queued", "conversation.assigned"]);
    assert_eq!(events[2]["payload"]["agent_id"], "sari");
    assert!(events.iter().all(|e| e["at"].is_string() && e["cursor"].is_string()));
    let last = get(&format!("/api/session/{id}/events?limit=1")).bearer(&agent);
    let reply = server.ask(last).await;
    assert_eq!(reply.body["data"].as_array().unwrap().len(), 1);
    assert_eq!(reply.body["data"][0]["type"], "conversation.assigned");
}
