//! What only this backend promises. Each test has a database of its own, on the server that the
//! environment names; without one they are skipped.

mod faults;
mod moving;
mod nodes;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::NoTls;

use super::super::contract::{self, Subject, message, started, tenant};
use super::super::{Change, Log, Outcome, Reading, Record, Staff};
use super::schema::MIGRATIONS;
use super::*;
use crate::model::ConversationId;
use crate::testing::service;

/// A database that goes with the test.
struct Database {
    server: String,
    name: String,
}

impl Database {
    /// A new one; `None` where there is no server.
    async fn make() -> Option<Database> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let server = service("postgres")?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("switchboard_test_{}_{number}", std::process::id());
        let database = Database { server, name };
        database.admin(&format!("CREATE DATABASE {} TEMPLATE template0", database.name)).await;
        Some(database)
    }

    /// Its address.
    fn url(&self) -> PostgresUrl {
        let (server, query) = self.server.split_once('?').unwrap_or((&self.server, ""));
        let (base, _) = server.rsplit_once('/').unwrap();
        PostgresUrl(format!("{base}/{}?{query}", self.name))
    }

    async fn admin(&self, sql: &str) {
        let (client, connection) = tokio_postgres::connect(&self.server, NoTls).await.unwrap();
        let driver = tokio::spawn(connection);
        client.batch_execute(sql).await.unwrap();
        driver.abort();
    }

    /// A line of the test's own.
    async fn line(&self) -> Arc<Line> {
        Address::parse(&self.url()).unwrap().open().await.unwrap()
    }

    async fn open(&self, live: Option<LiveCopy>) -> (Arc<Postgres>, Tail) {
        let opened = Postgres::open(&self.url(), 3, Arc::new(|_, _| {}), live).await;
        let (log, tail) = opened.unwrap();
        (Arc::new(log), tail)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let drop_it = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let (client, connection) = tokio_postgres::connect(&server, NoTls).await.unwrap();
                let driver = tokio::spawn(connection);
                let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                client.batch_execute(&sql).await.unwrap();
                driver.abort();
            });
        };
        // In a thread of its own: a runtime cannot wait within another.
        let _ = std::thread::spawn(drop_it).join();
    }
}

fn drain(mut tail: Tail) {
    tokio::spawn(async move { while tail.recv().await.is_some() {} });
}

#[tokio::test]
async fn it_keeps_the_contract() {
    let Some(database) = Database::make().await else { return };
    let (log, tail) = database.open(None).await;
    contract::suite(Subject { log, tail }).await;
}

#[tokio::test]
async fn a_reader_that_does_something_else_first_holds_up_nobody() {
    let Some(database) = Database::make().await else { return };
    let lines = Lines::open(&Address::parse(&database.url()).unwrap(), 1);
    lines.query("SELECT 1", &[]).await.unwrap();
    let many = "SELECT repeat('x', 1000) FROM generate_series(1, 20000)";
    let mut begun = Box::pin(lines.query(many, &[]));
    assert!(timeout(Duration::from_millis(10), &mut begun).await.is_err(), "too few rows");
    // On the same line, and before the other one is looked at again.
    let answer = timeout(Duration::from_secs(5), lines.query("SELECT 1", &[])).await;
    assert_eq!(answer.expect("it waits for a reader").unwrap().len(), 1);
    assert_eq!(begun.await.unwrap().len(), 20_000);
}

#[tokio::test]
async fn every_statement_fits_the_migrated_schema() {
    let Some(database) = Database::make().await else { return };
    assert_eq!(migrate_database(&database.url()).await.unwrap(), (0, MIGRATIONS.len() as u32));
    let line = database.line().await;
    for (name, sql) in sql::ALL.iter().chain(writes::ALL) {
        let prepared = line.client.prepare(sql).await;
        prepared.unwrap_or_else(|err| panic!("{name}: {err:?}"));
    }
}

