//! One kind of call after the other, live.

use super::*;

#[test]
fn a_customers_call_through_a_queue_is_one_call() {
    let mut world = World::new();
    let caller = world.pbx.call_in("+6281", "1500");
    assert_eq!(world.told(), [""; 0], "where it goes is not known yet");
    world.pbx.queue(&caller, "support");
    assert_eq!(world.told(), ["1 incoming +6281 to 1500 for support", "1 joined support"]);
    let legs = ["PJSIP/1001", "PJSIP/1002"].map(|line| world.pbx.ring(&caller, line));
    world.pass(9);
    world.pbx.answer(&caller, &legs[1]);
    world.pbx.hang_up(&legs[0]);
    let told = world.told();
    assert_eq!(told, ["1 left support (connected)", "1 answered ben from support"]);
    world.pass(60);
    world.pbx.hang_up(&caller);
    assert_eq!(world.told(), [""; 0], "the agent is still on the line");
    world.pbx.hang_up(&legs[1]);
    assert_eq!(world.told(), ["1 ended 69s ben (Normal Clearing)"]);
    assert_eq!(world.machine.next_due(), None);
}

#[test]
fn a_caller_who_gives_up_was_never_answered() {
    let mut world = World::new();
    let caller = world.pbx.call_in("+6281", "1500");
    world.pbx.queue(&caller, "support");
    let leg = world.pbx.ring(&caller, "PJSIP/1001");
    world.told();
    world.pass(7);
    world.pbx.hang_up(&caller);
    world.pbx.hang_up(&leg);
    let told = world.told();
    assert_eq!(told, ["1 left support (abandoned)", "1 ended 7s (Normal Clearing)"]);
}

#[test]
fn a_caller_whom_nobody_takes_leaves_the_queue_for_no_reason_told() {
    let mut world = World::new();
    let caller = world.pbx.call_in("+6281", "1500");
    world.pbx.queue(&caller, "support");
    world.told();
    world.pbx.unqueue(&caller);
    assert_eq!(world.told(), ["1 left support"]);
    world.pbx.queue(&caller, "sales");
    assert_eq!(world.told(), ["1 joined sales"]);
}

#[test]
fn a_call_to_nobody_in_particular_is_told_after_a_second() {
    let mut world = World::new();
    let caller = world.pbx.call_in("<unknown>", "1500");
    world.hear();
    assert_eq!(world.machine.next_due(), Some(Moment(world.now.0 + 1000)));
    world.pass(1);
    assert_eq!(world.told(), ["1 incoming unknown to 1500"]);
    world.pbx.hang_up(&caller);
    assert_eq!(world.told(), ["1 ended 1s (Normal Clearing)"]);
}

#[test]
fn a_call_that_is_over_at_once_is_told_whole() {
    let mut world = World::new();
    let caller = world.pbx.call_in("+6281", "1500");
    world.pbx.hang_up(&caller);
    assert_eq!(world.told(), ["1 incoming +6281 to 1500", "1 ended 0s (Normal Clearing)"]);
}

#[test]
fn a_blind_transfer_frees_the_agent_and_the_next_one_answers() {
    let mut world = World::new();
    let caller = world.pbx.call_in("+6281", "1001");
    let ana = world.pbx.ring(&caller, "PJSIP/1001");
    world.pbx.answer(&caller, &ana);
    assert_eq!(world.told(), ["1 incoming +6281 to 1001", "1 answered ana"]);
    world.pbx.transfer_blindly(&ana, "1002");
    assert_eq!(world.told(), ["1 transferred to 1002 blind by ana"]);
    let ben = world.pbx.ring(&caller, "PJSIP/1002");
    world.pbx.answer(&caller, &ben);
    assert_eq!(world.told(), ["1 answered ben"]);
    world.pbx.hang_up(&ben);
    world.pbx.hang_up(&caller);
    assert_eq!(world.told(), ["1 ended 0s ben (Normal Clearing)"]);
}

#[test]
fn who_gives_a_call_away_and_is_still_there_has_it_no_more() {
    let mut world = World::new();
    world.pbx.lingers = true;
    let caller = world.pbx.call_in("+6281", "1001");
    let ana = world.pbx.ring(&caller, "PJSIP/1001");
    world.pbx.answer(&caller, &ana);
    world.pbx.transfer_blindly(&ana, "1002");
    assert_eq!(world.told()[2..], ["1 transferred to 1002 blind by ana"]);
}

