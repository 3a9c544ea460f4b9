//! What happens to those who wait for long, and to those who come outside hours.

use super::*;

fn rule(after_seconds: u32, action: Action) -> Rule {
    Rule { name: None, after_seconds, action }
}

fn escalated(decisions: &[Decision]) -> Vec<(u128, u32, u64, Action)> {
    let told = decisions.iter().filter_map(|decision| match decision {
        Decision::Escalate { conversation, rule, waited_seconds, action, .. } => {
            Some((conversation.0.as_u128(), *rule, *waited_seconds, *action))
        }
        _ => None,
    });
    told.collect()
}

fn told_closed(decisions: &[Decision]) -> Vec<(u128, Option<Moment>)> {
    let told = decisions.iter().filter_map(|decision| match decision {
        Decision::OutsideHours { conversation, opens_at } => {
            Some((conversation.0.as_u128(), *opens_at))
        }
        _ => None,
    });
    told.collect()
}

fn hours(time_zone: &str, day: &str, spans: &[&str]) -> Hours {
    let spans = spans.iter().map(|span| (*span).to_owned()).collect();
    Hours {
        time_zone: time_zone.into(),
        weekly: [(day.to_owned(), spans)].into(),
        holidays: vec![],
    }
}

#[test]
fn each_rule_fires_once_in_order_of_time() {
    let escalations = vec![
        rule(120, Action::OfflineMessage),
        rule(60, Action::Department(SUPPORT)),
        rule(30, Action::Supervisors),
    ];
    let mut world = World::with(Policy { escalations, ..Policy::default() });
    world.department(SUPPORT, Policy::default());
    world.employ(AgentSetup { max_chats: 0, ..setup("ann", &[SUPPORT]) });
    world.customer(1);
    assert_eq!(escalated(&world.pass(29)), []);
    assert_eq!(
        escalated(&world.pass(31)),
        [(1, 0, 30, Action::Supervisors), (1, 1, 60, Action::Department(SUPPORT)),]
    );
    let more = world.keep(Input::Agent(setup("ann", &[SUPPORT])));
    assert_eq!(assigned(&more), [(1, "ann")], "it is in both queues now");
    assert_eq!(escalated(&world.pass(HOUR)), [], "what is served escalates no more");
}

#[test]
fn widening_finds_whoever_is_free_there_at_once_and_keeps_the_place_at_home() {
    let policy =
        || Policy { escalations: vec![rule(60, Action::Department(SUPPORT))], ..Policy::default() };
    let mut world = World::with(policy());
    world.department(SUPPORT, Policy::default());
    world.customer(1);
    world.customer(2);
    world.employ(setup("ann", &[SUPPORT]));
    let told = world.pass(60);
    assert_eq!(assigned(&told), [(1, "ann")]);
    assert_eq!(world.queue(Some(SALES)), [talk(2)]);
    assert_eq!(world.queue(Some(SUPPORT)), []);
    assert_eq!(assigned(&world.close(1)), [(2, "ann")]);
}

#[test]
fn a_stint_that_was_escalated_before_a_restart_goes_on_with_the_next_rule() {
    let escalations = vec![rule(30, Action::Supervisors), rule(60, Action::Bot)];
    let mut world = World::with(Policy { escalations, ..Policy::default() });
    let waiting = Waiting { escalations_done: 1, ..world.waiting(1) };
    world.keep(Input::Waits(waiting));
    assert_eq!(escalated(&world.pass(60)), [(1, 1, 60, Action::Bot)]);
}

#[test]
fn outside_hours_nothing_is_routed_and_at_the_opening_the_queue_is_served() {
    // It is Friday 17:00 in Jakarta.
    let mut policy = Policy {
        hours: Some(hours("Asia/Jakarta", "fri", &["08:00-17:00", "18:00-20:00"])),
        escalations: vec![rule(60, Action::Supervisors)],
        ..Policy::default()
    };
    let mut world = World::with(policy.clone());
    world.agent("ann", 1);
    let told = world.customer(1);
    let opening = Moment(MORNING.0 + 3_600_000);
    assert_eq!((assigned(&told), told_closed(&told)), (vec![], vec![(1, Some(opening))]));
    assert_eq!(world.engine.estimate_for(world.now, talk(1)), Some(HOUR + 60));
    world.pass(1);
    world.customer(2);
    let told = world.pass(HOUR - 2);
    assert_eq!((assigned(&told), told_closed(&told), escalated(&told)), (vec![], vec![], vec![]));
    let told = world.pass(1);
    assert_eq!(assigned(&told), [(1, "ann")]);
    assert_eq!(escalated(&world.pass(59)), []);
    assert_eq!(escalated(&world.pass(1)).len(), 1, "waiting counts from the opening on");
    let told = world.pass(2 * HOUR - 60);
    assert_eq!(told_closed(&told), [], "it was told before");
    assert_eq!(assigned(&world.close(1)), []);
    policy.hours = None;
    assert_eq!(
        assigned(&world.keep(Input::Department {
            id: SALES,
            name: "Sales".into(),
            policy,
            is_empty: None,
        })),
        [(2, "ann")]
    );
}

#[test]
fn those_who_wait_are_told_when_the_department_closes() {
    let hours = hours("UTC", "fri", &["09:00-11:00"]);
    let mut world = World::with(Policy { hours: Some(hours), ..Policy::default() });
    assert_eq!(told_closed(&world.customer(1)), []);
    let told = world.pass(HOUR);
    assert_eq!(told_closed(&told), [(1, Some(Moment(MORNING.0 + 167 * 3_600_000)))]);
}
