//! A copy of the database file while it is in use: one snapshot, however long the copying takes, and
//! nobody who writes waits for it. The copy appears whole, under its name, or not at all.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use uuid::Uuid;

use super::super::Error;
use super::file::examine_file;
use crate::limits::STORE_BUSY_TIMEOUT;

/// Copies the database in `from` to the new file `to`; returns the copy's schema version.
pub(in crate::log) fn back_up(from: &Path, to: &Path) -> Result<u32, Error> {
    let at = |path: &Path, err: &dyn std::fmt::Display| {
        Error::failed(format!("{}: {err}", path.display()))
    };
    if to.exists() {
        return Err(exists(to));
    }
    // Not to be made: a backup of nothing is not what anybody wants.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(from, flags).map_err(|err| at(from, &err))?;
    db.busy_timeout(STORE_BUSY_TIMEOUT).map_err(|err| at(from, &err))?;
    let part = Part::make(to).map_err(|err| at(to, &err))?;
    let text = part.0.to_str().ok_or_else(|| at(to, &"the path is no UTF-8"))?;
    // The backup interface of SQLite would begin anew with every commit of the server.
    db.execute("VACUUM INTO ?1", [text]).map_err(|err| at(to, &err))?;
    let version = examine_file(&part.0)?.ok_or_else(|| at(to, &"the copy is gone"))?;
    part.name(to).map_err(|err| match err.kind() {
        io::ErrorKind::AlreadyExists => exists(to),
        _ => at(to, &err),
    })?;
    Ok(version)
}

fn exists(path: &Path) -> Error {
    let hint = "is there already, and no backup is overwritten; choose another name";
    Error::failed(format!("{} {hint}", path.display()))
}

/// The copy before it has its name. Removed with this, whatever happens.
struct Part(PathBuf);

impl Part {
    /// An empty file beside `to`, nobody else's to read; SQLite writes into it as it is.
    fn make(to: &Path) -> io::Result<Part> {
        let part = to.with_file_name(format!(".switchboard-backup-{}", Uuid::new_v4()));
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        Ok(Part(part))
    }

    /// Gives it its name, once the disk has it.
    fn name(self, to: &Path) -> io::Result<()> {
        File::open(&self.0)?.sync_all()?;
        // Unlike a rename, a link does not replace what came there meanwhile.
        fs::hard_link(&self.0, to)?;
        let dir = to.parent().filter(|dir| !dir.as_os_str().is_empty());
        File::open(dir.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
