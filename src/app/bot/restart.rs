//! Conversations the last run left with the bot: a question it did not come to answer, or a bot
//! that has been turned off since. Nobody would ever answer them.

use super::super::App;
use super::super::conversations::handoff;
use super::Job;
use super::tell::Decision;
use crate::log::Change;
use crate::model::{
    ConversationId, Error, Event, HandoffReason, HistoryRange, InCharge, Role, TenantId,
};

impl App {
    /// Gives to the queue what the bot would leave unanswered. Returns how many. For the start,
    /// before anybody can ask anything.
    ///
    /// # Errors
    /// 503 when the log does not answer.
    pub async fn settle_bot(&self) -> Result<usize, Error> {
        let mut given = 0;
        for (tenant, id) in self.log.with_the_bot().await.map_err(|e| self.fault(e))? {
            given += usize::from(self.settle_one_of_bot(&tenant, id).await?);
        }
        Ok(given)
    }

    async fn settle_one_of_bot(
        &self,
        tenant: &TenantId,
        id: ConversationId,
    ) -> Result<bool, Error> {
        let range = HistoryRange { limit: Some(1), ..HistoryRange::default() };
        let last = self.log.messages(tenant, id, range).await.map_err(|e| self.fault(e))?;
        let last = last.messages.last();
        let is_question = |event: &Event| {
            let Event::Message(message) = event else { return false };
            matches!(message.sender_type, Role::Customer | Role::Service)
        };
        let is_unanswered = last.is_some_and(|envelope| is_question(&envelope.event));
        let reason = match (&self.bot, is_unanswered) {
            (None, _) => HandoffReason::BotOff,
            (Some(_), true) => HandoffReason::Interrupted,
            (Some(_), false) => return Ok(false),
        };
        match last.and_then(|envelope| Job::of(envelope)).filter(|_| is_unanswered) {
            Some(job) => {
                self.tell(&job, Decision::Give(reason)).await?;
            }
            None => self.give_silently(tenant, id, reason).await?,
        }
        Ok(true)
    }

    /// Nobody asked anything, so nobody needs to be answered.
    async fn give_silently(
        &self,
        tenant: &TenantId,
        id: ConversationId,
        reason: HandoffReason,
    ) -> Result<(), Error> {
        let found = self.log.conversation(tenant, id).await.map_err(|e| self.fault(e))?;
        let Some(conversation) = found else { return Ok(()) };
        let queued = Event::Queued(self.queued(tenant, &conversation).await?);
        let events = vec![handoff(id, InCharge::Bot, InCharge::Queue, reason), queued];
        let kept = self.log.commit(tenant, Change { events, records: vec![] }).await;
        kept.map(drop).map_err(|e| self.fault(e))
    }
}
