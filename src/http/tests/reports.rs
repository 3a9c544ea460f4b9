//! Reports: who may read them, of which time, and that they add up (contract 8).

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;
use uuid::Uuid;

use super::*;
use crate::log::Department;

const DEPARTMENTS: &str = "/api/reports/departments";
const AGENTS: &str = "/api/reports/agents";
const SLOW: &str = "660e8400-e29b-41d4-a716-446655440001";
const DEWI: &str = "770e8400-e29b-41d4-a716-446655440001";
const AGUS: &str = "770e8400-e29b-41d4-a716-446655440002";

/// A server, and an admin who reads its reports.
struct Office {
    server: Server,
    admin: String,
}

impl Office {
    /// Two departments; nobody can be quick enough for the second one.
    async fn open() -> Office {
        let server = Server::start().await;
        let admin = server.token(Role::Admin, "boss");
        let office = Office { server, admin };
        // Its token makes them, so that routing knows them, too.
        let online = get("/api/agent-status/online").bearer(&office.agent(DEWI));
        assert_eq!(office.server.ask(online).await.status, 200);
        office.department(DEPARTMENT, "Support", None).await;
        office.department(SLOW, "Complaints", Some(r#"{"service_level_seconds": 0}"#)).await;
        office
    }

    async fn department(&self, id: &str, name: &str, routing: Option<&str>) {
        let (id, name) = (Uuid::try_parse(id).unwrap(), name.to_owned());
        let record = Record::Department(Department { id, name, routing: routing.map(Into::into) });
        let log = &self.server.parts.app.log;
        log.commit(&TenantId::default_tenant(), Change::record(record)).await.unwrap();
    }

    fn agent(&self, id: &str) -> String {
        let departments = json!([DEPARTMENT, SLOW]);
        self.server
            .token_of(json!({"sub": id, "role": "agent", "name": id, "departments": departments}))
    }

    async fn read(&self, path: &str) -> Value {
        let reply = self.server.ask(get(path).bearer(&self.admin)).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        reply.body["data"].clone()
    }

    async fn act(&self, path: &str, token: &str, body: Value) {
        let reply = self.server.ask(post(path).bearer(token).json(&body)).await;
        assert!(reply.status.is_success(), "{path}: {}", reply.text);
    }

    async fn wait_in(&self, department: &str) -> (String, String) {
        let begun = self.server.begin(json!({"department_id": department})).await;
        let began = Moment::now();
        // Whoever is answered in the same millisecond has not waited.
        while Moment::now().ms_since(began) < 2 {
            tokio::task::yield_now().await;
        }
        begun
    }

    /// A conversation that is abandoned, one that is served from beginning to end, and one that
    /// its agent still has.
    async fn busy_day(&self, department: &str, agent: &str) {
        let (lost, impatient) = self.wait_in(department).await;
        self.act(&format!("/api/sessions/{lost}/close"), &impatient, json!({})).await;
        let token = self.agent(agent);
        let (served, customer) = self.wait_in(department).await;
        let said = json!({"conversationId": served, "content": "Hello"});
        self.act(&format!("/api/sessions/{served}/assign"), &token, json!({})).await;
        self.act("/api/messages", &token, said).await;
        self.act(&format!("/api/sessions/{served}/close"), &token, json!({})).await;
        let rating = json!({"score": 4});
        self.act(&format!("/api/sessions/{served}/rating"), &customer, rating).await;
        let (open, _) = self.wait_in(department).await;
        self.act(&format!("/api/sessions/{open}/assign"), &token, json!({})).await;
    }
}

/// A report of the last hour, which no midnight interrupts.
fn lately(path: &str) -> String {
    let from = Moment(Moment::now().0 - 3_600_000);
    let sign = if path.contains('?') { '&' } else { '?' };
    format!("{path}{sign}from={from}")
}

#[track_caller]
fn has(row: &Value, expected: Value) {
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&row[key], value, "{key} of {row}");
    }
}

// === who may ===

