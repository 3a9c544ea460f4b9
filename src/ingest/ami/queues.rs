//! The queues of the telephone system: which calls wait, who works there, and their figures.

use super::channels::Party;
use super::machine::{Machine, Telling};
use super::wire::Packet;
use crate::model::{
    CallQueue as Told, Event, MemberAdded, MemberPaused, MemberRemoved, MemberUnpaused, Moment,
    QueueJoined, QueueLeft, QueueStats, UserId,
};

/// A call that waits.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    joined_at: Moment,
    /// Somebody who was rung took it.
    is_answered: bool,
    /// The caller gave up after so many seconds.
    abandoned_after: Option<u64>,
}

impl Entry {
    pub(super) fn new(joined_at: Moment) -> Entry {
        Entry { joined_at, is_answered: false, abandoned_after: None }
    }
}

/// Somebody who works in a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    name: Option<String>,
    is_paused: bool,
}

/// A member as a packet shows it: the keys are others in events than in lists.
pub(super) struct Shown {
    pub(super) key: (String, String),
    member: Member,
    reason: Option<String>,
}

impl Shown {
    pub(super) fn of(packet: &Packet) -> Option<Shown> {
        let interface = packet.get("Interface").or_else(|| packet.get("Location"))?;
        let name = packet.get("MemberName").or_else(|| packet.get("Name")).map(str::to_owned);
        Some(Shown {
            key: (packet.get("Queue")?.to_owned(), interface.to_owned()),
            // Who was given no name goes by the interface.
            member: Member {
                name: name.filter(|name| name != interface),
                is_paused: packet.get("Paused") == Some("1"),
            },
            reason: packet.get("PausedReason").map(str::to_owned),
        })
    }
}

impl Machine {
    pub(super) fn join_queue(&mut self, party: &Party, packet: &Packet, telling: &mut Telling) {
        let Some(queue) = packet.get("Queue") else { return };
        let Some(channel) = self.channels.get(&party.unique_id) else { return };
        let call = channel.call.clone();
        let joined = QueueJoined {
            queue_name: queue.to_owned(),
            unique_id: call.clone(),
            caller_id: channel.number.clone(),
            position: packet.number("Position"),
            calls_waiting: packet.number("Count"),
            corrected: telling.is_corrected,
        };
        self.wait(joined, telling.now, telling);
    }

    /// A call waits since then, unless that was told.
    pub(super) fn wait(&mut self, joined: QueueJoined, since: Moment, telling: &mut Telling) {
        let key = (joined.queue_name.clone(), joined.unique_id.clone());
        if self.entries.contains_key(&key) {
            return;
        }
        // Nobody waits in two; of the other one the end is told late.
        self.leave_queues(&joined.unique_id, telling);
        self.entries.insert(key, Entry::new(since));
        if let Some(call) = self.calls.get_mut(&joined.unique_id) {
            call.queue = Some(joined.queue_name.clone());
        }
        self.tell_incoming(&joined.unique_id, telling);
        if let Some(call) = self.calls.get_mut(&joined.unique_id) {
            call.is_told = true;
        }
        self.has_stats_moved = true;
        telling.tell(Told::QueueJoined(joined));
    }

    /// A line that was rung took the call.
    pub(super) fn leg_answers(&mut self, leg: Option<&Party>) {
        let channel = leg.and_then(|leg| self.channels.get(&leg.unique_id));
        let Some(call) = channel.map(|channel| &channel.call) else { return };
        for ((_, waiting), entry) in &mut self.entries {
            entry.is_answered |= waiting == call;
        }
    }

    pub(super) fn abandon_queue(&mut self, party: &Party, packet: &Packet) {
        if let Some(key) = self.entry_of(party, packet)
            && let Some(entry) = self.entries.get_mut(&key)
        {
            entry.abandoned_after = Some(packet.number("HoldTime").unwrap_or_default());
        }
    }

    pub(super) fn leave_queue(&mut self, party: &Party, packet: &Packet, telling: &mut Telling) {
        if let Some(key) = self.entry_of(party, packet) {
            self.tell_left(&key, packet.number("Count"), telling);
        }
    }

    fn entry_of(&self, party: &Party, packet: &Packet) -> Option<(String, String)> {
        let channel = self.channels.get(&party.unique_id);
        let call = channel.map_or_else(|| party.call().to_owned(), |channel| channel.call.clone());
        Some((packet.get("Queue")?.to_owned(), call))
    }

    /// Whatever queue a call waits in, it does no longer.
    pub(super) fn leave_queues(&mut self, call: &str, telling: &mut Telling) {
        let keys = self.entries.keys().filter(|(_, waiting)| waiting == call);
        let keys: Vec<_> = keys.cloned().collect();
        keys.iter().for_each(|key| self.tell_left(key, None, telling));
    }

