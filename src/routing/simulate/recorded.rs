//! A load as a log tells it: who came when, how long each conversation took, who was there.
//!
//! What a log cannot tell is assumed. A customer who was answered would have waited for as long as
//! the caller says; a conversation that never was answered would have taken as long as the others
//! did on average; an agent whose status was never told was there from the beginning to the end.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Arrival, Load, Shift};
use crate::model::{
    AgentStateChanged, AgentStatus, ConversationId, Event, InCharge, Moment, StatusReason, UserId,
};
use crate::routing::words::AgentSetup;

/// What a conversation takes where none was ever answered.
const HANDLE_MS_ASSUMED: u64 = 300_000;
/// Places of an agent nobody told the places of (contract 11).
const MAX_CHATS_ASSUMED: u32 = 5;

/// Where a conversation is; each with the number of its arrival.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Stage {
    #[default]
    Elsewhere,
    Waiting(usize),
    With(usize, Moment),
}

/// A conversation, as far as it was told.
#[derive(Clone, Debug, Default)]
struct Talk {
    department: Option<Uuid>,
    priority: i32,
    skills: Vec<String>,
    language: Option<String>,
    stage: Stage,
}

/// Reads a log, an event after the other.
#[derive(Debug, Default)]
pub struct Recorder {
    load: Load,
    talks: BTreeMap<ConversationId, Talk>,
    /// How long each arrival took, once it is known.
    handled: Vec<Option<u64>>,
    /// How long those waited that left.
    left_after: Vec<Option<u64>>,
    agents: BTreeMap<UserId, AgentSetup>,
}

impl Recorder {
    /// Takes in what happened at a moment. Events come in the log's order.
    pub fn note(&mut self, at: Moment, event: &Event) {
        if let Event::AgentStateChanged(changed) = event {
            self.begin(at);
            self.note_agent(at, changed);
            return;
        }
        let Some(id) = event.conversation().filter(|_| is_told(event)) else { return };
        self.begin(at);
        let mut talk = self.talks.remove(&id).unwrap_or_default();
        self.note_talk(at, event, &mut talk);
        self.talks.insert(id, talk);
    }

    fn begin(&mut self, at: Moment) {
        if self.load.from == Moment::default() {
            self.load.from = at;
        }
        self.load.until = self.load.until.max(at);
    }

    fn note_talk(&mut self, at: Moment, event: &Event, talk: &mut Talk) {
        match event {
            Event::SessionStarted(started) => {
                talk.department = started.department_id;
                talk.skills.clone_from(&started.skills);
                talk.language.clone_from(&started.language);
            }
            Event::Requirements(wanted) => {
                talk.priority = wanted.priority;
                talk.skills.clone_from(&wanted.skills);
                talk.language.clone_from(&wanted.language);
                if let Stage::Waiting(index) = talk.stage {
                    let at = self.load.arrivals[index].at;
                    self.load.arrivals[index] = arrival(at, talk);
                }
            }
            Event::Queued(queued) => {
                talk.department = queued.department_id.or(talk.department);
                // Told again whenever its place changes.
                if !matches!(talk.stage, Stage::Waiting(_)) {
                    self.end(at, talk);
                    talk.stage = Stage::Waiting(self.arrive(at, talk));
                }
            }
            Event::Assigned(assigned) => {
                talk.department = assigned.department_id.or(talk.department);
                self.meet(&assigned.agent_id, &assigned.agent_name, talk.department);
                let index = match talk.stage {
                    Stage::Waiting(index) => index,
                    // Taken before it waited, as from the bot.
                    _ => self.arrive(at, talk),
                };
                talk.stage = Stage::With(index, at);
            }
            Event::Transferred(to) if to.to_agent_id.is_none() => {
                talk.department = to.to_department_id;
                self.end(at, talk);
            }
            Event::Handoff(handoff) if handoff.to != InCharge::Agent => self.end(at, talk),
            Event::Closed(_) => self.end(at, talk),
            _ => {}
        }
    }

    fn arrive(&mut self, at: Moment, talk: &Talk) -> usize {
        self.load.arrivals.push(arrival(at, talk));
        self.handled.push(None);
        self.left_after.push(None);
        self.load.arrivals.len() - 1
    }

