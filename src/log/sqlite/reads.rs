//! Reading: a few connections of their own, and the reads that are more than one statement.

use std::path::Path;
use std::sync::{Arc, Mutex};

use rusqlite::{Connection, OpenFlags, params};
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

use super::super::{Error, Page, Reading, RecentLeave, Retention};
use super::rows::{self, all, first, int, run};
use super::{lock, sql};
use crate::limits::{PRUNE_STEP_EVENTS, STORE_BUSY_TIMEOUT, STORE_READERS};
use crate::model::{ConversationId, History, HistoryRange, Moment, TenantId};

/// A few reading connections, used on the blocking pool.
pub(super) struct Readers {
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn open(path: &Path) -> Result<Readers, Error> {
        let open = |_| {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let db = Connection::open_with_flags(path, flags).map_err(Error::failed)?;
            db.busy_timeout(STORE_BUSY_TIMEOUT).map_err(Error::failed)?;
            db.pragma_update(None, "cache_size", -300).map_err(Error::failed)?;
            db.set_prepared_statement_cache_capacity(64);
            Ok(db)
        };
        let idle = (0..STORE_READERS).map(open).collect::<Result<Vec<_>, Error>>()?;
        Ok(Readers { idle: Mutex::new(idle), permits: Arc::new(Semaphore::new(STORE_READERS)) })
    }

    /// Runs `f` on one of the connections. A caller that gives up takes its place in the queue
    /// with it; one that waits for something else first keeps nobody waiting.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        f: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let readers = self.clone();
        // In a task of its own, because the semaphore hands a permit to whoever is next in its
        // queue: a connection that reads a page and, before it looks at that again, waits for
        // another read would hold a permit that nobody uses, and a few of them would hold all.
        let task = tokio::spawn(async move {
            let permit = readers.permits.clone().acquire_owned().await.map_err(Error::failed)?;
            let work = move || {
                // Goes with the work: whoever asked may be gone before the work is done.
                let _permit = permit;
                let db = lock(&readers.idle).pop().ok_or_else(|| Error::failed("no reader"))?;
                let result = f(&db);
                lock(&readers.idle).push(db);
                result
            };
            tokio::task::spawn_blocking(work).await.map_err(Error::failed)?
        });
        AbortOnDropHandle::new(task).await.map_err(Error::failed)?
    }
}

pub(super) fn read_page(
    db: &Connection,
    tenant: &TenantId,
    reading: Reading,
    after: u64,
    limit: usize,
) -> Result<Page, Error> {
    let (of, after, max) = (tenant.as_str(), int(after), int(limit as u64));
    let read = |row: &rusqlite::Row| rows::envelope(row, tenant);
    let events = match reading {
        Reading::All => all(db, sql::EVENTS, params![of, after, max], read),
        Reading::Conversation(id) => {
            all(db, sql::EVENTS_OF_CONVERSATION, params![of, after, max, id.0], read)
        }
        Reading::Recorder(id) => {
            all(db, sql::EVENTS_OF_RECORDER, params![of, after, max, id.0], read)
        }
        Reading::Decisions(id) => {
            all(db, sql::EVENTS_OF_DECISIONS, params![of, after, max, id.0], read)
        }
        Reading::User(user) => {
            all(db, sql::EVENTS_OF_USER, params![of, after, max, user.as_str()], read)
        }
        Reading::Role(role) => {
            all(db, sql::EVENTS_OF_USER, params![of, after, max, rows::of_role(role)], read)
        }
        Reading::Audit => all(db, sql::EVENTS_OF_AUDIT, params![of, after, max], read),
    }?;
    Ok(Page { is_end: events.len() < limit, events })
}

/// Where the log ended, and then a page of each reading.
pub(super) fn read_pages(
    db: &Connection,
    tenant: &TenantId,
    readings: Vec<(Reading, u64)>,
    limit: usize,
) -> Result<(u64, Vec<Page>), Error> {
    let head = first(db, sql::TENANT, params![tenant.as_str()], |row| rows::count(row, 1))?;
    let pages = readings.into_iter();
    let pages = pages.map(|(reading, after)| read_page(db, tenant, reading, after, limit));
    Ok((head.unwrap_or(0), pages.collect::<Result<_, _>>()?))
}

