//! The first half of a group's transaction: it is begun, its tenants are locked, and everything is
//! read that its changes will ask for. One round trip, whatever the size of the group.

use std::collections::BTreeMap;

use tokio_postgres::Row;
use uuid::Uuid;

use super::super::{Error, OpenCall};
use super::connect::{Fault, Line};
use super::needs::{Keys, Needs, Of};
use super::overlay::{Head, Held, Overlay};
use super::pipeline::{Call, Param, column, run};
use super::rows::{self, Text, count, get};
use super::writes;
use crate::model::{ConversationId, Cursor, Moment, TenantId, UserId};

/// By what a commit is found again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) writer: Uuid,
    pub(super) number: i64,
}

/// Why a group's transaction could not be begun.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unread {
    #[error(transparent)]
    Fault(#[from] Fault),
    /// What was read makes no sense.
    #[error(transparent)]
    Wrong(#[from] Error),
}

/// Begins the transaction and reads all that the group needs. `made` are tenants that may be new.
pub(super) async fn fetch(
    line: &Line,
    mark: Mark,
    needs: &Needs,
    made: &[TenantId],
) -> Result<Overlay, Unread> {
    let mut calls = vec![
        Call::new(writes::BEGIN, vec![]),
        Call::new(writes::MARK, vec![Box::new(mark.writer), Box::new(mark.number)]),
    ];
    if !made.is_empty() {
        let logs = column(made, |_| i64::from(Uuid::new_v4().as_fields().0));
        calls.push(Call::new(writes::ADD_TENANTS, vec![column(made, |t| t.as_str()), logs]));
    }
    calls.push(Call::new(writes::LOCK_TENANTS, vec![column(&needs.tenants, |t| t.as_str())]));
    let first = calls.len() - 1;
    if needs.duties {
        calls.push(Call::new(writes::DUTIES, vec![]));
    }
    let asked = ask(needs, &mut calls);
    let mut answers = run(line, calls).await?.into_iter().skip(first);
    let mut overlay = Overlay::new();
    let heads = answers.next().unwrap_or_default();
    read_heads(&mut overlay, needs, &heads)?;
    if needs.duties {
        let rows = answers.next().unwrap_or_default();
        // Nobody ever had them: no number is right.
        overlay.duties = Some(rows.first().map_or(Ok(0), |row| count(row, 0))?);
    }
    note_asked(&mut overlay, needs);
    for (read, rows) in asked.into_iter().zip(answers) {
        for row in &rows {
            read(&mut overlay, needs, row)?;
        }
    }
    Ok(overlay)
}

type Reader = fn(&mut Overlay, &Needs, &Row) -> Result<(), Error>;

/// The statements that read what is needed, each with how its rows are understood.
fn ask<'a>(needs: &'a Needs, calls: &mut Vec<Call<'a>>) -> Vec<Reader> {
    let mut readers: Vec<Reader> = Vec::new();
    let mut add = |sql, params: Vec<Param<'a>>, is_needed: bool, reader: Reader| {
        if is_needed {
            calls.push(Call::new(sql, params));
            readers.push(reader);
        }
    };
    let n = needs;
    let keys = &n.conversations.list;
    let params = vec![of(n, keys, |k| k.0), column(keys, |k| k.1.0)];
    add(writes::CONVERSATIONS, params, !keys.is_empty(), read_conversation);
    let keys = &n.external_ids.list;
    let params = vec![of(n, keys, |k| k.0), column(keys, |k| k.1.as_str())];
    add(writes::EXTERNAL_IDS, params, !keys.is_empty(), read_external_id);
    let keys = &n.messages.list;
    let params = vec![
        of(n, keys, |k| k.0),
        column(keys, |k| k.1.0),
        column(keys, |k| k.2.as_str()),
        column(keys, |k| Text(&k.3)),
    ];
    add(writes::KNOWN_MESSAGES, params, !keys.is_empty(), read_message);
    let keys = &n.read_marks.list;
    let params =
        vec![of(n, keys, |k| k.0), column(keys, |k| k.1.0), column(keys, |k| k.2.as_str())];
    add(writes::READ_MARKS, params, !keys.is_empty(), read_mark);
    let keys = &n.members.list;
    let params = vec![of(n, keys, |k| k.0), column(keys, |k| k.1.0)];
    add(writes::MEMBERS, params, !keys.is_empty(), read_member);
    let keys = &n.posts.list;
    let params = vec![of(n, keys, |k| k.0), column(keys, |k| Text(&k.1))];
    add(writes::POSTS, params, !keys.is_empty(), read_post);
    let keys = &n.calls.list;
    let params = vec![of(n, keys, |k| k.0), column(keys, |k| Text(&k.1))];
    add(writes::CALLS, params, !keys.is_empty(), read_call);
    let keys = &n.unread.list;
    let params = vec![of(n, keys, |k| k.0), column(keys, |k| k.1.as_str()), column(keys, |k| k.2)];
    add(writes::UNREAD, params, !keys.is_empty(), read_unread);
    readers
}

