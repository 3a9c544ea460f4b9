//! The in-tray of the bot's desk: what waits for an answer, conversation by conversation, and who
//! waits for it. Bounded, and nothing here waits but [`Tray::next`], so the log's tail may fill it.
//! Knows no log and no provider.
//!
//! One conversation is in work once at a time, so that a question is answered in the light of the
//! one before it, and a repeat finds that one's answer. What is said meanwhile is taken together.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use uuid::Uuid;

use super::{BotReply, Job};
use crate::limits::{BOT_ASKED_KEPT, BOT_LINES_MAX, BOT_QUESTIONS_MAX};
use crate::model::{ConversationId, Error, TenantId};

/// A conversation, as the tray knows it.
pub(super) type Key = (TenantId, ConversationId);

/// The in-tray.
#[derive(Default)]
pub(super) struct Tray {
    state: Mutex<State>,
    filled: Notify,
}

#[derive(Default)]
struct State {
    talks: HashMap<Key, Talk>,
    /// Talks with lines that nobody works on, in the order they came.
    ready: VecDeque<Key>,
    /// Lines of all talks.
    waiting: usize,
    asked: HashMap<Uuid, Asked>,
    /// A line found no room, and its conversation is in no talk.
    has_missed: bool,
    is_sweeping: bool,
    is_closed: bool,
}

/// What a customer said that is not answered yet.
#[derive(Default)]
struct Talk {
    lines: VecDeque<Job>,
    in_work: Vec<Uuid>,
    /// More was said than found room; this is the latest of it.
    overrun: Option<Job>,
}

/// Who waits for the answer to a question; the question may still be on its way here.
struct Asked {
    since: Instant,
    askers: Vec<oneshot::Sender<Verdict>>,
}

/// What came of a question, for whoever asked it.
pub(super) enum Verdict {
    /// It was carried through.
    Done(Result<BotReply, Error>),
    /// There is no room for it; whoever waits has to give it to a person.
    Full,
}

/// Somebody's wait for an answer.
pub(super) struct Waiting {
    tray: Arc<Tray>,
    question: Uuid,
    verdict: oneshot::Receiver<Verdict>,
    /// The question comes whether it is waited for or not.
    is_kept: bool,
}

/// What is to be done next.
pub(super) enum Work {
    /// A question is to be answered.
    Answer(Turn),
    /// Some found no room; the log knows which.
    Sweep(Sweep),
}

/// The lines of one conversation that are in work, until it is dropped.
pub(super) struct Turn {
    tray: Arc<Tray>,
    key: Key,
    /// In the order of the log.
    pub(super) lines: Vec<Job>,
    /// More was said than there is room for.
    pub(super) is_overrun: bool,
    reply: Option<Reply>,
}

/// What came of a question; `None` if the bot has no say.
pub(super) type Reply = Result<Option<BotReply>, Error>;

/// Says that a sweep is under way, until it is dropped.
pub(super) struct Sweep(Arc<Tray>);

impl Tray {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a question in, unless it is here already.
    pub(super) fn put(&self, job: Job) {
        self.lock().put(job);
        self.filled.notify_one();
    }

    /// Waits for the answer to a question that is yet to come.
    pub(super) fn expect(self: &Arc<Tray>, question: Uuid) -> Waiting {
        let verdict = self.lock().ask(question);
        Waiting { tray: self.clone(), question, verdict, is_kept: false }
    }

    /// Waits for the answer to a question that was kept before, and takes it in once more if it is
    /// not here.
    pub(super) fn expect_again(self: &Arc<Tray>, job: Job) -> Waiting {
        let question = job.question;
        let mut state = self.lock();
        let verdict = state.ask(question);
        state.put(job);
        drop(state);
        self.filled.notify_one();
        Waiting { tray: self.clone(), question, verdict, is_kept: true }
    }

    /// Whether somebody asked this of the bot by name.
    pub(super) fn is_asked(&self, question: Uuid) -> bool {
        self.lock().asked.contains_key(&question)
    }

    /// Whether something of this conversation waits or is in work.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.lock().talks.contains_key(key)
    }

    /// The next thing to be done; of lines that wait, as many as are not longer than so much.
    pub(super) async fn next(self: &Arc<Tray>, bytes_max: usize) -> Work {
        loop {
            let filled = self.filled.notified();
            if let Some(work) = self.take(bytes_max) {
                return work;
            }
            filled.await;
        }
    }

    fn take(self: &Arc<Tray>, bytes_max: usize) -> Option<Work> {
        let mut state = self.lock();
        if state.has_missed && !state.is_sweeping {
            (state.has_missed, state.is_sweeping) = (false, true);
            return Some(Work::Sweep(Sweep(self.clone())));
        }
        let key = state.ready.pop_front()?;
        let talk = state.talks.get_mut(&key)?;
        let lines = talk.take(bytes_max);
        let is_overrun = talk.overrun.take().is_some();
        state.waiting -= lines.len();
        Some(Work::Answer(Turn { tray: self.clone(), key, lines, is_overrun, reply: None }))
    }

    /// Nobody works any more: whoever waits is told, and what is here is the next start's.
    pub(super) fn close(&self) {
        *self.lock() = State { is_closed: true, ..State::default() };
    }

    /// Ends the work on a conversation, which is taken up again for what was said meanwhile. Under
    /// one lock with the answers, so that nobody begins to wait for one that has been told.
    fn release(&self, key: &Key, reply: Option<&Reply>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(talk) = state.talks.get_mut(key) else { return };
        for question in std::mem::take(&mut talk.in_work) {
            match reply {
                Some(reply) => tell(&mut state.asked, question, || reply_to(question, reply)),
                // It was given up in the middle: who waits hears that nothing comes.
                None => drop(state.asked.remove(&question)),
            }
        }
        if let (true, Some(job)) = (talk.lines.is_empty(), &talk.overrun) {
            // One for each conversation in work at most, so this stays bounded.
            talk.lines.push_back(job.clone());
            state.waiting += 1;
        }
        if talk.lines.is_empty() {
            state.talks.remove(key);
        } else {
            state.ready.push_back(key.clone());
        }
        drop(guard);
        self.filled.notify_one();
    }
}

