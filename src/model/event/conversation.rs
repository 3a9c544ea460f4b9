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
    #[schema(required)]
    pub department_id: Option<Uuid>,
}

/// Payload of `conversation.transferred`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Transferred {
    /// The conversation.
    pub session_id: ConversationId,
    /// Who had it.
    #[schema(required)]
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
    /// Its agent was gone for longer than `routing.grace`.
    AgentLost,
    /// It waited for so long that a rule of its department applied.
    Escalated,
}

/// Payload of `conversation.handoff`.
///
/// It takes effect while `from` is in charge and changes nothing otherwise, so that it may come
/// along with other events and need not know who was quicker. With `from` equal to `to` it is a
/// question put to the log, never an event: what comes along is refused unless that one is in
/// charge (`Conversation::apply`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(description = "Payload of `conversation.handoff`.")]
pub struct Handoff {
    /// The conversation.
    pub session_id: ConversationId,
    /// Who was in charge.
    pub from: InCharge,
    /// Who is now.
    pub to: InCharge,
    /// Why.
    pub reason: HandoffReason,
    /// The agent it was taken from, when `from` is `agent`; told wherever it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<UserId>,
    /// For a question alone: the stint that is meant, if it matters which.
    #[serde(skip)]
    #[schema(ignore)]
    pub stint: Option<u32>,
}

/// Payload of `conversation.offered`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Offered {
    /// The conversation.
    pub session_id: ConversationId,
    /// Who is asked to take it.
    pub agent_id: UserId,
    /// That agent's name, or its id.
    pub agent_name: String,
    /// Until when the agent may accept.
    #[schema(value_type = String, format = DateTime)]
    pub until: Moment,
    /// The how-manieth offer it is of this wait, from 1.
    pub attempt: u32,
}

/// What became of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OfferOutcome {
    /// The agent took the conversation.
    Accepted,
    /// The agent would not.
    Declined,
    /// The agent did not answer in time.
    Expired,
    /// The conversation went elsewhere, or the agent did.
    Withdrawn,
}

/// Payload of `conversation.offer.ended`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OfferEnded {
    /// The conversation.
    pub session_id: ConversationId,
    /// Who was asked.
    pub agent_id: UserId,
    /// What became of it.
    pub outcome: OfferOutcome,
}

/// What is done about a conversation that waits for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EscalationAction {
    /// The staff is told.
    Supervisors,
    /// The agents of one more department may take it.
    Department,
    /// The bot takes it.
    Bot,
    /// The customer is asked to leave a message.
    OfflineMessage,
}

/// Payload of `conversation.escalated`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Escalated {
    /// The conversation.
    pub session_id: ConversationId,
    /// Seconds it had waited.
    pub waited_seconds: u64,
    /// Which rule of its department applied.
    pub rule: String,
    /// What is done.
    pub action: EscalationAction,
    /// The department whose agents may take it now, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department_id: Option<Uuid>,
}

/// Payload of `conversation.outside_hours`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OutsideHours {
    /// The conversation.
    pub session_id: ConversationId,
    /// When its department opens next, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub opens_at: Option<Moment>,
}

/// Payload of `conversation.requirements`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Requirements {
    /// The conversation.
    pub session_id: ConversationId,
    /// How much it matters, 0 unless set; higher goes first.
    pub priority: i32,
    /// What an agent must know to take it.
    #[serde(default)]
    #[schema(required)]
    pub skills: Vec<String>,
    /// The language its agent must speak, a BCP 47 tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
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
