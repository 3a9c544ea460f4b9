//! The log of deliveries, and sending again what was sent or given up.

use uuid::Uuid;

use crate::app::App;
use crate::log::{Delivery, DeliveryFilter, DeliveryState, Reading, Record, WebhookRead};
use crate::model::{Cursor, Error, Identity};

/// What of the dead deliveries goes out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// How many do.
    pub replayed: u64,
    /// How many there was no room for in the backlog.
    pub left: u64,
}

impl App {
    /// Deliveries of an admin's webhook, the newest events first.
    ///
    /// # Errors
    /// 403 for anybody but an admin, 404.
    pub async fn deliveries(
        &self,
        who: &Identity,
        id: Uuid,
        filter: DeliveryFilter,
    ) -> Result<Vec<Delivery>, Error> {
        self.own_webhook(who, id).await?;
        self.log.deliveries(&who.tenant, id, filter).await.map_err(|e| self.fault(e))
    }

    /// The number of the caller's log, which begins every cursor of it.
    ///
    /// # Errors
    /// 503 when the log does not answer.
    pub async fn own_log(&self, who: &Identity) -> Result<u32, Error> {
        Ok(self.log.head(&who.tenant).await.map_err(|e| self.fault(e))?.log)
    }

    /// Sends an event again, whatever became of it before.
    ///
    /// # Errors
    /// 403 for anybody but an admin, 404, 409 while it is on its way, when its event is past its
    /// retention, or when the backlog is full.
    pub async fn replay_delivery(
        &self,
        who: &Identity,
        id: Uuid,
        event: Cursor,
    ) -> Result<(), Error> {
        let office = self.0.offices.open(&who.tenant);
        let _turn = office.turn.lock().await;
        self.own_webhook(who, id).await?;
        let (log, tenant, position) = (&self.log, &who.tenant, event.position);
        let head = log.head(tenant).await.map_err(|e| self.fault(e))?;
        let filter = DeliveryFilter { state: None, before: position.checked_add(1), limit: 1 };
        let found = log.deliveries(tenant, id, filter).await.map_err(|e| self.fault(e))?;
        let found = found.first().filter(|d| d.taken.position == position && event.log == head.log);
        if found.ok_or(Error::NotFound("delivery"))?.state == DeliveryState::Pending {
            return conflict("the delivery is on its way");
        }
        let before = position.saturating_sub(1);
        let page = log.read(tenant, Reading::All, before, 1).await.map_err(|e| self.fault(e))?;
        if page.events.first().is_none_or(|envelope| envelope.position() != position) {
            return conflict("the event is past its retention");
        }
        if self.room(who, id).await? == 0 {
            return conflict("too many deliveries wait already");
        }
        let records = vec![Record::DeliveriesRevived(id, vec![position])];
        self.keep_webhook(who, "webhook.replayed", id, records).await
    }

    /// Sends again what was given up, the oldest first, as much as there is room for.
    ///
    /// # Errors
    /// 403 for anybody but an admin, 404.
    pub async fn replay_dead(&self, who: &Identity, id: Uuid) -> Result<Replayed, Error> {
        let office = self.0.offices.open(&who.tenant);
        let _turn = office.turn.lock().await;
        self.own_webhook(who, id).await?;
        let room = self.room(who, id).await?;
        let (log, tenant) = (&self.log, &who.tenant);
        let dead = log.delivery_counts(tenant, id).await.map_err(|e| self.fault(e))?.dead;
        let found = log.dead_deliveries(tenant, id, room).await.map_err(|e| self.fault(e))?;
        let replayed = found.len() as u64;
        let records = vec![Record::DeliveriesRevived(id, found)];
        self.keep_webhook(who, "webhook.replayed", id, records).await?;
        Ok(Replayed { replayed, left: dead.saturating_sub(replayed) })
    }

    /// Sends everything again that the webhook wants of what came after a cursor; what comes
    /// meanwhile follows.
    ///
    /// # Errors
    /// 403 for anybody but an admin, 404, 422 for a cursor that cannot be read on from.
    pub async fn replay_from(&self, who: &Identity, id: Uuid, after: &str) -> Result<(), Error> {
        let office = self.0.offices.open(&who.tenant);
        let _turn = office.turn.lock().await;
        let webhook = self.own_webhook(who, id).await?;
        let cursor = self.checked_cursor(who, "after", after).await?;
        // What it has read is kept now and then only while it wanted nothing.
        let read_to = office.lock().desks.get(&id).map_or(0, |desk| desk.read_to);
        if cursor > webhook.cursor.max(read_to) {
            let reason = "is later than the webhook has read; it gets there by itself".into();
            return Err(Error::Invalid { field: "after", reason });
        }
        let read = WebhookRead { webhook: id, cursor, taken: vec![] };
        self.keep_webhook(who, "webhook.replayed", id, vec![Record::WebhookRead(read)]).await?;
        if let Some(desk) = office.lock().desks.get_mut(&id) {
            // Also when the log knew no more than this.
            (desk.read_to, desk.kept) = (cursor, cursor);
        }
        Ok(())
    }

    /// How many more deliveries of a webhook may wait.
    async fn room(&self, who: &Identity, id: Uuid) -> Result<usize, Error> {
        let counts = self.log.delivery_counts(&who.tenant, id).await.map_err(|e| self.fault(e))?;
        let pending = usize::try_from(counts.pending).unwrap_or(usize::MAX);
        Ok(self.config.webhooks.backlog.saturating_sub(pending))
    }
}

fn conflict<T>(message: &str) -> Result<T, Error> {
    Err(Error::Conflict { message: message.into(), holder: None })
}
