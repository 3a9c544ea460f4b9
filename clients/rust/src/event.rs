//! What can be told to the server: every event of document 004 that a producer may post, each with
//! a typed payload. The field names are those on the wire. To add one: its payload in a file below
//! `event/`, and a line in the list here.

mod agent;
mod call;
mod chat;
mod notice;
mod queue;

use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::{Map, Value};

pub use agent::{AgentLogin, AgentLogout, AgentStateChanged};
pub use call::{
    CallAnswered, CallEnded, CallHold, CallIncoming, CallTransferred, CallUnhold, TransferKind,
};
pub use chat::{
    ChatMessage, ChatSessionEnded, ChatSessionStarted, ChatTransferred, ChatTyping, SenderType,
};
pub use notice::{Alert, Notification};
pub use queue::{
    QueueJoined, QueueLeft, QueueMemberAdded, QueueMemberPaused, QueueMemberRemoved,
    QueueMemberUnpaused, QueueStats,
};

macro_rules! events {
    ($($(#[doc = $about:literal])* $name:literal $payload:ident,)*) => {
        /// Something that happened.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum Event {
            $($(#[doc = $about])* $payload($payload),)*
            /// An event that this version of the crate has no type for. The server decides whether
            /// it knows it.
            Other {
                /// Its name, such as `call.parked`.
                kind: String,
                /// Its payload.
                payload: Map<String, Value>,
            },
        }

        impl Event {
            /// The names of all events that have a type here, in the order of document 004.
            pub const KINDS: &[&str] = &[$($name),*];

            /// Its name on the wire.
            pub fn kind(&self) -> &str {
                match self {
                    $(Event::$payload(_) => $name,)*
                    Event::Other { kind, .. } => kind,
                }
            }

            /// The event of a name and a payload, as a listener hears them. A name that has no type
            /// here becomes [`Event::Other`].
            ///
            /// # Errors
            /// What is wrong with the payload.
            pub fn from_parts(kind: &str, payload: Value) -> Result<Event, serde_json::Error> {
                Ok(match kind {
                    $($name => Event::$payload(serde_json::from_value(payload)?),)*
                    _ => Event::Other {
                        kind: kind.to_owned(),
                        payload: serde_json::from_value(payload)?,
                    },
                })
            }
        }

        /// The payload alone: its name is told beside it.
        impl Serialize for Payload<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self.0 {
                    $(Event::$payload(payload) => payload.serialize(serializer),)*
                    Event::Other { payload, .. } => payload.serialize(serializer),
                }
            }
        }

        $(
            impl From<$payload> for Event {
                fn from(payload: $payload) -> Event {
                    Event::$payload(payload)
                }
            }
        )*
    };
}

events! {
    /// An agent is something else: on a break, say.
    "agent.state.changed" AgentStateChanged,
    /// An agent logged in.
    "agent.login" AgentLogin,
    /// An agent logged out.
    "agent.logout" AgentLogout,
    /// A call came in.
    "call.incoming" CallIncoming,
    /// An agent took it.
    "call.answered" CallAnswered,
    /// It ended, answered or not.
    "call.ended" CallEnded,
    /// It was given to another destination.
    "call.transferred" CallTransferred,
    /// It was put on hold.
    "call.hold" CallHold,
    /// It is talked in again.
    "call.unhold" CallUnhold,
    /// A call waits in a queue.
    "queue.joined" QueueJoined,
    /// A call left its queue.
    "queue.left" QueueLeft,
    /// How busy a queue is.
    "queue.stats" QueueStats,
    /// Somebody works in a queue from now on.
    "queue.member.added" QueueMemberAdded,
    /// Somebody works in it no longer.
    "queue.member.removed" QueueMemberRemoved,
    /// A member is not rung for a while.
    "queue.member.paused" QueueMemberPaused,
    /// A member is rung again.
    "queue.member.unpaused" QueueMemberUnpaused,
    /// A chat began.
    "chat.session.started" ChatSessionStarted,
    /// Something was said in it.
    "chat.message" ChatMessage,
    /// It ended.
    "chat.session.ended" ChatSessionEnded,
    /// It was given to another.
    "chat.transferred" ChatTransferred,
    /// Somebody types in it, or stopped.
    "chat.typing" ChatTyping,
    /// Something for one user.
    "notification" Notification,
    /// Something for everybody of the tenant.
    "alert" Alert,
}

struct Payload<'a>(&'a Event);

/// Who shall hear an event. Without a target that is whoever may hear events of its name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// One user.
    User(String),
    /// Everybody of a role: `agent`, `admin`, `service`.
    Role(String),
    /// Whoever is in a conversation.
    Conversation(String),
}

/// An event with what may be said beside it. Every payload turns into one:
///
/// ```
/// use switchboard_client::{CallHold, NewEvent, Target};
///
/// let plain: NewEvent = CallHold { unique_id: "1737714600.42".into(), ..Default::default() }.into();
/// let known = plain.id("cdr-17").to(Target::User("supervisor_1".into()));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    event: Event,
    target: Option<Target>,
    id: Option<String>,
}

impl<T: Into<Event>> From<T> for NewEvent {
    fn from(event: T) -> NewEvent {
        NewEvent { event: event.into(), target: None, id: None }
    }
}

impl NewEvent {
    /// Says who shall hear it.
    #[must_use]
    pub fn to(mut self, target: Target) -> NewEvent {
        self.target = Some(target);
        self
    }

    /// Gives it an id of your own, by which the server knows a repeat for 24 hours: the number of a
    /// record, say, so that a program that starts again may tell it again. Without one it gets a
    /// random one.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> NewEvent {
        self.id = Some(id.into());
        self
    }

    /// Its name on the wire, the id it goes by, and its JSON as `POST /api/events` takes it.
    pub(crate) fn encode(self) -> Result<Encoded, serde_json::Error> {
        let id = self.id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        let wire = Wire {
            kind: self.event.kind(),
            payload: Payload(&self.event),
            target: self.target.as_ref(),
            id: &id,
        };
        let json = serde_json::to_string(&wire)?;
        Ok(Encoded { kind: self.event.kind().to_owned(), id, json })
    }
}

/// An event, ready to be sent.
pub(crate) struct Encoded {
    pub(crate) kind: String,
    pub(crate) id: String,
    pub(crate) json: String,
}

#[derive(serde::Serialize)]
struct Wire<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    payload: Payload<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a Target>,
    id: &'a str,
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (field, value) = match self {
            Target::User(id) => ("user_id", id),
            Target::Role(role) => ("role", role),
            Target::Conversation(id) => ("conversation_id", id),
        };
        serializer.collect_map([(field, value)])
    }
}

/// What is attached to a notification or an alert: nothing, or a JSON object.
pub(crate) fn attachment(
    data: impl serde::Serialize,
) -> Result<Option<Map<String, Value>>, serde_json::Error> {
    match serde_json::to_value(data)? {
        Value::Null => Ok(None),
        Value::Object(fields) => Ok(Some(fields)),
        _ => Err(serde_json::Error::custom("the data must be a JSON object, or nothing")),
    }
}

/// A text that may be left out, by being empty: document 004's methods take every argument.
pub(crate) fn unless_empty(text: impl Into<String>) -> Option<String> {
    Some(text.into()).filter(|text| !text.is_empty())
}

fn is_false(value: &bool) -> bool {
    !*value
}

#[cfg(test)]
mod tests;
