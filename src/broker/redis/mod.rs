//! The line to the other nodes, by what Redis publishes.
//!
//! One channel on a single server, some on a cluster, each tenant always in the same one, so that a
//! sender's words about a tenant are heard in its order. A sender sends an empty message now and
//! then, and hears it like everybody: a line on which nothing at all is heard is begun anew.

mod codec;
#[cfg(test)]
mod tests;

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{Broker, Heard, Word};
use crate::limits::{
    REDIS_RETRY_PAUSE, WORDS_AT_ONCE, WORDS_BEAT_INTERVAL, WORDS_CHANNELS, WORDS_HEARD_QUEUE,
    WORDS_MESSAGE_BYTES, WORDS_QUEUE, WORDS_SILENCE_MAX,
};
use crate::model::{NodeId, TenantId};
use crate::redis::{Error, Listening, Published, Redis};

/// What went over the line since the start.
#[derive(Debug, Default)]
pub struct Figures {
    /// Words told.
    pub told: AtomicU64,
    /// Words lost, because the queue was full or Redis did not take them.
    pub lost: AtomicU64,
    /// Words heard of others.
    pub heard: AtomicU64,
    /// Words heard that nobody here had room for.
    pub dropped: AtomicU64,
    /// Parts of messages that could not be read.
    pub unreadable: AtomicU64,
    /// How often the line was begun anew.
    pub cuts: AtomicU64,
    /// Whether others are heard now.
    pub is_listening: AtomicBool,
}

/// A line to the other nodes, before it is spoken on.
pub struct Line {
    /// To tell them.
    pub broker: Arc<dyn Broker>,
    /// What they tell.
    pub heard: Heard,
    /// What there is to count.
    pub figures: Arc<Figures>,
    /// The work of it; to be spawned.
    pub work: Work,
}

/// Sends and hears.
pub struct Work {
    redis: Arc<Redis>,
    node: NodeId,
    channels: Vec<String>,
    words: mpsc::Receiver<Word>,
    heard: mpsc::Sender<Word>,
    figures: Arc<Figures>,
}

struct Queue {
    words: mpsc::Sender<Word>,
    figures: Arc<Figures>,
}

/// A line over Redis. Nothing happens on it until its work runs.
pub fn open(redis: Arc<Redis>, node: NodeId) -> Line {
    let (words, waiting) = mpsc::channel(WORDS_QUEUE);
    let (passed, heard) = mpsc::channel(WORDS_HEARD_QUEUE);
    let figures = Arc::new(Figures::default());
    let channels = channels(&redis);
    Line {
        broker: Arc::new(Queue { words, figures: figures.clone() }),
        heard,
        figures: figures.clone(),
        work: Work { redis, node, channels, words: waiting, heard: passed, figures },
    }
}

/// What is published is heard in all databases of a server, so the database's number is in the name.
fn channels(redis: &Redis) -> Vec<String> {
    let count = if redis.is_cluster() { WORDS_CHANNELS } else { 1 };
    (0..count).map(|number| format!("sb:words:{}:{number}", redis.db())).collect()
}

