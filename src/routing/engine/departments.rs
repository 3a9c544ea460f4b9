//! What happens to departments: they come, change, open and close, and are left alone.

use uuid::Uuid;

use super::{Engine, later};
use crate::model::{AgentStatus, ConversationId, Moment, UserId};
use crate::routing::alarms::Alarm;
use crate::routing::lane::{Lane, LaneId, STARTS_MAX};
use crate::routing::policy::Policy;
use crate::routing::words::{Decision, Trigger};

impl Engine {
    pub(super) fn set_department(
        &mut self,
        id: Uuid,
        name: String,
        policy: Policy,
        is_empty: Option<bool>,
    ) {
        let is_new = !self.lanes.contains_key(&Some(id));
        let lane = self
            .lanes
            .entry(Some(id))
            .or_insert_with(|| Lane::new(name.clone(), Policy::default()));
        lane.name = name;
        lane.is_empty = is_empty.unwrap_or(lane.is_empty);
        if is_new {
            self.enter_members(id);
            self.move_home(id);
        }
        self.set_policy(Some(id), policy);
        if is_new {
            self.fill(Some(id), Trigger::PolicyChanged);
        }
    }

    /// Agents may be told of before their department is.
    fn enter_members(&mut self, department: Uuid) {
        if self.is_started() {
            let members = self.agents.values().filter(|agent| agent.works_in(department));
            let members: Vec<UserId> = members.map(|agent| agent.setup.id.clone()).collect();
            members.iter().for_each(|agent| self.reindex(agent));
        }
    }

    /// Whoever asked for this department waits in its queue as long as it exists.
    fn move_home(&mut self, department: Uuid) {
        let asked = self.waiting.values().filter(|wait| {
            wait.info.department == Some(department) || wait.info.also.contains(&department)
        });
        let asked: Vec<ConversationId> = asked.map(|wait| wait.info.conversation).collect();
        asked.into_iter().for_each(|conversation| self.replace(conversation, |_| {}));
    }

    pub(super) fn drop_department(&mut self, id: Uuid) {
        let Some(lane) = self.lanes.remove(&Some(id)) else { return };
        for alarm in [Alarm::Hours(Some(id)), Alarm::Cover(Some(id))] {
            self.alarms.set(alarm, None);
        }
        self.move_home(id);
        for agent in &lane.pool.members {
            self.weigh_calls(agent);
            self.reindex(agent);
        }
        self.fill(None, Trigger::PolicyChanged);
    }

    pub(super) fn set_policy(&mut self, id: LaneId, policy: Policy) {
        let now = self.now;
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        if lane.policy == policy && self.started_at.is_some() {
            return;
        }
        lane.follow(policy);
        self.reweigh(id);
        let Some(lane) = self.lanes.get_mut(&id).filter(|_| self.started_at.is_some()) else {
            return;
        };
        lane.shift = lane.shift_at(now);
        self.alarms.set(Alarm::Hours(id), lane.shift.until);
        self.follow_policy(id);
    }

    /// What conversations and calls take has changed for those that are there already.
    fn reweigh(&mut self, id: LaneId) {
        let places = self.lanes[&id].policy.weights.chat;
        let served =
            self.serving.iter().filter(|(_, served)| self.lane_of(served.department) == id);
        let served: Vec<_> = served.map(|(id, served)| (*id, served.agent.clone())).collect();
        for (conversation, agent) in served {
            self.agent_mut(&agent).serving.put(conversation, places);
        }
        let members: Vec<UserId> = self.agents.keys().cloned().collect();
        members.iter().for_each(|agent| self.weigh_calls(agent));
    }

    /// Everybody in the lane anew: the order of agents, of conversations, and what is free.
    fn follow_policy(&mut self, id: LaneId) {
        let waiting: Vec<ConversationId> = self.waiting_in_lane(id);
        for conversation in &waiting {
            self.replace(*conversation, |_| {});
        }
        let members: Vec<UserId> = match id {
            None => self.agents.keys().cloned().collect(),
            Some(_) => self.lanes[&id].pool.members.iter().cloned().collect(),
        };
        members.iter().for_each(|agent| self.observe(agent));
        self.fill(id, Trigger::PolicyChanged);
        waiting.into_iter().for_each(|conversation| self.tell_if_closed(conversation));
    }

    fn observe(&mut self, agent: &UserId) {
        let now = self.now;
        self.agent_mut(agent).observe(now);
        self.reindex(agent);
        self.announce(agent);
    }

    fn waiting_in_lane(&self, id: LaneId) -> Vec<ConversationId> {
        let Some(lane) = self.lanes.get(&id) else { return Vec::new() };
        lane.queue.order.from(0).map(|place| place.conversation).collect()
    }

    // === the start ===

    pub(super) fn restore_starts(&mut self, department: Option<Uuid>, times: &[Moment]) {
        let id = self.lane_of(department);
        if let Some(lane) = self.lanes.get_mut(&id).filter(|_| self.started_at.is_none()) {
            let latest = times.len().saturating_sub(STARTS_MAX);
            times[latest..].iter().for_each(|at| lane.started_service(*at));
        }
    }

