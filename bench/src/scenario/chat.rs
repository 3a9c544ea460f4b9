//! Latency at a fixed rate: every conversation has a customer who writes and an agent who reads.
//!
//! The schedule is open: a message counts from the moment it was meant to be sent, whether or not
//! the ones before were answered, so a server that stalls cannot hide it by slowing the
//! generator down.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use tokio::sync::mpsc;

use super::{Bench, flaw_figure, pairs, trouble_figure, wait_until};
use crate::clock;
use crate::crowd::Crowd;
use crate::process;
use crate::report::Figure;
use crate::scale::{JOIN_WIDTH, SETTLE_TIMEOUT};
use crate::stats::{self, Flaws, Latencies, Sequence};
use crate::wire::{Body, Frame, Stamp};
use crate::ws::Writer;

/// Time between the decision to start and the first message.
const LEAD: Duration = Duration::from_millis(100);
/// Due messages the sending side may fall behind by before the schedule waits for it.
const DUE_MAX: usize = 65_536;

/// What all connections heard.
#[derive(Debug, Default)]
struct Books {
    /// By conversation: what the sender saw acknowledged.
    acked: Vec<Sequence>,
    /// By seat: the messages that came.
    heard: Vec<Sequence>,
    ack: Latencies,
    other_side: Latencies,
    /// How late the generator itself sent.
    lateness: Latencies,
    failed_acks: u64,
    wrong_seqs: u64,
}

pub(super) async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let server = bench.launch.start().await?;
    let conversations = bench.scale.conversations;
    let seats = pairs(conversations);
    let books = Rc::new(RefCell::new(Books::new(conversations)));
    let crowd = Crowd::gather(server.address, &seats, JOIN_WIDTH, |seat| {
        let books = Rc::clone(&books);
        move |_: &Rc<Writer>, frame: Frame<'_>| books.borrow_mut().take(seat, frame)
    })
    .await?;
    let cpu_before = process::cpu_time(server.pid)?;
    let sent = talk(bench, &crowd, &books).await?;
    let complete = || books.borrow().complete(sent);
    wait_until(SETTLE_TIMEOUT, complete).await;
    let cpu = process::cpu_time(server.pid)? - cpu_before;

    let mut figures = books.borrow_mut().figures(sent);
    let cpu_us = cpu.as_secs_f64() * 1e6 / sent as f64;
    figures.push(Figure::new("CPU per message", cpu_us, "us").note(format!("{sent} messages")));
    figures.extend(trouble_figure(crowd.troubles()));
    server.stop().await;
    Ok(figures)
}

/// Sends on schedule, the conversations in turn, and says how many messages it was.
async fn talk(bench: &Bench, crowd: &Crowd, books: &RefCell<Books>) -> Result<u64> {
    let conversations = bench.scale.conversations as u64;
    let per_second = bench.scale.chat_per_second;
    let total = per_second * bench.scale.chat.as_secs();
    let interval_ns = clock::nanos(Duration::from_secs(1)) / per_second;
    let first_ns = clock::now_ns() + clock::nanos(LEAD);
    let (due, mut dues) = mpsc::channel(DUE_MAX);
    // A thread keeps the schedule, because the runtime's timers are too coarse for it.
    let pacer = std::thread::spawn(move || {
        for index in 0..total {
            let at_ns = first_ns + index * interval_ns;
            clock::block_until(at_ns);
            if due.blocking_send((index, at_ns)).is_err() {
                return;
            }
        }
    });
    while let Some((index, sent_ns)) = dues.recv().await {
        let seat = usize::try_from(index % conversations)? * 2;
        let stamp = Stamp { number: index / conversations + 1, sent_ns };
        bench.send(&crowd.writer(seat)?, stamp);
        books.borrow_mut().lateness.since(sent_ns);
    }
    // It has dropped its end of the channel, so it is over.
    let _ = pacer.join();
    Ok(total)
}

impl Books {
    fn new(conversations: usize) -> Self {
        let mut books = Self::default();
        books.acked.resize_with(conversations, Sequence::default);
        books.heard.resize_with(conversations * 2, Sequence::default);
        books
    }

    fn take(&mut self, seat: usize, frame: Frame<'_>) {
        match frame {
            Frame::Ack(body) => self.take_ack(seat, body),
            Frame::Message(body) => {
                let stamp = body.stamp().unwrap_or(Stamp { number: 0, sent_ns: 0 });
                self.heard[seat].take(stamp.number);
                let is_agent = seat % 2 == 1;
                if is_agent {
                    self.other_side.since(stamp.sent_ns);
                }
            }
            _ => {}
        }
    }

    fn take_ack(&mut self, seat: usize, body: Body<'_>) {
        let Some(stamp) = body.stamp().filter(|_| body.success()) else {
            self.failed_acks += 1;
            return;
        };
        self.ack.since(stamp.sent_ns);
        self.acked[seat / 2].take(stamp.number);
        // One writer per conversation, who sends in order: the server's number must be ours.
        self.wrong_seqs += u64::from(body.seq() != Some(stamp.number));
    }

    /// How many messages the conversation with this number was sent, of `sent` in all.
    fn share(&self, sent: u64, conversation: usize) -> u64 {
        let conversations = self.acked.len() as u64;
        let more = (conversation as u64) < sent % conversations;
        sent / conversations + u64::from(more)
    }

    fn complete(&self, sent: u64) -> bool {
        let acked: u64 = self.acked.iter().map(Sequence::count).sum();
        let heard: u64 = self.heard.iter().map(Sequence::count).sum();
        acked + self.failed_acks >= sent && heard >= sent * 2
    }

    fn figures(&mut self, sent: u64) -> Vec<Figure> {
        let mut figures = Vec::new();
        figures.extend(latency_figures("send to ack", &mut self.ack, Some(15.0)));
        figures.extend(latency_figures("send to other side", &mut self.other_side, None));
        let late_ms = self.lateness.part_ms(0.99);
        figures.push(Figure::new("generator late, p99", late_ms, "ms").note("part of the above"));
        let acked: Flaws = stats::flaws(&self.acked, |index| self.share(sent, index));
        let heard = stats::flaws(&self.heard, |seat| self.share(sent, seat / 2));
        figures.push(flaw_figure("acks", acked));
        figures.push(flaw_figure("messages", heard));
        let wrong = self.wrong_seqs as f64;
        figures.push(Figure::new("acks with a wrong seq", wrong, "").at_most(0.0));
        figures
    }
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
