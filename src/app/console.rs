//! Consoles: connections that hear a whole tenant as far as their role goes, and what connections
//! of the hub want to hear.

use super::{App, Connection, Resume, Seat};
use crate::log::Change;
use crate::model::{Cursor, Error, EventSet, Identity, Reply, Role, Scope, Subscribed};

use super::audit::audit_entry;

impl App {
    /// Decides whether somebody may open a console, and keeps a seat for it. An admin's hears what
    /// is said in every conversation, so it is in the audit trail (contract 4).
    ///
    /// # Errors
    /// 403 for customers, bots, and keys that may not read; 429.
    pub async fn open_console(
        &self,
        who: &Identity,
        objection: Option<Error>,
    ) -> Result<Seat, Error> {
        let refusal = match who.role {
            Role::Agent | Role::Admin => None,
            Role::Service if who.is_admin() || who.scopes.contains(&Scope::EventsRead) => None,
            Role::Service => Some("the key needs the scope events:read"),
            Role::Customer => Some("customers connect to /ws/public"),
            Role::Bot => Some("role bot may not open a console"),
        };
        if let Some(reason) = refusal {
            return Err(Error::Forbidden(reason.into()));
        }
        if let Some(objection) = objection {
            return Err(objection);
        }
        let seat = self.seat(who).await?;
        if who.role == Role::Admin {
            let opened = Change::of(audit_entry(who, "console.opened", None));
            self.log.commit(&who.tenant, opened).await.map_err(|e| self.fault(e))?;
        }
        Ok(seat)
    }

    /// Tells a connection of more events, and of their past if it names a cursor.
    pub(super) async fn subscribe(
        &self,
        conn: &mut Connection,
        events: &[String],
        after: Option<&str>,
    ) -> Result<Reply, Error> {
        let (set, unknown) = EventSet::parse_all(events.iter().map(String::as_str));
        let start = self.start_of(&conn.who.tenant, None, after).await?;
        let past = (start.resume == Resume::Missed).then_some(start.cursor.position);
        let subscription = conn.subscription.get_or_insert_default();
        let wanted = subscription.wanted_with(set);
        let offered = conn.outbox.take_only(wanted);
        subscription.add(set, past, offered.max(conn.told));
        // Whoever comes back with it must be told of that past again, if this line does not live
        // to tell it.
        let position = past.map_or(conn.told, |past| past.min(conn.told));
        let resync = match start.resume {
            Resume::Resync(reason) => Some(reason),
            Resume::Live | Resume::Missed => None,
        };
        Ok(Reply::Subscribed(Box::new(Subscribed {
            is_end: false,
            events: known(events),
            unknown,
            cursor: Cursor { position, ..start.cursor },
            resync,
        })))
    }

    /// Tells a connection of these events no longer.
    pub(super) async fn unsubscribe(
        &self,
        conn: &mut Connection,
        events: &[String],
    ) -> Result<Reply, Error> {
        let (set, unknown) = EventSet::parse_all(events.iter().map(String::as_str));
        let head = self.start_of(&conn.who.tenant, None, None).await?.cursor;
        let subscription = conn.subscription.get_or_insert_default();
        subscription.remove(set);
        conn.outbox.take_only(subscription.wanted());
        Ok(Reply::Subscribed(Box::new(Subscribed {
            is_end: true,
            events: known(events),
            unknown,
            cursor: Cursor { position: conn.told, ..head },
            resync: None,
        })))
    }
}

/// The names that are known, as they were given.
fn known(given: &[String]) -> Vec<String> {
    let is_known = |name: &&String| EventSet::parse(name).is_ok();
    given.iter().filter(is_known).cloned().collect()
}
