//! What happens to agents: who they are, whether they are there, and what is told of that.

use std::sync::Arc;

use uuid::Uuid;

use super::{Engine, later};
use crate::model::{AgentStatus, ConversationId, Moment, UserId};
use crate::routing::agent::{Agent, is_loss};
use crate::routing::alarms::Alarm;
use crate::routing::lane::{Indexed, LaneId, Slot, Tag};
use crate::routing::words::{AgentRestored, AgentSetup, Decision, Trigger};

impl Engine {
    /// The agent, made up if nobody told of it: an admin may have conversations, too.
    pub(super) fn agent_mut(&mut self, id: &UserId) -> &mut Agent {
        let now = self.now;
        self.agents.entry(id.clone()).or_insert_with(|| Agent::unknown(id.clone(), now))
    }

    /// Changes an agent and does what follows from it.
    pub(super) fn change(
        &mut self,
        id: &UserId,
        trigger: Trigger,
        act: impl FnOnce(&mut Agent, Moment),
    ) {
        let now = self.now;
        act(self.agent_mut(id), now);
        self.refresh(id, trigger);
    }

    pub(super) fn set_agent(&mut self, setup: AgentSetup) {
        let id = setup.id.clone();
        let agent = self.agent_mut(&id);
        (agent.setup, agent.is_set_up, agent.is_removed) = (setup, true, false);
        self.weigh_calls(&id);
        self.refresh(&id, Trigger::AgentChanged);
    }

    /// Whoever is removed is lost like anybody else: what it had goes back.
    pub(super) fn drop_agent(&mut self, id: &UserId) {
        let Some(agent) = self.agents.get_mut(id) else { return };
        agent.is_removed = true;
        agent.setup.is_disabled = true;
        agent.setup.is_routable = false;
        agent.setup.departments.clear();
        self.refresh(id, Trigger::AgentChanged);
        self.forget_if_idle(id);
    }

    /// An agent that is removed is kept only for what it still has.
    pub(super) fn forget_if_idle(&mut self, id: &UserId) {
        let Some(agent) = self.agents.get(id) else { return };
        if !agent.is_removed || !agent.serving.is_empty() || !agent.held.is_empty() {
            return;
        }
        self.agents.remove(id);
        for alarm in [Alarm::Beat(id.clone()), Alarm::Lost(id.clone()), Alarm::WrapUp(id.clone())] {
            self.alarms.set(alarm, None);
        }
    }

    pub(super) fn restore_agent(&mut self, kept: &AgentRestored) {
        if !self.is_started() {
            self.agent_mut(&kept.agent).restore(kept);
            self.alarms.set(Alarm::Beat(kept.agent.clone()), kept.beat_until);
        }
    }

    pub(super) fn beat(&mut self, id: &UserId, until: Moment, status: Option<AgentStatus>) {
        self.alarms.set(Alarm::Beat(id.clone()), Some(until));
        let now = self.now;
        let agent = self.agent_mut(id);
        let is_news = agent.is_alive(now) && status.is_some_and(|status| status != agent.declared);
        let trigger = if is_news { Trigger::StatusChanged } else { Trigger::AgentCame };
        self.change(id, trigger, |agent, now| {
            agent.beat(now, until);
            status.into_iter().for_each(|status| agent.declare(status));
        });
    }

    /// What a call takes of an agent is the most that any of its departments says.
    pub(super) fn weigh_calls(&mut self, id: &UserId) {
        let Some(agent) = self.agents.get(id) else { return };
        let lanes = agent.setup.departments.iter().filter_map(|id| self.lanes.get(&Some(*id)));
        let most = lanes.map(|lane| lane.policy.weights.call).max();
        let weight = most.unwrap_or_else(|| self.lanes[&None].policy.weights.call);
        self.agent_mut(id).call_weight = weight;
    }

    /// Keeps the place of what left the agent taken for the department's wrap-up time.
    pub(super) fn wrap_up(&mut self, id: &UserId, department: Option<Uuid>, ended_at: Moment) {
        let policy = &self.lanes[&self.lane_of(department)].policy;
        let (seconds, places) = (policy.wrap_up_seconds, policy.weights.chat);
        let until = later(ended_at, u64::from(seconds) * 1000);
        if until > self.now && seconds > 0 {
            self.agent_mut(id).wrapping.push((until, places));
            self.alarms.set_by(Alarm::WrapUp(id.clone()), until);
        }
    }

    pub(super) fn end_wrap_up(&mut self, id: &UserId) {
        let now = self.now;
        let Some(agent) = self.agents.get_mut(id) else { return };
        agent.wrapping.retain(|(until, _)| *until > now);
        let next = agent.wrapping.iter().map(|(until, _)| *until).min();
        self.alarms.set(Alarm::WrapUp(id.clone()), next);
        self.refresh(id, Trigger::AgentFree);
    }

    /// Does everything that follows from an agent being otherwise than before.
    pub(super) fn refresh(&mut self, id: &UserId, trigger: Trigger) {
        if !self.is_started() {
            return;
        }
        let now = self.now;
        let before = self.agent_mut(id).shown.status;
        self.agent_mut(id).observe(now);
        self.mind_loss(id, before, self.settings.grace_ms);
        self.reindex(id);
        // A place that is filled at once was never free for anybody: that is told afterwards, if
        // it is news then.
        if !self.has_place_again(id) {
            self.announce(id);
        }
        self.withdraw_unfit(id);
        self.seek_work(id, trigger);
        if !(self.has_place_again(id) && self.is_being_given(id)) {
            self.announce(id);
        }
    }

