//! From packets to events: a machine without a clock, a socket or a log. It knows what the telephone
//! system is like, as far as it was told, and what was reported of that; whatever differs is an
//! event.
//!
//! It holds back what happens while a snapshot is read, because a list and the events around it come
//! in no order: first the list is compared with what is known (`compare`), then what was held is
//! taken in. Everything may be told twice, and is reported once.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::calls::{Call, Incoming};
use super::channels::{Channel, Party};
use super::line::Lines;
use super::queues::{Entry, Member};
use super::snapshot::{Snapshot, Trouble};
use super::wire::Packet;
use crate::limits::AMI_CALLS_OVER_KEPT;
use crate::log::OpenCall;
use crate::model::{Event, Moment};

/// What the telephone system is like, and what was reported of it.
#[derive(Debug, Default)]
pub(super) struct Machine {
    /// By their unique ids.
    pub(super) channels: HashMap<String, Channel>,
    /// Who is in which bridge.
    pub(super) bridges: HashMap<String, BTreeSet<String>>,
    /// By their linked ids.
    pub(super) calls: BTreeMap<String, Call>,
    /// Which calls wait in which queue: by queue and call.
    pub(super) entries: BTreeMap<(String, String), Entry>,
    /// Who works in which queue: by queue and interface.
    pub(super) members: BTreeMap<(String, String), Member>,
    /// Counts who came into a bridge, so that the first one is known.
    pub(super) entered: u64,
    /// Calls that ended lately, the oldest first. What is told of them late is not told again.
    over: VecDeque<String>,
    /// Something happened in a queue since its figures were asked for.
    pub(super) has_stats_moved: bool,
    snapshot: Option<Snapshot>,
    snapshots: u32,
    /// What is known is that of a system that had not started all of its parts.
    is_stale: bool,
}

/// Where events go, and what is needed to make them.
pub(super) struct Telling<'a> {
    /// Whose lines are whose.
    pub(super) lines: &'a dyn Lines,
    /// The time.
    pub(super) now: Moment,
    /// What was found out by comparing is marked.
    pub(super) is_corrected: bool,
    /// What is to be reported, in this order.
    pub(super) events: Vec<Event>,
}

impl<'a> Telling<'a> {
    /// Nothing is to be reported yet.
    pub(super) fn new(lines: &'a dyn Lines, now: Moment) -> Telling<'a> {
        Telling { lines, now, is_corrected: false, events: Vec::new() }
    }

    pub(super) fn tell(&mut self, event: impl Into<Event>) {
        self.events.push(event.into());
    }
}

impl Machine {
    /// A machine that knows which calls were reported before this process began.
    pub(super) fn new(open: Vec<OpenCall>) -> Machine {
        let mut machine = Machine::default();
        for open in open.into_iter().filter(|open| is_unique_id(&open.unique_id)) {
            if let Some(queue) = &open.queue {
                let entry = Entry::new(open.began_at);
                machine.entries.insert((queue.clone(), open.unique_id.clone()), entry);
            }
            machine.calls.insert(open.unique_id.clone(), Call::reported(open));
        }
        machine
    }

    /// A snapshot is asked for, under these ids; until it is here what happens is held back.
    pub(super) fn begin_snapshot(&mut self) -> [String; 2] {
        self.is_stale = false;
        self.snapshots += 1;
        let ids = [format!("channels-{}", self.snapshots), format!("queues-{}", self.snapshots)];
        self.snapshot = Some(Snapshot::new(ids.clone()));
        ids
    }

    /// Whether what is known is what is.
    pub(super) fn is_live(&self) -> bool {
        self.snapshot.is_none()
    }

    /// Whether another snapshot is needed.
    pub(super) fn is_stale(&self) -> bool {
        self.is_live() && self.is_stale
    }

    /// Whether the figures of the queues are other ones since this was asked last.
    pub(super) fn take_stats_moved(&mut self) -> bool {
        std::mem::take(&mut self.has_stats_moved)
    }

    /// Takes a packet in.
    ///
    /// # Errors
    /// [`Trouble`]: what is known can be made whole only by a new connection.
    pub(super) fn take(&mut self, packet: Packet, telling: &mut Telling) -> Result<(), Trouble> {
        let Some(snapshot) = &mut self.snapshot else {
            self.live(&packet, telling);
            return Ok(());
        };
        snapshot.take(packet)?;
        if snapshot.is_whole()
            && let Some(snapshot) = self.snapshot.take()
        {
            telling.is_corrected = true;
            self.compare(snapshot.channels, snapshot.queues, telling);
            telling.is_corrected = false;
            for packet in snapshot.held {
                self.live(&packet, telling);
            }
        }
        Ok(())
    }

