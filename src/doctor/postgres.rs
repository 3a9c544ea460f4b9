//! Whether PostgreSQL does as the log needs it: who it is, whether what it confirms is on disk,
//! what its user may, how many nodes it has room for, and whether its clock is ours. Only reads.

use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::ConfigVerifierExt;
use tokio::time::{Instant, timeout};
use tokio_postgres::config::Host;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Finding, bad, clocks, doubtful, millis, well};
use crate::log::{self, PostgresUrl};
use crate::model::Moment;

const SUBJECT: &str = "postgres";
/// For connecting, and for all questions together.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// The oldest release that is still maintained.
const VERSION_MIN: i32 = 130_000;
/// Every acknowledgement waits for a few round trips; beyond this, people notice.
const LATENCY_MAX: Duration = Duration::from_millis(20);
/// A node's connections beside those that read: the writer's, and that of the duties.
const OTHER_CONNECTIONS: usize = 2;
/// What several nodes means at least, one of them being replaced.
const NODES_WANTED: usize = 3;

/// One row with all that is asked of the server.
const FACTS: &str = "
    SELECT current_setting('server_version') AS version,
        current_setting('server_version_num')::int4 AS version_number,
        pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS is_read_only,
        (extract(epoch FROM clock_timestamp()) * 1000)::int8 AS now_ms,
        current_setting('synchronous_commit') AS synchronous_commit,
        current_setting('fsync') AS fsync,
        current_setting('full_page_writes') AS full_page_writes,
        pg_encoding_to_char(encoding)::text AS encoding,
        LEAST(current_setting('max_connections')::int8
                - current_setting('superuser_reserved_connections')::int8,
            NULLIF(datconnlimit, -1)::int8,
            (SELECT NULLIF(rolconnlimit, -1)::int8 FROM pg_roles
                WHERE rolname = current_user)) AS connections,
        current_schema()::text AS schema,
        COALESCE(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create,
        (SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()
            AND NOT (has_table_privilege(format('%I.%I', schemaname, tablename), 'SELECT')
                AND has_table_privilege(format('%I.%I', schemaname, tablename), 'INSERT')
                AND has_table_privilege(format('%I.%I', schemaname, tablename), 'UPDATE')
                AND has_table_privilege(format('%I.%I', schemaname, tablename), 'DELETE')
            )) AS closed_tables
    FROM pg_database WHERE datname = current_database()";

/// Looks at the database behind this address. `readers` is `store.connections`.
pub(super) async fn examine(address: &str, readers: usize) -> Vec<Finding> {
    let (config, roots) = match read(address) {
        Ok(read) => read,
        Err(what) => return vec![bad(SUBJECT, what)],
    };
    let name = name(&config);
    let tls = match trust(roots.as_deref()) {
        Ok(tls) => MakeRustlsConnect::new(tls),
        Err(what) => return vec![bad(SUBJECT, format!("{name}: {what}"))],
    };
    let (client, line) = match timeout(ANSWER_WAIT, config.connect(tls)).await {
        Ok(Ok(connected)) => connected,
        Ok(Err(err)) => return vec![bad(SUBJECT, format!("{name}: {}", reason(&err)))],
        Err(_) => return vec![bad(SUBJECT, format!("{name}: {SILENCE}"))],
    };
    let asking = timeout(ANSWER_WAIT, ask(&client, address, &name, readers));
    // The line carries nothing unless it is driven.
    tokio::select! {
        biased;
        asked = asking => match asked {
            Ok(Ok(findings)) => findings,
            Ok(Err(err)) => vec![bad(SUBJECT, format!("{name}: {}", reason(&err)))],
            Err(_) => vec![bad(SUBJECT, format!("{name}: {SILENCE}"))],
        },
        _ = line => vec![bad(SUBJECT, format!("{name}: the line was cut; look at its log"))],
    }
}

/// What an address says, without what the client library does not know.
fn read(address: &str) -> Result<(tokio_postgres::Config, Option<PathBuf>), String> {
    let mut url = url::Url::parse(address).map_err(|err| format!("store.url: {err}"))?;
    let kept: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let (roots, kept): (Vec<_>, Vec<_>) =
        kept.into_iter().partition(|(key, _)| key == "sslrootcert");
    url.set_query(None);
    if !kept.is_empty() {
        url.query_pairs_mut().extend_pairs(kept);
    }
    // Its errors name the option, never the value.
    let mut config: tokio_postgres::Config =
        url.as_str().parse().map_err(|err: tokio_postgres::Error| {
            let cause = err.source().map(ToString::to_string).unwrap_or_default();
            format!("store.url: {err}: {cause}")
        })?;
    config.connect_timeout(ANSWER_WAIT).application_name("switchboard doctor");
    Ok((config, roots.into_iter().next().map(|(_, path)| path.into())))
}

/// Where and as whom, without the password.
fn name(config: &tokio_postgres::Config) -> String {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        Some(Host::Unix(path)) => path.display().to_string(),
        None => "localhost".into(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let user = config.get_user().unwrap_or("nobody");
    let database = config.get_dbname().unwrap_or(user);
    format!("{host}:{port}/{database} as {user}")
}

/// Whom to believe, if the line is encrypted: the given certificates, or whom this machine does.
fn trust(roots: Option<&Path>) -> Result<ClientConfig, String> {
    let Some(path) = roots else {
        return ClientConfig::with_platform_verifier().map_err(|err| err.to_string());
    };
    let told = |err: &dyn std::fmt::Display| format!("sslrootcert {}: {err}", path.display());
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|err| told(&err))? {
        let certificate = certificate.map_err(|err| told(&err))?;
        store.add(certificate).map_err(|err| told(&err))?;
    }
    Ok(ClientConfig::builder().with_root_certificates(store).with_no_client_auth())
}

async fn ask(
    client: &Client,
    address: &str,
    name: &str,
    readers: usize,
) -> Result<Vec<Finding>, tokio_postgres::Error> {
    client.simple_query("").await?;
    let start = Instant::now();
    client.simple_query("").await?;
    let took = start.elapsed();
    let statement = client.prepare(FACTS).await?;
    let start = Instant::now();
    let row = client.query_one(&statement, &[]).await?;
    let asked = start.elapsed();
    let mut findings = vec![version(&row, name, took)];
    findings.push(match rights(&row, name) {
        Err(what) => bad(SUBJECT, what),
        Ok(schema) => tables(address, schema).await,
    });
    findings.push(durability(&row));
    findings.push(clocks(SUBJECT, "the clock of PostgreSQL", Moment(row.get("now_ms")), asked));
    findings.push(room(&row, readers));
    Ok(findings)
}

/// Which version the tables have, as the log itself finds out: a newer one than this program's
/// cannot be used.
async fn tables(address: &str, schema: &str) -> Finding {
    match log::examine_database(&PostgresUrl(address.to_owned())).await {
        Ok(Some(version)) => {
            well(SUBJECT, format!("the tables are in the schema {schema}, at version {version}"))
        }
        Ok(None) => well(
            SUBJECT,
            format!("the tables will be made in the schema {schema} at the first start"),
        ),
        Err(err) => bad(SUBJECT, err.to_string()),
    }
}

fn version(row: &Row, name: &str, took: Duration) -> Finding {
    let told = format!("{name}: PostgreSQL {}", row.get::<_, &str>("version"));
    if row.get::<_, i32>("version_number") < VERSION_MIN {
        let wanted = VERSION_MIN / 10_000;
        return bad(SUBJECT, format!("{told} is too old; install {wanted} or newer"));
    }
    if took > LATENCY_MAX {
        let hint = "every acknowledgement waits for it: move it nearer";
        return doubtful(SUBJECT, format!("{told} answers in {}; {hint}", millis(took)));
    }
    well(SUBJECT, format!("{told} answers in {}", millis(took)))
}

/// The schema in which everything can be kept, or why it cannot.
fn rights<'a>(row: &'a Row, name: &str) -> Result<&'a str, String> {
    let refused = |what: String| Err(format!("{name}: {what}"));
    if row.get("is_read_only") {
        return refused(
            "may only be read: a standby, or default_transaction_read_only; name the primary"
                .into(),
        );
    }
    let encoding: &str = row.get("encoding");
    if encoding != "UTF8" {
        let hint = "make the database with ENCODING 'UTF8' TEMPLATE template0";
        return refused(format!("its encoding is {encoding}; {hint}"));
    }
    let closed: i64 = row.get("closed_tables");
    if closed > 0 {
        let hint = "make it the owner, or GRANT ALL ON ALL TABLES IN SCHEMA to it";
        return refused(format!("may not write {closed} of its tables; {hint}"));
    }
    let Some(schema) = row.get::<_, Option<&str>>("schema") else {
        return refused("has no schema it may use; set the search_path of its user".into());
    };
    if !row.get::<_, bool>("may_create") {
        let hint = format!("GRANT CREATE ON SCHEMA {schema} to it, or make it the owner");
        return refused(format!("may not make tables in {schema}; {hint}"));
    }
    Ok(schema)
}

