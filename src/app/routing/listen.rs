//! From the log's tail to the engines, in log order.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;

use super::super::App;
use super::restore::spoken;
use crate::limits::OWED_RETRY_INTERVAL;
use crate::log;
use crate::model::{
    Conversation, Envelope, Event, InCharge, OfferOutcome, Status, TenantId, UserId,
};
use crate::routing::{Input, Waiting};

/// What the log told and routing has not looked at yet.
pub struct Unread(pub(super) mpsc::Receiver<Arc<Envelope>>);

impl App {
    /// Hands on what concerns routing. Waits for room, so that routing misses nothing; routing
    /// itself never waits for the log's writer while it reads.
    pub(in crate::app) async fn hand_to_routing(&self, envelope: &Arc<Envelope>) {
        let router = &self.0.router;
        if router.is_listening.load(Ordering::Acquire) && concerns_routing(&envelope.event) {
            // Nobody reads any more when the server stops.
            let _ = router.inbox.send(envelope.clone()).await;
        }
    }

    /// Tells the engines what the log tells. Ends with the log.
    pub(super) async fn follow_log(&self, mut unread: mpsc::Receiver<Arc<Envelope>>) {
        while let Some(envelope) = unread.recv().await {
            // What is not taken in is lost to the engine, and what is behind it would be out of
            // order. The tail waits meanwhile.
            let _turn = self.0.router.reading.lock().await;
            while let Err(err) = self.take_in(&envelope).await {
                tracing::warn!(error = %err, event = envelope.event.name(), "not routed yet");
                sleep(OWED_RETRY_INTERVAL).await;
            }
            let router = &self.0.router;
            router.lock().floor(&envelope.tenant, self).read_to = envelope.position();
            router.progress.notify_waiters();
        }
    }

    async fn take_in(&self, envelope: &Envelope) -> Result<(), log::Error> {
        let tenant = &envelope.tenant;
        let input = match &envelope.event {
            Event::Queued(queued) => {
                let Some(record) = self.log.conversation(tenant, queued.session_id).await? else {
                    return Ok(());
                };
                if record.status != Status::Waiting {
                    // It went on already, and the event that says where is behind this one.
                    return Ok(());
                }
                let place = (queued.position, queued.estimated_wait_seconds);
                self.note_place(tenant, queued.session_id, place);
                Input::Waits(self.waiting(tenant, &record).await?)
            }
            Event::Assigned(e) => {
                let record = self.log.conversation(tenant, e.session_id).await?;
                if let Some(since) = record.and_then(|record| record.queued_at) {
                    self.metrics.waited(Duration::from_millis(envelope.at.ms_since(since)));
                }
                let (conversation, agent) = (e.session_id, e.agent_id.clone());
                Input::Given { conversation, agent, department: e.department_id }
            }
            Event::Transferred(e) => {
                // To a department: the queue it enters is behind this one.
                let Some(agent) = e.to_agent_id.clone() else { return Ok(()) };
                let record = self.log.conversation(tenant, e.session_id).await?;
                let department = record.and_then(|c| c.department);
                Input::Given { conversation: e.session_id, agent, department }
            }
            Event::Handoff(e) if e.to == InCharge::Bot => Input::Gone(e.session_id),
            Event::Closed(e) => Input::Gone(e.session_id),
            Event::Requirements(e) => Input::Requires {
                conversation: e.session_id,
                priority: e.priority,
                skills: e.skills.clone(),
                language: e.language.as_deref().map(spoken),
            },
            Event::Call(call) => {
                self.take_in_call(tenant, call, envelope.at);
                return Ok(());
            }
            Event::OfferEnded(e) if e.outcome == OfferOutcome::Declined => {
                Input::Declined { conversation: e.session_id, agent: e.agent_id.clone() }
            }
            _ => return Ok(()),
        };
        if let Input::Given { conversation, .. } | Input::Gone(conversation) = &input {
            self.0.router.lock().floor(tenant, self).places.remove(conversation);
        }
        let removed = self.removed_agent(tenant, &input).await?;
        self.route_all(tenant, [input].into_iter().chain(removed.map(Input::AgentGone)), None);
        Ok(())
    }

    /// Somebody who has been given a conversation and was removed in that very moment.
    async fn removed_agent(
        &self,
        tenant: &TenantId,
        input: &Input,
    ) -> Result<Option<UserId>, log::Error> {
        let Input::Given { agent, .. } = input else { return Ok(None) };
        if self.is_disabled(tenant, agent).is_some() {
            return Ok(None);
        }
        let is_removed = self.log.is_former_agent(tenant, agent).await?;
        Ok(is_removed.then(|| agent.clone()))
    }

    /// What waits, as the engine takes it.
    pub(super) async fn waiting(
        &self,
        tenant: &TenantId,
        record: &Conversation,
    ) -> Result<Waiting, log::Error> {
        let last_agent = match &record.customer {
            Some(customer) => self.log.last_agent(tenant, customer).await?,
            None => None,
        };
        Ok(Waiting { last_agent, ..self.waiting_of(record) })
    }

    /// What waits, or would from now on, without who served its customer last.
    pub(super) fn waiting_of(&self, record: &Conversation) -> Waiting {
        let clock = &self.0.router.clock;
        let routing = &record.routing;
        Waiting {
            conversation: record.id,
            stint: routing.stint,
            department: record.department,
            also: routing.also.clone(),
            priority: routing.priority,
            skills: routing.skills.clone(),
            language: routing.language.as_deref().map(spoken),
            queued_at: record.queued_at.map_or_else(|| clock.now(), |at| clock.here(at)),
            is_head: routing.is_head,
            last_agent: None,
            escalations_done: routing.escalations,
            offer: routing.offer.as_ref().map(|o| (o.agent_id.clone(), clock.here(o.until))),
            is_told_closed: routing.is_told_closed,
        }
    }
}

pub(super) fn concerns_routing(event: &Event) -> bool {
    matches!(
        event,
        Event::Queued(_)
            | Event::Assigned(_)
            | Event::Transferred(_)
            | Event::Handoff(_)
            | Event::Closed(_)
            | Event::Requirements(_)
            | Event::OfferEnded(_)
            | Event::Call(_)
    )
}
