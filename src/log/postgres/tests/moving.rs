//! A log that is moved from SQLite is the same afterwards: every event, cursor and row of state.

use std::sync::Arc;

use super::super::super::{Agent, Location, Move, contract, open};
use super::*;
use crate::limits::MOVE_BATCH_EVENTS;
use crate::model::{Event, HistoryRange, Moment};

type Any = Arc<dyn Log>;

async fn sqlite(path: &std::path::Path) -> (Any, Tail) {
    open(&Location::Sqlite(path.to_owned()), Arc::new(|_, _| {}), None).await.unwrap()
}

/// Whatever can be asked of a tenant, as text.
async fn everything(log: &dyn Log, of: &crate::model::TenantId) -> Vec<String> {
    let events = log.read(of, Reading::All, 0, 1_000_000).await.unwrap().events;
    let mut all: Vec<String> = events
        .iter()
        .map(|e| format!("{:?} {:?} {:?} {:?}", e.cursor, e.at, e.event, e.origin))
        .collect();
    all.push(format!("{:?}", log.head(of).await.unwrap()));
    all.push(format!("{:?}", log.pruned_through(of).await.unwrap()));
    all.push(format!("{:?}", log.tenant(of).await.unwrap()));
    all.push(format!("{:?}", log.agents(of).await.unwrap()));
    all.push(format!("{:?}", log.departments(of).await.unwrap()));
    all.push(format!("{:?}", log.api_keys(of).await.unwrap()));
    all.push(format!("{:?}", log.faq_entries(of, None, 99).await.unwrap()));
    all.push(format!("{:?}", log.webhooks(of).await.unwrap()));
    all.push(format!("{:?}", log.open_calls(of).await.unwrap()));
    all.push(format!("{:?}", log.waiting(of).await.unwrap()));
    all.push(format!("{:?}", log.serving(of).await.unwrap()));
    all.push(format!("{:?}", log.agent_work(of).await.unwrap()));
    all.push(format!("{:?}", log.agent_states(of).await.unwrap()));
    all.push(format!("{:?}", log.starts(of, 99).await.unwrap()));
    all.push(format!("{:?}", log.figures(of, Moment(0), Moment(i64::MAX), 1).await.unwrap()));
    for agent in ["ana", "ben", "cust"].map(contract::user) {
        all.push(format!("{:?}", log.notices(of, &agent, false, None, 99).await.unwrap().len()));
        all.push(format!("{:?}", log.assigned_to(of, &agent, 99).await.unwrap()));
    }
    for id in events.iter().filter_map(|e| e.event.conversation()) {
        all.push(format!("{:?}", log.conversation(of, id).await.unwrap()));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_log_moves_and_is_the_same_afterwards() {
    let Some(database) = Database::make().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("switchboard.db");
    // Everything that the contract writes.
    let (log, tail) = sqlite(&path).await;
    contract::suite(Subject { log, tail }).await;
    let (log, tail) = sqlite(&path).await;
    drain(tail);
    let (of, id) = (tenant("default"), ConversationId::random());
    log.commit(&of, Change::of(started(id))).await.unwrap();
    let say = async |number: usize| {
        let said = Change::of(message(id, Some(&format!("m{number}")), "said\0"));
        log.append(&of, said).await.unwrap()
    };
    for number in 0..MOVE_BATCH_EVENTS {
        drop(say(number).await);
    }
    say(0).await.committed().await.unwrap();

    let mut moving = Move::begin(&path, &database.url()).await.unwrap();
    assert!(moving.copy_events().await.unwrap() > MOVE_BATCH_EVENTS as u64);
    say(MOVE_BATCH_EVENTS).await.committed().await.unwrap();
    // Interrupted, and begun again.
    drop(moving);
    let unfinished = Postgres::open(&database.url(), 1, Arc::new(|_, _| {}), None).await;
    assert!(unfinished.err().unwrap().to_string().contains("not finished"));
    let mut moving = loop {
        // The one before is gone when its line is.
        if let Ok(moving) = Move::begin(&path, &database.url()).await {
            break moving;
        }
    };
    assert_eq!(moving.copy_events().await.unwrap(), 1, "what came meanwhile");
    assert_eq!(moving.copy_events().await.unwrap(), 0);
    let agent = Agent {
        id: contract::user("late"),
        role: crate::model::Role::Agent,
        name: "Late".into(),
        email: None,
        password: None,
        departments: vec![],
        max_chats: 5,
        skills: vec![],
        languages: vec![],
        extension: None,
        is_disabled: false,
        created_at: Moment(9),
    };
    log.commit(&of, Change::record(Record::Agent(agent))).await.unwrap();
    log.close().await;
    drop(log);
    let moved = moving.finish().await.unwrap();

    let (old, tail) = sqlite(&path).await;
    drain(tail);
    let (new, tail) = database.open(None).await;
    drain(tail);
    let tenants = old.tenants().await.unwrap();
    assert_eq!(new.tenants().await.unwrap(), tenants);
    assert_eq!(moved.tenants, tenants.len() as u64);
    for (of, _) in &tenants {
        assert_eq!(everything(&*new, of).await, everything(&*old, of).await, "{of}");
    }
    assert_eq!(new.left_behind().await.unwrap().len(), old.left_behind().await.unwrap().len());
    // It goes on where it was.
    let head = new.head(&of).await.unwrap();
    let again = new.commit(&of, Change::of(message(id, Some("m7"), "x"))).await.unwrap();
    assert!(matches!(again[0], Outcome::Known(_)));
    let next = new.commit(&of, Change::of(message(id, None, "x"))).await.unwrap();
    assert_eq!(next[0].envelope().unwrap().position(), head.position + 1);
    let history = new.messages(&of, id, HistoryRange::default()).await.unwrap().messages;
    let Event::Message(last) = &history.last().unwrap().event else { panic!() };
    assert_eq!(last.seq as usize, MOVE_BATCH_EVENTS + 2);
}

#[tokio::test]
async fn a_target_that_is_not_empty_is_refused() {
    let Some(database) = Database::make().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("switchboard.db");
    let refused = async |path: &std::path::Path| {
        Move::begin(path, &database.url()).await.err().unwrap().to_string()
    };
    assert!(refused(&path).await.contains("switchboard.db"), "no such file");
    let (log, tail) = sqlite(&path).await;
    drain(tail);
    log.close().await;
    let (log, tail) = database.open(None).await;
    drain(tail);
    log.commit(&tenant("default"), Change::of(started(ConversationId::random()))).await.unwrap();
    let why = refused(&path).await;
    assert!(why.contains("not empty") && !why.contains("secret"), "{why}");
}
