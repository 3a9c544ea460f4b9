//! Whatever receivers do, in whatever order requests end, and however often the server stops in the
//! middle: each lane keeps its order, nothing is lost, nothing goes out more often than it may.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// What happens next.
#[derive(Clone, Debug)]
enum Act {
    /// So many events happen, in these lanes.
    Take(Vec<i64>),
    /// Whatever may go out does.
    Send,
    /// The request that has been under way for as many others ends.
    End(usize, Answered),
    /// Time passes, in milliseconds.
    Wait(i64),
    /// The receiver asks to be left alone for so long.
    Rest(i64),
    /// The server is killed, and starts again from what is kept.
    Kill,
    /// An administrator has everything sent again from here on.
    Replay(u64),
}

#[derive(Clone, Copy, Debug)]
enum Answered {
    Well,
    Badly,
    NotAsked,
}

fn act() -> impl Strategy<Value = Act> {
    let answered = prop_oneof![
        4 => Just(Answered::Well),
        4 => Just(Answered::Badly),
        1 => Just(Answered::NotAsked),
    ];
    prop_oneof![
        4 => prop::collection::vec(0_i64..6, 1..8).prop_map(Act::Take),
        6 => Just(Act::Send),
        8 => (0_usize..8, answered).prop_map(|(which, how)| Act::End(which, how)),
        4 => (0_i64..40_000).prop_map(Act::Wait),
        1 => (0_i64..10_000).prop_map(Act::Rest),
        1 => Just(Act::Kill),
        1 => (0_u64..60).prop_map(Act::Replay),
    ]
}

/// What the log knows of a delivery.
#[derive(Clone, Copy, Debug)]
struct Kept {
    item: Item,
    state: Stands,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stands {
    Pending,
    Delivered,
    Dead,
}

struct Model {
    schedule: Schedule,
    backoff: Backoff,
    now: Moment,
    /// As the log has them: settled before anything follows.
    kept: BTreeMap<u64, Kept>,
    out: Vec<Item>,
    rests_until: Moment,
    width: usize,
}

impl Model {
    fn new(width: usize) -> Model {
        let pauses = [5, 30].map(Duration::from_secs).to_vec();
        Model {
            schedule: Schedule::new(width),
            backoff: Backoff { pauses, give_up_after: Duration::from_secs(60) },
            now: Moment(1_000_000),
            kept: BTreeMap::new(),
            out: vec![],
            rests_until: Moment(0),
            width,
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Take(lanes) => lanes.into_iter().for_each(|lane| self.take(lane)),
            Act::Send => {
                while let Some(item) = self.schedule.next(self.now) {
                    self.goes_out(item);
                }
            }
            Act::End(which, how) => self.end(which, how),
            Act::Wait(ms) => self.now.0 += ms,
            Act::Rest(ms) => {
                self.rests_until = self.rests_until.max(Moment(self.now.0 + ms));
                self.schedule.rest_until(self.rests_until);
            }
            Act::Kill => self.kill(),
            Act::Replay(after) => self.replay(after),
        }
        self.check();
    }

    fn take(&mut self, lane: i64) {
        let position = self.kept.last_key_value().map_or(1, |(position, _)| position + 1);
        let item = Item { at: self.now, next_at: self.now, ..item(position, lane) };
        self.kept.insert(position, Kept { item, state: Stands::Pending });
        self.schedule.insert(item);
    }

    fn goes_out(&mut self, item: Item) {
        let kept = self.kept[&item.position];
        assert_eq!(kept.state, Stands::Pending, "{item:?} is settled");
        assert_eq!(item.attempts, kept.item.attempts + 1);
        assert!(kept.item.next_at <= self.now && self.rests_until <= self.now, "too early");
        assert!(!self.out.iter().any(|other| other.lane == item.lane), "two of a lane at once");
        let before = self.kept.range(..item.position).map(|(_, kept)| kept);
        let mut of_lane = before.filter(|kept| kept.item.lane == item.lane);
        assert!(of_lane.all(|kept| kept.state != Stands::Pending), "{item:?} is too early");
        self.out.push(item);
        assert!(self.out.len() <= self.width);
    }