/// The column of the tenants of these keys.
fn of<'a, K>(needs: &'a Needs, keys: &'a [K], place: impl Fn(&K) -> Of) -> Param<'a> {
    column(keys, |key| needs.tenants[place(key)].as_str())
}

/// The key that a row answers.
fn key<'a, K>(keys: &'a Keys<K>, row: &Row) -> Result<&'a K, Error> {
    let number: usize = count(row, 0)?;
    let found = number.checked_sub(1).and_then(|index| keys.list.get(index));
    found.ok_or_else(|| Error::failed("an answer to no question"))
}

fn read_heads(overlay: &mut Overlay, needs: &Needs, found: &[Row]) -> Result<(), Error> {
    let mut heads = vec![None; needs.tenants.len()];
    for row in found {
        let Some(of) = needs.find(&rows::tenant(row, 0)?) else { continue };
        heads[of] = Some(Head {
            tenant: needs.tenants[of].clone(),
            cursor: Cursor { log: count(row, 1)?, position: count(row, 2)? },
            at: Moment(get(row, 3)?),
            staff: get(row, 4)?,
            name: None,
        });
    }
    for (tenant, head) in needs.tenants.iter().zip(heads) {
        let head = head.ok_or_else(|| Error::failed(format!("tenant {tenant} is gone")))?;
        overlay.heads.push(head.clone());
        overlay.before.push(head);
    }
    Ok(())
}

/// Everything that is asked for is known from here on: not to be there, until a row says otherwise.
fn note_asked(overlay: &mut Overlay, needs: &Needs) {
    for key in &needs.conversations.list {
        overlay.conversations.found(*key, Held { record: None, is_counters_only: false });
    }
    for key in &needs.external_ids.list {
        overlay.external_ids.found(key.clone(), None);
    }
    for key in &needs.messages.list {
        overlay.messages.found(key.clone(), None);
    }
    for key in &needs.read_marks.list {
        overlay.read_marks.found(key.clone(), 0);
    }
    for key in &needs.members.list {
        overlay.members.found(*key, BTreeMap::new());
    }
    for key in &needs.posts.list {
        overlay.posts.found(key.clone(), None);
    }
    for key in &needs.calls.list {
        overlay.calls.found(key.clone(), None);
    }
    for key in &needs.unread.list {
        overlay.unread.found(key.clone(), false);
    }
}

fn read_conversation(overlay: &mut Overlay, needs: &Needs, row: &Row) -> Result<(), Error> {
    let record = Some(rows::conversation_at(row, 1)?);
    let held = Held { record, is_counters_only: false };
    overlay.conversations.found(*key(&needs.conversations, row)?, held);
    Ok(())
}

fn read_external_id(overlay: &mut Overlay, needs: &Needs, row: &Row) -> Result<(), Error> {
    let taken = Some(ConversationId(get(row, 1)?));
    overlay.external_ids.found(key(&needs.external_ids, row)?.clone(), taken);
    Ok(())
}

fn read_message(overlay: &mut Overlay, needs: &Needs, row: &Row) -> Result<(), Error> {
    let key = key(&needs.messages, row)?;
    let envelope = rows::envelope_at(row, 1, &needs.tenants[key.0])?;
    overlay.messages.found(key.clone(), Some(envelope));
    Ok(())
}

fn read_mark(overlay: &mut Overlay, needs: &Needs, row: &Row) -> Result<(), Error> {
    overlay.read_marks.found(key(&needs.read_marks, row)?.clone(), count(row, 1)?);
    Ok(())
}

fn read_member(overlay: &mut Overlay, needs: &Needs, row: &Row) -> Result<(), Error> {
    let member = rows::member_at(row, 1)?;
    if let Some(members) = overlay.members.found_mut(key(&needs.members, row)?) {
        members.insert(member.user_id.clone(), member);
    }
    Ok(())
}

fn read_post(overlay: &mut Overlay, needs: &Needs, row: &Row) -> Result<(), Error> {
    let post = (rows::digest(row, 1)?, count(row, 2)?, Moment::default());
    overlay.posts.found(key(&needs.posts, row)?.clone(), Some(post));
    Ok(())
}

fn read_call(overlay: &mut Overlay, needs: &Needs, row: &Row) -> Result<(), Error> {
    let key = key(&needs.calls, row)?;
    let call = OpenCall {
        unique_id: key.1.clone(),
        agent: rows::optional(row, 1, |text| UserId::parse(text).ok())?,
        queue: get(row, 2)?,
        began_at: rows::at(row, 3)?,
        answered_at: rows::moment(row, 4)?,
    };
    overlay.calls.found(key.clone(), Some(call));
    Ok(())
}

fn read_unread(overlay: &mut Overlay, needs: &Needs, row: &Row) -> Result<(), Error> {
    overlay.unread.found(key(&needs.unread, row)?.clone(), true);
    Ok(())
}
