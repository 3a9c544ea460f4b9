//! Who may hear what, restated from the contract alone (sections 3, 4 and 7) and applied to what the
//! log says has happened. Nothing here asks the server's own rules.

use std::collections::{BTreeSet, HashMap};

use switchboard::log::Reading;
use switchboard::model::{ConversationId, Envelope, Event, Role, Target, TenantId, UserId};
use uuid::Uuid;

use crate::server::Server;

/// More events than any test makes.
const ALL: usize = 1_000_000;

/// What becomes of a conversation: whoever sees its queue hears it.
const OF_THE_QUEUE: &[&str] = &[
    "chat.session.started",
    "chat.session.ended",
    "chat.transferred",
    "conversation.queued",
    "conversation.assigned",
    "conversation.transferred",
    "conversation.escalated",
    "conversation.closed",
    "conversation.reopened",
];

/// What only those hear who ask for it.
const ASKED_FOR: &[&str] = &["audit.", "routing.", "presence."];

/// Events that sockets of the session dialect have a frame for, live or from the log.
const OF_SESSIONS: &[&str] = &[
    "chat.message",
    "chat.message.status",
    "conversation.joined",
    "conversation.left",
    "conversation.queued",
    "conversation.assigned",
    "conversation.transferred",
    "conversation.handoff",
    "conversation.closed",
    "conversation.reopened",
    "conversation.rated",
    "conversation.requirements",
    "alert",
    "notification",
];

/// What a listener of Socket.IO is looked at for: what can be told apart there.
const OF_SOCKETIO: &[&str] = &["chat.message", "alert", "notification"];

/// Whether somebody hears an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Must,
    May,
    Never,
}

use Verdict::{May, Must, Never};

impl Verdict {
    /// This, or less.
    pub fn at_most(self, most: Verdict) -> Verdict {
        if self == Never { Never } else { most }
    }
}

fn must_if(is_due: bool) -> Verdict {
    if is_due { Must } else { Never }
}

/// Somebody who listens.
#[derive(Clone, Debug)]
pub struct Who {
    pub subject: String,
    pub role: Role,
    pub departments: Vec<Uuid>,
    /// The only events a key is for.
    pub patterns: Option<&'static [&'static str]>,
    /// Whether it is a key with the scope `admin`.
    pub is_ruler: bool,
}

/// Where a listener listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Console,
    Visitor(ConversationId),
    Session(ConversationId),
    /// Of Socket.IO, in a room or in none.
    SocketIo(Option<ConversationId>),
}

/// Where a conversation stands.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    department: Option<Uuid>,
    agent: Option<UserId>,
    /// Whether nobody has it yet.
    is_waiting: bool,
    /// The department it was given away from by the events just told.
    given_from: Option<Option<Uuid>>,
}

/// An event of a log.
#[derive(Debug)]
pub struct Kept {
    pub position: u64,
    pub name: &'static str,
    pub event: Event,
    target: Option<Target>,
    conversation: Option<ConversationId>,
    /// Its conversation after it.
    standing: Standing,
}

/// Everything that happened in a tenant, in order.
pub struct History {
    pub kept: Vec<Kept>,
    /// Where events stand, by their markers.
    pub by_marker: HashMap<String, u64>,
}

/// The public names that fit one of these patterns.
pub fn names_of(patterns: &[&str]) -> BTreeSet<&'static str> {
    let fits = |name: &str| {
        patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(family) => name.starts_with(family),
            None => name == *pattern,
        })
    };
    let names = Event::catalogue().map(|(_, facts)| facts.public_name());
    names.filter(|name| fits(name)).collect()
}

/// What is heard by who asked for nothing.
pub fn everyday() -> BTreeSet<&'static str> {
    let mut names = names_of(&["*"]);
    names.retain(|name| !ASKED_FOR.iter().any(|family| name.starts_with(family)));
    names
}

/// The marker in a text: `~tenant~number~`.
pub fn marker_in(text: &str, tenant: &str) -> Option<String> {
    let start = format!("~{tenant}~");
    let at = text.find(&start)?;
    let number = text[at + start.len()..].split('~').next()?;
    Some(format!("{start}{number}~"))
}

