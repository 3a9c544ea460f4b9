//! What every log backend must do for routing: who waits and who serves, what stints are made of, and
//! what agents are.

use super::*;
use crate::model::{
    AgentRecord, AgentStatus, Decided, DecisionOutcome, Handoff, HandoffReason, InCharge, Offered,
    Requirements, StatusReason, Transferred,
};

pub(super) async fn suite(log: &dyn Log) {
    what_decides_where_it_goes_is_kept(log).await;
    who_waits_and_who_serves_is_found(log).await;
    stints_tell_who_worked_and_when(log).await;
    figures_are_of_stints_by_department_and_agent(log).await;
    a_refused_change_leaves_no_stint(log).await;
    decisions_are_read_by_their_conversation_alone(log).await;
    agents_are_what_they_were(log).await;
}

fn department(number: u128) -> Option<Uuid> {
    Some(Uuid::from_u128(number))
}

async fn begin_in(log: &dyn Log, of: &TenantId, department: Option<Uuid>) -> ConversationId {
    let id = ConversationId::random();
    let Event::SessionStarted(started) = started(id) else { unreachable!() };
    let started = SessionStarted { department_id: department, ..started };
    commit(log, of, Event::SessionStarted(started)).await;
    id
}

fn queued(session_id: ConversationId) -> Event {
    let (position, estimated_wait_seconds, department_id) = (1, 0, None);
    Event::Queued(Queued { session_id, position, estimated_wait_seconds, department_id })
}

fn assigned(session_id: ConversationId, agent: &str) -> Event {
    let (agent_id, agent_name, department_id) = (user(agent), agent.to_owned(), None);
    Event::Assigned(Assigned { session_id, agent_id, agent_name, department_id })
}

fn transferred(session_id: ConversationId, from: &str, to: &str) -> Event {
    Event::Transferred(Transferred {
        session_id,
        from_agent_id: Some(user(from)),
        to_agent_id: Some(user(to)),
        to_agent_name: None,
        to_department_id: None,
        note: None,
    })
}

fn lost(session_id: ConversationId, agent: &str) -> Event {
    Event::Handoff(Handoff {
        session_id,
        from: InCharge::Agent,
        to: InCharge::Queue,
        reason: HandoffReason::AgentLost,
        agent_id: Some(user(agent)),
        stint: None,
    })
}

fn said_by_agent(id: ConversationId) -> Event {
    let Event::Message(said) = message(id, None, "hello") else { unreachable!() };
    Event::Message(Message { sender_type: Role::Agent, sender_id: user("ana"), ..said })
}

async fn record(log: &dyn Log, of: &TenantId, id: ConversationId) -> Arc<Conversation> {
    log.conversation(of, id).await.unwrap().unwrap()
}

async fn pass_time() {
    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
}

/// Waits; with an agent; lost; with another; said; given on; closed; rated. When each was.
async fn live(log: &dyn Log, of: &TenantId, id: ConversationId) -> Vec<Moment> {
    let rated = Event::Rated(Rated { session_id: id, score: 4, comment: None, agent_id: None });
    let steps = [
        vec![queued(id)],
        vec![assigned(id, "ana")],
        vec![lost(id, "ana"), queued(id)],
        vec![assigned(id, "ben")],
        vec![said_by_agent(id)],
        vec![transferred(id, "ben", "cleo")],
        vec![closed(id)],
        vec![rated],
    ];
    let mut moments = Vec::new();
    for events in steps {
        let change = Change::events(events);
        let outcomes = log.commit(of, change).await.unwrap();
        moments.push(outcomes[0].envelope().unwrap().at);
        pass_time().await;
    }
    moments
}

async fn what_decides_where_it_goes_is_kept(log: &dyn Log) {
    let of = tenant("routed");
    let id = begin(log, &of).await;
    let (skills, language) = (vec!["billing".to_owned()], Some("id".to_owned()));
    let wanted = Requirements { session_id: id, priority: 3, skills: skills.clone(), language };
    let offered = Offered {
        session_id: id,
        agent_id: user("ben"),
        agent_name: "Ben".into(),
        until: Moment(7),
        attempt: 1,
    };
    let events = [
        Event::Requirements(wanted),
        assigned(id, "ana"),
        lost(id, "ana"),
        queued(id),
        Event::Offered(offered),
    ];
    for event in events {
        assert!(matches!(commit(log, &of, event).await, Outcome::Kept(_)));
    }
    let found = log.waiting(&of).await.unwrap();
    let [found] = &found[..] else { panic!("{found:?}") };
    assert_eq!(found, &record(log, &of, id).await, "read and remembered alike");
    let routing = &found.routing;
    assert_eq!((routing.priority, &routing.skills, routing.stint), (3, &skills, 2));
    let offer = routing.offer.as_ref().map(|o| (o.agent_id.clone(), o.until));
    assert_eq!((routing.is_head, offer), (true, Some((user("ben"), Moment(7)))));
}

