//! Payloads of `queue.*`: who waits and works in the queues of a telephone system, and how busy
//! they are. A queue is known by the name it has there.

use serde::{Deserialize, Serialize};

use super::is_false;

/// Payload of `queue.joined`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueJoined {
    /// The queue.
    pub queue_name: String,
    /// The call, as the telephone system names it; at most 128 characters.
    pub unique_id: String,
    /// The number that calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller_id: Option<String>,
    /// Its place in the queue, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// How many calls wait with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls_waiting: Option<u64>,
    /// Whether it was found out afterwards, because the line to the telephone system was down.
    #[serde(default, skip_serializing_if = "is_false")]
    pub corrected: bool,
}

/// Payload of `queue.left`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueLeft {
    /// The queue.
    pub queue_name: String,
    /// The call, as the telephone system names it; at most 128 characters.
    pub unique_id: String,
    /// Why: `connected`, `abandoned`, or the telephone system's own word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Seconds it waited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_seconds: Option<u64>,
    /// How many calls wait now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls_waiting: Option<u64>,
    /// Whether it was found out afterwards, because the line to the telephone system was down.
    #[serde(default, skip_serializing_if = "is_false")]
    pub corrected: bool,
}

/// Payload of `queue.stats`. Volatile: a slow listener may miss one, the next makes good for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueStats {
    /// The queue. [`update_queue_stats`](crate::EventBroadcaster::update_queue_stats) fills it in.
    pub queue_name: String,
    /// The department whose queue it is, a UUID, if it is one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department_id: Option<String>,
    /// How many wait.
    pub calls_waiting: u64,
    /// How many agents could take one now.
    pub available_agents: u64,
    /// How many agents are logged in.
    pub logged_in_agents: u64,
    /// Seconds the first in the queue has waited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_wait_seconds: Option<u64>,
    /// Seconds a new one is likely to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_wait_seconds: Option<u64>,
    /// Seconds those who waited today waited on average, as the telephone system counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_hold_seconds: Option<u64>,
    /// Seconds calls of today lasted on average, as the telephone system counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_talk_seconds: Option<u64>,
    /// Calls answered, as the telephone system counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed: Option<u64>,
    /// Callers who gave up, as the telephone system counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abandoned: Option<u64>,
}

/// Payload of `queue.member.added`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueMemberAdded {
    /// The queue.
    pub queue_name: String,
    /// Who was added.
    pub user_id: String,
    /// The member's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The line the queue rings, as the telephone system names it: `PJSIP/1001`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Whether it was found out afterwards, because the line to the telephone system was down.
    #[serde(default, skip_serializing_if = "is_false")]
    pub corrected: bool,
}

/// Payload of `queue.member.removed`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueMemberRemoved {
    /// The queue.
    pub queue_name: String,
    /// Who was removed.
    pub user_id: String,
    /// The member's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The line the queue rings, as the telephone system names it: `PJSIP/1001`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Whether it was found out afterwards, because the line to the telephone system was down.
    #[serde(default, skip_serializing_if = "is_false")]
    pub corrected: bool,
}

/// Payload of `queue.member.paused`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueMemberPaused {
    /// The queue.
    pub queue_name: String,
    /// Who is paused.
    pub user_id: String,
    /// The member's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The line the queue rings, as the telephone system names it: `PJSIP/1001`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Why, in the member's or the telephone system's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether it was found out afterwards, because the line to the telephone system was down.
    #[serde(default, skip_serializing_if = "is_false")]
    pub corrected: bool,
}

/// Payload of `queue.member.unpaused`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueMemberUnpaused {
    /// The queue.
    pub queue_name: String,
    /// Who is rung again.
    pub user_id: String,
    /// The member's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The line the queue rings, as the telephone system names it: `PJSIP/1001`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Whether it was found out afterwards, because the line to the telephone system was down.
    #[serde(default, skip_serializing_if = "is_false")]
    pub corrected: bool,
}
