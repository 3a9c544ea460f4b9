//! The second half of a group's transaction: what its changes came to is written, a statement a
//! table, and committed. One round trip, whatever the size of the group.

use std::collections::BTreeMap;

use tokio_postgres::types::ToSql;

use super::super::Error;
use super::connect::{Fault, Line};
use super::needs::Of;
use super::overlay::Overlay;
use super::pipeline::{Call, Param, column, run};
use super::records::Latest;
use super::rows::{self, Text, int, text, to_json};
use super::{keep_hooks, keep_records, writes};
use crate::model::{Conversation, Envelope, Event, Moment, Target, UserId};

/// Writes what the group came to, and commits.
pub(super) async fn keep(line: &Line, overlay: &Overlay, json: &Json) -> Result<(), Fault> {
    run(line, calls(overlay, json)).await?;
    Ok(())
}

/// What is written as JSON, made before anything is sent.
pub(super) struct Json {
    payloads: Vec<String>,
    origins: Vec<Option<String>>,
    /// External ids, metadata and routing of the conversations that are written whole.
    conversations: Vec<(String, Option<String>, String)>,
    pub(super) records: keep_records::Json,
}

impl Json {
    pub(super) fn of(overlay: &Overlay) -> Result<Json, Error> {
        let origin = |e: &Envelope| e.origin.as_ref().map(to_json).transpose();
        let parts = |c: &Conversation| {
            let metadata = c.metadata.as_ref().map(to_json).transpose()?;
            Ok((to_json(&c.external_ids)?, metadata, to_json(&c.routing)?))
        };
        let payload = |e: &Envelope| e.event.payload().map_err(Error::failed);
        Ok(Json {
            payloads: overlay.events.iter().map(|e| payload(e)).collect::<Result<_, Error>>()?,
            origins: overlay.events.iter().map(|e| origin(e)).collect::<Result<_, Error>>()?,
            conversations: whole(overlay).map(|(_, c)| parts(c)).collect::<Result<_, Error>>()?,
            records: keep_records::Json::of(&overlay.records)?,
        })
    }
}

/// The conversations that are written whole.
fn whole(overlay: &Overlay) -> impl Iterator<Item = (Of, &Conversation)> {
    let changed = overlay.conversations.changed();
    changed.filter_map(|((of, _), held)| {
        held.record.as_ref().filter(|_| !held.is_counters_only).map(|record| (*of, record))
    })
}

fn calls<'a>(overlay: &'a Overlay, json: &'a Json) -> Vec<Call<'a>> {
    let mut calls = Vec::new();
    keep_heads(overlay, &mut calls);
    keep_events(overlay, json, &mut calls);
    keep_conversations(overlay, json, &mut calls);
    keep_people(overlay, &mut calls);
    keep_repeats(overlay, &mut calls);
    keep_stints(overlay, &mut calls);
    keep_records::add(overlay, &json.records, &mut calls);
    keep_hooks::add(overlay, &json.records, &mut calls);
    calls.push(Call::new(writes::COMMIT, vec![]));
    calls
}

/// The names of the rows' tenants, as a column.
pub(super) fn tenants<'a, R>(overlay: &'a Overlay, rows: &[R], of: impl Fn(&R) -> Of) -> Param<'a> {
    let names: Vec<&str> = rows.iter().map(|r| overlay.heads[of(r)].tenant.as_str()).collect();
    Box::new(names)
}

/// A column of things that are not kept in the rows.
pub(super) fn list<'a, T>(values: impl Iterator<Item = T>) -> Param<'a>
where
    Vec<T>: ToSql + Sync + Send + 'a,
{
    Box::new(values.collect::<Vec<T>>())
}

pub(super) fn ms(moment: Option<Moment>) -> Option<i64> {
    moment.map(|m| m.0)
}

/// What is there, and what is gone.
type Split<'a, K, V> = (Vec<(Of, &'a K, &'a V)>, Vec<(Of, &'a K)>);

/// Parts what is there from what is gone.
pub(super) fn split<K: Ord, V>(latest: &Latest<K, V>) -> Split<'_, K, V> {
    let (mut there, mut gone) = (Vec::new(), Vec::new());
    for ((of, key), value) in latest {
        match value {
            Some(value) => there.push((*of, key, value)),
            None => gone.push((*of, key)),
        }
    }
    (there, gone)
}

fn keep_heads<'a>(overlay: &'a Overlay, calls: &mut Vec<Call<'a>>) {
    let heads: Vec<_> = overlay.touched().collect();
    if heads.is_empty() {
        return;
    }
    let params = vec![
        list(heads.iter().map(|h| h.tenant.as_str())),
        list(heads.iter().map(|h| int(h.cursor.position))),
        list(heads.iter().map(|h| h.at.0)),
        list(heads.iter().map(|h| h.staff)),
        list(heads.iter().map(|h| text(&h.name))),
    ];
    calls.push(Call::new(writes::SET_HEADS, params));
}

