//! One node alone: the file is locked by it.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::params;

use super::super::nodes::ALONE;
use super::super::{Error, Nodes};
use super::rows::{count, first};
use super::{Sqlite, sql};
use crate::model::{NodeId, TenantId};

#[async_trait]
impl Nodes for Sqlite {
    async fn hold_duties(&self, _: NodeId, _: Duration) -> Result<Option<u64>, Error> {
        Ok(Some(ALONE))
    }

    async fn release_duties(&self, _: NodeId) -> Result<(), Error> {
        Ok(())
    }

    async fn read_by(&self, tenant: &TenantId, reader: &str) -> Result<Option<u64>, Error> {
        let (of, reader) = (tenant.clone(), reader.to_owned());
        self.reading(move |db| {
            first(db, sql::READ_BY, params![of.as_str(), reader], |row| count(row, 0))
        })
        .await
    }
}
