//! What people do about routing: `/api/sessions/{id}` and `/api/sessions/{id}/decline` change what
//! a conversation needs and answer an offer, `/api/routing/decisions/{id}` says why.

use axum::extract::State;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::Parts;
use super::answer::{Answer, Input, Refusal, SessionId};
use super::caller::Caller;
use super::openapi::Refused;
use crate::app::NewRequirements;
use crate::model::{Decided, Envelope, Event, Moment, OfferEnded, Requirements};

/// What a conversation needs of its agent. What is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"priority": 2, "skills": ["billing"], "language": "id"}))]
pub(super) struct Needs {
    /// How much it matters, 0 unless set; higher goes first.
    priority: Option<i32>,
    /// The skills its agent must have, all of them.
    skills: Option<Vec<String>>,
    /// The language its agent must speak; `null` for any.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    language: Option<Option<String>>,
}

/// Tells `null` from a field that is left out.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Says what a conversation needs
///
/// For admins, and for the agent who has it. It takes its new place in the queue at once.
#[utoipa::path(
    patch,
    path = "/api/sessions/{id}",
    operation_id = "update_session",
    tag = "routing",
    params(("id" = Uuid, Path, description = "The conversation")),
    request_body = Needs,
    responses(
        (status = 200, description = "What it needs now", body = Answer<Requirements>),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<413>, Refused<422>,
        Refused<429>, Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn require(
    State(parts): State<Parts>,
    SessionId(id): SessionId,
    Caller(who): Caller,
    Input(needs): Input<Needs>,
) -> Result<Answer<Requirements>, Refusal> {
    let Needs { priority, skills, language } = needs;
    let new = NewRequirements { priority, skills, language };
    let required = parts.app.require(&who, id, new).await?;
    Ok(Answer::of("Session updated successfully", required))
}

/// Declines a conversation that is offered
///
/// The next agent is asked. An offer is accepted by claiming the conversation.
#[utoipa::path(
    post,
    path = "/api/sessions/{id}/decline",
    operation_id = "decline_session",
    tag = "routing",
    params(("id" = Uuid, Path, description = "The conversation")),
    responses(
        (status = 200, description = "The offer is over", body = Answer<OfferEnded>),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<409>, Refused<429>,
        Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn decline(
    State(parts): State<Parts>,
    SessionId(id): SessionId,
    Caller(who): Caller,
) -> Result<Answer<OfferEnded>, Refusal> {
    let ended = parts.app.decline(&who, id).await?;
    Ok(Answer::of("Offer declined successfully", ended))
}

/// A decision of the router.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DecisionRecord {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Moment,
    /// Where it stands in the log.
    cursor: Option<String>,
    /// Who was looked at, and who was chosen.
    #[serde(flatten)]
    decision: Decided,
}

impl DecisionRecord {
    fn of(envelope: &Envelope) -> Option<DecisionRecord> {
        let Event::Decided(decision) = envelope.event.clone() else { return None };
        let cursor = envelope.cursor.map(|c| c.to_string());
        Some(DecisionRecord { at: envelope.at, cursor, decision })
    }
}

/// Why a conversation went to whom
///
/// Every decision of the router about it: what made it look, who was looked at, what kept whom
/// out, and who was chosen. The newest 50, ascending. None for one that was always claimed by hand.
#[utoipa::path(
    get,
    path = "/api/routing/decisions/{id}",
    operation_id = "list_routing_decisions",
    tag = "routing",
    params(("id" = Uuid, Path, description = "The conversation")),
    responses(
        (status = 200, description = "The decisions", body = Answer<Vec<DecisionRecord>>),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<429>, Refused<500>,
        Refused<503>,
    ),
)]
pub(super) async fn decisions(
    State(parts): State<Parts>,
    SessionId(id): SessionId,
    Caller(who): Caller,
) -> Result<Answer<Vec<DecisionRecord>>, Refusal> {
    let found = parts.app.routing_decisions(&who, id).await?;
    let decisions = found.iter().filter_map(|e| DecisionRecord::of(e)).collect();
    Ok(Answer::of("Routing decisions retrieved successfully", decisions))
}
