//! A few who take the tenants in turn, from the moment this node has the duties until it has them no
//! more.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};

use futures_util::FutureExt;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::App;
use super::turn::TurnEnd;
use crate::limits::{
    KAFKA_CURSOR_INTERVAL, KAFKA_DRAIN_WAIT, KAFKA_TENANTS_AT_ONCE, OWED_RETRY_INTERVAL,
};
use crate::log;
use crate::sink::kafka::{BadSettings, Producer, Settings};

/// What is exported where, and under which duties.
#[derive(Clone)]
pub struct Export {
    /// Where Kafka is.
    pub settings: Settings,
    /// The topic that gets the log.
    pub topic: String,
    /// The number of the duties ([`log::Nodes::hold_duties`]): the cursor moves while they are this
    /// node's. `None` where nobody else writes the log.
    pub under: Option<u64>,
}

/// Why an export ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportEnd {
    /// It was told to.
    Stopped,
    /// The duties are another node's.
    Superseded,
}

/// What those who export share.
pub(super) struct Exporting {
    pub(super) app: App,
    pub(super) export: Export,
    producer: RwLock<Arc<Producer>>,
    /// No more turns begin.
    pub(super) until: CancellationToken,
    /// Acknowledgements are waited for no longer.
    pub(super) given_up: CancellationToken,
    /// Whether operators know that something is wrong.
    is_troubled: AtomicBool,
}

impl App {
    /// Sends every tenant's log to Kafka until it is told to stop, or has lost the duties. Begins
    /// where the log says that somebody got to: a tenant never exported, at the beginning of what
    /// its log has. One at a time.
    ///
    /// # Errors
    /// [`BadSettings`].
    pub async fn export_log(
        &self,
        export: Export,
        until: CancellationToken,
    ) -> Result<ExportEnd, BadSettings> {
        loop {
            let producer = Arc::new(Producer::of_export(&export.settings)?).into();
            let exporting = Arc::new(Exporting {
                app: self.clone(),
                export: export.clone(),
                producer,
                until: until.child_token(),
                given_up: CancellationToken::new(),
                is_troubled: AtomicBool::new(false),
            });
            let end = exporting.clone().run().await;
            self.0.exports.stop();
            if let Some(exporting) = Arc::into_inner(exporting) {
                exporting.close().await;
            }
            match end {
                Some(end) => return Ok(end),
                // Whatever it was in the middle of, the log knows how far it got.
                None => tracing::error!("the export to Kafka begins anew"),
            }
            if until.run_until_cancelled(sleep(OWED_RETRY_INTERVAL)).await.is_none() {
                return Ok(ExportEnd::Stopped);
            }
        }
    }
}

impl super::Exports {
    /// Nobody exports here. What was known of the tenants is not to be trusted any more.
    fn stop(&self) {
        self.is_serving.store(false, Ordering::Release);
        *self.lock() = super::State::default();
    }
}

