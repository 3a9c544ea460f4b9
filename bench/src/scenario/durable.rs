//! The highest rate of acknowledged messages: every customer keeps a window of unacknowledged
//! ones in flight. Beside it the disk's own rate of syncs, and how many flushes really reached it
//! meanwhile: an acknowledgement that waits for no disk would show there.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::{Instant, sleep};

use super::{Bench, flaw_figure, pairs, trouble_figure, wait_until};
use crate::client::{Body, Frame, Stamp};
use crate::clock;
use crate::crowd::Crowd;
use crate::disk;
use crate::process;
use crate::report::Figure;
use crate::scale::{JOIN_WIDTH, SETTLE_TIMEOUT};
use crate::server::Server;
use crate::session;
use crate::stats::{self, Latencies, Sequence};
use crate::ws::Writer;

/// One customer's sending.
#[derive(Debug, Default)]
struct Sender {
    sent: u64,
    failed: u64,
    acked: Sequence,
}

/// All that is sent and heard.
#[derive(Debug, Default)]
struct Books {
    /// By conversation.
    senders: Vec<Sender>,
    /// By seat.
    heard: Vec<Sequence>,
    /// Seats of a conversation; the customer has the first.
    roles: usize,
    latencies: Latencies,
    acked: u64,
    wrong_seqs: u64,
    /// Messages each sender keeps unacknowledged; 0 ends the sending.
    window: u64,
    /// All windows together.
    in_flight_max: u64,
    content_bytes: usize,
}

/// The middle of a run, while all windows are open.
struct Pressed {
    acked_per_second: f64,
    /// None where the kernel does not tell.
    flushes_per_second: Option<f64>,
    /// The share of one core the servers used.
    busy: f64,
}

/// What one run gave.
pub(super) struct Outcome {
    pressed: Pressed,
    syncs_per_second: f64,
    books: Books,
    trouble: Option<Figure>,
}

pub(super) async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let server = bench.launch.start().await?;
    let mut alone = measure(bench, std::slice::from_ref(&server), 1).await?;
    server.stop().await;
    let mut figures = vec![alone.rate("").at_least(20_000.0)];
    figures.extend(alone.disk_figures(""));
    figures.extend(alone.soundness(""));
    let server = bench.launch.start().await?;
    let listened = measure(bench, std::slice::from_ref(&server), 2).await?;
    server.stop().await;
    figures.push(listened.rate("with listener: "));
    figures.extend(listened.soundness("with listener: "));
    Ok(figures)
}

/// Runs the windows once on fresh servers, the conversations in turn on each, with `roles` seats
/// in each conversation: 1 is the customer alone, 2 the agent too.
pub(super) async fn measure(bench: &Bench, servers: &[Server], roles: usize) -> Result<Outcome> {
    let first = servers.first().context("no server")?;
    let syncs_per_second = disk::syncs_per_second(first.home())?;
    let mut seats = pairs(bench.scale.conversations);
    seats.retain(|seat| roles > 1 || seat.role == "customer");
    let books = Rc::new(RefCell::new(Books::new(bench, roles)));
    let door = |seat: usize| servers[seat / roles % servers.len()].address;
    let crowd = Crowd::gather(door, &seats, JOIN_WIDTH, |seat| {
        let books = Rc::clone(&books);
        move |writer: &Rc<Writer>, frame: Frame<'_>| books.borrow_mut().take(writer, seat, frame)
    })
    .await?;
    let pressed = press(bench, servers, &crowd, &books).await?;
    wait_until(SETTLE_TIMEOUT, || books.borrow().settled()).await;
    let trouble = trouble_figure(crowd.troubles());
    Ok(Outcome { pressed, syncs_per_second, books: books.take(), trouble })
}

/// Opens the windows, lets them run, and closes them again.
async fn press(
    bench: &Bench,
    servers: &[Server],
    crowd: &Crowd,
    books: &RefCell<Books>,
) -> Result<Pressed> {
    let flushes_done = || servers.first().and_then(|server| disk::flushes_done(server.home()));
    let cpu_time =
        || -> Result<Duration> { servers.iter().map(|server| process::cpu_time(server.pid)).sum() };
    let flushes_before = flushes_done();
    let cpu_before = cpu_time()?;
    let began = Instant::now();
    books.borrow_mut().window = bench.scale.durable_window;
    for conversation in 0..bench.scale.conversations {
        let roles = books.borrow().roles;
        books.borrow_mut().refill(&crowd.writer(conversation * roles)?, conversation);
    }
    sleep(bench.scale.durable).await;
    books.borrow_mut().window = 0;
    let (acked, wall) = (books.borrow().acked, began.elapsed().as_secs_f64());
    let cpu = cpu_time()? - cpu_before;
    let flushes = flushes_done().zip(flushes_before);
    Ok(Pressed {
        acked_per_second: acked as f64 / wall,
        flushes_per_second: flushes.map(|(after, before)| (after - before) as f64 / wall),
        busy: cpu.as_secs_f64() / wall,
    })
}

