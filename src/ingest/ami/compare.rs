//! A snapshot beside what is known: whatever differs happened while nobody listened, and is told as
//! a correction.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::calls::{Call, Incoming};
use super::channels::{Channel, Party};
use super::machine::{Machine, Telling};
use super::queues::Shown;
use super::wire::Packet;
use crate::model::{Moment, QueueJoined};

/// A call that waits, as a list shows it.
struct Listed {
    joined: QueueJoined,
    since: Moment,
}

impl Machine {
    /// Takes the lists in, and tells what is otherwise than was told: first what ended, then what
    /// began.
    pub(super) fn compare(
        &mut self,
        channels: Vec<Packet>,
        queues: Vec<Packet>,
        telling: &mut Telling,
    ) {
        let members: BTreeMap<_, _> =
            queues.iter().filter(|p| p.event() == Some("QueueMember")).filter_map(shown).collect();
        // Whose line is whose decides who calls in, so this comes first.
        self.take_members(members, telling);
        self.take_channels(&channels, telling);
        let listed = self.listed(&queues, telling.now);
        self.end_what_is_gone(&listed, telling);
        self.begin_what_is_new(telling.now, telling);
        for (_, Listed { joined, since }) in listed {
            self.wait(joined, since, telling);
        }
        let ids: Vec<String> = self.calls.keys().cloned().collect();
        for id in &ids {
            self.tell_incoming(id, telling);
            self.settle(id, telling);
        }
        self.has_stats_moved = true;
    }

    fn take_members(&mut self, members: BTreeMap<(String, String), Shown>, telling: &mut Telling) {
        let gone: Vec<_> =
            self.members.keys().filter(|key| !members.contains_key(key)).cloned().collect();
        gone.iter().for_each(|key| self.dismiss(key, telling));
        members.into_values().for_each(|shown| self.employ(shown, telling));
    }

    /// The channels as they are. Nothing is told yet.
    fn take_channels(&mut self, listed: &[Packet], telling: &Telling) {
        let known = std::mem::take(&mut self.channels);
        self.bridges = HashMap::new();
        self.calls.values_mut().for_each(|call| call.channels.clear());
        for packet in listed {
            let Some(party) = Party::of(packet, "") else { continue };
            let id = &party.unique_id;
            let known = known.get(id);
            let channel = listed_channel(&party, packet, known, telling.now);
            let is_ours = self.is_ours(&channel, telling.lines);
            if let Some(call) = self.calls.get_mut(&channel.call) {
                call.channels.insert(id.clone());
                // Of a call from before this process began one knows that it was told, not who
                // made it.
                if is_ours && call.is_origin(id) {
                    call.incoming = Incoming::Never;
                }
            }
            let bridge = packet.get("BridgeId");
            self.channels.insert(id.clone(), channel);
            self.put_into_bridge(id, bridge);
            let stayed =
                known.filter(|known| bridge.is_some() && known.bridge.as_deref() == bridge);
            if let Some((stayed, channel)) = stayed.zip(self.channels.get_mut(id)) {
                channel.entered = stayed.entered;
            }
        }
    }

    /// The calls that wait, of channels that are listed. Of others there is more to come: they
    /// began after the list of channels was made, and what was held tells of them.
    fn listed(&self, queues: &[Packet], now: Moment) -> Vec<((String, String), Listed)> {
        let entries = queues.iter().filter(|packet| packet.event() == Some("QueueEntry"));
        let waiting = |queue: &str| {
            entries.clone().filter(|packet| packet.get("Queue") == Some(queue)).count() as u64
        };
        let read = |packet: &Packet| {
            let queue = packet.get("Queue")?;
            let channel = self.channels.get(packet.get("Uniqueid")?)?;
            let waited: i64 = packet.number("Wait").unwrap_or_default();
            let joined = QueueJoined {
                queue_name: queue.to_owned(),
                unique_id: channel.call.clone(),
                caller_id: channel.number.clone(),
                position: packet.number("Position"),
                calls_waiting: Some(waiting(queue)),
                corrected: true,
            };
            let since = Moment(now.0.saturating_sub(waited.saturating_mul(1000)));
            Some(((queue.to_owned(), channel.call.clone()), Listed { joined, since }))
        };
        entries.clone().filter_map(read).collect()
    }

    fn end_what_is_gone(&mut self, listed: &[((String, String), Listed)], telling: &mut Telling) {
        let still: BTreeSet<_> = listed.iter().map(|(key, _)| key).collect();
        let left: Vec<_> =
            self.entries.keys().filter(|key| !still.contains(key)).cloned().collect();
        for key in left {
            // Whoever talks with somebody by now was connected.
            if self.holder(&key.1, telling.lines).is_some() {
                self.mark_connected(&key);
            }
            self.tell_left(&key, None, telling);
        }
        let gone = self.calls.iter().filter(|(_, call)| call.channels.is_empty());
        let gone: Vec<String> = gone.map(|(id, _)| id.clone()).collect();
        gone.iter().for_each(|id| self.end_call(id, telling));
    }

    /// Calls nobody knew of, from their first channel on. Without that one nobody called in.
    fn begin_what_is_new(&mut self, now: Moment, telling: &Telling) {
        let mut new: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (unique_id, channel) in &self.channels {
            let is_known = |call: &Call| call.channels.contains(unique_id);
            if !self.calls.get(&channel.call).is_some_and(is_known) && !self.is_over(&channel.call)
            {
                new.entry(channel.call.clone()).or_default().push(unique_id.clone());
            }
        }
        for (id, channels) in new {
            let first = self.channels.get(&id);
            let is_incoming = first.is_some_and(|first| !self.is_ours(first, telling.lines));
            let began_at = channels.iter().filter_map(|id| Some(self.channels.get(id)?.began_at));
            let began_at = began_at.min().unwrap_or(now);
            self.begin_call(&id, is_incoming, began_at);
            if let Some(call) = self.calls.get_mut(&id) {
                call.channels.extend(channels);
                if is_incoming {
                    call.incoming = Incoming::Due(now);
                }
            }
        }
    }
}

fn listed_channel(party: &Party, packet: &Packet, known: Option<&Channel>, now: Moment) -> Channel {
    let ms = packet.get("Duration").and_then(milliseconds).unwrap_or_default();
    let mut channel = Channel::new(party, Moment(now.0.saturating_sub(ms)));
    // A hold, or its end, may have been missed.
    channel.is_holding = None;
    if let Some(known) = known {
        channel.began_at = known.began_at;
        channel.exten = known.exten.clone().or(channel.exten);
    }
    channel
}

fn shown(packet: &Packet) -> Option<((String, String), Shown)> {
    let shown = Shown::of(packet)?;
    Some((shown.key.clone(), shown))
}

/// Of `HH:MM:SS`.
fn milliseconds(text: &str) -> Option<i64> {
    let seconds = text.split(':').try_fold(0_i64, |sum, part| {
        let part: i64 = part.parse().ok().filter(|part| *part >= 0)?;
        sum.checked_mul(60)?.checked_add(part)
    });
    seconds?.checked_mul(1000)
}
