//! Rows to words and back: the only place that knows how a column is written.

use std::sync::Arc;

use rusqlite::types::{FromSql, ToSql, Type};
use rusqlite::{Connection, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::super::{ApiKey, Error, Record, Recovery};
use super::{faq, routing, sql, staff, webhooks};
use crate::model::{
    Conversation, ConversationId, Cursor, Envelope, Event, Member, Moment, Role, Status, Target,
    TenantId, UserId,
};

pub(super) type Read<T> = rusqlite::Result<T>;

fn bad(column: usize, err: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, err.into())
}

pub(super) fn parsed<T>(
    row: &Row,
    column: usize,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Read<T> {
    let text = row.get_ref(column)?.as_str().map_err(|err| bad(column, err))?;
    parse(text).ok_or_else(|| bad(column, format!("unexpected {text:?}")))
}

pub(super) fn optional<T>(
    row: &Row,
    column: usize,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Read<Option<T>> {
    match row.get_ref(column)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => parsed(row, column, parse).map(Some),
    }
}

pub(super) fn json<T: DeserializeOwned>(row: &Row, column: usize) -> Read<T> {
    parsed(row, column, |text| serde_json::from_str(text).ok())
}

pub(super) fn to_json(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(Error::failed)
}

pub(super) fn user(row: &Row, column: usize) -> Read<UserId> {
    parsed(row, column, |t| UserId::parse(t).ok())
}

pub(super) fn tenant(row: &Row, column: usize) -> Read<TenantId> {
    parsed(row, column, |t| TenantId::parse(t).ok())
}

pub(super) fn moment(row: &Row, column: usize) -> Read<Option<Moment>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Moment))
}

pub(super) fn conversation_id(row: &Row, column: usize) -> Read<ConversationId> {
    row.get::<_, Uuid>(column).map(ConversationId)
}

/// A number that cannot be negative.
pub(super) fn count<T: TryFrom<i64>>(row: &Row, column: usize) -> Read<T> {
    let number: i64 = row.get(column)?;
    T::try_from(number).map_err(|_| bad(column, format!("unexpected {number}")))
}

/// SQLite's integers are signed; ours never pass half the range.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn envelope(row: &Row, of: &TenantId) -> Read<Arc<Envelope>> {
    let name = row.get_ref(3)?.as_str().map_err(|err| bad(3, err))?;
    let payload = row.get_ref(4)?.as_str().map_err(|err| bad(4, err))?;
    Ok(Arc::new(Envelope {
        tenant: of.clone(),
        cursor: Some(Cursor { log: count(row, 0)?, position: count(row, 1)? }),
        at: Moment(row.get(2)?),
        event: Event::from_parts(name, payload).map_err(|err| bad(4, err))?,
        present: None,
        origin: optional(row, 5, |text| serde_json::from_str(text).ok())?.map(Arc::new),
        audience: None,
    }))
}

pub(super) fn conversation(row: &Row) -> Read<Conversation> {
    Ok(Conversation {
        id: conversation_id(row, 0)?,
        external_ids: json(row, 1)?,
        customer: optional(row, 2, |t| UserId::parse(t).ok())?,
        name: row.get(3)?,
        email: row.get(4)?,
        department: row.get(5)?,
        status: parsed(row, 6, Status::parse)?,
        agent: optional(row, 7, |t| UserId::parse(t).ok())?,
        agent_name: row.get(8)?,
        created_at: Moment(row.get(9)?),
        queued_at: moment(row, 10)?,
        assigned_at: moment(row, 11)?,
        closed_at: moment(row, 12)?,
        last_seq: count(row, 13)?,
        delivered_seq: count(row, 14)?,
        needs_person: row.get(15)?,
        score: row.get(16)?,
        metadata: optional(row, 17, |t| serde_json::from_str(t).ok())?,
        routing: json(row, 18)?,
    })
}

pub(super) fn put_conversation(
    db: &Connection,
    tenant: &TenantId,
    c: &Conversation,
) -> Result<(), Error> {
    let metadata = c.metadata.as_ref().map(to_json).transpose()?;
    let at = |moment: Option<Moment>| moment.map(|m| m.0);
    run(
        db,
        sql::PUT_CONVERSATION,
        params![
            tenant.as_str(),
            c.id.0,
            to_json(&c.external_ids)?,
            c.customer.as_ref().map(UserId::as_str),
            c.name,
            c.email,
            c.department,
            c.status.as_str(),
            c.agent.as_ref().map(UserId::as_str),
            c.agent_name,
            c.created_at.0,
            at(c.queued_at),
            at(c.assigned_at),
            at(c.closed_at),
            int(c.last_seq),
            int(c.delivered_seq),
            c.needs_person,
            c.score,
            metadata,
            to_json(&c.routing)?,
        ],
    )
}

/// How the column of addressees names a role. No user's id has an asterisk.
pub(super) fn of_role(role: Role) -> String {
    format!("*{role}")
}

