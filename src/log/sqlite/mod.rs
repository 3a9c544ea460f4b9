//! The log in a SQLite file: WAL, `synchronous=FULL`, one writer thread with group commit, readers
//! on connections of their own.
//!
//! The writer never checkpoints: that would stall a commit for as long as the disk takes to copy
//! the log back. A thread of its own does it, while commits go on.

mod rows;
mod sql;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::HashMap;
use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use async_trait::async_trait;
use lru::LruCache;
use rusqlite::{Connection, OpenFlags, params};
use tokio::sync::{Semaphore, mpsc, oneshot};
use uuid::Uuid;

use super::{
    Agent, ApiKey, Change, ConversationFilter, Department, Error, LeftBehind, Log, Page, Pending,
    QueueFigures, Reading, Retention, Tail,
};
use crate::limits::{
    CHECKPOINT_INTERVAL, COMMIT_QUEUE_CHANGES_MAX, CONVERSATION_CACHE_RECORDS, STORE_BUSY_TIMEOUT,
    STORE_READERS, TAIL_COMMITS_MAX,
};
use crate::model::{
    Conversation, ConversationId, Cursor, ExternalId, History, HistoryRange, Moment, TenantId,
    UserId,
};
use rows::{all, first, int, run};
use writer::{Job, Writer};

/// Told of every group commit: how many events, and how long it took.
pub type Observer = Arc<dyn Fn(usize, Duration) + Send + Sync>;

/// The migrations, oldest first; a file's version is how many it has.
const MIGRATIONS: &[&str] = &[include_str!("../../../migrations/sqlite/001_log.sql")];

/// The log in a SQLite file.
pub(super) struct Sqlite {
    /// Taken by [`Log::close`].
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    readers: Arc<Readers>,
    cache: Cache,
    /// Whether the last commit failed.
    is_failing: Arc<AtomicBool>,
}

impl Sqlite {
    /// Opens the file, migrates it, and starts the writer.
    pub(super) fn open(path: &Path, observer: Observer) -> Result<(Sqlite, Tail), Error> {
        let mut db = open_file(path)?;
        migrate(&mut db)?;
        let readers = Arc::new(Readers::open(path)?);
        let cache = Cache::new();
        let is_failing = Arc::<AtomicBool>::default();
        let (jobs, queue) = mpsc::channel(COMMIT_QUEUE_CHANGES_MAX);
        let (tail_sender, tail) = mpsc::channel(TAIL_COMMITS_MAX);
        let writer = Writer {
            db,
            jobs: queue,
            tail: tail_sender,
            cache: cache.clone(),
            observer,
            heads: HashMap::new(),
            is_failing: is_failing.clone(),
        };
        let writer = spawn("log-writer", move || writer.run())?;
        let checkpointer = spawn_checkpointer(path, jobs.downgrade())?;
        let threads = Mutex::new(vec![writer, checkpointer]);
        let jobs = Mutex::new(Some(jobs));
        Ok((Sqlite { jobs, threads, readers, cache, is_failing }, tail))
    }

    fn jobs(&self) -> Result<mpsc::Sender<Job>, Error> {
        lock(&self.jobs).clone().ok_or_else(|| Error::failed("the log is closed"))
    }

    /// Runs `f` on a reading connection.
    async fn reading<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.readers.run(f).await
    }

    /// Runs `f` on the writing connection, after everything appended before.
    async fn writing<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, result) = oneshot::channel();
        let job = Job::Run(Box::new(move |db| drop(answer.send(f(db)))));
        self.jobs()?.send(job).await.map_err(|_| Error::failed("the log is closed"))?;
        result.await.map_err(Error::failed)?
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn spawn(name: &str, f: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    thread::Builder::new().name(name.into()).spawn(f).map_err(Error::failed)
}

