//! The database file: how it is opened, brought up to date, looked over, and kept short.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::mpsc;

use super::super::Error;
use super::rows::run;
use super::sql;
use super::writer::Job;
use crate::limits::{CHECKPOINT_INTERVAL, STORE_BUSY_TIMEOUT, WAL_PAGES_MAX, WAL_RESTART_WAIT};

/// The migrations, oldest first; a file's version is how many it has.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/sqlite/001_log.sql"),
    include_str!("../../../migrations/sqlite/002_bot.sql"),
    include_str!("../../../migrations/sqlite/003_connections.sql"),
    include_str!("../../../migrations/sqlite/004_staff.sql"),
    include_str!("../../../migrations/sqlite/005_routing.sql"),
    include_str!("../../../migrations/sqlite/006_hub.sql"),
    include_str!("../../../migrations/sqlite/007_webhooks.sql"),
    include_str!("../../../migrations/sqlite/008_readers.sql"),
];

pub(super) fn open_file(path: &Path) -> Result<Connection, Error> {
    let at = |err: rusqlite::Error| Error::failed(format!("{}: {err}", path.display()));
    let made = fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    made.map_err(|err| Error::failed(format!("{}: {err}", path.display())))?;
    let db = Connection::open(path).map_err(at)?;
    // SQLite opens a file that may not be written all the same, and every commit fails later.
    if db.is_readonly("main").map_err(at)? {
        return Err(Error::failed(format!("{}: may not be written", path.display())));
    }
    db.busy_timeout(STORE_BUSY_TIMEOUT).map_err(at)?;
    db.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 0;
         PRAGMA cache_size = -3000;
         PRAGMA foreign_keys = ON;",
    )
    .map_err(at)?;
    db.set_prepared_statement_cache_capacity(64);
    Ok(db)
}

/// Applies the migrations a database lacks, each in a transaction of its own.
pub(super) fn migrate(db: &mut Connection) -> Result<(u32, u32), Error> {
    let version = |db: &Connection| {
        db.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0)).map_err(Error::failed)
    };
    let before = version(db)?;
    if before as usize > MIGRATIONS.len() {
        return Err(Error::failed(format!(
            "the database has version {before}, this program knows up to {}; \
             run the newer program",
            MIGRATIONS.len()
        )));
    }
    for (number, migration) in (1u32..).zip(MIGRATIONS).skip(before as usize) {
        let tx = db.transaction().map_err(Error::failed)?;
        tx.execute_batch(migration).map_err(Error::failed)?;
        tx.pragma_update(None, "user_version", number).map_err(Error::failed)?;
        tx.commit().map_err(Error::failed)?;
    }
    Ok((before, version(db)?))
}

/// Brings a file up to this program's schema; returns its version before and after.
pub(in crate::log) fn migrate_file(path: &Path) -> Result<(u32, u32), Error> {
    migrate(&mut open_file(path)?)
}

/// The version of a file that is whole; `None` if there is no file.
pub(in crate::log) fn examine_file(path: &Path) -> Result<Option<u32>, Error> {
    if !path.exists() {
        return Ok(None);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let db = Connection::open_with_flags(path, flags).map_err(Error::failed)?;
    let text = |sql: &str| db.query_row(sql, [], |row| row.get::<_, String>(0));
    let verdict = text("PRAGMA quick_check(1)").map_err(Error::failed)?;
    if verdict != "ok" {
        return Err(Error::failed(verdict));
    }
    let version = db.query_row("PRAGMA user_version", [], |row| row.get(0));
    version.map(Some).map_err(Error::failed)
}

/// Asks for the write lock, and writes what is there already if that is wanted.
pub(super) fn probe(db: &mut Connection, must_write: bool) -> Result<(), Error> {
    let tx = db.transaction().map_err(Error::failed)?;
    run(&tx, sql::PROBE, [])?;
    if must_write {
        let version = MIGRATIONS.len() as u32;
        tx.pragma_update(None, "user_version", version).map_err(Error::failed)?;
    }
    tx.commit().map_err(Error::failed)
}

/// Copies the write-ahead log back from time to time, until the writer is gone.
pub(super) fn spawn_checkpointer(
    path: &Path,
    alive: mpsc::WeakSender<Job>,
) -> Result<JoinHandle<()>, Error> {
    let db = open_file(path)?;
    spawn("log-checkpoint", move || {
        while let Some(jobs) = alive.upgrade() {
            // Passive: never waits for a reader and never keeps the writer out.
            match checkpoint(&db, "PRAGMA wal_checkpoint(PASSIVE)") {
                // Whatever was committed meanwhile keeps the file from starting anew, so under
                // load it would only ever grow. Little is left to copy now; the writer does that
                // much between two commits. A full queue has one on its way already.
                Ok(pages) if pages > WAL_PAGES_MAX => {
                    let _ = jobs.try_send(Job::Run(Box::new(|db| restart_wal(db))));
                }
                Ok(_) => {}
                Err(err) => tracing::warn!(error = %err, "checkpoint failed, will be tried again"),
            }
            drop(jobs);
            thread::park_timeout(CHECKPOINT_INTERVAL);
        }
    })
}

/// How many pages the write-ahead log has.
fn checkpoint(db: &Connection, sql: &str) -> rusqlite::Result<i64> {
    db.query_row(sql, [], |row| row.get(1))
}

/// Copies the rest of the write-ahead log and begins it anew, unless a reader still needs it.
fn restart_wal(db: &Connection) {
    let restarted = db
        .busy_timeout(WAL_RESTART_WAIT)
        .and_then(|()| checkpoint(db, "PRAGMA wal_checkpoint(RESTART)"))
        .and_then(|_| db.busy_timeout(STORE_BUSY_TIMEOUT));
    if let Err(err) = restarted {
        tracing::warn!(error = %err, "the write-ahead log could not begin anew, will be tried again");
    }
}

pub(super) fn spawn(
    name: &str,
    f: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, Error> {
    thread::Builder::new().name(name.into()).spawn(f).map_err(Error::failed)
}
