//! A client of the storm: hears its conversations, comes back whenever it is cut, with the backoff
//! of `socket.io-client`, and says then where it was.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::client::{Body, Client as _};
use crate::clock;
use crate::crowd::Troubles;
use crate::scale::JOIN_WIDTH;
use crate::socketio::{Entry, Guest, PATH, Packet, Recovery};
use crate::stats::{Latencies, Sequence};
use crate::ws::{self, Reader};

/// `socket.io-client`'s defaults: the first wait, the longest one, how far chance changes each,
/// and how long an attempt may take.
const WAIT: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(5);
const WAIT_SPREAD: f64 = 0.5;
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);

/// What all clients heard. An ear is one client's place in one conversation.
#[derive(Debug)]
pub(super) struct Books {
    /// By ear.
    pub(super) heard: RefCell<Vec<Sequence>>,
    /// By ear: the index of its conversation.
    conversation_of: Vec<usize>,
    /// By conversation: how many messages were acknowledged.
    sent: RefCell<Vec<u64>>,
    /// By client: since when it is there; 0 while it is not.
    back_ns: RefCell<Vec<u64>>,
    /// When the last message was heard, by anybody.
    pub(super) last_message_ns: Cell<u64>,
    /// Attempts to come back.
    pub(super) attempts: Cell<u64>,
    /// Clients that came back and were not taken up where they were.
    pub(super) unrecovered: Cell<u64>,
    pub(super) troubles: Troubles,
}

/// One client.
pub(super) struct Listener {
    index: usize,
    /// The first of its ears; the others follow.
    first_ear: usize,
    guest: Guest,
    address: SocketAddr,
    books: Rc<Books>,
    doors: Rc<Semaphore>,
    /// The number the server gave it, and the last cursor.
    pid: Option<String>,
    offset: Option<String>,
}

impl Books {
    pub(super) fn new(guests: &[Guest], conversations: &[String]) -> Self {
        let mut conversation_of = Vec::new();
        for name in guests.iter().flat_map(Guest::conversations) {
            conversation_of.extend(conversations.iter().position(|known| known == name));
        }
        let mut heard = Vec::new();
        heard.resize_with(conversation_of.len(), Sequence::default);
        Self {
            heard: RefCell::new(heard),
            conversation_of,
            sent: RefCell::new(vec![0; conversations.len()]),
            back_ns: RefCell::new(vec![0; guests.len()]),
            last_message_ns: Cell::new(0),
            attempts: Cell::new(0),
            unrecovered: Cell::new(0),
            troubles: Troubles::default(),
        }
    }

    /// Notes an acknowledged message.
    pub(super) fn note_sent(&self, conversation: usize) {
        self.sent.borrow_mut()[conversation] += 1;
    }

    /// How many messages a conversation has.
    pub(super) fn sent_in(&self, conversation: usize) -> u64 {
        self.sent.borrow()[conversation]
    }

    /// How many messages an ear should have heard.
    pub(super) fn sent_to(&self, ear: usize) -> u64 {
        self.sent_in(self.conversation_of[ear])
    }

    /// How many messages there are.
    pub(super) fn sent(&self) -> u64 {
        self.sent.borrow().iter().sum()
    }

    /// How many clients are there.
    pub(super) fn present(&self) -> usize {
        self.back_ns.borrow().iter().filter(|ns| **ns > 0).count()
    }

    /// Whether every client came after this moment.
    pub(super) fn all_back_since(&self, ns: u64) -> bool {
        self.back_ns.borrow().iter().all(|back_ns| *back_ns > ns)
    }

    /// When the last client came.
    pub(super) fn last_back_ns(&self) -> u64 {
        self.back_ns.borrow().iter().copied().max().unwrap_or(0)
    }

    /// How long after this moment the clients came.
    pub(super) fn back_after(&self, ns: u64) -> Latencies {
        let mut back = Latencies::default();
        self.back_ns.borrow().iter().for_each(|back_ns| back.take(back_ns.saturating_sub(ns)));
        back
    }

    /// Whether everything that was sent was heard.
    pub(super) fn is_complete(&self) -> bool {
        let heard = self.heard.borrow();
        heard.iter().enumerate().all(|(ear, heard)| heard.count() >= self.sent_to(ear))
    }
}