impl Books {
    fn new(bench: &Bench, roles: usize) -> Self {
        let in_flight_max = bench.scale.durable_window * bench.scale.conversations as u64;
        let content_bytes = bench.content_bytes;
        let mut books = Self { roles, in_flight_max, content_bytes, ..Self::default() };
        books.senders.resize_with(bench.scale.conversations, Sender::default);
        books.heard.resize_with(bench.scale.conversations * roles, Sequence::default);
        books
    }

    fn take(&mut self, writer: &Rc<Writer>, seat: usize, frame: Frame<'_>) {
        match frame {
            Frame::Ack(body) => self.take_ack(seat / self.roles, body),
            Frame::Message(body) => {
                self.heard[seat].take(body.stamp().map_or(0, |stamp| stamp.number));
            }
            // Answering all that came at once with one write keeps the generator cheap.
            Frame::Lull if seat.is_multiple_of(self.roles) => {
                self.refill(writer, seat / self.roles)
            }
            _ => {}
        }
    }

    fn take_ack(&mut self, conversation: usize, body: Body<'_>) {
        let sender = &mut self.senders[conversation];
        let Some(stamp) = body.stamp().filter(|_| body.success()) else {
            sender.failed += 1;
            return;
        };
        sender.acked.take(stamp.number);
        self.acked += 1;
        self.latencies.since(stamp.sent_ns);
        // One writer per conversation, who sends in order: the server's number must be ours.
        self.wrong_seqs += u64::from(body.seq() != Some(stamp.number));
    }

    /// Sends until the window is full again.
    fn refill(&mut self, writer: &Rc<Writer>, conversation: usize) {
        let sender = &mut self.senders[conversation];
        let (before, mut text) = (sender.sent, Vec::new());
        while sender.in_flight() < self.window {
            sender.sent += 1;
            let stamp = Stamp { number: sender.sent, sent_ns: clock::now_ns() };
            session::say(stamp, self.content_bytes, &mut text);
            writer.queue_text(&text);
        }
        if sender.sent > before {
            writer.flush();
        }
    }

    /// Whether everything was answered and heard.
    fn settled(&self) -> bool {
        let answered = self.senders.iter().all(|sender| sender.in_flight() == 0);
        let mut heard = self.heard.iter().enumerate();
        answered && heard.all(|(seat, heard)| heard.count() >= self.stored(seat))
    }

    /// How many messages the conversation of this seat has.
    fn stored(&self, seat: usize) -> u64 {
        let sender = &self.senders[seat / self.roles];
        sender.sent - sender.failed
    }
}

impl Sender {
    fn in_flight(&self) -> u64 {
        self.sent.saturating_sub(self.acked.count() + self.failed)
    }
}

impl Outcome {
    pub(super) fn rate(&self, prefix: &str) -> Figure {
        let busy = 100.0 * self.pressed.busy;
        Figure::new(format!("{prefix}acknowledged"), self.pressed.acked_per_second, "/s")
            .note(format!("server busy {busy:.0} % of a core"))
    }

    pub(super) fn disk_figures(&mut self, prefix: &str) -> Vec<Figure> {
        let latencies = &mut self.books.latencies;
        let mut figures = vec![
            Figure::new(format!("{prefix}send to ack, p50"), latencies.part_ms(0.5), "ms"),
            Figure::new(format!("{prefix}send to ack, p99"), latencies.part_ms(0.99), "ms"),
            Figure::new(format!("{prefix}this disk's fdatasync"), self.syncs_per_second, "/s")
                .note("one writer, one page each"),
        ];
        if let Some(flushes) = self.pressed.flushes_per_second {
            // A flush makes safe what was written before it, which is at most all windows. More
            // acknowledgements than that were given before their message was safe.
            let in_flight = self.books.in_flight_max as f64;
            let per_flush = self.pressed.acked_per_second / flushes.max(1.0);
            let figure =
                Figure::new(format!("{prefix}acknowledged per flush of the disk"), per_flush, "");
            figures.push(figure.at_most(in_flight).note(format!("{flushes:.0} flushes/s")));
        }
        figures
    }

    /// What must be zero, and what went wrong.
    pub(super) fn soundness(&self, prefix: &str) -> Vec<Figure> {
        let books = &self.books;
        let mut acks = stats::Flaws::default();
        books.senders.iter().for_each(|sender| acks += sender.acked.flaws(sender.sent));
        let heard = stats::flaws(&books.heard, |seat| books.stored(seat));
        let mut figures = Vec::new();
        figures.push(flaw_figure(&format!("{prefix}acks"), acks));
        figures.push(flaw_figure(&format!("{prefix}messages"), heard));
        let wrong = books.wrong_seqs as f64;
        figures.push(Figure::new(format!("{prefix}wrong seqs"), wrong, "").at_most(0.0));
        figures.extend(self.trouble.clone());
        figures
    }
}
