//! The command line.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;

use crate::fault::FaultKind;

/// Runs nodes of the real program under load, breaks them and what they depend on, and checks
/// afterwards that every promise held.
#[derive(Debug, Clone, Parser)]
#[command(name = "switchboard-drill")]
pub(crate) struct Options {
    /// How many nodes: 1 keeps everything by itself; 2 and more share PostgreSQL and Redis.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=6))]
    pub(crate) nodes: u8,
    /// For how many minutes things are broken.
    #[arg(long, default_value_t = 5.0)]
    pub(crate) minutes: f64,
    /// Breaks each thing once, with little rest, however long that takes.
    #[arg(long)]
    pub(crate) short: bool,
    /// Repeats a schedule; without it each run has another one, and says which.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Only faults of this kind; may be given more than once.
    #[arg(long, value_enum)]
    pub(crate) only: Vec<FaultKind>,
    /// The program; without it the one built beside this one.
    #[arg(long)]
    pub(crate) binary: Option<PathBuf>,
    /// Keeps the logs of nodes and services, which are kept of a failed run in any case.
    #[arg(long)]
    pub(crate) keep: bool,
}

impl Options {
    /// How long the lease of a node is: short, so that many of them run out in a drill.
    pub(crate) fn lease(&self) -> Duration {
        Duration::from_secs(if self.short { 2 } else { 4 })
    }

    /// How long nothing is broken between two faults, in milliseconds.
    pub(crate) fn rests_ms(&self) -> RangeInclusive<u64> {
        if self.short { 300..=800 } else { 1_500..=5_000 }
    }

    /// Where the program under drill is.
    pub(crate) fn program(&self) -> Result<PathBuf> {
        let program = match &self.binary {
            Some(program) => program.clone(),
            None => std::env::current_exe()?.with_file_name("switchboard"),
        };
        ensure!(
            program.is_file(),
            "{} is not there; build it with `cargo build --bin switchboard`, or name it with --binary",
            program.display()
        );
        program.canonicalize().context("find the program")
    }
}
