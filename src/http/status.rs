//! `/api/session/{id}/...`: who is connected to a conversation (document 000), and its flight
//! recorder. With `auth.open_sessions` anybody may ask.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Parts;
use super::answer::{Answer, Parameters, Refusal, SessionId, blank_as_none};
use super::caller::MaybeCaller;
use super::openapi::Refused;
use crate::model::{ConnectionStatus, Envelope, Error, Event, Moment};

/// Who is connected to a conversation
///
/// An unknown conversation, or another tenant's, has nobody in it.
#[utoipa::path(
    get,
    path = "/api/session/{id}/connection-status",
    tag = "sessions",
    params(("id" = Uuid, Path, description = "The conversation")),
    responses(
        (status = 200, description = "Who is connected", body = Answer<ConnectionStatus>),
        Refused<400>, Refused<401>, Refused<403>, Refused<429>, Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn connection_status(
    State(parts): State<Parts>,
    SessionId(id): SessionId,
    MaybeCaller(who): MaybeCaller,
) -> Result<Answer<ConnectionStatus>, Refusal> {
    let status = parts.app.connection_status(who.as_ref(), id).await?;
    Ok(Answer::of("Connection status retrieved successfully", status))
}

/// How much of the flight recorder is shown.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Length {
    /// At most so many, the newest ones: 50 when absent, 200 at most.
    #[serde(default, deserialize_with = "blank_as_none")]
    limit: Option<u64>,
}

/// One line of the flight recorder.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Recorded {
    /// The event's name.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "conversation.left")]
    name: &'static str,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    at: Moment,
    /// Where it stands in the log.
    cursor: Option<String>,
    /// `user_connected` or `user_disconnected`, as in the status frames; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    event_type: Option<&'static str>,
    /// What it tells.
    #[schema(value_type = Object)]
    payload: Box<RawValue>,
}

impl Recorded {
    fn of(envelope: &Envelope) -> Result<Recorded, Error> {
        let payload = envelope.event.payload().and_then(RawValue::from_string);
        let payload = payload.map_err(|err| {
            let id = Uuid::new_v4().simple().to_string();
            tracing::error!(fault = id, error = %err, "an event cannot be shown");
            Error::Fault { id }
        })?;
        Ok(Recorded {
            name: envelope.event.name(),
            at: envelope.at,
            cursor: envelope.cursor.map(|c| c.to_string()),
            event_type: match envelope.event {
                Event::Joined(_) => Some("user_connected"),
                Event::Left(_) => Some("user_disconnected"),
                _ => None,
            },
            payload,
        })
    }
}

/// What happened around a conversation
///
/// Its flight recorder: connects, disconnects with their reasons, assignments, but nothing that
/// was said. Ascending.
#[utoipa::path(
    get,
    path = "/api/session/{id}/events",
    tag = "sessions",
    params(("id" = Uuid, Path, description = "The conversation"), Length),
    responses(
        (status = 200, description = "The newest events", body = Answer<Vec<Recorded>>),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<429>, Refused<500>,
        Refused<503>,
    ),
)]
pub(super) async fn flight_recorder(
    State(parts): State<Parts>,
    SessionId(id): SessionId,
    Parameters(length): Parameters<Length>,
    MaybeCaller(who): MaybeCaller,
) -> Result<Answer<Vec<Recorded>>, Refusal> {
    let limit = parts.page_of(length.limit);
    let events = parts.app.flight_recorder(who.as_ref(), id, limit).await?;
    let lines = events.iter().map(|e| Recorded::of(e)).collect::<Result<_, _>>()?;
    Ok(Answer::of("Session events retrieved successfully", lines))
}
