//! The server under test: starts it with an empty data directory, knows its address, ends it and
//! starts it again. The reference server is started in the same way, on the same core.

use std::fs::{self, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::machine::Placement;
use crate::reference::Reference;
use crate::scale::{READY_TIMEOUT, TERMINATE_TIMEOUT};
use crate::services::Programs;
use crate::token::Secret;

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

/// Ports below those that the system gives to whoever connects. A client that looks for a server
/// that is away, on a port of that kind, may be given the same one for its own end and meet itself.
const LASTING_PORTS: std::ops::Range<u16> = 20_000..30_000;

/// How servers are started.
#[derive(Debug)]
pub(crate) struct Launch {
    /// The server's program.
    pub(crate) binary: PathBuf,
    /// Where the data directories are made.
    pub(crate) data_root: PathBuf,
    /// Its core.
    pub(crate) placement: Placement,
    /// What to compare with, if that is wanted.
    pub(crate) reference: Option<Reference>,
    /// What nodes that serve together need, if that is wanted.
    pub(crate) services: Option<Programs>,
    /// What tokens are signed with.
    pub(crate) secret: Secret,
}

/// Names and values of a process' environment.
pub(crate) type Environment = Vec<(&'static str, String)>;

/// Which program a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Program {
    /// The one under test.
    Switchboard,
    /// The same on all cores, with these names more in its environment.
    Node(Environment),
    /// The one to compare with.
    Reference,
}

/// How a server is ended whose clients are to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// At once, as a crash does.
    Killed,
    /// As an operator does; it says goodbye to its clients.
    Terminated,
}

/// A running server. Dropping it kills the process and removes its data.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    stopped: bool,
    home: PathBuf,
    /// Which program it is.
    pub(crate) program: Program,
    /// Its process id.
    pub(crate) pid: u32,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// From spawn to the ready line.
    pub(crate) ready_after: Duration,
}

/// A process that has said where it listens.
struct Started {
    child: Child,
    pid: u32,
    address: SocketAddr,
    ready_after: Duration,
}

impl Launch {
    /// Starts a server with an empty data directory and waits until it is ready.
    pub(crate) async fn start(&self) -> Result<Server> {
        self.start_program(Program::Switchboard).await
    }

    /// The same, for either program.
    pub(crate) async fn start_program(&self, program: Program) -> Result<Server> {
        self.start_on(program, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
    }

    /// Starts a server on an address that nobody else takes while it is away.
    pub(crate) async fn start_lasting(&self) -> Result<Server> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, lasting_port()?));
        self.start_on(Program::Switchboard, address).await
    }

    /// Starts a server on all cores, with these names more in its environment.
    pub(crate) async fn start_node(&self, environment: &Environment) -> Result<Server> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        self.start_on(Program::Node(environment.clone()), address).await
    }

    /// Starts a server that was ended again, on the same data and address.
    pub(crate) async fn start_again(&self, server: &mut Server) -> Result<()> {
        let started = self.spawn(&server.program, &server.home, server.address).await?;
        (server.child, server.pid) = (started.child, started.pid);
        server.ready_after = started.ready_after;
        server.stopped = false;
        Ok(())
    }

    async fn start_on(&self, program: Program, listen: SocketAddr) -> Result<Server> {
        let home = self.data_root.join(format!("switchboard-bench-{}", Uuid::new_v4()));
        fs::create_dir_all(&home).with_context(|| format!("create {}", home.display()))?;
        match self.spawn(&program, &home, listen).await {
            Ok(Started { child, pid, address, ready_after }) => {
                Ok(Server { child, stopped: false, home, program, pid, address, ready_after })
            }
            Err(fault) => {
                let _ = fs::remove_dir_all(&home);
                Err(fault)
            }
        }
    }

    async fn spawn(&self, program: &Program, home: &Path, listen: SocketAddr) -> Result<Started> {
        let spawned_at = Instant::now();
        let mut child = self.command(program, home, listen)?.spawn().context("start the server")?;
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
        Ok(Started { child, pid, address, ready_after })
    }

    fn command(&self, program: &Program, home: &Path, listen: SocketAddr) -> Result<Command> {
        let mut command = match program {
            Program::Switchboard => self.placement.on_its_core(&self.binary),
            Program::Node(_) => self.placement.on_all_cores(&self.binary),
            Program::Reference => {
                let reference = self.reference.as_ref().context("there is no reference server")?;
                let mut command = self.placement.on_its_core(Path::new("node"));
                command.arg(&reference.program);
                command
            }
        };
        FOREIGN.iter().for_each(|name| {
            command.env_remove(name);
        });
        if *program == Program::Reference {
            command.env("JWT_SECRET", self.secret.as_str());
        } else {
            command.args(["serve", "--listen", &listen.to_string(), "--data-dir"]);
            command.arg(home.join("data"));
            command.envs(ENVIRONMENT).env("SWITCHBOARD__AUTH__JWT_SECRET", self.secret.as_str());
        }
        if let Program::Node(environment) = program {
            command.envs(environment.iter().map(|(name, value)| (*name, value)));
        }
        let log = OpenOptions::new().create(true).append(true).open(log_path(home))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        Ok(command)
    }
}

/// A port for who is looked for while he is away.
pub(crate) fn lasting_port() -> Result<u16> {
    // Begun at a place of this process' own, so that two runs do not meet.
    let offset = u16::try_from(std::process::id() % 10_000)?;
    let mut ports = LASTING_PORTS.cycle().skip(usize::from(offset)).take(LASTING_PORTS.len());
    let free = ports.find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    free.with_context(|| format!("no port of {LASTING_PORTS:?} is free"))
}

impl Server {
    /// The directory its data is in.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// Kills it and waits until it is gone, so that the next scenario has the machine to itself.
    pub(crate) async fn stop(mut self) {
        if !self.stopped {
            self.tell_if_dead();
        }
        let _ = self.child.kill().await;
        self.stopped = true;
    }

    /// Ends it and keeps its data, to start it again.
    pub(crate) async fn end(&mut self, ending: Ending) -> Result<()> {
        match ending {
            Ending::Killed => self.child.kill().await.context("kill the server")?,
            Ending::Terminated => {
                let pid = self.pid.to_string();
                let told = Command::new("kill").args(["-TERM", &pid]).status().await;
                ensure!(told.context("run kill")?.success(), "the server cannot be signalled");
                let gone = timeout(TERMINATE_TIMEOUT, self.child.wait()).await;
                gone.context("the server does not end after SIGTERM")??;
            }
        }
        self.stopped = true;
        Ok(())
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
    tail_of(&log_path(home))
}

/// The last lines of a log.
pub(crate) fn tail_of(log: &Path) -> String {
    const LINES: usize = 10;
    let log = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
