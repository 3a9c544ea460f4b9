//! The description of the hub (`/ws` and `/ws/public`) as an AsyncAPI 3 document: every event of the
//! catalogue and every frame of the protocol, with both directions. Made from the catalogue
//! (`catalogue.rs`) and the frames below it; the other dialects are described in `docs/protocols`.
//!
//! To describe another socket: its channel in `channels`, its operations, and its messages.

pub mod frames;

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use http::header;
use serde_json::{Map, Value, json};

use self::frames::{ProtocolFrame, Sender};
use super::catalogue::{Entry, IN_COMPONENTS, SampleFrame, entries, value_of};
use super::openapi::Refused;
use crate::door::{LOGIN_COOKIE, SESSION_COOKIE};
use crate::model::{Event, Facts, Maker, Role};

/// A socket of the hub.
struct Channel {
    name: &'static str,
    address: &'static str,
    title: &'static str,
    about: &'static str,
    /// Who comes in there, and hears what these roles may hear.
    roles: &'static [Role],
    /// Query parameters with what they mean.
    query: &'static [(&'static str, &'static str)],
    /// The security schemes, any of which lets a client in.
    security: &'static [&'static str],
}

const EVENTS: &str = "Names, families (`call.*`) or `*`, separated by commas: hear only these, and \
    what is addressed to you. Without it you hear what your role may hear, but for `audit.*`, \
    `routing.*` and `presence.*`, which must be asked for.";
const AFTER: &str = "Come back: the cursor of the last frame you have taken in. What you missed \
    comes first, then what happens live; with a cursor that is too old or of another log, `resync`.";

const CHANNELS: [Channel; 2] = [
    Channel {
        name: "hub",
        address: "/ws",
        title: "Consoles and programs",
        about: "For agents, admins and services (API keys with `events:read`). The server pings \
            every 54 s and closes with 4009 when no pong comes within 60 s.",
        roles: &[Role::Agent, Role::Admin, Role::Service],
        query: &[
            ("events", EVENTS),
            ("after", AFTER),
            (
                "token",
                "The token, where no header can be set. Proxies may log it: a page better \
                uses the subprotocols.",
            ),
        ],
        security: &["bearer", "subprotocol", "query", "login_cookie"],
    },
    Channel {
        name: "public",
        address: "/ws/public",
        title: "Visitors",
        about: "For customers, each of whom hears its own conversation alone. Who comes without a \
            token begins one, and is given its token and session key in `connected`.",
        roles: &[Role::Customer],
        query: &[
            ("tenant", "Whose visitor, without a token; `default` if absent."),
            ("name", "The visitor's name, without a token."),
            ("email", "Its e-mail address, without a token."),
            ("department_id", "The department it asks for, a UUID, without a token."),
            ("token", "The token or the session key of a conversation that was begun before."),
            ("session_id", "Which of the token's conversations, a UUID; its first if absent."),
            ("events", EVENTS),
            ("after", AFTER),
        ],
        security: &["bearer", "subprotocol", "query", "session_cookie"],
    },
];

/// The hub as an AsyncAPI document.
pub fn document() -> Value {
    let (mut messages, mut schemas) = (Map::new(), Map::new());
    let samples = Event::samples();
    for entry in entries() {
        let message = event_message(&entry, &samples, &mut schemas);
        messages.insert(entry.facts.name.to_owned(), message);
    }
    for frame in frames::all() {
        messages.insert(key_of(&frame), frame_message(&frame));
        schemas.extend(frame.parts);
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Switchboard hub",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Every event of a contact centre, live and again from a cursor. One JSON \
                object a text message: `{type, payload}`, from the server also `id`, `timestamp` \
                and, on durable events, `cursor`. Take types and fields you do not know for \
                additions. The document is written from the server's side: what it sends is what \
                you hear.",
            "license": { "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" },
        },
        "defaultContentType": "application/json",
        "servers": { "plain": server("ws"), "tls": server("wss") },
        "channels": keyed(&CHANNELS, |channel| (channel.name.to_owned(), channel.describe())),
        "operations": operations(),
        "components": {
            "messages": messages,
            "schemas": schemas,
            "securitySchemes": security_schemes(),
        },
    })
}

fn keyed<T>(items: &[T], describe: impl Fn(&T) -> (String, Value)) -> Map<String, Value> {
    items.iter().map(describe).collect()
}

fn server(protocol: &str) -> Value {
    json!({
        "host": "{host}",
        "protocol": protocol,
        "variables": {
            "host": { "default": "127.0.0.1:8080", "description": "A listener; all serve everything." },
        },
    })
}

