//! Administration of webhooks. Nobody serves them here, so nothing is sent; that is tested in
//! `tests/it`.

use serde_json::json;

use super::*;
use crate::log::{DeliveryState, DeliveryTried, Taken, Tries, WebhookRead};
use crate::model::{Cursor, Role};
use uuid::Uuid;

/// A public address, so that no name is asked for.
const URL: &str = "https://93.184.215.14/hook?key=1";

struct Office {
    server: Server,
    admin: String,
}

impl Office {
    async fn open() -> Office {
        Office::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Config)) -> Office {
        let server = Server::with(change).await;
        let admin = server.token(Role::Admin, "boss");
        Office { server, admin }
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> Reply {
        let asked = ask(method, path).bearer(&self.admin);
        self.server.ask(if body.is_null() { asked } else { asked.json(&body) }).await
    }

    /// What is asked for and answered.
    async fn done(&self, method: &str, path: &str, body: Value) -> Value {
        let mut reply = self.ask(method, path, body).await;
        assert!(reply.status.is_success(), "{method} {path}: {}", reply.text);
        reply.body["data"].take()
    }

    async fn make(&self, more: Value) -> (String, Value) {
        let mut body = json!({ "url": URL });
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        let made = self.done("POST", "/api/webhooks", body).await;
        (format!("/api/webhooks/{}", made["id"].as_str().unwrap()), made)
    }

    async fn keep(&self, record: Record) {
        let change = Change::record(record);
        self.server.parts.app.log.commit(&TenantId::default_tenant(), change).await.unwrap();
    }

    async fn head(&self) -> Cursor {
        self.server.parts.app.log.head(&TenantId::default_tenant()).await.unwrap()
    }

    async fn acts(&self) -> Vec<String> {
        let trail = self.done("GET", "/api/audit?limit=200", Value::Null).await;
        let entries = trail["entries"].as_array().unwrap().iter();
        let acts = entries.map(|entry| entry["action"].as_str().unwrap().to_owned());
        acts.filter(|act| act.starts_with("webhook.")).collect()
    }

    /// So many deliveries of a webhook, of which those in `dead` were given up.
    async fn deliveries(&self, id: &Value, count: u64, dead: &[u64]) {
        let webhook = Uuid::parse_str(id.as_str().unwrap()).unwrap();
        let name = || "call.incoming".to_owned();
        let taken = |position| Taken { position, name: name(), lane: 1, at: Moment(1) };
        let taken = (1..=count).map(taken).collect();
        self.keep(Record::WebhookRead(WebhookRead { webhook, cursor: 0, taken })).await;
        for position in dead {
            let (status, error) = (Some(500), Some("500: the receiver did not take it".into()));
            let tried_at = Some(Moment(5));
            let tries = Tries { attempts: 3, status, error, tried_at, ..Tries::default() };
            let (position, state) = (*position, DeliveryState::Dead);
            let tried = DeliveryTried { webhook, position, state, tries };
            self.keep(Record::DeliveryTried(tried)).await;
        }
    }
}

#[tokio::test]
async fn a_webhook_is_made_shown_changed_and_taken_away() {
    let office = Office::open().await;
    let before = office.head().await;
    let events = json!(["call.*", "chat.message"]);
    let (path, made) =
        office.make(json!({ "events": events, "description": " Order system " })).await;
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_") && secret.len() == 6 + 44, "{secret}");
    let shown = office.done("GET", &path, Value::Null).await;
    let expected = json!({
        "id": made["id"], "url": URL, "events": events, "description": "Order system",
        "is_disabled": false, "disabled_by": null, "disabled_at": null,
        "cursor": before.to_string(), "pending": 0, "dead": 0, "old_secret_until": null,
        "created_at": made["created_at"],
    });
    assert_eq!(shown, expected, "the secret is shown once");
    assert_eq!(office.done("GET", "/api/webhooks", Value::Null).await, json!([expected]));

    let change = json!({ "events": ["*"], "description": null, "is_disabled": true });
    let changed = office.done("PATCH", &path, change).await;
    assert_eq!((&changed["url"], &changed["events"]), (&json!(URL), &json!(["*"])));
    assert_eq!((&changed["description"], &changed["disabled_by"]), (&json!(null), &json!("admin")));
    let again = office.done("PATCH", &path, json!({ "is_disabled": false })).await;
    assert_eq!((&again["is_disabled"], &again["disabled_at"]), (&json!(false), &json!(null)));

    office.done("DELETE", &path, Value::Null).await;
    office.ask("GET", &path, Value::Null).await.is_refused(404, "not_found");
    let acts = ["webhook.created", "webhook.changed", "webhook.changed", "webhook.deleted"];
    assert_eq!(office.acts().await, acts);
}

