//! Many connections at once: all are opened in the same moment, none waits for another.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;

use super::{Bench, pairs, trouble_figure};
use crate::clock;
use crate::crowd::{self, Crowd};
use crate::process;
use crate::report::Figure;

pub(super) async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let server = bench.launch.start().await?;
    let seats = pairs(bench.scale.connects / 2);
    let cpu_before = process::cpu_time(server.pid)?;
    let began_ns = clock::now_ns();
    let crowd = Crowd::try_gather(server.address, &seats, seats.len(), crowd::deaf).await?;
    let cpu = process::cpu_time(server.pid)? - cpu_before;

    let taken = Duration::from_nanos(crowd.last_joined_ns() - began_ns).as_secs_f64();
    let failures = crowd.failures();
    let joined = (seats.len() - failures.len()) as f64;
    let lost = Figure::new("lost", failures.len() as f64, "").at_most(0.0);
    let cpu_us = cpu.as_secs_f64() * 1e6 / seats.len() as f64;
    let mut figures = vec![
        if failures.is_empty() { lost } else { lost.note(reasons(&failures)) },
        Figure::new("all established after", taken, "s").note(format!("{joined} connections")),
        Figure::new("established", joined / taken, "/s"),
        Figure::new("CPU per connection", cpu_us, "us"),
    ];
    figures.extend(trouble_figure(crowd.troubles()));
    server.stop().await;
    Ok(figures)
}

/// The reasons, each with its count; the users' names are cut off.
pub(super) fn reasons(failures: &[String]) -> String {
    let mut counts = BTreeMap::<&str, usize>::new();
    for failure in failures {
        let reason = failure.split_once(": ").map_or(failure.as_str(), |(_, reason)| reason);
        *counts.entry(reason).or_default() += 1;
    }
    let texts: Vec<String> =
        counts.into_iter().map(|(reason, count)| format!("{count} x {reason}")).collect();
    texts.join("; ")
}
