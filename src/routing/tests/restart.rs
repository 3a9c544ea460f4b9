//! A restart in the middle of everything.

use super::*;
use crate::model::StatusReason;

/// A new engine that is told what a log would have kept of the world.
fn restart(world: &World, waiting: &[Waiting], serving: &[(u128, &str)]) -> World {
    let mut next = World { engine: Engine::new(Settings::default()), now: world.now };
    let policy = Policy { offer: OfferMode::Accept, ..Policy::default() };
    next.department(SALES, policy);
    for state in world.engine.agents(world.now) {
        let max_chats = state.max_chats;
        let setup = AgentSetup { max_chats, ..setup(state.agent.as_str(), &[SALES]) };
        next.tell(Input::Agent(setup));
        next.tell(Input::AgentRestored(AgentRestored {
            agent: state.agent,
            declared: state.declared,
            status: state.status,
            reason: state.reason,
            since: state.since,
            beat_until: None,
            last_seen: state.last_seen,
            last_assigned_at: Some(state.since),
            idle_since: None,
        }));
    }
    for (number, agent) in serving {
        let (conversation, agent) = (talk(*number), user(agent));
        next.tell(Input::Given { conversation, agent, department: Some(SALES) });
    }
    for waiting in waiting {
        assert_eq!(next.tell(Input::Waits(waiting.clone())), [], "nothing before the start");
    }
    next
}

/// ann is offered 2, bob has 1, and 3 to 5 wait.
fn busy() -> (World, Vec<Waiting>) {
    let mut world = World::with(Policy { offer: OfferMode::Accept, ..Policy::default() });
    world.agent("bob", 1);
    world.customer(1);
    world.keep(Input::Given { conversation: talk(1), agent: user("bob"), department: Some(SALES) });
    world.agent("ann", 1);
    let mut waiting = Vec::new();
    for number in 2..=5 {
        world.pass(1);
        waiting.push(Waiting { priority: i32::from(number == 4), ..world.waiting(number) });
        let told = world.keep(Input::Waits(waiting[waiting.len() - 1].clone()));
        if let [(2, "ann")] = offered(&told)[..] {
            waiting[0].offer = Some((user("ann"), Moment(world.now.0 + 20_000)));
        }
    }
    (world, waiting)
}

#[test]
fn a_restart_loses_no_position_no_offer_and_no_timer() {
    let (world, waiting) = busy();
    let queue = world.queue(Some(SALES));
    assert_eq!(queue, [talk(4), talk(2), talk(3), talk(5)]);
    // In whatever order they are told.
    for turn in 0..waiting.len() {
        let mut told = waiting.clone();
        told.rotate_left(turn);
        let mut next = restart(&world, &told, &[(1, "bob")]);
        let told = next.keep(Input::Started);
        assert_eq!((offered(&told), announced(&told)), (vec![], vec![]));
        assert_eq!(next.queue(Some(SALES)), queue);
        next.keep(Input::Connected(user("ann")));
        next.keep(Input::Connected(user("bob")));
        assert_eq!(next.chats("bob"), 1);
        let told = next.pass(17);
        assert_eq!(offered(&told), [(4, "ann")], "the offer ended when it was to end");
        assert_eq!(announced(&told), []);
    }
}

#[test]
fn who_does_not_come_back_after_a_restart_loses_its_conversations() {
    let (world, waiting) = busy();
    let mut next = restart(&world, &waiting, &[(1, "bob")]);
    next.keep(Input::Started);
    assert_eq!(next.status("bob"), AgentStatus::Offline);
    let told = next.pass(14);
    assert_eq!((announced(&told), returned(&told)), (vec![], vec![]));
    let told = next.pass(1);
    let offline = AgentStatus::Offline;
    assert_eq!(announced(&told), [("ann", offline), ("bob", offline)]);
    assert_eq!(returned(&told), [1]);
    assert!(told.contains(&Decision::DepartmentEmpty { department: SALES, waiting: 4 }));
}

#[test]
fn who_was_told_to_be_gone_before_the_server_stopped_keeps_nothing() {
    let (mut world, _) = busy();
    world.keep(Input::Disconnected(user("bob")));
    let told = world.pass(5);
    assert_eq!(returned(&told), [1]);
    // The log has kept that bob is offline, and not that its conversation went back.
    let mut next = restart(&world, &[], &[(1, "bob")]);
    next.keep(Input::Started);
    let state = next.engine.agent(next.now, &user("bob")).unwrap();
    assert_eq!((state.status, state.reason), (AgentStatus::Offline, StatusReason::Disconnected));
    assert_eq!(returned(&next.pass(15)), [1]);
}

#[test]
fn a_lease_that_still_counts_keeps_an_agent_and_what_it_writes_up() {
    let mut world = World { engine: Engine::new(Settings::default()), now: MORNING };
    world.department(SALES, Policy { wrap_up_seconds: 60, ..Policy::default() });
    world.tell(Input::Agent(setup("ann", &[SALES])));
    world.tell(Input::AgentRestored(AgentRestored {
        agent: user("ann"),
        declared: AgentStatus::Online,
        status: AgentStatus::Busy,
        reason: StatusReason::WrapUp,
        since: Moment(MORNING.0 - 20_000),
        beat_until: Some(Moment(MORNING.0 + 100_000)),
        last_seen: None,
        last_assigned_at: None,
        idle_since: None,
    }));
    world.tell(Input::WrappingUp {
        agent: user("ann"),
        department: Some(SALES),
        ended_at: Moment(MORNING.0 - 20_000),
    });
    let waiting = world.waiting(1);
    world.tell(Input::Waits(waiting));
    assert_eq!(world.keep(Input::Started), []);
    assert_eq!(assigned(&world.pass(39)), []);
    assert_eq!(assigned(&world.pass(1)), [(1, "ann")]);
    assert_eq!(returned(&world.pass(65)), [1], "the lease and the grace are over");
}

#[test]
fn an_alert_that_stands_is_not_told_again_and_ends_when_somebody_comes() {
    let mut world = World { engine: Engine::new(Settings::default()), now: MORNING };
    let (name, policy) = ("Sales".to_owned(), Policy::default());
    world.tell(Input::Department { id: SALES, name, policy, is_empty: Some(true) });
    world.tell(Input::Started);
    world.customer(1);
    assert_eq!(world.pass(HOUR), []);
    let told = world.agent("ann", 1);
    assert!(told.contains(&Decision::DepartmentCovered { department: SALES }));
}