#[tokio::test]
async fn a_new_secret_has_the_old_ones_beside_it_for_a_day() {
    let office = Office::open().await;
    let (path, made) = office.make(json!({})).await;
    let rotated = office.done("POST", &format!("{path}/rotate"), Value::Null).await;
    assert_ne!(rotated["secret"], made["secret"]);
    let until = Moment::parse(rotated["old_secret_until"].as_str().unwrap()).unwrap();
    let day = until.ms_since(Moment::now());
    assert!((86_000_000..=86_400_000).contains(&day), "{day}");
    let shown = office.done("GET", &path, Value::Null).await;
    assert_eq!(shown["old_secret_until"], rotated["old_secret_until"]);
    for _ in 0..9 {
        office.done("POST", &format!("{path}/rotate"), Value::Null).await;
    }
    let log = &office.server.parts.app.log;
    let kept = log.webhooks(&TenantId::default_tenant()).await.unwrap();
    assert_eq!(kept[0].old_secrets.len(), crate::limits::WEBHOOK_OLD_SECRETS_MAX);
    assert_eq!(office.acts().await.last().map(String::as_str), Some("webhook.secret_rotated"));
}

#[tokio::test]
async fn what_cannot_be_is_named_by_its_field() {
    let office = Office::open().await;
    let (path, _) = office.make(json!({})).await;
    let head = office.head().await;
    let later = Cursor { position: head.position + 1, ..head }.to_string();
    let foreign = Cursor { log: head.log ^ 1, ..head }.to_string();
    let with = |field: &str, value: Value| {
        let mut body = json!({ "url": URL });
        body[field] = value;
        body
    };
    for (body, field, reason) in [
        (with("url", json!("nowhere")), "url", "is no URL: relative URL without a base"),
        (with("url", json!("http://93.184.215.14/")), "url", "must begin with https://"),
        (
            with("url", json!("https://127.0.0.1/")),
            "url",
            "leads to this machine; webhooks go to public addresses only",
        ),
        (
            with("url", json!("https://localhost/")),
            "url",
            "leads to this machine; webhooks go to public addresses only",
        ),
        (with("events", json!([])), "events", "names none"),
        (
            with("events", json!(["call.*", "cal.ended"])),
            "events",
            "unknown event \"cal.ended\"; the nearest known name is call.ended",
        ),
        (
            with("description", json!("x".repeat(201))),
            "description",
            "has more than 200 characters",
        ),
        (with("description", json!("a\nb")), "description", "has control characters"),
        (with("start", json!("soon")), "start", "is no cursor"),
        (with("start", json!(later)), "start", "is no cursor of this tenant's log"),
        (with("start", json!(foreign)), "start", "is no cursor of this tenant's log"),
    ] {
        let reply = office.ask("POST", "/api/webhooks", body.clone()).await;
        reply.is_refused(422, "invalid");
        assert_eq!(reply.body["fields"], json!({ field: reason }), "{body}");
    }
    let reply = office.ask("PATCH", &path, json!({ "url": "https://10.0.0.1/" })).await;
    assert_eq!(
        reply.body["fields"]["url"].as_str().unwrap().split(';').next().unwrap(),
        "leads to a private network"
    );
    for body in [json!({}), json!({ "dead": false }), json!({ "after": "x", "dead": true })] {
        let reply = office.ask("POST", &format!("{path}/replay"), body).await;
        reply.is_refused(422, "invalid");
    }
    let reply = office.ask("POST", "/api/webhooks", json!({ "url": URL, "secret": "x" })).await;
    reply.is_refused(400, "malformed");
    assert_eq!(office.acts().await, ["webhook.created"], "a refused act leaves no trace");
}

