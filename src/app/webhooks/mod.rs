//! Webhooks: receivers outside that are told what happens in a tenant, each a reader of its log with
//! a cursor of its own.
//!
//! A tenant that has one has an [`Office`], and a task serves it (`serve`, `driver`): it reads what
//! the webhooks want from the log (`reading`), sends it (`sending`), and keeps what became of that
//! (`settling`). Administrators' verbs are in `verbs` and `replay`. What a request looks like, when
//! it goes out and where none may go is `crate::sink::webhooks`'.
//!
//! What is in memory here is what the log knows, and may be thrown away at any time: cursor and
//! pending deliveries are kept before anything follows from them.

mod driver;
mod fields;
mod reading;
mod replay;
mod sending;
mod serve;
mod settling;
mod verbs;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Mutex as OrderLock, Notify};
use uuid::Uuid;

use super::App;
use crate::log::{Delivery, Webhook};
use crate::model::{Envelope, Event, EventSet, Moment, TenantId};
use crate::sink::webhooks::{Item, Schedule};

pub use replay::Replayed;
pub use verbs::{NewWebhook, Tried, WebhookChange, WebhookView};

/// The tenants that have webhooks.
#[derive(Default)]
pub(super) struct Offices {
    /// Whether there is one at all: who has none pays for none.
    has_any: AtomicBool,
    open: Mutex<HashMap<TenantId, Arc<Office>>>,
    /// There is one that nobody serves yet.
    opened: Notify,
}

/// The webhooks of one tenant.
struct Office {
    tenant: TenantId,
    /// What is written about these webhooks is written by one at a time: by whoever serves them, or
    /// by an administrator.
    turn: OrderLock<()>,
    state: Mutex<State>,
    /// There is something to read, or the state is stale.
    wake: Notify,
}

#[derive(Default)]
struct State {
    is_served: bool,
    /// Whether the log knows better; it is read before anything else is done.
    is_stale: bool,
    /// Up to where the log is known to go.
    head: u64,
    desks: BTreeMap<Uuid, Desk>,
}

/// One webhook.
struct Desk {
    webhook: Arc<Webhook>,
    wants: EventSet,
    /// Everything up to here is in the schedule, was delivered, or is not wanted.
    read_to: u64,
    /// What of that the log knows.
    kept: u64,
    /// Up to where it was told that events are missing.
    gap_told: u64,
    schedule: Schedule,
}

impl Offices {
    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, Arc<Office>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, tenant: &TenantId) -> Option<Arc<Office>> {
        self.lock().get(tenant).cloned()
    }

    fn open(&self, tenant: &TenantId) -> Arc<Office> {
        let mut open = self.lock();
        let office = open.entry(tenant.clone()).or_insert_with(|| {
            Arc::new(Office {
                tenant: tenant.clone(),
                turn: OrderLock::new(()),
                state: Mutex::default(),
                wake: Notify::new(),
            })
        });
        office.clone()
    }

    /// The log knows something new of these webhooks.
    fn changed(&self, office: &Office) {
        let is_served = office.note_stale();
        if is_served {
            office.wake.notify_one();
        } else {
            self.has_any.store(true, Ordering::Release);
            self.opened.notify_one();
        }
    }

    /// Nobody serves them any more; whoever does next asks the log how they stand.
    fn close_all(&self) {
        for office in self.lock().values() {
            office.forget();
            office.lock().is_served = false;
        }
    }

    /// Those nobody serves yet; whoever asks does from now on.
    fn take_unserved(&self) -> Vec<Arc<Office>> {
        let unserved = |office: &&Arc<Office>| {
            let mut state = office.lock();
            state.is_stale && !std::mem::replace(&mut state.is_served, true)
        };
        self.lock().values().filter(unserved).cloned().collect()
    }
}

impl Office {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The log knows better, or is about to; whoever serves these webhooks reads it anew. Returns
    /// whether somebody does.
    fn note_stale(&self) -> bool {
        let mut state = self.lock();
        state.is_stale = true;
        state.is_served
    }

    /// Whatever is in memory is not to be trusted any more.
    fn forget(&self) {
        let mut state = self.lock();
        state.desks.clear();
        state.is_stale = true;
    }

    /// What the log's tail tells. Whoever wants it reads it from the log; whoever has read up to it
    /// and does not want it has read it with this.
    fn hear(&self, envelope: &Envelope) {
        let position = envelope.position();
        let mut state = self.lock();
        state.head = state.head.max(position);
        let mut is_awaited = false;
        // What a webhook wants may be another thing by now.
        let is_known = !state.is_stale;
        for desk in state.enabled() {
            let is_next = position == desk.read_to + 1;
            if is_known && is_next && !desk.wants.contains(&envelope.event) {
                desk.read_to = position;
            } else {
                is_awaited |= position > desk.read_to;
            }
        }
        drop(state);
        if is_awaited {
            self.wake.notify_one();
        }
    }
}

impl State {
    /// The webhooks that are told.
    fn enabled(&mut self) -> impl Iterator<Item = &mut Desk> {
        self.desks.values_mut().filter(|desk| desk.webhook.disabled.is_none())
    }
}

impl Desk {
    fn new(webhook: Webhook, width: usize) -> Desk {
        Desk {
            wants: wanted(&webhook.events),
            read_to: webhook.cursor,
            kept: webhook.cursor,
            gap_told: 0,
            schedule: Schedule::new(width),
            webhook: Arc::new(webhook),
        }
    }

