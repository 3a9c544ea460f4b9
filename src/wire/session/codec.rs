//! The frames of the session dialect: `{"type", "data"}`, one JSON object per text message. Pure.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::requests::{
    AuthenticateIn, ClientIdOnly, FrameIn, HistoryIn, MessageIn, ReadIn, TypingIn, data,
};
use crate::app::{Connection, Start};
use crate::hub::Encoding;
use crate::model::{
    CloseReason, Command, ConnectionStatus, ConversationId, Credential, Cursor, Dialect, Envelope,
    Error, Event, ExternalId, History, HistoryRange, Message, Moment, Receipt, Reply, Role, UserId,
};
use crate::wire::shapes::{NotificationOut, StatusOut, TransferredOut, retry_after};
use crate::wire::socket::{Frame, Socket};
use crate::wire::{Codec, Decoded};

/// The codec of one connection: its frames do not name their session, so it does.
pub(super) struct Session {
    conversation: ConversationId,
    heartbeat_interval: Duration,
}

impl Session {
    pub(super) fn new(conversation: ConversationId, heartbeat_interval: Duration) -> Session {
        Session { conversation, heartbeat_interval }
    }
}

/// What the answer to a frame repeats.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tag {
    /// A message, with the `client_id` it came with.
    Message(Option<String>),
    /// Anything else.
    Other,
}

impl Session {
    fn command(&self, kind: &str, raw: Option<&RawValue>) -> Result<Command, Error> {
        let conversation = self.conversation.into();
        Ok(match kind {
            "message" => {
                let MessageIn { content, client_id } = data(kind, raw)?;
                Command::Send { conversation, content, client_id }
            }
            "typing_indicator" => {
                let TypingIn { is_typing } = data(kind, raw)?;
                Command::Typing { conversation, is_typing }
            }
            "read" => {
                let ReadIn { seq } = data(kind, raw)?;
                Command::Read { conversation, seq }
            }
            "history" => {
                let HistoryIn { before, after, limit } =
                    raw.map_or(Ok(HistoryIn::default()), |raw| data(kind, Some(raw)))?;
                Command::History { conversation, range: HistoryRange { before, after, limit } }
            }
            "close" => Command::Close(conversation),
            "ping" => Command::Ping,
            "authenticate" => {
                let AuthenticateIn { token } = data(kind, raw)?;
                Command::Authenticate(Credential::Token(token))
            }
            other => return Err(Error::UnknownType(other.chars().take(64).collect())),
        })
    }

    fn read(&self, text: &str) -> (Tag, Result<Command, Error>) {
        let shape = || Error::BadFrame("expected {\"type\": \"...\", \"data\": {...}}".into());
        // The library would also take an array of the two.
        let is_object = text.trim_ascii_start().starts_with('{');
        let Some(FrameIn { kind, data }) =
            is_object.then(|| serde_json::from_str(text).ok()).flatten()
        else {
            return (Tag::Other, Err(shape()));
        };
        let Ok(kind) = serde_json::from_str::<String>(kind.get()) else {
            return (Tag::Other, Err(shape()));
        };
        let command = self.command(&kind, data);
        let tag = match &command {
            Ok(Command::Send { client_id, .. }) => Tag::Message(client_id.clone()),
            Err(_) if kind == "message" => {
                let known = data.filter(|d| d.get().starts_with('{'));
                let known = known.and_then(|d| serde_json::from_str::<ClientIdOnly>(d.get()).ok());
                Tag::Message(known.and_then(|d| d.client_id))
            }
            _ => Tag::Other,
        };
        (tag, command)
    }
}

// === frames out ===

#[derive(Serialize)]
struct FrameOut<'a, T> {
    #[serde(rename = "type")]
    kind: &'a str,
    data: T,
}

fn frame(kind: &str, data: impl Serialize) -> Option<Bytes> {
    match serde_json::to_vec(&FrameOut { kind, data }) {
        Ok(json) => Some(json.into()),
        Err(err) => {
            tracing::error!(kind, error = %err, "a frame could not be written");
            None
        }
    }
}

/// A frame of the payload as it is, with its place in the log.
fn placed(kind: &str, payload: &impl Serialize, cursor: Option<Cursor>) -> Option<Bytes> {
    frame(kind, WithCursor { payload, cursor })
}

#[derive(Serialize)]
struct WithCursor<'a, T> {
    #[serde(flatten)]
    payload: &'a T,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "cursor_text")]
    cursor: Option<Cursor>,
}

