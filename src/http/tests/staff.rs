//! Administration of tenants, departments and agents: who may, and in which order it is refused.
//! What is kept of each is in the files beside.

mod agents;
mod departments;
mod page;
mod tenants;

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