    /// Tells that a call waits no longer, and why as far as one knows: the queue itself does not
    /// say, but who was rung and who gave up does.
    pub(super) fn tell_left(
        &mut self,
        key: &(String, String),
        calls_waiting: Option<u64>,
        telling: &mut Telling,
    ) {
        let Some(entry) = self.entries.remove(key) else { return };
        let reason = match entry.abandoned_after {
            Some(_) => Some("abandoned"),
            None if entry.is_answered => Some("connected"),
            None => None,
        };
        let waited = telling.now.ms_since(entry.joined_at) / 1000;
        let waited = entry.abandoned_after.unwrap_or(waited);
        if reason != Some("connected")
            && let Some(call) = self.calls.get_mut(&key.1)
        {
            call.queue = None;
        }
        self.has_stats_moved = true;
        telling.tell(Told::QueueLeft(QueueLeft {
            queue_name: key.0.clone(),
            unique_id: key.1.clone(),
            reason: reason.map(str::to_owned),
            waited_seconds: (!telling.is_corrected).then_some(waited),
            calls_waiting,
            corrected: telling.is_corrected,
        }));
    }

    pub(super) fn mark_connected(&mut self, key: &(String, String)) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.is_answered = true;
        }
    }

    pub(super) fn add_member(&mut self, packet: &Packet, telling: &mut Telling) {
        if let Some(shown) = Shown::of(packet) {
            self.employ(shown, telling);
        }
    }

    /// Somebody works in a queue and is paused or not: tells what of that is new.
    pub(super) fn employ(&mut self, shown: Shown, telling: &mut Telling) {
        let Shown { key, member, reason } = shown;
        let (user_id, username) = who(&key, &member, telling);
        let (queue_name, interface) = (key.0.clone(), Some(key.1.clone()));
        let corrected = telling.is_corrected;
        let is_paused = member.is_paused;
        let known = self.members.insert(key, member);
        let was_paused = known.as_ref().is_some_and(|known| known.is_paused);
        if known.is_none() {
            let (queue_name, user_id) = (queue_name.clone(), user_id.clone());
            let (username, interface) = (username.clone(), interface.clone());
            let added = MemberAdded { queue_name, user_id, username, interface, corrected };
            telling.tell(Told::MemberAdded(added));
        }
        if was_paused != is_paused {
            telling.tell(match is_paused {
                true => Told::MemberPaused(MemberPaused {
                    queue_name,
                    user_id,
                    username,
                    interface,
                    reason,
                    corrected,
                }),
                false => Told::MemberUnpaused(MemberUnpaused {
                    queue_name,
                    user_id,
                    username,
                    interface,
                    corrected,
                }),
            });
        }
        self.has_stats_moved = true;
    }

    pub(super) fn remove_member(&mut self, packet: &Packet, telling: &mut Telling) {
        if let Some(shown) = Shown::of(packet) {
            self.dismiss(&shown.key, telling);
        }
    }

    pub(super) fn dismiss(&mut self, key: &(String, String), telling: &mut Telling) {
        let Some(member) = self.members.remove(key) else { return };
        let (user_id, username) = who(key, &member, telling);
        self.has_stats_moved = true;
        telling.tell(Told::MemberRemoved(MemberRemoved {
            queue_name: key.0.clone(),
            user_id,
            username,
            interface: Some(key.1.clone()),
            corrected: telling.is_corrected,
        }));
    }

    pub(super) fn pause_member(&mut self, packet: &Packet, telling: &mut Telling) {
        // Who is paused works there, whether or not anybody told of that.
        self.add_member(packet, telling);
    }

    pub(super) fn tell_stats(&mut self, packet: &Packet, telling: &mut Telling) {
        let Some(queue_name) = packet.get("Queue").map(str::to_owned) else { return };
        telling.tell(Event::QueueStats(QueueStats {
            queue_name,
            department_id: None,
            calls_waiting: packet.number("Callers").unwrap_or_default(),
            available_agents: packet.number("Available").unwrap_or_default(),
            logged_in_agents: packet.number("LoggedIn").unwrap_or_default(),
            longest_wait_seconds: packet.number("LongestHoldTime"),
            estimated_wait_seconds: None,
            average_hold_seconds: packet.number("HoldTime"),
            average_talk_seconds: packet.number("TalkTime"),
            completed: None,
            abandoned: None,
        }));
    }
}

fn who(key: &(String, String), member: &Member, telling: &Telling) -> (UserId, Option<String>) {
    let agent = telling.lines.agent_of(&key.1);
    (agent.id, member.name.clone().or(agent.name))
}
