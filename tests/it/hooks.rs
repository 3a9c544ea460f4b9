//! A server whose webhooks may go to this machine and are quick to try again, and its administrator.

use std::sync::Arc;

use serde_json::{Value, json};
use switchboard::log::Reading;
use switchboard::model::{Envelope, Event, Role, TenantId};
use tempfile::TempDir;

use crate::client;
use crate::clock::{real_pause, within};
use crate::server::{Server, claims, sign};

/// What every server of these tests has.
const QUICK: &[(&str, &str)] = &[
    ("webhooks.allow_private_networks", "true"),
    ("webhooks.retry_pauses", "20ms,40ms,80ms"),
    ("webhooks.timeout", "2s"),
];

/// The options of a server, with these beside them.
pub fn options<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [QUICK, more].concat()
}

/// A server and the tokens of its administrators.
pub struct Hooks {
    /// The server.
    pub server: Server,
}

/// A webhook that was made.
#[derive(Clone, Debug)]
pub struct Hook {
    /// Its path under the API.
    pub path: String,
    /// Its id.
    pub id: String,
    /// What signs.
    pub secret: String,
}

/// A token of an administrator of a tenant.
pub fn admin_of(tenant: &str) -> String {
    let mut claims = claims(Role::Admin, "boss");
    claims.tenant = tenant.to_owned();
    sign(&claims)
}

impl Hooks {
    /// A server that forgets everything when it ends.
    pub async fn start(more: &[(&str, &str)]) -> Hooks {
        Hooks { server: Server::start(&options(more)).await }
    }

    /// A server with SQLite in `data`.
    pub async fn on_disk(data: Arc<TempDir>, more: &[(&str, &str)]) -> Hooks {
        Hooks { server: Server::on_disk(data, &options(more)).await }
    }

    /// What an administrator of the default tenant asks for and gets.
    pub async fn admin(&self, method: &str, path: &str, body: Value) -> Value {
        self.admin_of("default", method, path, body).await
    }

    /// What an administrator asks for and gets.
    pub async fn admin_of(&self, tenant: &str, method: &str, path: &str, body: Value) -> Value {
        ask(self.server.addr, tenant, method, path, body).await
    }

    /// Makes a webhook of the default tenant.
    pub async fn hook(&self, url: &str, more: Value) -> Hook {
        make_hook(self.server.addr, url, more).await
    }

    /// Tells of calls, one event each: the call, and what happened to it.
    pub async fn calls(&self, events: &[(&str, &str)]) {
        tell_calls(self.server.addr, events).await;
    }

    /// How a webhook stands.
    pub async fn shown(&self, hook: &Hook) -> Value {
        self.admin("GET", &hook.path, Value::Null).await
    }

    /// Its deliveries in a state, the newest first.
    pub async fn deliveries(&self, hook: &Hook, state: &str) -> Vec<Value> {
        let path = format!("{}/deliveries?limit=200&state={state}", hook.path);
        let page = self.admin("GET", &path, Value::Null).await;
        page["deliveries"].as_array().unwrap().clone()
    }

    /// Waits until a webhook stands as wanted.
    pub async fn until(&self, hook: &Hook, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        within(what, async {
            loop {
                let shown = self.shown(hook).await;
                if is_it(&shown) {
                    return shown;
                }
                real_pause(std::time::Duration::from_millis(5)).await;
            }
        })
        .await
    }

    /// Waits until nothing waits for a webhook that read to the end.
    pub async fn has_all(&self, hook: &Hook) -> Value {
        self.until(hook, "everything delivered", |shown| shown["pending"] == 0).await
    }

    /// Everything that happened in the default tenant, in order.
    pub async fn log(&self) -> Vec<Event> {
        let (tenant, log) = (TenantId::default_tenant(), &self.server.running.app.log);
        let page = log.read(&tenant, Reading::All, 0, 1_000_000).await.unwrap();
        let event = |envelope: &Arc<Envelope>| envelope.event.clone();
        page.events.iter().map(event).collect()
    }

    /// The alerts that were told, by what they are about.
    pub async fn alerts(&self) -> Vec<(String, Value)> {
        let alert = |event| match event {
            Event::Alert(alert) => Some((alert.kind?, Value::Object(alert.data?))),
            _ => None,
        };
        self.log().await.into_iter().filter_map(alert).collect()
    }
}

/// What an administrator asks for and gets.
pub async fn ask(
    addr: std::net::SocketAddr,
    tenant: &str,
    method: &str,
    path: &str,
    body: Value,
) -> Value {
    let token = format!("Bearer {}", admin_of(tenant));
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let headers = [("Authorization", token.as_str())];
    let mut answer = client::request(addr, method, path, &headers, &text).await;
    assert!((200..300).contains(&answer.status), "{method} {path} {body}: {answer:?}");
    answer.body["data"].take()
}

/// Makes a webhook of the default tenant.
pub async fn make_hook(addr: std::net::SocketAddr, url: &str, more: Value) -> Hook {
    let mut body = json!({ "url": url });
    for (key, value) in more.as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    let made = ask(addr, "default", "POST", "/api/webhooks", body).await;
    let text = |key: &str| made[key].as_str().unwrap().to_owned();
    Hook { path: format!("/api/webhooks/{}", text("id")), id: text("id"), secret: text("secret") }
}

/// Tells of calls, one event each: the call, and what happened to it.
pub async fn tell_calls(addr: std::net::SocketAddr, events: &[(&str, &str)]) {
    let events: Vec<Value> = events.iter().map(|(call, what)| call_event(call, what)).collect();
    let accepted = ask(addr, "default", "POST", "/api/events", json!({ "events": events })).await;
    assert_eq!(accepted["accepted"], events.len(), "{accepted}");
}

/// What happened to a call.
pub fn call_event(call: &str, what: &str) -> Value {
    let payload = match what {
        "incoming" => json!({ "unique_id": call, "caller_id": "1", "destination": "2" }),
        "ended" => json!({ "unique_id": call, "duration": 3 }),
        _ => json!({ "unique_id": call }),
    };
    json!({ "type": format!("call.{what}"), "payload": payload })
}