#[test]
fn a_transfer_that_comes_back_is_answered_again() {
    let mut world = World::new();
    let caller = world.pbx.call_in("+6281", "1001");
    let ana = world.pbx.ring(&caller, "PJSIP/1001");
    world.pbx.answer(&caller, &ana);
    world.pbx.transfer_blindly(&ana, "1002");
    let again = world.pbx.ring(&caller, "PJSIP/1001");
    world.pbx.answer(&caller, &again);
    assert_eq!(world.told()[2..], ["1 transferred to 1002 blind by ana", "1 answered ana"]);
}

#[test]
fn an_attended_transfer_brings_two_calls_together() {
    let mut world = World::new();
    let caller = world.pbx.call_in("+6281", "1001");
    let ana = world.pbx.ring(&caller, "PJSIP/1001");
    world.pbx.answer(&caller, &ana);
    world.pbx.hold(&ana, true);
    let asks = world.pbx.call_out("PJSIP/1001", "1002");
    let ben = world.pbx.ring(&asks, "PJSIP/1002");
    world.pbx.answer(&asks, &ben);
    assert_eq!(world.told()[2..], ["1 hold ana", "3 answered ana"], "her own call takes her time");
    world.pbx.transfer_attended(&ana, &asks);
    assert_eq!(
        world.told(),
        [
            "1 answered ben",
            "1 transferred to 1002 attended by ana",
            "3 ended 0s ana (Normal Clearing)"
        ]
    );
    world.pbx.hang_up(&caller);
    world.pbx.hang_up(&ben);
    assert_eq!(world.told(), ["1 ended 0s ben (Normal Clearing)"]);
}

#[test]
fn a_hold_is_told_once_with_whoever_holds() {
    let mut world = World::new();
    let caller = world.pbx.call_in("+6281", "1001");
    let ana = world.pbx.ring(&caller, "PJSIP/1001");
    world.pbx.hold(&ana, true);
    world.pbx.hold(&ana, false);
    world.pbx.answer(&caller, &ana);
    world.told();
    for is_held in [true, true, false, false] {
        world.pbx.hold(&ana, is_held);
    }
    world.pbx.hold(&caller, true);
    assert_eq!(world.told(), ["1 hold ana", "1 unhold ana", "1 hold"]);
}

#[test]
fn a_call_an_agent_makes_takes_its_time_and_did_not_come_in() {
    let mut world = World::new();
    let ana = world.pbx.call_out("PJSIP/1001", "0215550100");
    let outside = world.pbx.ring(&ana, "PJSIP/trunk");
    world.hear();
    world.pass(5);
    assert_eq!(world.told(), [""; 0]);
    world.pbx.answer(&ana, &outside);
    assert_eq!(world.told(), ["1 answered ana"]);
    world.pbx.hang_up(&outside);
    world.pbx.hang_up(&ana);
    assert_eq!(world.told(), ["1 ended 5s ana (Normal Clearing)"]);
    let ben = world.pbx.call_out("PJSIP/1002", "0215550101");
    world.pbx.hang_up(&ben);
    assert_eq!(world.told(), [""; 0], "nobody was reached, and nothing is told of it");
}

#[test]
fn who_works_in_a_queue_calls_out_also_without_being_an_agent_here() {
    let mut world = World::new();
    world.pbx.employ("support", "PJSIP/2001", true);
    let somebody = world.pbx.call_out("PJSIP/2001", "0215550100");
    let outside = world.pbx.ring(&somebody, "PJSIP/trunk");
    world.pbx.answer(&somebody, &outside);
    assert_eq!(world.told(), ["PJSIP:2001 added to support", "1 answered PJSIP:2001"]);
    let warehouse = world.pbx.call_out("PJSIP/3001", "1500");
    world.pbx.queue(&warehouse, "support");
    assert_eq!(world.told()[0], "3 incoming 3001 to 1500 for support", "anybody else calls in");
}

#[test]
fn a_line_that_nobody_has_answers_under_its_own_name() {
    let mut world = World::new();
    let caller = world.pbx.call_in("+6281", "2001");
    let leg = world.pbx.ring(&caller, "PJSIP/2001");
    world.pbx.answer(&caller, &leg);
    assert_eq!(world.told()[1], "1 answered PJSIP:2001");
}

