//! Payloads of `call.*`: what a telephone system reports of its calls. A call is known by the
//! `unique_id` that system gave it; nothing here decides where it goes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::STAFF;
use crate::model::UserId;

catalogue! {
    /// What the telephone system reports.
    pub enum Call {
        /// A call came in.
        "call.incoming" CallIncoming: durable, STAFF, posted, "document 004";
        /// An agent took it.
        "call.answered" CallAnswered: durable, STAFF, posted, "document 004";
        /// It ended, answered or not.
        "call.ended" CallEnded: durable, STAFF, posted, "document 004";
        /// It was given to another destination.
        "call.transferred" CallTransferred: durable, STAFF, posted, "document 004";
        /// It was put on hold.
        "call.hold" CallHold: durable, STAFF, posted, "document 004";
        /// It is talked in again.
        "call.unhold" CallUnhold: durable, STAFF, posted, "document 004";
    }
    families {}
}

/// Payload of `call.incoming`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CallIncoming {
    /// The call, as the telephone system names it.
    #[schema(max_length = 128)]
    pub unique_id: String,
    /// The number that calls.
    pub caller_id: String,
    /// The caller's name, if the line shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller_name: Option<String>,
    /// The number that was called.
    pub destination: String,
    /// The queue it goes to, if it goes to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_name: Option<String>,
    /// Whether it was found out afterwards, because the line to the telephone system was down.
    #[serde(default, skip_serializing_if = "is_false")]
    pub corrected: bool,
}

/// Payload of `call.answered`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CallAnswered {
    /// The call, as the telephone system names it.
    #[schema(max_length = 128)]
    pub unique_id: String,
    /// Who took it.
    pub agent_id: UserId,
    /// The agent's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_name: Option<String>,
    /// The queue it came from, if it came from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_name: Option<String>,
    /// Whether it was found out afterwards, because the line to the telephone system was down.
    #[serde(default, skip_serializing_if = "is_false")]
    pub corrected: bool,
}

/// Payload of `call.ended`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CallEnded {
    /// The call, as the telephone system names it.
    #[schema(max_length = 128)]
    pub unique_id: String,
    /// Seconds it lasted, from its beginning; 0 if it is not known.
    pub duration: u64,
    /// Who had it, if somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<UserId>,
    /// Why it ended, in the telephone system's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether it was found out afterwards, because the line to the telephone system was down.
    #[serde(default, skip_serializing_if = "is_false")]
    pub corrected: bool,
}

/// How a call was given away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TransferKind {
    /// Without asking at the destination.
    Blind,
    /// After talking to the destination.
    Attended,
}

/// Payload of `call.transferred`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CallTransferred {
    /// The call, as the telephone system names it.
    #[schema(max_length = 128)]
    pub unique_id: String,
    /// Where it goes.
    pub new_destination: String,
    /// Who gave it away, if an agent did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<UserId>,
    /// How.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<TransferKind>,
    /// Whether it was found out afterwards, because the line to the telephone system was down.
    #[serde(default, skip_serializing_if = "is_false")]
    pub corrected: bool,
}

/// Payload of `call.hold`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CallHold {
    /// The call, as the telephone system names it.
    #[schema(max_length = 128)]
    pub unique_id: String,
    /// Who put it on hold, if an agent did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<UserId>,
    /// The agent's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_name: Option<String>,
}

/// Payload of `call.unhold`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CallUnhold {
    /// The call, as the telephone system names it.
    #[schema(max_length = 128)]
    pub unique_id: String,
    /// Who goes on with it, if an agent does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<UserId>,
    /// The agent's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_name: Option<String>,
}

pub(super) fn is_false(value: &bool) -> bool {
    !*value
}

impl Call {
    /// The call it is about.
    pub fn unique_id(&self) -> &str {
        match self {
            Call::CallIncoming(e) => &e.unique_id,
            Call::CallAnswered(e) => &e.unique_id,
            Call::CallEnded(e) => &e.unique_id,
            Call::CallTransferred(e) => &e.unique_id,
            Call::CallHold(e) => &e.unique_id,
            Call::CallUnhold(e) => &e.unique_id,
        }
    }

    /// One of each.
    pub(super) fn samples(agent: &UserId) -> Vec<Call> {
        let unique_id = || "1737714600.42".to_owned();
        let (agent_id, agent_name) = (Some(agent.clone()), Some("Sari".to_owned()));
        vec![
            Call::CallIncoming(CallIncoming {
                unique_id: unique_id(),
                caller_id: "+6281234567890".into(),
                caller_name: Some("Budi".into()),
                destination: "1500".into(),
                queue_name: Some("support".into()),
                corrected: false,
            }),
            Call::CallAnswered(CallAnswered {
                unique_id: unique_id(),
                agent_id: agent.clone(),
                agent_name: agent_name.clone(),
                queue_name: Some("support".into()),
                corrected: false,
            }),
            Call::CallEnded(CallEnded {
                unique_id: unique_id(),
                duration: 185,
                agent_id: agent_id.clone(),
                reason: Some("Normal Clearing".into()),
                corrected: false,
            }),
            Call::CallTransferred(CallTransferred {
                unique_id: unique_id(),
                new_destination: "1002".into(),
                agent_id: agent_id.clone(),
                kind: Some(TransferKind::Blind),
                corrected: false,
            }),
            Call::CallHold(CallHold {
                unique_id: unique_id(),
                agent_id: agent_id.clone(),
                agent_name: agent_name.clone(),
            }),
            Call::CallUnhold(CallUnhold { unique_id: unique_id(), agent_id, agent_name }),
        ]
    }
}