impl History {
    /// Reads it whole.
    pub async fn read(server: &Server, tenant: &str) -> History {
        let (id, log) = (TenantId::parse(tenant).unwrap(), &server.running.app.log);
        let page = log.read(&id, Reading::All, 0, ALL).await.unwrap();
        let (mut kept, mut by_marker) = (Vec::new(), HashMap::new());
        let mut standings: HashMap<ConversationId, Standing> = HashMap::new();
        for envelope in &page.events {
            let conversation = conversation_of(envelope);
            let standing = conversation.map(|id| {
                let standing = standings.entry(id).or_default();
                standing.follow(&envelope.event);
                standing.clone()
            });
            let (position, event) = (envelope.position(), envelope.event.clone());
            if let Some(marker) = marker_in(&event.payload().unwrap(), tenant) {
                // Events that come along with one that is marked may repeat its marker.
                by_marker.entry(marker).or_insert(position);
            }
            kept.push(Kept {
                position,
                name: event.public_name(),
                event,
                target: envelope.target().cloned(),
                conversation,
                standing: standing.unwrap_or_default(),
            });
        }
        History { kept, by_marker }
    }

    /// Where the conversation of an event stood at a position.
    fn standing_at(&self, kept: &Kept, position: u64) -> Standing {
        let is_of_it =
            |other: &&Kept| other.position <= position && other.conversation == kept.conversation;
        let last = self.kept.iter().rev().find(is_of_it);
        last.map(|other| Standing { given_from: None, ..other.standing.clone() })
            .unwrap_or_default()
    }

    /// Whether a listener hears an event when it happens.
    pub fn live(&self, who: &Who, place: Place, kept: &Kept) -> Verdict {
        verdict(who, place, &kept.of_live(), true)
    }

    /// Whether a listener hears an event of the past, read at this position: what it may see of a
    /// conversation is what it may see of it now.
    pub fn replayed(&self, who: &Who, place: Place, kept: &Kept, position: u64) -> Verdict {
        let standing = self.standing_at(kept, position);
        let about = About { standing: &standing, ..kept.of_live() };
        verdict(who, place, &about, false)
    }

    /// Whether a listener hears something that no log keeps, at this position.
    pub fn passing(&self, who: &Who, place: Place, passing: &Passing) -> Verdict {
        let conversation = match &passing.target {
            Some(Target::Conversation(id)) => Some(*id),
            _ => None,
        };
        let of = |kept: &&Kept| kept.position <= passing.at && kept.conversation == conversation;
        let last = self.kept.iter().rev().find(of);
        let standing = last.map(|kept| kept.standing.clone()).unwrap_or_default();
        let about = About {
            event: &passing.event,
            target: passing.target.as_ref(),
            conversation,
            standing: &standing,
        };
        verdict(who, place, &about, true)
    }
}

/// An event that passes by.
#[derive(Clone)]
pub struct Passing {
    pub event: Event,
    pub target: Option<Target>,
    pub marker: String,
    /// Where the log ended then.
    pub at: u64,
}

fn conversation_of(envelope: &Envelope) -> Option<ConversationId> {
    envelope.event.conversation().or(match envelope.target() {
        Some(Target::Conversation(id)) => Some(*id),
        _ => None,
    })
}

impl Standing {
    fn follow(&mut self, event: &Event) {
        let is_told_along = matches!(event, Event::ChatTransferred(_) | Event::Queued(_));
        if !is_told_along {
            self.given_from = None;
        }
        match event {
            Event::SessionStarted(e) => {
                (self.department, self.is_waiting) = (e.department_id, true);
            }
            Event::Assigned(e) => (self.agent, self.is_waiting) = (Some(e.agent_id.clone()), false),
            Event::Transferred(e) => {
                self.given_from = Some(self.department);
                self.agent = e.to_agent_id.clone();
                self.is_waiting = self.agent.is_none();
                self.department = e.to_department_id.or(self.department);
            }
            Event::Closed(_) => self.is_waiting = false,
            Event::Reopened(_) => (self.agent, self.is_waiting) = (None, true),
            _ => {}
        }
    }

    fn is_in_queue_of(&self, who: &Who) -> bool {
        self.department.is_none_or(|department| who.departments.contains(&department))
    }

    fn is_with(&self, who: &Who) -> bool {
        !self.is_waiting && self.agent.as_ref().is_some_and(|agent| agent.as_str() == who.subject)
    }
}

/// What decides who hears an event.
#[derive(Clone, Copy)]
struct About<'a> {
    event: &'a Event,
    target: Option<&'a Target>,
    conversation: Option<ConversationId>,
    standing: &'a Standing,
}

impl Kept {
    fn of_live(&self) -> About<'_> {
        About {
            event: &self.event,
            target: self.target.as_ref(),
            conversation: self.conversation,
            standing: &self.standing,
        }
    }

    /// Whether it is for a listener in person, whatever that one subscribed to.
    pub fn is_addressed_to(&self, who: &Who) -> bool {
        self.of_live().is_addressed_to(who)
    }

    /// Whom it notifies, if it is a notification.
    pub fn notifies(&self) -> Option<&str> {
        match &self.event {
            Event::Notification(told) => Some(told.user_id.as_str()),
            _ => None,
        }
    }
}

