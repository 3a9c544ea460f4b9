//! Payloads of `chat.*`: what is said in a conversation. A listener's field names are document
//! 004's; who hears them is no matter of this file.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::{ConversationId, ExternalId, Role, UserId};

/// Payload of `chat.session.started`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SessionStarted {
    /// The conversation.
    pub session_id: ConversationId,
    /// Its customer; absent while nobody but an observer has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<UserId>,
    /// The name the customer gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visitor_name: Option<String>,
    /// The e-mail address the customer gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visitor_email: Option<String>,
    /// The department asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department_id: Option<Uuid>,
    /// What an agent must know to take it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skills: Vec<String>,
    /// The language its agent must speak, a BCP 47 tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Names other systems know it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub external_ids: Vec<ExternalId>,
    /// Whatever the customer's page attached, a JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<serde_json::Map<String, serde_json::Value>>,
}

/// Payload of `chat.message`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Message {
    /// The conversation.
    pub session_id: ConversationId,
    /// The message's id.
    pub message_id: Uuid,
    /// Its number in the conversation: 1, 2, 3 ... without holes. Given by the log.
    #[serde(default)]
    #[schema(required)]
    pub seq: u64,
    /// The sender's own id for it, by which a repeat is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Who said it.
    pub sender_id: UserId,
    /// As what.
    pub sender_type: Role,
    /// The sender's name, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender_name: Option<Arc<str>>,
    /// The text.
    pub body: String,
}

/// How far a message got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Receipt {
    /// Written to another participant for the first time.
    Delivered,
    /// Seen by a participant.
    Read,
}

/// Payload of `chat.message.status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MessageStatus {
    /// The conversation.
    pub session_id: ConversationId,
    /// All messages up to this number, cumulative.
    pub seq: u64,
    /// To whom they were delivered, or who read them.
    pub user_id: UserId,
    /// Which of the two.
    pub status: Receipt,
}

/// Payload of `chat.typing`. Volatile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Typing {
    /// The conversation.
    pub session_id: ConversationId,
    /// Who types.
    pub user_id: UserId,
    /// As what.
    pub sender_type: Role,
    /// The typist's name, if known.
    #[serde(rename = "sender_name", alias = "name")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
    /// Started or stopped.
    pub is_typing: bool,
}

/// Payload of `chat.session.ended`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SessionEnded {
    /// The conversation.
    pub session_id: ConversationId,
}

/// Payload of `chat.transferred`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChatTransferred {
    /// The conversation.
    pub session_id: ConversationId,
    /// Who gave it away; absent if it waited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_agent_id: Option<UserId>,
    /// Who has it now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_agent_id: Option<UserId>,
    /// The department in whose queue it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_department_id: Option<Uuid>,
}
