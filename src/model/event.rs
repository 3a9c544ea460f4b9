//! The catalogue of events: everything that happens and is told to somebody.
//!
//! An event is past tense and carries what a listener needs, in the field names of document 004
//! (contract 7). The payloads are in a file per kind of name below `event/`, and so are the
//! families: events that one rule fits all, each an enum of its own. To add one: a line in a
//! catalogue, with whether it is kept, who hears it, who makes it and what asks
//! for it, an arm in each match below, its payload, a
//! sample, and an arm in each codec (`docs/howto/add-an-event.md`).

#[macro_use]
mod catalogue;

mod agent;
mod announced;
mod call;
mod call_queue;
mod chat;
mod conversation;
mod post;
mod queue;
mod routing;
mod samples;
mod set;
mod tenant;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::{ConversationId, Role, UserId};
pub use agent::{AgentLogin, AgentLogout, AgentStateChanged, DepartmentCovered, DepartmentEmpty};
pub use announced::{
    AgentStateAnnounced, Announced, IsAnnounced, MessageAnnounced, SessionEndedAnnounced,
    SessionStartedAnnounced, TransferAnnounced, TypingAnnounced,
};
pub use call::{
    Call, CallAnswered, CallEnded, CallHold, CallIncoming, CallTransferred, CallUnhold,
    TransferKind,
};
pub use call_queue::{
    CallQueue, MemberAdded, MemberPaused, MemberRemoved, MemberUnpaused, QueueJoined, QueueLeft,
};
pub use catalogue::{BadEvent, Facts, Maker, PayloadSchema};
pub use chat::{
    ChatTransferred, Message, MessageStatus, Receipt, SessionEnded, SessionStarted, Typing,
};
pub use conversation::{
    Assigned, Closed, Escalated, EscalationAction, Handoff, HandoffReason, InCharge, Joined, Left,
    OfferEnded, OfferOutcome, Offered, OutsideHours, Queued, Rated, Reopened, Requirements,
    Transferred,
};
pub use post::BadPost;
pub use queue::QueueStats;
pub use routing::{Candidate, Decided, DecisionOutcome};
pub use set::{EventSet, UnknownEvent};
pub use tenant::{Alert, Audit, Notification, NotificationRead, PresenceChanged};

const EVERYONE: &[Role] = &[Role::Customer, Role::Agent, Role::Admin, Role::Service];
const STAFF: &[Role] = &[Role::Agent, Role::Admin, Role::Service];
const ADMINS: &[Role] = &[Role::Admin];

