//! Every open connection of this node: whether it still lives, until when it may, and how far
//! behind it is.
//!
//! One task looks after all of them, a second at a time: a connection costs it a place in a list,
//! not a timer.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use uuid::Uuid;

use crate::hub::Outbox;
use crate::limits::{DRAIN_GROUP_CONNECTIONS, DRAIN_GROUP_INTERVAL};
use crate::model::{
    CloseReason, ConnId, ConnectionInfo, ConversationId, Dialect, Identity, Moment, Role, TenantId,
    UserId,
};

/// The open connections. Cheap to clone.
#[derive(Clone)]
pub struct Registry(Arc<Shared>);

struct Shared {
    started: Instant,
    hearts: Mutex<BTreeMap<ConnId, Arc<Heart>>>,
    /// Second of its next visit, to the connections due then.
    schedule: Mutex<BTreeMap<u64, Vec<Weak<Heart>>>>,
}

/// How a dialect finds out whether its peers live.
#[derive(Clone, Copy, Debug)]
pub struct Beat {
    interval_ms: u64,
    timeout_ms: u64,
}

impl Beat {
    /// Pings every `interval`; a peer is dead when nothing came from it for `timeout`.
    pub fn new(interval: Duration, timeout: Duration) -> Beat {
        Beat { interval_ms: ms(interval), timeout_ms: ms(timeout) }
    }
}

/// What the registry has to know of a connection.
pub(super) struct Registration<'a> {
    pub(super) id: ConnId,
    pub(super) dialect: Dialect,
    pub(super) who: &'a Identity,
    pub(super) outbox: Arc<Outbox>,
    /// The conversation it is opened for, if it is for one.
    pub(super) session_id: Option<ConversationId>,
    /// Under which number it can be taken up again, if it can.
    pub(super) recovery: Option<Uuid>,
    pub(super) beat: Beat,
}

/// A connection as the registry sees it.
pub(super) struct Heart {
    outbox: Arc<Outbox>,
    info: ConnectionInfo,
    /// The agent or admin whose token opened it, if one's did.
    staff: Option<UserId>,
    beat: Beat,
    /// Under which number it can be taken up again.
    recovery: Option<Uuid>,
    is_replaced: AtomicBool,
    /// Milliseconds since the registry began.
    seen_at: AtomicU64,
    pinged_at: AtomicU64,
    ends_at: AtomicU64,
    /// The second of its one valid entry in the schedule; others of it are passed over.
    planned: AtomicU64,
}

/// Takes a connection out of the registry when it ends.
pub(super) struct Registered {
    registry: Registry,
    id: ConnId,
    pub(super) heart: Arc<Heart>,
}

impl Registered {
    /// Whether another connection goes on in its place.
    pub(super) fn is_replaced(&self) -> bool {
        self.heart.is_replaced.load(Relaxed)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.registry.hearts().remove(&self.id);
    }
}

impl Default for Registry {
    fn default() -> Registry {
        Registry(Arc::new(Shared {
            started: Instant::now(),
            hearts: Mutex::default(),
            schedule: Mutex::default(),
        }))
    }
}

impl Registry {
    pub(super) fn register(&self, entry: Registration) -> Registered {
        let Registration { id, dialect, who, outbox, session_id, recovery, beat } = entry;
        let info = ConnectionInfo {
            connection_id: id.to_string(),
            dialect: dialect.as_str(),
            tenant: who.tenant.clone(),
            user_id: who.user.clone(),
            role: who.user_type,
            session_id,
            connected_at: Moment::now(),
            queued: 0,
        };
        let is_staff = matches!(who.role, Role::Agent | Role::Admin);
        let now = self.now_ms();
        let heart = Arc::new(Heart {
            outbox,
            info,
            staff: is_staff.then(|| who.subject.clone()),
            beat,
            recovery,
            is_replaced: AtomicBool::new(false),
            seen_at: AtomicU64::new(now),
            pinged_at: AtomicU64::new(now),
            ends_at: AtomicU64::new(u64::MAX),
            planned: AtomicU64::new(u64::MAX),
        });
        self.hearts().insert(id, heart.clone());
        let registered = Registered { registry: self.clone(), id, heart };
        self.end_at(&registered, who.expires_at);
        self.plan(&registered.heart, now);
        registered
    }

    /// A sign of life came.
    pub(super) fn seen(&self, registered: &Registered) {
        registered.heart.seen_at.store(self.now_ms(), Relaxed);
    }

    /// The token counts until then, leeway included.
    pub(super) fn end_at(&self, registered: &Registered, expires_at: Option<i64>) {
        let Some(expires_at) = expires_at else {
            // Whatever ended before does not any more.
            registered.heart.ends_at.store(u64::MAX, Relaxed);
            return;
        };
        let left_ms = expires_at
            .saturating_add(crate::auth::LEEWAY_S)
            .saturating_mul(1000)
            .saturating_sub(Moment::now().0);
        let ends_at = self.now_ms().saturating_add(u64::try_from(left_ms).unwrap_or(0));
        registered.heart.ends_at.store(ends_at, Relaxed);
        self.plan(&registered.heart, self.now_ms());
    }

