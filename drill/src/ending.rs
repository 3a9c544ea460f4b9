//! The end of a run: everything is whole again, people stop talking, and the system has to come to
//! rest with nobody forgotten. Then everybody leaves, and the evidence is read.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::books::Books;
use crate::check::{self, Evidence};
use crate::line::ask;
use crate::load::People;
use crate::log::{Entry, end_at, position, read_from, read_table};
use crate::presence::{Present, by_node, difference, in_redis};
use crate::report::{Promise, Timeline, seconds};
use crate::services::Kind;
use crate::stage::{SLACK, Stage, TAKEOVER};
use crate::world::{Phase, World};

/// How long the queue may take to empty once agents close whatever they have: each has to look,
/// take part and close, a few times over.
const EMPTY: Duration = Duration::from_secs(40);

/// How long presence may take to agree with who is there, once all is quiet.
const AGREE: Duration = Duration::from_secs(15);

/// How long everybody may take to go.
const GONE: Duration = Duration::from_secs(30);

/// How long nothing is done before presence is compared, so that what was told last is heard.
const QUIET: Duration = Duration::from_secs(2);

/// Conversations nobody should be in that each node is asked about.
const EMPTY_ONES: usize = 30;

/// What was found when everybody sat still.
struct Rest {
    present: Present,
    settled: u64,
    promises: Vec<Promise>,
}

/// Brings the run to its end, and says which promises held.
pub(crate) async fn end(
    mut stage: Stage,
    people: People,
    world: &Rc<World>,
    timeline: &Timeline,
) -> Result<Vec<Promise>> {
    timeline
        .note("everything is whole again: nobody says anything new, agents close what they have");
    world.enter(Phase::Settle);
    let stuck = queue_empties(world, timeline).await;
    sleep(QUIET).await;
    let rest = come_to_rest(&stage, world, timeline).await?;

    timeline.note("everybody leaves");
    world.enter(Phase::Leave);
    if !people.gone(GONE).await {
        timeline.note("somebody of the drill's own does not go: a fault of the drill");
    }
    let no_keys = nobody_in_redis(&stage).await;
    stage.look_after_nodes().await?;

    timeline.note("the log is read");
    let (log, others) = read_all(&stage, world).await?;
    let panics = panics(&stage);
    for node in 0..stage.nodes.len() {
        stage.end_node(node).await?;
    }
    let books = world.books.borrow();
    keep(&stage.dir, &log, &books)?;
    let evidence = Evidence {
        books: &books,
        log: &log,
        others: &others,
        settled: rest.settled,
        present: &rest.present,
        told_within_ms: i64::try_from((TAKEOVER + SLACK).as_millis())?,
    };
    let mut promises = check::all(&evidence);
    promises.push(stuck);
    promises.extend(rest.promises);
    promises.extend(no_keys);
    promises.extend(stage.seen.promises());
    promises.push(panics);
    Ok(promises)
}

/// Waits until no conversation waits for an agent.
async fn queue_empties(world: &World, timeline: &Timeline) -> Promise {
    let mut promise =
        Promise::new("nobody waits for ever: in the end each conversation gets its agent");
    let began = Instant::now();
    let waiting = loop {
        let path = "/api/sessions?status=waiting&limit=200";
        let answer = world.insist(path, &world.admin, None).await;
        let waiting = answer.map(|answer| {
            let sessions = answer.pointer("/data/sessions").and_then(Value::as_array);
            let ids = sessions.into_iter().flatten().filter_map(|one| one["session_id"].as_str());
            ids.map(str::to_owned).collect::<Vec<String>>()
        });
        match waiting {
            Ok(waiting) if !waiting.is_empty() && began.elapsed() < EMPTY => {
                sleep(Duration::from_millis(500)).await;
            }
            other => break other,
        }
    };
    let took = seconds(began.elapsed());
    match waiting {
        Ok(waiting) if waiting.is_empty() => {
            timeline.note(format!("nobody waits any more, after {took}"))
        }
        Ok(waiting) => {
            promise.broke(format!(
                "after {took} there wait {}: {}",
                waiting.len(),
                waiting.join(", ")
            ));
        }
        Err(fault) => promise.broke(format!("{fault:#}")),
    }
    promise.of(format!("empty after {took}"))
}

/// Waits until all that say who is there say the same as the clients' own books.
async fn come_to_rest(stage: &Stage, world: &World, timeline: &Timeline) -> Result<Rest> {
    let mut status = Promise::new("no ghost: every node says who is connected");
    let mut keys = Promise::new("no ghost: Redis' keys are the live connections");
    let redis = stage.services.iter().find(|service| service.kind == Kind::Redis);
    let began = Instant::now();
    let conversations = conversations(world).await?;
    let present = loop {
        let present = world.books.borrow().present();
        let told = by_nodes(stage, world, &present, &conversations).await;
        let kept = match redis {
            Some(redis) => in_redis(redis.address).await.map(|kept| difference(&kept, &present)),
            None => Ok(None),
        };
        let agrees = told.is_empty() && matches!(kept, Ok(None));
        let is_still = present == world.books.borrow().present();
        if (agrees && is_still) || began.elapsed() > AGREE {
            status.broken = told;
            match kept {
                Ok(difference) => keys.broken.extend(difference),
                Err(fault) => keys.broke(format!("{fault:#}")),
            }
            break present;
        }
        sleep(Duration::from_millis(500)).await;
    };
    timeline.note(format!(
        "{} are there; compared for {}",
        present.len(),
        seconds(began.elapsed())
    ));
    let end = end_at(world.nodes[0], &world.admin).await?;
    let settled = position(&end).context("no cursor")?;
    let mut promises = vec![
        status.of(format!("{} users, {} nodes", present.len(), stage.nodes.len())),
        healthy(stage, world).await,
    ];
    if redis.is_some() {
        promises.push(keys.of(format!("{} users", present.len())));
    }
    Ok(Rest { present, settled, promises })
}

