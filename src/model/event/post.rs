//! What producers may say, and how strictly it is read: a producer that misspells a field is told
//! which, where a log row of an older program is read as it is.

use serde::de::DeserializeOwned;

use super::super::protocol::PROTOCOL_FRAMES;
use super::{
    AgentLogin, AgentLogout, AgentStateAnnounced, Alert, Announced, Call, CallQueue, Event,
    EventSet, MessageAnnounced, Notification, QueueStats, SessionEndedAnnounced,
    SessionStartedAnnounced, TransferAnnounced, TypingAnnounced, UnknownEvent,
};

/// Longest name of a call, a queue, a conversation or somebody, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// Why an event cannot be produced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPost {
    /// There is none of that name.
    #[error("{0}")]
    Unknown(UnknownEvent),
    /// There is, but it follows from what happens here, or belongs to a connection.
    #[error("{name} {reason}")]
    NotProducible {
        /// Its name.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// A field is missing, unknown, or has a value that cannot be.
    #[error("{path}: {reason}")]
    Field {
        /// Where: `payload.duration`.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Event {
    /// An event as a producer says it. What it says of chats and agents is an announcement so far.
    ///
    /// # Errors
    /// [`BadPost`], with the path to the field that is wrong.
    pub fn from_post(name: &str, payload: &str) -> Result<Event, BadPost> {
        let event = match name {
            "agent.login" => Event::AgentLogin(read::<AgentLogin>(payload)?),
            "agent.logout" => Event::AgentLogout(read::<AgentLogout>(payload)?),
            "agent.state.changed" => {
                Announced::AgentStateAnnounced(read::<AgentStateAnnounced>(payload)?).into()
            }
            "queue.stats" => Event::QueueStats(read::<QueueStats>(payload)?),
            "notification" => Event::Notification(read::<Notification>(payload)?),
            "alert" => Event::Alert(read::<Alert>(payload)?),
            name if name.starts_with("call.") => Call::from_post(name, payload)?.into(),
            name if name.starts_with("queue.") => CallQueue::from_post(name, payload)?.into(),
            name => Announced::from_post(name, payload)?.into(),
        };
        check(&event)?;
        Ok(event)
    }
}

impl Call {
    fn from_post(name: &str, payload: &str) -> Result<Call, BadPost> {
        Ok(match name {
            "call.incoming" => Call::CallIncoming(read(payload)?),
            "call.answered" => Call::CallAnswered(read(payload)?),
            "call.ended" => Call::CallEnded(read(payload)?),
            "call.transferred" => Call::CallTransferred(read(payload)?),
            "call.hold" => Call::CallHold(read(payload)?),
            "call.unhold" => Call::CallUnhold(read(payload)?),
            _ => return Err(not_producible(name)),
        })
    }
}

impl CallQueue {
    fn from_post(name: &str, payload: &str) -> Result<CallQueue, BadPost> {
        Ok(match name {
            "queue.joined" => CallQueue::QueueJoined(read(payload)?),
            "queue.left" => CallQueue::QueueLeft(read(payload)?),
            "queue.member.added" => CallQueue::MemberAdded(read(payload)?),
            "queue.member.removed" => CallQueue::MemberRemoved(read(payload)?),
            "queue.member.paused" => CallQueue::MemberPaused(read(payload)?),
            "queue.member.unpaused" => CallQueue::MemberUnpaused(read(payload)?),
            _ => return Err(not_producible(name)),
        })
    }
}

impl Announced {
    fn from_post(name: &str, payload: &str) -> Result<Announced, BadPost> {
        use Announced as A;
        Ok(match name {
            "chat.session.started" => {
                A::SessionStartedAnnounced(read::<SessionStartedAnnounced>(payload)?)
            }
            "chat.message" => A::MessageAnnounced(read::<MessageAnnounced>(payload)?),
            "chat.session.ended" => {
                A::SessionEndedAnnounced(read::<SessionEndedAnnounced>(payload)?)
            }
            "chat.transferred" => A::TransferAnnounced(read::<TransferAnnounced>(payload)?),
            "chat.typing" => A::TypingAnnounced(read::<TypingAnnounced>(payload)?),
            _ => return Err(not_producible(name)),
        })
    }

    /// The conversation of another system's, or of ours, that it speaks of.
    pub fn session_id(&self) -> Option<&str> {
        match self {
            Announced::SessionStartedAnnounced(e) => Some(&e.session_id),
            Announced::MessageAnnounced(e) => Some(&e.session_id),
            Announced::SessionEndedAnnounced(e) => Some(&e.session_id),
            Announced::TransferAnnounced(e) => Some(&e.session_id),
            Announced::TypingAnnounced(e) => Some(&e.session_id),
            Announced::AgentStateAnnounced(_) => None,
        }
    }
}

fn not_producible(name: &str) -> BadPost {
    let refused = |reason| BadPost::NotProducible { name: name.to_owned(), reason };
    if PROTOCOL_FRAMES.contains(&name) {
        return refused("is a frame of the protocol, and cannot be produced");
    }
    match EventSet::parse(name) {
        Ok(_) if !name.contains('*') => {
            refused("follows from what happens, and cannot be produced")
        }
        _ => BadPost::Unknown(UnknownEvent::nearest_to(name)),
    }
}

/// Reads a payload, and refuses what it does not know.
fn read<T: DeserializeOwned>(payload: &str) -> Result<T, BadPost> {
    let field = |path: String, reason: String| {
        let path = if path == "." { "payload".into() } else { format!("payload.{path}") };
        Err(BadPost::Field { path, reason })
    };
    // The library would also take an array of the fields in their order.
    if !payload.trim_ascii_start().starts_with('{') {
        return field(".".into(), "expected an object".into());
    }
    let mut unknown: Option<String> = None;
    let mut track = serde_path_to_error::Track::new();
    let mut json = serde_json::Deserializer::from_str(payload);
    let tracked = serde_path_to_error::Deserializer::new(&mut json, &mut track);
    let read = serde_ignored::deserialize(tracked, |path| {
        unknown.get_or_insert_with(|| path.to_string());
    });
    match (read, unknown) {
        (Ok(_), Some(path)) => field(path, "unknown field".into()),
        (Ok(value), None) => Ok(value),
        (Err(err), _) => {
            // The library names the place in its text, which was never a file here.
            let reason = err.to_string();
            let reason = reason.split(" at line ").next().unwrap_or_default().to_owned();
            field(track.path().to_string(), reason)
        }
    }
}

/// What the types do not say.
fn check(event: &Event) -> Result<(), BadPost> {
    let named = |field: &str, text: &str| match text.len() {
        0 => Err(BadPost::Field { path: format!("payload.{field}"), reason: "is empty".into() }),
        1..=NAME_BYTES_MAX => Ok(()),
        _ => {
            let reason = format!("has more than {NAME_BYTES_MAX} bytes");
            Err(BadPost::Field { path: format!("payload.{field}"), reason })
        }
    };
    match event {
        Event::Call(call) => named("unique_id", call.unique_id()),
        Event::CallQueue(queue) => {
            named("queue_name", queue.queue_name())?;
            queue.unique_id().map_or(Ok(()), |id| named("unique_id", id))
        }
        Event::QueueStats(stats) => named("queue_name", &stats.queue_name),
        Event::Announced(announced) => match announced {
            Announced::AgentStateAnnounced(e) => {
                named("user_id", &e.user_id)?;
                named("state", &e.state)
            }
            Announced::MessageAnnounced(e) => {
                named("session_id", &e.session_id)?;
                named("sender_id", &e.sender_id)
            }
            other => other.session_id().map_or(Ok(()), |id| named("session_id", id)),
        },
        Event::Alert(alert) => named("title", &alert.title),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn refused(name: &str, payload: &str) -> String {
        Event::from_post(name, payload).unwrap_err().to_string()
    }

    #[test]
    fn every_producible_event_is_read_from_its_sample() {
        let names: BTreeSet<_> = Event::catalogue().map(|(_, facts)| facts.public_name()).collect();
        let (producible, others): (Vec<_>, Vec<_>) =
            names.into_iter().partition(|name| Event::is_producible(name));
        for name in others {
            assert!(refused(name, "{}").contains("cannot be produced"), "{name}");
        }
        for name in producible {
            let announced = format!("{name}.announced");
            let samples = Event::samples();
            let sample = samples.iter().find(|e| e.name() == announced);
            let sample = sample.or_else(|| samples.iter().find(|e| e.name() == name)).unwrap();
            let event = Event::from_post(name, &sample.payload().unwrap()).unwrap();
            assert_eq!(event.public_name(), name);
        }
    }

    #[test]
    fn what_is_wrong_is_named_by_its_path() {
        let call = r#"{"unique_id": "1", "duration": "long"}"#;
        assert!(refused("call.ended", call).starts_with("payload.duration: invalid type: string"));
        let call = r#"{"duration": 1}"#;
        assert_eq!(refused("call.ended", call), "payload: missing field `unique_id`");
        let call = r#"{"unique_id": "1", "duration": 1, "durration": 2}"#;
        assert_eq!(refused("call.ended", call), "payload.durration: unknown field");
        let call = r#"{"unique_id": "", "duration": 1}"#;
        assert_eq!(refused("call.ended", call), "payload.unique_id: is empty");
        assert!(refused("call.ended", "[1]").starts_with("payload: "));
        assert!(refused("call.ended", "null").starts_with("payload: "));
    }

    #[test]
    fn what_follows_from_elsewhere_cannot_be_produced() {
        for name in ["ping", "error", "subscribed", "connected"] {
            assert!(refused(name, "{}").contains("frame of the protocol"), "{name}");
        }
        for name in ["conversation.closed", "audit.entry", "routing.decided", "chat.message.status"]
        {
            assert!(refused(name, "{}").contains("cannot be produced"), "{name}");
        }
        assert!(refused("call.incomming", "{}").contains("call.incoming"));
        assert!(refused("call.*", "{}").contains("unknown event"));
    }

    #[test]
    fn documents_004_calls_customers_visitors() {
        let said =
            r#"{"session_id": "s", "sender_id": "v", "sender_type": "visitor", "body": "x"}"#;
        let Ok(Event::Announced(Announced::MessageAnnounced(message))) =
            Event::from_post("chat.message", said)
        else {
            panic!("not read")
        };
        assert_eq!(message.sender_type, crate::model::Role::Customer);
    }
}
