//! Whether a user is there at all, in whatever conversation: coming, going, and who is told.
//!
//! Volatile: who comes back asks anew, and after a restart everybody comes anew.

use super::attendance::presence_fault;
use super::{App, Connection};
use crate::model::{Error, Identity, Place, Role};
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
        let entered = entered.map_err(presence_fault)?;
        if is_staff(who) {
            self.note_socket(&who.tenant, &who.subject, true);
        }
        if let Entered::First { .. } = entered {
            self.tell_presence(who, true).await;
        }
        Ok(())
    }

    /// Notes that it went; told if it was the last.
    pub async fn depart(&self, conn: &Connection) {
        let who = &conn.who;
        let _order = self.order_of(&who.tenant, &who.subject).lock().await;
        let left = self.presence.leave(&who.tenant, Place::Tenant, &who.subject, conn.id).await;
        if is_staff(who) {
            self.note_socket(&who.tenant, &who.subject, false);
        }
        match left {
            Ok(Left::Last) => self.tell_presence(who, false).await,
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
