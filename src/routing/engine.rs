//! The engine: what it is told, what it answers, and what it can be asked.
//!
//! A decision is optimistic. From the moment it is made the place counts as taken, and the
//! conversation is not given again, until an input says what came of it; so decisions may be made
//! faster than the log writes. Whatever happens looks only at what it can change: a free agent at
//! the first of each queue it serves, a conversation at the free agents, neither at the others who
//! wait. Its parts: `agents` and `conversations` take inputs, `departments` policies and hours,
//! `matching` brings the two together, `due` does what time does, `view` answers.

mod agents;
mod conversations;
mod departments;
mod due;
mod matching;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::agent::Agent;
use super::alarms::Alarms;
use super::lane::{Class, Lane, LaneId, Place};
use super::policy::Policy;
use super::settings::Settings;
use super::words::{Decision, Input, Trigger, Waiting};
use crate::model::{ConversationId, Moment, UserId};

/// The routing of one tenant.
#[derive(Clone, Debug)]
pub struct Engine {
    settings: Settings,
    lanes: BTreeMap<LaneId, Lane>,
    agents: BTreeMap<UserId, Agent>,
    waiting: BTreeMap<ConversationId, Wait>,
    serving: BTreeMap<ConversationId, Served>,
    alarms: Alarms,
    /// When it was told everything; it decides nothing before.
    started_at: Option<Moment>,
    /// The moment of the input it works on.
    now: Moment,
    /// What that input has led to so far.
    out: Vec<Decision>,
    moved: BTreeSet<LaneId>,
    /// Agents and conversations looked at in searches, in all: what the work per event is
    /// measured by.
    visited: u64,
    /// Turns agents have had, in all.
    turns: i64,
}

/// A conversation in a queue.
#[derive(Clone, Debug)]
struct Wait {
    info: Waiting,
    /// Whose queue it is in: its department, or nobody's if that does not exist.
    home: LaneId,
    place: Place,
    class: Arc<Class>,
    pending: Pending,
    /// Who declined or let pass, and until when they are not asked again.
    declined: Vec<(UserId, Moment)>,
    /// Offers made in this stint.
    attempts: u32,
    /// Decisions in a row that the log refused.
    failures: u32,
}

/// What has been decided about a conversation that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Pending {
    /// Nothing; it can be given.
    Nothing,
    /// It is to be this agent's.
    Assign(UserId),
    /// This agent is asked.
    Offer(UserId, Moment),
    /// A decision was refused; it rests until then.
    Rest(Moment),
}

/// A conversation an agent has.
#[derive(Clone, Debug)]
struct Served {
    agent: UserId,
    department: LaneId,
}

impl Engine {
    /// An engine that knows nobody. It decides nothing before [`Input::Started`].
    pub fn new(settings: Settings) -> Engine {
        Engine {
            settings,
            lanes: BTreeMap::from([(None, Lane::new(String::new(), Policy::default()))]),
            agents: BTreeMap::new(),
            waiting: BTreeMap::new(),
            serving: BTreeMap::new(),
            alarms: Alarms::default(),
            started_at: None,
            now: Moment::default(),
            out: Vec::new(),
            moved: BTreeSet::new(),
            visited: 0,
            turns: 0,
        }
    }

    /// Takes into account what happened, and everything that was due before it. What is to be
    /// done is added to `out`.
    pub fn apply(&mut self, now: Moment, input: Input, out: &mut Vec<Decision>) {
        self.now = now;
        self.do_what_is_due();
        self.take(input);
        if self.is_started() {
            let moved = std::mem::take(&mut self.moved);
            let moved = moved.into_iter().filter(|lane| self.lanes.contains_key(lane));
            self.out.extend(moved.map(|department| Decision::QueueMoved { department }));
        }
        if self.settings.is_following {
            self.out.retain(|decision| matches!(decision, Decision::QueueMoved { .. }));
        }
        out.append(&mut self.out);
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Department { id, name, policy, is_empty } => {
                self.set_department(id, name, policy, is_empty);
            }
            Input::DepartmentGone(id) => self.drop_department(id),
            Input::DefaultPolicy(policy) => self.set_policy(None, policy),
            Input::Agent(setup) => self.set_agent(setup),
            Input::AgentGone(agent) => self.drop_agent(&agent),
            Input::AgentRestored(kept) => self.restore_agent(&kept),
            Input::WrappingUp { agent, department, ended_at } => {
                self.wrap_up(&agent, department, ended_at);
            }
            Input::Starts { department, times } => self.restore_starts(department, &times),
            Input::Started => self.start(),
            Input::Beat { agent, until, status } => self.beat(&agent, until, status),
            Input::WorksUnseen(agent) => {
                if let Some(agent) = self.agents.get_mut(&agent) {
                    agent.works_unseen = true;
                }
            }
            Input::Connected(agent) => {
                self.change(&agent, Trigger::AgentCame, |a, now| a.connect(now));
            }
            // Whoever was removed may still have had a socket.
            Input::Disconnected(agent) if !self.agents.contains_key(&agent) => {}
            Input::Disconnected(agent) => {
                self.change(&agent, Trigger::StatusChanged, |a, now| a.disconnect(now));
            }
            Input::Declare { agent, status } => {
                self.change(&agent, Trigger::StatusChanged, |a, _| a.declare(status));
            }
            Input::Calls { agent, calls } => {
                self.change(&agent, Trigger::AgentFree, |a, _| a.calls = calls);
            }
            Input::Waits(waiting) => self.wait(waiting),
            Input::Requires { conversation, priority, skills, language } => {
                self.require(conversation, priority, skills, language);
            }
            Input::Given { conversation, agent, department } => {
                self.give(conversation, agent, department);
            }
            Input::Gone(conversation) => self.forget(conversation),
            Input::Declined { conversation, agent } => self.decline(conversation, &agent),
            Input::Failed(conversation) => self.fail(conversation),
            Input::Tick => {}
        }
    }

    /// When to come back with an [`Input::Tick`] at the latest.
    pub fn next_deadline(&self) -> Option<Moment> {
        if self.is_started() { self.alarms.first() } else { None }
    }

    /// How many agents and conversations all searches together have looked at.
    pub fn visited(&self) -> u64 {
        self.visited
    }

    fn is_started(&self) -> bool {
        self.started_at.is_some()
    }

    fn after(&self, ms: u64) -> Moment {
        later(self.now, ms)
    }

    /// The lane of a department: its own, or everybody's if there is none.
    fn lane_of(&self, department: Option<uuid::Uuid>) -> LaneId {
        department.filter(|id| self.lanes.contains_key(&Some(*id)))
    }
}

fn later(from: Moment, ms: u64) -> Moment {
    Moment(from.0.saturating_add_unsigned(ms))
}
