//! Many joined connections, each with a task that reads it and hands its frames to the scenario.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::client::{Client, Frame};
use crate::clock;
use crate::machine;
use crate::scale::JOIN_TIMEOUT;
use crate::ws::{Reader, Writer};

/// Connections that read in the background. Dropping it cuts them all.
#[derive(Debug)]
pub(crate) struct Crowd {
    shared: Rc<Shared>,
    _tasks: JoinSet<()>,
}

/// What the connections' tasks tell.
#[derive(Debug)]
struct Shared {
    writers: RefCell<Vec<Option<Rc<Writer>>>>,
    waiting: Cell<usize>,
    all_tried: Notify,
    failures: RefCell<Vec<String>>,
    last_frame_ns: Cell<u64>,
    last_joined_ns: Cell<u64>,
    troubles: Troubles,
}

/// What went wrong on connections that were established: refusals, and ends nobody asked for.
#[derive(Debug, Default, Clone)]
pub(crate) struct Troubles(Rc<RefCell<Vec<String>>>);

impl Troubles {
    /// Notes one.
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.0.borrow_mut().push(what.into());
    }

    /// How many there were.
    pub(crate) fn count(&self) -> usize {
        self.0.borrow().len()
    }

    /// The first of them.
    pub(crate) fn first(&self) -> Option<String> {
        self.0.borrow().first().cloned()
    }
}

/// Where each seat goes in: all at one server, or each where a function says.
pub(crate) trait Doors {
    /// The server of the seat with this number.
    fn of(&self, seat: usize) -> SocketAddr;
}

impl Doors for SocketAddr {
    fn of(&self, _seat: usize) -> SocketAddr {
        *self
    }
}

impl<F: Fn(usize) -> SocketAddr> Doors for F {
    fn of(&self, seat: usize) -> SocketAddr {
        self(seat)
    }
}