    /// Everything is told: enters everybody, and decides what there is to decide.
    pub(super) fn start(&mut self) {
        if self.is_started() {
            return;
        }
        self.started_at = Some(self.now);
        let lanes: Vec<LaneId> = self.lanes.keys().copied().collect();
        lanes.iter().for_each(|lane| self.turn_to(*lane));
        let agents: Vec<UserId> = self.agents.keys().cloned().collect();
        agents.iter().for_each(|agent| self.enter_agent(agent));
        let waiting: Vec<ConversationId> = self.waiting.keys().copied().collect();
        for conversation in &waiting {
            // Departments may have been told of after those who wait there.
            self.replace(*conversation, |_| {});
        }
        for lane in lanes {
            self.mind_cover(lane);
            self.fill(lane, Trigger::Started);
        }
        waiting.into_iter().for_each(|conversation| self.tell_if_closed(conversation));
        self.moved.clear();
    }

    /// Whoever was there before the start may be on its way back: it keeps what it has, the offer
    /// that stands included, for longer than after an ordinary loss.
    fn enter_agent(&mut self, id: &UserId) {
        let now = self.now;
        self.weigh_calls(id);
        let agent = self.agent_mut(id);
        let before = agent.shown;
        agent.observe(now);
        let is_lost = agent.before_loss.is_some();
        // It was told to be gone, and the server stopped before what it had went back.
        let is_told = before.status == AgentStatus::Offline && agent.turn_at <= before.since;
        let was_here = match is_told && !agent.serving.is_empty() && agent.is_restored {
            true => AgentStatus::Online,
            false => before.status,
        };
        self.mind_loss(id, was_here, self.settings.start_grace_ms);
        self.reindex(id);
        self.announce(id);
        if !is_lost {
            self.withdraw_unfit(id);
            return;
        }
        for lane in self.lanes_of_agent(id) {
            if let Some(lane) = self.lanes.get_mut(&lane) {
                lane.had_somebody = true;
            }
        }
    }

    // === hours ===

    fn turn_to(&mut self, id: LaneId) {
        let now = self.now;
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.shift = lane.shift_at(now);
            self.alarms.set(Alarm::Hours(id), lane.shift.until);
        }
    }

    /// A department opens or closes, or its calendar is to be looked at again.
    pub(super) fn keep_hours(&mut self, id: LaneId) {
        let Some(lane) = self.lanes.get(&id) else { return };
        let was_open = lane.shift.is_open;
        self.turn_to(id);
        if self.lanes[&id].shift.is_open == was_open {
            return;
        }
        self.moved.insert(id);
        for conversation in self.waiting_in_lane(id) {
            self.mind_escalation(conversation);
            self.tell_if_closed(conversation);
        }
        self.fill(id, Trigger::HoursBegan);
    }

    /// Tells a customer, once, that nobody serves now.
    pub(super) fn tell_if_closed(&mut self, conversation: ConversationId) {
        let Some(wait) = self.waiting.get_mut(&conversation) else { return };
        let shift = self.lanes[&wait.home].shift;
        let is_decided = wait.pending != super::Pending::Nothing;
        if self.started_at.is_none() || shift.is_open || is_decided || wait.info.is_told_closed {
            return;
        }
        wait.info.is_told_closed = true;
        self.out.push(Decision::OutsideHours { conversation, opens_at: shift.until });
    }

    // === whether anybody is there ===

    /// Looks whether a department has anybody, and sets the clock if not.
    pub(super) fn mind_cover(&mut self, id: LaneId) {
        let (Some(started), Some(lane)) = (self.started_at, self.lanes.get_mut(&id)) else {
            return;
        };
        let Some(department) = id else { return };
        let alarm = Alarm::Cover(id);
        if lane.pool.on_duty() > 0 {
            lane.had_somebody = true;
            self.alarms.set(alarm, None);
            if std::mem::take(&mut lane.is_empty) {
                self.out.push(Decision::DepartmentCovered { department });
            }
            return;
        }
        if lane.is_empty || self.alarms.at(&alarm).is_some() {
            return;
        }
        let start = later(started, self.settings.start_grace_ms);
        let at = match (lane.had_somebody, lane.queue.order.is_empty()) {
            (true, _) => later(self.now, self.settings.grace_ms),
            (false, false) => self.now,
            (false, true) => return,
        };
        let at = at.max(start);
        match at <= self.now {
            true => self.miss_cover(id),
            false => self.alarms.set(alarm, Some(at)),
        }
    }

    /// A department has nobody, and that lasts.
    pub(super) fn miss_cover(&mut self, id: LaneId) {
        let (Some(department), Some(lane)) = (id, self.lanes.get_mut(&id)) else { return };
        let waiting = lane.queue.order.len();
        if lane.is_empty || lane.pool.on_duty() > 0 || (waiting == 0 && !lane.had_somebody) {
            return;
        }
        (lane.is_empty, lane.had_somebody) = (true, false);
        self.out.push(Decision::DepartmentEmpty { department, waiting: waiting as u64 });
    }
}
