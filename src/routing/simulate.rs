//! The engine on trial: a load of customers and shifts, served under a policy by a clock of its
//! own. Nothing real happens, and the same load under the same policy ends the same way.
//!
//! Where the load comes from is in `generated` (drawn by lot) and `recorded` (from a log). What is
//! assumed of people is in `docs/routing.md`; it is little: who waits for longer than its patience
//! leaves, who is asked accepts, who goes home finishes what it has.

mod generated;
mod recorded;
mod report;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::engine::Engine;
use super::policy::{Action, Policy};
use super::settings::Settings;
use super::words::{AgentSetup, Decision, Input, Waiting};
use crate::model::{AgentStatus, ConversationId, Moment, UserId};
pub use generated::{BadGeneration, Generation};
pub use recorded::Recorder;
pub use report::{AgentLoad, Report, Waits};

/// How long an agent takes to accept an offer.
const ACCEPT_MS: u64 = 3_000;
/// How long after the last arrival it goes on, if somebody still waits.
const AFTER_MS: u64 = 24 * 3_600_000;

/// What is to be served, and by whom.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Load {
    /// When it begins.
    pub from: Moment,
    /// When its last event was.
    pub until: Moment,
    /// The departments with their names.
    pub departments: BTreeMap<Uuid, String>,
    /// Who works.
    pub agents: Vec<AgentSetup>,
    /// When.
    pub shifts: Vec<Shift>,
    /// Who comes, in order of time.
    pub arrivals: Vec<Arrival>,
}

/// What an agent is from a moment on.
#[derive(Clone, Debug, PartialEq)]
pub struct Shift {
    /// From when.
    pub at: Moment,
    /// Who.
    pub agent: UserId,
    /// What it says it is.
    pub status: AgentStatus,
}

/// A conversation that needs a person.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrival {
    /// When.
    pub at: Moment,
    /// Of whom.
    pub department: Option<Uuid>,
    /// As in [`Waiting`].
    pub priority: i32,
    /// As in [`Waiting`].
    pub skills: Vec<String>,
    /// As in [`Waiting`].
    pub language: Option<String>,
    /// How long it keeps its agent.
    pub handle_ms: u64,
    /// How long it waits before it leaves; `None` for ever.
    pub patience_ms: Option<u64>,
}

/// Under what rules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policies {
    /// Of those without a department.
    pub default: Policy,
    /// Of the departments; those it lacks follow the default.
    pub departments: BTreeMap<Uuid, Policy>,
}

impl Policies {
    fn of(&self, department: Option<Uuid>) -> &Policy {
        department.and_then(|id| self.departments.get(&id)).unwrap_or(&self.default)
    }
}

/// Serves a load under these policies.
pub fn simulate(load: &Load, policies: &Policies) -> Report {
    let mut trial = Trial::new(load, policies);
    trial.open();
    trial.run();
    trial.report()
}

/// Something that is going to happen, in the order in which it does at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Shift(usize),
    End(usize),
    Accept(usize),
    Arrive(usize),
    GiveUp(usize),
}

/// How it went for a conversation.
#[derive(Clone, Debug, PartialEq)]
enum Fate {
    ToCome,
    Waiting,
    /// Asked for by an offer to this agent.
    Offered(UserId),
    Answered {
        wait_ms: u64,
        by: UserId,
    },
    Abandoned,
    /// A rule gave it to the bot, or asked for a message.
    Diverted,
}

struct Trial<'a> {
    load: &'a Load,
    policies: &'a Policies,
    engine: Engine,
    now: Moment,
    agenda: BTreeSet<(Moment, Step)>,
    fates: Vec<Fate>,
    /// How many are in the queue or with an agent.
    open: usize,
    escalations: u64,
    told_closed: u64,
}