async fn who_waits_and_who_serves_is_found(log: &dyn Log) {
    let of = tenant("waiting");
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(begin_in(log, &of, department(1)).await);
        pass_time().await;
    }
    for id in ids.iter().rev() {
        commit(log, &of, queued(*id)).await;
        pass_time().await;
    }
    commit(log, &of, assigned(ids[1], "ana")).await;
    commit(log, &of, closed(ids[2])).await;
    let waiting = log.waiting(&of).await.unwrap();
    assert_eq!(waiting.iter().map(|c| c.id).collect::<Vec<_>>(), [ids[3], ids[0]]);
    let serving = log.serving(&of).await.unwrap();
    assert_eq!(serving, [(ids[1], user("ana"), department(1))]);
    let elsewhere = tenant("waiting-elsewhere");
    assert!(log.waiting(&elsewhere).await.unwrap().is_empty());
    assert!(log.serving(&elsewhere).await.unwrap().is_empty());
}

async fn stints_tell_who_worked_and_when(log: &dyn Log) {
    let of = tenant("stints");
    let (one, two) = (begin_in(log, &of, department(2)).await, begin_in(log, &of, None).await);
    let at = live(log, &of, one).await;
    commit(log, &of, queued(two)).await;
    commit(log, &of, assigned(two, "ana")).await;
    let again = record(log, &of, two).await.assigned_at.unwrap();
    let ended = log.wrapping(&of, at[2]).await.unwrap();
    let expected = [("ana", at[2]), ("ben", at[5]), ("cleo", at[6])];
    let expected = expected.map(|(agent, at)| (user(agent), department(2), one, at));
    assert_eq!(ended, expected);
    assert_eq!(log.wrapping(&of, Moment(at[2].0 + 1)).await.unwrap(), expected[1..]);
    let work = log.agent_work(&of).await.unwrap();
    let work: Vec<_> =
        work.iter().map(|w| (w.agent.as_str(), w.last_assigned_at, w.last_ended_at)).collect();
    let (ben, cleo) = (("ben", at[3], Some(at[5])), ("cleo", at[5], Some(at[6])));
    assert_eq!(work, [("ana", again, Some(at[2])), ben, cleo]);
    let starts = log.starts(&of, 9).await.unwrap();
    assert_eq!(starts, [(None, vec![again]), (department(2), vec![at[1], at[3]])]);
    let latest = log.starts(&of, 1).await.unwrap();
    assert_eq!(latest[1], (department(2), vec![at[3]]), "what did not wait is no start");
    assert_eq!(log.last_agent(&of, &user("cust")).await.unwrap(), Some(user("ana")));
    assert_eq!(log.last_agent(&of, &user("nobody")).await.unwrap(), None);
    let elsewhere = tenant("stints-elsewhere");
    assert!(log.wrapping(&elsewhere, Moment(0)).await.unwrap().is_empty());
    assert!(log.agent_work(&elsewhere).await.unwrap().is_empty());
    assert!(log.starts(&elsewhere, 9).await.unwrap().is_empty());
    assert_eq!(log.last_agent(&elsewhere, &user("cust")).await.unwrap(), None);
}

async fn figures_are_of_stints_by_department_and_agent(log: &dyn Log) {
    let of = tenant("figures");
    let one = begin_in(log, &of, department(3)).await;
    let at = live(log, &of, one).await;
    for ends in [true, false] {
        let id = begin_in(log, &of, department(3)).await;
        commit(log, &of, queued(id)).await;
        if ends {
            commit(log, &of, closed(id)).await;
        }
    }
    let ms = |from: usize, to: usize| at[to].ms_since(at[from]);
    let figures = |from, to, level| log.figures(&of, from, to, level);
    let all = figures(at[0], Moment(i64::MAX), ms(0, 1)).await.unwrap();
    let of_agent = |agent: Option<&str>| Figures {
        department: department(3),
        agent: agent.map(user),
        ..Figures::default()
    };
    let first = (ms(0, 1), ms(1, 2));
    let second = (ms(2, 3), ms(3, 5));
    let served = |agent, (wait, handle)| Figures {
        entered: 1,
        answered: 1,
        answered_in_time: u64::from(wait <= ms(0, 1)),
        wait_ms_sum: wait,
        wait_ms_max: wait,
        handle_ms_sum: handle,
        handled: 1,
        ..of_agent(Some(agent))
    };
    let answered = Figures { response_ms_sum: ms(3, 4), responses: 1, ..served("ben", second) };
    let given = Figures {
        handle_ms_sum: ms(5, 6),
        handled: 1,
        score_sum: 4,
        scores: 1,
        ..of_agent(Some("cleo"))
    };
    let nobodys = Figures { entered: 2, abandoned: 1, ..of_agent(None) };
    assert_eq!(all, [nobodys, served("ana", first), answered, given]);
    let late = figures(at[0], at[2], 0).await.unwrap();
    let late: Vec<_> = late.iter().map(|f| (f.agent.clone(), f.answered_in_time)).collect();
    assert_eq!(late, [(Some(user("ana")), 0)], "what began in time, by a level nobody meets");
    assert!(log.figures(&tenant("figures2"), at[0], at[7], 9).await.unwrap().is_empty());
}

