//! `/api/sessions/{id}/...`: what is done with a conversation: given, passed on, closed, reopened,
//! rated.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Parts;
use super::answer::{Answer, Input, OptionalInput, Refusal, SessionId};
use super::caller::Caller;
use super::openapi::Refused;
use crate::app::{Claim, TransferTo};
use crate::model::{Assigned, Closed, Error, Rated, Reopened, Transferred, UserId};

/// Longest note or comment, in characters: a page of text.
const NOTE_CHARS_MAX: usize = 2_000;

/// Who is to have a conversation.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Assignment {
    /// The agent; absent: the agent that asks, or whom the router finds when an admin asks.
    agent_id: Option<UserId>,
}

/// Gives a conversation to an agent
///
/// An agent claims it for itself; an admin names an agent or lets the router choose. Of two
/// claims the second is refused with 409, and `data` says who was first.
#[utoipa::path(
    post,
    path = "/api/sessions/{id}/assign",
    operation_id = "assign_session",
    tag = "sessions",
    params(("id" = Uuid, Path, description = "The conversation")),
    request_body = Option<Assignment>,
    responses(
        (status = 200, description = "Who has it now", body = Answer<Assigned>),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<409>, Refused<413>,
        Refused<422>, Refused<429>, Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn assign(
    State(parts): State<Parts>,
    SessionId(id): SessionId,
    Caller(who): Caller,
    OptionalInput(assignment): OptionalInput<Assignment>,
) -> Result<Answer<Assigned>, Refusal> {
    let claim = assignment.agent_id.map_or(Claim::Own, Claim::Agent);
    let assigned = parts.app.assign(&who, id, claim).await?;
    Ok(Answer::of("Session assigned successfully", assigned))
}

/// Where a conversation goes: to an agent or to a department, one of the two.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "department_id": "660e8400-e29b-41d4-a716-446655440000",
    "note": "Asks about an invoice",
}))]
pub(super) struct Transfer {
    /// The agent.
    agent_id: Option<UserId>,
    /// The department, whose queue it joins.
    department_id: Option<Uuid>,
    /// What the next agent should know.
    note: Option<String>,
}

/// Passes a conversation on
#[utoipa::path(
    post,
    path = "/api/sessions/{id}/transfer",
    operation_id = "transfer_session",
    tag = "sessions",
    params(("id" = Uuid, Path, description = "The conversation")),
    request_body = Transfer,
    responses(
        (status = 200, description = "Where it went", body = Answer<Transferred>),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<409>, Refused<413>,
        Refused<422>, Refused<429>, Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn transfer(
    State(parts): State<Parts>,
    SessionId(id): SessionId,
    Caller(who): Caller,
    Input(transfer): Input<Transfer>,
) -> Result<Answer<Transferred>, Refusal> {
    let to = match (transfer.agent_id, transfer.department_id) {
        (Some(agent), None) => TransferTo::Agent(agent),
        (None, Some(department)) => TransferTo::Department(department),
        _ => {
            let reason = "give either agent_id or department_id".into();
            return Err(Error::Invalid { field: "agent_id", reason }.into());
        }
    };
    let note = check_note("note", transfer.note)?;
    let transferred = parts.app.transfer(&who, id, to, note).await?;
    Ok(Answer::of("Session transferred successfully", transferred))
}

/// Closes a conversation
///
/// Its customer, its agent or an admin may. A message after it reopens the conversation.
#[utoipa::path(
    post,
    path = "/api/sessions/{id}/close",
    operation_id = "close_session",
    tag = "sessions",
    params(("id" = Uuid, Path, description = "The conversation")),
    responses(
        (status = 200, description = "It is closed", body = Answer<Closed>),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<409>, Refused<429>,
        Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn close(
    State(parts): State<Parts>,
    SessionId(id): SessionId,
    Caller(who): Caller,
) -> Result<Answer<Closed>, Refusal> {
    let closed = parts.app.close(&who, id).await?;
    Ok(Answer::of("Session closed successfully", closed))
}

/// Reopens a closed conversation
///
/// It waits for an agent like a new one.
#[utoipa::path(
    post,
    path = "/api/sessions/{id}/reopen",
    operation_id = "reopen_session",
    tag = "sessions",
    params(("id" = Uuid, Path, description = "The conversation")),
    responses(
        (status = 200, description = "It is open again", body = Answer<Reopened>),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<409>, Refused<429>,
        Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn reopen(
    State(parts): State<Parts>,
    SessionId(id): SessionId,
    Caller(who): Caller,
) -> Result<Answer<Reopened>, Refusal> {
    let reopened = parts.app.reopen(&who, id).await?;
    Ok(Answer::of("Session reopened successfully", reopened))
}

/// How the customer found it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"score": 5, "comment": "Fast"}))]
pub(super) struct Rating {
    /// 1 (poor) to 5 (excellent).
    #[schema(minimum = 1, maximum = 5)]
    score: i64,
    /// What the customer adds.
    comment: Option<String>,
}

/// The customer rates a conversation
#[utoipa::path(
    post,
    path = "/api/sessions/{id}/rating",
    operation_id = "rate_session",
    tag = "sessions",
    params(("id" = Uuid, Path, description = "The conversation")),
    request_body = Rating,
    responses(
        (status = 200, description = "The rating is kept", body = Answer<Rated>),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<409>, Refused<413>,
        Refused<422>, Refused<429>, Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn rate(
    State(parts): State<Parts>,
    SessionId(id): SessionId,
    Caller(who): Caller,
    Input(rating): Input<Rating>,
) -> Result<Answer<Rated>, Refusal> {
    // What fits no byte is no score either, so the verb refuses it in the same words.
    let score = u8::try_from(rating.score).unwrap_or(u8::MAX);
    let comment = check_note("comment", rating.comment)?;
    let rated = parts.app.rate(&who, id, score, comment).await?;
    Ok(Answer::of("Session rated successfully", rated))
}

fn check_note(field: &'static str, note: Option<String>) -> Result<Option<String>, Error> {
    match note {
        Some(note) if note.chars().count() > NOTE_CHARS_MAX => {
            let reason = format!("has more than {NOTE_CHARS_MAX} characters");
            Err(Error::Invalid { field, reason })
        }
        note => Ok(note.filter(|n| !n.trim().is_empty())),
    }
}
