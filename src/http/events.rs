//! `POST /api/events`: what producers say, one event or many.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::Parts;
use super::answer::{Refusal, read_body};
use super::caller::Caller;
use super::openapi::Refused;
use crate::app::{EventIn, Posted, check_producer, digest_of, read_post_lines, read_posts};
use crate::limits::{EVENTS_BODY_BYTES_MAX, IDEMPOTENCY_KEY_BYTES_MAX};
use crate::log::Once;
use crate::model::Error;

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
    let max = parts.app.config.limits.batch_events;
    let posts = if is_lines { read_post_lines(&body, max)? } else { read_posts(&body, max)? };
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
