//! The scenarios, one file each. To add one: a file with `run`, a variant of [`Scenario`], its
//! sizes in `scale.rs`.

mod chat;
mod connects;
mod durable;
mod fanout;
mod hub;
mod idle;
mod nodes;
mod returning;
mod routing;
mod socketio;
mod start;
mod storm;

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::client::{Speaker, Stamp};
use crate::crowd::Troubles;
use crate::machine::Placement;
use crate::options::Options;
use crate::reference::Reference;
use crate::report::Figure;
use crate::scale::Scale;
use crate::server::Launch;
use crate::services::Programs;
use crate::session::Seat;
use crate::stats::{Flaws, Latencies};
use crate::token::Secret;
use crate::ws::Writer;

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// Time to ready and memory when idle.
    Start,
    /// Memory of an idle connection.
    Idle,
    /// CPU time of a delivery to many listeners.
    Fanout,
    /// Latency at a fixed rate.
    Chat,
    /// Highest rate of acknowledged messages.
    Durable,
    /// Many connections at once.
    Connects,
    /// Clients cut and resumed while messages flow.
    Storm,
    /// Memory of an idle Socket.IO connection.
    SocketioIdle,
    /// CPU time of a delivery to many Socket.IO listeners.
    SocketioFanout,
    /// Latency between Socket.IO clients at a fixed rate.
    SocketioChat,
    /// Latency of Socket.IO connects at a fixed rate.
    SocketioConnects,
    /// Socket.IO clients taken up again after a restart while messages flow.
    SocketioStorm,
    /// Heartbeats of agents at a fixed rate.
    Heartbeats,
    /// Who is online, asked with many agents there.
    Online,
    /// From a freed place to the next conversation.
    Routing,
    /// The same with many agents and many who wait.
    RoutingLarge,
    /// Highest rate of posted events.
    Ingest,
    /// The same where each event has an id.
    IngestIds,
    /// From a post to the consoles at a fixed rate.
    Hub,
    /// What an event costs with few tenants and with many.
    Tenants,
    /// The log told again to one console.
    HubReplay,
    /// From one node to another at a fixed rate.
    Cluster,
    /// Highest rate of acknowledged messages on PostgreSQL.
    Postgres,
    /// The users of a node that is killed.
    Presence,
    /// Clients that go on at another node while messages flow.
    Failover,
}

/// What every scenario needs.
#[derive(Debug)]
pub(crate) struct Bench {
    /// How servers are started.
    pub(crate) launch: Launch,
    /// How much of everything.
    pub(crate) scale: Scale,
    /// Length of a message's text.
    pub(crate) content_bytes: usize,
}

impl Scenario {
    /// All, in the table's order.
    pub(crate) const ALL: [Self; 25] = [
        Self::Start,
        Self::Idle,
        Self::Fanout,
        Self::Chat,
        Self::Durable,
        Self::Connects,
        Self::Storm,
        Self::SocketioIdle,
        Self::SocketioFanout,
        Self::SocketioChat,
        Self::SocketioConnects,
        Self::SocketioStorm,
        Self::Heartbeats,
        Self::Online,
        Self::Routing,
        Self::RoutingLarge,
        Self::Ingest,
        Self::IngestIds,
        Self::Hub,
        Self::Tenants,
        Self::HubReplay,
        Self::Cluster,
        Self::Postgres,
        Self::Presence,
        Self::Failover,
    ];

    /// Its name on the command line and in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Idle => "idle",
            Self::Fanout => "fanout",
            Self::Chat => "chat",
            Self::Durable => "durable",
            Self::Connects => "connects",
            Self::Storm => "storm",
            Self::SocketioIdle => "socketio-idle",
            Self::SocketioFanout => "socketio-fanout",
            Self::SocketioChat => "socketio-chat",
            Self::SocketioConnects => "socketio-connects",
            Self::SocketioStorm => "socketio-storm",
            Self::Heartbeats => "heartbeats",
            Self::Online => "online",
            Self::Routing => "routing",
            Self::RoutingLarge => "routing-large",
            Self::Ingest => "ingest",
            Self::IngestIds => "ingest-ids",
            Self::Hub => "hub",
            Self::Tenants => "tenants",
            Self::HubReplay => "hub-replay",
            Self::Cluster => "cluster",
            Self::Postgres => "postgres",
            Self::Presence => "presence",
            Self::Failover => "failover",
        }
    }

    /// Whether it measures the reference server too.
    pub(crate) fn has_reference(self) -> bool {
        matches!(self, Self::SocketioIdle | Self::SocketioFanout | Self::SocketioConnects)
    }

    /// Whether it is of nodes that need PostgreSQL and Redis.
    pub(crate) fn has_services(self) -> bool {
        matches!(self, Self::Cluster | Self::Postgres | Self::Presence | Self::Failover)
    }

    /// Carries it out.
    pub(crate) async fn run(self, bench: &Bench) -> Result<Vec<Figure>> {
        match self {
            Self::Start => start::run(bench).await,
            Self::Idle => idle::run(bench).await,
            Self::Fanout => fanout::run(bench).await,
            Self::Chat => chat::run(bench).await,
            Self::Durable => durable::run(bench).await,
            Self::Connects => connects::run(bench).await,
            Self::Storm => storm::run(bench).await,
            Self::SocketioIdle => socketio::idle(bench).await,
            Self::SocketioFanout => socketio::fanout(bench).await,
            Self::SocketioChat => socketio::chat(bench).await,
            Self::SocketioConnects => socketio::connects::run(bench).await,
            Self::SocketioStorm => socketio::storm::run(bench).await,
            Self::Heartbeats => routing::heartbeats::run(bench).await,
            Self::Online => routing::online::run(bench).await,
            Self::Routing => routing::freed::run(bench).await,
            Self::RoutingLarge => routing::large::run(bench).await,
            Self::Ingest => hub::ingest::plain(bench).await,
            Self::IngestIds => hub::ingest::with_ids(bench).await,
            Self::Hub => hub::live::run(bench).await,
            Self::Tenants => hub::tenants::run(bench).await,
            Self::HubReplay => hub::replay::run(bench).await,
            Self::Cluster => nodes::cluster::run(bench).await,
            Self::Postgres => nodes::postgres::run(bench).await,
            Self::Presence => nodes::presence::run(bench).await,
            Self::Failover => nodes::failover::run(bench).await,
        }
    }
}

