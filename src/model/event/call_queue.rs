//! Payloads of `queue.*` but for the statistics: who waits and works in the queues of a telephone
//! system. A queue is known by the name it has there.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::STAFF;
use super::call::is_false;
use crate::model::UserId;

catalogue! {
    /// Who waits and works in the queues of the telephone system.
    pub enum CallQueue {
        /// A call waits in a queue.
        "queue.joined" QueueJoined: durable, STAFF, posted, "document 004";
        /// A call left its queue, to an agent or for good.
        "queue.left" QueueLeft: durable, STAFF, posted, "document 004";
        /// Somebody works in a queue from now on.
        "queue.member.added" MemberAdded: durable, STAFF, posted, "document 004";
        /// Somebody works in it no longer.
        "queue.member.removed" MemberRemoved: durable, STAFF, posted, "document 004";
        /// A member is not rung for a while.
        "queue.member.paused" MemberPaused: durable, STAFF, posted, "document 004";
        /// A member is rung again.
        "queue.member.unpaused" MemberUnpaused: durable, STAFF, posted, "document 004";
    }
    families {}
}

/// Payload of `queue.joined`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QueueJoined {
    /// The queue.
    pub queue_name: String,
    /// The call, as the telephone system names it.
    #[schema(max_length = 128)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QueueLeft {
    /// The queue.
    pub queue_name: String,
    /// The call, as the telephone system names it.
    #[schema(max_length = 128)]
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

/// Payload of `queue.member.added`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MemberAdded {
    /// The queue.
    pub queue_name: String,
    /// Who was added.
    pub user_id: UserId,
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MemberRemoved {
    /// The queue.
    pub queue_name: String,
    /// Who was removed.
    pub user_id: UserId,
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MemberPaused {
    /// The queue.
    pub queue_name: String,
    /// Who is paused.
    pub user_id: UserId,
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MemberUnpaused {
    /// The queue.
    pub queue_name: String,
    /// Who is rung again.
    pub user_id: UserId,
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

impl CallQueue {
    /// The queue it is about.
    pub fn queue_name(&self) -> &str {
        match self {
            CallQueue::QueueJoined(e) => &e.queue_name,
            CallQueue::QueueLeft(e) => &e.queue_name,
            CallQueue::MemberAdded(e) => &e.queue_name,
            CallQueue::MemberRemoved(e) => &e.queue_name,
            CallQueue::MemberPaused(e) => &e.queue_name,
            CallQueue::MemberUnpaused(e) => &e.queue_name,
        }
    }

    /// The call it is about, if it is about one.
    pub fn unique_id(&self) -> Option<&str> {
        match self {
            CallQueue::QueueJoined(e) => Some(&e.unique_id),
            CallQueue::QueueLeft(e) => Some(&e.unique_id),
            _ => None,
        }
    }

    /// One of each.
    pub(super) fn samples(agent: &UserId) -> Vec<CallQueue> {
        let queue_name = || "support".to_owned();
        let (user_id, username) = (agent.clone(), Some("Sari".to_owned()));
        let interface = Some("PJSIP/1001".to_owned());
        vec![
            CallQueue::QueueJoined(QueueJoined {
                queue_name: queue_name(),
                unique_id: "1737714600.42".into(),
                caller_id: Some("+6281234567890".into()),
                position: Some(3),
                calls_waiting: Some(3),
                corrected: false,
            }),
            CallQueue::QueueLeft(QueueLeft {
                queue_name: queue_name(),
                unique_id: "1737714600.42".into(),
                reason: Some("connected".into()),
                waited_seconds: Some(41),
                calls_waiting: Some(2),
                corrected: false,
            }),
            CallQueue::MemberAdded(MemberAdded {
                queue_name: queue_name(),
                user_id: user_id.clone(),
                username: username.clone(),
                interface: interface.clone(),
                corrected: false,
            }),
            CallQueue::MemberRemoved(MemberRemoved {
                queue_name: queue_name(),
                user_id: user_id.clone(),
                username: username.clone(),
                interface: interface.clone(),
                corrected: false,
            }),
            CallQueue::MemberPaused(MemberPaused {
                queue_name: queue_name(),
                user_id: user_id.clone(),
                username: username.clone(),
                interface: interface.clone(),
                reason: Some("Lunch break".into()),
                corrected: false,
            }),
            CallQueue::MemberUnpaused(MemberUnpaused {
                queue_name: queue_name(),
                user_id,
                username,
                interface,
                corrected: false,
            }),
        ]
    }
}
