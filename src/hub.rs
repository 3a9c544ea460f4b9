//! Who on this node listens to what.
//!
//! The hub moves a publication from its topics to the outboxes of those who listen, and never
//! waits for anybody. It knows neither sockets nor frames: a connection drains its own outbox and
//! encodes with its own codec, and [`Publication`] keeps the frame, so that ten thousand listeners
//! cost one encoding per dialect.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::model::{
    CloseReason, ConnId, Cursor, Envelope, Event, EventSet, ExternalId, TenantId, Topic, UserId,
};

/// Topic to listeners, for the connections of this node. Cheap to clone.
#[derive(Clone, Default)]
pub struct Hub {
    topics: Arc<Mutex<HashMap<Topic, Listeners>>>,
}

/// Most topics have two or three listeners, and all are told together; a list does both best.
type Listeners = Vec<(ConnId, Arc<Outbox>)>;

/// How a publication was received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Connections that listen.
    pub listeners: usize,
    /// Those whose outbox took it.
    pub taken: usize,
    /// Those closed because their outbox was full.
    pub closed_as_slow: usize,
}

/// An envelope on its way to sockets, with the frame of each dialect once somebody needed it.
pub struct Publication {
    /// What is published.
    pub envelope: Arc<Envelope>,
    frames: [Frames; Encoding::COUNT],
    is_delivered: AtomicBool,
}

/// A way to write a publication down: that of a dialect, and where it has two, one for those who
/// take part in a conversation and one for consoles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// The session dialect's.
    Session,
    /// Socket.IO's.
    SocketIo,
    /// The hub's for consoles.
    Console,
    /// The hub's for visitors.
    Visitor,
}

impl Encoding {
    const COUNT: usize = Encoding::Visitor as usize + 1;
}

/// What a dialect writes for a publication, once somebody needed it.
#[derive(Default)]
struct Frames {
    event: OnceLock<Option<Bytes>>,
    /// For those who call the conversation by another name. It rarely has two; who calls it by the
    /// second has its frames made for itself.
    named: OnceLock<(ExternalId, Option<Bytes>)>,
    /// How far its reader has read now.
    mark: OnceLock<Option<Bytes>>,
}

/// A connection's bounded queue of publications, and the flags its loop must see.
pub struct Outbox {
    /// Whose connection it is; nobody hears their own typing.
    user: UserId,
    capacity: usize,
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Arc<Publication>>,
    /// While the connection still reads the log, a full outbox is no fault of its own.
    is_catching_up: bool,
    /// What is not meant for its user in person comes in only if it is one of these.
    unwanted: EventSet,
    /// The position of the last durable event it was offered, whether or not it took it.
    offered: u64,
    has_lost: bool,
    is_ping_due: bool,
    close: Option<CloseReason>,
}

impl State {
    fn urgent(&mut self) -> Option<Todo> {
        match self.close {
            Some(reason) => Some(Todo::Close(reason)),
            None => std::mem::take(&mut self.is_ping_due).then_some(Todo::Ping),
        }
    }
}

/// What a connection's loop has to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Todo {
    /// Write the publications handed over.
    Write,
    /// Ask whether the peer is still there.
    Ping,
    /// Stop, for this reason.
    Close(CloseReason),
}

/// What became of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offer {
    Taken,
    Dropped,
    TooSlow,
}

// === impl Hub ===

impl Hub {
    /// Adds a connection to a topic it does not listen to yet.
    pub fn subscribe(&self, topic: Topic, conn: ConnId, outbox: Arc<Outbox>) {
        let mut topics = self.lock();
        let listeners = topics.entry(topic).or_insert_with(|| Vec::with_capacity(2));
        listeners.push((conn, outbox));
    }

    /// Removes a connection from a topic.
    pub fn unsubscribe(&self, topic: &Topic, conn: ConnId) {
        if let Entry::Occupied(mut listeners) = self.lock().entry(topic.clone()) {
            listeners.get_mut().retain(|(c, _)| *c != conn);
            if listeners.get().is_empty() {
                listeners.remove();
            }
        }
    }

    /// Whether anybody listens to a topic.
    pub fn is_heard(&self, topic: &Topic) -> bool {
        self.lock().contains_key(topic)
    }

