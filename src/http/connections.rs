//! `/api/connections`: the open sockets of this node, how far each is behind, and the way out.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};

use super::Parts;
use super::answer::{Answer, Nothing, Refusal};
use super::caller::Caller;
use super::openapi::Refused;
use crate::model::{ConnectionInfo, Error};

/// The open connections of the tenant
///
/// Each with its dialect, user, conversation, age, and the number of events that wait for it.
#[utoipa::path(
    get,
    path = "/api/connections",
    operation_id = "list_connections",
    tag = "administration",
    responses(
        (status = 200, description = "The connections", body = Answer<Vec<ConnectionInfo>>),
        Refused<401>, Refused<403>, Refused<429>, Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn list(
    State(parts): State<Parts>,
    Caller(who): Caller,
) -> Result<Answer<Vec<ConnectionInfo>>, Refusal> {
    parts.app.check_admin(&who)?;
    let rows = parts.sockets.of_tenant(&who.tenant).await?;
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
    if !parts.sockets.kick(&who.tenant, &id).await {
        return Err(Error::NotFound("connection").into());
    }
    parts.app.note_act(&who, "connection.kicked", Some(id)).await?;
    Ok(Answer::of("Connection closed successfully", Nothing {}))
}
