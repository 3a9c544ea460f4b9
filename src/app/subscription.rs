//! What a connection wants to hear, and which stretches of the past it asked to be told of.
//!
//! Pure. For each event it knows from where on the connection has been told of it without a gap, so
//! that a past that is asked for later is told up to there, and nothing twice.

use super::Connection;
use crate::model::{Event, EventSet};

/// What a connection wants to hear.
#[derive(Clone, Debug)]
pub struct Subscription {
    wanted: EventSet,
    /// Once it has said what it wants, more is added to that; before, it hears everything.
    is_narrowed: bool,
    /// From behind which position on it has been told of these. Disjoint, and together `wanted`.
    told_from: Vec<(EventSet, u64)>,
    /// What it is still to be told of the past.
    past: Vec<Past>,
    /// From behind which position on it has been told of all that is addressed to it.
    begun: u64,
}

/// Events behind `after`, up to `through`.
#[derive(Clone, Debug)]
struct Past {
    set: EventSet,
    after: u64,
    through: u64,
}

impl Default for Subscription {
    /// Everything.
    fn default() -> Subscription {
        Subscription {
            wanted: EventSet::ALL,
            is_narrowed: false,
            told_from: vec![],
            past: vec![],
            begun: 0,
        }
    }
}

impl Subscription {
    /// To everything that the hub's protocol names (contract 7): what administration and routing
    /// note, and who comes and goes at all, is told to those who ask for it.
    pub fn everyday() -> Subscription {
        let names = ["audit.*", "routing.*", "presence.*"];
        let (beyond, _) = EventSet::parse_all(names);
        Subscription { wanted: EventSet::ALL.without(beyond), ..Subscription::default() }
    }

    /// To these events alone.
    pub fn to(wanted: EventSet) -> Subscription {
        Subscription { wanted, is_narrowed: true, ..Subscription::default() }
    }

    /// It is told from behind here on.
    pub(crate) fn begin(&mut self, position: u64) {
        self.told_from = vec![(self.wanted, position)];
        self.begun = position;
    }

    /// What it wants.
    pub(crate) fn wanted(&self) -> EventSet {
        self.wanted
    }

    /// Whether it wants an event that is not meant for it in person.
    pub(crate) fn wants(&self, event: &Event) -> bool {
        self.wanted.contains(event)
    }

    /// What it wants once these are added.
    pub(crate) fn wanted_with(&self, set: EventSet) -> EventSet {
        if self.is_narrowed { self.wanted.with(set) } else { set }
    }

    /// Adds events, and what happened of them behind `after`. Up to `told` it was told of others
    /// only.
    pub(crate) fn add(&mut self, set: EventSet, after: Option<u64>, told: u64) {
        if !self.is_narrowed {
            self.is_narrowed = true;
            self.keep_only(set);
        }
        let new = set.without(self.wanted);
        self.wanted = self.wanted_with(set);
        if let Some(after) = after {
            for at in 0..self.told_from.len() {
                let (known, from) = self.told_from[at];
                let asked = known.and(set);
                if !asked.is_empty() && from > after {
                    self.past.push(Past { set: asked, after, through: from });
                    self.told_from[at].0 = known.without(asked);
                    self.told_from.push((asked, after));
                }
            }
        }
        if !new.is_empty() {
            let from = after.map_or(told, |after| after.min(told));
            if from < told {
                self.past.push(Past { set: new, after: from, through: told });
            }
            self.told_from.push((new, from));
        }
        self.told_from.retain(|(set, _)| !set.is_empty());
    }

    /// Takes events away.
    pub(crate) fn remove(&mut self, set: EventSet) {
        self.is_narrowed = true;
        self.keep_only(EventSet::ALL.without(set));
    }

    fn keep_only(&mut self, set: EventSet) {
        self.wanted = self.wanted.and(set);
        self.told_from.iter_mut().for_each(|(known, _)| *known = known.and(set));
        self.told_from.retain(|(known, _)| !known.is_empty());
        self.past.iter_mut().for_each(|past| past.set = past.set.and(set));
        self.past.retain(|past| !past.set.is_empty());
    }

    /// Whether some past is still to be told.
    pub(crate) fn has_past(&self) -> bool {
        !self.past.is_empty()
    }

    /// Behind which position the log is read next by somebody who was told up to `told`.
    pub(crate) fn reads_after(&self, told: u64) -> u64 {
        self.past.iter().map(|past| past.after).fold(told, u64::min)
    }

    /// Whether an event it was told past, or had not wanted then, is to be told now. What is
    /// addressed to it was told whether it had wanted it or not.
    pub(crate) fn is_past_due(&self, event: &Event, position: u64, is_addressed: bool) -> bool {
        let is_due = |past: &Past| {
            past.after < position && position <= past.through && past.set.contains(event)
        };
        (!is_addressed || position <= self.begun) && self.past.iter().any(is_due)
    }

