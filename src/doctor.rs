//! `switchboard doctor`: looks at the machine and the configuration, and says how to mend what is
//! wrong. Changes nothing but a probe file, which it removes, and a probe key of Redis, which ends
//! by itself. Every question has a deadline; secrets are in no answer. To look at another thing: a
//! function that gives a [`Finding`], and a line in [`examine`].

mod kafka;
mod machine;
mod postgres;
mod redis;

use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use crate::config::{Ami, Config, StoreUrl};
use crate::http::tls::TlsReloader;
use crate::model::{Moment, TenantId};
use crate::{auth, log, server};

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Well.
    Ok,
    /// It works, but not for long or not for many.
    Warn,
    /// The server would not start, or a part of it not work.
    Fail,
}

/// One check.
#[derive(Clone, Debug)]
pub struct Finding {
    /// How it went.
    pub verdict: Verdict,
    /// What was looked at.
    pub subject: &'static str,
    /// What was found and, unless it is well, how to mend it.
    pub detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Ok => "ok  ",
            Verdict::Warn => "warn",
            Verdict::Fail => "FAIL",
        };
        write!(f, "{verdict} {:<12} {}", self.subject, self.detail)
    }
}

fn finding(verdict: Verdict, subject: &'static str, detail: impl Into<String>) -> Finding {
    Finding { verdict, subject, detail: detail.into() }
}

fn well(subject: &'static str, detail: impl Into<String>) -> Finding {
    finding(Verdict::Ok, subject, detail)
}

fn doubtful(subject: &'static str, detail: impl Into<String>) -> Finding {
    finding(Verdict::Warn, subject, detail)
}

fn bad(subject: &'static str, detail: impl Into<String>) -> Finding {
    finding(Verdict::Fail, subject, detail)
}

/// Looks at everything the server needs.
pub async fn examine(config: &Config) -> Vec<Finding> {
    auth::install_crypto();
    let mut findings = vec![data_dir(&config.server.data_dir)];
    findings.push(machine::space(config));
    findings.push(store(config));
    if let StoreUrl::Postgres(address) = config.store_url() {
        findings.extend(postgres::examine(address.expose(), config.store.connections).await);
    }
    if config.has_redis() {
        findings.extend(redis::examine(&config.redis).await);
    }
    if config.has_kafka() {
        findings.extend(kafka::examine(&config.kafka).await);
    }
    findings.push(nodes(config));
    findings.push(keys(config));
    findings.push(tls(config));
    findings.extend(config.server.listen.iter().map(|address| match TcpListener::bind(address) {
        Ok(_) => well("listen", format!("{address} is free")),
        Err(err) => doubtful(
            "listen",
            format!("{address}: {err}; if no server of yours runs there, choose another --listen"),
        ),
    }));
    findings.extend(config.ami.iter().map(|(tenant, ami)| telephones(tenant, ami)));
    findings.push(machine::open_files(config));
    findings.push(machine::clock(config));
    findings.push(sessions(config));
    findings
}

/// What another machine's clock says beside ours, which was asked within `took`.
fn clocks(subject: &'static str, whose: &str, theirs: Moment, took: Duration) -> Finding {
    let took_ms = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
    // It was read at some moment of the round trip: the middle is off by half of it at most.
    let ours = Moment::now().0.saturating_sub(took_ms / 2);
    let apart = theirs.0.saturating_sub(ours).abs().saturating_sub(took_ms / 2).max(0);
    if apart > CLOCKS_APART_MAX_MS {
        let hint = "times in the log would be wrong; let NTP keep both clocks";
        return doubtful(subject, format!("{whose}: {apart} ms off ours; {hint}"));
    }
    well(subject, format!("{whose}: agrees with ours"))
}

/// As people read it.
fn millis(took: Duration) -> String {
    format!("{:.2} ms", took.as_secs_f64() * 1_000.0)
}

/// With NTP machines are a few milliseconds apart.
const CLOCKS_APART_MAX_MS: i64 = 500;

/// Whether several nodes could serve with this configuration.
fn nodes(config: &Config) -> Finding {
    let is_shared = matches!(config.store_url(), StoreUrl::Postgres(_));
    match (is_shared, config.has_redis()) {
        (true, true) => well("nodes", "several may serve: PostgreSQL and Redis are shared"),
        (true, false) => doubtful(
            "nodes",
            "one node only: others on the same PostgreSQL want redis.host (REDIS_HOST) as well",
        ),
        (false, true) => well("nodes", "one node, whose presence is in Redis"),
        (false, false) => well("nodes", "one node, and nothing it depends on"),
    }
}

