//! Payloads of `call.*`: what a telephone system reports of its calls. A call is known by the
//! `unique_id` that system gave it.

use serde::{Deserialize, Serialize};

use super::is_false;

/// Payload of `call.incoming`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallIncoming {
    /// The call, as the telephone system names it; at most 128 characters.
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallAnswered {
    /// The call, as the telephone system names it; at most 128 characters.
    pub unique_id: String,
    /// Who took it.
    pub agent_id: String,
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallEnded {
    /// The call, as the telephone system names it; at most 128 characters.
    pub unique_id: String,
    /// Seconds it lasted, from its beginning; 0 if it is not known.
    pub duration: u64,
    /// Who had it, if somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// Why it ended, in the telephone system's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether it was found out afterwards, because the line to the telephone system was down.
    #[serde(default, skip_serializing_if = "is_false")]
    pub corrected: bool,
}

/// How a call was given away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransferKind {
    /// Without asking at the destination.
    Blind,
    /// After talking to the destination.
    Attended,
}

/// Payload of `call.transferred`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallTransferred {
    /// The call, as the telephone system names it; at most 128 characters.
    pub unique_id: String,
    /// Where it goes.
    pub new_destination: String,
    /// Who gave it away, if an agent did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// How.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<TransferKind>,
    /// Whether it was found out afterwards, because the line to the telephone system was down.
    #[serde(default, skip_serializing_if = "is_false")]
    pub corrected: bool,
}

/// Payload of `call.hold`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallHold {
    /// The call, as the telephone system names it; at most 128 characters.
    pub unique_id: String,
    /// Who put it on hold, if an agent did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// The agent's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_name: Option<String>,
}

/// Payload of `call.unhold`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallUnhold {
    /// The call, as the telephone system names it; at most 128 characters.
    pub unique_id: String,
    /// Who goes on with it, if an agent does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// The agent's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_name: Option<String>,
}
