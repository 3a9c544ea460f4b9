//! The catalogue of events: everything that happens and is told to somebody.
//!
//! An event is past tense and carries what a listener needs, in the field names of document 004
//! (contract 7). Its serde form, `{"type", "payload"}`, is what the log keeps. The payloads are in a
//! file per kind of name below `event/`. To add one: a variant here, an arm in each match below, its
//! payload, a sample in [`Event::samples`], and an arm in each codec
//! (`docs/howto/add-an-event.md`).

mod agent;
mod chat;
mod conversation;
mod queue;
mod routing;
mod samples;
mod tenant;

use serde::{Deserialize, Serialize};

use super::{ConversationId, Role, UserId};
pub use agent::{AgentStateChanged, DepartmentCovered, DepartmentEmpty};
pub use chat::{Message, MessageStatus, Receipt, SessionEnded, SessionStarted, Typing};
pub use conversation::{
    Assigned, Closed, Escalated, EscalationAction, Handoff, HandoffReason, InCharge, Joined, Left,
    OfferEnded, OfferOutcome, Offered, OutsideHours, Queued, Rated, Reopened, Requirements,
    Transferred,
};
pub use queue::QueueStats;
pub use routing::{Candidate, Decided, DecisionOutcome};
pub use tenant::{Audit, Notification, PresenceChanged};

