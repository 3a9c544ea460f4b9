//! State that no event shows, as a change carries it: secrets' digests, administration, and where
//! connections are.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{DeliveryTried, Webhook, WebhookRead};
use crate::model::{
    AgentRecord, ConversationId, ExternalId, FaqEntry, Moment, Role, Scope, UserId,
};

/// State that no event shows: secrets' digests and administration.
#[derive(Clone, Debug)]
pub enum Record {
    /// The digest of a conversation's session key.
    SessionKey(ConversationId, [u8; 32]),
    /// A tenant's name; the tenant itself begins with its first change.
    Tenant(String),
    /// A department.
    Department(Department),
    /// A department that is gone.
    DepartmentRemoved(Uuid),
    /// A local user.
    Agent(Agent),
    /// A local user that is gone. It is remembered that there was one, so that a token that still
    /// counts does not make it anew.
    AgentRemoved(UserId),
    /// An API key.
    ApiKey(ApiKey),
    /// An API key that counts no longer.
    ApiKeyRevoked(Uuid),
    /// Where a connection is, or was, that may be taken up again.
    Recovery(Recovery),
    /// An entry of the FAQ, new or changed.
    Faq(FaqEntry),
    /// An entry of the FAQ that is gone.
    FaqRemoved(Uuid),
    /// What an agent is.
    AgentState(AgentRecord),
    /// Until when agents are there, by their latest heartbeats.
    Beats(Vec<(UserId, Moment)>),
    /// Whether it was told that a department has no agent; `false` once it has one again.
    DepartmentAlert(Uuid, bool),
    /// That a user was told of its notifications up to here.
    NoticesDelivered(UserId, u64),
    /// A webhook, new or changed; how far it has read counts for a new one alone.
    Webhook(Webhook),
    /// A webhook that is gone, and its deliveries with it.
    WebhookRemoved(Uuid),
    /// How far a webhook has read.
    WebhookRead(WebhookRead),
    /// What became of a delivery.
    DeliveryTried(DeliveryTried),
    /// Deliveries of a webhook, by the positions of their events, that go out as if they had never
    /// been tried; those that are pending stay as they are.
    DeliveriesRevived(Uuid, Vec<u64>),
    /// How far a reader of this name has read.
    ReadBy(&'static str, u64),
}

/// What a connection needs to go on where it was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// Random; given to the client.
    pub id: Uuid,
    /// Whose connection; nobody else's may take it up.
    pub user: UserId,
    /// The conversations it takes part in.
    pub rooms: Vec<RecoveredRoom>,
    /// When it ended; `None` while it is open, and after a crash.
    pub ended_at: Option<Moment>,
}

/// A conversation a connection takes part in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveredRoom {
    /// Which.
    pub id: ConversationId,
    /// What the client calls it, if not by its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<ExternalId>,
    /// If the connection is, or was, being told of its past: how far it was told at first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<u64>,
    /// Once all of that past was told: a client with a later offset has it, others may not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub past_until: Option<u64>,
}

/// A department of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Department {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// How its conversations are routed, the text of a JSON object; `None` is the default. It says
    /// only what was set, so that what was not follows the defaults of the program.
    pub routing: Option<String>,
}

/// A local user: an agent or an admin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Its id.
    pub id: UserId,
    /// Agent or admin.
    pub role: Role,
    /// Its name.
    pub name: String,
    /// Its e-mail address, by which it logs in.
    pub email: Option<String>,
    /// Its argon2id hash, a PHC string.
    pub password: Option<String>,
    /// Its departments.
    pub departments: Vec<Uuid>,
    /// How many conversations it may have at once.
    pub max_chats: u32,
    /// What it can do, in lower case.
    pub skills: Vec<String>,
    /// What it speaks, in lower case.
    pub languages: Vec<String>,
    /// Its telephone's extension, by which a telephone system knows it.
    pub extension: Option<String>,
    /// May neither log in nor be assigned.
    pub is_disabled: bool,
    /// When it was made.
    pub created_at: Moment,
}

/// An API key, without the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: Uuid,
    /// What it is for.
    pub name: String,
    /// SHA-256 of the key.
    pub digest: [u8; 32],
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// The patterns of the events it may post and hear; `*` is all.
    pub events: Vec<String>,
    /// When it was made.
    pub created_at: Moment,
}
