//! Heartbeats at a fixed rate: what the server's core has to do for them, and how soon it answers.
//! The agents are known and online before.

use anyhow::Result;
use tokio::time::sleep;

use super::beats::Beats;
use super::staff;
use crate::process;
use crate::report::Figure;
use crate::scale::IDLE_REST;
use crate::scenario::Bench;

pub(in crate::scenario) async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let scale = &bench.scale;
    let server = bench.launch.start().await?;
    let agents = staff::strangers(bench, scale.beat_agents)?;
    staff::come_online(&server, &agents).await?;
    sleep(IDLE_REST).await;
    let beats = Beats::open(&server, &agents, scale.beat_connections).await?;
    let cpu_before = process::cpu_time(server.pid)?;
    let total = scale.beats_per_second * scale.beats.as_secs();
    let seconds = beats.send(scale.beats_per_second, total).await?;
    let cpu = process::cpu_time(server.pid)? - cpu_before;

    let rate = beats.succeeded() as f64 / seconds;
    let note = format!("{} agents, {} connections", scale.beat_agents, scale.beat_connections);
    let mut figures = vec![
        Figure::new("answered", rate, "/s").at_least(scale.beats_wanted).note(note),
        Figure::new("CPU of the server's core", cpu.as_secs_f64() / seconds * 100.0, "%"),
        Figure::new("CPU per heartbeat", cpu.as_secs_f64() * 1e6 / total as f64, "us"),
    ];
    figures.extend(beats.figures(""));
    drop(beats);
    server.stop().await;
    Ok(figures)
}
