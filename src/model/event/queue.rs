//! Payloads of `queue.*`: how busy a queue is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Payload of `queue.stats`. Volatile. The field names are document 004's, whose queues are of calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QueueStats {
    /// The queue: its department's name, or the telephone system's.
    pub queue_name: String,
    /// The department; absent for the queue of conversations that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department_id: Option<Uuid>,
    /// How many wait.
    pub calls_waiting: u64,
    /// How many agents could take one now.
    pub available_agents: u64,
    /// How many agents are not offline.
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
