//! One line to the database: how it is opened, what it may take, and what is said when it cannot be.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::time::timeout;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::super::{Error, PostgresUrl};
use crate::limits::{
    POSTGRES_CONNECT_TIMEOUT, POSTGRES_DEADLINE, POSTGRES_IDLE_TRANSACTION, POSTGRES_LOCK_WAIT,
    POSTGRES_SILENCE_MAX, POSTGRES_STATEMENT_MAX,
};

/// The oldest release with what the statements need (`xid8`, `normalize`).
const OLDEST: u32 = 13;

/// Where the database is, and how it is spoken to. Cheap to clone.
#[derive(Clone)]
pub(super) struct Address {
    config: Config,
    tls: Option<MakeRustlsConnect>,
}

/// What carries a line's bytes: to be polled until the line ends.
pub(super) type Driver =
    Pin<Box<dyn Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static>>;

/// A line: a connection that many may ask at once, in turn, without waiting for each other.
pub(super) struct Line {
    pub(super) client: Client,
    statements: Mutex<HashMap<&'static str, Statement>>,
}

impl Address {
    /// Reads an address, and the certificates that it names.
    pub(super) fn parse(url: &PostgresUrl) -> Result<Address, Error> {
        let (plain, wanted) = split_tls(&url.0)?;
        let mut config: Config = plain.parse().map_err(|err: tokio_postgres::Error| {
            let reason = std::error::Error::source(&err).map_or(err.to_string(), |e| e.to_string());
            Error::failed(format!("the address of the PostgreSQL database: {reason}"))
        })?;
        config.ssl_mode(if wanted.is_some() { SslMode::Require } else { SslMode::Disable });
        config
            .application_name("switchboard")
            .connect_timeout(POSTGRES_CONNECT_TIMEOUT)
            .tcp_user_timeout(POSTGRES_SILENCE_MAX)
            .keepalives_idle(POSTGRES_SILENCE_MAX / 2)
            .keepalives_interval(POSTGRES_SILENCE_MAX / 4)
            .keepalives_retries(2);
        let given = config.get_options().map_or(String::new(), |options| format!("{options} "));
        config.options(given + &session_options());
        let tls = wanted.map(|roots| trust(roots.as_deref())).transpose()?;
        Ok(Address { config, tls: tls.map(MakeRustlsConnect::new) })
    }

    /// Opens a line; nothing moves on it until its driver is polled.
    pub(super) async fn connect(&self) -> Result<(Line, Driver), Error> {
        let connecting = async {
            Ok(match &self.tls {
                Some(tls) => {
                    let (client, connection) = self.config.connect(tls.clone()).await?;
                    (client, Box::pin(connection) as Driver)
                }
                None => {
                    let (client, connection) = self.config.connect(NoTls).await?;
                    (client, Box::pin(connection) as Driver)
                }
            })
        };
        match timeout(POSTGRES_CONNECT_TIMEOUT, connecting).await {
            Ok(Ok((client, driver))) => Ok((Line { client, statements: Mutex::default() }, driver)),
            Ok(Err(err)) => Err(self.explain(&err)),
            Err(_) => Err(self.unreachable("it does not answer")),
        }
    }

    /// Opens a line that is driven until it is dropped.
    pub(super) async fn open(&self) -> Result<Arc<Line>, Error> {
        let (line, driver) = self.connect().await?;
        tokio::spawn(async move {
            if let Err(err) = driver.await {
                tracing::debug!(error = %err, "a line to the database ended");
            }
        });
        Ok(Arc::new(line))
    }

