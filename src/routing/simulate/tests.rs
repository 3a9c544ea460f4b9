//! Loads whose outcome is known beforehand.

use super::*;
use crate::model::{
    AgentStateChanged, Assigned, Closed, Event, Queued, SessionStarted, StatusReason, Transferred,
};
use crate::routing::{OfferMode, Rule};

fn drawn(text: &str) -> Load {
    text.parse::<Generation>().unwrap().draw()
}

fn under(load: &Load, policy: Policy) -> Report {
    simulate(load, &Policies { default: policy, ..Policies::default() })
}

/// The mean wait in a queue of `agents` with exponential times: Erlang's formula C.
fn erlang_c_wait(agents: u32, per_hour: f64, handle: f64) -> f64 {
    let offered = per_hour / 3600.0 * handle;
    let (mut term, mut sum) = (1.0, 0.0);
    for n in 0..agents {
        sum += term;
        term *= offered / f64::from(n + 1);
    }
    let free = 1.0 - offered / f64::from(agents);
    let waits = term / free / (sum + term / free);
    waits * handle / (f64::from(agents) - offered)
}

#[test]
fn without_patience_the_mean_wait_is_what_erlang_says() {
    for (agents, per_hour) in [(2, 16.0), (5, 48.0), (20, 216.0)] {
        let hours = 20_000.0 / per_hour;
        let load = drawn(&format!(
            "agents={agents},hours={hours},per_hour={per_hour},handle=300,patience=0"
        ));
        let report = under(&load, Policy::default());
        let want = erlang_c_wait(agents, per_hour, 300.0);
        let error = (report.wait.mean - want).abs() / want;
        assert!(error < 0.1, "{agents}: {} instead of {want}", report.wait.mean);
        assert_eq!(report.answered, report.conversations);
        let busy: f64 = report.agents.iter().map(|agent| agent.concurrency).sum();
        assert!((busy - per_hour / 12.0).abs() < 0.05 * per_hour / 12.0, "{busy}");
    }
}

#[test]
fn the_same_load_under_the_same_policy_ends_the_same_way() {
    let load = drawn("seed=7");
    assert_eq!(load, drawn("seed=7"));
    assert_ne!(load, drawn("seed=8"));
    assert_eq!(under(&load, Policy::default()), under(&load, Policy::default()));
}

#[test]
fn every_conversation_is_answered_or_accounted_for() {
    let load = drawn("agents=5,per_hour=120,patience=60");
    let bot = Rule { name: None, after_seconds: 30, action: Action::Bot };
    for escalations in [vec![], vec![bot]] {
        for offer in [OfferMode::Direct, OfferMode::Accept] {
            let policy = Policy { offer, escalations: escalations.clone(), ..Policy::default() };
            let report = under(&load, policy);
            let sum = report.answered + report.abandoned + report.diverted + report.still_waiting;
            assert_eq!((sum, report.still_waiting), (report.conversations, 0));
            assert_eq!(report.diverted > 0, !escalations.is_empty());
            assert!(report.abandoned > 0);
            let taken: usize = report.agents.iter().map(|agent| agent.conversations).sum();
            assert_eq!(taken, report.answered);
        }
    }
}

#[test]
fn a_policy_shows_in_what_it_changes() {
    let load = drawn("agents=10,per_hour=100,patience=0");
    let plain = under(&load, Policy::default());
    let asked = under(&load, Policy { offer: OfferMode::Accept, ..Policy::default() });
    assert!(asked.wait.p50 >= 3.0 && plain.wait.p50 < 3.0, "an offer takes three seconds");
    let wrapping = under(&load, Policy { wrap_up_seconds: 60, ..Policy::default() });
    assert!(wrapping.wait.mean > plain.wait.mean);
}

#[test]
fn a_bad_description_is_refused_by_name() {
    for (text, told) in [
        ("agents", "\"agents\": expected name=value"),
        ("agent=1", "\"agent\": there are agents"),
        ("agents=0", "agents=0: a whole number"),
        ("handle=-1", "handle=-1: a number"),
        ("patience=NaN", "patience=NaN: a number"),
        ("hours=10000,per_hour=1000000", "hours times per_hour"),
    ] {
        let err = text.parse::<Generation>().unwrap_err().to_string();
        assert!(err.starts_with(told), "{err}");
    }
}

// === recorded ===

const SALES: Uuid = Uuid::from_u128(1);

