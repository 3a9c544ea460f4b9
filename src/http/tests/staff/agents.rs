//! Agents: what is kept of them, and how long they may come in.

use serde_json::json;

use super::*;

#[tokio::test]
async fn an_agent_is_kept_as_it_is_shown() {
    let office = Office::open().await;
    let (a, b) = (office.department("A").await, office.department("B").await);
    let body = json!({
        "name": " Dewi ", "email": " Dewi@Shop.example ", "department_ids": [b, a, b],
        "max_chats": 3, "skills": ["Billing", "billing", "C++"], "languages": ["ID", "en"], "extension": " 1001 ",
    });
    let made = office.make("/api/agents", body).await;
    assert!(Uuid::try_parse(&text(&made["id"])).is_ok());
    let path = format!("/api/agents/{}", text(&made["id"]));
    let expected = json!({
        "id": made["id"], "role": "agent", "name": "Dewi", "email": "Dewi@Shop.example",
        "department_ids": [b, a], "max_chats": 3, "skills": ["billing", "c++"],
        "languages": ["id", "en"], "extension": "1001", "is_disabled": false, "created_at": made["created_at"],
    });
    assert_eq!(made, expected);
    assert_eq!(office.get(&path).await, expected);
    let changed = office.change(&path, json!({"skills": [], "max_chats": 100})).await;
    assert_eq!((&changed["skills"], &changed["max_chats"]), (&json!([]), &json!(100)));
    assert_eq!(changed["languages"], json!(["id", "en"]), "what is not named stays");
    let changed = office.change(&path, json!({"email": null, "role": "admin"})).await;
    assert_eq!((&changed["email"], &changed["role"]), (&Value::Null, &json!("admin")));
    let plain = office.make("/api/agents", json!({"name": "Agus"})).await;
    assert_eq!((&plain["max_chats"], &plain["role"]), (&json!(5), &json!("agent")));
}

#[tokio::test]
async fn what_is_wrong_with_an_agent_is_named_by_its_path() {
    let office = Office::open().await;
    let (department, agent) = (office.department("A").await, office.agent("Dewi").await);
    let path = format!("/api/agents/{agent}");
    let many = vec!["x"; 51];
    for (field, value, named) in [
        ("name", json!(""), "name"),
        ("email", json!("dewi"), "email"),
        ("email", json!("de wi@shop.example"), "email"),
        ("extension", json!("10 01"), "extension"),
        ("password", json!("short12"), "password"),
        ("password", json!("x".repeat(1_025)), "password"),
        ("password", json!("long enough"), "email"),
        ("role", json!("customer"), "role"),
        ("role", json!("boss"), "role"),
        ("max_chats", json!(0), "max_chats"),
        ("max_chats", json!(-1), "max_chats"),
        ("max_chats", json!(101), "max_chats"),
        ("skills", json!(["fine", "not fine"]), "skills[1]"),
        ("skills", json!(many), "skills"),
        ("languages", json!(["x".repeat(33)]), "languages[0]"),
        ("department_ids", json!([department, UNKNOWN]), "department_ids[1]"),
    ] {
        let mut body = json!({"name": "N"});
        body[field] = value.clone();
        office.is_invalid("POST", "/api/agents", body, named).await;
        office.is_invalid("PATCH", &path, json!({field: value}), named).await;
    }
    assert_eq!(office.get(&path).await["name"], "Dewi");
}

#[tokio::test]
async fn an_address_is_one_agents_of_the_tenant() {
    let office = Office::open().await;
    let body = |email: &str| json!({"name": "N", "email": email});
    let first = office.make("/api/agents", body("dewi@shop.example")).await;
    let path = format!("/api/agents/{}", text(&first["id"]));
    let second = office.make("/api/agents", body("agus@shop.example")).await;
    let other = format!("/api/agents/{}", text(&second["id"]));
    let taken = body("DEWI@shop.example");
    office.ask("POST", "/api/agents", &taken).await.is_refused(409, "conflict");
    office.ask("PATCH", &other, &taken).await.is_refused(409, "conflict");
    assert_eq!(office.change(&path, taken).await["email"], "DEWI@shop.example", "its own");
    let acme = office.server.token_of(json!({"sub": "w", "role": "admin", "tenant": "acme"}));
    let asked = post("/api/agents").bearer(&acme).json(&body("dewi@shop.example"));
    assert_eq!(office.server.ask(asked).await.status, 201, "another tenant's is another");
}

