//! The log in a SQLite file: WAL, `synchronous=FULL`, one writer thread with group commit, readers
//! on connections of their own.
//!
//! The writer never checkpoints: that would stall a commit for as long as the disk takes to copy
//! the log back. A thread of its own does it, while commits go on.

mod cache;
mod faq;
mod file;
mod reads;
mod rows;
mod sql;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, params};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::{
    Agent, ApiKey, Change, ConversationFilter, Department, Error, LeftBehind, Log, Page, Pending,
    QueueFigures, Reading, RecentLeave, Recovery, Retention, Tail,
};
use crate::limits::{COMMIT_QUEUE_CHANGES_MAX, TAIL_COMMITS_MAX};
use crate::model::{
    Conversation, ConversationId, Cursor, Envelope, ExternalId, FaqEntry, History, HistoryRange,
    Moment, TenantId, UserId,
};
use cache::{Cache, CacheKey};
use file::{MIGRATIONS, migrate, open_file, spawn, spawn_checkpointer};
use reads::{
    Readers, find_position, prune_events, prune_recoveries, read_latest_page, read_messages,
    read_page, read_pages,
};
use rows::{all, first, int, run};
use writer::{Job, Writer};

pub(super) use file::{examine_file, migrate_file};

/// Told of every group commit: how many events, and how long it took.
pub type Observer = Arc<dyn Fn(usize, Duration) + Send + Sync>;

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

    /// Runs `step` for every tenant until it has nothing more to do anywhere, each time in a
    /// transaction of its own, so that commits go on in between. Returns the sum.
    async fn in_steps(
        &self,
        step: impl Fn(&Connection, &TenantId) -> Result<u64, Error> + Copy + Send + 'static,
    ) -> Result<u64, Error> {
        let mut sum = 0;
        loop {
            let done = self.writing(move |db| {
                let tx = db.transaction().map_err(Error::failed)?;
                let tenants = all(&tx, sql::TENANT_IDS, [], |row| rows::tenant(row, 0))?;
                let done = tenants.iter().map(|t| step(&tx, t)).sum::<Result<u64, _>>()?;
                tx.commit().map_err(Error::failed)?;
                Ok(done)
            });
            match done.await? {
                0 => return Ok(sum),
                done => sum += done,
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// All in one go: whoever comes back reads several, and thousands come back at once.
    async fn read_each(
        &self,
        tenant: &TenantId,
        readings: Vec<(Reading, u64)>,
        limit: usize,
    ) -> Result<(u64, Vec<Page>), Error> {
        let of = tenant.clone();
        self.reading(move |db| read_pages(db, &of, readings, limit)).await
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
            let (of, limit) = (of.as_str(), int(filter.limit as u64));
            let read = |row: &rusqlite::Row| rows::conversation(row).map(Arc::new);
            let department = filter.department;
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

    async fn assigned_to(
        &self,
        tenant: &TenantId,
        agent: &UserId,
        limit: usize,
    ) -> Result<Vec<ConversationId>, Error> {
        let (of, agent) = (tenant.clone(), agent.clone());
        self.reading(move |db| {
            let of = params![of.as_str(), agent.as_str(), int(limit as u64)];
            all(db, sql::ASSIGNED_TO, of, |row| rows::conversation_id(row, 0))
        })
        .await
    }

    async fn end_recoveries(&self, at: Moment) -> Result<(), Error> {
        self.writing(move |db| run(db, sql::END_RECOVERIES, params![at.0])).await
    }

    async fn recovery(&self, tenant: &TenantId, id: Uuid) -> Result<Option<Recovery>, Error> {
        let of = tenant.clone();
        // With whatever else is to be committed now, unlike a job of the writer.
        self.commit(tenant, Change::default()).await?;
        self.reading(move |db| first(db, sql::RECOVERY, params![id, of.as_str()], rows::recovery))
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

    async fn recent_leaves(&self, since: Moment) -> Result<Vec<RecentLeave>, Error> {
        self.reading(move |db| {
            let mut leaves = Vec::new();
            for tenant in all(db, sql::TENANT_IDS, [], |row| rows::tenant(row, 0))? {
                let after = find_position(db, &tenant, since)?;
                let of = params![tenant.as_str(), int(after)];
                let read = |row: &rusqlite::Row| rows::envelope(row, &tenant);
                let events = all(db, sql::LEAVES, of, read)?;
                leaves.extend(events.iter().filter_map(|e| RecentLeave::of(e)));
            }
            Ok(leaves)
        })
        .await
    }

    async fn with_the_bot(&self) -> Result<Vec<(TenantId, ConversationId)>, Error> {
        self.reading(|db| {
            all(db, sql::ALL_OF_BOT, [], |row| {
                Ok((rows::tenant(row, 0)?, rows::conversation_id(row, 1)?))
            })
        })
        .await
    }

    async fn message_known_as(
        &self,
        tenant: &TenantId,
        conversation: ConversationId,
        sender: &UserId,
        client_id: &str,
    ) -> Result<Option<Arc<Envelope>>, Error> {
        let (of, sender, client_id) = (tenant.clone(), sender.clone(), client_id.to_owned());
        self.reading(move |db| {
            let key = params![of.as_str(), conversation.0, sender.as_str(), client_id];
            first(db, sql::KNOWN_MESSAGE, key, |row| rows::envelope(row, &of))
        })
        .await
    }

    async fn faq_entry(&self, tenant: &TenantId, id: Uuid) -> Result<Option<FaqEntry>, Error> {
        let of = tenant.clone();
        self.reading(move |db| faq::read(db, &of, id)).await
    }

    async fn faq_entries(
        &self,
        tenant: &TenantId,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<FaqEntry>, Error> {
        let of = tenant.clone();
        self.reading(move |db| faq::read_page(db, &of, after, limit)).await
    }

    async fn faq_count(&self, tenant: &TenantId) -> Result<usize, Error> {
        let of = tenant.clone();
        self.reading(move |db| faq::count(db, &of)).await
    }

    async fn search_faq(
        &self,
        tenant: &TenantId,
        words: Vec<String>,
        limit: usize,
    ) -> Result<Vec<FaqEntry>, Error> {
        let of = tenant.clone();
        self.reading(move |db| faq::search(db, &of, &words, limit)).await
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
        let step = move |db: &Connection, of: &TenantId| prune_events(db, of, retention);
        let events = self.in_steps(step).await?;
        if let Some(before) = retention.recoveries_before {
            self.in_steps(move |db, of| prune_recoveries(db, of, before)).await?;
        }
        Ok(events)
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
