//! The one task that writes: it commits whatever has gathered in one transaction of two round trips
//! (group commit), whatever happens to the line meanwhile.
//!
//! While a group is under way the next changes queue up; so the slower the database, the larger the
//! groups, and an acknowledgement always means that the database has it on disk.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::super::{Batch, Copied, Error, KeptBatch, Outcome, change};
use super::connect::{Address, Fault, Line};
use super::fetch::{Mark, Unread, fetch};
use super::follower::Own;
use super::keep::{Json, keep};
use super::needs::Needs;
use super::overlay::Overlay;
use super::pipeline::prepare_all;
use super::{Observer, writes};
use crate::limits::{
    COMMIT_BATCH_CHANGES_MAX, POSTGRES_COMMIT_PATIENCE, POSTGRES_DOUBT_MAX, POSTGRES_PAUSE,
    POSTGRES_PAUSE_MAX, WRITER_TENANTS_KNOWN_MAX,
};
use crate::model::{Envelope, TenantId};

/// What is done with the writing line, if there is one.
type Work = Box<dyn FnOnce(Result<Arc<Line>, Error>) -> BoxFuture<'static, ()> + Send>;

/// A request to the writer.
pub(super) enum Job {
    /// Keep a batch of changes.
    Commit(Asked),
    /// Say when everything that was asked before is decided.
    Wait(oneshot::Sender<()>),
    /// Do something else on the writing line, between two groups.
    Run(Work),
}

/// A batch that somebody waits for.
pub(super) struct Asked {
    pub(super) tenant: TenantId,
    pub(super) batch: Batch,
    pub(super) answer: oneshot::Sender<Result<KeptBatch, Error>>,
}

/// The writer's own state.
pub(super) struct Writer {
    address: Address,
    jobs: mpsc::Receiver<Job>,
    follower: mpsc::Sender<Own>,
    live: Option<mpsc::Sender<Copied>>,
    observer: Observer,
    is_failing: Arc<AtomicBool>,
    line: Option<Arc<Line>>,
    /// By which its commits are found again.
    pub(super) mark: Mark,
    /// Tenants that have a row.
    tenants: HashSet<TenantId>,
}

/// What became of a group.
struct Kept {
    results: Vec<Result<KeptBatch, Error>>,
    staff: Vec<(TenantId, i64)>,
}

/// Why a group was not kept.
enum Lost {
    /// It may be kept if it is tried again.
    Again(Error),
    /// Something in it cannot be written: not this group, but perhaps a part of it.
    Words(Error),
    /// It is no use.
    Wrong(Error),
}

impl Lost {
    fn of(fault: Fault) -> Lost {
        match () {
            () if fault.may_pass() => Lost::Again(fault.into()),
            () if fault.is_of_words() => Lost::Words(fault.into()),
            () => Lost::Wrong(fault.into()),
        }
    }
}

/// How a commit ended whose answer was lost.
enum Verdict {
    Committed,
    RolledBack,
    Unknown(Error),
}

impl Writer {
    pub(super) fn new(
        address: Address,
        jobs: mpsc::Receiver<Job>,
        follower: mpsc::Sender<Own>,
        live: Option<mpsc::Sender<Copied>>,
        observer: Observer,
        is_failing: Arc<AtomicBool>,
    ) -> Writer {
        let mark = Mark { writer: Uuid::new_v4(), number: 0 };
        let tenants = HashSet::new();
        Writer { address, jobs, follower, live, observer, is_failing, line: None, mark, tenants }
    }

    /// One that nobody asks anything.
    #[cfg(test)]
    pub(super) fn idle(address: Address) -> Writer {
        let (jobs, follower) = (mpsc::channel(1).1, mpsc::channel(1).0);
        Writer::new(address, jobs, follower, None, Arc::new(|_, _| {}), Arc::default())
    }

    /// Serves until every sender of jobs is gone.
    pub(super) async fn run(mut self) {
        let mut jobs = Vec::with_capacity(COMMIT_BATCH_CHANGES_MAX);
        while self.jobs.recv_many(&mut jobs, COMMIT_BATCH_CHANGES_MAX).await > 0 {
            // Whoever woke us may have more to say: a burst that is committed as one is also told
            // as one.
            tokio::task::yield_now().await;
            while jobs.len() < COMMIT_BATCH_CHANGES_MAX
                && let Ok(job) = self.jobs.try_recv()
            {
                jobs.push(job);
            }
            let mut group = Vec::with_capacity(jobs.len());
            let mut waiting = Vec::new();
            for job in jobs.drain(..) {
                match job {
                    Job::Commit(asked) => group.push(asked),
                    Job::Wait(answer) => waiting.push(answer),
                    Job::Run(f) => {
                        self.commit_group(std::mem::take(&mut group)).await;
                        let line = self.line().await;
                        f(line).await;
                    }
                }
            }
            self.commit_group(group).await;
            for answer in waiting {
                // Whoever asked may have left.
                let _ = answer.send(());
            }
        }
    }

