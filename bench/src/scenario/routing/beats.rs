//! Heartbeats at a fixed rate, over kept connections with some agents each.

use anyhow::Result;

use super::staff::Agent;
use crate::clock;
use crate::pace::Schedule;
use crate::pipeline::Pipelines;
use crate::report::Figure;
use crate::scale::SETTLE_TIMEOUT;
use crate::scenario::{latency_figures, wait_until};
use crate::server::Server;

/// Agents with their connections.
#[derive(Debug)]
pub(super) struct Beats {
    pipelines: Pipelines,
    /// By agent.
    requests: Vec<Vec<u8>>,
    connections: usize,
}

impl Beats {
    /// Connects. An agent keeps to its connection.
    pub(super) async fn open(
        server: &Server,
        agents: &[Agent],
        connections: usize,
    ) -> Result<Self> {
        let pipelines = Pipelines::open(server.address, connections).await?;
        let requests = agents.iter().map(Agent::heartbeat).collect();
        Ok(Self { pipelines, requests, connections })
    }

    /// Sends so many at this rate, the agents in turn, and waits for the answers. Gives how many
    /// seconds passed from the first moment to the last answer.
    pub(super) async fn send(&self, rate: u64, total: u64) -> Result<f64> {
        let schedule = Schedule::per_second(rate);
        let mut dues = schedule.run(total);
        while let Some(index) = dues.recv().await {
            let agent = usize::try_from(index)? % self.requests.len();
            let line = agent % self.connections;
            self.pipelines.send(line, &self.requests[agent], schedule.due_ns(index))?;
        }
        wait_until(SETTLE_TIMEOUT, || self.pipelines.is_answered()).await;
        let ended_ns = self.pipelines.books().last_answer_ns.get().max(schedule.due_ns(total));
        Ok(clock::seconds(ended_ns - schedule.due_ns(0)))
    }

    /// How many succeeded.
    pub(super) fn succeeded(&self) -> u64 {
        self.pipelines.books().succeeded()
    }

    /// How long the answers took, and how many did not come or were none.
    pub(super) fn figures(&self, name: &str) -> Vec<Figure> {
        let books = self.pipelines.books();
        let mut figures = Vec::new();
        let name = format!("{name}heartbeat to answer");
        figures.extend(latency_figures(&name, &mut books.latencies.borrow_mut(), None));
        let late_ms = books.lateness.borrow_mut().part_ms(0.99);
        figures.push(Figure::new("generator late, p99", late_ms, "ms").note("part of the above"));
        figures.push(self.pipelines.loss_figure("heartbeats"));
        figures
    }
}
