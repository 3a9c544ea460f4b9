//! The highest rate of acknowledged messages with PostgreSQL as the store: the windows of the
//! durable rate, on one node without Redis, and on two that share them and hear of each other's
//! messages.

use anyhow::{Context as _, Result};
use tokio::time::Instant;

use super::{Bench, Pair};
use crate::http::{Http, request};
use crate::process;
use crate::report::Figure;
use crate::scenario::durable;
use crate::server::Server;
use crate::services::Services;

/// Messages a second that are wanted.
const WANTED: f64 = 10_000.0;

/// What the nodes committed, as they count it themselves.
#[derive(Debug, Clone, Copy, Default)]
struct Commits {
    commits: f64,
    events: f64,
    seconds: f64,
}

/// What was done besides what the generator saw.
struct Work {
    commits: Commits,
    /// The share of one core that PostgreSQL used, joins and waits included.
    busy: f64,
}

pub(in crate::scenario) async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let services = bench.launch.start_services().await?;
    let nodes = [bench.launch.start_node(&services.store_alone()).await?];
    let mut figures = measure(bench, &services, &nodes, "").await?;
    stop(nodes, services).await;

    let Pair { services, first, second } = Pair::start(bench).await?;
    let nodes = [first, second];
    figures.extend(measure(bench, &services, &nodes, "two nodes: ").await?);
    stop(nodes, services).await;
    Ok(figures)
}

async fn stop<const COUNT: usize>(nodes: [Server; COUNT], services: Services) {
    for node in nodes {
        node.stop().await;
    }
    services.stop().await;
}

async fn measure(
    bench: &Bench,
    services: &Services,
    nodes: &[Server],
    before: &str,
) -> Result<Vec<Figure>> {
    let (cpu_before, began) = (process::family_cpu_time(services.postgres_pid())?, Instant::now());
    let commits_before = commits(nodes).await?;
    let mut outcome = durable::measure(bench, nodes, 1).await?;
    let cpu = process::family_cpu_time(services.postgres_pid())?.saturating_sub(cpu_before);
    let busy = cpu.as_secs_f64() / began.elapsed().as_secs_f64();
    let work = Work { commits: commits(nodes).await?.since(commits_before), busy };

    let senders = bench.scale.conversations;
    let clients = Figure::new("senders", senders as f64, "");
    let window = format!("{} unacknowledged messages each", bench.scale.durable_window);
    let mut figures = vec![clients.note(window).named_after(before)];
    figures.push(outcome.rate(before).at_least(WANTED));
    figures.extend(outcome.disk_figures(before));
    figures.extend(work.figures().map(|figure| figure.named_after(before)));
    figures.extend(outcome.soundness(before));
    Ok(figures)
}

/// What all nodes have committed so far.
async fn commits(nodes: &[Server]) -> Result<Commits> {
    let mut sum = Commits::default();
    for node in nodes {
        let mut http = Http::connect(node.address).await?;
        let answer = http.exchange(&request("GET", "/metrics", None, "")).await?;
        let text = String::from_utf8_lossy(&answer.body);
        sum.commits += metric(&text, "switchboard_commit_batch_events_count")?;
        sum.events += metric(&text, "switchboard_commit_batch_events_sum")?;
        sum.seconds += metric(&text, "switchboard_commit_seconds_sum")?;
    }
    Ok(sum)
}

/// The value of a metric without labels.
fn metric(text: &str, name: &str) -> Result<f64> {
    let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok();
    text.lines().find_map(value).with_context(|| format!("no metric {name}"))
}

impl Commits {
    fn since(self, before: Self) -> Self {
        Self {
            commits: self.commits - before.commits,
            events: self.events - before.events,
            seconds: self.seconds - before.seconds,
        }
    }
}

impl Work {
    fn figures(&self) -> [Figure; 2] {
        let Commits { commits, events, seconds } = self.commits;
        let joins = "the joins are in it";
        let busy = 100.0 * self.busy;
        let taken = format!("PostgreSQL busy {busy:.0} % of a core; {joins}");
        [
            Figure::new("events per commit", events / commits.max(1.0), "").note(joins),
            Figure::new("time of a commit", seconds * 1e3 / commits.max(1.0), "ms").note(taken),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_found_by_its_whole_name() {
        let text = "a_sum_b 1\na_sum 2.5\n";
        assert!((metric(text, "a_sum").unwrap() - 2.5).abs() < f64::EPSILON);
        assert!(metric(text, "a").is_err());
    }
}
