//! `/api/users/{id}/...`: what is sent to one user, wherever it is connected.

use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::Parts;
use super::answer::{Answer, Input, Refusal};
use super::caller::Caller;
use super::openapi::Refused;
use crate::model::{Error, UserId};

/// Something for one user.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "event": "notification",
    "payload": {"kind": "ticket_assigned", "title": "New ticket", "body": "Ticket 17 is yours"},
}))]
pub(super) struct Notice {
    /// The name it is heard under; none of the server's own but `notification`.
    #[serde(default = "notification")]
    event: String,
    /// What it says. A `notification` has `kind`, `title`, `body` (texts) and `data` (an object).
    #[serde(default)]
    #[schema(value_type = Object)]
    payload: Map<String, Value>,
}

fn notification() -> String {
    "notification".to_owned()
}

/// Where a notice stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Noticed {
    /// Its place in the tenant's log.
    cursor: Option<String>,
}

/// Sends something to a user, wherever it is connected
///
/// Heard by all its connections in every dialect, under the name given; a connection that is cut
/// gets it when it is taken up again. For admins, and keys with `events:write`.
#[utoipa::path(
    post,
    path = "/api/users/{id}/notify",
    operation_id = "notify_user",
    tag = "administration",
    params(("id" = String, Path, description = "The user's id")),
    request_body = Notice,
    responses(
        (status = 200, description = "It is kept, and on its way", body = Answer<Noticed>),
        Refused<400>, Refused<401>, Refused<403>, Refused<413>, Refused<422>, Refused<429>,
        Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn notify(
    State(parts): State<Parts>,
    Path(id): Path<String>,
    Caller(who): Caller,
    Input(notice): Input<Notice>,
) -> Result<Answer<Noticed>, Refusal> {
    let user = UserId::parse(&id).map_err(|err| Error::InvalidId(format!("user id: {err}")))?;
    let cursor = parts.app.notify(&who, user, notice.event, notice.payload).await?;
    let cursor = cursor.map(|cursor| cursor.to_string());
    Ok(Answer::of("User notified successfully", Noticed { cursor }))
}
