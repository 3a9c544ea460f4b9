//! From a freed place to the next conversation in a very large tenant: thousands of agents, all
//! with the one conversation they may have, a few of whom close theirs. Once with few
//! conversations waiting and once with very many: the work of an assignment must not grow with
//! their number.

use anyhow::{Result, ensure};
use tokio::time::{Instant, sleep};

use super::floor::Floor;
use super::staff;
use crate::http::Http;
use crate::process;
use crate::report::Figure;
use crate::scale::{IDLE_REST, SETTLE_TIMEOUT};
use crate::scenario::Bench;
use crate::server::Server;

/// Conversations an agent may have: few of them are to fill thousands of agents.
const PLACES: usize = 1;
/// How much more an assignment may cost with very many waiting. It should be 1; what is above is
/// for the deeper tree of a larger database, and for the grain of the clock.
const GROWTH_MAX: f64 = 1.3;

pub(in crate::scenario) async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let scale = &bench.scale;
    let server = bench.launch.start().await?;
    let mut agents = staff::hire(bench, &server, scale.large_agents, PLACES).await?;
    let others = agents.split_off(scale.large_free_agents);
    // The others first, while nobody listens: sockets of staff would be told of each of them.
    staff::come_online(&server, &others).await?;
    staff::begin_conversations(&server, others.len() * PLACES).await?;
    wait_until_busy(bench, &server, others.len()).await?;
    let floor = Floor::open(bench, &server, agents, PLACES).await?;
    floor.fill().await?;

    let closes = usize::try_from(scale.frees_per_second * scale.frees.as_secs())?;
    let (mut figures, mut waiting, mut costs_us) = (Vec::new(), 0, Vec::new());
    for (round, wanted) in scale.large_waiting.into_iter().enumerate() {
        // So many more that there are `wanted` in the middle of the stretch.
        let more = wanted + closes / 2 - waiting;
        let began = Instant::now();
        staff::begin_conversations(&server, more).await?;
        let rate = more as f64 / began.elapsed().as_secs_f64();
        sleep(IDLE_REST).await;
        let before = format!("{wanted} waiting: ");
        figures.push(Figure::new("conversations begun", rate, "/s").named_after(&before));
        let resident = process::resident_bytes(server.pid)? as f64 / f64::from(1 << 20);
        figures.push(Figure::new("resident", resident, "MiB").named_after(&before));
        let stretch = floor.close().await?;
        costs_us.push(stretch.cpu_us());
        let is_last = round + 1 == scale.large_waiting.len();
        figures.extend(stretch.figures(&before, is_last.then_some(100.0)));
        waiting += more;
        waiting -= closes;
    }
    let growth = costs_us.last().unwrap_or(&0.0) / costs_us.first().unwrap_or(&0.0);
    let note = format!("{} agents; many waiting / few waiting", scale.large_agents);
    figures.push(Figure::new("CPU per close, growth", growth, "").at_most(GROWTH_MAX).note(note));
    drop(floor);
    server.stop().await;
    Ok(figures)
}

/// Waits until so many agents have all they may have.
async fn wait_until_busy(bench: &Bench, server: &Server, wanted: usize) -> Result<()> {
    let token = staff::admin(bench)?;
    let give_up = Instant::now() + SETTLE_TIMEOUT;
    loop {
        let mut http = Http::connect(server.address).await?;
        let busy = staff::count_with(&mut http, &token, "busy").await?;
        if busy == wanted {
            return Ok(());
        }
        ensure!(Instant::now() < give_up, "{busy} of {wanted} agents have a conversation");
        sleep(IDLE_REST).await;
    }
}
