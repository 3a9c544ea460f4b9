//! Conversations with a question that nobody would ever answer: the last run did not come to it,
//! the bot has been turned off since, or there was no room for it on the desk.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::sleep;
use uuid::Uuid;

use super::super::App;
use super::super::conversations::handoff;
use super::Job;
use super::questions::answered_by;
use super::tell::Decision;
use crate::limits::{BOT_LINES_MAX, BOT_SETTLED_INTERVAL};
use crate::log::{self, Change, Outcome, Pending};
use crate::model::{
    ConversationId, Envelope, Error, Event, HandoffReason, HistoryRange, InCharge, Moment, Role,
    TenantId,
};

/// How many were given to each queue just now: routing hears of them once they are in the log.
#[derive(Default)]
struct Queues(HashMap<(TenantId, Option<Uuid>), u64>);

impl App {
    /// Gives to the queue what the bot would leave unanswered: questions from before then. Returns
    /// how many. At the start of a node alone that is all of them, before anybody can ask
    /// anything; where there are others, those that no node can still be thinking about.
    ///
    /// # Errors
    /// 503 when the log does not answer.
    pub async fn settle_bot(&self, before: Moment) -> Result<usize, Error> {
        let with_the_bot = self.log.with_the_bot().await.map_err(|e| self.fault(e))?;
        self.give_up(&with_the_bot, HandoffReason::Interrupted, before).await
    }

    /// Looks after questions of nodes that are gone. For the node that has the duties; runs for
    /// ever.
    pub async fn settle_bots_of_others(&self) {
        let thinks_ms = i64::try_from(self.config.bot.timeout.as_millis()).unwrap_or(i64::MAX);
        loop {
            sleep(BOT_SETTLED_INTERVAL).await;
            let spare_ms = i64::try_from(BOT_SETTLED_INTERVAL.as_millis()).unwrap_or(i64::MAX);
            let before = Moment(Moment::now().0.saturating_sub(thinks_ms.saturating_add(spare_ms)));
            match self.settle_bot(before).await {
                Ok(0) => {}
                Ok(given) => {
                    tracing::warn!(conversations = given, "a bot left questions; they are queued");
                }
                Err(err) => tracing::warn!(error = %err, "questions without an answer wait"),
            }
        }
    }

    /// Gives to the queue what found no room on the desk.
    pub(super) async fn sweep(&self) -> Result<(), Error> {
        let mut with_the_bot = self.log.with_the_bot().await.map_err(|e| self.fault(e))?;
        with_the_bot.retain(|key| !self.0.desk.tray.has(key));
        self.give_up(&with_the_bot, HandoffReason::Failed, Moment(i64::MAX)).await.map(drop)
    }

    /// Gives those of these to the queue that have a question; all of them without a bot.
    async fn give_up(
        &self,
        of_bot: &[(TenantId, ConversationId)],
        reason: HandoffReason,
        before: Moment,
    ) -> Result<usize, Error> {
        let (mut queues, mut given) = (Queues::default(), Vec::new());
        for (tenant, id) in of_bot {
            given.extend(self.start_giving(tenant, *id, reason, before, &mut queues).await?);
        }
        // Only now, so that all of them share a few commits: one sync of the disk for each would
        // keep a server with many conversations from starting.
        let count = given.len();
        for pending in given {
            match pending.committed().await {
                Ok(outcomes) if outcomes.iter().any(is_message) => {
                    self.metrics.messages_total.inc();
                }
                // Somebody else took it meanwhile.
                Ok(_) | Err(log::Error::Conflict(..) | log::Error::Closed) => {}
                Err(err) => return Err(self.fault(err)),
            }
        }
        Ok(count)
    }

    async fn start_giving(
        &self,
        tenant: &TenantId,
        id: ConversationId,
        reason: HandoffReason,
        before: Moment,
        queues: &mut Queues,
    ) -> Result<Option<Pending>, Error> {
        let question = self.open_question(tenant, id, before).await?;
        let reason = match (&self.bot, &question) {
            (None, _) => HandoffReason::BotOff,
            (Some(_), Some(_)) => reason,
            (Some(_), None) => return Ok(None),
        };
        let found = self.log.conversation(tenant, id).await.map_err(|e| self.fault(e))?;
        let Some(conversation) = found else { return Ok(None) };
        let given = queues.0.entry((tenant.clone(), conversation.department)).or_default();
        let mut queued = self.queued(tenant, &conversation);
        queued.position += *given;
        *given += 1;
        let change = match question {
            Some(job) => self.said(&job, Decision::Give(reason), Some(queued)).1,
            // Nobody asked anything, so nobody needs to be answered.
            None => {
                let given = handoff(id, InCharge::Bot, InCharge::Queue, reason);
                Change::events(vec![given, Event::Queued(queued)])
            }
        };
        self.log.append(tenant, change).await.map(Some).map_err(|e| self.fault(e))
    }

    /// What was said last, if that is a question, or since the question that was answered last:
    /// the answer may stand behind what came while the bot was thinking.
    async fn open_question(
        &self,
        tenant: &TenantId,
        id: ConversationId,
        before: Moment,
    ) -> Result<Option<Job>, Error> {
        let limit = Some(2 * BOT_LINES_MAX as u64);
        let range = HistoryRange { limit, ..HistoryRange::default() };
        let page = self.log.messages(tenant, id, range).await.map_err(|e| self.fault(e))?.messages;
        let answered = page.iter().rev().find_map(|e| answered_last(&e.event));
        let is_answered = |e: &Arc<Envelope>| message_id(&e.event) == answered;
        // Without an answer among these, what is further back may have been said to a person.
        let from = match answered {
            Some(_) => page.iter().position(is_answered).map_or(0, |at| at + 1),
            None => page.len().saturating_sub(1),
        };
        let open = page[from..].iter().filter(|e| is_asked_by(&e.event, Role::Customer));
        let last = page.last().filter(|e| is_asked_by(&e.event, Role::Service));
        if open.clone().chain(last).any(|e| e.at >= before) {
            return Ok(None);
        }
        Ok(open.chain(last).filter_map(|e| Job::of(e)).reduce(Job::join))
    }
}

/// The last question that an answer of the bot is for.
fn answered_last(event: &Event) -> Option<Uuid> {
    let Event::Message(message) = event else { return None };
    let client_id = message.client_id.as_deref().filter(|_| message.sender_type == Role::Bot)?;
    answered_by(client_id).map(|(_, last, _)| last)
}

fn message_id(event: &Event) -> Option<Uuid> {
    let Event::Message(message) = event else { return None };
    Some(message.message_id)
}

fn is_asked_by(event: &Event, role: Role) -> bool {
    matches!(event, Event::Message(message) if message.sender_type == role)
}

fn is_message(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Kept(envelope) if matches!(envelope.event, Event::Message(_)))
}