#[tokio::test]
async fn a_cursor_that_is_too_old_is_refused_by_name() {
    let office = Office::open().await;
    let (path, _) = office.make(json!({})).await;
    let old = office.head().await;
    office.done("PATCH", &path, json!({ "description": "x" })).await;
    let all = log::Retention { all_before: Some(Moment(i64::MAX)), ..log::Retention::default() };
    office.server.parts.app.log.prune(all).await.unwrap();
    let pruned = office.head().await;
    let expected =
        format!("{old} is older than what is kept; the oldest cursor that is not is {pruned}");
    let start = json!({ "url": URL, "start": old.to_string() });
    let reply = office.ask("POST", "/api/webhooks", start).await;
    assert_eq!(reply.body["fields"], json!({ "start": expected }));
    let after = json!({ "after": old.to_string() });
    let reply = office.ask("POST", &format!("{path}/replay"), after).await;
    assert_eq!(reply.body["fields"], json!({ "after": expected }));
    let (_, made) = office.make(json!({ "start": pruned.to_string() })).await;
    assert_eq!(made["cursor"], pruned.to_string());
}

#[tokio::test]
async fn webhooks_are_for_admins_of_their_tenant() {
    let office = Office::open().await;
    let (path, _) = office.make(json!({})).await;
    let server = &office.server;
    let agent = server.token(Role::Agent, "a1");
    let narrow = server.key(json!(["events:write", "events:read"])).await;
    let outsider = server.token_of(json!({"sub": "a", "role": "admin", "tenant": "acme"}));
    let event = "deliveries/evt_L00000001-1/replay";
    for (method, rest) in [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/rotate"),
        ("POST", "/test"),
        ("GET", "/deliveries"),
        ("POST", "/replay"),
        ("POST", &format!("/{event}")),
    ] {
        let body = match (method, rest) {
            ("PATCH", _) => json!({ "is_disabled": true }),
            (_, "/replay") => json!({ "dead": true }),
            _ => Value::Null,
        };
        let asked = |path: &str| {
            let asked = ask(method, &format!("{path}{rest}"));
            if body.is_null() { asked } else { asked.json(&body) }
        };
        server.ask(asked("/api/webhooks/nonsense")).await.is_refused(400, "invalid_id");
        server.ask(asked(&path)).await.is_refused(401, "unauthorized");
        server.ask(asked(&path).bearer(&agent)).await.is_refused(403, "forbidden");
        server.ask(asked(&path).bearer(&narrow)).await.is_refused(403, "forbidden");
        server.ask(asked(&path).bearer(&outsider)).await.is_refused(404, "not_found");
        let unknown = format!("/api/webhooks/{UNKNOWN}");
        server.ask(asked(&unknown).bearer(&office.admin)).await.is_refused(404, "not_found");
    }
    let of_acme = server.ask(get("/api/webhooks").bearer(&outsider)).await;
    assert_eq!(of_acme.body["data"], json!([]));
    let key = server.key(json!(["admin"])).await;
    assert_eq!(server.ask(get(&path).bearer(&key)).await.status, 200);
}

/// A key that hears calls alone makes no webhook that hears more, and turns none to itself.
#[tokio::test]
async fn a_narrowed_key_reaches_no_further_by_a_webhook() {
    let office = Office::open().await;
    let new = json!({"name": "k", "scopes": ["admin"], "events": ["call.*"]});
    let key = office.done("POST", "/api/keys", new).await["key"].as_str().unwrap().to_owned();
    let server = &office.server;
    let make = |body: Value| post("/api/webhooks").bearer(&key).json(&body);
    for events in [json!(null), json!(["*"]), json!(["call.*", "alert"])] {
        let reply = server.ask(make(json!({ "url": URL, "events": events }))).await;
        reply.is_refused(422, "invalid");
        assert_eq!(reply.body["fields"]["events"], "names events that this key may not hear");
    }
    let made = server.ask(make(json!({ "url": URL, "events": ["call.ended"] }))).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let (other, _) = office.make(json!({})).await;
    for (method, rest, body) in [
        ("PATCH", "", json!({ "url": URL })),
        ("POST", "/rotate", json!({})),
        ("POST", "/replay", json!({ "dead": true })),
    ] {
        let asked = ask(method, &format!("{other}{rest}")).bearer(&key).json(&body);
        server.ask(asked).await.is_refused(403, "forbidden");
    }
}

