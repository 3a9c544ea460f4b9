//! `POST /api/coze/chat` and `/api/faq`: who may ask and keep, and in which words it is refused.
//! What the bot does is in `tests/it/bot.rs`.

use futures_util::FutureExt;
use serde_json::json;

use super::*;
use crate::config::BotProvider;
use crate::model::ConversationId;

async fn with_faq() -> Server {
    with_faq_in("memory:".into()).await
}

async fn with_faq_in(store: String) -> Server {
    let server = Server::with(|config| {
        (config.bot.provider, config.store.url) = (BotProvider::Faq, store.as_str().into());
    });
    let server = server.await;
    let entry = json!({"language": "en", "question": "Opening hours", "answer": "From 9."});
    let admin = server.token(Role::Admin, "boss");
    let made = server.ask(post("/api/faq").bearer(&admin).json(&entry)).await;
    assert_eq!(made.status, 201, "{made:?}");
    server
}

fn question(key: &str, conversation: &str) -> Value {
    json!({key: conversation, "message": "opening hours?"})
}

async fn chat(server: &Server, token: &str, body: &Value) -> Reply {
    server.ask(post("/api/coze/chat").bearer(token).json(body)).await
}

#[tokio::test]
async fn the_answer_is_bare_and_names_its_message() {
    let server = with_faq().await;
    let (id, customer) = server.begin(json!({"external_id": "conv-1"})).await;
    for body in [
        question("conversationId", &id),
        question("conversationId", "conv-1"),
        question("sessionId", &id),
        json!({"message": "opening hours?"}),
    ] {
        let reply = chat(&server, &customer, &body).await;
        assert_eq!(reply.status, 200, "{body}: {reply:?}");
        let read = server.ask(get("/api/messages?limit=1").bearer(&customer)).await;
        let message = read.body["messages"][0]["messageId"].clone();
        let expected = json!({"answer": "From 9.", "messageId": message, "handoff": false});
        assert_eq!(reply.body, expected);
    }
}

// 003: acceptance 246
#[tokio::test]
async fn whoever_may_write_in_the_conversation_may_ask() {
    let server = with_faq().await;
    let (id, customer) = server.begin(json!({})).await;
    let (_, stranger) = server.begin(json!({})).await;
    let writer = server.key(json!(["messages:write"])).await;
    let reader = server.key(json!(["events:read"])).await;
    let admin = server.token(Role::Admin, "boss");
    let agent = server.token(Role::Agent, "sari");
    for token in [&customer, &writer, &admin, &agent] {
        let reply = chat(&server, token, &question("conversationId", &id)).await;
        assert_eq!((reply.status.as_u16(), &reply.body["answer"]), (200, &json!("From 9.")));
    }
    for token in [&stranger, &reader] {
        let refused = chat(&server, token, &question("conversationId", &id)).await;
        refused.is_refused(403, "forbidden");
    }
    let nobody = server.ask(post("/api/coze/chat").json(&question("conversationId", &id))).await;
    nobody.is_refused(401, "unauthorized");
    let wrong = chat(&server, "x.y.z", &question("sessionId", &id)).await;
    wrong.is_refused(401, "unauthorized");
    let unknown = chat(&server, &admin, &question("conversationId", UNKNOWN)).await;
    unknown.is_refused(404, "not_found");
}

#[tokio::test]
async fn a_session_key_proves_its_customer_and_an_id_proves_nothing() {
    let server = with_faq().await;
    let started = server.ask(post("/api/sessions").json(&json!({"name": "Budi"}))).await;
    let data = &started.body["data"];
    let (id, key) = (data["session_id"].as_str().unwrap(), data["session_key"].as_str().unwrap());
    let ask = |session: &str| post("/api/coze/chat").json(&question("sessionId", session));
    assert_eq!(server.ask(ask(key)).await.body["answer"], "From 9.");
    server.ask(ask(id)).await.is_refused(401, "unauthorized");
    // As the key of a conversation it is that conversation's, whoever's token comes along.
    let (_, other) = server.begin(json!({})).await;
    assert_eq!(server.ask(ask(key).bearer(&other)).await.status, 200);
    let token = data["token"].as_str().unwrap();
    let read = server.ask(get("/api/messages").bearer(token)).await;
    let senders: Vec<_> =
        read.body["messages"].as_array().unwrap().iter().map(|m| &m["sender"]).collect();
    assert_eq!(senders.len(), 4);
    assert_eq!(
        (&senders[2]["userId"], &senders[2]["userName"]),
        (&data["user_id"], &json!("Budi"))
    );
}

