//! `/api/connections`: the open sockets of this node, how far each is behind, and the way out.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use serde_json::Value;

use super::Parts;
use super::answer::{Answer, Nothing, Refusal};
use super::caller::Caller;
use super::openapi::Refused;
use crate::model::Error;

/// The open connections of the tenant
///
/// Each with its dialect, user, conversation, age, and the number of events that wait for it.
#[utoipa::path(
    get,
    path = "/api/connections",
    operation_id = "list_connections",
    tag = "administration",
    responses(
        (status = 200, description = "The connections", body = Answer<Vec<Object>>,
            example = json!({"success": true, "message": "Connections retrieved successfully",
                "data": [{"connection_id": "c7", "dialect": "session", "user_id": "agent_456",
                    "role": "agent", "session_id": "550e8400-e29b-41d4-a716-446655440000",
                    "connected_at": "2025-01-24T10:30:00.000Z", "queued": 0}]})),
        Refused<401>, Refused<403>, Refused<429>, Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn list(
    State(parts): State<Parts>,
    Caller(who): Caller,
) -> Result<Answer<Vec<Value>>, Refusal> {
    parts.app.check_admin(&who)?;
    let rows = parts.sockets.of_tenant(&who.tenant);
    Ok(Answer::of("Connections retrieved successfully", rows))
}

/// Puts a connection out
///
/// It is closed with 4010, and its client does not come back by itself.
#[utoipa::path(
    delete,
    path = "/api/connections/{id}",
    operation_id = "kick_connection",
    tag = "administration",
    params(("id" = String, Path, description = "The connection", example = "c7")),
    responses(
        (status = 200, description = "It is told to go", body = Answer<Nothing>),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<429>, Refused<500>,
        Refused<503>,
    ),
)]
pub(super) async fn kick(
    State(parts): State<Parts>,
    Caller(who): Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Answer<Nothing>, Refusal> {
    let Path(id) = id.map_err(|err| Error::Malformed(err.to_string()))?;
    parts.app.check_admin(&who)?;
    if !parts.sockets.kick(&who.tenant, &id) {
        return Err(Error::NotFound("connection").into());
    }
    parts.app.note_act(&who, "connection.kicked", Some(id)).await?;
    Ok(Answer::of("Connection closed successfully", Nothing {}))
}
