//! Notifications that wait for users who are not there, and which of them were read.

use std::sync::Arc;

use uuid::Uuid;

use super::App;
use crate::limits::{NOTICES_AT_ONCE_MAX, NOTICES_READ_AT_ONCE_MAX};
use crate::log::{Change, Notice, Record};
use crate::model::{Envelope, Error, Event, Identity, NotificationRead, Reply};

impl App {
    /// What a user was notified of while it was not there, ascending: told to the first of its
    /// connections that comes. Open sessions have proved nothing, and get nothing.
    ///
    /// # Errors
    /// 503 when the log does not answer.
    pub async fn undelivered(&self, who: &Identity) -> Result<Vec<Arc<Envelope>>, Error> {
        if who.is_open {
            return Ok(vec![]);
        }
        let due = self.log.undelivered(&who.tenant, &who.subject, NOTICES_AT_ONCE_MAX).await;
        due.map_err(|e| self.fault(e))
    }

    /// Notes that a user was told of its notifications up to here. If that fails, it is told again.
    pub async fn note_notified(&self, who: &Identity, through: u64) {
        let record = Record::NoticesDelivered(who.subject.clone(), through);
        if let Err(err) = self.log.append(&who.tenant, Change::record(record)).await {
            tracing::warn!(error = %err, "a delivered notification was not noted");
        }
    }

    /// A page of a user's notifications, newest first.
    ///
    /// # Errors
    /// 503 when the log does not answer.
    pub async fn notifications(
        &self,
        who: &Identity,
        is_unread_only: bool,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Notice>, Error> {
        let page = self.log.notices(&who.tenant, &who.subject, is_unread_only, before, limit);
        page.await.map_err(|e| self.fault(e))
    }

    /// Notes that a user has read these of its notifications; those it does not have, or has read,
    /// are passed over. All its connections are told.
    ///
    /// # Errors
    /// 422 for too many at once.
    pub async fn read_notifications(
        &self,
        who: &Identity,
        notification_ids: Vec<Uuid>,
    ) -> Result<Reply, Error> {
        if notification_ids.len() > NOTICES_READ_AT_ONCE_MAX {
            let reason = format!("names more than {NOTICES_READ_AT_ONCE_MAX}");
            return Err(Error::Invalid { field: "notification_ids", reason });
        }
        let read = NotificationRead { user_id: who.subject.clone(), notification_ids };
        let change = Change::of(Event::NotificationRead(read));
        self.log.commit(&who.tenant, change).await.map_err(|e| self.fault(e))?;
        Ok(Reply::Done)
    }
}
