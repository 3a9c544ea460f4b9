//! Where waiting conversations stand, and telling their customers when that changes.
//!
//! The entry into a queue is an event of the log. What follows are the same event's later versions
//! and volatile: only the latest counts, and only those hear them who listen. They are told once a
//! second for each queue at most, because in a long queue every assignment moves everybody.

use std::sync::Arc;

use tokio::time::sleep;
use uuid::Uuid;

use super::super::App;
use super::super::conversations::QueuePlace;
use super::Told;
use crate::limits::{PLACES_INTERVAL, PLACES_SLICE};
use crate::model::{
    Audience, Conversation, ConversationId, Envelope, Event, Moment, QueueStats, Queued, TenantId,
    Topic, UserId,
};
use crate::routing::{DepartmentState, Engine};

impl App {
    /// The event that tells a conversation's place in its queue, now; of one that does not wait,
    /// the place it would have.
    pub(in crate::app) fn queued(&self, tenant: &TenantId, conversation: &Conversation) -> Queued {
        let place = self.ask_engine(tenant, |engine, now| {
            let waiting = self.waiting_of(conversation);
            let known = engine.position(conversation.id);
            let position = known.unwrap_or_else(|| engine.position_for(&waiting));
            (position, engine.estimate(now, conversation.department, position))
        });
        let (position, estimated_wait_seconds) = place.unwrap_or((1, 0));
        let (session_id, department_id) = (conversation.id, conversation.department);
        Queued { session_id, position, estimated_wait_seconds, department_id }
    }

    /// Where a conversation stands by now, if it waits and has not found an agent.
    pub(in crate::app) fn place_of(
        &self,
        tenant: &TenantId,
        conversation: &Conversation,
    ) -> Option<QueuePlace> {
        let id = conversation.id;
        let place = self.ask_engine(tenant, |engine, now| {
            let position = engine.position(id).filter(|_| !engine.is_given(id))?;
            let estimated_wait_seconds = engine.estimate_for(now, id)?;
            Some(QueuePlace { position, estimated_wait_seconds })
        });
        place.flatten()
    }

    /// Somebody listens to a conversation from now on: it is told its place when that changes.
    pub(in crate::app) fn listen_to_place(&self, tenant: &TenantId, id: ConversationId) {
        let mut state = self.0.router.lock();
        let now = self.0.router.clock.now();
        let floor = state.floor(tenant, self);
        let place = floor.engine.position(id).zip(floor.engine.estimate_for(now, id));
        if let Some(place) = place {
            floor.places.entry(id).or_insert(place);
        }
    }

    /// Who would get it now: the agent whom the router finds.
    pub(in crate::app) fn would_get(
        &self,
        tenant: &TenantId,
        conversation: &Conversation,
    ) -> Option<UserId> {
        let waiting = self.waiting_of(conversation);
        self.ask_engine(tenant, |engine, _| engine.choose(&waiting)).flatten()
    }

    /// Notes what an event of the log told, if anybody heard it.
    pub(super) fn note_place(&self, tenant: &TenantId, id: ConversationId, told: Told) {
        if self.hub.is_heard(&Topic::Conversation(tenant.clone(), id)) {
            self.0.router.lock().floor(tenant, self).places.insert(id, told);
        }
    }

    /// Tells places that changed, and the figures of their queues. Runs for ever.
    pub(super) async fn tell_places(&self) {
        loop {
            self.0.router.to_tell.notified().await;
            loop {
                let moved = std::mem::take(&mut self.0.router.lock().moved);
                if moved.is_empty() {
                    break;
                }
                for (tenant, department) in moved {
                    self.tell_queue(&tenant, department).await;
                }
                sleep(PLACES_INTERVAL).await;
            }
        }
    }

    /// Those that somebody listens to, slice by slice: what it costs does not grow with the queue.
    async fn tell_queue(&self, tenant: &TenantId, department: Option<Uuid>) {
        let listened = self.ask_floor(tenant, |floor, _| {
            let is_here = |id: &&ConversationId| {
                floor.engine.stint_of(**id).is_some()
                    && floor.engine.department_of(**id) == department
            };
            floor.places.keys().filter(is_here).copied().collect::<Vec<_>>()
        });
        for slice in listened.chunks(PLACES_SLICE) {
            let places = self.ask_engine(tenant, |engine, now| {
                let place = |id: &ConversationId| {
                    // Who has an agent already is told that next.
                    let position = engine.position(*id).filter(|_| !engine.is_given(*id))?;
                    Some((*id, (position, engine.estimate_for(now, *id)?)))
                };
                slice.iter().filter_map(place).collect::<Vec<_>>()
            });
            for (id, told) in places.unwrap_or_default() {
                self.tell_place(tenant, department, id, told);
            }
            tokio::task::yield_now().await;
        }
        self.tell_stats(tenant, department);
    }

    fn tell_place(
        &self,
        tenant: &TenantId,
        department_id: Option<Uuid>,
        session_id: ConversationId,
        told: Told,
    ) {
        let before = {
            let mut state = self.0.router.lock();
            let places = &mut state.floor(tenant, self).places;
            if !self.hub.is_heard(&Topic::Conversation(tenant.clone(), session_id)) {
                places.remove(&session_id);
                return;
            }
            places.insert(session_id, told)
        };
        if before == Some(told) {
            return;
        }
        let (position, estimated_wait_seconds) = told;
        let queued = Queued { session_id, position, estimated_wait_seconds, department_id };
        let departments = department_id.into_iter().collect();
        let audience = Audience { departments, agent: None, is_for_all: true };
        let envelope = Envelope::volatile(tenant.clone(), Event::Queued(queued));
        self.tell_here(Arc::new(Envelope { audience: Some(Arc::new(audience)), ..envelope }));
    }

    fn tell_stats(&self, tenant: &TenantId, department: Option<Uuid>) {
        let stats = self.ask_engine(tenant, |engine, now| stats_of(engine, now, department));
        if let Some(stats) = stats.flatten() {
            let stats = Envelope::volatile(tenant.clone(), Event::QueueStats(stats));
            self.tell_here(Arc::new(stats));
        }
    }

    pub(in crate::app) fn publish(&self, tenant: &TenantId, event: Event) {
        self.tell_now(Envelope::volatile(tenant.clone(), event));
    }
}

fn stats_of(engine: &Engine, now: Moment, department: Option<Uuid>) -> Option<QueueStats> {
    let state: DepartmentState = engine.department(department)?;
    let waiting = state.waiting;
    Some(QueueStats {
        queue_name: state.name,
        department_id: state.department,
        calls_waiting: waiting,
        available_agents: u64::from(state.online),
        logged_in_agents: u64::from(state.online + state.busy + state.away),
        longest_wait_seconds: Some(
            state.waiting_since.map_or(0, |since| now.ms_since(since) / 1000),
        ),
        estimated_wait_seconds: Some(engine.estimate(now, department, waiting + 1)),
        average_hold_seconds: None,
        average_talk_seconds: None,
        completed: None,
        abandoned: None,
    })
}
