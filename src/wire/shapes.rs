//! Payloads that more than one dialect shows, in the field names of the documents. Each codec adds
//! its own envelope, and the cursor or the name of the conversation, around them.

use serde::Serialize;
use uuid::Uuid;

use crate::model::{
    ConnectionStatus, ConversationId, DisconnectReason, Envelope, Error, Event, Moment,
    Notification, Transferred, UserId,
};

/// `connection_status_update` (documents 000 and 002).
#[derive(Serialize)]
pub(super) struct StatusOut<'a> {
    session_id: ConversationId,
    connection_status: &'a ConnectionStatus,
    timestamp: String,
    #[serde(flatten)]
    about: About<'a>,
}

/// Which event a status tells of; nothing for a mere snapshot.
#[derive(Default, Serialize)]
struct About<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    event_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_user_id: Option<&'a UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disconnect_reason: Option<DisconnectReason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reconnected: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    away_ms: Option<u64>,
}

impl<'a> StatusOut<'a> {
    /// Who is connected now.
    pub(super) fn now(session_id: ConversationId, status: &'a ConnectionStatus) -> StatusOut<'a> {
        let (timestamp, about) = (Moment::now().to_seconds_string(), About::default());
        StatusOut { session_id, connection_status: status, timestamp, about }
    }

    /// Shows a join or a leave with who is connected after it. One of the past is not told again;
    /// a snapshot stands for it.
    pub(super) fn of<T>(
        envelope: &'a Envelope,
        show: impl FnOnce(StatusOut) -> Option<T>,
    ) -> Option<T> {
        let status = ConnectionStatus::of(envelope.present.as_deref()?);
        let (session_id, about) = match &envelope.event {
            Event::Joined(joined) => {
                let about = About {
                    event_type: Some("user_connected"),
                    event_user_id: Some(&joined.user_id),
                    reconnected: joined.away_ms.map(|_| true),
                    away_ms: joined.away_ms,
                    ..About::default()
                };
                (joined.session_id, about)
            }
            Event::Left(left) => {
                let about = About {
                    event_type: Some("user_disconnected"),
                    event_user_id: Some(&left.user_id),
                    disconnect_reason: Some(left.reason),
                    ..About::default()
                };
                (left.session_id, about)
            }
            _ => return None,
        };
        let timestamp = envelope.at.to_seconds_string();
        show(StatusOut { session_id, connection_status: &status, timestamp, about })
    }
}

/// `conversation_transferred`, without the note: the customer reads it too.
#[derive(Serialize)]
pub(super) struct TransferredOut<'a> {
    session_id: ConversationId,
    from_agent_id: Option<&'a UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_agent_id: Option<&'a UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_department_id: Option<Uuid>,
}

impl TransferredOut<'_> {
    pub(super) fn of(t: &Transferred) -> TransferredOut<'_> {
        TransferredOut {
            session_id: t.session_id,
            from_agent_id: t.from_agent_id.as_ref(),
            to_agent_id: t.to_agent_id.as_ref(),
            to_department_id: t.to_department_id,
        }
    }
}

/// What is sent to one user: a notification, or whatever its sender called it.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum NotificationOut<'a> {
    /// `notification`.
    Known {
        #[serde(skip_serializing_if = "Option::is_none")]
        kind: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        body: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<&'a serde_json::Map<String, serde_json::Value>>,
    },
    /// An event of another name, with what its sender attached.
    Named(&'a serde_json::Map<String, serde_json::Value>),
    /// One without any of it.
    Bare {},
}

impl NotificationOut<'_> {
    /// The name it is heard under, and what it says.
    pub(super) fn of(n: &Notification) -> (&str, NotificationOut<'_>) {
        let data = n.data.as_ref();
        match (&n.event, data) {
            (Some(event), Some(data)) => (event, NotificationOut::Named(data)),
            (Some(event), None) => (event, NotificationOut::Bare {}),
            (None, _) => {
                let (kind, title) = (n.kind.as_deref(), n.title.as_deref());
                let body = n.body.as_deref();
                let known = NotificationOut::Known { kind, title, body, data };
                ("notification", known)
            }
        }
    }
}

/// Seconds to wait, where a refusal says so.
pub(super) fn retry_after(error: &Error) -> Option<u64> {
    match error {
        Error::RateLimited { retry_after_s } => Some(*retry_after_s),
        _ => None,
    }
}
