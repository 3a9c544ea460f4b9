//! The duties that one node has at a time: a row, by the clock of the database alone.

use std::time::Duration;

use async_trait::async_trait;

use super::super::{Error, Nodes};
use super::rows::{Text, count};
use super::{Postgres, sql};
use crate::model::{NodeId, TenantId};

#[async_trait]
impl Nodes for Postgres {
    async fn hold_duties(&self, node: NodeId, ttl: Duration) -> Result<Option<u64>, Error> {
        let line = self.duties.line().await?;
        let found = line.query(sql::HOLD_DUTIES, &[&node.to_string(), &ttl_ms(ttl)]).await?;
        found.first().map(|row| count(row, 0)).transpose()
    }

    async fn release_duties(&self, node: NodeId) -> Result<(), Error> {
        let line = self.duties.line().await?;
        line.execute(sql::RELEASE_DUTIES, &[&node.to_string()]).await?;
        Ok(())
    }

    async fn read_by(&self, tenant: &TenantId, reader: &str) -> Result<Option<u64>, Error> {
        let read = |row: &_| count(row, 0);
        self.lines.first(sql::READ_BY, &[&tenant.as_str(), &Text(reader)], read).await
    }
}

fn ttl_ms(ttl: Duration) -> f64 {
    ttl.as_secs_f64() * 1_000.0
}
