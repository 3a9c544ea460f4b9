//! Conversations in SQLite, beside their events: their records, who has them, and who waits.

use std::sync::Arc;

use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::super::{ConversationFilter, Error, LeftBehind};
use super::rows::{self, all, first, int};
use super::sql;
use crate::model::{Conversation, ConversationId, ExternalId, Moment, TenantId, UserId};

pub(super) fn read(
    db: &Connection,
    tenant: &TenantId,
    id: ConversationId,
) -> Result<Option<Arc<Conversation>>, Error> {
    let of = params![tenant.as_str(), id.0];
    Ok(first(db, sql::CONVERSATION, of, rows::conversation)?.map(Arc::new))
}

pub(super) fn find_external(
    db: &Connection,
    tenant: &TenantId,
    id: &ExternalId,
) -> Result<Option<ConversationId>, Error> {
    let of = params![tenant.as_str(), id.as_str()];
    first(db, sql::EXTERNAL_ID, of, |row| rows::conversation_id(row, 0))
}

pub(super) fn find_by_key(
    db: &Connection,
    digest: &[u8; 32],
) -> Result<Option<(TenantId, ConversationId)>, Error> {
    first(db, sql::SESSION_KEY, params![digest], of_tenant)
}

/// Newest first.
pub(super) fn read_page(
    db: &Connection,
    tenant: &TenantId,
    filter: &ConversationFilter,
) -> Result<Vec<Arc<Conversation>>, Error> {
    let (at, id) = filter.after.unwrap_or((Moment(i64::MAX), ConversationId(Uuid::max())));
    let (of, limit, department) = (tenant.as_str(), int(filter.limit as u64), filter.department);
    let read = |row: &Row| rows::conversation(row).map(Arc::new);
    match filter.status.map(|s| s.as_str()) {
        Some(status) => {
            let of = params![of, status, department, at.0, id.0, limit];
            all(db, sql::CONVERSATIONS, of, read)
        }
        None => {
            let of = params![of, department, at.0, id.0, limit];
            all(db, sql::ACTIVE_CONVERSATIONS, of, read)
        }
    }
}

pub(super) fn read_assigned(
    db: &Connection,
    tenant: &TenantId,
    agent: &UserId,
    limit: usize,
) -> Result<Vec<ConversationId>, Error> {
    let of = params![tenant.as_str(), agent.as_str(), int(limit as u64)];
    all(db, sql::ASSIGNED_TO, of, |row| rows::conversation_id(row, 0))
}

pub(super) fn read_left_behind(db: &Connection) -> Result<Vec<LeftBehind>, Error> {
    all(db, sql::ALL_MEMBERS, [], |row| {
        Ok(LeftBehind {
            tenant: rows::tenant(row, 3)?,
            conversation: rows::conversation_id(row, 4)?,
            member: rows::member(row)?,
        })
    })
}

pub(super) fn read_of_bot(db: &Connection) -> Result<Vec<(TenantId, ConversationId)>, Error> {
    all(db, sql::ALL_OF_BOT, [], of_tenant)
}

fn of_tenant(row: &Row) -> rusqlite::Result<(TenantId, ConversationId)> {
    Ok((rows::tenant(row, 0)?, rows::conversation_id(row, 1)?))
}