#[tokio::test]
async fn admins_and_keys_that_read_events_have_reports_of_their_own_tenant() {
    let office = Office::open().await;
    office.busy_day(DEPARTMENT, DEWI).await;
    let server = &office.server;
    let callers = [
        (String::new(), 401),
        (server.begin(json!({})).await.1, 403),
        (office.agent(DEWI), 403),
        (office.admin.clone(), 200),
        (server.key(json!(["admin"])).await, 200),
        (server.key(json!(["events:read"])).await, 200),
        (server.key(json!(["events:write", "messages:write"])).await, 403),
    ];
    let outsider = server.token_of(json!({"sub": "wile", "role": "admin", "tenant": "acme"}));
    for path in [lately(DEPARTMENTS), lately(AGENTS)] {
        for (token, status) in &callers {
            let asked = if token.is_empty() { get(&path) } else { get(&path).bearer(token) };
            let reply = server.ask(asked).await;
            assert_eq!(reply.status.as_u16(), *status, "{path}: {}", reply.text);
            let has_rows = reply.body["data"]["rows"].as_array().is_some_and(|r| !r.is_empty());
            assert_eq!(has_rows, *status == 200, "{path}: {}", reply.text);
        }
        let reply = server.ask(get(&path).bearer(&outsider)).await;
        assert_eq!((reply.status.as_u16(), &reply.body["data"]["rows"]), (200, &json!([])));
    }
    let path = format!("{AGENTS}?department={DEPARTMENT}");
    server.ask(get(&path).bearer(&outsider)).await.is_refused(404, "not_found");
}

#[tokio::test]
async fn what_cannot_be_read_or_cannot_be_names_its_parameter() {
    let office = Office::open().await;
    let ask = async |path: &str| office.server.ask(get(path).bearer(&office.admin)).await;
    for path in [DEPARTMENTS, AGENTS] {
        for (query, field) in [
            ("from=yesterday", "from"),
            ("from=2026-01-01", "from"),
            ("to=2026-01-01T00:00:00", "to"),
            ("to=2026-01-01T00:00:00+07:00", "to"),
        ] {
            let reply = ask(&format!("{path}?{query}")).await;
            reply.is_refused(400, "malformed");
            assert!(reply.body["error"].as_str().unwrap().starts_with(field), "{}", reply.text);
        }
        for (query, field) in [
            ("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "from"),
            ("from=2026-01-01T00:00:00Z&to=2027-01-03T00:00:00Z", "to"),
        ] {
            let reply = ask(&format!("{path}?{query}")).await;
            reply.is_refused(422, "invalid");
            let fields: Vec<_> = reply.body["fields"].as_object().unwrap().keys().collect();
            assert_eq!(fields, [field], "{query}");
        }
        assert_eq!(ask(&format!("{path}?from=&to=")).await.status, 200);
    }
    let malformed = format!("{AGENTS}?department=sales");
    office.server.ask(get(&malformed)).await.is_refused(400, "invalid_uuid");
    ask(&format!("{AGENTS}?department={UNKNOWN}")).await.is_refused(404, "not_found");
}

// === what they say ===

#[tokio::test]
async fn a_department_shows_what_entered_and_what_became_of_it() {
    let office = Office::open().await;
    office.busy_day(DEPARTMENT, DEWI).await;
    office.busy_day(SLOW, DEWI).await;
    office.wait_in(SLOW).await;
    let report = office.read(&lately(DEPARTMENTS)).await;
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "{report}");
    let day = json!({
        "abandoned": 1, "answered": 2, "handled": 1, "ratings": 1, "average_score": 4.0,
        "current_chats": 1,
    });
    for row in rows {
        has(row, day.clone());
        for wait in ["average_wait_seconds", "longest_wait_seconds"] {
            assert!((0.0..60.0).contains(&row[wait].as_f64().unwrap()), "{wait} of {row}");
        }
        for average in ["average_first_response_seconds", "average_handle_seconds"] {
            assert!(row[average].is_f64(), "{average} of {row}");
        }
    }
    let support = json!({
        "department_id": DEPARTMENT, "department": "Support", "entered": 3, "waiting": 0,
        "service_level_seconds": 20, "service_level": 0.6667, "longest_waiting_seconds": 0,
    });
    has(&rows[0], support);
    let complaints = json!({
        "department_id": SLOW, "department": "Complaints", "entered": 4, "waiting": 1,
        "service_level_seconds": 0, "service_level": 0.0,
    });
    has(&rows[1], complaints);
    let totals = json!({
        "entered": 7, "answered": 4, "abandoned": 2, "service_level": 0.3333, "handled": 2,
        "ratings": 2, "average_score": 4.0, "waiting": 1, "current_chats": 2,
    });
    has(&report["totals"], totals);
}

