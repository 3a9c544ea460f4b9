//! What happens to conversations: they wait, are given, declined, changed, and go.

use std::sync::Arc;

use super::{Engine, Pending, Served, Wait};
use crate::model::{ConversationId, Moment, UserId};
use crate::routing::alarms::Alarm;
use crate::routing::lane::{Class, LaneId};
use crate::routing::words::{Decision, OfferEnd, Trigger, Waiting};

/// Doublings of the rest after a refused decision, at most: from half a second to half a minute.
const FAILURES_COUNTED: u32 = 6;

impl Engine {
    pub(super) fn wait(&mut self, info: Waiting) {
        let conversation = info.conversation;
        let before = self.leave_queue(conversation);
        let left = self.leave_agent(conversation);
        let mut wait = self.wait_of(info);
        if let Some(agent) = left.as_ref().filter(|_| !wait.info.is_head) {
            // Whoever gives it to a department means somebody else.
            self.leave_alone(&mut wait, agent);
        }
        self.hold_restored(&mut wait);
        self.waiting.insert(conversation, wait);
        self.enter_queue(conversation);
        if let Some(agent) = left {
            self.has_left(&agent);
        }
        self.seek_agent(conversation, Trigger::CustomerWaits);
        self.settle(before);
    }

    pub(super) fn wait_of(&self, info: Waiting) -> Wait {
        let home = self.lane_of(info.department);
        Wait {
            home,
            place: self.lanes[&home].place(&info),
            class: self.class_of(&info, home),
            attempts: u32::from(info.offer.is_some()),
            pending: Pending::Nothing,
            declined: Vec::new(),
            failures: 0,
            info,
        }
    }

    /// Does not ask this agent again for a while.
    fn leave_alone(&mut self, wait: &mut Wait, agent: &UserId) {
        let seconds = self.lanes[&wait.home].policy.offer_retry_seconds;
        let until = self.after(u64::from(seconds) * 1000);
        wait.declined.push((agent.clone(), until));
        self.alarms.set_by(Alarm::Retry(wait.info.conversation), until);
    }

    /// An offer stands, as the log has it.
    fn hold_restored(&mut self, wait: &mut Wait) {
        let Some((agent, until)) = wait.info.offer.take() else { return };
        let conversation = wait.info.conversation;
        self.agent_mut(&agent).held.put(conversation, wait.class.places);
        self.alarms.set(Alarm::Offer(conversation), Some(until));
        self.refresh(&agent, Trigger::CustomerWaits);
        wait.pending = Pending::Offer(agent, until);
    }

    fn class_of(&self, info: &Waiting, home: LaneId) -> Arc<Class> {
        let lane = &self.lanes[&home];
        if info.skills.is_empty() && info.language.is_none() {
            return lane.plain.clone();
        }
        let places = lane.policy.weights.chat;
        Arc::new(Class::new(&info.skills, info.language.as_ref(), places))
    }

    /// The lanes whose agents may take it, its own first.
    pub(super) fn lanes_of(&self, wait: &Wait) -> Vec<LaneId> {
        let mut lanes = vec![wait.home];
        for also in wait.info.also.iter().copied().map(Some) {
            if self.lanes.contains_key(&also) && !lanes.contains(&also) {
                lanes.push(also);
            }
        }
        lanes
    }

    // === the queue ===

    pub(super) fn enter_queue(&mut self, conversation: ConversationId) {
        let Some(wait) = self.waiting.get(&conversation) else { return };
        let (home, place, queued_at) = (wait.home, wait.place, wait.info.queued_at);
        if let Some(lane) = self.lanes.get_mut(&home) {
            lane.queue.order.insert(place);
            lane.queue.by_age.insert((queued_at, conversation));
        }
        self.moved.insert(home);
        self.make_ready(conversation);
        self.mind_escalation(conversation);
        self.mind_cover(home);
    }

    /// Takes it out of the order, and leaves what is decided of it as it is.
    fn unqueue(&mut self, conversation: ConversationId) {
        self.unready(conversation);
        let Some(wait) = self.waiting.get(&conversation) else { return };
        if let Some(lane) = self.lanes.get_mut(&wait.home) {
            lane.queue.order.remove(&wait.place);
            lane.queue.by_age.remove(&(wait.info.queued_at, conversation));
        }
        self.moved.insert(wait.home);
    }

    /// Lets it be found by whoever is free, unless something is decided of it.
    pub(super) fn make_ready(&mut self, conversation: ConversationId) {
        self.each_queue(conversation, |queue, wait| {
            if wait.pending == Pending::Nothing {
                queue.put_ready(&wait.class, wait.place);
            }
        });
    }

    pub(super) fn unready(&mut self, conversation: ConversationId) {
        self.each_queue(conversation, |queue, wait| queue.take_ready(&wait.class, &wait.place));
    }

    fn each_queue(
        &mut self,
        conversation: ConversationId,
        act: impl Fn(&mut crate::routing::lane::Queue, &Wait),
    ) {
        let Some(wait) = self.waiting.get(&conversation) else { return };
        for id in self.lanes_of(wait) {
            if let Some(lane) = self.lanes.get_mut(&id) {
                act(&mut lane.queue, wait);
            }
        }
    }

