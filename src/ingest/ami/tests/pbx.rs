//! A telephone system in memory: does what people do on telephones, tells of it as Asterisk does,
//! and answers what it is asked from how things stand. Shared with the tests over real sockets.

use std::collections::BTreeMap;

/// A channel.
#[derive(Clone, Debug)]
pub struct Channel {
    pub name: String,
    pub linked: String,
    pub number: String,
    pub exten: String,
    pub bridge: Option<u64>,
    pub is_up: bool,
}

/// Who waits in a queue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Waiting {
    pub queue: String,
    pub unique_id: String,
}

/// The telephone system.
#[derive(Clone, Debug, Default)]
pub struct Pbx {
    /// By their unique ids.
    pub channels: BTreeMap<String, Channel>,
    pub waiting: Vec<Waiting>,
    /// By queue and interface: whether paused.
    pub members: BTreeMap<(String, String), bool>,
    /// What it has told and nobody has been sent yet.
    pub told: Vec<String>,
    /// Whoever gives a call away unasked stays in the bridge until that is told.
    pub lingers: bool,
    next: u64,
    next_bridge: u64,
}

/// When its first call came.
const EPOCH: u64 = 1_737_714_600;

impl Pbx {
    fn tell(&mut self, event: &str, fields: &[String]) {
        let privilege = if event.starts_with("Queue") { "agent,all" } else { "call,all" };
        let head = format!("Event: {event}\r\nPrivilege: {privilege}\r\n");
        self.told.push(format!("{head}{}\r\n", fields.concat()));
    }

    fn state(&self, unique_id: &str, prefix: &str) -> String {
        let channel = &self.channels[unique_id];
        let (code, word) = if channel.is_up { (6, "Up") } else { (4, "Ring") };
        [
            ("Channel", channel.name.as_str()),
            ("ChannelState", &code.to_string()),
            ("ChannelStateDesc", word),
            ("CallerIDNum", &channel.number),
            ("CallerIDName", "<unknown>"),
            ("ConnectedLineNum", "<unknown>"),
            ("ConnectedLineName", "<unknown>"),
            ("Language", "en"),
            ("AccountCode", ""),
            ("Context", "from-outside"),
            ("Exten", &channel.exten),
            ("Priority", "1"),
            ("Uniqueid", unique_id),
            ("Linkedid", &channel.linked),
        ]
        .map(|(key, value)| field(&format!("{prefix}{key}"), value))
        .concat()
    }

    fn begin(
        &mut self,
        interface: &str,
        linked: Option<&str>,
        number: &str,
        exten: &str,
    ) -> String {
        self.next += 1;
        let unique_id = format!("{}.{}", EPOCH + self.next / 3, self.next);
        let mark = if interface.starts_with("Local/") { ";1" } else { "" };
        let channel = Channel {
            name: format!("{interface}-{:08x}{mark}", self.next),
            linked: linked.unwrap_or(&unique_id).to_owned(),
            number: number.to_owned(),
            exten: exten.to_owned(),
            bridge: None,
            is_up: false,
        };
        self.channels.insert(unique_id.clone(), channel);
        self.tell("Newchannel", &[self.state(&unique_id, "")]);
        unique_id
    }

    /// Somebody calls in on a trunk, and dials this.
    pub fn call_in(&mut self, number: &str, exten: &str) -> String {
        self.begin("PJSIP/trunk", None, number, exten)
    }

    /// Somebody at an inner line lifts the receiver and dials.
    pub fn call_out(&mut self, interface: &str, exten: &str) -> String {
        let number = interface.rsplit('/').next().unwrap_or_default().to_owned();
        self.begin(interface, None, &number, exten)
    }

    /// A line is rung for a call.
    pub fn ring(&mut self, by: &str, interface: &str) -> String {
        let linked = self.channels[by].linked.clone();
        let number = interface.rsplit('/').next().unwrap_or_default().to_owned();
        let leg = self.begin(interface, Some(&linked), &number, "s");
        let string = field("DialString", interface);
        self.tell("DialBegin", &[self.state(by, ""), self.state(&leg, "Dest"), string]);
        leg
    }

    /// The line that is rung takes the call.
    pub fn answer(&mut self, by: &str, leg: &str) {
        for id in [by, leg] {
            self.channels.get_mut(id).unwrap().is_up = true;
        }
        let status = field("DialStatus", "ANSWER");
        self.tell("DialEnd", &[self.state(by, ""), self.state(leg, "Dest"), status]);
        self.unqueue(by);
        self.next_bridge += 1;
        let bridge = self.next_bridge;
        self.enter(by, bridge);
        self.enter(leg, bridge);
    }

