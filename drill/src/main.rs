//! The drill behind `make drill`: nodes of the real program under load, while nodes, Redis and
//! PostgreSQL are killed, paused and cut off; then everything clients saw is held against the log.
//! What it does, how to read it and what it cannot show is in `docs/drill.md`.
//!
//! Reading order: `fault` (what is done), `stage` (how), `load` and `person` (who lives through it),
//! `books` (what they saw), `ending` and `check` (what has to be true afterwards).

mod books;
mod check;
mod desk;
mod dialect;
mod dice;
mod ending;
mod fault;
mod line;
mod load;
mod log;
mod node;
mod options;
mod person;
mod presence;
mod process;
mod proxy;
mod report;
mod seen;
mod services;
mod stage;
mod world;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::dice::Dice;
use crate::fault::Schedule;
use crate::load::People;
use crate::node::Node;
use crate::options::Options;
use crate::report::{Timeline, clock};
use crate::services::{Kind, Service};
use crate::stage::Stage;
use crate::world::World;

/// How long people talk before anything is broken.
const CALM: Duration = Duration::from_secs(5);

/// Everything is drawn on this thread, and the processes end with it.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    match LocalSet::new().run_until(run(&options)).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(fault) => {
            eprintln!("the drill could not be carried out: {fault:#}");
            ExitCode::FAILURE
        }
    }
}

/// One run; whether every promise held.
async fn run(options: &Options) -> Result<bool> {
    let program = options.program()?;
    let dir = tempfile::Builder::new().prefix("switchboard-drill-").tempdir()?;
    // PostgreSQL runs as somebody else where the drill is root, and has to find its own folder.
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711))?;
    let mut terminated = signal(SignalKind::terminate())?;
    let outcome = tokio::select! {
        outcome = drill(options, &program, dir.path()) => outcome,
        _ = tokio::signal::ctrl_c() => Err(anyhow!("stopped by hand")),
        _ = terminated.recv() => Err(anyhow!("stopped by SIGTERM")),
    };
    if options.keep || !matches!(outcome, Ok(true)) {
        println!(
            "\nwhat nodes and services said, the log and the clients' books: {}",
            dir.keep().display()
        );
    }
    outcome
}

async fn drill(options: &Options, program: &Path, dir: &Path) -> Result<bool> {
    let seed = options.seed.unwrap_or_else(|| Uuid::new_v4().as_u64_pair().0 % 100_000);
    let nodes = usize::from(options.nodes);
    let dice = Dice::new(seed);
    let lease = options.lease();
    let mut schedule = Schedule::new(dice.part(1), nodes, lease, options.rests_ms(), &options.only);
    anyhow::ensure!(schedule.kinds() > 0, "none of these faults can be had with {nodes} nodes");
    println!("drill: {nodes} nodes, lease {} s, seed {seed}", lease.as_secs());

    let mut services = Vec::new();
    if nodes > 1 {
        services.push(Service::start(Kind::Postgres, dir).await?);
        services.push(Service::start(Kind::Redis, dir).await?);
    }
    let secret = Uuid::new_v4().to_string();
    let mut started = Vec::new();
    for number in 0..nodes {
        started.push(Node::start(number, program, dir, &secret, lease, &services).await?);
    }
    let world = Rc::new(World::new(started.iter().map(|node| node.address).collect(), &secret)?);
    let timeline = Rc::new(Timeline::begin(world.started));
    println!("\ntimeline (minutes:seconds from here)\n");
    let people = People::gather(&world, dice.part(2)).await.context("gather the people")?;
    timeline.note("everybody comes and talks");
    let mut stage = Stage::new(started, services, dir, lease, &world, &timeline);
    sleep(CALM).await;

    let until = Instant::now() + Duration::from_secs_f64(options.minutes * 60.0);
    let mut done = 0;
    while let Some(fault) = schedule.next() {
        let is_over =
            if options.short { done == schedule.kinds() } else { Instant::now() >= until };
        if is_over {
            break;
        }
        stage.suffer(fault).await.with_context(|| fault.kind.name())?;
        stage.rest(fault.rest).await;
        done += 1;
    }
    let promises = ending::end(stage, people, &world, &timeline).await?;
    let all_held = report::print(&promises);
    let verdict = if all_held { "every promise held" } else { "NOT every promise held" };
    println!(
        "\n{verdict}: {done} faults in {}, seed {seed}",
        clock(world.started.elapsed()).trim()
    );
    if !all_held {
        println!("again: {}", again(options, seed));
    }
    Ok(all_held)
}

/// The command that has the same schedule.
fn again(options: &Options, seed: u64) -> String {
    let mut command = format!("switchboard-drill --nodes {} --seed {seed}", options.nodes);
    if options.short {
        command += " --short";
    } else {
        command += &format!(" --minutes {}", options.minutes);
    }
    for kind in &options.only {
        command += &format!(" --only {}", kind.name());
    }
    command
}
