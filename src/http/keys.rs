//! `/api/keys`: an admin's API keys for other programs.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Parts;
use super::answer::{Answer, Created, Input, Nothing, Refusal};
use super::caller::Caller;
use super::openapi::Refused;
use crate::app::NewKey;
use crate::log::ApiKey;
use crate::model::{Error, Moment, Scope};

/// An API key without the key.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownKey {
    /// Its id.
    id: Uuid,
    /// What it is for.
    name: String,
    /// What it may do.
    scopes: Vec<Scope>,
    /// The patterns of the events it may post and hear.
    events: Vec<String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Moment,
}

impl From<ApiKey> for ShownKey {
    fn from(key: ApiKey) -> ShownKey {
        let ApiKey { id, name, digest: _, scopes, events, created_at } = key;
        ShownKey { id, name, scopes, events, created_at }
    }
}

/// A new API key.
#[derive(Serialize, ToSchema)]
pub(super) struct MadeKey {
    /// Its id.
    id: Uuid,
    /// The key, shown this once.
    #[schema(example = "sbk_...")]
    key: String,
}

/// The API keys of the tenant
#[utoipa::path(
    get,
    path = "/api/keys",
    operation_id = "list_keys",
    tag = "administration",
    responses(
        (status = 200, description = "The keys", body = Answer<Vec<ShownKey>>),
        Refused<401>, Refused<403>, Refused<429>, Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn list(
    State(parts): State<Parts>,
    Caller(who): Caller,
) -> Result<Answer<Vec<ShownKey>>, Refusal> {
    let keys = parts.app.keys(&who).await?.into_iter().map(ShownKey::from).collect();
    Ok(Answer::of("API keys retrieved successfully", keys))
}

/// Makes an API key
#[utoipa::path(
    post,
    path = "/api/keys",
    operation_id = "create_key",
    tag = "administration",
    request_body(
        content = NewKey,
        example = json!({"name": "Telephone exchange", "scopes": ["events:write"], "events": ["call.*"]}),
    ),
    responses(
        (status = 201, description = "The key", body = Answer<MadeKey>),
        Refused<400>, Refused<401>, Refused<403>, Refused<413>, Refused<422>, Refused<429>,
        Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn create(
    State(parts): State<Parts>,
    Caller(who): Caller,
    Input(new): Input<NewKey>,
) -> Result<Created<MadeKey>, Refusal> {
    let (id, key) = parts.app.create_key(&who, new).await?;
    Ok(Created(Answer::of("API key created successfully", MadeKey { id, key })))
}

/// Makes an API key worthless
#[utoipa::path(
    delete,
    path = "/api/keys/{id}",
    operation_id = "revoke_key",
    tag = "administration",
    params(("id" = Uuid, Path, description = "The key's id")),
    responses(
        (status = 200, description = "It counts no longer", body = Answer<Nothing>),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<429>, Refused<500>,
        Refused<503>,
    ),
)]
pub(super) async fn revoke(
    State(parts): State<Parts>,
    id: Result<Path<Uuid>, PathRejection>,
    who: Result<Caller, Refusal>,
) -> Result<Answer<Nothing>, Refusal> {
    let Path(id) = id.map_err(|_| Error::InvalidId("key id: invalid UUID format".into()))?;
    let Caller(who) = who?;
    parts.app.revoke_key(&who, id).await?;
    Ok(Answer::of("API key revoked successfully", Nothing {}))
}