fn security_schemes() -> Value {
    let token = "A JSON Web Token, or an API key (`sbk_...`)";
    json!({
        "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": token },
        "subprotocol": {
            "type": "httpApiKey", "in": "header", "name": "Sec-WebSocket-Protocol",
            "description": "`bearer, <token>`, for browsers: the server answers with `bearer`",
        },
        "query": { "type": "httpApiKey", "in": "query", "name": "token", "description": token },
        "login_cookie": cookie(LOGIN_COOKIE, "Set by login"),
        "session_cookie": cookie(SESSION_COOKIE, "Set by `POST /api/sessions`"),
    })
}

fn cookie(name: &str, set_by: &str) -> Value {
    let description = format!("{set_by}; accepted only from an allowed origin");
    json!({ "type": "httpApiKey", "in": "cookie", "name": name, "description": description })
}

// === channels and operations ===

impl Channel {
    fn describe(&self) -> Value {
        let messages = self.messages().map(|(_, key)| {
            let at = json!({ "$ref": format!("#/components/messages/{key}") });
            (key, at)
        });
        let query = keyed(self.query, |(name, about)| {
            ((*name).to_owned(), json!({ "type": "string", "description": about }))
        });
        json!({
            "address": self.address,
            "title": self.title,
            "description": self.about,
            "messages": messages.collect::<Map<_, _>>(),
            "bindings": {
                "ws": {
                    "method": "GET",
                    "query": { "type": "object", "properties": query },
                    "bindingVersion": "0.1.0",
                },
            },
        })
    }

    /// What goes over it, by who sends it.
    fn messages(&self) -> impl Iterator<Item = (Sender, String)> {
        let is_heard = |facts: &Facts| self.roles.iter().any(|role| facts.roles.contains(role));
        let events = entries().filter(move |entry| is_heard(entry.facts));
        let events = events.map(|entry| (Sender::Server, entry.facts.name.to_owned()));
        let frames = frames::all().into_iter();
        events.chain(frames.map(|frame| (frame.sender, key_of(&frame))))
    }

    fn operation(&self, sender: Sender, action: &str, about: &str) -> Value {
        let ours = self.messages().filter(|(who, _)| *who == sender);
        let messages = ours
            .map(|(_, key)| json!({ "$ref": format!("#/channels/{}/messages/{key}", self.name) }));
        let schemes = self.security.iter();
        let schemes =
            schemes.map(|name| json!({ "$ref": format!("#/components/securitySchemes/{name}") }));
        json!({
            "action": action,
            "channel": { "$ref": format!("#/channels/{}", self.name) },
            "summary": about,
            "messages": messages.collect::<Vec<_>>(),
            "security": schemes.collect::<Vec<_>>(),
        })
    }
}

fn operations() -> Map<String, Value> {
    let both = CHANNELS.iter().flat_map(|channel| {
        let name = channel.name;
        let told = channel.operation(Sender::Server, "send", "What the server tells");
        let said = channel.operation(Sender::Client, "receive", "What a client may say");
        [(format!("{name}.tell"), told), (format!("{name}.hear"), said)]
    });
    both.collect()
}

// === messages ===

/// A frame of the client may have the name of an event.
fn key_of(frame: &ProtocolFrame) -> String {
    match frame.sender {
        Sender::Server => frame.name.to_owned(),
        Sender::Client => format!("client.{}", frame.name),
    }
}

fn frame_message(frame: &ProtocolFrame) -> Value {
    let required: &[&str] = match (frame.sender, frame.is_bare()) {
        (Sender::Server, _) => &["type", "payload", "id", "timestamp"],
        (Sender::Client, false) => &["type", "payload"],
        (Sender::Client, true) => &["type"],
    };
    let mut properties = json!({ "type": { "const": frame.name }, "payload": frame.payload });
    if frame.sender == Sender::Server {
        describe_stamp(&mut properties);
    }
    json!({
        "name": frame.name,
        "title": frame.name,
        "summary": frame.payload["description"],
        "payload": { "type": "object", "required": required, "properties": properties },
        "examples": [{ "payload": frame.sample }],
    })
}

