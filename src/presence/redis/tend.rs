//! A node's own lease, and the round in which it looks after everything else.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::keys::{self, Holder};
use super::lost::{Others, SETTLED};
use super::{AWAY, Error, Finding, Shared, State, ms};
use crate::limits::{
    PRESENCE_LOOK_INTERVAL, PRESENCE_RETURN_INTERVAL, PRESENCE_SETTLED_KEPT, SESSION_KEYS_INTERVAL,
};
use crate::model::{Moment, NodeId};
use crate::redis;

/// What a node says of itself for as long as it lives.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Lease {
    /// Where other nodes reach it.
    pub address: String,
    /// When it started.
    pub started_at: Moment,
    /// Its version.
    pub version: String,
    /// Under which number it notes its connections.
    pub epoch: u32,
    /// Which log it writes.
    pub log: String,
}

impl Shared {
    /// Takes the lease, unless nodes that write another log are here.
    pub(super) async fn begin(&self) -> Result<(), Error> {
        let plain = |err: redis::Error| Error(err.to_string());
        self.write_lease().await.map_err(plain)?;
        for holder in self.holders().await.map_err(plain)? {
            let lease = self.lease_of(holder.node).await?;
            let Some(other) = lease.filter(|lease| lease.log != self.settings.log) else {
                continue;
            };
            self.give_up().await;
            return Err(Error(format!(
                "the Redis database is used by nodes of another installation, such as {} at {}: they \
                 write another log, or sign with another secret (JWT_SECRET); give all nodes the \
                 same, or choose another redis.db (REDIS_DB)",
                holder.node, other.address
            )));
        }
        self.note_log().await.map_err(plain)
    }

    /// Renews the lease for ever, and notices when Redis is back or had forgotten it.
    pub(super) async fn keep_lease(&self) {
        while !self.is_retired.load(Ordering::SeqCst) {
            let pause = match self.renew().await {
                Ok(()) => self.settings.lease / 4,
                Err(err) => {
                    self.fail(&err);
                    sleep(PRESENCE_RETURN_INTERVAL).await;
                    continue;
                }
            };
            let _ = timeout(pause, self.failed.notified()).await;
        }
    }

    async fn renew(&self) -> Result<(), redis::Error> {
        let was_away = self.state() == State::Away;
        if was_away {
            self.redis.ping().await?;
        }
        let had_it = self.write_lease().await?;
        if !had_it {
            tracing::warn!(node = %self.settings.node, "the lease in Redis was gone");
            self.epoch.fetch_add(1, Ordering::SeqCst);
            self.write_lease().await?;
            self.note_log().await?;
        }
        if was_away || !had_it {
            self.returns.fetch_add(1, Ordering::SeqCst);
            self.state.store(State::Back as u8, Ordering::SeqCst);
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Writes the lease; whether it was there.
    async fn write_lease(&self) -> Result<bool, redis::Error> {
        let holder = self.holder();
        let lease = Lease {
            address: self.settings.address.clone(),
            started_at: self.started_at,
            version: env!("CARGO_PKG_VERSION").into(),
            epoch: holder.epoch,
            log: self.settings.log.clone(),
        };
        let text = serde_json::to_string(&lease).unwrap_or_default();
        let mut set = ::redis::cmd("SET");
        set.arg(keys::lease(holder.node)).arg(text).arg("GET");
        set.arg("PX").arg(ms(self.settings.lease));
        let before: Option<String> = self.redis.ask(&set).await?;
        let add = ::redis::cmd("SADD").arg(&self.nodes).arg(holder.to_string()).clone();
        self.redis.ask::<()>(&add).await?;
        Ok(before.is_some())
    }

    async fn note_log(&self) -> Result<(), redis::Error> {
        self.redis.ask(::redis::cmd("SET").arg(&self.log).arg(&self.settings.log)).await
    }

    /// All nodes that are or were a moment ago.
    pub(super) async fn holders(&self) -> Result<Vec<Holder>, redis::Error> {
        let names: Vec<String> = self.redis.ask(::redis::cmd("SMEMBERS").arg(&self.nodes)).await?;
        Ok(names.iter().filter_map(|name| Holder::parse(name)).collect())
    }

    /// What a node that is alive says of itself.
    pub(super) async fn lease_of(&self, node: NodeId) -> Result<Option<Lease>, Error> {
        let asked = self.redis.ask(::redis::cmd("GET").arg(keys::lease(node))).await;
        let lease: Option<String> = self.answer(asked)?;
        let read = |text: String| serde_json::from_str(&text);
        lease.map(read).transpose().map_err(|_| Error(format!("{}: no lease", keys::lease(node))))
    }

    /// Looks after all else for ever: what Redis forgot, who is lost, what is about to end.
    pub(super) async fn look_after(&self, found: mpsc::Sender<Finding>) {
        let (mut others, mut whole_since) = (Others::default(), Instant::now());
        let mut refreshed_at = Instant::now();
        while !self.is_retired.load(Ordering::SeqCst) {
            let _ = timeout(PRESENCE_LOOK_INTERVAL, self.wake.notified()).await;
            if self.state() == State::Back {
                others.begin_anew();
                self.restore(&found).await;
                whole_since = Instant::now();
            }
            if self.state() != State::Up {
                others.begin_anew();
                continue;
            }
            // After Redis' return everybody gets the time to renew its lease.
            let is_grace_over = whole_since.elapsed() >= self.settings.lease;
            if let Err(err) = self.look_for_others(&mut others, is_grace_over, &found).await {
                self.fail(&err);
            }
            if refreshed_at.elapsed() >= SESSION_KEYS_INTERVAL {
                self.refresh().await;
                refreshed_at = Instant::now();
            }
        }
    }

    /// Ends the lease at once. Whatever is still here is ended by those who go on, as it is of a
    /// node that was lost; a node that holds nothing leaves no trace.
    pub(super) async fn give_up(&self) {
        self.is_retired.store(true, Ordering::SeqCst);
        let holder = self.holder();
        let is_empty = self.here.places().is_empty() && self.unsure().is_empty();
        let mut last = Vec::new();
        if is_empty {
            let mut settled = ::redis::cmd("SET");
            settled.arg(keys::claim(holder.node)).arg(SETTLED);
            last.push(settled.arg("PX").arg(ms(PRESENCE_SETTLED_KEPT)).clone());
            last.push(::redis::cmd("SREM").arg(&self.nodes).arg(holder.to_string()).clone());
            last.push(::redis::cmd("DEL").arg(holder.held()).clone());
        }
        last.push(::redis::cmd("DEL").arg(keys::lease(holder.node)).clone());
        for command in last {
            if let Err(err) = self.redis.ask::<()>(&command).await {
                tracing::warn!(error = %err, "the lease in Redis ends by itself");
            }
        }
    }

    /// Whether Redis has answered without a gap until now.
    pub(super) fn check_whole(&self) -> Result<(), redis::Error> {
        match self.state() {
            State::Away => Err(redis::Error::Gone(AWAY.into())),
            State::Up | State::Back => Ok(()),
        }
    }

    /// How long a claim on a lost node lasts without being renewed.
    pub(super) fn claim_ttl(&self) -> Duration {
        self.settings.lease
    }
}
