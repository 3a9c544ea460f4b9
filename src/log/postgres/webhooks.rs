//! Webhooks and their deliveries in PostgreSQL.

use async_trait::async_trait;
use tokio_postgres::Row;
use uuid::Uuid;

use super::super::{
    Delivery, DeliveryCounts, DeliveryFilter, DeliveryState, Disabled, DisabledBy, Error,
    SigningSecret, Taken, Tries, Webhook, WebhookLog,
};
use super::connect::Params;
use super::rows::{self, count, get, int};
use super::{Postgres, sql};
use crate::model::TenantId;

fn webhook(row: &Row) -> Result<(TenantId, Webhook), Error> {
    let by = rows::optional(row, 7, DisabledBy::parse)?;
    let at = rows::moment(row, 8)?;
    let webhook = Webhook {
        id: get(row, 1)?,
        url: get(row, 2)?,
        description: get(row, 3)?,
        events: rows::json(row, 4)?,
        secret: SigningSecret(get(row, 5)?),
        old_secrets: rows::json(row, 6)?,
        disabled: by.zip(at).map(|(by, at)| Disabled { by, at }),
        created_at: rows::at(row, 9)?,
        cursor: count(row, 10)?,
    };
    Ok((rows::tenant(row, 0)?, webhook))
}

fn delivery(row: &Row) -> Result<Delivery, Error> {
    let took: Option<i64> = get(row, 11)?;
    Ok(Delivery {
        taken: Taken {
            position: count(row, 0)?,
            name: get(row, 1)?,
            lane: get(row, 2)?,
            at: rows::at(row, 3)?,
        },
        state: rows::parsed(row, 4, DeliveryState::parse)?,
        tries: Tries {
            attempts: count(row, 5)?,
            first_at: rows::moment(row, 6)?,
            next_at: rows::moment(row, 7)?,
            tried_at: rows::moment(row, 8)?,
            status: rows::small(row, 9)?,
            error: get(row, 10)?,
            took_ms: took.map(u32::try_from).transpose().map_err(Error::failed)?,
        },
    })
}

#[async_trait]
impl WebhookLog for Postgres {
    async fn all_webhooks(&self) -> Result<Vec<(TenantId, Webhook)>, Error> {
        self.lines.all(sql::ALL_WEBHOOKS, &[], webhook).await
    }

    async fn webhooks(&self, tenant: &TenantId) -> Result<Vec<Webhook>, Error> {
        let read = |row: &Row| webhook(row).map(|(_, webhook)| webhook);
        self.lines.all(sql::WEBHOOKS, &[&tenant.as_str()], read).await
    }

    async fn pending_deliveries(
        &self,
        tenant: &TenantId,
        webhook: Uuid,
    ) -> Result<Vec<Delivery>, Error> {
        self.lines.all(sql::PENDING_DELIVERIES, &[&tenant.as_str(), &webhook], delivery).await
    }

    async fn dead_deliveries(
        &self,
        tenant: &TenantId,
        webhook: Uuid,
        limit: usize,
    ) -> Result<Vec<u64>, Error> {
        let of: Params<'_> = &[&tenant.as_str(), &webhook, &rows::limit(limit)];
        self.lines.all(sql::DEAD_DELIVERIES, of, |row| count(row, 0)).await
    }

    async fn deliveries(
        &self,
        tenant: &TenantId,
        webhook: Uuid,
        filter: DeliveryFilter,
    ) -> Result<Vec<Delivery>, Error> {
        let before = filter.before.map_or(i64::MAX, int);
        let of: Params<'_> = &[&tenant.as_str(), &webhook, &before, &rows::limit(filter.limit)];
        let sql = match filter.state {
            None => sql::DELIVERIES,
            Some(DeliveryState::Pending) => sql::DELIVERIES_PENDING,
            Some(DeliveryState::Delivered) => sql::DELIVERIES_DELIVERED,
            Some(DeliveryState::Dead) => sql::DELIVERIES_DEAD,
        };
        self.lines.all(sql, of, delivery).await
    }

    async fn delivery_counts(
        &self,
        tenant: &TenantId,
        webhook: Uuid,
    ) -> Result<DeliveryCounts, Error> {
        let number = async |sql| {
            let of: Params<'_> = &[&tenant.as_str(), &webhook];
            let found = self.lines.first(sql, of, |row| count(row, 0)).await;
            found.map(Option::unwrap_or_default)
        };
        Ok(DeliveryCounts {
            pending: number(sql::COUNT_PENDING_DELIVERIES).await?,
            dead: number(sql::COUNT_DEAD_DELIVERIES).await?,
        })
    }
}
