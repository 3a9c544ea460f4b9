//! What lies around every route: unknown paths and methods, CORS, headers, counting, panics, and
//! what the server says of itself.

use serde_json::json;

use super::*;
use crate::app::SessionPath;
use crate::http::{outer, router};

#[tokio::test]
async fn an_unknown_path_is_a_404_in_json() {
    let server = Server::start().await;
    for path in ["/nowhere", "/api", "/api/", "/api/nowhere", "/api/sessions/", "/api/assets/x"] {
        for method in ["GET", "POST", "DELETE"] {
            server.ask(ask(method, path)).await.is_refused(404, "not_found");
        }
    }
}

#[tokio::test]
async fn a_wrong_method_is_a_405_that_says_which_are_right() {
    let server = Server::start().await;
    for (method, path, allowed) in [
        ("DELETE", "/api/sessions", "GET,HEAD,POST"),
        ("GET", "/api/auth/login", "POST"),
        ("POST", "/health", "GET,HEAD"),
        ("POST", "/", "GET,HEAD"),
    ] {
        let reply = server.ask(ask(method, path)).await;
        reply.is_refused(405, "method_not_allowed");
        assert_eq!(reply.header("allow"), allowed, "{path}");
    }
}

#[tokio::test]
async fn options_says_what_is_allowed_and_head_answers_without_a_body() {
    let server = Server::start().await;
    let reply = server.ask(ask("OPTIONS", "/api/about")).await;
    assert_eq!((reply.status.as_u16(), reply.header("allow")), (204, "GET,HEAD"));
    let reply = server.ask(ask("HEAD", "/api/about")).await;
    assert_eq!((reply.status.as_u16(), reply.text.as_str()), (200, ""));
    assert!(reply.header("content-length").parse::<u64>().unwrap() > 0);
}

#[tokio::test]
async fn an_allowed_origin_is_named_and_a_foreign_one_is_not() {
    let server = Server::start().await;
    for origin in [SAME_ORIGIN, ALLOWED_ORIGIN] {
        // Refusals can be read too.
        for path in ["/api/about", "/api/sessions", "/nowhere"] {
            let reply = server.ask(get(path).header("origin", origin)).await;
            assert_eq!(reply.header("access-control-allow-origin"), origin, "{path}");
            assert_eq!(reply.header("access-control-allow-credentials"), "true");
            assert_eq!(reply.header("vary"), "origin");
        }
    }
    for origin in [FOREIGN_ORIGIN, "null"] {
        for method in ["GET", "OPTIONS"] {
            let ask = ask(method, "/api/about").header("origin", origin);
            let reply = server.ask(ask.header("access-control-request-method", "GET")).await;
            assert!(!reply.headers.keys().any(|k| k.as_str().starts_with("access-control")));
            assert_eq!(reply.header("vary"), "origin");
        }
    }
    let reply = server.ask(get("/api/about")).await;
    assert_eq!((reply.header("access-control-allow-origin"), reply.header("vary")), ("", "origin"));
}

#[tokio::test]
async fn a_preflight_is_answered_at_once() {
    let server = Server::start().await;
    let preflight = ask("OPTIONS", "/api/messages")
        .header("origin", ALLOWED_ORIGIN)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization, content-type");
    let reply = server.ask(preflight).await;
    assert_eq!((reply.status.as_u16(), reply.text.as_str()), (204, ""));
    assert_eq!(reply.header("access-control-allow-origin"), ALLOWED_ORIGIN);
    assert!(reply.header("access-control-allow-methods").contains("POST"));
    assert!(reply.header("access-control-allow-headers").contains("authorization"));
    assert_eq!(reply.header("access-control-max-age"), "600");
}

#[tokio::test]
async fn answers_are_neither_kept_nor_sniffed() {
    let server = Server::start().await;
    let reply = server.ask(get("/api/about")).await;
    assert_eq!(reply.header("cache-control"), "no-store");
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    assert_eq!(reply.header("referrer-policy"), "no-referrer");
    assert!(reply.header("content-security-policy").contains("frame-ancestors 'none'"));
}

#[tokio::test]
async fn a_panic_is_a_fault_with_an_id_and_nothing_else() {
    let server = Server::start().await;
    let broken = router(server.parts.clone())
        .route("/broken", axum::routing::get(async || -> String { panic!("a secret") }));
    let broken = Server { parts: server.parts.clone(), router: outer(broken, &server.parts) };
    let reply = broken.ask(get("/broken")).await;
    reply.is_refused(500, "internal");
    let id = reply.body["error"].as_str().unwrap().strip_prefix("internal error ").unwrap();
    assert_eq!(id.len(), 32);
    assert!(!reply.text.contains("secret"));
    let metrics = server.ask(get("/metrics")).await.text;
    assert!(metrics.contains("switchboard_faults_total 1\n"), "{metrics}");
    assert_eq!(broken.ask(get("/health")).await.status, 200);
}

