//! Who is refused, with what, and in which order.

use axum::response::IntoResponse;
use serde_json::json;

use super::*;
use crate::http::answer::Refusal;
use crate::model::Error;

#[tokio::test]
async fn connection_status_speaks_in_the_words_of_000() {
    let server = Server::start().await;
    let (id, customer) = server.begin(json!({})).await;
    let path = format!("/api/session/{id}/connection-status");
    let reply = server.ask(get(&path).bearer(&customer)).await;
    assert_eq!(reply.status, 200);
    let nobody = json!({
        "users": {}, "customer_connected": false, "agent_connected": false,
        "total_customer": 0, "total_agent": 0,
    });
    let text = "Connection status retrieved successfully";
    assert_eq!(reply.body, json!({"success": true, "message": text, "data": nobody}));

    let reply = server.ask(get("/api/session/session_123/connection-status")).await;
    assert_eq!(reply.status, 400);
    assert_eq!(
        reply.body,
        json!({
            "success": false, "message": "Invalid session ID", "error": "invalid UUID format",
            "code": "invalid_session_id",
        })
    );
}

#[tokio::test]
async fn without_presence_the_answer_is_that_of_000() {
    let reply = Reply::of(Refusal(Error::PresenceUnavailable).into_response()).await;
    reply.is_refused(500, "presence_unavailable");
    assert_eq!(reply.body["message"], "Failed to get connection status");
    assert_eq!(reply.body["error"], "redis connection failed");
}

#[tokio::test]
async fn a_malformed_id_comes_before_a_missing_token_and_that_before_the_rest() {
    let server = Server::start().await;
    let (id, _) = server.begin(json!({})).await;
    let (_, stranger) = server.begin(json!({})).await;
    for (method, path) in [
        ("GET", "/api/session/{}/connection-status"),
        ("GET", "/api/session/{}/events"),
        ("POST", "/api/sessions/{}/assign"),
        ("POST", "/api/sessions/{}/close"),
        ("POST", "/api/sessions/{}/reopen"),
    ] {
        let at = |id: &str| ask(method, &path.replace("{}", id));
        server.ask(at("nonsense")).await.is_refused(400, "invalid_session_id");
        server.ask(at("nonsense").bearer("x.y.z")).await.is_refused(400, "invalid_session_id");
        server.ask(at("%ff")).await.is_refused(400, "invalid_session_id");
        server.ask(at(&id)).await.is_refused(401, "unauthorized");
        server.ask(at(&id).bearer("x.y.z")).await.is_refused(401, "unauthorized");
        server.ask(at(&id).bearer(&stranger)).await.is_refused(403, "forbidden");
    }
    let key = ask("DELETE", "/api/keys/nonsense");
    server.ask(key).await.is_refused(400, "invalid_id");
    server.ask(ask("DELETE", "/api/faq/nonsense")).await.is_refused(400, "invalid_id");
    server.ask(get("/api/messages?conversationId=a%20b")).await.is_refused(400, "invalid_id");
    server.ask(get("/api/sessions?department=sales")).await.is_refused(400, "invalid_id");
}

#[tokio::test]
async fn another_tenants_conversation_is_an_unknown_one() {
    let server = Server::start().await;
    let (id, _) = server.begin(json!({})).await;
    let outsider = server.token_of(json!({"sub": "a1", "role": "admin", "tenant": "acme"}));
    for id in [id.as_str(), UNKNOWN] {
        let reply = server
            .ask(get(&format!("/api/session/{id}/connection-status")).bearer(&outsider))
            .await;
        assert_eq!((reply.status.as_u16(), &reply.body["data"]["users"]), (200, &json!({})));
        let events = get(&format!("/api/session/{id}/events")).bearer(&outsider);
        server.ask(events).await.is_refused(404, "not_found");
        let messages = get(&format!("/api/messages?conversationId={id}")).bearer(&outsider);
        server.ask(messages).await.is_refused(404, "not_found");
        let close = post(&format!("/api/sessions/{id}/close")).bearer(&outsider);
        server.ask(close).await.is_refused(404, "not_found");
    }
}

