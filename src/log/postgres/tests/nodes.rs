//! Several nodes on one database: every tail is the log, in order and once, whatever happens on the
//! line between them; and the duties are one node's at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::super::super::contract::user;
use super::super::super::{Copied, Error, Nodes, Told};
use super::*;
use crate::limits::POSTGRES_DEADLINE;
use crate::model::{
    DisconnectReason, Envelope, Event, Joined, Left, Moment, NodeId, Role, TenantId,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// Seeded dice.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
        (self.0 >> 33) % bound
    }
}

/// A line between two nodes on which what is told gets lost, comes twice, late, or in another order.
fn bad_line(seed: u64) -> (LiveCopy, LiveCopy) {
    let (to_one, from_two) = one_way(seed);
    let (to_two, from_one) = one_way(seed + 1);
    (
        LiveCopy { outgoing: from_one, incoming: to_one },
        LiveCopy { outgoing: from_two, incoming: to_two },
    )
}

fn one_way(seed: u64) -> (mpsc::Receiver<Copied>, mpsc::Sender<Copied>) {
    let (sender, mut sent) = mpsc::channel::<Copied>(64);
    let (deliver, delivered) = mpsc::channel(64);
    tokio::spawn(async move {
        let mut dice = Dice(seed);
        while let Some(copied) = sent.recv().await {
            let times = [0, 1, 1, 1, 2][dice.below(5) as usize];
            for _ in 0..times {
                let (deliver, copied) = (deliver.clone(), copied.clone());
                let late = Duration::from_millis([0, 0, 1, 20, 90][dice.below(5) as usize]);
                tokio::spawn(async move {
                    sleep(late).await;
                    let _ = deliver.send(copied).await;
                });
            }
        }
    });
    (delivered, sender)
}

/// A node's tail, written down.
#[derive(Default)]
struct Heard {
    events: BTreeMap<TenantId, Vec<(Arc<Envelope>, bool)>>,
    staff: BTreeSet<TenantId>,
}

impl Heard {
    fn take(&mut self, told: Told) {
        match told {
            Told::Events { events, is_own } => {
                for envelope in events {
                    let of = self.events.entry(envelope.tenant.clone()).or_default();
                    of.push((envelope, is_own));
                }
            }
            Told::StaffChanged(tenant) => drop(self.staff.insert(tenant)),
        }
    }

    fn count(&self) -> usize {
        self.events.values().map(Vec::len).sum()
    }
}

/// Commits by lot; returns the ids of the messages it kept.
async fn talk(log: Arc<Postgres>, name: &'static str, seed: u64) -> BTreeSet<String> {
    let mut dice = Dice(seed);
    let mut conversations = Vec::new();
    let mut kept = BTreeSet::new();
    for number in 0..60 {
        let of = tenant(["red", "green", "blue"][dice.below(3) as usize]);
        if number < 3 || dice.below(10) == 0 {
            let id = ConversationId::random();
            conversations.push((of.clone(), id));
            log.commit(&of, Change::of(started(id))).await.unwrap();
            continue;
        }
        let (of, id) = conversations[dice.below(conversations.len() as u64) as usize].clone();
        let (user_id, user_type) = (user(&format!("u{}", dice.below(3))), Role::Agent);
        let client_id = format!("{name}-{number}");
        let event = match dice.below(5) {
            0 => {
                let joined_at = Moment(1);
                Event::Joined(Joined {
                    session_id: id,
                    user_id,
                    user_type,
                    joined_at,
                    away_ms: None,
                })
            }
            1 => {
                let reason = DisconnectReason::ClientClose;
                Event::Left(Left { session_id: id, user_id, user_type, reason })
            }
            _ => {
                kept.insert(client_id.clone());
                message(id, Some(&client_id), "said")
            }
        };
        // Several at once now and then, so that groups are larger than one.
        let pending = log.append(&of, Change::of(event)).await.unwrap();
        if dice.below(3) > 0 {
            pending.committed().await.unwrap();
        }
    }
    log.settled().await.unwrap();
    kept
}

fn client_id(envelope: &Envelope) -> Option<String> {
    match &envelope.event {
        Event::Message(message) => message.client_id.clone(),
        _ => None,
    }
}

