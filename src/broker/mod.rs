//! What nodes that serve together tell each other at once.
//!
//! Everything here is a copy or a hint. What must not be lost is in the log or in presence, and
//! whoever missed a word finds it there: the log's reader by the position that is missing, agents
//! by looking again now and then. So nothing here waits, and nothing is told twice. To add a
//! backend: implement [`Broker`] in a new file.

mod local;
pub mod redis;

use std::sync::Arc;

use tokio::sync::mpsc;
use uuid::Uuid;

use crate::model::{AgentStatus, ConnectionInfo, Envelope, Moment, TenantId, UserId};

pub use local::local;

/// What one node tells the others.
#[derive(Clone, Debug)]
pub enum Word {
    /// It committed this.
    Committed {
        /// Events, each tenant's in log order.
        events: Vec<Arc<Envelope>>,
        /// The tenants whose departments or agents changed.
        staff: Vec<TenantId>,
    },
    /// What no log keeps happened: typing, who is online.
    Volatile(Arc<Envelope>),
    /// It heard of an agent.
    Agent {
        /// Whose.
        tenant: TenantId,
        /// Who.
        agent: UserId,
        /// What it heard.
        news: AgentNews,
    },
    /// A connection of that id is to be closed.
    Kick(TenantId, String),
    /// All connections of somebody who may not work here any more are to be closed.
    PutOut(TenantId, UserId),
    /// Who is connected to a tenant?
    WhoIsConnected {
        /// To which.
        tenant: TenantId,
        /// The question's number.
        question: Uuid,
    },
    /// These are.
    Connected {
        /// The question's number.
        question: Uuid,
        /// Connections of the node that answers.
        connections: Vec<ConnectionInfo>,
    },
}

/// What routing needs to know of an agent at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentNews {
    /// Its first connection came.
    Came,
    /// Its last one went.
    Went,
    /// A heartbeat: it is there until then, with this status or the one it had.
    Beat(Moment, Option<AgentStatus>),
    /// It said what it is.
    Declared(AgentStatus),
}

/// What others told, until they are gone.
pub type Heard = mpsc::Receiver<Word>;

/// The line to the other nodes.
pub trait Broker: Send + Sync + 'static {
    /// Tells all other nodes. Never waits; while the line is down, or full, the word is lost.
    fn tell(&self, word: Word);

    /// Whether there are others to tell at all, or may be.
    fn is_shared(&self) -> bool;

    /// Words told since the start, heard, and lost.
    fn words(&self) -> [u64; 3] {
        [0; 3]
    }
}
