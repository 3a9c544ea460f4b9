//! What an idle connection costs in memory: a customer and an agent in each conversation, all
//! joined, nobody says anything.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::sleep;

use super::{Bench, pairs, trouble_figure, wait_until};
use crate::client::Client;
use crate::clock;
use crate::crowd::{self, Crowd};
use crate::process;
use crate::report::Figure;
use crate::scale::{IDLE_REST, JOIN_WIDTH, QUIET, SETTLE_TIMEOUT};
use crate::server::Server;

/// What many idle connections weigh.
#[derive(Debug)]
pub(super) struct Weight {
    connections: usize,
    before: u64,
    after: u64,
    peak: u64,
    joins_per_second: f64,
    trouble: Option<Figure>,
}

pub(super) async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let server = bench.launch.start().await?;
    let before = resident_at_rest(&server).await?;
    let seats = pairs(bench.scale.idle_connections / 2);
    let weight = weigh(&server, before, &seats).await?;
    server.stop().await;
    Ok(weight.figures(8.0))
}

/// What the server weighs before anybody comes.
pub(super) async fn resident_at_rest(server: &Server) -> Result<u64> {
    sleep(IDLE_REST).await;
    process::resident_bytes(server.pid)
}

/// Joins all seats, waits until nothing is said any more, and weighs the server again.
pub(super) async fn weigh<C: Client>(server: &Server, before: u64, seats: &[C]) -> Result<Weight> {
    let began = clock::now_ns();
    let crowd = Crowd::gather(server.address, seats, JOIN_WIDTH, crowd::deaf).await?;
    let joined_s = Duration::from_nanos(crowd.last_joined_ns() - began).as_secs_f64();
    let silence = || Duration::from_nanos(clock::now_ns() - crowd.last_frame_ns());
    ensure!(wait_until(QUIET + SETTLE_TIMEOUT, || silence() >= QUIET).await, "never quiet");
    Ok(Weight {
        connections: seats.len(),
        before,
        after: process::resident_bytes(server.pid)?,
        peak: process::resident_peak_bytes(server.pid)?,
        joins_per_second: seats.len() as f64 / joined_s,
        trouble: trouble_figure(crowd.troubles()),
    })
}

impl Weight {
    /// What each connection added, in KiB.
    pub(super) fn per_connection_kib(&self) -> f64 {
        self.after.saturating_sub(self.before) as f64 / self.connections as f64 / 1024.0
    }

    pub(super) fn figures(self, target_kib: f64) -> Vec<Figure> {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let mut figures = vec![
            Figure::new("resident per connection", self.per_connection_kib(), "KiB")
                .at_most(target_kib)
                .note(format!("{} connections", self.connections)),
            Figure::new("resident with all of them", mib(self.after), "MiB"),
            Figure::new("resident at its peak", mib(self.peak), "MiB"),
            Figure::new("joins in turn", self.joins_per_second, "/s"),
        ];
        figures.extend(self.trouble);
        figures
    }
}
