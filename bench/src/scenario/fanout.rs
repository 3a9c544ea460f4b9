//! What one delivery costs the server: one speaker, a thousand listeners in the same
//! conversation. The listeners are few users with many connections each, so that the status
//! frames of their joining stay small.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::{Bench, flaw_figure, trouble_figure};
use crate::client::{Frame, Speaker, Stamp};
use crate::clock;
use crate::crowd::Crowd;
use crate::process;
use crate::report::Figure;
use crate::scale::{BURST, SETTLE_TIMEOUT};
use crate::server::Server;
use crate::session::Seat;
use crate::stats::{self, Flaws, Sequence};
use crate::ws::Writer;

/// Bursts before the clock starts.
const WARM_UP: u64 = 3;

/// What the listeners heard.
#[derive(Debug, Default)]
struct Tally {
    deliveries: Cell<u64>,
    goal: Cell<u64>,
    reached: Notify,
    others: Cell<u64>,
    sequences: RefCell<Vec<Sequence>>,
}

/// One measured stretch.
#[derive(Debug)]
pub(super) struct Stretch {
    cpu: Duration,
    wall: Duration,
    own_cpu: Duration,
    deliveries: u64,
    others: u64,
}

/// What one hall gave.
#[derive(Debug)]
pub(super) struct Outcome {
    /// Many at once; none when deliveries were missing.
    pub(super) bursts: Option<Stretch>,
    /// The same for one message at a time.
    pub(super) alone: Option<Stretch>,
    /// What must be zero.
    pub(super) flaws: Flaws,
    /// What went wrong on the connections.
    pub(super) trouble: Option<Figure>,
}

/// The speaker and its listeners.
struct Hall<'a, C> {
    bench: &'a Bench,
    server: &'a Server,
    speaker: &'a C,
    writer: Rc<Writer>,
    tally: Rc<Tally>,
    receivers: u64,
    sent: Cell<u64>,
}

pub(super) async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let server = bench.launch.start().await?;
    let Outcome { bursts, alone, flaws, trouble } = measure(bench, &server, &seats(bench)).await?;
    let mut figures = Vec::new();
    figures.extend(bursts.iter().flat_map(|it| it.figures("bursts of 16", Some(0.75))));
    figures.extend(alone.iter().flat_map(|it| it.figures("one at a time", Some(7.0))));
    figures.push(flaw_figure("deliveries", flaws));
    figures.extend(trouble);
    server.stop().await;
    Ok(figures)
}

/// Fills the hall, the speaker on the first seat, and measures both kinds of speaking.
pub(super) async fn measure<C: Speaker>(
    bench: &Bench,
    server: &Server,
    seats: &[C],
) -> Result<Outcome> {
    let tally = Rc::new(Tally::default());
    tally.sequences.borrow_mut().resize_with(seats.len(), Sequence::default);
    // One user after the other and one connection after the other: joins stay cheap.
    let crowd = Crowd::gather(server.address, seats, 1, |index| tally.listener(index)).await?;
    let hall = Hall {
        bench,
        server,
        speaker: &seats[0],
        writer: crowd.writer(0)?,
        tally: Rc::clone(&tally),
        receivers: seats.len() as u64,
        sent: Cell::new(0),
    };
    for _ in 0..WARM_UP {
        hall.burst(BURST).await;
    }
    let bursts = hall.stretch(BURST).await?;
    let alone = hall.stretch(1).await?;
    let sent = hall.sent.get();
    let flaws = stats::flaws(&tally.sequences.borrow(), |_| sent);
    Ok(Outcome { bursts, alone, flaws, trouble: trouble_figure(crowd.troubles()) })
}

/// The speaker, then the listeners.
fn seats(bench: &Bench) -> Vec<Seat> {
    let session = Uuid::new_v4();
    let mut seats = vec![Seat::customer(session, 0)];
    for user in 0..bench.scale.fanout_users {
        let connections = bench.scale.fanout_connections_per_user;
        seats.extend(std::iter::repeat_n(Seat::agent(session, user), connections));
    }
    seats
}

impl Tally {
    fn listener(self: &Rc<Self>, index: usize) -> impl FnMut(&Rc<Writer>, Frame<'_>) + use<> {
        let tally = Rc::clone(self);
        move |_, frame| match frame {
            Frame::Message(body) => {
                let number = body.stamp().map_or(0, |stamp| stamp.number);
                tally.sequences.borrow_mut()[index].take(number);
                tally.deliveries.set(tally.deliveries.get() + 1);
                if tally.deliveries.get() == tally.goal.get() {
                    tally.reached.notify_one();
                }
            }
            Frame::Lull => {}
            _ => tally.others.set(tally.others.get() + 1),
        }
    }
}

impl<C: Speaker> Hall<'_, C> {
    /// Sends `count` messages back to back and waits until everybody has them, the speaker
    /// included; false when some did not come.
    async fn burst(&self, count: u64) -> bool {
        // From what came, not from the last goal, so that one loss is not waited for twice.
        let goal = self.tally.deliveries.get() + count * self.receivers;
        self.tally.goal.set(goal);
        let mut text = Vec::new();
        for _ in 0..count {
            self.sent.set(self.sent.get() + 1);
            let stamp = Stamp { number: self.sent.get(), sent_ns: clock::now_ns() };
            self.speaker.say(stamp, self.bench.content_bytes, &mut text);
            self.writer.queue_text(&text);
        }
        self.writer.flush();
        timeout(SETTLE_TIMEOUT, self.tally.reached.notified()).await.is_ok()
    }

    /// Sends bursts until the server has used enough CPU time to be measured by the clock's
    /// ticks. None when deliveries are missing: then there is nothing to divide by.
    async fn stretch(&self, burst: u64) -> Result<Option<Stretch>> {
        let own = std::process::id();
        let cpu_before = process::cpu_time(self.server.pid)?;
        let own_before = process::cpu_time(own)?;
        let (deliveries, others) = (self.tally.deliveries.get(), self.tally.others.get());
        let began = Instant::now();
        let cpu = loop {
            if !self.burst(burst).await {
                return Ok(None);
            }
            let cpu = process::cpu_time(self.server.pid)? - cpu_before;
            if cpu >= self.bench.scale.fanout_cpu {
                break cpu;
            }
        };
        Ok(Some(Stretch {
            cpu,
            wall: began.elapsed(),
            own_cpu: process::cpu_time(own)? - own_before,
            deliveries: self.tally.deliveries.get() - deliveries,
            others: self.tally.others.get() - others,
        }))
    }
}

impl Stretch {
    /// The server's CPU time of one delivery in microseconds.
    pub(super) fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.deliveries as f64
    }

    pub(super) fn figures(&self, name: &str, target_us: Option<f64>) -> [Figure; 2] {
        let deliveries = self.deliveries as f64;
        let own_us = self.own_cpu.as_secs_f64() * 1e6 / deliveries;
        let others = self.others as f64 / deliveries;
        let note = format!("the generator's own: {own_us:.2} us");
        let busy = 100.0 * self.cpu.as_secs_f64() / self.wall.as_secs_f64();
        let rate_note = format!("{others:.2} other frames each; server busy {busy:.0} %");
        let rate = deliveries / self.wall.as_secs_f64();
        let cpu = Figure::new(format!("{name}: CPU per delivery"), self.cpu_us(), "us").note(note);
        [
            match target_us {
                Some(target) => cpu.at_most(target),
                None => cpu,
            },
            Figure::new(format!("{name}: deliveries"), rate, "/s").note(rate_note),
        ]
    }
}
