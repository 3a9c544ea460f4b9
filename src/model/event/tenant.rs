//! Payloads of events that are of no conversation: for one user, or for a whole tenant.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::{AgentStatus, ConversationId, Role, UserId};

/// Payload of `notification`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Notification {
    /// For whom.
    pub user_id: UserId,
    /// Its id, by which it is marked as read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notification_id: Option<Uuid>,
    /// The name it is heard under; absent for `notification`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// What it is about: `ticket_assigned`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// A line to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The text below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Whatever its sender attached; the whole payload of an event of another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub data: Option<serde_json::Map<String, serde_json::Value>>,
}

/// Payload of `notification.read`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NotificationRead {
    /// Who has read them.
    pub user_id: UserId,
    /// Which.
    pub notification_ids: Vec<Uuid>,
}

/// Payload of `alert`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Alert {
    /// A line to show.
    pub title: String,
    /// The text below it.
    pub body: String,
    /// What it is about, a word for programs: `maintenance`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Whatever its sender attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub data: Option<serde_json::Map<String, serde_json::Value>>,
}

/// Payload of `presence.changed`. Volatile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PresenceChanged {
    /// Who.
    pub user_id: UserId,
    /// What it is now. Who is no agent is online or offline only.
    pub status: AgentStatus,
    /// The conversations of that agent, whose customers are told too.
    #[serde(skip)]
    pub conversations: Vec<ConversationId>,
}

/// Payload of `audit.entry`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Audit {
    /// Who acted.
    pub actor: UserId,
    /// In what role.
    pub role: Role,
    /// What it did, dotted: `conversation.viewed`, `key.created`.
    pub action: String,
    /// To what, an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}