    fn has_place_again(&self, id: &UserId) -> bool {
        let agent = &self.agents[id];
        agent.shown.status == AgentStatus::Online && agent.announced.0 == AgentStatus::Busy
    }

    /// Whether it is full once the log has what was decided for it.
    fn is_being_given(&self, id: &UserId) -> bool {
        let is_given = |held: ConversationId| self.is_given(held);
        self.agents
            .get(id)
            .is_some_and(|agent| agent.room() == 0 && agent.held.ids().into_iter().any(is_given))
    }

    /// Sets the clock for what an agent that is not there any more leaves behind.
    pub(super) fn mind_loss(&mut self, id: &UserId, before: AgentStatus, grace_ms: u64) {
        let status = self.agents[id].shown.status;
        if status != AgentStatus::Offline {
            self.alarms.set(Alarm::Lost(id.clone()), None);
        } else if before != AgentStatus::Offline {
            let until = self.after(grace_ms);
            self.alarms.set(Alarm::Lost(id.clone()), Some(until));
        }
    }

    /// Tells what an agent is, if that is news. A loss is told only when it lasts.
    pub(super) fn announce(&mut self, id: &UserId) {
        let agent = &self.agents[id];
        let shown = agent.shown;
        let is_kept_back = shown.status == AgentStatus::Offline
            && is_loss(shown.reason)
            && self.alarms.at(&Alarm::Lost(id.clone())).is_some();
        let news = (shown.status, agent.declared);
        if is_kept_back || agent.announced == news {
            return;
        }
        let state = agent.state(self.now);
        self.out.push(Decision::Announce(state));
        self.agent_mut(id).announced = news;
    }

    /// An agent is gone for good: told, and what it has goes back.
    pub(super) fn lose(&mut self, id: &UserId) {
        let Some(agent) = self.agents.get_mut(id) else { return };
        agent.before_loss = None;
        let conversations = agent.serving.ids();
        self.announce(id);
        self.withdraw_unfit(id);
        let agent = id.clone();
        let returns = conversations.into_iter();
        self.out.extend(
            returns.map(|conversation| Decision::Return { conversation, agent: agent.clone() }),
        );
    }

    // === indexes ===

    /// The lanes an agent serves: those of its departments that exist, and everybody's.
    pub(super) fn lanes_of_agent(&self, id: &UserId) -> Vec<LaneId> {
        let Some(agent) = self.agents.get(id).filter(|agent| agent.setup.is_routable) else {
            return Vec::new();
        };
        let mut lanes: Vec<LaneId> = agent.setup.departments.iter().copied().map(Some).collect();
        lanes.retain(|lane| self.lanes.contains_key(lane));
        lanes.push(None);
        lanes.sort_unstable();
        lanes.dedup();
        lanes
    }

    /// Enters an agent in the order of its lanes anew, if its place has changed.
    pub(super) fn reindex(&mut self, id: &UserId) {
        let lanes = self.lanes_of_agent(id);
        let agent = &self.agents[id];
        let tags = tags_of(agent);
        let entries = lanes.into_iter().map(|lane| {
            let slot = self.slot(agent, lane);
            Indexed { lane, status: agent.shown.status, slot, tags: tags.clone() }
        });
        let entries: Vec<Indexed> = entries.collect();
        if entries == agent.indexed {
            return;
        }
        let before = std::mem::replace(&mut self.agent_mut(id).indexed, entries.clone());
        for entry in &before {
            if let Some(lane) = self.lanes.get_mut(&entry.lane) {
                lane.pool.leave(id, entry);
            }
        }
        for entry in &entries {
            if let Some(lane) = self.lanes.get_mut(&entry.lane) {
                lane.pool.enter(id, entry);
            }
        }
        let on_duty = |entries: &[Indexed]| entries.first().is_some_and(|e| is_on_duty(e.status));
        let is_estimate_new = on_duty(&before) != on_duty(&entries);
        for entry in before.iter().chain(&entries) {
            self.mind_cover(entry.lane);
            let lane = self.lanes.get(&entry.lane).filter(|_| is_estimate_new);
            if lane.is_some_and(|lane| !lane.queue.order.is_empty() && lane.knows_no_rate()) {
                self.moved.insert(entry.lane);
            }
        }
    }

    fn slot(&self, agent: &Agent, lane: LaneId) -> Slot {
        let lane = &self.lanes[&lane];
        let has_room = agent.room() >= lane.policy.weights.chat;
        match agent.shown.status {
            AgentStatus::Online if has_room => Slot::Free(lane.free_key(agent)),
            _ if agent.is_on_duty() => Slot::Full,
            _ => Slot::Out,
        }
    }
}

/// Whether somebody like this counts as there when a wait is estimated.
fn is_on_duty(status: AgentStatus) -> bool {
    matches!(status, AgentStatus::Online | AgentStatus::Busy)
}

fn tags_of(agent: &Agent) -> Arc<[Tag]> {
    let skills = agent.setup.skills.iter().cloned().map(Tag::Skill);
    let mut tags: Vec<Tag> =
        agent.setup.languages.iter().cloned().map(Tag::Language).chain(skills).collect();
    tags.sort_unstable();
    tags.dedup();
    tags.into()
}