    /// To how many topics of a tenant somebody listens.
    pub fn topics_of(&self, tenant: &TenantId) -> usize {
        self.lock().keys().filter(|topic| topic.tenant() == tenant).count()
    }

    /// Hands a publication to everybody who listens to its topics, once each.
    ///
    /// A full outbox loses a volatile event, and for any other event loses the connection: a
    /// reader with a hole in its history is worse off than one that comes back with its cursor.
    pub fn publish(&self, publication: &Arc<Publication>) -> Reach {
        let topics = self.lock();
        let heard = publication.envelope.topics();
        let mut heard = heard.filter_map(|topic| Some((topics.get(&topic)?, topic)));
        let Some((first, _)) = heard.next() else { return Reach::default() };
        let mut reach = Reach::default();
        first.iter().for_each(|(_, outbox)| reach.count(outbox.offer(publication)));
        // Only a connection in more than one of the topics could hear it twice.
        let mut told: Option<HashSet<ConnId>> = None;
        for (listeners, topic) in heard {
            // A console listens to its tenant and to nothing else, and nobody else does.
            if matches!(topic, Topic::Tenant(_)) {
                listeners.iter().for_each(|(_, outbox)| reach.count(outbox.offer(publication)));
                continue;
            }
            let told = told.get_or_insert_with(|| first.iter().map(|(conn, _)| *conn).collect());
            for (conn, outbox) in listeners {
                if told.insert(*conn) {
                    reach.count(outbox.offer(publication));
                }
            }
        }
        reach
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Topic, Listeners>> {
        // A panic while holding the lock leaves the maps whole: each method is one map operation.
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reach {
    fn count(&mut self, offer: Offer) {
        self.listeners += 1;
        self.taken += usize::from(offer == Offer::Taken);
        self.closed_as_slow += usize::from(offer == Offer::TooSlow);
    }
}

// === impl Publication ===

impl Publication {
    /// An envelope nobody has encoded yet.
    pub fn new(envelope: Arc<Envelope>) -> Arc<Publication> {
        let frames = Default::default();
        Arc::new(Publication { envelope, frames, is_delivered: AtomicBool::new(false) })
    }

    /// The frame in this encoding, made by the first connection that asks.
    pub fn frame(
        &self,
        encoding: Encoding,
        encode: impl FnOnce(&Envelope) -> Option<Bytes>,
    ) -> Option<Bytes> {
        self.frames[encoding as usize].event.get_or_init(|| encode(&self.envelope)).clone()
    }

    /// The frame for those who call the conversation by `name`.
    pub fn frame_named(
        &self,
        encoding: Encoding,
        name: &ExternalId,
        encode: impl Fn(&Envelope, &ExternalId) -> Option<Bytes>,
    ) -> Option<Bytes> {
        let encoded = || encode(&self.envelope, name);
        let known = self.frames[encoding as usize].named.get_or_init(|| (name.clone(), encoded()));
        if known.0 == *name { known.1.clone() } else { encoded() }
    }

    /// The frame that says how far whoever got this one has read.
    pub fn mark(
        &self,
        encoding: Encoding,
        encode: impl FnOnce(Cursor) -> Option<Bytes>,
    ) -> Option<Bytes> {
        let cursor = self.envelope.cursor?;
        self.frames[encoding as usize].mark.get_or_init(|| encode(cursor)).clone()
    }

    /// True for the first caller alone: who writes a message first, delivers it.
    pub fn is_first_delivery(&self) -> bool {
        !self.is_delivered.load(Ordering::Relaxed)
            && !self.is_delivered.swap(true, Ordering::Relaxed)
    }

    /// Whether it makes an older, unread one pointless.
    fn replaces(&self, older: &Publication) -> bool {
        match (&self.envelope.event, &older.envelope.event) {
            (Event::Typing(new), Event::Typing(old)) => {
                new.session_id == old.session_id && new.user_id == old.user_id
            }
            (Event::PresenceChanged(new), Event::PresenceChanged(old)) => {
                new.user_id == old.user_id
            }
            (Event::QueueStats(new), Event::QueueStats(old)) => {
                new.department_id == old.department_id && new.queue_name == old.queue_name
            }
            _ => false,
        }
    }

    /// Whether `user` is not told because it did it.
    fn is_hidden_from(&self, user: &UserId) -> bool {
        matches!(&self.envelope.event, Event::Typing(typing) if typing.user_id == *user)
    }
}

// === impl Outbox ===

impl Outbox {
    /// An empty outbox of a user's connection.
    pub fn new(user: UserId, capacity: usize) -> Arc<Outbox> {
        Arc::new(Outbox { user, capacity, state: Mutex::default(), wake: Notify::new() })
    }

    /// From here on it takes these alone, and what is meant for somebody in person. Returns the
    /// position up to which what it was offered before was taken or left by the old choice.
    pub fn take_only(&self, wanted: EventSet) -> u64 {
        let mut state = self.lock();
        state.unwanted = EventSet::ALL.without(wanted);
        state.offered
    }

    /// From here on a full outbox loses what it holds instead of the connection, because the
    /// connection reads the log meanwhile and will find it there.
    pub fn begin_catch_up(&self) {
        let mut state = self.lock();
        state.queue.clear();
        state.is_catching_up = true;
        state.has_lost = false;
    }

    /// Goes live, unless something was lost since [`Outbox::begin_catch_up`]; then the connection
    /// must read on, and the outbox starts anew.
    pub fn end_catch_up(&self) -> bool {
        let mut state = self.lock();
        if std::mem::take(&mut state.has_lost) {
            state.queue.clear();
            return false;
        }
        state.is_catching_up = false;
        true
    }

    /// Tells the loop to stop. The first reason counts.
    pub fn close(&self, reason: CloseReason) {
        self.lock().close.get_or_insert(reason);
        self.wake.notify_one();
    }

    /// Tells the loop to ping its peer.
    pub fn request_ping(&self) {
        self.lock().is_ping_due = true;
        self.wake.notify_one();
    }

    /// How many publications wait.
    pub fn depth(&self) -> usize {
        self.lock().queue.len()
    }

    /// The next thing to do; for [`Todo::Write`], `batch` gets all that waits. Without a batch,
    /// what waits goes on waiting. Can be dropped at any await without losing anything.
    pub async fn next(&self, mut batch: Option<&mut VecDeque<Arc<Publication>>>) -> Todo {
        loop {
            if let Some(todo) = self.poll(batch.as_deref_mut()) {
                return todo;
            }
            self.wake.notified().await;
        }
    }

    /// Waits until the connection must stop.
    pub async fn closed(&self) -> CloseReason {
        loop {
            if let Some(reason) = self.lock().close {
                return reason;
            }
            self.wake.notified().await;
        }
    }

    fn poll(&self, batch: Option<&mut VecDeque<Arc<Publication>>>) -> Option<Todo> {
        let mut state = self.lock();
        if let Some(todo) = state.urgent() {
            return Some(todo);
        }
        let batch = batch.filter(|_| !state.queue.is_empty())?;
        debug_assert!(batch.is_empty());
        std::mem::swap(&mut state.queue, batch);
        Some(Todo::Write)
    }

    fn offer(&self, publication: &Arc<Publication>) -> Offer {
        if publication.is_hidden_from(&self.user) {
            return Offer::Dropped;
        }
        let mut state = self.lock();
        state.offered = state.offered.max(publication.envelope.position());
        if state.unwanted.contains(&publication.envelope.event)
            && !publication.envelope.is_personal()
        {
            return Offer::Dropped;
        }
        let is_volatile = publication.envelope.cursor.is_none();
        if is_volatile && let Some(old) = state.queue.iter_mut().find(|p| publication.replaces(p)) {
            *old = publication.clone();
            return Offer::Taken;
        }
        if state.queue.len() < self.capacity {
            state.queue.push_back(publication.clone());
            // One wake-up is enough for all that wait.
            let is_first = state.queue.len() == 1;
            drop(state);
            if is_first {
                self.wake.notify_one();
            }
            return Offer::Taken;
        }
        if is_volatile || state.close.is_some() {
            return Offer::Dropped;
        }
        if state.is_catching_up {
            state.has_lost = true;
            return Offer::Dropped;
        }
        state.close = Some(CloseReason::SlowConsumer);
        drop(state);
        self.wake.notify_one();
        Offer::TooSlow
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
