//! Webhooks and their deliveries in SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::super::{
    Delivery, DeliveryCounts, DeliveryFilter, DeliveryState, DeliveryTried, Disabled, DisabledBy,
    Error, Retention, SigningSecret, Taken, Tries, Webhook, WebhookLog, WebhookRead,
};
use super::rows::{self, Read, all, first, int, run};
use super::{Sqlite, sql};
use crate::limits::PRUNE_STEP_EVENTS;
use crate::model::{Moment, TenantId};

fn webhook(row: &Row) -> Read<(TenantId, Webhook)> {
    let by = rows::optional(row, 7, DisabledBy::parse)?;
    let at = rows::moment(row, 8)?;
    let webhook = Webhook {
        id: row.get(1)?,
        url: row.get(2)?,
        description: row.get(3)?,
        events: rows::json(row, 4)?,
        secret: SigningSecret(row.get(5)?),
        old_secrets: rows::json(row, 6)?,
        disabled: by.zip(at).map(|(by, at)| Disabled { by, at }),
        created_at: Moment(row.get(9)?),
        cursor: rows::count(row, 10)?,
    };
    Ok((rows::tenant(row, 0)?, webhook))
}

fn delivery(row: &Row) -> Read<Delivery> {
    Ok(Delivery {
        taken: Taken {
            position: rows::count(row, 0)?,
            name: row.get(1)?,
            lane: row.get(2)?,
            at: Moment(row.get(3)?),
        },
        state: rows::parsed(row, 4, DeliveryState::parse)?,
        tries: Tries {
            attempts: rows::count(row, 5)?,
            first_at: rows::moment(row, 6)?,
            next_at: rows::moment(row, 7)?,
            tried_at: rows::moment(row, 8)?,
            status: row.get(9)?,
            error: row.get(10)?,
            took_ms: row.get(11)?,
        },
    })
}

pub(super) fn put_webhook(db: &Connection, tenant: &TenantId, w: &Webhook) -> Result<(), Error> {
    run(
        db,
        sql::PUT_WEBHOOK,
        params![
            tenant.as_str(),
            w.id,
            w.url,
            w.description,
            rows::to_json(&w.events)?,
            w.secret.0,
            rows::to_json(&w.old_secrets)?,
            w.disabled.map(|disabled| disabled.by.as_str()),
            w.disabled.map(|disabled| disabled.at.0),
            w.created_at.0,
            int(w.cursor),
        ],
    )
}

pub(super) fn remove_webhook(
    db: &Connection,
    tenant: &TenantId,
    id: Uuid,
    at: Moment,
) -> Result<(), Error> {
    run(db, sql::REMOVE_WEBHOOK, params![tenant.as_str(), id, at.0])
}

pub(super) fn put_read(
    db: &Connection,
    tenant: &TenantId,
    read: &WebhookRead,
) -> Result<(), Error> {
    let of = tenant.as_str();
    run(db, sql::SET_WEBHOOK_CURSOR, params![of, read.webhook, int(read.cursor)])?;
    if db.changes() == 0 {
        // It is gone.
        return Ok(());
    }
    for Taken { position, name, lane, at } in &read.taken {
        let taken = params![of, read.webhook, int(*position), name, lane, at.0];
        run(db, sql::ADD_DELIVERY, taken)?;
    }
    Ok(())
}

pub(super) fn put_tried(
    db: &Connection,
    tenant: &TenantId,
    tried: &DeliveryTried,
) -> Result<(), Error> {
    let at = |moment: Option<Moment>| moment.map(|m| m.0);
    let tries = &tried.tries;
    run(
        db,
        sql::SET_DELIVERY_TRIED,
        params![
            tenant.as_str(),
            tried.webhook,
            int(tried.position),
            tried.state.as_str(),
            tries.attempts,
            at(tries.first_at),
            at(tries.next_at),
            at(tries.tried_at),
            tries.status,
            tries.error,
            tries.took_ms,
        ],
    )
}

pub(super) fn revive(
    db: &Connection,
    tenant: &TenantId,
    webhook: Uuid,
    positions: &[u64],
) -> Result<(), Error> {
    positions.iter().try_for_each(|position| {
        run(db, sql::REVIVE_DELIVERY, params![tenant.as_str(), webhook, int(*position)])
    })
}

