//! What can be done to the system, and in which order a run does it.

use std::time::Duration;

use clap::ValueEnum;

use crate::dice::Dice;
use crate::services::Kind;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FaultKind {
    /// A node is killed (SIGKILL), and started again once its users were told as gone.
    KillNode,
    /// The node that has the duties is killed.
    KillDuties,
    /// A node stands still (SIGSTOP) for less than its lease.
    PauseNode,
    /// A node stands still until its lease has run out, and goes on as if nothing had happened.
    FreezeNode,
    /// A node is asked to end (SIGTERM), and started again.
    RestartNode,
    /// Each node in turn is asked to end, and started again.
    RollingRestart,
    /// Redis is killed, and comes back empty.
    KillRedis,
    /// Redis stands still for longer than a lease.
    PauseRedis,
    /// A node's line to Redis is cut for longer than its lease.
    CutRedis,
    /// A node's line to Redis swallows everything for longer than its lease.
    SilenceRedis,
    /// Every line to Redis is slow.
    SlowRedis,
    /// PostgreSQL is killed, and started again.
    KillPostgres,
    /// PostgreSQL stands still.
    PausePostgres,
    /// A node's line to PostgreSQL is cut for longer than its lease.
    CutPostgres,
    /// A node's line to PostgreSQL swallows everything for longer than its lease.
    SilencePostgres,
    /// Every line to PostgreSQL is slow.
    SlowPostgres,
}

/// One fault of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    /// What is done.
    pub(crate) kind: FaultKind,
    /// To which node, where it is one that the schedule chooses.
    pub(crate) node: usize,
    /// For how long, where the kind leaves a choice.
    pub(crate) lasts: Duration,
    /// How long nothing is done afterwards.
    pub(crate) rest: Duration,
}

impl FaultKind {
    /// What it is about.
    pub(crate) fn service(self) -> Option<Kind> {
        match self {
            Self::KillRedis
            | Self::PauseRedis
            | Self::CutRedis
            | Self::SilenceRedis
            | Self::SlowRedis => Some(Kind::Redis),
            Self::KillPostgres
            | Self::PausePostgres
            | Self::CutPostgres
            | Self::SilencePostgres
            | Self::SlowPostgres => Some(Kind::Postgres),
            _ => None,
        }
    }

    /// Its name, as `--only` takes it.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Whether so many nodes can have it.
    fn fits(self, nodes: usize) -> bool {
        match self {
            Self::KillNode | Self::PauseNode | Self::RestartNode => true,
            _ => nodes > 1,
        }
    }

    /// How long it may last, in milliseconds.
    fn lasts(self, lease_ms: u64) -> std::ops::RangeInclusive<u64> {
        match self {
            Self::PauseNode => lease_ms / 4..=lease_ms * 5 / 8,
            Self::FreezeNode
            | Self::PauseRedis
            | Self::CutRedis
            | Self::SilenceRedis
            | Self::CutPostgres
            | Self::SilencePostgres => lease_ms * 3 / 2..=lease_ms * 9 / 4,
            Self::SlowRedis | Self::SlowPostgres => lease_ms..=lease_ms * 2,
            _ => lease_ms / 4..=lease_ms,
        }
    }
}

/// The order of a run: all kinds dealt like cards, again and again. Endless.
pub(crate) struct Schedule {
    dice: Dice,
    nodes: usize,
    lease: Duration,
    rests_ms: std::ops::RangeInclusive<u64>,
    kinds: Vec<FaultKind>,
    dealt: Vec<FaultKind>,
}

impl Schedule {
    /// For so many nodes; `only` names the kinds if not all are wanted.
    pub(crate) fn new(
        dice: Dice,
        nodes: usize,
        lease: Duration,
        rests_ms: std::ops::RangeInclusive<u64>,
        only: &[FaultKind],
    ) -> Self {
        let is_wanted = |kind: &FaultKind| only.is_empty() || only.contains(kind);
        let all = FaultKind::value_variants().iter().copied();
        let kinds = all.filter(|kind| kind.fits(nodes) && is_wanted(kind)).collect();
        Self { dice, nodes, lease, rests_ms, kinds, dealt: Vec::new() }
    }

    /// How many kinds there are.
    pub(crate) fn kinds(&self) -> usize {
        self.kinds.len()
    }
}

impl Iterator for Schedule {
    type Item = Fault;

    fn next(&mut self) -> Option<Fault> {
        if self.dealt.is_empty() {
            self.dealt.clone_from(&self.kinds);
            self.dice.shuffle(&mut self.dealt);
        }
        let kind = self.dealt.pop()?;
        let node = usize::try_from(self.dice.below(self.nodes as u64)).ok()?;
        let lease_ms = u64::try_from(self.lease.as_millis()).ok()?;
        let lasts = self.dice.millis(kind.lasts(lease_ms));
        let rest = self.dice.millis(self.rests_ms.clone());
        Some(Fault { kind, node, lasts, rest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(4);

    fn schedule(seed: u64, nodes: usize, only: &[FaultKind]) -> Schedule {
        Schedule::new(Dice::new(seed), nodes, LEASE, 1_000..=2_000, only)
    }

    #[test]
    fn a_seed_repeats_a_schedule_and_a_round_has_every_kind_once() {
        let round = |seed| {
            let schedule = schedule(seed, 3, &[]);
            let kinds = schedule.kinds();
            schedule.take(kinds).collect::<Vec<Fault>>()
        };
        assert_eq!(round(7), round(7));
        assert_ne!(round(7), round(8));
        for kind in FaultKind::value_variants() {
            assert_eq!(round(7).iter().filter(|fault| fault.kind == *kind).count(), 1);
        }
    }

    #[test]
    fn a_node_alone_is_killed_paused_and_restarted() {
        let kinds: Vec<FaultKind> = schedule(1, 1, &[]).take(3).map(|fault| fault.kind).collect();
        assert!(kinds.contains(&FaultKind::KillNode) && !kinds.contains(&FaultKind::KillRedis));
    }

    #[test]
    fn what_must_outlast_a_lease_does() {
        for fault in schedule(3, 2, &[FaultKind::FreezeNode, FaultKind::CutRedis]).take(20) {
            assert!(fault.lasts > LEASE, "{fault:?}");
        }
        for fault in schedule(3, 2, &[FaultKind::PauseNode]).take(20) {
            assert!(fault.lasts < LEASE, "{fault:?}");
        }
    }
}
