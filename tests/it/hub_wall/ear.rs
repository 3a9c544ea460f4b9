//! A listener of some dialect: its connections one after the other, what it was told on each, and
//! whether that is what it had to be told.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use switchboard::model::{ConversationId, Role};

use super::rules::{
    History, Kept, Passing, Place, Verdict, Who, everyday, marker_in, names_of,
    passing_is_addressed_to,
};
use crate::client::{Client, Seen};
use crate::console::Console;
use crate::packet::position;
use crate::server::Server;
use crate::socketio::{Socket, Told};

/// An open line.
enum Line {
    Hub(Console),
    Session(Client),
    SocketIo(Box<Socket>),
}

/// A listener.
pub struct Ear {
    pub who: Who,
    pub place: Place,
    pub tenant: &'static str,
    /// What proves who it is.
    pub credential: String,
    /// What frames of other tenants have in them.
    pub foreign: Vec<String>,
    line: Option<Line>,
    span: Span,
}

/// What a listener was told on one connection, and what decides what it had to be told.
#[derive(Default)]
struct Span {
    /// Behind which position it is told.
    start: u64,
    /// Where the log ended when it came; what is before that is read from the log.
    came_at: u64,
    /// What it wants, from its first choice to its last.
    wanted: Vec<Choice>,
    /// Whether it said so at all; the first time narrows what it wants.
    is_narrowed: bool,
    has_unsubscribed: bool,
    /// The pasts it asked for: with which choice, behind which position, and of what.
    pasts: Vec<(usize, u64, BTreeSet<&'static str>)>,
    /// Behind which position its user was told of no notification by the time it came.
    unnotified: Option<u64>,
    may_resync: bool,
    told: Vec<Frame>,
}

/// What a listener wants. The server took notice of that behind `from` and before `until`.
#[derive(Debug)]
struct Choice {
    from: u64,
    until: u64,
    names: BTreeSet<&'static str>,
}

/// What came.
struct Frame {
    name: String,
    position: Option<u64>,
    marker: Option<String>,
    /// The conversation it is about.
    conversation: Option<ConversationId>,
    text: String,
}

/// From where a new connection is told.
pub enum From {
    Now,
    Cursor(String),
    /// A cursor of another tenant.
    Foreign(String),
}

impl Ear {
    pub fn new(tenant: &'static str, who: Who, place: Place, credential: String) -> Ear {
        let (line, span, foreign) = (None, Span::default(), vec![]);
        Ear { who, place, tenant, credential, foreign, line, span }
    }

    pub fn is_open(&self) -> bool {
        self.line.is_some()
    }

    /// Whether it may subscribe to something.
    pub fn is_of_the_hub(&self) -> bool {
        matches!(self.place, Place::Console | Place::Visitor(_))
    }

    pub fn may_come_back(&self) -> bool {
        !matches!(self.place, Place::SocketIo(_))
    }

    /// Whether a past may be asked for: one of what was given up before is told anew.
    pub fn may_ask_for_a_past(&self) -> bool {
        !self.span.has_unsubscribed
    }

