//! Whether a user is there at all, in whatever conversation: coming, going, and who is told.
//!
//! Volatile: who comes back asks anew, and after a restart everybody comes anew.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use lru::LruCache;

use super::attendance::presence_fault;
use super::{App, Connection};
use crate::broker::AgentNews;
use crate::limits::DEPARTURES_KNOWN_MAX;
use crate::model::{AgentStatus, Error, Identity, Moment, Place, Role, TenantId, UserId};
use crate::presence::{Entered, Entry, Left};

/// What a user is, and since when nothing was heard of it.
pub struct Sighting {
    /// What it is.
    pub status: AgentStatus,
    /// When it last gave a sign of life, if that is known.
    pub last_seen: Option<Moment>,
}

/// When users went last. Of the latest alone; after a restart of nobody.
pub(super) struct Departures(Mutex<LruCache<(TenantId, UserId), Moment>>);

impl Default for Departures {
    fn default() -> Departures {
        let capacity = NonZeroUsize::new(DEPARTURES_KNOWN_MAX).unwrap_or(NonZeroUsize::MIN);
        // Grows as it fills.
        let mut known = LruCache::unbounded();
        known.resize(capacity);
        Departures(Mutex::new(known))
    }
}

impl Departures {
    fn note(&self, tenant: &TenantId, user: &UserId) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.put((tenant.clone(), user.clone()), Moment::now());
    }

    fn of(&self, tenant: &TenantId, user: &UserId) -> Option<Moment> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&(tenant.clone(), user.clone())).copied()
    }
}

impl App {
    /// Notes that a connection of a user came; told if it is the first in the tenant.
    ///
    /// # Errors
    /// 500 when presence does not answer.
    pub async fn arrive(&self, conn: &Connection) -> Result<(), Error> {
        let who = &conn.who;
        let entry = Entry { user: who.subject.clone(), role: who.role, conn: conn.id };
        let _order = self.order_of(&who.tenant, &who.subject).lock().await;
        let entered = self.presence.enter(&who.tenant, Place::Tenant, entry).await;
        let entered = entered.map_err(presence_fault)?;
        self.begin_work(conn).await;
        if let Entered::First { .. } = entered {
            self.tell_presence_of(&who.tenant, &who.subject, who.role, true).await;
        }
        Ok(())
    }

    /// The first socket that comes and the last that goes are news to routing.
    async fn begin_work(&self, conn: &Connection) {
        let who = &conn.who;
        if !is_staff(who) {
            return;
        }
        let entry = Entry { user: who.subject.clone(), role: Role::Agent, conn: conn.id };
        let entered = self.presence.enter(&who.tenant, Place::Work, entry).await;
        if let Ok(Entered::First { .. }) = entered {
            self.tell_of_agent(&who.tenant, &who.subject, AgentNews::Came);
        }
    }

    async fn end_work(&self, conn: &Connection) {
        let who = &conn.who;
        if !is_staff(who) {
            return;
        }
        let left = self.presence.leave(&who.tenant, Place::Work, &who.subject, conn.id).await;
        if let Ok(Left::Last) = left {
            self.tell_of_agent(&who.tenant, &who.subject, AgentNews::Went);
        }
    }

    /// What a user is, and when it last gave a sign of life. An agent is what routing says, so
    /// that it is the same everywhere.
    pub fn sighting(&self, tenant: &TenantId, user: &UserId, is_connected: bool) -> Sighting {
        let agent = self.ask_engine(tenant, |engine, now| engine.agent(now, user)).flatten();
        let left_at = self.0.departures.of(tenant, user);
        let online = if is_connected { AgentStatus::Online } else { AgentStatus::Offline };
        let status = agent.as_ref().map_or(online, |agent| agent.status);
        let seen = agent.and_then(|agent| agent.last_seen).max(left_at);
        Sighting { status, last_seen: if is_connected { Some(Moment::now()) } else { seen } }
    }

    /// Notes that it went; told if it was the last.
    pub async fn depart(&self, conn: &Connection) {
        let who = &conn.who;
        self.0.departures.note(&who.tenant, &who.subject);
        let _order = self.order_of(&who.tenant, &who.subject).lock().await;
        let left = self.presence.leave(&who.tenant, Place::Tenant, &who.subject, conn.id).await;
        self.end_work(conn).await;
        match left {
            Ok(Left::Last) => {
                self.tell_presence_of(&who.tenant, &who.subject, who.role, false).await;
            }
            Ok(Left::NotLast) => {}
            Err(err) => tracing::warn!(error = %err, "a leave was not noted"),
        }
    }
}

/// An agent's sockets keep it alive, as its heartbeats do (document 001); those alone that proved
/// whose they are.
fn is_staff(who: &Identity) -> bool {
    matches!(who.role, Role::Agent | Role::Admin) && !who.is_open
}