    /// Keeps a group; the parts of one that cannot be written as a whole by themselves, so that
    /// what cannot be written at all takes nothing along.
    async fn commit_group(&mut self, group: Vec<Asked>) {
        let mut parts = VecDeque::from([group]);
        while let Some(mut part) = parts.pop_front() {
            if part.is_empty() {
                continue;
            }
            let started = Instant::now();
            let kept = self.commit(&part).await;
            self.is_failing.store(kept.is_err(), Ordering::Relaxed);
            match kept {
                Ok(kept) => self.tell(part, kept, started).await,
                Err(Lost::Words(_)) if part.len() > 1 => {
                    let rest = part.split_off(part.len() / 2);
                    parts.push_front(rest);
                    parts.push_front(part);
                }
                Err(Lost::Again(err) | Lost::Words(err) | Lost::Wrong(err)) => {
                    tracing::error!(error = %err, batches = part.len(), "commit failed");
                    for asked in part {
                        let _ = asked.answer.send(Err(err.clone()));
                    }
                }
            }
        }
    }

    /// Tries until the group is kept, or cannot be, or those who wait have waited long enough.
    async fn commit(&mut self, group: &[Asked]) -> Result<Kept, Lost> {
        let deadline = Instant::now() + POSTGRES_COMMIT_PATIENCE;
        let mut pause = POSTGRES_PAUSE;
        loop {
            match self.attempt(group).await {
                Err(Lost::Again(err)) if Instant::now() + pause < deadline => {
                    tracing::warn!(error = %err, "a commit is tried again, nothing of it was kept");
                    sleep(pause).await;
                    pause = (pause * 2).min(POSTGRES_PAUSE_MAX);
                }
                tried => return tried,
            }
        }
    }

    async fn attempt(&mut self, group: &[Asked]) -> Result<Kept, Lost> {
        let line = self.line().await.map_err(Lost::Again)?;
        self.mark.number += 1;
        let needs = Needs::of(group.iter().map(|asked| (&asked.tenant, &asked.batch)));
        let is_new = |tenant: &&TenantId| !self.tenants.contains(*tenant);
        let made: Vec<TenantId> = needs.tenants.iter().filter(is_new).cloned().collect();
        let mut overlay = match fetch(&line, self.mark, &needs, &made).await {
            Ok(overlay) => overlay,
            Err(Unread::Fault(fault)) => return Err(self.roll_back(&line, fault).await),
            Err(Unread::Wrong(err)) => {
                // What was believed to be there may be what is wrong.
                self.tenants.clear();
                self.line = None;
                return Err(Lost::Wrong(err));
            }
        };
        let carried = carry_out(&mut overlay, &needs, group);
        let (results, json) = match carried.and_then(|r| Ok((r, Json::of(&overlay)?))) {
            Ok(carried) => carried,
            Err(err) => {
                self.line = None;
                return Err(Lost::Wrong(err));
            }
        };
        match keep(&line, &overlay, &json).await {
            Ok(()) => {}
            Err(fault) if fault.is_of_line() => self.find_out(fault).await?,
            Err(fault) => return Err(self.roll_back(&line, fault).await),
        }
        if self.tenants.len() > WRITER_TENANTS_KNOWN_MAX {
            self.tenants.clear();
        }
        self.tenants.extend(made);
        Ok(Kept { results, staff: overlay.staff() })
    }

    /// After a statement failed: the transaction is over, and the line perhaps too.
    async fn roll_back(&mut self, line: &Line, fault: Fault) -> Lost {
        let is_lost = fault.is_of_line() || line.batch(writes::ROLLBACK).await.is_err();
        if is_lost {
            self.line = None;
        }
        Lost::of(fault)
    }

    /// After the line was lost when COMMIT was on its way.
    async fn find_out(&mut self, fault: Fault) -> Result<(), Lost> {
        self.line = None;
        tracing::warn!(error = %fault, "the answer to a commit was lost; it is looked up");
        match self.verdict().await {
            Verdict::Committed => Ok(()),
            Verdict::RolledBack => Err(Lost::Again(fault.into())),
            Verdict::Unknown(err) => {
                tracing::error!(
                    error = %err,
                    "it could not be found out whether a commit was kept; it is told as failed"
                );
                Err(Lost::Wrong(fault.into()))
            }
        }
    }