    /// Comes in. `head` is where the log ends, `events` what it subscribes to with its query.
    pub async fn open(
        &mut self,
        server: &Server,
        head: u64,
        from: From,
        events: Option<&[&str]>,
        unnotified: Option<u64>,
    ) {
        let wanted = events.map_or_else(everyday, names_of);
        self.span = Span { came_at: head, unnotified, ..Span::default() };
        self.span.is_narrowed = events.is_some();
        let after = match &from {
            From::Now => String::new(),
            From::Cursor(cursor) | From::Foreign(cursor) => format!("&after={cursor}"),
        };
        self.span.may_resync = matches!(from, From::Foreign(_));
        let events = events.map_or(String::new(), |events| format!("&events={}", events.join(",")));
        let token = &self.credential;
        let (line, start) = match self.place {
            Place::Console => {
                let path = format!("/ws?token={token}{after}{events}");
                let console = Console::open(server, &path).await;
                let start = position(&console.cursor);
                (Line::Hub(console), start)
            }
            Place::Visitor(id) => {
                let path = format!("/ws/public?token={token}&session_id={id}{after}{events}");
                let visitor = Console::open(server, &path).await;
                let start = position(&visitor.cursor);
                (Line::Hub(visitor), start)
            }
            Place::Session(id) => {
                let path = format!("/ws/{id}/{}/{}", self.who.subject, self.who.role);
                let mut client = server.open(&format!("{path}?token={token}{after}")).await;
                let first = client.frame_of("connection_established").await;
                let start = position(first["cursor"].as_str().unwrap());
                (Line::Session(client), start)
            }
            Place::SocketIo(room) => {
                let mut socket = Socket::open(server, json!({ "token": token })).await;
                let start = position(&socket.offset);
                if let Some(id) = room {
                    socket.join(&id.to_string()).await;
                }
                (Line::SocketIo(Box::new(socket)), start)
            }
        };
        (self.span.start, self.line) = (start, Some(line));
        self.span.wanted = vec![Choice { from: 0, until: 0, names: wanted }];
    }

    /// Takes in everything up to a frame with this marker.
    pub async fn hear_until(&mut self, marker: &str) {
        loop {
            let frame = self.next().await;
            let is_it = frame.marker.as_deref() == Some(marker);
            self.span.told.push(frame);
            if is_it {
                return;
            }
        }
    }

    async fn next(&mut self) -> Frame {
        let frame = match self.line.as_mut().expect("an open line") {
            Line::Hub(console) => {
                let frame = console.frame().await;
                let name = frame["type"].as_str().unwrap().to_owned();
                Frame::of(self.tenant, name, frame["cursor"].as_str(), &frame)
            }
            Line::Session(client) => {
                let frame = match client.next().await {
                    Seen::Frame(frame) => frame,
                    Seen::Ping => json!({ "type": "ping" }),
                    end => panic!("{:?} of {}: {end:?}", self.who, self.tenant),
                };
                let name = frame["type"].as_str().unwrap().to_owned();
                Frame::of(self.tenant, name, frame["data"]["cursor"].as_str(), &frame)
            }
            Line::SocketIo(socket) => match socket.told().await {
                Told::Event(name, data) => Frame::of(self.tenant, name, None, &data),
                Told::Offset => Frame::of(self.tenant, "offset".into(), None, &Value::Null),
                Told::End(code) => panic!("{:?} of {}: {code:?}", self.who, self.tenant),
            },
        };
        let foreign = self.foreign.iter().find(|foreign| frame.text.contains(foreign.as_str()));
        assert_eq!(foreign, None, "{:?} of {} heard {}", self.who, self.tenant, frame.text);
        if self.who.role == Role::Customer
            && let (Some(id), Some(room)) = (frame.conversation, room_of(self.place))
        {
            assert_eq!(id, room, "{:?} of {} heard {}", self.who, self.tenant, frame.text);
        }
        frame
    }

    /// Subscribes to more, at a position up to which it was told; with a cursor, to its past.
    pub async fn subscribe(&mut self, at: u64, patterns: &[&str], after: Option<&str>) {
        let Some(Line::Hub(console)) = &mut self.line else { panic!("no line of the hub") };
        console.subscribe(patterns, after).await;
        let span = &mut self.span;
        let set = names_of(patterns);
        let before = std::mem::replace(&mut span.is_narrowed, true);
        // The first time, it has given up all but these.
        span.has_unsubscribed |= !before;
        let last = span.wanted.last().filter(|_| before);
        let mut names = last.map(|choice| choice.names.clone()).unwrap_or_default();
        names.extend(&set);
        if let Some(after) = after {
            span.pasts.push((span.wanted.len(), position(after), set));
        }
        span.wanted.push(Choice { from: at, until: u64::MAX, names });
    }

