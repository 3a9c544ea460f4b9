//! Who is where, counted by connections: two tabs are one user, whose first connection comes and
//! whose last one goes.
//!
//! A backend says only what changed; telling the others is the business of `app`. To add one:
//! implement [`Presence`] in a new file, and let `contract::suite` run on it.

#[cfg(test)]
mod contract;
mod memory;
pub mod redis;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::model::{AgentStatus, ConnId, Member, Moment, NodeId, Place, Role, TenantId, UserId};

/// How long a user may be away and still be told as reconnected (contract 5).
pub const RECONNECT_WINDOW: Duration = Duration::from_secs(30);

/// One connection's entry into a place.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Who.
    pub user: UserId,
    /// As what.
    pub role: Role,
    /// With which connection.
    pub conn: ConnId,
}

/// What an entry changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entered {
    /// The user was not here.
    First {
        /// Since when it counts as here.
        joined_at: Moment,
        /// How long it was away, if it left less than [`RECONNECT_WINDOW`] ago.
        away_ms: Option<u64>,
    },
    /// It was here already, with another connection.
    Another,
    /// It is here with another role, so nothing changed.
    WithRole(Role),
}

/// What a leave changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// That was the user's last connection here.
    Last,
    /// It has others here, or was not here.
    NotLast,
}

/// How many are present.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Conversations with somebody in them.
    pub conversations: usize,
    /// Users with a connection, counted in each tenant.
    pub users: usize,
}

/// What a backend that several nodes share finds out by itself. The log is to agree with it.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// The user's last connection here was one of a node that is gone; told by one node alone, or
    /// again by the next one if that one died over it. The user may have come back meanwhile, to
    /// any node: [`Presence::members`] has to be asked before the log is told.
    Left {
        /// Whose.
        tenant: TenantId,
        /// Where.
        place: Place,
        /// Who, and as what.
        member: Member,
    },
    /// The user is here, with a connection of this node: noted anew, because the backend had
    /// forgotten it.
    Here {
        /// Whose.
        tenant: TenantId,
        /// Where.
        place: Place,
        /// Who, and as what.
        member: Member,
    },
    /// The user's last connection of this node went while the backend did not answer; whether it
    /// has others elsewhere can be asked again now.
    Unsure {
        /// Whose.
        tenant: TenantId,
        /// Where.
        place: Place,
        /// Who, and as what.
        member: Member,
    },
    /// A node is gone, and all of its users were found that the backend knew of. If it had been
    /// emptied shortly before, it may have known of none: whoever is in the log and not in
    /// [`Presence::members`] is gone too.
    NodeLost(NodeId),
}

/// An agent as document 001 keeps it in Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentSheet {
    /// Who.
    pub agent: UserId,
    /// Its name.
    pub name: String,
    /// Its e-mail address.
    pub email: Option<String>,
    /// Its first department, with the name.
    pub department: Option<(Uuid, String)>,
    /// All its departments.
    pub departments: Vec<Uuid>,
    /// What it is; an agent that is offline is not kept.
    pub status: AgentStatus,
    /// When it last gave a sign of life.
    pub last_heartbeat: Option<Moment>,
    /// How many conversations it has.
    pub current_chats: u32,
    /// How many it may have.
    pub max_chats: u32,
}

/// The presence backend did not answer.
#[derive(Debug, thiserror::Error)]
#[error("presence: {0}")]
pub struct Error(pub String);

/// Who is where.
///
/// Contract, checked by `contract::suite`: whatever the order of enters and leaves, exactly one
/// [`Entered::First`] and one [`Left::Last`] bracket a user's stay, and [`Presence::members`]
/// equals the fold of those.
#[async_trait]
pub trait Presence: Send + Sync + 'static {
    /// Notes that a connection came.
    async fn enter(&self, of: &TenantId, place: Place, entry: Entry) -> Result<Entered, Error>;

    /// Notes that it went.
    async fn leave(
        &self,
        of: &TenantId,
        place: Place,
        user: &UserId,
        conn: ConnId,
    ) -> Result<Left, Error>;

    /// Notes that a user left so long ago, as the log of an earlier run tells; it may come back
    /// and be told as reconnected.
    async fn remember_leave(
        &self,
        of: &TenantId,
        place: Place,
        user: &UserId,
        away: Duration,
    ) -> Result<(), Error>;

    /// Who is there, in the order of their ids.
    async fn members(&self, of: &TenantId, place: Place) -> Result<Vec<Member>, Error>;

    /// Who is there, as far as this node knows: all, or while the others cannot be asked those who
    /// have connections of its own.
    async fn members_known(&self, of: &TenantId, place: Place) -> Vec<Member> {
        self.members(of, place).await.unwrap_or_default()
    }

    /// How many are present, with connections of this node.
    async fn counts(&self) -> Result<Counts, Error>;

    /// Whether several nodes share it.
    fn is_shared(&self) -> bool {
        false
    }

    /// Whether it answers now.
    fn is_up(&self) -> bool {
        true
    }

    /// How often it came back since the start, perhaps without what it knew before.
    fn returns(&self) -> u64 {
        0
    }

    /// Keeps this node's own lease, looks after those of others, and tells what it finds. Runs for
    /// ever.
    async fn tend(&self, _found: mpsc::Sender<Finding>) {
        std::future::pending().await
    }

    /// This node is going: its lease ends now, and with it whatever it still holds.
    async fn retire(&self) {}

    /// How many nodes are alive, this one included.
    async fn nodes(&self) -> Result<usize, Error> {
        Ok(1)
    }

    /// Where other nodes reach a node that is alive.
    async fn address_of(&self, _node: NodeId) -> Result<Option<String>, Error> {
        Ok(None)
    }

    /// Keeps what agents are, for whoever reads the backend itself; those that are offline go.
    async fn show_agents(&self, _of: &TenantId, _agents: Vec<AgentSheet>) -> Result<(), Error> {
        Ok(())
    }

    /// Keeps until when an agent is there by its latest heartbeat, for the other nodes.
    async fn note_beat(&self, _of: &TenantId, _who: &UserId, _until: Moment) -> Result<(), Error> {
        Ok(())
    }

    /// Until when agents are there by their latest heartbeats, as any node noted them.
    async fn beats(&self, _of: &TenantId) -> Result<Vec<(UserId, Moment)>, Error> {
        Ok(vec![])
    }

    /// How many connections a user has in a tenant.
    async fn connections_of(&self, of: &TenantId, user: &UserId) -> Result<usize, Error>;

    /// Takes one of `per_minute` turns that all nodes share; how long to wait if there is none.
    /// `None` where nodes share nothing: whoever asks counts by itself.
    async fn take_turn(&self, _of: &str, _per_minute: u32) -> Result<Option<Turn>, Error> {
        Ok(None)
    }

    /// A turn that was taken does not count.
    async fn give_turn_back(&self, _of: &str, _per_minute: u32) -> Result<(), Error> {
        Ok(())
    }
}

/// A turn among all nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It is yours.
    Taken,
    /// Not before so long.
    After(Duration),
}

/// Presence in this process' memory.
pub fn memory() -> Arc<dyn Presence> {
    Arc::new(memory::Memory::default())
}