pub(super) fn read_latest_page(
    db: &Connection,
    tenant: &TenantId,
    reading: Reading,
    limit: usize,
) -> Result<Page, Error> {
    let (of, max) = (tenant.as_str(), int(limit as u64));
    let read = |row: &rusqlite::Row| rows::envelope(row, tenant);
    let mut events = match reading {
        Reading::All => all(db, sql::LATEST, params![of, max], read),
        Reading::Conversation(id) => {
            all(db, sql::LATEST_OF_CONVERSATION, params![of, max, id.0], read)
        }
        Reading::Recorder(id) => all(db, sql::LATEST_OF_RECORDER, params![of, max, id.0], read),
        Reading::Decisions(id) => all(db, sql::LATEST_OF_DECISIONS, params![of, max, id.0], read),
        Reading::User(user) => all(db, sql::LATEST_OF_USER, params![of, max, user.as_str()], read),
        Reading::Role(role) => {
            all(db, sql::LATEST_OF_USER, params![of, max, rows::of_role(role)], read)
        }
        Reading::Audit => all(db, sql::LATEST_OF_AUDIT, params![of, max], read),
    }?;
    events.reverse();
    Ok(Page { events, is_end: true })
}

pub(super) fn read_messages(
    db: &Connection,
    tenant: &TenantId,
    conversation: ConversationId,
    range: HistoryRange,
) -> Result<History, Error> {
    let is_forward = range.after.is_some() && range.before.is_none();
    let sql = if is_forward { sql::MESSAGES_FORWARD } else { sql::MESSAGES_BACKWARD };
    let (after, before) = (int(range.after.unwrap_or(0)), range.before.map_or(i64::MAX, int));
    let limit = range.limit.map_or(i64::MAX - 1, int);
    // One more than asked for tells whether there are more.
    let of = params![tenant.as_str(), conversation.0, after, before, limit + 1];
    let mut messages = all(db, sql, of, |row| rows::envelope(row, tenant))?;
    let has_more = messages.len() as i64 > limit;
    messages.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    if !is_forward {
        messages.reverse();
    }
    Ok(History { messages, has_more })
}

/// The last position before `at`: times rise with positions, so halving finds it.
pub(super) fn find_position(db: &Connection, tenant: &TenantId, at: Moment) -> Result<u64, Error> {
    let of = tenant.as_str();
    let head = first(db, sql::TENANT, params![of], |row| rows::count(row, 1))?.unwrap_or(0u64);
    let (mut low, mut high) = (0u64, head + 1);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        let found = first(db, sql::FIRST_POSITION_FROM, params![of, int(middle)], |row| {
            Ok((rows::count::<u64>(row, 0)?, row.get::<_, i64>(1)?))
        })?;
        match found {
            Some((position, when)) if when < at.0 => low = position,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// Who left since then, of every tenant.
pub(super) fn read_leaves(db: &Connection, since: Moment) -> Result<Vec<RecentLeave>, Error> {
    let mut leaves = Vec::new();
    for tenant in all(db, sql::TENANT_IDS, [], |row| rows::tenant(row, 0))? {
        let after = find_position(db, &tenant, since)?;
        let of = params![tenant.as_str(), int(after)];
        let events = all(db, sql::LEAVES, of, |row| rows::envelope(row, &tenant))?;
        leaves.extend(events.iter().filter_map(|e| RecentLeave::of(e)));
    }
    Ok(leaves)
}

/// Deletes a step of what is too old, and returns how many events that were.
pub(super) fn prune_events(
    db: &Connection,
    tenant: &TenantId,
    retention: Retention,
) -> Result<u64, Error> {
    let mut gone = 0;
    let kinds = [
        (retention.connections_before, sql::OLD_CONNECTION_EVENTS, sql::PRUNE_CONNECTIONS),
        (retention.all_before, sql::OLD_EVENTS, sql::PRUNE_ALL),
    ];
    for (before, old, delete) in kinds {
        let Some(before) = before else { continue };
        let through = int(find_position(db, tenant, before)?);
        let of = params![tenant.as_str(), through, int(PRUNE_STEP_EVENTS)];
        let Some(newest) = rows::scalar::<Option<i64>>(db, old, of)?.flatten() else { continue };
        let of = params![tenant.as_str(), newest];
        let deleted = db.prepare_cached(delete).and_then(|mut s| s.execute(of));
        gone += deleted.map_err(Error::failed)? as u64;
        run(db, sql::SET_PRUNED, of)?;
        if delete == sql::PRUNE_ALL {
            run(db, sql::PRUNE_NOTICES, of)?;
        }
    }
    Ok(gone)
}

/// Deletes a step of those that ended before then, and returns how many. One that is open is kept
/// however old it is, because it tells where its connection is.
pub(super) fn prune_recoveries(
    db: &Connection,
    tenant: &TenantId,
    before: Moment,
) -> Result<u64, Error> {
    let of = params![tenant.as_str(), before.0, int(PRUNE_STEP_EVENTS)];
    let deleted = db.prepare_cached(sql::PRUNE_RECOVERIES).and_then(|mut s| s.execute(of));
    Ok(deleted.map_err(Error::failed)? as u64)
}
