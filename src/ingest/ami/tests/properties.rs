//! People do things on telephones, the line is cut, the process is started again, and packets lag
//! behind the lists: once all has arrived, what was reported is what is.

use proptest::prelude::*;

use super::*;

/// What happens next. The numbers choose among what there is.
#[derive(Clone, Debug)]
enum Act {
    CallIn,
    CallOut(usize),
    Queue(usize, usize),
    Ring(usize, usize),
    Answer(usize),
    Hold(usize, bool),
    HangUp(usize),
    Unqueue(usize),
    Blind(usize),
    Attended(usize),
    Employ(usize, usize, bool),
    Pause(usize, usize, bool),
    /// So many packets arrive.
    Hear(usize),
    Pass,
    /// The line is cut, and comes back after all this; the process may have been started again.
    Cut {
        is_restart: bool,
    },
    /// The line comes back, and so many packets arrive before each list.
    Connect,
    /// The next list comes, past packets that wait to be sent.
    List,
}

fn act() -> impl Strategy<Value = Act> {
    let n = || 0..8_usize;
    prop_oneof![
        4 => Just(Act::CallIn),
        1 => n().prop_map(Act::CallOut),
        3 => (n(), n()).prop_map(|(a, b)| Act::Queue(a, b)),
        4 => (n(), n()).prop_map(|(a, b)| Act::Ring(a, b)),
        5 => n().prop_map(Act::Answer),
        1 => (n(), any::<bool>()).prop_map(|(a, b)| Act::Hold(a, b)),
        4 => n().prop_map(Act::HangUp),
        1 => n().prop_map(Act::Unqueue),
        1 => n().prop_map(Act::Blind),
        2 => n().prop_map(Act::Attended),
        1 => (n(), n(), any::<bool>()).prop_map(|(a, b, c)| Act::Employ(a, b, c)),
        1 => (n(), n(), any::<bool>()).prop_map(|(a, b, c)| Act::Pause(a, b, c)),
        6 => (0..12_usize).prop_map(Act::Hear),
        2 => Just(Act::Pass),
        2 => any::<bool>().prop_map(|is_restart| Act::Cut { is_restart }),
        3 => Just(Act::Connect),
        6 => Just(Act::List),
    ]
}

const LINES: [&str; 4] = ["PJSIP/1001", "PJSIP/1002", "PJSIP/1003", "PJSIP/2001"];
const QUEUES: [&str; 2] = ["support", "sales"];

/// A world in which the line may be down.
struct Stage {
    world: World,
    is_connected: bool,
    /// The lists that were asked for and have not been sent.
    asked: Vec<String>,
    believed: Believed,
    /// Legs that ring, with the channel they ring for.
    ringing: Vec<(String, String)>,
}

impl Stage {
    fn new() -> Stage {
        let (world, believed) = (World::new(), Believed::default());
        Stage { world, is_connected: true, asked: vec![], believed, ringing: vec![] }
    }

    fn believe(&mut self) {
        for event in self.world.events.drain(..) {
            self.believed.take(&event);
        }
    }

    fn hear(&mut self, count: usize) {
        let told = &mut self.world.pbx.told;
        if self.is_connected {
            let now: String = told.drain(..count.min(told.len())).collect();
            self.world.take(&now).unwrap();
        } else {
            told.clear();
        }
    }

    fn list(&mut self) {
        if self.is_connected && !self.asked.is_empty() {
            let id = self.asked.remove(0);
            let pbx = &self.world.pbx;
            let is_channels = id.starts_with("channels");
            let items = if is_channels { pbx.list_channels(&id) } else { pbx.list_queues(&id) };
            self.world.take(&items.concat()).unwrap();
        }
    }

    fn connect(&mut self) {
        if !self.is_connected {
            self.world.pbx.told.clear();
            self.asked = self.world.machine.begin_snapshot().to_vec();
            self.is_connected = true;
        }
    }

