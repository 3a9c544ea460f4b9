//! Calls and notifications in memory.

use std::sync::Arc;

use async_trait::async_trait;

use super::Memory;
use crate::log::{Error, Notice, Notices, OpenCall, OpenCalls};
use crate::model::{Envelope, TenantId, UserId};

#[async_trait]
impl OpenCalls for Memory {
    async fn open_calls(&self, tenant: &TenantId) -> Result<Vec<OpenCall>, Error> {
        Ok(self.with(tenant, |t| t.calls.values().cloned().collect()))
    }
}

#[async_trait]
impl Notices for Memory {
    async fn undelivered(
        &self,
        tenant: &TenantId,
        user: &UserId,
        limit: usize,
    ) -> Result<Vec<Arc<Envelope>>, Error> {
        Ok(self.with(tenant, |t| {
            let its = t.notices.iter().filter(|((of, _), n)| of == user && !n.is_delivered);
            let its = its.filter_map(|((_, position), _)| t.events.get(position).cloned());
            its.take(limit).collect()
        }))
    }

    async fn notices(
        &self,
        tenant: &TenantId,
        user: &UserId,
        is_unread_only: bool,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Notice>, Error> {
        Ok(self.with(tenant, |t| {
            let its = t.notices.iter().rev().filter(|((of, position), notice)| {
                of == user
                    && before.is_none_or(|before| *position < before)
                    && !(is_unread_only && notice.read_at.is_some())
            });
            let its = its.filter_map(|((_, position), notice)| {
                let envelope = t.events.get(position)?.clone();
                Some(Notice { envelope, read_at: notice.read_at })
            });
            its.take(limit).collect()
        }))
    }
}
