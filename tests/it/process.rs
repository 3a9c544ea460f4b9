//! The program as a process of its own, to be killed, starved and asked.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::clock::within;
use crate::server::SECRET;

/// The program this test was built with.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_switchboard");

/// A server in a process of its own. It is killed when this is dropped.
pub struct Process {
    child: Child,
    /// Where it listens.
    pub addr: SocketAddr,
    /// Everything it wrote to standard error.
    log: PathBuf,
    printed: Lines<BufReader<ChildStdout>>,
}

/// A command that sees nothing of this process' environment.
pub fn command(program: &str, options: &[(&str, &str)]) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/bin:/bin").kill_on_drop(true);
    for (key, value) in options {
        let name = format!("SWITCHBOARD__{}", key.replace('.', "__").to_ascii_uppercase());
        command.env(name, value);
    }
    command
}

impl Process {
    /// Starts a server in `data` and waits until it listens.
    pub async fn serve(data: &Path, options: &[(&str, &str)]) -> Process {
        Process::serve_by(command(PROGRAM, options), data).await
    }

    /// As [`Process::serve`], by a command that ends in running the program with what follows.
    pub async fn serve_by(mut command: Command, data: &Path) -> Process {
        command.env("JWT_SECRET", SECRET);
        Process::start(command, &[], data).await
    }

    /// As [`Process::serve`], with the secret that is in `data` or made there.
    pub async fn serve_with_own_secret(data: &Path) -> Process {
        Process::start(command(PROGRAM, &[]), &[], data).await
    }

    /// The demo.
    pub async fn serve_demo(data: &Path) -> Process {
        Process::start(command(PROGRAM, &[]), &["--demo"], data).await
    }

    async fn start(mut command: Command, flags: &[&str], data: &Path) -> Process {
        fs::create_dir_all(data).unwrap();
        let log = data.with_extension("log");
        let stderr = File::options().create(true).append(true).open(&log).unwrap();
        command
            .env("SWITCHBOARD__LIMITS__MESSAGES_PER_MINUTE", "0")
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data)
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(stderr);
        let mut child = command.spawn().unwrap();
        let mut printed = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = within("listening", printed.next_line()).await.unwrap();
        let addr = line.as_deref().and_then(|l| l.strip_prefix("listening on http://"));
        let Some(addr) = addr.and_then(|a| a.parse().ok()) else {
            panic!("it does not listen: {line:?}\n{}", fs::read_to_string(&log).unwrap());
        };
        Process { child, addr, log, printed }
    }

    /// What it prints up to a line with these words.
    pub async fn printed_until(&mut self, words: &str) -> String {
        let mut printed = String::new();
        while !printed.contains(words) {
            let line = within(words, self.printed.next_line()).await.unwrap();
            printed += &line.unwrap_or_else(|| panic!("it printed only {printed}"));
            printed.push('\n');
        }
        printed
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Kills it as a power cut would, and waits until it is gone.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Sends it SIGTERM.
    pub async fn terminate(&self) {
        // The shell's own, which is everywhere.
        let kill = format!("kill -TERM {}", self.id());
        let sent = command("/bin/sh", &[]).args(["-c", &kill]).status().await.unwrap();
        assert!(sent.success());
    }

    /// How it ended.
    pub async fn ended(&mut self) -> ExitStatus {
        within("the end of the process", self.child.wait()).await.unwrap()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// What it wrote to standard error.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}
