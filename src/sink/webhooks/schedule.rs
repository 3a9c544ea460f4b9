//! Which delivery of one webhook goes out next: a pure machine, asked with the time.
//!
//! Deliveries of a lane go out in log order, each after the one before it was settled; lanes go
//! side by side, as many as the receiver bears. A receiver that fails is asked less and less at
//! once, down to one request, so that one that hangs keeps no place from the others; with every
//! success it is asked more again.

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::model::Moment;

/// A delivery that is to go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// Of its event in the log.
    pub position: u64,
    /// What it keeps its order in.
    pub lane: i64,
    /// When its event happened.
    pub at: Moment,
    /// How often it was tried; of what [`Schedule::next`] gives, this try included.
    pub attempts: u32,
    /// When it was tried first.
    pub first_at: Option<Moment>,
    /// When it is due.
    pub next_at: Moment,
}

/// What became of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The receiver has it.
    Delivered,
    /// It is tried no more.
    Dead,
    /// It is due again then.
    Again(Moment),
    /// As if it had not been tried: it was not the receiver that failed.
    Untried(Moment),
}

/// The deliveries of one webhook that wait or are on their way.
#[derive(Debug)]
pub struct Schedule {
    lanes: HashMap<i64, Lane>,
    /// The head of each lane that has none on its way: when it is due, and where it stands.
    due: BTreeSet<(Moment, u64, i64)>,
    len: usize,
    out: usize,
    width: usize,
    width_max: usize,
    rests_until: Moment,
}

#[derive(Debug, Default)]
struct Lane {
    /// In log order.
    waiting: VecDeque<Item>,
    out: Option<Item>,
}

impl Schedule {
    /// An empty one, of which at most so many go out at once.
    pub fn new(width_max: usize) -> Schedule {
        Schedule {
            lanes: HashMap::new(),
            due: BTreeSet::new(),
            len: 0,
            out: 0,
            width: width_max,
            width_max,
            rests_until: Moment(i64::MIN),
        }
    }

    /// How many wait or are on their way.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// When the oldest event happened that has not been delivered.
    pub fn oldest(&self) -> Option<Moment> {
        let heads =
            self.lanes.values().flat_map(|lane| lane.out.iter().chain(lane.waiting.front()));
        heads.map(|item| item.at).min()
    }

    /// Adds a delivery; one that is there already stays as it is.
    pub fn insert(&mut self, item: Item) {
        let lane = self.lanes.entry(item.lane).or_default();
        let at = lane.waiting.partition_point(|other| other.position < item.position);
        let is_known = lane.waiting.get(at).is_some_and(|other| other.position == item.position)
            || lane.out.is_some_and(|out| out.position == item.position);
        if is_known {
            return;
        }
        let before = lane.waiting.front().copied();
        lane.waiting.insert(at, item);
        self.len += 1;
        if at == 0 && lane.out.is_none() {
            before.map(|head| self.due.remove(&key(&head)));
            self.due.insert(key(&item));
        }
    }

    /// Takes in anew what waits. What is on its way stays so.
    pub fn reload(&mut self, items: impl IntoIterator<Item = Item>) {
        self.due.clear();
        self.lanes.retain(|_, lane| {
            lane.waiting.clear();
            lane.out.is_some()
        });
        self.len = self.out;
        items.into_iter().for_each(|item| self.insert(item));
    }

    /// Makes whatever waits due at once, as if it had never been tried, and the receiver worth
    /// asking in full: it is another one, or back.
    pub fn begin_anew(&mut self, now: Moment) {
        (self.width, self.rests_until) = (self.width_max, now);
        self.due.clear();
        for lane in self.lanes.values_mut() {
            for item in &mut lane.waiting {
                (item.attempts, item.first_at) = (0, None);
                item.next_at = item.next_at.min(now);
            }
            let head = lane.waiting.front().filter(|_| lane.out.is_none());
            self.due.extend(head.map(key));
        }
    }

    /// The next delivery that goes out now, if one may.
    pub fn next(&mut self, now: Moment) -> Option<Item> {
        if self.out >= self.width || now < self.rests_until {
            return None;
        }
        let (_, _, lane) = self.due.first().filter(|(at, ..)| *at <= now).copied()?;
        self.due.pop_first();
        let lane = self.lanes.get_mut(&lane)?;
        let mut item = lane.waiting.pop_front()?;
        item.attempts = item.attempts.saturating_add(1);
        item.first_at.get_or_insert(now);
        lane.out = Some(item);
        self.out += 1;
        Some(item)
    }

    /// When [`Schedule::next`] may have something; `None` while only what happens to those on their
    /// way can change that.
    pub fn next_at(&self) -> Option<Moment> {
        let (at, ..) = self.due.first().filter(|_| self.out < self.width)?;
        Some((*at).max(self.rests_until))
    }

    /// What became of one that was on its way.
    pub fn settle(&mut self, item: &Item, fate: Fate) {
        let Some(lane) = self.lanes.get_mut(&item.lane) else { return };
        let Some(mut settled) = lane.out.take_if(|out| out.position == item.position) else {
            return;
        };
        self.out -= 1;
        match fate {
            Fate::Delivered => self.width = (self.width * 2).min(self.width_max),
            Fate::Dead | Fate::Again(_) => self.width = (self.width / 2).max(1),
            Fate::Untried(_) => {
                settled.attempts = settled.attempts.saturating_sub(1);
                settled.first_at = settled.first_at.filter(|_| settled.attempts > 0);
            }
        }
        match fate {
            Fate::Again(at) | Fate::Untried(at) => {
                settled.next_at = at;
                // A replay may have put earlier ones before it.
                let place = lane.waiting.partition_point(|i| i.position < settled.position);
                lane.waiting.insert(place, settled);
            }
            Fate::Delivered | Fate::Dead => self.len -= 1,
        }
        match lane.waiting.front() {
            Some(head) => drop(self.due.insert(key(head))),
            None => drop(self.lanes.remove(&item.lane)),
        }
    }

    /// Nothing goes out before then: the receiver asked for it.
    pub fn rest_until(&mut self, at: Moment) {
        self.rests_until = self.rests_until.max(at);
    }
}

fn key(item: &Item) -> (Moment, u64, i64) {
    (item.next_at, item.position, item.lane)
}
