//! Payloads of `conversation.*`: who comes and goes, and what becomes of a conversation. What one of
//! them does to the conversation's record is `Conversation::apply`'s to know.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::{ConversationId, DisconnectReason, Moment, Role, UserId};

/// Payload of `conversation.joined`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Joined {
    /// The conversation.
    pub session_id: ConversationId,
    /// Who came.
    pub user_id: UserId,
    /// As what.
    pub user_type: Role,
    /// When its first connection came.
    #[schema(value_type = String, format = DateTime)]
    pub joined_at: Moment,
    /// Milliseconds it was away, when it was here less than 30 s ago.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away_ms: Option<u64>,
}

/// Payload of `conversation.left`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Left {
    /// The conversation.
    pub session_id: ConversationId,
    /// Who left.
    pub user_id: UserId,
    /// As what it was there.
    pub user_type: Role,
    /// Why.
    pub reason: DisconnectReason,
}

/// Payload of `conversation.queued`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Queued {
    /// The conversation.
    pub session_id: ConversationId,
    /// Its place in its department's queue, from 1.
    pub position: u64,
    /// Seconds until an agent is likely to take it.
    pub estimated_wait_seconds: u64,
    /// The department whose queue it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department_id: Option<Uuid>,
}

/// Payload of `conversation.assigned`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Assigned {
    /// The conversation.
    pub session_id: ConversationId,
    /// Who has it now.
    pub agent_id: UserId,
    /// That agent's name, or its id.
    pub agent_name: String,
    /// The department it came from.
    #[serde(default)]
    pub department_id: Option<Uuid>,
}

/// Payload of `conversation.transferred`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Transferred {
    /// The conversation.
    pub session_id: ConversationId,
    /// Who had it.
    pub from_agent_id: Option<UserId>,
    /// Who has it now, when it went to an agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_agent_id: Option<UserId>,
    /// That agent's name, or its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_agent_name: Option<String>,
    /// Whose queue it waits in now, when it went to a department.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_department_id: Option<Uuid>,
    /// What the next agent should know; not for the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Who answers in a conversation. Never two of them at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum InCharge {
    /// The bot.
    Bot,
    /// Nobody yet: it waits for an agent.
    Queue,
    /// An agent.
    Agent,
}

/// Why a conversation passed from one to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HandoffReason {
    /// New conversations begin with the bot (`bot.first`).
    First,
    /// The bot was asked (`POST /api/coze/chat`).
    Asked,
    /// The customer asked for a person.
    CustomerAsked,
    /// The bot asked for a person.
    BotAsked,
    /// The bot did not know the answer.
    Unsure,
    /// The bot failed.
    Failed,
    /// An agent took the conversation, or was given it.
    Taken,
    /// It was given to a department.
    Transferred,
    /// The server stopped while the bot was thinking.
    Interrupted,
    /// The bot has been turned off.
    BotOff,
}

/// Payload of `conversation.handoff`.
///
/// It takes effect while `from` is in charge and changes nothing otherwise, so that it may come
/// along with other events and need not know who was quicker. With `from` equal to `to` it is a
/// question put to the log, never an event: what comes along is refused unless that one is in
/// charge (`Conversation::apply`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Handoff {
    /// The conversation.
    pub session_id: ConversationId,
    /// Who was in charge.
    pub from: InCharge,
    /// Who is now.
    pub to: InCharge,
    /// Why.
    pub reason: HandoffReason,
}

/// Payload of `conversation.closed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Closed {
    /// The conversation.
    pub session_id: ConversationId,
    /// Who closed it.
    pub by: UserId,
    /// The agent who had it, if one did; told wherever it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<UserId>,
}

/// Payload of `conversation.reopened`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Reopened {
    /// The conversation.
    pub session_id: ConversationId,
    /// Who reopened it, by asking or by a new message.
    pub by: UserId,
    /// The agent who had it, if one did; told wherever it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<UserId>,
}

/// Payload of `conversation.rated`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Rated {
    /// The conversation.
    pub session_id: ConversationId,
    /// 1 (poor) to 5 (excellent).
    pub score: u8,
    /// What the customer added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The agent who had it, if one did; told wherever it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<UserId>,
}