    /// A channel comes into a bridge; all there belong to the oldest call.
    pub fn enter(&mut self, unique_id: &str, bridge: u64) {
        self.channels.get_mut(unique_id).unwrap().bridge = Some(bridge);
        let there: Vec<String> = self.in_bridge(bridge);
        let oldest =
            there.iter().map(|id| self.channels[id].linked.clone()).min_by_key(|id| age(id));
        for id in &there {
            self.channels.get_mut(id).unwrap().linked.clone_from(oldest.as_ref().unwrap());
        }
        let count = there.len();
        self.tell("BridgeEnter", &[of_bridge(bridge, count), self.state(unique_id, "")]);
    }

    /// A channel leaves its bridge.
    pub fn leave(&mut self, unique_id: &str) {
        let Some(bridge) = self.channels.get_mut(unique_id).unwrap().bridge.take() else { return };
        let count = self.in_bridge(bridge).len();
        self.tell("BridgeLeave", &[of_bridge(bridge, count), self.state(unique_id, "")]);
    }

    /// Who is in a bridge.
    pub fn in_bridge(&self, bridge: u64) -> Vec<String> {
        let there = self.channels.iter().filter(|(_, channel)| channel.bridge == Some(bridge));
        there.map(|(id, _)| id.clone()).collect()
    }

    /// A channel ends.
    pub fn hang_up(&mut self, unique_id: &str) {
        if let Some(at) = self.waiting.iter().position(|w| w.unique_id == unique_id) {
            let queue = self.waiting[at].queue.clone();
            let fields = [field("Queue", &queue), field("Position", "1"), field("HoldTime", "7")];
            self.tell("QueueCallerAbandon", &[self.state(unique_id, ""), fields.concat()]);
            self.unqueue(unique_id);
        }
        self.leave(unique_id);
        let cause = [field("Cause", "16"), field("Cause-txt", "Normal Clearing")];
        self.tell("Hangup", &[self.state(unique_id, ""), cause.concat()]);
        self.channels.remove(unique_id);
    }

    /// A call is put into a queue.
    pub fn queue(&mut self, unique_id: &str, queue: &str) {
        let (queue, unique_id) = (queue.to_owned(), unique_id.to_owned());
        let count = self.waiting.iter().filter(|w| w.queue == queue).count() + 1;
        self.waiting.push(Waiting { queue: queue.clone(), unique_id: unique_id.clone() });
        let fields = [
            field("Queue", &queue),
            field("Position", &count.to_string()),
            field("Count", &count.to_string()),
        ];
        self.tell("QueueCallerJoin", &[self.state(&unique_id, ""), fields.concat()]);
    }

    /// A call waits no longer.
    pub fn unqueue(&mut self, unique_id: &str) {
        let Some(at) = self.waiting.iter().position(|w| w.unique_id == unique_id) else { return };
        let queue = self.waiting.remove(at).queue;
        let count = self.waiting.iter().filter(|w| w.queue == queue).count().to_string();
        let fields = [field("Queue", &queue), field("Count", &count), field("Position", "1")];
        self.tell("QueueCallerLeave", &[self.state(unique_id, ""), fields.concat()]);
    }

    /// A line holds the other side, or goes on.
    pub fn hold(&mut self, unique_id: &str, is_held: bool) {
        let event = if is_held { "Hold" } else { "Unhold" };
        self.tell(event, &[self.state(unique_id, "")]);
    }

    /// A line gives the other side to an extension, unasked, and hangs up.
    pub fn transfer_blindly(&mut self, by: &str, exten: &str) {
        let bridge = self.channels[by].bridge.unwrap();
        let other = self.in_bridge(bridge).into_iter().find(|id| id != by).unwrap();
        let (state, others) = (self.state(by, "Transferer"), self.state(&other, "Transferee"));
        if !self.lingers {
            self.leave(by);
        }
        let rest = [field("IsExternal", "Yes"), field("Extension", exten)];
        let fields = [field("Result", "Success"), state, others, rest.concat()];
        self.tell("BlindTransfer", &fields);
        self.hang_up(by);
        self.leave(&other);
    }

