//! `/api/agent-status/...` and what people do about routing: who may, in which tenant, and that
//! nothing of another one is ever visible (contract 4 and 8).

use serde_json::json;
use uuid::Uuid;

use super::*;

const OTHER_DEPARTMENT: &str = "660e8400-e29b-41d4-a716-446655440001";
const DEWI: &str = "770e8400-e29b-41d4-a716-446655440001";
const AGUS: &str = "770e8400-e29b-41d4-a716-446655440002";
const RINA: &str = "770e8400-e29b-41d4-a716-446655440003";
const SARI: &str = "770e8400-e29b-41d4-a716-446655440004";
const OUTSIDER: &str = "770e8400-e29b-41d4-a716-446655440005";
const BOSS: &str = "770e8400-e29b-41d4-a716-446655440006";

/// Everybody who may ask, in the order of [`Row`].
const CALLERS: [&str; 13] = [
    "nobody",
    "its customer",
    "another customer",
    "its agent",
    "an agent of the department",
    "an agent of another department",
    "an admin",
    "an agent of acme",
    "an admin of acme",
    "a key that administers",
    "a key that reads events",
    "a key that writes events",
    "a key that writes messages",
];

/// Method, path, body, and the status for each of [`CALLERS`].
type Row = (&'static str, &'static str, Value, [u16; 13]);

fn agent_status() -> Vec<Row> {
    let none = Value::Null;
    let reading = [401, 403, 403, 200, 200, 200, 200, 200, 200, 200, 200, 403, 403];
    let of_one = [401, 403, 403, 200, 200, 200, 200, 404, 404, 200, 200, 403, 403];
    let own = [401, 403, 403, 200, 200, 200, 200, 200, 200, 403, 403, 403, 403];
    vec![
        ("POST", "/api/agent-status/heartbeat", none.clone(), own),
        ("POST", "/api/agent-status/heartbeat", json!({"status": "away"}), own),
        ("POST", "/api/agent-status/offline", none.clone(), own),
        ("GET", "/api/agent-status/online", none.clone(), reading),
        ("GET", "/api/agent-status/stats", none.clone(), reading),
        ("GET", "/api/agent-status/department/{department}", none.clone(), of_one),
        ("GET", "/api/agent-status/agent/{agent}", none, of_one),
    ]
}

fn routing() -> Vec<Row> {
    let (none, needs) = (Value::Null, json!({"priority": 2}));
    vec![
        (
            "POST",
            "/api/sessions/{offered}/decline",
            none.clone(),
            [401, 403, 403, 200, 409, 403, 403, 404, 403, 403, 403, 403, 403],
        ),
        (
            "PATCH",
            "/api/sessions/{offered}",
            needs.clone(),
            // It is nobody's yet, whoever is asked.
            [401, 403, 403, 403, 403, 403, 200, 404, 404, 200, 403, 403, 403],
        ),
        (
            "PATCH",
            "/api/sessions/{assigned}",
            needs,
            [401, 403, 403, 200, 403, 403, 200, 404, 404, 200, 403, 403, 403],
        ),
        (
            "GET",
            "/api/routing/decisions/{offered}",
            none.clone(),
            [401, 403, 403, 200, 200, 403, 200, 404, 404, 200, 200, 403, 403],
        ),
        (
            "GET",
            "/api/routing/decisions/{assigned}",
            none,
            [401, 403, 403, 200, 403, 403, 200, 404, 404, 200, 200, 403, 403],
        ),
    ]
}

/// A department that asks its agents first. Dewi has one conversation of it and is asked for
/// another one.
struct Scene {
    server: Server,
    assigned: String,
    offered: String,
    tokens: Vec<String>,
}

