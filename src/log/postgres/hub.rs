//! Calls that have not ended, and notifications, in PostgreSQL.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_postgres::Row;

use super::super::{Error, Notice, Notices, OpenCall, OpenCalls};
use super::connect::Params;
use super::rows::{self, get, int};
use super::{Postgres, sql};
use crate::model::{Envelope, TenantId, UserId};

fn open_call(row: &Row) -> Result<OpenCall, Error> {
    Ok(OpenCall {
        unique_id: get(row, 0)?,
        agent: rows::optional(row, 1, |text| UserId::parse(text).ok())?,
        queue: get(row, 2)?,
        began_at: rows::at(row, 3)?,
        answered_at: rows::moment(row, 4)?,
    })
}

#[async_trait]
impl OpenCalls for Postgres {
    async fn open_calls(&self, tenant: &TenantId) -> Result<Vec<OpenCall>, Error> {
        self.lines.all(sql::OPEN_CALLS, &[&tenant.as_str()], open_call).await
    }
}

#[async_trait]
impl Notices for Postgres {
    async fn undelivered(
        &self,
        tenant: &TenantId,
        user: &UserId,
        limit: usize,
    ) -> Result<Vec<Arc<Envelope>>, Error> {
        let (of, user, limit) = (tenant.as_str(), user.as_str(), rows::limit(limit));
        let asked: Params<'_> = &[&of, &user, &limit];
        let read = |row: &_| rows::envelope(row, tenant);
        let found = self.lines.all(sql::UNDELIVERED, asked, read).await?;
        if found.is_empty() {
            return Ok(found);
        }
        // Another connection of the user may have been told a moment ago; that is waited for.
        self.settled().await?;
        self.lines.all(sql::UNDELIVERED, asked, read).await
    }

    async fn notices(
        &self,
        tenant: &TenantId,
        user: &UserId,
        is_unread_only: bool,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Notice>, Error> {
        let (of, user, limit) = (tenant.as_str(), user.as_str(), rows::limit(limit));
        let before = before.map_or(i64::MAX, int);
        let asked: Params<'_> = &[&of, &user, &before, &is_unread_only, &limit];
        let read = |row: &_| {
            Ok(Notice { envelope: rows::envelope(row, tenant)?, read_at: rows::moment(row, 6)? })
        };
        self.lines.all(sql::NOTICES, asked, read).await
    }
}