impl Exporting {
    /// Returns `None` if one of those who export panicked.
    async fn run(self: Arc<Self>) -> Option<ExportEnd> {
        let exports = &self.app.0.exports;
        // First, so that no event is missed between the list and the tail.
        exports.is_serving.store(true, Ordering::Release);
        if self.until.run_until_cancelled(self.line_up_all()).await.is_none() {
            return Some(ExportEnd::Stopped);
        }
        let mut workers = JoinSet::new();
        for _ in 0..KAFKA_TENANTS_AT_ONCE {
            let worker = self.clone();
            workers.spawn(AssertUnwindSafe(async move { worker.work().await }).catch_unwind());
        }
        let mut ticks = interval(KAFKA_CURSOR_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ended = None;
        while ended.is_none() {
            tokio::select! {
                _ = ticks.tick() => exports.line_up_due(),
                end = workers.join_next() => ended = Some(end),
            }
        }
        // One has ended, so all do: told to stop, superseded, or cut off by a panic.
        self.until.cancel();
        let giving_up = async {
            sleep(KAFKA_DRAIN_WAIT).await;
            self.given_up.cancel();
            std::future::pending::<()>().await;
        };
        let mut ends: Vec<_> = ended.flatten().into_iter().collect();
        let all = async {
            while let Some(end) = workers.join_next().await {
                ends.push(end);
            }
        };
        tokio::select! { () = all => {}, () = giving_up => {} }
        let mut end = ExportEnd::Stopped;
        for worker in ends {
            match worker {
                Ok(Ok(ExportEnd::Superseded)) => end = ExportEnd::Superseded,
                Ok(Ok(ExportEnd::Stopped)) => {}
                _ => return None,
            }
        }
        if end == ExportEnd::Stopped {
            self.keep_all().await;
        } else {
            tracing::warn!("another node exports to Kafka now");
        }
        Some(end)
    }

    /// Finds the tenants. Waits for the log.
    async fn line_up_all(&self) {
        loop {
            match self.app.log.tenants().await {
                Ok(found) => {
                    let exports = &self.app.0.exports;
                    let mut state = exports.lock();
                    found.iter().for_each(|(tenant, _)| state.line_up(tenant));
                    drop(state);
                    exports.wake.notify_one();
                    return;
                }
                Err(err) => {
                    tracing::warn!(error = %err, "what to export cannot be read yet");
                    sleep(OWED_RETRY_INTERVAL).await;
                }
            }
        }
    }

    /// Serves tenants in turn.
    async fn work(&self) -> ExportEnd {
        let exports = &self.app.0.exports;
        while !self.until.is_cancelled() {
            let Some(tenant) = exports.take() else {
                let woken = exports.wake.notified();
                self.until.run_until_cancelled(woken).await;
                continue;
            };
            let end = self.turn(&tenant).await;
            match end {
                Ok(()) => {}
                Err(TurnEnd::Superseded) => return ExportEnd::Superseded,
                Err(TurnEnd::Failed(err)) => {
                    tracing::warn!(%tenant, error = %err, "the export rests; the log does not answer");
                    self.until.run_until_cancelled(sleep(OWED_RETRY_INTERVAL)).await;
                }
            }
            exports.give_back(&tenant);
        }
        ExportEnd::Stopped
    }

    /// Keeps how far all are, so that nothing is sent twice after a stop in good order.
    async fn keep_all(&self) {
        let unkept: Vec<_> = {
            let state = self.app.0.exports.lock();
            let is_unkept = |desk: &super::Desk| desk.progress.is_some_and(|p| p.is_unkept());
            let unkept = state.desks.iter().filter(|(_, desk)| is_unkept(desk));
            unkept.map(|(tenant, _)| tenant.clone()).collect()
        };
        for tenant in unkept {
            match self.keep(&tenant).await {
                Ok(()) => {}
                Err(log::Error::Superseded) => return,
                Err(err) => {
                    tracing::warn!(%tenant, error = %err, "how far it is exported is not kept");
                    return;
                }
            }
        }
    }

    pub(super) fn producer(&self) -> Arc<Producer> {
        self.producer.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Another producer instead of this one, which is of no use any more.
    pub(super) fn renew(&self, failed: &Arc<Producer>) {
        let mut producer = self.producer.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Others may have noticed it, too.
        if !Arc::ptr_eq(&producer, failed) {
            return;
        }
        match Producer::of_export(&self.export.settings) {
            Ok(other) => *producer = Arc::new(other),
            Err(err) => tracing::error!(error = %err, "no other producer can be made"),
        }
    }

    /// Something is wrong with Kafka, or is no more. Operators are told once.
    pub(super) fn note_trouble(&self, trouble: Option<(&str, &dyn std::fmt::Display)>) {
        let was_troubled = self.is_troubled.swap(trouble.is_some(), Ordering::Relaxed);
        match trouble {
            Some((cursor, reason)) if !was_troubled => tracing::error!(
                topic = self.export.topic, cursor, reason = %reason,
                "Kafka refuses what is exported; it is tried again until it does not"
            ),
            None if was_troubled => {
                tracing::info!(topic = self.export.topic, "Kafka takes what is exported again");
            }
            _ => {}
        }
    }

    async fn close(self) {
        let producer = self.producer.into_inner();
        let producer = producer.unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(producer) = Arc::into_inner(producer) {
            producer.close().await;
        }
    }
}
