//! The log in a SQLite file: WAL, `synchronous=FULL`, one writer thread with group commit, readers
//! on connections of their own.
//!
//! The writer never checkpoints: that would stall a commit for as long as the disk takes to copy
//! the log back. A thread of its own does it, while commits go on.
//!
//! This file owns the connections and threads; what is asked of them is in [`answers`].

mod answers;
mod backup;
mod cache;
mod conversations;
mod export;
mod faq;
mod file;
mod hub;
mod nodes;
mod reads;
mod routing;
mod rows;
mod sql;
mod staff;
#[cfg(test)]
mod tests;
mod webhooks;
mod writer;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{Error, Tail};
use crate::limits::{COMMIT_QUEUE_CHANGES_MAX, TAIL_COMMITS_MAX};
use crate::model::TenantId;
use cache::{Cache, CacheKey};
use file::{migrate, open_file, spawn, spawn_checkpointer};
use reads::Readers;
use rows::all;
use writer::{Job, Writer};

pub(super) use backup::back_up;
pub(super) use export::{Guard, Source};
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
