//! From a post to the consoles: producers post at a fixed rate, and consoles of agents and admins
//! hear everything. Time counts from the moment a post was due. First in small posts, and then in
//! posts as large as are taken, which are more than an outbox holds: whoever reads must not be cut.

use std::cell::RefCell;
use std::rc::Rc;

use anyhow::Result;
use tokio::time::sleep;

use super::api_key;
use super::calls::{Heard, Producer};
use crate::client::Frame;
use crate::console::Console;
use crate::crowd::Crowd;
use crate::pace::Schedule;
use crate::pipeline::Pipelines;
use crate::process;
use crate::report::Figure;
use crate::scale::{IDLE_REST, JOIN_WIDTH, SETTLE_TIMEOUT};
use crate::scenario::{Bench, flaw_figure, latency_figures, trouble_figure, wait_until};
use crate::stats::{Flaws, Latencies};
use crate::token::Secret;
use crate::ws::Writer;

/// What all consoles heard.
#[derive(Debug)]
struct Books {
    /// By console.
    heard: Vec<Heard>,
    delivery: Latencies,
    /// Frames that are no event of the bench.
    others: u64,
}

/// Events of the largest post that is taken.
const BATCH_MAX: u64 = 1_000;

pub(in crate::scenario) async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let mut figures = measure(bench, bench.scale.hub_batch, Some(20.0)).await?;
    let large = measure(bench, BATCH_MAX, None).await?;
    let before = format!("posts of {BATCH_MAX}: ");
    figures.extend(large.into_iter().map(|figure| figure.named_after(&before)));
    Ok(figures)
}

/// Posts so many at once, at the same rate of events.
async fn measure(bench: &Bench, batch: u64, target_ms: Option<f64>) -> Result<Vec<Figure>> {
    let scale = &bench.scale;
    let server = bench.launch.start().await?;
    let key = api_key(bench, &server, &["events:write"]).await?;
    let mut producers = Producer::all(&key, scale.hub_producers, batch);
    let books = Rc::new(RefCell::new(Books::new(scale.hub_consoles, scale.hub_producers)));
    let consoles = consoles(&bench.launch.secret, scale.hub_consoles)?;
    let crowd = Crowd::gather(server.address, &consoles, JOIN_WIDTH, |console| {
        let books = Rc::clone(&books);
        move |_: &Rc<Writer>, frame: Frame<'_>| books.borrow_mut().take(console, frame)
    })
    .await?;
    let lines = Pipelines::open(server.address, producers.len()).await?;
    sleep(IDLE_REST).await;

    let cpu_before = process::cpu_time(server.pid)?;
    post(bench, batch, &mut producers, &lines).await?;
    let posted: Vec<u64> = producers.iter().map(Producer::events).collect();
    let deliveries = posted.iter().sum::<u64>() * scale.hub_consoles as u64;
    let is_done = || lines.is_answered() && books.borrow().count() >= deliveries;
    wait_until(SETTLE_TIMEOUT, is_done).await;
    let cpu_us = (process::cpu_time(server.pid)? - cpu_before).as_secs_f64() * 1e6;

    let mut figures = books.borrow_mut().figures(&posted, target_ms);
    let note = format!("{deliveries} deliveries; posts and commits are in it");
    figures.push(Figure::new("CPU per delivery", cpu_us / deliveries as f64, "us").note(note));
    figures.extend(line_figures(&lines));
    figures.extend(trouble_figure(crowd.troubles()));
    drop(crowd);
    server.stop().await;
    Ok(figures)
}

/// Agents and admins in turn, of the default tenant.
fn consoles(secret: &Secret, count: usize) -> Result<Vec<Console>> {
    let console = |number: usize| {
        let role = if number.is_multiple_of(2) { "agent" } else { "admin" };
        let user = format!("bench-{role}-{number}");
        let token = secret.sign(&user, role, &[])?;
        Ok(Console::new(user, token))
    };
    (0..count).map(console).collect()
}

/// Posts at the scale's rate, the producers in turn, each over its own connection.
async fn post(
    bench: &Bench,
    batch: u64,
    producers: &mut [Producer],
    lines: &Pipelines,
) -> Result<()> {
    let scale = &bench.scale;
    let posts_per_second = (scale.hub_per_second / batch).max(1);
    let schedule = Schedule::per_second(posts_per_second);
    let mut dues = schedule.run(posts_per_second * scale.hub.as_secs());
    while let Some(index) = dues.recv().await {
        let (due_ns, line) = (schedule.due_ns(index), usize::try_from(index)? % producers.len());
        lines.send(line, &producers[line].post(due_ns), due_ns)?;
    }
    Ok(())
}

/// What the producers saw.
pub(super) fn line_figures(lines: &Pipelines) -> Vec<Figure> {
    let books = lines.books();
    let mut figures = Vec::new();
    figures.extend(latency_figures("post to answer", &mut books.latencies.borrow_mut(), None));
    let late_ms = books.lateness.borrow_mut().part_ms(0.99);
    figures.push(Figure::new("generator late, p99", late_ms, "ms").note("part of the above"));
    figures.push(lines.loss_figure("posts"));
    figures
}

impl Books {
    fn new(consoles: usize, producers: u64) -> Self {
        let heard = (0..consoles).map(|_| Heard::of(producers)).collect();
        Self { heard, delivery: Latencies::default(), others: 0 }
    }

    fn take(&mut self, console: usize, frame: Frame<'_>) {
        match frame {
            Frame::Message(event) => match self.heard[console].take(event) {
                Some(sent_ns) => self.delivery.since(sent_ns),
                None => self.others += 1,
            },
            Frame::Lull => {}
            _ => self.others += 1,
        }
    }

    fn count(&self) -> u64 {
        self.heard.iter().map(Heard::count).sum()
    }

    fn figures(&mut self, posted: &[u64], target_ms: Option<f64>) -> Vec<Figure> {
        let mut flaws = Flaws::default();
        self.heard.iter().for_each(|heard| flaws += heard.flaws(posted));
        let mut figures = Vec::new();
        figures.extend(latency_figures("post to delivered", &mut self.delivery, target_ms));
        let note = format!("{} other frames", self.others);
        figures.push(flaw_figure("deliveries", flaws).note(note));
        figures
    }
}