    /// The log was read up to here.
    pub(crate) fn past_read_to(&mut self, position: u64) {
        self.past.iter_mut().for_each(|past| past.after = past.after.max(position));
        self.past.retain(|past| past.after < past.through);
    }
}

impl Connection {
    /// Whether it wants an event that is not meant for it in person.
    pub fn wants(&self, event: &Event) -> bool {
        self.subscription.as_ref().is_none_or(|subscription| subscription.wants(event))
    }

    /// Whether an event it was told past, or had not wanted then, is to be told now.
    pub fn is_past_due(&self, event: &Event, position: u64, is_addressed: bool) -> bool {
        let subscription = self.subscription.as_ref();
        subscription.is_some_and(|s| s.is_past_due(event, position, is_addressed))
    }

    /// Whether some past that it asked for is still to be told.
    pub fn has_past(&self) -> bool {
        self.subscription.as_ref().is_some_and(|subscription| subscription.has_past())
    }

    /// Behind which position it reads the log next of what it was told up to `told`.
    pub(super) fn reads_after(&self, told: u64) -> u64 {
        let subscription = self.subscription.as_ref();
        subscription.map_or(told, |subscription| subscription.reads_after(told))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> (EventSet, Event) {
        let event = Event::samples().into_iter().find(|e| e.name() == name).unwrap();
        (EventSet::parse(name).unwrap(), event)
    }

    #[test]
    fn the_first_subscription_narrows_and_the_next_ones_add() {
        let ((hold, on_hold), (ended, has_ended)) = (of("call.hold"), of("call.ended"));
        let mut subscription = Subscription::default();
        subscription.begin(5);
        assert!(subscription.wants(&on_hold) && subscription.wants(&has_ended));
        subscription.add(hold, None, 7);
        assert!(subscription.wants(&on_hold) && !subscription.wants(&has_ended));
        subscription.add(ended, None, 9);
        assert!(subscription.wants(&on_hold) && subscription.wants(&has_ended));
        subscription.remove(hold);
        subscription.remove(ended);
        assert!(subscription.wanted().is_empty());
        subscription.add(hold, None, 9);
        assert!(!subscription.wants(&has_ended), "what was taken away does not come back");
    }

    #[test]
    fn everyday_is_all_but_what_administration_notes() {
        let everyday = Subscription::everyday();
        let left_out = Event::samples().into_iter().filter(|e| !everyday.wants(e));
        let left_out: Vec<_> = left_out.map(|event| event.name()).collect();
        assert_eq!(left_out, ["routing.decided", "presence.changed", "audit.entry"]);
    }

    #[test]
    fn a_past_reaches_up_to_what_was_told_already() {
        let ((hold, on_hold), (ended, has_ended)) = (of("call.hold"), of("call.ended"));
        let mut subscription = Subscription::to(hold);
        subscription.begin(5);
        subscription.add(hold.with(ended), Some(2), 9);
        assert_eq!(subscription.reads_after(9), 2);
        let due = |event, position| subscription.is_past_due(event, position, false);
        assert!(!due(&on_hold, 2) && due(&on_hold, 3) && due(&on_hold, 5), "before it came");
        assert!(!due(&on_hold, 6), "told live");
        assert!(due(&has_ended, 3) && due(&has_ended, 9), "not wanted until now");
        assert!(!due(&has_ended, 10), "still to come");
        let addressed = |position| subscription.is_past_due(&has_ended, position, true);
        assert!(addressed(5) && !addressed(6), "what was addressed to it was told since it came");
        subscription.past_read_to(5);
        assert_eq!(subscription.reads_after(9), 5);
        subscription.past_read_to(9);
        assert!(!subscription.has_past());
        subscription.add(hold, Some(2), 12);
        assert!(!subscription.has_past(), "it has all that");
    }

    #[test]
    fn who_heard_everything_is_not_told_it_again() {
        let (hold, on_hold) = of("call.hold");
        let mut subscription = Subscription::default();
        subscription.begin(5);
        subscription.add(hold, Some(3), 8);
        let due = |position| subscription.is_past_due(&on_hold, position, false);
        assert!(due(4) && due(5));
        assert!(!due(6));
    }

    #[test]
    fn what_is_taken_away_is_not_told_of_its_past() {
        let (hold, _) = of("call.hold");
        let mut subscription = Subscription::to(hold);
        subscription.begin(5);
        subscription.add(hold, Some(0), 5);
        subscription.remove(hold);
        assert!(!subscription.has_past());
        assert_eq!(subscription.reads_after(7), 7);
    }
}
