//! A node: the real program in a process of its own, with a line of its own to each service.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::{Instant, timeout};

use crate::process::{Process, Signal, command};
use crate::proxy::{Mood, Proxy};
use crate::services::{Kind, Service, free_address};

/// What the program prints in front of its address when it is ready.
const READY: &str = "listening on http://";

/// How long a node may take to be ready, on a slow machine and while a service is away.
const READY_TIMEOUT: Duration = Duration::from_secs(40);

/// Limits off: everybody comes from one address, and a crowd that is cut comes back at once.
const ENVIRONMENT: [(&str, &str); 8] = [
    ("SWITCHBOARD__LIMITS__MESSAGES_PER_MINUTE", "0"),
    ("SWITCHBOARD__LIMITS__REST_PER_MINUTE", "0"),
    ("SWITCHBOARD__LIMITS__CONNECTIONS_PER_ADDRESS", "0"),
    ("SWITCHBOARD__LIMITS__CONNECTIONS_PER_USER", "0"),
    ("SWITCHBOARD__SOCKETIO__PING_INTERVAL", "5s"),
    ("SWITCHBOARD__SOCKETIO__PING_TIMEOUT", "5s"),
    ("SWITCHBOARD__SERVER__PING_INTERVAL", "5s"),
    ("SWITCHBOARD__SERVER__PING_TIMEOUT", "10s"),
];

/// One node.
#[derive(Debug)]
pub(crate) struct Node {
    /// A, B, C ...
    pub(crate) name: char,
    /// Where it listens, whenever it runs.
    pub(crate) address: SocketAddr,
    binary: PathBuf,
    home: PathBuf,
    secret: String,
    lease: Duration,
    /// Its lines; none where it serves alone.
    postgres: Option<Proxy>,
    redis: Option<Proxy>,
    process: Option<Process>,
}

impl Node {
    /// Starts the node with this number. Without services it keeps everything by itself.
    pub(crate) async fn start(
        number: usize,
        binary: &Path,
        dir: &Path,
        secret: &str,
        lease: Duration,
        services: &[Service],
    ) -> Result<Self> {
        let name = char::from(b'A' + u8::try_from(number)?);
        let home = dir.join(format!("node-{}", name.to_ascii_lowercase()));
        fs::create_dir(&home)?;
        let mut node = Self {
            name,
            address: free_address()?,
            binary: binary.to_owned(),
            home,
            secret: secret.to_owned(),
            lease,
            postgres: None,
            redis: None,
            process: None,
        };
        for service in services {
            let proxy = Some(Proxy::open(service.address).await?);
            match service.kind {
                Kind::Postgres => node.postgres = proxy,
                Kind::Redis => node.redis = proxy,
            }
        }
        node.run().await?;
        Ok(node)
    }

    /// Starts its process, again after an end, and waits until it listens. Returns how long that
    /// took.
    pub(crate) async fn run(&mut self) -> Result<Duration> {
        let began = Instant::now();
        let mut starting = command(&self.binary, None);
        starting.env_clear().env("PATH", "/usr/bin:/bin").env("JWT_SECRET", &self.secret);
        starting.envs(ENVIRONMENT);
        starting.env("SWITCHBOARD__CLUSTER__LEASE", format!("{}s", self.lease.as_secs()));
        if let Some(proxy) = &self.postgres {
            starting.env("DATABASE_URL", Service::postgres_url(proxy.address));
        }
        if let Some(proxy) = &self.redis {
            starting.env("REDIS_HOST", proxy.address.ip().to_string());
            starting.env("REDIS_PORT", proxy.address.port().to_string());
        }
        starting.args(["serve", "--listen", &self.address.to_string(), "--data-dir"]);
        starting.arg(&self.home);
        let (process, stdout) = Process::start_read(&mut starting, &self.log())?;
        let mut lines = BufReader::new(stdout).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await? {
                if line.contains(READY) {
                    return Ok(());
                }
            }
            bail!("it ended")
        };
        let is_ready = timeout(READY_TIMEOUT, ready).await.context("it is not ready in time");
        is_ready
            .and_then(|ready| ready)
            .with_context(|| format!("start node {}; see {}", self.name, self.log().display()))?;
        // What it prints later is not read, and would fill the pipe.
        tokio::task::spawn_local(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        self.process = Some(process);
        Ok(began.elapsed())
    }

    /// The file of what it says.
    pub(crate) fn log(&self) -> PathBuf {
        self.home.with_extension("log")
    }

    /// What it said.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// Kills it.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        match self.process.take() {
            Some(mut process) => process.kill().await,
            None => Ok(()),
        }
    }

    /// Asks it to end, and waits for that; `None` when it does not in time.
    pub(crate) async fn terminate(&mut self, within: Duration) -> Result<Option<ExitStatus>> {
        let Some(mut process) = self.process.take() else { bail!("it does not run") };
        process.signal(Signal::TERM)?;
        let status = process.ended(within).await;
        if status.is_none() {
            process.kill().await?;
        }
        Ok(status)
    }

    /// Stops it where it stands.
    pub(crate) fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        self.process.as_ref().context("it does not run")?.signal(signal)
    }

    /// How its process ended, if it did so by itself.
    pub(crate) fn end(&mut self) -> Option<ExitStatus> {
        self.process.as_mut()?.end()
    }

    /// Changes its line to a service.
    pub(crate) fn set_line(&self, kind: Kind, mood: Mood) {
        let line = match kind {
            Kind::Postgres => &self.postgres,
            Kind::Redis => &self.redis,
        };
        if let Some(line) = line {
            line.set(mood);
        }
    }
}
