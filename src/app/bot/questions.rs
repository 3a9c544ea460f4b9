//! Questions on their way to the bot: asked by name, or simply said while it is in charge.

use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::super::App;
use super::super::conversations::handoff;
use super::super::messages;
use super::tell::Decision;
use super::{BotReply, Job, notices};
use crate::bot::language_of;
use crate::log::{self, Change, Outcome};
use crate::model::{
    Conversation, ConversationId, Envelope, Error, Event, HandoffReason, Identity, InCharge,
    Message, Reopened, Role, Status, TenantId,
};

impl App {
    /// Keeps a question and has the bot answer it. The bot takes a conversation that waits, unless
    /// a person was asked for; where an agent is in charge, the question is one to the agent.
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
            Some(job) => self.have_answered(job).await,
            None => self.ask_a_person(who, &conversation, message).await,
        }
    }

    /// Keeps the question if the bot is in charge, or can be; `None` if it cannot.
    async fn ask_as(&self, who: &Identity, message: &Message) -> Result<Option<Job>, Error> {
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
        match self.log.commit(&who.tenant, Change { events, records: vec![] }).await {
            Ok(outcomes) => {
                if matches!(outcomes.last(), Some(Outcome::Kept(_))) {
                    self.metrics.messages_total.inc();
                }
                let kept = outcomes.last().and_then(Outcome::envelope);
                Ok(kept.and_then(|envelope| Job::of(envelope)))
            }
            Err(log::Error::Conflict(..)) => Ok(None),
            Err(err) => Err(self.fault(err)),
        }
    }

    async fn have_answered(&self, mut job: Job) -> Result<BotReply, Error> {
        let (asker, answered) = oneshot::channel();
        job.asker = Some(asker);
        self.put_on_desk(job).await;
        let stopping = |_| Error::Unavailable("the server is stopping".into());
        answered.await.map_err(stopping)?
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
        if let Some(known) = self.known_answer(&who.tenant, id, sent.id).await? {
            return Ok(known);
        }
        if conversation.status == Status::Open {
            let queued = Event::Queued(self.queued(&who.tenant, conversation).await?);
            let kept = self.log.commit(&who.tenant, Change::of(queued)).await;
            kept.map_err(|e| self.fault(e))?;
        }
        Ok(BotReply { answer, message_id: sent.id, handoff: true })
    }

    /// Something was said; if a customer said it to the bot, the bot answers in its own time.
    pub(in crate::app) async fn hear(&self, envelope: &Envelope) {
        let Event::Message(message) = &envelope.event else { return };
        if self.bot.is_none() || message.sender_type != Role::Customer {
            return;
        }
        let found = self.log.conversation(&envelope.tenant, message.session_id).await;
        let is_ours = matches!(&found, Ok(Some(c)) if c.in_charge() == Some(InCharge::Bot));
        if let Some(job) = Job::of(envelope).filter(|_| is_ours) {
            self.put_on_desk(job).await;
        }
    }

    /// A desk that is full is a bot that fails: the customer is better off in the queue.
    async fn put_on_desk(&self, job: Job) {
        let Err(refused) = self.0.desk.jobs.try_send(job) else { return };
        let (mpsc::error::TrySendError::Full(mut job) | mpsc::error::TrySendError::Closed(mut job)) =
            refused;
        tracing::warn!(conversation = %job.conversation, "the bot has too many questions");
        let asker = job.asker.take();
        let reply = self.tell(&job, Decision::Give(HandoffReason::Failed)).await;
        if let Some(asker) = asker {
            let _ = asker.send(reply);
        }
    }

    /// What takes up a conversation that just began: the bot, if new ones begin with it, or the
    /// queue.
    pub(in crate::app) async fn taken_up(
        &self,
        tenant: &TenantId,
        conversation: &Conversation,
    ) -> Result<Event, Error> {
        let is_for_bot = self.bot.is_some() && self.config.bot.first && !conversation.needs_person;
        Ok(match is_for_bot {
            true => {
                let (queue, bot) = (InCharge::Queue, InCharge::Bot);
                handoff(conversation.id, queue, bot, HandoffReason::First)
            }
            false => Event::Queued(self.queued(tenant, conversation).await?),
        })
    }

    /// The answer a question has already.
    pub(super) async fn known_answer(
        &self,
        tenant: &TenantId,
        id: ConversationId,
        question: Uuid,
    ) -> Result<Option<BotReply>, Error> {
        for handoff in [false, true] {
            let client_id = answer_id(question, handoff);
            let user = &self.0.desk.user;
            let found = self.log.message_known_as(tenant, id, user, &client_id).await;
            let found = found.map_err(|e| self.fault(e))?;
            if let Some(Event::Message(answer)) = found.map(|envelope| envelope.event.clone()) {
                let (answer, message_id) = (Some(answer.body), answer.message_id);
                return Ok(Some(BotReply { answer, message_id, handoff }));
            }
        }
        Ok(None)
    }
}

/// The `client_id` of the answer to a question, by which a repeat finds it.
pub(super) fn answer_id(question: Uuid, is_handoff: bool) -> String {
    let kind = if is_handoff { "handoff" } else { "answer" };
    format!("{kind}:{question}")
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
            asker: None,
        })
    }
}
