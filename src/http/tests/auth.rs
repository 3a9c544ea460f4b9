//! Logins, cookies, keys and the audit trail.

use serde_json::json;

use super::*;
use crate::log::Agent;

fn login(password: &str) -> Ask {
    post("/api/auth/login").json(&json!({"email": "dewi@demo.example", "password": password}))
}

#[tokio::test]
async fn a_login_gives_a_token_and_a_cookie() {
    let server = Server::start().await;
    server.parts.app.set_up_demo().await.unwrap();
    let reply = server.ask(login("demo")).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let data = &reply.body["data"];
    assert_eq!((&data["user"]["role"], &data["user"]["name"]), (&json!("agent"), &json!("Dewi")));
    assert!(data["expires_at"].is_string());
    let (token, attributes) = reply.cookie("switchboard_login").unwrap();
    assert_eq!(data["token"], token.as_str());
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax; Max-Age=43200");
    let reply = server.ask(post("/api/auth/refresh").bearer(&token)).await;
    assert_eq!(reply.status, 200);
    assert!(reply.cookie("switchboard_login").is_some());
    server.ask(post("/api/auth/refresh")).await.is_refused(401, "unauthorized");
}

#[tokio::test]
async fn behind_tls_the_cookie_never_travels_in_the_clear() {
    let server = Server::with(|config| {
        config.tls.cert = "cert.pem".into();
        config.tls.key = "key.pem".into();
    });
    let reply = server.await.ask(post("/api/sessions")).await;
    assert!(reply.cookie("switchboard_session").unwrap().1.ends_with("; Secure"));
}

#[tokio::test]
async fn a_logout_makes_the_browser_forget_both_cookies() {
    let server = Server::start().await;
    let reply = server.ask(post("/api/auth/logout")).await;
    assert_eq!(reply.status, 200);
    for name in ["switchboard_login", "switchboard_session"] {
        let (value, attributes) = reply.cookie(name).unwrap();
        assert_eq!(value, "");
        assert!(attributes.contains("Max-Age=0"));
    }
    let foreign = server.ask(post("/api/auth/logout").header("origin", FOREIGN_ORIGIN)).await;
    assert!(foreign.cookie("switchboard_login").is_none(), "no foreign page logs anybody out");
}

#[tokio::test]
async fn the_sixth_wrong_password_of_a_minute_is_not_even_tried() {
    let server = Server::start().await;
    server.parts.app.set_up_demo().await.unwrap();
    for n in 0..5 {
        // From another address each time: it is the account that is guarded here.
        let reply = server.ask(login("wrong").from(&format!("192.0.2.{n}"))).await;
        reply.is_refused(401, "unauthorized");
        assert!(!reply.text.contains("dewi"));
    }
    let reply = server.ask(login("demo").from("192.0.2.9")).await;
    reply.is_refused(429, "rate_limited");
    assert!(reply.header("retry-after").parse::<u64>().unwrap() > 0);
}

#[tokio::test]
async fn many_wrong_passwords_at_once_are_as_many() {
    let server = Server::start().await;
    server.parts.app.set_up_demo().await.unwrap();
    // The last one is right, and comes too late to be tried.
    let passwords = std::iter::repeat_n("wrong", 20).chain(["demo"]).zip(0..);
    let tries = passwords.map(|(p, n)| server.ask(login(p).from(&format!("192.0.2.{n}"))));
    let replies = futures_util::future::join_all(tries).await;
    let (tried, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|r| r.status == 401);
    assert_eq!(tried.len(), 5);
    refused.iter().for_each(|reply| reply.is_refused(429, "rate_limited"));
}

#[tokio::test]
async fn an_email_address_no_mail_could_have_is_not_looked_for() {
    let server = Server::start().await;
    let ask = |bytes: usize| {
        let email = format!("{}@example.com", "x".repeat(bytes - "@example.com".len()));
        server.ask(post("/api/auth/login").json(&json!({"email": email, "password": "x"})))
    };
    ask(254).await.is_refused(401, "unauthorized");
    let reply = ask(255).await;
    reply.is_refused(422, "invalid");
    assert!(reply.body["fields"]["email"].is_string(), "{}", reply.text);
}

#[tokio::test]
async fn only_whom_we_know_by_a_password_gets_a_newer_token() {
    let server = Server::start().await;
    let refresh = |token: &str| server.ask(post("/api/auth/refresh").bearer(token));
    // Another issuer vouches for it: the first use makes it known, without a password.
    let agent = server.token(Role::Agent, "a1");
    refresh(&agent).await.is_refused(403, "forbidden");
    // Known with a higher role than the token's, with and without a password.
    for (id, password) in [("a2", None), ("a3", Some("$argon2id$x".to_owned()))] {
        server.hire(Agent { role: Role::Admin, password, ..an_agent(id) }).await;
        let reply = refresh(&server.token(Role::Agent, id)).await;
        reply.is_refused(403, "forbidden");
        assert!(reply.cookie("switchboard_login").is_none(), "{reply:?}");
    }
    let password = Some("$argon2id$x".to_owned());
    server.hire(Agent { password, ..an_agent("a4") }).await;
    assert_eq!(refresh(&server.token(Role::Agent, "a4")).await.status, 200);
    let (_, customer) = server.begin(json!({})).await;
    refresh(&customer).await.is_refused(403, "forbidden");
}

