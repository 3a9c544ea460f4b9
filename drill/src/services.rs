//! The drill's own PostgreSQL and Redis: started in a directory of theirs, and killed, paused and
//! started again on the same port.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::process::{Process, Signal, command};

/// How long a service may take to answer, on a slow machine.
const READY_TIMEOUT: Duration = Duration::from_secs(30);

/// Who PostgreSQL runs as where the drill is root, which it refuses.
const SOMEBODY: &str = "postgres";

/// Ports below those that the system gives to whoever connects, so that nobody takes one while its
/// server is away.
const LASTING_PORTS: std::ops::Range<u16> = 20_000..30_000;

/// Which service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Holds the log.
    Postgres,
    /// Holds who is here, and carries the live copy.
    Redis,
}

/// A service of the drill.
#[derive(Debug)]
pub(crate) struct Service {
    /// Which it is.
    pub(crate) kind: Kind,
    /// Where it really listens.
    pub(crate) address: SocketAddr,
    home: PathBuf,
    /// Where its programs are; empty: they are in the path.
    programs: PathBuf,
    process: Option<Process>,
}

impl Kind {
    /// Its name, for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Redis => "Redis",
        }
    }
}

/// An address on this machine that nobody listens on.
pub(crate) fn free_address() -> Result<SocketAddr> {
    // Begun at a place of this process' own, so that two runs do not meet.
    let offset = usize::try_from(std::process::id())? * 37 % LASTING_PORTS.len();
    let mut addresses = (LASTING_PORTS.cycle().skip(offset).take(LASTING_PORTS.len()))
        .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let free = addresses.find(|address| {
        let is_open = TcpStream::connect_timeout(address, Duration::from_millis(100)).is_ok();
        !is_open && TcpListener::bind(address).is_ok()
    });
    free.with_context(|| format!("no port of {LASTING_PORTS:?} is free"))
}

impl Service {
    /// Starts a service of this kind in a directory of its own below `dir`.
    pub(crate) async fn start(kind: Kind, dir: &Path) -> Result<Self> {
        let home = dir.join(kind.name().to_lowercase());
        fs::create_dir(&home)?;
        let programs = if kind == Kind::Postgres { programs()? } else { PathBuf::new() };
        let address = free_address()?;
        let mut service = Self { kind, address, home, programs, process: None };
        if kind == Kind::Postgres {
            service.make_postgres().await?;
        }
        service.run().await?;
        Ok(service)
    }

    /// The URL of PostgreSQL at this address, a line's perhaps.
    pub(crate) fn postgres_url(address: SocketAddr) -> String {
        format!("postgres://postgres@{address}/postgres")
    }

    async fn make_postgres(&self) -> Result<()> {
        if rustix::process::getuid().is_root() {
            let owner = format!("{SOMEBODY}:");
            let owned = Command::new("chown").arg(owner).arg(&self.home).status().await?;
            ensure!(owned.success(), "PostgreSQL needs a user called {SOMEBODY} to run as");
        }
        let mut making = self.command("initdb");
        making.args(["--username", "postgres", "--auth", "trust", "--encoding", "UTF8"]);
        making.args(["--locale", "C", "--no-sync", "--pgdata"]).arg(self.home.join("data"));
        let mut process = Process::start(&mut making, &self.log())?;
        match process.ended(READY_TIMEOUT).await {
            Some(status) if status.success() => Ok(()),
            _ => bail!("initdb failed; see {}", self.log().display()),
        }
    }

    /// Starts it, again after a kill, and waits until it answers.
    pub(crate) async fn run(&mut self) -> Result<()> {
        let deadline = Instant::now() + READY_TIMEOUT;
        let mut starting = self.starting();
        self.process = Some(Process::start(&mut starting, &self.log())?);
        while !self.answers().await {
            let ended = self.process.as_mut().is_none_or(|process| process.end().is_some());
            ensure!(
                Instant::now() < deadline,
                "{} does not start; see {}",
                self.kind.name(),
                self.log().display()
            );
            if ended {
                // The children of a killed PostgreSQL keep its memory for a moment.
                sleep(Duration::from_millis(200)).await;
                self.process = Some(Process::start(&mut self.starting(), &self.log())?);
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    fn starting(&self) -> Command {
        let port = self.address.port().to_string();
        match self.kind {
            // Without fsync: a kill loses nothing by it, and the machine's own end is not drilled.
            Kind::Postgres => {
                let mut starting = self.command("postgres");
                starting.args(["-p", &port, "-c", "listen_addresses=127.0.0.1", "-c"]);
                starting.args(["unix_socket_directories=", "-c", "max_connections=200", "-c"]);
                starting.args(["fsync=off", "-c", "full_page_writes=off", "-D"]);
                starting.arg(self.home.join("data"));
                starting
            }
            // It keeps nothing on disk: started again, it is empty.
            Kind::Redis => {
                let mut starting = self.command("redis-server");
                starting.args(["--port", &port, "--bind", "127.0.0.1", "--save", ""]);
                starting.args(["--appendonly", "no", "--dir"]).arg(&self.home);
                starting
            }
        }
    }

    fn command(&self, program: &str) -> Command {
        let user = (self.kind == Kind::Postgres).then_some(SOMEBODY);
        let mut command = command(self.programs.join(program), user);
        command.current_dir(&self.home);
        command
    }

    fn log(&self) -> PathBuf {
        self.home.with_extension("log")
    }

    async fn answers(&self) -> bool {
        match self.kind {
            Kind::Postgres => crate::log::connect(self.address).await.is_ok(),
            Kind::Redis => match redis::Client::open(format!("redis://{}", self.address)) {
                Ok(client) => client.get_multiplexed_async_connection().await.is_ok(),
                Err(_) => false,
            },
        }
    }

    /// Kills it, with everything it started.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        match self.process.take() {
            Some(mut process) => process.kill().await,
            None => Ok(()),
        }
    }

    /// Stops it where it stands.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal_all(signal);
        }
    }
}

/// Where PostgreSQL's programs are; distributions keep them out of the path.
fn programs() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .collect();
    versions.sort();
    let found = in_path
        .into_iter()
        .chain(versions.into_iter().rev())
        .find(|dir| ["initdb", "postgres"].iter().all(|program| dir.join(program).is_file()));
    found.context("PostgreSQL's programs initdb and postgres are not here; install its server")
}