impl Scene {
    async fn set() -> Scene {
        let server = Server::with(|config| config.limits.rest_per_minute = 100_000).await;
        let agent = |tenant: &str, sub: &str, department: &str| {
            let departments = json!([department]);
            server.token_of(
                json!({"sub": sub, "role": "agent", "tenant": tenant, "departments": departments}),
            )
        };
        let admin = |tenant: &str, sub: &str| {
            server.token_of(json!({"sub": sub, "role": "admin", "tenant": tenant}))
        };
        let (sari, dewi) = (admin("default", SARI), agent("default", DEWI, DEPARTMENT));
        server.expect(200, post("/api/agent-status/heartbeat").bearer(&dewi)).await;
        let asks = json!({"routing": {"offer": "accept"}});
        let department = format!("/api/departments/{DEPARTMENT}");
        server.expect(200, ask("PATCH", &department).bearer(&sari).json(&asks)).await;
        let (assigned, _) = server.begin(json!({"department_id": DEPARTMENT})).await;
        let claim = post(&format!("/api/sessions/{assigned}/assign")).bearer(&dewi);
        server.expect(200, claim).await;
        let (offered, customer) = server.begin(json!({"department_id": DEPARTMENT})).await;
        let mut tokens = vec![
            String::new(),
            customer,
            server.begin(json!({})).await.1,
            dewi,
            agent("default", AGUS, DEPARTMENT),
            agent("default", RINA, OTHER_DEPARTMENT),
            sari,
            // What is called the same there is another one.
            agent("acme", OUTSIDER, OTHER_DEPARTMENT),
            admin("acme", BOSS),
        ];
        for scope in ["admin", "events:read", "events:write", "messages:write"] {
            tokens.push(server.key(json!([scope])).await);
        }
        Scene { server, assigned, offered, tokens }
    }

    fn fill(&self, text: &str) -> String {
        let text = text.replace("{department}", DEPARTMENT).replace("{agent}", DEWI);
        text.replace("{assigned}", &self.assigned).replace("{offered}", &self.offered)
    }

    async fn ask(&self, token: &str, row: &Row) -> Reply {
        let (method, path, body, _) = row;
        let mut asked = ask(method, &self.fill(path));
        if !token.is_empty() {
            asked = asked.bearer(token);
        }
        let asked = if body.is_null() { asked } else { asked.json(body) };
        self.server.ask(asked).await
    }
}

impl Server {
    async fn expect(&self, status: u16, asked: Ask) -> Value {
        let reply = self.ask(asked).await;
        assert_eq!(reply.status, status, "{}", reply.text);
        reply.body["data"].clone()
    }
}