impl Broker for Queue {
    fn tell(&self, word: Word) {
        // The last quarter of the queue is for what is worth more than who is typing.
        let is_full = matches!(word, Word::Volatile(_)) && self.words.capacity() < WORDS_QUEUE / 4;
        if is_full || self.words.try_send(word).is_err() {
            self.figures.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn words(&self) -> [u64; 3] {
        let Figures { told, heard, lost, .. } = self.figures.as_ref();
        [told, heard, lost].map(|count| count.load(Ordering::Relaxed))
    }
}

impl Work {
    /// Sends what is told and passes on what is heard, for ever.
    pub async fn run(self) {
        let Work { redis, node, channels, words, heard, figures } = self;
        let sending = Sending { redis: &redis, node, channels: &channels, figures: &figures };
        let hearing = Hearing { node, heard, figures: &figures };
        tokio::join!(sending.run(words), hearing.run(&redis, &channels));
    }
}

fn count(counter: &AtomicU64, number: usize) {
    counter.fetch_add(u64::try_from(number).unwrap_or_default(), Ordering::Relaxed);
}

// === sending ===

struct Sending<'a> {
    redis: &'a Redis,
    node: NodeId,
    channels: &'a [String],
    figures: &'a Figures,
}

/// Messages for one channel.
struct Batch {
    messages: Vec<Vec<u8>>,
    words: usize,
}

impl Sending<'_> {
    async fn run(&self, mut words: mpsc::Receiver<Word>) {
        let (mut waiting, mut beat_at) = (Vec::new(), Instant::now());
        loop {
            match timeout_at(beat_at, words.recv_many(&mut waiting, WORDS_AT_ONCE)).await {
                Ok(0) => return,
                Ok(_) => self.send(waiting.drain(..)).await,
                Err(_) => {}
            }
            // Also while there is much to say: it may all be in another channel.
            if Instant::now() >= beat_at {
                self.beat().await;
                beat_at = Instant::now() + WORDS_BEAT_INTERVAL;
            }
        }
    }

    /// Something to hear, so that silence means a broken line.
    async fn beat(&self) {
        let message = self.close(codec::begin(self.node));
        for channel in self.channels {
            // Whether it arrives is seen by those who listen.
            let _ = self.publish(channel, std::slice::from_ref(&message)).await;
        }
    }

    async fn send(&self, words: impl Iterator<Item = Word>) {
        let mut batches: Vec<Batch> =
            self.channels.iter().map(|_| Batch { messages: vec![], words: 0 }).collect();
        for word in words {
            for (channel, part) in parts(word, self.channels.len()) {
                self.put(&mut batches[channel], &part);
            }
        }
        for (channel, batch) in self.channels.iter().zip(batches) {
            let messages: Vec<_> = batch.messages.into_iter().map(|m| self.close(m)).collect();
            if messages.is_empty() {
                continue;
            }
            match self.publish(channel, &messages).await {
                Ok(()) => count(&self.figures.told, batch.words),
                Err(err) => {
                    tracing::debug!(error = %err, words = batch.words, "words were lost");
                    count(&self.figures.lost, batch.words);
                }
            }
        }
    }

    /// Adds a word to the last message that has room, or to a new one.
    fn put(&self, batch: &mut Batch, word: &Word) {
        let Some(text) = codec::write(word) else { return count(&self.figures.lost, 1) };
        let has_room = |message: &Vec<u8>| message.len() + text.len() < WORDS_MESSAGE_BYTES;
        match batch.messages.last_mut().filter(|message| has_room(message)) {
            Some(message) => {
                message.push(b',');
                message.extend(text.as_bytes());
            }
            None => {
                let mut message = codec::begin(self.node);
                message.extend(text.as_bytes());
                batch.messages.push(message);
            }
        }
        batch.words += 1;
    }

    fn close(&self, mut message: Vec<u8>) -> Vec<u8> {
        message.push(b']');
        message
    }

    async fn publish(&self, channel: &str, messages: &[Vec<u8>]) -> Result<(), Error> {
        let name = if self.redis.is_cluster() { "SPUBLISH" } else { "PUBLISH" };
        let mut commands = ::redis::pipe();
        for message in messages {
            commands.cmd(name).arg(channel).arg(message).ignore();
        }
        self.redis.ask_all(&commands).await
    }
}

/// A word by channels: what is of several tenants, and what is longer than a message should be, in
/// parts.
fn parts(word: Word, channels: usize) -> Vec<(usize, Word)> {
    let of = |tenant: &TenantId| channel_of(tenant, channels);
    let channel = match &word {
        Word::Committed { .. } => return committed(word, channels),
        Word::Volatile(event) => of(&event.tenant),
        Word::Agent { tenant, .. }
        | Word::Kick(tenant, _)
        | Word::PutOut(tenant, _)
        | Word::WhoIsConnected { tenant, .. } => of(tenant),
        Word::Connected { connections, .. } => connections.first().map_or(0, |c| of(&c.tenant)),
    };
    vec![(channel, word)]
}

