//! Whether an agent is there: what it declared, what keeps it alive, and what is told when.

use super::*;
use crate::model::StatusReason;

const ONLINE: AgentStatus = AgentStatus::Online;
const BUSY: AgentStatus = AgentStatus::Busy;
const AWAY: AgentStatus = AgentStatus::Away;
const OFFLINE: AgentStatus = AgentStatus::Offline;

impl World {
    fn declare(&mut self, name: &str, status: AgentStatus) -> Vec<Decision> {
        self.keep(Input::Declare { agent: user(name), status })
    }

    fn beat(&mut self, name: &str, seconds: i64) -> Vec<Decision> {
        let until = Moment(self.now.0 + seconds * 1000);
        self.keep(Input::Beat { agent: user(name), until, status: None })
    }

    fn connect(&mut self, name: &str) -> Vec<Decision> {
        self.keep(Input::Connected(user(name)))
    }

    fn disconnect(&mut self, name: &str) -> Vec<Decision> {
        self.keep(Input::Disconnected(user(name)))
    }

    fn reason(&self, name: &str) -> StatusReason {
        self.engine.agent(self.now, &user(name)).unwrap().reason
    }
}

/// Sources of life in every order of ending: the agent is there until the last one ends.
#[test]
fn an_agent_is_there_as_long_as_anything_keeps_it_alive() {
    // Sockets of two tabs and a phone are one source: the first that came, the last that went.
    for is_beat_last in [true, false] {
        let mut world = World::new();
        world.agent("ann", 1);
        world.beat("ann", if is_beat_last { 300 } else { 30 });
        if is_beat_last {
            world.disconnect("ann");
        }
        let told = world.pass(299);
        assert_eq!((world.status("ann"), announced(&told)), (ONLINE, vec![]));
        if !is_beat_last {
            world.disconnect("ann");
        }
        let told = world.pass(6);
        let reason = match is_beat_last {
            true => StatusReason::HeartbeatEnded,
            false => StatusReason::Disconnected,
        };
        assert_eq!((world.status("ann"), world.reason("ann")), (OFFLINE, reason));
        assert_eq!(announced(&told), [("ann", OFFLINE)]);
    }
}

#[test]
fn a_ghost_lives_no_longer_than_its_lease_and_the_grace() {
    let mut world = World::new();
    world.employ(AgentSetup { is_disabled: false, ..setup("ann", &[SALES]) });
    world.disconnect("ann");
    world.beat("ann", 300);
    world.customer(1);
    assert_eq!(world.chats("ann"), 1);
    let told = world.pass(304);
    assert_eq!((world.status("ann"), announced(&told), returned(&told)), (OFFLINE, vec![], vec![]));
    let told = world.pass(1);
    assert_eq!((announced(&told), returned(&told)), (vec![("ann", OFFLINE)], vec![1]));
}

#[test]
fn who_comes_back_within_the_grace_was_never_away() {
    let mut world = World::new();
    world.agent("ann", 2);
    world.customer(1);
    let since = world.engine.agent(world.now, &user("ann")).unwrap().since;
    world.pass(60);
    let mut told = world.disconnect("ann");
    assert_eq!(world.status("ann"), OFFLINE, "for routing it is gone at once");
    told.extend(world.customer(2));
    assert_eq!(assigned(&told), []);
    told.extend(world.pass(4));
    told.extend(world.connect("ann"));
    assert_eq!(announced(&told), [("ann", BUSY)], "full now, but never offline");
    assert_eq!((returned(&told), assigned(&told)), (vec![], vec![(2, "ann")]));
    world.close(2);
    told = world.disconnect("ann");
    told.extend(world.connect("ann"));
    assert_eq!(announced(&told), []);
    assert!(world.engine.agent(world.now, &user("ann")).unwrap().since > since);
}

#[test]
fn a_reconnect_never_resets_away() {
    let mut world = World::new();
    world.agent("ann", 1);
    world.declare("ann", AWAY);
    world.disconnect("ann");
    world.pass(60);
    assert_eq!(world.status("ann"), OFFLINE);
    world.connect("ann");
    assert_eq!((world.status("ann"), world.reason("ann")), (AWAY, StatusReason::Declared));
    world.beat("ann", 300);
    assert_eq!(world.status("ann"), AWAY);
    assert_eq!(assigned(&world.customer(1)), []);
    assert_eq!(assigned(&world.declare("ann", ONLINE)), [(1, "ann")]);
}

#[test]
fn a_declared_offline_wins_over_open_sockets_until_the_next_heartbeat() {
    let mut world = World::new();
    world.agent("ann", 2);
    world.customer(1);
    let told = world.declare("ann", OFFLINE);
    assert_eq!(announced(&told), [("ann", OFFLINE)], "it said so: no grace for telling");
    world.connect("ann");
    assert_eq!(world.status("ann"), OFFLINE);
    assert_eq!(returned(&world.pass(5)), [1]);
    let told = world.beat("ann", 300);
    assert_eq!(announced(&told), [("ann", ONLINE)]);
}

