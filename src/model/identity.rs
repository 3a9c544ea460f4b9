//! Who is speaking, for which tenant, and in what role. Ids are checked when they are made, so
//! that everything below can rely on their alphabet.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;
use uuid::Uuid;

use super::EventSet;

/// Longest id of a user, tenant or external conversation, in characters (contract 1).
pub const ID_CHARS_MAX: usize = 128;

/// An id that does not fit its alphabet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id has 1 to {ID_CHARS_MAX} characters of A-Z a-z 0-9 _ . : @ -")]
pub struct BadId;

fn is_id(text: &str) -> bool {
    (1..=ID_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.:@-".contains(&b))
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, ToSchema)]
        #[serde(try_from = "String")]
        #[schema(
            value_type = String, min_length = 1, max_length = 128,
            pattern = "^[A-Za-z0-9_.:@-]+$"
        )]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id, if it fits the alphabet.
            pub fn parse(text: &str) -> Result<$name, BadId> {
                if is_id(text) { Ok($name(text.into())) } else { Err(BadId) }
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadId;
            fn try_from(text: String) -> Result<$name, BadId> {
                $name::parse(&text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.as_str())
            }
        }
    };
}

id!(
    /// One customer company. Nothing ever crosses from one tenant to another.
    TenantId
);
id!(
    /// A person or program within a tenant.
    UserId
);
id!(
    /// A name another system gave a conversation (`conv-123`), unique in the tenant.
    ExternalId
);

impl TenantId {
    /// The tenant of a token that names none.
    pub fn default_tenant() -> TenantId {
        TenantId("default".into())
    }

    /// Whether this is the tenant whose admins make other tenants.
    pub fn is_default(&self) -> bool {
        self.as_str() == "default"
    }
}

impl UserId {
    /// The bot's own. Nobody else speaks under it: what is said by it counts as the bot's answer.
    pub fn bot() -> UserId {
        UserId("bot".into())
    }

    /// Whether it is the bot's own.
    pub fn is_bot(&self) -> bool {
        self.as_str() == "bot"
    }
}

/// One talk between a customer and agents. The session dialect calls it a session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct ConversationId(pub Uuid);

impl ConversationId {
    /// A fresh random id.
    pub fn random() -> ConversationId {
        ConversationId(Uuid::new_v4())
    }

    /// Reads the hyphenated or the simple form; anything else is no id.
    pub fn parse(text: &str) -> Option<ConversationId> {
        Uuid::try_parse(text).ok().filter(|_| matches!(text.len(), 32 | 36)).map(ConversationId)
    }
}

/// How a client names a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConversationName {
    /// By its id.
    Id(ConversationId),
    /// By its id or by a name another system gave it, as written.
    Given(ExternalId),
    /// Not at all: the one conversation the connection takes part in.
    Here,
}

impl From<ConversationId> for ConversationName {
    fn from(id: ConversationId) -> ConversationName {
        ConversationName::Id(id)
    }
}

impl fmt::Display for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One open socket of this node. A user may hold several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub u64);

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}", self.0)
    }
}

/// What a speaker is allowed to do (contract 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Writes from a widget, in its own conversations.
    Customer,
    /// Answers customers.
    Agent,
    /// Sees everything of its tenant; observes conversations.
    Admin,
    /// Answers by itself until a person takes over.
    Bot,
    /// Another program, limited by scopes.
    Service,
}

impl Role {
    /// The role as tokens and frames name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Customer => "customer",
            Role::Agent => "agent",
            Role::Admin => "admin",
            Role::Bot => "bot",
            Role::Service => "service",
        }
    }

    /// Reads a role's name.
    pub fn parse(text: &str) -> Option<Role> {
        [Role::Customer, Role::Agent, Role::Admin, Role::Bot, Role::Service]
            .into_iter()
            .find(|role| role.as_str() == text)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an API key may do (contract 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub enum Scope {
    /// Post events.
    #[serde(rename = "events:write")]
    EventsWrite,
    /// Read the log.
    #[serde(rename = "events:read")]
    EventsRead,
    /// Send messages into any conversation of the tenant.
    #[serde(rename = "messages:write")]
    MessagesWrite,
    /// Whatever an admin of the tenant may do.
    #[serde(rename = "admin")]
    Admin,
}

/// An authenticated speaker. Made only by `app::identity`, never from a payload.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The tenant this speaker belongs to.
    pub tenant: TenantId,
    /// The name it goes by in conversations. Equals `subject`, except on the session path, where
    /// document 002 lets `admin_456` stand for the subject `456`.
    pub user: UserId,
    /// The id in its token; what conversations are assigned to.
    pub subject: UserId,
    /// Its role: what it may do.
    pub role: Role,
    /// As what it takes part in conversations. Equals `role`, except for an admin who answers
    /// customers as an agent.
    pub user_type: Role,
    /// A name to show, if known.
    pub name: Option<Arc<str>>,
    /// Departments an agent works in, the first being the one shown.
    pub departments: Arc<[Uuid]>,
    /// Conversations a customer's token names as its own.
    pub conversations: Arc<[ConversationId]>,
    /// Scopes of a service.
    pub scopes: Arc<[Scope]>,
    /// The events it may post and hear at all; all but for a key that is narrowed.
    pub events: EventSet,
    /// When its token ends, in seconds of Unix time; `None` for API keys and open sessions.
    pub expires_at: Option<i64>,
    /// Believed without a token, because `auth.open_sessions` is on.
    pub is_open: bool,
}

impl Identity {
    /// Whether the speaker may do what an admin of its tenant may.
    pub fn is_admin(&self) -> bool {
        self.role == Role::Admin
            || (self.role == Role::Service && self.scopes.contains(&Scope::Admin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_outside_the_alphabet_is_refused() {
        for bad in ["", "a b", "ä", "a/b", &"x".repeat(129)] {
            assert_eq!(UserId::parse(bad), Err(BadId), "{bad:?}");
        }
        assert!(UserId::parse("user_1.a:b@c-d").is_ok());
    }

    #[test]
    fn a_conversation_id_has_the_hyphenated_or_the_simple_form() {
        let id = ConversationId::random();
        assert_eq!(ConversationId::parse(&id.to_string()), Some(id));
        assert_eq!(ConversationId::parse(&id.0.simple().to_string()), Some(id));
        for bad in ["session_123", "", "{550e8400-e29b-41d4-a716-446655440000}"] {
            assert_eq!(ConversationId::parse(bad), None, "{bad:?}");
        }
    }
}
