//! `switchboard backup`: a copy of the database while the server goes on, and a word about what
//! else belongs to a backup. How the copy is made is the log's business.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::config::{Config, StoreUrl};
use crate::model::Moment;
use crate::{log, server};

/// Where to.
#[derive(Args, Clone, Debug)]
pub struct BackupArgs {
    /// A new file, or a directory that is there; in it the file is named after the time.
    #[arg(long, value_name = "PATH")]
    pub to: PathBuf,
    /// Copies the generated secret of tokens too, beside the backup.
    #[arg(long)]
    pub with_secret: bool,
}

/// Makes a backup; returns what was done, and what else belongs to it.
///
/// # Errors
/// Why there is none, in one line. Then there is nothing at `to` either.
pub fn run(config: &Config, wanted: &BackupArgs) -> Result<String> {
    let from = match config.store_url() {
        StoreUrl::Sqlite(path) => path,
        StoreUrl::Postgres(address) => bail!(
            "the store is PostgreSQL, whose own tools back it up while it runs: pg_dump \
             --format=custom --file=switchboard.dump {address}, and pg_restore to get it back"
        ),
        StoreUrl::Memory => bail!("the memory store keeps nothing that could be backed up"),
    };
    if !from.exists() {
        bail!("there is no database at {}; see --data-dir and --config", from.display());
    }
    let to = match wanted.to.is_dir() {
        true => wanted.to.join(format!("switchboard-{}.db", stamp(Moment::now()))),
        false => wanted.to.clone(),
    };
    let secret = Secret::of(config);
    let beside = beside(&to);
    if wanted.with_secret && beside.exists() {
        bail!("{} is there already; choose another name", beside.display());
    }
    let version = log::back_up(&from, &to).context("no backup was made")?;
    let bytes = fs::metadata(&to).map(|data| data.len()).unwrap_or(0);
    let told = match (secret, wanted.with_secret) {
        (Secret::Kept(path), true) => {
            copy_secret(&path, &beside)
                .with_context(|| format!("the database is backed up, {} is not", path.display()))?;
            format!(
                "{}: the secret of tokens; keep it as safe as the secret itself",
                beside.display()
            )
        }
        (Secret::Kept(path), false) => format!(
            "the secret of tokens is not in it: {}; keep a copy, or use --with-secret",
            path.display()
        ),
        (Secret::Given, _) => "the secret of tokens is given by auth.jwt_secret (JWT_SECRET), \
                               and not in it; nor is the configuration"
            .to_owned(),
        (Secret::None, _) => "there is no generated secret of tokens yet".to_owned(),
    };
    Ok(format!("{}: {bytes} bytes, whole, schema version {version}\n{told}", to.display()))
}

/// `20261120T231500Z`, which sorts, and which every file system takes.
fn stamp(at: Moment) -> String {
    let text = at.to_string();
    let to_the_second = text.split('.').next().unwrap_or(&text).trim_end_matches('Z');
    format!("{}Z", to_the_second.replace(['-', ':'], ""))
}

fn beside(to: &Path) -> PathBuf {
    let mut name = to.as_os_str().to_owned();
    name.push(".jwt_secret");
    name.into()
}

/// Where the secret of tokens is.
enum Secret {
    Given,
    Kept(PathBuf),
    None,
}

impl Secret {
    fn of(config: &Config) -> Secret {
        let path = server::secret_path(&config.server.data_dir);
        match config.auth.jwt_secret.is_empty() {
            false => Secret::Given,
            true if path.exists() => Secret::Kept(path),
            true => Secret::None,
        }
    }
}

fn copy_secret(from: &Path, to: &Path) -> Result<()> {
    let secret = fs::read(from)?;
    let mut copy = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    copy.write_all(&secret)?;
    Ok(copy.sync_all()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_is_named_after_its_second() {
        assert_eq!(stamp(Moment(1_795_216_715_670)), "20261120T231835Z");
        assert_eq!(beside(Path::new("/b/x.db")), Path::new("/b/x.db.jwt_secret"));
    }
}
