//! The storm: in every conversation one customer keeps writing while all agents are cut at once,
//! without a close frame, and come back behind the last cursor they saw. In the end every agent
//! must have heard every message once and in order.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::{Bench, flaw_figure, trouble_figure, wait_until};
use crate::client::{Client as _, Frame, Stamp};
use crate::clock;
use crate::crowd::{self, Crowd, Troubles};
use crate::report::Figure;
use crate::scale::{JOIN_TIMEOUT, JOIN_WIDTH, SETTLE_TIMEOUT};
use crate::session::{self, Seat};
use crate::stats::{self, Latencies, Sequence};
use crate::ws::{self, Reader};

/// Every conversation gets one message each time this has passed.
const MESSAGE_INTERVAL: Duration = Duration::from_secs(1);
/// Messages a conversation gets between two cuts.
const MESSAGES_PER_ROUND: u64 = 2;

/// What all listeners share.
#[derive(Debug)]
struct Books {
    heard: RefCell<Vec<Sequence>>,
    back: RefCell<Latencies>,
    /// Listeners who hear now.
    present: Cell<usize>,
    troubles: Troubles,
}

/// One client that is cut and resumes.
struct Listener {
    index: usize,
    seat: Seat,
    address: SocketAddr,
    books: Rc<Books>,
    cursor: Option<String>,
}

/// When the lines were cut last; 0 before the first time.
type CutNs = u64;

pub(super) async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let server = bench.launch.start().await?;
    let sessions: Vec<Uuid> =
        std::iter::repeat_with(Uuid::new_v4).take(bench.scale.storm_conversations).collect();
    let customers: Vec<Seat> = sessions
        .iter()
        .enumerate()
        .map(|(number, session)| Seat::customer(*session, number))
        .collect();
    let crowd = Crowd::gather(server.address, &customers, JOIN_WIDTH, crowd::deaf).await?;
    let listeners = bench.scale.storm_listeners * sessions.len();
    let books = Rc::new(Books::new(listeners, crowd.troubles().clone()));
    let (cut, cuts) = watch::channel::<CutNs>(0);
    let mut tasks = JoinSet::new();
    for index in 0..listeners {
        let session = sessions[index % sessions.len()];
        let seat = Seat::agent(session, index);
        let books = Rc::clone(&books);
        let listener = Listener { index, seat, address: server.address, books, cursor: None };
        tasks.spawn_local(listener.listen(cuts.clone()));
    }
    if !wait_until(JOIN_TIMEOUT, || books.present.get() == listeners).await {
        bail!("{} of {listeners} could join; {:?}", books.present.get(), books.troubles.first());
    }
    let sent = blow(bench, &customers, &crowd, &cut).await?;
    wait_until(SETTLE_TIMEOUT, || books.complete(sent)).await;

    let mut figures = books.figures(sent);
    figures.extend(trouble_figure(&books.troubles));
    server.stop().await;
    Ok(figures)
}

/// Sends in all conversations, evenly spread, and cuts the listeners in between; says how many
/// messages each conversation got.
async fn blow(
    bench: &Bench,
    customers: &[Seat],
    crowd: &Crowd,
    cut: &watch::Sender<CutNs>,
) -> Result<u64> {
    let conversations = bench.scale.storm_conversations;
    let step = MESSAGE_INTERVAL / u32::try_from(conversations)?;
    let messages = (bench.scale.storm_rounds + 1) * MESSAGES_PER_ROUND;
    let first_ns = clock::now_ns();
    let mut due = Duration::ZERO;
    for number in 1..=messages {
        for (conversation, customer) in customers.iter().enumerate() {
            let ahead_ns = (first_ns + clock::nanos(due)).saturating_sub(clock::now_ns());
            sleep(Duration::from_nanos(ahead_ns)).await;
            let stamp = Stamp { number, sent_ns: clock::now_ns() };
            bench.send(customer, &crowd.writer(conversation)?, stamp);
            due += step;
            // In the middle of a turn: half of the conversations have just had a message, half
            // are about to get one.
            let in_the_middle = conversation == conversations / 2;
            if in_the_middle && number % MESSAGES_PER_ROUND == 0 && number < messages {
                cut.send_replace(clock::now_ns());
            }
        }
    }
    Ok(messages)
}

impl Books {
    fn new(listeners: usize, troubles: Troubles) -> Self {
        let mut heard = Vec::new();
        heard.resize_with(listeners, Sequence::default);
        let (heard, present) = (RefCell::new(heard), Cell::new(0));
        Self { heard, back: RefCell::default(), present, troubles }
    }

    fn complete(&self, sent: u64) -> bool {
        self.heard.borrow().iter().all(|sequence| sequence.count() >= sent)
    }

    fn figures(&self, sent: u64) -> Vec<Figure> {
        let flaws = stats::flaws(&self.heard.borrow(), |_| sent);
        let mut back = self.back.borrow_mut();
        let clients = self.heard.borrow().len() as f64;
        let mut figures = vec![
            Figure::new("clients cut at once", clients, ""),
            Figure::new("cut to back, p50", back.part_ms(0.5), "ms"),
            Figure::new("cut to back, max", back.part_ms(1.0), "ms"),
        ];
        figures.push(flaw_figure("messages", flaws));
        figures
    }
}

impl Listener {
    async fn listen(mut self, mut cuts: watch::Receiver<CutNs>) {
        loop {
            let cut_ns = *cuts.borrow_and_update();
            let mut reader = match self.join(cut_ns).await {
                Ok(reader) => reader,
                Err(fault) => return self.trouble(&fault),
            };
            let ended = loop {
                tokio::select! {
                    changed = cuts.changed() => break changed.map_err(anyhow::Error::from),
                    read = self.hear(&mut reader) => if read.is_err() { break read.map(drop) },
                }
            };
            self.books.present.set(self.books.present.get() - 1);
            if let Err(fault) = ended {
                return self.trouble(&fault);
            }
        }
    }

    /// Connects, behind the last cursor if there is one, and waits for the first frame.
    async fn join(&mut self, cut_ns: CutNs) -> Result<Reader> {
        let path = self.seat.path(self.cursor.as_deref());
        let join = async {
            let mut reader = ws::open(self.address, &path).await?;
            while !self.hear(&mut reader).await? {}
            anyhow::Ok(reader)
        };
        let reader = timeout(JOIN_TIMEOUT, join).await??;
        if cut_ns > 0 {
            self.books.back.borrow_mut().since(cut_ns);
        }
        self.books.present.set(self.books.present.get() + 1);
        Ok(reader)
    }

    /// Reads once; whether the connection's first frame was among what came.
    async fn hear(&mut self, reader: &mut Reader) -> Result<bool> {
        let Self { index, seat, books, cursor, .. } = self;
        let mut established = false;
        let hear = |text: &[u8]| match Seat::frame(text) {
            Frame::Established(body) => {
                established = true;
                // When resuming, this may tell the end of the log, before the replay.
                if cursor.is_none() {
                    *cursor = session::cursor(body).map(str::to_owned);
                }
            }
            Frame::Message(body) => {
                let number = body.stamp().map_or(0, |stamp| stamp.number);
                books.heard.borrow_mut()[*index].take(number);
                *cursor = session::cursor(body).map(str::to_owned);
            }
            Frame::Refusal(text) => books.troubles.note(format!("{}: {text}", seat.user)),
            _ => {}
        };
        reader.read(hear).await?;
        Ok(established)
    }

    fn trouble(&self, fault: &anyhow::Error) {
        self.books.troubles.note(format!("{}: {fault:#}", self.seat.user));
    }
}
