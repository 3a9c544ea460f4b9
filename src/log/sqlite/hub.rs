//! What producers post, the calls they tell of, and notifications, in SQLite.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::super::{Change, Error, Log, Notice, Notices, Once, OpenCall, OpenCalls};
use super::rows::{self, Read, all, first, int, run};
use super::{Sqlite, sql};
use crate::limits::PRUNE_STEP_EVENTS;
use crate::model::{Cursor, Envelope, Moment, TenantId, UserId};

pub(super) fn known_post(
    db: &Connection,
    tenant: &TenantId,
    key: &str,
) -> Result<Option<([u8; 32], u64)>, Error> {
    let read = |row: &Row| Ok((row.get(0)?, rows::count(row, 1)?));
    first(db, sql::KNOWN_POST, params![tenant.as_str(), key], read)
}

pub(super) fn put_post(
    db: &Connection,
    tenant: &TenantId,
    once: &Once,
    cursor: Cursor,
    at: Moment,
) -> Result<(), Error> {
    let position = int(cursor.position);
    run(db, sql::PUT_POST, params![tenant.as_str(), once.key, once.digest, position, at.0])
}

fn open_call(row: &Row) -> Read<OpenCall> {
    Ok(OpenCall {
        unique_id: row.get(0)?,
        agent: rows::optional(row, 1, |text| UserId::parse(text).ok())?,
        queue: row.get(2)?,
        began_at: Moment(row.get(3)?),
        answered_at: rows::moment(row, 4)?,
    })
}

pub(super) fn find_call(
    db: &Connection,
    tenant: &TenantId,
    unique_id: &str,
) -> Result<Option<OpenCall>, Error> {
    first(db, sql::OPEN_CALL, params![tenant.as_str(), unique_id], open_call)
}

pub(super) fn put_call(db: &Connection, tenant: &TenantId, call: &OpenCall) -> Result<(), Error> {
    let agent = call.agent.as_ref().map(UserId::as_str);
    let answered_at = call.answered_at.map(|at| at.0);
    let of =
        params![tenant.as_str(), call.unique_id, agent, call.queue, call.began_at.0, answered_at];
    run(db, sql::PUT_OPEN_CALL, of)
}

pub(super) fn remove_call(
    db: &Connection,
    tenant: &TenantId,
    unique_id: &str,
) -> Result<Option<OpenCall>, Error> {
    first(db, sql::REMOVE_OPEN_CALL, params![tenant.as_str(), unique_id], open_call)
}

pub(super) fn put_notice(
    db: &Connection,
    tenant: &TenantId,
    user: &UserId,
    id: Uuid,
    position: u64,
) -> Result<(), Error> {
    run(db, sql::PUT_NOTICE, params![tenant.as_str(), user.as_str(), int(position), id])
}

pub(super) fn is_unread(
    db: &Connection,
    tenant: &TenantId,
    user: &UserId,
    id: Uuid,
) -> Result<bool, Error> {
    let of = params![tenant.as_str(), user.as_str(), id];
    Ok(first(db, sql::IS_UNREAD, of, |_| Ok(()))?.is_some())
}

pub(super) fn put_notice_read(
    db: &Connection,
    tenant: &TenantId,
    user: &UserId,
    id: Uuid,
    at: Moment,
) -> Result<(), Error> {
    run(db, sql::SET_NOTICE_READ, params![tenant.as_str(), user.as_str(), id, at.0])
}

/// Deletes a step of the posts that are too old, and returns how many.
pub(super) fn prune_posts(
    db: &Connection,
    tenant: &TenantId,
    before: Moment,
) -> Result<u64, Error> {
    let of = params![tenant.as_str(), before.0, int(PRUNE_STEP_EVENTS)];
    let deleted = db.prepare_cached(sql::PRUNE_POSTS).and_then(|mut s| s.execute(of));
    Ok(deleted.map_err(Error::failed)? as u64)
}

/// Deletes the calls that cannot be going on any more, and returns how many.
pub(super) fn prune_calls(
    db: &Connection,
    tenant: &TenantId,
    before: Moment,
) -> Result<u64, Error> {
    let of = params![tenant.as_str(), before.0];
    let deleted = db.prepare_cached(sql::PRUNE_CALLS).and_then(|mut s| s.execute(of));
    Ok(deleted.map_err(Error::failed)? as u64)
}

#[async_trait]
impl OpenCalls for Sqlite {
    async fn open_calls(&self, tenant: &TenantId) -> Result<Vec<OpenCall>, Error> {
        let of = tenant.clone();
        self.reading(move |db| all(db, sql::OPEN_CALLS, params![of.as_str()], open_call)).await
    }
}

#[async_trait]
impl Notices for Sqlite {
    async fn undelivered(
        &self,
        tenant: &TenantId,
        user: &UserId,
        limit: usize,
    ) -> Result<Vec<Arc<Envelope>>, Error> {
        let (of, user) = (tenant.clone(), user.clone());
        let read = move |db: &Connection| {
            let asked = params![of.as_str(), user.as_str(), int(limit as u64)];
            all(db, sql::UNDELIVERED, asked, |row| rows::envelope(row, &of))
        };
        let found = self.reading(read.clone()).await?;
        if found.is_empty() {
            return Ok(found);
        }
        // Another connection of the user may have been told a moment ago; that is waited for.
        self.commit(tenant, Change::default()).await?;
        self.reading(read).await
    }

    async fn notices(
        &self,
        tenant: &TenantId,
        user: &UserId,
        is_unread_only: bool,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Notice>, Error> {
        let (of, user) = (tenant.clone(), user.clone());
        let (before, limit) = (before.map_or(i64::MAX, int), int(limit as u64));
        self.reading(move |db| {
            let asked = params![of.as_str(), user.as_str(), before, is_unread_only, limit];
            all(db, sql::NOTICES, asked, |row| {
                Ok(Notice { envelope: rows::envelope(row, &of)?, read_at: rows::moment(row, 6)? })
            })
        })
        .await
    }
}
