//! The FAQ in SQLite: a table, and beside it a full-text index (FTS5) that triggers keep in step.

use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::super::Error;
use super::rows::{self, all, first, int, run};
use super::sql;
use crate::model::{FaqEntry, Moment, TenantId};

fn entry(row: &Row) -> rusqlite::Result<FaqEntry> {
    Ok(FaqEntry {
        id: row.get(0)?,
        language: row.get(1)?,
        question: row.get(2)?,
        wordings: rows::json(row, 3)?,
        answer: row.get(4)?,
        is_enabled: row.get(5)?,
        updated_at: Moment(row.get(6)?),
    })
}

pub(super) fn put(db: &Connection, tenant: &TenantId, entry: &FaqEntry) -> Result<(), Error> {
    let FaqEntry { id, language, question, wordings, answer, is_enabled, updated_at } = entry;
    let (of, wordings) = (tenant.as_str(), rows::to_json(wordings)?);
    let values = params![of, id, language, question, wordings, answer, is_enabled, updated_at.0];
    run(db, sql::PUT_FAQ, values)
}

pub(super) fn remove(db: &Connection, tenant: &TenantId, id: Uuid) -> Result<(), Error> {
    run(db, sql::REMOVE_FAQ, params![tenant.as_str(), id])
}

pub(super) fn read(
    db: &Connection,
    tenant: &TenantId,
    id: Uuid,
) -> Result<Option<FaqEntry>, Error> {
    first(db, sql::FAQ_ENTRY, params![tenant.as_str(), id], entry)
}

pub(super) fn read_page(
    db: &Connection,
    tenant: &TenantId,
    after: Option<Uuid>,
    limit: usize,
) -> Result<Vec<FaqEntry>, Error> {
    let after = after.unwrap_or_default();
    all(db, sql::FAQ_PAGE, params![tenant.as_str(), after, int(limit as u64)], entry)
}

pub(super) fn count(db: &Connection, tenant: &TenantId) -> Result<usize, Error> {
    Ok(first(db, sql::FAQ_COUNT, params![tenant.as_str()], |row| rows::count(row, 0))?.unwrap_or(0))
}

/// Entries that have a word beginning with one of these, the best match first.
pub(super) fn search(
    db: &Connection,
    tenant: &TenantId,
    words: &[String],
    limit: usize,
) -> Result<Vec<FaqEntry>, Error> {
    // In quotes a word is a word, whatever the query language would make of it.
    let quoted = words.iter().map(|word| format!("\"{}\"*", word.replace('"', "")));
    let query = quoted.collect::<Vec<_>>().join(" OR ");
    if query.is_empty() {
        return Ok(vec![]);
    }
    all(db, sql::FAQ_SEARCH, params![tenant.as_str(), query, int(limit as u64)], entry)
}
