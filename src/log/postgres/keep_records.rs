//! Writing what a group only keeps: administration, and where people and readers are.

use super::super::{Agent, ApiKey, Error, Recovery};
use super::keep::{list, ms, split, tenants};
use super::overlay::Overlay;
use super::pipeline::{Call, column};
use super::records::{Hook, Records};
use super::rows::{Text, int, text, to_json};
use super::writes;

/// What of the records is written as JSON: a text or more for each, in their order.
pub(super) struct Json {
    /// Departments, skills and languages.
    agents: Vec<[String; 3]>,
    /// Scopes and events.
    api_keys: Vec<[String; 2]>,
    recoveries: Vec<String>,
    faq: Vec<String>,
    /// Events and old secrets.
    pub(super) webhooks: Vec<[String; 2]>,
}

impl Json {
    pub(super) fn of(records: &Records) -> Result<Json, Error> {
        let agent =
            |a: &Agent| Ok([to_json(&a.departments)?, to_json(&a.skills)?, to_json(&a.languages)?]);
        let key = |k: &ApiKey| Ok([to_json(&k.scopes)?, to_json(&k.events)?]);
        let agents = records.agents.values().flatten().map(agent).collect::<Result<_, Error>>();
        let keys = records.api_keys.iter().map(|(_, k)| key(k)).collect::<Result<_, Error>>();
        let rooms = |r: &Recovery| to_json(&r.rooms);
        let recoveries = records.recoveries.values().map(|(_, r, _)| rooms(r));
        let faq = records.faq.values().flatten().map(|entry| to_json(&entry.wordings));
        let webhooks = records.hooks.iter().filter_map(|hook| match hook {
            Hook::Put(_, w) => Some([to_json(&w.events), to_json(&w.old_secrets)]),
            _ => None,
        });
        Ok(Json {
            agents: agents?,
            api_keys: keys?,
            recoveries: recoveries.collect::<Result<_, Error>>()?,
            faq: faq.collect::<Result<_, Error>>()?,
            webhooks: webhooks
                .map(|[events, old]| Ok([events?, old?]))
                .collect::<Result<_, Error>>()?,
        })
    }
}

pub(super) fn add<'a>(overlay: &'a Overlay, json: &'a Json, calls: &mut Vec<Call<'a>>) {
    add_staff(overlay, json, calls);
    add_keys(overlay, json, calls);
    add_people(overlay, json, calls);
    add_notices(overlay, calls);
    add_faq(overlay, json, calls);
    add_routing(overlay, calls);
}

fn add_staff<'a>(overlay: &'a Overlay, json: &'a Json, calls: &mut Vec<Call<'a>>) {
    let (there, gone) = split(&overlay.records.departments);
    if !there.is_empty() {
        let params = vec![
            tenants(overlay, &there, |r| r.0),
            list(there.iter().map(|r| *r.1)),
            list(there.iter().map(|r| Text(&r.2.name))),
            list(there.iter().map(|r| text(&r.2.routing))),
        ];
        calls.push(Call::new(writes::PUT_DEPARTMENTS, params));
    }
    if !gone.is_empty() {
        let params = vec![tenants(overlay, &gone, |r| r.0), list(gone.iter().map(|r| *r.1))];
        calls.push(Call::new(writes::REMOVE_DEPARTMENTS, params));
    }
    let (there, gone) = split(&overlay.records.agents);
    if !there.is_empty() {
        let params = vec![
            tenants(overlay, &there, |r| r.0),
            list(there.iter().map(|r| r.1.as_str())),
            list(there.iter().map(|r| r.2.role.as_str())),
            list(there.iter().map(|r| Text(&r.2.name))),
            list(there.iter().map(|r| text(&r.2.email))),
            list(there.iter().map(|r| text(&r.2.password))),
            column(&json.agents, |texts| Text(&texts[0])),
            list(there.iter().map(|r| i64::from(r.2.max_chats))),
            column(&json.agents, |texts| Text(&texts[1])),
            column(&json.agents, |texts| Text(&texts[2])),
            list(there.iter().map(|r| r.2.is_disabled)),
            list(there.iter().map(|r| r.2.created_at.0)),
            list(there.iter().map(|r| text(&r.2.extension))),
        ];
        calls.push(Call::new(writes::PUT_AGENTS, params));
    }
    if !gone.is_empty() {
        let ids = list(gone.iter().map(|r| r.1.as_str()));
        calls.push(Call::new(writes::REMOVE_AGENTS, vec![tenants(overlay, &gone, |r| r.0), ids]));
    }
    let (former, back) = split(&overlay.records.former_agents);
    if !former.is_empty() {
        let params = vec![
            tenants(overlay, &former, |r| r.0),
            list(former.iter().map(|r| r.1.as_str())),
            list(former.iter().map(|r| r.2.0)),
        ];
        calls.push(Call::new(writes::ADD_FORMER_AGENTS, params));
    }
    if !back.is_empty() {
        let ids = list(back.iter().map(|r| r.1.as_str()));
        let params = vec![tenants(overlay, &back, |r| r.0), ids];
        calls.push(Call::new(writes::REMOVE_FORMER_AGENTS, params));
    }
}