    /// The last choice was taken notice of by then.
    pub fn has_chosen(&mut self, until: u64) {
        self.span.wanted.last_mut().unwrap().until = until;
    }

    /// Gives these up.
    pub async fn unsubscribe(&mut self, at: u64, patterns: &[&str]) {
        let Some(Line::Hub(console)) = &mut self.line else { panic!("no line of the hub") };
        console.unsubscribe(patterns).await;
        let given_up = names_of(patterns);
        let mut names = self.span.wanted.last().unwrap().names.clone();
        names.retain(|name| !given_up.contains(name));
        self.span.wanted.push(Choice { from: at, until: u64::MAX, names });
        (self.span.is_narrowed, self.span.has_unsubscribed) = (true, true);
    }

    /// The last cursor it has.
    pub fn cursor(&self) -> Option<String> {
        match &self.line {
            Some(Line::Hub(console)) => Some(console.cursor.clone()),
            _ => None,
        }
    }

    /// Ends the line in one way or another.
    pub async fn cut(&mut self, is_polite: bool) {
        let client = match self.line.take().expect("an open line") {
            Line::Hub(console) => console.client,
            Line::Session(client) => client,
            Line::SocketIo(socket) => socket.client,
        };
        if is_polite { client.close().await } else { client.cut().await }
    }

    /// Checks what it was told up to a position, by what happened in its tenant.
    pub fn check(&self, history: &History, passing: &[Passing], end: u64) {
        let resyncs = self.span.told.iter().filter(|frame| frame.name == "resync").count();
        assert_eq!(resyncs, usize::from(self.span.may_resync), "{:?}", self.who);
        let told = self.told(history, passing);
        for kept in history.kept.iter().filter(|kept| kept.position <= end) {
            let times = told.get(&kept.position).copied().unwrap_or(0);
            let (position, name) = (kept.position, kept.name);
            match (self.due(history, kept), times) {
                (Verdict::Must, 1) | (Verdict::May, 0 | 1) | (Verdict::Never, 0) => {}
                (due, times) => panic!(
                    "{:?} at {:?} of {} heard {name} at {position} {times} times, and {due:?} hear \
                     it: {kept:?}\n{:?}",
                    self.who, self.place, self.tenant, self.span,
                ),
            }
        }
        for passing in passing.iter().filter(|passing| passing.at < end) {
            let is_told = |frame: &&Frame| frame.marker.as_ref() == Some(&passing.marker);
            let times = self.span.told.iter().filter(is_told).count();
            let mut due = history.passing(&self.who, self.place, passing);
            let is_addressed = passing_is_addressed_to(passing, &self.who);
            // It came behind what stands there.
            let is_wanted = self.wants(passing.event.public_name(), passing.at + 1);
            if passing.at < self.span.came_at || !(is_addressed || is_wanted != Some(false)) {
                due = Verdict::Never;
            }
            assert!(
                matches!((due, times), (Verdict::Must, 1) | (Verdict::Never, 0)),
                "{:?} at {:?} of {} heard {} {times} times, and {due:?} hear it: {:?}",
                self.who,
                self.place,
                self.tenant,
                passing.marker,
                passing.event,
            );
        }
    }

    /// How often it was told of what is kept, by position.
    fn told(&self, history: &History, passing: &[Passing]) -> BTreeMap<u64, usize> {
        let mut told = BTreeMap::new();
        for frame in &self.span.told {
            let of_marker = frame.marker.as_ref().and_then(|marker| history.by_marker.get(marker));
            let is_passing = passing.iter().any(|one| Some(&one.marker) == frame.marker.as_ref());
            match of_marker.copied().or(frame.position) {
                Some(position) => *told.entry(position).or_default() += 1,
                None => assert!(frame.marker.is_none() || is_passing, "of nowhere: {}", frame.text),
            }
        }
        told
    }

