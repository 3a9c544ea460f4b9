//! Who is online, asked by an admin again and again while everybody is: first with nothing beside
//! it, then while heartbeats come.

use std::cell::Cell;

use anyhow::{Context as _, Result, ensure};
use tokio::time::sleep;

use super::beats::Beats;
use super::staff;
use crate::clock;
use crate::http::Http;
use crate::process;
use crate::report::Figure;
use crate::scale::IDLE_REST;
use crate::scenario::{Bench, latency_figures};
use crate::server::Server;
use crate::stats::Latencies;

/// Milliseconds the whole answer may take.
const TARGET_MS: f64 = 20.0;

/// The admin, with what it saw.
struct Admin {
    http: Http,
    question: Vec<u8>,
    /// The length of every answer: nobody comes, goes or changes.
    body_bytes: usize,
}

pub(in crate::scenario) async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let scale = &bench.scale;
    let server = bench.launch.start().await?;
    let agents = staff::strangers(bench, scale.beat_agents)?;
    staff::come_online(&server, &agents).await?;
    sleep(IDLE_REST).await;
    let mut admin = Admin::come(bench, &server).await?;

    let (mut quiet, cpu_before) = (Latencies::default(), process::cpu_time(server.pid)?);
    for _ in 0..scale.online_asks {
        admin.ask(&mut quiet).await?;
    }
    let cpu = process::cpu_time(server.pid)? - cpu_before;
    let rate = scale.online_beats_per_second;
    let beats = Beats::open(&server, &agents, usize::try_from(rate)?).await?;
    let (mut beside, done) = (Latencies::default(), Cell::new(false));
    let total = rate * scale.online_beside.as_secs();
    let (beaten, asked) = tokio::join!(
        async {
            let sent = beats.send(rate, total).await;
            done.set(true);
            sent
        },
        async {
            while !done.get() {
                admin.ask(&mut beside).await?;
            }
            anyhow::Ok(())
        },
    );
    beaten?;
    asked?;

    let mut figures = Vec::new();
    figures.extend(latency_figures("asked alone", &mut quiet, Some(TARGET_MS)));
    let cpu_ms = cpu.as_secs_f64() * 1e3 / scale.online_asks as f64;
    figures.push(Figure::new("asked alone, CPU per answer", cpu_ms, "ms"));
    let name = format!("beside {rate} heartbeats a second");
    figures.extend(latency_figures(&name, &mut beside, Some(TARGET_MS)));
    let kib = admin.body_bytes as f64 / 1024.0;
    let note = format!("{} agents, asked {} times", agents.len(), quiet.count() + beside.count());
    figures.push(Figure::new("length of the answer", kib, "KiB").note(note));
    figures.extend(beats.figures("beside it: "));
    drop(beats);
    server.stop().await;
    Ok(figures)
}

impl Admin {
    /// Sees that everybody is online.
    async fn come(bench: &Bench, server: &Server) -> Result<Self> {
        let token = staff::admin(bench)?;
        let mut http = Http::connect(server.address).await?;
        let online = staff::count_with(&mut http, &token, "online").await?;
        let expected = bench.scale.beat_agents;
        ensure!(online == expected, "{online} agents are online instead of {expected}");
        let question = staff::who_is_online(&token);
        let body_bytes = http.exchange(&question).await?.body.len();
        Ok(Self { http, question, body_bytes })
    }

    async fn ask(&mut self, latencies: &mut Latencies) -> Result<()> {
        let asked_ns = clock::now_ns();
        let answer = self.http.exchange(&self.question).await.context("who is online")?;
        latencies.since(asked_ns);
        let (bytes, expected) = (answer.body.len(), self.body_bytes);
        let is_whole = answer.status == 200 && bytes == expected;
        ensure!(is_whole, "status {}, {bytes} bytes instead of {expected}", answer.status);
        Ok(())
    }
}