fn committed(word: Word, channels: usize) -> Vec<(usize, Word)> {
    /// Events of one word, so that a message of them stays small.
    const EVENTS_MAX: usize = 64;
    let Word::Committed { events, staff } = word else { return vec![] };
    let mut parts: Vec<(usize, Word)> = Vec::new();
    for number in 0..channels {
        let is_here = |tenant: &TenantId| channel_of(tenant, channels) == number;
        let own: Vec<_> = events.iter().filter(|event| is_here(&event.tenant)).collect();
        for some in own.chunks(EVENTS_MAX) {
            let events = some.iter().map(|event| Arc::clone(event)).collect();
            parts.push((number, Word::Committed { events, staff: vec![] }));
        }
        let staff: Vec<_> = staff.iter().filter(|tenant| is_here(tenant)).cloned().collect();
        if !staff.is_empty() {
            parts.push((number, Word::Committed { events: vec![], staff }));
        }
    }
    parts
}

fn channel_of(tenant: &TenantId, channels: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    tenant.hash(&mut hasher);
    usize::try_from(hasher.finish() % channels.max(1) as u64).unwrap_or_default()
}

// === hearing ===

struct Hearing<'a> {
    node: NodeId,
    heard: mpsc::Sender<Word>,
    figures: &'a Figures,
}

impl Hearing<'_> {
    /// Listens for ever. What is said while nobody listens is lost, and found in the log.
    async fn run(&self, redis: &Redis, channels: &[String]) {
        while !self.heard.is_closed() {
            match redis.listen(channels).await {
                Ok(listening) => {
                    tracing::info!("the other nodes are heard");
                    self.figures.is_listening.store(true, Ordering::Relaxed);
                    self.listen(listening, channels).await;
                    self.figures.is_listening.store(false, Ordering::Relaxed);
                    self.figures.cuts.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!("the other nodes are not heard; the log has what they do");
                }
                Err(err) => tracing::debug!(error = %err, "no line to the other nodes"),
            }
            sleep(REDIS_RETRY_PAUSE).await;
        }
    }

    /// Until the line ends, or one of its channels is silent although this node itself speaks.
    async fn listen(&self, mut listening: Listening, channels: &[String]) {
        let mut heard_at = vec![Instant::now(); channels.len()];
        loop {
            let published = timeout(WORDS_BEAT_INTERVAL, listening.next()).await;
            match published {
                Ok(None) => return,
                Ok(Some(published)) => {
                    let channel = channels.iter().position(|c| c.as_bytes() == published.channel);
                    if let Some(channel) = channel {
                        heard_at[channel] = Instant::now();
                    }
                    self.pass(&published);
                }
                Err(_) => {}
            }
            if heard_at.iter().any(|at| at.elapsed() >= WORDS_SILENCE_MAX) {
                return;
            }
        }
    }

    fn pass(&self, published: &Published) {
        let Some((node, words)) = codec::open(&published.payload) else {
            return self.skip(1);
        };
        if node == self.node {
            return;
        }
        let (words, unreadable) = codec::read(words);
        count(&self.figures.heard, words.len());
        if unreadable > 0 {
            self.skip(unreadable);
        }
        for word in words {
            // Waiting here would only move the queue into memory without a bound.
            if self.heard.try_send(word).is_err() {
                count(&self.figures.dropped, 1);
            }
        }
    }

    fn skip(&self, parts: usize) {
        count(&self.figures.unreadable, parts);
        tracing::warn!(parts, "what another node told cannot be read; is its version another one?");
    }
}
