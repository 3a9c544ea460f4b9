//! The Node server that the Socket.IO figures are compared with: whether it can be started, and
//! what it is. Its program is `bench/reference/server.mjs`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// An installed reference server.
#[derive(Debug)]
pub(crate) struct Reference {
    /// Its program.
    pub(crate) program: PathBuf,
    versions: String,
}

impl Reference {
    /// Looks whether its packages and Node.js are there.
    pub(crate) fn look(directory: &std::path::Path) -> Result<Self> {
        const MENDING: &str = "`npm ci` in bench/reference, or --no-reference";
        let package = directory.join("node_modules/socket.io/package.json");
        let package = fs::read_to_string(&package)
            .with_context(|| format!("read {}: {MENDING}", package.display()))?;
        let package: Value = serde_json::from_str(&package)?;
        let library = package["version"].as_str().context("socket.io without a version")?;
        let node = Command::new("node").arg("--version").output();
        let node = node.context("start node: install Node.js, or --no-reference")?;
        ensure!(node.status.success(), "`node --version` fails");
        let node = String::from_utf8_lossy(&node.stdout).trim().to_owned();
        let program = directory.join("server.mjs").canonicalize().context("find server.mjs")?;
        Ok(Self { program, versions: format!("socket.io {library} on Node.js {node}") })
    }

    /// What it is, for the output.
    pub(crate) fn describe(&self) -> String {
        format!("{}, a chat room in memory that stores nothing", self.versions)
    }
}
