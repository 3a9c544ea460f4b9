//! The disk beneath the data: what kind it is, how often it can sync, and how often it did.

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use anyhow::Result;
use tokio::time::Instant;

use crate::scale::SYNC_PROBE;

/// Bytes of one write of the probe: a page, as a database writes it.
const PROBE_BYTES: usize = 4096;
/// The probe starts over behind this many pages.
const PROBE_PAGES: usize = 256;

/// How often a second this disk can write a page and have it safe, by `fdatasync` on a small
/// file in `directory`.
pub(crate) fn syncs_per_second(directory: &Path) -> Result<f64> {
    let path = directory.join("probe");
    let mut file = File::create(&path)?;
    file.write_all(&vec![0; PROBE_BYTES * PROBE_PAGES])?;
    file.sync_all()?;
    let (began, mut syncs) = (Instant::now(), 0_usize);
    while began.elapsed() < SYNC_PROBE {
        file.seek(SeekFrom::Start((syncs % PROBE_PAGES * PROBE_BYTES) as u64))?;
        file.write_all(&[syncs as u8; PROBE_BYTES])?;
        file.sync_data()?;
        syncs += 1;
    }
    let rate = syncs as f64 / began.elapsed().as_secs_f64();
    fs::remove_file(path)?;
    Ok(rate)
}

/// Type of the file system a path is on and the device beneath it, from `/proc/self/mounts`.
pub(crate) fn mount_of(path: &Path) -> Option<(String, String)> {
    let path = path.canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mut best: Option<(usize, String, String)> = None;
    for line in mounts.lines() {
        let mut words = line.split_whitespace();
        let (device, point, kind) = (words.next()?, words.next()?, words.next()?);
        let deeper = best.as_ref().is_none_or(|(length, ..)| point.len() >= *length);
        if path.starts_with(point) && deeper {
            best = Some((point.len(), kind.to_owned(), device.to_owned()));
        }
    }
    best.map(|(_, kind, device)| (kind, device))
}

/// Flush requests the disk beneath a path has completed since boot: each is a "put it on stable
/// storage" that really reached the device. None where the kernel does not tell, or where the
/// disk has no cache to flush.
pub(crate) fn flushes_done(path: &Path) -> Option<u64> {
    let (_, device) = mount_of(path)?;
    let name = Path::new(&device).canonicalize().ok()?.file_name()?.to_owned();
    let node = Path::new("/sys/class/block").join(name).canonicalize().ok()?;
    // Flushes are counted on the whole disk, not on its partitions.
    let disk = if node.join("partition").exists() { node.parent()?.to_owned() } else { node };
    let cache = fs::read_to_string(disk.join("queue/write_cache")).ok()?;
    if cache.trim() != "write back" {
        return None;
    }
    let stat = fs::read_to_string(disk.join("stat")).ok()?;
    stat.split_whitespace().nth(15)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_mount_holds_the_path() {
        assert!(mount_of(Path::new("/proc/self")).is_some_and(|(kind, _)| kind == "proc"));
    }
}
