//! What only this backend promises: statements that fit the schema, a file that survives its
//! process, and a full disk that loses nothing acknowledged.

use rusqlite::params;

use super::super::contract::{self, Subject, message, started, tenant};
use super::super::{Change, Log, Outcome, Reading, Record, Retention};
use super::file::MIGRATIONS;
use super::reads::prune_recoveries;
use super::rows::{first, int, run};
use super::*;
use crate::limits::{PRUNE_STEP_EVENTS, STORE_READERS};
use crate::model::{ConversationId, HistoryRange, Moment};

fn open(path: &Path) -> (Sqlite, Tail) {
    Sqlite::open(path, Arc::new(|_, _| {})).unwrap()
}

fn drain(mut tail: Tail) {
    tokio::spawn(async move { while tail.recv().await.is_some() {} });
}

#[tokio::test]
async fn it_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let (log, tail) = open(&dir.path().join("log.db"));
    contract::suite(Subject { log: Arc::new(log), tail }).await;
}

#[test]
fn every_statement_fits_the_migrated_schema() {
    let mut db = Connection::open_in_memory().unwrap();
    migrate(&mut db).unwrap();
    for (name, sql) in sql::ALL {
        db.prepare(sql).unwrap_or_else(|err| panic!("{name}: {err}"));
    }
}

/// SQLite, which knows nothing of how rows are spread, takes the order of the log over the narrower
/// index when both would do: whoever reads one conversation would read the tenant's whole log.
#[test]
fn no_statement_reads_what_it_does_not_ask_for() {
    const IN_LOG_ORDER: &[&str] =
        &["LAST_MOMENT", "EVENTS", "LATEST", "FIRST_POSITION_FROM", "OLD_EVENTS", "PRUNE_ALL"];
    const OF_ALL_AGENTS: &[&str] =
        &["AGENT_WORK", "AGENT_STATES", "DEPARTMENT_ALERTS", "OPEN_CALLS", "PRUNE_CALLS"];
    // Of which a tenant has a few.
    const OF_ALL_WEBHOOKS: &[&str] = &["WEBHOOKS", "REMOVED_WEBHOOKS"];
    const WHOLE_TABLES: &[&str] = &[
        "TENANT_IDS",
        "ALL_MEMBERS",
        "ALL_OF_BOT",
        "ALL_WEBHOOKS",
        "END_RECOVERIES",
        "API_KEYS",
        "FAQ_SEARCH",
    ];
    let mut db = Connection::open_in_memory().unwrap();
    migrate(&mut db).unwrap();
    for (name, sql) in sql::ALL {
        let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = plan.raw_query().mapped(|row| row.get::<_, String>(3));
        let may_go_by_tenant =
            [IN_LOG_ORDER, OF_ALL_AGENTS, OF_ALL_WEBHOOKS].iter().any(|names| names.contains(name));
        for step in steps.map(Result::unwrap) {
            let by_tenant = step.ends_with("USING PRIMARY KEY (tenant=?)")
                || step.contains("USING PRIMARY KEY (tenant=? AND position>")
                || step.contains("USING PRIMARY KEY (tenant=? AND position<");
            assert!(!by_tenant || may_go_by_tenant, "{name}: {step}");
            let is_scan = step.starts_with("SCAN ");
            assert!(!is_scan || WHOLE_TABLES.contains(name), "{name}: {step}");
        }
    }
}

#[test]
fn a_database_of_a_newer_program_is_refused() {
    let mut db = Connection::open_in_memory().unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    let err = migrate(&mut db).unwrap_err().to_string();
    assert!(err.contains("version 99"), "{err}");
}

#[test]
fn a_database_of_the_first_version_is_brought_up_to_date() {
    let mut db = Connection::open_in_memory().unwrap();
    db.execute_batch(MIGRATIONS[0]).unwrap();
    db.pragma_update(None, "user_version", 1).unwrap();
    let id = ConversationId::random();
    let add = "INSERT INTO conversations (tenant, id, external_ids, status, created_at, last_seq,
        delivered_seq) VALUES ('default', ?1, '[]', 'waiting', 1, 4, 2)";
    db.execute(add, params![id.0]).unwrap();
    db.execute_batch(
        "INSERT INTO agents VALUES
         ('default', 'ana', 'agent', 'Ana', 'ana@old.example', NULL, '[]', 5, 0);",
    )
    .unwrap();
    assert_eq!(migrate(&mut db).unwrap(), (1, MIGRATIONS.len() as u32));
    let of = params!["default", id.0];
    let read = first(&db, sql::CONVERSATION, of, rows::conversation).unwrap().unwrap();
    assert_eq!((read.id, read.last_seq, read.needs_person), (id, 4, false));
    let age = "SELECT unixepoch() * 1000 - created_at FROM agents WHERE skills = '[]'";
    let age_ms = db.query_row(age, [], |row| row.get::<_, i64>(0)).unwrap();
    assert!((0..60_000).contains(&age_ms), "as old as the migration: {age_ms}");
}

