//! The audit trail: who of the administration looked at or changed what (contract 4).

use std::sync::Arc;

use super::App;
use crate::log::{Change, Page, Reading};
use crate::model::{Audit, Conversation, Envelope, Error, Event, Identity};

impl App {
    /// Notes that an admin looks into a conversation that is not assigned to it.
    pub(super) async fn audit_look(
        &self,
        who: &Identity,
        conversation: &Conversation,
    ) -> Result<(), Error> {
        if !who.is_admin() || who.is_open || conversation.is_assigned_to(who) {
            return Ok(());
        }
        self.audit(who, "conversation.viewed", Some(conversation.id.to_string())).await
    }

    /// Notes an administrative act.
    pub(super) async fn audit(
        &self,
        who: &Identity,
        action: &str,
        target: Option<String>,
    ) -> Result<(), Error> {
        let entry = audit_entry(who, action, target);
        self.log.commit(&who.tenant, Change::of(entry)).await.map_err(|e| self.fault(e))?;
        Ok(())
    }

    /// Refuses anybody but an admin.
    ///
    /// # Errors
    /// 403.
    pub fn check_admin(&self, who: &Identity) -> Result<(), Error> {
        check_admin(who)
    }

    /// Notes what an admin did to something that `app` does not know.
    ///
    /// # Errors
    /// 503 when the log does not keep it.
    pub async fn note_act(
        &self,
        who: &Identity,
        action: &str,
        target: Option<String>,
    ) -> Result<(), Error> {
        self.audit(who, action, target).await
    }

    /// The audit trail of an admin's tenant: what follows `after`, or the newest entries.
    ///
    /// # Errors
    /// 403 for anybody but an admin.
    pub async fn audit_trail(
        &self,
        who: &Identity,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Arc<Envelope>>, Error> {
        check_admin(who)?;
        let page: Result<Page, _> = match after {
            Some(after) => self.log.read(&who.tenant, Reading::Audit, after, limit).await,
            None => self.log.read_latest(&who.tenant, Reading::Audit, limit).await,
        };
        Ok(page.map_err(|e| self.fault(e))?.events)
    }
}

/// An entry to be committed together with what it tells of.
pub(super) fn audit_entry(who: &Identity, action: &str, target: Option<String>) -> Event {
    Event::Audit(Audit {
        actor: who.subject.clone(),
        role: who.role,
        action: action.to_owned(),
        target,
    })
}

pub(super) fn check_admin(who: &Identity) -> Result<(), Error> {
    if who.is_admin() && !who.is_open {
        Ok(())
    } else {
        Err(Error::Forbidden("for admins only".into()))
    }
}