    /// Reads its home, place and class anew after what they come from has changed.
    pub(super) fn replace(&mut self, conversation: ConversationId, act: impl FnOnce(&mut Waiting)) {
        self.unqueue(conversation);
        let Some(mut wait) = self.waiting.remove(&conversation) else { return };
        act(&mut wait.info);
        wait.home = self.lane_of(wait.info.department);
        wait.place = self.lanes[&wait.home].place(&wait.info);
        wait.class = self.class_of(&wait.info, wait.home);
        self.waiting.insert(conversation, wait);
        self.enter_queue(conversation);
    }

    /// Takes it out of its queue altogether.
    fn leave_queue(&mut self, conversation: ConversationId) -> Option<Wait> {
        self.unqueue(conversation);
        let wait = self.waiting.remove(&conversation)?;
        for alarm in [Alarm::Offer, Alarm::Retry, Alarm::Escalate] {
            self.alarms.set(alarm(conversation), None);
        }
        match &wait.pending {
            Pending::Assign(agent) => self.release(agent, conversation),
            Pending::Offer(agent, _) => self.release(agent, conversation),
            Pending::Nothing | Pending::Rest(_) => {}
        }
        Some(wait)
    }

    /// Gives back the place that a decision took.
    pub(super) fn release(&mut self, agent: &UserId, conversation: ConversationId) {
        self.agent_mut(agent).held.take(conversation);
    }

    // === with an agent ===

    pub(super) fn give(&mut self, conversation: ConversationId, agent: UserId, to: LaneId) {
        let wait = self.leave_queue(conversation);
        let left = self.leave_agent(conversation).filter(|left| *left != agent);
        let places = self.lanes[&self.lane_of(to)].policy.weights.chat;
        let (now, is_started) = (self.now, self.is_started());
        let holder = self.agent_mut(&agent);
        holder.serving.put(conversation, places);
        if is_started {
            (holder.idle_since, holder.turn_at) = (now, now);
        }
        let served = Served { agent: agent.clone(), department: to };
        self.serving.insert(conversation, served);
        if let Some(left) = left {
            self.has_left(&left);
        }
        if let Some(wait) = wait {
            self.served(&wait, &agent);
        }
        self.refresh(&agent, Trigger::AgentFree);
        self.mind_gift(&agent);
    }

    /// Whoever is given something by others and is not there is lost with it, unless it comes.
    fn mind_gift(&mut self, id: &UserId) {
        let agent = &self.agents[id];
        let is_absent = agent.shown.status == crate::model::AgentStatus::Offline
            && agent.setup.is_routable
            && !agent.works_unseen;
        if self.is_started() && is_absent && self.alarms.at(&Alarm::Lost(id.clone())).is_none() {
            let until = self.after(self.settings.grace_ms);
            self.alarms.set(Alarm::Lost(id.clone()), Some(until));
        }
    }

    /// Somebody waits no longer: the rate of service, and whoever was meant to have it.
    fn served(&mut self, wait: &Wait, by: &UserId) {
        if let Some(lane) = self.lanes.get_mut(&wait.home).filter(|_| self.started_at.is_some()) {
            lane.started_service(self.now);
        }
        match &wait.pending {
            Pending::Assign(agent) if agent == by => self.mind_late_gift(by),
            Pending::Assign(agent) => self.refresh(agent, Trigger::AgentFree),
            Pending::Offer(agent, _) if agent != by => self.withdrawn(wait, agent),
            Pending::Offer(..) | Pending::Nothing | Pending::Rest(_) => {}
        }
    }

    /// An agent may have been lost for good between the decision and its commit; then it is lost
    /// with this one as well.
    fn mind_late_gift(&mut self, agent: &UserId) {
        let is_gone = self.agents[agent].shown.status == crate::model::AgentStatus::Offline;
        if is_gone {
            let until = self.after(self.settings.grace_ms);
            self.alarms.set_by(Alarm::Lost(agent.clone()), until);
        }
    }

    fn withdrawn(&mut self, wait: &Wait, agent: &UserId) {
        self.end_offer(wait.info.conversation, agent, OfferEnd::Withdrawn);
        self.refresh(agent, Trigger::AgentFree);
    }

    pub(super) fn end_offer(&mut self, id: ConversationId, agent: &UserId, outcome: OfferEnd) {
        let agent = agent.clone();
        self.out.push(Decision::EndOffer { conversation: id, agent, outcome });
    }

    /// Takes it from the agent that has it. What the agent does with its place is for
    /// [`Engine::has_left`].
    fn leave_agent(&mut self, conversation: ConversationId) -> Option<UserId> {
        let served = self.serving.remove(&conversation)?;
        let now = self.now;
        let agent = self.agent_mut(&served.agent);
        agent.serving.take(conversation);
        agent.idle_since = now;
        self.wrap_up(&served.agent, served.department, now);
        Some(served.agent)
    }

