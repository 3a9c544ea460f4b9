//! Webhooks in memory.

use async_trait::async_trait;
use uuid::Uuid;

use super::{Memory, Tenant};
use crate::log::{
    Delivery, DeliveryCounts, DeliveryFilter, DeliveryState, DeliveryTried, Error, Retention,
    Tries, Webhook, WebhookLog, WebhookRead,
};
use crate::model::TenantId;

impl Tenant {
    pub(super) fn put_webhook(&mut self, webhook: Webhook) {
        let cursor = self.webhooks.get(&webhook.id).map_or(webhook.cursor, |known| known.cursor);
        self.webhooks.insert(webhook.id, Webhook { cursor, ..webhook });
    }

    pub(super) fn remove_webhook(&mut self, id: Uuid) {
        self.webhooks.remove(&id);
        self.deliveries.retain(|(webhook, _), _| *webhook != id);
    }

    pub(super) fn put_webhook_read(&mut self, read: WebhookRead) {
        let Some(webhook) = self.webhooks.get_mut(&read.webhook) else { return };
        webhook.cursor = read.cursor;
        for taken in read.taken {
            let key = (read.webhook, taken.position);
            let known = self.deliveries.get(&key);
            if known.is_none_or(|known| known.state != DeliveryState::Pending) {
                let (state, tries) = (DeliveryState::Pending, Tries::default());
                self.deliveries.insert(key, Delivery { taken, state, tries });
            }
        }
    }

    pub(super) fn put_delivery_tried(&mut self, tried: DeliveryTried) {
        if let Some(delivery) = self.deliveries.get_mut(&(tried.webhook, tried.position)) {
            (delivery.state, delivery.tries) = (tried.state, tried.tries);
        }
    }

    pub(super) fn revive_deliveries(&mut self, webhook: Uuid, positions: &[u64]) {
        for position in positions {
            if let Some(delivery) = self.deliveries.get_mut(&(webhook, *position))
                && delivery.state != DeliveryState::Pending
            {
                (delivery.state, delivery.tries) = (DeliveryState::Pending, Tries::default());
            }
        }
    }

    pub(super) fn prune_deliveries(&mut self, retention: Retention) {
        self.deliveries.retain(|_, delivery| {
            let before = match delivery.state {
                DeliveryState::Pending => None,
                DeliveryState::Delivered => retention.delivered_before,
                DeliveryState::Dead => retention.dead_before,
            };
            before.is_none_or(|before| delivery.tries.tried_at.is_none_or(|at| at >= before))
        });
    }

    fn deliveries_of(&self, webhook: Uuid) -> impl DoubleEndedIterator<Item = &Delivery> {
        self.deliveries.range((webhook, 0)..=(webhook, u64::MAX)).map(|(_, delivery)| delivery)
    }

    fn in_state(&self, webhook: Uuid, state: DeliveryState) -> impl Iterator<Item = &Delivery> {
        self.deliveries_of(webhook).filter(move |delivery| delivery.state == state)
    }
}

#[async_trait]
impl WebhookLog for Memory {
    async fn all_webhooks(&self) -> Result<Vec<(TenantId, Webhook)>, Error> {
        let tenants = self.lock();
        let found = tenants.iter().flat_map(|(tenant, t)| {
            t.webhooks.values().map(|webhook| (tenant.clone(), webhook.clone()))
        });
        Ok(found.collect())
    }

    async fn webhooks(&self, tenant: &TenantId) -> Result<Vec<Webhook>, Error> {
        let mut found: Vec<Webhook> = self.with(tenant, |t| t.webhooks.values().cloned().collect());
        found.sort_by_key(|webhook| (webhook.created_at, webhook.id));
        Ok(found)
    }

    async fn pending_deliveries(
        &self,
        tenant: &TenantId,
        webhook: Uuid,
    ) -> Result<Vec<Delivery>, Error> {
        let state = DeliveryState::Pending;
        Ok(self.with(tenant, |t| t.in_state(webhook, state).cloned().collect()))
    }

    async fn dead_deliveries(
        &self,
        tenant: &TenantId,
        webhook: Uuid,
        limit: usize,
    ) -> Result<Vec<u64>, Error> {
        Ok(self.with(tenant, |t| {
            let dead = t.in_state(webhook, DeliveryState::Dead).take(limit);
            dead.map(|delivery| delivery.taken.position).collect()
        }))
    }

    async fn deliveries(
        &self,
        tenant: &TenantId,
        webhook: Uuid,
        filter: DeliveryFilter,
    ) -> Result<Vec<Delivery>, Error> {
        Ok(self.with(tenant, |t| {
            let is_shown = |delivery: &&Delivery| {
                filter.state.is_none_or(|state| delivery.state == state)
                    && filter.before.is_none_or(|before| delivery.taken.position < before)
            };
            let its = t.deliveries_of(webhook).rev().filter(is_shown);
            its.take(filter.limit).cloned().collect()
        }))
    }

    async fn delivery_counts(
        &self,
        tenant: &TenantId,
        webhook: Uuid,
    ) -> Result<DeliveryCounts, Error> {
        Ok(self.with(tenant, |t| DeliveryCounts {
            pending: t.in_state(webhook, DeliveryState::Pending).count() as u64,
            dead: t.in_state(webhook, DeliveryState::Dead).count() as u64,
        }))
    }
}
