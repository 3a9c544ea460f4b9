//! The highest rate of posted events: a few producers post one batch after the other, each as soon
//! as the one before is answered, and an answer means that the disk has it. Every post has a key by
//! which a repeat is known. In the end the log must have grown by what was accepted, and not by a
//! repeat.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::{Context as _, Result, ensure};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::calls::Producer;
use super::{accepted, api_key, position};
use crate::clock;
use crate::disk;
use crate::http::Http;
use crate::process;
use crate::report::Figure;
use crate::scale::WARM_UP;
use crate::scenario::{Bench, latency_figures};
use crate::server::Server;
use crate::stats::Latencies;

/// What all producers share.
#[derive(Debug, Default)]
struct Books {
    ends: Cell<bool>,
    events: Cell<u64>,
    latencies: RefCell<Latencies>,
}

/// What one producer has to say in the end.
struct Ended {
    http: Http,
    last_post: Vec<u8>,
    /// Where the log ended with the last post.
    position: u64,
}

/// The middle of a run.
struct Pressed {
    events_per_second: f64,
    /// The server's CPU time of an event.
    cpu_us: f64,
    /// The share of one core the server used, and the generator.
    busy: f64,
    own_busy: f64,
    /// None where the kernel does not tell.
    posts_per_flush: Option<f64>,
}

/// Without ids of the events.
pub(in crate::scenario) async fn plain(bench: &Bench) -> Result<Vec<Figure>> {
    measure(bench, |producer| producer, Some(30_000.0)).await
}

/// With an id for each event, by which a repeat of it is known.
pub(in crate::scenario) async fn with_ids(bench: &Bench) -> Result<Vec<Figure>> {
    measure(bench, Producer::with_ids, None).await
}

async fn measure(
    bench: &Bench,
    kind: impl Fn(Producer) -> Producer,
    wanted: Option<f64>,
) -> Result<Vec<Figure>> {
    let scale = &bench.scale;
    let server = bench.launch.start().await?;
    let key = api_key(bench, &server, &["events:write"]).await?;
    let producers = Producer::all(&key, scale.ingest_producers, scale.ingest_batch);
    let mut producers: Vec<Producer> = producers.into_iter().map(kind).collect();
    // So that what comes first with a tenant is in the log already.
    let mut first = Http::connect(server.address).await?;
    let opening = producers[0].post(clock::now_ns());
    let before = accepted(&first.exchange(&opening).await?, scale.ingest_batch)?;

    let (books, mut tasks) = (Rc::new(Books::default()), JoinSet::new());
    for producer in producers {
        let books = Rc::clone(&books);
        tasks.spawn_local(produce(server.address, producer, scale.ingest_batch, books));
    }
    let pressed = press(bench, &server, &books).await?;
    books.ends.set(true);
    let mut ended = Vec::new();
    while let Some(producer) = tasks.join_next().await {
        ended.push(producer??);
    }
    let grown = ended.iter().map(|ended| ended.position).max().unwrap_or(0) - position(&before)?;
    let repeated = repeat(&mut ended, scale.ingest_batch).await?;

    let mut figures = pressed.figures(scale.ingest_producers, wanted);
    figures.extend(latency_figures("post to answer", &mut books.latencies.borrow_mut(), None));
    let all = books.events.get();
    let wrong = grown.abs_diff(all) + repeated;
    let figure = Figure::new("events not kept exactly once", wrong as f64, "").at_most(0.0);
    figures.push(figure.note(format!("{all} posted, {grown} kept, {repeated} kept by repeats")));
    server.stop().await;
    Ok(figures)
}

/// Posts until it is to end.
async fn produce(
    address: SocketAddr,
    mut producer: Producer,
    batch: u64,
    books: Rc<Books>,
) -> Result<Ended> {
    let mut http = Http::connect(address).await?;
    loop {
        let sent_ns = clock::now_ns();
        let post = producer.post(sent_ns);
        let answer = http.exchange(&post).await?;
        books.latencies.borrow_mut().since(sent_ns);
        let cursor = accepted(&answer, batch)?;
        books.events.set(books.events.get() + batch);
        if books.ends.get() {
            return Ok(Ended { http, last_post: post, position: position(&cursor)? });
        }
    }
}

/// Looks at the middle of the run.
async fn press(bench: &Bench, server: &Server, books: &Books) -> Result<Pressed> {
    sleep(WARM_UP).await;
    *books.latencies.borrow_mut() = Latencies::default();
    let (events, own) = (books.events.get(), std::process::id());
    let flushes_before = disk::flushes_done(server.home());
    let (cpu_before, own_before) = (process::cpu_time(server.pid)?, process::cpu_time(own)?);
    let began = Instant::now();
    sleep(bench.scale.ingest).await;
    let (events, wall) = (books.events.get() - events, began.elapsed().as_secs_f64());
    let cpu = (process::cpu_time(server.pid)? - cpu_before).as_secs_f64();
    let own_cpu = (process::cpu_time(own)? - own_before).as_secs_f64();
    let flushes = disk::flushes_done(server.home()).zip(flushes_before);
    ensure!(events > 0, "no post was answered");
    let posts = events as f64 / bench.scale.ingest_batch as f64;
    Ok(Pressed {
        events_per_second: events as f64 / wall,
        cpu_us: cpu * 1e6 / events as f64,
        busy: cpu / wall,
        own_busy: own_cpu / wall,
        posts_per_flush: flushes.map(|(after, before)| posts / ((after - before) as f64).max(1.0)),
    })
}

/// Posts the last post of each producer again, and says by how much the log grew.
async fn repeat(ended: &mut [Ended], batch: u64) -> Result<u64> {
    let head = ended.iter().map(|ended| ended.position).max().unwrap_or(0);
    let mut grown = 0;
    for Ended { http, last_post, .. } in ended {
        let answer = http.exchange(last_post).await.context("repeat a post")?;
        let kept = position(&accepted(&answer, batch)?)?;
        grown = grown.max(kept.saturating_sub(head));
    }
    Ok(grown)
}

impl Pressed {
    fn figures(&self, producers: u64, wanted: Option<f64>) -> Vec<Figure> {
        let rate = Figure::new("accepted", self.events_per_second, "events/s");
        let (busy, own) = (100.0 * self.busy, 100.0 * self.own_busy);
        let note = format!("server busy {busy:.0} % of a core, generator {own:.0} %");
        let mut figures = vec![
            match wanted {
                Some(wanted) => rate.at_least(wanted),
                None => rate,
            }
            .note(note),
            Figure::new("CPU per event", self.cpu_us, "us"),
        ];
        if let Some(posts) = self.posts_per_flush {
            // A flush makes safe what was written before it: at most one post of each producer.
            let figure = Figure::new("posts answered per flush of the disk", posts, "");
            figures.push(figure.at_most(producers as f64));
        }
        figures
    }
}
