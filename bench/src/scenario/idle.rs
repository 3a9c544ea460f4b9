//! What an idle connection costs in memory: a customer and an agent in each conversation, all
//! joined, nobody says anything.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::sleep;

use super::{Bench, pairs, trouble_figure, wait_until};
use crate::clock;
use crate::crowd::{self, Crowd};
use crate::process;
use crate::report::Figure;
use crate::scale::{IDLE_REST, JOIN_WIDTH, QUIET, SETTLE_TIMEOUT};

pub(super) async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let server = bench.launch.start().await?;
    sleep(IDLE_REST).await;
    let before = process::resident_bytes(server.pid)?;
    let seats = pairs(bench.scale.idle_connections / 2);
    let began = clock::now_ns();
    let crowd = Crowd::gather(server.address, &seats, JOIN_WIDTH, crowd::deaf).await?;
    let joined_s = Duration::from_nanos(crowd.last_joined_ns() - began).as_secs_f64();

    let silence = || Duration::from_nanos(clock::now_ns() - crowd.last_frame_ns());
    ensure!(wait_until(QUIET + SETTLE_TIMEOUT, || silence() >= QUIET).await, "never quiet");
    let after = process::resident_bytes(server.pid)?;
    let peak = process::resident_peak_bytes(server.pid)?;
    let per_connection = after.saturating_sub(before) as f64 / seats.len() as f64 / 1024.0;
    let mut figures = vec![
        Figure::new("resident per connection", per_connection, "KiB")
            .at_most(8.0)
            .note(format!("{} connections", seats.len())),
        Figure::new("resident with all of them", after as f64 / f64::from(1 << 20), "MiB"),
        Figure::new("resident at its peak", peak as f64 / f64::from(1 << 20), "MiB"),
        Figure::new("joins in turn", seats.len() as f64 / joined_s, "/s"),
    ];
    figures.extend(trouble_figure(crowd.troubles()));
    server.stop().await;
    Ok(figures)
}