fn talk(number: u128) -> ConversationId {
    ConversationId(Uuid::from_u128(number))
}

fn ann() -> UserId {
    UserId::parse("00000000-0000-0000-0000-0000000000aa").unwrap()
}

struct Tape(Recorder);

impl Tape {
    fn at(&mut self, seconds: i64, event: Event) -> &mut Tape {
        self.0.note(Moment(1_000_000 + seconds * 1000), &event);
        self
    }

    fn queued(&mut self, seconds: i64, number: u128) -> &mut Tape {
        let queued = Queued {
            session_id: talk(number),
            position: 1,
            estimated_wait_seconds: 0,
            department_id: Some(SALES),
        };
        self.at(seconds, Event::Queued(queued))
    }

    fn assigned(&mut self, seconds: i64, number: u128) -> &mut Tape {
        let assigned = Assigned {
            session_id: talk(number),
            agent_id: ann(),
            agent_name: "Ann".into(),
            department_id: Some(SALES),
        };
        self.at(seconds, Event::Assigned(assigned))
    }

    fn closed(&mut self, seconds: i64, number: u128) -> &mut Tape {
        let closed = Closed { session_id: talk(number), by: ann(), agent_id: None };
        self.at(seconds, Event::Closed(closed))
    }

    fn state(&mut self, seconds: i64, state: AgentStatus, reason: StatusReason) -> &mut Tape {
        let changed = AgentStateChanged {
            user_id: ann(),
            username: Some("Ann".into()),
            extension: None,
            state,
            reason,
            declared: AgentStatus::Online,
            since: Moment(0),
            current_chats: 0,
            max_chats: 1,
            department_ids: vec![SALES],
        };
        self.at(seconds, Event::AgentStateChanged(changed))
    }

    fn load(self) -> Load {
        self.0.finish([(SALES, "Sales".to_owned())].into(), &[], None)
    }
}

#[test]
fn a_log_is_read_as_the_load_it_was() {
    let mut tape = Tape(Recorder::default());
    tape.state(0, AgentStatus::Online, StatusReason::Connected);
    tape.queued(10, 1).queued(11, 1).assigned(12, 1);
    tape.state(12, AgentStatus::Busy, StatusReason::Capacity);
    tape.queued(20, 2).queued(30, 3).closed(50, 2).closed(112, 1);
    tape.state(112, AgentStatus::Online, StatusReason::Connected).assigned(112, 3);
    tape.closed(312, 3).state(400, AgentStatus::Offline, StatusReason::Declared);
    let load = tape.load();
    let seen: Vec<_> =
        load.arrivals.iter().map(|a| (a.at.0 / 1000 - 1000, a.handle_ms, a.patience_ms)).collect();
    assert_eq!(seen, [(10, 100_000, None), (20, 150_000, Some(30_000)), (30, 200_000, None),]);
    let report = under(&load, Policy::default());
    assert_eq!((report.answered, report.abandoned), (2, 1));
    assert_eq!((report.wait.p50, report.wait.max), (0.0, 80.0));
    assert_eq!(report.agents[0].on_duty_seconds, 400.0);
    assert_eq!(report.agents[0].concurrency, 0.75);
}

#[test]
fn a_transfer_is_another_arrival_and_who_goes_was_there() {
    let mut tape = Tape(Recorder::default());
    let started = Event::samples().into_iter().find_map(|event| match event {
        Event::SessionStarted(started) => Some(started),
        _ => None,
    });
    let started = SessionStarted {
        session_id: talk(1),
        skills: vec!["billing".into()],
        department_id: Some(SALES),
        ..started.unwrap()
    };
    tape.at(0, Event::SessionStarted(started)).queued(0, 1).assigned(5, 1);
    let transferred = Transferred {
        session_id: talk(1),
        from_agent_id: Some(ann()),
        to_agent_id: None,
        to_agent_name: None,
        to_department_id: Some(SALES),
        note: None,
    };
    tape.at(65, Event::Transferred(transferred)).queued(65, 1).assigned(70, 1).closed(100, 1);
    tape.state(200, AgentStatus::Offline, StatusReason::Disconnected);
    let load = tape.load();
    let handled: Vec<_> = load.arrivals.iter().map(|a| a.handle_ms).collect();
    assert_eq!(handled, [60_000, 30_000]);
    assert!(load.arrivals.iter().all(|a| a.skills == ["billing"]));
    assert_eq!(load.on_duty_ms(&ann()), 200_000);
}
