//! The tail: what every node commits, of all tenants, each tenant's events in log order, none left
//! out and none twice.
//!
//! Three sources tell of events: this node's writer, the live copy from the others, and the heads of
//! the logs, read from time to time. What is missing between them is read from the log after a short
//! wait. One tenant's gap keeps no other tenant waiting.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_postgres::Row;

use super::super::{Copied, Error, Told};
use super::gaps::{self, Gap};
use super::lines::Lines;
use super::rows::{count, get, tenant};
use super::sql;
use crate::limits::{
    GAP_PAGE_EVENTS, GAP_READS_MAX, GAP_WAIT, HEADS_INTERVAL, HEADS_INTERVAL_ALONE, HELD_EVENTS_MAX,
};
use crate::model::{Envelope, TenantId};

/// What this node's writer has committed.
pub(super) struct Own {
    pub(super) events: Vec<Arc<Envelope>>,
    /// The tenants whose staff it changed, with what their counter is now.
    pub(super) staff: Vec<(TenantId, i64)>,
}

/// See the head of the file.
pub(super) struct Follower {
    lines: Arc<Lines>,
    tail: mpsc::Sender<Told>,
    tenants: HashMap<TenantId, Followed>,
    /// Those that have a gap.
    gapped: BTreeSet<TenantId>,
    /// Events of all tenants that wait for one before them.
    held: usize,
    /// Heads that were changed by this transaction or a later one have not been read yet.
    since: i64,
    /// What can be told now.
    ready: Vec<Ready>,
    is_polling: bool,
    /// The heads changed since the read that is under way began.
    is_stale: bool,
}

/// How far a tenant's log was told.
#[derive(Debug, Default)]
struct Followed {
    log: u32,
    next: u64,
    /// The last position that is known to be committed.
    known: u64,
    held: BTreeMap<u64, (Arc<Envelope>, bool)>,
    gap_since: Option<Instant>,
    is_reading: bool,
    staff: i64,
}

enum Ready {
    Event(Arc<Envelope>, bool),
    Staff(TenantId),
}

/// What was read.
enum Done {
    Heads(Result<Vec<Head>, Error>),
    Gap(Gap, Result<Vec<Arc<Envelope>>, Error>),
}

/// The end of a tenant's log.
pub(super) struct Head {
    tenant: TenantId,
    log: u32,
    position: u64,
    staff: i64,
    since: i64,
}

fn head(row: &Row) -> Result<Head, Error> {
    Ok(Head {
        tenant: tenant(row, 0)?,
        log: count(row, 1)?,
        position: count(row, 2)?,
        staff: get(row, 3)?,
        since: get(row, 4)?,
    })
}

impl Follower {
    /// Begins behind everything that is committed now.
    pub(super) async fn begin(
        lines: Arc<Lines>,
        tail: mpsc::Sender<Told>,
    ) -> Result<Follower, Error> {
        // In this order: what changes in between is read again, not left out.
        let since = lines.first(sql::SNAPSHOT, &[], |row| get(row, 0)).await?.unwrap_or(0);
        let heads = lines.all(sql::HEADS, &[&0_i64], head).await?;
        let followed = heads.into_iter().map(|head| {
            let (log, known, staff) = (head.log, head.position, head.staff);
            (head.tenant, Followed { log, next: known + 1, known, staff, ..Followed::default() })
        });
        Ok(Follower {
            lines,
            tail,
            tenants: followed.collect(),
            gapped: BTreeSet::new(),
            held: 0,
            since,
            ready: vec![],
            is_polling: false,
            is_stale: false,
        })
    }

