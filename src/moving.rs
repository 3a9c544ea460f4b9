//! `switchboard migrate --from sqlite:PATH --to postgres:URL`: moves a running installation to
//! PostgreSQL. What is copied and how is [`crate::log::Move`]'s; this asks the operator to stop the
//! server at the right moment, and says what to do next.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tokio::time::sleep;

use crate::config::Config;
use crate::limits::MOVE_FOLLOW_INTERVAL;
use crate::log::{self, Move, PostgresUrl};

/// Why nothing was moved.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller's to mend.
    #[error("{0}")]
    Usage(String),
    /// Something did not work.
    #[error(transparent)]
    Failed(#[from] log::Error),
    /// A file of the data directory.
    #[error("{0}: {1}")]
    File(PathBuf, io::Error),
}

/// Moves the log, and says how far it is on `out`.
///
/// # Errors
/// What is wrong with which side, in one line; it can be begun again.
pub async fn run(
    from: &str,
    to: &str,
    config: &Config,
    out: &mut (impl Write + Send),
) -> Result<(), Error> {
    let path = sqlite_path(from)?;
    if !to.starts_with("postgres:") && !to.starts_with("postgresql:") {
        return Err(Error::Usage("--to: expected postgres://USER:PASSWORD@HOST/DATABASE".into()));
    }
    let mut moving = Move::begin(&path, &PostgresUrl(to.to_owned())).await?;
    let mut say = |text: String| {
        // Whoever closed the pipe wants it moved all the same.
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    };
    say(format!("copying the events of {}; its server may go on", path.display()));
    let copied = moving.copy_events().await?;
    say(format!("copied {copied} events"));
    let locks = lock_files(&path, config);
    let mut held = lock_all(&locks)?;
    if held.is_none() {
        say("caught up, and following. Stop the server now; the rest is copied then".into());
    }
    while held.is_none() {
        sleep(MOVE_FOLLOW_INTERVAL).await;
        moving.copy_events().await?;
        held = lock_all(&locks)?;
    }
    say("no server uses the file; copying the rest".into());
    let moved = moving.finish().await?;
    drop(held);
    say(format!(
        "moved {} tenants, {} events and {} rows of state",
        moved.tenants, moved.events, moved.rows
    ));
    say("now set DATABASE_URL (or store.url) to the address given with --to, keep the data \
         directory for its secret, and start the server; the old file is not used any more"
        .into());
    Ok(())
}

fn sqlite_path(from: &str) -> Result<PathBuf, Error> {
    let path = from.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path));
    let wanted = || Error::Usage("--from: expected sqlite:PATH".into());
    let path = PathBuf::from(path.ok_or_else(wanted)?);
    match path.is_file() {
        true => Ok(path),
        false => Err(Error::Usage(format!("--from {}: there is no such file", path.display()))),
    }
}

/// The locks a server that uses the file may hold: that of the data directory the file is in, and
/// that of the configured one if the file is its store.
fn lock_files(path: &Path, config: &Config) -> Vec<PathBuf> {
    let mut dirs = vec![path.parent().map(Path::to_owned).unwrap_or_default()];
    if matches!(config.store_url(), crate::config::StoreUrl::Sqlite(own) if own == path) {
        dirs.push(config.server.data_dir.clone());
    }
    let locks = dirs.into_iter().map(|dir| dir.join("lock"));
    let mut locks: Vec<PathBuf> = locks.filter_map(|lock| lock.canonicalize().ok()).collect();
    locks.dedup();
    locks
}

/// Takes all the locks; `None` while a server has one.
fn lock_all(paths: &[PathBuf]) -> Result<Option<Vec<File>>, Error> {
    let mut held = Vec::new();
    for path in paths {
        let wrong = |err| Error::File(path.clone(), err);
        let file = File::options().write(true).open(path).map_err(wrong)?;
        match file.try_lock() {
            Ok(()) => held.push(file),
            Err(TryLockError::WouldBlock) => return Ok(None),
            // A file system without locks: SQLite's own will have to do.
            Err(TryLockError::Error(err)) if err.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(err)) => return Err(wrong(err)),
        }
    }
    Ok(Some(held))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_sqlite_file_can_be_moved() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().display().to_string();
        for good in [format!("sqlite:{path}"), format!("sqlite://{path}")] {
            assert_eq!(sqlite_path(&good).unwrap(), file.path(), "{good}");
        }
        for bad in [path.as_str(), "postgres://x/y", "sqlite:/nowhere.db", "sqlite:"] {
            assert!(matches!(sqlite_path(bad), Err(Error::Usage(_))), "{bad}");
        }
    }

    #[test]
    fn a_lock_that_a_server_holds_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let server = File::create(&path).unwrap();
        server.lock().unwrap();
        let paths = lock_files(&dir.path().join("switchboard.db"), &Config::default());
        assert_eq!(paths.len(), 1);
        assert!(lock_all(&paths).unwrap().is_none());
        drop(server);
        let held = lock_all(&paths).unwrap().unwrap();
        assert!(lock_all(&paths).unwrap().is_none(), "it is ours now");
        drop(held);
    }
}