fn add_keys<'a>(overlay: &'a Overlay, json: &'a Json, calls: &mut Vec<Call<'a>>) {
    let records = &overlay.records;
    let keys = &records.session_keys;
    if !keys.is_empty() {
        let digests = column(keys, |k| &k.2[..]);
        let params = vec![digests, tenants(overlay, keys, |k| k.0), column(keys, |k| k.1.0)];
        calls.push(Call::new(writes::ADD_SESSION_KEYS, params));
    }
    let keys = &records.api_keys;
    if !keys.is_empty() {
        let params = vec![
            column(keys, |(_, k)| k.id),
            tenants(overlay, keys, |k| k.0),
            column(keys, |(_, k)| Text(&k.name)),
            column(keys, |(_, k)| &k.digest[..]),
            column(&json.api_keys, |texts| Text(&texts[0])),
            column(&json.api_keys, |texts| Text(&texts[1])),
            column(keys, |(_, k)| k.created_at.0),
        ];
        calls.push(Call::new(writes::ADD_API_KEYS, params));
    }
    let revoked = &records.revoked;
    if !revoked.is_empty() {
        let params = vec![
            tenants(overlay, revoked, |r| r.0),
            column(revoked, |r| r.1),
            column(revoked, |r| r.2.0),
        ];
        calls.push(Call::new(writes::REVOKE_API_KEYS, params));
    }
}

fn add_people<'a>(overlay: &'a Overlay, json: &'a Json, calls: &mut Vec<Call<'a>>) {
    let rows: Vec<_> = overlay.records.recoveries.values().collect();
    if !rows.is_empty() {
        let params = vec![
            list(rows.iter().map(|r| r.1.id)),
            tenants(overlay, &rows, |r| r.0),
            list(rows.iter().map(|r| r.1.user.as_str())),
            column(&json.recoveries, |rooms| Text(rooms)),
            list(rows.iter().map(|r| ms(r.1.ended_at))),
            list(rows.iter().map(|r| r.2.0)),
        ];
        calls.push(Call::new(writes::PUT_RECOVERIES, params));
    }
    let rows: Vec<_> = overlay.records.readers.iter().collect();
    if !rows.is_empty() {
        let params = vec![
            tenants(overlay, &rows, |(k, _)| k.0),
            list(rows.iter().map(|(k, _)| k.1)),
            list(rows.iter().map(|(_, position)| int(**position))),
        ];
        calls.push(Call::new(writes::PUT_READ_BY, params));
    }
}

