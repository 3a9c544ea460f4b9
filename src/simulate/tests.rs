//! A small log, served under two policies.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::log::{Change, Department, Record};
use crate::model::{Assigned, Closed, ConversationId, Event, Queued, SessionStarted, UserId};

const SALES: Uuid = Uuid::from_u128(0x5a1e5);

fn ann() -> UserId {
    UserId::parse("00000000-0000-0000-0000-0000000000aa").unwrap()
}

/// A database in which ann took one conversation of Sales, which waits for it by law of a policy.
async fn recorded(dir: &TempDir, routing: &str) -> PathBuf {
    let path = dir.path().join("switchboard.db");
    let observer = Arc::new(|_: usize, _: std::time::Duration| {});
    let (log, tail) = log::open(&Location::Sqlite(path.clone()), observer, None).await.unwrap();
    let tenant = TenantId::default_tenant();
    let sales = Department { id: SALES, name: "Sales".into(), routing: Some(routing.to_owned()) };
    let mut changes = vec![
        Change::record(Record::Tenant("Default".into())),
        Change::record(Record::Department(sales)),
    ];
    let session_id = ConversationId::random();
    let sample = Event::samples().into_iter().find_map(|event| match event {
        Event::SessionStarted(started) => Some(started),
        _ => None,
    });
    let started = SessionStarted {
        session_id,
        department_id: Some(SALES),
        skills: vec![],
        language: None,
        external_ids: vec![],
        ..sample.unwrap()
    };
    let queued =
        Queued { session_id, position: 1, estimated_wait_seconds: 0, department_id: Some(SALES) };
    let assigned = Assigned {
        session_id,
        agent_id: ann(),
        agent_name: "Ann".into(),
        department_id: Some(SALES),
    };
    changes.extend([
        Change::of(Event::SessionStarted(started)),
        Change::of(Event::Queued(queued)),
        Change::of(Event::Assigned(assigned)),
        Change::of(Event::Closed(Closed { session_id, by: ann(), agent_id: None })),
    ]);
    for change in changes {
        log.commit(&tenant, change).await.unwrap();
    }
    log.close().await;
    drop(tail);
    path
}

struct Bench {
    dir: TempDir,
}

impl Bench {
    fn new() -> Bench {
        Bench { dir: TempDir::new().unwrap() }
    }

    async fn run(&self, policy: &str, from: &str, json: bool) -> Result<String, Error> {
        let file = self.dir.path().join("policy");
        fs::write(&file, policy).unwrap();
        let wanted = SimulateArgs {
            policy: file,
            from: Some(from.to_owned()),
            tenant: "default".into(),
            patience: None,
            json,
        };
        run(&wanted, &StoreUrl::Memory).await
    }

    async fn compare(&self, policy: &str, from: &str) -> serde_json::Value {
        serde_json::from_str(&self.run(policy, from, true).await.unwrap()).unwrap()
    }
}

#[tokio::test]
async fn a_recorded_load_is_served_under_its_own_policy_and_the_other() {
    let bench = Bench::new();
    let path = recorded(&bench.dir, r#"{"offer": "accept"}"#).await;
    for from in [path.display().to_string(), format!("sqlite:{}", path.display())] {
        let both = bench.compare("[default]\nstrategy = 'round_robin'", &from).await;
        assert_eq!(both["recorded"]["wait"]["max"], 3.0, "an offer takes a moment: {both}");
        assert_eq!(both["proposed"]["wait"]["max"], 0.0);
        assert_eq!(both["proposed"]["agents"][0]["name"], "Ann");
        assert_eq!(both["proposed"]["agents"][0]["conversations"], 1);
    }
    let path = path.display().to_string();
    let policy = format!(r#"{{"departments": {{"{SALES}": {{"service_level_seconds": 2}}}}}}"#);
    let both = bench.compare(&policy, &path).await;
    assert_eq!(both["proposed"]["wait"]["max"], 0.0, "a named department is as it is named");
    let both = bench.compare("", &path).await;
    assert_eq!(both["proposed"], both["recorded"], "what is not named stays");
}

#[tokio::test]
async fn the_table_shows_both_sides() {
    let bench = Bench::new();
    let policy = "[default]\noffer = 'accept'";
    let table = bench.run(policy, "generated:agents=50,per_hour=60", false).await.unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].ends_with("recorded          proposed"), "{table}");
    assert!(table.contains("wait, half within                            0.0 s             3.0 s"));
    assert!(table.contains("agent 40") && !table.contains("agent 41"), "{table}");
    assert_eq!(*lines.last().unwrap(), "and 10 more, see --json");
}

#[tokio::test]
async fn what_cannot_be_read_is_named_in_a_line() {
    let bench = Bench::new();
    let path = recorded(&bench.dir, "{}").await.display().to_string();
    let other = bench.dir.path().join("other.db");
    fs::write(&other, "").unwrap();
    let text = bench.dir.path().join("notes.txt");
    fs::write(&text, "no database, but long enough to look like the head of one").unwrap();
    let unknown = format!("[departments.{}]\n", Uuid::from_u128(7));
    for (policy, from, told) in [
        ("[default]\noffer_timeout_seconds = 1", &*path, "default.offer_timeout_seconds: from 3"),
        ("[other]", &path, "unknown field `other`"),
        (&unknown, &path, "the load has no such department"),
        ("", "generated:agents=none", "agents=none: a whole number"),
        ("", "/nowhere.db", "there is no such file"),
        ("", other.to_str().unwrap(), "not a database of this program"),
        ("", text.to_str().unwrap(), "notes.txt: "),
        ("a = 1\nb", &path, "line 2: "),
    ] {
        let err = bench.run(policy, from, true).await.unwrap_err();
        assert!(matches!(err, Error::Usage(_)) && err.to_string().contains(told), "{err}");
        assert!(!err.to_string().contains('\n'), "{err}");
    }
}
