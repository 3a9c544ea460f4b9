//! Brings conversations and agents together, and says why.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{Engine, Pending, Wait, later};
use crate::model::{AgentStatus, ConversationId, UserId};
use crate::routing::agent::Agent;
use crate::routing::alarms::Alarm;
use crate::routing::lane::{Lane, LaneId, Place, Slot, Tag};
use crate::routing::policy::{OfferMode, Strategy};
use crate::routing::words::{Candidate, Decision, Exclusion, Explanation, Trigger, Waiting};

/// Agents a decision shows. All of them in most departments; more would make decisions larger
/// than the conversations they are about.
const CANDIDATES_MAX: usize = 20;

/// What a search among the free agents of a lane has come to.
#[derive(Default)]
struct Search {
    found: Option<UserId>,
    considered: u32,
    excluded: BTreeMap<Exclusion, u32>,
}

impl Engine {
    /// Looks for an agent for a conversation: at home first, then wherever it was widened to.
    pub(super) fn seek_agent(&mut self, conversation: ConversationId, trigger: Trigger) {
        let Some(wait) = self.waiting.get(&conversation) else { return };
        let is_undecided = wait.pending == Pending::Nothing;
        if !self.is_started() || self.settings.is_following || !is_undecided {
            return;
        }
        for id in self.lanes_of(wait) {
            let lane = &self.lanes[&id];
            if !lane.shift.is_open {
                continue;
            }
            let search = self.search(lane, wait, id);
            self.visited += u64::from(search.considered);
            if let Some(agent) = search.found.clone() {
                self.decide(conversation, &agent, id, trigger, search);
                return;
            }
        }
        self.tell_if_closed(conversation);
    }

    /// Who would get it now, whether it waits or not; the one it is decided for, if it is.
    pub fn choose(&self, waiting: &Waiting) -> Option<UserId> {
        let known = self.waiting.get(&waiting.conversation).map(|wait| &wait.pending);
        if let Some(Pending::Assign(agent) | Pending::Offer(agent, _)) = known {
            return Some(agent.clone());
        }
        let wait = self.wait_of(waiting.clone());
        let lanes = self.lanes_of(&wait).into_iter().map(|id| (id, &self.lanes[&id]));
        let mut open = lanes.filter(|(_, lane)| lane.shift.is_open);
        open.find_map(|(id, lane)| self.search(lane, &wait, id).found)
    }

    fn search(&self, lane: &Lane, wait: &Wait, id: LaneId) -> Search {
        let mut search = Search::default();
        if let Some(last) = wait.info.last_agent.as_ref().filter(|_| lane.policy.last_agent_first) {
            let is_free = self.agents.get(last).is_some_and(|agent| is_free_in(agent, id));
            if is_free && self.leaves_out(last, wait, lane).is_none() {
                (search.found, search.considered) = (Some(last.clone()), 1);
                return search;
            }
        }
        for agent in lane.pool.free_for(&wait.class) {
            search.considered += 1;
            match self.leaves_out(agent, wait, lane) {
                Some(filter) => *search.excluded.entry(filter).or_default() += 1,
                None => {
                    search.found = Some(agent.clone());
                    break;
                }
            }
        }
        search
    }

    /// What keeps a free agent of a lane from a conversation. One that is widened takes as many
    /// places as the heavier of the two departments says.
    fn leaves_out(&self, id: &UserId, wait: &Wait, lane: &Lane) -> Option<Exclusion> {
        let agent = self.agents.get(id)?;
        if agent.room() < wait.class.places.max(lane.policy.weights.chat) {
            return Some(Exclusion::Capacity);
        }
        let is_declined =
            || wait.declined.iter().any(|(who, until)| who == id && *until > self.now);
        agent.lacks(&wait.class).or_else(|| is_declined().then_some(Exclusion::AskedBefore))
    }

    /// Fills an agent's free places with what waits for it.
    pub(super) fn seek_work(&mut self, id: &UserId, trigger: Trigger) {
        while !self.settings.is_following && self.seek_one(id, trigger) {}
    }

    /// Gives an agent the first conversation it can take of all queues it serves.
    fn seek_one(&mut self, id: &UserId, trigger: Trigger) -> bool {
        let Some((place, lane)) = self.first_for(id) else { return false };
        let search = Search { found: Some(id.clone()), considered: 1, ..Search::default() };
        self.decide(place.conversation, id, lane, trigger, search);
        true
    }