#[tokio::test]
async fn open_sessions_are_asked_in_by_their_name() {
    let server = Server::with(|config| {
        config.bot.provider = BotProvider::Faq;
        config.auth.open_sessions = true;
    });
    let server = server.await;
    let (_, _) = server.begin(json!({"external_id": "test-session"})).await;
    let ask = |key: &str| post("/api/coze/chat").json(&question(key, "test-session"));
    let reply = server.ask(ask("sessionId")).await;
    assert_eq!((reply.status.as_u16(), &reply.body["handoff"]), (200, &json!(true)), "{reply:?}");
    server.ask(ask("conversationId")).await.is_refused(401, "unauthorized");
}

/// The sender's future is dropped while the log has the message in its queue, as axum drops a
/// handler whose client has gone. Nobody waits for the bot then, and it answers all the same.
#[tokio::test]
async fn what_is_kept_is_answered_though_its_sender_left() {
    let dir = tempfile::tempdir().unwrap();
    let server = with_faq_in(format!("sqlite:{}", dir.path().join("log.db").display())).await;
    let (id, customer) = server.begin(json!({})).await;
    let asked = question("conversationId", &id);
    let flush = async || chat(&server, &customer, &asked).await.body;
    let count = async || {
        let read = server.ask(get("/api/messages").bearer(&customer)).await;
        read.body["messages"].as_array().unwrap().len()
    };
    flush().await;
    let (app, id) = (&server.parts.app, ConversationId::parse(&id).unwrap());
    let admin = app.identify(&server.token(Role::Admin, "boss")).await.unwrap();
    let sender = app.identify(&customer).await.unwrap();
    let text = || "opening hours?".to_owned();
    let name = |name: &str| Some(name.to_owned());
    assert!(app.send(&sender, id, text(), name("said")).now_or_never().is_none());
    assert!(app.ask_bot(&sender, id, text(), name("asked")).now_or_never().is_none());
    assert!(app.ask_bot(&admin, id, text(), name("for")).now_or_never().is_none());
    flush().await;
    let before = count().await;
    for (who, known) in [(&sender, "said"), (&sender, "asked"), (&admin, "for")] {
        let reply = app.ask_bot(who, id, text(), name(known)).await.unwrap();
        assert_eq!(reply.answer.as_deref(), Some("From 9."));
        assert_eq!(count().await, before, "{known} was answered before it was asked again");
    }
    // What others say is no question, unless they ask it of the bot.
    app.send(&admin, id, "I want to talk to a human".into(), None).await.unwrap();
    assert_eq!(flush().await["handoff"], false);
}

// 003: acceptance 244, 245
#[tokio::test]
async fn a_question_that_cannot_be_asked_is_refused_in_its_own_words() {
    let server = with_faq().await;
    let (id, customer) = server.begin(json!({})).await;
    let both = json!({"conversationId": id, "sessionId": id, "message": "x"});
    for body in [both, question("conversationId", "a b"), json!({"conversationId": id})] {
        chat(&server, &customer, &body).await.is_refused(400, "malformed");
    }
    let empty = json!({"conversationId": id, "message": " \u{7} "});
    let reply = chat(&server, &customer, &empty).await;
    reply.is_refused(422, "invalid");
    assert_eq!(reply.body["fields"], json!({"message": "is empty"}));
    let nameless = json!({"conversationId": id, "message": "x", "clientId": ""});
    let reply = chat(&server, &customer, &nameless).await;
    assert!(reply.body["fields"]["clientId"].is_string(), "{reply:?}");
    let long = json!({"conversationId": id, "message": "x".repeat(16 * 1024 + 1)});
    chat(&server, &customer, &long).await.is_refused(413, "too_large");
    let read = server.ask(get("/api/messages").bearer(&customer)).await;
    assert_eq!(read.body["messages"], json!([]), "nothing of it was kept");
    // An admin's own conversation is nobody's.
    let admin = server.token(Role::Admin, "boss");
    chat(&server, &admin, &json!({"message": "x"})).await.is_refused(400, "malformed");
}

