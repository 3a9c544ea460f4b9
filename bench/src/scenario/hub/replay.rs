//! The log told again: one console asks for all that happened behind a cursor. Time counts from the
//! connect to the last event. A program hears everything; what an agent may hear of a conversation
//! depends on whose it is, so there is a second log in which a part is said in conversations.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::calls::{Heard, Producer};
use super::{accepted, api_key};
use crate::bulk;
use crate::client::{Client as _, Frame};
use crate::clock;
use crate::console::Console;
use crate::http::{self, Answer, Http};
use crate::process;
use crate::report::Figure;
use crate::scale::{REQUEST_TIMEOUT, RETURN_TIMEOUT};
use crate::scenario::{Bench, flaw_figure};
use crate::server::Server;
use crate::stats::{Flaws, median};
use crate::ws;

/// Events of one post: as many as are taken.
const BATCH: u64 = 1_000;
/// Producers that fill the log.
const PRODUCERS: u64 = 4;
/// Events a second that one console is to be told.
const WANTED: f64 = 200_000.0;

/// The log, and from where it is read.
struct Log<'a> {
    server: &'a Server,
    after: String,
    /// By producer.
    posted: Vec<u64>,
    rounds: usize,
}

/// What one reading gave.
struct Reading {
    seconds: f64,
    cpu: Duration,
    own_cpu: Duration,
    bytes: usize,
    flaws: Flaws,
}

pub(in crate::scenario) async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let mut figures = read_all(bench, 0).await?;
    let with_messages = read_all(bench, bench.scale.replay_conversations).await?;
    figures.extend(with_messages.into_iter().map(|it| it.named_after("a tenth messages: ")));
    Ok(figures)
}

/// Has the log of a fresh server read by both.
async fn read_all(bench: &Bench, conversations: usize) -> Result<Vec<Figure>> {
    let server = bench.launch.start().await?;
    let key = api_key(bench, &server, &["events:write", "events:read"]).await?;
    let begin = |_| http::request("POST", "/api/sessions", None, "{}");
    let id_of = |answer: &Answer| answer.text_at("/data/session_id");
    let conversations = bulk::ask(server.address, conversations, 201, begin, id_of).await?;
    let log = Log::fill(bench, &server, &key, conversations).await?;
    let mut figures = log.read("a program", &Console::new("key", key)).await?;
    let agent = bench.launch.secret.sign("bench-agent-1", "agent", &[])?;
    figures.extend(log.read("an agent", &Console::new("bench-agent-1", agent)).await?);
    drop(log);
    server.stop().await;
    Ok(figures)
}

impl<'a> Log<'a> {
    /// Posts the events, of which a part is said in these conversations.
    async fn fill(
        bench: &Bench,
        server: &'a Server,
        key: &str,
        conversations: Vec<String>,
    ) -> Result<Self> {
        let conversations: Rc<[String]> = conversations.into();
        let mut http = Http::connect(server.address).await?;
        // An event of nobody's, only to know where the others begin.
        let alert =
            r#"{"type":"alert","payload":{"kind":"bench","title":"It begins","body":"Here."}}"#;
        let answer = http.post(super::PATH, Some(key), alert).await?;
        let after = accepted(&answer, 1)?;
        let posts = bench.scale.replay_events / BATCH / PRODUCERS;
        let mut tasks = JoinSet::new();
        for producer in Producer::all(key, PRODUCERS, BATCH) {
            let mut producer = producer.with_messages(&conversations);
            let mut http = Http::connect(server.address).await?;
            tasks.spawn_local(async move {
                for _ in 0..posts {
                    let answer = http.exchange(&producer.post(clock::now_ns())).await?;
                    accepted(&answer, BATCH)?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(filled) = tasks.join_next().await {
            filled??;
        }
        let posted = vec![posts * BATCH; usize::try_from(PRODUCERS)?];
        Ok(Self { server, after, posted, rounds: bench.scale.replays })
    }

    /// How many events there are.
    fn events(&self) -> u64 {
        self.posted.iter().sum()
    }

    /// Reads it several times; the figures are of the middle one.
    async fn read(&self, who: &str, console: &Console) -> Result<Vec<Figure>> {
        let (mut rates, mut cpus_us, mut owns_us) = (Vec::new(), Vec::new(), Vec::new());
        let (mut flaws, mut bytes, events) = (Flaws::default(), 0, self.events() as f64);
        for _ in 0..self.rounds {
            let reading = timeout(RETURN_TIMEOUT, self.read_once(console)).await;
            let reading = reading.context("the log is not told in time")??;
            rates.push(events / reading.seconds);
            cpus_us.push(reading.cpu.as_secs_f64() * 1e6 / events);
            owns_us.push(reading.own_cpu.as_secs_f64() * 1e6 / events);
            flaws += reading.flaws;
            bytes = reading.bytes;
        }
        let note = format!("{events} events, {:.0} bytes each", bytes as f64 / events);
        let own_note = format!("the generator's own: {:.2} us", median(&mut owns_us));
        Ok(vec![
            Figure::new(format!("{who} is told"), median(&mut rates), "events/s")
                .at_least(WANTED)
                .note(note),
            Figure::new(format!("{who}: CPU per event"), median(&mut cpus_us), "us").note(own_note),
            flaw_figure(&format!("{who}: events"), flaws),
        ])
    }

    async fn read_once(&self, console: &Console) -> Result<Reading> {
        let own = std::process::id();
        let cpu_before = process::cpu_time(self.server.pid)?;
        let own_before = process::cpu_time(own)?;
        let began = Instant::now();
        let path = console.path(Some(&self.after));
        let opening = timeout(REQUEST_TIMEOUT, ws::open(self.server.address, &path));
        let mut reader = opening.await.context("no upgrade in time")??;
        let (mut heard, mut bytes, mut refusal) = (Heard::of(PRODUCERS), 0, None);
        while heard.count() < self.events() {
            let hear = |text: &[u8]| match Console::frame(text) {
                Frame::Message(event) => {
                    heard.take(event);
                    bytes += text.len();
                }
                Frame::Refusal(text) => refusal = Some(text.to_owned()),
                _ => {}
            };
            reader.read(hear).await?;
            if let Some(refusal) = refusal {
                bail!("refused: {refusal}");
            }
        }
        let seconds = began.elapsed().as_secs_f64();
        ensure!(heard.count() == self.events(), "more events than were posted");
        Ok(Reading {
            seconds,
            cpu: process::cpu_time(self.server.pid)? - cpu_before,
            own_cpu: process::cpu_time(own)? - own_before,
            bytes,
            flaws: heard.flaws(&self.posted),
        })
    }
}