    /// Takes in what the log knows of it.
    fn update(&mut self, webhook: Webhook, pending: Vec<Delivery>, now: Moment) {
        if webhook.cursor != self.kept {
            (self.read_to, self.kept, self.gap_told) = (webhook.cursor, webhook.cursor, 0);
        }
        self.wants = wanted(&webhook.events);
        self.schedule.reload(pending.iter().map(item_of));
        let is_back = self.webhook.disabled.is_some() && webhook.disabled.is_none();
        if is_back || self.webhook.url != webhook.url {
            self.schedule.begin_anew(now);
        }
        self.webhook = Arc::new(webhook);
    }
}

fn item_of(delivery: &Delivery) -> Item {
    let (taken, tries) = (&delivery.taken, &delivery.tries);
    Item {
        position: taken.position,
        lane: taken.lane,
        at: taken.at,
        attempts: tries.attempts,
        first_at: tries.first_at,
        // What was not tried yet is due since it happened.
        next_at: tries.next_at.unwrap_or(taken.at),
    }
}

/// The events that patterns name. The audit trail is for admins who look at it: it goes out only
/// where it is named.
fn wanted(patterns: &[String]) -> EventSet {
    let (set, _) = EventSet::parse_all(patterns.iter().map(String::as_str));
    let names_audit = patterns.iter().any(|pattern| pattern.starts_with("audit."));
    if names_audit { set } else { set.without(EventSet::parse("audit.*").unwrap_or_default()) }
}

fn is_about_webhooks(event: &Event) -> bool {
    matches!(event, Event::Audit(entry) if entry.action.starts_with("webhook."))
}

impl App {
    /// Tells a tenant's webhooks that there is something to read.
    pub(super) fn hand_to_webhooks(&self, envelope: &Envelope, is_own: bool) {
        let offices = &self.0.offices;
        if !is_own && is_about_webhooks(&envelope.event) {
            // Another node's administrator changed them.
            offices.changed(&offices.open(&envelope.tenant));
        }
        if !offices.has_any.load(Ordering::Acquire) {
            return;
        }
        if let Some(office) = offices.find(&envelope.tenant) {
            office.hear(envelope);
        }
    }

    /// Sets the gauges: how many deliveries wait, and since when the oldest does.
    pub fn measure_webhooks(&self) {
        let now = self.0.router.clock.now();
        let (mut pending, mut lag_ms) = (0, 0);
        let offices: Vec<_> = self.0.offices.lock().values().cloned().collect();
        for office in offices {
            for desk in office.lock().enabled() {
                pending += desk.schedule.len();
                let oldest = desk.schedule.oldest();
                lag_ms = lag_ms.max(oldest.map_or(0, |at| now.ms_since(at)));
            }
        }
        self.metrics.webhooks_wait(pending, lag_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::SigningSecret;
    use crate::model::Cursor;

    fn office(patterns: &[&str], cursor: u64) -> Arc<Office> {
        let webhook = Webhook {
            id: Uuid::from_u128(1),
            url: "https://hooks.example.com/".into(),
            description: None,
            events: patterns.iter().map(ToString::to_string).collect(),
            secret: SigningSecret("whsec_AAAA".into()),
            old_secrets: vec![],
            disabled: None,
            created_at: Moment(1),
            cursor,
        };
        let office = Offices::default().open(&TenantId::default_tenant());
        office.lock().desks.insert(webhook.id, Desk::new(webhook, 1));
        office
    }

    fn hears(office: &Office, name: &str, position: u64) -> u64 {
        let event = Event::samples().into_iter().find(|e| e.name() == name).unwrap();
        let cursor = Some(Cursor { log: 1, position });
        let tenant = TenantId::default_tenant();
        office.hear(&Envelope { cursor, ..Envelope::volatile(tenant, event) });
        let read_to = office.lock().desks.values().map(|desk| desk.read_to).max();
        read_to.unwrap()
    }

    #[test]
    fn what_nobody_wants_is_passed_over_only_where_nothing_is_between() {
        let office = office(&["call.*"], 4);
        assert_eq!(hears(&office, "alert", 5), 5);
        assert_eq!(hears(&office, "call.ended", 6), 5, "this one is to be read");
        assert_eq!(hears(&office, "alert", 7), 5, "and so is what is behind it");
        assert_eq!(hears(&office, "alert", 5), 5, "known already");
        assert_eq!(office.lock().head, 7);
    }

    #[test]
    fn nothing_is_passed_over_while_it_may_be_wanted_by_now() {
        let office = office(&["call.*"], 4);
        office.note_stale();
        assert_eq!(hears(&office, "alert", 5), 4);
    }

    #[test]
    fn the_audit_trail_goes_out_only_where_it_is_named() {
        let wants = |patterns: &[&str]| {
            let patterns: Vec<_> = patterns.iter().map(ToString::to_string).collect();
            let set = wanted(&patterns);
            let has = |name: &str| {
                let event = Event::samples().into_iter().find(|e| e.name() == name).unwrap();
                set.contains(&event)
            };
            (has("audit.entry"), has("call.incoming"), has("chat.message.announced"))
        };
        assert_eq!(wants(&["*"]), (false, true, true));
        assert_eq!(wants(&["*", "audit.entry"]), (true, true, true));
        assert_eq!(wants(&["audit.*"]), (true, false, false));
        assert_eq!(wants(&["chat.*"]), (false, false, true));
    }
}
