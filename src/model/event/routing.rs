//! Payloads of `routing.*`: why a conversation went to whom it went.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::{AgentStatus, ConversationId, UserId};

/// What a decision led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DecisionOutcome {
    /// The winner has the conversation.
    Assigned,
    /// The winner is asked to take it.
    Offered,
}

/// Payload of `routing.decided`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Decided {
    /// The decision's id.
    pub decision_id: Uuid,
    /// The conversation it is about.
    pub session_id: ConversationId,
    /// The department it waited in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department_id: Option<Uuid>,
    /// What made the engine look: `customer_waits`, `agent_free`.
    pub trigger: String,
    /// How the winner was chosen among those who could take it: `least_loaded`.
    pub strategy: String,
    /// What it led to.
    pub outcome: DecisionOutcome,
    /// Who was chosen.
    pub winner_id: UserId,
    /// That agent's name, or its id.
    pub winner_name: String,
    /// The agents looked at, as they were then; of many, the most telling ones.
    pub candidates: Vec<Candidate>,
    /// How many agents were looked at.
    pub considered: u64,
    /// How many of them each filter kept out.
    #[serde(default)]
    #[schema(required)]
    pub excluded: BTreeMap<String, u64>,
}

/// An agent a decision looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Candidate {
    /// Who.
    pub agent_id: UserId,
    /// What it was.
    pub status: AgentStatus,
    /// How many conversations it had.
    pub current_chats: u32,
    /// How many it may have.
    pub max_chats: u32,
    /// Seconds since it was given one or ended one last.
    pub idle_seconds: u64,
    /// The filter that kept it out, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded: Option<String>,
    /// What the strategy compares; the highest wins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<i64>,
}
