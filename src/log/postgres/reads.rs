//! The reads of the log that are more than one statement.

use tokio_postgres::Row;

use super::super::{Error, Page, Reading, RecentLeave};
use super::connect::{Fault, Line, Params};
use super::lines::Lines;
use super::pipeline::{Call, Param, run};
use super::rows::{self, count, get, int, limit};
use super::sql;
use crate::model::{ConversationId, History, HistoryRange, Moment, TenantId};

/// The statement of a reading, and whom or what it is of.
fn onwards<'a>(reading: &Reading) -> (&'static str, Option<Param<'a>>) {
    match reading {
        Reading::All => (sql::EVENTS, None),
        Reading::Conversation(id) => (sql::EVENTS_OF_CONVERSATION, Some(Box::new(id.0))),
        Reading::Recorder(id) => (sql::EVENTS_OF_RECORDER, Some(Box::new(id.0))),
        Reading::Decisions(id) => (sql::EVENTS_OF_DECISIONS, Some(Box::new(id.0))),
        Reading::User(user) => (sql::EVENTS_OF_USER, Some(Box::new(user.to_string()))),
        Reading::Role(role) => (sql::EVENTS_OF_USER, Some(Box::new(rows::of_role(*role)))),
        Reading::Audit => (sql::EVENTS_OF_AUDIT, None),
    }
}

/// The same, from the end.
fn backwards(statement: &'static str) -> &'static str {
    match statement {
        sql::EVENTS_OF_CONVERSATION => sql::LATEST_OF_CONVERSATION,
        sql::EVENTS_OF_RECORDER => sql::LATEST_OF_RECORDER,
        sql::EVENTS_OF_DECISIONS => sql::LATEST_OF_DECISIONS,
        sql::EVENTS_OF_USER => sql::LATEST_OF_USER,
        sql::EVENTS_OF_AUDIT => sql::LATEST_OF_AUDIT,
        _ => sql::LATEST,
    }
}

fn page(rows: &[Row], of: &TenantId, limit: usize) -> Result<Page, Error> {
    let events = rows.iter().map(|row| rows::envelope(row, of)).collect::<Result<Vec<_>, _>>()?;
    Ok(Page { is_end: events.len() < limit, events })
}

fn call<'a>(of: &'a TenantId, reading: &Reading, after: u64, max: usize) -> Call<'a> {
    let (sql, subject) = onwards(reading);
    let mut params: Vec<Param<'a>> =
        vec![Box::new(of.as_str()), Box::new(int(after)), Box::new(limit(max))];
    params.extend(subject);
    Call::new(sql, params)
}

/// Where the log ended, and then a page of each reading: in one go over one line, so that whoever
/// comes back with several pays one round trip.
pub(super) async fn read_pages(
    lines: &Lines,
    of: &TenantId,
    readings: &[(Reading, u64)],
    limit: usize,
) -> Result<(u64, Vec<Page>), Error> {
    let calls = || {
        let head = Call::new(sql::HEAD, vec![Box::new(of.as_str()) as Param<'_>]);
        let pages = readings.iter().map(|(reading, after)| call(of, reading, *after, limit));
        [head].into_iter().chain(pages).collect()
    };
    let mut answers = match run(&*lines.line().await?, calls()).await {
        Err(fault @ Fault::Told(_)) if fault.is_of_line() => {
            run(&*lines.line().await?, calls()).await?
        }
        answers => answers?,
    }
    .into_iter();
    let head = answers.next().unwrap_or_default();
    let head = head.first().map(|row| count(row, 1)).transpose()?.unwrap_or(0);
    Ok((head, answers.map(|rows| page(&rows, of, limit)).collect::<Result<_, _>>()?))
}

pub(super) async fn read_page(
    lines: &Lines,
    of: &TenantId,
    reading: &Reading,
    after: u64,
    max: usize,
) -> Result<Page, Error> {
    let (tenant, after, most) = (of.as_str(), int(after), limit(max));
    let rows = match onwards(reading) {
        (sql, None) => lines.query(sql, &[&tenant, &after, &most]).await?,
        (sql, Some(subject)) => lines.query(sql, &[&tenant, &after, &most, &*subject]).await?,
    };
    page(&rows, of, max)
}

pub(super) async fn read_latest(
    lines: &Lines,
    of: &TenantId,
    reading: &Reading,
    max: usize,
) -> Result<Page, Error> {
    let (tenant, most) = (of.as_str(), limit(max));
    let (sql, subject) = onwards(reading);
    let sql = backwards(sql);
    let rows = match subject {
        None => lines.query(sql, &[&tenant, &most]).await?,
        Some(subject) => lines.query(sql, &[&tenant, &most, &*subject]).await?,
    };
    let mut page = page(&rows, of, max)?;
    page.events.reverse();
    Ok(Page { is_end: true, ..page })
}

pub(super) async fn read_messages(
    lines: &Lines,
    of: &TenantId,
    conversation: ConversationId,
    range: HistoryRange,
) -> Result<History, Error> {
    let is_forward = range.after.is_some() && range.before.is_none();
    let sql = if is_forward { sql::MESSAGES_FORWARD } else { sql::MESSAGES_BACKWARD };
    let (after, before) = (int(range.after.unwrap_or(0)), range.before.map_or(i64::MAX, int));
    let limit = range.limit.map_or(i64::MAX - 1, int);
    // One more than asked for tells whether there are more.
    let params: Params<'_> = &[&of.as_str(), &conversation.0, &after, &before, &(limit + 1)];
    let mut messages = lines.all(sql, params, |row| rows::envelope(row, of)).await?;
    let has_more = messages.len() as i64 > limit;
    messages.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    if !is_forward {
        messages.reverse();
    }
    Ok(History { messages, has_more })
}

/// The last position before `at`: times rise with positions, so halving finds it.
pub(super) async fn find_position(line: &Line, of: &TenantId, at: Moment) -> Result<u64, Error> {
    let of = of.as_str();
    let head = line.query(sql::HEAD, &[&of]).await?;
    let head: u64 = head.first().map(|row| count(row, 1)).transpose()?.unwrap_or(0);
    let (mut low, mut high) = (0, head + 1);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        let found = line.query(sql::FIRST_POSITION_FROM, &[&of, &int(middle)]).await?;
        match found.first() {
            Some(row) if get::<i64>(row, 1)? < at.0 => low = count(row, 0)?,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// Who left since then, of every tenant.
pub(super) async fn read_leaves(lines: &Lines, since: Moment) -> Result<Vec<RecentLeave>, Error> {
    let mut leaves = Vec::new();
    for of in lines.all(sql::TENANT_IDS, &[], |row| rows::tenant(row, 0)).await? {
        let after = int(find_position(&*lines.line().await?, &of, since).await?);
        let read = |row: &Row| rows::envelope(row, &of);
        let events = lines.all(sql::LEAVES, &[&of.as_str(), &after], read).await?;
        leaves.extend(events.iter().filter_map(|e| RecentLeave::of(e)));
    }
    Ok(leaves)
}