#[tokio::test]
async fn a_cookie_counts_only_from_an_allowed_origin() {
    let server = Server::start().await;
    let (_, token) = server.begin(json!({})).await;
    let cookie = format!("switchboard_session={token}");
    let ask = |name: &'static str, value: &str| {
        server.ask(get("/api/messages").header("cookie", &cookie).header(name, value))
    };
    for origin in [SAME_ORIGIN, ALLOWED_ORIGIN] {
        assert_eq!(ask("origin", origin).await.status, 200, "{origin}");
    }
    assert_eq!(ask("sec-fetch-site", "same-origin").await.status, 200);
    ask("origin", FOREIGN_ORIGIN).await.is_refused(401, "unauthorized");
    ask("sec-fetch-site", "cross-site").await.is_refused(401, "unauthorized");
    ask("accept", "*/*").await.is_refused(401, "unauthorized");
}

#[tokio::test]
async fn a_login_that_has_ended_hides_no_session_and_stops_no_login() {
    let server = Server::start().await;
    server.parts.app.set_up_demo().await.unwrap();
    let (_, session) = server.begin(json!({})).await;
    let ended = server.token_of(json!({"sub": "a1", "role": "agent", "exp": 1_000}));
    let both = format!("switchboard_login={ended}; switchboard_session={session}");
    let ask = get("/api/messages").header("cookie", &both).header("origin", SAME_ORIGIN);
    assert_eq!(server.ask(ask).await.status, 200);
    let stale = format!("switchboard_login={ended}");
    let again = login("demo").header("cookie", &stale).header("origin", SAME_ORIGIN);
    assert_eq!(server.ask(again).await.status, 200);
    let list = get("/api/sessions").header("cookie", &stale).header("origin", SAME_ORIGIN);
    server.ask(list).await.is_refused(401, "unauthorized");
}

#[tokio::test]
async fn a_key_is_shown_once_and_ends_with_its_revocation() {
    let server = Server::start().await;
    let admin = server.token(Role::Admin, "boss");
    let new = json!({"name": "Exchange", "scopes": ["admin"]});
    let made = server.ask(post("/api/keys").bearer(&admin).json(&new)).await;
    assert_eq!(made.status, 201);
    let (id, key) = (&made.body["data"]["id"], made.body["data"]["key"].as_str().unwrap());
    let list = server.ask(get("/api/keys").bearer(key)).await;
    assert_eq!((&list.body["data"][0]["id"], &list.body["data"][0]["name"]), (id, &new["name"]));
    assert!(!list.text.contains(key));
    let path = format!("/api/keys/{}", id.as_str().unwrap());
    assert_eq!(server.ask(ask("DELETE", &path).bearer(&admin)).await.status, 200);
    server.ask(ask("DELETE", &path).bearer(&admin)).await.is_refused(404, "not_found");
    server.ask(get("/api/keys").bearer(key)).await.is_refused(401, "unauthorized");
    for (bad, status, code) in [
        (json!({"name": " ", "scopes": ["admin"]}), 422, "invalid"),
        (json!({"name": "x", "scopes": []}), 422, "invalid"),
        (json!({"name": "x", "scopes": ["everything"]}), 400, "malformed"),
    ] {
        server.ask(post("/api/keys").bearer(&admin).json(&bad)).await.is_refused(status, code);
    }
}

#[tokio::test]
async fn an_admins_look_is_in_the_audit_trail_page_by_page() {
    let server = Server::start().await;
    let admin = server.token(Role::Admin, "boss");
    let mut looked_at = Vec::new();
    for _ in 0..3 {
        let (id, _) = server.begin(json!({})).await;
        let path = format!("/api/session/{id}/connection-status");
        server.ask(get(&path).bearer(&admin)).await;
        looked_at.push(id);
    }
    let newest = server.ask(get("/api/audit?limit=1").bearer(&admin)).await;
    assert_eq!(newest.body["data"]["entries"][0]["target"], looked_at[2].as_str());
    let first = server.ask(get("/api/audit").bearer(&admin)).await;
    let entries = first.body["data"]["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 3);
    assert_eq!(entries[0]["action"], "conversation.viewed");
    assert_eq!((&entries[0]["actor"], &entries[0]["role"]), (&json!("boss"), &json!("admin")));
    let cursor = entries[0]["cursor"].as_str().unwrap();
    let path = format!("/api/audit?limit=1&after={cursor}");
    let next = server.ask(get(&path).bearer(&admin)).await;
    assert_eq!(next.body["data"]["entries"][0]["target"], looked_at[1].as_str());
    let end = first.body["data"]["cursor"].as_str().unwrap();
    let after = server.ask(get(&format!("/api/audit?after={end}")).bearer(&admin)).await;
    assert_eq!(after.body["data"], json!({"entries": [], "cursor": end}));
    for foreign in ["17", "Lffffffff-1"] {
        let path = format!("/api/audit?after={foreign}");
        server.ask(get(&path).bearer(&admin)).await.is_refused(400, "malformed");
    }
}