#[tokio::test]
async fn deliveries_are_shown_page_by_page_without_what_they_say() {
    let office = Office::open().await;
    let (path, made) = office.make(json!({})).await;
    office.deliveries(&made["id"], 5, &[2, 4]).await;
    let log = office.head().await.log;
    let id = |position| Cursor { log, position }.event_id();
    let path = format!("{path}/deliveries");
    let page = office.done("GET", &format!("{path}?limit=2"), Value::Null).await;
    let shown = page["deliveries"].as_array().unwrap();
    let waits = json!({
        "id": id(5), "type": "call.incoming", "timestamp": "1970-01-01T00:00:00.001Z",
        "state": "pending", "attempts": 0, "last_status": null, "last_error": null,
        "last_attempt_at": null, "next_attempt_at": null, "took_ms": null,
    });
    assert_eq!(shown[0], waits);
    assert_eq!((&shown[1]["id"], &shown[1]["state"]), (&json!(id(4)), &json!("dead")));
    assert_eq!(shown[1]["last_error"], "500: the receiver did not take it");
    let next = page["next_cursor"].as_str().unwrap();
    let page = office.done("GET", &format!("{path}?cursor={next}"), Value::Null).await;
    assert_eq!(page["deliveries"].as_array().unwrap().len(), 3);
    assert_eq!(page["next_cursor"], json!(null));
    let dead = office.done("GET", &format!("{path}?state=dead"), Value::Null).await;
    let ids = dead["deliveries"].as_array().unwrap().iter().map(|d| d["id"].clone());
    assert_eq!(ids.collect::<Vec<_>>(), [id(4), id(2)].map(Value::from));
    let bad = office.ask("GET", &format!("{path}?state=lost"), Value::Null).await;
    assert_eq!(bad.body["fields"], json!({ "state": "must be pending, delivered or dead" }));
    let bad = office.ask("GET", &format!("{path}?cursor=7"), Value::Null).await;
    bad.is_refused(400, "malformed");
}

#[tokio::test]
async fn what_was_given_up_goes_out_again_as_far_as_there_is_room() {
    let office = Office::with(|config| config.webhooks.backlog = 4).await;
    let (path, made) = office.make(json!({})).await;
    office.deliveries(&made["id"], 5, &[1, 2, 3]).await;
    let replay = format!("{path}/replay");
    let replayed = office.done("POST", &replay, json!({ "dead": true })).await;
    assert_eq!(replayed, json!({ "replayed": 2, "left": 1 }));
    let shown = office.done("GET", &path, Value::Null).await;
    assert_eq!((&shown["pending"], &shown["dead"]), (&json!(4), &json!(1)));
    let log = office.head().await.log;
    let one =
        |position, log| format!("{path}/deliveries/{}/replay", Cursor { log, position }.event_id());
    office.ask("POST", &one(3, log), Value::Null).await.is_refused(409, "conflict");
    office.ask("POST", &one(4, log), Value::Null).await.is_refused(409, "conflict");
    office.ask("POST", &one(99, log), Value::Null).await.is_refused(404, "not_found");
    office.ask("POST", &one(3, log ^ 1), Value::Null).await.is_refused(404, "not_found");
    let bad = format!("{path}/deliveries/7/replay");
    office.ask("POST", &bad, Value::Null).await.is_refused(400, "invalid_id");
    assert_eq!(office.acts().await, ["webhook.created", "webhook.replayed"]);
}

#[tokio::test]
async fn a_replay_moves_the_cursor_back_and_never_forward() {
    let office = Office::open().await;
    let (path, made) = office.make(json!({})).await;
    let head = office.head().await;
    let replay = format!("{path}/replay");
    let later = office.ask("POST", &replay, json!({ "after": head.to_string() })).await;
    let reason = "is later than the webhook has read; it gets there by itself";
    assert_eq!(later.body["fields"], json!({ "after": reason }), "{}", made["cursor"]);
    let start = Cursor { position: 0, ..head }.to_string();
    office.done("POST", &replay, json!({ "after": start })).await;
    assert_eq!(office.done("GET", &path, Value::Null).await["cursor"], json!(start));
}

#[tokio::test]
async fn a_tenant_has_so_many_webhooks_and_no_more() {
    let office = Office::open().await;
    for _ in 0..crate::limits::WEBHOOKS_PER_TENANT_MAX {
        office.make(json!({})).await;
    }
    let reply = office.ask("POST", "/api/webhooks", json!({ "url": URL })).await;
    reply.is_refused(409, "conflict");
    assert_eq!(reply.body["error"], "the tenant has 50 webhooks already");
}
