//! What the bot decided goes to the log: an answer, or a word to the customer and the conversation
//! to the queue. All of it or, when the bot is not in charge any more, nothing.

use std::sync::Arc;

use uuid::Uuid;

use super::super::App;
use super::super::conversations::handoff;
use super::super::messages;
use super::questions::answer_id;
use super::{BotReply, Job, notices};
use crate::bot::language_of;
use crate::log::{self, Change};
use crate::model::{Conversation, Error, Event, HandoffReason, InCharge, Message, Queued, Role};

/// What is to be said and done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// This is the answer.
    Say(String),
    /// This is said, and a person goes on.
    SayAndGive(String, HandoffReason),
    /// A person is to answer; the customer is told so.
    Give(HandoffReason),
}

impl Decision {
    /// Why the conversation goes to the queue, if it does.
    fn reason(&self) -> Option<HandoffReason> {
        match self {
            Decision::Say(_) => None,
            Decision::SayAndGive(_, reason) | Decision::Give(reason) => Some(*reason),
        }
    }

    /// What is said, and why the conversation goes to the queue if it does.
    fn parts(self, question: &str) -> (String, Option<HandoffReason>) {
        let notice = |reason| notices::handoff(reason, language_of(question));
        match self {
            Decision::Say(text) => (text, None),
            Decision::SayAndGive(text, reason) => {
                (format!("{text}\n\n{}", notice(reason)), Some(reason))
            }
            Decision::Give(reason) => (notice(reason).to_owned(), Some(reason)),
        }
    }
}

impl App {
    /// Says and does what was decided; `None` when the bot is not in charge any more.
    ///
    /// # Errors
    /// 503 when the log does not keep it.
    pub(super) async fn tell(
        &self,
        job: &Job,
        decision: Decision,
    ) -> Result<Option<BotReply>, Error> {
        let handoff = decision.reason().is_some();
        let place = if handoff { Some(self.queue_place(job).await?) } else { None };
        let (body, change) = self.said(job, decision, place);
        let kept = self.log.commit(&job.tenant, change).await;
        self.end_typing(&job.tenant, job.conversation, &self.0.desk.user);
        match kept {
            Ok(outcomes) => {
                let sent = messages::sent(&outcomes[..2])?;
                self.metrics.messages_total.inc();
                Ok(Some(BotReply { answer: Some(body), message_id: sent.id, handoff }))
            }
            Err(log::Error::Conflict(..) | log::Error::Closed) => {
                self.metrics.bot_superseded_total.inc();
                Ok(None)
            }
            Err(err) => Err(self.fault(err)),
        }
    }

    /// What is said, and the change that says and does it. `place` is where the conversation
    /// stands in the queue, if it goes there.
    pub(super) fn said(
        &self,
        job: &Job,
        decision: Decision,
        place: Option<Queued>,
    ) -> (String, Change) {
        let (body, reason) = decision.parts(&job.text);
        let message = self.bots_message(job, body.clone(), reason.is_some());
        let id = job.conversation;
        let mut events = vec![
            // The question put to the log whether the bot is in charge (ADR 15).
            handoff(id, InCharge::Bot, InCharge::Bot, HandoffReason::Asked),
            Event::Message(message),
        ];
        events.extend(reason.map(|reason| handoff(id, InCharge::Bot, InCharge::Queue, reason)));
        events.extend(place.map(Event::Queued));
        (body, Change::events(events))
    }

    /// Its place in the queue, as if it came now.
    async fn queue_place(&self, job: &Job) -> Result<Queued, Error> {
        let found = self.log.conversation(&job.tenant, job.conversation).await;
        let found = found.map_err(|e| self.fault(e))?.ok_or(Error::NotFound("conversation"))?;
        let waiting = Conversation { queued_at: None, ..found.as_ref().clone() };
        Ok(self.queued(&job.tenant, &waiting))
    }

    fn bots_message(&self, job: &Job, body: String, is_handoff: bool) -> Message {
        Message {
            session_id: job.conversation,
            message_id: Uuid::now_v7(),
            seq: 0,
            client_id: Some(answer_id(&job.lines, is_handoff)),
            sender_id: self.0.desk.user.clone(),
            sender_type: Role::Bot,
            sender_name: Some(Arc::from(self.config.bot.name.as_str())),
            body,
        }
    }
}
