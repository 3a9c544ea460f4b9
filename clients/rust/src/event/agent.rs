//! Payloads of `agent.*`: what agents are in the system that tells it. Whether the server routes to
//! them does not follow from these.

use serde::{Deserialize, Serialize};

/// Payload of `agent.state.changed`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentStateChanged {
    /// Who.
    pub user_id: String,
    /// The agent's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// What it is now: `break`.
    pub state: String,
    /// Why: `Lunch break`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The agent's telephone extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension: Option<String>,
}

/// Payload of `agent.login`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentLogin {
    /// Who.
    pub user_id: String,
    /// The agent's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The agent's telephone extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension: Option<String>,
}

/// Payload of `agent.logout`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentLogout {
    /// Who.
    pub user_id: String,
    /// The agent's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}
