//! The machine beside a telephone system in memory: what is told of each kind of call, and that cuts
//! at any moment leave nothing out and tell nothing twice.

#[expect(unreachable_pub, reason = "shared with the tests over real sockets")]
mod pbx;
mod properties;
mod stories;

use std::collections::{BTreeMap, BTreeSet};

use super::line::{Agent, Lines};
use super::machine::{Machine, Telling};
use super::snapshot::Trouble;
use super::wire::{Decoder, Packet};
use crate::log::OpenCall;
use crate::model::{Call, CallQueue, Event, Moment, UserId};
use pbx::Pbx;

/// Extensions 1001 to 1003 are Ana's, Ben's and Cyn's.
struct Staff;

impl Lines for Staff {
    fn agent_at(&self, extension: &str) -> Option<Agent> {
        let name = match extension {
            "1001" => "ana",
            "1002" => "ben",
            "1003" => "cyn",
            _ => return None,
        };
        Some(Agent { id: user(name), name: Some(name.to_uppercase()) })
    }
}

fn user(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

/// A telephone system, who listens to it, and what was reported.
struct World {
    pbx: Pbx,
    machine: Machine,
    now: Moment,
    events: Vec<Event>,
}

impl World {
    /// Connected, and nothing going on.
    fn new() -> World {
        let now = Moment(1_737_714_600_000);
        let (pbx, machine) = (Pbx::default(), Machine::new(vec![]));
        let mut world = World { pbx, machine, now, events: vec![] };
        world.connect();
        world
    }

    fn take(&mut self, text: &str) -> Result<(), Trouble> {
        let mut telling = Telling::new(&Staff, self.now);
        let taken = packets(text).into_iter().try_for_each(|p| self.machine.take(p, &mut telling));
        self.events.extend(telling.events);
        taken
    }

    /// What the telephone system has told so far arrives.
    fn hear(&mut self) {
        let told = std::mem::take(&mut self.pbx.told).concat();
        self.take(&told).unwrap();
    }

    /// The line is cut; what has not arrived never will.
    fn cut(&mut self) {
        let mut telling = Telling::new(&Staff, self.now);
        self.machine.lose(&mut telling);
        self.events.extend(telling.events);
        self.pbx.told.clear();
    }

    /// The lists are asked for and read.
    fn connect(&mut self) {
        self.pbx.told.clear();
        let [channels, queues] = self.machine.begin_snapshot();
        self.take(&self.pbx.list_channels(&channels).concat()).unwrap();
        self.take(&self.pbx.list_queues(&queues).concat()).unwrap();
        assert!(self.machine.is_live());
    }

    fn pass(&mut self, seconds: i64) {
        self.now.0 += seconds * 1000;
        let mut telling = Telling::new(&Staff, self.now);
        self.machine.pass(&mut telling);
        self.events.extend(telling.events);
    }

    /// What was reported since this was asked last, in short.
    fn told(&mut self) -> Vec<String> {
        self.hear();
        std::mem::take(&mut self.events).iter().map(short).collect()
    }
}

fn packets(text: &str) -> Vec<Packet> {
    let mut decoder = Decoder::default();
    decoder.push(b"Asterisk Call Manager/9.0.0\r\n");
    decoder.greeting().unwrap();
    decoder.push(text.as_bytes());
    std::iter::from_fn(|| decoder.next_packet().unwrap()).collect()
}

/// An event in a line. A call is known by the number behind its second.
fn short(event: &Event) -> String {
    let call = |id: &str| id.rsplit('.').next().unwrap().to_owned();
    let mark = |corrected: bool| if corrected { " corrected" } else { "" };
    let of = |who: &Option<UserId>| who.as_ref().map(|w| format!(" {w}")).unwrap_or_default();
    let why =
        |reason: &Option<String>| reason.as_ref().map(|r| format!(" ({r})")).unwrap_or_default();
    match event {
        Event::Call(Call::CallIncoming(e)) => {
            let queue = e.queue_name.as_ref().map(|q| format!(" for {q}")).unwrap_or_default();
            let (id, mark) = (call(&e.unique_id), mark(e.corrected));
            format!("{id} incoming {} to {}{queue}{mark}", e.caller_id, e.destination)
        }
        Event::Call(Call::CallAnswered(e)) => {
            let queue = e.queue_name.as_ref().map(|q| format!(" from {q}")).unwrap_or_default();
            format!("{} answered {}{queue}{}", call(&e.unique_id), e.agent_id, mark(e.corrected))
        }
        Event::Call(Call::CallEnded(e)) => {
            let (who, why) = (of(&e.agent_id), why(&e.reason));
            format!("{} ended {}s{who}{why}{}", call(&e.unique_id), e.duration, mark(e.corrected))
        }
        Event::Call(Call::CallTransferred(e)) => {
            let kind = format!("{:?}", e.kind.unwrap()).to_lowercase();
            let id = call(&e.unique_id);
            format!("{id} transferred to {} {kind} by{}", e.new_destination, of(&e.agent_id))
        }
        Event::Call(Call::CallHold(e)) => format!("{} hold{}", call(&e.unique_id), of(&e.agent_id)),
        Event::Call(Call::CallUnhold(e)) => {
            format!("{} unhold{}", call(&e.unique_id), of(&e.agent_id))
        }
        Event::CallQueue(CallQueue::QueueJoined(e)) => {
            format!("{} joined {}{}", call(&e.unique_id), e.queue_name, mark(e.corrected))
        }
        Event::CallQueue(CallQueue::QueueLeft(e)) => {
            let (why, mark) = (why(&e.reason), mark(e.corrected));
            format!("{} left {}{why}{mark}", call(&e.unique_id), e.queue_name)
        }
        Event::CallQueue(CallQueue::MemberAdded(e)) => {
            format!("{} added to {}{}", e.user_id, e.queue_name, mark(e.corrected))
        }
        Event::CallQueue(CallQueue::MemberRemoved(e)) => {
            format!("{} removed from {}{}", e.user_id, e.queue_name, mark(e.corrected))
        }
        Event::CallQueue(CallQueue::MemberPaused(e)) => {
            format!("{} paused in {}{}", e.user_id, e.queue_name, mark(e.corrected))
        }
        Event::CallQueue(CallQueue::MemberUnpaused(e)) => {
            format!("{} unpaused in {}{}", e.user_id, e.queue_name, mark(e.corrected))
        }
        other => other.name().to_owned(),
    }
}

/// What somebody who hears every event believes to be so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Believed {
    /// The calls, and who has each.
    calls: BTreeMap<String, Option<UserId>>,
    /// By queue and call.
    waiting: BTreeSet<(String, String)>,
    /// By queue and interface: whether paused.
    members: BTreeMap<(String, String), bool>,
    ended: BTreeSet<String>,
}

