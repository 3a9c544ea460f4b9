//! A read on a line that many share, which goes on whether or not its reader is looking.
//!
//! The driver of a line hands rows on in small portions, and waits with everybody else's answers
//! until they are taken. Whoever begins a read, does something else first and needs the same line
//! for that would wait for itself. So a task of its own takes the rows.

use std::error::Error as StdError;
use std::sync::Arc;

use bytes::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Row, Statement};
use tokio_util::task::AbortOnDropHandle;

use super::connect::{Fault, Line, Params};

/// A parameter as it goes over the line.
#[derive(Debug)]
struct Encoded(Option<BytesMut>);

impl ToSql for Encoded {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        let Some(bytes) = &self.0 else { return Ok(IsNull::Yes) };
        out.extend_from_slice(bytes);
        Ok(IsNull::No)
    }

    // Whoever encoded it has looked.
    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// The rows of a statement.
pub(super) async fn rows(
    line: Arc<Line>,
    sql: &'static str,
    params: Params<'_>,
) -> Result<Vec<Row>, Fault> {
    let statement = line.statement(sql).await?;
    // What cannot be encoded is refused by the line, in its own words.
    let Some(encoded) = encoded(&statement, params) else { return line.query(sql, params).await };
    let reading = AbortOnDropHandle::new(tokio::spawn(async move {
        let params: Vec<&(dyn ToSql + Sync)> = encoded.iter().map(|one| one as _).collect();
        line.query(sql, &params).await
    }));
    // It ends by itself, or with this program.
    reading.await.unwrap_or(Err(Fault::Late))
}

fn encoded(statement: &Statement, params: Params<'_>) -> Option<Vec<Encoded>> {
    let types = statement.params().iter();
    types
        .zip(params)
        .map(|(of, param)| {
            let mut bytes = BytesMut::new();
            match param.to_sql_checked(of, &mut bytes).ok()? {
                IsNull::Yes => Some(Encoded(None)),
                IsNull::No => Some(Encoded(Some(bytes))),
            }
        })
        .collect()
}