#[tokio::test]
async fn every_role_and_tenant_gets_what_it_may_see_and_do() {
    let mut wrong = Vec::new();
    for row in agent_status().into_iter().chain(routing()) {
        for (place, caller) in CALLERS.into_iter().enumerate() {
            // Nobody's act shows in what the next one finds.
            let scene = Scene::set().await;
            let (reply, wanted) = (scene.ask(&scene.tokens[place], &row).await, row.3[place]);
            if reply.status != wanted {
                let (method, path, ..) = row;
                let got = reply.status;
                wrong.push(format!("{caller}: {method} {path}: {got}, not {wanted}"));
            }
            if wanted >= 400 {
                let code = match wanted {
                    401 => "unauthorized",
                    403 => "forbidden",
                    404 => "not_found",
                    _ => "conflict",
                };
                if reply.status == wanted {
                    reply.is_refused(wanted, code);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn what_is_refused_leaves_no_trace() {
    let scene = Scene::set().await;
    let tenants = ["default", "acme"].map(|name| TenantId::parse(name).unwrap());
    // Where each tenant's log ends, and who is there.
    let state = async || {
        let mut all = Vec::new();
        for tenant in &tenants {
            all.push(scene.server.parts.app.log.head(tenant).await.unwrap().to_string());
        }
        for admin in [6, 8] {
            let online = get("/api/agent-status/online").bearer(&scene.tokens[admin]);
            all.push(scene.server.expect(200, online).await.to_string());
        }
        all
    };
    // The first token of a tenant makes it, and its log.
    state().await;
    let before = state().await;
    for row in agent_status().into_iter().chain(routing()) {
        for (token, wanted) in scene.tokens.iter().zip(row.3) {
            if wanted >= 400 {
                scene.ask(token, &row).await;
            }
        }
    }
    assert_eq!(state().await, before);
}

#[tokio::test]
async fn nothing_of_another_tenant_is_visible() {
    let scene = Scene::set().await;
    let own = [DEWI, DEPARTMENT, &scene.assigned, &scene.offered];
    for token in &scene.tokens[7..9] {
        for row in agent_status().into_iter().chain(routing()) {
            let reply = scene.ask(token, &row).await;
            let named = own.iter().find(|id| reply.text.contains(**id));
            assert_eq!(named, None, "{} {}: {}", row.0, row.1, reply.text);
        }
    }
    // Those of acme are nobody to the others, though they are there now.
    let boss = post("/api/agent-status/heartbeat").bearer(&scene.tokens[8]);
    scene.server.expect(200, boss).await;
    let outsider = post("/api/agent-status/heartbeat").bearer(&scene.tokens[7]);
    scene.server.expect(200, outsider.json(&json!({"status": "online"}))).await;
    for token in scene.tokens[3..7].iter().chain(&scene.tokens[9..11]) {
        let online = get("/api/agent-status/online").bearer(token);
        let online = scene.server.expect(200, online).await;
        let ids: Vec<&Value> = online.as_array().unwrap().iter().map(|a| &a["agent_id"]).collect();
        assert_eq!(ids, [DEWI]);
        for id in [OUTSIDER, BOSS] {
            let path = format!("/api/agent-status/agent/{id}");
            scene.server.ask(get(&path).bearer(token)).await.is_refused(404, "not_found");
        }
    }
}

#[tokio::test]
async fn an_id_that_cannot_be_is_malformed_and_one_that_nobody_has_unknown() {
    let scene = Scene::set().await;
    let admin = &scene.tokens[6];
    let none = Value::Null;
    for (method, path, body) in [
        ("GET", "/api/agent-status/agent/{id}", &none),
        ("GET", "/api/agent-status/department/{id}", &none),
        ("PATCH", "/api/sessions/{id}", &json!({"priority": 1})),
        ("GET", "/api/routing/decisions/{id}", &none),
    ] {
        for (id, status) in [("dewi", 400), ("%ff", 400), (UNKNOWN, 404)] {
            let asked = ask(method, &path.replace("{id}", id)).bearer(admin);
            let asked = if body.is_null() { asked } else { asked.json(body) };
            let reply = scene.server.ask(asked).await;
            assert_eq!(reply.status, status, "{method} {path} {id}: {}", reply.text);
        }
    }
    let path = format!("/api/sessions/{UNKNOWN}/decline");
    let reply = scene.server.ask(post(&path).bearer(&scene.tokens[3])).await;
    reply.is_refused(404, "not_found");
    // Routing finds agents by UUIDs only; whoever has another id can be no agent to it.
    let named = scene.server.token(Role::Agent, "dewi");
    let reply = scene.server.ask(post("/api/agent-status/heartbeat").bearer(&named)).await;
    assert_eq!(reply.status, 400, "{}", reply.text);
}

#[tokio::test]
async fn what_a_conversation_needs_is_checked() {
    let scene = Scene::set().await;
    let path = format!("/api/sessions/{}", scene.offered);
    let admin = &scene.tokens[6];
    let many: Vec<String> = (0..51).map(|n| format!("skill-{n}")).collect();
    for (needs, field) in [
        (json!({"priority": 101}), "priority"),
        (json!({"priority": -101}), "priority"),
        (json!({"skills": many}), "skills"),
        (json!({"skills": [""]}), "skills"),
        (json!({"skills": ["a\nb"]}), "skills"),
        (json!({"skills": ["x".repeat(33)]}), "skills"),
        (json!({"language": "x".repeat(33)}), "language"),
    ] {
        let reply = scene.server.ask(ask("PATCH", &path).bearer(admin).json(&needs)).await;
        reply.is_refused(422, "invalid");
        let named: Vec<&String> = reply.body["fields"].as_object().unwrap().keys().collect();
        assert!(named.len() == 1 && named[0].starts_with(field), "{needs}: {}", reply.text);
    }
    for needs in [json!({"urgency": 1}), json!({"priority": "high"}), json!([])] {
        let reply = scene.server.ask(ask("PATCH", &path).bearer(admin).json(&needs)).await;
        reply.is_refused(400, "malformed");
    }
    let needs = json!({"skills": [" Billing ", "billing"], "language": "EN", "priority": -3});
    let patched = ask("PATCH", &path).bearer(admin).json(&needs);
    let told = scene.server.expect(200, patched).await;
    assert_eq!((&told["skills"], &told["language"]), (&json!(["billing"]), &json!("en")));
    let patched = ask("PATCH", &path).bearer(admin).json(&json!({"language": null}));
    let told = scene.server.expect(200, patched).await;
    assert_eq!((&told["priority"], &told["skills"]), (&json!(-3), &json!(["billing"])));
    assert_eq!(told.get("language").cloned().unwrap_or_default(), Value::Null);
    assert!(Uuid::try_parse(told["session_id"].as_str().unwrap()).is_ok());
}
