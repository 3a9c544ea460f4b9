//! What breaks: lines, in the middle of a commit; nodes that stop with a transaction open. Whatever
//! was acknowledged is kept once, and whatever was refused is not there.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};

use super::super::super::Told;
use super::nodes::Dice;
use super::*;
use crate::limits::POSTGRES_IDLE_TRANSACTION;
use crate::model::{Event, HistoryRange, TenantId};

const PATIENCE: Duration = Duration::from_secs(30);

/// Many say something at once until they are stopped; what became of each, by its client id.
async fn load(log: Arc<Postgres>, of: TenantId, id: ConversationId) -> BTreeMap<String, bool> {
    let talkers: Vec<_> = (0..8)
        .map(|talker| {
            let (log, of) = (log.clone(), of.clone());
            tokio::spawn(async move {
                let mut known = Vec::new();
                for round in 0..60 {
                    let client_id = format!("{talker}-{round}");
                    let change = Change::of(message(id, Some(&client_id), "said"));
                    let said = log.commit(&of, change).await;
                    if let Ok(outcomes) = &said {
                        assert!(matches!(outcomes[0], Outcome::Kept(_)), "{outcomes:?}");
                    }
                    known.push((client_id, said.is_ok()));
                }
                known
            })
        })
        .collect();
    let mut all = BTreeMap::new();
    for talker in talkers {
        all.extend(talker.await.unwrap());
    }
    all
}

/// Every acknowledged message once, none that was told as failed, and the tail the same.
async fn check(
    database: &Database,
    of: &TenantId,
    id: ConversationId,
    said: &BTreeMap<String, bool>,
    mut tail: Tail,
) {
    let (log, other) = database.open(None).await;
    drain(other);
    let history = log.messages(of, id, HistoryRange::default()).await.unwrap().messages;
    let mut kept = BTreeMap::new();
    for (index, envelope) in history.iter().enumerate() {
        let Event::Message(message) = &envelope.event else { panic!() };
        assert_eq!(message.seq, index as u64 + 1, "no hole");
        *kept.entry(message.client_id.clone().unwrap()).or_insert(0) += 1;
    }
    for (client_id, is_acknowledged) in said {
        let times = kept.get(client_id).copied().unwrap_or(0);
        assert_eq!(times, i32::from(*is_acknowledged), "{client_id}");
    }
    let mut told = Vec::new();
    while told.len() < history.len() + 1 {
        let next = timeout(PATIENCE, tail.recv()).await.expect("the tail stopped").unwrap();
        if let Told::Events { events, .. } = next {
            told.extend(events.iter().map(|e| e.position()));
        }
    }
    assert_eq!(told, (1..=told.len() as u64).collect::<Vec<_>>());
}

/// Takes in a tail without end, and gives it back when it is asked for.
fn keep_tail(mut tail: Tail) -> Tail {
    let (sender, kept) = mpsc::channel(100_000);
    tokio::spawn(async move {
        while let Some(told) = tail.recv().await {
            let _ = sender.send(told).await;
        }
    });
    kept
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_are_killed_lose_nothing_and_double_nothing() {
    let Some(database) = Database::make().await else { return };
    let (log, tail) = database.open(None).await;
    let tail = keep_tail(tail);
    let (of, id) = (tenant("red"), ConversationId::random());
    log.commit(&of, Change::of(started(id))).await.unwrap();
    let killer = database.line().await;
    let loaded = tokio::spawn(load(log.clone(), of.clone(), id));
    let mut dice = Dice(5);
    let mut killed = 0;
    while !loaded.is_finished() {
        sleep(Duration::from_millis(5 + dice.below(40))).await;
        let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()";
        killed += killer.client.query_one(kill, &[]).await.unwrap().get::<_, i64>(0);
    }
    let said = loaded.await.unwrap();
    assert!(killed > 20, "{killed} were killed");
    assert!(said.values().all(|is_kept| *is_kept), "they were tried again");
    check(&database, &of, id, &said, tail).await;
}

/// Between a node and the database: cuts lines at random, just when the database has answered.
async fn cutting_proxy(server: String, seed: u64) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut dice = Dice(seed);
        loop {
            let (node, _) = listener.accept().await.unwrap();
            let server = TcpStream::connect(&server).await.unwrap();
            let answers = 12 + dice.below(60);
            tokio::spawn(pass(node, server, answers));
        }
    });
    port
}

