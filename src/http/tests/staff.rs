//! Administration of tenants, departments and agents: who may, what is refused, what is kept.

use serde_json::json;
use uuid::Uuid;

use super::*;

/// An admin of the tenant `default` and what it asks.
struct Office {
    server: Server,
    admin: String,
}

impl Office {
    async fn open() -> Office {
        let server = Server::with(|config| config.limits.rest_per_minute = 100_000).await;
        let admin = server.token(Role::Admin, "boss");
        Office { server, admin }
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> Reply {
        let asked = ask(method, path).bearer(&self.admin);
        self.server.ask(if body.is_null() { asked } else { asked.json(body) }).await
    }

    async fn get(&self, path: &str) -> Value {
        let reply = self.ask("GET", path, &Value::Null).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        reply.body["data"].clone()
    }

    /// Makes something, and returns it.
    async fn make(&self, path: &str, body: Value) -> Value {
        let reply = self.ask("POST", path, &body).await;
        assert_eq!(reply.status, 201, "{path}: {}", reply.text);
        reply.body["data"].clone()
    }

    async fn change(&self, path: &str, body: Value) -> Value {
        let reply = self.ask("PATCH", path, &body).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        reply.body["data"].clone()
    }

    async fn department(&self, name: &str) -> String {
        text(&self.make("/api/departments", json!({"name": name})).await["id"])
    }

    async fn agent(&self, name: &str) -> String {
        text(&self.make("/api/agents", json!({"name": name})).await["id"])
    }

    /// Asks for what cannot be, and checks which field is named.
    async fn is_invalid(&self, method: &str, path: &str, body: Value, field: &str) {
        let reply = self.ask(method, path, &body).await;
        reply.is_refused(422, "invalid");
        let named = reply.body["fields"].as_object().unwrap();
        assert_eq!(named.keys().collect::<Vec<_>>(), [field], "{body}: {}", reply.text);
    }

    fn token_of_agent(&self, id: &str) -> String {
        self.server.token_of(json!({"sub": id, "role": "agent"}))
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

// === who may ===

/// Method, path, body, and the status for nobody, a customer, the agent itself, another agent, an
/// admin, an admin of another tenant, a key with the scope `admin`, and one without.
type Row = (&'static str, &'static str, Value, [u16; 8]);

fn matrix() -> Vec<Row> {
    let (name, tenant) = (json!({"name": "N"}), json!({"id": "{new}", "name": "N"}));
    let none = Value::Null;
    let of_list = [401, 403, 403, 403, 200, 200, 200, 403];
    let made = [401, 403, 403, 403, 201, 201, 201, 403];
    let of_one = [401, 403, 403, 403, 200, 404, 200, 403];
    vec![
        ("GET", "/api/departments", none.clone(), of_list),
        ("POST", "/api/departments", name.clone(), made),
        ("GET", "/api/departments/{department}", none.clone(), of_one),
        ("PATCH", "/api/departments/{department}", name.clone(), of_one),
        ("DELETE", "/api/departments/{department}", none.clone(), of_one),
        ("GET", "/api/agents", none.clone(), of_list),
        ("POST", "/api/agents", name.clone(), made),
        ("GET", "/api/agents/{agent}", none.clone(), [401, 403, 200, 403, 200, 404, 200, 403]),
        ("PATCH", "/api/agents/{agent}", name.clone(), of_one),
        ("DELETE", "/api/agents/{agent}", none.clone(), of_one),
        ("GET", "/api/tenants", none.clone(), of_list),
        ("POST", "/api/tenants", tenant, [401, 403, 403, 403, 201, 403, 201, 403]),
        ("GET", "/api/tenants/default", none.clone(), of_one),
        ("GET", "/api/tenants/acme", none, of_list),
        ("PATCH", "/api/tenants/acme", name, [401, 403, 403, 403, 200, 403, 200, 403]),
    ]
}

#[tokio::test]
async fn every_role_and_tenant_reaches_what_is_its_own_to_administer() {
    let office = Office::open().await;
    let server = &office.server;
    let (_, customer) = server.begin(json!({})).await;
    let callers = [
        ("nobody", String::new()),
        ("a customer", customer),
        ("the agent itself", String::new()),
        ("another agent", server.token(Role::Agent, "a1")),
        ("an admin", office.admin.clone()),
        (
            "an admin of acme",
            server.token_of(json!({"sub": "wile", "role": "admin", "tenant": "acme"})),
        ),
        ("a key of an admin's", server.key(json!(["admin"])).await),
        ("a narrow key", server.key(json!(["events:write", "messages:write"])).await),
    ];
    office.server.ask(get("/api/departments").bearer(&callers[5].1)).await;
    for (method, path, body, statuses) in matrix() {
        for ((name, token), status) in callers.iter().zip(statuses) {
            // Nobody's act shows in what the next one finds.
            let (department, agent) = (office.department("D").await, office.agent("A").await);
            let new = format!("t-{}", Uuid::new_v4());
            let filled = |text: &str| {
                let text = text.replace("{department}", &department).replace("{agent}", &agent);
                text.replace("{new}", &new)
            };
            let own = office.token_of_agent(&agent);
            let token = if *name == "the agent itself" { &own } else { token };
            let mut asked = ask(method, &filled(path));
            if !token.is_empty() {
                asked = asked.bearer(token);
            }
            if !body.is_null() {
                asked = asked.header("content-type", "application/json");
                asked = asked.text(&filled(&body.to_string()));
            }
            let reply = server.ask(asked).await;
            assert_eq!(reply.status, status, "{name}: {method} {path}: {}", reply.text);
            if status >= 400 {
                let agent = office.get(&format!("/api/agents/{agent}")).await;
                let department = office.get(&format!("/api/departments/{department}")).await;
                assert_eq!((&agent["name"], &department["name"]), (&json!("A"), &json!("D")));
            }
        }
    }
}

#[tokio::test]
async fn a_malformed_id_comes_before_everything_else_and_an_unknown_one_after() {
    let office = Office::open().await;
    for (kind, malformed, unknown) in [
        ("departments", "sales", UNKNOWN),
        ("agents", "a%20b", UNKNOWN),
        ("tenants", "a%20b", "nobody"),
    ] {
        for method in ["GET", "PATCH", "DELETE"] {
            if (kind, method) == ("tenants", "DELETE") {
                continue;
            }
            let body = if method == "PATCH" { json!({"name": "N"}) } else { Value::Null };
            let at = |id: &str| format!("/api/{kind}/{id}");
            let reply = office.server.ask(ask(method, &at(malformed))).await;
            reply.is_refused(400, "invalid_id");
            office.ask(method, &at("%ff"), &body).await.is_refused(400, "invalid_id");
            office.ask(method, &at(unknown), &body).await.is_refused(404, "not_found");
        }
        let path = format!("/api/{kind}?cursor=1");
        office.ask("GET", &path, &Value::Null).await.is_refused(400, "malformed");
    }
    let path = "/api/agents?department=sales";
    office.ask("GET", path, &Value::Null).await.is_refused(400, "invalid_id");
    for (path, body) in [
        ("/api/agents", json!({"name": "N", "nickname": "n"})),
        ("/api/agents", json!({"name": "N", "department_ids": ["sales"]})),
        ("/api/agents", json!({"email": "a@b.example"})),
        ("/api/departments", json!({"name": "N", "routing": "direct"})),
        ("/api/tenants", json!({"id": "a b", "name": "N"})),
    ] {
        office.ask("POST", path, &body).await.is_refused(400, "malformed");
    }
}

// === departments ===

#[tokio::test]
async fn a_department_shows_its_whole_policy_and_takes_changes_field_by_field() {
    let office = Office::open().await;
    let plain = office.make("/api/departments", json!({"name": " Sales "})).await;
    assert_eq!(plain["name"], "Sales");
    let defaults = plain["routing"].clone();
    assert_eq!(
        (&defaults["strategy"], &defaults["offer"]),
        (&json!("least_loaded"), &json!("direct"))
    );
    let path = format!("/api/departments/{}", text(&plain["id"]));

    let rules = json!([{"after_seconds": 120, "action": "supervisors"}]);
    let set = json!({"routing": {"strategy": "round_robin", "escalations": rules}});
    let changed = office.change(&path, set).await;
    assert_eq!((&changed["name"], &changed["routing"]["escalations"]), (&json!("Sales"), &rules));
    let changed = office.change(&path, json!({"routing": {"wrap_up_seconds": 30}})).await;
    assert_eq!(changed["routing"]["strategy"], "round_robin", "what is not named stays");
    assert_eq!(changed["routing"]["wrap_up_seconds"], 30);
    let changed = office.change(&path, json!({"routing": {"strategy": null}})).await;
    assert_eq!(changed["routing"]["strategy"], "least_loaded");
    let changed = office.change(&path, json!({"name": "Orders"})).await;
    assert_eq!((&changed["name"], &changed["routing"]["escalations"]), (&json!("Orders"), &rules));
    let changed = office.change(&path, json!({"routing": null})).await;
    assert_eq!(changed["routing"], defaults);
    assert_eq!(office.get(&path).await, changed);
}

#[tokio::test]
async fn what_is_wrong_with_a_department_is_named_by_its_path() {
    let office = Office::open().await;
    let department = office.department("Sales").await;
    let rule = |rule: Value| {
        json!({"name": "N", "routing": {"escalations": [
            {"after_seconds": 60, "action": "bot"}, rule,
        ]}})
    };
    let with = |field: &str, value: Value| json!({"name": "N", "routing": {field: value}});
    for (body, field) in [
        (json!({"name": " "}), "name"),
        (json!({"name": "x".repeat(201)}), "name"),
        (json!({"name": "a\nb"}), "name"),
        (with("strategi", json!("round_robin")), "routing.strategi"),
        (with("strategy", json!("random")), "routing.strategy"),
        (with("offer_timeout_seconds", json!(-1)), "routing.offer_timeout_seconds"),
        (with("weights", json!({"chat": 0})), "routing.weights.chat"),
        (with("hours", json!({"time_zone": "Mars/Olympus"})), "routing.hours.time_zone"),
        (
            rule(json!({"after_seconds": 0, "action": "bot"})),
            "routing.escalations[1].after_seconds",
        ),
        (
            rule(json!({"after_seconds": "soon", "action": "bot"})),
            "routing.escalations[1].after_seconds",
        ),
        (
            rule(json!({"after_seconds": 60, "action": {"department": UNKNOWN}})),
            "routing.escalations[1].action.department",
        ),
    ] {
        office.is_invalid("POST", "/api/departments", body.clone(), field).await;
        let path = format!("/api/departments/{department}");
        office.is_invalid("PATCH", &path, body, field).await;
        assert_eq!(office.get(&path).await["name"], "Sales");
    }
    let widened = rule(json!({"after_seconds": 60, "action": {"department": department}}));
    office.make("/api/departments", widened).await;
}

#[tokio::test]
async fn a_department_in_use_stays() {
    let office = Office::open().await;
    let department = office.department("Sales").await;
    let path = format!("/api/departments/{department}");
    let agent = office.agent("Dewi").await;
    let agent = format!("/api/agents/{agent}");
    office.change(&agent, json!({"department_ids": [department]})).await;
    office.ask("DELETE", &path, &Value::Null).await.is_refused(409, "conflict");
    office.change(&agent, json!({"department_ids": []})).await;

    let (session, _) = office.server.begin(json!({"department_id": department})).await;
    office.ask("DELETE", &path, &Value::Null).await.is_refused(409, "conflict");
    let closed = format!("/api/sessions/{session}/close");
    assert_eq!(office.ask("POST", &closed, &Value::Null).await.status, 200);
    assert_eq!(office.ask("DELETE", &path, &Value::Null).await.status, 200);
    office.ask("GET", &path, &Value::Null).await.is_refused(404, "not_found");
}

// === agents ===

#[tokio::test]
async fn an_agent_is_kept_as_it_is_shown() {
    let office = Office::open().await;
    let (a, b) = (office.department("A").await, office.department("B").await);
    let body = json!({
        "name": " Dewi ", "email": " Dewi@Shop.example ", "department_ids": [b, a, b],
        "max_chats": 3, "skills": ["Billing", "billing", "C++"], "languages": ["ID", "en"],
    });
    let made = office.make("/api/agents", body).await;
    assert!(Uuid::try_parse(&text(&made["id"])).is_ok());
    let path = format!("/api/agents/{}", text(&made["id"]));
    let expected = json!({
        "id": made["id"], "role": "agent", "name": "Dewi", "email": "Dewi@Shop.example",
        "department_ids": [b, a], "max_chats": 3, "skills": ["billing", "c++"],
        "languages": ["id", "en"], "is_disabled": false, "created_at": made["created_at"],
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
    let office = Office::open().await;
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

// === lists and tenants ===

#[tokio::test]
async fn a_list_comes_page_by_page() {
    let office = Office::open().await;
    let department = office.department("D0").await;
    let mut expected = vec![department.clone()];
    for n in 1..5 {
        expected.push(office.department(&format!("D{n}")).await);
        let body = json!({"name": format!("A{n}"), "department_ids": [department]});
        office.make("/api/agents", body).await;
        office.make("/api/tenants", json!({"id": format!("t{n}"), "name": "T"})).await;
    }
    office.agent("of no department").await;
    let own = format!("agents?department={department}&");
    for (path, list, count) in [
        ("departments?", "departments", 6),
        // The admin itself is one, made by its token as its department is.
        ("agents?", "agents", 6),
        (own.as_str(), "agents", 4),
        ("tenants?", "tenants", 5),
    ] {
        let (mut ids, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = office.get(&format!("/api/{path}limit=2&cursor={cursor}")).await;
            let entries = page[list].as_array().unwrap();
            assert!((1..=2).contains(&entries.len()), "{path}: {page}");
            ids.extend(entries.iter().map(|entry| text(&entry["id"])));
            match page["next_cursor"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => break,
            }
        }
        assert_eq!(ids.len(), count, "{path}: {ids:?}");
        assert!(ids.is_sorted(), "{path}: {ids:?}");
        if path == "departments?" {
            assert_eq!(ids[..5], expected, "those made first come first");
        }
    }
}

#[tokio::test]
async fn an_admin_of_another_tenant_sees_its_own_alone() {
    let office = Office::open().await;
    let made = office.make("/api/tenants", json!({"id": "acme", "name": "Acme"})).await;
    assert_eq!(made, json!({"id": "acme", "name": "Acme"}));
    let again = json!({"id": "acme", "name": "Other"});
    office.ask("POST", "/api/tenants", &again).await.is_refused(409, "conflict");
    office.is_invalid("POST", "/api/tenants", json!({"id": "b", "name": ""}), "name").await;
    let changed = office.change("/api/tenants/acme", json!({"name": "Acme Ltd"})).await;
    assert_eq!(changed["name"], "Acme Ltd");
    let acme = office.server.token_of(json!({"sub": "w", "role": "admin", "tenant": "acme"}));
    let list = office.server.ask(get("/api/tenants").bearer(&acme)).await;
    let own = json!({"tenants": [{"id": "acme", "name": "Acme Ltd"}], "next_cursor": null});
    assert_eq!(list.body["data"], own);
    let behind = office.server.ask(get("/api/tenants?cursor=iacme").bearer(&acme)).await;
    assert_eq!(behind.body["data"]["tenants"], json!([]));
    office
        .ask("DELETE", "/api/tenants/acme", &Value::Null)
        .await
        .is_refused(405, "method_not_allowed");
}

#[tokio::test]
async fn every_act_is_in_the_audit_trail_and_nothing_else() {
    let office = Office::open().await;
    let department = office.department("Sales").await;
    let agent = office.agent("Dewi").await;
    let (d, a) = (format!("/api/departments/{department}"), format!("/api/agents/{agent}"));
    office.change(&d, json!({"name": "Orders"})).await;
    office.change(&a, json!({"name": "Dewi L."})).await;
    office.change(&a, json!({"is_disabled": true})).await;
    office.change(&a, json!({"is_disabled": false})).await;
    office.get("/api/agents").await;
    office.is_invalid("PATCH", &a, json!({"name": ""}), "name").await;
    for path in [&a, &d] {
        assert_eq!(office.ask("DELETE", path, &Value::Null).await.status, 200);
    }
    office.make("/api/tenants", json!({"id": "acme", "name": "Acme"})).await;
    office.change("/api/tenants/acme", json!({"name": "Acme Ltd"})).await;
    let trail = office.get("/api/audit").await;
    let acts: Vec<_> = trail["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            assert_eq!((&entry["actor"], &entry["role"]), (&json!("boss"), &json!("admin")));
            (text(&entry["action"]), text(&entry["target"]))
        })
        .collect();
    let expected = [
        ("department.created", &department),
        ("agent.created", &agent),
        ("department.changed", &department),
        ("agent.changed", &agent),
        ("agent.disabled", &agent),
        ("agent.enabled", &agent),
        ("agent.deleted", &agent),
        ("department.deleted", &department),
        ("tenant.created", &"acme".to_owned()),
        ("tenant.changed", &"acme".to_owned()),
    ];
    assert_eq!(acts, expected.map(|(action, target)| (action.to_owned(), target.clone())));
}