impl Listener {
    /// One for each guest.
    pub(super) fn all(
        guests: Vec<Guest>,
        address: SocketAddr,
        books: &Rc<Books>,
    ) -> impl Iterator<Item = Self> {
        let doors = Rc::new(Semaphore::new(JOIN_WIDTH));
        let mut ears = 0;
        guests.into_iter().enumerate().map(move |(index, guest)| {
            let first_ear = ears;
            ears += guest.conversations().len();
            let (books, doors) = (Rc::clone(books), Rc::clone(&doors));
            let (pid, offset) = (None, None);
            Self { index, first_ear, guest, address, books, doors, pid, offset }
        })
    }

    /// Joins, and hears and comes back for ever.
    pub(super) async fn listen(mut self) {
        // The first time they come in some order; what is measured is how they come back.
        let doors = Rc::clone(&self.doors);
        let door = doors.acquire().await;
        let mut entered = self.enter().await;
        drop(door);
        loop {
            match entered {
                Ok((mut reader, mut entry)) => {
                    self.books.back_ns.borrow_mut()[self.index] = clock::now_ns();
                    while self.hear(&mut reader, &mut entry).await.is_ok() {}
                    self.books.back_ns.borrow_mut()[self.index] = 0;
                }
                Err(fault) => {
                    return self.books.troubles.note(format!("{}: {fault:#}", self.guest.user()));
                }
            }
            entered = Ok(self.come_back().await);
        }
    }

    /// Tries until it is in again.
    async fn come_back(&mut self) -> (Reader, Entry) {
        let mut wait = WAIT;
        loop {
            sleep(wait.mul_f64(1.0 + WAIT_SPREAD * (2.0 * chance() - 1.0))).await;
            wait = (wait * 2).min(WAIT_MAX);
            self.books.attempts.set(self.books.attempts.get() + 1);
            if let Ok(Ok((reader, entry))) = timeout(ATTEMPT_TIMEOUT, self.enter()).await {
                let lost = u64::from(!entry.is_recovered());
                self.books.unrecovered.set(self.books.unrecovered.get() + lost);
                return (reader, entry);
            }
        }
    }

    async fn enter(&mut self) -> Result<(Reader, Entry)> {
        let known = self.pid.clone().zip(self.offset.clone());
        let recovery = known.map(|(pid, offset)| Recovery { pid, offset });
        let mut entry = Entry::new(self.guest.clone(), recovery);
        let mut reader = ws::open(self.address, PATH).await?;
        while !entry.is_in()? {
            self.hear(&mut reader, &mut entry).await?;
        }
        Ok((reader, entry))
    }

    /// Reads once.
    async fn hear(&mut self, reader: &mut Reader, entry: &mut Entry) -> Result<()> {
        let writer = Rc::clone(reader.writer());
        let hear = |text: &[u8]| {
            let packet = Packet::of(text);
            entry.take(packet, &writer);
            match packet {
                Packet::Connected(pid) => self.pid = pid.map(str::to_owned),
                Packet::Cursor(offset) => self.offset = Some(offset.to_owned()),
                Packet::Message(body) => self.note(body),
                Packet::Refusal(text) => {
                    let text = String::from_utf8_lossy(text);
                    self.books.troubles.note(format!("{}: {text}", self.guest.user()));
                }
                _ => {}
            }
        };
        reader.read(hear).await
    }

    fn note(&self, message: Body<'_>) {
        let name = message.text_of("conversationId").unwrap_or_default();
        let place = self.guest.conversations().iter().position(|known| known == name);
        let stamp = message.stamp();
        let (Some(place), Some(stamp)) = (place, stamp) else {
            return self.books.troubles.note(format!("{}: a strange message", self.guest.user()));
        };
        self.books.heard.borrow_mut()[self.first_ear + place].take(stamp.number);
        self.books.last_message_ns.set(clock::now_ns());
    }
}

/// A number from 0 to 1.
fn chance() -> f64 {
    const BITS: u32 = 32;
    (Uuid::new_v4().as_u128() >> (128 - BITS)) as f64 / 2_f64.powi(BITS as i32)
}
