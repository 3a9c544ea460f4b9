//! From a freed place to the next conversation, in a tenant of ordinary size: all agents have a
//! socket open and all the conversations they may have, and more wait.

use anyhow::Result;
use tokio::time::sleep;

use super::floor::Floor;
use super::staff;
use crate::report::Figure;
use crate::scale::IDLE_REST;
use crate::scenario::Bench;

pub(in crate::scenario) async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let scale = &bench.scale;
    let server = bench.launch.start().await?;
    let agents = staff::hire(bench, &server, scale.free_agents, scale.free_chats).await?;
    let floor = Floor::open(bench, &server, agents, scale.free_chats).await?;
    floor.fill().await?;
    // Twice as many as are closed, so that there is a queue to the end.
    let closes = usize::try_from(scale.frees_per_second * scale.frees.as_secs())?;
    staff::begin_conversations(&server, 2 * closes).await?;
    sleep(IDLE_REST).await;
    let figures = floor.close().await?.figures("", Some(20.0));
    drop(floor);
    server.stop().await;
    Ok(figures)
}