/// For whom an event is, if for one user or role.
fn addressee(envelope: &Envelope) -> Option<String> {
    match envelope.target() {
        Some(Target::Role(role)) => Some(rows::of_role(*role)),
        _ => envelope.addressee().map(|user| user.as_str().to_owned()),
    }
}

fn keep_events<'a>(overlay: &'a Overlay, json: &'a Json, calls: &mut Vec<Call<'a>>) {
    let events = &overlay.events;
    if events.is_empty() {
        return;
    }
    let message = |e: &'a Envelope| match &e.event {
        Event::Message(message) => Some(message),
        _ => None,
    };
    // Only a message that can be repeated needs its sender in the index of repeats.
    let repeatable = move |e: &'a Envelope| message(e).filter(|m| m.client_id.is_some());
    let params = vec![
        column(events, |e| e.tenant.as_str()),
        column(events, |e| int(e.position())),
        column(events, |e| e.at.0),
        column(events, |e| e.event.name()),
        column(events, |e| e.conversation().map(|c| c.0)),
        column(events, |e| message(e).map(|m| int(m.seq))),
        column(events, |e| repeatable(e).map(|m| m.sender_id.as_str())),
        column(events, |e| repeatable(e).and_then(|m| text(&m.client_id))),
        column(&json.payloads, |payload| Text(payload)),
        column(events, |e| addressee(e)),
        column(&json.origins, text),
    ];
    calls.push(Call::new(writes::ADD_EVENTS, params));
}

fn keep_conversations<'a>(overlay: &'a Overlay, json: &'a Json, calls: &mut Vec<Call<'a>>) {
    let rows: Vec<_> = whole(overlay).collect();
    if !rows.is_empty() {
        let texts = &json.conversations;
        let user = |user: &'a Option<UserId>| user.as_ref().map(UserId::as_str);
        let params = vec![
            tenants(overlay, &rows, |r| r.0),
            list(rows.iter().map(|(_, c)| c.id.0)),
            column(texts, |t| Text(&t.0)),
            list(rows.iter().map(|(_, c)| user(&c.customer))),
            list(rows.iter().map(|(_, c)| text(&c.name))),
            list(rows.iter().map(|(_, c)| text(&c.email))),
            list(rows.iter().map(|(_, c)| c.department)),
            list(rows.iter().map(|(_, c)| c.status.as_str())),
            list(rows.iter().map(|(_, c)| user(&c.agent))),
            list(rows.iter().map(|(_, c)| text(&c.agent_name))),
            list(rows.iter().map(|(_, c)| c.created_at.0)),
            list(rows.iter().map(|(_, c)| ms(c.queued_at))),
            list(rows.iter().map(|(_, c)| ms(c.assigned_at))),
            list(rows.iter().map(|(_, c)| ms(c.closed_at))),
            list(rows.iter().map(|(_, c)| int(c.last_seq))),
            list(rows.iter().map(|(_, c)| int(c.delivered_seq))),
            list(rows.iter().map(|(_, c)| c.needs_person)),
            list(rows.iter().map(|(_, c)| c.score.map(i32::from))),
            column(texts, |t| text(&t.1)),
            column(texts, |t| Text(&t.2)),
        ];
        calls.push(Call::new(writes::PUT_CONVERSATIONS, params));
    }
    let changed = overlay.conversations.changed().filter(|(_, held)| held.is_counters_only);
    let counters = changed.filter_map(|((of, _), held)| held.record.as_ref().map(|c| (*of, c)));
    let rows: Vec<_> = counters.collect();
    if !rows.is_empty() {
        let params = vec![
            tenants(overlay, &rows, |r| r.0),
            list(rows.iter().map(|(_, c)| c.id.0)),
            list(rows.iter().map(|(_, c)| int(c.last_seq))),
            list(rows.iter().map(|(_, c)| int(c.delivered_seq))),
        ];
        calls.push(Call::new(writes::SET_SEQS, params));
    }
    let taken = overlay.external_ids.changed();
    let rows: Vec<_> = taken.filter_map(|((of, id), c)| c.map(|c| (*of, id, c))).collect();
    if !rows.is_empty() {
        let params = vec![
            tenants(overlay, &rows, |r| r.0),
            list(rows.iter().map(|r| r.1.as_str())),
            list(rows.iter().map(|r| r.2.0)),
        ];
        calls.push(Call::new(writes::ADD_EXTERNAL_IDS, params));
    }
}