#[test]
fn an_agent_shows_as_busy_while_it_has_no_place() {
    let mut world = World::with(Policy {
        wrap_up_seconds: 30,
        weights: Weights { chat: 1, call: 5 },
        ..Policy::default()
    });
    world.agent("ann", 2);
    world.customer(1);
    let told = world.customer(2);
    assert_eq!(announced(&told), [("ann", BUSY)]);
    assert_eq!(world.reason("ann"), StatusReason::Capacity);
    world.close(1);
    assert_eq!((world.status("ann"), world.reason("ann")), (BUSY, StatusReason::WrapUp));
    assert_eq!(announced(&world.pass(30)), [("ann", ONLINE)]);
    let told = world.keep(Input::Calls { agent: user("ann"), calls: 1 });
    assert_eq!(announced(&told), [("ann", BUSY)]);
    assert_eq!(world.reason("ann"), StatusReason::Call);
    assert_eq!(assigned(&world.customer(3)), [], "a call uses up all places");
    assert_eq!(assigned(&world.keep(Input::Calls { agent: user("ann"), calls: 0 })), [(3, "ann")]);
}

#[test]
fn a_disabled_agent_is_gone_at_once_and_loses_what_it_had() {
    let mut world = World::new();
    world.agent("ann", 2);
    world.customer(1);
    let disabled = AgentSetup { is_disabled: true, max_chats: 2, ..setup("ann", &[SALES]) };
    let told = world.keep(Input::Agent(disabled));
    assert_eq!(announced(&told), [("ann", OFFLINE)]);
    assert_eq!(world.reason("ann"), StatusReason::Disabled);
    assert_eq!(assigned(&world.customer(2)), []);
    assert_eq!(returned(&world.pass(5)), [1]);
}

#[test]
fn an_admin_is_never_routed_to_but_may_have_conversations() {
    let mut world = World::new();
    world.employ(AgentSetup { is_routable: false, ..setup("boss", &[SALES]) });
    assert_eq!(assigned(&world.customer(1)), []);
    world.keep(Input::Given {
        conversation: talk(1),
        agent: user("boss"),
        department: Some(SALES),
    });
    assert_eq!((world.chats("boss"), world.queue(Some(SALES))), (1, vec![]));
    assert_eq!(world.engine.department(Some(SALES)).unwrap().online, 0);
    world.disconnect("boss");
    assert_eq!(returned(&world.pass(5)), [1]);
}

fn empties(decisions: &[Decision]) -> Vec<Option<u64>> {
    let told = decisions.iter().filter_map(|decision| match decision {
        Decision::DepartmentEmpty { waiting, .. } => Some(Some(*waiting)),
        Decision::DepartmentCovered { .. } => Some(None),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_department_that_is_left_alone_is_told_once_and_its_end_too() {
    let mut world = World::new();
    world.pass(60);
    assert_eq!(empties(&world.agent("ann", 1)), [], "nobody was missed yet");
    world.customer(1);
    assert_eq!(empties(&world.customer(2)), [], "busy is there");
    world.disconnect("ann");
    assert_eq!(empties(&world.pass(4)), []);
    world.connect("ann");
    world.disconnect("ann");
    assert_eq!(empties(&world.pass(5)), [Some(1)]);
    assert_eq!(empties(&world.customer(3)), []);
    assert_eq!(empties(&world.pass(HOUR)), []);
    assert_eq!(empties(&world.connect("ann")), [None]);
}

#[test]
fn who_waits_where_nobody_ever_was_is_an_alert_at_once() {
    let mut world = World::new();
    assert_eq!(empties(&world.customer(1)), [], "not before agents had time to come back");
    assert_eq!(empties(&world.pass(15)), [Some(1)]);
    world.agent("ann", 1);
    world.declare("ann", AWAY);
    assert_eq!(empties(&world.pass(5)), [Some(0)], "away is not there");
}

/// Consoles would see every agent of a busy queue go online and busy again with each close.
#[test]
fn a_place_that_is_filled_at_once_is_nobodys_news() {
    let mut world = World::new();
    world.agent("ann", 1);
    let told = [world.customer(1), world.customer(2)].concat();
    assert_eq!(announced(&told), [("ann", BUSY)]);
    let told = world.close(1);
    assert_eq!((assigned(&told), announced(&told)), (vec![(2, "ann")], vec![]));
    // Refused by the log, and nothing else to do: now she is free.
    world.customer(3);
    let told = world.tell(Input::Gone(talk(2)));
    assert_eq!((assigned(&told), announced(&told)), (vec![(3, "ann")], vec![]));
    let told = world.tell(Input::Gone(talk(3)));
    assert_eq!(announced(&told), [("ann", ONLINE)]);
}

#[test]
fn what_is_given_to_somebody_absent_comes_back_unless_it_works_unseen() {
    let mut world = World::new();
    world.keep(Input::Agent(setup("ann", &[SALES])));
    let given = Input::Given { conversation: talk(1), agent: user("ann"), department: Some(SALES) };
    world.keep(given.clone());
    assert_eq!(returned(&world.pass(4)), []);
    assert_eq!(returned(&world.pass(2)), [1]);
    // By her own hand.
    world.keep(Input::Gone(talk(1)));
    world.keep(Input::WorksUnseen(user("ann")));
    world.keep(given);
    assert_eq!(returned(&world.pass(60)), []);
    // She comes, and goes.
    world.connect("ann");
    world.disconnect("ann");
    assert_eq!(returned(&world.pass(6)), [1]);
}
