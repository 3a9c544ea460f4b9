//! The FAQ in PostgreSQL: a table whose rows carry their words, made by the database itself.

use tokio_postgres::Row;

use super::super::Error;
use super::connect::Params;
use super::lines::Lines;
use super::rows::{self, Text, get};
use super::sql;
use crate::model::{FaqEntry, TenantId};

pub(super) fn entry(row: &Row) -> Result<FaqEntry, Error> {
    Ok(FaqEntry {
        id: get(row, 0)?,
        language: get(row, 1)?,
        question: get(row, 2)?,
        wordings: rows::json(row, 3)?,
        answer: get(row, 4)?,
        is_enabled: get(row, 5)?,
        updated_at: rows::at(row, 6)?,
    })
}

/// Entries that have a word beginning with one of these, the best match first.
pub(super) async fn search(
    lines: &Lines,
    tenant: &TenantId,
    words: &[String],
    limit: usize,
) -> Result<Vec<FaqEntry>, Error> {
    let words: Vec<Text<'_>> = words.iter().map(|word| Text(word)).collect();
    let params: Params<'_> = &[&tenant.as_str(), &words, &rows::limit(limit)];
    lines.all(sql::FAQ_SEARCH, params, entry).await
}
