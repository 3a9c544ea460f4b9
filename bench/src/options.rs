//! The command line.

use std::path::PathBuf;

use clap::Parser;

use crate::scenario::Scenario;

/// Measures a Switchboard server: memory, fan-out, latency, durable rate, connects, coming back,
/// agents' heartbeats and routing, events from producers to consoles, two nodes as one.
///
/// Starts the server itself, a fresh one with an empty data directory for each scenario, pinned to
/// the first core; the generator takes the second. Nodes that serve together and the PostgreSQL and
/// Redis behind them, which it starts too, share all cores. The exit code is 0 even when a target is
/// missed, unless --check is given; it is 1 when a scenario could not be carried out.
#[derive(Debug, Parser)]
#[command(name = "switchboard-bench", version)]
pub(crate) struct Options {
    /// The server's binary [default: `switchboard` beside this program].
    #[arg(long, value_name = "PATH")]
    pub(crate) server: Option<PathBuf>,

    /// Only these scenarios, separated by commas [default: all].
    #[arg(long, value_name = "NAMES", value_enum, value_delimiter = ',')]
    pub(crate) only: Vec<Scenario>,

    /// Smaller numbers: two minutes in all, to see that everything works. Not comparable.
    #[arg(long)]
    pub(crate) quick: bool,

    /// Where the figures go as JSON.
    #[arg(long, value_name = "PATH", default_value = "bench-results.json")]
    pub(crate) json: PathBuf,

    /// Where the server is that the Socket.IO figures are compared with.
    #[arg(long, value_name = "DIR", default_value = "bench/reference")]
    pub(crate) reference: PathBuf,

    /// Compare with nothing; Node.js is not needed then.
    #[arg(long)]
    pub(crate) no_reference: bool,

    /// Leave out what needs PostgreSQL and Redis: cluster, postgres, presence, failover.
    #[arg(long)]
    pub(crate) no_services: bool,

    /// Exit with 1 when a target is missed.
    #[arg(long)]
    pub(crate) check: bool,

    /// Where the data directories are made; a real disk, or the durable rate means nothing
    /// [default: the system's directory for temporary files].
    #[arg(long, value_name = "DIR")]
    pub(crate) data_root: Option<PathBuf>,

    /// Length of a message's text.
    #[arg(long, value_name = "BYTES", default_value_t = 100,
          value_parser = clap::value_parser!(u16).range(48..=16384))]
    pub(crate) content_bytes: u16,
}

impl Options {
    /// Whether a chosen scenario has something to compare with, and the comparison is wanted.
    pub(crate) fn wants_reference(&self) -> bool {
        !self.no_reference && self.chosen().into_iter().any(Scenario::has_reference)
    }

    /// Whether a chosen scenario is of nodes that need services.
    pub(crate) fn wants_services(&self) -> bool {
        self.chosen().into_iter().any(Scenario::has_services)
    }

    /// The scenarios to run, in the table's order.
    pub(crate) fn chosen(&self) -> Vec<Scenario> {
        let is_wanted = |one: &Scenario| self.only.is_empty() || self.only.contains(one);
        let is_left_out = |one: &Scenario| self.no_services && one.has_services();
        let all = Scenario::ALL.iter().copied();
        all.filter(|one| is_wanted(one) && !is_left_out(one)).collect()
    }
}