#[test]
fn a_piece_of_wire_is_nobody_and_the_line_behind_it_somebody() {
    let mut world = World::new();
    let caller = world.pbx.call_in("+6281", "1500");
    let wire = world.pbx.ring(&caller, "Local/9@out");
    world.pbx.answer(&caller, &wire);
    assert_eq!(world.told(), ["1 incoming +6281 to 1500"], "nobody talks yet");
    // The other end of the wire, and the line at that end.
    let far_end = world.pbx.ring(&caller, "Local/9@out");
    let ana = world.pbx.ring(&far_end, "PJSIP/1001");
    world.pbx.answer(&far_end, &ana);
    assert_eq!(world.told(), ["1 answered ana"]);
    let mut world = World::new();
    let caller = world.pbx.call_in("+6281", "1500");
    let wire = world.pbx.ring(&caller, "Local/1002@agents");
    world.pbx.answer(&caller, &wire);
    assert_eq!(world.told()[1], "1 answered ben", "a wire of an agent's is the agent's");
}

#[test]
fn a_third_person_in_a_call_does_not_take_it() {
    let mut world = World::new();
    let caller = world.pbx.call_in("+6281", "1001");
    let ana = world.pbx.ring(&caller, "PJSIP/1001");
    world.pbx.answer(&caller, &ana);
    let ben = world.pbx.ring(&caller, "PJSIP/1002");
    let bridge = world.pbx.channels[&caller].bridge.unwrap();
    world.pbx.enter(&ben, bridge);
    assert_eq!(world.told()[1..], ["1 answered ana"]);
    world.pbx.hang_up(&ana);
    assert_eq!(world.told(), ["1 answered ben"], "who stays has it");
}

#[test]
fn members_are_told_as_they_change() {
    let mut world = World::new();
    world.pbx.employ("support", "PJSIP/1001", true);
    world.pbx.pause("support", "PJSIP/1001", true);
    world.pbx.pause("support", "PJSIP/1001", true);
    world.pbx.pause("support", "PJSIP/1001", false);
    world.pbx.employ("support", "PJSIP/1001", false);
    let told = world.told();
    let expected = ["added to", "paused in", "unpaused in", "removed from"];
    assert_eq!(told, expected.map(|what| format!("ana {what} support")));
}

#[test]
fn the_figures_of_a_queue_are_told_as_they_are() {
    let mut world = World::new();
    let summary = "Event: QueueSummary\r\nQueue: support\r\nLoggedIn: 5\r\nAvailable: 2\r\n\
                   Callers: 3\r\nHoldTime: 41\r\nTalkTime: 185\r\nLongestHoldTime: 77\r\n\
                   ActionID: stats\r\n\r\n";
    world.take(summary).unwrap();
    let [Event::QueueStats(stats)] = &world.events[..] else { panic!("{:?}", world.events) };
    let counts = (stats.calls_waiting, stats.available_agents, stats.logged_in_agents);
    assert_eq!((stats.queue_name.as_str(), counts), ("support", (3, 2, 5)));
    let times =
        [stats.longest_wait_seconds, stats.average_hold_seconds, stats.average_talk_seconds];
    assert_eq!(times, [Some(77), Some(41), Some(185)]);
    assert!(world.machine.take_stats_moved(), "after a snapshot they are asked for");
    world.pbx.employ("support", "PJSIP/1001", true);
    world.hear();
    assert!(world.machine.take_stats_moved() && !world.machine.take_stats_moved());
}

#[test]
fn names_are_told_without_the_backslashes_of_the_wire() {
    let mut world = World::new();
    let told = "Event: Newchannel\r\nChannel: PJSIP/trunk-00000001\r\nCallerIDNum: +6281\r\n\
                CallerIDName: Budi \\\"B\\\" O\\'Neil\r\nExten: 1500\r\nUniqueid: 1737714600.1\r\n\
                Linkedid: 1737714600.1\r\n\r\n";
    world.take(told).unwrap();
    world.pass(1);
    let [Event::Call(Call::CallIncoming(call))] = &world.events[..] else { panic!() };
    assert_eq!(call.caller_name.as_deref(), Some("Budi \"B\" O'Neil"));
}