#[tokio::test]
async fn every_role_reaches_what_contract_4_gives_it() {
    let server = Server::start().await;
    let (id, own) = server.begin(json!({"department_id": null})).await;
    let admin = server.token(Role::Admin, "boss");
    let admin_key = server.key(json!(["admin"])).await;
    let narrow_key = server.key(json!(["events:write"])).await;
    let callers = [
        ("nobody", String::new()),
        ("customer", own),
        ("agent", server.token(Role::Agent, "a1")),
        ("admin", admin),
        ("admin key", admin_key),
        ("narrow key", narrow_key),
    ];
    let expected = [
        (format!("/api/session/{id}/connection-status"), [401, 200, 200, 200, 200, 403]),
        (format!("/api/session/{id}/events"), [401, 200, 200, 200, 200, 403]),
        ("/api/sessions".to_owned(), [401, 403, 200, 200, 200, 403]),
        (format!("/api/messages?conversationId={id}"), [401, 200, 200, 200, 200, 403]),
        ("/api/messages".to_owned(), [401, 200, 400, 400, 400, 400]),
        ("/api/keys".to_owned(), [401, 403, 403, 200, 200, 403]),
        ("/api/faq".to_owned(), [401, 403, 403, 200, 200, 403]),
        ("/api/audit".to_owned(), [401, 403, 403, 200, 200, 403]),
        ("/api/about".to_owned(), [200; 6]),
    ];
    for (path, statuses) in expected {
        for ((name, token), status) in callers.iter().zip(statuses) {
            let ask = if token.is_empty() { get(&path) } else { get(&path).bearer(token) };
            let reply = server.ask(ask).await;
            assert_eq!(reply.status.as_u16(), status, "{name} at {path}: {}", reply.text);
        }
    }
}

#[tokio::test]
async fn a_key_reaches_what_its_scopes_name_and_no_more() {
    let server = Server::start().await;
    let (id, _) = server.begin(json!({})).await;
    let content = json!({"conversationId": id, "content": "Hello"});
    let message = |key: &str| post("/api/messages").bearer(key).json(&content);
    let reading = |key: &str| get(&format!("/api/messages?conversationId={id}")).bearer(key);
    let status = |key: &str| get(&format!("/api/session/{id}/connection-status")).bearer(key);
    let events = |key: &str| get(&format!("/api/session/{id}/events")).bearer(key);
    let closing = |key: &str| post(&format!("/api/sessions/{id}/close")).bearer(key);
    for (scopes, [send, read, close]) in [
        (json!(["events:write"]), [403, 403, 403]),
        (json!(["messages:write"]), [201, 403, 403]),
        (json!(["events:read"]), [403, 200, 403]),
        (json!(["events:read", "messages:write"]), [201, 200, 403]),
        (json!(["admin"]), [201, 200, 200]),
    ] {
        let key = server.key(scopes.clone()).await;
        for (what, ask, expected) in [
            ("send", message(&key), send),
            ("read", reading(&key), read),
            ("status", status(&key), read),
            ("events", events(&key), read),
            ("close", closing(&key), close),
        ] {
            let reply = server.ask(ask).await;
            assert_eq!(reply.status.as_u16(), expected, "{scopes}: {what}: {}", reply.text);
            if expected == 403 {
                reply.is_refused(403, "forbidden");
            }
        }
    }
}

