//! Latency at a fixed rate: every conversation has a customer who writes and an agent who reads.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;

use super::{Bench, flaw_figure, latency_figures, pairs, trouble_figure, wait_until};
use crate::client::{Body, Frame, Speaker, Stamp};
use crate::crowd::{Crowd, Doors};
use crate::pace::Schedule;
use crate::process;
use crate::report::Figure;
use crate::scale::{JOIN_WIDTH, SETTLE_TIMEOUT};
use crate::server::Server;
use crate::stats::{self, Flaws, Latencies, Sequence};
use crate::ws::Writer;

/// What all connections heard.
#[derive(Debug)]
struct Books {
    schedule: Schedule,
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

/// A customer and an agent in each conversation, who have come in.
#[derive(Debug)]
pub(super) struct Meeting {
    books: Rc<RefCell<Books>>,
    crowd: Crowd,
    sent: u64,
}

/// How many messages a second, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) per_second: u64,
    pub(super) lasts: Duration,
}

pub(super) async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let server = bench.launch.start().await?;
    let figures = measure(bench, &server, &pairs(bench.scale.conversations)).await?;
    server.stop().await;
    Ok(figures)
}

/// Lets the customers, on seats 0, 2, 4 ..., talk to the agents on seats 1, 3, 5 ...
pub(super) async fn measure<C: Speaker>(
    bench: &Bench,
    server: &Server,
    seats: &[C],
) -> Result<Vec<Figure>> {
    let pace = Pace { per_second: bench.scale.chat_per_second, lasts: bench.scale.chat };
    let mut meeting = Meeting::gather(server.address, seats).await?;
    let cpu_before = process::cpu_time(server.pid)?;
    meeting.talk(bench, pace, seats).await?;
    let cpu = process::cpu_time(server.pid)? - cpu_before;

    let mut figures = meeting.latency_figures();
    figures.extend(meeting.soundness());
    let sent = meeting.sent;
    let cpu_us = cpu.as_secs_f64() * 1e6 / sent as f64;
    figures.push(Figure::new("CPU per message", cpu_us, "us").note(format!("{sent} messages")));
    figures.extend(meeting.trouble());
    Ok(figures)
}

impl Meeting {
    /// Lets everybody come in.
    pub(super) async fn gather<C: Speaker>(doors: impl Doors, seats: &[C]) -> Result<Self> {
        let books = Rc::new(RefCell::new(Books::new(seats.len() / 2)));
        let crowd = Crowd::gather(doors, seats, JOIN_WIDTH, |seat| {
            let books = Rc::clone(&books);
            move |_: &Rc<Writer>, frame: Frame<'_>| books.borrow_mut().take::<C>(seat, frame)
        })
        .await?;
        Ok(Self { books, crowd, sent: 0 })
    }

    /// Sends on schedule, the conversations in turn, and waits until everything was heard. Once:
    /// the numbers begin with 1.
    pub(super) async fn talk<C: Speaker>(
        &mut self,
        bench: &Bench,
        pace: Pace,
        seats: &[C],
    ) -> Result<()> {
        let conversations = seats.len() as u64 / 2;
        let total = pace.per_second * pace.lasts.as_secs();
        let schedule = Schedule::per_second(pace.per_second);
        self.books.borrow_mut().schedule = schedule;
        let mut dues = schedule.run(total);
        while let Some(index) = dues.recv().await {
            let seat = usize::try_from(index % conversations)? * 2;
            let sent_ns = schedule.due_ns(index);
            let stamp = Stamp { number: index / conversations + 1, sent_ns };
            bench.send(&seats[seat], &self.crowd.writer(seat)?, stamp);
            self.books.borrow_mut().lateness.since(sent_ns);
        }
        self.sent = total;
        wait_until(SETTLE_TIMEOUT, || self.books.borrow().complete(total)).await;
        Ok(())
    }

    fn latency_figures(&self) -> Vec<Figure> {
        let mut books = self.books.borrow_mut();
        let mut figures = Vec::new();
        figures.extend(latency_figures("send to ack", &mut books.ack, Some(15.0)));
        figures.extend(latency_figures("send to other side", &mut books.other_side, None));
        let late_ms = books.lateness.part_ms(0.99);
        figures.push(Figure::new("generator late, p99", late_ms, "ms").note("part of the above"));
        figures
    }

    /// The delay, in milliseconds, until the other side had the message, that this part of all
    /// messages stays at or below.
    pub(super) fn other_side_ms(&self, part: f64) -> f64 {
        self.books.borrow_mut().other_side.part_ms(part)
    }

    /// The same for how late the generator was.
    pub(super) fn late_ms(&self, part: f64) -> f64 {
        self.books.borrow_mut().lateness.part_ms(part)
    }

    /// What went wrong on the connections.
    pub(super) fn trouble(&self) -> Option<Figure> {
        trouble_figure(self.crowd.troubles())
    }

    /// What must be zero.
    pub(super) fn soundness(&self) -> [Figure; 3] {
        let (books, sent) = (self.books.borrow(), self.sent);
        let acked: Flaws = stats::flaws(&books.acked, |index| books.share(sent, index));
        let heard = stats::flaws(&books.heard, |seat| books.share(sent, seat / 2));
        let wrong = books.wrong_seqs as f64;
        [
            flaw_figure("acks", acked),
            flaw_figure("messages", heard),
            Figure::new("acks with a wrong seq", wrong, "").at_most(0.0),
        ]
    }
}

impl Books {
    fn new(conversations: usize) -> Self {
        let sequences = |count| std::iter::repeat_with(Sequence::default).take(count).collect();
        Self {
            // Set again when the talk begins; nothing is heard before.
            schedule: Schedule::per_second(1),
            acked: sequences(conversations),
            heard: sequences(conversations * 2),
            ack: Latencies::default(),
            other_side: Latencies::default(),
            lateness: Latencies::default(),
            failed_acks: 0,
            wrong_seqs: 0,
        }
    }

    fn take<C: Speaker>(&mut self, seat: usize, frame: Frame<'_>) {
        match frame {
            Frame::Ack(body) => self.take_ack(seat / 2, body, C::answered(body)),
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

    fn take_ack(&mut self, conversation: usize, body: Body<'_>, number: Option<u64>) {
        let Some(number) = number.filter(|number| *number > 0 && body.success()) else {
            self.failed_acks += 1;
            return;
        };
        let index = (number - 1) * self.acked.len() as u64 + conversation as u64;
        self.ack.since(self.schedule.due_ns(index));
        self.acked[conversation].take(number);
        // One writer per conversation, who sends in order: the server's number must be ours.
        self.wrong_seqs += u64::from(body.seq() != Some(number));
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
}