#[test]
fn full_text_search_over_messages_can_be_added_at_any_time() {
    let mut db = Connection::open_in_memory().unwrap();
    migrate(&mut db).unwrap();
    db.execute_batch(
        "INSERT INTO tenants VALUES ('t', 't', 1, 1, 0);
         INSERT INTO events (tenant, position, at, type, conversation, seq, payload) VALUES
           ('t', 1, 0, 'chat.message', x'00', 1, '{\"body\":\"lost parcel\"}');
         CREATE VIRTUAL TABLE found USING fts5(body);
         INSERT INTO found (rowid, body)
           SELECT position, payload ->> 'body' FROM events WHERE seq IS NOT NULL;",
    )
    .unwrap();
    let sql = "SELECT rowid FROM found WHERE found MATCH 'parcel'";
    assert_eq!(db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
}

#[tokio::test]
async fn where_connections_were_is_deleted_in_steps() {
    let dir = tempfile::tempdir().unwrap();
    let (log, tail) = open(&dir.path().join("log.db"));
    drain(tail);
    let of = tenant("default");
    log.commit(&of, Change::record(Record::Tenant("Default".into()))).await.unwrap();
    let rows = 2 * PRUNE_STEP_EVENTS + 1;
    let add = move |db: &mut Connection| {
        let add = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
            INSERT INTO recoveries SELECT randomblob(16), 'default', 'ana', '[]', 3, 3 FROM n";
        run(db, add, params![int(rows)])
    };
    let left =
        |db: &mut Connection| rows::scalar::<i64>(db, "SELECT count(*) FROM recoveries", &[]);
    let step = |db: &mut Connection| prune_recoveries(db, &tenant("default"), Moment(4));
    log.writing(add).await.unwrap();
    assert_eq!(log.writing(step).await.unwrap(), PRUNE_STEP_EVENTS);
    let retention = Retention { recoveries_before: Some(Moment(4)), ..Retention::default() };
    assert_eq!(log.prune(retention).await.unwrap(), 0, "events alone are counted");
    assert_eq!(log.writing(left).await.unwrap(), Some(0));
}

#[tokio::test]
async fn the_file_survives_its_process() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.db");
    let (of, id) = (tenant("default"), ConversationId::random());
    let (log, tail) = open(&path);
    drain(tail);
    log.commit(&of, Change::of(started(id))).await.unwrap();
    log.commit(&of, Change::of(message(id, Some("m"), "one"))).await.unwrap();
    let head = log.head(&of).await.unwrap();
    log.close().await;
    drop(log);

    let (log, tail) = open(&path);
    drain(tail);
    assert_eq!(log.head(&of).await.unwrap(), head);
    let again = log.commit(&of, Change::of(message(id, Some("m"), "one"))).await.unwrap();
    assert!(matches!(again[0], Outcome::Known(_)));
    let next = log.commit(&of, Change::of(message(id, None, "two"))).await.unwrap();
    assert_eq!(next[0].envelope().unwrap().position(), head.position + 1);
}

#[tokio::test]
async fn a_full_disk_refuses_clearly_and_keeps_everything_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let (log, tail) = open(&dir.path().join("log.db"));
    drain(tail);
    let (of, id) = (tenant("default"), ConversationId::random());
    log.commit(&of, Change::of(started(id))).await.unwrap();
    let limit = |pages: &'static str| {
        log.writing(move |db| {
            db.query_row(pages, [], |_| Ok(())).map_err(Error::failed)?;
            Ok(())
        })
    };
    limit("PRAGMA max_page_count = 60").await.unwrap();
    let body = "x".repeat(2_000);
    let mut acknowledged = 0;
    let refusal = loop {
        match log.commit(&of, Change::of(message(id, None, &body))).await {
            Ok(_) => acknowledged += 1,
            Err(err) => break err.to_string(),
        }
    };
    assert!(refusal.contains("full"), "{refusal}");
    assert!(log.commit(&of, Change::of(message(id, None, &body))).await.is_err());
    limit("PRAGMA max_page_count = 100000").await.unwrap();
    let next = log.commit(&of, Change::of(message(id, None, "again"))).await.unwrap();
    let history = log.messages(&of, id, HistoryRange::default()).await.unwrap();
    assert_eq!(history.messages.len(), acknowledged + 1, "no hole, nothing lost");
    let crate::model::Event::Message(last) = &next[0].envelope().unwrap().event else { panic!() };
    assert_eq!(last.seq as usize, acknowledged + 1);
}

