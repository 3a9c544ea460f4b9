//! The catalogue of events: everything that happens and is told to somebody.
//!
//! An event is past tense and carries what a listener needs, in the field names of document 004
//! (contract 7). Its serde form, `{"type", "payload"}`, is what the log keeps. To add one: a
//! variant and its payload here, an arm in each match below, a sample in [`Event::samples`], and an
//! arm in each codec (`docs/howto/add-an-event.md`).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    ConversationId, Cursor, DisconnectReason, ExternalId, Member, Moment, Role, TenantId, Topic,
    UserId,
};

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

/// Payload of `chat.session.started`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SessionStarted {
    /// The conversation.
    pub session_id: ConversationId,
    /// Its customer; absent while nobody but an observer has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<UserId>,
    /// The name the customer gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visitor_name: Option<String>,
    /// The e-mail address the customer gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visitor_email: Option<String>,
    /// The department asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department_id: Option<Uuid>,
    /// Names other systems know it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub external_ids: Vec<ExternalId>,
    /// Whatever the customer's page attached, a JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<serde_json::Map<String, serde_json::Value>>,
}

/// Payload of `chat.message`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Message {
    /// The conversation.
    pub session_id: ConversationId,
    /// The message's id.
    pub message_id: Uuid,
    /// Its number in the conversation: 1, 2, 3 ... without holes. Given by the log.
    #[serde(default)]
    pub seq: u64,
    /// The sender's own id for it, by which a repeat is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Who said it.
    pub sender_id: UserId,
    /// As what.
    pub sender_type: Role,
    /// The sender's name, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender_name: Option<Arc<str>>,
    /// The text.
    pub body: String,
}

/// How far a message got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Receipt {
    /// Written to another participant for the first time.
    Delivered,
    /// Seen by a participant.
    Read,
}

/// Payload of `chat.message.status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MessageStatus {
    /// The conversation.
    pub session_id: ConversationId,
    /// All messages up to this number, cumulative.
    pub seq: u64,
    /// To whom they were delivered, or who read them.
    pub user_id: UserId,
    /// Which of the two.
    pub status: Receipt,
}

/// Payload of `chat.typing`. Volatile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Typing {
    /// The conversation.
    pub session_id: ConversationId,
    /// Who types.
    pub user_id: UserId,
    /// As what.
    pub sender_type: Role,
    /// The typist's name, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
    /// Started or stopped.
    pub is_typing: bool,
}

/// Payload of `chat.session.ended`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SessionEnded {
    /// The conversation.
    pub session_id: ConversationId,
}

/// Payload of `conversation.joined`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Joined {
    /// The conversation.
    pub session_id: ConversationId,
    /// Who came.
    pub user_id: UserId,
    /// As what.
    pub user_type: Role,
    /// When its first connection came.
    #[schema(value_type = String, format = DateTime)]
    pub joined_at: Moment,
    /// Milliseconds it was away, when it was here less than 30 s ago.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away_ms: Option<u64>,
}

/// Payload of `conversation.left`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Left {
    /// The conversation.
    pub session_id: ConversationId,
    /// Who left.
    pub user_id: UserId,
    /// As what it was there.
    pub user_type: Role,
    /// Why.
    pub reason: DisconnectReason,
}

/// Payload of `conversation.queued`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Queued {
    /// The conversation.
    pub session_id: ConversationId,
    /// Its place in its department's queue, from 1.
    pub position: u64,
    /// Seconds until an agent is likely to take it.
    pub estimated_wait_seconds: u64,
    /// The department whose queue it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department_id: Option<Uuid>,
}

/// Payload of `conversation.assigned`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Assigned {
    /// The conversation.
    pub session_id: ConversationId,
    /// Who has it now.
    pub agent_id: UserId,
    /// That agent's name, or its id.
    pub agent_name: String,
    /// The department it came from.
    #[serde(default)]
    pub department_id: Option<Uuid>,
}

/// Payload of `conversation.transferred`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Transferred {
    /// The conversation.
    pub session_id: ConversationId,
    /// Who had it.
    pub from_agent_id: Option<UserId>,
    /// Who has it now, when it went to an agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_agent_id: Option<UserId>,
    /// That agent's name, or its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_agent_name: Option<String>,
    /// Whose queue it waits in now, when it went to a department.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_department_id: Option<Uuid>,
    /// What the next agent should know; not for the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Who answers in a conversation. Never two of them at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum InCharge {
    /// The bot.
    Bot,
    /// Nobody yet: it waits for an agent.
    Queue,
    /// An agent.
    Agent,
}

