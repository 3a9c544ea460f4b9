//! Questions on their way to the bot: asked by name, or simply said while it is in charge.

use std::sync::Arc;

use futures_util::FutureExt;
use uuid::Uuid;

use super::super::App;
use super::super::conversations::handoff;
use super::super::messages;
use super::tell::Decision;
use super::tray::{Verdict, Waiting};
use super::{BotReply, Job, notices};
use crate::bot::language_of;
use crate::limits::BOT_ANSWER_SEARCH_MESSAGES;
use crate::log::{self, Change, Outcome};
use crate::model::{
    Conversation, ConversationId, Envelope, Error, Event, HandoffReason, HistoryRange, Identity,
    InCharge, Message, Reopened, Role, Status, TenantId,
};

impl App {
    /// Keeps a question and has the bot answer it. The bot takes a conversation that waits, unless
    /// a person was asked for; where an agent is in charge, the question is one to the agent.
    /// Once the question is kept it is answered, whether this is waited for or dropped.
    ///
    /// # Errors
    /// As for any message, and nothing was kept then; 503 when the log does not keep the answer.
    pub async fn ask_bot(
        &self,
        who: &Identity,
        id: ConversationId,
        text: String,
        client_id: Option<String>,
    ) -> Result<BotReply, Error> {
        let body = messages::check_text(text, self.config.limits.message_bytes)?;
        messages::check_client_id(client_id.as_deref())?;
        let conversation = self.conversation_to_write(who, id).await?;
        let message = messages::message(who, &conversation, body, client_id);
        match self.ask_as(who, &message).await? {
            Some(reply) => Ok(reply),
            None => self.ask_a_person(who, &conversation, message).await,
        }
    }

    /// Keeps the question if the bot is in charge, or can be, and waits for the answer; `None` if
    /// it cannot.
    async fn ask_as(&self, who: &Identity, message: &Message) -> Result<Option<BotReply>, Error> {
        if self.bot.is_none() {
            return Ok(None);
        }
        let (id, by) = (message.session_id, who.user.clone());
        // The first two change nothing where they do not apply, and the third refuses it all
        // where the bot is not in charge even then (ADR 15).
        let events = vec![
            Event::Reopened(Reopened { session_id: id, by, agent_id: None }),
            handoff(id, InCharge::Queue, InCharge::Bot, HandoffReason::Asked),
            handoff(id, InCharge::Bot, InCharge::Bot, HandoffReason::Asked),
            Event::Message(message.clone()),
        ];
        // Before the commit: the tail may tell of it, and the bot answer, before we hear of it.
        let mut waiting = self.0.desk.tray.expect(message.message_id);
        let change = Change::events(events);
        let pending = self.log.append(&who.tenant, change).await.map_err(|e| self.fault(e))?;
        waiting.keep();
        match pending.committed().await {
            Ok(outcomes) => match outcomes.last() {
                Some(Outcome::Kept(envelope)) => {
                    self.metrics.messages_total.inc();
                    self.answer_to(envelope, waiting).await.map(Some)
                }
                Some(Outcome::Known(first)) => {
                    waiting.give_up();
                    self.answer_again(first).await.map(Some)
                }
                Some(Outcome::Unchanged | Outcome::Repeated(_)) | None => {
                    waiting.give_up();
                    Ok(None)
                }
            },
            Err(err) => {
                waiting.give_up();
                match err {
                    log::Error::Conflict(..) => Ok(None),
                    err => Err(self.fault(err)),
                }
            }
        }
    }

    /// The answer to a question that was asked before.
    async fn answer_again(&self, question: &Arc<Envelope>) -> Result<BotReply, Error> {
        let (Some(job), tenant) = (Job::of(question), &question.tenant) else {
            return Err(Error::Unavailable("the message was not kept".into()));
        };
        let known = self.known_answer(tenant, job.conversation, job.question, job.seq).await?;
        match known {
            Some(known) => Ok(known),
            None => self.answer_to(question, self.0.desk.tray.expect_again(job)).await,
        }
    }

    async fn answer_to(&self, question: &Envelope, waiting: Waiting) -> Result<BotReply, Error> {
        match (waiting.verdict().await?, Job::of(question)) {
            (Verdict::Done(reply), _) => reply,
            // A desk that is full is a bot that fails: the customer is better off in the queue.
            (Verdict::Full, Some(job)) => {
                tracing::warn!(conversation = %job.conversation, "the bot has too many questions");
                let told = self.tell(&job, Decision::Give(HandoffReason::Failed)).await?;
                Ok(told.unwrap_or_else(|| BotReply::superseded(job.question)))
            }
            (Verdict::Full, None) => Err(Error::Unavailable("the message was not kept".into())),
        }
    }

    /// The question is one to whoever is, or will be, in charge.
    async fn ask_a_person(
        &self,
        who: &Identity,
        conversation: &Conversation,
        message: Message,
    ) -> Result<BotReply, Error> {
        let Message { session_id: id, body, client_id, .. } = message;
        let answer = self.bot.is_none().then(|| notices::no_bot(language_of(&body)).to_owned());
        let sent = self.send(who, id, body, client_id).await?;
        if let Some(known) = self.known_answer(&who.tenant, id, sent.id, sent.seq).await? {
            return Ok(known);
        }
        if conversation.status == Status::Open {
            let queued = Event::Queued(self.queued(&who.tenant, conversation));
            let kept = self.log.commit(&who.tenant, Change::of(queued)).await;
            kept.map_err(|e| self.fault(e))?;
        }
        Ok(BotReply { answer, message_id: sent.id, handoff: true })
    }