impl<'a> Trial<'a> {
    fn new(load: &'a Load, policies: &'a Policies) -> Trial<'a> {
        let shifts = load.shifts.iter().enumerate().map(|(i, shift)| (shift.at, Step::Shift(i)));
        let arrivals = load.arrivals.iter().enumerate();
        let arrivals = arrivals.map(|(i, arrival)| (arrival.at, Step::Arrive(i)));
        Trial {
            load,
            policies,
            engine: Engine::new(Settings { start_grace_ms: 0, ..Settings::default() }),
            now: load.from,
            agenda: shifts.chain(arrivals).collect(),
            fates: vec![Fate::ToCome; load.arrivals.len()],
            open: 0,
            escalations: 0,
            told_closed: 0,
        }
    }

    /// Everybody is signed in from the beginning, and away until a shift says otherwise.
    fn open(&mut self) {
        self.tell(Input::DefaultPolicy(self.policies.default.clone()));
        for (id, name) in &self.load.departments {
            let (id, name, policy) = (*id, name.clone(), self.policies.of(Some(*id)).clone());
            self.tell(Input::Department { id, name, policy, is_empty: None });
        }
        for setup in &self.load.agents {
            let agent = setup.id.clone();
            self.tell(Input::Agent(setup.clone()));
            self.tell(Input::Declare { agent: agent.clone(), status: AgentStatus::Away });
            self.tell(Input::Connected(agent));
        }
        self.tell(Input::Started);
    }

    fn run(&mut self) {
        let end = Moment(self.load.until.0.saturating_add_unsigned(AFTER_MS));
        while self.open > 0 || !self.agenda.is_empty() {
            let step = self.agenda.first().copied();
            let deadline = self.engine.next_deadline();
            let next = step.map(|(at, _)| at).into_iter().chain(deadline).min();
            let Some(next) = next.filter(|next| *next <= end) else { return };
            self.now = self.now.max(next);
            if deadline.is_some_and(|at| at <= next) {
                self.tell(Input::Tick);
            } else if let Some((at, step)) = step {
                self.agenda.remove(&(at, step));
                self.take(step);
            }
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Shift(index) => {
                let shift = &self.load.shifts[index];
                // Who goes home finishes what it has, and takes nothing more.
                let status = match shift.status {
                    AgentStatus::Offline => AgentStatus::Away,
                    status => status,
                };
                self.tell(Input::Declare { agent: shift.agent.clone(), status });
            }
            Step::Arrive(index) => self.arrive(index),
            Step::End(index) => {
                self.open -= 1;
                self.tell(Input::Gone(id_of(index)));
            }
            Step::Accept(index) => {
                if let Fate::Offered(agent) = self.fates[index].clone() {
                    self.give(index, agent);
                }
            }
            Step::GiveUp(index) => self.leave(index, Fate::Abandoned),
        }
    }

    fn arrive(&mut self, index: usize) {
        let arrival = &self.load.arrivals[index];
        self.open += 1;
        self.fates[index] = Fate::Waiting;
        if let Some(patience_ms) = arrival.patience_ms {
            self.later(patience_ms, Step::GiveUp(index));
        }
        self.tell(Input::Waits(Waiting {
            conversation: id_of(index),
            stint: 1,
            department: arrival.department,
            also: Vec::new(),
            priority: arrival.priority,
            skills: arrival.skills.clone(),
            language: arrival.language.clone(),
            queued_at: self.now,
            is_head: false,
            last_agent: None,
            escalations_done: 0,
            offer: None,
            is_told_closed: false,
        }));
    }

    fn later(&mut self, ms: u64, step: Step) {
        self.agenda.insert((Moment(self.now.0.saturating_add_unsigned(ms)), step));
    }

    /// Whoever still waits leaves the queue.
    fn leave(&mut self, index: usize, fate: Fate) {
        if matches!(self.fates[index], Fate::Waiting | Fate::Offered(_)) {
            self.open -= 1;
            self.fates[index] = fate;
            self.tell(Input::Gone(id_of(index)));
        }
    }

    fn give(&mut self, index: usize, agent: UserId) {
        let arrival = &self.load.arrivals[index];
        let wait_ms = self.now.ms_since(arrival.at);
        self.fates[index] = Fate::Answered { wait_ms, by: agent.clone() };
        self.later(arrival.handle_ms, Step::End(index));
        let (conversation, department) = (id_of(index), arrival.department);
        self.tell(Input::Given { conversation, agent, department });
    }

    fn tell(&mut self, input: Input) {
        let mut decisions = Vec::new();
        self.engine.apply(self.now, input, &mut decisions);
        for decision in decisions {
            self.carry_out(decision);
        }
    }

    fn carry_out(&mut self, decision: Decision) {
        match decision {
            Decision::Assign { conversation, agent, .. } => {
                let index = index_of(conversation);
                if self.fates[index] == Fate::Waiting {
                    self.give(index, agent);
                }
            }
            Decision::Offer { conversation, agent, until, .. } => {
                let index = index_of(conversation);
                self.fates[index] = Fate::Offered(agent);
                // Just in time, where there is less of it.
                let in_time_ms = until.ms_since(self.now).saturating_sub(1);
                self.later(ACCEPT_MS.min(in_time_ms), Step::Accept(index));
            }
            Decision::EndOffer { conversation, agent, .. } => {
                let index = index_of(conversation);
                if self.fates[index] == Fate::Offered(agent) {
                    self.fates[index] = Fate::Waiting;
                    let accepts = |step: &(Moment, Step)| step.1 == Step::Accept(index);
                    self.agenda.retain(|step| !accepts(step));
                }
            }
            Decision::Escalate { conversation, action, .. } => {
                self.escalations += 1;
                if matches!(action, Action::Bot | Action::OfflineMessage) {
                    self.leave(index_of(conversation), Fate::Diverted);
                }
            }
            Decision::OutsideHours { .. } => self.told_closed += 1,
            // Nobody is lost here, and nobody is told.
            Decision::Return { .. }
            | Decision::Announce(_)
            | Decision::DepartmentEmpty { .. }
            | Decision::DepartmentCovered { .. }
            | Decision::QueueMoved { .. } => {}
        }
    }

    fn report(&self) -> Report {
        let talks = self.load.arrivals.iter().zip(&self.fates);
        let mut waits = Vec::new();
        let mut in_time = 0;
        for (arrival, fate) in talks.clone() {
            if let Fate::Answered { wait_ms, .. } = fate {
                let level = self.policies.of(arrival.department).service_level_seconds;
                in_time += u64::from(*wait_ms <= u64::from(level) * 1000);
                waits.push(*wait_ms);
            }
        }
        let count = |wanted: fn(&Fate) -> bool| self.fates.iter().filter(|f| wanted(f)).count();
        Report::new(report::Counts {
            conversations: self.fates.len(),
            abandoned: count(|fate| *fate == Fate::Abandoned),
            diverted: count(|fate| *fate == Fate::Diverted),
            waiting: count(|fate| matches!(fate, Fate::Waiting | Fate::Offered(_))),
            in_time,
            waits,
            escalations: self.escalations,
            told_closed: self.told_closed,
            agents: self.load.agents.iter().map(|agent| self.load_of(agent)).collect(),
        })
    }

    fn load_of(&self, agent: &AgentSetup) -> AgentLoad {
        let mine = self
            .load
            .arrivals
            .iter()
            .zip(&self.fates)
            .filter(|(_, fate)| matches!(fate, Fate::Answered { by, .. } if *by == agent.id));
        let (mut conversations, mut handled_ms) = (0, 0);
        for (arrival, _) in mine {
            conversations += 1;
            handled_ms += arrival.handle_ms;
        }
        let on_duty_ms = self.load.on_duty_ms(&agent.id);
        AgentLoad::new(agent, conversations, handled_ms, on_duty_ms)
    }
}

impl Load {
    /// How long an agent was there.
    fn on_duty_ms(&self, agent: &UserId) -> u64 {
        let mut since = None;
        let mut sum = 0;
        for shift in self.shifts.iter().filter(|shift| shift.agent == *agent) {
            let is_there = matches!(shift.status, AgentStatus::Online | AgentStatus::Busy);
            since = match since {
                None => is_there.then_some(shift.at),
                Some(began) if !is_there => {
                    sum += shift.at.ms_since(began);
                    None
                }
                began => began,
            };
        }
        sum + since.map_or(0, |began| self.until.ms_since(began))
    }
}

fn id_of(index: usize) -> ConversationId {
    ConversationId(Uuid::from_u128(index as u128))
}

fn index_of(id: ConversationId) -> usize {
    usize::try_from(id.0.as_u128()).unwrap_or(usize::MAX)
}
