//! The tenant's log and the state that changes with it.
//!
//! One ordered, durable log per tenant is the product's only truth: live sockets, history, replay,
//! audit and reports are readers with a cursor (contract 3). A [`Change`] carries events and the
//! state that goes with them; it is kept whole or not at all, and the tail tells of it only after
//! it is on disk. To add a backend: implement [`Log`] in a new file, name it in [`open`], and let
//! `contract::suite` run on it.

mod calls;
mod change;
#[cfg(test)]
mod contract;
mod memory;
mod moving;
mod nodes;
mod notices;
mod postgres;
mod question;
mod record;
mod routing;
mod sqlite;
mod staff;
mod webhooks;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::model::{
    Conversation, ConversationId, Cursor, Envelope, Event, ExternalId, FaqEntry, History,
    HistoryRange, Holder, Moment, Origin, TenantId, UserId,
};

pub use calls::{OpenCall, OpenCalls};
pub use moving::{Move, Moved};
pub use nodes::{Copied, LiveCopy, Nodes, Tail, Told};
pub use notices::{Notice, Notices};
pub use question::{ConversationFilter, LeftBehind, Page, Reading, RecentLeave, Retention};
pub use record::{Agent, ApiKey, Department, Record, RecoveredRoom, Recovery};
pub use routing::{AgentWork, Figures, RoutingLog, Starts};
pub use sqlite::Observer;
pub use staff::{AgentFilter, Staff};
pub use webhooks::{
    Delivery, DeliveryCounts, DeliveryFilter, DeliveryState, DeliveryTried, Disabled, DisabledBy,
    OldSecret, SigningSecret, Taken, Tries, Webhook, WebhookLog, WebhookRead,
};

/// What is to happen: events, and state that no event shows. Concerns at most one conversation.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// What is told, in this order.
    pub events: Vec<Event>,
    /// What is only kept.
    pub records: Vec<Record>,
    /// What a producer said of it, if one produced it.
    pub origin: Option<Arc<Origin>>,
    /// By what a repeat of it is known.
    pub once: Option<Once>,
    /// It is of the duties that one node has at a time, and kept only if that is still this one:
    /// the number that [`Nodes::hold_duties`] gave.
    pub under: Option<u64>,
}

/// By what a repeat is known, for a day: a key of its producer's, and what came under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// The key. Keys of the two kinds, of events and of requests, do not collide: whoever makes
    /// them sees to it.
    pub key: String,
    /// SHA-256 of what came under it.
    pub digest: [u8; 32],
}

/// Changes that are kept in one transaction, in this order. One that is refused leaves no trace;
/// the others are kept.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// What is to happen.
    pub changes: Vec<Change>,
    /// By what a repeat of the whole is known.
    pub once: Option<Once>,
}

impl Change {
    /// Of these events and records.
    pub fn new(events: Vec<Event>, records: Vec<Record>) -> Change {
        Change { events, records, origin: None, once: None, under: None }
    }

    /// A change of events alone.
    pub fn events(events: Vec<Event>) -> Change {
        Change::new(events, vec![])
    }

    /// A change of one event.
    pub fn of(event: Event) -> Change {
        Change::events(vec![event])
    }

    /// A change of records alone.
    pub fn record(record: Record) -> Change {
        Change::new(vec![], vec![record])
    }
}

/// What became of one event of a change.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It is on disk.
    Kept(Arc<Envelope>),
    /// The same user sent it before, under the same `client_id`; this is the first one.
    Known(Arc<Envelope>),
    /// It would have changed nothing, so it was not kept.
    Unchanged,
    /// The same came before under the same key ([`Once`]), and stands here, or stood there before
    /// it was told if it was kept nowhere.
    Repeated(Cursor),
}

impl Outcome {
    /// The envelope that is in the log.
    pub fn envelope(&self) -> Option<&Arc<Envelope>> {
        match self {
            Outcome::Kept(envelope) | Outcome::Known(envelope) => Some(envelope),
            Outcome::Unchanged | Outcome::Repeated(_) => None,
        }
    }
}