/// Some conversations, whether or not anybody is in them.
async fn conversations(world: &World) -> Result<BTreeSet<String>> {
    let path = "/api/sessions?status=closed&limit=200";
    let closed = world.insist(path, &world.admin, None).await?;
    let sessions = closed.pointer("/data/sessions").and_then(Value::as_array);
    let ids = sessions.into_iter().flatten().filter_map(|one| one["session_id"].as_str());
    Ok(ids.take(EMPTY_ONES).map(str::to_owned).collect())
}

/// Where the nodes say something else.
async fn by_nodes(
    stage: &Stage,
    world: &World,
    present: &Present,
    conversations: &BTreeSet<String>,
) -> Vec<String> {
    let inhabited: BTreeSet<String> = present.iter().map(|(place, _)| place.clone()).collect();
    let mut broken = Vec::new();
    for node in &stage.nodes {
        let mut told = Present::new();
        let mut failed = None;
        for conversation in inhabited.union(conversations) {
            match by_node(world, node.address, conversation).await {
                Ok(users) => {
                    told.extend(users.into_iter().map(|user| (conversation.clone(), user)))
                }
                Err(fault) => failed = Some(format!("{fault:#}")),
            }
        }
        let flaw = failed.or_else(|| difference(&told, present));
        broken.extend(flaw.map(|flaw| format!("node {}: {flaw}", node.name)));
    }
    broken
}

/// Contract 8: `/health` says so, and `/ready` is 200.
async fn healthy(stage: &Stage, world: &World) -> Promise {
    let mut promise = Promise::new("every node is healthy and ready again");
    for node in &stage.nodes {
        let health = ask(&world.http, node.address, "/health", None, None).await;
        let is_healthy = health.as_ref().is_ok_and(|health| health.body["status"] == "healthy");
        promise.holds(is_healthy, || match health {
            Ok(health) => format!("node {}: {}", node.name, health.body),
            Err(fault) => format!("node {}: {fault:#}", node.name),
        });
        let ready = ask(&world.http, node.address, "/ready", None, None).await;
        let is_ready = ready.is_ok_and(|ready| ready.status == 200);
        promise.holds(is_ready, || format!("node {} is not ready", node.name));
    }
    promise.of(format!("{} nodes", stage.nodes.len()))
}

/// When everybody has left, there is no key of anybody.
async fn nobody_in_redis(stage: &Stage) -> Option<Promise> {
    let redis = stage.services.iter().find(|service| service.kind == Kind::Redis)?;
    let mut promise = Promise::new("when everybody has left, nobody is in Redis");
    let began = Instant::now();
    loop {
        let kept = in_redis(redis.address).await;
        match kept {
            Ok(kept) if kept.is_empty() => break,
            kept if began.elapsed() > AGREE => {
                promise.broke(match kept {
                    Ok(kept) => format!("{} are: {:?}", kept.len(), kept.first()),
                    Err(fault) => format!("{fault:#}"),
                });
                break;
            }
            _ => sleep(Duration::from_millis(300)).await,
        }
    }
    Some(promise.of(format!("after {}", seconds(began.elapsed()))))
}

/// Writes the evidence down, for whoever looks into a broken promise.
fn keep(dir: &Path, log: &[Entry], books: &Books) -> Result<()> {
    let mut file = BufWriter::new(File::create(dir.join("log.txt"))?);
    for Entry { position, at_ms, kind, payload } in log {
        writeln!(file, "{position} {at_ms} {kind} {payload}")?;
    }
    file.flush()?;
    fs::write(dir.join("books.txt"), format!("{books:#?}\n"))?;
    Ok(())
}

type Tellers = Vec<(String, Vec<Entry>)>;

/// The log as the first node tells it, and as everybody else does.
async fn read_all(stage: &Stage, world: &World) -> Result<(Vec<Entry>, Tellers)> {
    // What a leave brings with it, such as a place in the queue, comes a moment later.
    sleep(QUIET).await;
    let log = read_from(world.nodes[0], &world.admin).await?;
    let mut others = Vec::new();
    for node in &stage.nodes[1..] {
        others.push((format!("node {}", node.name), read_from(node.address, &world.admin).await?));
    }
    if let Some(service) = stage.services.iter().find(|service| service.kind == Kind::Postgres) {
        others.push(("PostgreSQL".into(), read_table(service.address).await?));
    }
    Ok((log, others))
}

/// A panic ends one connection and not the process, so it has to be looked for.
fn panics(stage: &Stage) -> Promise {
    let mut promise = Promise::new("nothing panics");
    for node in &stage.nodes {
        let said = node.said();
        for line in said.lines().filter(|line| line.contains("panicked")) {
            promise.broke(format!("node {}: {line}", node.name));
        }
    }
    promise.of(format!("{} nodes' own words", stage.nodes.len()))
}
