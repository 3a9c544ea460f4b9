//! What Socket.IO clients are sent: each shape with its event's name, as whole frames that serve
//! every transport and any number of connections (document 003, contract 6).

use bytes::Bytes;
use engineio_socketio::Frame;
use engineio_socketio::socket::Builder;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::model::{
    AgentStatus, ConversationId, Cursor, Error, Event, ExternalId, History, Identity, Message,
    Moment, Receipt, Role, Sent, UserId,
};
use crate::wire::shapes::retry_after;

/// A conversation as the client calls it.
#[derive(Clone, Copy)]
pub(super) struct Called<'a>(pub(super) ConversationId, pub(super) Option<&'a ExternalId>);

impl Serialize for Called<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self.1 {
            Some(name) => s.serialize_str(name.as_str()),
            None => s.collect_str(&self.0),
        }
    }
}

/// A payload of the core, with the conversation as the client calls it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Within<'a, T> {
    pub(super) conversation_id: Called<'a>,
    #[serde(flatten)]
    pub(super) payload: &'a T,
}

/// 003 knows three roles: whoever answers customers is `admin` to it.
fn role_of_003(role: Role) -> &'static str {
    match role {
        Role::Customer => "customer",
        Role::Bot => "bot",
        Role::Agent | Role::Admin | Role::Service => "admin",
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuthenticatedOut<'a> {
    user_id: &'a UserId,
    user_name: &'a str,
    role: &'static str,
    user_type: Role,
    #[serde(serialize_with = "text")]
    cursor: Cursor,
}

fn text<S: Serializer>(cursor: &Cursor, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(cursor)
}

impl AuthenticatedOut<'_> {
    pub(super) fn of(who: &Identity, cursor: Cursor) -> AuthenticatedOut<'_> {
        AuthenticatedOut {
            user_id: &who.user,
            // 003 shows it without asking whether there is one.
            user_name: who.name.as_deref().unwrap_or(who.user.as_str()),
            role: role_of_003(who.user_type),
            user_type: who.user_type,
            cursor,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SenderOut<'a> {
    user_id: &'a UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<&'a str>,
    role: &'static str,
    user_type: Role,
}

/// 003's MessageData, and ours.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageOut<'a> {
    conversation_id: Called<'a>,
    content: &'a str,
    sender: SenderOut<'a>,
    timestamp: Moment,
    message_id: Uuid,
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
}

impl<'a> MessageOut<'a> {
    pub(super) fn of(
        message: &'a Message,
        at: Moment,
        name: Option<&'a ExternalId>,
    ) -> MessageOut<'a> {
        MessageOut {
            conversation_id: Called(message.session_id, name),
            content: &message.body,
            sender: SenderOut {
                user_id: &message.sender_id,
                user_name: message.sender_name.as_deref(),
                role: role_of_003(message.sender_type),
                user_type: message.sender_type,
            },
            timestamp: at,
            message_id: message.message_id,
            seq: message.seq,
            client_id: message.client_id.as_deref(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TypingOut<'a> {
    pub(super) conversation_id: Called<'a>,
    pub(super) user_id: &'a UserId,
    pub(super) user_name: &'a str,
    role: &'static str,
    user_type: Role,
    pub(super) is_typing: bool,
}

impl<'a> TypingOut<'a> {
    pub(super) fn of(t: &'a crate::model::Typing, name: Option<&'a ExternalId>) -> TypingOut<'a> {
        TypingOut {
            conversation_id: Called(t.session_id, name),
            user_id: &t.user_id,
            user_name: t.name.as_deref().unwrap_or(t.user_id.as_str()),
            role: role_of_003(t.sender_type),
            user_type: t.sender_type,
            is_typing: t.is_typing,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PresenceOut<'a> {
    pub(super) user_id: &'a UserId,
    pub(super) status: AgentStatus,
    pub(super) timestamp: Moment,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReceiptOut<'a> {
    pub(super) conversation_id: Called<'a>,
    pub(super) seq: u64,
    pub(super) user_id: &'a UserId,
    pub(super) status: Receipt,
    pub(super) timestamp: Moment,
}

/// `joined_conversation` and `left_conversation`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RoomOut<'a> {
    pub(super) conversation_id: &'a str,
    /// Why the server put the client out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<&'static str>,
}

#[derive(Serialize)]
pub(super) struct ResyncOut<'a> {
    pub(super) reason: &'a str,
}

#[derive(Serialize)]
pub(super) struct ErrorOut<'a> {
    message: String,
    code: &'static str,
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

impl ErrorOut<'_> {
    pub(super) fn of<'a>(error: &Error, event: &'a str) -> ErrorOut<'a> {
        let (message, retry_after) = (error.to_string(), retry_after(error));
        ErrorOut { message, code: error.code(), event, retry_after }
    }
}

