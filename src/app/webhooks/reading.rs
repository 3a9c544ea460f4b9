//! From the log to the schedules: what each webhook wants of what comes behind its cursor.
//!
//! Webhooks that have read equally far are read for together: when nobody is behind, that is one
//! reading for all of them, however many there are. One that is behind, or whose backlog is full,
//! keeps nobody up.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::driver::Driver;
use super::{Desk, State};
use crate::limits::{WEBHOOK_CURSOR_EVENTS, WEBHOOK_PAGE_EVENTS};
use crate::log::{self, Change, Page, Record, Taken, WebhookRead};
use crate::model::{Alert, Cursor, Event, EventSet};
use crate::sink::webhooks::{Item, lane_of};

/// What a webhook takes of a page.
pub(super) struct Reading {
    webhook: Uuid,
    /// Everything up to here is taken, or not wanted.
    cursor: u64,
    taken: Vec<Taken>,
    /// What it missed, if events behind its cursor are past their retention.
    gap: Option<Gap>,
}

struct Gap {
    after: Cursor,
    through: Cursor,
}

/// A webhook that is behind.
pub(super) struct Behind {
    webhook: Uuid,
    after: u64,
    wants: EventSet,
    room: usize,
    gap_told: u64,
}

impl Driver {
    /// The webhooks that have something to read, and room for it.
    pub(super) fn behind<'a>(&'a self, state: &'a mut State) -> impl Iterator<Item = Behind> + 'a {
        let backlog = self.app.config.webhooks.backlog;
        // With room for one event at a time a page would be read for each.
        let room_min = (backlog / 8).clamp(1, WEBHOOK_PAGE_EVENTS);
        let head = state.head;
        state.enabled().filter_map(move |desk| {
            let room = backlog.saturating_sub(desk.schedule.len());
            (desk.read_to < head && room >= room_min).then(|| Behind {
                webhook: desk.webhook.id,
                after: desk.read_to,
                wants: desk.wants,
                room,
                gap_told: desk.gap_told,
            })
        })
    }

    /// A page for each webhook that is behind.
    pub(super) async fn read(&self) -> Result<Vec<Reading>, log::Error> {
        let mut groups: BTreeMap<u64, Vec<Behind>> = BTreeMap::new();
        let head = {
            let mut state = self.office.lock();
            self.behind(&mut state).for_each(|b| groups.entry(b.after).or_default().push(b));
            state.head
        };
        let Some(first) = groups.keys().next().copied() else { return Ok(vec![]) };
        let (log, tenant) = (&self.app.log, &self.office.tenant);
        let mut readings = Vec::new();
        for (after, group) in groups {
            let page = log.read(tenant, log::Reading::All, after, WEBHOOK_PAGE_EVENTS).await?;
            let newest = page.events.last().map_or(after, |e| e.position());
            // Behind the last one there may be a hole: what was there is past its retention.
            let read_to = if page.is_end { newest.max(head) } else { newest };
            readings
                .extend(group.into_iter().map(|behind| (take(&behind, &page, read_to), behind)));
        }
        // Asked afterwards, so that nothing can have gone unnoticed in between.
        let pruned = log.pruned_through(tenant).await?;
        let own = if first < pruned { log.head(tenant).await?.log } else { 0 };
        let with_gap = |(mut reading, behind): (Reading, Behind)| {
            if behind.after < pruned && behind.gap_told < pruned {
                let [after, through] =
                    [behind.after, pruned].map(|position| Cursor { log: own, position });
                reading.gap = Some(Gap { after, through });
            }
            reading
        };
        Ok(readings.into_iter().map(with_gap).collect())
    }

    /// What the log is to know of how far the webhooks have read.
    pub(super) fn add_read(
        &self,
        readings: &[Reading],
        are_cursors_due: bool,
        change: &mut Change,
    ) {
        let mut state = self.office.lock();
        for desk in state.enabled() {
            let id = desk.webhook.id;
            let reading = readings.iter().find(|reading| reading.webhook == id);
            let taken = reading.map(|reading| reading.taken.clone()).unwrap_or_default();
            let cursor = reading.map_or(0, |reading| reading.cursor).max(desk.read_to);
            let gap = reading.and_then(|reading| reading.gap.as_ref());
            change.events.extend(gap.map(|gap| alert_of(desk, gap)));
            let moved = cursor.saturating_sub(desk.kept);
            let is_worth_it = !taken.is_empty()
                || gap.is_some()
                || moved >= WEBHOOK_CURSOR_EVENTS
                || (are_cursors_due && moved > 0);
            if is_worth_it {
                let read = WebhookRead { webhook: id, cursor, taken };
                change.records.push(Record::WebhookRead(read));
            }
        }
    }
}

/// What a webhook takes of a page that was read up to `read_to`: all it wants, or as much as there is
/// room for.
fn take(behind: &Behind, page: &Page, read_to: u64) -> Reading {
    let wanted = page.events.iter().filter(|envelope| behind.wants.contains(&envelope.event));
    let mut taken = Vec::new();
    let mut cursor = read_to;
    for envelope in wanted {
        if taken.len() == behind.room {
            cursor = envelope.position() - 1;
            break;
        }
        taken.push(Taken {
            position: envelope.position(),
            name: envelope.event.public_name().to_owned(),
            lane: lane_of(envelope),
            at: envelope.at,
        });
    }
    Reading { webhook: behind.webhook, cursor, taken, gap: None }
}

impl Reading {
    /// What was taken is kept, and goes out.
    pub(super) fn take_in(self, state: &mut State) {
        let Some(desk) = state.desks.get_mut(&self.webhook) else { return };
        desk.read_to = desk.read_to.max(self.cursor);
        desk.gap_told = self.gap.map_or(desk.gap_told, |gap| gap.through.position);
        for Taken { position, lane, at, .. } in self.taken {
            let item = Item { position, lane, at, attempts: 0, first_at: None, next_at: at };
            desk.schedule.insert(item);
        }
    }
}

fn alert_of(desk: &Desk, gap: &Gap) -> Event {
    let texts = [
        ("webhook_id", desk.webhook.id.to_string()),
        ("after", gap.after.to_string()),
        ("through", gap.through.to_string()),
    ];
    let data = texts.map(|(key, text)| (key.to_owned(), Value::String(text)));
    Event::Alert(Alert {
        title: "A webhook may have missed events".into(),
        body: "Events it had yet to read are past their retention. It goes on with the oldest \
               that are kept."
            .into(),
        kind: Some("webhook.gap".into()),
        data: Some(Map::from_iter(data)),
    })
}