    fn end(&mut self, which: usize, how: Answered) {
        if self.out.is_empty() {
            return;
        }
        let item = self.out.remove(which % self.out.len());
        let kept = self.kept.get_mut(&item.position).unwrap();
        let first_at = item.first_at.unwrap();
        let next = self.backoff.next(item.attempts, first_at, self.now, None, 0.5);
        let fate = match how {
            Answered::Well => Fate::Delivered,
            Answered::Badly => next.map_or(Fate::Dead, Fate::Again),
            Answered::NotAsked => Fate::Untried(self.now),
        };
        match fate {
            Fate::Delivered => kept.state = Stands::Delivered,
            Fate::Dead => {
                let tried = Duration::from_millis(self.now.ms_since(first_at));
                assert!(tried >= self.backoff.give_up_after, "given up after {tried:?}");
                kept.state = Stands::Dead;
            }
            Fate::Again(at) => kept.item = Item { next_at: at, ..item },
            Fate::Untried(at) => kept.item.next_at = at,
        }
        self.schedule.settle(&item, fate);
    }

    fn pending(&self) -> impl Iterator<Item = Item> {
        let pending = self.kept.values().filter(|kept| kept.state == Stands::Pending);
        pending.map(|kept| kept.item)
    }

    fn kill(&mut self) {
        self.out.clear();
        self.rests_until = Moment(0);
        self.schedule = Schedule::new(self.width);
        self.schedule.reload(self.pending().collect::<Vec<_>>());
    }

    /// Reads what is kept anew, as after an administrator's act.
    fn replay(&mut self, after: u64) {
        for (_, kept) in self.kept.range_mut(after + 1..) {
            if kept.state != Stands::Pending {
                let item = Item { attempts: 0, first_at: None, next_at: self.now, ..kept.item };
                *kept = Kept { item, state: Stands::Pending };
            }
        }
        self.schedule.reload(self.pending().collect::<Vec<_>>());
    }

    fn check(&self) {
        assert_eq!(self.schedule.len(), self.pending().count(), "something is lost or doubled");
        assert_eq!(self.schedule.oldest(), self.pending().map(|item| item.at).min());
    }

    /// The receiver is well: everything gets there.
    fn finish(&mut self) {
        for _ in 0..10_000 {
            self.act(Act::Send);
            while !self.out.is_empty() {
                self.act(Act::End(0, Answered::Well));
            }
            match self.schedule.next_at() {
                Some(at) => self.now = self.now.max(at),
                None => break,
            }
        }
        assert!(self.schedule.is_empty(), "what is due was not told: {:?}", self.schedule);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_lane_keeps_its_order_and_nothing_is_lost(
        width in 1_usize..6,
        acts in prop::collection::vec(act(), 1..120),
    ) {
        let mut model = Model::new(width);
        acts.into_iter().for_each(|act| model.act(act));
        model.finish();
        let settled: BTreeSet<u64> = model.kept.keys().copied().collect();
        prop_assert_eq!(settled.len(), model.kept.len());
        prop_assert!(model.kept.values().all(|kept| kept.state != Stands::Pending));
    }

    #[test]
    fn a_receiver_that_never_answers_well_gets_no_more_tries_than_it_may(
        lanes in prop::collection::vec(0_i64..4, 1..20),
    ) {
        let mut model = Model::new(4);
        model.act(Act::Take(lanes));
        let mut tries: BTreeMap<u64, u32> = BTreeMap::new();
        for _ in 0..10_000 {
            model.act(Act::Send);
            for item in &model.out {
                tries.insert(item.position, item.attempts);
            }
            while !model.out.is_empty() {
                model.act(Act::End(0, Answered::Badly));
            }
            match model.schedule.next_at() {
                Some(at) => model.now = model.now.max(at),
                None => break,
            }
        }
        // At once, after 5 s, after 35 s, and at the end of the minute.
        prop_assert!(tries.values().all(|tries| *tries == 4), "{:?}", tries);
        prop_assert!(model.kept.values().all(|kept| kept.state == Stands::Dead));
    }
}
