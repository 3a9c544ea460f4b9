//! A set of events by their names: what a console subscribed to, what a key may post, what a webhook
//! wants.

use std::sync::LazyLock;

use super::Event;
use crate::model::protocol::PROTOCOL_FRAMES;

/// Which events; cheap to copy and to ask. Kept in halves, because a whole would be aligned to
/// sixteen bytes in every connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventSet([u64; 2]);

/// A name or pattern that no event has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown event {given:?}; the nearest known name is {nearest}")]
pub struct UnknownEvent {
    /// What was given, cut to a line.
    pub given: String,
    /// The nearest name there is.
    pub nearest: &'static str,
}

/// The public names, each with the slots that go by it.
static NAMES: LazyLock<Vec<(&'static str, u128)>> = LazyLock::new(|| {
    let mut names: Vec<(&str, u128)> = Vec::new();
    for (slot, facts) in Event::catalogue() {
        match names.iter_mut().find(|(name, _)| *name == facts.public_name()) {
            Some((_, bits)) => *bits |= 1 << slot,
            None => names.push((facts.public_name(), 1 << slot)),
        }
    }
    names
});

impl EventSet {
    /// Every event.
    pub const ALL: EventSet = EventSet([u64::MAX; 2]);
    /// None.
    pub const NONE: EventSet = EventSet([0; 2]);

    /// The events of a name (`call.incoming`), of a family (`call.*`), or all (`*`).
    ///
    /// # Errors
    /// [`UnknownEvent`] with the nearest name if there is none. Names of the protocol's own frames
    /// are known, and stand for nothing that could be left out.
    pub fn parse(pattern: &str) -> Result<EventSet, UnknownEvent> {
        if pattern == "*" {
            return Ok(EventSet::ALL);
        }
        let matches = |name: &str| match pattern.strip_suffix(".*") {
            Some(family) => name.strip_prefix(family).is_some_and(|rest| rest.starts_with('.')),
            None => name == pattern,
        };
        let found = NAMES.iter().filter(|(name, _)| matches(name));
        let bits = found.fold(0, |bits, (_, more)| bits | more);
        if bits == 0 && !PROTOCOL_FRAMES.contains(&pattern) {
            return Err(UnknownEvent::nearest_to(pattern));
        }
        Ok(EventSet::of(bits))
    }

    /// The events of all these patterns, and those patterns that are of none.
    pub fn parse_all<'a>(
        patterns: impl IntoIterator<Item = &'a str>,
    ) -> (EventSet, Vec<UnknownEvent>) {
        let (mut set, mut unknown) = (EventSet::NONE, Vec::new());
        for pattern in patterns {
            match EventSet::parse(pattern) {
                Ok(more) => set = set.with(more),
                Err(err) => unknown.push(err),
            }
        }
        (set, unknown)
    }

    fn of(bits: u128) -> EventSet {
        EventSet([bits as u64, (bits >> 64) as u64])
    }

    fn bits(self) -> u128 {
        let [low, high] = self.0;
        u128::from(high) << 64 | u128::from(low)
    }

    /// Whether an event is in it.
    pub fn contains(self, event: &Event) -> bool {
        self.bits() & (1 << event.slot()) != 0
    }

    /// Whether events of this public name are in it.
    pub fn has(self, name: &str) -> bool {
        EventSet::parse(name).is_ok_and(|named| !self.and(named).is_empty())
    }

    /// Both together.
    #[must_use]
    pub fn with(self, more: EventSet) -> EventSet {
        EventSet::of(self.bits() | more.bits())
    }

    /// This one without those.
    #[must_use]
    pub fn without(self, those: EventSet) -> EventSet {
        EventSet::of(self.bits() & !those.bits())
    }

    /// What is in both.
    #[must_use]
    pub fn and(self, other: EventSet) -> EventSet {
        EventSet::of(self.bits() & other.bits())
    }

    /// Whether none is in it.
    pub fn is_empty(self) -> bool {
        self.bits() == 0
    }

    /// The public names in it, in the order of the catalogue.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        NAMES.iter().filter(move |(_, bits)| self.bits() & bits != 0).map(|(name, _)| *name)
    }
}

impl UnknownEvent {
    /// For a name nobody knows: the known one that is written most like it.
    pub fn nearest_to(given: &str) -> UnknownEvent {
        let likeness = |name: &str| strsim::jaro_winkler(given, name);
        let best = NAMES.iter().map(|(name, _)| *name);
        let nearest = best.max_by(|a, b| likeness(a).total_cmp(&likeness(b))).unwrap_or("*");
        UnknownEvent { given: given.chars().take(64).collect(), nearest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> Event {
        Event::samples().into_iter().find(|e| e.name() == name).unwrap()
    }

    #[test]
    fn a_pattern_is_a_name_a_family_or_all() {
        let calls = EventSet::parse("call.*").unwrap();
        assert!(calls.contains(&of("call.incoming")) && !calls.contains(&of("queue.joined")));
        let one = EventSet::parse("call.hold").unwrap();
        assert!(one.contains(&of("call.hold")) && !one.contains(&of("call.unhold")));
        assert!(Event::samples().iter().all(|e| EventSet::parse("*").unwrap().contains(e)));
        assert_eq!(EventSet::parse("chat.session.*").unwrap().names().count(), 2);
    }

    #[test]
    fn what_is_announced_goes_by_the_name_of_the_real_thing() {
        let messages = EventSet::parse("chat.message").unwrap();
        assert!(messages.contains(&of("chat.message.announced")));
        assert!(!messages.contains(&of("chat.message.status")));
        assert_eq!(messages.names().collect::<Vec<_>>(), ["chat.message"]);
    }

    #[test]
    fn an_unknown_name_is_told_the_nearest_one() {
        let err = EventSet::parse("call.incomming").unwrap_err();
        assert_eq!(err.nearest, "call.incoming");
        assert_eq!(EventSet::parse("chat.message.announced").unwrap_err().nearest, "chat.message");
        for bad in ["", "call", "call.", "cal*", ".*", "calls.*"] {
            assert!(EventSet::parse(bad).is_err(), "{bad:?}");
        }
        let (set, unknown) = EventSet::parse_all(["call.hold", "dance"]);
        assert_eq!((set.names().count(), unknown.len()), (1, 1));
    }

    #[test]
    fn frames_of_the_protocol_are_known_and_stand_for_no_event() {
        assert_eq!(EventSet::parse("pong"), Ok(EventSet::NONE));
    }
}