/// Deletes a step of the deliveries that are too old, and of those whose webhook is gone; returns
/// how many rows that were.
pub(super) fn prune(
    db: &Connection,
    tenant: &TenantId,
    retention: Retention,
) -> Result<u64, Error> {
    let (of, step) = (tenant.as_str(), int(PRUNE_STEP_EVENTS));
    let delete = |sql: &str, params: &[&dyn rusqlite::ToSql]| {
        let deleted = db.prepare_cached(sql).and_then(|mut s| s.execute(params));
        deleted.map_err(Error::failed).map(|rows| rows as u64)
    };
    let mut gone = 0;
    for (state, before) in [
        (DeliveryState::Delivered, retention.delivered_before),
        (DeliveryState::Dead, retention.dead_before),
    ] {
        let Some(before) = before else { continue };
        gone += delete(sql::PRUNE_DELIVERIES, params![of, state.as_str(), before.0, step])?;
    }
    let removed = all(db, sql::REMOVED_WEBHOOKS, params![of], |row| row.get::<_, Uuid>(0))?;
    for webhook in removed {
        let deliveries = delete(sql::PRUNE_DELIVERIES_OF, params![of, webhook, step])?;
        gone += deliveries;
        if deliveries == 0 {
            gone += delete(sql::FORGET_WEBHOOK, params![of, webhook])?;
        }
    }
    Ok(gone)
}

fn read_counts(db: &Connection, of: &TenantId, webhook: Uuid) -> Result<DeliveryCounts, Error> {
    let count = |sql| {
        let found = first(db, sql, params![of.as_str(), webhook], |row| rows::count(row, 0));
        found.map(Option::unwrap_or_default)
    };
    Ok(DeliveryCounts {
        pending: count(sql::COUNT_PENDING_DELIVERIES)?,
        dead: count(sql::COUNT_DEAD_DELIVERIES)?,
    })
}

fn read_deliveries(
    db: &Connection,
    tenant: &TenantId,
    webhook: Uuid,
    filter: DeliveryFilter,
) -> Result<Vec<Delivery>, Error> {
    let before = filter.before.map_or(i64::MAX, int);
    let (of, limit) = (tenant.as_str(), int(filter.limit as u64));
    let of = params![of, webhook, before, limit];
    let sql = match filter.state {
        None => sql::DELIVERIES,
        Some(DeliveryState::Pending) => sql::DELIVERIES_PENDING,
        Some(DeliveryState::Delivered) => sql::DELIVERIES_DELIVERED,
        Some(DeliveryState::Dead) => sql::DELIVERIES_DEAD,
    };
    all(db, sql, of, delivery)
}

#[async_trait]
impl WebhookLog for Sqlite {
    async fn all_webhooks(&self) -> Result<Vec<(TenantId, Webhook)>, Error> {
        self.reading(|db| all(db, sql::ALL_WEBHOOKS, [], webhook)).await
    }

    async fn webhooks(&self, tenant: &TenantId) -> Result<Vec<Webhook>, Error> {
        let of = tenant.clone();
        let read = move |db: &Connection| all(db, sql::WEBHOOKS, params![of.as_str()], webhook);
        Ok(self.reading(read).await?.into_iter().map(|(_, webhook)| webhook).collect())
    }

    async fn pending_deliveries(
        &self,
        tenant: &TenantId,
        webhook: Uuid,
    ) -> Result<Vec<Delivery>, Error> {
        let of = tenant.clone();
        self.reading(move |db| {
            all(db, sql::PENDING_DELIVERIES, params![of.as_str(), webhook], delivery)
        })
        .await
    }

    async fn dead_deliveries(
        &self,
        tenant: &TenantId,
        webhook: Uuid,
        limit: usize,
    ) -> Result<Vec<u64>, Error> {
        let of = tenant.clone();
        self.reading(move |db| {
            let of = params![of.as_str(), webhook, int(limit as u64)];
            all(db, sql::DEAD_DELIVERIES, of, |row| rows::count(row, 0))
        })
        .await
    }

    async fn deliveries(
        &self,
        tenant: &TenantId,
        webhook: Uuid,
        filter: DeliveryFilter,
    ) -> Result<Vec<Delivery>, Error> {
        let of = tenant.clone();
        self.reading(move |db| read_deliveries(db, &of, webhook, filter)).await
    }

    async fn delivery_counts(
        &self,
        tenant: &TenantId,
        webhook: Uuid,
    ) -> Result<DeliveryCounts, Error> {
        let of = tenant.clone();
        self.reading(move |db| read_counts(db, &of, webhook)).await
    }
}
