//! `switchboard doctor`: looks at the machine and the configuration, and says how to mend what is
//! wrong. Changes nothing but a probe file, which it removes.

use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use crate::config::{Ami, Config, StoreUrl};
use crate::http::tls::TlsReloader;
use crate::model::TenantId;
use crate::{auth, log, server};

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Well.
    Ok,
    /// It works, but not for long or not for many.
    Warn,
    /// The server would not start, or not work.
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

/// Looks at everything the server needs.
pub fn examine(config: &Config) -> Vec<Finding> {
    auth::install_crypto();
    let mut findings = vec![data_dir(&config.server.data_dir)];
    findings.push(store(config));
    findings.push(keys(config));
    findings.push(tls(config));
    findings.extend(config.server.listen.iter().map(|address| match TcpListener::bind(address) {
        Ok(_) => finding(Verdict::Ok, "listen", format!("{address} is free")),
        Err(err) => finding(
            Verdict::Warn,
            "listen",
            format!("{address}: {err}; if no server of yours runs there, choose another --listen"),
        ),
    }));
    findings.extend(config.ami.iter().map(|(tenant, ami)| telephones(tenant, ami)));
    findings.push(open_files(config));
    findings.push(sessions(config));
    findings
}

fn data_dir(dir: &Path) -> Finding {
    let probe = dir.join("doctor-probe");
    let written = fs::create_dir_all(dir).and_then(|()| fs::write(&probe, [0u8; 4096]));
    let written = written.and_then(|()| fs::remove_file(&probe));
    match written {
        Ok(()) => finding(Verdict::Ok, "data dir", format!("{} is writable", dir.display())),
        Err(err) => finding(
            Verdict::Fail,
            "data dir",
            format!(
                "{}: {err}; make it writable, free some space, or choose another with --data-dir",
                dir.display()
            ),
        ),
    }
}

fn store(config: &Config) -> Finding {
    let StoreUrl::Sqlite(path) = config.store_url() else {
        let told = "memory: everything is lost when the server stops; set store.url to sqlite:PATH";
        return finding(Verdict::Warn, "store", told);
    };
    match log::examine(&path) {
        Ok(Some(version)) => finding(
            Verdict::Ok,
            "store",
            format!("{} is whole, schema version {version}", path.display()),
        ),
        Ok(None) => {
            let told = format!("{} will be made at the first start", path.display());
            finding(Verdict::Ok, "store", told)
        }
        Err(err) => finding(
            Verdict::Fail,
            "store",
            format!("{}: {err}; restore it from a backup", path.display()),
        ),
    }
}

fn keys(config: &Config) -> Finding {
    let checked = server::secret(config).and_then(|(secret, file)| {
        let length = secret.len();
        server::tokens(config, secret)?;
        Ok((length, file))
    });
    match checked {
        Ok((length, _)) if length < 32 => finding(
            Verdict::Warn,
            "token keys",
            format!("JWT_SECRET has {length} bytes; HS256 wants at least 32"),
        ),
        Ok((_, Some(file))) => {
            finding(Verdict::Ok, "token keys", format!("the secret is in {}", file.display()))
        }
        Ok((_, None)) => finding(Verdict::Ok, "token keys", "the secret is given"),
        Err(err) => finding(Verdict::Fail, "token keys", format!("{err:#}")),
    }
}

fn tls(config: &Config) -> Finding {
    let Some((cert, key)) = config.tls_files() else {
        return finding(Verdict::Ok, "tls", "off; every listener speaks http and ws");
    };
    match TlsReloader::open(&cert, &key) {
        Ok(_) => finding(Verdict::Ok, "tls", format!("{} fits its key", cert.display())),
        Err(err) => finding(Verdict::Fail, "tls", err.to_string()),
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
        return finding(Verdict::Warn, "telephones", told(what));
    }
    match greeting(ami) {
        Ok(what) => finding(Verdict::Ok, "telephones", told(what)),
        Err(what) => {
            let hint = "look at bindaddr, port and enabled in manager.conf, and at firewalls";
            finding(Verdict::Warn, "telephones", told(format!("{what}; {hint}")))
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

/// Every connection is an open file.
fn open_files(config: &Config) -> Finding {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let soft = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .and_then(|line| line.split_whitespace().nth(3)?.parse::<u64>().ok());
    let wanted = config.limits.connections_per_address as u64 + 1_000;
    match soft {
        Some(soft) if soft < wanted => finding(
            Verdict::Warn,
            "open files",
            format!("at most {soft}, so about as many connections; raise it with ulimit -n"),
        ),
        Some(soft) => finding(Verdict::Ok, "open files", format!("at most {soft}")),
        None => finding(Verdict::Ok, "open files", "no limit known"),
    }
}

fn sessions(config: &Config) -> Finding {
    if config.auth.open_sessions && !config.auth.loopback_origins {
        let told =
            "auth.open_sessions is on: anybody may open any session; turn it off in production";
        return finding(Verdict::Warn, "access", told);
    }
    finding(Verdict::Ok, "access", "sessions need tokens, or this is a demo")
}