async fn pass(node: TcpStream, server: TcpStream, answers: u64) {
    let ((mut from_node, mut to_node), (mut from_server, mut to_server)) =
        (node.into_split(), server.into_split());
    let asks = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_node, &mut to_server).await;
    });
    let mut buffer = vec![0; 64 * 1024];
    for _ in 0..answers {
        match from_server.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(read) => {
                if to_node.write_all(&buffer[..read]).await.is_err() {
                    break;
                }
            }
        }
    }
    // The next answer is on its way, and never arrives.
    let _ = from_server.read(&mut buffer).await;
    asks.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_lost_are_found_out() {
    let Some(database) = Database::make().await else { return };
    let url = database.url().0;
    let place = Address::parse(&database.url()).unwrap().place();
    for seed in 1..=3 {
        let port = cutting_proxy(place.clone(), seed).await;
        let cut = PostgresUrl(url.replace(&place, &format!("127.0.0.1:{port}")));
        let (log, tail) = loop {
            // It may be cut while it opens.
            if let Ok(opened) = Postgres::open(&cut, 1, Arc::new(|_, _| {}), None).await {
                break opened;
            }
        };
        let tail = keep_tail(tail);
        let (of, id) = (tenant(&format!("red-{seed}")), ConversationId::random());
        log.commit(&of, Change::of(started(id))).await.unwrap();
        let log = Arc::new(log);
        let said = load(log.clone(), of.clone(), id).await;
        assert!(said.values().all(|is_kept| *is_kept), "they were found or tried again");
        check(&database, &of, id, &said, tail).await;
    }
}

#[tokio::test]
async fn how_a_transaction_ended_is_waited_for() {
    let Some(database) = Database::make().await else { return };
    migrate_database(&database.url()).await.unwrap();
    for (number, end, is_kept) in [
        (1_i64, "ROLLBACK", false),
        (2, "COMMIT", true),
        (3, "COMMIT", true),
        (4, "ROLLBACK", false),
    ] {
        let address = Address::parse(&database.url()).unwrap();
        let mut writer = Writer::idle(address);
        // The first ones are of a writer that never wrote before.
        if number > 2 {
            writer.mark.writer = uuid::Uuid::from_u128(7);
        }
        writer.mark.number = number;
        let line = database.line().await;
        line.batch("BEGIN").await.unwrap();
        line.query(writes::MARK, &[&writer.mark.writer, &number]).await.unwrap();
        let asking = tokio::spawn(async move { writer.marked().await });
        let waits = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let watch = database.line().await;
        while watch.client.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            assert!(!asking.is_finished(), "it did not wait");
            sleep(Duration::from_millis(5)).await;
        }
        line.batch(end).await.unwrap();
        assert_eq!(asking.await.unwrap().unwrap() == number, is_kept, "{end}");
    }
}

#[tokio::test]
async fn a_node_that_stopped_in_a_transaction_is_waited_for_and_ended() {
    let Some(database) = Database::make().await else { return };
    let (log, tail) = database.open(None).await;
    drain(tail);
    let (of, id) = (tenant("red"), ConversationId::random());
    log.commit(&of, Change::of(started(id))).await.unwrap();
    let stopped = database.line().await;
    stopped.batch("BEGIN").await.unwrap();
    stopped.query(writes::LOCK_TENANTS, &[&vec!["red"]]).await.unwrap();
    let began = Instant::now();
    log.commit(&of, Change::of(message(id, None, "after"))).await.unwrap();
    let waited = began.elapsed();
    assert!(waited >= POSTGRES_IDLE_TRANSACTION / 2, "it did not wait: {waited:?}");
    assert!(waited < POSTGRES_IDLE_TRANSACTION * 2, "{waited:?}");
    assert!(stopped.batch("COMMIT").await.is_err(), "it finds its transaction gone");
    let other = tenant("green");
    log.commit(&other, Change::of(started(ConversationId::random()))).await.unwrap();
}
