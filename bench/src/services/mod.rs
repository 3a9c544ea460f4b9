//! What nodes that serve together need: a PostgreSQL and a Redis of their own, with empty data, on
//! ports nobody else has. PostgreSQL is as it comes: with `fsync` and all that makes a commit
//! durable. They run on all cores, as the nodes do.

mod programs;

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use crate::scale::{READY_TIMEOUT, TERMINATE_TIMEOUT};
use crate::server::{Environment, Launch, lasting_port, tail_of};

pub(crate) use programs::Programs;

/// What both say when they serve.
const READY: &str = "eady to accept connections";
/// How long is waited before it is looked again whether one has said so.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Who PostgreSQL runs as when this program is root, which PostgreSQL refuses: the first there is.
const SOMEBODY: [&str; 2] = ["postgres", "nobody"];

/// A running PostgreSQL and Redis. Dropping it kills both and removes their data.
#[derive(Debug)]
pub(crate) struct Services {
    home: PathBuf,
    postgres: Service,
    redis: Service,
    redis_cli: PathBuf,
}

/// One of them.
#[derive(Debug)]
struct Service {
    child: Child,
    pid: u32,
    port: u16,
}

impl Launch {
    /// Starts both, and waits until they answer.
    pub(crate) async fn start_services(&self) -> Result<Services> {
        let programs = self.services.as_ref().context("no services: without --no-services")?;
        let home = self.data_root.join(format!("switchboard-bench-{}", Uuid::new_v4()));
        fs::create_dir_all(&home).with_context(|| format!("create {}", home.display()))?;
        match self.start_services_in(&home, programs).await {
            Ok((postgres, redis)) => {
                Ok(Services { home, postgres, redis, redis_cli: programs.redis_cli.clone() })
            }
            Err(fault) => {
                let _ = fs::remove_dir_all(&home);
                Err(fault)
            }
        }
    }

    async fn start_services_in(
        &self,
        home: &Path,
        programs: &Programs,
    ) -> Result<(Service, Service)> {
        let data = home.join("postgres");
        fs::create_dir(&data)?;
        let somebody = somebody()?;
        if let Some((uid, gid)) = somebody {
            std::os::unix::fs::chown(&data, Some(uid), Some(gid))?;
        }
        let mut initdb = self.bound_to_us("INT", somebody, &programs.initdb);
        initdb.arg("--pgdata").arg(&data);
        initdb.args(["--username", "postgres", "--auth", "trust", "--encoding", "UTF8"]);
        initdb.args(["--locale", "C"]);
        let log = home.join("initdb.log");
        let made = logged(&mut initdb, &log)?.status().await.context("run initdb")?;
        ensure!(made.success(), "initdb fails in {}:\n{}", home.display(), tail_of(&log));
        let port = lasting_port()?;
        let mut postgres = self.bound_to_us("INT", somebody, &programs.postgres);
        postgres.arg("-D").arg(&data).args(["-p", &port.to_string()]);
        postgres.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
        let postgres = Service::start(postgres, port, &home.join("postgres.log")).await;
        let postgres = postgres.context("start PostgreSQL")?;
        let port = lasting_port()?;
        let mut redis = self.bound_to_us("KILL", None, &programs.redis);
        redis.args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
        // Presence is known to the nodes: what Redis has of it need not outlive Redis.
        redis.args(["--save", "", "--appendonly", "no", "--dir"]).arg(home);
        let redis = Service::start(redis, port, &home.join("redis.log")).await;
        let redis = redis.context("start Redis")?;
        Ok((postgres, redis))
    }

    /// A program that ends when this one does, however that is.
    fn bound_to_us(&self, signal: &str, who: Option<(u32, u32)>, program: &Path) -> Command {
        let mut command = self.placement.on_all_cores(Path::new("setpriv"));
        command.args(["--pdeathsig", signal]);
        if let Some((uid, gid)) = who {
            command.args(["--reuid", &uid.to_string(), "--regid", &gid.to_string()]);
            command.arg("--clear-groups");
        }
        command.arg(program);
        command
    }
}

