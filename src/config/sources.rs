//! Where values come from: the file, the environment, the flags, later ones over earlier ones.
//! Every error names the key, where it stood, and how to mend it, in one line.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::value::{Given, Value};
use super::{Config, EACH, OptionDoc, SECTIONS};

/// Where a configuration is read from. The environment is passed in, so that tests need none.
#[derive(Clone, Debug, Default)]
pub struct Sources<E> {
    /// The TOML file of `--config`.
    pub file: Option<PathBuf>,
    /// The environment.
    pub env: E,
    /// The values of `--listen`; they replace every other.
    pub listen: Vec<String>,
    /// The value of `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// `--demo`.
    pub demo: bool,
}

/// The seeds' environment variables and the keys they set.
pub const SEED_NAMES: [(&str, &str, &str); 10] = [
    ("AGENT_STATUS_TTL", "agents", "status_ttl"),
    ("HEARTBEAT_INTERVAL", "agents", "heartbeat_interval"),
    ("WEBSOCKET_CORS_ORIGIN", "auth", "cors_origin"),
    ("DATABASE_URL", "store", "url"),
    ("JWT_SECRET", "auth", "jwt_secret"),
    ("REDIS_HOST", "redis", "host"),
    ("REDIS_PORT", "redis", "port"),
    ("REDIS_PASSWORD", "redis", "password"),
    ("REDIS_DB", "redis", "db"),
    ("KAFKA_BROKERS", "kafka", "brokers"),
];

const PREFIX: &str = "SWITCHBOARD__";

/// Why a configuration does not hold. One line each.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there, or may not be read.
    #[error("cannot read {}: {source}; `switchboard default-config` prints a file to begin with",
        path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("{place}: {message}")]
    Syntax {
        /// Where.
        place: String,
        /// What the parser says.
        message: String,
    },
    /// A key that nobody knows.
    #[error("unknown key {key} in {place}; did you mean {nearest}?")]
    UnknownKey {
        /// The key as `section.key`.
        key: String,
        /// Where it stood.
        place: String,
        /// The nearest known one.
        nearest: String,
    },
    /// A value of the wrong type, or out of its range.
    #[error("{key} in {place}: {problem}")]
    BadValue {
        /// The key as `section.key`.
        key: String,
        /// Where it stood.
        place: String,
        /// What was expected, and what was found unless it is a secret.
        problem: String,
    },
    /// Options that do not go together.
    #[error("{0}")]
    Contradiction(String),
}

/// The process's environment, for [`Sources::env`]. The one place that reads it.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (text(name), text(value)))
}

impl Config {
    /// Reads every source and checks the whole.
    pub fn load<E>(sources: Sources<E>) -> Result<Config, ConfigError>
    where
        E: Iterator<Item = (String, String)>,
    {
        let mut config = Config::default();
        if let Some(path) = &sources.file {
            config.apply_file(path)?;
        }
        config.apply_env(sources.env)?;
        let keep_listen = !sources.listen.is_empty();
        if keep_listen {
            config.server.listen = parse_listen(&sources.listen)?;
        }
        if let Some(data_dir) = sources.data_dir {
            config.server.data_dir = data_dir;
        }
        if sources.demo {
            config.for_demo(keep_listen)?;
        }
        config.check()?;
        Ok(config)
    }