/// Whether what is acknowledged outlives the database's machine.
fn durability(row: &Row) -> Finding {
    let is_off = |setting: &&str| row.get::<_, &str>(*setting) == "off";
    let off: Vec<&str> =
        ["fsync", "synchronous_commit", "full_page_writes"].into_iter().filter(is_off).collect();
    if off.is_empty() {
        return well(SUBJECT, "what it confirms is on its disk");
    }
    let told =
        format!("{} = off: a crash of its machine loses what was acknowledged", off.join(", "));
    doubtful(SUBJECT, format!("{told}; set it to on"))
}

/// How many nodes may come.
fn room(row: &Row, readers: usize) -> Finding {
    let connections: i64 = row.get("connections");
    let each = readers + OTHER_CONNECTIONS;
    let nodes = usize::try_from(connections).unwrap_or(0) / each;
    let told = format!("{connections} connections, {each} for each node: room for {nodes} nodes");
    match nodes {
        0 => bad(SUBJECT, format!("{told}; raise max_connections or lower store.connections")),
        1..NODES_WANTED => doubtful(SUBJECT, format!("{told}; for more raise max_connections")),
        _ => well(SUBJECT, told),
    }
}

const SILENCE: &str = "no answer; look at firewalls, and whether sslmode fits what it speaks";