    /// Something was said. If it was asked of the bot, or a customer said it while the bot is in
    /// charge, the bot answers in its own time. Called for the log's tail, so it never waits.
    pub(in crate::app) fn hear(&self, envelope: &Envelope) {
        let Event::Message(message) = &envelope.event else { return };
        if self.bot.is_none() {
            return;
        }
        let tray = &self.0.desk.tray;
        let is_heard = tray.is_asked(message.message_id)
            || (message.sender_type == Role::Customer && self.may_be_the_bots(envelope, message));
        if let Some(job) = Job::of(envelope).filter(|_| is_heard) {
            tray.put(job);
        }
    }

    /// Whether the bot is in charge as far as can be told without waiting. A conversation that was
    /// just written to is in the log's memory; if it is not any more, whoever answers looks again.
    fn may_be_the_bots(&self, envelope: &Envelope, message: &Message) -> bool {
        let found = self.log.conversation(&envelope.tenant, message.session_id).now_or_never();
        match found {
            Some(Ok(Some(conversation))) => conversation.in_charge() == Some(InCharge::Bot),
            Some(Ok(None)) => false,
            Some(Err(_)) | None => true,
        }
    }

    /// What takes up a conversation that just began: the bot, if new ones begin with it, or the
    /// queue.
    pub(in crate::app) fn taken_up(&self, tenant: &TenantId, conversation: &Conversation) -> Event {
        let is_for_bot = self.bot.is_some() && self.config.bot.first && !conversation.needs_person;
        match is_for_bot {
            true => {
                let (queue, bot) = (InCharge::Queue, InCharge::Bot);
                handoff(conversation.id, queue, bot, HandoffReason::First)
            }
            false => Event::Queued(self.queued(tenant, conversation)),
        }
    }

    /// The answer a question has already.
    pub(super) async fn known_answer(
        &self,
        tenant: &TenantId,
        id: ConversationId,
        question: Uuid,
        seq: u64,
    ) -> Result<Option<BotReply>, Error> {
        for handoff in [false, true] {
            let client_id = answer_id(&[question], handoff);
            let user = &self.0.desk.user;
            let found = self.log.message_known_as(tenant, id, user, &client_id).await;
            let found = found.map_err(|e| self.fault(e))?;
            if let Some(Event::Message(answer)) = found.map(|envelope| envelope.event.clone()) {
                let (answer, message_id) = (Some(answer.body), answer.message_id);
                return Ok(Some(BotReply { answer, message_id, handoff }));
            }
        }
        self.shared_answer(tenant, id, question, seq).await
    }

    /// The answer a question has together with others: it names the first and the last of them.
    async fn shared_answer(
        &self,
        tenant: &TenantId,
        id: ConversationId,
        question: Uuid,
        seq: u64,
    ) -> Result<Option<BotReply>, Error> {
        let limit = Some(BOT_ANSWER_SEARCH_MESSAGES);
        let range = HistoryRange { after: Some(seq), before: None, limit };
        let page = self.log.messages(tenant, id, range).await.map_err(|e| self.fault(e))?;
        let mut from_here = vec![question];
        for envelope in &page.messages {
            let Event::Message(message) = &envelope.event else { continue };
            let answered =
                message.client_id.as_deref().filter(|_| message.sender_type == Role::Bot);
            let Some((first, last, handoff)) = answered.and_then(answered_by) else {
                from_here.push(message.message_id);
                continue;
            };
            let begins_later = from_here[1..].contains(&first);
            if from_here.contains(&last) && !begins_later {
                let (answer, message_id) = (Some(message.body.clone()), message.message_id);
                return Ok(Some(BotReply { answer, message_id, handoff }));
            }
        }
        Ok(None)
    }
}

/// The `client_id` of the answer to some messages, by which a repeat of one finds it: one alone by
/// its id, more by the first and the last.
pub(super) fn answer_id(lines: &[Uuid], is_handoff: bool) -> String {
    let kind = if is_handoff { "handoff" } else { "answer" };
    match lines {
        [first, .., last] => format!("{kind}:{first}:{last}"),
        [one] => format!("{kind}:{one}"),
        [] => kind.to_owned(),
    }
}

/// The first and the last message that an answer is for, and whether it gives the conversation to a
/// person.
pub(super) fn answered_by(client_id: &str) -> Option<(Uuid, Uuid, bool)> {
    let (kind, lines) = client_id.split_once(':')?;
    let (first, last) = lines.split_once(':').unwrap_or((lines, lines));
    Some((first.parse().ok()?, last.parse().ok()?, kind == "handoff"))
}

impl Job {
    /// The question that a message is.
    pub(super) fn of(envelope: &Envelope) -> Option<Job> {
        let Event::Message(message) = &envelope.event else { return None };
        Some(Job {
            tenant: envelope.tenant.clone(),
            conversation: message.session_id,
            question: message.message_id,
            seq: message.seq,
            text: message.body.clone(),
            lines: vec![message.message_id],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_names_its_questions() {
        let [a, b, c] = [1, 2, 3].map(Uuid::from_u128);
        assert_eq!(answer_id(&[a], false), format!("answer:{a}"));
        assert_eq!(answered_by(&answer_id(&[a], false)), Some((a, a, false)));
        assert_eq!(answered_by(&answer_id(&[a, b, c], false)), Some((a, c, false)));
        assert_eq!(answered_by(&answer_id(&[a, b], true)), Some((a, b, true)));
        assert!(answer_id(&[a, b], true).len() <= 128);
    }
}