/// Why a conversation passed from one to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HandoffReason {
    /// New conversations begin with the bot (`bot.first`).
    First,
    /// The bot was asked (`POST /api/coze/chat`).
    Asked,
    /// The customer asked for a person.
    CustomerAsked,
    /// The bot asked for a person.
    BotAsked,
    /// The bot did not know the answer.
    Unsure,
    /// The bot failed.
    Failed,
    /// An agent took the conversation, or was given it.
    Taken,
    /// It was given to a department.
    Transferred,
    /// The server stopped while the bot was thinking.
    Interrupted,
    /// The bot has been turned off.
    BotOff,
}

/// Payload of `conversation.handoff`.
///
/// It takes effect while `from` is in charge and changes nothing otherwise, so that it may come
/// along with other events and need not know who was quicker. With `from` equal to `to` it is a
/// question put to the log, never an event: what comes along is refused unless that one is in
/// charge (`Conversation::apply`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Handoff {
    /// The conversation.
    pub session_id: ConversationId,
    /// Who was in charge.
    pub from: InCharge,
    /// Who is now.
    pub to: InCharge,
    /// Why.
    pub reason: HandoffReason,
}

/// Payload of `conversation.closed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Closed {
    /// The conversation.
    pub session_id: ConversationId,
    /// Who closed it.
    pub by: UserId,
    /// The agent who had it, if one did; told wherever it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<UserId>,
}

/// Payload of `conversation.reopened`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Reopened {
    /// The conversation.
    pub session_id: ConversationId,
    /// Who reopened it, by asking or by a new message.
    pub by: UserId,
    /// The agent who had it, if one did; told wherever it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<UserId>,
}

/// Payload of `conversation.rated`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Rated {
    /// The conversation.
    pub session_id: ConversationId,
    /// 1 (poor) to 5 (excellent).
    pub score: u8,
    /// What the customer added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The agent who had it, if one did; told wherever it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<UserId>,
}

/// Payload of `notification`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Notification {
    /// For whom.
    pub user_id: UserId,
    /// The name it is heard under; absent for `notification`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// What it is about: `ticket_assigned`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// A line to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The text below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Whatever its sender attached; the whole payload of an event of another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub data: Option<serde_json::Map<String, serde_json::Value>>,
}

/// Whether a user can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum UserStatus {
    /// Some connection of the user is open.
    Online,
    /// None is.
    Offline,
}

/// Payload of `presence.changed`. Volatile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PresenceChanged {
    /// Who.
    pub user_id: UserId,
    /// What it is now.
    pub status: UserStatus,
    /// The conversations of that agent, whose customers are told too.
    #[serde(skip)]
    pub conversations: Vec<ConversationId>,
}

/// Payload of `audit.entry`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Audit {
    /// Who acted.
    pub actor: UserId,
    /// In what role.
    pub role: Role,
    /// What it did, dotted: `conversation.viewed`, `key.created`.
    pub action: String,
    /// To what, an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// An event on its way: what happened, when, and where it stands in the log.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// Whose log.
    pub tenant: TenantId,
    /// Where it stands; `None` for a volatile event, which no log keeps.
    pub cursor: Option<Cursor>,
    /// When it was committed, or published if volatile.
    pub at: Moment,
    /// What happened.
    pub event: Event,
    /// Who is in the conversation after it, on joins and leaves heard live.
    pub present: Option<Arc<[Member]>>,
}

impl Envelope {
    /// A volatile event, happening now.
    pub fn volatile(tenant: TenantId, event: Event) -> Envelope {
        Envelope { tenant, cursor: None, at: Moment::now(), event, present: None }
    }

    /// The position in the log, 0 for volatile events.
    pub fn position(&self) -> u64 {
        self.cursor.map_or(0, |c| c.position)
    }

