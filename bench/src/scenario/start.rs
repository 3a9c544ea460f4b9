//! How fast the server is there, and what it weighs when nobody calls.

use anyhow::Result;
use tokio::time::sleep;

use super::Bench;
use crate::process;
use crate::report::Figure;
use crate::scale::IDLE_REST;
use crate::stats::median;

pub(super) async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let (mut ready_ms, mut resident_mib) = (Vec::new(), 0.0);
    for round in 1..=bench.scale.starts {
        let server = bench.launch.start().await?;
        ready_ms.push(server.ready_after.as_secs_f64() * 1e3);
        if round == bench.scale.starts {
            sleep(IDLE_REST).await;
            resident_mib = process::resident_bytes(server.pid)? as f64 / f64::from(1 << 20);
        }
        server.stop().await;
    }
    let middle = median(&mut ready_ms);
    let slowest = ready_ms.last().copied().unwrap_or(0.0);
    Ok(vec![
        Figure::new("start to ready, median", middle, "ms").at_most(300.0),
        Figure::new("start to ready, slowest", slowest, "ms"),
        Figure::new("resident when idle", resident_mib, "MiB").at_most(30.0),
    ])
}