    fn has_left(&mut self, agent: &UserId) {
        self.refresh(agent, Trigger::AgentFree);
        self.forget_if_idle(agent);
    }

    pub(super) fn forget(&mut self, conversation: ConversationId) {
        let wait = self.leave_queue(conversation);
        self.settle(wait);
        if let Some(agent) = self.leave_agent(conversation) {
            self.has_left(&agent);
        }
    }

    /// Tells whoever was meant to have it, unless it still is.
    fn settle(&mut self, wait: Option<Wait>) {
        let Some(wait) = wait else { return };
        let now_waits = self.waiting.get(&wait.info.conversation);
        match &wait.pending {
            Pending::Assign(agent) => self.refresh(agent, Trigger::AgentFree),
            Pending::Offer(..) if now_waits.is_some_and(|now| now.pending == wait.pending) => {}
            Pending::Offer(agent, _) => self.withdrawn(&wait, agent),
            Pending::Nothing | Pending::Rest(_) => {}
        }
    }

    // === answers ===

    pub(super) fn require(
        &mut self,
        conversation: ConversationId,
        priority: i32,
        skills: Vec<String>,
        language: Option<String>,
    ) {
        self.replace(conversation, |info| {
            (info.priority, info.skills, info.language) = (priority, skills, language);
        });
        if let Some(wait) = self.waiting.get(&conversation)
            && let Pending::Offer(agent, _) = wait.pending.clone()
        {
            // An offer that ends so leaves a place to whoever waits.
            self.refresh(&agent, Trigger::AgentFree);
        }
        self.seek_agent(conversation, Trigger::RequirementsChanged);
    }

    pub(super) fn decline(&mut self, conversation: ConversationId, agent: &UserId) {
        self.pass(conversation, agent, Trigger::Declined);
    }

    /// This agent does not take it: the next one is asked, and it is not asked again for a while.
    pub(super) fn pass(&mut self, conversation: ConversationId, agent: &UserId, why: Trigger) {
        if !self.take_back(conversation, agent) {
            return;
        }
        if let Some(mut wait) = self.waiting.remove(&conversation) {
            self.leave_alone(&mut wait, agent);
            self.waiting.insert(conversation, wait);
        }
        self.make_ready(conversation);
        self.reindex(agent);
        self.seek_agent(conversation, why);
        self.refresh(agent, why);
    }

    /// Ends an offer without a word. False if it does not stand.
    pub(super) fn take_back(&mut self, conversation: ConversationId, agent: &UserId) -> bool {
        let Some(wait) = self.waiting.get_mut(&conversation) else { return false };
        if !matches!(&wait.pending, Pending::Offer(asked, _) if asked == agent) {
            return false;
        }
        wait.pending = Pending::Nothing;
        self.alarms.set(Alarm::Offer(conversation), None);
        self.release(agent, conversation);
        true
    }

    /// Offers to an agent that could not be made to it now are taken back.
    pub(super) fn withdraw_unfit(&mut self, id: &UserId) {
        for conversation in self.agents[id].held.ids() {
            if self.still_fits(conversation, id) || !self.take_back(conversation, id) {
                continue;
            }
            self.end_offer(conversation, id, OfferEnd::Withdrawn);
            self.make_ready(conversation);
            self.reindex(id);
            self.seek_agent(conversation, Trigger::OfferWithdrawn);
        }
    }

    fn still_fits(&self, conversation: ConversationId, id: &UserId) -> bool {
        let (Some(wait), Some(agent)) = (self.waiting.get(&conversation), self.agents.get(id))
        else {
            return true;
        };
        let serves = self.lanes_of_agent(id);
        agent.is_on_duty()
            && agent.lacks(&wait.class).is_none()
            && self.lanes_of(wait).iter().any(|lane| serves.contains(lane))
    }

    /// The log refused what was decided: the conversation rests a moment, the longer the more
    /// often, so that a log that refuses everything is not asked all the time.
    pub(super) fn fail(&mut self, conversation: ConversationId) {
        if let Some(served) = self.serving.get(&conversation) {
            let agent = served.agent.clone();
            if self.agents[&agent].shown.status == crate::model::AgentStatus::Offline {
                let again = self.after(self.settings.retry_ms);
                self.alarms.set_by(Alarm::Lost(agent), again);
            }
            return;
        }
        let Some(wait) = self.waiting.get_mut(&conversation) else { return };
        let agent = match &wait.pending {
            Pending::Assign(agent) | Pending::Offer(agent, _) => agent.clone(),
            Pending::Nothing | Pending::Rest(_) => return,
        };
        let rest_ms = self.settings.retry_ms << wait.failures.min(FAILURES_COUNTED);
        let until = Moment(self.now.0.saturating_add_unsigned(rest_ms));
        wait.failures += 1;
        wait.pending = Pending::Rest(until);
        self.alarms.set(Alarm::Offer(conversation), None);
        self.alarms.set_by(Alarm::Retry(conversation), until);
        self.release(&agent, conversation);
        self.refresh(&agent, Trigger::Refused);
        self.forget_if_idle(&agent);
    }
}