    /// Where it is heard. A connection that listens at several of these hears it once.
    pub fn topics(&self) -> impl Iterator<Item = Topic> {
        let tenant = &self.tenant;
        let conversation =
            self.event.conversation().map(|id| Topic::Conversation(tenant.clone(), id));
        // Empty for what is said most, and then nothing is allocated.
        let others: Vec<Topic> = match &self.event {
            Event::PresenceChanged(presence) => {
                let told = presence.conversations.iter();
                let told = told.map(|id| Topic::Conversation(tenant.clone(), *id));
                [Topic::Staff(tenant.clone())].into_iter().chain(told).collect()
            }
            event => {
                let users = event.addressees().into_iter().flatten().cloned();
                users.map(|user| Topic::User(tenant.clone(), user)).collect()
            }
        };
        conversation.into_iter().chain(others).chain([Topic::Tenant(tenant.clone())])
    }
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
            Event::SessionStarted(_) => (true, STAFF),
            Event::Audit(_) => (true, ADMINS),
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
            Event::Notification(_) | Event::PresenceChanged(_) | Event::Audit(_) => return None,
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
            Event::SessionStarted(_)
            | Event::Message(_)
            | Event::MessageStatus(_)
            | Event::Typing(_)
            | Event::SessionEnded(_)
            | Event::Joined(_)
            | Event::Left(_)
            | Event::Queued(_)
            | Event::Handoff(_)
            | Event::PresenceChanged(_)
            | Event::Audit(_) => [None, None],
        }
    }

    /// Whether it says who is connected; such events are kept for a limited time.
    pub fn is_connection_event(&self) -> bool {
        matches!(self, Event::Joined(_) | Event::Left(_))
    }

    /// One of each, for the catalogue that `switchboard events` and the docs print.
    #[expect(clippy::too_many_lines, reason = "a list, one entry an event")]
    pub fn samples() -> Vec<Event> {
        let session_id = ConversationId(Uuid::from_u128(0x550e_8400_e29b_41d4_a716_4466_5544_0000));
        let department_id = Some(Uuid::from_u128(0x660e_8400_e29b_41d4_a716_4466_5544_0000));
        let user = |id: &str| UserId::parse(id).unwrap_or_else(|_| unreachable!("a sample id"));
        vec![
            Event::SessionStarted(SessionStarted {
                session_id,
                customer_id: Some(user("customer_123")),
                visitor_name: Some("Budi".into()),
                visitor_email: Some("budi@example.com".into()),
                department_id,
                external_ids: vec![],
                metadata: None,
            }),
            Event::Message(Message {
                session_id,
                message_id: Uuid::from_u128(1),
                seq: 1,
                client_id: Some("m-1".into()),
                sender_id: user("customer_123"),
                sender_type: Role::Customer,
                sender_name: Some("Budi".into()),
                body: "Hello".into(),
            }),
            Event::MessageStatus(MessageStatus {
                session_id,
                seq: 1,
                user_id: user("agent_456"),
                status: Receipt::Read,
            }),
            Event::Typing(Typing {
                session_id,
                user_id: user("agent_456"),
                sender_type: Role::Agent,
                name: Some("Sari".into()),
                is_typing: true,
            }),
            Event::SessionEnded(SessionEnded { session_id }),
            Event::Joined(Joined {
                session_id,
                user_id: user("customer_123"),
                user_type: Role::Customer,
                joined_at: Moment(1_737_714_600_000),
                away_ms: Some(2_100),
            }),
            Event::Left(Left {
                session_id,
                user_id: user("customer_123"),
                user_type: Role::Customer,
                reason: DisconnectReason::ClientClose,
            }),
            Event::Queued(Queued {
                session_id,
                position: 2,
                estimated_wait_seconds: 90,
                department_id,
            }),
            Event::Assigned(Assigned {
                session_id,
                agent_id: user("agent_456"),
                agent_name: "Sari".into(),
                department_id,
            }),
            Event::Transferred(Transferred {
                session_id,
                from_agent_id: Some(user("agent_456")),
                to_agent_id: None,
                to_agent_name: None,
                to_department_id: department_id,
                note: Some("Asks about an invoice".into()),
            }),
            Event::Handoff(Handoff {
                session_id,
                from: InCharge::Bot,
                to: InCharge::Queue,
                reason: HandoffReason::CustomerAsked,
            }),
            Event::Closed(Closed {
                session_id,
                by: user("agent_456"),
                agent_id: Some(user("agent_456")),
            }),
            Event::Reopened(Reopened { session_id, by: user("customer_123"), agent_id: None }),
            Event::Rated(Rated {
                session_id,
                score: 5,
                comment: Some("Fast".into()),
                agent_id: None,
            }),
            Event::Notification(Notification {
                user_id: user("agent_456"),
                event: None,
                kind: Some("ticket_assigned".into()),
                title: Some("New ticket".into()),
                body: Some("Ticket 17 is yours".into()),
                data: None,
            }),
            Event::PresenceChanged(PresenceChanged {
                user_id: user("agent_456"),
                status: UserStatus::Online,
                conversations: vec![],
            }),
            Event::Audit(Audit {
                actor: user("admin_1"),
                role: Role::Admin,
                action: "conversation.viewed".into(),
                target: Some(session_id.to_string()),
            }),
        ]
    }
}

#[cfg(test)]
mod tests {
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
    fn a_row_of_an_unknown_event_is_refused_by_name() {
        let err = Event::from_parts("chat.dance", "{}").unwrap_err();
        assert_eq!(err.to_string(), "unknown event \"chat.dance\"");
    }
}