/// What went wrong, and what to do.
fn reason(err: &tokio_postgres::Error) -> String {
    let cause = err.source().map(ToString::to_string);
    let text = match err.as_db_error() {
        Some(said) => said.message().to_owned(),
        None => cause.map_or_else(|| err.to_string(), |cause| format!("{err}: {cause}")),
    };
    let hint = match err.code() {
        Some(&SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION) => {
            "mend the user or password in store.url (DATABASE_URL), or pg_hba.conf"
        }
        Some(&SqlState::UNDEFINED_DATABASE) => "make it: CREATE DATABASE ... OWNER ...",
        Some(&SqlState::TOO_MANY_CONNECTIONS) => "raise max_connections, or end what uses them",
        Some(&SqlState::CANNOT_CONNECT_NOW) => "it starts or stops; wait",
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => "grant it to the user",
        Some(_) => "look at its log",
        None if text.contains("password missing") => "put the password into store.url",
        None => "is it running, and does store.url (DATABASE_URL) name its host and port?",
    };
    format!("{text}; {hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_without_its_password() {
        let (config, roots) =
            read("postgres://joe:s3cret@db:6543/chat?sslmode=require&sslrootcert=/ca.pem").unwrap();
        assert_eq!(name(&config), "db:6543/chat as joe");
        assert_eq!(roots.as_deref(), Some(Path::new("/ca.pem")));
        let refused = read("postgres://joe:s3cret@db/chat?colour=blue").unwrap_err();
        assert!(refused.contains("colour") && !refused.contains("s3cret"), "{refused}");
    }
}