/// Behind the notifications that are new: they may be among those that were read.
fn add_notices<'a>(overlay: &'a Overlay, calls: &mut Vec<Call<'a>>) {
    let rows: Vec<_> = overlay.records.read_notices.iter().collect();
    if !rows.is_empty() {
        let params = vec![
            tenants(overlay, &rows, |(k, _)| k.0),
            list(rows.iter().map(|(k, _)| k.1.as_str())),
            list(rows.iter().map(|(k, _)| k.2)),
            list(rows.iter().map(|(_, at)| at.0)),
        ];
        calls.push(Call::new(writes::SET_NOTICES_READ, params));
    }
    let rows: Vec<_> = overlay.records.delivered.iter().collect();
    if !rows.is_empty() {
        let params = vec![
            tenants(overlay, &rows, |(k, _)| k.0),
            list(rows.iter().map(|(k, _)| k.1.as_str())),
            list(rows.iter().map(|(_, through)| int(**through))),
        ];
        calls.push(Call::new(writes::SET_NOTICES_DELIVERED, params));
    }
}

fn add_faq<'a>(overlay: &'a Overlay, json: &'a Json, calls: &mut Vec<Call<'a>>) {
    let (there, gone) = split(&overlay.records.faq);
    if !there.is_empty() {
        let params = vec![
            tenants(overlay, &there, |r| r.0),
            list(there.iter().map(|r| *r.1)),
            list(there.iter().map(|r| Text(&r.2.language))),
            list(there.iter().map(|r| Text(&r.2.question))),
            column(&json.faq, |wordings| Text(wordings)),
            list(there.iter().map(|r| Text(&r.2.answer))),
            list(there.iter().map(|r| r.2.is_enabled)),
            list(there.iter().map(|r| r.2.updated_at.0)),
        ];
        calls.push(Call::new(writes::PUT_FAQ, params));
    }
    if !gone.is_empty() {
        let params = vec![tenants(overlay, &gone, |r| r.0), list(gone.iter().map(|r| *r.1))];
        calls.push(Call::new(writes::REMOVE_FAQ, params));
    }
}

fn add_routing<'a>(overlay: &'a Overlay, calls: &mut Vec<Call<'a>>) {
    let records = &overlay.records;
    let rows: Vec<_> = records.work.iter().collect();
    if !rows.is_empty() {
        let params = vec![
            tenants(overlay, &rows, |(k, _)| k.0),
            list(rows.iter().map(|(k, _)| k.1.as_str())),
            list(rows.iter().map(|(_, work)| work.0.0)),
            list(rows.iter().map(|(_, work)| ms(work.1))),
        ];
        calls.push(Call::new(writes::PUT_AGENT_WORK, params));
    }
    let rows: Vec<_> = records.agent_states.iter().collect();
    if !rows.is_empty() {
        let params = vec![
            tenants(overlay, &rows, |(k, _)| k.0),
            list(rows.iter().map(|(k, _)| k.1.as_str())),
            list(rows.iter().map(|(_, s)| s.declared.as_str())),
            list(rows.iter().map(|(_, s)| s.status.as_str())),
            list(rows.iter().map(|(_, s)| s.reason.as_str())),
            list(rows.iter().map(|(_, s)| s.since.0)),
        ];
        calls.push(Call::new(writes::PUT_AGENT_STATES, params));
    }
    let rows: Vec<_> = records.beats.iter().collect();
    if !rows.is_empty() {
        let params = vec![
            tenants(overlay, &rows, |(k, _)| k.0),
            list(rows.iter().map(|(k, _)| k.1.as_str())),
            list(rows.iter().map(|(_, until)| until.0)),
        ];
        calls.push(Call::new(writes::PUT_BEATS, params));
    }
    let (standing, over) = split(&records.alerts);
    if !standing.is_empty() {
        let ids = list(standing.iter().map(|r| *r.1));
        let params = vec![tenants(overlay, &standing, |r| r.0), ids];
        calls.push(Call::new(writes::ADD_ALERTS, params));
    }
    if !over.is_empty() {
        let params = vec![tenants(overlay, &over, |r| r.0), list(over.iter().map(|r| *r.1))];
        calls.push(Call::new(writes::REMOVE_ALERTS, params));
    }
}