#[tokio::test]
async fn conversations_without_a_department_have_a_row_once_there_are_any() {
    let office = Office::open().await;
    let nameless = async || {
        let report = office.read(&lately(DEPARTMENTS)).await;
        let rows = report["rows"].as_array().unwrap().clone();
        rows.into_iter().find(|row| row["department_id"].is_null())
    };
    assert_eq!(nameless().await, None);
    office.server.begin(json!({})).await;
    let row = nameless().await.unwrap();
    let waits = json!({"department": null, "entered": 1, "waiting": 1, "answered": 0});
    has(&row, waits);
    has(&row, json!({"service_level": null, "average_wait_seconds": null, "average_score": null}));
}

#[tokio::test]
async fn an_agent_shows_what_it_did_in_all_departments_or_in_one() {
    let office = Office::open().await;
    office.busy_day(DEPARTMENT, DEWI).await;
    office.busy_day(SLOW, DEWI).await;
    office.busy_day(SLOW, AGUS).await;
    let report = office.read(&lately(AGENTS)).await;
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "{report}");
    let dewi = json!({
        "agent_id": DEWI, "name": DEWI, "department_ids": [DEPARTMENT, SLOW], "answered": 4,
        "service_level": 0.5, "handled": 2, "ratings": 2, "average_score": 4.0, "max_chats": 5,
    });
    has(&rows[0], dewi);
    has(&rows[1], json!({"agent_id": AGUS, "answered": 2, "service_level": 0.0}));
    has(&report["totals"], json!({"answered": 6, "service_level": 0.3333, "handled": 3}));

    let report = office.read(&lately(&format!("{AGENTS}?department={DEPARTMENT}"))).await;
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 1, "{report}");
    has(&rows[0], json!({"agent_id": DEWI, "answered": 2, "service_level": 1.0, "ratings": 1}));
}

#[tokio::test]
async fn who_is_there_is_shown_whatever_the_time_of_the_report() {
    let office = Office::open().await;
    office.busy_day(DEPARTMENT, DEWI).await;
    let path = "/api/agent-status/heartbeat";
    office.act(path, &office.agent(AGUS), json!({"status": "away"})).await;
    let admin = office.server.token(Role::Admin, UNKNOWN);
    office.act(path, &admin, json!({"status": "online"})).await;
    let past = "from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z";
    let report = office.read(&format!("{AGENTS}?{past}")).await;
    has(&report, json!({"from": "2026-01-01T00:00:00.000Z", "to": "2026-01-02T00:00:00.000Z"}));
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 1, "neither who is gone, nor who only watches: {report}");
    has(&rows[0], json!({"agent_id": AGUS, "status": "away", "answered": 0}));
    has(&report["totals"], json!({"max_chats": 5, "answered": 0}));

    let report = office.read(&format!("{DEPARTMENTS}?{past}")).await;
    has(&report["rows"][0], json!({"entered": 0, "answered": 0, "current_chats": 1}));
}

#[tokio::test]
async fn what_an_agent_has_now_follows_the_router() {
    let office = Office::open().await;
    let path = "/api/agent-status/heartbeat";
    office.act(path, &office.agent(AGUS), json!({"status": "online"})).await;
    office.server.begin(json!({"department_id": SLOW})).await;
    let has_one = async {
        loop {
            let report = office.read(&lately(AGENTS)).await;
            if report["totals"]["current_chats"] == 1 {
                break report;
            }
            tokio::task::yield_now().await;
        }
    };
    let report = timeout(Duration::from_secs(5), has_one).await.unwrap();
    has(&report["rows"][0], json!({"agent_id": AGUS, "status": "online", "current_chats": 1}));
}
