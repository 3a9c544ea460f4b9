//! Where the programs of PostgreSQL and Redis are: where `scripts/need-services` looks too.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context as _, Result, ensure};

/// What to do when one is missing.
const MENDING: &str =
    "install it (Debian: apt-get install redis-server postgresql), or --no-services";

/// Programs that are there.
#[derive(Debug)]
pub(crate) struct Programs {
    /// `initdb`.
    pub(super) initdb: PathBuf,
    /// PostgreSQL itself.
    pub(super) postgres: PathBuf,
    /// Redis itself.
    pub(super) redis: PathBuf,
    /// What asks it.
    pub(super) redis_cli: PathBuf,
    versions: String,
}

impl Programs {
    /// Looks for them.
    pub(crate) fn look() -> Result<Self> {
        let directory =
            postgres_directory().with_context(|| format!("no PostgreSQL: {MENDING}"))?;
        let (initdb, postgres) = (directory.join("initdb"), directory.join("postgres"));
        let in_path =
            |name: &str| in_path(name).with_context(|| format!("no {name} in PATH: {MENDING}"));
        let (redis, redis_cli) = (in_path("redis-server")?, in_path("redis-cli")?);
        // "postgres (PostgreSQL) 15.14 (Debian ...)" and "Redis server v=7.0.15 sha=...".
        let of_postgres = version(&postgres, "(PostgreSQL) ")?;
        let of_redis = version(&redis, "v=")?;
        let versions = format!("PostgreSQL {of_postgres}, Redis {of_redis}");
        Ok(Self { initdb, postgres, redis, redis_cli, versions })
    }

    /// What they are, for the output.
    pub(crate) fn describe(&self) -> String {
        self.versions.clone()
    }
}

/// The directory of the newest PostgreSQL; Debian keeps its servers out of PATH.
fn postgres_directory() -> Option<PathBuf> {
    const DEBIANS: &str = "/usr/lib/postgresql";
    let found = fs::read_dir(DEBIANS).into_iter().flatten().flatten();
    let mut releases: Vec<u32> =
        found.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    releases.sort_unstable_by(|one, other| other.cmp(one));
    let debians = releases.iter().map(|release| format!("{DEBIANS}/{release}/bin").into());
    let of_path = in_path("initdb").and_then(|initdb| Some(initdb.parent()?.to_owned()));
    let is_whole = |directory: &PathBuf| {
        ["initdb", "postgres"].iter().all(|name| directory.join(name).is_file())
    };
    debians.chain(of_path).find(is_whole)
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file())
}

/// What stands behind `before` in a program's line about itself.
fn version(program: &Path, before: &str) -> Result<String> {
    let output = Command::new(program).arg("--version").output();
    let output = output.with_context(|| format!("start {}", program.display()))?;
    ensure!(output.status.success(), "{} --version fails", program.display());
    let line = String::from_utf8_lossy(&output.stdout);
    let version = line.split_once(before).and_then(|(_, rest)| rest.split_whitespace().next());
    version.map(str::to_owned).with_context(|| format!("no version in {line:?}"))
}
