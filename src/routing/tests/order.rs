//! Who is served first, and by whom.

use super::*;

fn with(strategy: Strategy) -> World {
    World::with(Policy { strategy, ..Policy::default() })
}

impl World {
    fn ask(&mut self, number: u128, change: impl FnOnce(&mut Waiting)) -> Vec<Decision> {
        let mut waiting = self.waiting(number);
        change(&mut waiting);
        self.keep(Input::Waits(waiting))
    }
}

#[test]
fn the_least_loaded_is_taken_and_of_several_the_longest_idle() {
    let mut world = with(Strategy::LeastLoaded);
    for name in ["ann", "bob", "cid"] {
        world.pass(1);
        world.agent(name, 5);
    }
    let mut given = Vec::new();
    for number in 1..=4 {
        world.pass(1);
        given.extend(assigned(&world.customer(number)).into_iter().map(|(_, a)| a.to_owned()));
    }
    assert_eq!(given, ["ann", "bob", "cid", "ann"]);
    world.close(2);
    assert_eq!(assigned(&world.customer(5)), [(5, "bob")]);
}

#[test]
fn turns_go_round_however_loaded_anybody_is() {
    let mut world = with(Strategy::RoundRobin);
    for name in ["ann", "bob", "cid"] {
        world.agent(name, 5);
    }
    // All at one moment: turns are told apart all the same.
    let mut given = Vec::new();
    for number in 1..=6 {
        given.extend(assigned(&world.customer(number)).into_iter().map(|(_, a)| a.to_owned()));
        world.close(number);
    }
    assert_eq!(given, ["ann", "bob", "cid", "ann", "bob", "cid"]);
}

#[test]
fn the_longest_idle_is_who_finished_first() {
    let mut world = with(Strategy::LongestIdle);
    world.agent("ann", 5);
    world.agent("bob", 5);
    world.customer(1);
    world.customer(2);
    world.pass(10);
    world.close(2);
    world.pass(10);
    world.close(1);
    world.pass(10);
    assert_eq!(assigned(&world.customer(3)), [(3, "bob")]);
}

#[test]
fn the_last_agent_comes_first_if_it_is_a_candidate() {
    let mut world = World::with(Policy { last_agent_first: true, ..Policy::default() });
    world.agent("ann", 2);
    world.pass(1);
    world.agent("bob", 2);
    let again = |waiting: &mut Waiting| waiting.last_agent = Some(user("bob"));
    let told = world.ask(1, again);
    assert_eq!(assigned(&told), [(1, "bob")]);
    assert_eq!(assigned(&world.ask(2, again)), [(2, "bob")]);
    assert_eq!(assigned(&world.ask(3, again)), [(3, "ann")], "bob is full");
}

#[test]
fn skills_and_language_are_asked_for_and_a_freed_agent_takes_what_it_can() {
    let mut world = World::new();
    let skilled = |name, skill: &str, language: &str| AgentSetup {
        skills: vec![skill.into()],
        languages: vec![language.into()],
        ..setup(name, &[SALES])
    };
    world.employ(skilled("ann", "billing", "en"));
    world.employ(skilled("bob", "repair", "id"));
    let repair = |language: &str| {
        let language = Some(language.to_owned());
        move |waiting: &mut Waiting| {
            waiting.skills = vec!["repair".into()];
            waiting.language = language;
        }
    };
    assert_eq!(assigned(&world.ask(1, repair("en"))), []);
    assert_eq!(assigned(&world.ask(2, repair("id"))), [(2, "bob")]);
    world.ask(3, repair("id"));
    world.customer(4);
    assert_eq!(world.chats("ann"), 1, "one that asks for nothing is anybody's");
    assert_eq!(assigned(&world.close(4)), [], "and what ann cannot do stays");
    assert_eq!(assigned(&world.close(2)), [(3, "bob")]);
    let changed = world.keep(Input::Requires {
        conversation: talk(1),
        priority: 0,
        skills: vec!["billing".into()],
        language: Some("en".into()),
    });
    assert_eq!(assigned(&changed), [(1, "ann")]);
}

#[test]
fn a_priority_is_worth_some_waiting_and_no_more() {
    let mut world = World::new();
    world.customer(1);
    world.pass(59);
    world.ask(2, |waiting| waiting.priority = 1);
    assert_eq!(world.queue(Some(SALES)), [talk(2), talk(1)], "59 s are less than one level");
    world.pass(2);
    world.ask(3, |waiting| waiting.priority = 1);
    assert_eq!(world.queue(Some(SALES)), [talk(2), talk(1), talk(3)], "61 s are more");
    world.ask(4, |waiting| waiting.is_head = true);
    assert_eq!(world.queue(Some(SALES)), [talk(4), talk(2), talk(1), talk(3)]);
    assert_eq!(world.engine.position(talk(1)), Some(3));
    assert_eq!(world.engine.position_for(&world.waiting(5)), 5);
}

#[test]
fn a_place_that_frees_up_is_filled_at_once_with_the_first_of_all_queues() {
    let mut world = World::new();
    world.department(SUPPORT, Policy::default());
    world.employ(setup("ann", &[SALES, SUPPORT]));
    world.customer(1);
    world.pass(1);
    world.ask(2, |waiting| waiting.department = Some(SUPPORT));
    world.pass(1);
    world.customer(3);
    world.ask(4, |waiting| waiting.department = None);
    for (done, next) in [(1, 2), (2, 3), (3, 4)] {
        assert_eq!(assigned(&world.close(done)), [(next, "ann")]);
    }
}

