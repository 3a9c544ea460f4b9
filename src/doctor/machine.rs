//! What the server needs of the machine it runs on: open files, space, and a clock.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use super::{Finding, bad, doubtful, well};
use crate::config::{Config, StoreUrl};
use crate::model::Moment;

/// Under so much, it is a matter of days.
const SPACE_LOW: u64 = 1024 * 1024 * 1024;
/// Under so much, SQLite cannot even tidy up.
const SPACE_NONE: u64 = 64 * 1024 * 1024;
/// A year before this program was written.
const EPOCH_MIN: Moment = Moment(1_735_689_600_000);
/// What a file's time may lie ahead without anybody having turned the clock back.
const AHEAD_MAX_MS: i64 = 60_000;

/// Every connection is an open file.
pub(super) fn open_files(config: &Config) -> Finding {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let soft = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .and_then(|line| line.split_whitespace().nth(3)?.parse::<u64>().ok());
    let wanted = config.limits.connections_per_address as u64 + 1_000;
    match soft {
        Some(soft) if soft < wanted => doubtful(
            "open files",
            format!("at most {soft}, so about as many connections; raise it with ulimit -n"),
        ),
        Some(soft) => well("open files", format!("at most {soft}")),
        None => well("open files", "no limit known"),
    }
}

/// What the disk of the data has left.
pub(super) fn space(config: &Config) -> Finding {
    let dir = match config.store_url() {
        StoreUrl::Sqlite(path) => path.parent().map(Path::to_owned).unwrap_or_default(),
        _ => config.server.data_dir.clone(),
    };
    let dir = if dir.as_os_str().is_empty() { Path::new(".").to_owned() } else { dir };
    let free = match rustix::fs::statvfs(&dir) {
        Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
        // Whether it can be made at all, the check of the data directory says.
        Err(err) => return doubtful("disk", format!("{}: {err}", dir.display())),
    };
    let told = format!("{} MiB are free in {}", free / 1024 / 1024, dir.display());
    match free {
        ..SPACE_NONE => bad("disk", format!("{told}; free some, or messages are refused soon")),
        SPACE_NONE..SPACE_LOW => {
            doubtful("disk", format!("{told}; free some, or bound retention.messages"))
        }
        _ => well("disk", told),
    }
}

/// Whether the clock can be right. Whether it is, those of PostgreSQL and Redis tell.
pub(super) fn clock(config: &Config) -> Finding {
    let now = Moment::now();
    if now < EPOCH_MIN {
        return bad("clock", format!("it is not {now}; set the clock, and let NTP keep it"));
    }
    if let StoreUrl::Sqlite(path) = config.store_url()
        && let Ok(written) = fs::metadata(&path).and_then(|data| data.modified())
        && let Ok(ahead) = written.duration_since(SystemTime::now())
        && i64::try_from(ahead.as_millis()).unwrap_or(i64::MAX) > AHEAD_MAX_MS
    {
        let told = format!("{} is {} s from the future", path.display(), ahead.as_secs());
        let hint = "the clock was turned back; set it, and let NTP keep it";
        return doubtful("clock", format!("{told}; {hint}"));
    }
    well("clock", format!("it is {now}"))
}
