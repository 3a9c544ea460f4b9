//! What becomes of a delivery after a try: it is there, it is tried again, or it is dead; and the
//! webhook of a receiver that wants no more is told nothing any more.

use std::time::Duration;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::State;
use super::driver::Driver;
use super::sending::{End, Finished};
use crate::limits::{OWED_RETRY_INTERVAL, WEBHOOK_RETRY_AFTER_MAX};
use crate::log::{
    Change, DeliveryState, DeliveryTried, Disabled, DisabledBy, Record, Tries, Webhook,
};
use crate::model::{Alert, Event, Moment};
use crate::sink::webhooks::{Answer, Backoff, Fate, Fault, Item};

/// A try with what follows from it.
pub(super) struct Settled {
    webhook: Uuid,
    item: Item,
    fate: Fate,
    /// What the log is to know.
    pub(super) record: Option<Record>,
    /// Until when the receiver wants to be left alone.
    rests_until: Option<Moment>,
    /// Why it failed.
    fault: Option<Fault>,
}

impl Driver {
    /// What follows from the tries that are over.
    pub(super) fn settled(&self, finished: &[Finished]) -> Vec<Settled> {
        let settings = &self.app.config.webhooks;
        let backoff = Backoff {
            pauses: settings.retry_pauses.clone(),
            give_up_after: settings.give_up_after,
        };
        finished.iter().map(|finished| settle(finished, &backoff)).collect()
    }

    /// Disables the webhooks of receivers that want no more, and tells the tenant.
    pub(super) fn add_disabled(&self, settled: &[Settled], change: &mut Change) {
        let is_gone = |id| settled.iter().any(|s| s.webhook == id && s.fault == Some(Fault::Gone));
        let mut state = self.office.lock();
        for desk in state.enabled().filter(|desk| is_gone(desk.webhook.id)) {
            let disabled = Some(Disabled { by: DisabledBy::Receiver, at: Moment::now() });
            let webhook = Webhook { disabled, ..desk.webhook.as_ref().clone() };
            change.events.push(alert_of(&webhook));
            change.records.push(Record::Webhook(webhook));
        }
    }

    /// Tells the operator: ids and what went wrong, never an address, because some have secrets in
    /// them.
    pub(super) fn note(&self, settled: &Settled) {
        let Settled { webhook, item: Item { position, attempts, .. }, fault, .. } = settled;
        let tenant = &self.office.tenant;
        let error = fault.as_ref().map_or(LOST.to_owned(), ToString::to_string);
        match settled.fate {
            Fate::Dead => {
                self.app.metrics.webhook_dead_total.inc();
                tracing::warn!(%tenant, %webhook, position, attempts, error, "a delivery is dead");
            }
            Fate::Again(_) if *fault == Some(Fault::Gone) => {
                tracing::warn!(%tenant, %webhook, "the receiver wants no more (410)");
            }
            Fate::Again(_) => {
                tracing::debug!(%tenant, %webhook, position, attempts, error, "a delivery failed");
            }
            Fate::Delivered | Fate::Untried(_) => {}
        }
    }
}

fn settle(finished: &Finished, backoff: &Backoff) -> Settled {
    let Finished { webhook, item, end, at } = finished;
    let settled = |fate, record| Settled {
        webhook: *webhook,
        item: *item,
        fate,
        record,
        rests_until: None,
        fault: None,
    };
    match end {
        End::Unmade => settled(Fate::Untried(later(*at, OWED_RETRY_INTERVAL)), None),
        End::Lost => {
            let tries = Tries { error: Some(LOST.into()), ..tries_of(item, *at) };
            settled(Fate::Dead, Some(record(finished, DeliveryState::Dead, tries)))
        }
        End::Answered(answer) => {
            let fate = fate_of(item, answer, *at, backoff);
            let (state, next_at) = match fate {
                Fate::Delivered => (DeliveryState::Delivered, None),
                Fate::Dead => (DeliveryState::Dead, None),
                Fate::Again(at) | Fate::Untried(at) => (DeliveryState::Pending, Some(at)),
            };
            let tries = Tries { next_at, ..answered(item, answer, *at) };
            let pause = answer.retry_after.filter(|_| matches!(answer.status, Some(429 | 503)));
            Settled {
                rests_until: pause.map(|pause| later(*at, pause.min(WEBHOOK_RETRY_AFTER_MAX))),
                fault: answer.fault.clone(),
                ..settled(fate, Some(record(finished, state, tries)))
            }
        }
    }
}

/// Why what has never been sent is dead.
const LOST: &str = "the event is past its retention";

fn fate_of(item: &Item, answer: &Answer, now: Moment, backoff: &Backoff) -> Fate {
    let first_at = item.first_at.unwrap_or(now);
    match &answer.fault {
        None => Fate::Delivered,
        // It waits for whoever enables the webhook again.
        Some(Fault::Gone) => Fate::Again(now),
        Some(_) => {
            let next = backoff.next(item.attempts, first_at, now, answer.retry_after, chance());
            next.map_or(Fate::Dead, Fate::Again)
        }
    }
}

fn tries_of(item: &Item, at: Moment) -> Tries {
    let (attempts, first_at) = (item.attempts, item.first_at);
    Tries { attempts, first_at, tried_at: Some(at), ..Tries::default() }
}

fn answered(item: &Item, answer: &Answer, at: Moment) -> Tries {
    Tries {
        status: answer.status,
        error: answer.fault.as_ref().map(ToString::to_string),
        took_ms: Some(u32::try_from(answer.took.as_millis()).unwrap_or(u32::MAX)),
        ..tries_of(item, at)
    }
}

fn record(finished: &Finished, state: DeliveryState, tries: Tries) -> Record {
    let (webhook, position) = (finished.webhook, finished.item.position);
    Record::DeliveryTried(DeliveryTried { webhook, position, state, tries })
}

impl Settled {
    /// What became of it is kept, and its lane goes on.
    pub(super) fn take_in(self, state: &mut State) {
        let Some(desk) = state.desks.get_mut(&self.webhook) else { return };
        desk.schedule.settle(&self.item, self.fate);
        if let Some(at) = self.rests_until {
            desk.schedule.rest_until(at);
        }
    }
}

fn alert_of(webhook: &Webhook) -> Event {
    let id = ("webhook_id".to_owned(), Value::String(webhook.id.to_string()));
    Event::Alert(Alert {
        title: "A webhook was disabled".into(),
        body: "Its receiver answered 410: it wants no more. What it has not got waits until the \
               webhook is enabled again."
            .into(),
        kind: Some("webhook.disabled".into()),
        data: Some(Map::from_iter([id])),
    })
}

fn later(at: Moment, by: Duration) -> Moment {
    Moment(at.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
}

/// From 0 to 1.
fn chance() -> f64 {
    f64::from(Uuid::new_v4().as_fields().0) / f64::from(u32::MAX)
}
