//! The machine the figures come from, and who gets which core of it.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Serialize;

use crate::disk;
use crate::process;
use crate::reference::Reference;
use crate::server::Launch;
use crate::services::Programs;

/// Descriptors the generator needs besides its connections.
const SPARE_DESCRIPTORS: usize = 64;

/// What a reader must know to compare two results.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) date: String,
    pub(crate) commit: Option<String>,
    pub(crate) server: String,
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) placement: String,
    pub(crate) memory_bytes: u64,
    pub(crate) kernel: String,
    pub(crate) file_system: String,
    pub(crate) open_files: usize,
    pub(crate) connections_fit: usize,
    pub(crate) reference: Option<String>,
    pub(crate) services: Option<String>,
}

impl Machine {
    /// Asks the system.
    pub(crate) fn look(launch: &Launch) -> Self {
        let mount = disk::mount_of(&launch.data_root);
        let memory = process::field_after(&read("/proc/meminfo"), "MemTotal:").unwrap_or(0);
        Self {
            date: said("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"]).unwrap_or_default(),
            commit: said("git", &["describe", "--always", "--dirty", "--abbrev=12"]),
            server: said(&launch.binary.to_string_lossy(), &["--version"]).unwrap_or_default(),
            cpu: cpu_model(&read("/proc/cpuinfo")),
            // Not the allowed ones: this process has just confined itself to one of them.
            cores: read("/proc/cpuinfo").matches("\nprocessor\t").count() + 1,
            placement: launch.placement.describe(),
            memory_bytes: memory * 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            file_system: mount.map_or("unknown".to_owned(), |(kind, device)| {
                format!("{kind} on {device}, data in {}", launch.data_root.display())
            }),
            open_files: open_files(),
            connections_fit: connections_fit(),
            reference: launch.reference.as_ref().map(Reference::describe),
            services: launch.services.as_ref().map(Programs::describe),
        }
    }
}

/// Which cores the two sides run on.
#[derive(Debug, Clone)]
pub(crate) enum Placement {
    /// Each side has its own.
    Apart {
        /// The server's core.
        server: usize,
        /// The generator's core.
        generator: usize,
        /// All cores, as `taskset` takes them: for what is too much for one.
        all: String,
    },
    /// Nothing could be pinned; why.
    Together(&'static str),
}

impl Placement {
    /// Pins this process to the second core, if there are two and `taskset` works.
    pub(crate) fn take() -> Self {
        let cores = allowed_cores();
        let [server, generator, ..] = cores[..] else {
            return Self::Together("there is only one core");
        };
        let all = cores.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        let own = std::process::id().to_string();
        match said("taskset", &["-a", "-c", "-p", &generator.to_string(), &own]) {
            Some(_) => Self::Apart { server, generator, all },
            None => Self::Together("taskset does not work here"),
        }
    }

    /// A command on the server's core.
    pub(crate) fn on_its_core(&self, program: &Path) -> tokio::process::Command {
        match self {
            // taskset replaces itself by the program, so the process id stays.
            Self::Apart { server, .. } => taskset(&server.to_string(), program),
            Self::Together(_) => tokio::process::Command::new(program),
        }
    }

    /// A command on every core, the generator's too: where several nodes and what they need run
    /// on one machine, there is no core for each.
    pub(crate) fn on_all_cores(&self, program: &Path) -> tokio::process::Command {
        match self {
            Self::Apart { all, .. } => taskset(all, program),
            Self::Together(_) => tokio::process::Command::new(program),
        }
    }

    /// In words, for the output.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Apart { server, generator, .. } => {
                format!("server on core {server}, generator on core {generator}")
            }
            Self::Together(why) => {
                format!("NOT PINNED, server and generator disturb each other: {why}")
            }
        }
    }
}

fn taskset(cores: &str, program: &Path) -> tokio::process::Command {
    let mut taskset = tokio::process::Command::new("taskset");
    taskset.args(["-c", cores]).arg(program);
    taskset
}

/// Lifts this process' limit on open files to the hard one; the server inherits it.
pub(crate) fn raise_open_files() {
    let own = std::process::id().to_string();
    let hard = open_files_line().and_then(|line| line.split_whitespace().nth(1).map(str::to_owned));
    if let Some(hard) = hard {
        // Without `prlimit` the limit stays, and the head of the output says what fits.
        let _ = said("prlimit", &["--pid", &own, &format!("--nofile={hard}:{hard}")]);
    }
}

/// How many connections a process can hold, as far as descriptors go.
pub(crate) fn connections_fit() -> usize {
    open_files().saturating_sub(SPARE_DESCRIPTORS)
}

/// The soft limit on open files.
fn open_files() -> usize {
    let soft = open_files_line().and_then(|line| line.split_whitespace().next().map(str::to_owned));
    soft.map_or(0, |soft| soft.parse().unwrap_or(usize::MAX))
}

/// The limits on open files as `SOFT HARD files`.
fn open_files_line() -> Option<String> {
    let limits = read("/proc/self/limits");
    limits.lines().find_map(|line| line.strip_prefix("Max open files")).map(str::to_owned)
}

/// The cores this process may run on.
fn allowed_cores() -> Vec<usize> {
    let status = read("/proc/self/status");
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    core_list(list.unwrap_or_default().trim())
}

/// Reads a list such as `0-2,5`.
fn core_list(text: &str) -> Vec<usize> {
    let mut cores = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<usize>(), last.parse::<usize>()) {
            cores.extend(first..=last);
        }
    }
    cores
}

/// The processor's name.
fn cpu_model(cpuinfo: &str) -> String {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(':')).map(|(_, name)| name.trim());
    name.unwrap_or("unknown").to_owned()
}

/// A file's text, empty when it cannot be read.
fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// What a command prints, when it is there and succeeds.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn core_lists_are_read() {
        assert_eq!(core_list("0-2,5"), [0, 1, 2, 5]);
        assert_eq!(core_list("3"), [3]);
        assert!(core_list("").is_empty());
    }
}