    fn first_for(&mut self, id: &UserId) -> Option<(Place, LaneId)> {
        let agent = self.agents.get(id)?;
        let mut best: Option<(Place, LaneId)> = None;
        let mut visited = 0;
        for entry in agent.indexed.iter().filter(|entry| matches!(entry.slot, Slot::Free(_))) {
            let lane = &self.lanes[&entry.lane];
            if !lane.shift.is_open {
                continue;
            }
            let tags = entry.tags.iter().map(Some).chain([None::<&Tag>]);
            for (_, places) in tags.flat_map(|tag| lane.queue.ready_with(tag)) {
                for place in places {
                    visited += 1;
                    let wait = &self.waiting[&place.conversation];
                    match self.leaves_out(id, wait, lane) {
                        // Whoever was asked for this one may be asked for the next.
                        Some(Exclusion::AskedBefore) => continue,
                        Some(_) => {}
                        None if best.is_none_or(|(first, _)| *place < first) => {
                            best = Some((*place, entry.lane));
                        }
                        None => {}
                    }
                    break;
                }
            }
        }
        self.visited += visited;
        best
    }

    /// Gives the free agents of a lane what waits, as their order says, until nobody finds
    /// anything.
    pub(super) fn fill(&mut self, id: LaneId, trigger: Trigger) {
        let mut after = Bound::Unbounded;
        while let Some(lane) = self.lanes.get(&id) {
            let next = lane.pool.free.range((after.clone(), Bound::Unbounded)).next().cloned();
            let Some((key, agent)) = next else { return };
            // Whoever got something stands further back now; whoever found nothing never will.
            if !self.seek_one(&agent, trigger) {
                after = Bound::Excluded((key, agent));
            }
        }
    }

    fn decide(
        &mut self,
        conversation: ConversationId,
        agent: &UserId,
        lane: LaneId,
        trigger: Trigger,
        search: Search,
    ) {
        self.unready(conversation);
        let why = self.explain(conversation, agent, lane, trigger, search);
        let policy = &self.lanes[&lane].policy;
        let timeout_ms = u64::from(policy.offer_timeout_seconds) * 1000;
        let is_asked = policy.offer == OfferMode::Accept;
        let until = self.after(timeout_ms);
        self.hold(conversation, agent);
        let Some(wait) = self.waiting.get_mut(&conversation) else { return };
        let agent = agent.clone();
        if is_asked {
            wait.attempts += 1;
            wait.pending = Pending::Offer(agent.clone(), until);
            let attempt = wait.attempts;
            self.alarms.set(Alarm::Offer(conversation), Some(until));
            self.out.push(Decision::Offer { conversation, agent, until, attempt, why });
        } else {
            wait.pending = Pending::Assign(agent.clone());
            self.out.push(Decision::Assign { conversation, agent, why });
        }
    }

    /// Takes the place a decision needs, and the agent's turn with it.
    fn hold(&mut self, conversation: ConversationId, id: &UserId) {
        let Some(wait) = self.waiting.get(&conversation) else { return };
        let (places, now) = (wait.class.places, self.now);
        self.turns += 1;
        let turn = self.turns;
        let agent = self.agent_mut(id);
        agent.held.put(conversation, places);
        (agent.idle_since, agent.turn_at, agent.turn) = (now, now, turn);
        self.reindex(id);
    }

    // === why ===