#[tokio::test]
async fn an_admin_keeps_the_faq_and_it_is_audited() {
    let server = Server::start().await;
    let admin = server.token(Role::Admin, "boss");
    let new = json!({
        "language": "id", "question": " Jam buka? ", "wordings": ["kapan buka"],
        "answer": "Mulai jam 9.",
    });
    let made = server.ask(post("/api/faq").bearer(&admin).json(&new)).await;
    assert_eq!(made.status, 201);
    let (id, at) = (&made.body["data"]["id"], &made.body["data"]["updated_at"]);
    let expected = json!({
        "id": id, "language": "id", "question": "Jam buka?", "wordings": ["kapan buka"],
        "answer": "Mulai jam 9.", "enabled": true, "updated_at": at,
    });
    assert_eq!(made.body["data"], expected);
    let path = format!("/api/faq/{}", id.as_str().unwrap());
    assert_eq!(server.ask(get(&path).bearer(&admin)).await.body["data"], expected);

    let change = json!({"answer": "Mulai jam 10.", "enabled": false});
    let changed = server.ask(ask("PATCH", &path).bearer(&admin).json(&change)).await;
    let data = &changed.body["data"];
    assert_eq!((&data["answer"], &data["enabled"]), (&json!("Mulai jam 10."), &json!(false)));
    assert_eq!(
        (&data["question"], &data["wordings"]),
        (&json!("Jam buka?"), &json!(["kapan buka"]))
    );
    let gone = server.ask(ask("DELETE", &path).bearer(&admin)).await;
    assert_eq!(gone.status, 200);
    server.ask(ask("DELETE", &path).bearer(&admin)).await.is_refused(404, "not_found");
    server.ask(get(&path).bearer(&admin)).await.is_refused(404, "not_found");

    let audit = server.ask(get("/api/audit").bearer(&admin)).await;
    for action in ["faq.created", "faq.changed", "faq.deleted"] {
        assert!(audit.text.contains(action), "{action}: {}", audit.text);
    }
}

#[tokio::test]
async fn the_faq_comes_in_pages() {
    let server = Server::start().await;
    let admin = server.token(Role::Admin, "boss");
    for n in 1..=5 {
        let new = json!({"language": "en", "question": format!("Q{n}"), "answer": "A"});
        assert_eq!(server.ask(post("/api/faq").bearer(&admin).json(&new)).await.status, 201);
    }
    let (mut cursor, mut seen) = (String::new(), Vec::new());
    for expected in [2, 2, 1] {
        let path = format!("/api/faq?limit=2&cursor={cursor}");
        let page = server.ask(get(&path).bearer(&admin)).await.body["data"].take();
        let entries = page["entries"].as_array().unwrap();
        assert_eq!(entries.len(), expected);
        seen.extend(entries.iter().map(|e| e["question"].as_str().unwrap().to_owned()));
        cursor = page["next_cursor"].as_str().unwrap_or_default().to_owned();
    }
    assert_eq!(seen, ["Q1", "Q2", "Q3", "Q4", "Q5"]);
    assert!(cursor.is_empty(), "the last page says so");
}

#[tokio::test]
async fn nobody_but_an_admin_keeps_the_faq_and_wrong_entries_are_refused_by_field() {
    let server = Server::start().await;
    let new = |key: &str, value: Value| {
        let mut new = json!({"language": "en", "question": "Q", "answer": "A"});
        new[key] = value;
        new
    };
    let good = new("enabled", json!(true));
    let path = format!("/api/faq/{UNKNOWN}");
    for token in [server.token(Role::Agent, "sari"), server.begin(json!({})).await.1] {
        for request in [
            get("/api/faq"),
            post("/api/faq").json(&good),
            get(&path),
            ask("PATCH", &path).json(&json!({})),
            ask("DELETE", &path),
        ] {
            server.ask(request.bearer(&token)).await.is_refused(403, "forbidden");
        }
    }
    let admin = server.token(Role::Admin, "boss");
    let many: Vec<String> = (0..31).map(|n| format!("w{n}")).collect();
    for (field, value) in [
        ("language", json!("English")),
        ("question", json!(" ?! ")),
        ("question", json!("x".repeat(501))),
        ("answer", json!("  ")),
        ("answer", json!("x".repeat(4 * 1024 + 1))),
        ("wordings", json!(["fine", ""])),
        ("wordings", json!(many)),
    ] {
        let reply = server.ask(post("/api/faq").bearer(&admin).json(&new(field, value))).await;
        reply.is_refused(422, "invalid");
        assert!(reply.body["fields"][field].is_string(), "{field}: {reply:?}");
    }
    let unknown = post("/api/faq").bearer(&admin).json(&new("keywords", json!([])));
    server.ask(unknown).await.is_refused(400, "malformed");
    server.ask(get("/api/faq/7").bearer(&admin)).await.is_refused(400, "invalid_id");
    server.ask(get("/api/faq?cursor=7").bearer(&admin)).await.is_refused(400, "malformed");
}
