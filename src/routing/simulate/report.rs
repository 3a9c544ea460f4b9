//! What a simulation came to.

use serde::Serialize;

use crate::model::UserId;
use crate::routing::words::AgentSetup;

/// What came of a load. Times are in seconds, shares from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Conversations that came.
    pub conversations: usize,
    /// Those an agent took.
    pub answered: usize,
    /// Those that left before.
    pub abandoned: usize,
    /// Those a rule gave to the bot, or asked for a message.
    pub diverted: usize,
    /// Those that still waited a day after the last event.
    pub still_waiting: usize,
    /// The share of all that was answered within the policy's service level.
    pub service_level: f64,
    /// The share of all that left.
    pub abandonment: f64,
    /// How long those that were answered had waited.
    pub wait: Waits,
    /// Rules of escalation that fired.
    pub escalations: u64,
    /// Customers who were told that nobody serves now.
    pub told_closed: u64,
    /// What each agent had to do.
    pub agents: Vec<AgentLoad>,
}

/// Seconds of waiting.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Waits {
    /// On average.
    pub mean: f64,
    /// Half waited no longer.
    pub p50: f64,
    /// Nine of ten waited no longer.
    pub p90: f64,
    /// The longest.
    pub max: f64,
}

/// What an agent had to do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AgentLoad {
    /// Who.
    pub agent: UserId,
    /// Its name.
    pub name: String,
    /// Conversations it took.
    pub conversations: usize,
    /// Seconds they took, those at one time each counted.
    pub handled_seconds: f64,
    /// Seconds it was there.
    pub on_duty_seconds: f64,
    /// Conversations it had at a time, on average while it was there.
    pub concurrency: f64,
}

impl AgentLoad {
    pub(super) fn new(
        agent: &AgentSetup,
        conversations: usize,
        handled_ms: u64,
        on_duty_ms: u64,
    ) -> AgentLoad {
        AgentLoad {
            agent: agent.id.clone(),
            name: agent.name.clone(),
            conversations,
            handled_seconds: seconds(handled_ms),
            on_duty_seconds: seconds(on_duty_ms),
            concurrency: share(handled_ms as f64, on_duty_ms as f64),
        }
    }
}

/// What is counted while it runs.
pub(super) struct Counts {
    pub(super) conversations: usize,
    pub(super) abandoned: usize,
    pub(super) diverted: usize,
    pub(super) waiting: usize,
    pub(super) in_time: u64,
    /// Of those that were answered, in milliseconds.
    pub(super) waits: Vec<u64>,
    pub(super) escalations: u64,
    pub(super) told_closed: u64,
    pub(super) agents: Vec<AgentLoad>,
}

impl Report {
    pub(super) fn new(counts: Counts) -> Report {
        let all = counts.conversations as f64;
        Report {
            conversations: counts.conversations,
            answered: counts.waits.len(),
            abandoned: counts.abandoned,
            diverted: counts.diverted,
            still_waiting: counts.waiting,
            service_level: share(counts.in_time as f64, all),
            abandonment: share(counts.abandoned as f64, all),
            wait: Waits::of(counts.waits),
            escalations: counts.escalations,
            told_closed: counts.told_closed,
            agents: counts.agents,
        }
    }
}

impl Waits {
    /// By the nearest rank.
    fn of(mut waits_ms: Vec<u64>) -> Waits {
        waits_ms.sort_unstable();
        let Some(max) = waits_ms.last() else { return Waits::default() };
        let count = waits_ms.len();
        let rank = |percent: usize| waits_ms[(count * percent).div_ceil(100).max(1) - 1];
        Waits {
            mean: share(waits_ms.iter().sum::<u64>() as f64 / 1000.0, count as f64),
            p50: seconds(rank(50)),
            p90: seconds(rank(90)),
            max: seconds(*max),
        }
    }
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_waits_that_were() {
        let waits = Waits::of((1..=10).map(|s| s * 1000).collect());
        assert_eq!((waits.mean, waits.p50, waits.p90, waits.max), (5.5, 5.0, 9.0, 10.0));
        assert_eq!(Waits::of(vec![7000]).p50, 7.0);
        assert_eq!(Waits::of(vec![]), Waits::default());
    }
}