macro_rules! catalogue {
    ($($(#[$doc:meta])* $name:literal $variant:ident($payload:ident),)*) => {
        /// Something that happened.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "type", content = "payload")]
        pub enum Event {
            $($(#[$doc])* #[serde(rename = $name)] $variant($payload),)*
        }

        impl Event {
            #[cfg(test)]
            const NAMES: &[&str] = &[$($name,)*];

            /// The event's name, as every list and log row names it.
            pub fn name(&self) -> &'static str {
                match self { $(Event::$variant(_) => $name,)* }
            }

            /// The payload alone, as JSON text.
            pub fn payload(&self) -> serde_json::Result<String> {
                match self { $(Event::$variant(p) => serde_json::to_string(p),)* }
            }

            /// An event from its name and payload, as a log row holds them.
            pub fn from_parts(name: &str, payload: &str) -> Result<Event, BadEvent> {
                match name {
                    $($name => Ok(Event::$variant(serde_json::from_str(payload)?)),)*
                    _ => Err(BadEvent::Unknown(name.to_owned())),
                }
            }
        }
    };
}

catalogue! {
    /// A customer's conversation began.
    "chat.session.started" SessionStarted(SessionStarted),
    /// A participant said something.
    "chat.message" Message(Message),
    /// A participant's messages were delivered or read.
    "chat.message.status" MessageStatus(MessageStatus),
    /// A participant types, or stopped.
    "chat.typing" Typing(Typing),
    /// The conversation ended; the hub's word for `conversation.closed`.
    "chat.session.ended" SessionEnded(SessionEnded),
    /// A user's first connection entered the conversation.
    "conversation.joined" Joined(Joined),
    /// A user's last connection left it.
    "conversation.left" Left(Left),
    /// The conversation waits for an agent.
    "conversation.queued" Queued(Queued),
    /// An agent has it now.
    "conversation.assigned" Assigned(Assigned),
    /// It was given to another agent or department.
    "conversation.transferred" Transferred(Transferred),
    /// The bot took it, or gave it to a person.
    "conversation.handoff" Handoff(Handoff),
    /// It was closed.
    "conversation.closed" Closed(Closed),
    /// It goes on after a close.
    "conversation.reopened" Reopened(Reopened),
    /// The customer rated it.
    "conversation.rated" Rated(Rated),
    /// An agent is asked to take it, and has a while to answer.
    "conversation.offered" Offered(Offered),
    /// The agent took it, would not, or did not answer.
    "conversation.offer.ended" OfferEnded(OfferEnded),
    /// It has waited for so long that something is done about it.
    "conversation.escalated" Escalated(Escalated),
    /// Its department is closed now.
    "conversation.outside_hours" OutsideHours(OutsideHours),
    /// How urgent it is, and what its agent must know.
    "conversation.requirements" Requirements(Requirements),
    /// Why it went to whom it went.
    "routing.decided" Decided(Decided),
    /// An agent came, went, or is busy.
    "agent.state.changed" AgentStateChanged(AgentStateChanged),
    /// A department has no agent any more.
    "agent.department.empty" DepartmentEmpty(DepartmentEmpty),
    /// A department has an agent again.
    "agent.department.covered" DepartmentCovered(DepartmentCovered),
    /// How busy a queue is.
    "queue.stats" QueueStats(QueueStats),
    /// Something for one user, wherever it is connected.
    "notification" Notification(Notification),
    /// A user's first connection in the tenant came, or its last one went.
    "presence.changed" PresenceChanged(PresenceChanged),
    /// An administrative act, for the audit trail.
    "audit.entry" Audit(Audit),
}

/// A log row that is no event of this catalogue.
#[derive(Debug, thiserror::Error)]
pub enum BadEvent {
    /// A name nobody knows.
    #[error("unknown event {0:?}")]
    Unknown(String),
    /// A payload that does not fit its name.
    #[error("bad payload: {0}")]
    Payload(#[from] serde_json::Error),
}

/// What the catalogue says of an event beside its payload.
pub struct Facts {
    /// Kept in the log; a volatile event may be missed by a slow reader.
    pub is_durable: bool,
    /// Who may hear it.
    pub roles: &'static [Role],
}

const EVERYONE: &[Role] = &[Role::Customer, Role::Agent, Role::Admin, Role::Service];
const STAFF: &[Role] = &[Role::Agent, Role::Admin, Role::Service];
const ADMINS: &[Role] = &[Role::Admin];

impl Event {
    /// Durability and audience.
    pub fn facts(&self) -> Facts {
        let (is_durable, roles) = match self {
            Event::Typing(_) | Event::PresenceChanged(_) => (false, EVERYONE),
            Event::QueueStats(_) => (false, STAFF),
            Event::SessionStarted(_)
            | Event::Offered(_)
            | Event::OfferEnded(_)
            | Event::Requirements(_)
            | Event::AgentStateChanged(_)
            | Event::DepartmentEmpty(_)
            | Event::DepartmentCovered(_) => (true, STAFF),
            Event::Decided(_) | Event::Audit(_) => (true, ADMINS),
            Event::Message(_)
            | Event::MessageStatus(_)
            | Event::SessionEnded(_)
            | Event::Joined(_)
            | Event::Left(_)
            | Event::Queued(_)
            | Event::Assigned(_)
            | Event::Transferred(_)
            | Event::Handoff(_)
            | Event::Closed(_)
            | Event::Reopened(_)
            | Event::Rated(_)
            | Event::Escalated(_)
            | Event::OutsideHours(_)
            | Event::Notification(_) => (true, EVERYONE),
        };
        Facts { is_durable, roles }
    }

    /// The conversation it belongs to, if it belongs to one.
    pub fn conversation(&self) -> Option<ConversationId> {
        Some(match self {
            Event::SessionStarted(e) => e.session_id,
            Event::Message(e) => e.session_id,
            Event::MessageStatus(e) => e.session_id,
            Event::Typing(e) => e.session_id,
            Event::SessionEnded(e) => e.session_id,
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
            Event::AgentStateChanged(_)
            | Event::DepartmentEmpty(_)
            | Event::DepartmentCovered(_)
            | Event::QueueStats(_)
            | Event::Notification(_)
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
            | Event::AgentStateChanged(_)
            | Event::DepartmentEmpty(_)
            | Event::DepartmentCovered(_)
            | Event::QueueStats(_)
            | Event::PresenceChanged(_)
            | Event::Audit(_) => [None, None],
        }
    }

    /// Whether somebody of this role may hear it. The bot hears what the staff does.
    pub fn may_be_heard_by(&self, role: Role) -> bool {
        let role = if role == Role::Bot { Role::Agent } else { role };
        self.facts().roles.contains(&role)
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

    /// Whether it says who is connected; such events are kept for a limited time.
    pub fn is_connection_event(&self) -> bool {
        matches!(self, Event::Joined(_) | Event::Left(_))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AgentStatus, StatusReason};
    use super::*;

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
        assert_eq!(samples, Event::NAMES);
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