/// Who is where, and how far they have read.
fn keep_people<'a>(overlay: &'a Overlay, calls: &mut Vec<Call<'a>>) {
    let marks: Vec<_> = overlay.read_marks.changed().collect();
    if !marks.is_empty() {
        let params = vec![
            tenants(overlay, &marks, |(k, _)| k.0),
            list(marks.iter().map(|(k, _)| k.1.0)),
            list(marks.iter().map(|(k, _)| k.2.as_str())),
            list(marks.iter().map(|(_, seq)| int(**seq))),
        ];
        calls.push(Call::new(writes::PUT_READ_MARKS, params));
    }
    let (mut here, mut gone) = (Vec::new(), Vec::new());
    for key in &overlay.moved {
        match overlay.members.at(&(key.0, key.1)).and_then(|members| members.get(&key.2)) {
            Some(member) => here.push((key, member)),
            None => gone.push(key),
        }
    }
    if !here.is_empty() {
        let params = vec![
            tenants(overlay, &here, |(k, _)| k.0),
            list(here.iter().map(|(k, _)| k.1.0)),
            list(here.iter().map(|(k, _)| k.2.as_str())),
            list(here.iter().map(|(_, m)| m.user_type.as_str())),
            list(here.iter().map(|(_, m)| m.joined_at.0)),
        ];
        calls.push(Call::new(writes::PUT_MEMBERS, params));
    }
    if !gone.is_empty() {
        let params = vec![
            tenants(overlay, &gone, |k| k.0),
            list(gone.iter().map(|k| k.1.0)),
            list(gone.iter().map(|k| k.2.as_str())),
        ];
        calls.push(Call::new(writes::REMOVE_MEMBERS, params));
    }
}

/// Posts, calls and notifications.
fn keep_repeats<'a>(overlay: &'a Overlay, calls: &mut Vec<Call<'a>>) {
    let posts = overlay.posts.changed().filter_map(|(key, post)| post.as_ref().map(|p| (key, p)));
    let posts: Vec<_> = posts.collect();
    if !posts.is_empty() {
        let params = vec![
            tenants(overlay, &posts, |(k, _)| k.0),
            list(posts.iter().map(|(k, _)| Text(&k.1))),
            list(posts.iter().map(|(_, p)| &p.0[..])),
            list(posts.iter().map(|(_, p)| int(p.1))),
            list(posts.iter().map(|(_, p)| p.2.0)),
        ];
        calls.push(Call::new(writes::PUT_POSTS, params));
    }
    let latest: BTreeMap<_, _> =
        overlay.calls.changed().map(|((of, id), call)| ((*of, id), call.as_ref())).collect();
    let (open, over) = split(&latest);
    if !open.is_empty() {
        let params = vec![
            tenants(overlay, &open, |r| r.0),
            list(open.iter().map(|r| Text(r.1))),
            list(open.iter().map(|r| r.2.agent.as_ref().map(UserId::as_str))),
            list(open.iter().map(|r| text(&r.2.queue))),
            list(open.iter().map(|r| r.2.began_at.0)),
            list(open.iter().map(|r| ms(r.2.answered_at))),
        ];
        calls.push(Call::new(writes::PUT_CALLS, params));
    }
    if !over.is_empty() {
        let params = vec![tenants(overlay, &over, |r| r.0), list(over.iter().map(|r| Text(r.1)))];
        calls.push(Call::new(writes::REMOVE_CALLS, params));
    }
    let notices = &overlay.notices;
    if !notices.is_empty() {
        let params = vec![
            tenants(overlay, notices, |n| n.0),
            column(notices, |n| n.1.as_str()),
            column(notices, |n| int(n.3)),
            column(notices, |n| n.2),
        ];
        calls.push(Call::new(writes::ADD_NOTICES, params));
    }
}

fn keep_stints<'a>(overlay: &'a Overlay, calls: &mut Vec<Call<'a>>) {
    let rows: Vec<_> = overlay.stints.iter().collect();
    if !rows.is_empty() {
        let user = |user: &'a Option<UserId>| user.as_ref().map(UserId::as_str);
        let params = vec![
            tenants(overlay, &rows, |(k, _)| k.0),
            list(rows.iter().map(|(k, _)| k.1.0)),
            list(rows.iter().map(|(k, _)| i64::from(k.2))),
            list(rows.iter().map(|(_, s)| user(&s.customer))),
            list(rows.iter().map(|(_, s)| s.department)),
            list(rows.iter().map(|(_, s)| user(&s.agent))),
            list(rows.iter().map(|(_, s)| s.began_at.0)),
            list(rows.iter().map(|(_, s)| ms(s.queued_at))),
            list(rows.iter().map(|(_, s)| ms(s.assigned_at))),
            list(rows.iter().map(|(_, s)| ms(s.answered_at))),
            list(rows.iter().map(|(_, s)| ms(s.ended_at))),
            list(rows.iter().map(|(_, s)| s.outcome.as_str())),
        ];
        calls.push(Call::new(writes::PUT_STINTS, params));
    }
    // Behind the stints: a rating may be of one that is new.
    let rows: Vec<_> = overlay.scores.iter().collect();
    if !rows.is_empty() {
        let params = vec![
            tenants(overlay, &rows, |(k, _)| k.0),
            list(rows.iter().map(|(k, _)| k.1.0)),
            list(rows.iter().map(|(k, _)| i64::from(k.2))),
            list(rows.iter().map(|(_, score)| i32::from(**score))),
        ];
        calls.push(Call::new(writes::PUT_SCORES, params));
    }
}
