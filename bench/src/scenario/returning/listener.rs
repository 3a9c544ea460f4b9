//! A client of the storm: hears its conversations, comes back whenever it is cut, and says then
//! where it was. Beside it what all of them heard.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::{News, Route, Traveller};
use crate::client::Stamp;
use crate::clock;
use crate::crowd::Troubles;
use crate::scale::{JOIN_TIMEOUT, JOIN_WIDTH};
use crate::scenario::wait_until;
use crate::stats::{Latencies, Sequence};
use crate::ws::{self, Reader};

/// How long an attempt may take, as in `socket.io-client`.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);

/// What all clients heard. An ear is one client's place in one conversation.
#[derive(Debug)]
pub(in crate::scenario) struct Books {
    /// By ear.
    pub(in crate::scenario) heard: RefCell<Vec<Sequence>>,
    /// By ear: the index of its conversation.
    conversation_of: RefCell<Vec<usize>>,
    /// The names of the conversations.
    conversations: Rc<Vec<String>>,
    /// By conversation: how many messages were acknowledged.
    sent: RefCell<Vec<u64>>,
    /// By client: since when it is there; 0 while it is not.
    back_ns: RefCell<Vec<u64>>,
    /// The first time clients come in some order; what is measured is how they come back.
    doors: Semaphore,
    /// When the last message was heard, by anybody.
    pub(in crate::scenario) last_message_ns: Cell<u64>,
    /// Attempts to come back.
    pub(in crate::scenario) attempts: Cell<u64>,
    /// Clients that came back and were not taken up where they were.
    pub(in crate::scenario) unrecovered: Cell<u64>,
    pub(in crate::scenario) troubles: Troubles,
}

/// One client.
pub(in crate::scenario) struct Listener<T> {
    index: usize,
    /// The first of its ears; the others follow.
    first_ear: usize,
    traveller: T,
    route: Route,
    books: Rc<Books>,
}

impl Books {
    /// Nobody is there yet.
    pub(in crate::scenario) fn new(conversations: &Rc<Vec<String>>) -> Self {
        Self {
            heard: RefCell::default(),
            conversation_of: RefCell::default(),
            conversations: Rc::clone(conversations),
            sent: RefCell::new(vec![0; conversations.len()]),
            back_ns: RefCell::default(),
            doors: Semaphore::new(JOIN_WIDTH),
            last_message_ns: Cell::new(0),
            attempts: Cell::new(0),
            unrecovered: Cell::new(0),
            troubles: Troubles::default(),
        }
    }

    /// One more client: its number, and that of the first of its ears.
    fn admit(&self, conversations: &[String]) -> (usize, usize) {
        let mut conversation_of = self.conversation_of.borrow_mut();
        let (index, first_ear) = (self.back_ns.borrow().len(), conversation_of.len());
        self.back_ns.borrow_mut().push(0);
        for name in conversations {
            conversation_of.extend(self.conversations.iter().position(|known| known == name));
        }
        self.heard.borrow_mut().resize_with(conversation_of.len(), Sequence::default);
        (index, first_ear)
    }

    /// How many clients there are.
    pub(in crate::scenario) fn clients(&self) -> usize {
        self.back_ns.borrow().len()
    }

    /// Waits until all are there for the first time.
    pub(in crate::scenario) async fn wait_for_all(&self) -> Result<()> {
        let clients = self.clients();
        if !wait_until(JOIN_TIMEOUT, || self.present() == clients).await {
            bail!("{} of {clients} could join; {:?}", self.present(), self.troubles.first());
        }
        Ok(())
    }

    /// Notes an acknowledged message.
    pub(in crate::scenario) fn note_sent(&self, conversation: usize) {
        self.sent.borrow_mut()[conversation] += 1;
    }

    /// How many messages a conversation has.
    pub(in crate::scenario) fn sent_in(&self, conversation: usize) -> u64 {
        self.sent.borrow()[conversation]
    }

    /// How many messages an ear should have heard.
    pub(in crate::scenario) fn sent_to(&self, ear: usize) -> u64 {
        self.sent_in(self.conversation_of.borrow()[ear])
    }

