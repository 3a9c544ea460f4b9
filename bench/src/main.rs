//! The load generator behind `make bench`.
//!
//! It starts the real server binary, one process and one empty data directory per scenario, on a
//! core of its own, drives it over real sockets in each of its dialects,
//! and compares what it measures with the project's targets, and the Socket.IO figures with a
//! server on the `socket.io` library beside. It knows the server from outside only: the ready line
//! on standard output, the socket protocols, REST, and `/proc`.
//!
//! Where to look: `scenario/` has one file per scenario and a table of them, `scale.rs` the sizes,
//! `report.rs` the targets' shape and the output, `ws.rs`, `client.rs`, `session.rs`, `socketio/` and
//! `console.rs` the clients.

mod bulk;
mod client;
mod clock;
mod console;
mod crowd;
mod disk;
mod http;
mod machine;
mod options;
mod pace;
mod pipeline;
mod process;
mod reference;
mod report;
mod scale;
mod scenario;
mod server;
mod services;
mod session;
mod socketio;
mod stats;
mod token;
mod ws;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use tokio::task::LocalSet;

use crate::machine::{Machine, Placement};
use crate::options::Options;
use crate::report::Report;
use crate::scenario::Bench;

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(fault) => {
            eprintln!("switchboard-bench: {fault:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the chosen scenarios; false when the exit code shall say that something went wrong.
fn run(options: Options) -> Result<bool> {
    machine::raise_open_files();
    // Pinned before the runtime exists, so that every thread inherits it.
    let placement = Placement::take();
    let bench = Bench::new(&options, placement)?;
    let mut report = Report::new(Machine::look(&bench.launch), &options);
    report.print_head();

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for scenario in options.chosen() {
        eprintln!("running {} ...", scenario.name());
        let outcome = LocalSet::new().block_on(&runtime, scenario.run(&bench));
        report.take(scenario.name(), outcome);
    }
    report.print_table();
    report
        .write_json(&options.json)
        .with_context(|| format!("write {}", options.json.display()))?;
    println!("\nwritten: {}", options.json.display());
    let bad = report.failed() || (options.check && report.missed());
    Ok(!bad)
}
