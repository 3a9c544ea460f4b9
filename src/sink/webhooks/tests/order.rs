//! What the schedule does, one rule at a time.

use super::*;

const NOW: Moment = Moment(1_000);

fn schedule(width: usize, items: &[(u64, i64)]) -> Schedule {
    let mut schedule = Schedule::new(width);
    items.iter().for_each(|(position, lane)| schedule.insert(item(*position, *lane)));
    schedule
}

fn positions(schedule: &mut Schedule, now: Moment) -> Vec<u64> {
    std::iter::from_fn(|| schedule.next(now)).map(|item| item.position).collect()
}

fn out(schedule: &mut Schedule) -> Item {
    schedule.next(NOW).unwrap()
}

#[test]
fn lanes_go_side_by_side_and_each_in_order() {
    let mut schedule = schedule(9, &[(5, 1), (1, 1), (2, 2), (3, 1), (4, 2)]);
    assert_eq!(positions(&mut schedule, NOW), [1, 2]);
    assert_eq!(schedule.next_at(), None);
    schedule.settle(&item(1, 1), Fate::Delivered);
    assert_eq!(positions(&mut schedule, NOW), [3]);
    schedule.settle(&item(2, 2), Fate::Dead);
    assert_eq!(positions(&mut schedule, NOW), [4], "the lane of a dead one goes on");
    assert_eq!(schedule.len(), 3);
}

#[test]
fn what_is_tried_again_keeps_its_lane_waiting() {
    let mut schedule = schedule(9, &[(1, 1), (2, 1)]);
    let first = out(&mut schedule);
    assert_eq!((first.attempts, first.first_at), (1, Some(NOW)));
    schedule.settle(&first, Fate::Again(Moment(2_000)));
    assert_eq!((schedule.next(Moment(1_999)), schedule.next_at()), (None, Some(Moment(2_000))));
    let again = schedule.next(Moment(2_000)).unwrap();
    assert_eq!((again.position, again.attempts, again.first_at), (1, 2, Some(NOW)));
}

#[test]
fn a_try_that_was_not_made_does_not_count() {
    let mut schedule = schedule(4, &[(1, 1)]);
    let first = out(&mut schedule);
    schedule.settle(&first, Fate::Untried(Moment(1_500)));
    assert_eq!(schedule.next(NOW), None);
    let again = schedule.next(Moment(1_500)).unwrap();
    assert_eq!((again.attempts, again.first_at), (1, Some(Moment(1_500))));
}

#[test]
fn a_receiver_that_fails_is_asked_less_and_less_at_once() {
    let lanes: Vec<_> = (1..=20).map(|n| (n, i64::try_from(n).unwrap())).collect();
    let mut schedule = schedule(8, &lanes);
    let mut are_out: Vec<_> = std::iter::from_fn(|| schedule.next(NOW)).collect();
    assert_eq!(are_out.len(), 8);
    for item in are_out.drain(..) {
        schedule.settle(&item, Fate::Again(Moment(9_000)));
    }
    let one = out(&mut schedule);
    assert_eq!(schedule.next(NOW), None, "one at a time finds out whether it is back");
    schedule.settle(&one, Fate::Delivered);
    assert_eq!(positions(&mut schedule, NOW).len(), 2);
}

#[test]
fn a_receiver_that_asks_for_time_is_left_alone() {
    let mut schedule = schedule(8, &[(1, 1), (2, 2)]);
    let first = out(&mut schedule);
    schedule.rest_until(Moment(5_000));
    schedule.settle(&first, Fate::Again(Moment(5_000)));
    assert_eq!((schedule.next(Moment(4_999)), schedule.next_at()), (None, Some(Moment(5_000))));
    assert_eq!(schedule.next(Moment(5_000)).map(|i| i.position), Some(2));
}

#[test]
fn what_is_known_is_not_added_twice() {
    let mut schedule = schedule(8, &[(1, 1), (2, 1)]);
    let first = out(&mut schedule);
    schedule.insert(item(1, 1));
    schedule.insert(item(2, 1));
    assert_eq!(schedule.len(), 2);
    schedule.settle(&first, Fate::Delivered);
    assert_eq!(positions(&mut schedule, NOW), [2]);
}

#[test]
fn a_replay_goes_before_what_came_later() {
    let mut schedule = schedule(8, &[(5, 1), (6, 1)]);
    let first = out(&mut schedule);
    schedule.insert(item(3, 1));
    schedule.settle(&first, Fate::Again(NOW));
    for expected in [3, 5, 6] {
        let next = out(&mut schedule);
        assert_eq!(next.position, expected);
        schedule.settle(&next, Fate::Delivered);
    }
    assert!(schedule.is_empty() && schedule.next_at().is_none());
}

#[test]
fn what_is_on_its_way_outlives_a_reload_and_a_new_beginning() {
    let mut schedule = schedule(8, &[(1, 1), (2, 1), (3, 2)]);
    let first = out(&mut schedule);
    schedule.reload([item(1, 1), item(4, 1)]);
    assert_eq!(schedule.len(), 2);
    schedule.settle(&first, Fate::Again(Moment(9_000)));
    schedule.begin_anew(NOW);
    let again = out(&mut schedule);
    assert_eq!((again.position, again.attempts), (1, 1), "as if it had never been tried");
    assert_eq!(schedule.oldest(), Some(Moment(1)));
}
