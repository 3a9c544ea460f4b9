//! Agents that are asked first.

use super::*;

fn world() -> World {
    let mut world = World::with(Policy { offer: OfferMode::Accept, ..Policy::default() });
    world.agent("ann", 1);
    world.pass(1);
    world.agent("bob", 1);
    world
}

fn ended(decisions: &[Decision]) -> Vec<(&str, OfferEnd)> {
    let ended = decisions.iter().filter_map(|decision| match decision {
        Decision::EndOffer { agent, outcome, .. } => Some((agent.as_str(), *outcome)),
        _ => None,
    });
    ended.collect()
}

#[test]
fn an_offer_that_is_let_pass_goes_to_the_next_and_comes_back_later() {
    let mut world = world();
    let told = world.customer(1);
    assert_eq!(offered(&told), [(1, "ann")]);
    let told = world.pass(20);
    assert_eq!(ended(&told), [("ann", OfferEnd::Expired)]);
    assert_eq!(offered(&told), [(1, "bob")]);
    let told = world.pass(20);
    assert_eq!((ended(&told), offered(&told)), (vec![("bob", OfferEnd::Expired)], vec![]));
    let told = world.pass(10);
    assert_eq!(offered(&told), [(1, "ann")], "30 s after it let it pass");
    let attempts = told.iter().filter_map(|decision| match decision {
        Decision::Offer { attempt, .. } => Some(*attempt),
        _ => None,
    });
    assert_eq!(attempts.collect::<Vec<_>>(), [3]);
}

#[test]
fn who_declines_is_asked_for_the_next_one_but_not_for_this() {
    let mut world = world();
    world.customer(1);
    world.customer(2);
    assert_eq!(offered(&world.customer(3)), [], "an offer takes a place");
    let told = world.keep(Input::Declined { conversation: talk(1), agent: user("ann") });
    assert_eq!(offered(&told), [(3, "ann")]);
    assert_eq!(world.engine.position(talk(1)), Some(1), "it keeps its place");
    let told = world.keep(Input::Declined { conversation: talk(1), agent: user("ann") });
    assert_eq!(told, [], "nothing is offered to it there");
}

#[test]
fn an_accepted_offer_ends_without_a_word_and_a_claim_by_another_withdraws_it() {
    let mut world = world();
    world.customer(1);
    let given =
        |agent| Input::Given { conversation: talk(1), agent: user(agent), department: Some(SALES) };
    assert_eq!(ended(&world.keep(given("ann"))), []);
    assert_eq!(world.chats("ann"), 1);
    world.customer(2);
    let claim = Input::Given { conversation: talk(2), agent: user("ann"), department: Some(SALES) };
    let told = world.keep(claim);
    assert_eq!(ended(&told), [("bob", OfferEnd::Withdrawn)]);
    assert_eq!(offered(&world.customer(3)), [(3, "bob")], "its place is free again");
}

#[test]
fn an_offer_to_somebody_who_goes_is_taken_back() {
    for leave in [
        Input::Disconnected(user("ann")),
        Input::Declare { agent: user("ann"), status: AgentStatus::Away },
        Input::Agent(AgentSetup { is_disabled: true, ..setup("ann", &[SALES]) }),
        Input::Agent(setup("ann", &[])),
        Input::AgentGone(user("ann")),
    ] {
        let mut world = world();
        world.customer(1);
        let told = world.keep(leave.clone());
        assert_eq!(ended(&told), [("ann", OfferEnd::Withdrawn)], "{leave:?}");
        assert_eq!(offered(&told), [(1, "bob")], "{leave:?}");
    }
}

#[test]
fn an_offer_of_what_is_gone_is_taken_back_and_its_place_filled() {
    let mut world = world();
    for number in 1..=3 {
        world.customer(number);
    }
    let told = world.close(1);
    assert_eq!(ended(&told), [("ann", OfferEnd::Withdrawn)]);
    assert_eq!(offered(&told), [(3, "ann")]);
}

#[test]
fn an_offer_that_new_requirements_end_leaves_its_place_to_the_next_who_waits() {
    let mut world = world();
    for number in 1..=3 {
        world.customer(number);
    }
    let told = world.keep(Input::Requires {
        conversation: talk(1),
        priority: 0,
        skills: vec!["billing".into()],
        language: None,
    });
    assert_eq!(ended(&told), [("ann", OfferEnd::Withdrawn)]);
    assert_eq!(offered(&told), [(3, "ann")]);
    assert_eq!(world.engine.position(talk(1)), Some(1), "it keeps its place");
}

#[test]
fn what_the_log_refuses_rests_and_is_tried_less_and_less_often() {
    let mut world = World::new();
    world.agent("ann", 1);
    let waiting = world.waiting(1);
    let mut told = world.tell(Input::Waits(waiting));
    let mut pauses = Vec::new();
    for _ in 0..4 {
        assert_eq!(assigned(&told), [(1, "ann")]);
        assert_eq!(assigned(&world.tell(Input::Failed(talk(1)))), []);
        let next = world.engine.next_deadline().unwrap();
        pauses.push(next.ms_since(world.now));
        world.now = next;
        told = world.tell(Input::Tick);
    }
    assert_eq!(pauses, [500, 1_000, 2_000, 4_000]);
}

#[test]
fn whoever_may_be_asked_again_at_the_moment_an_offer_ends_is_asked_for_the_first_who_waits() {
    let mut world = world();
    world.customer(1);
    for agent in ["ann", "bob"] {
        world.keep(Input::Declined { conversation: talk(1), agent: user(agent) });
    }
    world.pass(10);
    assert_eq!(offered(&world.customer(2)).len(), 1);
    // 30 s after they declined the one, 20 s after the other was offered.
    let told = world.pass(20);
    assert_eq!(offered(&told).first().map(|(number, _)| *number), Some(1), "{told:?}");
}