    /// Follows until the writer is gone, or nobody reads the tail.
    pub(super) async fn run(
        mut self,
        mut own: mpsc::Receiver<Own>,
        mut incoming: Option<mpsc::Receiver<Copied>>,
    ) {
        let every = if incoming.is_some() { HEADS_INTERVAL } else { HEADS_INTERVAL_ALONE };
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reads = JoinSet::new();
        loop {
            let has_room = self.held < HELD_EVENTS_MAX;
            let due = self.next_gap().filter(|_| reads.len() < GAP_READS_MAX);
            tokio::select! {
                // Our own first: what the others know of it is told as our own then.
                biased;
                own = own.recv(), if has_room => match own {
                    Some(own) => self.take_own(own),
                    None => return,
                },
                Some(done) = reads.join_next() => match done {
                    Ok(Done::Heads(heads)) => self.take_heads(heads),
                    Ok(Done::Gap(gap, events)) => self.take_gap(&gap, events),
                    Err(err) => tracing::error!(error = %err, "a read of the log was cut off"),
                },
                copied = next_copy(&mut incoming), if has_room => match copied {
                    Some(copied) => self.take_copy(copied, &mut reads),
                    None => incoming = None,
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
                _ = ticks.tick() => self.poll(&mut reads),
            }
            self.read_gaps(&mut reads);
            if self.tell().await.is_none() {
                return;
            }
        }
    }

    fn take_own(&mut self, own: Own) {
        for envelope in own.events {
            self.take(envelope, true);
        }
        for (tenant, staff) in own.staff {
            let followed = self.tenants.entry(tenant.clone()).or_insert_with(|| new(0));
            if staff > followed.staff + 1 {
                // Somebody else's are among these.
                self.ready.push(Ready::Staff(tenant));
            }
            followed.staff = followed.staff.max(staff);
        }
    }

    fn take_copy(&mut self, copied: Copied, reads: &mut JoinSet<Done>) {
        for envelope in copied.events {
            self.take(envelope, false);
        }
        if !copied.staff.is_empty() {
            // The counters tell which of it is news.
            self.poll(reads);
        }
    }

    /// Takes one event in; what is behind us, or of a log that is not ours, is not new.
    fn take(&mut self, envelope: Arc<Envelope>, is_own: bool) {
        let Some(cursor) = envelope.cursor else { return };
        let followed = match self.tenants.get_mut(&envelope.tenant) {
            Some(followed) => followed,
            // It began after we did, so all of its log is to be told.
            None if is_own => self.tenants.entry(envelope.tenant.clone()).or_insert_with(|| new(0)),
            // The heads will tell whether there is such a tenant.
            None => return,
        };
        if is_own && followed.log == 0 {
            followed.log = cursor.log;
        }
        if followed.log != cursor.log || cursor.position < followed.next {
            return;
        }
        followed.known = followed.known.max(cursor.position);
        let tenant = envelope.tenant.clone();
        let known = followed.held.get(&cursor.position).is_some_and(|(_, is_own)| *is_own);
        if !known && followed.held.insert(cursor.position, (envelope, is_own)).is_none() {
            self.held += 1;
        }
        self.advance(&tenant);
    }

    /// Makes ready what comes next, and notes whether something is missing.
    fn advance(&mut self, tenant: &TenantId) {
        let Some(followed) = self.tenants.get_mut(tenant) else { return };
        while let Some((envelope, is_own)) = followed.held.remove(&followed.next) {
            self.ready.push(Ready::Event(envelope, is_own));
            self.held -= 1;
            followed.next += 1;
            followed.gap_since = None;
        }
        if followed.next > followed.known {
            self.gapped.remove(tenant);
        } else if followed.gap_since.is_none() {
            followed.gap_since = Some(Instant::now());
            self.gapped.insert(tenant.clone());
        }
    }

    fn take_heads(&mut self, heads: Result<Vec<Head>, Error>) {
        self.is_polling = false;
        let heads = match heads {
            Ok(heads) => heads,
            Err(err) => {
                tracing::warn!(error = %err, "the heads of the logs could not be read");
                return;
            }
        };
        for head in heads {
            self.since = self.since.max(head.since);
            let followed = self.tenants.entry(head.tenant.clone()).or_insert_with(|| new(0));
            if followed.log == 0 {
                followed.log = head.log;
            }
            if followed.log != head.log {
                continue;
            }
            followed.known = followed.known.max(head.position);
            if head.staff > followed.staff {
                followed.staff = head.staff;
                self.ready.push(Ready::Staff(head.tenant.clone()));
            }
            self.advance(&head.tenant);
        }
    }

    /// Takes in what was read of a gap. What is not there any more was deleted because of its age.
    fn take_gap(&mut self, gap: &Gap, events: Result<Vec<Arc<Envelope>>, Error>) {
        let Some(followed) = self.tenants.get_mut(&gap.tenant) else { return };
        followed.is_reading = false;
        followed.gap_since = None;
        match events {
            Ok(events) => {
                let mut read: BTreeMap<_, _> =
                    events.into_iter().map(|envelope| (envelope.position(), envelope)).collect();
                while followed.next <= gap.through {
                    let read = read.remove(&followed.next).map(|envelope| (envelope, false));
                    let held = followed.held.remove(&followed.next);
                    self.held -= usize::from(held.is_some());
                    if let Some((envelope, is_own)) = held.or(read) {
                        self.ready.push(Ready::Event(envelope, is_own));
                    }
                    followed.next += 1;
                }
            }
            Err(err) => tracing::warn!(error = %err, "a gap could not be read, is tried again"),
        }
        self.advance(&gap.tenant);
    }

    /// Reads the heads that changed, now or after the read that is under way.
    fn poll(&mut self, reads: &mut JoinSet<Done>) {
        if self.is_polling {
            self.is_stale = true;
            return;
        }
        (self.is_polling, self.is_stale) = (true, false);
        let (lines, since) = (self.lines.clone(), self.since);
        reads.spawn(async move { Done::Heads(lines.all(sql::HEADS, &[&since], head).await) });
    }

    /// When the first gap has lasted long enough.
    fn next_gap(&self) -> Option<Instant> {
        let gaps = self.gapped.iter().filter_map(|tenant| self.tenants.get(tenant));
        let waiting = gaps.filter(|followed| !followed.is_reading);
        waiting.filter_map(|followed| followed.gap_since).min().map(|since| since + GAP_WAIT)
    }

    fn read_gaps(&mut self, reads: &mut JoinSet<Done>) {
        if self.is_stale && !self.is_polling {
            self.poll(reads);
        }
        let now = Instant::now();
        for tenant in &self.gapped {
            if reads.len() >= GAP_READS_MAX {
                return;
            }
            let Some(followed) = self.tenants.get_mut(tenant) else { continue };
            let is_due = followed.gap_since.is_some_and(|since| since + GAP_WAIT <= now);
            if followed.is_reading || !is_due {
                continue;
            }
            followed.is_reading = true;
            let until = followed.held.first_key_value().map_or(followed.known, |(p, _)| p - 1);
            let through = until.min(followed.next + GAP_PAGE_EVENTS as u64 - 1);
            let gap = Gap { tenant: tenant.clone(), after: followed.next - 1, through };
            let lines = self.lines.clone();
            reads.spawn(async move {
                let events = gaps::read(&lines, &gap).await;
                Done::Gap(gap, events)
            });
        }
    }

    /// Tells what is ready; `None` when nobody listens.
    async fn tell(&mut self) -> Option<()> {
        let mut events: Vec<Arc<Envelope>> = Vec::new();
        let mut are_own = false;
        for ready in self.ready.drain(..) {
            let is_same = matches!(&ready, Ready::Event(_, is_own) if *is_own == are_own);
            if !is_same && !events.is_empty() {
                let told = Told::Events { events: std::mem::take(&mut events), is_own: are_own };
                self.tail.send(told).await.ok()?;
            }
            match ready {
                Ready::Event(envelope, is_own) => {
                    are_own = is_own;
                    events.push(envelope);
                }
                Ready::Staff(tenant) => self.tail.send(Told::StaffChanged(tenant)).await.ok()?,
            }
        }
        if !events.is_empty() {
            self.tail.send(Told::Events { events, is_own: are_own }).await.ok()?;
        }
        Some(())
    }
}

/// A tenant that has come since we began: all of its log is to be told.
fn new(staff: i64) -> Followed {
    Followed { next: 1, staff, ..Followed::default() }
}

async fn next_copy(incoming: &mut Option<mpsc::Receiver<Copied>>) -> Option<Copied> {
    match incoming {
        Some(incoming) => incoming.recv().await,
        None => std::future::pending().await,
    }
}
