//! The calls: when one is told, who has it, and how it ends. What a customer's call is made of, legs
//! that ring and lines between queues, is one call; it ends with its last channel.
//!
//! A call that an agent makes is told of as well, from when it talks: it takes the agent's time.
//! Nobody called in, so there is no `call.incoming` of it.

use std::collections::BTreeSet;

use super::channels::{Channel, Party, is_special};
use super::line::{self, Agent, Lines, interface_of};
use super::machine::{Machine, Telling};
use super::wire::Packet;
use crate::limits::AMI_INCOMING_PATIENCE;
use crate::log::OpenCall;
use crate::model::{
    Call as Told, CallAnswered, CallEnded, CallHold, CallIncoming, CallTransferred, CallUnhold,
    Moment, TransferKind, UserId,
};

/// Whether it is told that a call came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    /// Nobody called in.
    Never,
    /// At this moment, unless it is known before where it goes.
    Due(Moment),
    /// It was.
    Told,
}

/// A call, and what was reported of it.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) channels: BTreeSet<String>,
    /// The channel it began with; it has the same id. Gone, if that is.
    origin: Option<String>,
    pub(super) incoming: Incoming,
    pub(super) began_at: Moment,
    /// Anything of it was reported; then its end has to be.
    pub(super) is_told: bool,
    /// Who has it, as reported.
    pub(super) agent: Option<UserId>,
    /// Who had it last.
    last_agent: Option<UserId>,
    /// The queue it waits in, or came from.
    pub(super) queue: Option<String>,
    /// Why it ends, as far as its channels have said.
    cause: Option<String>,
}

impl Call {
    /// One that was reported before this process began.
    pub(super) fn reported(open: OpenCall) -> Call {
        Call {
            channels: BTreeSet::new(),
            origin: Some(open.unique_id),
            incoming: Incoming::Told,
            began_at: open.began_at,
            is_told: true,
            last_agent: open.agent.clone(),
            agent: open.agent,
            queue: open.queue,
            cause: None,
        }
    }

    pub(super) fn is_origin(&self, unique_id: &str) -> bool {
        self.origin.as_deref() == Some(unique_id)
    }

    /// The channel it began with says why it ends; until that is gone, any does.
    pub(super) fn note_cause(&mut self, unique_id: &str, cause: Option<String>) {
        if self.origin.is_none() && self.cause.is_some() {
            return;
        }
        if cause.is_some() {
            self.cause = cause;
        }
        if self.is_origin(unique_id) {
            self.origin = None;
        }
    }

    /// Whoever called in, if somebody did and is still there.
    fn caller(&self) -> Option<&str> {
        self.origin.as_deref().filter(|_| self.incoming != Incoming::Never)
    }
}

impl Machine {
    pub(super) fn begin_call(&mut self, id: &str, is_incoming: bool, now: Moment) {
        let patience = i64::try_from(AMI_INCOMING_PATIENCE.as_millis()).unwrap_or(i64::MAX);
        let due = Moment(now.0.saturating_add(patience));
        let call = Call {
            channels: BTreeSet::new(),
            origin: Some(id.to_owned()),
            incoming: if is_incoming { Incoming::Due(due) } else { Incoming::Never },
            began_at: now,
            is_told: false,
            agent: None,
            last_agent: None,
            queue: None,
            cause: None,
        };
        self.calls.insert(id.to_owned(), call);
    }

