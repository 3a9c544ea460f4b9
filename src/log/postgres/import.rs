//! The database, filled by whoever moves a log here.

use std::error::Error as StdError;
use std::pin::pin;
use std::sync::Arc;

use bytes::BytesMut;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::super::moving::{Cell, Cells, TABLES};
use super::super::{Error, PostgresUrl};
use super::connect::{Address, Line};
use super::rows::{Text, count};
use super::schema;

/// Under this key one move goes on at a time.
const TURN: i64 = 0x7377_6d6f_7665;

/// A database that is being filled.
pub(in crate::log) struct Target {
    line: Arc<Line>,
}

impl Target {
    /// Begins, or goes on with what was begun from the same source.
    pub(in crate::log) async fn begin(url: &PostgresUrl, source: String) -> Result<Target, Error> {
        let address = Address::parse(url)?;
        let line = address.open().await?;
        schema::migrate(&line).await?;
        // A copy takes as long as it takes.
        line.batch(
            "SET statement_timeout = 0; SET lock_timeout = 0;
             SET idle_in_transaction_session_timeout = 0",
        )
        .await?;
        let place = address.place();
        let refused = |why: &str| Err(Error::failed(format!("the database at {place} {why}")));
        let taken = line.query("SELECT pg_try_advisory_lock($1)", &[&TURN]).await?;
        if !taken.first().is_some_and(|row| row.get(0)) {
            return refused("is being filled by another migrate; let that one finish");
        }
        let begun = "SELECT source, finished_at IS NOT NULL FROM moves";
        let begun = line.query(begun, &[]).await?;
        match begun.first().map(|row| (row.get::<_, String>(0), row.get::<_, bool>(1))) {
            Some((_, true)) => return refused("was filled before; start the server on it"),
            Some((from, false)) if from != source => {
                return refused(&format!("was begun from {from}; make it anew for another file"));
            }
            Some(_) => return Ok(Target { line }),
            None => {}
        }
        let filled = "SELECT EXISTS (SELECT FROM tenants) OR EXISTS (SELECT FROM events)";
        if line.query(filled, &[]).await?.first().is_some_and(|row| row.get(0)) {
            return refused("is not empty; make another with createdb");
        }
        line.execute("INSERT INTO moves (one, source) VALUES (TRUE, $1)", &[&source]).await?;
        Ok(Target { line })
    }

    /// Up to where a tenant's events are there.
    pub(in crate::log) async fn copied(&self, tenant: &str) -> Result<u64, Error> {
        Ok(self.end(tenant).await?.1)
    }

    /// How many events of a tenant are there, and where the last of them stands.
    pub(in crate::log) async fn end(&self, tenant: &str) -> Result<(u64, u64), Error> {
        let sql = "SELECT count(*), coalesce(max(position), 0) FROM events WHERE tenant = $1";
        let statement = self.line.statement(sql).await?;
        let row = self.line.client.query_one(&statement, &[&tenant]).await;
        let row = row.map_err(Error::failed)?;
        Ok((count(&row, 0)?, count(&row, 1)?))
    }

    /// Adds rows to a table; all or none.
    pub(in crate::log) async fn add(
        &self,
        table: &str,
        columns: &str,
        rows: &[Cells],
    ) -> Result<u64, Error> {
        let wrong = |err: tokio_postgres::Error| {
            let told = err.as_db_error().map(|told| told.message().to_owned());
            Error::failed(format!("{table}: {}", told.unwrap_or_else(|| err.to_string())))
        };
        let client = &self.line.client;
        let like = client.prepare(&format!("SELECT {columns} FROM {table}")).await;
        let like = like.map_err(wrong)?;
        let types: Vec<Type> = like.columns().iter().map(|c| c.type_().clone()).collect();
        let copy = format!("COPY {table} ({columns}) FROM STDIN (FORMAT binary)");
        let sink = client.copy_in(&copy).await.map_err(wrong)?;
        let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
        for row in rows {
            writer.as_mut().write_raw(row.iter()).await.map_err(wrong)?;
        }
        writer.as_mut().finish().await.map_err(wrong)
    }

    /// Begins the transaction that brings all state; what an earlier try left is gone.
    pub(in crate::log) async fn open_state(&self) -> Result<(), Error> {
        self.line.batch("BEGIN").await?;
        for table in TABLES {
            self.line.batch(&format!("DELETE FROM {}", table.name)).await?;
        }
        Ok(())
    }

    /// Ends it: from here on the database can be served.
    pub(in crate::log) async fn close_state(&self) -> Result<(), Error> {
        self.line.batch("UPDATE moves SET finished_at = clock_timestamp(); COMMIT").await?;
        // The statistics of an empty database would lead every plan astray.
        self.line.client.batch_execute("ANALYZE").await.map_err(Error::failed)
    }
}

/// Whether a move here was begun and not finished.
pub(super) async fn check_moved(line: &Line) -> Result<(), Error> {
    let sql = "SELECT source FROM moves WHERE finished_at IS NULL";
    match line.query(sql, &[]).await?.first() {
        None => Ok(()),
        Some(row) => Err(Error::failed(format!(
            "the move from {} to this database is not finished; run switchboard migrate --from \
             --to again",
            row.get::<_, String>(0)
        ))),
    }
}

impl ToSql for Cell {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match (self, ty) {
            (Cell::Null, _) => Ok(IsNull::Yes),
            (Cell::Int(number), &Type::BOOL) => (*number != 0).to_sql(ty, out),
            (Cell::Int(number), &Type::INT4) => i32::try_from(*number)?.to_sql(ty, out),
            (Cell::Int(number), &Type::INT8) => number.to_sql(ty, out),
            (Cell::Text(text), &Type::TEXT) => Text(text).to_sql(ty, out),
            (Cell::Bytes(bytes), &Type::UUID) => uuid::Uuid::from_slice(bytes)?.to_sql(ty, out),
            (Cell::Bytes(bytes), &Type::BYTEA) => bytes.as_slice().to_sql(ty, out),
            (cell, ty) => {
                let kind = match cell {
                    Cell::Int(_) => "a number",
                    Cell::Text(_) => "a text",
                    Cell::Bytes(_) | Cell::Null => "bytes",
                };
                Err(format!("{kind} where {ty} belongs").into())
            }
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}