#[tokio::test]
async fn a_path_that_cannot_be_opened_is_named() {
    let Err(err) = Sqlite::open(Path::new("/proc/nowhere/log.db"), Arc::new(|_, _| {})) else {
        panic!("opened");
    };
    assert!(err.to_string().contains("/proc/nowhere/log.db"), "{err}");
}

#[tokio::test]
async fn readers_survive_callers_that_give_up() {
    let dir = tempfile::tempdir().unwrap();
    let (log, tail) = open(&dir.path().join("log.db"));
    drain(tail);
    let log = Arc::new(log);
    let of = tenant("default");
    log.commit(&of, Change::of(started(ConversationId::random()))).await.unwrap();
    let head = log.head(&of).await.unwrap();
    // Every reader is busy when its caller gives up, and stays so until it is released.
    let (begun, mut is_begun) = mpsc::channel(STORE_READERS);
    let (mut callers, mut released) = (Vec::new(), Vec::new());
    for _ in 0..STORE_READERS {
        let (release, gate) = std::sync::mpsc::channel::<()>();
        let (log, begun) = (log.clone(), begun.clone());
        released.push(release);
        callers.push(tokio::spawn(async move {
            log.reading(move |_| {
                begun.blocking_send(()).map_err(Error::failed)?;
                // Ends when the sender is dropped.
                let _ = gate.recv();
                Ok(())
            })
            .await
        }));
    }
    for caller in callers {
        is_begun.recv().await.unwrap();
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
    }
    let (other, reader) = (of.clone(), log.clone());
    let waiting = tokio::spawn(async move { reader.head(&other).await });
    // It finds no reader idle, and waits for one instead of failing.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished(), "read without a reader");
    drop(released);
    assert_eq!(waiting.await.unwrap().unwrap(), head);
    // Many more, given up at any moment of their lives.
    let mut dice = 1_u64;
    let mut below = |bound: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (dice >> 33) % bound
    };
    let mut reads = Vec::new();
    for _ in 0..400 {
        let (of, log) = (of.clone(), log.clone());
        reads.push(tokio::spawn(async move { log.read(&of, Reading::All, 0, 10).await }));
        for _ in 0..below(3) {
            tokio::task::yield_now().await;
        }
        let given_up = below(reads.len() as u64) as usize;
        reads[given_up].abort();
    }
    for read in reads {
        match read.await {
            Ok(page) => assert_eq!(page.unwrap().events.len(), 1),
            Err(err) => assert!(err.is_cancelled(), "{err}"),
        }
    }
    assert_eq!(log.head(&of).await.unwrap(), head);
}

#[tokio::test]
async fn a_read_that_is_not_looked_at_keeps_nobody_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let (log, tail) = open(&dir.path().join("log.db"));
    drain(tail);
    let log = Arc::new(log);
    let (release, gate) = std::sync::mpsc::channel::<()>();
    let gate = Arc::new(std::sync::Mutex::new(gate));
    let (begun, mut is_begun) = mpsc::channel(STORE_READERS);
    let busy: Vec<_> = (0..STORE_READERS)
        .map(|_| {
            let (log, gate, begun) = (log.clone(), gate.clone(), begun.clone());
            tokio::spawn(async move {
                let work = move |_: &Connection| {
                    begun.blocking_send(()).map_err(Error::failed)?;
                    // Ends when the sender is dropped.
                    let _ = lock(&gate).recv();
                    Ok(())
                };
                log.reading(work).await
            })
        })
        .collect();
    for _ in 0..STORE_READERS {
        is_begun.recv().await.unwrap();
    }
    // As many wait in the queue, and whoever asked turns to something else.
    let of = tenant("default");
    let mut unseen: Vec<_> = (0..STORE_READERS).map(|_| log.head(&of)).collect();
    for read in &mut unseen {
        assert!(futures_util::poll!(read).is_pending());
    }
    drop(release);
    for busy in busy {
        busy.await.unwrap().unwrap();
    }
    let patience = std::time::Duration::from_secs(10);
    tokio::time::timeout(patience, log.head(&of)).await.expect("a reader").unwrap();
    for read in unseen {
        read.await.unwrap();
    }
}