impl Bench {
    /// Looks for the server's binary and settles the sizes.
    pub(crate) fn new(options: &Options, placement: Placement) -> Result<Self> {
        let binary = match &options.server {
            Some(path) => path.clone(),
            None => beside_this_program()?,
        };
        let binary = binary
            .canonicalize()
            .with_context(|| format!("no server at {}: build it, or --server", binary.display()))?;
        let data_root = options.data_root.clone().unwrap_or_else(std::env::temp_dir);
        ensure!(data_root.is_dir(), "{} is no directory: --data-root", data_root.display());
        let wanted = options.wants_reference().then_some(&options.reference);
        let reference = wanted.map(|directory| Reference::look(directory)).transpose()?;
        let services = options.wants_services().then(Programs::look).transpose()?;
        let secret = Secret::random();
        Ok(Self {
            launch: Launch { binary, data_root, placement, reference, services, secret },
            scale: if options.quick { Scale::quick() } else { Scale::full() },
            content_bytes: usize::from(options.content_bytes),
        })
    }

    /// Sends a stamp through a client's connection.
    pub(crate) fn send(&self, client: &impl Speaker, writer: &Rc<Writer>, stamp: Stamp) {
        let mut frame = Vec::with_capacity(self.content_bytes + 256);
        client.say(stamp, self.content_bytes, &mut frame);
        writer.queue_text(&frame);
        writer.flush();
    }
}

/// The path of `switchboard` in the directory of this program.
fn beside_this_program() -> Result<PathBuf> {
    let own = std::env::current_exe().context("find this program")?;
    Ok(own.with_file_name("switchboard"))
}

/// A customer and an agent for each of `conversations` new conversations: seats 2n and 2n + 1.
fn pairs(conversations: usize) -> Vec<Seat> {
    let mut seats = Vec::with_capacity(conversations * 2);
    for number in 0..conversations {
        let session = Uuid::new_v4();
        seats.push(Seat::customer(session, number));
        seats.push(Seat::agent(session, number));
    }
    seats
}

/// Waits until `done` says so; false when it did not within `limit`.
async fn wait_until(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    const STEP: Duration = Duration::from_millis(20);
    let give_up = Instant::now() + limit;
    while !done() {
        if Instant::now() >= give_up {
            return false;
        }
        sleep(STEP).await;
    }
    true
}

fn latency_figures(name: &str, latencies: &mut Latencies, p99_ms: Option<f64>) -> [Figure; 3] {
    let p99 = Figure::new(format!("{name}, p99"), latencies.part_ms(0.99), "ms");
    [
        Figure::new(format!("{name}, p50"), latencies.part_ms(0.5), "ms"),
        match p99_ms {
            Some(target) => p99.at_most(target),
            None => p99,
        },
        Figure::new(format!("{name}, max"), latencies.part_ms(1.0), "ms"),
    ]
}

/// One row for the three counts that must be zero.
fn flaw_figure(what: &str, flaws: Flaws) -> Figure {
    let Flaws { lost, doubled, out_of_order } = flaws;
    let sum = lost + doubled + out_of_order;
    let figure = Figure::new(format!("{what} lost, doubled, out of order"), sum as f64, "");
    let figure = figure.at_most(0.0);
    if sum == 0 {
        return figure;
    }
    figure.note(format!("{lost} lost, {doubled} doubled, {out_of_order} out of order"))
}

/// One more row when connections ended or were refused something, with the first reason.
fn trouble_figure(troubles: &Troubles) -> Option<Figure> {
    let note = format!("first: {}", troubles.first()?);
    Some(Figure::new("refusals and cut lines", troubles.count() as f64, "").at_most(0.0).note(note))
}
