//! The line to Redis: connections to one server or to a cluster, commands with a deadline, scripts,
//! and what others publish. It knows neither keys nor what they mean.
//!
//! Whoever asks never waits for a connection: while there is none, the answer is
//! [`Error::Gone`] at once, and [`Redis::keep`] makes new ones beside.

mod connect;
mod listen;
mod script;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{Cmd, FromRedisValue, Pipeline};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::config;
use crate::limits::{REDIS_LOOK_INTERVAL, REDIS_RETRY_PAUSE};

use connect::{Connection, Connector};

pub use listen::{Listening, Published};
pub use script::Script;

/// Where Redis is and how it is spoken to.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Hosts and their ports; of a cluster any of its nodes, otherwise one.
    pub hosts: Vec<(String, u16)>,
    /// The user's name; empty: Redis' default user.
    pub username: String,
    /// The password; empty: none.
    pub password: config::Secret,
    /// The number of the database.
    pub db: u32,
    /// Whether it is a cluster.
    pub is_cluster: bool,
    /// Whether the line is encrypted.
    pub tls: bool,
    /// A PEM file with the certificates that vouch for it; empty: those this machine trusts.
    pub tls_ca: PathBuf,
    /// How many connections carry commands.
    pub connections: usize,
    /// How long a command may take, and a connection until it stands.
    pub timeout: Duration,
}

impl From<&config::Redis> for Settings {
    fn from(options: &config::Redis) -> Settings {
        let port = u16::try_from(options.port).unwrap_or(6379);
        let hosts = options.host.split(',').map(str::trim).filter(|host| !host.is_empty());
        Settings {
            hosts: hosts.map(|host| connect::host_and_port(host, port)).collect(),
            username: options.username.clone(),
            password: options.password.clone(),
            db: options.db,
            is_cluster: options.cluster,
            tls: options.tls,
            tls_ca: options.tls_ca.clone(),
            connections: options.connections,
            timeout: options.timeout,
        }
    }
}

/// Why a command has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no connection, or it ended or was silent for too long before it answered. Whether
    /// the command was carried out is not known.
    #[error("{0}")]
    Gone(String),
    /// Redis does not do it.
    #[error("{0}")]
    Refused(String),
}

/// The line to Redis. It has several connections, each of which carries many commands at once; what
/// is asked at the same time by different tasks may be done in any order.
pub struct Redis {
    connector: Connector,
    slots: Vec<Mutex<Slot>>,
    next: AtomicUsize,
    /// A connection ended.
    ended: Notify,
    timeout: Duration,
}

/// A place for a connection.
#[derive(Default)]
struct Slot {
    connection: Option<Connection>,
    /// How many connections it has had, so that an error ends the one that it came from.
    generation: u64,
}

impl Redis {
    /// Connects, and looks whether Redis is what the settings say.
    ///
    /// # Errors
    /// What is wrong, in one line that names the option.
    pub async fn open(settings: &Settings) -> Result<Arc<Redis>, Error> {
        let connector = Connector::new(settings)?;
        let slots = (0..settings.connections.max(1)).map(|_| Mutex::default()).collect();
        let redis = Redis {
            connector,
            slots,
            next: AtomicUsize::default(),
            ended: Notify::new(),
            timeout: settings.timeout,
        };
        for slot in 0..redis.slots.len() {
            redis.fill(slot).await?;
        }
        redis.connector.check(&redis).await?;
        Ok(Arc::new(redis))
    }

    /// Makes new connections for those that ended. Runs for ever; spawn it once.
    pub async fn keep(&self) {
        loop {
            let mut has_failed = false;
            for slot in 0..self.slots.len() {
                if self.lock(slot).connection.is_none() {
                    has_failed |= self.fill(slot).await.is_err();
                }
            }
            match has_failed {
                true => sleep(REDIS_RETRY_PAUSE).await,
                false => drop(timeout(REDIS_LOOK_INTERVAL, self.ended.notified()).await),
            }
        }
    }

    /// Whether it is a cluster: keys of one command must then share their hash tag.
    pub fn is_cluster(&self) -> bool {
        self.connector.is_cluster()
    }