catalogue! {
    /// Something that happened.
    pub enum Event {
        /// A customer's conversation began.
        "chat.session.started" SessionStarted: durable, STAFF, either, "document 004";
        /// A participant said something.
        "chat.message" Message: durable, EVERYONE, either, "document 004";
        /// A participant's messages were delivered or read.
        "chat.message.status" MessageStatus: durable, EVERYONE, here, "contract 5";
        /// A participant types, or stopped.
        "chat.typing" Typing: volatile, EVERYONE, either, "document 004";
        /// The conversation ended; the hub's word for `conversation.closed`.
        "chat.session.ended" SessionEnded: durable, EVERYONE, either, "document 004";
        /// It was given to another; the hub's word for `conversation.transferred`.
        "chat.transferred" ChatTransferred: durable, EVERYONE, either, "document 004";
        /// A user's first connection entered the conversation.
        "conversation.joined" Joined: durable, EVERYONE, here, "document 002";
        /// A user's last connection left it.
        "conversation.left" Left: durable, EVERYONE, here, "document 002";
        /// The conversation waits for an agent.
        "conversation.queued" Queued: durable, EVERYONE, here, "contract 11";
        /// An agent has it now.
        "conversation.assigned" Assigned: durable, EVERYONE, here, "contract 11";
        /// It was given to another agent or department.
        "conversation.transferred" Transferred: durable, EVERYONE, here, "contract 11";
        /// The bot took it, or gave it to a person.
        "conversation.handoff" Handoff: durable, EVERYONE, here, "contract 11";
        /// It was closed.
        "conversation.closed" Closed: durable, EVERYONE, here, "contract 11";
        /// It goes on after a close.
        "conversation.reopened" Reopened: durable, EVERYONE, here, "contract 11";
        /// The customer rated it.
        "conversation.rated" Rated: durable, EVERYONE, here, "contract 11";
        /// An agent is asked to take it, and has a while to answer.
        "conversation.offered" Offered: durable, STAFF, here, "contract 11";
        /// The agent took it, would not, or did not answer.
        "conversation.offer.ended" OfferEnded: durable, STAFF, here, "contract 11";
        /// It has waited for so long that something is done about it.
        "conversation.escalated" Escalated: durable, EVERYONE, here, "contract 11";
        /// Its department is closed now.
        "conversation.outside_hours" OutsideHours: durable, EVERYONE, here, "contract 11";
        /// How urgent it is, and what its agent must know.
        "conversation.requirements" Requirements: durable, STAFF, here, "contract 11";
        /// Why it went to whom it went.
        "routing.decided" Decided: durable, ADMINS, here, "contract 8";
        /// An agent came, went, or is busy.
        "agent.state.changed" AgentStateChanged: durable, STAFF, either, "document 004";
        /// An agent can be reached from now on.
        "agent.login" AgentLogin: durable, STAFF, either, "document 004";
        /// An agent can be reached no longer.
        "agent.logout" AgentLogout: durable, STAFF, either, "document 004";
        /// A department has no agent any more.
        "agent.department.empty" DepartmentEmpty: durable, STAFF, here, "contract 7";
        /// A department has an agent again.
        "agent.department.covered" DepartmentCovered: durable, STAFF, here, "contract 7";
        /// How busy a queue is.
        "queue.stats" QueueStats: volatile, STAFF, either, "document 004";
        /// Something for one user, wherever it is connected.
        "notification" Notification: durable, EVERYONE, either, "document 004";
        /// A user has seen what it was notified of.
        "notification.read" NotificationRead: durable, EVERYONE, here, "contract 7";
        /// Something all of the tenant should know.
        "alert" Alert: durable, STAFF, either, "document 004";
        /// A user's first connection in the tenant came, or its last one went.
        "presence.changed" PresenceChanged: volatile, EVERYONE, here, "document 003";
        /// An administrative act, for the audit trail.
        "audit.entry" Audit: durable, ADMINS, here, "contract 8";
    }
    families {
        /// What the telephone system reports.
        Call,
        /// Who waits and works in the queues of the telephone system.
        CallQueue,
        /// What a producer says of chats and agents that are not kept here.
        Announced,
    }
}

/// An event's payload alone, where JSON is made.
struct Payload<'a>(&'a Event);

impl Serialize for Payload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize_payload(serializer)
    }
}

/// As everything that reads the log has it: `{"type", "payload"}`, under its public name.
impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Event", 2)?;
        fields.serialize_field("type", self.public_name())?;
        fields.serialize_field("payload", &Payload(self))?;
        fields.end()
    }
}