    /// A line brings whom it talks to on `first` together with whom it talks to on `second`.
    pub fn transfer_attended(&mut self, first: &str, second: &str) {
        let other = |own: &Pbx, of: &str| {
            let bridge = own.channels[of].bridge.unwrap();
            own.in_bridge(bridge).into_iter().find(|id| id != of).unwrap()
        };
        let (transferee, target) = (other(self, first), other(self, second));
        let bridge = self.channels[first].bridge.unwrap();
        let states = [
            self.state(first, "OrigTransferer"),
            self.state(second, "SecondTransferer"),
            self.state(&transferee, "Transferee"),
            self.state(&target, "TransferTarget"),
        ];
        self.leave(&target);
        self.enter(&target, bridge);
        self.leave(first);
        let end = [field("DestType", "Bridge"), field("DestBridgeUniqueid", &bridge_id(bridge))];
        let fields = [field("Result", "Success"), states.concat(), end.concat()];
        self.tell("AttendedTransfer", &fields);
        self.hang_up(first);
        self.hang_up(second);
    }

    /// Somebody works in a queue, or does no longer.
    pub fn employ(&mut self, queue: &str, interface: &str, works: bool) {
        let key = (queue.to_owned(), interface.to_owned());
        if works == self.members.contains_key(&key) {
            return;
        }
        if works {
            self.members.insert(key, false);
        } else {
            self.members.remove(&key);
        }
        let event = if works { "QueueMemberAdded" } else { "QueueMemberRemoved" };
        self.tell(event, &[member(queue, interface, false)]);
    }

    /// A member is paused, or is no longer.
    pub fn pause(&mut self, queue: &str, interface: &str, is_paused: bool) {
        let key = (queue.to_owned(), interface.to_owned());
        if let Some(was) = self.members.get_mut(&key) {
            *was = is_paused;
            self.tell("QueueMemberPause", &[member(queue, interface, is_paused)]);
        }
    }

    /// The answer to `CoreShowChannels`.
    pub fn list_channels(&self, action: &str) -> Vec<String> {
        let item = |(id, channel): (&String, &Channel)| {
            let bridge = channel.bridge.map(bridge_id).unwrap_or_default();
            let rest = [
                field("Application", ""),
                field("Duration", "00:00:05"),
                field("BridgeId", &bridge),
            ];
            format!(
                "Event: CoreShowChannel\r\nActionID: {action}\r\n{}{}\r\n",
                self.state(id, ""),
                rest.concat()
            )
        };
        let items = self.channels.iter().map(item).collect();
        list(action, "CoreShowChannelsComplete", items)
    }

    /// The answer to `QueueStatus`.
    pub fn list_queues(&self, action: &str) -> Vec<String> {
        let mut items = Vec::new();
        let head = |event: &str| format!("Event: {event}\r\nActionID: {action}\r\n");
        for ((queue, interface), is_paused) in &self.members {
            let paused = if *is_paused { "1" } else { "0" };
            let fields = [
                field("Queue", queue),
                field("Name", interface),
                field("Location", interface),
                field("Paused", paused),
            ];
            items.push(format!("{}{}\r\n", head("QueueMember"), fields.concat()));
        }
        for waiting in &self.waiting {
            let fields = [
                field("Queue", &waiting.queue),
                field("Position", "1"),
                field("Uniqueid", &waiting.unique_id),
                field("Wait", "3"),
            ];
            items.push(format!("{}{}\r\n", head("QueueEntry"), fields.concat()));
        }
        list(action, "QueueStatusComplete", items)
    }
}

fn list(action: &str, end: &str, items: Vec<String>) -> Vec<String> {
    let head = format!(
        "Response: Success\r\nActionID: {action}\r\nEventList: start\r\n\
         Message: Items will follow\r\n\r\n"
    );
    let end = format!(
        "Event: {end}\r\nActionID: {action}\r\nEventList: Complete\r\nListItems: {}\r\n\r\n",
        items.len()
    );
    [head].into_iter().chain(items).chain([end]).collect()
}

fn field(key: &str, value: &str) -> String {
    format!("{key}: {value}\r\n")
}

fn member(queue: &str, interface: &str, is_paused: bool) -> String {
    let paused = if is_paused { "1" } else { "0" };
    [
        field("Queue", queue),
        field("MemberName", interface),
        field("Interface", interface),
        field("Paused", paused),
        field("PausedReason", ""),
    ]
    .concat()
}

fn bridge_id(bridge: u64) -> String {
    format!("b0000000-0000-4000-8000-{bridge:012}")
}

fn of_bridge(bridge: u64, count: usize) -> String {
    let id = field("BridgeUniqueid", &bridge_id(bridge));
    [id, field("BridgeType", "basic"), field("BridgeNumChannels", &count.to_string())].concat()
}

/// The lower, the older.
pub fn age(id: &str) -> (u64, u64) {
    let (second, number) = id.split_once('.').unwrap();
    (second.parse().unwrap(), number.parse().unwrap())
}
