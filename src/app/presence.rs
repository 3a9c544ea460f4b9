//! Whether a user is there at all, in whatever conversation: coming, going, and who is told.
//!
//! Volatile: who comes back asks anew, and after a restart everybody comes anew.

use std::sync::Arc;

use super::attendance::presence_fault;
use super::{App, Connection};
use crate::hub::Publication;
use crate::limits::PRESENCE_CONVERSATIONS_MAX;
use crate::model::{AgentStatus, Envelope, Error, Event, Identity, Place, PresenceChanged, Role};
use crate::presence::{Entered, Entry, Left};

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
        if let Entered::First { .. } = entered.map_err(presence_fault)? {
            self.tell_presence(who, AgentStatus::Online).await;
        }
        Ok(())
    }

    /// Notes that it went; told if it was the last.
    pub async fn depart(&self, conn: &Connection) {
        let who = &conn.who;
        let _order = self.order_of(&who.tenant, &who.subject).lock().await;
        match self.presence.leave(&who.tenant, Place::Tenant, &who.subject, conn.id).await {
            Ok(Left::Last) => self.tell_presence(who, AgentStatus::Offline).await,
            Ok(Left::NotLast) => {}
            Err(err) => tracing::warn!(error = %err, "a leave was not noted"),
        }
    }

    async fn tell_presence(&self, who: &Identity, status: AgentStatus) {
        let conversations = match who.role {
            Role::Agent | Role::Admin => {
                let limit = PRESENCE_CONVERSATIONS_MAX;
                let found = self.log.assigned_to(&who.tenant, &who.subject, limit).await;
                // Its customers are not told then; they would not be by a slow line either.
                found.map_err(|e| self.fault(e)).unwrap_or_default()
            }
            _ => vec![],
        };
        let changed = PresenceChanged { user_id: who.subject.clone(), status, conversations };
        let envelope = Envelope::volatile(who.tenant.clone(), Event::PresenceChanged(changed));
        self.hub.publish(&Publication::new(Arc::new(envelope)));
    }
}