    /// Tells that a call came in, if that is still to be told.
    pub(super) fn tell_incoming(&mut self, id: &str, telling: &mut Telling) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let Incoming::Due(_) = call.incoming else { return };
        (call.incoming, call.is_told) = (Incoming::Told, true);
        let caller = self.channels.get(id);
        telling.tell(Told::CallIncoming(CallIncoming {
            unique_id: id.to_owned(),
            caller_id: caller.and_then(|c| c.number.clone()).unwrap_or_else(|| "unknown".into()),
            caller_name: caller.and_then(|c| c.caller_name.clone()),
            destination: caller.and_then(|c| c.exten.clone()).unwrap_or_default(),
            queue_name: call.queue.clone(),
            corrected: telling.is_corrected,
        }));
    }

    /// A line is rung: where the call goes is known.
    pub(super) fn dial(&mut self, party: Option<&Party>, telling: &mut Telling) {
        let channel = party.and_then(|party| self.channels.get(&party.unique_id));
        if let Some(call) = channel.map(|channel| channel.call.clone()) {
            self.tell_incoming(&call, telling);
        }
    }

    /// Tells who has a call, if that is somebody else than was told.
    pub(super) fn settle(&mut self, id: &str, telling: &mut Telling) {
        let Some(holder) = self.holder(id, telling.lines) else { return };
        let Some(call) = self.calls.get_mut(id) else { return };
        if call.agent.as_ref() == Some(&holder.id) {
            return;
        }
        (call.agent, call.last_agent) = (Some(holder.id.clone()), Some(holder.id.clone()));
        self.tell_incoming(id, telling);
        let queue_name = self.calls.get_mut(id).and_then(|call| {
            call.is_told = true;
            call.queue.take()
        });
        telling.tell(Told::CallAnswered(CallAnswered {
            unique_id: id.to_owned(),
            agent_id: holder.id,
            agent_name: holder.name,
            queue_name,
            corrected: telling.is_corrected,
        }));
    }

    /// Who talks in a call. Whoever has it keeps it while its line is there, also when others come;
    /// then real lines go before pieces of wire, those at the caller's side before others, agents
    /// before whoever else it is, and the first before the later ones.
    pub(super) fn holder(&self, id: &str, lines: &dyn Lines) -> Option<Agent> {
        let call = self.calls.get(id)?;
        let caller = call.caller().and_then(|caller| self.channels.get(caller));
        if caller.is_some_and(|caller| !self.is_talking(caller)) {
            return None;
        }
        let is_incoming = call.incoming != Incoming::Never;
        let may_have_it = |unique_id: &String, channel: &Channel| match channel.is_local() {
            _ if call.caller() == Some(unique_id) || channel.has_given_away => false,
            true => self.is_agents(channel, lines),
            false => is_incoming || self.is_agents(channel, lines),
        };
        let there = call.channels.iter().filter_map(|id| Some((id, self.channels.get(id)?)));
        let there =
            there.filter(|(id, channel)| self.is_talking(channel) && may_have_it(id, channel));
        let ranked = there.map(|(id, channel)| {
            let agent = lines.agent_of(channel.interface());
            let is_elsewhere = caller.is_some_and(|caller| caller.bridge != channel.bridge);
            let rank = (
                call.agent.as_ref() != Some(&agent.id),
                channel.is_local(),
                !is_incoming && !call.is_origin(id),
                is_elsewhere,
                agent.name.is_none(),
                channel.entered,
            );
            (rank, agent)
        });
        ranked.min_by_key(|(rank, _)| *rank).map(|(_, agent)| agent)
    }

    /// Whether a channel is in a bridge with somebody else.
    fn is_talking(&self, channel: &Channel) -> bool {
        let there = channel.bridge.as_ref().and_then(|bridge| self.bridges.get(bridge));
        there.is_some_and(|there| there.len() > 1)
    }

    /// A call ends, and so does its waiting.
    pub(super) fn end_call(&mut self, id: &str, telling: &mut Telling) {
        self.tell_incoming(id, telling);
        self.leave_queues(id, telling);
        let Some(call) = self.calls.remove(id) else { return };
        if !call.is_told {
            return;
        }
        self.note_over(id);
        // When a call ended whose end was missed, nobody knows.
        let ms = if telling.is_corrected { 0 } else { telling.now.ms_since(call.began_at) };
        telling.tell(Told::CallEnded(CallEnded {
            unique_id: id.to_owned(),
            duration: ms / 1000,
            agent_id: call.last_agent,
            reason: call.cause.filter(|_| !telling.is_corrected),
            corrected: telling.is_corrected,
        }));
    }

    pub(super) fn hold(&mut self, party: &Party, is_held: bool, telling: &mut Telling) {
        let Some(channel) = self.channels.get_mut(&party.unique_id) else { return };
        if channel.is_holding.replace(is_held) == Some(is_held) {
            return;
        }
        let interface = channel.interface().to_owned();
        let (unique_id, call) = (channel.call.clone(), self.calls.get(&channel.call));
        let Some(call) = call.filter(|call| call.agent.is_some()) else { return };
        let agent = telling.lines.agent_of(&interface);
        let is_agents = call.agent.as_ref() == Some(&agent.id);
        let agent = Some(agent).filter(|agent| is_agents || agent.name.is_some());
        let (agent_id, agent_name) = agent.map(|a| (Some(a.id), a.name)).unwrap_or_default();
        telling.tell(match is_held {
            true => Told::CallHold(CallHold { unique_id, agent_id, agent_name }),
            false => Told::CallUnhold(CallUnhold { unique_id, agent_id, agent_name }),
        });
    }

    pub(super) fn transfer_blindly(&mut self, packet: &Packet, telling: &mut Telling) {
        let Some(to) = packet.get("Extension").filter(|_| has_succeeded(packet)) else { return };
        let parties = ["Transferee", "Transferer"].map(|prefix| Party::of(packet, prefix));
        let by = packet.get("TransfererChannel");
        self.give_away(&parties, by, to, TransferKind::Blind, telling);
    }

    pub(super) fn transfer_attended(&mut self, packet: &Packet, telling: &mut Telling) {
        // In a call of three whoever brought the others together goes on talking.
        if !has_succeeded(packet) || packet.get("DestType") == Some("Threeway") {
            return;
        }
        let target = packet.get("TransferTargetChannel").map(interface_of);
        let target = target.and_then(line::extension_of);
        let dialled = packet.get("SecondTransfererExten").filter(|exten| !is_special(exten));
        let Some(to) = dialled.or(target) else { return };
        let prefixes = ["Transferee", "OrigTransferer", "SecondTransferer"];
        let parties = prefixes.map(|prefix| Party::of(packet, prefix));
        let by = packet.get("OrigTransfererChannel");
        self.give_away(&parties, by, to, TransferKind::Attended, telling);
    }

    /// A call is given away: the call of the first of these who is known.
    fn give_away(
        &mut self,
        parties: &[Option<Party>],
        by: Option<&str>,
        to: &str,
        kind: TransferKind,
        telling: &mut Telling,
    ) {
        let call_of = |party: &Party| match self.channels.get(&party.unique_id) {
            Some(channel) => Some(channel.call.clone()),
            None => party.linked_id.clone().filter(|id| self.calls.contains_key(id)),
        };
        let Some(id) = parties.iter().flatten().find_map(call_of) else { return };
        for giver in parties.iter().skip(1).flatten() {
            if let Some(channel) = self.channels.get_mut(&giver.unique_id) {
                channel.has_given_away = true;
            }
        }
        let Some(call) = self.calls.get_mut(&id).filter(|call| call.is_told) else { return };
        let caller = call.caller().and_then(|caller| self.channels.get(caller));
        let by = by.filter(|by| caller.is_none_or(|caller| caller.name != **by));
        let by = by.map(|by| telling.lines.agent_of(interface_of(by)).id);
        if by.is_some() && call.agent == by {
            call.agent = None;
        }
        telling.tell(Told::CallTransferred(CallTransferred {
            unique_id: id.clone(),
            new_destination: to.to_owned(),
            agent_id: by,
            kind: Some(kind),
            corrected: telling.is_corrected,
        }));
        self.settle(&id, telling);
    }
}

fn has_succeeded(packet: &Packet) -> bool {
    packet.get("Result") == Some("Success")
}