#[tokio::test]
async fn requests_and_refusals_are_counted_by_route_and_code() {
    let server = Server::start().await;
    server.ask(get(&format!("/api/session/{UNKNOWN}/connection-status"))).await;
    server.ask(get("/nowhere")).await;
    server.ask(post("/health")).await;
    let reply = server.ask(get("/metrics")).await;
    assert!(reply.header("content-type").starts_with("application/openmetrics-text"));
    let path = "/api/session/{id}/connection-status";
    for line in [
        format!("http_requests_total{{method=\"GET\",path=\"{path}\",status=\"401\"}} 1\n"),
        "http_requests_total{method=\"GET\",path=\"unmatched\",status=\"404\"} 1\n".into(),
        "refusals_total{code=\"unauthorized\"} 1\n".into(),
        "refusals_total{code=\"not_found\"} 1\n".into(),
        "refusals_total{code=\"method_not_allowed\"} 1\n".into(),
        "switchboard_rooms 0\n".into(),
        "switchboard_users 0\n".into(),
    ] {
        assert!(reply.text.contains(&line), "{line}\n{}", reply.text);
    }
    let names = reply.text.lines().filter(|l| !l.starts_with('#'));
    assert!(names.into_iter().all(|l| l.starts_with("switchboard_")));
}

#[tokio::test]
async fn health_tells_how_each_part_is() {
    let server = Server::with(|config| config.auth.open_sessions = true).await;
    let path = SessionPath::parse(UNKNOWN, "customer_1", "customer").unwrap();
    let (_, _seat, _room) = server.parts.app.admit(None, &path, None).await.unwrap();
    let reply = server.ask(get("/health")).await;
    assert_eq!(reply.status, 200);
    assert!(reply.body["uptime_seconds"].is_u64());
    let mut body = reply.body;
    body["uptime_seconds"] = json!(0);
    assert_eq!(
        body,
        json!({
            "status": "healthy", "version": env!("CARGO_PKG_VERSION"), "uptime_seconds": 0,
            "websocket": {"connections": 1, "status": "healthy"},
            "store": {"kind": "memory", "status": "healthy"},
            "redis": "off", "kafka": "off",
        })
    );
}

#[tokio::test]
async fn a_server_that_cannot_store_is_degraded_and_not_ready_and_shows_no_reason() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", dir.path().join("log.db").display());
    let server = Server::with(|config| config.store.url = url.as_str().into()).await;
    let (id, customer) = server.begin(json!({})).await;
    assert_eq!(server.ask(get("/ready")).await.status, 200);
    server.parts.app.log.close().await;
    // The verdict of just now counts for a second.
    tokio::time::pause();
    tokio::time::advance(crate::limits::STORE_CHECK_INTERVAL).await;
    tokio::time::resume();
    let reply = server.ask(get("/health")).await;
    assert_eq!((reply.status.as_u16(), &reply.body["status"]), (200, &json!("degraded")));
    assert_eq!(reply.body["store"], json!({"kind": "sqlite", "status": "unavailable"}));
    server.ask(get("/ready")).await.is_refused(503, "unavailable");
    let message = json!({"conversationId": id, "content": "Hello"});
    let reply = server.ask(post("/api/messages").bearer(&customer).json(&message)).await;
    reply.is_refused(503, "unavailable");
    assert_eq!(reply.body["error"], "the server cannot store anything at the moment");
    assert_eq!(reply.header("retry-after"), "1");
}

#[tokio::test]
async fn a_draining_server_wants_no_new_clients() {
    let server = Server::start().await;
    assert_eq!(server.ask(get("/ready")).await.body, json!({"status": "ready"}));
    server.parts.readiness.set_draining();
    server.ask(get("/ready")).await.is_refused(503, "unavailable");
    assert_eq!(server.ask(get("/health")).await.body["websocket"]["status"], "draining");
}

#[tokio::test]
async fn the_server_says_what_it_is() {
    let server = Server::with(|config| config.for_demo(true).unwrap()).await;
    let reply = server.ask(get("/api/about")).await;
    assert_eq!(
        reply.body["data"],
        json!({
            "name": "switchboard", "version": env!("CARGO_PKG_VERSION"), "demo": true,
            "open_sessions": true, "heartbeat_interval": 180,
            "dialects": [
                {"name": "session", "path": "/ws/{session_id}/{user_id}/{user_type}"},
                {"name": "socketio", "path": "/socket.io/"},
                {"name": "hub", "path": "/ws"},
            ],
        })
    );
}