impl Crowd {
    /// Joins all seats, `width` at a time and in their order, and waits until each is established
    /// or failed. `make(index)` gives the function that hears the frames of that seat.
    pub(crate) async fn try_gather<C, F>(
        doors: impl Doors,
        seats: &[C],
        width: usize,
        mut make: impl FnMut(usize) -> F,
    ) -> Result<Self>
    where
        C: Client,
        F: FnMut(&Rc<Writer>, Frame<'_>) + 'static,
    {
        check_fit(seats.len())?;
        let shared = Rc::new(Shared::new(seats.len()));
        let places = Rc::new(Semaphore::new(width));
        let mut tasks = JoinSet::new();
        for (index, seat) in seats.iter().enumerate() {
            let (shared, places, seat) = (Rc::clone(&shared), Rc::clone(&places), seat.clone());
            let (each, address) = (make(index), doors.of(index));
            tasks.spawn_local(async move {
                let place = places.acquire().await;
                let joined = join(address, &seat).await;
                drop(place);
                shared.attend(index, &seat, joined, each).await;
            });
        }
        while shared.waiting.get() > 0 {
            shared.all_tried.notified().await;
        }
        Ok(Self { shared, _tasks: tasks })
    }

    /// The same, for scenarios that need everybody.
    pub(crate) async fn gather<C, F>(
        doors: impl Doors,
        seats: &[C],
        width: usize,
        make: impl FnMut(usize) -> F,
    ) -> Result<Self>
    where
        C: Client,
        F: FnMut(&Rc<Writer>, Frame<'_>) + 'static,
    {
        let crowd = Self::try_gather(doors, seats, width, make).await?;
        if let Some(first) = crowd.failures().first() {
            bail!("{} of {} could not join: {first}", crowd.failures().len(), seats.len());
        }
        Ok(crowd)
    }

    /// The seats that could not join, each with its reason.
    pub(crate) fn failures(&self) -> Vec<String> {
        self.shared.failures.borrow().clone()
    }

    /// When the last seat that joined was established.
    pub(crate) fn last_joined_ns(&self) -> u64 {
        self.shared.last_joined_ns.get()
    }

    /// When the last frame came that is no ping, to anybody.
    pub(crate) fn last_frame_ns(&self) -> u64 {
        self.shared.last_frame_ns.get()
    }

    /// The writing half of a seat.
    pub(crate) fn writer(&self, index: usize) -> Result<Rc<Writer>> {
        let writers = self.shared.writers.borrow();
        writers.get(index).cloned().flatten().context("the connection is gone")
    }

    /// What went wrong since.
    pub(crate) fn troubles(&self) -> &Troubles {
        &self.shared.troubles
    }
}

impl Shared {
    fn new(seats: usize) -> Self {
        Self {
            writers: RefCell::new(vec![None; seats]),
            waiting: Cell::new(seats),
            all_tried: Notify::new(),
            failures: RefCell::default(),
            last_frame_ns: Cell::new(clock::now_ns()),
            last_joined_ns: Cell::new(clock::now_ns()),
            troubles: Troubles::default(),
        }
    }

    /// Notes how joining went and reads the connection until it ends.
    async fn attend<C: Client>(
        &self,
        index: usize,
        seat: &C,
        joined: Result<Reader>,
        mut each: impl FnMut(&Rc<Writer>, Frame<'_>),
    ) {
        let reader = match joined {
            Ok(reader) => {
                self.last_joined_ns.set(clock::now_ns());
                self.writers.borrow_mut()[index] = Some(Rc::clone(reader.writer()));
                Some(reader)
            }
            Err(fault) => {
                self.failures.borrow_mut().push(format!("{}: {fault:#}", seat.user()));
                None
            }
        };
        self.waiting.set(self.waiting.get() - 1);
        if self.waiting.get() == 0 {
            self.all_tried.notify_one();
        }
        let Some(reader) = reader else { return };
        let mut has_news = false;
        let hear = |writer: &Rc<Writer>, frame: Frame<'_>| {
            each(writer, frame);
            match frame {
                Frame::Lull if std::mem::take(&mut has_news) => {
                    self.last_frame_ns.set(clock::now_ns());
                }
                // Pings come for ever, and say nothing.
                Frame::Lull | Frame::Ping(_) => {}
                _ => has_news = true,
            }
        };
        listen(reader, seat, &self.troubles, hear).await;
    }
}

/// Reads a connection until it ends, and answers its pings.
pub(crate) async fn listen<C: Client>(
    mut reader: Reader,
    seat: &C,
    troubles: &Troubles,
    mut each: impl FnMut(&Rc<Writer>, Frame<'_>),
) {
    let writer = Rc::clone(reader.writer());
    loop {
        let read = reader.read(|text| {
            let frame = C::frame(text);
            match frame {
                Frame::Refusal(text) => troubles.note(format!("{}: {text}", seat.user())),
                Frame::Ping(answer) => {
                    writer.queue_text(answer);
                    writer.flush();
                }
                _ => {}
            }
            each(&writer, frame);
        });
        if let Err(fault) = read.await {
            return troubles.note(format!("{}: {fault:#}", seat.user()));
        }
        each(&writer, Frame::Lull);
    }
}

/// Refuses more connections than this process may hold.
pub(crate) fn check_fit(connections: usize) -> Result<()> {
    let fit = machine::connections_fit();
    ensure!(connections <= fit, "{connections} connections, but only {fit} fit: ulimit -n");
    Ok(())
}

/// The function of a seat whose frames nobody needs.
pub(crate) fn deaf(_seat: usize) -> impl FnMut(&Rc<Writer>, Frame<'_>) + 'static {
    |_, _| ()
}

/// Takes a seat, or fails after a while.
pub(crate) async fn join<C: Client>(address: SocketAddr, seat: &C) -> Result<Reader> {
    timeout(JOIN_TIMEOUT, seat.enter(address)).await.context("not established in time")?
}
