//! Payloads of `chat.*`. Of a conversation that the server keeps they are the real thing, stored and
//! heard in every dialect; of one it does not know they are an announcement.

use serde::{Deserialize, Serialize};

/// As what somebody writes or types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SenderType {
    /// Whom document 004 calls a visitor.
    #[default]
    #[serde(alias = "visitor")]
    Customer,
    /// Who answers.
    Agent,
    /// Who supervises.
    Admin,
    /// Who answers by itself.
    Bot,
    /// Another program.
    Service,
}

/// Payload of `chat.session.started`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatSessionStarted {
    /// The conversation, as its system names it; at most 128 characters.
    pub session_id: String,
    /// The name the customer gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visitor_name: Option<String>,
    /// The e-mail address the customer gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visitor_email: Option<String>,
}

/// Payload of `chat.message`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatMessage {
    /// The conversation, as its system names it; at most 128 characters.
    pub session_id: String,
    /// The message, as its system names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Who said it.
    pub sender_id: String,
    /// As what.
    pub sender_type: SenderType,
    /// The sender's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender_name: Option<String>,
    /// The text.
    pub body: String,
}

/// Payload of `chat.session.ended`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatSessionEnded {
    /// The conversation, as its system names it; at most 128 characters.
    pub session_id: String,
}

/// Payload of `chat.transferred`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatTransferred {
    /// The conversation, as its system names it; at most 128 characters.
    pub session_id: String,
    /// The agent who had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_agent_id: Option<String>,
    /// The agent who has it now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_agent_id: Option<String>,
    /// The department that has it now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_department_id: Option<String>,
}

/// Payload of `chat.typing`. Volatile: a slow listener may miss one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatTyping {
    /// The conversation, as its system names it; at most 128 characters.
    pub session_id: String,
    /// Who types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// As what.
    pub sender_type: SenderType,
    /// The typist's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(rename = "sender_name")]
    pub name: Option<String>,
    /// Started or stopped.
    pub is_typing: bool,
}