impl Event {
    /// The event's name, as log rows have it.
    pub fn name(&self) -> &'static str {
        self.facts().name
    }

    /// The payload alone, where JSON is made.
    pub fn as_payload(&self) -> impl Serialize {
        Payload(self)
    }

    /// The event's name, as listeners know it.
    pub fn public_name(&self) -> &'static str {
        self.facts().public_name()
    }

    /// Whether a producer may post events of this public name.
    pub fn is_producible(name: &str) -> bool {
        let mut of_name = Event::catalogue().filter(|(_, facts)| facts.public_name() == name);
        of_name.any(|(_, facts)| facts.is_producible())
    }

    /// The conversation it belongs to, if it belongs to one.
    pub fn conversation(&self) -> Option<ConversationId> {
        Some(match self {
            Event::SessionStarted(e) => e.session_id,
            Event::Message(e) => e.session_id,
            Event::MessageStatus(e) => e.session_id,
            Event::Typing(e) => e.session_id,
            Event::SessionEnded(e) => e.session_id,
            Event::ChatTransferred(e) => e.session_id,
            Event::Joined(e) => e.session_id,
            Event::Left(e) => e.session_id,
            Event::Queued(e) => e.session_id,
            Event::Assigned(e) => e.session_id,
            Event::Transferred(e) => e.session_id,
            Event::Handoff(e) => e.session_id,
            Event::Closed(e) => e.session_id,
            Event::Reopened(e) => e.session_id,
            Event::Rated(e) => e.session_id,
            Event::Offered(e) => e.session_id,
            Event::OfferEnded(e) => e.session_id,
            Event::Escalated(e) => e.session_id,
            Event::OutsideHours(e) => e.session_id,
            Event::Requirements(e) => e.session_id,
            Event::Decided(e) => e.session_id,
            Event::Call(_)
            | Event::CallQueue(_)
            | Event::Announced(_)
            | Event::AgentStateChanged(_)
            | Event::AgentLogin(_)
            | Event::AgentLogout(_)
            | Event::DepartmentEmpty(_)
            | Event::DepartmentCovered(_)
            | Event::QueueStats(_)
            | Event::Notification(_)
            | Event::NotificationRead(_)
            | Event::Alert(_)
            | Event::PresenceChanged(_)
            | Event::Audit(_) => return None,
        })
    }

    /// The user it is meant for, who hears it wherever it is, and when it comes back.
    pub fn addressee(&self) -> Option<&UserId> {
        let [addressee, _] = self.addressees();
        addressee
    }

    /// The users who hear it wherever they are, the one it is meant for first.
    pub fn addressees(&self) -> [Option<&UserId>; 2] {
        match self {
            Event::Notification(e) => [Some(&e.user_id), None],
            Event::NotificationRead(e) => [Some(&e.user_id), None],
            Event::Assigned(e) => [Some(&e.agent_id), None],
            Event::Transferred(e) => [e.to_agent_id.as_ref(), e.from_agent_id.as_ref()],
            Event::Closed(e) => [e.agent_id.as_ref(), None],
            Event::Reopened(e) => [e.agent_id.as_ref(), None],
            Event::Rated(e) => [e.agent_id.as_ref(), None],
            Event::Handoff(e) => [e.agent_id.as_ref(), None],
            Event::Offered(e) => [Some(&e.agent_id), None],
            Event::OfferEnded(e) => [Some(&e.agent_id), None],
            Event::SessionStarted(_)
            | Event::Message(_)
            | Event::MessageStatus(_)
            | Event::Typing(_)
            | Event::SessionEnded(_)
            | Event::Joined(_)
            | Event::Left(_)
            | Event::Queued(_)
            | Event::Escalated(_)
            | Event::OutsideHours(_)
            | Event::Requirements(_)
            | Event::Decided(_)
            | Event::ChatTransferred(_)
            | Event::Call(_)
            | Event::CallQueue(_)
            | Event::Announced(_)
            | Event::AgentStateChanged(_)
            | Event::AgentLogin(_)
            | Event::AgentLogout(_)
            | Event::DepartmentEmpty(_)
            | Event::DepartmentCovered(_)
            | Event::QueueStats(_)
            | Event::Alert(_)
            | Event::PresenceChanged(_)
            | Event::Audit(_) => [None, None],
        }
    }

    /// Whether somebody of this role may hear it. The bot hears what the staff does.
    pub fn may_be_heard_by(&self, role: Role) -> bool {
        let role = if role == Role::Bot { Role::Agent } else { role };
        self.facts().roles.contains(&role)
    }

    /// Whether it is a user's own business, whatever the user's role.
    pub fn is_personal(&self) -> bool {
        matches!(self, Event::Notification(_) | Event::NotificationRead(_))
    }

    /// Whether the agents and admins of the tenant hear it wherever they are.
    pub fn is_for_all_staff(&self) -> bool {
        matches!(
            self,
            Event::PresenceChanged(_)
                | Event::Escalated(_)
                | Event::DepartmentEmpty(_)
                | Event::DepartmentCovered(_)
        )
    }

    /// Whether it tells what becomes of a conversation, and nothing of what is said in it: who
    /// looks at a queue has to hear of what leaves it.
    pub fn is_of_the_queue(&self) -> bool {
        matches!(
            self,
            Event::SessionStarted(_)
                | Event::SessionEnded(_)
                | Event::ChatTransferred(_)
                | Event::Queued(_)
                | Event::Assigned(_)
                | Event::Transferred(_)
                | Event::Escalated(_)
                | Event::Closed(_)
                | Event::Reopened(_)
        )
    }

    /// Whether it says who is connected; such events are kept for a limited time.
    pub fn is_connection_event(&self) -> bool {
        matches!(self, Event::Joined(_) | Event::Left(_))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::{AgentStatus, StatusReason};
    use super::*;

    /// What document 004 lists, without the frames of the protocol itself.
    const DOCUMENT_004: [&str; 23] = [
        "agent.login",
        "agent.logout",
        "agent.state.changed",
        "alert",
        "call.answered",
        "call.ended",
        "call.hold",
        "call.incoming",
        "call.transferred",
        "call.unhold",
        "chat.message",
        "chat.session.ended",
        "chat.session.started",
        "chat.transferred",
        "chat.typing",
        "notification",
        "queue.joined",
        "queue.left",
        "queue.member.added",
        "queue.member.paused",
        "queue.member.removed",
        "queue.member.unpaused",
        "queue.stats",
    ];

    #[test]
    fn every_event_survives_its_log_row() {
        for event in Event::samples() {
            let row = event.payload().unwrap();
            assert_eq!(Event::from_parts(event.name(), &row).unwrap(), event);
        }
    }

    #[test]
    fn every_event_has_a_sample() {
        let samples: Vec<_> = Event::samples().iter().map(Event::name).collect();
        let names: Vec<_> = Event::catalogue().map(|(_, facts)| facts.name).collect();
        assert_eq!(samples, names);
    }

    #[test]
    fn every_event_has_a_slot_of_its_own() {
        for event in Event::samples() {
            let at: Vec<_> = Event::catalogue().filter(|(slot, _)| *slot == event.slot()).collect();
            assert_eq!(at.len(), 1, "{}", event.name());
            assert_eq!(at[0].1.name, event.name());
            assert!(event.slot() < 128, "a set has as many bits");
        }
    }

    #[test]
    fn the_names_of_document_004_can_be_posted_and_no_others() {
        let names: BTreeSet<_> = Event::catalogue().map(|(_, f)| f.public_name()).collect();
        let posted: Vec<_> = names.into_iter().filter(|name| Event::is_producible(name)).collect();
        assert_eq!(posted, DOCUMENT_004);
        assert!(!Event::is_producible("chat.message.announced"));
        assert!(!Event::is_producible("pong"));
    }

    #[test]
    fn what_is_announced_is_the_real_thing_but_for_who_hears_it() {
        for (_, announced) in Event::catalogue().filter(|(_, facts)| facts.is_announcement()) {
            let real = Event::catalogue().find(|(_, facts)| facts.name == announced.public_name());
            let (_, real) = real.unwrap();
            assert_eq!(announced.is_durable, real.is_durable, "{}", real.name);
            assert!(announced.roles.iter().all(|role| real.roles.contains(role)), "{}", real.name);
        }
    }

    #[test]
    fn a_status_and_its_reason_have_one_name_in_events_and_elsewhere() {
        for status in AgentStatus::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        for reason in StatusReason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
    }

    #[test]
    fn a_row_of_an_unknown_event_is_refused_by_name() {
        let err = Event::from_parts("chat.dance", "{}").unwrap_err();
        assert_eq!(err.to_string(), "unknown event \"chat.dance\"");
    }
}