impl Believed {
    /// Takes an event in, which must go with what was told before it.
    fn take(&mut self, event: &Event) {
        match event {
            Event::Call(Call::CallIncoming(e)) => {
                self.is_new(&e.unique_id);
                self.calls.insert(e.unique_id.clone(), None);
            }
            Event::Call(Call::CallAnswered(e)) => {
                assert!(!self.ended.contains(&e.unique_id), "{event:?}");
                let before = self.calls.insert(e.unique_id.clone(), Some(e.agent_id.clone()));
                assert_ne!(before, Some(Some(e.agent_id.clone())), "told twice: {event:?}");
            }
            Event::Call(Call::CallEnded(e)) => {
                assert!(self.calls.remove(&e.unique_id).is_some(), "unknown: {event:?}");
                assert!(self.ended.insert(e.unique_id.clone()), "ended twice: {event:?}");
                let waits = self.waiting.iter().any(|(_, call)| *call == e.unique_id);
                assert!(!waits, "still waits: {event:?}");
            }
            Event::Call(Call::CallTransferred(e)) => {
                let agent = self.calls.get_mut(&e.unique_id).unwrap();
                if *agent == e.agent_id {
                    *agent = None;
                }
            }
            Event::Call(e) => assert!(self.calls.contains_key(e.unique_id()), "{event:?}"),
            Event::CallQueue(CallQueue::QueueJoined(e)) => {
                assert!(!self.ended.contains(&e.unique_id), "{event:?}");
                self.calls.entry(e.unique_id.clone()).or_default();
                let key = (e.queue_name.clone(), e.unique_id.clone());
                assert!(self.waiting.insert(key), "told twice: {event:?}");
            }
            Event::CallQueue(CallQueue::QueueLeft(e)) => {
                let key = (e.queue_name.clone(), e.unique_id.clone());
                assert!(self.waiting.remove(&key), "did not wait: {event:?}");
            }
            Event::CallQueue(CallQueue::MemberAdded(e)) => {
                let key = (e.queue_name.clone(), e.interface.clone().unwrap());
                assert_eq!(self.members.insert(key, false), None, "{event:?}");
            }
            Event::CallQueue(CallQueue::MemberRemoved(e)) => {
                let key = (e.queue_name.clone(), e.interface.clone().unwrap());
                assert!(self.members.remove(&key).is_some(), "{event:?}");
            }
            Event::CallQueue(CallQueue::MemberPaused(e)) => {
                self.pause(&e.queue_name, e.interface.as_ref(), true);
            }
            Event::CallQueue(CallQueue::MemberUnpaused(e)) => {
                self.pause(&e.queue_name, e.interface.as_ref(), false);
            }
            other => panic!("not told: {other:?}"),
        }
    }

    fn is_new(&self, id: &str) {
        assert!(!self.calls.contains_key(id) && !self.ended.contains(id), "{id} came twice");
    }

    fn pause(&mut self, queue: &str, interface: Option<&String>, is_paused: bool) {
        let key = (queue.to_owned(), interface.unwrap().clone());
        assert_eq!(self.members.insert(key, is_paused), Some(!is_paused));
    }

    /// What the log would keep of the calls.
    fn open_calls(&self, began_at: Moment) -> Vec<OpenCall> {
        let open = |(id, agent): (&String, &Option<UserId>)| OpenCall {
            unique_id: id.clone(),
            agent: agent.clone(),
            queue: self.waiting.iter().find(|(_, call)| call == id).map(|(queue, _)| queue.clone()),
            began_at,
            answered_at: agent.as_ref().map(|_| began_at),
        };
        self.calls.iter().map(open).collect()
    }
}
