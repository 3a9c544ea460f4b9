//! What is due when: at most one alarm of each kind for each owner.

use std::collections::{BTreeMap, BTreeSet};

use super::lane::LaneId;
use crate::model::{ConversationId, Moment, UserId};

/// Something that happens by itself when its time comes. What is due at the same moment happens in
/// this order: whoever may be asked again is asked before an offer's end looks for somebody else,
/// because the conversation they declined may be the earlier one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Alarm {
    /// A heartbeat counts no longer.
    Beat(UserId),
    /// An agent has been gone for too long to keep its conversations.
    Lost(UserId),
    /// A place is free of what was done on it before.
    WrapUp(UserId),
    /// A department opens or closes.
    Hours(LaneId),
    /// A department has had nobody for too long.
    Cover(LaneId),
    /// Somebody may be asked again for a conversation.
    Retry(ConversationId),
    /// An offer has had no answer.
    Offer(ConversationId),
    /// A conversation has waited for so long that a rule says what to do.
    Escalate(ConversationId),
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Alarms {
    in_order: BTreeSet<(Moment, Alarm)>,
    set: BTreeMap<Alarm, Moment>,
}

impl Alarms {
    /// Sets an alarm, instead of the one that was set; `None` takes it back.
    pub(super) fn set(&mut self, alarm: Alarm, at: Option<Moment>) {
        let before = match at {
            Some(at) => self.set.insert(alarm.clone(), at),
            None => self.set.remove(&alarm),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.in_order.remove(&(before, alarm.clone()));
        }
        if let Some(at) = at {
            self.in_order.insert((at, alarm));
        }
    }

    /// Sets an alarm, unless it is set for an earlier moment.
    pub(super) fn set_by(&mut self, alarm: Alarm, at: Moment) {
        let earliest = self.at(&alarm).map_or(at, |before| before.min(at));
        self.set(alarm, Some(earliest));
    }

    /// For when it is set.
    pub(super) fn at(&self, alarm: &Alarm) -> Option<Moment> {
        self.set.get(alarm).copied()
    }

    /// When the first one is due.
    pub(super) fn first(&self) -> Option<Moment> {
        self.in_order.first().map(|(at, _)| *at)
    }

    /// Takes the first one that is due.
    pub(super) fn due(&mut self, now: Moment) -> Option<Alarm> {
        let (at, _) = self.in_order.first()?;
        if *at > now {
            return None;
        }
        let (_, alarm) = self.in_order.pop_first()?;
        self.set.remove(&alarm);
        Some(alarm)
    }
}
