//! Several nodes as one: a real PostgreSQL and a real Redis, nodes in this process or as processes
//! of their own. Where the services are not there (`SWITCHBOARD_TEST_*`), these tests say so and
//! do nothing; `make test` starts the services, and there a missing one is a failure.

mod duties;
mod failover;
mod presence;
mod talk;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;
use tokio_postgres::NoTls;

use crate::process::Process;
use crate::server::Server;
use crate::services::service;

/// A database and a Redis for the nodes of one test.
pub struct Cluster {
    admin: String,
    name: String,
    options: Vec<(&'static str, String)>,
    data: TempDir,
    nodes: AtomicU32,
}

/// Each test has a database of Redis for itself; the next one's number.
static REDIS_DB: AtomicU32 = AtomicU32::new(1);

impl Cluster {
    /// A new one; `None` without the services.
    pub async fn open() -> Option<Cluster> {
        Cluster::with(&[]).await
    }

    /// A new one whose nodes have these options.
    pub async fn with(options: &[(&'static str, &str)]) -> Option<Cluster> {
        let (admin, redis) =
            (service("SWITCHBOARD_TEST_POSTGRES")?, service("SWITCHBOARD_TEST_REDIS")?);
        let name = format!("it_{}", uuid::Uuid::new_v4().simple());
        execute(&admin, &format!("CREATE DATABASE {name}")).await;
        let mut url = url::Url::parse(&admin).unwrap();
        url.set_path(&name);
        let (host, port) = redis.rsplit_once(':').unwrap();
        let db = REDIS_DB.fetch_add(1, Ordering::Relaxed).to_string();
        let mut all: Vec<(&'static str, String)> = vec![
            ("store.url", url.to_string()),
            ("redis.host", host.to_owned()),
            ("redis.port", port.to_owned()),
            ("redis.db", db),
            ("cluster.lease", "2s".to_owned()),
        ];
        for (key, value) in options {
            all.retain(|(known, _)| known != key);
            all.push((key, (*value).to_owned()));
        }
        let (data, nodes) = (TempDir::new().unwrap(), AtomicU32::new(0));
        Some(Cluster { admin, name, options: all, data, nodes })
    }

    /// A new one whose Redis is a Redis Cluster. It has one database, so there can be one such
    /// test.
    pub async fn on_redis_cluster() -> Option<Cluster> {
        let shards = service("SWITCHBOARD_TEST_REDIS_CLUSTER")?;
        let options =
            [("redis.host", shards.as_str()), ("redis.cluster", "true"), ("redis.db", "0")];
        Cluster::with(&options).await
    }

    fn options(&self) -> Vec<(&str, &str)> {
        self.options.iter().map(|(key, value)| (*key, value.as_str())).collect()
    }

    fn next_dir(&self) -> PathBuf {
        let number = self.nodes.fetch_add(1, Ordering::Relaxed);
        self.data.path().join(format!("node-{number}"))
    }

    /// One more node, in this process.
    pub async fn node(&self) -> Server {
        let data = Arc::new(TempDir::new_in(self.data.path()).unwrap());
        Server::on_disk(data, &self.options()).await
    }

    /// One more node, as a process to be killed.
    pub async fn process(&self) -> Process {
        Process::serve(&self.next_dir(), &self.options()).await
    }

    /// A connection to what Redis keeps.
    pub async fn redis(&self) -> redis::aio::MultiplexedConnection {
        let of = |key: &str| {
            let found = self.options.iter().find(|(name, _)| *name == key);
            found.map(|(_, value)| value.clone()).unwrap()
        };
        let url = format!("redis://{}:{}/{}", of("redis.host"), of("redis.port"), of("redis.db"));
        let client = redis::Client::open(url).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    /// The nodes are gone; so is what they kept.
    pub async fn close(self) {
        if !self.options.iter().any(|(key, _)| *key == "redis.cluster") {
            let mut redis = self.redis().await;
            let _: () = redis::cmd("FLUSHDB").query_async(&mut redis).await.unwrap();
        }
        execute(&self.admin, &format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }
}

async fn execute(url: &str, sql: &str) {
    let (client, line) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let line = tokio::spawn(line);
    client.batch_execute(sql).await.unwrap();
    drop(client);
    line.await.unwrap().unwrap();
}
