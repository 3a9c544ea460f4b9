//! What the engine can be asked.

use uuid::Uuid;

use super::{Engine, Pending};
use crate::model::{AgentStatus, ConversationId, Moment, UserId};
use crate::routing::lane::{Lane, LaneId};
use crate::routing::words::{AgentState, Decision, DepartmentState, Waiting};

impl Engine {
    /// Every agent that was told of, by id.
    pub fn agents(&self, now: Moment) -> impl Iterator<Item = AgentState> {
        self.agents.values().filter(|a| a.is_known()).map(move |agent| agent.state(now))
    }

    /// The agents of a department, by id.
    pub fn agents_of(&self, now: Moment, department: Uuid) -> impl Iterator<Item = AgentState> {
        let members = self.lanes.get(&Some(department)).into_iter();
        let members = members.flat_map(|lane| &lane.pool.members);
        members.filter_map(move |id| self.agent(now, id))
    }

    /// One agent that was told of.
    pub fn agent(&self, now: Moment, agent: &UserId) -> Option<AgentState> {
        self.agents.get(agent).filter(|a| a.is_known()).map(|agent| agent.state(now))
    }

    /// Of every agent whether it is connected, and until when its latest heartbeat counts.
    pub fn signs_of_life(&self) -> impl Iterator<Item = (&UserId, bool, Option<Moment>)> {
        self.agents.iter().map(|(id, agent)| (id, agent.is_connected, agent.beat_until))
    }

    /// Whether an agent is disabled; `None` for one that was not told of.
    pub fn is_disabled(&self, agent: &UserId) -> Option<bool> {
        let known = self.agents.get(agent).filter(|agent| agent.is_known());
        known.map(|agent| agent.setup.is_disabled)
    }

    /// Every department; first those without one.
    pub fn departments(&self) -> impl Iterator<Item = DepartmentState> {
        self.lanes.iter().map(|(id, lane)| state_of(*id, lane))
    }

    /// One department; `None` is those without one.
    pub fn department(&self, department: Option<Uuid>) -> Option<DepartmentState> {
        self.lanes.get(&department).map(|lane| state_of(department, lane))
    }

    /// Where a conversation stands in its queue, from 1.
    pub fn position(&self, conversation: ConversationId) -> Option<u64> {
        let wait = self.waiting.get(&conversation)?;
        let before = self.lanes.get(&wait.home)?.queue.order.before(&wait.place);
        Some(before as u64 + 1)
    }

    /// Where one would stand.
    pub fn position_for(&self, waiting: &Waiting) -> u64 {
        let lane = &self.lanes[&self.lane_of(waiting.department)];
        lane.queue.order.before(&lane.place(waiting)) as u64 + 1
    }

    /// Seconds that somebody who came now without any requirements would wait at a position:
    /// nothing if there are as many free agents; otherwise the position times what one place
    /// lately took, from the opening on.
    pub fn estimate(&self, now: Moment, department: Option<Uuid>, position: u64) -> u64 {
        let lane = &self.lanes[&self.lane_of(department)];
        if lane.shift.is_open && lane.pool.free.len() as u64 >= position {
            return 0;
        }
        self.wait_ms(now, lane, position).div_ceil(1000)
    }

    /// Whose queue a conversation waits in.
    pub fn department_of(&self, conversation: ConversationId) -> Option<Uuid> {
        self.waiting.get(&conversation).and_then(|wait| wait.home)
    }

    /// Which stay in a queue a conversation is in.
    pub fn stint_of(&self, conversation: ConversationId) -> Option<u32> {
        self.waiting.get(&conversation).map(|wait| wait.info.stint)
    }

