//! The server under test: starts it with an empty data directory, knows its address, ends it.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::machine::Placement;
use crate::scale::READY_TIMEOUT;

/// What the server prints in front of its address when it is ready.
const READY: &str = "listening on http://";

/// Names that would put other stores behind the server if the caller's environment has them.
const FOREIGN: [&str; 4] = ["REDIS_HOST", "DATABASE_URL", "KAFKA_BROKERS", "JWT_SECRET"];

/// Limits off and sessions open: the bench measures the machine, not the policy.
const ENVIRONMENT: [(&str, &str); 7] = [
    ("SWITCHBOARD__AUTH__OPEN_SESSIONS", "true"),
    ("SWITCHBOARD__LIMITS__MESSAGES_PER_MINUTE", "0"),
    ("SWITCHBOARD__LIMITS__TYPING_PER_MINUTE", "0"),
    ("SWITCHBOARD__LIMITS__REST_PER_MINUTE", "0"),
    ("SWITCHBOARD__LIMITS__CONNECTIONS_PER_ADDRESS", "0"),
    ("SWITCHBOARD__LIMITS__CONNECTIONS_PER_USER", "0"),
    ("SWITCHBOARD__LOG__LEVEL", "warn"),
];

/// How servers are started.
#[derive(Debug)]
pub(crate) struct Launch {
    /// The server's program.
    pub(crate) binary: PathBuf,
    /// Where the data directories are made.
    pub(crate) data_root: PathBuf,
    /// Its core.
    pub(crate) placement: Placement,
}

/// A running server. Dropping it kills the process and removes its data.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    stopped: bool,
    home: PathBuf,
    /// Its process id.
    pub(crate) pid: u32,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// From spawn to the ready line.
    pub(crate) ready_after: Duration,
}

impl Launch {
    /// Starts a server with an empty data directory and waits until it is ready.
    pub(crate) async fn start(&self) -> Result<Server> {
        let home = self.data_root.join(format!("switchboard-bench-{}", Uuid::new_v4()));
        fs::create_dir_all(&home).with_context(|| format!("create {}", home.display()))?;
        let started = self.start_in(&home).await;
        if started.is_err() {
            let _ = fs::remove_dir_all(&home);
        }
        started
    }

    async fn start_in(&self, home: &Path) -> Result<Server> {
        let spawned_at = Instant::now();
        let mut child = self.command(home)?.spawn().context("start the server")?;
        let pid = child.id().context("the server ended at once")?;
        let stdout = child.stdout.take().context("the server has no standard output")?;
        let mut lines = BufReader::new(stdout).lines();
        let ready = timeout(READY_TIMEOUT, ready_line(&mut lines)).await;
        let ready_after = spawned_at.elapsed();
        let address = match ready {
            Ok(Ok(address)) => address,
            Ok(Err(fault)) => bail!("{fault:#}\n{}", log_tail(home)),
            Err(_) => bail!("the server is not ready in {READY_TIMEOUT:?}\n{}", log_tail(home)),
        };
        // Whatever else it prints must not fill the pipe.
        tokio::task::spawn_local(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Server { child, stopped: false, home: home.to_owned(), pid, address, ready_after })
    }

    fn command(&self, home: &Path) -> Result<Command> {
        let mut command = match self.placement {
            // taskset replaces itself by the server, so the process id stays.
            Placement::Apart { server, .. } => {
                let mut taskset = Command::new("taskset");
                taskset.args(["-c", &server.to_string()]).arg(&self.binary);
                taskset
            }
            Placement::Together(_) => Command::new(&self.binary),
        };
        command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(home.join("data"));
        FOREIGN.iter().for_each(|name| {
            command.env_remove(name);
        });
        command.envs(ENVIRONMENT).stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(File::create(log_path(home))?).kill_on_drop(true);
        Ok(command)
    }
}

impl Server {
    /// The directory its data is in.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// Kills it and waits until it is gone, so that the next scenario has the machine to itself.
    pub(crate) async fn stop(mut self) {
        self.tell_if_dead();
        let _ = self.child.kill().await;
        self.stopped = true;
    }

    /// Prints what a server that ended by itself had to say, before its directory goes.
    fn tell_if_dead(&mut self) {
        if let Ok(Some(status)) = self.child.try_wait() {
            eprintln!("the server ended by itself, {status}\n{}", log_tail(&self.home));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.stopped {
            self.tell_if_dead();
            let _ = self.child.start_kill();
        }
        let _ = fs::remove_dir_all(&self.home);
    }
}

/// Reads until the address comes.
async fn ready_line(lines: &mut Lines<BufReader<ChildStdout>>) -> Result<SocketAddr> {
    while let Some(line) = lines.next_line().await? {
        if let Some((_, address)) = line.split_once(READY) {
            let address = address.split_whitespace().next().unwrap_or_default();
            return address.trim_end_matches('/').parse().with_context(|| format!("read {line:?}"));
        }
    }
    bail!("the server ended before it was ready")
}

fn log_path(home: &Path) -> PathBuf {
    home.join("stderr.log")
}

fn log_tail(home: &Path) -> String {
    const LINES: usize = 10;
    let log = fs::read_to_string(log_path(home)).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