pub(super) fn put_event(db: &Connection, envelope: &Envelope) -> Result<(), Error> {
    let message = match &envelope.event {
        Event::Message(message) => Some(message),
        _ => None,
    };
    let addressee = match envelope.target() {
        Some(Target::Role(role)) => Some(of_role(*role)),
        _ => envelope.addressee().map(|user| user.as_str().to_owned()),
    };
    // Only a message that can be repeated needs its sender in the index of repeats.
    let repeatable = message.filter(|m| m.client_id.is_some());
    run(
        db,
        sql::ADD_EVENT,
        params![
            envelope.tenant.as_str(),
            int(envelope.position()),
            envelope.at.0,
            envelope.event.name(),
            envelope.conversation().map(|c| c.0),
            message.map(|m| int(m.seq)),
            repeatable.map(|m| m.sender_id.as_str()),
            repeatable.and_then(|m| m.client_id.as_deref()),
            envelope.event.payload().map_err(Error::failed)?,
            addressee,
            envelope.origin.as_ref().map(to_json).transpose()?,
        ],
    )
}

pub(super) fn member(row: &Row) -> Read<Member> {
    Ok(Member {
        user_id: user(row, 0)?,
        user_type: parsed(row, 1, Role::parse)?,
        joined_at: Moment(row.get(2)?),
    })
}

pub(super) fn api_key(row: &Row) -> Read<(TenantId, ApiKey)> {
    let key = ApiKey {
        id: row.get(1)?,
        name: row.get(2)?,
        digest: row.get(3)?,
        scopes: json(row, 4)?,
        created_at: Moment(row.get(5)?),
        events: json(row, 6)?,
    };
    Ok((tenant(row, 0)?, key))
}

pub(super) fn recovery(row: &Row) -> Read<Recovery> {
    let (user, rooms) = (user(row, 1)?, json(row, 2)?);
    Ok(Recovery { id: row.get(0)?, user, rooms, ended_at: moment(row, 3)? })
}

pub(super) fn put_record(
    db: &Connection,
    tenant: &TenantId,
    record: &Record,
    at: Moment,
) -> Result<(), Error> {
    let of = tenant.as_str();
    match record {
        Record::SessionKey(id, digest) => run(db, sql::ADD_SESSION_KEY, params![digest, of, id.0]),
        Record::Tenant(name) => run(db, sql::SET_TENANT_NAME, params![of, name]),
        Record::Department(d) => staff::put_department(db, tenant, d),
        Record::DepartmentRemoved(id) => run(db, sql::REMOVE_DEPARTMENT, params![of, id]),
        Record::Agent(a) => staff::put_agent(db, tenant, a),
        Record::AgentRemoved(id) => staff::remove_agent(db, tenant, id, at),
        Record::ApiKey(k) => {
            let (scopes, events) = (to_json(&k.scopes)?, to_json(&k.events)?);
            let of = params![k.id, of, k.name, k.digest, scopes, k.created_at.0, events];
            run(db, sql::PUT_API_KEY, of)
        }
        Record::ApiKeyRevoked(id) => run(db, sql::REVOKE_API_KEY, params![of, id, at.0]),
        Record::Recovery(r) => {
            let (rooms, ended_at) = (to_json(&r.rooms)?, r.ended_at.map(|m| m.0));
            run(db, sql::PUT_RECOVERY, params![r.id, of, r.user.as_str(), rooms, ended_at, at.0])
        }
        Record::Faq(entry) => faq::put(db, tenant, entry),
        Record::FaqRemoved(id) => faq::remove(db, tenant, *id),
        Record::AgentState(record) => routing::put_agent_state(db, tenant, record),
        Record::Beats(beats) => routing::put_beats(db, tenant, beats),
        Record::NoticesDelivered(user, through) => {
            run(db, sql::SET_NOTICES_DELIVERED, params![of, user.as_str(), int(*through)])
        }
        Record::DepartmentAlert(id, stands) => routing::put_alert(db, tenant, *id, *stands),
        Record::Webhook(w) => webhooks::put_webhook(db, tenant, w),
        Record::WebhookRemoved(id) => webhooks::remove_webhook(db, tenant, *id, at),
        Record::WebhookRead(read) => webhooks::put_read(db, tenant, read),
        Record::DeliveryTried(tried) => webhooks::put_tried(db, tenant, tried),
        Record::DeliveriesRevived(id, of) => webhooks::revive(db, tenant, *id, of),
        Record::ReadBy(name, position) => {
            run(db, sql::PUT_READ_BY, params![of, name, int(*position)])
        }
    }
}

/// Runs a statement that returns no rows.
pub(super) fn run(db: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<(), Error> {
    let mut statement = db.prepare_cached(sql).map_err(Error::failed)?;
    statement.execute(params).map_err(Error::failed)?;
    Ok(())
}

/// The first row of a statement, if there is one.
pub(super) fn first<T>(
    db: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    read: impl FnOnce(&Row) -> Read<T>,
) -> Result<Option<T>, Error> {
    use rusqlite::OptionalExtension;
    let mut statement = db.prepare_cached(sql).map_err(Error::failed)?;
    statement.query_row(params, read).optional().map_err(Error::failed)
}

/// All rows of a statement.
pub(super) fn all<T>(
    db: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    read: impl FnMut(&Row) -> Read<T>,
) -> Result<Vec<T>, Error> {
    let mut statement = db.prepare_cached(sql).map_err(Error::failed)?;
    let rows = statement.query_map(params, read).map_err(Error::failed)?;
    rows.collect::<Read<Vec<T>>>().map_err(Error::failed)
}

/// The first column of the first row.
pub(super) fn scalar<T: FromSql>(
    db: &Connection,
    sql: &str,
    params: &[&dyn ToSql],
) -> Result<Option<T>, Error> {
    first(db, sql, params, |row| row.get(0))
}