impl Service {
    async fn start(mut command: Command, port: u16, log: &Path) -> Result<Self> {
        let mut child = logged(&mut command, log)?.kill_on_drop(true).spawn()?;
        let pid = child.id().context("it ended at once")?;
        let give_up = Instant::now() + READY_TIMEOUT;
        // Not until it can be connected to: PostgreSQL takes connections before it serves them.
        while !fs::read_to_string(log)?.contains(READY) {
            if child.try_wait()?.is_some() || Instant::now() >= give_up {
                bail!("it does not serve:\n{}", tail_of(log));
            }
            sleep(LOOK_AGAIN).await;
        }
        Ok(Self { child, pid, port })
    }

    /// Ends it, without waiting for those who are connected.
    async fn stop(&mut self) {
        let pid = self.pid.to_string();
        let _ = Command::new("kill").args(["-INT", &pid]).status().await;
        if timeout(TERMINATE_TIMEOUT, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }
}

impl Services {
    /// What a node needs to know of them.
    pub(crate) fn environment(&self) -> Environment {
        let mut environment = self.store_alone();
        environment.push(("REDIS_HOST", "127.0.0.1".to_owned()));
        environment.push(("REDIS_PORT", self.redis.port.to_string()));
        environment
    }

    /// The same for a node that serves alone, without Redis.
    pub(crate) fn store_alone(&self) -> Environment {
        let url = format!("postgres://postgres@127.0.0.1:{}/postgres", self.postgres.port);
        vec![("DATABASE_URL", url)]
    }

    /// PostgreSQL's first process; the others are its children.
    pub(crate) fn postgres_pid(&self) -> u32 {
        self.postgres.pid
    }

    /// What a script in Redis says, a line for each element.
    pub(crate) async fn ask_redis(&self, script: &str) -> Result<Vec<String>> {
        let port = self.redis.port.to_string();
        let mut command = Command::new(&self.redis_cli);
        command.args(["-h", "127.0.0.1", "-p", &port, "--raw", "EVAL", script, "0"]);
        let output = command.output().await.context("run redis-cli")?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success() && !text.starts_with("ERR"), "redis-cli says {text}");
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Ends both and waits until they are gone, so that the next scenario has the machine to itself.
    pub(crate) async fn stop(mut self) {
        self.postgres.stop().await;
        self.redis.stop().await;
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        let _ = self.postgres.child.start_kill();
        let _ = self.redis.child.start_kill();
        let _ = fs::remove_dir_all(&self.home);
    }
}

/// User and group PostgreSQL is to run as; nobody in particular where this program is not root.
fn somebody() -> Result<Option<(u32, u32)>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let own = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    if own.and_then(|ids| ids.split_whitespace().nth(1)) != Some("0") {
        return Ok(None);
    }
    let passwd = fs::read_to_string("/etc/passwd")?;
    let found = SOMEBODY.iter().find_map(|name| ids_of(name, &passwd));
    Ok(Some(found.with_context(|| format!("none of the users {SOMEBODY:?} is there"))?))
}

/// A user's number and that of its group.
fn ids_of(name: &str, passwd: &str) -> Option<(u32, u32)> {
    let mut lines = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let line = lines.find(|fields| fields[0] == name)?;
    Some((line.get(2)?.parse().ok()?, line.get(3)?.parse().ok()?))
}

/// Lets a command write into a log.
fn logged<'a>(command: &'a mut Command, log: &Path) -> Result<&'a mut Command> {
    let log = OpenOptions::new().create(true).append(true).open(log)?;
    let more = log.try_clone()?;
    // Where a user who may not look into this program's directory has nothing to complain of.
    Ok(command.stdin(Stdio::null()).stdout(log).stderr(more).current_dir("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let passwd = "root:x:0:0::/root:/bin/sh\npostgres2:x:9:9::/:/\npostgres:x:106:107::/:/\n";
        assert_eq!(ids_of("postgres", passwd), Some((106, 107)));
        assert_eq!(ids_of("nobody", passwd), None);
    }
}
