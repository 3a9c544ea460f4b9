//! The whole log for others: a reader of every tenant's log that sends it to Kafka, with a cursor
//! that the log keeps (`Record::ReadBy`).
//!
//! [`Exports`] knows how far each tenant is and which of them have something to send; `serve` runs
//! a few who take them in turn (`turn`), and a page of one tenant goes out as `page` has it. What a
//! record looks like is `crate::sink::kafka`'s.
//!
//! What is in memory here is what the log knows, and may be thrown away at any time. A tenant's
//! cursor is at most as far as Kafka has acknowledged everything, so nothing is left out; what was
//! acknowledged and not kept yet is sent again after a crash.

mod page;
mod serve;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod turn;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::App;
use crate::limits::{KAFKA_CURSOR_EVENTS, KAFKA_CURSOR_INTERVAL};
use crate::model::{Envelope, Moment, TenantId};

pub use serve::{Export, ExportEnd};

/// The name of this reader in the log.
pub(super) const READER: &str = "kafka";

/// Whether Kafka answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KafkaStatus {
    /// It is not configured.
    Off,
    /// It does.
    Healthy,
    /// It does not, or not as it should.
    Unavailable,
}

impl KafkaStatus {
    /// As `/health` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            KafkaStatus::Off => "off",
            KafkaStatus::Healthy => "healthy",
            KafkaStatus::Unavailable => "unavailable",
        }
    }
}

/// How far each tenant is.
#[derive(Default)]
pub(super) struct Exports {
    /// Whether anybody here exports: other nodes pay nothing.
    is_serving: AtomicBool,
    state: Mutex<State>,
    /// Some tenant is ready.
    wake: Notify,
    /// A [`KafkaStatus`].
    status: AtomicU8,
}

#[derive(Default)]
struct State {
    desks: HashMap<TenantId, Desk>,
    /// Those that have something to send or to keep, in turn; each once at most.
    ready: VecDeque<TenantId>,
}

/// One tenant.
#[derive(Default)]
struct Desk {
    place: Place,
    /// Up to where the log is known to go.
    head: u64,
    /// How far it is exported; nobody knows before its first turn.
    progress: Option<Progress>,
    /// When the oldest event happened that is not exported, as far as it is known.
    waits_since: Option<Moment>,
}

/// How far a tenant is exported.
#[derive(Clone, Copy, Debug)]
struct Progress {
    /// Everything up to here is acknowledged.
    sent: u64,
    /// What of that the log knows.
    kept: u64,
    /// Since when.
    kept_at: Instant,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Nothing to do.
    #[default]
    Idle,
    /// In the queue.
    Ready,
    /// Somebody has it.
    Taken,
}

impl Progress {
    fn is_unkept(&self) -> bool {
        self.sent != self.kept
    }

    /// Whether the log should know by now.
    fn is_due(&self) -> bool {
        let is_late = self.kept_at.elapsed() >= KAFKA_CURSOR_INTERVAL;
        self.sent - self.kept >= KAFKA_CURSOR_EVENTS || (is_late && self.is_unkept())
    }
}

impl Desk {
    fn is_behind(&self) -> bool {
        self.progress.is_none_or(|progress| progress.sent < self.head)
    }
}

impl State {
    fn line_up(&mut self, tenant: &TenantId) {
        let desk = self.desks.entry(tenant.clone()).or_default();
        if desk.place == Place::Idle {
            desk.place = Place::Ready;
            self.ready.push_back(tenant.clone());
        }
    }
}

impl Exports {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the log's tail tells.
    fn hear(&self, envelope: &Envelope) {
        let mut state = self.lock();
        let desk = state.desks.entry(envelope.tenant.clone()).or_default();
        desk.head = desk.head.max(envelope.position());
        desk.waits_since.get_or_insert(envelope.at);
        state.line_up(&envelope.tenant);
        drop(state);
        self.wake.notify_one();
    }

    /// The next tenant in turn; the caller gives it back.
    fn take(&self) -> Option<TenantId> {
        let mut state = self.lock();
        let tenant = state.ready.pop_front()?;
        if let Some(desk) = state.desks.get_mut(&tenant) {
            desk.place = Place::Taken;
        }
        if !state.ready.is_empty() {
            self.wake.notify_one();
        }
        Some(tenant)
    }

    /// Back from its turn; to the end of the queue, if there is more to do.
    fn give_back(&self, tenant: &TenantId) {
        let mut state = self.lock();
        let Some(desk) = state.desks.get_mut(tenant) else { return };
        desk.place = Place::Idle;
        let has_more = desk.is_behind() || desk.progress.is_some_and(|progress| progress.is_due());
        if has_more {
            state.line_up(tenant);
            self.wake.notify_one();
        }
    }

    /// Those whose cursor the log should know of by now.
    fn line_up_due(&self) {
        let mut state = self.lock();
        let is_due = |desk: &Desk| desk.progress.is_some_and(|progress| progress.is_due());
        let due: Vec<_> = state.desks.iter().filter(|(_, desk)| is_due(desk)).collect();
        let due: Vec<TenantId> = due.into_iter().map(|(tenant, _)| tenant.clone()).collect();
        due.iter().for_each(|tenant| state.line_up(tenant));
        drop(state);
        self.wake.notify_one();
    }

    fn note<T: Default>(&self, tenant: &TenantId, note: impl FnOnce(&mut Desk) -> T) -> T {
        self.lock().desks.get_mut(tenant).map(note).unwrap_or_default()
    }
}

impl App {
    /// Tells the export that there is something to read.
    pub(super) fn hand_to_export(&self, envelope: &Envelope) {
        if self.0.exports.is_serving.load(Ordering::Acquire) {
            self.0.exports.hear(envelope);
        }
    }

    /// Whether Kafka answers.
    pub fn kafka_status(&self) -> KafkaStatus {
        match self.0.exports.status.load(Ordering::Relaxed) {
            0 => KafkaStatus::Off,
            1 => KafkaStatus::Healthy,
            _ => KafkaStatus::Unavailable,
        }
    }

    /// Notes whether Kafka answers. Returns whether that is news.
    pub fn note_kafka(&self, status: KafkaStatus) -> bool {
        let code = match status {
            KafkaStatus::Off => 0,
            KafkaStatus::Healthy => 1,
            KafkaStatus::Unavailable => 2,
        };
        self.metrics.kafka_up.set((status == KafkaStatus::Healthy).into());
        self.0.exports.status.swap(code, Ordering::Relaxed) != code
    }

    /// Sets the gauges: how many events the export is behind, and since when. Zero on nodes that do
    /// not export.
    pub fn measure_export(&self) {
        let now = Moment::now();
        let (mut events, mut lag_ms) = (0, 0);
        for desk in self.0.exports.lock().desks.values() {
            let sent = desk.progress.map_or(desk.head, |progress| progress.sent);
            events += desk.head.saturating_sub(sent);
            lag_ms = lag_ms.max(desk.waits_since.map_or(0, |at| now.ms_since(at)));
        }
        self.metrics.kafka_behind(events, lag_ms);
    }
}