async fn whole_log(log: &Postgres, of: &TenantId) -> Vec<Arc<Envelope>> {
    log.read(of, Reading::All, 0, 10_000).await.unwrap().events
}

fn check(of: &TenantId, heard: &Heard, log: &[Arc<Envelope>], own: &BTreeSet<String>) {
    let told = heard.events.get(of).map_or(&[][..], Vec::as_slice);
    let positions: Vec<u64> = told.iter().map(|(e, _)| e.position()).collect();
    assert_eq!(positions, (1..=log.len() as u64).collect::<Vec<_>>(), "{of}: in order, once");
    for ((told, is_own), kept) in told.iter().zip(log) {
        assert_eq!((told.cursor, told.at, &told.event), (kept.cursor, kept.at, &kept.event));
        if let Some(id) = client_id(told) {
            assert_eq!(*is_own, own.contains(&id), "{id}");
        }
        let moves = matches!(told.event, Event::Joined(_) | Event::Left(_));
        assert_eq!(told.present.is_some(), moves, "{:?}", told.event);
        assert!(told.audience.is_some(), "{:?}", told.event);
    }
}

/// A property, by several seeds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_tail_is_the_log_whatever_happens_on_the_line() {
    for seed in 1..=5 {
        let Some(database) = Database::make().await else { return };
        let (one, two) = bad_line(seed * 100);
        let (one, mut first_tail) = database.open(Some(one)).await;
        let (two, mut second_tail) = database.open(Some(two)).await;
        let writers = [(one.clone(), "one"), (two.clone(), "two")]
            .map(|(log, name)| tokio::spawn(talk(log, name, seed * 7 + name.len() as u64)));
        let mut heard = [Heard::default(), Heard::default()];
        let mut own = Vec::new();
        for writer in writers {
            own.push(writer.await.unwrap());
        }
        let tenants = ["red", "green", "blue"].map(tenant);
        let mut logs = BTreeMap::new();
        for of in &tenants {
            logs.insert(of.clone(), whole_log(&one, of).await);
        }
        let all: usize = logs.values().map(Vec::len).sum();
        for (heard, tail) in heard.iter_mut().zip([&mut first_tail, &mut second_tail]) {
            while heard.count() < all {
                let told = timeout(PATIENCE, tail.recv()).await;
                let told =
                    told.unwrap_or_else(|_| panic!("seed {seed}: {} of {all}", heard.count()));
                heard.take(told.unwrap());
            }
        }
        for (of, log) in &logs {
            for (heard, own) in heard.iter().zip(&own) {
                check(of, heard, log, own);
            }
        }
    }
}

#[tokio::test]
async fn nodes_without_a_line_hear_each_other_by_the_log() {
    let Some(database) = Database::make().await else { return };
    let (one, tail) = database.open(None).await;
    drain(tail);
    let (_two, mut tail) = database.open(None).await;
    let (of, id) = (tenant("red"), ConversationId::random());
    for event in [started(id), message(id, None, "one")] {
        one.commit(&of, Change::of(event)).await.unwrap();
    }
    let mut heard = Heard::default();
    while heard.count() < 2 {
        heard.take(timeout(PATIENCE, tail.recv()).await.unwrap().unwrap());
    }
    check(&of, &heard, &whole_log(&one, &of).await, &BTreeSet::new());
}

#[tokio::test]
async fn a_change_of_the_staff_is_told_to_the_others() {
    let Some(database) = Database::make().await else { return };
    let (first, second) = bad_line(3);
    let (one, mut own_tail) = database.open(Some(first)).await;
    let (_two, mut tail) = database.open(Some(second)).await;
    let of = tenant("red");
    let gone = || Change::record(Record::DepartmentRemoved(uuid::Uuid::nil()));
    for _ in 0..2 {
        one.commit(&of, gone()).await.unwrap();
        let told = timeout(PATIENCE, tail.recv()).await.unwrap().unwrap();
        assert!(matches!(&told, Told::StaffChanged(tenant) if *tenant == of), "{told:?}");
    }
    one.commit(&of, Change::of(started(ConversationId::random()))).await.unwrap();
    let told = timeout(PATIENCE, own_tail.recv()).await.unwrap().unwrap();
    assert!(matches!(told, Told::Events { is_own: true, .. }), "our own is no news: {told:?}");
}

