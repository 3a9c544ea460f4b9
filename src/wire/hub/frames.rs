//! What the hub writes: `{"type", "payload", "id", "timestamp"}`, and `cursor` on what is in the log.

use bytes::Bytes;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::app::{Connection, Start};
use crate::model::{
    ConversationId, Cursor, Envelope, Error, Event, Identity, Moment, Role, Sent, Subscribed,
    UnknownEvent, UserId,
};
use crate::wire::shapes::{NotificationOut, TransferredOut, retry_after};

#[derive(Serialize)]
struct FrameOut<'a, T> {
    #[serde(rename = "type")]
    kind: &'a str,
    payload: T,
    id: &'a str,
    timestamp: Moment,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "cursor_text")]
    cursor: Option<Cursor>,
}

fn cursor_text<S: Serializer>(cursor: &Option<Cursor>, serializer: S) -> Result<S::Ok, S::Error> {
    match cursor {
        Some(cursor) => serializer.collect_str(cursor),
        None => serializer.serialize_none(),
    }
}

fn write(frame: &FrameOut<impl Serialize>) -> Option<Bytes> {
    match serde_json::to_vec(frame) {
        Ok(json) => Some(json.into()),
        Err(err) => {
            tracing::error!(kind = frame.kind, error = %err, "a frame could not be written");
            None
        }
    }
}

/// A frame of the connection's own, of which no other has one.
pub(super) fn own(kind: &str, payload: impl Serialize) -> Option<Bytes> {
    let id = Uuid::now_v7().to_string();
    write(&FrameOut { kind, payload, id: &id, timestamp: Moment::now(), cursor: None })
}

/// What happened, as everybody hears it who may.
pub(super) fn event(envelope: &Envelope) -> Option<Bytes> {
    match &envelope.event {
        Event::Notification(told) if told.event.is_some() => {
            let (name, payload) = NotificationOut::of(told);
            told_as(name, payload, envelope)
        }
        event => told_as(event.public_name(), event.as_payload(), envelope),
    }
}

/// What happened, as a visitor hears it: notes between agents are not for it.
pub(super) fn event_for_visitor(envelope: &Envelope) -> Option<Bytes> {
    match &envelope.event {
        Event::Transferred(transferred) => {
            let name = envelope.event.public_name();
            told_as(name, TransferredOut::of(transferred), envelope)
        }
        _ => event(envelope),
    }
}

fn told_as(kind: &str, payload: impl Serialize, envelope: &Envelope) -> Option<Bytes> {
    let (id, timestamp, cursor) = (envelope.id(), envelope.at, envelope.cursor);
    write(&FrameOut { kind, payload, id: &id, timestamp, cursor })
}

/// `connected`, the first frame.
#[derive(Serialize)]
pub(super) struct ConnectedOut<'a> {
    connection_id: String,
    user_id: &'a UserId,
    role: Role,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<ConversationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_key: Option<String>,
    #[serde(serialize_with = "text")]
    cursor: Cursor,
}

fn text<S: Serializer>(cursor: &Cursor, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(cursor)
}

impl<'a> ConnectedOut<'a> {
    pub(super) fn of(
        conn: &'a Connection,
        start: &Start,
        greeting: &mut Greeting,
    ) -> ConnectedOut<'a> {
        ConnectedOut {
            connection_id: conn.id.to_string(),
            user_id: &conn.who.user,
            role: conn.who.role,
            session_id: greeting.session_id,
            token: greeting.token.take(),
            session_key: greeting.session_key.take(),
            cursor: start.cursor,
        }
    }
}

/// What `connected` says beside who it is.
#[derive(Default)]
pub(super) struct Greeting {
    pub(super) session_id: Option<ConversationId>,
    pub(super) token: Option<String>,
    pub(super) session_key: Option<String>,
    /// What the query named that no event has.
    pub(super) unknown: Vec<UnknownEvent>,
}

/// `subscribed` and `unsubscribed`.
#[derive(Serialize)]
pub(super) struct SubscribedOut {
    events: Vec<String>,
    #[serde(serialize_with = "text")]
    cursor: Cursor,
}

impl From<&Subscribed> for SubscribedOut {
    fn from(subscribed: &Subscribed) -> SubscribedOut {
        SubscribedOut { events: subscribed.events.clone(), cursor: subscribed.cursor }
    }
}

/// `ack`, for every `chat.message` sent.
#[derive(Default, Serialize)]
pub(super) struct AckOut {
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

impl AckOut {
    pub(super) fn sent(client_id: Option<String>, sent: &Sent) -> AckOut {
        AckOut {
            client_id,
            success: true,
            message_id: Some(sent.id),
            seq: Some(sent.seq),
            timestamp: Some(sent.at),
            ..AckOut::default()
        }
    }

    pub(super) fn refused(client_id: Option<String>, error: &Error) -> AckOut {
        AckOut {
            client_id,
            code: Some(error.code()),
            error: Some(error.to_string()),
            retry_after: retry_after(error),
            ..AckOut::default()
        }
    }
}

/// `error`.
#[derive(Serialize)]
pub(super) struct ErrorOut {
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    nearest: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

impl From<&Error> for ErrorOut {
    fn from(error: &Error) -> ErrorOut {
        let nearest = match error {
            Error::UnknownEvent(unknown) => Some(unknown.nearest),
            _ => None,
        };
        let (code, message) = (error.code(), error.to_string());
        ErrorOut { code, message, nearest, retry_after: retry_after(error) }
    }
}

/// `authenticated`.
#[derive(Serialize)]
pub(super) struct AuthenticatedOut {
    expires_at: Option<String>,
}

impl From<&Identity> for AuthenticatedOut {
    fn from(who: &Identity) -> AuthenticatedOut {
        let at = |seconds: i64| Moment(seconds.saturating_mul(1000)).to_seconds_string();
        AuthenticatedOut { expires_at: who.expires_at.map(at) }
    }
}

/// `resync`.
#[derive(Serialize)]
pub(super) struct ResyncOut<'a> {
    pub(super) reason: &'a str,
}

/// A payload that says nothing.
#[derive(Serialize)]
pub(super) struct Empty {}