/// Why a change was not kept.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else was first.
    #[error("{0}")]
    Conflict(String, Option<Holder>),
    /// The conversation does not exist.
    #[error("conversation not found")]
    UnknownConversation,
    /// The conversation is closed; a message has to come with what reopens it.
    #[error("the conversation is closed")]
    Closed,
    /// Something else came under this key before ([`Once`]).
    #[error("the key {0:?} came with something else before")]
    KeyReused(String),
    /// The duties it belongs to are another node's by now ([`Change::under`]).
    #[error("another node has taken over")]
    Superseded,
    /// The backend failed: disk full, read-only, gone. Nothing of the change was kept.
    #[error("{0}")]
    Failed(Arc<str>),
}

impl Error {
    pub(crate) fn failed(err: impl std::fmt::Display) -> Error {
        Error::Failed(err.to_string().into())
    }
}

/// A change that has its place in the order and waits for the disk.
pub struct Pending(PendingBatch);

impl Pending {
    /// The outcomes, one per event, once the change is on disk.
    ///
    /// # Errors
    /// As [`Log::commit`].
    pub async fn committed(self) -> Result<Vec<Outcome>, Error> {
        let kept = self.0.committed().await?;
        kept.changes.into_iter().next().unwrap_or_else(|| Err(Error::failed("no answer")))
    }
}

/// A batch that has its place in the order and waits for the disk.
pub struct PendingBatch(oneshot::Receiver<Result<KeptBatch, Error>>);

/// What became of a batch.
#[derive(Clone, Debug)]
pub struct KeptBatch {
    /// What became of each change.
    pub changes: Vec<Result<Vec<Outcome>, Error>>,
    /// Where the tenant's log ended after it, or did when it came first.
    pub cursor: Cursor,
    /// Whether the whole came before.
    pub is_repeat: bool,
}

impl PendingBatch {
    /// What became of it, once it is on disk.
    ///
    /// # Errors
    /// [`Error`]; nothing of the batch is kept then.
    pub async fn committed(self) -> Result<KeptBatch, Error> {
        self.0.await.unwrap_or_else(|_| Err(Error::failed("the log is closed")))
    }
}

/// Every question the server asks of what it keeps, and the one way to change it.
///
/// Contract, checked by `contract::suite` on every backend: positions of a tenant rise in commit
/// order; a message's `seq` has no holes; a repeat by `client_id` is [`Outcome::Known`]; a refused
/// change leaves no trace; what a reader gets by cursor equals what the tail told; nothing is ever
/// visible to another tenant.
#[async_trait]
pub trait Log: Staff + RoutingLog + OpenCalls + Notices + WebhookLog + Nodes {
    /// Gives a batch its place in the order. Waits only for room in the queue.
    async fn append_batch(&self, tenant: &TenantId, batch: Batch) -> Result<PendingBatch, Error>;

    /// Gives a change its place in the order. Waits only for room in the queue.
    async fn append(&self, tenant: &TenantId, change: Change) -> Result<Pending, Error> {
        let batch = Batch { changes: vec![change], once: None };
        Ok(Pending(self.append_batch(tenant, batch).await?))
    }

    /// Appends a change and waits until it is on disk.
    ///
    /// # Errors
    /// [`Error`]; nothing of the change is kept then.
    async fn commit(&self, tenant: &TenantId, change: Change) -> Result<Vec<Outcome>, Error> {
        self.append(tenant, change).await?.committed().await
    }

    /// Where the tenant's log ends now.
    async fn head(&self, tenant: &TenantId) -> Result<Cursor, Error>;

    /// Up to which position events are missing because of their age.
    async fn pruned_through(&self, tenant: &TenantId) -> Result<u64, Error>;

    /// Up to `limit` events after a position.
    async fn read(
        &self,
        tenant: &TenantId,
        reading: Reading,
        after: u64,
        limit: usize,
    ) -> Result<Page, Error>;

