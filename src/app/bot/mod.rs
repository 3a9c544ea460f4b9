//! The bot's desk: questions come in from `POST /api/coze/chat` and from whatever customers say
//! while the bot is in charge; answers go to the log like anybody's.
//!
//! Who is in charge is decided in the log's commits (`Conversation::in_charge`), so a question, an
//! answer and an agent's claim may come in any order: the answer that comes too late is not kept.
//! Questions come from the log's tail, so that one that is kept is answered whoever waits for it.
//! `questions` takes them in, `tray` holds them, `think` finds out what to say, `tell` says it,
//! `notices` has the bot's own words, `restart` is for what nobody answers.

mod knowledge;
mod notices;
mod questions;
mod restart;
mod tell;
mod think;
mod tray;

use std::sync::Arc;

use tokio::task::JoinSet;
use uuid::Uuid;

use super::App;
use crate::bot::Wishes;
use crate::limits::BOT_QUESTIONS_MAX;
use crate::model::{ConversationId, TenantId, UserId};

pub use knowledge::FaqOf;
use tray::{Tray, Turn, Work};

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

impl BotReply {
    /// Nothing is said: somebody else is in charge now.
    fn superseded(question: Uuid) -> BotReply {
        BotReply { answer: None, message_id: question, handoff: true }
    }
}

/// A question that is kept and waits for its answer: a line, or several that are taken together.
#[derive(Clone, Debug)]
struct Job {
    tenant: TenantId,
    conversation: ConversationId,
    /// The message that asks; the last one of several.
    question: Uuid,
    /// Its number.
    seq: u64,
    text: String,
    /// Every message it consists of, in the order of the log.
    lines: Vec<Uuid>,
}

impl Job {
    /// The question that two lines are together.
    fn join(mut self, next: Job) -> Job {
        self.lines.extend(next.lines);
        let text = self.text + "\n" + &next.text;
        Job { question: next.question, seq: next.seq, text, ..self }
    }
}

/// What the bot works with.
pub(super) struct Desk {
    user: UserId,
    wishes: Wishes,
    tray: Arc<Tray>,
}

impl Desk {
    /// An empty desk.
    pub(super) fn new(handoff_phrases: &[String]) -> Desk {
        let wishes = Wishes::new(handoff_phrases);
        Desk { user: UserId::bot(), wishes, tray: Arc::default() }
    }
}

/// Whoever waits for an answer must not wait for a server that stops.
struct Serving<'a>(&'a Tray);

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl App {
    /// Answers questions, many at once. Runs for ever; what it leaves unanswered when the server
    /// stops, the next start sees to.
    pub async fn serve_bot(&self) {
        let tray = &self.0.desk.tray;
        let _serving = Serving(tray);
        let mut working = JoinSet::new();
        loop {
            let has_room = working.len() < BOT_QUESTIONS_MAX;
            tokio::select! {
                work = tray.next(self.config.limits.message_bytes), if has_room => {
                    let app = self.clone();
                    working.spawn(async move { app.work(work).await });
                }
                Some(done) = working.join_next() => {
                    if done.is_err_and(|err| err.is_panic()) {
                        self.metrics.faults_total.inc();
                    }
                }
            }
        }
    }

    async fn work(&self, work: Work) {
        match work {
            Work::Answer(turn) => self.answer_turn(turn).await,
            Work::Sweep(_under_way) => {
                tracing::warn!("the bot has too many questions; some are given to a person");
                if let Err(err) = self.sweep().await {
                    tracing::warn!(error = %err, "questions without an answer stay with the bot");
                }
            }
        }
    }

    /// Carries questions through to their end, and tells whoever waits for it.
    async fn answer_turn(&self, mut turn: Turn) {
        let lines = std::mem::take(&mut turn.lines);
        let conversation = lines.first().map(|line| line.conversation);
        let reply = self.answer_lines(&turn, lines).await;
        if let Err(err) = &reply {
            tracing::warn!(error = %err, ?conversation, "the bot cannot answer");
        }
        turn.end(reply);
    }
}