#[test]
fn what_was_missed_is_corrected() {
    let mut world = World::new();
    world.pbx.employ("support", "PJSIP/1003", true);
    let [ends, waits, rings] = [1, 2, 3].map(|n| world.pbx.call_in(&format!("+{n}"), "1500"));
    for caller in [&ends, &waits] {
        world.pbx.queue(caller, "support");
    }
    assert_eq!(world.told().len(), 5);
    world.cut();
    assert_eq!(world.told(), ["3 incoming +3 to 1500"], "it came in while somebody listened");
    world.pbx.hang_up(&ends);
    let ana = world.pbx.ring(&waits, "PJSIP/1001");
    world.pbx.answer(&waits, &ana);
    let new = world.pbx.call_in("+5", "1500");
    world.pbx.queue(&new, "sales");
    let unseen = world.pbx.call_in("+6", "1500");
    world.pbx.hang_up(&unseen);
    world.pbx.employ("support", "PJSIP/1003", false);
    world.pbx.employ("support", "PJSIP/1002", true);
    world.pbx.pause("support", "PJSIP/1002", true);
    world.pass(30);
    world.connect();
    assert_eq!(
        world.told(),
        [
            "cyn removed from support corrected",
            "ben added to support corrected",
            "ben paused in support corrected",
            "1 left support corrected",
            "2 left support (connected) corrected",
            "1 ended 0s corrected",
            "5 incoming +5 to 1500 for sales corrected",
            "5 joined sales corrected",
            "2 answered ana from support corrected",
        ]
    );
    world.pbx.hang_up(&rings);
    assert_eq!(world.told(), ["3 ended 30s (Normal Clearing)"]);
    world.cut();
    world.connect();
    assert_eq!(world.told(), [""; 0], "nothing is corrected twice");
}

#[test]
fn a_restart_knows_what_the_log_knows() {
    let mut world = World::new();
    let caller = world.pbx.call_in("+1", "1500");
    world.pbx.queue(&caller, "support");
    let talks = world.pbx.call_in("+2", "1001");
    let ana = world.pbx.ring(&talks, "PJSIP/1001");
    world.pbx.answer(&talks, &ana);
    let out = world.pbx.call_out("PJSIP/1002", "021555");
    let far = world.pbx.ring(&out, "PJSIP/trunk");
    world.pbx.answer(&out, &far);
    world.hear();
    let mut believed = Believed::default();
    world.events.drain(..).for_each(|event| believed.take(&event));
    let mut open = believed.open_calls(world.now);
    let foreign = OpenCall { unique_id: "crm-77".into(), ..open[0].clone() };
    open.push(foreign);
    world.machine = Machine::new(open);
    world.connect();
    assert_eq!(
        world.told(),
        [""; 0],
        "everything is as the log says, and others' calls are theirs"
    );
    world.pbx.hang_up(&ana);
    world.pbx.hang_up(&far);
    assert_eq!(world.told(), [""; 0]);
    world.pass(20);
    world.pbx.hang_up(&talks);
    assert_eq!(world.told(), ["2 ended 20s ana (Normal Clearing)"]);
}

#[test]
fn what_happens_while_the_lists_are_read_is_neither_lost_nor_doubled() {
    let mut world = World::new();
    let known = world.pbx.call_in("+1", "1500");
    world.pass(1);
    world.hear();
    world.pass(1);
    world.told();
    world.cut();
    // After the login: told before the lists are made, and in them as well.
    let listed = world.pbx.call_in("+2", "1500");
    world.pbx.queue(&listed, "support");
    world.pbx.hang_up(&known);
    let early = std::mem::take(&mut world.pbx.told).concat();
    let [channels, queues] = world.machine.begin_snapshot();
    let list = world.pbx.list_channels(&channels).concat();
    // Between the two lists one comes and one goes.
    let between = world.pbx.call_in("+3", "1500");
    world.pbx.queue(&between, "support");
    let brief = world.pbx.call_in("+4", "1500");
    world.pbx.hang_up(&brief);
    let late = std::mem::take(&mut world.pbx.told).concat();
    let queues = world.pbx.list_queues(&queues).concat();
    world.take(&[early, list, late, queues].concat()).unwrap();
    assert_eq!(
        world.told(),
        [
            "1 ended 0s corrected",
            "2 incoming +2 to 1500 for support corrected",
            "2 joined support corrected",
            "3 incoming +3 to 1500 for support",
            "3 joined support",
            "4 incoming +4 to 1500",
            "4 ended 0s (Normal Clearing)",
        ]
    );
}