    /// Where the log ends, and a page of each of these readings, all of the same moment or later
    /// than that end: a reader of several misses nothing up to it.
    async fn read_each(
        &self,
        tenant: &TenantId,
        readings: Vec<(Reading, u64)>,
        limit: usize,
    ) -> Result<(u64, Vec<Page>), Error> {
        let head = self.head(tenant).await?.position;
        let mut pages = Vec::with_capacity(readings.len());
        for (reading, after) in readings {
            pages.push(self.read(tenant, reading, after, limit).await?);
        }
        Ok((head, pages))
    }

    /// The newest `limit` events of a reading, ascending.
    async fn read_latest(
        &self,
        tenant: &TenantId,
        reading: Reading,
        limit: usize,
    ) -> Result<Page, Error>;

    /// The position of the last event that happened before `at`; 0 if there is none.
    async fn position_at(&self, tenant: &TenantId, at: Moment) -> Result<u64, Error>;

    /// Where the message with this number stands; `None` if there is no such message.
    async fn position_of(
        &self,
        tenant: &TenantId,
        conversation: ConversationId,
        seq: u64,
    ) -> Result<Option<u64>, Error>;

    /// Messages of a conversation. `range.limit` is taken as given.
    async fn messages(
        &self,
        tenant: &TenantId,
        conversation: ConversationId,
        range: HistoryRange,
    ) -> Result<History, Error>;

    /// A conversation's record.
    async fn conversation(
        &self,
        tenant: &TenantId,
        id: ConversationId,
    ) -> Result<Option<Arc<Conversation>>, Error>;

    /// The conversation another system knows by this name.
    async fn conversation_by_external_id(
        &self,
        tenant: &TenantId,
        id: &ExternalId,
    ) -> Result<Option<ConversationId>, Error>;

    /// The conversation a session key opens.
    async fn conversation_by_session_key(
        &self,
        digest: &[u8; 32],
    ) -> Result<Option<(TenantId, ConversationId)>, Error>;

    /// A page of conversations, newest first.
    async fn conversations(
        &self,
        tenant: &TenantId,
        filter: ConversationFilter,
    ) -> Result<Vec<Arc<Conversation>>, Error>;

    /// The conversations an agent has open, at most `limit` of them.
    async fn assigned_to(
        &self,
        tenant: &TenantId,
        agent: &UserId,
        limit: usize,
    ) -> Result<Vec<ConversationId>, Error>;

    /// Notes that no connection is open any more, after a crash: those that were ended by `at`.
    async fn end_recoveries(&self, at: Moment) -> Result<(), Error>;

    /// A connection that may be taken up again, as it was noted last: what was appended before is
    /// waited for.
    async fn recovery(&self, tenant: &TenantId, id: Uuid) -> Result<Option<Recovery>, Error>;

    /// Everybody whose join has no leave: after a crash, those the last run left behind.
    async fn left_behind(&self) -> Result<Vec<LeftBehind>, Error>;

    /// Who left since then, of all tenants, in the order of each tenant's log.
    async fn recent_leaves(&self, since: Moment) -> Result<Vec<RecentLeave>, Error>;

    /// Every conversation the bot is in charge of, of all tenants.
    async fn with_the_bot(&self) -> Result<Vec<(TenantId, ConversationId)>, Error>;

    /// The message a user sent under a `client_id`, if it is kept.
    async fn message_known_as(
        &self,
        tenant: &TenantId,
        conversation: ConversationId,
        sender: &UserId,
        client_id: &str,
    ) -> Result<Option<Arc<Envelope>>, Error>;

    /// An entry of the FAQ.
    async fn faq_entry(&self, tenant: &TenantId, id: Uuid) -> Result<Option<FaqEntry>, Error>;

