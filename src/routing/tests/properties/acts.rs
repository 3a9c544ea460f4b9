//! What people, the log and time may do to the engine.

use proptest::prelude::*;

use super::{AGENTS, SKILLS, TALKS};

/// An act; talks, agents, departments and skills by their numbers.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Pass(u64),
    Arrive {
        talk: u128,
        department: usize,
        priority: i32,
        skill: Option<usize>,
    },
    Close(u128),
    Claim(u128, usize),
    Transfer(u128, usize),
    Priority(u128, i32, Option<usize>),
    Connect(usize),
    Disconnect(usize),
    Beat(usize, u64),
    Declare(usize, usize),
    Calls(usize, u32),
    Employ {
        agent: usize,
        max: u32,
        departments: u8,
        skills: u8,
        is_disabled: bool,
    },
    /// The log keeps the oldest decisions it was told of.
    Commit,
    /// It refuses the oldest.
    Refuse,
    Accept(u128),
    Decline(u128),
    Policy {
        department: usize,
        strategy: usize,
        is_asked: bool,
        step: u32,
        wrap_up: u32,
    },
}

pub(super) fn act() -> impl proptest::strategy::Strategy<Value = Act> {
    let (talk, agent, department) = (1..=TALKS, 0..AGENTS, 0..3usize);
    let skill = prop::option::weighted(0.3, 0..SKILLS.len());
    prop_oneof![
        4 => (0u64..40_000).prop_map(Act::Pass),
        8 => (talk.clone(), department.clone(), -1..3i32, skill.clone()).prop_map(
            |(talk, department, priority, skill)| Act::Arrive { talk, department, priority, skill }
        ),
        3 => talk.clone().prop_map(Act::Close),
        2 => (talk.clone(), agent.clone()).prop_map(|(t, a)| Act::Claim(t, a)),
        1 => (talk.clone(), department.clone()).prop_map(|(t, d)| Act::Transfer(t, d)),
        1 => (talk.clone(), -1..3i32, skill).prop_map(|(t, p, s)| Act::Priority(t, p, s)),
        4 => agent.clone().prop_map(Act::Connect),
        2 => agent.clone().prop_map(Act::Disconnect),
        2 => (agent.clone(), 1_000u64..60_000).prop_map(|(a, ms)| Act::Beat(a, ms)),
        2 => (agent.clone(), 0..4usize).prop_map(|(a, s)| Act::Declare(a, s)),
        1 => (agent.clone(), 0..3u32).prop_map(|(a, c)| Act::Calls(a, c)),
        4 => (agent, 0..4u32, 0..4u8, 0..4u8, prop::bool::weighted(0.1)).prop_map(
            |(agent, max, departments, skills, is_disabled)| {
                Act::Employ { agent, max, departments, skills, is_disabled }
            }
        ),
        8 => Just(Act::Commit),
        1 => Just(Act::Refuse),
        2 => talk.clone().prop_map(Act::Accept),
        2 => talk.prop_map(Act::Decline),
        1 => (department, 0..3usize, any::<bool>(), 0..3u32, 0..2u32).prop_map(
            |(department, strategy, is_asked, step, wrap_up)| {
                Act::Policy { department, strategy, is_asked, step, wrap_up }
            }
        ),
    ]
}