    /// The number of the database. What is published is heard in all of them.
    pub fn db(&self) -> u32 {
        self.connector.db()
    }

    /// Sends one command.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Error> {
        let (slot, generation, mut connection) = self.pick()?;
        let asked = timeout(self.timeout, connection.ask(command)).await;
        self.judge(slot, generation, asked.unwrap_or_else(|_| Err(connect::too_late())))
            .map_err(|err| self.connector.explain(&err))
    }

    /// Sends several commands in order, whose keys share their slot. They are not atomic.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn ask_all<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, Error> {
        let (slot, generation, mut connection) = self.pick()?;
        let asked = timeout(self.timeout, connection.ask_all(commands)).await;
        self.judge(slot, generation, asked.unwrap_or_else(|_| Err(connect::too_late())))
            .map_err(|err| self.connector.explain(&err))
    }

    /// Whether every server that holds a part of the keys answers.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn ping(&self) -> Result<(), Error> {
        let (slot, generation, mut connection) = self.pick()?;
        let asked = timeout(self.timeout, connection.ping()).await;
        self.judge(slot, generation, asked.unwrap_or_else(|_| Err(connect::too_late())))
            .map_err(|err| self.connector.explain(&err))
    }

    /// Runs a script whose keys share their slot.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[&str],
        args: &[&[u8]],
    ) -> Result<T, Error> {
        let (slot, generation, mut connection) = self.pick()?;
        let by_hash = script.by_hash(keys, args);
        let asked = timeout(self.timeout, connection.ask(&by_hash)).await;
        let asked = match asked {
            // The server was started anew, or another one has the slot now. The text itself both
            // runs and is remembered, so nothing has to be loaded everywhere first.
            Ok(Err(err)) if script::is_unknown(&err) => {
                timeout(self.timeout, connection.ask(&script.by_text(keys, args))).await
            }
            other => other,
        };
        self.judge(slot, generation, asked.unwrap_or_else(|_| Err(connect::too_late())))
            .map_err(|err| self.connector.explain(&err))
    }

    /// Hears what is published in these channels, on a connection of its own. On a cluster the
    /// channels are sharded.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn listen(&self, channels: &[String]) -> Result<Listening, Error> {
        let listening = timeout(self.timeout, listen::open(&self.connector, channels)).await;
        let listening = listening.unwrap_or_else(|_| Err(connect::too_late()));
        listening.map_err(|err| self.connector.explain(&err))
    }

    fn lock(&self, slot: usize) -> MutexGuard<'_, Slot> {
        self.slots[slot].lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fill(&self, slot: usize) -> Result<(), Error> {
        let connected = timeout(self.timeout, self.connector.connect(None)).await;
        let connected = connected.unwrap_or_else(|_| Err(connect::too_late()));
        let connection = connected.map_err(|err| self.connector.explain(&err))?;
        let mut slot = self.lock(slot);
        slot.connection = Some(connection);
        slot.generation += 1;
        Ok(())
    }

    /// A connection in turn, of those that stand.
    fn pick(&self) -> Result<(usize, u64, Connection), Error> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        for at in 0..self.slots.len() {
            let number = (first + at) % self.slots.len();
            let slot = self.lock(number);
            if let Some(connection) = &slot.connection {
                return Ok((number, slot.generation, connection.clone()));
            }
        }
        Err(Error::Gone("redis connection failed".into()))
    }

    /// Ends the connections when an answer failed, unless it was a plain no. All of them: what broke
    /// one has mostly broken the others, and each would fail somebody before it is known. Whoever
    /// waits for an answer on one of them still gets it.
    fn judge<T>(
        &self,
        number: usize,
        generation: u64,
        asked: redis::RedisResult<T>,
    ) -> redis::RedisResult<T> {
        if let Err(err) = &asked
            && connect::is_gone(err)
        {
            let is_current = {
                let slot = self.lock(number);
                slot.generation == generation && slot.connection.is_some()
            };
            if is_current {
                (0..self.slots.len()).for_each(|slot| drop(self.lock(slot).connection.take()));
                self.ended.notify_one();
            }
        }
        asked
    }
}