    /// The host and port, without user or password.
    pub(super) fn place(&self) -> String {
        let hosts = self.config.get_hosts().iter().map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        });
        let ports = self.config.get_ports();
        let mut text = String::new();
        for (index, host) in hosts.enumerate() {
            let port = ports.get(index).or(ports.first()).copied().unwrap_or(5_432);
            let comma = if index > 0 { "," } else { "" };
            // Writing to a string cannot fail.
            let _ = write!(text, "{comma}{host}:{port}");
        }
        text
    }

    fn unreachable(&self, reason: &str) -> Error {
        Error::failed(format!(
            "cannot connect to PostgreSQL at {}: {reason}; look whether it runs and listens there",
            self.place()
        ))
    }

    fn explain(&self, err: &tokio_postgres::Error) -> Error {
        let place = self.place();
        let user = self.config.get_user().unwrap_or("(none)");
        let database = self.config.get_dbname().unwrap_or(user);
        let Some(told) = err.as_db_error() else {
            let cause = std::error::Error::source(err);
            return self.unreachable(&cause.map_or(err.to_string(), |cause| cause.to_string()));
        };
        Error::failed(match told.code() {
            &SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
                format!(
                    "PostgreSQL at {place} refused the user {user}: {}; mend user and password in \
                 DATABASE_URL, or pg_hba.conf",
                    told.message()
                )
            }
            &SqlState::INVALID_CATALOG_NAME => format!(
                "PostgreSQL at {place} has no database {database}; make it with createdb \
                 {database}, or mend the name in DATABASE_URL"
            ),
            _ => format!("PostgreSQL at {place}: {}", told.message()),
        })
    }
}

/// What a session may take of the server. A node that stops in the middle of a transaction must not
/// hold a tenant's row for long; the settings are the server's to enforce, so they hold even then.
///
/// The log is asked by keys that have an index, over lines that last, so a statement's plan is made
/// once. Left to itself PostgreSQL makes it for the tables of the first day, when reading one whole
/// is cheapest, and keeps it while they grow: each commit would read all messages there are.
fn session_options() -> String {
    let ms = |wait: std::time::Duration| wait.as_millis();
    format!(
        "-c synchronous_commit=on -c default_transaction_isolation=read\\ committed \
         -c statement_timeout={} -c lock_timeout={} -c idle_in_transaction_session_timeout={} \
         -c client_min_messages=warning -c jit=off -c plan_cache_mode=force_generic_plan \
         -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off",
        ms(POSTGRES_STATEMENT_MAX),
        ms(POSTGRES_LOCK_WAIT),
        ms(POSTGRES_IDLE_TRANSACTION),
    )
}

/// The address without what it says of TLS; and whether TLS is wanted, and which file has the
/// certificates that are trusted.
fn split_tls(url: &str) -> Result<(String, Option<Option<String>>), Error> {
    let Some((base, query)) = url.split_once('?') else { return Ok((url.to_owned(), None)) };
    let (mut kept, mut is_wanted, mut roots) = (Vec::new(), false, None);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("sslmode", "disable" | "allow" | "prefer")) => is_wanted = false,
            Some(("sslmode", "require" | "verify-ca" | "verify-full")) => is_wanted = true,
            Some(("sslmode", _)) => {
                return Err(Error::failed("sslmode: expected disable or require"));
            }
            Some(("sslrootcert", path)) => {
                let parsed = url::form_urlencoded::parse(pair.as_bytes()).next();
                roots = Some(parsed.map_or(path.to_owned(), |(_, path)| path.into_owned()));
            }
            _ => kept.push(pair),
        }
    }
    let query = kept.join("&");
    let plain = if query.is_empty() { base.to_owned() } else { format!("{base}?{query}") };
    Ok((plain, is_wanted.then_some(roots)))
}

/// TLS that trusts the certificates of a file, or those this machine trusts.
fn trust(roots: Option<&str>) -> Result<ClientConfig, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(Error::failed)?;
    let Some(path) = roots else {
        let builder = builder.with_platform_verifier().map_err(Error::failed)?;
        return Ok(builder.with_no_client_auth());
    };
    let wrong = |err: &dyn std::fmt::Display| Error::failed(format!("sslrootcert {path}: {err}"));
    let mut store = RootCertStore::empty();
    for found in CertificateDer::pem_file_iter(Path::new(path)).map_err(|err| wrong(&err))? {
        store.add(found.map_err(|err| wrong(&err))?).map_err(|err| wrong(&err))?;
    }
    Ok(builder.with_root_certificates(store).with_no_client_auth())
}

/// The parameters of a statement.
pub(super) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

