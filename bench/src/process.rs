//! What `/proc` says about a process.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// CPU time of a process, user and system together, all its threads.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("the server is gone")?;
    let ticks = cpu_ticks(&stat).context("read /proc/PID/stat")?;
    Ok(Duration::from_secs(1) * u32::try_from(ticks)? / ticks_per_second())
}

/// CPU time of a process and of its children that live.
pub(crate) fn family_cpu_time(pid: u32) -> Result<Duration> {
    let mut sum = cpu_time(pid)?;
    for entry in fs::read_dir("/proc")?.flatten() {
        let child = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let Some(child) = child else { continue };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        if parent_of(&stat) == Some(pid) {
            // One that has just ended takes its time along.
            sum += cpu_time(child).unwrap_or_default();
        }
    }
    Ok(sum)
}

/// Resident memory of a process in bytes.
pub(crate) fn resident_bytes(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("the server is gone")?;
    let kib = field_after(&status, "VmRSS:").context("read VmRSS")?;
    Ok(kib * 1024)
}

/// Highest resident memory a process ever had, in bytes.
pub(crate) fn resident_peak_bytes(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("the server is gone")?;
    Ok(field_after(&status, "VmHWM:").context("read VmHWM")? * 1024)
}

/// The first number behind a label, as in `VmRSS:   1234 kB`.
pub(crate) fn field_after(text: &str, label: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(label))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Fields 14 and 15 of `/proc/PID/stat`; counted behind the name, which may hold spaces.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// Field 4 of `/proc/PID/stat`, counted likewise.
fn parent_of(stat: &str) -> Option<u32> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    behind_name.split_whitespace().nth(1)?.parse().ok()
}

/// Ticks of the clock in `/proc`; 100 on every Linux this was seen on.
fn ticks_per_second() -> u32 {
    static TICKS: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *TICKS.get_or_init(|| {
        let asked = Command::new("getconf").arg("CLK_TCK").output().ok();
        let text = asked.and_then(|output| String::from_utf8(output.stdout).ok());
        text.and_then(|text| text.trim().parse().ok()).unwrap_or(100)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_ticks_are_found_behind_a_name_with_spaces() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194560 99 0 1 0 31 11 0 0 20 0 1 0 5 6";
        assert_eq!(cpu_ticks(stat), Some(42));
        assert_eq!(parent_of(stat), Some(1));
    }

    #[test]
    fn this_process_has_memory() {
        assert!(resident_bytes(std::process::id()).unwrap() > 0);
        assert!(resident_peak_bytes(std::process::id()).unwrap() > 0);
    }
}
