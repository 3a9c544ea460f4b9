//! Who is where: the words of connection status.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ConversationId, Moment, Role, TenantId, UserId};

/// A user who is present, however many connections it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Who.
    pub user_id: UserId,
    /// As what.
    pub user_type: Role,
    /// Since when.
    pub joined_at: Moment,
}

/// Where a user can be present.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// Anywhere in the tenant.
    Tenant,
    /// At work: an agent or an admin, with a connection that proved whose it is.
    Work,
    /// In a conversation.
    Conversation(ConversationId),
}

/// Who is connected to a conversation, in the shape of document 000.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct ConnectionStatus {
    /// User id to user. Customers, agents and admins.
    pub users: BTreeMap<UserId, ConnectedUser>,
    /// Whether a customer is here.
    pub customer_connected: bool,
    /// Whether an agent is here; an observing admin does not count.
    pub agent_connected: bool,
    /// How many customers.
    pub total_customer: u64,
    /// How many agents.
    pub total_agent: u64,
}

/// One entry of [`ConnectionStatus::users`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ConnectedUser {
    /// Who.
    pub user_id: UserId,
    /// As what.
    pub user_type: Role,
    /// Since when, RFC 3339 with seconds.
    pub joined_at: String,
}

impl ConnectionStatus {
    /// The status of a place with these members.
    pub fn of(members: &[Member]) -> ConnectionStatus {
        let count = |role| members.iter().filter(|m| m.user_type == role).count() as u64;
        let (total_customer, total_agent) = (count(Role::Customer), count(Role::Agent));
        ConnectionStatus {
            users: members
                .iter()
                .map(|m| {
                    let user = ConnectedUser {
                        user_id: m.user_id.clone(),
                        user_type: m.user_type,
                        joined_at: m.joined_at.to_seconds_string(),
                    };
                    (m.user_id.clone(), user)
                })
                .collect(),
            customer_connected: total_customer > 0,
            agent_connected: total_agent > 0,
            total_customer,
            total_agent,
        }
    }
}

/// An open connection, as its admin sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ConnectionInfo {
    /// Its number on this node.
    #[schema(example = "c7")]
    pub connection_id: String,
    /// How it talks.
    #[schema(example = "session")]
    pub dialect: &'static str,
    /// Whose.
    #[serde(skip)]
    pub tenant: TenantId,
    /// Who.
    pub user_id: UserId,
    /// As what.
    pub role: Role,
    /// In which conversation, where the connection is opened for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<ConversationId>,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub connected_at: Moment,
    /// Events that wait for it: its lag.
    pub queued: usize,
}