impl Line {
    /// A statement, prepared once on this line.
    pub(super) async fn statement(&self, sql: &'static str) -> Result<Statement, Fault> {
        let known = || self.statements.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(statement) = known().get(sql) {
            return Ok(statement.clone());
        }
        let statement = within(self.client.prepare(sql)).await?;
        known().insert(sql, statement.clone());
        Ok(statement)
    }

    /// The rows of a statement.
    pub(super) async fn query(
        &self,
        sql: &'static str,
        params: Params<'_>,
    ) -> Result<Vec<Row>, Fault> {
        let statement = self.statement(sql).await?;
        within(self.client.query(&statement, params)).await
    }

    /// How many rows a statement changed.
    pub(super) async fn execute(
        &self,
        sql: &'static str,
        params: Params<'_>,
    ) -> Result<u64, Fault> {
        let statement = self.statement(sql).await?;
        within(self.client.execute(&statement, params)).await
    }

    /// Statements without parameters.
    pub(super) async fn batch(&self, sql: &str) -> Result<(), Fault> {
        within(self.client.batch_execute(sql)).await
    }

    /// Whether the server is one that will do.
    pub(super) async fn check_release(&self) -> Result<(), Error> {
        let sql = "SELECT current_setting('server_version_num')::int4 / 10000,
            current_setting('server_version'), current_setting('server_encoding')";
        let row = within(self.client.query_one(sql, &[])).await.map_err(Error::failed)?;
        let (release, named): (i32, String) = (row.get(0), row.get(1));
        if u32::try_from(release).is_ok_and(|release| release < OLDEST) {
            return Err(Error::failed(format!(
                "PostgreSQL {named} is too old; version {OLDEST} or newer is needed"
            )));
        }
        match row.get::<_, String>(2).as_str() {
            "UTF8" => Ok(()),
            other => Err(Error::failed(format!(
                "the database is encoded in {other}; make one with createdb -E UTF8 -T template0"
            ))),
        }
    }
}

/// Why a statement did not succeed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// The server or the line said so.
    #[error("{}", told(.0))]
    Told(#[from] tokio_postgres::Error),
    /// It took too long.
    #[error("the database does not answer")]
    Late,
}

fn told(err: &tokio_postgres::Error) -> String {
    match err.as_db_error() {
        Some(told) => format!("PostgreSQL: {} ({})", told.message(), told.code().code()),
        None => match std::error::Error::source(err) {
            Some(cause) => format!("PostgreSQL: {err}: {cause}"),
            None => format!("PostgreSQL: {err}"),
        },
    }
}

impl Fault {
    /// Whether the line is of no use any more.
    pub(super) fn is_of_line(&self) -> bool {
        match self {
            Fault::Late => true,
            Fault::Told(err) => match err.as_db_error() {
                // FATAL: the server ends the session, whatever the reason.
                Some(told) => !matches!(told.severity(), "ERROR") || is_goodbye(told.code()),
                None => true,
            },
        }
    }

    /// Whether the same may succeed a moment later, on the same line or another.
    pub(super) fn may_pass(&self) -> bool {
        let Fault::Told(err) = self else { return true };
        let Some(code) = err.code() else { return true };
        let passing = [
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::LOCK_NOT_AVAILABLE,
            SqlState::QUERY_CANCELED,
            SqlState::TOO_MANY_CONNECTIONS,
            SqlState::CANNOT_CONNECT_NOW,
        ];
        passing.contains(code) || self.is_of_line()
    }

    /// Whether it is about what was to be written: no other line would take it either.
    pub(super) fn is_of_words(&self) -> bool {
        let Fault::Told(err) = self else { return false };
        let class = err.code().map_or("", SqlState::code).get(..2).unwrap_or_default();
        // Data that does not fit, a rule of the schema, a limit of the program.
        matches!(class, "22" | "23" | "54")
    }
}

fn is_goodbye(code: &SqlState) -> bool {
    let goodbyes = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
    ];
    goodbyes.contains(code) || code.code().starts_with("08")
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Error {
        Error::failed(fault)
    }
}

/// Waits for an answer, but not for ever.
pub(super) async fn within<T>(
    answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Fault> {
    match timeout(POSTGRES_DEADLINE, answer).await {
        Ok(answer) => answer.map_err(Fault::Told),
        Err(_) => Err(Fault::Late),
    }
}