#[tokio::test]
async fn no_statement_reads_a_table_from_end_to_end() {
    const WHOLE_TABLES: &[&str] = &[
        "TENANT_IDS",
        "HEADS",
        "ALL_MEMBERS",
        "ALL_OF_BOT",
        "ALL_WEBHOOKS",
        "FORGET_WRITERS",
        "DUTIES",
        "RELEASE_DUTIES",
    ];
    let Some(database) = Database::make().await else { return };
    migrate_database(&database.url()).await.unwrap();
    let line = database.line().await;
    // By the line's own settings: on tables that are empty, as those of a first start are, a plan
    // would be made that reads them whole, and kept.
    for (name, sql) in sql::ALL.iter().chain(writes::ALL) {
        if ["BEGIN", "COMMIT", "ROLLBACK"].contains(name) || WHOLE_TABLES.contains(name) {
            continue;
        }
        let statement = line.client.prepare(sql).await.unwrap();
        let nulls = vec!["NULL"; statement.params().len()].join(", ");
        let given = if nulls.is_empty() { String::new() } else { format!("({nulls})") };
        line.batch(&format!("PREPARE looked AS {sql}")).await.unwrap();
        let plan = line.client.simple_query(&format!("EXPLAIN EXECUTE looked{given}")).await;
        for message in plan.unwrap_or_else(|err| panic!("{name}: {err:?}")) {
            if let tokio_postgres::SimpleQueryMessage::Row(row) = message {
                let step = row.get(0).unwrap_or_default().to_owned();
                let reads_all = ["Seq Scan", "Hash Join", "Merge Join"];
                assert!(!reads_all.iter().any(|bad| step.contains(bad)), "{name}: {step}");
            }
        }
        line.batch("DEALLOCATE looked").await.unwrap();
    }
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_refused() {
    let Some(database) = Database::make().await else { return };
    assert_eq!(examine_database(&database.url()).await.unwrap(), None);
    migrate_database(&database.url()).await.unwrap();
    let version = MIGRATIONS.len() as u32;
    assert_eq!(examine_database(&database.url()).await.unwrap(), Some(version));
    assert_eq!(migrate_database(&database.url()).await.unwrap(), (version, version));
    let line = database.line().await;
    line.batch("INSERT INTO schema_versions (version) VALUES (99)").await.unwrap();
    for err in [
        migrate_database(&database.url()).await.unwrap_err(),
        examine_database(&database.url()).await.unwrap_err(),
    ] {
        assert!(err.to_string().contains("version 99"), "{err}");
    }
}

#[tokio::test]
async fn nodes_that_start_together_migrate_once() {
    let Some(database) = Database::make().await else { return };
    let url = database.url();
    let all = futures_util::future::join_all((0..4).map(|_| migrate_database(&url))).await;
    let before = all.into_iter().map(|versions| versions.unwrap().0).collect::<Vec<_>>();
    assert_eq!(before.iter().filter(|version| **version == 0).count(), 1, "{before:?}");
}

#[tokio::test]
async fn what_is_wrong_with_an_address_is_said_with_how_to_mend_it() {
    let Some(database) = Database::make().await else { return };
    let url = |text: &str| PostgresUrl(text.into());
    let told = async |text: String| examine_database(&url(&text)).await.unwrap_err().to_string();
    let nobody = told("postgres://a:secret@127.0.0.1:1/x".into()).await;
    assert!(nobody.contains("127.0.0.1:1") && nobody.contains("look whether"), "{nobody}");
    assert!(!nobody.contains("secret"), "{nobody}");
    let none = told(database.url().0.replace(&database.name, "no_such_database")).await;
    assert!(none.contains("createdb no_such_database"), "{none}");
    let mode = told(format!("{}&sslmode=perhaps", database.url().0)).await;
    assert!(mode.contains("sslmode"), "{mode}");
    let tls = told(format!("{}&sslmode=require&sslrootcert=/nowhere.pem", database.url().0)).await;
    assert!(tls.contains("/nowhere.pem"), "{tls}");
}

#[tokio::test]
async fn text_that_postgresql_cannot_keep_is_kept_without_what_it_cannot() {
    let Some(database) = Database::make().await else { return };
    let (log, tail) = database.open(None).await;
    drain(tail);
    let (of, id) = (tenant("default"), ConversationId::random());
    log.commit(&of, Change::of(started(id))).await.unwrap();
    log.commit(&of, Change::record(Record::Tenant("a\0b".into()))).await.unwrap();
    assert_eq!(log.tenant(&of).await.unwrap().as_deref(), Some("a\u{FFFD}b"));
    let said = || Change::of(message(id, Some("m\0"), "one\0two"));
    let first = log.commit(&of, said()).await.unwrap();
    assert!(matches!(first[0], Outcome::Kept(_)));
    let again = log.commit(&of, said()).await.unwrap();
    assert!(matches!(again[0], Outcome::Known(_)), "{again:?}");
    let page = log.read(&of, Reading::Conversation(id), 1, 9).await.unwrap();
    assert_eq!(page.events[0].event, first[0].envelope().unwrap().event, "JSON keeps it");
    assert_eq!(log.agents_by_email("a\0@example.com").await.unwrap(), []);
    assert!(log.search_faq(&of, vec!["a\0".into()], 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_faq_is_searched_without_accents() {
    let Some(database) = Database::make().await else { return };
    let (log, tail) = database.open(None).await;
    drain(tail);
    let of = tenant("default");
    let entry = crate::model::FaqEntry {
        id: uuid::Uuid::from_u128(1),
        language: "vi".into(),
        question: "Mở cửa e-mail/điện thoại?".into(),
        wordings: vec!["CAFÉ".into()],
        answer: "9:00".into(),
        is_enabled: true,
        updated_at: crate::model::Moment(1),
    };
    log.commit(&of, Change::record(Record::Faq(entry))).await.unwrap();
    for word in ["mo", "mở", "cafe", "café", "caf", "mail", "thoai", "9"] {
        let found = log.search_faq(&of, vec![word.into()], 9).await.unwrap();
        assert_eq!(found.len(), 1, "{word}");
    }
    assert!(log.search_faq(&of, vec!["afe".into()], 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_log_survives_its_process() {
    let Some(database) = Database::make().await else { return };
    let (of, id) = (tenant("default"), ConversationId::random());
    let (log, tail) = database.open(None).await;
    drain(tail);
    log.commit(&of, Change::of(started(id))).await.unwrap();
    log.commit(&of, Change::of(message(id, Some("m"), "one"))).await.unwrap();
    let head = log.head(&of).await.unwrap();
    log.close().await;
    drop(log);
    let (log, mut tail) = database.open(None).await;
    assert_eq!(log.head(&of).await.unwrap(), head);
    let again = log.commit(&of, Change::of(message(id, Some("m"), "one"))).await.unwrap();
    assert!(matches!(again[0], Outcome::Known(_)));
    let next = log.commit(&of, Change::of(message(id, None, "two"))).await.unwrap();
    assert_eq!(next[0].envelope().unwrap().position(), head.position + 1);
    let Some(super::super::Told::Events { events, is_own: true }) = tail.recv().await else {
        panic!("not told");
    };
    assert_eq!(events[0].position(), head.position + 1, "the tail begins where it was opened");
}

#[tokio::test]
async fn what_cannot_be_written_takes_nothing_along() {
    let Some(database) = Database::make().await else { return };
    let (log, tail) = database.open(None).await;
    drain(tail);
    let (of, id) = (tenant("default"), ConversationId::random());
    log.commit(&of, Change::of(started(id))).await.unwrap();
    // A key that no index takes, whatever it is compressed to.
    let mut dice = 1_u64;
    let long: String = std::iter::repeat_with(|| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(33 + (dice >> 33) as u8 % 90)
    })
    .take(20_000)
    .collect();
    let mut pending = Vec::new();
    for number in 0..9 {
        let client_id = if number == 4 { long.clone() } else { number.to_string() };
        let change = Change::of(message(id, Some(&client_id), "said"));
        pending.push(log.append(&of, change).await.unwrap());
    }
    let mut kept = Vec::new();
    for pending in pending {
        kept.push(pending.committed().await.is_ok());
    }
    assert_eq!(kept.iter().position(|is_kept| !is_kept), Some(4), "{kept:?}");
    assert_eq!(kept.iter().filter(|is_kept| **is_kept).count(), 8);
    let record = log.conversation(&of, id).await.unwrap().unwrap();
    assert_eq!(record.last_seq, 8, "no number was used up");
    log.check().await.unwrap();
}
