//! Conversations in PostgreSQL, beside their events: who is in them, and lists of them.

use std::sync::Arc;

use tokio_postgres::Row;
use uuid::Uuid;

use super::super::{ConversationFilter, Error, LeftBehind};
use super::connect::Params;
use super::lines::Lines;
use super::rows::{self, conversation};
use super::sql;
use crate::model::{Conversation, ConversationId, Moment, TenantId};

/// Newest first.
pub(super) async fn read_page(
    lines: &Lines,
    tenant: &TenantId,
    filter: &ConversationFilter,
) -> Result<Vec<Arc<Conversation>>, Error> {
    let (at, id) = filter.after.unwrap_or((Moment(i64::MAX), ConversationId(Uuid::max())));
    let (of, limit, department) = (tenant.as_str(), rows::limit(filter.limit), filter.department);
    match filter.status.map(|s| s.as_str()) {
        Some(status) => {
            let params: Params<'_> = &[&of, &status, &department, &at.0, &id.0, &limit];
            lines.all(sql::CONVERSATIONS, params, conversation).await
        }
        None => {
            let params: Params<'_> = &[&of, &department, &at.0, &id.0, &limit];
            lines.all(sql::ACTIVE_CONVERSATIONS, params, conversation).await
        }
    }
}

pub(super) fn left_behind(row: &Row) -> Result<LeftBehind, Error> {
    Ok(LeftBehind {
        tenant: rows::tenant(row, 0)?,
        conversation: rows::conversation_id(row, 1)?,
        member: rows::member_at(row, 2)?,
    })
}

pub(super) fn of_tenant(row: &Row) -> Result<(TenantId, ConversationId), Error> {
    Ok((rows::tenant(row, 0)?, rows::conversation_id(row, 1)?))
}