#[tokio::test]
async fn copies_of_other_logs_are_not_believed() {
    let Some(database) = Database::make().await else { return };
    let (liar, incoming) = mpsc::channel(8);
    let (outgoing, _told) = mpsc::channel(8);
    let (log, mut tail) = database.open(Some(LiveCopy { outgoing, incoming })).await;
    let (of, id) = (tenant("red"), ConversationId::random());
    let kept = log.commit(&of, Change::of(started(id))).await.unwrap();
    let known = kept[0].envelope().unwrap().clone();
    let mut foreign = Envelope::clone(&known);
    foreign.cursor.as_mut().unwrap().log ^= 1;
    foreign.cursor.as_mut().unwrap().position = 2;
    let unknown = Envelope { tenant: tenant("nobody"), ..Envelope::clone(&known) };
    let events = vec![Arc::new(foreign), Arc::new(unknown), known];
    liar.send(Copied { events, staff: vec![] }).await.unwrap();
    log.commit(&of, Change::of(message(id, None, "true"))).await.unwrap();
    let mut heard = Heard::default();
    while heard.count() < 2 {
        heard.take(timeout(PATIENCE, tail.recv()).await.unwrap().unwrap());
    }
    check(&of, &heard, &whole_log(&log, &of).await, &BTreeSet::new());
    assert_eq!(heard.events.len(), 1);
}

#[tokio::test]
async fn the_duties_are_one_nodes_and_their_number_rises() {
    let Some(database) = Database::make().await else { return };
    let (log, tail) = database.open(None).await;
    drain(tail);
    let (one, two) = (NodeId::random(), NodeId::random());
    let (of, long, short) = (tenant("red"), PATIENCE, Duration::from_millis(50));
    let under =
        |number| Change { under: Some(number), ..Change::of(started(ConversationId::random())) };
    let early = log.commit(&of, under(1)).await;
    assert!(matches!(early, Err(Error::Superseded)), "nobody has ever had them");
    assert_eq!(log.hold_duties(one, long).await.unwrap(), Some(1));
    assert_eq!(log.hold_duties(two, long).await.unwrap(), None);
    assert_eq!(log.hold_duties(one, short).await.unwrap(), Some(1), "kept for longer");
    log.commit(&of, under(1)).await.unwrap();
    let taken = async {
        loop {
            match log.hold_duties(two, long).await.unwrap() {
                Some(number) => return number,
                None => sleep(Duration::from_millis(10)).await,
            }
        }
    };
    assert_eq!(timeout(PATIENCE, taken).await.unwrap(), 2);
    let head = log.head(&of).await.unwrap();
    assert!(matches!(log.commit(&of, under(1)).await, Err(Error::Superseded)));
    assert_eq!(log.head(&of).await.unwrap(), head, "nothing of it was kept");
    log.commit(&of, under(2)).await.unwrap();
    log.release_duties(one).await.unwrap();
    assert_eq!(log.hold_duties(one, long).await.unwrap(), None, "they were not its to give up");
    log.release_duties(two).await.unwrap();
    assert_eq!(log.hold_duties(one, long).await.unwrap(), Some(3));
}

#[tokio::test]
async fn a_takeover_waits_for_what_is_under_way_under_the_old_number() {
    let Some(database) = Database::make().await else { return };
    let (log, tail) = database.open(None).await;
    drain(tail);
    let (one, two) = (NodeId::random(), NodeId::random());
    log.hold_duties(one, Duration::ZERO).await.unwrap();
    let under_way = database.line().await;
    under_way.batch("BEGIN").await.unwrap();
    under_way.query(writes::DUTIES, &[]).await.unwrap();
    let taking = tokio::spawn({
        let log = log.clone();
        async move { log.hold_duties(two, POSTGRES_DEADLINE).await }
    });
    // It waits in the database, as the database itself can tell.
    let waits = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let watch = database.line().await;
    while watch.client.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        assert!(!taking.is_finished(), "it did not wait");
        sleep(Duration::from_millis(5)).await;
    }
    under_way.batch("COMMIT").await.unwrap();
    assert_eq!(taking.await.unwrap().unwrap(), Some(2));
}
