//! What an agent is: the words of agent status, and what is kept of it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Moment, UserId};

/// What an agent is, as it declared it or as it is seen to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AgentStatus {
    /// Takes conversations.
    Online,
    /// There, but takes none now.
    Busy,
    /// Signed in, but not at the desk.
    Away,
    /// Not there.
    Offline,
}

impl AgentStatus {
    /// Every status.
    pub const ALL: [AgentStatus; 4] =
        [AgentStatus::Online, AgentStatus::Busy, AgentStatus::Away, AgentStatus::Offline];

    /// The status as frames, REST and the database name it.
    pub fn as_str(self) -> &'static str {
        match self {
            AgentStatus::Online => "online",
            AgentStatus::Busy => "busy",
            AgentStatus::Away => "away",
            AgentStatus::Offline => "offline",
        }
    }

    /// Reads a status' name.
    pub fn parse(text: &str) -> Option<AgentStatus> {
        AgentStatus::ALL.into_iter().find(|s| s.as_str() == text)
    }
}

/// Why an agent is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StatusReason {
    /// It said so.
    Declared,
    /// A socket of it is open.
    Connected,
    /// Its heartbeat keeps it alive.
    Heartbeat,
    /// It has as many conversations as it may.
    Capacity,
    /// It has the time after a conversation to finish its notes.
    WrapUp,
    /// It is on a call.
    Call,
    /// Its last socket went, and no heartbeat keeps it alive.
    Disconnected,
    /// Its heartbeat stayed away for longer than the lease.
    HeartbeatEnded,
    /// An administrator disabled it.
    Disabled,
}

impl StatusReason {
    /// Every reason.
    pub const ALL: [StatusReason; 9] = [
        StatusReason::Declared,
        StatusReason::Connected,
        StatusReason::Heartbeat,
        StatusReason::Capacity,
        StatusReason::WrapUp,
        StatusReason::Call,
        StatusReason::Disconnected,
        StatusReason::HeartbeatEnded,
        StatusReason::Disabled,
    ];

    /// The reason as frames, REST and the database name it.
    pub fn as_str(self) -> &'static str {
        match self {
            StatusReason::Declared => "declared",
            StatusReason::Connected => "connected",
            StatusReason::Heartbeat => "heartbeat",
            StatusReason::Capacity => "capacity",
            StatusReason::WrapUp => "wrap_up",
            StatusReason::Call => "call",
            StatusReason::Disconnected => "disconnected",
            StatusReason::HeartbeatEnded => "heartbeat_ended",
            StatusReason::Disabled => "disabled",
        }
    }

    /// Reads a reason's name.
    pub fn parse(text: &str) -> Option<StatusReason> {
        StatusReason::ALL.into_iter().find(|r| r.as_str() == text)
    }
}

/// What is kept of an agent's status, so that a restart forgets nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentRecord {
    /// Who.
    pub agent: UserId,
    /// What it declared last.
    pub declared: AgentStatus,
    /// What it was told to be last.
    pub status: AgentStatus,
    /// Why it is that.
    pub reason: StatusReason,
    /// Since when it is that.
    pub since: Moment,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_and_a_reason_are_read_by_their_names() {
        for status in AgentStatus::ALL {
            assert_eq!(AgentStatus::parse(status.as_str()), Some(status));
        }
        for reason in StatusReason::ALL {
            assert_eq!(StatusReason::parse(reason.as_str()), Some(reason));
        }
        assert_eq!(AgentStatus::parse("asleep"), None);
    }
}