#[test]
fn only_agents_of_the_department_are_candidates_and_everybody_where_none_is_asked_for() {
    let mut world = World::new();
    world.department(SUPPORT, Policy::default());
    world.employ(setup("ann", &[SUPPORT]));
    assert_eq!(assigned(&world.customer(1)), []);
    assert_eq!(assigned(&world.ask(2, |waiting| waiting.department = None)), [(2, "ann")]);
    let told = world.keep(Input::DepartmentGone(SALES));
    assert_eq!(world.queue(None), [talk(1)], "{told:?}");
    assert_eq!(assigned(&world.close(2)), [(1, "ann")], "its department is no more");
}

#[test]
fn a_claim_beyond_capacity_is_counted_and_a_transfer_goes_to_somebody_else() {
    let mut world = World::new();
    world.agent("ann", 1);
    world.customer(1);
    world.customer(2);
    let claim = Input::Given { conversation: talk(2), agent: user("ann"), department: Some(SALES) };
    world.keep(claim);
    assert_eq!(world.chats("ann"), 2);
    world.close(1);
    assert_eq!(assigned(&world.customer(3)), []);
    world.agent("bob", 1);
    assert_eq!(world.chats("bob"), 1);
    world.close(3);
    // ann gives 2 to the department it works in itself.
    assert_eq!(assigned(&world.customer(2)), [(2, "bob")]);
}

#[test]
fn a_decision_says_who_was_looked_at_and_why_they_were_not_taken() {
    let mut world = World::new();
    world.employ(AgentSetup { skills: vec!["repair".into()], ..setup("ann", &[SALES]) });
    world.agent("bob", 1);
    world.agent("cid", 1);
    world.agent("dee", 1);
    world.customer(1);
    world.keep(Input::Declare { agent: user("dee"), status: AgentStatus::Away });
    let _ = world.close(1);
    world.keep(Input::Given { conversation: talk(9), agent: user("bob"), department: Some(SALES) });
    let told = world.ask(2, |waiting| waiting.skills = vec!["repair".into()]);
    let Some(Decision::Assign { agent, why, .. }) =
        told.iter().find(|decision| matches!(decision, Decision::Assign { .. }))
    else {
        panic!("{told:?}")
    };
    assert_eq!((agent.as_str(), why.trigger), ("ann", Trigger::CustomerWaits));
    let looked: Vec<_> =
        why.candidates.iter().map(|c| (c.agent.as_str().to_owned(), c.excluded)).collect();
    let want = [
        ("ann", None),
        ("cid", Some(Exclusion::Skills)),
        ("bob", Some(Exclusion::Capacity)),
        ("dee", Some(Exclusion::Status)),
    ];
    assert_eq!(looked, want.map(|(name, why)| (name.to_owned(), why)));
    assert_eq!(why.excluded[&Exclusion::Capacity], 1);
    assert_eq!(why.excluded[&Exclusion::Status], 1);
}

// === the estimate ===

#[test]
fn the_estimate_follows_the_recent_rate_of_service() {
    let mut world = World::new();
    let at = |world: &World, place| world.engine.estimate(world.now, Some(SALES), place);
    assert_eq!(at(&world, 2), 120, "a minute each while nothing is known");
    world.agent("ann", 1);
    assert_eq!(at(&world, 1), 0, "somebody is free");
    for number in 1..=4 {
        world.customer(number);
    }
    world.agent("bob", 1);
    assert_eq!(at(&world, 2), 60, "two share what is assumed");
    world.close(1);
    for number in 2..=3 {
        world.pass(30);
        world.close(number);
    }
    // 1, 2 and 3 began at once, 4 after 30 s, 5 after a minute; 6 and 7 wait.
    (5..=7).for_each(|number| drop(world.customer(number)));
    assert_eq!(at(&world, 3), 3 * 60 / 4);
    world.pass(HOUR);
    assert_eq!(at(&world, 1), (60 + HOUR) / 5, "nobody has been served for an hour");
}

#[test]
fn a_conversation_that_was_found_an_agent_waits_no_longer() {
    let mut world = World::new();
    world.agent("ann", 1);
    let waiting = world.waiting(1);
    let told = world.tell(Input::Waits(waiting));
    assert_eq!(assigned(&told), [(1, "ann")]);
    assert_eq!(world.engine.estimate_for(world.now, talk(1)), Some(0));
    world.customer(2);
    assert_eq!(world.engine.estimate_for(world.now, talk(2)), Some(120));
}

#[test]
fn a_change_of_policy_counts_for_those_who_wait_already() {
    let mut world = World::new();
    world.customer(1);
    world.pass(50);
    world.ask(2, |waiting| waiting.priority = 1);
    assert_eq!(world.queue(Some(SALES)), [talk(2), talk(1)]);
    world.department(SALES, Policy { priority_step_seconds: 10, ..Policy::default() });
    assert_eq!(world.queue(Some(SALES)), [talk(1), talk(2)]);
    assert_eq!(assigned(&world.agent("ann", 1)), [(1, "ann")]);
}