impl About<'_> {
    fn is_addressed_to(&self, who: &Who) -> bool {
        match self.target {
            Some(Target::User(user)) => return user.as_str() == who.subject,
            Some(Target::Role(role)) => return *role == who.role,
            _ => {}
        }
        let is = |user: Option<&UserId>| user.is_some_and(|user| user.as_str() == who.subject);
        match self.event {
            Event::Notification(e) => is(Some(&e.user_id)),
            Event::NotificationRead(e) => is(Some(&e.user_id)),
            // The rest is for agents.
            _ if who.role == Role::Customer => false,
            Event::Assigned(e) => is(Some(&e.agent_id)),
            Event::Transferred(e) => is(e.to_agent_id.as_ref()) || is(e.from_agent_id.as_ref()),
            Event::Closed(e) => is(e.agent_id.as_ref()),
            Event::Reopened(e) => is(e.agent_id.as_ref()),
            _ => false,
        }
    }
}

/// Whether it is addressed to a listener that only passes by.
pub fn passing_is_addressed_to(passing: &Passing, who: &Who) -> bool {
    match &passing.target {
        Some(Target::User(user)) => user.as_str() == who.subject,
        Some(Target::Role(role)) => *role == who.role,
        _ => false,
    }
}

fn verdict(who: &Who, place: Place, about: &About, is_live: bool) -> Verdict {
    let name = about.event.public_name();
    if who.patterns.is_some_and(|patterns| !names_of(patterns).contains(name)) {
        return Never;
    }
    // What is said of elsewhere has a frame in the hub alone.
    if about.event.facts().is_announcement() && !matches!(place, Place::Console | Place::Visitor(_))
    {
        return Never;
    }
    match place {
        Place::Console => on_console(who, about, is_live),
        Place::Visitor(id) => in_room(who, Some(id), true, about, is_live),
        Place::Session(id) if OF_SESSIONS.contains(&name) => {
            in_room(who, Some(id), false, about, is_live)
        }
        Place::SocketIo(id) if OF_SOCKETIO.contains(&name) => {
            in_room(who, id, false, about, is_live)
        }
        Place::Session(_) | Place::SocketIo(_) => Never,
    }
}

fn on_console(who: &Who, about: &About, is_live: bool) -> Verdict {
    if about.is_addressed_to(who) {
        return Must;
    }
    if matches!(about.target, Some(Target::User(_) | Target::Role(_))) {
        return Never;
    }
    if matches!(about.event, Event::Notification(_) | Event::NotificationRead(_)) {
        return must_if(who.role == Role::Service);
    }
    let role = if who.is_ruler { Role::Admin } else { who.role };
    if !about.event.facts().roles.contains(&role) {
        return Never;
    }
    if role != Role::Agent || about.conversation.is_none() {
        return Must;
    }
    let (standing, name) = (about.standing, about.event.public_name());
    // What is said of elsewhere does not become of it, though it may be told to it.
    let is_its_own = about.event.conversation().is_some();
    let is_of_the_queue = is_its_own && OF_THE_QUEUE.contains(&name);
    let sees_queue = standing.is_in_queue_of(who);
    if standing.is_with(who) || (sees_queue && (standing.is_waiting || is_of_the_queue)) {
        return Must;
    }
    let has_seen_queue = standing
        .given_from
        .is_some_and(|from| from.is_none_or(|department| who.departments.contains(&department)));
    match name {
        // Where it was hears where it went.
        "conversation.transferred" | "chat.transferred" if has_seen_queue && is_live => Must,
        "conversation.queued" if has_seen_queue && is_live => May,
        _ => Never,
    }
}

fn in_room(
    who: &Who,
    room: Option<ConversationId>,
    hears_role: bool,
    about: &About,
    is_live: bool,
) -> Verdict {
    match about.target {
        Some(Target::User(user)) => return must_if(user.as_str() == who.subject),
        Some(Target::Role(role)) => return must_if(hears_role && *role == who.role),
        _ => {}
    }
    if matches!(about.event, Event::Notification(_) | Event::NotificationRead(_)) {
        return must_if(about.is_addressed_to(who));
    }
    if about.conversation.is_none() || about.conversation != room {
        return Never;
    }
    // Who came and went in the past is not told; who is here now is.
    if about.event.is_connection_event() && !is_live {
        return Never;
    }
    let is_meant = matches!(about.target, Some(Target::Conversation(_)));
    must_if(is_meant || about.event.facts().roles.contains(&who.role))
}