    fn explain(
        &self,
        conversation: ConversationId,
        winner: &UserId,
        lane_id: LaneId,
        trigger: Trigger,
        search: Search,
    ) -> Explanation {
        let (lane, wait) = (&self.lanes[&lane_id], &self.waiting[&conversation]);
        let mut excluded = search.excluded;
        let pool = &lane.pool;
        let members = u32::try_from(pool.members.len()).unwrap_or(u32::MAX);
        let free = u32::try_from(pool.free.len()).unwrap_or(u32::MAX);
        for (filter, count) in [
            (Exclusion::Status, members.saturating_sub(free + pool.full)),
            (Exclusion::Capacity, pool.full),
        ] {
            if count > 0 {
                *excluded.entry(filter).or_default() += count;
            }
        }
        // The winner, then those that were free, then whoever else works there.
        let free = lane.pool.free.iter().map(|(_, agent)| agent);
        let all = std::iter::once(winner).chain(free.take(CANDIDATES_MAX));
        let mut shown: Vec<&UserId> = Vec::with_capacity(CANDIDATES_MAX);
        for agent in all.chain(lane.pool.members.iter().take(2 * CANDIDATES_MAX)) {
            if shown.len() < CANDIDATES_MAX && !shown.contains(&agent) {
                shown.push(agent);
            }
        }
        let shown = shown.into_iter().filter_map(|agent| self.agents.get(agent));
        let candidates: Vec<_> = shown.map(|agent| self.candidate(agent, wait, lane)).collect();
        // A search that finds somebody at once has seen none of those it would have left out.
        for filter in [Exclusion::Skills, Exclusion::Language, Exclusion::AskedBefore] {
            let listed = candidates.iter().filter(|c| c.excluded == Some(filter)).count();
            let listed = u32::try_from(listed).unwrap_or(u32::MAX);
            if listed > excluded.get(&filter).copied().unwrap_or(0) {
                excluded.insert(filter, listed);
            }
        }
        Explanation {
            strategy: lane.policy.strategy,
            trigger,
            department: lane_id,
            candidates,
            considered: search.considered,
            excluded,
        }
    }

    fn candidate(&self, agent: &Agent, wait: &Wait, lane: &Lane) -> Candidate {
        let state = agent.state(self.now);
        let idle_ms = self.now.ms_since(agent.idle_since);
        let since_turn_ms = self.now.ms_since(agent.turn_at);
        let excluded = match state.status {
            AgentStatus::Online => self.leaves_out(&state.agent, wait, lane),
            _ if agent.is_full() => Some(Exclusion::Capacity),
            _ => Some(Exclusion::Status),
        };
        Candidate {
            score: match lane.policy.strategy {
                Strategy::LeastLoaded => -i64::from(state.load),
                Strategy::RoundRobin => i64::try_from(since_turn_ms).unwrap_or(i64::MAX),
                Strategy::LongestIdle => i64::try_from(idle_ms).unwrap_or(i64::MAX),
            },
            agent: state.agent,
            status: state.status,
            current_chats: state.current_chats,
            load: state.load,
            max_chats: state.max_chats,
            idle_ms,
            excluded,
        }
    }

    // === time ===

    /// The time is up: somebody who was asked before may be asked again.
    pub(super) fn ask_again(&mut self, conversation: ConversationId) {
        let now = self.now;
        let Some(wait) = self.waiting.get_mut(&conversation) else { return };
        let may_be_asked = wait.declined.extract_if(.., |(_, until)| *until <= now);
        let may_be_asked: Vec<UserId> = may_be_asked.map(|(agent, _)| agent).collect();
        let mut next = wait.declined.iter().map(|(_, until)| *until).min();
        match wait.pending {
            Pending::Rest(until) if until <= now => wait.pending = Pending::Nothing,
            Pending::Rest(until) => next = Some(next.map_or(until, |next| next.min(until))),
            _ => {}
        }
        self.alarms.set(Alarm::Retry(conversation), next);
        self.make_ready(conversation);
        // Others may have come to wait before this one since.
        may_be_asked.iter().for_each(|agent| self.seek_work(agent, Trigger::AskedAgain));
        self.seek_agent(conversation, Trigger::Refused);
    }

    /// Sets the clock for the next rule of escalation.
    pub(super) fn mind_escalation(&mut self, conversation: ConversationId) {
        let Some(wait) = self.waiting.get(&conversation) else { return };
        let at = self.lanes[&wait.home].escalates_at(&wait.info);
        // What is being given is given in a moment; should that fail, the rule still counts.
        let is_given = matches!(wait.pending, Pending::Assign(_));
        let soon = later(self.now, self.settings.retry_ms.max(1));
        let at = at.map(|at| if is_given { at.max(soon) } else { at });
        self.alarms.set(Alarm::Escalate(conversation), at);
    }
}

fn is_free_in(agent: &Agent, lane: LaneId) -> bool {
    agent.indexed.iter().any(|entry| entry.lane == lane && matches!(entry.slot, Slot::Free(_)))
}