#[test]
fn what_is_told_late_of_a_call_that_was_ended_is_not_told_again() {
    let mut world = World::new();
    let caller = world.pbx.call_in("+1", "1500");
    world.told();
    world.cut();
    let [channels, queues] = world.machine.begin_snapshot();
    let legs = ["PJSIP/1001", "PJSIP/1002"].map(|line| world.pbx.ring(&caller, line));
    world.pbx.answer(&caller, &legs[0]);
    let bridge = world.pbx.channels[&caller].bridge.unwrap();
    world.pbx.enter(&legs[1], bridge);
    for channel in [&caller, &legs[0], &legs[1]] {
        world.pbx.hang_up(channel);
    }
    // The lists overtake it all.
    let lists = [world.pbx.list_channels(&channels), world.pbx.list_queues(&queues)].concat();
    world.take(&lists.concat()).unwrap();
    assert_eq!(world.told(), ["1 incoming +1 to 1500", "1 ended 0s corrected"]);
}

#[test]
fn what_was_said_of_a_call_before_it_was_part_of_an_older_one_parts_nothing() {
    let mut world = World::new();
    let caller = world.pbx.call_in("+1", "1001");
    let ana = world.pbx.ring(&caller, "PJSIP/1001");
    world.pbx.answer(&caller, &ana);
    assert_eq!(world.told().len(), 2);
    world.cut();
    let [channels, queues] = world.machine.begin_snapshot();
    let asks = world.pbx.call_out("PJSIP/1001", "1002");
    let ben = world.pbx.ring(&asks, "PJSIP/1002");
    world.pbx.answer(&asks, &ben);
    world.pbx.transfer_attended(&ana, &asks);
    let lists = [world.pbx.list_channels(&channels), world.pbx.list_queues(&queues)].concat();
    world.take(&lists.concat()).unwrap();
    let told = world.told();
    assert_eq!(told, ["1 answered ben corrected", "1 transferred to 1002 attended by ana"]);
}

#[test]
fn who_waits_in_another_queue_waits_in_the_first_no_more() {
    let mut world = World::new();
    let caller = world.pbx.call_in("+1", "1500");
    world.pbx.queue(&caller, "support");
    let joined = std::mem::take(&mut world.pbx.told);
    world.pbx.unqueue(&caller);
    let left = std::mem::take(&mut world.pbx.told);
    world.pbx.queue(&caller, "sales");
    world.connect();
    assert_eq!(world.told()[1..], ["1 joined sales corrected"]);
    world.take(&joined.concat()).unwrap();
    assert_eq!(world.told(), ["1 left sales", "1 joined support"]);
    world.take(&left.concat()).unwrap();
    assert_eq!(world.told(), ["1 left support"]);
}

#[test]
fn a_cut_while_the_lists_are_read_tells_nothing_by_halves() {
    let mut world = World::new();
    let caller = world.pbx.call_in("+1", "1500");
    world.pbx.queue(&caller, "support");
    world.told();
    world.cut();
    let [channels, _] = world.machine.begin_snapshot();
    let list = Pbx::default().list_channels(&channels);
    world.take(&list.concat()).unwrap();
    world.cut();
    assert_eq!(world.told(), [""; 0]);
    world.connect();
    assert_eq!(world.told(), [""; 0]);
}

#[test]
fn a_system_that_has_just_started_is_asked_again() {
    let booted = "Event: FullyBooted\r\nPrivilege: system,all\r\nStatus: Fully Booted\r\n\r\n";
    let mut world = World::new();
    world.machine.begin_snapshot();
    world.take(booted).unwrap();
    world.cut();
    world.connect();
    assert!(!world.machine.is_stale(), "every login is greeted so");
    world.take(booted).unwrap();
    assert!(world.machine.is_stale());
    world.connect();
    assert!(!world.machine.is_stale());
}

#[test]
fn a_manager_who_may_not_ask_is_named() {
    let mut world = World::new();
    let [channels, _] = world.machine.begin_snapshot();
    let refused =
        format!("Response: Error\r\nActionID: {channels}\r\nMessage: Permission denied\r\n\r\n");
    let trouble = world.take(&refused).unwrap_err();
    assert_eq!(trouble, Trouble::Refused("Permission denied".into()));
    let mut world = World::new();
    let [channels, queues] = world.machine.begin_snapshot();
    world.take(&world.pbx.list_channels(&channels).concat()).unwrap();
    let refused = format!(
        "Response: Error\r\nActionID: {queues}\r\nMessage: Invalid/unknown command\r\n\r\n"
    );
    world.take(&refused).unwrap();
    assert!(world.machine.is_live(), "a system without queues is one all the same");
}
