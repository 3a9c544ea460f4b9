//! A listener of some dialect: its connections one after the other, what it was told on each, and
//! whether that is what it had to be told.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use switchboard::model::ConversationId;

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
    /// What it wants, each from behind a position on.
    wanted: Vec<(u64, BTreeSet<&'static str>)>,
    /// Whether it said so at all; the first time narrows what it wants.
    is_narrowed: bool,
    has_unsubscribed: bool,
    /// The pasts it asked for: when, behind which position, and of what.
    pasts: Vec<(u64, u64, BTreeSet<&'static str>)>,
    /// Behind which position its user was told of no notification by the time it came.
    unnotified: Option<u64>,
    may_resync: bool,
    told: Vec<Frame>,
}

/// What came.
struct Frame {
    name: String,
    position: Option<u64>,
    marker: Option<String>,
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
        Ear { who, place, tenant, credential, line: None, span: Span::default() }
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
        self.span.wanted = vec![(0, wanted)];
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
        assert!(frame.name != "resync" || self.span.may_resync, "{:?}", self.who);
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
        let mut wanted =
            if before { span.wanted.last().unwrap().1.clone() } else { BTreeSet::new() };
        wanted.extend(&set);
        if let Some(after) = after {
            span.pasts.push((at, position(after), set));
        }
        span.wanted.push((at, wanted));
    }

    /// Gives these up.
    pub async fn unsubscribe(&mut self, at: u64, patterns: &[&str]) {
        let Some(Line::Hub(console)) = &mut self.line else { panic!("no line of the hub") };
        console.unsubscribe(patterns).await;
        let given_up = names_of(patterns);
        let mut wanted = self.span.wanted.last().unwrap().1.clone();
        wanted.retain(|name| !given_up.contains(name));
        self.span.wanted.push((at, wanted));
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
            if passing.at < self.span.came_at || !(is_addressed || is_wanted) {
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

    /// What it subscribed to when the log ended there. What is told in one moment comes before the
    /// next.
    fn wants(&self, name: &str, position: u64) -> bool {
        if !self.is_of_the_hub() {
            return true;
        }
        let wanted = self.span.wanted.iter().rev().find(|(from, _)| *from < position);
        wanted.or(self.span.wanted.first()).is_some_and(|(_, names)| names.contains(name))
    }

    fn due(&self, history: &History, kept: &Kept) -> Verdict {
        let (span, position) = (&self.span, kept.position);
        let is_addressed = kept.is_addressed_to(&self.who);
        let is_wanted = is_addressed || self.wants(kept.name, position);
        let verdict = match position > span.came_at {
            true => history.live(&self.who, self.place, kept),
            false => history.replayed(&self.who, self.place, kept, span.came_at),
        };
        if position > span.start {
            if is_wanted && verdict == Verdict::Must {
                return Verdict::Must;
            }
        } else if let Some(since) = span.unnotified
            && kept.notifies() == Some(&self.who.subject)
            && position > since
            && verdict == Verdict::Must
        {
            return Verdict::Must;
        }
        // A resync comes with the newest messages.
        let is_of_snapshot = span.may_resync && kept.name == "chat.message";
        if is_of_snapshot && position <= span.start && room_of(self.place).is_some() {
            return if verdict == Verdict::Never { verdict } else { Verdict::May };
        }
        let is_covered = position > span.start && is_wanted;
        let mut due = if is_covered { verdict } else { Verdict::Never };
        for (at, after, set) in &span.pasts {
            let is_of_it = *after < position && position <= *at && set.contains(kept.name);
            if !is_of_it {
                continue;
            }
            due = match history.replayed(&self.who, self.place, kept, *at) {
                Verdict::Never => due,
                // It was told of these as they came, as far as it might hear them then.
                _ if is_covered => Verdict::May,
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
        Frame { name, position: cursor.map(position), marker, text }
    }
}

impl std::fmt::Debug for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let told: Vec<_> = self.told.iter().map(|frame| (&frame.name, frame.position)).collect();
        f.debug_struct("Span")
            .field("start", &self.start)
            .field("came_at", &self.came_at)
            .field("pasts", &self.pasts)
            .field("wanted_from", &self.wanted.iter().map(|(at, _)| at).collect::<Vec<_>>())
            .field("unnotified", &self.unnotified)
            .field("told", &told)
            .finish()
    }
}

/// Every text that came to a listener of one tenant; none may tell of another.
pub fn check_wall(ear: &Ear, tenants: &[(&'static str, String)]) {
    for frame in &ear.span.told {
        for (tenant, log) in tenants {
            let tells = frame.text.contains(&format!("~{tenant}~"))
                || frame.text.contains(&format!(" of {tenant}"))
                || frame.text.contains(log.as_str());
            assert!(
                !tells || *tenant == ear.tenant,
                "{:?} of {} heard of {tenant}: {}",
                ear.who,
                ear.tenant,
                frame.text,
            );
        }
    }
}

/// The conversation of a place, if it is in one.
pub fn room_of(place: Place) -> Option<ConversationId> {
    match place {
        Place::Console => None,
        Place::Visitor(id) | Place::Session(id) => Some(id),
        Place::SocketIo(id) => id,
    }
}
