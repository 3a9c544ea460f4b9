//! Rows to words and back: the only place that knows how a column is written.

use std::error::Error as StdError;
use std::sync::Arc;

use bytes::BytesMut;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use super::super::{ApiKey, Error, Recovery};
use crate::model::{
    Conversation, ConversationId, Cursor, Envelope, Event, Member, Moment, Role, Status, TenantId,
    UserId,
};

/// Text as PostgreSQL can keep it: it has no U+0000, which is in nothing that anybody means to
/// write. Written and asked for alike, so what was kept is found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'a>(pub(super) &'a str);

impl ToSql for Text<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        if self.0.contains('\0') {
            return self.0.replace('\0', "\u{FFFD}").to_sql(ty, out);
        }
        self.0.to_sql(ty, out)
    }

    fn accepts(ty: &Type) -> bool {
        <&str as ToSql>::accepts(ty)
    }

    to_sql_checked!();
}

pub(super) fn text(text: &Option<String>) -> Option<Text<'_>> {
    text.as_deref().map(Text)
}

pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, Error> {
    row.try_get(column).map_err(Error::failed)
}

fn bad(row: &Row, column: usize, found: &str) -> Error {
    let name = row.columns().get(column).map_or("?", |c| c.name());
    Error::failed(format!("column {name}: unexpected {found:?}"))
}

pub(super) fn parsed<T>(
    row: &Row,
    column: usize,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, Error> {
    let text: &str = get(row, column)?;
    parse(text).ok_or_else(|| bad(row, column, text))
}

pub(super) fn optional<T>(
    row: &Row,
    column: usize,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, Error> {
    let Some(text) = get::<Option<&str>>(row, column)? else { return Ok(None) };
    parse(text).map(Some).ok_or_else(|| bad(row, column, text))
}

pub(super) fn json<T: DeserializeOwned>(row: &Row, column: usize) -> Result<T, Error> {
    parsed(row, column, |text| serde_json::from_str(text).ok())
}

pub(super) fn to_json(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(Error::failed)
}

pub(super) fn user(row: &Row, column: usize) -> Result<UserId, Error> {
    parsed(row, column, |t| UserId::parse(t).ok())
}

pub(super) fn tenant(row: &Row, column: usize) -> Result<TenantId, Error> {
    parsed(row, column, |t| TenantId::parse(t).ok())
}

pub(super) fn at(row: &Row, column: usize) -> Result<Moment, Error> {
    get(row, column).map(Moment)
}

pub(super) fn moment(row: &Row, column: usize) -> Result<Option<Moment>, Error> {
    Ok(get::<Option<i64>>(row, column)?.map(Moment))
}

pub(super) fn conversation_id(row: &Row, column: usize) -> Result<ConversationId, Error> {
    get(row, column).map(ConversationId)
}

pub(super) fn digest(row: &Row, column: usize) -> Result<[u8; 32], Error> {
    let bytes: &[u8] = get(row, column)?;
    bytes.try_into().map_err(|_| bad(row, column, "digest"))
}

/// A number that cannot be negative.
pub(super) fn count<T: TryFrom<i64>>(row: &Row, column: usize) -> Result<T, Error> {
    let number: i64 = get(row, column)?;
    T::try_from(number).map_err(|_| bad(row, column, &number.to_string()))
}

/// A small number that may be missing.
pub(super) fn small<T: TryFrom<i32>>(row: &Row, column: usize) -> Result<Option<T>, Error> {
    let number: Option<i32> = get(row, column)?;
    let fit = |n: i32| T::try_from(n).map_err(|_| bad(row, column, &n.to_string()));
    number.map(fit).transpose()
}

/// The database's integers are signed; ours never pass half the range.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn limit(number: usize) -> i64 {
    int(number as u64)
}

pub(super) fn cursor(row: &Row, column: usize) -> Result<Cursor, Error> {
    Ok(Cursor { log: count(row, column)?, position: count(row, column + 1)? })
}

/// An event from `log, position, at, type, payload, origin`, which begin at a column.
pub(super) fn envelope_at(row: &Row, at: usize, of: &TenantId) -> Result<Arc<Envelope>, Error> {
    let (name, payload): (&str, &str) = (get(row, at + 3)?, get(row, at + 4)?);
    Ok(Arc::new(Envelope {
        tenant: of.clone(),
        cursor: Some(cursor(row, at)?),
        at: Moment(get(row, at + 2)?),
        event: Event::from_parts(name, payload).map_err(Error::failed)?,
        present: None,
        origin: optional(row, at + 5, |text| serde_json::from_str(text).ok())?.map(Arc::new),
        audience: None,
    }))
}

pub(super) fn envelope(row: &Row, of: &TenantId) -> Result<Arc<Envelope>, Error> {
    envelope_at(row, 0, of)
}

/// A conversation from its columns, which begin at one.
pub(super) fn conversation_at(row: &Row, first: usize) -> Result<Conversation, Error> {
    let c = |column: usize| first + column;
    Ok(Conversation {
        id: conversation_id(row, c(0))?,
        external_ids: json(row, c(1))?,
        customer: optional(row, c(2), |t| UserId::parse(t).ok())?,
        name: get(row, c(3))?,
        email: get(row, c(4))?,
        department: get(row, c(5))?,
        status: parsed(row, c(6), Status::parse)?,
        agent: optional(row, c(7), |t| UserId::parse(t).ok())?,
        agent_name: get(row, c(8))?,
        created_at: at(row, c(9))?,
        queued_at: moment(row, c(10))?,
        assigned_at: moment(row, c(11))?,
        closed_at: moment(row, c(12))?,
        last_seq: count(row, c(13))?,
        delivered_seq: count(row, c(14))?,
        needs_person: get(row, c(15))?,
        score: small(row, c(16))?,
        metadata: optional(row, c(17), |t| serde_json::from_str(t).ok())?,
        routing: json(row, c(18))?,
    })
}

pub(super) fn conversation(row: &Row) -> Result<Arc<Conversation>, Error> {
    conversation_at(row, 0).map(Arc::new)
}

/// How the column of addressees names a role. No user's id has an asterisk.
pub(super) fn of_role(role: Role) -> String {
    format!("*{role}")
}

/// A member from `user_id, user_type, joined_at`, which begin at a column.
pub(super) fn member_at(row: &Row, first: usize) -> Result<Member, Error> {
    Ok(Member {
        user_id: user(row, first)?,
        user_type: parsed(row, first + 1, Role::parse)?,
        joined_at: at(row, first + 2)?,
    })
}

pub(super) fn api_key(row: &Row) -> Result<(TenantId, ApiKey), Error> {
    let key = ApiKey {
        id: get(row, 1)?,
        name: get(row, 2)?,
        digest: digest(row, 3)?,
        scopes: json(row, 4)?,
        created_at: at(row, 5)?,
        events: json(row, 6)?,
    };
    Ok((tenant(row, 0)?, key))
}

pub(super) fn recovery(row: &Row) -> Result<Recovery, Error> {
    let (user, rooms) = (user(row, 1)?, json(row, 2)?);
    Ok(Recovery { id: get(row, 0)?, user, rooms, ended_at: moment(row, 3)? })
}