    /// How many messages there are.
    pub(in crate::scenario) fn sent(&self) -> u64 {
        self.sent.borrow().iter().sum()
    }

    /// How many clients are there.
    pub(in crate::scenario) fn present(&self) -> usize {
        self.back_ns.borrow().iter().filter(|ns| **ns > 0).count()
    }

    /// Whether every client came after this moment.
    pub(in crate::scenario) fn all_back_since(&self, ns: u64) -> bool {
        self.back_ns.borrow().iter().all(|back_ns| *back_ns > ns)
    }

    /// When the last client came.
    pub(in crate::scenario) fn last_back_ns(&self) -> u64 {
        self.back_ns.borrow().iter().copied().max().unwrap_or(0)
    }

    /// How long after this moment the clients came.
    pub(in crate::scenario) fn back_after(&self, ns: u64) -> Latencies {
        let mut back = Latencies::default();
        self.back_ns.borrow().iter().for_each(|back_ns| back.take(back_ns.saturating_sub(ns)));
        back
    }

    /// Notes what an ear heard.
    fn note(&self, ear: usize, stamp: Stamp) {
        self.heard.borrow_mut()[ear].take(stamp.number);
        self.last_message_ns.set(clock::now_ns());
    }

    /// Whether everything that was sent was heard.
    pub(in crate::scenario) fn is_complete(&self) -> bool {
        let heard = self.heard.borrow();
        heard.iter().enumerate().all(|(ear, heard)| heard.count() >= self.sent_to(ear))
    }
}

impl<T: Traveller> Listener<T> {
    /// One more.
    pub(in crate::scenario) fn new(traveller: T, route: Route, books: &Rc<Books>) -> Self {
        let (index, first_ear) = books.admit(traveller.conversations());
        Self { index, first_ear, traveller, route, books: Rc::clone(books) }
    }

    /// Joins, and hears and comes back for ever.
    pub(in crate::scenario) async fn listen(mut self) {
        let books = Rc::clone(&self.books);
        let door = books.doors.acquire().await;
        let mut entered = self.enter().await;
        drop(door);
        loop {
            match entered {
                Ok(mut reader) => {
                    books.back_ns.borrow_mut()[self.index] = clock::now_ns();
                    while self.hear(&mut reader).await.is_ok() {}
                    books.back_ns.borrow_mut()[self.index] = 0;
                }
                Err(fault) => {
                    return books.troubles.note(format!("{}: {fault:#}", self.traveller.user()));
                }
            }
            self.route.first = self.route.then;
            entered = self.come_back().await;
        }
    }

    /// Tries until it is in again.
    async fn come_back(&mut self) -> Result<Reader> {
        for wait in T::BACKOFF.waits() {
            sleep(wait).await;
            self.books.attempts.set(self.books.attempts.get() + 1);
            if let Ok(Ok(reader)) = timeout(ATTEMPT_TIMEOUT, self.enter()).await {
                let lost = u64::from(!self.traveller.is_recovered());
                self.books.unrecovered.set(self.books.unrecovered.get() + lost);
                return Ok(reader);
            }
        }
        bail!("gave up")
    }

    async fn enter(&mut self) -> Result<Reader> {
        let path = self.traveller.begin();
        let mut reader = ws::open(self.route.first, &path).await?;
        while !self.traveller.is_in()? {
            self.hear(&mut reader).await?;
        }
        Ok(reader)
    }

    /// Reads once.
    async fn hear(&mut self, reader: &mut Reader) -> Result<()> {
        let writer = Rc::clone(reader.writer());
        let Self { traveller, books, first_ear, .. } = self;
        let hear = |text: &[u8]| match traveller.take(text, &writer) {
            News::Message(Some(place), Some(stamp)) => books.note(*first_ear + place, stamp),
            News::Message(..) => {
                books.troubles.note(format!("{}: a strange message", traveller.user()));
            }
            News::Refusal(text) => books.troubles.note(format!("{}: {text}", traveller.user())),
            News::Nothing => {}
        };
        reader.read(hear).await
    }
}
