//! The file, read whole by whoever moves it elsewhere, while its server goes on.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row, params};
use tokio::sync::mpsc;

use super::super::Error;
use super::super::moving::{Cell, Cells, EVENT, Table};
use super::file::{MIGRATIONS, open_file};
use super::lock;
use super::rows::{Read, all, int};
use crate::limits::{MOVE_BATCH_EVENTS, STORE_BUSY_TIMEOUT};

/// When a tenant's last event was; the file has no column of it.
const LAST_AT: &str = "coalesce((SELECT at FROM events e WHERE e.tenant = tenants.id
    ORDER BY position DESC LIMIT 1), 0)";

/// A file that is read. Cheap to clone.
#[derive(Clone)]
pub(in crate::log) struct Source {
    path: PathBuf,
    db: Arc<Mutex<Connection>>,
}

/// Keeps everybody else from writing to the file.
pub(in crate::log) struct Guard(Connection);

impl Source {
    pub(in crate::log) fn open(path: &Path) -> Result<Source, Error> {
        let at = |err: &dyn std::fmt::Display| Error::failed(format!("{}: {err}", path.display()));
        let path = path.canonicalize().map_err(|err| at(&err))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(&path, flags).map_err(|err| at(&err))?;
        db.busy_timeout(STORE_BUSY_TIMEOUT).map_err(|err| at(&err))?;
        let version: u32 =
            db.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(|err| at(&err))?;
        if version as usize != MIGRATIONS.len() {
            return Err(at(&format!(
                "has version {version}, this program's is {}; start this program's server on it \
                 first, or run its migrate",
                MIGRATIONS.len()
            )));
        }
        Ok(Source { path, db: Arc::new(Mutex::new(db)) })
    }

    /// Which file it is.
    pub(in crate::log) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Each tenant and the end of its log.
    pub(in crate::log) fn heads(&self) -> Result<Vec<(String, u64)>, Error> {
        let read = |row: &Row| Ok((row.get(0)?, super::rows::count(row, 1)?));
        all(&lock(&self.db), "SELECT id, head FROM tenants ORDER BY id", [], read)
    }

    /// Each tenant, how many events it has, and where the last of them stands.
    pub(in crate::log) fn ends(&self) -> Result<Vec<(String, u64, u64)>, Error> {
        let sql = "SELECT t.id, count(e.position), coalesce(max(e.position), 0) FROM tenants t
            LEFT JOIN events e ON e.tenant = t.id GROUP BY t.id ORDER BY t.id";
        all(&lock(&self.db), sql, [], |row| {
            Ok((row.get(0)?, super::rows::count(row, 1)?, super::rows::count(row, 2)?))
        })
    }

    pub(in crate::log) fn events(
        &self,
        tenant: &str,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Cells>, Error> {
        let sql = format!(
            "SELECT {EVENT} FROM events WHERE tenant = ?1 AND position > ?2
             ORDER BY position LIMIT ?3"
        );
        all(&lock(&self.db), &sql, params![tenant, int(after), int(limit as u64)], cells)
    }

    /// Sends all rows of a table; returns how many.
    pub(in crate::log) fn rows(
        &self,
        table: &Table,
        to: &mpsc::Sender<Vec<Cells>>,
    ) -> Result<u64, Error> {
        let db = lock(&self.db);
        let columns = table.source.replace("last_at", LAST_AT);
        let sql = format!("SELECT {columns} FROM {}", table.name);
        let mut statement = db.prepare(&sql).map_err(Error::failed)?;
        let mut rows = statement.query([]).map_err(Error::failed)?;
        let (mut sum, mut batch) = (0, Vec::new());
        let gone = |_| Error::failed("the copy was given up");
        while let Some(row) = rows.next().map_err(Error::failed)? {
            batch.push(cells(row).map_err(Error::failed)?);
            sum += 1;
            if batch.len() == MOVE_BATCH_EVENTS {
                to.blocking_send(std::mem::take(&mut batch)).map_err(gone)?;
            }
        }
        if !batch.is_empty() {
            to.blocking_send(batch).map_err(gone)?;
        }
        Ok(sum)
    }

    /// Keeps everybody else from writing until it is released.
    pub(in crate::log) fn guard(&self) -> Result<Guard, Error> {
        let db = open_file(&self.path)?;
        db.execute_batch("BEGIN IMMEDIATE").map_err(|err| {
            Error::failed(format!("{}: {err}; is its server still running?", self.path.display()))
        })?;
        Ok(Guard(db))
    }
}

impl Guard {
    pub(in crate::log) fn release(self) -> Result<(), Error> {
        self.0.execute_batch("ROLLBACK").map_err(Error::failed)
    }
}

fn cells(row: &Row) -> Read<Cells> {
    let count = row.as_ref().column_count();
    (0..count).map(|column| row.get_ref(column).map(cell)).collect()
}

fn cell(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Int(number),
        // No column holds any.
        ValueRef::Real(number) => Cell::Text(number.to_string()),
        ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Cell::Bytes(bytes.to_vec()),
    }
}