/// The one argument of an acknowledgement: `success`, and what goes with it.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AckOut<'a> {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<Vec<MessageOut<'a>>>,
    #[serde(rename = "has_more", skip_serializing_if = "Option::is_none")]
    has_more: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(rename = "retry_after", skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

impl<'a> AckOut<'a> {
    pub(super) fn done() -> AckOut<'a> {
        AckOut { success: true, ..AckOut::default() }
    }

    pub(super) fn room(name: &'a str) -> AckOut<'a> {
        AckOut { conversation_id: Some(name), ..AckOut::done() }
    }

    pub(super) fn sent(sent: &Sent) -> AckOut<'a> {
        let (message_id, seq, timestamp) = (Some(sent.id), Some(sent.seq), Some(sent.at));
        AckOut { message_id, seq, timestamp, ..AckOut::done() }
    }

    pub(super) fn history(history: &'a History, name: Option<&'a ExternalId>) -> AckOut<'a> {
        let messages = history.messages.iter().filter_map(|envelope| match &envelope.event {
            Event::Message(message) => Some(MessageOut::of(message, envelope.at, name)),
            _ => None,
        });
        let (messages, has_more) = (Some(messages.collect()), Some(history.has_more));
        AckOut { messages, has_more, ..AckOut::done() }
    }

    /// With the conversation it is about, where no number tells.
    pub(super) fn of(self, name: &'a str) -> AckOut<'a> {
        AckOut { conversation_id: Some(name), ..self }
    }

    pub(super) fn refused(error: &Error) -> AckOut<'a> {
        let (code, retry_after) = (Some(error.code()), retry_after(error));
        AckOut { error: Some(error.to_string()), code, retry_after, ..AckOut::default() }
    }
}

/// An event with one argument.
pub(super) fn event(name: &str, payload: &impl Serialize) -> Option<Bytes> {
    finished(name, Builder::event("/", name).arg(payload))
}

/// The answer to an event that asked for one.
pub(super) fn ack(id: u64, payload: &impl Serialize) -> Option<Bytes> {
    finished("ack", Builder::ack("/", id).arg(payload))
}

/// `["cursor", "<offset>"]`: clients take a last argument that is text for the offset from which
/// they want to be taken up again, so no other event ends in one.
pub(super) fn cursor(cursor: Cursor) -> Option<Bytes> {
    event("cursor", &cursor.to_string())
}

fn finished(name: &str, built: serde_json::Result<Builder>) -> Option<Bytes> {
    match built {
        Ok(builder) => Some(bytes_of(builder.build())),
        Err(err) => {
            tracing::error!(event = name, error = %err, "a frame could not be written");
            None
        }
    }
}

/// A frame as the outbox and the line share it.
pub(super) fn bytes_of(frame: Frame) -> Bytes {
    match frame {
        Frame::Text(bytes) | Frame::Binary(bytes) => bytes,
    }
}

/// Joins and leaves as [`StatusOut`](crate::wire::shapes::StatusOut) shows them.
pub(super) const STATUS: &str = "connection_status_update";
