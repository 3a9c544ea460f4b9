//! The schema: brought up to date by whichever node comes first, and looked over.

use super::super::{Error, PostgresUrl};
use super::connect::{Address, Line};

/// The migrations, oldest first; a database's version is how many it has.
pub(super) const MIGRATIONS: &[&str] = &[include_str!("../../../migrations/postgres/001_log.sql")];

/// Under this key nodes take turns at migrating.
const TURN: i64 = 0x7377_6974_6368;

const VERSIONS: &str = "CREATE TABLE IF NOT EXISTS schema_versions (
    version BIGINT PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp())";
const VERSION: &str = "SELECT coalesce(max(version), 0) FROM schema_versions";

/// Applies the migrations the database lacks, each in a transaction of its own. Another node that
/// does the same is waited for. Returns the version before and after.
pub(super) async fn migrate(line: &Line) -> Result<(u32, u32), Error> {
    line.check_release().await?;
    // Another node's migration may take long.
    line.batch("SET statement_timeout = 0; SET lock_timeout = 0").await?;
    let turn = line.client.execute("SELECT pg_advisory_lock($1)", &[&TURN]).await;
    turn.map_err(Error::failed)?;
    let migrated = migrate_in_turn(line).await;
    let given_back = line.client.execute("SELECT pg_advisory_unlock($1)", &[&TURN]).await;
    let versions = migrated?;
    given_back.map_err(Error::failed)?;
    Ok(versions)
}

async fn migrate_in_turn(line: &Line) -> Result<(u32, u32), Error> {
    line.batch(VERSIONS).await?;
    let before = version(line).await?;
    check_known(before)?;
    for (number, migration) in (1_u32..).zip(MIGRATIONS).skip(before as usize) {
        let noted = format!("INSERT INTO schema_versions (version) VALUES ({number})");
        let whole = format!("BEGIN;\n{migration}\n;{noted};\nCOMMIT");
        let applied = line.client.batch_execute(&whole).await;
        applied.map_err(|err| Error::failed(format!("migration {number}: {err}")))?;
    }
    Ok((before, version(line).await?))
}

async fn version(line: &Line) -> Result<u32, Error> {
    let row = line.client.query_one(VERSION, &[]).await.map_err(Error::failed)?;
    u32::try_from(row.get::<_, i64>(0)).map_err(Error::failed)
}

fn check_known(version: u32) -> Result<(), Error> {
    if version as usize <= MIGRATIONS.len() {
        return Ok(());
    }
    Err(Error::failed(format!(
        "the database has version {version}, this program knows up to {}; run the newer program",
        MIGRATIONS.len()
    )))
}

/// Brings a database up to this program's schema; returns its version before and after.
pub(in crate::log) async fn migrate_database(url: &PostgresUrl) -> Result<(u32, u32), Error> {
    migrate(&*Address::parse(url)?.open().await?).await
}

/// The version of a database that can be used; `None` if the program was never there.
pub(in crate::log) async fn examine_database(url: &PostgresUrl) -> Result<Option<u32>, Error> {
    let line = Address::parse(url)?.open().await?;
    line.check_release().await?;
    let found = line.client.query_one("SELECT to_regclass('schema_versions') IS NOT NULL", &[]);
    if !found.await.map_err(Error::failed)?.get::<_, bool>(0) {
        return Ok(None);
    }
    let version = version(&line).await?;
    check_known(version)?;
    Ok(Some(version))
}
