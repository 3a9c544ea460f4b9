//! The bot's desk: questions come in from `POST /api/coze/chat` and from whatever customers say
//! while the bot is in charge; answers go to the log like anybody's.
//!
//! Who is in charge is decided in the log's commits (`Conversation::in_charge`), so a question, an
//! answer and an agent's claim may come in any order: the answer that comes too late is not kept.
//! `questions` takes questions in, `think` finds out what to say, `tell` says it, `notices` has the
//! bot's own words, `restart` is for what the last run left behind.

mod knowledge;
mod notices;
mod questions;
mod restart;
mod tell;
mod think;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Mutex as TurnLock, mpsc, oneshot};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::App;
use crate::bot::Wishes;
use crate::limits::BOT_QUESTIONS_MAX;
use crate::model::{ConversationId, Error, TenantId, UserId};

pub use knowledge::FaqOf;

/// The answer to a question, as whoever asked is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BotReply {
    /// What the bot said; `None` when it has no say: somebody else is in charge.
    pub answer: Option<String>,
    /// The id of the message that says it; of the question, when no message does.
    pub message_id: Uuid,
    /// Whether a person is to answer.
    pub handoff: bool,
}

/// A question that is kept and waits for its answer.
struct Job {
    tenant: TenantId,
    conversation: ConversationId,
    question: Uuid,
    /// Its number; what came before it is its history.
    seq: u64,
    text: String,
    /// Who waits for the answer, if somebody does.
    asker: Option<oneshot::Sender<Result<BotReply, Error>>>,
}

/// What the bot works with.
pub(super) struct Desk {
    user: UserId,
    wishes: Wishes,
    jobs: mpsc::Sender<Job>,
    /// Taken by [`App::serve_bot`].
    inbox: Mutex<Option<mpsc::Receiver<Job>>>,
    turns: Arc<Turns>,
}

impl Desk {
    /// An empty desk.
    pub(super) fn new(handoff_phrases: &[String]) -> Desk {
        let (jobs, inbox) = mpsc::channel(BOT_QUESTIONS_MAX);
        Desk {
            user: UserId::bot(),
            wishes: Wishes::new(handoff_phrases),
            jobs,
            inbox: Mutex::new(Some(inbox)),
            turns: Arc::default(),
        }
    }
}

/// A lock for each conversation in which the bot is asked: one question after the other, so that
/// the second is answered in the light of the first, and a repeat finds the first one's answer.
#[derive(Default)]
struct Turns(Mutex<HashMap<TurnKey, Arc<TurnLock<()>>>>);

type TurnKey = (TenantId, ConversationId);

/// A place in a conversation's line; the lock goes with the last one.
struct Place {
    turns: Arc<Turns>,
    key: TurnKey,
    lock: Arc<TurnLock<()>>,
}

impl Turns {
    fn lock(&self) -> MutexGuard<'_, HashMap<TurnKey, Arc<TurnLock<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(self: &Arc<Turns>, tenant: &TenantId, id: ConversationId) -> Place {
        let key = (tenant.clone(), id);
        let lock = self.lock().entry(key.clone()).or_default().clone();
        Place { turns: self.clone(), key, lock }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut locks = self.turns.lock();
        // Ours and the map's: nobody else stands in line.
        if Arc::strong_count(&self.lock) == 2 {
            locks.remove(&self.key);
        }
    }
}

impl App {
    /// Answers questions, many at once. Runs for ever; what it leaves unanswered when the server
    /// stops, the next start sees to.
    pub async fn serve_bot(&self) {
        let inbox = self.0.desk.inbox.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut inbox) = inbox else { return };
        let mut working = JoinSet::new();
        loop {
            let has_room = working.len() < BOT_QUESTIONS_MAX;
            tokio::select! {
                job = inbox.recv(), if has_room => {
                    let Some(job) = job else { return };
                    let app = self.clone();
                    working.spawn(async move { app.work(job).await });
                }
                Some(done) = working.join_next() => {
                    if done.is_err_and(|err| err.is_panic()) {
                        self.metrics.faults_total.inc();
                    }
                }
            }
        }
    }

    /// Carries a question through to its end, and tells whoever waits for it.
    async fn work(&self, mut job: Job) {
        let asker = job.asker.take();
        let reply = self.answer_question(&job).await;
        if let Err(err) = &reply {
            tracing::warn!(error = %err, conversation = %job.conversation, "the bot cannot answer");
        }
        if let Some(asker) = asker {
            // Whoever asked may have left; the answer is in the conversation all the same.
            let _ = asker.send(reply);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lock_lives_as_long_as_somebody_stands_in_line() {
        let (turns, tenant) = (Arc::<Turns>::default(), TenantId::default_tenant());
        let (a, b) = (ConversationId::random(), ConversationId::random());
        let first = turns.place(&tenant, a);
        let held = first.lock.lock().await;
        let second = turns.place(&tenant, a);
        assert!(second.lock.try_lock().is_err(), "one after the other");
        assert!(turns.place(&tenant, b).lock.try_lock().is_ok(), "others do not wait");
        drop(held);
        drop(first);
        assert_eq!(turns.lock().len(), 1);
        assert!(second.lock.try_lock().is_ok());
        drop(second);
        assert!(turns.lock().is_empty());
    }
}
