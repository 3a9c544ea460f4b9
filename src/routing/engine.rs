//! The engine: what it is told, what it answers, and what it can be asked.

use uuid::Uuid;

use super::words::{AgentState, Decision, DepartmentState, Input, Settings, Waiting};
use crate::model::{ConversationId, Moment, UserId};

/// The routing of one tenant.
#[derive(Debug)]
pub struct Engine {
    #[expect(dead_code)]
    settings: Settings,
}

impl Engine {
    /// An engine that knows nobody. It decides nothing before [`Input::Started`].
    pub fn new(settings: Settings) -> Engine {
        Engine { settings }
    }

    /// Takes into account what happened, and everything that was due before it. What is to be
    /// done is added to `out`.
    pub fn apply(&mut self, _now: Moment, _input: Input, _out: &mut Vec<Decision>) {}

    /// When to come back with a [`Input::Tick`] at the latest.
    pub fn next_deadline(&self) -> Option<Moment> {
        None
    }

    /// Every agent.
    pub fn agents(&self, _now: Moment) -> impl Iterator<Item = AgentState> {
        std::iter::empty()
    }

    /// The agents of a department.
    pub fn agents_of(&self, _now: Moment, _department: Uuid) -> impl Iterator<Item = AgentState> {
        std::iter::empty()
    }

    /// One agent.
    pub fn agent(&self, _now: Moment, _agent: &UserId) -> Option<AgentState> {
        None
    }

    /// Every department, those without one first.
    pub fn departments(&self) -> impl Iterator<Item = DepartmentState> {
        std::iter::empty()
    }

    /// One department; `None` is those without one.
    pub fn department(&self, _department: Option<Uuid>) -> Option<DepartmentState> {
        None
    }

    /// Where a conversation stands in its queue, from 1.
    pub fn position(&self, _conversation: ConversationId) -> Option<u64> {
        None
    }

    /// Where one would stand.
    pub fn position_for(&self, _waiting: &Waiting) -> u64 {
        1
    }

    /// Seconds that somebody who came now without any requirements would wait at a position.
    pub fn estimate(&self, _now: Moment, _department: Option<Uuid>, _position: u64) -> u64 {
        0
    }

    /// Seconds that a conversation in a queue is still going to wait.
    pub fn estimate_for(&self, _now: Moment, _conversation: ConversationId) -> Option<u64> {
        None
    }

    /// The conversations of a queue in order, from the `from`-th (counted from 0) on.
    pub fn waiting_in(
        &self,
        _department: Option<Uuid>,
        _from: usize,
        _count: usize,
    ) -> impl Iterator<Item = ConversationId> {
        std::iter::empty()
    }
}