impl State {
    fn put(&mut self, job: Job) {
        if self.is_closed {
            return;
        }
        let is_full = self.waiting >= BOT_QUESTIONS_MAX;
        let question = job.question;
        match self.talks.entry((job.tenant.clone(), job.conversation)) {
            Entry::Occupied(talk) if talk.get().has(question) => {}
            Entry::Occupied(mut talk) if is_full || talk.get().lines.len() >= BOT_LINES_MAX => {
                talk.get_mut().overrun = Some(job);
                tell(&mut self.asked, question, || Verdict::Full);
            }
            Entry::Occupied(mut talk) => {
                talk.get_mut().lines.push_back(job);
                self.waiting += 1;
            }
            Entry::Vacant(_) if is_full => {
                self.has_missed = true;
                tell(&mut self.asked, question, || Verdict::Full);
            }
            Entry::Vacant(place) => {
                self.ready.push_back(place.key().clone());
                place.insert(Talk::default()).lines.push_back(job);
                self.waiting += 1;
            }
        }
    }

    /// Notes somebody who waits; without room for that it is told so at once.
    fn ask(&mut self, question: Uuid) -> oneshot::Receiver<Verdict> {
        let (asker, verdict) = oneshot::channel();
        if self.asked.len() >= BOT_QUESTIONS_MAX {
            // Those whose asker left before it was known that nothing was kept.
            self.asked.retain(|_, asked| asked.may_matter());
        }
        let now = Instant::now();
        if self.is_closed || self.asked.len() >= BOT_QUESTIONS_MAX {
            // The receiver is in our hands, so it cannot be gone.
            let _ = asker.send(Verdict::Full);
        } else {
            let asked = self.asked.entry(question);
            asked.or_insert(Asked { since: now, askers: vec![] }).askers.push(asker);
        }
        verdict
    }
}

fn tell(asked: &mut HashMap<Uuid, Asked>, question: Uuid, verdict: impl Fn() -> Verdict) {
    for asker in asked.remove(&question).into_iter().flat_map(|asked| asked.askers) {
        // Whoever asked may have left; the answer is in the conversation all the same.
        let _ = asker.send(verdict());
    }
}

fn reply_to(question: Uuid, reply: &Reply) -> Verdict {
    Verdict::Done(reply.clone().map(|told| told.unwrap_or_else(|| BotReply::superseded(question))))
}

impl Talk {
    fn has(&self, question: Uuid) -> bool {
        self.in_work.contains(&question) || self.lines.iter().any(|job| job.question == question)
    }

    fn take(&mut self, bytes_max: usize) -> Vec<Job> {
        let mut bytes = 0;
        let fit = self.lines.iter().take_while(|job| {
            bytes += job.text.len() + 1;
            bytes <= bytes_max
        });
        // One alone is never too long: it was let in.
        let count = fit.count().max(1).min(self.lines.len());
        let lines: Vec<Job> = self.lines.drain(..count).collect();
        self.in_work = lines.iter().map(|job| job.question).collect();
        lines
    }
}

impl Asked {
    fn may_matter(&self) -> bool {
        self.askers.iter().any(|asker| !asker.is_closed()) || self.since.elapsed() < BOT_ASKED_KEPT
    }
}

impl Waiting {
    /// The question has its place in the log's order, so it comes even if nobody waits any more.
    pub(super) fn keep(&mut self) {
        self.is_kept = true;
    }

    /// The log did not take the question, so it never comes.
    pub(super) fn give_up(mut self) {
        self.is_kept = false;
    }

    /// What came of it.
    ///
    /// # Errors
    /// 503 when the server stops.
    pub(super) async fn verdict(mut self) -> Result<Verdict, Error> {
        let stopping = |_| Error::Unavailable("the server is stopping".into());
        (&mut self.verdict).await.map_err(stopping)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.is_kept {
            self.tray.lock().asked.remove(&self.question);
        }
    }
}

impl Turn {
    /// One of the questions has its answer already; the others are still in work.
    pub(super) fn tell_known(&self, question: Uuid, known: &BotReply) {
        let mut guard = self.tray.lock();
        let state = &mut *guard;
        if let Some(talk) = state.talks.get_mut(&self.key) {
            talk.in_work.retain(|other| *other != question);
        }
        tell(&mut state.asked, question, || Verdict::Done(Ok(known.clone())));
    }

    /// What came of the others.
    pub(super) fn end(mut self, reply: Reply) {
        self.reply = Some(reply);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.tray.release(&self.key, self.reply.as_ref());
    }
}

impl Drop for Sweep {
    fn drop(&mut self) {
        self.0.lock().is_sweeping = false;
        self.0.filled.notify_one();
    }
}

#[cfg(test)]
mod tests;