    /// A page of the FAQ in the order of the ids, disabled entries included.
    async fn faq_entries(
        &self,
        tenant: &TenantId,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<FaqEntry>, Error>;

    /// How many entries the FAQ has.
    async fn faq_count(&self, tenant: &TenantId) -> Result<usize, Error>;

    /// Enabled entries with a word that begins with one of these, in the question, its other
    /// wordings or the answer; whatever fits best first, as far as the backend can tell. Words
    /// are in lower case, of letters and digits alone.
    async fn search_faq(
        &self,
        tenant: &TenantId,
        words: Vec<String>,
        limit: usize,
    ) -> Result<Vec<FaqEntry>, Error>;

    /// A valid API key by its digest.
    async fn api_key(&self, digest: &[u8; 32]) -> Result<Option<(TenantId, ApiKey)>, Error>;

    /// A tenant's valid API keys.
    async fn api_keys(&self, tenant: &TenantId) -> Result<Vec<ApiKey>, Error>;

    /// Deletes what is too old; returns how many events went.
    async fn prune(&self, retention: Retention) -> Result<u64, Error>;

    /// Whether it can write now; the error says why not.
    async fn check(&self) -> Result<(), Error>;

    /// Commits what was appended, then refuses more.
    async fn close(&self);
}

/// The address of a PostgreSQL database, with a password in it perhaps: never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl(pub String);

impl std::fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Where the log is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// In this process, lost with it. For tests and trials.
    Memory,
    /// In a SQLite file.
    Sqlite(PathBuf),
    /// In a PostgreSQL database.
    Postgres {
        /// Its address.
        url: PostgresUrl,
        /// How many connections read, beside those that write.
        connections: usize,
    },
}

/// Opens the log and its tail, migrating it if it is older than this program.
///
/// `live` is the line to other nodes that write the same log, where there may be some.
///
/// # Errors
/// What is wrong with the location, in one line.
pub async fn open(
    location: &Location,
    observer: Observer,
    live: Option<LiveCopy>,
) -> Result<(Arc<dyn Log>, Tail), Error> {
    match location {
        Location::Postgres { url, connections } => {
            let opened = postgres::Postgres::open(url, *connections, observer, live);
            let (log, tail) = opened.await?;
            Ok((Arc::new(log), tail))
        }
        Location::Memory => {
            let (log, tail) = memory::Memory::open();
            Ok((Arc::new(log), tail))
        }
        Location::Sqlite(path) => {
            let path = path.clone();
            let opened = tokio::task::spawn_blocking(move || sqlite::Sqlite::open(&path, observer));
            let (log, tail) = opened.await.map_err(Error::failed)??;
            Ok((Arc::new(log), tail))
        }
    }
}

/// Brings a SQLite file up to this program's schema; returns its version before and after.
///
/// # Errors
/// What is wrong with the file, in one line.
pub fn migrate(path: &std::path::Path) -> Result<(u32, u32), Error> {
    sqlite::migrate_file(path)
}

/// Copies a SQLite file to a new one while it is in use; returns the copy's schema version.
///
/// # Errors
/// What is in the way, in one line; then there is no copy.
pub fn back_up(from: &std::path::Path, to: &std::path::Path) -> Result<u32, Error> {
    sqlite::back_up(from, to)
}

/// Looks a SQLite file over without changing it: its version, or `None` if there is no file.
///
/// # Errors
/// What is wrong with the file, in one line.
pub fn examine(path: &std::path::Path) -> Result<Option<u32>, Error> {
    sqlite::examine_file(path)
}

/// Brings a PostgreSQL database up to this program's schema; returns its version before and after.
///
/// # Errors
/// What is wrong with the database or the way to it, and how to mend it, in one line.
pub async fn migrate_database(url: &PostgresUrl) -> Result<(u32, u32), Error> {
    postgres::migrate_database(url).await
}

/// Looks a PostgreSQL database over without changing it: its version, or `None` if this program was
/// never there.
///
/// # Errors
/// What is wrong with the database or the way to it, and how to mend it, in one line.
pub async fn examine_database(url: &PostgresUrl) -> Result<Option<u32>, Error> {
    postgres::examine_database(url).await
}
