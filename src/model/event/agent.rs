//! Payloads of `agent.*`: what agents are, and departments that have none.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::{AgentStatus, Moment, StatusReason, UserId};

/// Payload of `agent.state.changed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AgentStateChanged {
    /// Who.
    pub user_id: UserId,
    /// The agent's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The agent's telephone extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension: Option<String>,
    /// What it is now.
    pub state: AgentStatus,
    /// Why.
    pub reason: StatusReason,
    /// What it declared last.
    pub declared: AgentStatus,
    /// Since when it is what it is.
    #[schema(value_type = String, format = DateTime)]
    pub since: Moment,
    /// How many conversations it has.
    pub current_chats: u32,
    /// How many it may have.
    pub max_chats: u32,
    /// Where it works.
    #[serde(default)]
    #[schema(required)]
    pub department_ids: Vec<Uuid>,
}

/// Payload of `agent.login`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AgentLogin {
    /// Who.
    pub user_id: UserId,
    /// The agent's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The agent's telephone extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension: Option<String>,
}

/// Payload of `agent.logout`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AgentLogout {
    /// Who.
    pub user_id: UserId,
    /// The agent's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

/// Payload of `agent.department.empty`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DepartmentEmpty {
    /// The department that has no agent who takes conversations.
    pub department_id: Uuid,
    /// Its name.
    pub department: String,
    /// How many conversations wait in it.
    pub waiting: u64,
}

/// Payload of `agent.department.covered`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DepartmentCovered {
    /// The department that has an agent again.
    pub department_id: Uuid,
    /// Its name.
    pub department: String,
}