    fn cut(&mut self, is_restart: bool) {
        if self.is_connected {
            self.world.cut();
            self.believe();
            self.is_connected = false;
            self.asked.clear();
        }
        if is_restart {
            let open = self.believed.open_calls(self.world.now);
            self.world.machine = Machine::new(open);
            // Who works where is not kept; whoever listens is told anew, and has to begin anew.
            self.believed.members.clear();
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm an act")]
    fn act(&mut self, act: Act) {
        let pbx = &mut self.world.pbx;
        let pick = |from: Vec<String>, n: usize| from.get(n % from.len().max(1)).cloned();
        let all: Vec<String> = pbx.channels.keys().cloned().collect();
        let of = |test: &dyn Fn(&pbx::Channel) -> bool| -> Vec<String> {
            all.iter().filter(|id| test(&pbx.channels[*id])).cloned().collect()
        };
        let is_free = |id: &String| {
            pbx.channels[id].bridge.is_none()
                && !pbx.waiting.iter().any(|w| w.unique_id == *id)
                && !self.ringing.iter().any(|(leg, by)| leg == id || by == id)
        };
        let free: Vec<String> = all.iter().filter(|id| is_free(id)).cloned().collect();
        let talking = of(&|channel| channel.bridge.is_some());
        match act {
            Act::CallIn => drop(pbx.call_in("+6281", "1500")),
            Act::CallOut(line) => drop(pbx.call_out(LINES[line % LINES.len()], "0215550100")),
            Act::Queue(of, queue) => {
                if let Some(id) = pick(free, of) {
                    pbx.queue(&id, QUEUES[queue % QUEUES.len()]);
                }
            }
            Act::Ring(of, line) => {
                let waiting: Vec<String> =
                    pbx.waiting.iter().map(|w| w.unique_id.clone()).collect();
                let callers: Vec<String> = free.into_iter().chain(waiting).collect();
                if let Some(by) = pick(callers, of) {
                    let leg = pbx.ring(&by, LINES[line % LINES.len()]);
                    self.ringing.push((leg, by));
                }
            }
            Act::Answer(of) if !self.ringing.is_empty() => {
                let (leg, by) = self.ringing.remove(of % self.ringing.len());
                pbx.answer(&by, &leg);
                self.stop_ringing(&by);
            }
            Act::Hold(of, is_held) => {
                if let Some(id) = pick(talking, of) {
                    pbx.hold(&id, is_held);
                }
            }
            Act::HangUp(of) => {
                if let Some(id) = pick(all, of) {
                    self.hang_up(&id);
                }
            }
            Act::Unqueue(of) if !pbx.waiting.is_empty() => {
                let id = pbx.waiting[of % pbx.waiting.len()].unique_id.clone();
                pbx.unqueue(&id);
                self.stop_ringing(&id);
            }
            Act::Blind(of) => {
                if let Some(id) = pick(talking, of)
                    && pbx.in_bridge(pbx.channels[&id].bridge.unwrap()).len() == 2
                {
                    pbx.transfer_blindly(&id, "1002");
                }
            }
            Act::Attended(of) => self.transfer_attended(of),
            Act::Employ(queue, line, works) => {
                pbx.employ(QUEUES[queue % QUEUES.len()], LINES[line % LINES.len()], works);
            }
            Act::Pause(queue, line, is_paused) => {
                pbx.pause(QUEUES[queue % QUEUES.len()], LINES[line % LINES.len()], is_paused);
            }
            Act::Hear(count) => self.hear(count),
            Act::Pass => self.world.pass(1),
            Act::Cut { is_restart } => self.cut(is_restart),
            Act::Connect => self.connect(),
            Act::List => self.list(),
            Act::Answer(_) | Act::Unqueue(_) => {}
        }
        self.believe();
    }

    /// Legs that ring for a channel that was taken, or went, stop.
    fn stop_ringing(&mut self, by: &str) {
        let (stopped, on) = self.ringing.drain(..).partition(|(_, of)| of == by);
        self.ringing = on;
        let stopped: Vec<(String, String)> = stopped;
        stopped.iter().for_each(|(leg, _)| self.world.pbx.hang_up(leg));
    }

    fn hang_up(&mut self, id: &str) {
        self.ringing.retain(|(leg, _)| leg != id);
        let bridge = self.world.pbx.channels[id].bridge;
        self.world.pbx.hang_up(id);
        self.stop_ringing(id);
        // Whoever is left alone may stay in the bridge for a while or be led on.
        if let Some(left) = bridge.map(|b| self.world.pbx.in_bridge(b)).filter(|l| l.len() == 1) {
            self.world.pbx.leave(&left[0]);
        }
    }

    /// Whoever has two lines in talks of two brings them together.
    fn transfer_attended(&mut self, n: usize) {
        let pbx = &mut self.world.pbx;
        let two =
            |id: &&String| pbx.channels[*id].bridge.is_some_and(|b| pbx.in_bridge(b).len() == 2);
        let talking: Vec<String> = pbx.channels.keys().filter(two).cloned().collect();
        let line = |id: &String| pbx.channels[id].name.rsplit_once('-').unwrap().0.to_owned();
        let mut pairs = Vec::new();
        for first in &talking {
            for second in &talking {
                let apart = pbx.channels[first].bridge != pbx.channels[second].bridge;
                if first < second && apart && line(first) == line(second) {
                    pairs.push((first.clone(), second.clone()));
                }
            }
        }
        if !pairs.is_empty() {
            let (first, second) = &pairs[n % pairs.len()];
            pbx.transfer_attended(first, second);
        }
    }

    /// Everything arrives, and a while passes.
    fn settle(&mut self) {
        self.connect();
        while !self.asked.is_empty() {
            self.list();
        }
        self.hear(usize::MAX);
        self.world.pass(2);
        self.believe();
    }

    fn check(&self) {
        let pbx = &self.world.pbx;
        let alive: BTreeSet<&String> = pbx.channels.values().map(|c| &c.linked).collect();
        let known: BTreeSet<&String> = self.believed.calls.keys().collect();
        assert!(known.is_subset(&alive), "believed to go on: {known:?}, are: {alive:?}");
        for call in alive {
            let Some(first) = pbx.channels.get(call) else { continue };
            let is_callers = first.name.starts_with("PJSIP/trunk");
            assert!(!is_callers || known.contains(call), "{call} came in and nobody knows");
            let there = first.bridge.map(|bridge| pbx.in_bridge(bridge)).unwrap_or_default();
            let [one, other] = &there[..] else { continue };
            // Two talk, one of whom the call began with: who has it is no question.
            let other = if one == call { other } else { one };
            let holder = if is_callers { &pbx.channels[other] } else { first };
            let line = holder.name.rsplit_once('-').unwrap().0;
            let is_elsewhere = |id: &String| {
                let channel = &pbx.channels[id];
                channel.linked == *call && channel.bridge.is_some() && !there.contains(id)
            };
            // Whether somebody who is no agent calls in depends on when it began to work in a queue.
            let is_unclear = !is_callers && line == "PJSIP/2001";
            if !is_unclear && !pbx.channels.keys().any(is_elsewhere) {
                let holder = self.believed.calls.get(call).cloned().flatten();
                assert_eq!(holder, Some(Staff.agent_of(line).id), "of {call}");
            }
        }
        let waiting: BTreeSet<(String, String)> = pbx
            .waiting
            .iter()
            .map(|w| (w.queue.clone(), pbx.channels[&w.unique_id].linked.clone()))
            .collect();
        assert_eq!(self.believed.waiting, waiting);
        assert_eq!(self.believed.members, pbx.members);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn once_all_has_arrived_what_was_reported_is_what_is(
        acts in prop::collection::vec(act(), 1..120),
    ) {
        let mut stage = Stage::new();
        for act in acts {
            stage.act(act);
        }
        stage.settle();
        stage.check();
        // When everybody has gone, every call has ended once.
        let left: Vec<String> = stage.world.pbx.channels.keys().cloned().collect();
        left.iter().for_each(|id| stage.world.pbx.hang_up(id));
        stage.hear(usize::MAX);
        stage.believe();
        prop_assert!(stage.believed.calls.is_empty(), "{:?}", stage.believed.calls);
        prop_assert!(stage.believed.waiting.is_empty());
    }
}
