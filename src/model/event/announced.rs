//! Payloads of what a producer says of chats and agents that live elsewhere: told to those who may
//! hear it, kept in the log, and followed by nothing. Listeners know them by the name of the real
//! thing, and by `announced`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

use super::STAFF;
use crate::model::Role;

catalogue! {
    /// What a producer says of chats and agents that are not kept here.
    pub enum Announced {
        /// A conversation of another system began.
        "chat.session.started.announced" SessionStartedAnnounced: durable, STAFF, posted, "document 004";
        /// Something was said there.
        "chat.message.announced" MessageAnnounced: durable, STAFF, posted, "document 004";
        /// It ended.
        "chat.session.ended.announced" SessionEndedAnnounced: durable, STAFF, posted, "document 004";
        /// It was given to another there.
        "chat.transferred.announced" TransferAnnounced: durable, STAFF, posted, "document 004";
        /// Somebody types there, or stopped.
        "chat.typing.announced" TypingAnnounced: volatile, STAFF, posted, "document 004";
        /// An agent is something else in another system; whether it can be reached here does not
        /// change.
        "agent.state.changed.announced" AgentStateAnnounced: durable, STAFF, posted, "document 004";
    }
    families {}
}

/// `true`, wherever it is written: it marks what was announced only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IsAnnounced;

impl Serialize for IsAnnounced {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(true)
    }
}

fn always_true() -> Schema {
    let only = ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([true]));
    only.description(Some("Always `true`; producers need not say it.")).into()
}

impl<'de> Deserialize<'de> for IsAnnounced {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<IsAnnounced, D::Error> {
        match bool::deserialize(deserializer)? {
            true => Ok(IsAnnounced),
            false => Err(serde::de::Error::custom("expected true, or nothing")),
        }
    }
}

/// Payload of `chat.session.started` of a conversation that is not kept here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SessionStartedAnnounced {
    /// The conversation, as its system names it.
    #[schema(max_length = 128)]
    pub session_id: String,
    /// The name the customer gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visitor_name: Option<String>,
    /// The e-mail address the customer gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visitor_email: Option<String>,
    /// Always `true`.
    #[serde(default)]
    #[schema(required, schema_with = always_true)]
    pub announced: IsAnnounced,
}

/// Payload of `chat.message` of a conversation that is not kept here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MessageAnnounced {
    /// The conversation, as its system names it.
    #[schema(max_length = 128)]
    pub session_id: String,
    /// The message, as its system names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Who said it.
    #[schema(max_length = 128)]
    pub sender_id: String,
    /// As what: `customer` (or `visitor`), `agent`, `admin`, `bot`, `service`.
    #[serde(deserialize_with = "sender_type")]
    pub sender_type: Role,
    /// The sender's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender_name: Option<String>,
    /// The text.
    pub body: String,
    /// The producer's own id for it, by which a repeat is known in a conversation that is kept here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Always `true`.
    #[serde(default)]
    #[schema(required, schema_with = always_true)]
    pub announced: IsAnnounced,
}

/// Payload of `chat.session.ended` of a conversation that is not kept here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SessionEndedAnnounced {
    /// The conversation, as its system names it.
    #[schema(max_length = 128)]
    pub session_id: String,
    /// Always `true`.
    #[serde(default)]
    #[schema(required, schema_with = always_true)]
    pub announced: IsAnnounced,
}

/// Payload of `chat.transferred` of a conversation that is not kept here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TransferAnnounced {
    /// The conversation, as its system names it.
    #[schema(max_length = 128)]
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
    /// What one agent tells the next; customers do not hear it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Always `true`.
    #[serde(default)]
    #[schema(required, schema_with = always_true)]
    pub announced: IsAnnounced,
}

/// Payload of `chat.typing` of a conversation that is not kept here. Volatile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TypingAnnounced {
    /// The conversation, as its system names it.
    #[schema(max_length = 128)]
    pub session_id: String,
    /// Who types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// As what: `customer` (or `visitor`), `agent`, `admin`, `bot`, `service`.
    #[serde(deserialize_with = "sender_type")]
    pub sender_type: Role,
    /// The typist's name.
    #[serde(rename = "sender_name", alias = "name")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Started or stopped.
    pub is_typing: bool,
    /// Always `true`.
    #[serde(default)]
    #[schema(required, schema_with = always_true)]
    pub announced: IsAnnounced,
}

/// Payload of `agent.state.changed` as another system says it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AgentStateAnnounced {
    /// Who.
    #[schema(max_length = 128)]
    pub user_id: String,
    /// The agent's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// What it is there: `break`.
    pub state: String,
    /// Why: `Lunch break`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The agent's telephone extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension: Option<String>,
    /// Always `true`.
    #[serde(default)]
    #[schema(required, schema_with = always_true)]
    pub announced: IsAnnounced,
}

/// Document 004 calls customers visitors.
fn sender_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Role, D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
    match text.as_ref() {
        "visitor" => Ok(Role::Customer),
        role => Role::parse(role).ok_or_else(|| {
            serde::de::Error::custom("expected customer, visitor, agent, admin, bot or service")
        }),
    }
}

impl Announced {
    /// One of each.
    pub(super) fn samples() -> Vec<Announced> {
        let session_id = || "session_123".to_owned();
        vec![
            Announced::SessionStartedAnnounced(SessionStartedAnnounced {
                session_id: session_id(),
                visitor_name: Some("Budi".into()),
                visitor_email: Some("budi@example.com".into()),
                announced: IsAnnounced,
            }),
            Announced::MessageAnnounced(MessageAnnounced {
                session_id: session_id(),
                message_id: Some("msg_1".into()),
                sender_id: "agent_456".into(),
                sender_type: Role::Agent,
                sender_name: Some("Sari".into()),
                body: "Hello".into(),
                client_id: None,
                announced: IsAnnounced,
            }),
            Announced::SessionEndedAnnounced(SessionEndedAnnounced {
                session_id: session_id(),
                announced: IsAnnounced,
            }),
            Announced::TransferAnnounced(TransferAnnounced {
                session_id: session_id(),
                from_agent_id: Some("agent_456".into()),
                to_agent_id: Some("agent_789".into()),
                to_department_id: None,
                note: None,
                announced: IsAnnounced,
            }),
            Announced::TypingAnnounced(TypingAnnounced {
                session_id: session_id(),
                user_id: None,
                sender_type: Role::Agent,
                name: Some("Sari".into()),
                is_typing: true,
                announced: IsAnnounced,
            }),
            Announced::AgentStateAnnounced(AgentStateAnnounced {
                user_id: "agent_456".into(),
                username: Some("Sari".into()),
                state: "break".into(),
                reason: Some("Lunch break".into()),
                extension: None,
                announced: IsAnnounced,
            }),
        ]
    }
}