    fn apply_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        let file = File { path, text: &text };
        let root = DeTable::parse(&text).map_err(|error| ConfigError::Syntax {
            place: file.place(error.span().unwrap_or_default().start),
            message: error.message().replace('\n', ", "),
        })?;
        for (section, table) in root.into_inner() {
            self.apply_section(&file, section.span().start, section.get_ref(), table)?;
        }
        Ok(())
    }

    fn apply_section(
        &mut self,
        file: &File,
        offset: usize,
        section: &str,
        table: Spanned<DeValue<'_>>,
    ) -> Result<(), ConfigError> {
        let DeValue::Table(table) = table.into_inner() else {
            // A key above the first section, or a section's name with a value.
            return Err(unknown(section, file.place(offset)));
        };
        if is_each(section) && !table.is_empty() {
            for (tenant, table) in table {
                let section = format!("{section}.{}", tenant.get_ref());
                self.apply_section(file, tenant.span().start, &section, table)?;
            }
            return Ok(());
        }
        if !SECTIONS.iter().any(|(known, _)| *known == section) && table.is_empty() {
            return Err(unknown(section, file.place(offset)));
        }
        for (key, value) in table {
            let place = file.place(key.span().start);
            let value = ValueDeserializer::from(value);
            let value = toml::Value::deserialize(value).map_err(|error| ConfigError::Syntax {
                place: place.clone(),
                message: error.message().to_owned(),
            })?;
            self.apply(section, key.get_ref(), &Given::Toml(value), place)?;
        }
        Ok(())
    }

    fn apply_env(
        &mut self,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<(), ConfigError> {
        // Sorted, so that of two mistakes the same one is reported every time. The seeds' names
        // come first: the full name of a key is the more deliberate one and wins.
        let mut env: Vec<(String, String)> = env.collect();
        env.sort();
        for (name, value) in env.iter().filter(|(_, value)| !value.trim().is_empty()) {
            if let Some((_, section, key)) = SEED_NAMES.iter().find(|(known, ..)| known == name) {
                self.apply(section, key, &Given::Text(value.clone()), name.clone())?;
            }
        }
        for (name, value) in env {
            let Some(path) = name.strip_prefix(PREFIX) else { continue };
            let path = path.to_ascii_lowercase();
            let (mut section, mut key) = path.split_once("__").unwrap_or((&path, ""));
            let of_tenant;
            if is_each(section)
                && let Some((tenant, its_key)) = key.rsplit_once("__")
            {
                of_tenant = format!("{section}.{tenant}");
                (section, key) = (&of_tenant, its_key);
            }
            self.apply(section, key, &Given::Text(value), name.clone())?;
        }
        Ok(())
    }

    fn apply(
        &mut self,
        section: &str,
        key: &str,
        given: &Given,
        place: String,
    ) -> Result<(), ConfigError> {
        let name = if key.is_empty() { section.to_owned() } else { format!("{section}.{key}") };
        match self.set(section, key, given) {
            None => Err(unknown(&name, place)),
            Some(Err(problem)) => Err(ConfigError::BadValue { key: name, place, problem }),
            Some(Ok(())) => Ok(()),
        }
    }
}

struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    /// `FILE line N`, for the byte at `offset`.
    fn place(&self, offset: usize) -> String {
        let before = self.text.as_bytes().iter().take(offset);
        let line = before.filter(|byte| **byte == b'\n').count() + 1;
        format!("{} line {line}", self.path.display())
    }
}

fn parse_listen(given: &[String]) -> Result<Vec<SocketAddr>, ConfigError> {
    let bad = |text: &str| ConfigError::BadValue {
        key: "server.listen".into(),
        place: "--listen".into(),
        problem: format!("expected {}, not {text:?}", <Vec<SocketAddr>>::EXPECTED),
    };
    given.iter().map(|text| text.trim().parse().map_err(|_| bad(text))).collect()
}

fn unknown(key: &str, place: String) -> ConfigError {
    let nearest = nearest(key);
    ConfigError::UnknownKey { key: key.to_owned(), place, nearest }
}

/// Whether every tenant has a section of this name of its own.
fn is_each(section: &str) -> bool {
    EACH.iter().any(|(each, _)| *each == section)
}

/// The known key nearest to an unknown one: by the whole name, or by the key alone when it stands
/// in the wrong section, or is itself the name of one.
fn nearest(unknown: &str) -> String {
    let alone = unknown.rsplit('.').next().unwrap_or(unknown);
    let (section, rest) = unknown.split_once('.').unwrap_or((unknown, "TENANT"));
    // Of a tenant's section the nearest is one of the same tenant.
    let options = match is_each(section) {
        true => Config::options_of(rest.rsplit_once('.').map_or(rest, |(tenant, _)| tenant)),
        false => Config::options(),
    };
    let distance = |option: &OptionDoc| {
        let by_name = strsim::damerau_levenshtein(unknown, &option.name());
        let to = |part| strsim::damerau_levenshtein(alone, part) + 1;
        by_name.min(to(option.key)).min(to(&option.section))
    };
    options.iter().min_by_key(|option| distance(option)).map(OptionDoc::name).unwrap_or_default()
}

impl fmt::Display for super::StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            super::StoreUrl::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            super::StoreUrl::Postgres(address) => address.fmt(f),
            super::StoreUrl::Memory => f.write_str("memory:"),
        }
    }
}
