//! What producers post, as they write it: read strictly, and the same wherever it comes from. What is
//! wrong with an event is told with the path to the field.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{Post, PostTarget, digest_of, refuse_post};
use crate::limits::EVENT_PAYLOAD_BYTES_MAX;
use crate::model::{Error, Event, ExternalId, Role, UserId};

/// An event as it is posted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PostedEvent, example = json!({
    "type": "call.incoming",
    "payload": {"unique_id": "1737714600.42", "caller_id": "+6281234567890", "destination": "1500"},
    "id": "exchange-1-8841",
}))]
pub struct EventIn<'a> {
    /// What happened: a name of the catalogue.
    #[serde(rename = "type", borrow)]
    kind: std::borrow::Cow<'a, str>,
    /// What is to be said of it (`docs/events.md`).
    #[serde(borrow)]
    #[schema(value_type = Object)]
    payload: &'a RawValue,
    /// For whom: `{user_id}`, `{role}` or `{conversation_id}`; for all of the tenant who may hear
    /// it when absent.
    #[serde(default)]
    target: Option<TargetIn>,
    /// The producer's own id for it, by which a repeat is known for 24 hours: up to 128 bytes.
    #[serde(default)]
    id: Option<String>,
}

/// For whom an event is; exactly one of the three.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = EventTarget)]
enum TargetIn {
    /// One user, wherever it is connected.
    UserId(String),
    /// Everybody of a role.
    Role(String),
    /// Those who take part in a conversation, by its id or another system's name for it.
    ConversationId(String),
}

/// Many events.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventsIn<'a> {
    /// Up to 1,000, in the order in which they happened.
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
}

type Read = Vec<Result<Post, Error>>;

/// One event, or an object with many; of those at most `max`.
///
/// # Errors
/// What is wrong with it as a whole. What is wrong with a single event is in its place.
pub fn read_posts(body: &[u8], max: usize) -> Result<Read, Error> {
    #[derive(Deserialize)]
    struct Shape<'a> {
        #[serde(default, borrow)]
        events: Option<&'a RawValue>,
    }
    let shape: Shape = serde_json::from_slice(body).map_err(malformed)?;
    if shape.events.is_none() {
        let text = std::str::from_utf8(body).map_err(malformed)?;
        return Ok(vec![read_event(text)]);
    }
    let many: EventsIn = serde_json::from_slice(body).map_err(malformed)?;
    if many.events.is_empty() {
        return Err(Error::Invalid { field: "events", reason: "names none".into() });
    }
    check_count(many.events.len(), max)?;
    Ok(many.events.into_iter().map(|raw| read_event(raw.get())).collect())
}

fn malformed(err: impl std::fmt::Display) -> Error {
    Error::Malformed(format!("expected an event, or {{\"events\": [...]}}: {err}"))
}

/// An event a line (NDJSON), at most `max`.
///
/// # Errors
/// As [`read_posts`].
pub fn read_post_lines(body: &[u8], max: usize) -> Result<Read, Error> {
    let text = std::str::from_utf8(body).map_err(|err| Error::Malformed(err.to_string()))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let posts: Read = lines.map(read_event).collect();
    if posts.is_empty() {
        return Err(Error::Malformed("expected an event a line".into()));
    }
    check_count(posts.len(), max)?;
    Ok(posts)
}

fn check_count(count: usize, max: usize) -> Result<(), Error> {
    if count > max {
        let reason = format!("has {count}, and {max} at most are taken at once");
        return Err(Error::Invalid { field: "events", reason });
    }
    Ok(())
}

fn read_event(text: &str) -> Result<Post, Error> {
    if !text.trim_ascii_start().starts_with('{') {
        return Err(Error::Malformed("expected an object with type and payload".into()));
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let read: Result<EventIn, _> = serde_path_to_error::deserialize(&mut json);
    let event = read.map_err(|err| {
        let (path, reason) = (err.path().to_string(), err.inner().to_string());
        let reason = reason.split(" at line ").next().unwrap_or_default().to_owned();
        match path.as_str() {
            "." => Error::Malformed(reason),
            // What is no JSON is wrong as a whole, however far it could be read.
            _ if !err.inner().is_data() => Error::Malformed(reason),
            _ => Error::InvalidAt { path, reason },
        }
    })?;
    let payload = event.payload.get();
    if payload.len() > EVENT_PAYLOAD_BYTES_MAX {
        return Err(Error::TooLarge { max_bytes: EVENT_PAYLOAD_BYTES_MAX });
    }
    let target = serde_json::to_vec(&event.target).unwrap_or_default();
    let digest = match event.id {
        Some(_) => digest_of(&[event.kind.as_bytes(), payload.as_bytes(), &target]),
        None => [0; 32],
    };
    Ok(Post {
        event: Event::from_post(&event.kind, payload).map_err(refuse_post)?,
        target: event.target.map(read_target).transpose()?,
        id: event.id,
        digest,
        fallback: None,
    })
}

fn read_target(target: TargetIn) -> Result<PostTarget, Error> {
    let wrong = |field: &str, reason: String| {
        Err(Error::InvalidAt { path: format!("target.{field}"), reason })
    };
    match target {
        TargetIn::UserId(text) => match UserId::parse(&text) {
            Ok(user) => Ok(PostTarget::User(user)),
            Err(err) => wrong("user_id", err.to_string()),
        },
        TargetIn::Role(text) => match Role::parse(&text) {
            Some(role) => Ok(PostTarget::Role(role)),
            None => wrong("role", "must be customer, agent, admin, bot or service".into()),
        },
        TargetIn::ConversationId(text) => match ExternalId::parse(&text) {
            Ok(name) => Ok(PostTarget::Conversation(name)),
            Err(err) => wrong("conversation_id", err.to_string()),
        },
    }
}