fn open_file(path: &Path) -> Result<Connection, Error> {
    let at = |err: rusqlite::Error| Error::failed(format!("{}: {err}", path.display()));
    let made = fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    made.map_err(|err| Error::failed(format!("{}: {err}", path.display())))?;
    let db = Connection::open(path).map_err(at)?;
    // SQLite opens a file that may not be written all the same, and every commit fails later.
    if db.is_readonly("main").map_err(at)? {
        return Err(Error::failed(format!("{}: may not be written", path.display())));
    }
    db.busy_timeout(STORE_BUSY_TIMEOUT).map_err(at)?;
    db.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 0;
         PRAGMA cache_size = -2000;
         PRAGMA foreign_keys = ON;",
    )
    .map_err(at)?;
    db.set_prepared_statement_cache_capacity(64);
    Ok(db)
}

/// Applies the migrations a database lacks, each in a transaction of its own.
fn migrate(db: &mut Connection) -> Result<(u32, u32), Error> {
    let version = |db: &Connection| {
        db.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0)).map_err(Error::failed)
    };
    let before = version(db)?;
    if before as usize > MIGRATIONS.len() {
        return Err(Error::failed(format!(
            "the database has version {before}, this program knows up to {}; \
             run the newer program",
            MIGRATIONS.len()
        )));
    }
    for (number, migration) in (1u32..).zip(MIGRATIONS).skip(before as usize) {
        let tx = db.transaction().map_err(Error::failed)?;
        tx.execute_batch(migration).map_err(Error::failed)?;
        tx.pragma_update(None, "user_version", number).map_err(Error::failed)?;
        tx.commit().map_err(Error::failed)?;
    }
    Ok((before, version(db)?))
}

/// Brings a file up to this program's schema; returns its version before and after.
pub(super) fn migrate_file(path: &Path) -> Result<(u32, u32), Error> {
    migrate(&mut open_file(path)?)
}

/// The version of a file that is whole; `None` if there is no file.
pub(super) fn examine_file(path: &Path) -> Result<Option<u32>, Error> {
    if !path.exists() {
        return Ok(None);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let db = Connection::open_with_flags(path, flags).map_err(Error::failed)?;
    let text = |sql: &str| db.query_row(sql, [], |row| row.get::<_, String>(0));
    let verdict = text("PRAGMA quick_check(1)").map_err(Error::failed)?;
    if verdict != "ok" {
        return Err(Error::failed(verdict));
    }
    let version = db.query_row("PRAGMA user_version", [], |row| row.get(0));
    version.map(Some).map_err(Error::failed)
}

/// Copies the write-ahead log back from time to time, until the writer is gone.
fn spawn_checkpointer(path: &Path, alive: mpsc::WeakSender<Job>) -> Result<JoinHandle<()>, Error> {
    let db = open_file(path)?;
    spawn("log-checkpoint", move || {
        while alive.upgrade().is_some() {
            // Passive: never waits for a reader and never keeps the writer out.
            if let Err(err) = db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
                tracing::warn!(error = %err, "checkpoint failed, will be tried again");
            }
            thread::park_timeout(CHECKPOINT_INTERVAL);
        }
    })
}

/// A few reading connections, used on the blocking pool.
struct Readers {
    idle: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

impl Readers {
    fn open(path: &Path) -> Result<Readers, Error> {
        let open = |_| {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let db = Connection::open_with_flags(path, flags).map_err(Error::failed)?;
            db.busy_timeout(STORE_BUSY_TIMEOUT).map_err(Error::failed)?;
            db.pragma_update(None, "cache_size", -300).map_err(Error::failed)?;
            db.set_prepared_statement_cache_capacity(64);
            Ok(db)
        };
        let idle = (0..STORE_READERS).map(open).collect::<Result<Vec<_>, Error>>()?;
        Ok(Readers { idle: Mutex::new(idle), permits: Semaphore::new(STORE_READERS) })
    }

    async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        f: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let readers = self.clone();
        let _permit = self.permits.acquire().await.map_err(Error::failed)?;
        let work = move || {
            let db = lock(&readers.idle).pop().ok_or_else(|| Error::failed("no reader"))?;
            let result = f(&db);
            lock(&readers.idle).push(db);
            result
        };
        tokio::task::spawn_blocking(work).await.map_err(Error::failed)?
    }
}

type CacheKey = (TenantId, ConversationId);

/// The records of the conversations used last, as the latest commit left them.
///
/// Only the writer puts records in, and only after their commit; so a reader never sees one that
/// may still be rolled back.
#[derive(Clone)]
struct Cache(Arc<Mutex<LruCache<CacheKey, Arc<Conversation>>>>);

