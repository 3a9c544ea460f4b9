//! Deleting what is too old, in steps, each in a transaction of its own on the writing line, so that
//! commits go on in between.

use std::sync::Arc;

use tokio_postgres::Row;
use uuid::Uuid;

use super::super::{DeliveryState, Error, Retention};
use super::Postgres;
use super::connect::{Line, Params};
use super::reads::find_position;
use super::rows::{get, int, tenant};
use super::{sql, writes};
use crate::limits::PRUNE_STEP_EVENTS;
use crate::model::{Moment, TenantId};

/// What a step deletes.
#[derive(Clone, Copy)]
enum Step {
    Events(Retention),
    Recoveries(Moment),
    Posts(Moment),
    Calls(Moment),
    Deliveries(Retention),
}

impl Postgres {
    /// Deletes what is too old; returns how many events went.
    pub(super) async fn prune_all(&self, retention: Retention) -> Result<u64, Error> {
        let events = self.in_steps(Step::Events(retention)).await?;
        if let Some(before) = retention.recoveries_before {
            self.in_steps(Step::Recoveries(before)).await?;
        }
        if let Some(before) = retention.posts_before {
            self.in_steps(Step::Posts(before)).await?;
        }
        if let Some(before) = retention.calls_before {
            self.in_steps(Step::Calls(before)).await?;
        }
        self.in_steps(Step::Deliveries(retention)).await?;
        Ok(events)
    }

    /// Steps in every tenant until there is nothing more to do. Returns the sum.
    async fn in_steps(&self, step: Step) -> Result<u64, Error> {
        let mut sum = 0;
        for of in self.lines.all(sql::TENANT_IDS, &[], |row| tenant(row, 0)).await? {
            loop {
                let of = of.clone();
                let done = self.writing(move |line| async move { take(&line, &of, step).await });
                match done.await? {
                    0 => break,
                    done => sum += done,
                }
            }
        }
        Ok(sum)
    }
}

/// A step, in a transaction that has the tenant's row first as every other has.
async fn take(line: &Arc<Line>, of: &TenantId, step: Step) -> Result<u64, Error> {
    line.batch(writes::BEGIN).await?;
    let done = match line.query(sql::LOCK_TENANT, &[&of.as_str()]).await {
        Ok(_) => step_in(line, of, step).await,
        Err(fault) => Err(fault.into()),
    };
    // If this fails the line is lost, and the transaction with it.
    line.batch(if done.is_ok() { writes::COMMIT } else { writes::ROLLBACK }).await?;
    done
}

async fn step_in(line: &Line, of: &TenantId, step: Step) -> Result<u64, Error> {
    let (tenant, limit) = (of.as_str(), int(PRUNE_STEP_EVENTS));
    let delete = async |sql, params: Params<'_>| line.execute(sql, params).await;
    Ok(match step {
        Step::Events(retention) => prune_events(line, of, retention).await?,
        Step::Recoveries(before) => {
            delete(sql::PRUNE_RECOVERIES, &[&tenant, &before.0, &limit]).await?
        }
        Step::Posts(before) => delete(sql::PRUNE_POSTS, &[&tenant, &before.0, &limit]).await?,
        Step::Calls(before) => delete(sql::PRUNE_CALLS, &[&tenant, &before.0]).await?,
        Step::Deliveries(retention) => prune_deliveries(line, of, retention).await?,
    })
}

async fn prune_events(line: &Line, tenant: &TenantId, retention: Retention) -> Result<u64, Error> {
    let of = tenant.as_str();
    let mut gone = 0;
    let kinds = [
        (retention.connections_before, sql::OLD_CONNECTION_EVENTS, sql::PRUNE_CONNECTIONS),
        (retention.all_before, sql::OLD_EVENTS, sql::PRUNE_ALL),
    ];
    for (before, old, delete) in kinds {
        let Some(before) = before else { continue };
        let through = int(find_position(line, tenant, before).await?);
        let found = line.query(old, &[&of, &through, &int(PRUNE_STEP_EVENTS)]).await?;
        let newest = found.first().map(|row: &Row| get::<Option<i64>>(row, 0)).transpose()?;
        let Some(newest) = newest.flatten() else { continue };
        gone += line.execute(delete, &[&of, &newest]).await?;
        line.execute(sql::SET_PRUNED, &[&of, &newest]).await?;
        if delete == sql::PRUNE_ALL {
            line.execute(sql::PRUNE_NOTICES, &[&of, &newest]).await?;
        }
    }
    Ok(gone)
}

/// Deliveries that are too old, and those whose webhook is gone.
async fn prune_deliveries(line: &Line, of: &TenantId, retention: Retention) -> Result<u64, Error> {
    let (of, step) = (of.as_str(), int(PRUNE_STEP_EVENTS));
    let mut gone = 0;
    for (state, before) in [
        (DeliveryState::Delivered, retention.delivered_before),
        (DeliveryState::Dead, retention.dead_before),
    ] {
        let Some(before) = before else { continue };
        let params: Params<'_> = &[&of, &state.as_str(), &before.0, &step];
        gone += line.execute(sql::PRUNE_DELIVERIES, params).await?;
    }
    for row in line.query(sql::REMOVED_WEBHOOKS, &[&of]).await? {
        let webhook: Uuid = get(&row, 0)?;
        let deliveries = line.execute(sql::PRUNE_DELIVERIES_OF, &[&of, &webhook, &step]).await?;
        gone += deliveries;
        if deliveries == 0 {
            gone += line.execute(sql::FORGET_WEBHOOK, &[&of, &webhook]).await?;
        }
    }
    Ok(gone)
}
