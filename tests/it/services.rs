//! The servers that `scripts/with-services` gives to the tests, and private ones of a single test.

use std::env;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::clock::{real_pause, within};

/// Where a service is, such as `SWITCHBOARD_TEST_REDIS`. Without it a test is left out, unless all
/// services are said to be there.
pub fn service(name: &str) -> Option<String> {
    let found = env::var(name).ok().filter(|address| !address.is_empty());
    if found.is_none() {
        let all = env::var("SWITCHBOARD_TEST_SERVICES").is_ok_and(|which| which == "all");
        assert!(!all, "{name} is missing");
        eprintln!("left out, {name} is not set; see make services");
    }
    found
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A Redis for one test, to be set up as it likes. Killed when this is dropped.
pub struct PrivateRedis {
    child: Child,
    pub port: u16,
    _data: TempDir,
}

impl PrivateRedis {
    /// Starts one with these options, such as `--requirepass x`.
    pub async fn start(options: &[&str]) -> PrivateRedis {
        PrivateRedis::start_at(free_port(), options).await
    }

    /// Starts one on this port, where perhaps one was before.
    pub async fn start_at(port: u16, options: &[&str]) -> PrivateRedis {
        let data = TempDir::new().unwrap();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        command.arg("--dir").arg(data.path()).args(options);
        let child = command.stdout(Stdio::null()).spawn().unwrap();
        let redis = PrivateRedis { child, port, _data: data };
        within("redis-server", async {
            while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                real_pause(std::time::Duration::from_millis(10)).await;
            }
        })
        .await;
        redis
    }
}

impl Drop for PrivateRedis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
