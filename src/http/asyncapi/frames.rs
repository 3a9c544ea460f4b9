//! The hub's own frames (contract 7), which belong to a connection and tell of no event: who sends
//! each, and what is in it. They are described here by hand; `src/wire/hub` reads and writes them.
//! To add one: a struct with a doc comment per field, and an entry in [`all`].

#![expect(dead_code, reason = "the structs describe frames, and nothing is ever made of them")]

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::catalogue::{SAMPLE_CURSOR, SAMPLE_ID, SAMPLE_TIME, value_of};
use crate::model::{ConversationId, Role};

/// Who sends a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The server.
    Server,
    /// The client.
    Client,
}

/// A frame that tells of no event.
pub struct ProtocolFrame {
    /// Its `type`.
    pub name: &'static str,
    /// Who sends it.
    pub sender: Sender,
    /// What its payload looks like, and in its description what the frame is for.
    pub payload: Value,
    /// The schemas that refers to, by name.
    pub parts: Vec<(String, Value)>,
    /// One such frame. Without a payload it needs none.
    pub sample: ProtocolSample,
}

/// A frame of the protocol, as samples show it.
#[derive(Serialize)]
pub struct ProtocolSample {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<&'static str>,
}

impl ProtocolFrame {
    /// Whether it needs no payload.
    pub fn is_bare(&self) -> bool {
        self.sample.payload.is_none()
    }
}

/// First of all frames: who the server takes you for, and where the log is now.
#[derive(ToSchema)]
struct Connected {
    /// This connection, as `GET /api/connections` lists it.
    connection_id: String,
    /// Who you are.
    user_id: String,
    /// As what.
    role: Role,
    /// A visitor's conversation (`/ws/public`).
    #[schema(required = false)]
    session_id: ConversationId,
    /// A new visitor's token: with it the same visitor comes back, on any dialect.
    #[schema(required = false)]
    token: String,
    /// A new visitor's session key, which may stand for the token.
    #[schema(required = false)]
    session_key: Uuid,
    /// Where the log is now: come back with it (`?after=`) and nothing is missed.
    cursor: String,
}

/// Hear these events from now on, beside what is addressed to you.
#[derive(ToSchema)]
struct Subscribe {
    /// Names (`call.incoming`), families (`call.*`) or `*`.
    events: Vec<String>,
    /// Hear first what happened after this cursor.
    #[schema(required = false)]
    after: String,
}

/// What was subscribed to. The past, if it was asked for, comes behind it, then what is live. Each
/// name that is not known has an `error` of its own before.
#[derive(ToSchema)]
struct Subscribed {
    /// The names and patterns that are known, as they were given.
    events: Vec<String>,
    /// Whoever comes back with it misses nothing.
    cursor: String,
}

/// Hear these events no longer.
#[derive(ToSchema)]
struct Unsubscribe {
    /// Names, families or `*`, as in `subscribe`.
    events: Vec<String>,
}

/// What you hear no longer.
#[derive(ToSchema)]
struct Unsubscribed {
    /// The names and patterns that are known, as they were given.
    events: Vec<String>,
    /// Whoever comes back with it misses nothing.
    cursor: String,
}

/// Are you there? Answered by `pong`. The server's own pings are WebSocket's, every 54 s, and
/// browsers answer them by themselves.
#[derive(ToSchema)]
struct Ping {}

/// Answers `ping`.
#[derive(ToSchema)]
struct Pong {}

/// A sign of life, which needs no answer.
#[derive(ToSchema)]
struct Alive {}

/// Something is wrong with what you sent; the connection goes on.
#[derive(ToSchema)]
struct Refusal {
    /// Which refusal, for programs: one of the list in `docs/errors.md`.
    code: String,
    /// Why, for people.
    message: String,
    /// With `unknown_event`: the known name that is nearest to the one given.
    #[schema(required = false)]
    nearest: String,
    /// With `rate_limited`: seconds to wait.
    #[schema(required = false)]
    retry_after: u64,
}

/// What became of a `chat.message` of yours. With success it is on disk.
#[derive(ToSchema)]
struct Ack {
    /// The message's `client_id`, if it had one.
    #[schema(required = false)]
    client_id: String,
    /// Whether the message is kept.
    success: bool,
    /// With success: the message's id.
    #[schema(required = false)]
    message_id: Uuid,
    /// With success: its number in the conversation.
    #[schema(required = false)]
    seq: u64,
    /// With success: when it was kept.
    #[schema(required = false, value_type = String, format = DateTime)]
    timestamp: String,
    /// Otherwise: which refusal, one of the list in `docs/errors.md`.
    #[schema(required = false)]
    code: String,
    /// Otherwise: why, for people.
    #[schema(required = false)]
    error: String,
    /// With `rate_limited`: seconds to wait.
    #[schema(required = false)]
    retry_after: u64,
}

