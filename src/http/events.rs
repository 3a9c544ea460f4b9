//! `POST /api/events`: what producers say, one event or many.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::Parts;
use super::answer::{Refusal, read_body};
use super::caller::Caller;
use super::openapi::Refused;
use crate::app::{Post, PostTarget, Posted, check_producer, digest_of, refuse_post};
use crate::limits::{EVENT_PAYLOAD_BYTES_MAX, EVENTS_BODY_BYTES_MAX, IDEMPOTENCY_KEY_BYTES_MAX};
use crate::log::Once;
use crate::model::{Error, Event, ExternalId, Role, UserId};

/// An event as it is posted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PostedEvent, example = json!({
    "type": "call.incoming",
    "payload": {"unique_id": "1737714600.42", "caller_id": "+6281234567890", "destination": "1500"},
    "id": "exchange-1-8841",
}))]
pub(super) struct EventIn<'a> {
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
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PostedEvents)]
pub(super) struct EventsIn<'a> {
    /// Up to 1,000, in the order in which they happened.
    #[serde(borrow)]
    #[schema(value_type = Vec<EventIn>)]
    events: Vec<&'a RawValue>,
}

/// What became of a post.
#[derive(Serialize, ToSchema)]
pub(super) struct PostAnswer {
    /// True: some event counts.
    success: bool,
    /// What happened, for people.
    #[schema(value_type = String)]
    message: &'static str,
    /// One by one.
    data: PostResult,
}

/// A refusal that says what is wrong with each.
#[derive(Serialize)]
struct AllRejected {
    success: bool,
    message: &'static str,
    error: String,
    code: &'static str,
    data: PostResult,
}

/// What became of each event.
#[derive(Serialize, ToSchema)]
struct PostResult {
    /// How many count; repeats count again.
    accepted: usize,
    /// Those that do not.
    rejected: Vec<Rejected>,
    /// Where the tenant's log ends with them.
    cursor: String,
}

/// An event that does not count.
#[derive(Serialize, ToSchema)]
struct Rejected {
    /// Its place in the post, from 0.
    index: usize,
    /// Why, for programs: a code of `docs/errors.md`.
    #[schema(value_type = String)]
    code: &'static str,
    /// Why, for people, with the path to the field.
    message: String,
}

/// Announces events
///
/// One event, `{"events": [...]}`, or NDJSON (`application/x-ndjson`, an event a line). Each is
/// checked by itself. What counts is on disk when the answer comes, in the order of the post. A
/// repeat is known by the `id` of an event or the `Idempotency-Key` of the whole, for 24 hours.
/// Requests of API keys are not counted against the limit of requests.
#[utoipa::path(
    post,
    path = "/api/events",
    operation_id = "post_events",
    tag = "events",
    params((
        "Idempotency-Key" = Option<String>, Header,
        description = "By which a repeat of the whole is known, for 24 hours: up to 255 bytes",
    )),
    request_body(content(
        (EventIn = "application/json"),
        (String = "application/x-ndjson"),
    )),
    responses(
        (status = 202, description = "What became of each", body = PostAnswer),
        Refused<400>, Refused<401>, Refused<403>, Refused<409>, Refused<413>, Refused<422>,
        Refused<429>, Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn post(
    State(parts): State<Parts>,
    Caller(who): Caller,
    request: Request,
) -> Result<Response, Refusal> {
    check_producer(&who)?;
    let is_lines = is_ndjson(request.headers());
    let key = idempotency_key(request.headers())?;
    let body = read_body(request, EVENTS_BODY_BYTES_MAX).await?;
    let _turn = parts.app.turn_to_post().await?;
    let once = key.map(|key| Once { key: format!("k:{key}"), digest: digest_of(&[&body]) });
    let posts = if is_lines { read_lines(&body)? } else { read_json(&body)? };
    let max = parts.app.config.limits.batch_events;
    if posts.len() > max {
        let reason = format!("has {}, and {max} at most are taken at once", posts.len());
        return Err(Error::Invalid { field: "events", reason }.into());
    }
    let posted = parts.app.post(&who, posts, once).await?;
    parts.app.metrics.posted(posted.accepted, posted.rejected.len());
    Ok(answer(posted))
}

fn answer(posted: Posted) -> Response {
    let Posted { accepted, rejected, cursor } = posted;
    // A single event's conflict is its own answer, as of any resource.
    if let (0, [(_, conflict @ Error::Conflict { .. })]) = (accepted, rejected.as_slice()) {
        return Refusal(conflict.clone()).into_response();
    }
    let is_all_wrong = accepted == 0;
    let rejected = rejected.into_iter().map(|(index, error)| {
        let (code, message) = (error.code(), error.to_string());
        Rejected { index, code, message }
    });
    let data = PostResult { accepted, rejected: rejected.collect(), cursor: cursor.to_string() };
    if is_all_wrong {
        let reason = data.rejected.first().map_or("", |first| first.message.as_str()).to_owned();
        let refusal = Error::InvalidAt { path: "events[0]".into(), reason };
        let body = AllRejected {
            success: false,
            message: "No event was accepted",
            error: refusal.to_string(),
            code: refusal.code(),
            data,
        };
        return (StatusCode::UNPROCESSABLE_ENTITY, axum::Json(body)).into_response();
    }
    let message = match data.rejected.is_empty() {
        true => "Events accepted",
        false => "Some events were rejected",
    };
    let body = PostAnswer { success: true, message, data };
    (StatusCode::ACCEPTED, axum::Json(body)).into_response()
}

fn is_ndjson(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.to_ascii_lowercase().contains("ndjson"))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len()) => Ok(Some(key.to_owned())),
        _ => {
            let max = IDEMPOTENCY_KEY_BYTES_MAX;
            Err(Error::Malformed(format!("Idempotency-Key: 1 to {max} visible characters")))
        }
    }
}

type Read = Vec<Result<Post, Error>>;

/// One event, or an object with many.
fn read_json(body: &Bytes) -> Result<Read, Error> {
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
    Ok(many.events.into_iter().map(|raw| read_event(raw.get())).collect())
}

fn malformed(err: impl std::fmt::Display) -> Error {
    Error::Malformed(format!("expected an event, or {{\"events\": [...]}}: {err}"))
}

fn read_lines(body: &Bytes) -> Result<Read, Error> {
    let text = std::str::from_utf8(body).map_err(|err| Error::Malformed(err.to_string()))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let posts: Read = lines.map(read_event).collect();
    if posts.is_empty() {
        return Err(Error::Malformed("expected an event a line".into()));
    }
    Ok(posts)
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