async fn a_refused_change_leaves_no_stint(log: &dyn Log) {
    let of = tenant("refused-stint");
    let id = begin(log, &of).await;
    commit(log, &of, message(id, Some("m"), "one")).await;
    let refused = vec![queued(id), assigned(id, "ana"), assigned(id, "ben")];
    assert!(log.commit(&of, Change::events(refused)).await.is_err());
    let repeated = vec![queued(id), assigned(id, "ana"), message(id, Some("m"), "one")];
    log.commit(&of, Change::events(repeated)).await.unwrap();
    assert!(log.agent_work(&of).await.unwrap().is_empty());
    assert_eq!(record(log, &of, id).await.routing.stint, 0);
    let all = log.figures(&of, Moment(0), Moment(i64::MAX), 0).await.unwrap();
    assert!(all.is_empty(), "{all:?}");
}

async fn decisions_are_read_by_their_conversation_alone(log: &dyn Log) {
    let of = tenant("decided");
    let (id, other) = (begin(log, &of).await, begin(log, &of).await);
    let decided = |session_id| {
        Event::Decided(Decided {
            decision_id: Uuid::now_v7(),
            session_id,
            department_id: None,
            trigger: "customer_waits".into(),
            strategy: "least_loaded".into(),
            outcome: DecisionOutcome::Assigned,
            winner_id: user("ana"),
            winner_name: "Ana".into(),
            candidates: vec![],
            considered: 1,
            excluded: [("capacity".to_owned(), 2)].into(),
        })
    };
    for conversation in [id, other, id] {
        commit(log, &of, decided(conversation)).await;
    }
    let reading = Reading::Decisions(id);
    let page = log.read(&of, reading.clone(), 0, 9).await.unwrap().events;
    let is_of = |e: &Arc<Envelope>| matches!(&e.event, Event::Decided(d) if d.session_id == id);
    assert!(page.len() == 2 && page.iter().all(is_of), "{page:?}");
    let latest = log.read_latest(&of, reading, 1).await.unwrap().events;
    assert_eq!(latest[0].cursor, page[1].cursor);
    let recorded = log.read_latest(&of, Reading::Recorder(id), 9).await.unwrap().events;
    let names: Vec<_> = recorded.iter().map(|e| e.event.name()).collect();
    assert_eq!(names, ["chat.session.started"]);
    let recorded = log.read(&of, Reading::Recorder(id), 0, 9).await.unwrap().events;
    assert_eq!(recorded.len(), 1);
}

async fn agents_are_what_they_were(log: &dyn Log) {
    let of = tenant("states");
    let [ana, ben] = ["ana", "ben"].map(|agent| AgentRecord {
        agent: user(agent),
        declared: AgentStatus::Away,
        status: AgentStatus::Online,
        reason: StatusReason::Heartbeat,
        since: Moment(2),
    });
    let later =
        AgentRecord { status: AgentStatus::Offline, reason: StatusReason::WrapUp, ..ana.clone() };
    let records = [
        Record::AgentState(ben.clone()),
        Record::AgentState(ana),
        Record::Beats(vec![(user("ana"), Moment(5)), (user("cleo"), Moment(5))]),
        Record::AgentState(later.clone()),
        Record::Beats(vec![(user("ana"), Moment(6))]),
        Record::DepartmentAlert(Uuid::from_u128(2), true),
        Record::DepartmentAlert(Uuid::from_u128(1), true),
        Record::DepartmentAlert(Uuid::from_u128(2), true),
        Record::DepartmentAlert(Uuid::from_u128(3), true),
        Record::DepartmentAlert(Uuid::from_u128(2), false),
    ];
    for record in records {
        log.commit(&of, Change::record(record)).await.unwrap();
    }
    let states = log.agent_states(&of).await.unwrap();
    assert_eq!(states, [(later, Some(Moment(6))), (ben, None)]);
    let standing = log.department_alerts(&of).await.unwrap();
    assert_eq!(standing, [1, 3].map(Uuid::from_u128));
    let elsewhere = tenant("states-elsewhere");
    assert!(log.agent_states(&elsewhere).await.unwrap().is_empty());
    assert!(log.department_alerts(&elsewhere).await.unwrap().is_empty());
}