impl Cache {
    fn new() -> Cache {
        let capacity = NonZeroUsize::new(CONVERSATION_CACHE_RECORDS).unwrap_or(NonZeroUsize::MIN);
        // Grows as it fills: a server that never has many conversations never pays for them.
        let mut records = LruCache::unbounded();
        records.resize(capacity);
        Cache(Arc::new(Mutex::new(records)))
    }

    fn get(&self, key: &CacheKey) -> Option<Arc<Conversation>> {
        lock(&self.0).get(key).cloned()
    }

    /// For the writer alone: what it loads cannot change before it puts it in.
    fn get_or_load(
        &self,
        db: &Connection,
        key: &CacheKey,
    ) -> Result<Option<Arc<Conversation>>, Error> {
        if let Some(record) = self.get(key) {
            return Ok(Some(record));
        }
        let of = params![key.0.as_str(), key.1.0];
        let found = first(db, sql::CONVERSATION, of, rows::conversation)?.map(Arc::new);
        if let Some(record) = &found {
            lock(&self.0).put(key.clone(), record.clone());
        }
        Ok(found)
    }

    fn put_all(&self, records: impl Iterator<Item = (CacheKey, Arc<Conversation>)>) {
        let mut cache = lock(&self.0);
        for (key, record) in records {
            cache.put(key, record);
        }
    }
}

fn read_page(
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
        Reading::Audit => all(db, sql::EVENTS_OF_AUDIT, params![of, after, max], read),
    }?;
    Ok(Page { is_end: events.len() < limit, events })
}

fn read_latest_page(
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
        Reading::Audit => all(db, sql::LATEST_OF_AUDIT, params![of, max], read),
    }?;
    events.reverse();
    Ok(Page { events, is_end: true })
}

