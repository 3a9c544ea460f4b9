//! The storm: the server ends in the middle of traffic and is started again on the same data. All
//! clients come back by themselves, as `socket.io-client` does it, and are taken up where they
//! were cut. Agents' messages, sent through REST, go on as soon as somebody takes them. In the end
//! everybody must have heard every message of its conversations once and in order.
//!
//! One round ends the server as a crash does, one as an operator does.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::conversations;
use crate::clock::{self, seconds};
use crate::crowd;
use crate::report::Figure;
use crate::scale::{IDLE_REST, RETURN_TIMEOUT, SETTLE_TIMEOUT};
use crate::scenario::returning::{Books, Listener, Route, Wanderer, Writers};
use crate::scenario::{Bench, flaw_figure, trouble_figure, wait_until};
use crate::server::{Ending, Server};
use crate::socketio::Guest;
use crate::stats::{self, Latencies};

/// How long messages flow before the server ends.
const TRAFFIC_BEFORE: Duration = Duration::from_secs(2);

/// What one restart gave.
struct Round {
    ready_s: f64,
    caught_up_s: f64,
    back: Latencies,
    attempts: u64,
    unrecovered: u64,
    messages: u64,
}

/// The clients and what they share.
struct Storm<'a> {
    bench: &'a Bench,
    conversations: Rc<Vec<String>>,
    books: Rc<Books>,
    clients: usize,
}

pub(in crate::scenario) async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let mut server = bench.launch.start_lasting().await?;
    let conversations = Rc::new(conversations(&server, bench.scale.storm_conversations).await?);
    let guests = guests(bench, &conversations)?;
    crowd::check_fit(guests.len())?;
    let books = Rc::new(Books::new(&conversations));
    let storm = Storm { bench, conversations, clients: guests.len(), books };
    let _listeners = storm.gather(&server, guests).await?;
    let mut figures = vec![Figure::new("clients cut at once", storm.clients as f64, "")];
    for (ending, name) in [(Ending::Killed, "killed"), (Ending::Terminated, "terminated")] {
        // So that one round's joins and marks are no part of the next one.
        sleep(IDLE_REST).await;
        let round = storm.blow(&mut server, ending).await?;
        figures.extend(round.figures(name));
    }
    let books = &storm.books;
    let flaws = stats::flaws(&books.heard.borrow(), |ear| books.sent_to(ear));
    figures.push(flaw_figure("messages", flaws));
    figures.extend(trouble_figure(&books.troubles));
    server.stop().await;
    Ok(figures)
}

/// Agents first, each in its share of the conversations; the others are customers in one each.
fn guests(bench: &Bench, conversations: &[String]) -> Result<Vec<Guest>> {
    let (secret, agents) = (&bench.launch.secret, bench.scale.restart_agents);
    ensure!(agents <= conversations.len(), "more agents than conversations");
    let share = conversations.len().div_ceil(agents);
    let mut guests = Vec::with_capacity(bench.scale.restart_clients);
    for (number, share) in conversations.chunks(share).enumerate() {
        guests.push(Guest::agent(secret, number, share.to_vec())?);
    }
    for number in guests.len()..bench.scale.restart_clients {
        let conversation = conversations[number % conversations.len()].clone();
        guests.push(Guest::customer(secret, number, vec![conversation])?);
    }
    Ok(guests)
}

/// Everybody comes back to where the server was.
fn route(server: &Server) -> Route {
    Route { first: server.address, then: server.address }
}

impl Storm<'_> {
    /// Joins everybody.
    async fn gather(&self, server: &Server, guests: Vec<Guest>) -> Result<JoinSet<()>> {
        let mut tasks = JoinSet::new();
        for guest in guests {
            let listener = Listener::new(Wanderer::new(guest), route(server), &self.books);
            tasks.spawn_local(listener.listen());
        }
        self.books.wait_for_all().await?;
        Ok(tasks)
    }

    /// Ends the server under traffic and starts it again, until everybody has everything.
    async fn blow(&self, server: &mut Server, ending: Ending) -> Result<Round> {
        let books = &self.books;
        let (sent, unrecovered) = (books.sent(), books.unrecovered.get());
        let attempts = books.attempts.get();
        let content_bytes = self.bench.content_bytes;
        let agent = Guest::agent(&self.bench.launch.secret, self.clients, Vec::new())?;
        let writers =
            Writers::begin(route(server), agent, &self.conversations, books, content_bytes);
        sleep(TRAFFIC_BEFORE).await;
        let cut_ns = clock::now_ns();
        server.end(ending).await?;
        let gone_ns = clock::now_ns();
        self.bench.launch.start_again(server).await?;
        let ready_ns = clock::now_ns();
        // Not since it is ready: whoever was quick comes before we have read that it is.
        let are_back = || books.all_back_since(gone_ns);
        if !wait_until(RETURN_TIMEOUT, are_back).await {
            bail!(
                "{} of {} came back; {:?}",
                books.present(),
                self.clients,
                books.troubles.first()
            );
        }
        writers.end().await?;
        wait_until(SETTLE_TIMEOUT, || books.is_complete()).await;
        let back = books.back_after(cut_ns);
        let caught_up_ns = books.last_back_ns().max(books.last_message_ns.get());
        Ok(Round {
            ready_s: seconds(ready_ns - cut_ns),
            caught_up_s: seconds(caught_up_ns - cut_ns),
            back,
            attempts: books.attempts.get() - attempts,
            unrecovered: books.unrecovered.get() - unrecovered,
            messages: books.sent() - sent,
        })
    }
}

impl Round {
    fn figures(mut self, name: &str) -> [Figure; 5] {
        let clients = self.back.count();
        let each = self.attempts as f64 / clients as f64;
        let traffic = format!("{} messages meanwhile; {each:.1} attempts each", self.messages);
        [
            Figure::new(format!("{name}: cut to all back and caught up"), self.caught_up_s, "s")
                .at_most(10.0)
                .note(traffic),
            Figure::new(format!("{name}: cut to ready again"), self.ready_s, "s"),
            Figure::new(format!("{name}: cut to back, p50"), self.back.part_ms(0.5), "ms"),
            Figure::new(format!("{name}: cut to back, max"), self.back.part_ms(1.0), "ms"),
            Figure::new(format!("{name}: not recovered"), self.unrecovered as f64, "").at_most(0.0),
        ]
    }
}