fn cursor_text<S: serde::Serializer>(cursor: &Option<Cursor>, s: S) -> Result<S::Ok, S::Error> {
    match cursor {
        Some(cursor) => s.collect_str(cursor),
        None => s.serialize_none(),
    }
}

#[derive(Serialize)]
struct MessageOut<'a> {
    session_id: ConversationId,
    id: Uuid,
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    user_id: &'a UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<&'a str>,
    user_type: Role,
    content: &'a str,
    timestamp: Moment,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "cursor_text")]
    cursor: Option<Cursor>,
}

impl<'a> MessageOut<'a> {
    fn of(message: &'a Message, envelope: &Envelope) -> MessageOut<'a> {
        MessageOut {
            session_id: message.session_id,
            id: message.message_id,
            seq: message.seq,
            client_id: message.client_id.as_deref(),
            user_id: &message.sender_id,
            user_name: message.sender_name.as_deref(),
            user_type: message.sender_type,
            content: &message.body,
            timestamp: envelope.at,
            cursor: envelope.cursor,
        }
    }
}

#[derive(Serialize)]
struct HistoryOut<'a> {
    messages: Vec<MessageOut<'a>>,
    has_more: bool,
}

impl<'a> HistoryOut<'a> {
    fn of(history: &'a History) -> HistoryOut<'a> {
        let messages = history.messages.iter().filter_map(|envelope| match &envelope.event {
            Event::Message(message) => Some(MessageOut::of(message, envelope)),
            _ => None,
        });
        HistoryOut { messages: messages.collect(), has_more: history.has_more }
    }
}

#[derive(Serialize)]
struct TypingOut<'a> {
    session_id: ConversationId,
    user_id: &'a UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<&'a str>,
    user_type: Role,
    is_typing: bool,
}

#[derive(Serialize)]
struct ReceiptOut<'a> {
    session_id: ConversationId,
    seq: u64,
    user_id: &'a UserId,
    status: Receipt,
    timestamp: Moment,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "cursor_text")]
    cursor: Option<Cursor>,
}

#[derive(Serialize)]
struct EstablishedOut<'a> {
    session_id: ConversationId,
    user_id: &'a UserId,
    user_type: Role,
    connection_id: String,
    #[serde(serialize_with = "cursor_text")]
    cursor: Option<Cursor>,
    server_time: Moment,
    heartbeat_interval: u64,
}

#[derive(Default, Serialize)]
struct AckOut {
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Uuid>,
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

#[derive(Serialize)]
struct ErrorOut {
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

#[derive(Serialize)]
struct ResyncOut<'a> {
    reason: &'a str,
}

#[derive(Serialize)]
struct PongOut {
    timestamp: Moment,
}

#[derive(Serialize)]
struct AuthenticatedOut {
    expires_at: Option<String>,
}

impl Codec for Session {
    const DIALECT: Dialect = Dialect::Session;
    const ENCODING: Encoding = Encoding::Session;
    const HEARS_BEYOND_ROOMS: bool = false;
    type Line = Socket;
    type Tag = Tag;

    fn decode(&mut self, frame: Frame) -> Decoded<Tag> {
        match frame {
            Frame::Text(text) => {
                let (tag, command) = self.read(&text);
                Decoded::Request(tag, command)
            }
            Frame::Binary(_) => Decoded::End(CloseReason::NotText),
        }
    }

