//! Payloads of what is of no conversation: for one user, or for a whole tenant.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Payload of `notification`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    /// For whom. It is kept for a user who is offline.
    pub user_id: String,
    /// Its id, a UUID, by which it is marked as read; the server's own if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notification_id: Option<String>,
    /// What it is about, a word for programs: `ticket_assigned`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// A line to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The text below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Whatever its sender attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Map<String, Value>>,
}

/// Payload of `alert`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// A line to show.
    pub title: String,
    /// The text below it.
    pub body: String,
    /// What it is about, a word for programs: `maintenance`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Whatever its sender attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Map<String, Value>>,
}