fn read_messages(
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
fn find_position(db: &Connection, tenant: &TenantId, at: Moment) -> Result<u64, Error> {
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

fn prune_tenant(db: &Connection, tenant: &TenantId, retention: Retention) -> Result<u64, Error> {
    let mut gone = 0;
    let kinds = [
        (retention.connections_before, sql::NEWEST_CONNECTION_EVENT, sql::PRUNE_CONNECTIONS),
        (retention.all_before, sql::NEWEST_EVENT, sql::PRUNE_ALL),
    ];
    for (before, newest, delete) in kinds {
        let Some(before) = before else { continue };
        let through = int(find_position(db, tenant, before)?);
        let of = params![tenant.as_str(), through];
        let Some(newest) = rows::scalar::<Option<i64>>(db, newest, of)?.flatten() else { continue };
        let deleted = db.prepare_cached(delete).and_then(|mut s| s.execute(of));
        gone += deleted.map_err(Error::failed)? as u64;
        run(db, sql::SET_PRUNED, params![tenant.as_str(), newest])?;
    }
    Ok(gone)
}

#[async_trait]
impl Log for Sqlite {
    async fn append(&self, tenant: &TenantId, change: Change) -> Result<Pending, Error> {
        let (answer, pending) = oneshot::channel();
        let job = Job::Commit { tenant: tenant.clone(), change, answer };
        self.jobs()?.send(job).await.map_err(|_| Error::failed("the log is closed"))?;
        Ok(Pending(pending))
    }

    async fn head(&self, tenant: &TenantId) -> Result<Cursor, Error> {
        let of = tenant.clone();
        let read = move |db: &Connection| {
            first(db, sql::TENANT, params![of.as_str()], |row| {
                Ok(Cursor { log: rows::count(row, 0)?, position: rows::count(row, 1)? })
            })
        };
        Ok(self.reading(read).await?.unwrap_or(Cursor { log: 0, position: 0 }))
    }

    async fn pruned_through(&self, tenant: &TenantId) -> Result<u64, Error> {
        let of = tenant.clone();
        let read = move |db: &Connection| {
            first(db, sql::TENANT_PRUNED, params![of.as_str()], |row| rows::count(row, 0))
        };
        Ok(self.reading(read).await?.unwrap_or(0))
    }

    async fn read(
        &self,
        tenant: &TenantId,
        reading: Reading,
        after: u64,
        limit: usize,
    ) -> Result<Page, Error> {
        let of = tenant.clone();
        self.reading(move |db| read_page(db, &of, reading, after, limit)).await
    }

    async fn read_latest(
        &self,
        tenant: &TenantId,
        reading: Reading,
        limit: usize,
    ) -> Result<Page, Error> {
        let of = tenant.clone();
        self.reading(move |db| read_latest_page(db, &of, reading, limit)).await
    }

    async fn position_at(&self, tenant: &TenantId, at: Moment) -> Result<u64, Error> {
        let of = tenant.clone();
        self.reading(move |db| find_position(db, &of, at)).await
    }

    async fn position_of(
        &self,
        tenant: &TenantId,
        conversation: ConversationId,
        seq: u64,
    ) -> Result<Option<u64>, Error> {
        let of = tenant.clone();
        self.reading(move |db| {
            let of = params![of.as_str(), conversation.0, int(seq)];
            first(db, sql::POSITION_OF, of, |row| rows::count(row, 0))
        })
        .await
    }

    async fn messages(
        &self,
        tenant: &TenantId,
        conversation: ConversationId,
        range: HistoryRange,
    ) -> Result<History, Error> {
        let of = tenant.clone();
        self.reading(move |db| read_messages(db, &of, conversation, range)).await
    }

    async fn conversation(
        &self,
        tenant: &TenantId,
        id: ConversationId,
    ) -> Result<Option<Arc<Conversation>>, Error> {
        let key = (tenant.clone(), id);
        if let Some(record) = self.cache.get(&key) {
            return Ok(Some(record));
        }
        self.reading(move |db| {
            let of = params![key.0.as_str(), key.1.0];
            Ok(first(db, sql::CONVERSATION, of, rows::conversation)?.map(Arc::new))
        })
        .await
    }

    async fn conversation_by_external_id(
        &self,
        tenant: &TenantId,
        id: &ExternalId,
    ) -> Result<Option<ConversationId>, Error> {
        let (of, id) = (tenant.clone(), id.clone());
        self.reading(move |db| {
            let of = params![of.as_str(), id.as_str()];
            first(db, sql::EXTERNAL_ID, of, |row| rows::conversation_id(row, 0))
        })
        .await
    }

    async fn conversation_by_session_key(
        &self,
        digest: &[u8; 32],
    ) -> Result<Option<(TenantId, ConversationId)>, Error> {
        let digest = *digest;
        self.reading(move |db| {
            first(db, sql::SESSION_KEY, params![digest], |row| {
                Ok((rows::tenant(row, 0)?, rows::conversation_id(row, 1)?))
            })
        })
        .await
    }

    async fn conversations(
        &self,
        tenant: &TenantId,
        filter: ConversationFilter,
    ) -> Result<Vec<Arc<Conversation>>, Error> {
        let of = tenant.clone();
        self.reading(move |db| {
            let (at, id) = filter.after.unwrap_or((Moment(i64::MAX), ConversationId(Uuid::max())));
            let status = filter.status.map(|s| s.as_str());
            let limit = int(filter.limit as u64);
            let of = params![of.as_str(), status, filter.department, at.0, id.0, limit];
            all(db, sql::CONVERSATIONS, of, |row| rows::conversation(row).map(Arc::new))
        })
        .await
    }

    async fn queue(
        &self,
        tenant: &TenantId,
        department: Option<Uuid>,
        queued_before: Moment,
    ) -> Result<QueueFigures, Error> {
        let of = tenant.clone();
        self.reading(move |db| {
            let before = params![of.as_str(), department, queued_before.0];
            let ahead = first(db, sql::QUEUE_AHEAD, before, |row| rows::count(row, 0))?;
            let of = params![of.as_str(), department];
            let waits: Vec<u64> = all(db, sql::RECENT_WAITS, of, |row| rows::count(row, 0))?;
            let recent_wait_ms =
                (!waits.is_empty()).then(|| waits.iter().sum::<u64>() / waits.len() as u64);
            Ok(QueueFigures { ahead: ahead.unwrap_or(0), recent_wait_ms })
        })
        .await
    }

    async fn assigned_count(&self, tenant: &TenantId, agent: &UserId) -> Result<u64, Error> {
        let (of, agent) = (tenant.clone(), agent.clone());
        self.reading(move |db| {
            let of = params![of.as_str(), agent.as_str()];
            Ok(first(db, sql::ASSIGNED_COUNT, of, |row| rows::count(row, 0))?.unwrap_or(0))
        })
        .await
    }

    async fn left_behind(&self) -> Result<Vec<LeftBehind>, Error> {
        self.reading(|db| {
            all(db, sql::ALL_MEMBERS, [], |row| {
                Ok(LeftBehind {
                    tenant: rows::tenant(row, 3)?,
                    conversation: rows::conversation_id(row, 4)?,
                    member: rows::member(row)?,
                })
            })
        })
        .await
    }

    async fn tenant(&self, tenant: &TenantId) -> Result<Option<String>, Error> {
        let of = tenant.clone();
        self.reading(move |db| rows::scalar(db, sql::TENANT_NAME, params![of.as_str()])).await
    }

    async fn department(&self, tenant: &TenantId, id: Uuid) -> Result<Option<Department>, Error> {
        let of = tenant.clone();
        self.reading(move |db| {
            first(db, sql::DEPARTMENT, params![of.as_str(), id], |row| {
                Ok(Department { id: row.get(0)?, name: row.get(1)? })
            })
        })
        .await
    }

    async fn agent(&self, tenant: &TenantId, id: &UserId) -> Result<Option<Agent>, Error> {
        let (of, id) = (tenant.clone(), id.clone());
        self.reading(move |db| {
            let found = first(db, sql::AGENT, params![of.as_str(), id.as_str()], rows::agent)?;
            Ok(found.map(|(_, agent)| agent))
        })
        .await
    }

    async fn agents_by_email(&self, email: &str) -> Result<Vec<(TenantId, Agent)>, Error> {
        let email = email.to_owned();
        self.reading(move |db| all(db, sql::AGENTS_BY_EMAIL, params![email], rows::agent)).await
    }

    async fn api_key(&self, digest: &[u8; 32]) -> Result<Option<(TenantId, ApiKey)>, Error> {
        let digest = *digest;
        self.reading(move |db| first(db, sql::API_KEY, params![digest], rows::api_key)).await
    }

    async fn api_keys(&self, tenant: &TenantId) -> Result<Vec<ApiKey>, Error> {
        let of = tenant.clone();
        let read =
            move |db: &Connection| all(db, sql::API_KEYS, params![of.as_str()], rows::api_key);
        Ok(self.reading(read).await?.into_iter().map(|(_, key)| key).collect())
    }

    async fn prune(&self, retention: Retention) -> Result<u64, Error> {
        self.writing(move |db| {
            let tx = db.transaction().map_err(Error::failed)?;
            let tenants = all(&tx, sql::TENANT_IDS, [], |row| rows::tenant(row, 0))?;
            let gone =
                tenants.iter().map(|t| prune_tenant(&tx, t, retention)).sum::<Result<u64, _>>()?;
            tx.commit().map_err(Error::failed)?;
            Ok(gone)
        })
        .await
    }

    async fn check(&self) -> Result<(), Error> {
        // The probe asks for the write lock and writes nothing: watchers come every second, and a
        // sync of the disk each time would be dear. After a failure it has to be a true write.
        let must_write = self.is_failing.load(Ordering::Relaxed);
        self.writing(move |db| {
            let tx = db.transaction().map_err(Error::failed)?;
            run(&tx, sql::PROBE, [])?;
            if must_write {
                let version = MIGRATIONS.len() as u32;
                tx.pragma_update(None, "user_version", version).map_err(Error::failed)?;
            }
            tx.commit().map_err(Error::failed)
        })
        .await
    }

    async fn close(&self) {
        lock(&self.jobs).take();
        let threads = std::mem::take(&mut *lock(&self.threads));
        let join = move || {
            for thread in threads {
                thread.thread().unpark();
                // A thread that panicked has told so already.
                let _ = thread.join();
            }
        };
        let _ = tokio::task::spawn_blocking(join).await;
    }
}