    /// Whether it wanted these when the log ended there; nobody knows while it was choosing.
    fn wants(&self, name: &str, position: u64) -> Option<bool> {
        let mut wants = Some(true);
        for choice in self.span.wanted.iter().filter(|_| self.is_of_the_hub()) {
            let wants_now = Some(choice.names.contains(name));
            if position > choice.until {
                wants = wants_now;
            } else if position > choice.from && wants != wants_now {
                wants = None;
            }
        }
        wants
    }

    fn due(&self, history: &History, kept: &Kept) -> Verdict {
        let (span, position) = (&self.span, kept.position);
        let verdict = match position > span.came_at {
            true => history.live(&self.who, self.place, kept),
            false => history.replayed(&self.who, self.place, kept, span.came_at),
        };
        if verdict == Verdict::Must && self.was_waiting_for_it(kept) {
            return Verdict::Must;
        }
        // A resync comes with the newest messages.
        let is_of_snapshot = span.may_resync && kept.name == "chat.message";
        if is_of_snapshot && position <= span.start && room_of(self.place).is_some() {
            return verdict.at_most(Verdict::May);
        }
        let wants = match kept.is_addressed_to(&self.who) {
            true => Some(true),
            false => self.wants(kept.name, position),
        };
        let due = match wants {
            _ if position <= span.start => Verdict::Never,
            Some(true) => verdict,
            Some(false) => Verdict::Never,
            None => verdict.at_most(Verdict::May),
        };
        if due == Verdict::Must { due } else { self.due_of_the_past(history, kept, due, wants) }
    }

    /// Whether it is a notification that was kept for its user until this connection came.
    fn was_waiting_for_it(&self, kept: &Kept) -> bool {
        let is_waiting = |since| since < kept.position && kept.position <= self.span.start;
        kept.notifies() == Some(&self.who.subject) && self.span.unnotified.is_some_and(is_waiting)
    }

    /// What a past that was asked for makes of an event that is `due` without it.
    fn due_of_the_past(
        &self,
        history: &History,
        kept: &Kept,
        mut due: Verdict,
        wants: Option<bool>,
    ) -> Verdict {
        for (choice, after, set) in &self.span.pasts {
            let Choice { from, until, .. } = self.span.wanted[*choice];
            let is_of_it =
                *after < kept.position && kept.position <= until && set.contains(kept.name);
            if !is_of_it {
                continue;
            }
            // It was told of some as they came, as far as it might hear them then.
            let may_be_told = kept.position > self.span.start && wants != Some(false);
            due = match history.replayed(&self.who, self.place, kept, from) {
                Verdict::Never => due,
                _ if may_be_told || kept.position > from => Verdict::May,
                past => past,
            };
        }
        due
    }
}

impl Frame {
    fn of(tenant: &str, name: String, cursor: Option<&str>, frame: &Value) -> Frame {
        let text = frame.to_string();
        // Typing ends by itself, and says once more whose it is.
        let has_marker = !["chat.typing", "typing_indicator"].contains(&name.as_str());
        let marker = if has_marker { marker_in(&text, tenant) } else { None };
        // Wherever a dialect has it.
        let places = ["/payload/session_id", "/data/session_id", "/conversationId"];
        let id = places.iter().find_map(|place| frame.pointer(place)?.as_str());
        let conversation = id.and_then(ConversationId::parse);
        Frame { name, position: cursor.map(position), marker, conversation, text }
    }
}

impl std::fmt::Debug for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let told: Vec<_> = self.told.iter().map(|frame| (&frame.name, frame.position)).collect();
        f.debug_struct("Span")
            .field("start", &self.start)
            .field("came_at", &self.came_at)
            .field("pasts", &self.pasts)
            .field("wanted", &self.wanted)
            .field("unnotified", &self.unnotified)
            .field("told", &told)
            .finish()
    }
}

/// The conversation of a place, if it is in one.
fn room_of(place: Place) -> Option<ConversationId> {
    match place {
        Place::Console => None,
        Place::Visitor(id) | Place::Session(id) => Some(id),
        Place::SocketIo(id) => id,
    }
}
