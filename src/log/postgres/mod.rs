//! The log in a PostgreSQL database, which several nodes may share: one writing line with group
//! commit, a few shared lines that read, one for the duties.
//!
//! PostgreSQL orders what the nodes write: whoever writes to a tenant's log has locked the tenant's
//! row until its commit, so positions become visible in their order. Nothing is cached, because
//! other nodes write too.
//!
//! This file owns the lines and tasks; what is asked of them is in [`answers`].

mod answers;
mod connect;
mod conversations;
mod faq;
mod fetch;
mod follower;
mod gaps;
mod hub;
mod import;
mod keep;
mod keep_hooks;
mod keep_records;
mod lines;
mod loader;
mod needs;
mod nodes;
mod overlay;
mod pipeline;
mod prune;
mod reading;
mod reads;
mod records;
mod routing;
mod rows;
mod schema;
mod sql;
mod staff;
#[cfg(test)]
mod tests;
mod webhooks;
mod writer;
mod writes;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::{Error, LiveCopy, Observer, PostgresUrl, Tail};
use crate::limits::{COMMIT_QUEUE_CHANGES_MAX, TAIL_COMMITS_MAX};
use connect::{Address, Line};
use follower::Follower;
use lines::{Kept, Lines};
use loader::Loader;
use writer::{Job, Writer};

pub(super) use import::Target;
pub(super) use schema::{examine_database, migrate_database};

/// The log in a PostgreSQL database.
pub(super) struct Postgres {
    /// Taken by [`Log::close`](super::Log::close).
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    lines: Arc<Lines>,
    loader: Loader,
    /// Apart, so that the duties are not lost behind reads.
    duties: Kept,
    /// Whether the last commit failed.
    is_failing: Arc<AtomicBool>,
}

impl Postgres {
    /// Opens the database, migrates it, and starts the writer and the follower. `connections` read.
    pub(super) async fn open(
        url: &PostgresUrl,
        connections: usize,
        observer: Observer,
        live: Option<LiveCopy>,
    ) -> Result<(Postgres, Tail), Error> {
        let address = Address::parse(url)?;
        let first = address.open().await?;
        schema::migrate(&first).await?;
        import::check_moved(&first).await?;
        first.execute(writes::FORGET_WRITERS, &[]).await?;
        drop(first);
        let lines = Arc::new(Lines::open(&address, connections));
        let (tail_sender, tail) = mpsc::channel(TAIL_COMMITS_MAX);
        let follower = Follower::begin(lines.clone(), tail_sender).await?;
        let is_failing = Arc::<AtomicBool>::default();
        let (jobs, queue) = mpsc::channel(COMMIT_QUEUE_CHANGES_MAX);
        let (own_sender, own) = mpsc::channel(TAIL_COMMITS_MAX);
        let (outgoing, incoming) = live.map(|live| (live.outgoing, live.incoming)).unzip();
        let duties = Kept::new(address.clone());
        let writer =
            Writer::new(address, queue, own_sender, outgoing, observer, is_failing.clone());
        let tasks = vec![tokio::spawn(writer.run()), tokio::spawn(follower.run(own, incoming))];
        let log = Postgres {
            jobs: Mutex::new(Some(jobs)),
            tasks: Mutex::new(tasks),
            loader: Loader::new(lines.clone()),
            lines,
            duties,
            is_failing,
        };
        Ok((log, tail))
    }

    fn jobs(&self) -> Result<mpsc::Sender<Job>, Error> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.clone().ok_or_else(|| Error::failed("the log is closed"))
    }

    async fn send(&self, job: Job) -> Result<(), Error> {
        self.jobs()?.send(job).await.map_err(|_| Error::failed("the log is closed"))
    }

    /// Waits until everything appended before is decided.
    async fn settled(&self) -> Result<(), Error> {
        let (answer, settled) = oneshot::channel();
        self.send(Job::Wait(answer)).await?;
        settled.await.map_err(Error::failed)
    }

    /// Runs `f` on the writing line, after everything appended before and apart from it.
    async fn writing<T, F>(
        &self,
        f: impl FnOnce(Arc<Line>) -> F + Send + 'static,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let (answer, result) = oneshot::channel();
        let job = Job::Run(Box::new(move |line| {
            Box::pin(async move {
                let done = match line {
                    Ok(line) => f(line).await,
                    Err(err) => Err(err),
                };
                // Whoever asked may have left.
                let _ = answer.send(done);
            })
        }));
        self.send(job).await?;
        result.await.map_err(Error::failed)?
    }

    /// Commits what was appended, then refuses more.
    async fn finish(&self) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            // One that panicked has told so already.
            let _ = task.await;
        }
    }
}
