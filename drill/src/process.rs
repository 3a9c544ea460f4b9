//! Processes of the drill: they end with it, however it ends, and can be stopped, woken and killed
//! with all they started.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, kill_process};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

pub(crate) use rustix::process::Signal;

/// How long a killed process may take to be gone.
const GONE_TIMEOUT: Duration = Duration::from_secs(10);

/// A process that was started here.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pid: Pid,
}

/// A command whose process is killed when this one ends, even by SIGKILL. `as_user` is who it is to
/// be instead of root; whoever is not root stays who it is.
pub(crate) fn command(program: impl AsRef<OsStr>, as_user: Option<&str>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if let Some(user) = as_user
        && rustix::process::getuid().is_root()
    {
        command.args(["--reuid", user, "--regid", user, "--clear-groups"]);
    }
    command.arg("--").arg(program).kill_on_drop(true).stdin(Stdio::null());
    command
}

impl Process {
    /// Starts a command; what it says goes to the end of `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let said = File::options().create(true).append(true).open(log)?;
        let child = command.stdout(said.try_clone()?).stderr(said).spawn()?;
        Self::of(child)
    }

    /// The same, with its standard output for the caller to read.
    pub(crate) fn start_read(command: &mut Command, log: &Path) -> Result<(Self, ChildStdout)> {
        let said = File::options().create(true).append(true).open(log)?;
        let mut child = command.stdout(Stdio::piped()).stderr(said).spawn()?;
        let stdout = child.stdout.take().context("a process without standard output")?;
        Ok((Self::of(child)?, stdout))
    }

    fn of(child: Child) -> Result<Self> {
        let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Ok(Self { child, pid: pid.context("the process ended at once")? })
    }

    /// Sends a signal to it alone.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(self.pid, signal).context("signal a process")
    }

    /// Sends a signal to it and to all below it.
    pub(crate) fn signal_all(&self, signal: Signal) {
        for pid in std::iter::once(self.pid).chain(below(self.pid)) {
            // One that has just ended needs no signal.
            let _ = kill_process(pid, signal);
        }
    }

    /// Kills it and all below it, and waits until it is gone.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        self.signal_all(Signal::KILL);
        timeout(GONE_TIMEOUT, self.child.wait()).await.context("a killed process stays")??;
        Ok(())
    }

    /// How it ends by itself.
    pub(crate) async fn ended(&mut self, within: Duration) -> Option<ExitStatus> {
        timeout(within, self.child.wait()).await.ok()?.ok()
    }

    /// How it ended, if it has.
    pub(crate) fn end(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }
}

/// The processes below one, from `/proc`.
fn below(pid: Pid) -> Vec<Pid> {
    let parents = fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| {
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        Some((Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?, parent(&stat)?))
    });
    let parents: Vec<(Pid, Pid)> = parents.collect();
    let mut found = vec![pid];
    let mut looked_at = 0;
    while let Some(&next) = found.get(looked_at) {
        found.extend(parents.iter().filter(|(_, parent)| *parent == next).map(|(pid, _)| *pid));
        looked_at += 1;
    }
    found.split_off(1)
}

/// The parent in `/proc/PID/stat`; counted behind the name, which may hold spaces.
fn parent(stat: &str) -> Option<Pid> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    Pid::from_raw(behind_name.split_whitespace().nth(1)?.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_found_behind_a_name_with_spaces() {
        assert_eq!(
            parent("7 (a (b) c) S 12 7 7 0").map(Pid::as_raw_nonzero),
            std::num::NonZeroI32::new(12)
        );
    }

    #[tokio::test]
    async fn what_a_process_started_is_killed_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut shell = command("/bin/sh", None);
        shell.args(["-c", "sleep 60 & sleep 60"]);
        let mut process = Process::start(&mut shell, &dir.path().join("log")).unwrap();
        // The shell needs a moment to start its children.
        while below(process.pid).len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let children = below(process.pid);
        process.kill().await.unwrap();
        for child in children {
            let stat = || fs::read_to_string(format!("/proc/{}/stat", child.as_raw_nonzero()));
            // A kill takes a moment, and whoever inherits what is left of it another one.
            while stat().is_ok_and(|stat| !stat.contains(") Z ")) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
}