    fn encode(envelope: &Envelope, _name: Option<&ExternalId>) -> Option<Bytes> {
        let cursor = envelope.cursor;
        match &envelope.event {
            Event::Message(message) => frame("message", MessageOut::of(message, envelope)),
            Event::Typing(t) => frame(
                "typing_indicator",
                TypingOut {
                    session_id: t.session_id,
                    user_id: &t.user_id,
                    user_name: t.name.as_deref(),
                    user_type: t.sender_type,
                    is_typing: t.is_typing,
                },
            ),
            Event::MessageStatus(s) => frame(
                "message_status",
                ReceiptOut {
                    session_id: s.session_id,
                    seq: s.seq,
                    user_id: &s.user_id,
                    status: s.status,
                    timestamp: envelope.at,
                    cursor,
                },
            ),
            Event::Joined(_) | Event::Left(_) => StatusOut::of(envelope, |status| {
                frame("connection_status_update", WithCursor { payload: &status, cursor })
            }),
            Event::Queued(p) => placed("conversation_queued", p, cursor),
            Event::Assigned(p) => placed("conversation_assigned", p, cursor),
            Event::Transferred(t) => frame(
                "conversation_transferred",
                WithCursor { payload: &TransferredOut::of(t), cursor },
            ),
            Event::Handoff(p) => placed("conversation_handoff", p, cursor),
            Event::Closed(p) => placed("conversation_closed", p, cursor),
            Event::Reopened(p) => placed("conversation_reopened", p, cursor),
            Event::Rated(p) => placed("conversation_rated", p, cursor),
            Event::Offered(p) => placed("conversation_offered", p, cursor),
            Event::OfferEnded(p) => placed("conversation_offer_ended", p, cursor),
            Event::Escalated(p) => placed("conversation_escalated", p, cursor),
            Event::OutsideHours(p) => placed("conversation_outside_hours", p, cursor),
            Event::Requirements(p) => placed("conversation_requirements", p, cursor),
            Event::Alert(p) => placed("alert", p, cursor),
            Event::Notification(n) => {
                let (name, payload) = NotificationOut::of(n);
                frame(name, WithCursor { payload: &payload, cursor })
            }
            // A closed conversation is conversation_closed here; the rest is for consoles.
            Event::SessionStarted(_)
            | Event::SessionEnded(_)
            | Event::Decided(_)
            | Event::ChatTransferred(_)
            | Event::Call(_)
            | Event::CallQueue(_)
            | Event::Announced(_)
            | Event::AgentStateChanged(_)
            | Event::AgentLogin(_)
            | Event::AgentLogout(_)
            | Event::NotificationRead(_)
            | Event::DepartmentEmpty(_)
            | Event::DepartmentCovered(_)
            | Event::QueueStats(_)
            | Event::PresenceChanged(_)
            | Event::Audit(_) => None,
        }
    }

    fn reply(&self, tag: Tag, result: Result<Reply, Error>, out: &mut Vec<Bytes>) {
        out.extend(match (tag, result) {
            (Tag::Message(client_id), Ok(Reply::Sent(sent))) => {
                let (id, seq, timestamp) = (Some(sent.id), Some(sent.seq), Some(sent.at));
                let ack =
                    AckOut { client_id, success: true, id, seq, timestamp, ..AckOut::default() };
                frame("ack", ack)
            }
            (Tag::Message(client_id), Err(error)) => {
                let (code, retry_after) = (Some(error.code()), retry_after(&error));
                let error = Some(error.to_string());
                frame("ack", AckOut { client_id, code, error, retry_after, ..AckOut::default() })
            }
            (Tag::Other, Err(error)) => {
                let (code, retry_after) = (error.code(), retry_after(&error));
                frame("error", ErrorOut { code, message: error.to_string(), retry_after })
            }
            (_, Ok(Reply::History(history))) => frame("history", HistoryOut::of(&history)),
            (_, Ok(Reply::Pong)) => frame("pong", PongOut { timestamp: Moment::now() }),
            (_, Ok(Reply::Authenticated(who))) => {
                let at = |seconds: i64| Moment(seconds.saturating_mul(1000)).to_seconds_string();
                frame("authenticated", AuthenticatedOut { expires_at: who.expires_at.map(at) })
            }
            (
                _,
                Ok(
                    Reply::Done
                    | Reply::Sent(_)
                    | Reply::Joined(_)
                    | Reply::Left(_)
                    | Reply::Subscribed(_),
                ),
            ) => None,
        });
    }

    fn established(&mut self, conn: &Connection, start: &Start, out: &mut Vec<Bytes>) {
        out.extend(frame(
            "connection_established",
            EstablishedOut {
                session_id: self.conversation,
                user_id: &conn.who.user,
                user_type: conn.who.user_type,
                connection_id: conn.id.to_string(),
                cursor: Some(start.cursor),
                server_time: Moment::now(),
                heartbeat_interval: self.heartbeat_interval.as_secs(),
            },
        ));
    }

    fn status(
        &self,
        session_id: ConversationId,
        _name: Option<&ExternalId>,
        status: &ConnectionStatus,
    ) -> Option<Bytes> {
        frame("connection_status_update", StatusOut::now(session_id, status))
    }

    fn resync(&self, reason: &str) -> Option<Bytes> {
        frame("resync", ResyncOut { reason })
    }

    fn history(&self, history: &History) -> Vec<Bytes> {
        frame("history", HistoryOut::of(history)).into_iter().collect()
    }

    /// Its path names one conversation, so without it there is nothing left to do.
    fn put_out(&self, _id: ConversationId, _name: Option<&ExternalId>) -> Option<Bytes> {
        None
    }
}

#[cfg(test)]
mod tests;