#[tokio::test]
async fn with_open_sessions_a_missing_token_is_fine_and_a_wrong_one_is_not() {
    let server = Server::with(|config| config.auth.open_sessions = true).await;
    let (id, own) = server.begin(json!({})).await;
    for path in ["connection-status", "events"] {
        let path = format!("/api/session/{id}/{path}");
        assert_eq!(server.ask(get(&path)).await.status, 200);
        server.ask(get(&path).bearer("x.y.z")).await.is_refused(401, "unauthorized");
        // A cookie of another conversation takes nothing away.
        let (_, other) = server.begin(json!({})).await;
        let cookie = format!("switchboard_session={other}");
        let with_cookie = get(&path).header("origin", SAME_ORIGIN).header("cookie", &cookie);
        assert_eq!(server.ask(with_cookie).await.status, 200);
    }
    let messages = format!("/api/messages?conversationId={id}");
    server.ask(get(&messages)).await.is_refused(401, "unauthorized");
    assert_eq!(server.ask(get(&messages).bearer(&own)).await.status, 200);
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused_with_its_reason() {
    let server = Server::start().await;
    let json =
        |text: &str| post("/api/auth/login").header("content-type", "application/json").text(text);
    let cases = [
        ("{\"email\": 5, \"password\": \"x\"}", "email: invalid type: integer `5`"),
        ("{\"email\": \"a\", \"password\": \"x\", \"mfa\": 1}", "unknown field `mfa`"),
        ("{\"email\": \"a\"}", "missing field `password`"),
        ("{\"email\": ", "EOF while parsing"),
        ("[]", "expected a JSON object"),
        ("", "empty body"),
    ];
    for (text, reason) in cases {
        let reply = server.ask(json(text)).await;
        reply.is_refused(400, "malformed");
        assert!(reply.body["error"].as_str().unwrap().contains(reason), "{text}: {}", reply.text);
    }
    let typed = post("/api/auth/login").header("content-type", "text/plain").text("{}");
    let reply = server.ask(typed).await;
    reply.is_refused(400, "malformed");
    assert_eq!(reply.body["error"], "expected Content-Type: application/json");
    let long = format!("{{\"email\": \"{}\"}}", "x".repeat(crate::limits::REST_BODY_BYTES_MAX));
    server.ask(json(&long)).await.is_refused(413, "too_large");
}

#[tokio::test]
async fn a_parameter_that_cannot_be_read_is_refused_by_name() {
    let server = Server::start().await;
    let agent = server.token(Role::Agent, "a1");
    for (path, reason) in [
        ("/api/sessions?limit=many", "limit: invalid digit"),
        ("/api/sessions?limit=-1", "limit: invalid digit"),
        ("/api/sessions?cursor=1", "cursor: "),
        ("/api/messages?conversationId=c&after=x", "after: invalid digit"),
    ] {
        let reply = server.ask(get(path).bearer(&agent)).await;
        reply.is_refused(400, "malformed");
        assert!(reply.body["error"].as_str().unwrap().starts_with(reason), "{}", reply.text);
    }
    let reply = server.ask(get("/api/sessions?status=lost").bearer(&agent)).await;
    reply.is_refused(422, "invalid");
    assert_eq!(
        reply.body["fields"],
        json!({"status": "must be open, waiting, bot, assigned or closed"})
    );
    let blank = get("/api/sessions?status=&department=&cursor=&limit=").bearer(&agent);
    assert_eq!(server.ask(blank).await.status, 200);
}

#[tokio::test]
async fn a_token_has_its_share_of_requests_and_an_address_has_its() {
    let server = Server::with(|config| config.limits.rest_per_minute = 3).await;
    let token = server.token(Role::Agent, "a1");
    // The same address with another token has a share of its own.
    let other = server.token(Role::Agent, "a2");
    for token in [token.as_str(), &other] {
        for _ in 0..3 {
            assert_eq!(server.ask(get("/api/sessions").bearer(token)).await.status, 200);
        }
        let reply = server.ask(get("/api/sessions").bearer(token)).await;
        reply.is_refused(429, "rate_limited");
        assert!(reply.header("retry-after").parse::<u64>().unwrap() > 0);
    }
    for (address, status) in [
        ("192.0.2.1", 401),
        ("192.0.2.2", 401),
        ("192.0.2.1", 401),
        ("192.0.2.1", 401),
        ("192.0.2.1", 429),
        ("192.0.2.2", 401),
    ] {
        let reply = server.ask(get("/api/sessions").bearer("x.y.z").from(address)).await;
        assert_eq!(reply.status.as_u16(), status, "{address}");
    }
    for path in ["/health", "/ready", "/metrics", "/openapi.json"] {
        for _ in 0..5 {
            assert_eq!(server.ask(get(path).from("192.0.2.1")).await.status, 200, "{path}");
        }
    }
}

#[tokio::test]
async fn no_token_buys_an_address_more_sessions() {
    let server = Server::with(|config| config.limits.rest_per_minute = 3).await;
    for _ in 0..3 {
        let (_, token) = server.begin(json!({})).await;
        assert_eq!(server.ask(get("/api/messages").bearer(&token)).await.status, 200);
    }
    let token = server.token(Role::Agent, "a1");
    let reply = server.ask(post("/api/sessions").bearer(&token)).await;
    reply.is_refused(429, "rate_limited");
}
