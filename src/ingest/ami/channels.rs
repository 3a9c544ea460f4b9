//! The channels of the telephone system: which call each belongs to, and which bridge it is in. A
//! call is a linked id, and its channels may come to another one when bridges are merged.

use super::line::{self, Lines, interface_of};
use super::machine::{Machine, Telling, age_of};
use super::wire::Packet;
use crate::model::Moment;

/// A channel as a packet shows it. A packet may show several, each with a prefix to its keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Party {
    pub(super) unique_id: String,
    /// The call.
    pub(super) linked_id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) number: Option<String>,
    pub(super) caller_name: Option<String>,
    /// Where it was led to: no special extension.
    pub(super) exten: Option<String>,
}

impl Party {
    pub(super) fn of(packet: &Packet, prefix: &str) -> Option<Party> {
        let get = |key: &str| packet.get(&format!("{prefix}{key}")).map(str::to_owned);
        let said = |key: &str| get(key).filter(|text| text != "<unknown>" && text != "unknown");
        Some(Party {
            unique_id: get("Uniqueid")?,
            linked_id: get("Linkedid"),
            name: get("Channel"),
            number: said("CallerIDNum"),
            caller_name: said("CallerIDName").map(|name| unescaped(&name)),
            exten: get("Exten").filter(|exten| !is_special(exten)),
        })
    }

    /// The call it says it belongs to; that it began, if it says nothing.
    pub(super) fn call(&self) -> &str {
        self.linked_id.as_deref().unwrap_or(&self.unique_id)
    }
}