/// What happened after your cursor cannot be told. What follows is live.
#[derive(ToSchema)]
struct Resync {
    /// Why.
    reason: ResyncReason,
}

/// Why a cursor is of no use.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum ResyncReason {
    /// It is older than what is kept.
    CursorExpired,
    /// It is of another log.
    UnknownCursor,
}

/// A newer token of the same user, role and tenant, before the old one ends.
#[derive(ToSchema)]
struct Authenticate {
    /// The token.
    token: String,
}

/// The newer token holds.
#[derive(ToSchema)]
struct Authenticated {
    /// When it ends, with seconds; null for an API key.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    expires_at: Option<String>,
}

/// Say something in a conversation; answered by `ack`.
#[derive(ToSchema)]
struct Say {
    /// The conversation, by its id or another system's name for it; a visitor's own if absent.
    #[schema(required = false)]
    session_id: String,
    /// The text, up to 16 KiB of UTF-8; nothing in it is markup.
    body: String,
    /// Your own name for the message, 1 to 128 bytes. Sent again it is the same message.
    #[schema(required = false)]
    client_id: String,
}

/// You type, or stopped. The server ends it after 3 s without another one.
#[derive(ToSchema)]
struct Types {
    /// The conversation, by its id or another system's name for it; a visitor's own if absent.
    #[schema(required = false)]
    session_id: String,
    /// Started or stopped.
    is_typing: bool,
}

/// These notifications have been seen.
#[derive(ToSchema)]
struct Seen {
    /// Their `notification_id`s.
    notification_ids: Vec<Uuid>,
}

/// Every frame of the protocol, in the order one meets them.
pub fn all() -> Vec<ProtocolFrame> {
    let session_id = "550e8400-e29b-41d4-a716-446655440000";
    let (cursor, token) = (SAMPLE_CURSOR, "eyJhbGciOiJIUzI1NiJ9.e30.c2FtcGxl");
    let (wanted, unwanted) = (json!({"events": ["alert", "call.*"]}), json!({"events": ["alert"]}));
    vec![
        told::<Connected>(
            "connected",
            json!({"connection_id": "c1", "user_id": "agent_456", "role": "agent", "cursor": cursor}),
        ),
        said::<Subscribe>("subscribe", wanted),
        told::<Subscribed>("subscribed", json!({"events": ["alert", "call.*"], "cursor": cursor})),
        said::<Unsubscribe>("unsubscribe", unwanted),
        told::<Unsubscribed>("unsubscribed", json!({"events": ["alert"], "cursor": cursor})),
        said::<Say>(
            "chat.message",
            json!({"session_id": session_id, "body": "Hello", "client_id": "m-1"}),
        ),
        told::<Ack>(
            "ack",
            json!({"client_id": "m-1", "success": true, "message_id": SAMPLE_ID, "seq": 1,
                   "timestamp": SAMPLE_TIME}),
        ),
        said::<Types>("chat.typing", json!({"session_id": session_id, "is_typing": true})),
        said::<Seen>("notification.read", json!({"notification_ids": [SAMPLE_ID]})),
        said::<Authenticate>("authenticate", json!({"token": token})),
        told::<Authenticated>("authenticated", json!({"expires_at": "2025-01-24T22:30:00Z"})),
        said::<Ping>("ping", None),
        told::<Pong>("pong", json!({})),
        said::<Alive>("pong", None),
        told::<Resync>("resync", json!({"reason": "cursor_expired"})),
        told::<Refusal>(
            "error",
            json!({"code": "unknown_event", "message": "unknown event \"call.incomming\"",
                   "nearest": "call.incoming"}),
        ),
    ]
}

/// A frame of the server.
fn told<T: ToSchema>(name: &'static str, payload: Value) -> ProtocolFrame {
    let (id, timestamp) = (Some(SAMPLE_ID), Some(SAMPLE_TIME));
    let sample = ProtocolSample { r#type: name, payload: Some(payload), id, timestamp };
    frame::<T>(Sender::Server, sample)
}

/// A frame of the client.
fn said<T: ToSchema>(name: &'static str, payload: impl Into<Option<Value>>) -> ProtocolFrame {
    let payload = payload.into();
    let sample = ProtocolSample { r#type: name, payload, id: None, timestamp: None };
    frame::<T>(Sender::Client, sample)
}

fn frame<T: ToSchema>(sender: Sender, sample: ProtocolSample) -> ProtocolFrame {
    let mut parts = Vec::new();
    T::schemas(&mut parts);
    let parts = parts.into_iter().map(|(name, schema)| (name, value_of(&schema)));
    let (name, payload, parts) = (sample.r#type, value_of(&T::schema()), parts.collect());
    ProtocolFrame { name, sender, payload, parts, sample }
}