fn event_message(entry: &Entry, samples: &[Event], schemas: &mut Map<String, Value>) -> Value {
    let facts = entry.facts;
    let forms: Vec<&Facts> = [Some(facts), entry.announced].into_iter().flatten().collect();
    let mut required = vec!["type", "payload", "id", "timestamp"];
    let mut properties = json!({
        "type": { "const": facts.name },
        "payload": match forms[..] {
            [one] => reference_to(one, schemas),
            _ => json!({ "anyOf": forms.iter().map(|f| reference_to(f, schemas)).collect::<Vec<_>>() }),
        },
    });
    describe_stamp(&mut properties);
    if facts.is_durable {
        required.push("cursor");
        properties["cursor"] = json!({ "type": "string", "description": "Where it is in the log: come back with it." });
    }
    let of_forms = samples.iter().filter(|event| event.public_name() == facts.name);
    let examples = of_forms.map(|event| json!({ "payload": value_of(&SampleFrame::of(event)) }));
    json!({
        "name": facts.name,
        "title": facts.name,
        "summary": facts.about,
        "payload": { "type": "object", "required": required, "properties": properties },
        "examples": examples.collect::<Vec<_>>(),
        "x-durable": facts.is_durable,
        "x-heard-by": facts.roles,
        "x-made-by": made_by(facts.maker),
        "x-source": facts.source,
    })
}

/// Who makes an event, for people.
pub fn made_by(maker: Maker) -> &'static str {
    match maker {
        Maker::Here => "the server",
        Maker::Producers => "producers",
        Maker::Either => "the server and producers",
    }
}

/// What the server adds to every frame.
fn describe_stamp(properties: &mut Value) {
    properties["id"] = json!({
        "type": "string",
        "description": "The event's id: its producer's own, or ours. The same event has the same \
            id when it is told again.",
    });
    properties["timestamp"] = json!({
        "type": "string", "format": "date-time",
        "description": "When it happened, RFC 3339 in UTC with milliseconds.",
    });
}

fn reference_to(facts: &Facts, schemas: &mut Map<String, Value>) -> Value {
    let payload = (facts.schema)();
    let reference = json!({ "$ref": format!("{IN_COMPONENTS}{}", payload.name) });
    let own = (payload.name.into_owned(), payload.schema);
    for (name, schema) in [own].into_iter().chain(payload.parts) {
        schemas.insert(name, value_of(&schema));
    }
    reference
}

/// The description of the hub
#[utoipa::path(
    get,
    path = "/asyncapi.json",
    operation_id = "asyncapi",
    tag = "operations",
    responses(
        (status = 200, description = "An AsyncAPI document", body = Object),
        Refused<500>,
    ),
    security(()),
)]
pub(super) async fn show() -> Response {
    static TEXT: LazyLock<String> = LazyLock::new(|| document().to_string());
    ([(header::CONTENT_TYPE, "application/json")], TEXT.as_str()).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::PROTOCOL_FRAMES;

    fn keys(channel: &str) -> BTreeSet<String> {
        let document = document();
        let messages = document["channels"][channel]["messages"].as_object().unwrap();
        messages.keys().cloned().collect()
    }

    #[test]
    fn a_channel_has_what_is_heard_there_and_nothing_else() {
        let (hub, public) = (keys("hub"), keys("public"));
        assert!(hub.is_superset(&public));
        let staff: Vec<_> =
            entries().filter(|e| !e.facts.roles.contains(&Role::Customer)).collect();
        assert!(!staff.is_empty());
        for entry in staff {
            assert!(hub.contains(entry.facts.name), "{}", entry.facts.name);
            assert!(!public.contains(entry.facts.name), "{}", entry.facts.name);
        }
        assert!(entries().all(|entry| hub.contains(entry.facts.name)));
    }

    #[test]
    fn every_frame_of_the_protocol_is_described() {
        let described: BTreeSet<_> = frames::all().into_iter().map(|frame| frame.name).collect();
        for name in PROTOCOL_FRAMES {
            assert!(described.contains(name), "{name}");
        }
    }

    #[test]
    fn what_clients_say_and_what_they_hear_are_apart() {
        let document = document();
        let of = |operation: &str| {
            let messages = document["operations"][operation]["messages"].as_array().unwrap();
            let keys =
                messages.iter().map(|m| m["$ref"].as_str().unwrap().rsplit('/').next().unwrap());
            keys.map(str::to_owned).collect::<BTreeSet<_>>()
        };
        let (told, said) = (of("hub.tell"), of("hub.hear"));
        assert!(said.iter().all(|key| key.starts_with("client.")), "{said:?}");
        assert!(told.is_disjoint(&said) && told.contains("chat.message"));
        assert!(said.contains("client.chat.message"));
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let text = document.to_string();
        let mut references = text.split("\"$ref\":\"#").skip(1).peekable();
        assert!(references.peek().is_some());
        for rest in references {
            let pointer = rest.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