#[tokio::test]
async fn two_at_once_do_not_get_one_address() {
    // On disk, where a question takes time and another request may come between.
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", dir.path().join("log.db").display());
    let server = Server::with(|config| config.store.url = url.as_str().into()).await;
    let office = Office { admin: server.token(Role::Admin, "boss"), server };
    office.get("/api/agents").await;
    let body = json!({"name": "N", "email": "dewi@shop.example"});
    let asked = (0..8).map(|_| office.ask("POST", "/api/agents", &body));
    let replies = futures_util::future::join_all(asked).await;
    let mut statuses: Vec<_> = replies.iter().map(|reply| reply.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
}

#[tokio::test]
async fn a_password_lets_its_agent_in_for_as_long_as_it_has_one() {
    let office = Office::open().await;
    let body = json!({"name": "Dewi", "email": "Dewi@shop.example", "password": "correct horse"});
    let made = office.make("/api/agents", body).await;
    assert!(made.get("password").is_none());
    let path = format!("/api/agents/{}", text(&made["id"]));
    let login = |password: &str| {
        let body = json!({"email": "dewi@SHOP.example", "password": password});
        office.server.ask(post("/api/auth/login").json(&body))
    };
    let reply = login("correct horse").await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.body["data"]["user"]["id"], made["id"]);
    let own = text(&reply.body["data"]["token"]);
    let shown = office.server.ask(get(&path).bearer(&own)).await;
    assert_eq!((shown.status.as_u16(), &shown.body["data"]), (200, &made));

    office.change(&path, json!({"password": "battery staple"})).await;
    login("correct horse").await.is_refused(401, "unauthorized");
    assert_eq!(login("battery staple").await.status, 200);
    office.is_invalid("PATCH", &path, json!({"email": null}), "email").await;
    office.change(&path, json!({"password": null})).await;
    login("battery staple").await.is_refused(401, "unauthorized");
}

#[tokio::test]
async fn a_disabled_agent_is_refused_until_it_is_enabled() {
    let office = Office::open().await;
    let agent = office.agent("Dewi").await;
    let (path, own) = (format!("/api/agents/{agent}"), office.token_of_agent(&agent));
    let sessions = || office.server.ask(get("/api/sessions").bearer(&own));
    assert_eq!(sessions().await.status, 200);
    office.change(&path, json!({"is_disabled": true})).await;
    sessions().await.is_refused(403, "forbidden");
    office.change(&path, json!({"is_disabled": false})).await;
    assert_eq!(sessions().await.status, 200);
}

#[tokio::test]
async fn no_token_makes_a_removed_agent_anew() {
    let office = Office::open().await;
    let own = office.server.token(Role::Agent, "a1");
    let sessions = || office.server.ask(get("/api/sessions").bearer(&own));
    assert_eq!(sessions().await.status, 200);
    // Made by its token, with an id that is no UUID.
    assert_eq!(office.get("/api/agents/a1").await["department_ids"], json!([DEPARTMENT]));
    assert_eq!(office.ask("DELETE", "/api/agents/a1", &Value::Null).await.status, 200);
    for _ in 0..2 {
        sessions().await.is_refused(403, "forbidden");
    }
    office.ask("GET", "/api/agents/a1", &Value::Null).await.is_refused(404, "not_found");
    office.ask("DELETE", "/api/agents/a1", &Value::Null).await.is_refused(404, "not_found");
}

#[tokio::test]
async fn nobody_takes_the_administration_from_itself() {
    let office = Office::open().await;
    office.get("/api/agents/boss").await;
    for body in [json!({"is_disabled": true}), json!({"role": "agent"})] {
        office.ask("PATCH", "/api/agents/boss", &body).await.is_refused(409, "conflict");
    }
    let reply = office.ask("DELETE", "/api/agents/boss", &Value::Null).await;
    reply.is_refused(409, "conflict");
    assert_eq!(office.change("/api/agents/boss", json!({"name": "Sari"})).await["name"], "Sari");
}

#[tokio::test]
async fn the_demo_makes_who_is_missing_and_leaves_the_others_as_they_are() {
    let office = Office::open().await;
    office.server.parts.app.set_up_demo().await.unwrap();
    let (dewi, agus) = (
        "/api/agents/770e8400-e29b-41d4-a716-446655440001",
        "/api/agents/770e8400-e29b-41d4-a716-446655440002",
    );
    assert_eq!(office.get(dewi).await["languages"], json!(["id", "en"]));
    let support = format!("/api/departments/{DEPARTMENT}");
    let rules = office.get(&support).await["routing"]["escalations"].clone();
    assert_eq!(rules, json!([{"after_seconds": 120, "action": "supervisors"}]));
    office.change(dewi, json!({"max_chats": 9})).await;
    office.change(&support, json!({"routing": null})).await;
    assert_eq!(office.ask("DELETE", agus, &Value::Null).await.status, 200);

    let demo = office.server.parts.app.set_up_demo().await.unwrap();
    assert_eq!(office.get(dewi).await["max_chats"], 9);
    assert_eq!(office.get(&support).await["routing"]["escalations"], json!([]));
    assert_eq!(office.get(agus).await["name"], "Agus");
    for (who, token) in demo.tokens {
        let reply = office.server.ask(get("/api/sessions").bearer(&token)).await;
        assert_eq!(reply.status, 200, "{who}");
    }
}
