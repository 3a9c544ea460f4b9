//! The scenarios of nodes that serve together, over a PostgreSQL and a Redis of their own: what
//! it takes from one to the other, what the store carries, and what follows when one is killed.

pub(super) mod cluster;
pub(super) mod failover;
pub(super) mod postgres;
pub(super) mod presence;

use anyhow::Result;

use super::Bench;
use crate::server::Server;
use crate::services::Services;

/// Two nodes and what is behind them.
#[derive(Debug)]
struct Pair {
    services: Services,
    /// In `failover` and `presence` this one stays.
    first: Server,
    second: Server,
}

impl Pair {
    async fn start(bench: &Bench) -> Result<Self> {
        let services = bench.launch.start_services().await?;
        let first = bench.launch.start_node(&services.environment()).await?;
        let second = bench.launch.start_node(&services.environment()).await?;
        Ok(Self { services, first, second })
    }

    async fn stop(self) {
        self.first.stop().await;
        self.second.stop().await;
        self.services.stop().await;
    }
}