    /// It is with the queue or the agent it was with no longer.
    fn end(&mut self, at: Moment, talk: &mut Talk) {
        match std::mem::take(&mut talk.stage) {
            Stage::Waiting(index) => {
                self.left_after[index] = Some(at.ms_since(self.load.arrivals[index].at));
            }
            Stage::With(index, since) => self.handled[index] = Some(at.ms_since(since)),
            Stage::Elsewhere => {}
        }
    }

    fn meet(&mut self, id: &UserId, name: &str, department: Option<Uuid>) {
        let agent = self.agents.entry(id.clone()).or_insert_with(|| AgentSetup {
            id: id.clone(),
            name: name.to_owned(),
            departments: Vec::new(),
            skills: Vec::new(),
            languages: Vec::new(),
            max_chats: MAX_CHATS_ASSUMED,
            is_disabled: false,
            is_routable: true,
        });
        if let Some(department) = department.filter(|id| !agent.departments.contains(id)) {
            agent.departments.push(department);
        }
    }

    fn note_agent(&mut self, at: Moment, changed: &AgentStateChanged) {
        let id = &changed.user_id;
        self.meet(id, changed.username.as_deref().unwrap_or(id.as_str()), None);
        if let Some(agent) = self.agents.get_mut(id) {
            agent.max_chats = changed.max_chats;
            agent.departments.clone_from(&changed.department_ids);
        }
        let by_work = [StatusReason::Capacity, StatusReason::Call, StatusReason::WrapUp];
        let status = match changed.state {
            AgentStatus::Busy if by_work.contains(&changed.reason) => AgentStatus::Online,
            status => status,
        };
        let mut shifts = self.load.shifts.iter().rev();
        let is_first = !shifts.any(|shift| shift.agent == *id);
        if is_first && status == AgentStatus::Offline {
            // Who goes was there.
            let (at, agent) = (self.load.from, id.clone());
            self.load.shifts.push(Shift { at, agent, status: AgentStatus::Online });
        }
        self.load.shifts.push(Shift { at, agent: id.clone(), status });
    }

    /// The load. Of agents in `known` that is believed rather than what their events tell; those
    /// the log tells nothing of do not work in it. `patience_ms` is what customers who were
    /// answered would have waited; `None` for ever.
    pub fn finish(
        mut self,
        departments: BTreeMap<Uuid, String>,
        known: &[AgentSetup],
        patience_ms: Option<u64>,
    ) -> Load {
        for agent in known {
            if let Some(met) = self.agents.get_mut(&agent.id) {
                *met = agent.clone();
            }
        }
        let until = self.load.until;
        let mut talks = std::mem::take(&mut self.talks);
        for talk in talks.values_mut() {
            // Who still waits at the end of the log may wait for longer.
            if matches!(talk.stage, Stage::With(..)) {
                self.end(until, talk);
            }
        }
        let handled: Vec<u64> = self.handled.iter().flatten().copied().collect();
        let mean = handled.iter().sum::<u64>().checked_div(handled.len() as u64);
        let mut load = self.load;
        for (index, arrival) in load.arrivals.iter_mut().enumerate() {
            arrival.handle_ms = self.handled[index].or(mean).unwrap_or(HANDLE_MS_ASSUMED);
            arrival.patience_ms = self.left_after[index].or(patience_ms);
        }
        for agent in self.agents.keys() {
            if !load.shifts.iter().any(|shift| shift.agent == *agent) {
                let (at, agent) = (load.from, agent.clone());
                load.shifts.push(Shift { at, agent, status: AgentStatus::Online });
            }
        }
        load.agents = self.agents.into_values().collect();
        load.departments = departments;
        load
    }
}

/// Whether it says something of the load.
fn is_told(event: &Event) -> bool {
    matches!(
        event,
        Event::SessionStarted(_)
            | Event::Requirements(_)
            | Event::Queued(_)
            | Event::Assigned(_)
            | Event::Transferred(_)
            | Event::Handoff(_)
            | Event::Closed(_)
    )
}

fn arrival(at: Moment, talk: &Talk) -> Arrival {
    Arrival {
        at,
        department: talk.department,
        priority: talk.priority,
        skills: talk.skills.clone(),
        language: talk.language.clone(),
        handle_ms: 0,
        patience_ms: None,
    }
}