    /// Whether a decision is still what the engine would have done. One that was on its way for
    /// long, or that the log refused, may have been overtaken.
    pub fn stands(&self, decision: &Decision) -> bool {
        let pending = |id: &ConversationId| self.waiting.get(id).map(|wait| &wait.pending);
        match decision {
            Decision::Assign { conversation, agent, .. } => {
                matches!(pending(conversation), Some(Pending::Assign(to)) if to == agent)
            }
            Decision::Offer { conversation, agent, until, .. } => {
                let offer = pending(conversation);
                matches!(offer, Some(Pending::Offer(to, end)) if to == agent && end == until)
            }
            Decision::Return { conversation, agent } => {
                self.serving.get(conversation).is_some_and(|served| served.agent == *agent)
            }
            Decision::Escalate { conversation, .. }
            | Decision::OutsideHours { conversation, .. } => {
                self.waiting.contains_key(conversation)
            }
            Decision::Announce(state) => {
                let agent = self.agents.get(&state.agent);
                agent.is_none_or(|agent| agent.announced == (state.status, state.declared))
            }
            Decision::DepartmentEmpty { department, .. } => {
                self.lanes.get(&Some(*department)).is_some_and(|lane| lane.is_empty)
            }
            Decision::DepartmentCovered { department } => {
                self.lanes.get(&Some(*department)).is_none_or(|lane| !lane.is_empty)
            }
            Decision::EndOffer { .. } | Decision::QueueMoved { .. } => true,
        }
    }

    /// Whether a conversation that waits is to be somebody's as soon as the log has it.
    pub fn is_given(&self, conversation: ConversationId) -> bool {
        self.waiting.get(&conversation).is_some_and(|w| matches!(w.pending, Pending::Assign(_)))
    }

    /// Seconds that a conversation in a queue is still going to wait; nothing if an agent was
    /// found that only has to be told.
    pub fn estimate_for(&self, now: Moment, conversation: ConversationId) -> Option<u64> {
        let wait = self.waiting.get(&conversation)?;
        if matches!(wait.pending, Pending::Assign(_)) {
            return Some(0);
        }
        let position = self.position(conversation)?;
        let ms = self.wait_ms(now, self.lanes.get(&wait.home)?, position);
        Some(ms.div_ceil(1000))
    }

    fn wait_ms(&self, now: Moment, lane: &Lane, position: u64) -> u64 {
        let opens = lane.shift.until.filter(|_| !lane.shift.is_open);
        let closed_ms = opens.map_or(0, |opens| opens.ms_since(now));
        closed_ms.saturating_add(self.served_within_ms(now, lane, position))
    }

    /// How long it takes until so many are served. The time since the last start counts as one
    /// more interval once it is longer than the others were, so that a queue nobody serves any
    /// more is seen to slow down.
    fn served_within_ms(&self, now: Moment, lane: &Lane, places: u64) -> u64 {
        let (Some(first), Some(last)) = (lane.starts.front(), lane.starts.back()) else {
            return self.assumed_ms(lane, places);
        };
        if lane.knows_no_rate() {
            return self.assumed_ms(lane, places);
        }
        let intervals = lane.starts.len() as u64 - 1;
        let (span, since) = (last.ms_since(*first), now.ms_since(*last));
        match since.saturating_mul(intervals) > span {
            true => (span + since).saturating_mul(places).div_ceil(intervals + 1),
            false => span.saturating_mul(places).div_ceil(intervals),
        }
    }

    fn assumed_ms(&self, lane: &Lane, places: u64) -> u64 {
        let on_duty = u64::from(lane.pool.on_duty()).max(1);
        self.settings.assumed_wait_ms.saturating_mul(places).div_ceil(on_duty)
    }

    /// The conversations of a queue in order, from the `from`-th (counted from 0) on.
    #[cfg(test)]
    pub(in crate::routing) fn waiting_in(
        &self,
        department: Option<Uuid>,
        from: usize,
        count: usize,
    ) -> impl Iterator<Item = ConversationId> {
        let lane = self.lanes.get(&department).into_iter();
        let places = lane.flat_map(move |lane| lane.queue.order.from(from).take(count));
        places.map(|place| place.conversation)
    }
}

fn state_of(department: LaneId, lane: &Lane) -> DepartmentState {
    DepartmentState {
        department,
        name: lane.name.clone(),
        online: lane.pool.count(AgentStatus::Online),
        busy: lane.pool.count(AgentStatus::Busy),
        away: lane.pool.count(AgentStatus::Away),
        waiting: lane.queue.order.len() as u64,
        waiting_since: lane.queue.by_age.first().map(|(at, _)| *at),
        is_open: lane.shift.is_open,
        opens_at: lane.shift.until.filter(|_| !lane.shift.is_open),
        is_empty: lane.is_empty,
    }
}
