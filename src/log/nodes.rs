//! Where several nodes write one log: what each hears of the others, and which one has the duties.
//! A log that one node has alone tells its own commits, and the duties are always that node's.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::Error;
use crate::model::{Envelope, NodeId, TenantId};

/// What the log tells as it is committed, by whichever node: of all tenants, each tenant's events in
/// log order, none left out and none twice. Bounded: a reader that stops stops the writer, so it
/// never misses one.
pub type Tail = mpsc::Receiver<Told>;

/// A stretch of the tail.
#[derive(Clone, Debug)]
pub enum Told {
    /// Events.
    Events {
        /// They.
        events: Vec<Arc<Envelope>>,
        /// Whether this node committed them.
        is_own: bool,
    },
    /// Another node changed a tenant's departments or agents, which no event tells.
    StaffChanged(TenantId),
}

/// How nodes that write one log tell each other at once. It is a copy: what gets lost on the way
/// is read from the log.
pub struct LiveCopy {
    /// What this node committed.
    pub outgoing: mpsc::Sender<Copied>,
    /// What others did.
    pub incoming: mpsc::Receiver<Copied>,
}

/// What one commit brought.
#[derive(Clone, Debug, Default)]
pub struct Copied {
    /// Its events.
    pub events: Vec<Arc<Envelope>>,
    /// The tenants whose departments or agents it changed.
    pub staff: Vec<TenantId>,
}

/// The number of duties that never change hands.
pub(super) const ALONE: u64 = 1;

/// What nodes that write one log keep in it about themselves.
#[async_trait]
pub trait Nodes {
    /// Takes over, or keeps for `ttl` more, what only one node may do at a time. Returns a number
    /// that rises whenever the duties change hands ([`super::Change::under`]); `None` while they
    /// are another node's.
    async fn hold_duties(&self, node: NodeId, ttl: Duration) -> Result<Option<u64>, Error>;

    /// Gives the duties up, if they are this node's.
    async fn release_duties(&self, node: NodeId) -> Result<(), Error>;

    /// How far a reader of this name has read a tenant's log
    /// ([`Record::ReadBy`](super::Record::ReadBy)); `None` before it began.
    async fn read_by(&self, tenant: &TenantId, reader: &str) -> Result<Option<u64>, Error>;
}