    /// Whether the transaction of the latest mark was committed. It wrote the mark before anything
    /// else and holds it until it ends, so whoever may write it next knows how it ended.
    async fn verdict(&self) -> Verdict {
        let deadline = Instant::now() + POSTGRES_DOUBT_MAX;
        let mut pause = POSTGRES_PAUSE;
        loop {
            match self.marked().await {
                Ok(number) if number == self.mark.number => return Verdict::Committed,
                Ok(_) => return Verdict::RolledBack,
                Err(err) if Instant::now() + pause > deadline => return Verdict::Unknown(err),
                Err(_) => sleep(pause).await,
            }
            pause = (pause * 2).min(POSTGRES_PAUSE_MAX);
        }
    }

    pub(super) async fn marked(&self) -> Result<i64, Error> {
        let line = self.address.open().await?;
        let found = line.query(writes::MARKED, &[&self.mark.writer]).await?;
        found.first().map_or(Err(Error::failed("no mark")), |row| Ok(row.get(0)))
    }

    /// The writing line; a new one if there is none.
    async fn line(&mut self) -> Result<Arc<Line>, Error> {
        if let Some(line) = self.line.as_ref().filter(|line| !line.client.is_closed()) {
            return Ok(line.clone());
        }
        let line = self.address.open().await?;
        prepare_all(&line, USUAL).await?;
        self.line = Some(line.clone());
        Ok(line)
    }

    /// Tells what was kept: the tail, the other nodes, and those who wait.
    async fn tell(&mut self, group: Vec<Asked>, kept: Kept, started: Instant) {
        let changes = kept.results.iter().flatten().flat_map(|batch| &batch.changes);
        let events: Vec<_> = changes.flatten().flatten().filter_map(newly).collect();
        (self.observer)(events.len(), started.elapsed());
        if !events.is_empty() || !kept.staff.is_empty() {
            let staff = kept.staff.iter().map(|(tenant, _)| tenant.clone()).collect();
            let copied = Copied { events: events.clone(), staff };
            // Without a reader of the tail the server is stopping (`Running::failed`).
            let _ = self.follower.send(Own { events, staff: kept.staff }).await;
            if let Some(live) = &self.live {
                // What does not fit is read from the log by the others.
                let _ = live.try_send(copied);
            }
        }
        for (asked, result) in group.into_iter().zip(kept.results) {
            // Whoever asked may have left meanwhile; the change is kept all the same.
            let _ = asked.answer.send(result);
        }
    }
}

/// What most groups need, prepared when a line is opened.
const USUAL: &[&str] = &[
    writes::BEGIN,
    writes::MARK,
    writes::LOCK_TENANTS,
    writes::CONVERSATIONS,
    writes::KNOWN_MESSAGES,
    writes::READ_MARKS,
    writes::MEMBERS,
    writes::SET_HEADS,
    writes::ADD_EVENTS,
    writes::PUT_CONVERSATIONS,
    writes::SET_SEQS,
    writes::PUT_READ_MARKS,
    writes::PUT_MEMBERS,
    writes::REMOVE_MEMBERS,
    writes::PUT_RECOVERIES,
    writes::COMMIT,
];

fn newly(outcome: &Outcome) -> Option<Arc<Envelope>> {
    match outcome {
        Outcome::Kept(envelope) => Some(envelope.clone()),
        Outcome::Known(_) | Outcome::Unchanged | Outcome::Repeated(_) => None,
    }
}

/// Carries the group out in memory. A refused batch is an `Err` inside; a failure is the `Err`
/// outside, and then nothing of the group is kept.
fn carry_out(
    overlay: &mut Overlay,
    needs: &Needs,
    group: &[Asked],
) -> Result<Vec<Result<KeptBatch, Error>>, Error> {
    let mut results = Vec::with_capacity(group.len());
    for Asked { tenant, batch, .. } in group {
        let of = needs.find(tenant).ok_or_else(|| Error::failed("a tenant of no group"))?;
        let mut state = overlay.tenant(of);
        let at = state.at();
        results.push(match change::carry_out_batch(&mut state, tenant, batch.clone(), at) {
            Err(Error::Failed(reason)) => return Err(Error::Failed(reason)),
            done => done,
        });
    }
    Ok(results)
}
