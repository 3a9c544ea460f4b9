//! Redis for tests: the servers that the environment names, and private ones to be killed.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use super::{Redis, Settings};

/// The server of this name; `None`, and a line that says so, where it is not set.
pub(crate) fn settings(name: &str) -> Option<Settings> {
    let hosts = crate::testing::service(name)?;
    let is_cluster = name.ends_with("cluster");
    let hosts = hosts.split(',').map(|host| super::connect::host_and_port(host, 6379)).collect();
    Some(Settings { hosts, is_cluster, ..defaults() })
}

fn defaults() -> Settings {
    Settings { connections: 4, timeout: Duration::from_secs(2), ..Settings::default() }
}

/// A line to a server, with its connections looked after.
pub(crate) async fn open(settings: &Settings) -> Arc<Redis> {
    let redis = Redis::open(settings).await.unwrap();
    let kept = redis.clone();
    tokio::spawn(async move { kept.keep().await });
    redis
}

/// A server of its own, which ends with the test.
pub(crate) struct Private {
    port: u16,
    options: Vec<String>,
    process: Option<Child>,
}

impl Private {
    /// Starts one; `None` where services are not asked for. `{port}` in an option is its port.
    pub(crate) async fn start(options: &[&str]) -> Option<Private> {
        settings("redis")?;
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let mut server = Private { port, options, process: None };
        server.start_again().await;
        Some(server)
    }

    /// Starts it again, empty.
    pub(crate) async fn start_again(&mut self) {
        let port = self.port.to_string();
        let options = self.options.iter().map(|option| option.replace("{port}", &port));
        let process = Command::new("redis-server")
            .args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(options)
            .stdout(Stdio::null())
            .spawn();
        self.process = Some(process.expect("redis-server"));
        for _ in 0..200 {
            if tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("redis-server does not listen");
    }

    /// Kills it.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Stops it where it stands, or lets it go on.
    pub(crate) fn pause(&self, is_paused: bool) {
        let signal = if is_paused { "-STOP" } else { "-CONT" };
        let id = self.process.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings { hosts: vec![("127.0.0.1".into(), self.port)], ..defaults() }
    }
}

/// A cluster of three of its own.
pub(crate) struct PrivateCluster {
    pub(crate) shards: Vec<Private>,
    _dir: tempfile::TempDir,
}

impl PrivateCluster {
    /// Starts one; `None` where services are not asked for.
    pub(crate) async fn start() -> Option<PrivateCluster> {
        let dir = tempfile::tempdir().unwrap();
        let (mut shards, mut addresses) = (vec![], vec![]);
        for _ in 0..3 {
            let options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"];
            let path = dir.path().to_str().unwrap();
            let own = ["--cluster-config-file", "{port}.conf", "--dir", path];
            // The bus is ten thousand above, and so high a port may have none.
            let shard = loop {
                let shard = Private::start(&[options, own].concat()).await?;
                if shard.port < 55_000 {
                    break shard;
                }
            };
            addresses.push(format!("127.0.0.1:{}", shard.port));
            shards.push(shard);
        }
        let made = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(&addresses)
            .arg("--cluster-yes")
            .stdout(Stdio::null())
            .status();
        assert!(made.unwrap().success());
        let cluster = PrivateCluster { shards, _dir: dir };
        cluster.serves().await;
        Some(cluster)
    }

    /// Waits until all of them serve.
    pub(crate) async fn serves(&self) {
        let serves = |shard: &Private| {
            let asked = Command::new("redis-cli")
                .args(["-p", &shard.port.to_string(), "cluster", "info"])
                .output();
            String::from_utf8_lossy(&asked.unwrap().stdout).contains("cluster_state:ok")
        };
        for _ in 0..600 {
            if self.shards.iter().all(serves) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the cluster does not serve");
    }

    pub(crate) fn settings(&self) -> Settings {
        let hosts = self.shards.iter().map(|shard| ("127.0.0.1".into(), shard.port)).collect();
        Settings { hosts, is_cluster: true, ..defaults() }
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        self.kill();
    }
}