fn data_dir(dir: &Path) -> Finding {
    let probe = dir.join("doctor-probe");
    let written = fs::create_dir_all(dir).and_then(|()| fs::write(&probe, [0u8; 4096]));
    let written = written.and_then(|()| fs::remove_file(&probe));
    match written {
        Ok(()) => well("data dir", format!("{} is writable", dir.display())),
        Err(err) => bad(
            "data dir",
            format!(
                "{}: {err}; make it writable, free some space, or choose another with --data-dir",
                dir.display()
            ),
        ),
    }
}

fn store(config: &Config) -> Finding {
    let path = match config.store_url() {
        StoreUrl::Sqlite(path) => path,
        StoreUrl::Postgres(address) => return well("store", address.to_string()),
        StoreUrl::Memory => {
            let told =
                "memory: everything is lost when the server stops; set store.url to sqlite:PATH";
            return doubtful("store", told);
        }
    };
    match log::examine(&path) {
        Ok(Some(version)) => {
            well("store", format!("{} is whole, schema version {version}", path.display()))
        }
        Ok(None) => {
            let told = format!("{} will be made at the first start", path.display());
            well("store", told)
        }
        Err(err) => bad("store", format!("{}: {err}; restore it from a backup", path.display())),
    }
}

fn keys(config: &Config) -> Finding {
    let checked = server::secret(config).and_then(|(secret, file)| {
        let length = secret.len();
        server::tokens(config, secret)?;
        Ok((length, file))
    });
    match checked {
        Ok((length, _)) if length < 32 => doubtful(
            "token keys",
            format!("JWT_SECRET has {length} bytes; HS256 wants at least 32"),
        ),
        Ok((_, Some(file))) => well("token keys", format!("the secret is in {}", file.display())),
        Ok((_, None)) => well("token keys", "the secret is given"),
        Err(err) => bad("token keys", format!("{err:#}")),
    }
}

fn tls(config: &Config) -> Finding {
    let Some((cert, key)) = config.tls_files() else {
        return well("tls", "off; every listener speaks http and ws");
    };
    match TlsReloader::open(&cert, &key) {
        Ok(_) => well("tls", format!("{} fits its key", cert.display())),
        Err(err) => bad("tls", err.to_string()),
    }
}

/// Whether a tenant's telephone system is there and greets. Who may log in only a login tells, and
/// some systems count those.
fn telephones(tenant: &TenantId, ami: &Ami) -> Finding {
    let told = |what: String| format!("{tenant}: {}: {what}", ami.address);
    let secret = &ami.secret_file;
    if !secret.as_os_str().is_empty()
        && let Err(err) = fs::read_to_string(secret)
    {
        let what = format!("secret_file {}: {err}", secret.display());
        return doubtful("telephones", told(what));
    }
    match greeting(ami) {
        Ok(what) => well("telephones", told(what)),
        Err(what) => {
            let hint = "look at bindaddr, port and enabled in manager.conf, and at firewalls";
            doubtful("telephones", told(format!("{what}; {hint}")))
        }
    }
}

/// What a telephone system greets with; under TLS whether it is there has to do.
fn greeting(ami: &Ami) -> Result<String, String> {
    let mut addresses = ami.address.to_socket_addrs().map_err(|err| err.to_string())?;
    let address = addresses.next().ok_or("no such host")?;
    let stream = TcpStream::connect_timeout(&address, TELEPHONES_WAIT);
    let stream = stream.map_err(|err| err.to_string())?;
    if ami.tls {
        return Ok("is there; TLS is tried when the server connects".into());
    }
    stream.set_read_timeout(Some(TELEPHONES_WAIT)).map_err(|err| err.to_string())?;
    let mut line = String::new();
    let read = BufReader::new(stream.take(GREETING_BYTES_MAX)).read_line(&mut line);
    match (read, line.trim_end()) {
        (Ok(_), line) if line.starts_with("Asterisk Call Manager") => Ok(line.to_owned()),
        (Ok(_), line) => Err(format!("no manager interface of Asterisk: it greets with {line:?}")),
        (Err(err), _) => Err(format!("it does not greet: {err}")),
    }
}

/// Long enough for another city.
const TELEPHONES_WAIT: Duration = Duration::from_secs(3);
/// A greeting is one short line.
const GREETING_BYTES_MAX: u64 = 256;

fn sessions(config: &Config) -> Finding {
    if config.auth.open_sessions && !config.auth.loopback_origins {
        let told =
            "auth.open_sessions is on: anybody may open any session; turn it off in production";
        return doubtful("access", told);
    }
    well("access", "sessions need tokens, or this is a demo")
}