    /// Ends the connection of this user that has come back as another: its client knows it dead,
    /// whatever its line says. One that is taken up again goes on in the new one's place.
    pub(super) fn replace(&self, recovery: Uuid, who: &Identity, is_taken_up: bool) {
        let hearts = self.hearts();
        let is_it = |heart: &&Arc<Heart>| {
            heart.recovery == Some(recovery)
                && (&heart.info.tenant, &heart.info.user_id) == (&who.tenant, &who.user)
        };
        if let Some(heart) = hearts.values().find(is_it) {
            heart.is_replaced.store(is_taken_up, Relaxed);
            heart.outbox.close(CloseReason::NetworkError);
        }
    }

    /// How many connections are open.
    pub fn len(&self) -> usize {
        self.hearts().len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The open connections of a tenant with their lag.
    pub fn of_tenant(&self, tenant: &TenantId) -> Vec<ConnectionInfo> {
        let hearts = self.hearts();
        let ours = hearts.values().filter(|h| h.info.tenant == *tenant);
        ours.map(|h| ConnectionInfo { queued: h.outbox.depth(), ..h.info.clone() }).collect()
    }

    /// Puts a connection of a tenant out, whose user may not notice for a while; false if there is
    /// none of that number.
    pub fn kick(&self, tenant: &TenantId, connection_id: &str) -> bool {
        let hearts = self.hearts();
        let mut ours = hearts.values().filter(|h| h.info.tenant == *tenant);
        match ours.find(|h| h.info.connection_id == connection_id) {
            Some(heart) => {
                heart.outbox.close(CloseReason::Kicked);
                true
            }
            None => false,
        }
    }

    /// Puts out every connection of an agent or admin that may not be here any more.
    pub fn put_out(&self, tenant: &TenantId, staff: &UserId) {
        let hearts = self.hearts();
        let its =
            hearts.values().filter(|h| h.info.tenant == *tenant && h.staff.as_ref() == Some(staff));
        its.for_each(|heart| heart.outbox.close(CloseReason::Forbidden));
    }

    /// Pings the silent and ends the dead, once a second. Runs for ever.
    pub async fn keep_alive(&self) {
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.visit_due();
        }
    }

    /// Asks every connection to come back to another node or to the next run: in groups, so that
    /// they do not all come back at once.
    pub async fn send_away(&self) {
        let all: Vec<_> = self.hearts().values().cloned().collect();
        for group in all.chunks(DRAIN_GROUP_CONNECTIONS) {
            group.iter().for_each(|heart| heart.outbox.close(CloseReason::GoingAway));
            if group.len() == DRAIN_GROUP_CONNECTIONS {
                tokio::time::sleep(DRAIN_GROUP_INTERVAL).await;
            }
        }
    }

    fn visit_due(&self) {
        let now = self.now_ms();
        let due = {
            let mut schedule = self.schedule();
            let later = schedule.split_off(&(now / 1000 + 1));
            std::mem::replace(&mut *schedule, later)
        };
        let due = due.into_iter().flat_map(|(second, hearts)| {
            hearts.into_iter().filter_map(move |weak| Some((second, weak.upgrade()?)))
        });
        for (second, heart) in due {
            if heart.planned.load(Relaxed) != second {
                continue;
            }
            heart.planned.store(u64::MAX, Relaxed);
            if let Some(reason) = self.examine(&heart, now) {
                heart.outbox.close(reason);
            } else {
                self.plan(&heart, now);
            }
        }
    }

    fn examine(&self, heart: &Heart, now: u64) -> Option<CloseReason> {
        if now >= heart.ends_at.load(Relaxed) {
            return Some(CloseReason::TokenEnded);
        }
        let (seen, pinged) = (heart.seen_at.load(Relaxed), heart.pinged_at.load(Relaxed));
        if pinged > seen && now >= seen + heart.beat.timeout_ms {
            return Some(CloseReason::HeartbeatTimeout);
        }
        // Whatever else comes from the peer: Engine.IO clients count on a ping.
        if now >= pinged + heart.beat.interval_ms {
            heart.pinged_at.store(now, Relaxed);
            heart.outbox.request_ping();
        }
        None
    }

    /// Notes when the connection must be looked at next.
    fn plan(&self, heart: &Arc<Heart>, now: u64) {
        let (seen, pinged) = (heart.seen_at.load(Relaxed), heart.pinged_at.load(Relaxed));
        let ping_at = pinged + heart.beat.interval_ms;
        let dead_at = if pinged > seen { seen + heart.beat.timeout_ms } else { u64::MAX };
        let due = ping_at.min(dead_at).min(heart.ends_at.load(Relaxed)).max(now);
        // Rounded up: whoever is visited is due.
        let second = due.div_ceil(1000).max(now / 1000 + 1);
        let mut schedule = self.schedule();
        // An earlier visit stands, and plans the next one itself.
        if second < heart.planned.load(Relaxed) {
            heart.planned.store(second, Relaxed);
            schedule.entry(second).or_default().push(Arc::downgrade(heart));
        }
    }

    fn now_ms(&self) -> u64 {
        ms(self.0.started.elapsed())
    }

    fn hearts(&self) -> MutexGuard<'_, BTreeMap<ConnId, Arc<Heart>>> {
        self.0.hearts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn schedule(&self) -> MutexGuard<'_, BTreeMap<u64, Vec<Weak<Heart>>>> {
        self.0.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
