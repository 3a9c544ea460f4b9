//! Writing what a group did to webhooks and their deliveries, in its order.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::super::{DeliveryTried, Webhook, WebhookRead};
use super::keep::{list, ms, tenants};
use super::keep_records::Json;
use super::needs::Of;
use super::overlay::Overlay;
use super::pipeline::{Call, Param, column};
use super::records::Hook;
use super::rows::{Text, int, text};
use super::writes;

pub(super) fn add<'a>(overlay: &'a Overlay, json: &'a Json, calls: &mut Vec<Call<'a>>) {
    let mut texts = json.webhooks.iter();
    for hook in &overlay.records.hooks {
        match hook {
            Hook::Put(of, webhook) => {
                if let Some(texts) = texts.next() {
                    calls.push(put(tenant(overlay, *of), webhook, texts));
                }
            }
            Hook::Removed(of, id, at) => {
                let params: Vec<Param> = vec![tenant(overlay, *of), Box::new(*id), Box::new(at.0)];
                calls.push(Call::new(writes::REMOVE_WEBHOOK, params));
            }
            Hook::Read(of, read) => add_read(overlay, *of, read, calls),
            Hook::Tried(tried) => calls.push(put_tried(overlay, tried)),
            Hook::Revived(of, id, positions) => {
                let positions = column(positions, |position| int(*position));
                let params: Vec<Param> = vec![tenant(overlay, *of), Box::new(*id), positions];
                calls.push(Call::new(writes::REVIVE_DELIVERIES, params));
            }
        }
    }
}

fn tenant(overlay: &Overlay, of: Of) -> Param<'_> {
    Box::new(overlay.heads[of].tenant.as_str())
}

fn put<'a>(tenant: Param<'a>, w: &'a Webhook, texts: &'a [String; 2]) -> Call<'a> {
    let params: Vec<Param> = vec![
        tenant,
        Box::new(w.id),
        Box::new(Text(&w.url)),
        Box::new(text(&w.description)),
        Box::new(Text(&texts[0])),
        Box::new(Text(&w.secret.0)),
        Box::new(Text(&texts[1])),
        Box::new(w.disabled.map(|disabled| disabled.by.as_str())),
        Box::new(w.disabled.map(|disabled| disabled.at.0)),
        Box::new(w.created_at.0),
        Box::new(int(w.cursor)),
    ];
    Call::new(writes::PUT_WEBHOOK, params)
}

fn add_read<'a>(overlay: &'a Overlay, of: Of, read: &'a WebhookRead, calls: &mut Vec<Call<'a>>) {
    let params: Vec<Param> =
        vec![tenant(overlay, of), Box::new(read.webhook), Box::new(int(read.cursor))];
    calls.push(Call::new(writes::SET_WEBHOOK_CURSOR, params));
    // Each position once: a statement cannot change a row twice.
    let taken: BTreeMap<_, _> = read.taken.iter().map(|taken| (taken.position, taken)).collect();
    if taken.is_empty() {
        return;
    }
    let params = vec![
        tenant(overlay, of),
        Box::new(read.webhook),
        list(taken.keys().map(|position| int(*position))),
        list(taken.values().map(|taken| Text(&taken.name))),
        list(taken.values().map(|taken| taken.lane)),
        list(taken.values().map(|taken| taken.at.0)),
    ];
    calls.push(Call::new(writes::ADD_DELIVERIES, params));
}

fn put_tried<'a>(
    overlay: &'a Overlay,
    tried: &'a BTreeMap<(Of, Uuid, u64), DeliveryTried>,
) -> Call<'a> {
    let rows: Vec<_> = tried.iter().map(|(key, tried)| (key.0, tried, &tried.tries)).collect();
    let params = vec![
        tenants(overlay, &rows, |r| r.0),
        list(rows.iter().map(|r| r.1.webhook)),
        list(rows.iter().map(|r| int(r.1.position))),
        list(rows.iter().map(|r| r.1.state.as_str())),
        list(rows.iter().map(|r| i64::from(r.2.attempts))),
        list(rows.iter().map(|r| ms(r.2.first_at))),
        list(rows.iter().map(|r| ms(r.2.next_at))),
        list(rows.iter().map(|r| ms(r.2.tried_at))),
        list(rows.iter().map(|r| r.2.status.map(i32::from))),
        list(rows.iter().map(|r| text(&r.2.error))),
        list(rows.iter().map(|r| r.2.took_ms.map(i64::from))),
    ];
    Call::new(writes::SET_DELIVERIES_TRIED, params)
}
