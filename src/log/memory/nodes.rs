//! One node alone.

use std::time::Duration;

use async_trait::async_trait;

use super::super::nodes::ALONE;
use super::super::{Error, Nodes};
use super::Memory;
use crate::model::{NodeId, TenantId};

#[async_trait]
impl Nodes for Memory {
    async fn hold_duties(&self, _: NodeId, _: Duration) -> Result<Option<u64>, Error> {
        Ok(Some(ALONE))
    }

    async fn release_duties(&self, _: NodeId) -> Result<(), Error> {
        Ok(())
    }

    async fn read_by(&self, tenant: &TenantId, reader: &str) -> Result<Option<u64>, Error> {
        Ok(self.with(tenant, |t| t.readers.get(reader).copied()))
    }
}
