//! `/api/tenants`: the customer companies, kept by the admins of the tenant `default`.

use axum::extract::{FromRequestParts, State};
use http::request;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Parts;
use super::answer::{Answer, Created, Input, Parameters, Refusal, blank_as_none};
use super::answer::{cursor_behind, id_of_path, read_cursor};
use super::caller::Caller;
use super::openapi::Refused;
use crate::app::Tenant;
use crate::model::{Error, TenantId};

/// Which tenants are shown.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Range {
    /// `next_cursor` of the page before.
    #[serde(default, deserialize_with = "blank_as_none")]
    cursor: Option<String>,
    /// At most so many: 50 when absent, 200 at most.
    #[serde(default, deserialize_with = "blank_as_none")]
    limit: Option<u64>,
}

/// A page of tenants, in the order of their ids.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TenantPage {
    /// The tenants.
    tenants: Vec<ShownTenant>,
    /// Where the next page starts; null on the last one.
    next_cursor: Option<String>,
}

/// A tenant.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownTenant {
    /// Its id, as tokens name it.
    id: TenantId,
    /// Its name.
    name: String,
}

impl From<Tenant> for ShownTenant {
    fn from(Tenant { id, name }: Tenant) -> ShownTenant {
        ShownTenant { id, name }
    }
}

/// A new tenant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewTenant, example = json!({"id": "acme", "name": "Acme Corporation"}))]
pub(super) struct TenantToMake {
    /// Its id, 1 to 128 characters of `A-Z a-z 0-9 _ . : @ -`.
    id: TenantId,
    /// Its name, up to 200 characters.
    name: String,
}

/// What is to be different in a tenant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TenantChange, example = json!({"name": "Acme Limited"}))]
pub(super) struct ChangeOfTenant {
    /// Its name.
    name: Option<String>,
}

/// The tenants
///
/// All of them for an admin of the tenant `default`, its own for any other.
#[utoipa::path(
    get,
    path = "/api/tenants",
    operation_id = "list_tenants",
    tag = "administration",
    params(Range),
    responses(
        (status = 200, description = "A page of tenants", body = Answer<TenantPage>),
        Refused<400>, Refused<401>, Refused<403>, Refused<429>, Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn list(
    State(parts): State<Parts>,
    Parameters(asked): Parameters<Range>,
    Caller(who): Caller,
) -> Result<Answer<TenantPage>, Refusal> {
    let parse = |id: &str| TenantId::parse(id).ok();
    let after = asked.cursor.as_deref().map(|text| read_cursor(text, parse)).transpose()?;
    let limit = parts.page_of(asked.limit);
    // One more than asked for tells whether there are more.
    let mut found = parts.app.tenants(&who, after, limit + 1).await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| has_more);
    let next_cursor = last.map(|tenant| cursor_behind(tenant.id.as_str()));
    let tenants = found.into_iter().map(ShownTenant::from).collect();
    Ok(Answer::of("Tenants retrieved successfully", TenantPage { tenants, next_cursor }))
}

/// Makes a tenant
///
/// For admins of the tenant `default`.
#[utoipa::path(
    post,
    path = "/api/tenants",
    operation_id = "create_tenant",
    tag = "administration",
    request_body = TenantToMake,
    responses(
        (status = 201, description = "The tenant", body = Answer<ShownTenant>),
        Refused<400>, Refused<401>, Refused<403>, Refused<409>, Refused<413>, Refused<422>,
        Refused<429>, Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn create(
    State(parts): State<Parts>,
    Caller(who): Caller,
    Input(TenantToMake { id, name }): Input<TenantToMake>,
) -> Result<Created<ShownTenant>, Refusal> {
    let tenant = parts.app.add_tenant(&who, Tenant { id, name }).await?;
    Ok(Created(Answer::of("Tenant created successfully", tenant.into())))
}

/// A tenant
#[utoipa::path(
    get,
    path = "/api/tenants/{id}",
    operation_id = "get_tenant",
    tag = "administration",
    params(("id" = String, Path, description = "The tenant's id")),
    responses(
        (status = 200, description = "The tenant", body = Answer<ShownTenant>),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<429>, Refused<500>,
        Refused<503>,
    ),
)]
pub(super) async fn show(
    State(parts): State<Parts>,
    TenantOfPath(id): TenantOfPath,
    Caller(who): Caller,
) -> Result<Answer<ShownTenant>, Refusal> {
    let tenant = parts.app.tenant(&who, &id).await?;
    Ok(Answer::of("Tenant retrieved successfully", tenant.into()))
}

/// Gives a tenant another name
///
/// For admins of the tenant `default`.
#[utoipa::path(
    patch,
    path = "/api/tenants/{id}",
    operation_id = "update_tenant",
    tag = "administration",
    params(("id" = String, Path, description = "The tenant's id")),
    request_body = ChangeOfTenant,
    responses(
        (status = 200, description = "The tenant as it is now", body = Answer<ShownTenant>),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<413>, Refused<422>,
        Refused<429>, Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn update(
    State(parts): State<Parts>,
    TenantOfPath(id): TenantOfPath,
    Caller(who): Caller,
    Input(change): Input<ChangeOfTenant>,
) -> Result<Answer<ShownTenant>, Refusal> {
    let tenant = parts.app.change_tenant(&who, &id, change.name).await?;
    Ok(Answer::of("Tenant updated successfully", tenant.into()))
}

/// The tenant that a path names.
pub(super) struct TenantOfPath(TenantId);

impl FromRequestParts<Parts> for TenantOfPath {
    type Rejection = Refusal;

    async fn from_request_parts(
        head: &mut request::Parts,
        parts: &Parts,
    ) -> Result<TenantOfPath, Refusal> {
        let bad = |err: String| Error::InvalidId(format!("tenant id: {err}"));
        let id = id_of_path(head, parts).await.map_err(bad)?;
        Ok(TenantOfPath(TenantId::parse(&id).map_err(|err| bad(err.to_string()))?))
    }
}
