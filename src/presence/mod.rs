//! Who is where, counted by connections: two tabs are one user, whose first connection comes and
//! whose last one goes.
//!
//! A backend says only what changed; telling the others is the business of `app`. To add one:
//! implement [`Presence`] in a new file, and let `contract::suite` run on it.

#[cfg(test)]
mod contract;
mod memory;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::model::{ConnId, Member, Moment, Place, Role, TenantId, UserId};

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

    /// How many are present.
    async fn counts(&self) -> Result<Counts, Error>;
}

/// Presence in this process' memory.
pub fn memory() -> Arc<dyn Presence> {
    Arc::new(memory::Memory::default())
}