    /// The line is lost: what is known is all there is, until the next snapshot.
    pub(super) fn lose(&mut self, telling: &mut Telling) {
        // Without the lists nobody can say what the events between them mean. The next lists will.
        self.snapshot = None;
        let due: Vec<String> = self.due_calls(None);
        due.iter().for_each(|id| self.tell_incoming(id, telling));
    }

    /// When [`Machine::pass`] has something to do.
    pub(super) fn next_due(&self) -> Option<Moment> {
        let due = |call: &Call| match call.incoming {
            Incoming::Due(at) => Some(at),
            _ => None,
        };
        self.calls.values().filter_map(due).min()
    }

    /// Time passed.
    pub(super) fn pass(&mut self, telling: &mut Telling) {
        let due = self.due_calls(Some(telling.now));
        due.iter().for_each(|id| self.tell_incoming(id, telling));
    }

    fn due_calls(&self, until: Option<Moment>) -> Vec<String> {
        let is_due = |call: &Call| match call.incoming {
            Incoming::Due(at) => until.is_none_or(|until| at <= until),
            _ => false,
        };
        let due = self.calls.iter().filter(|(_, call)| is_due(call));
        due.map(|(id, _)| id.clone()).collect()
    }

    /// Whether a call has ended, and was told to have.
    pub(super) fn is_over(&self, id: &str) -> bool {
        self.over.iter().any(|over| over == id)
    }

    pub(super) fn note_over(&mut self, id: &str) {
        if self.over.len() == AMI_CALLS_OVER_KEPT {
            self.over.pop_front();
        }
        self.over.push_back(id.to_owned());
    }

    fn live(&mut self, packet: &Packet, telling: &mut Telling) {
        let Some(name) = packet.event() else { return };
        if !is_of_interest(name) {
            return;
        }
        let party = Party::of(packet, "");
        let dialled = Party::of(packet, "Dest");
        if name == "Newchannel" {
            party.iter().for_each(|party| self.begin(party, telling));
            return;
        }
        for known in party.iter().chain(&dialled) {
            self.see(known, telling);
        }
        match (name, &party) {
            ("Rename", Some(party)) => self.rename(party, packet),
            ("DialBegin", _) => self.dial(party.as_ref().or(dialled.as_ref()), telling),
            ("DialEnd", _) if packet.get("DialStatus") == Some("ANSWER") => {
                self.leg_answers(dialled.as_ref());
            }
            ("BridgeEnter", Some(party)) => self.enter(party, packet, telling),
            ("BridgeLeave", Some(party)) => self.leave(party, telling),
            ("Hold", Some(party)) => self.hold(party, true, telling),
            ("Unhold", Some(party)) => self.hold(party, false, telling),
            ("Hangup", Some(party)) => self.hang_up(party, packet, telling),
            ("BlindTransfer", _) => self.transfer_blindly(packet, telling),
            ("AttendedTransfer", _) => self.transfer_attended(packet, telling),
            ("QueueCallerJoin", Some(party)) => self.join_queue(party, packet, telling),
            ("QueueCallerLeave", Some(party)) => self.leave_queue(party, packet, telling),
            ("QueueCallerAbandon", Some(party)) => self.abandon_queue(party, packet),
            ("QueueMemberAdded", _) => self.add_member(packet, telling),
            ("QueueMemberRemoved", _) => self.remove_member(packet, telling),
            ("QueueMemberPause", _) => self.pause_member(packet, telling),
            ("QueueMemberStatus", _) => self.has_stats_moved = true,
            ("QueueSummary", _) => self.tell_stats(packet, telling),
            ("FullyBooted", _) => self.is_stale = true,
            _ => {}
        }
    }
}

/// The events that say something. Others are not even held back.
pub(super) fn is_of_interest(event: &str) -> bool {
    const EVENTS: &[&str] = &[
        "AttendedTransfer",
        "BlindTransfer",
        "BridgeEnter",
        "BridgeLeave",
        "DialBegin",
        "DialEnd",
        "FullyBooted",
        "Hangup",
        "Hold",
        "NewCallerid",
        "Newchannel",
        "Newstate",
        "QueueCallerAbandon",
        "QueueCallerJoin",
        "QueueCallerLeave",
        "QueueMemberAdded",
        "QueueMemberPause",
        "QueueMemberRemoved",
        "QueueMemberStatus",
        "QueueSummary",
        "Rename",
        "Unhold",
    ];
    EVENTS.binary_search(&event).is_ok()
}

/// Whether an id is one that Asterisk gives: its name if it has one, the second, and a number. Calls
/// under other ids were reported by somebody else, and are not ours to end.
pub(super) fn is_unique_id(id: &str) -> bool {
    age_of(id).is_some()
}

/// The second and the number of an id that Asterisk gave; the lower, the older.
pub(super) fn age_of(id: &str) -> Option<(u64, u64)> {
    let (second, number) = id.rsplit('-').next()?.split_once('.')?;
    Some((second.parse().ok()?, number.parse().ok()?))
}
