//! Reading from the log what the live copy has not brought: with what the log does not keep of it,
//! who is present and who may hear it, as that is now.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use uuid::Uuid;

use super::super::Error;
use super::lines::Lines;
use super::rows::{self, conversation_id, int};
use super::sql;
use crate::model::{Audience, ConversationId, Envelope, Event, Member, TenantId};

/// Positions of a tenant that are committed and were not told.
pub(super) struct Gap {
    pub(super) tenant: TenantId,
    pub(super) after: u64,
    pub(super) through: u64,
}

pub(super) async fn read(lines: &Lines, gap: &Gap) -> Result<Vec<Arc<Envelope>>, Error> {
    let of = gap.tenant.as_str();
    let (after, through) = (int(gap.after), int(gap.through));
    let read = |row: &_| rows::envelope(row, &gap.tenant);
    let events = lines.all(sql::EVENTS_BETWEEN, &[&of, &after, &through], read).await?;
    let audiences = audiences(lines, &gap.tenant, &events).await?;
    let present = present(lines, &gap.tenant, &events).await?;
    let whole = events.into_iter().map(|envelope| {
        let id = envelope.conversation();
        let audience = id.and_then(|id| audiences.get(&id).cloned());
        let present = who_moved(&envelope).map(|id| present.get(&id).cloned().unwrap_or_default());
        if audience.is_none() && present.is_none() {
            return envelope;
        }
        let envelope = Arc::unwrap_or_clone(envelope);
        Arc::new(Envelope { audience, present: present.map(Into::into), ..envelope })
    });
    Ok(whole.collect())
}

/// The conversation that somebody entered or left.
fn who_moved(envelope: &Envelope) -> Option<ConversationId> {
    match &envelope.event {
        Event::Joined(joined) => Some(joined.session_id),
        Event::Left(left) => Some(left.session_id),
        _ => None,
    }
}

async fn audiences(
    lines: &Lines,
    tenant: &TenantId,
    events: &[Arc<Envelope>],
) -> Result<HashMap<ConversationId, Arc<Audience>>, Error> {
    let ids: BTreeSet<ConversationId> = events.iter().filter_map(|e| e.conversation()).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<Uuid> = ids.into_iter().map(|id| id.0).collect();
    let tenants = vec![tenant.as_str(); ids.len()];
    let found = lines.query(sql::CONVERSATIONS_ASKED, &[&tenants, &ids]).await?;
    let records = found.iter().map(|row| {
        let record = rows::conversation_at(row, 1)?;
        Ok((record.id, Arc::new(record.audience())))
    });
    records.collect()
}

async fn present(
    lines: &Lines,
    tenant: &TenantId,
    events: &[Arc<Envelope>],
) -> Result<HashMap<ConversationId, Vec<Member>>, Error> {
    let ids: BTreeSet<ConversationId> = events.iter().filter_map(|e| who_moved(e)).collect();
    let mut members = HashMap::<ConversationId, Vec<Member>>::new();
    if ids.is_empty() {
        return Ok(members);
    }
    let ids: Vec<Uuid> = ids.into_iter().map(|id| id.0).collect();
    for row in lines.query(sql::MEMBERS_ASKED, &[&tenant.as_str(), &ids]).await? {
        members.entry(conversation_id(&row, 0)?).or_default().push(rows::member_at(&row, 1)?);
    }
    Ok(members)
}