/// Names are told with backslashes before quotes and the like.
fn unescaped(text: &str) -> String {
    let mut letters = text.chars();
    let mut plain = String::with_capacity(text.len());
    while let Some(letter) = letters.next() {
        plain.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    plain
}

/// The extensions a dialplan has for itself: start, hangup, wrong number, timeout.
pub(super) fn is_special(exten: &str) -> bool {
    matches!(exten, "s" | "h" | "i" | "t")
}

/// A channel that is there.
#[derive(Clone, Debug)]
pub(super) struct Channel {
    pub(super) name: String,
    pub(super) call: String,
    pub(super) number: Option<String>,
    pub(super) caller_name: Option<String>,
    pub(super) exten: Option<String>,
    pub(super) bridge: Option<String>,
    /// Who came into a bridge before others has a lower number.
    pub(super) entered: u64,
    /// It gave its call away, and is about to leave the bridge.
    pub(super) has_given_away: bool,
    /// Whether it holds the other side; `None` if that is not known.
    pub(super) is_holding: Option<bool>,
    pub(super) began_at: Moment,
}

impl Channel {
    pub(super) fn new(party: &Party, began_at: Moment) -> Channel {
        Channel {
            name: party.name.clone().unwrap_or_default(),
            call: party.call().to_owned(),
            number: party.number.clone(),
            caller_name: party.caller_name.clone(),
            exten: party.exten.clone(),
            bridge: None,
            entered: 0,
            has_given_away: false,
            is_holding: Some(false),
            began_at,
        }
    }

    pub(super) fn interface(&self) -> &str {
        interface_of(&self.name)
    }

    pub(super) fn is_local(&self) -> bool {
        line::is_local(&self.name)
    }
}

impl Machine {
    /// A channel began.
    pub(super) fn begin(&mut self, party: &Party, telling: &mut Telling) {
        if self.channels.contains_key(&party.unique_id) {
            return self.see(party, telling);
        }
        let channel = Channel::new(party, telling.now);
        let is_first = channel.call == party.unique_id;
        if !self.calls.contains_key(&channel.call) {
            if self.is_over(&channel.call) {
                return;
            }
            let is_incoming = is_first && !self.is_ours(&channel, telling.lines);
            self.begin_call(&channel.call, is_incoming, telling.now);
        }
        if let Some(call) = self.calls.get_mut(&channel.call) {
            call.channels.insert(party.unique_id.clone());
        }
        self.channels.insert(party.unique_id.clone(), channel);
    }

    /// Whether a channel is an agent's, or a piece of wire: nobody calls in on it.
    pub(super) fn is_ours(&self, channel: &Channel, lines: &dyn Lines) -> bool {
        channel.is_local() || self.is_agents(channel, lines)
    }

    /// Whether a channel is the line of an agent, or of somebody who works in a queue.
    pub(super) fn is_agents(&self, channel: &Channel, lines: &dyn Lines) -> bool {
        let interface = channel.interface();
        let is_agents = |extension| lines.agent_at(extension).is_some();
        line::extension_of(interface).is_some_and(is_agents)
            || self.members.keys().any(|(_, member)| member == interface)
    }

    /// A packet shows a channel as it is by now.
    pub(super) fn see(&mut self, party: &Party, telling: &mut Telling) {
        let Some(channel) = self.channels.get_mut(&party.unique_id) else { return };
        for (known, seen) in
            [(&mut channel.number, &party.number), (&mut channel.caller_name, &party.caller_name)]
        {
            if seen.is_some() {
                known.clone_from(seen);
            }
        }
        if channel.exten.is_none() {
            channel.exten.clone_from(&party.exten);
        }
        // A channel only ever comes to an older call. What says otherwise was said before that.
        let other = party.linked_id.clone().filter(|id| is_older(id, &channel.call));
        if let Some(other) = other.filter(|id| !self.is_over(id)) {
            self.relink(&party.unique_id, &other, telling);
        }
    }

    pub(super) fn rename(&mut self, party: &Party, packet: &Packet) {
        let name = packet.get("Newname");
        if let (Some(channel), Some(name)) = (self.channels.get_mut(&party.unique_id), name) {
            name.clone_into(&mut channel.name);
        }
    }

    /// A channel belongs to another call from now on.
    fn relink(&mut self, unique_id: &str, to: &str, telling: &mut Telling) {
        let Some(channel) = self.channels.get_mut(unique_id) else { return };
        let from = std::mem::replace(&mut channel.call, to.to_owned());
        // Whoever called in did, also when the call is part of another one by now.
        if self.calls.get(&from).is_some_and(|call| call.is_origin(unique_id)) {
            self.tell_incoming(&from, telling);
        }
        if !self.calls.contains_key(to) {
            self.begin_call(to, false, telling.now);
        }
        if let Some(call) = self.calls.get_mut(to) {
            call.channels.insert(unique_id.to_owned());
        }
        self.part(&from, unique_id, Some(MERGED.to_owned()), telling);
    }

    /// A call has one channel less. With the last one it ends.
    fn part(
        &mut self,
        call_id: &str,
        unique_id: &str,
        cause: Option<String>,
        telling: &mut Telling,
    ) {
        let Some(call) = self.calls.get_mut(call_id) else { return };
        call.channels.remove(unique_id);
        call.note_cause(unique_id, cause);
        match call.channels.is_empty() {
            true => self.end_call(call_id, telling),
            false => self.settle(call_id, telling),
        }
    }

    pub(super) fn enter(&mut self, party: &Party, packet: &Packet, telling: &mut Telling) {
        let id = &party.unique_id;
        let Some(bridge) = packet.get("BridgeUniqueid") else { return };
        let Some(channel) = self.channels.get(id) else { return };
        let is_there = channel.bridge.as_deref() == Some(bridge);
        let call = channel.call.clone();
        self.tell_incoming(&call, telling);
        if !is_there {
            self.put_into_bridge(id, Some(bridge));
        }
        self.merge(&call, bridge, telling);
        self.settle(&call, telling);
    }

    /// Whoever is in one bridge belongs to one call, the oldest. Asterisk tells of the one who
    /// came, not of the others, and merges in some kinds of bridges only: what the one who came
    /// belongs to shows whether it did.
    fn merge(&mut self, call: &str, bridge: &str, telling: &mut Telling) {
        let others: Vec<String> = self.bridges.get(bridge).into_iter().flatten().cloned().collect();
        for other in others {
            let its = self.channels.get(&other).map(|channel| channel.call.clone());
            if its.is_some_and(|its| is_older(call, &its)) {
                self.relink(&other, call, telling);
            }
        }
    }

    pub(super) fn leave(&mut self, party: &Party, telling: &mut Telling) {
        let Some(channel) = self.channels.get(&party.unique_id) else { return };
        let call = channel.call.clone();
        self.put_into_bridge(&party.unique_id, None);
        self.settle(&call, telling);
    }

    pub(super) fn put_into_bridge(&mut self, unique_id: &str, bridge: Option<&str>) {
        let Some(channel) = self.channels.get_mut(unique_id) else { return };
        let left = std::mem::replace(&mut channel.bridge, bridge.map(str::to_owned));
        if let Some(left) = left
            && let Some(there) = self.bridges.get_mut(&left)
        {
            there.remove(unique_id);
            if there.is_empty() {
                self.bridges.remove(&left);
            }
        }
        if let Some(bridge) = bridge {
            self.entered += 1;
            (channel.entered, channel.has_given_away) = (self.entered, false);
            self.bridges.entry(bridge.to_owned()).or_default().insert(unique_id.to_owned());
        }
    }

    pub(super) fn hang_up(&mut self, party: &Party, packet: &Packet, telling: &mut Telling) {
        let id = &party.unique_id;
        let Some(channel) = self.channels.get(id) else { return };
        let call = channel.call.clone();
        if self.calls.get(&call).is_some_and(|call| call.is_origin(id)) {
            self.tell_incoming(&call, telling);
        }
        self.put_into_bridge(id, None);
        self.channels.remove(id);
        let cause = packet.get("Cause-txt").filter(|text| *text != "Unknown").map(str::to_owned);
        self.part(&call, id, cause, telling);
    }
}

/// Whether a call is older than another one. Who belongs to two belongs to the older.
fn is_older(this: &str, that: &str) -> bool {
    age_of(this).zip(age_of(that)).is_some_and(|(this, that)| this < that)
}

/// Why a call ended that went on as a part of another one.
const MERGED: &str = "merged";
