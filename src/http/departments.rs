//! `/api/departments`: the departments of a tenant and how each routes, kept by admins.

use axum::extract::{FromRequestParts, State};
use http::request;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Parts;
use super::answer::{
    Answer, Created, Input, Nothing, Parameters, Refusal, blank_as_none, carried_through, given,
};
use super::answer::{cursor_behind, id_of_path, read_cursor};
use super::caller::Caller;
use super::openapi::Refused;
use crate::app::{DepartmentChange, NewDepartment, policy_of};
use crate::log::Department;
use crate::model::Error;
use crate::routing::Policy;

/// Which departments are shown.
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

/// A page of departments, in the order of their ids.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DepartmentPage {
    /// The departments.
    departments: Vec<ShownDepartment>,
    /// Where the next page starts; null on the last one.
    next_cursor: Option<String>,
}

/// A department.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownDepartment {
    /// Its id.
    id: Uuid,
    /// Its name.
    name: String,
    /// How its conversations are routed, whole: what was set, and the defaults for the rest.
    routing: Policy,
}

impl From<Department> for ShownDepartment {
    fn from(department: Department) -> ShownDepartment {
        let routing = policy_of(&department);
        ShownDepartment { id: department.id, name: department.name, routing }
    }
}

/// A new department.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewDepartment, example = json!({
    "name": "Customer Support",
    "routing": {"escalations": [{"after_seconds": 120, "action": "supervisors"}]},
}))]
pub(super) struct DepartmentToMake {
    /// Its name, up to 200 characters.
    name: String,
    /// The fields of its routing policy that are not to be the default.
    #[serde(default)]
    #[schema(value_type = Option<Policy>)]
    routing: Option<Map<String, Value>>,
}

/// What is to be different in a department; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DepartmentChange, example = json!({"routing": {"strategy": "round_robin"}}))]
pub(super) struct ChangeOfDepartment {
    /// Its name.
    name: Option<String>,
    /// Fields of its routing policy, each whole; one that is null, or all of it, is the default
    /// again.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Policy>)]
    routing: Option<Option<Map<String, Value>>>,
}

/// The departments of the tenant
#[utoipa::path(
    get,
    path = "/api/departments",
    operation_id = "list_departments",
    tag = "administration",
    params(Range),
    responses(
        (status = 200, description = "A page of departments", body = Answer<DepartmentPage>),
        Refused<400>, Refused<401>, Refused<403>, Refused<429>, Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn list(
    State(parts): State<Parts>,
    Parameters(asked): Parameters<Range>,
    Caller(who): Caller,
) -> Result<Answer<DepartmentPage>, Refusal> {
    let parse = |id: &str| Uuid::try_parse(id).ok();
    let after = asked.cursor.as_deref().map(|text| read_cursor(text, parse)).transpose()?;
    let limit = parts.page_of(asked.limit);
    // One more than asked for tells whether there are more.
    let mut found = parts.app.departments(&who, after, limit + 1).await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| has_more);
    let next_cursor = last.map(|department| cursor_behind(&department.id.to_string()));
    let departments = found.into_iter().map(ShownDepartment::from).collect();
    let page = DepartmentPage { departments, next_cursor };
    Ok(Answer::of("Departments retrieved successfully", page))
}

/// Makes a department
#[utoipa::path(
    post,
    path = "/api/departments",
    operation_id = "create_department",
    tag = "administration",
    request_body = DepartmentToMake,
    responses(
        (status = 201, description = "The department", body = Answer<ShownDepartment>),
        Refused<400>, Refused<401>, Refused<403>, Refused<413>, Refused<422>, Refused<429>,
        Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn create(
    State(parts): State<Parts>,
    Caller(who): Caller,
    Input(new): Input<DepartmentToMake>,
) -> Result<Created<ShownDepartment>, Refusal> {
    let new = NewDepartment { name: new.name, routing: new.routing.unwrap_or_default() };
    let added = async move { parts.app.add_department(&who, new).await };
    let department = carried_through(added).await?;
    Ok(Created(Answer::of("Department created successfully", department.into())))
}

/// A department
#[utoipa::path(
    get,
    path = "/api/departments/{id}",
    operation_id = "get_department",
    tag = "administration",
    params(("id" = Uuid, Path, description = "The department's id")),
    responses(
        (status = 200, description = "The department", body = Answer<ShownDepartment>),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<429>, Refused<500>,
        Refused<503>,
    ),
)]
pub(super) async fn show(
    State(parts): State<Parts>,
    DepartmentId(id): DepartmentId,
    Caller(who): Caller,
) -> Result<Answer<ShownDepartment>, Refusal> {
    let department = parts.app.department(&who, id).await?;
    Ok(Answer::of("Department retrieved successfully", department.into()))
}

/// Changes a department
///
/// What waits in it is routed by the new policy at once.
#[utoipa::path(
    patch,
    path = "/api/departments/{id}",
    operation_id = "update_department",
    tag = "administration",
    params(("id" = Uuid, Path, description = "The department's id")),
    request_body = ChangeOfDepartment,
    responses(
        (status = 200, description = "The department as it is now", body = Answer<ShownDepartment>),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<413>, Refused<422>,
        Refused<429>, Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn update(
    State(parts): State<Parts>,
    DepartmentId(id): DepartmentId,
    Caller(who): Caller,
    Input(change): Input<ChangeOfDepartment>,
) -> Result<Answer<ShownDepartment>, Refusal> {
    let change = DepartmentChange { name: change.name, routing: change.routing };
    let changed = async move { parts.app.change_department(&who, id, change).await };
    let department = carried_through(changed).await?;
    Ok(Answer::of("Department updated successfully", department.into()))
}

/// Takes a department away
///
/// Only one in which nobody works, and to which no conversation belongs that is not closed.
#[utoipa::path(
    delete,
    path = "/api/departments/{id}",
    operation_id = "delete_department",
    tag = "administration",
    params(("id" = Uuid, Path, description = "The department's id")),
    responses(
        (status = 200, description = "It is gone", body = Answer<Nothing>),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<409>, Refused<429>,
        Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn remove(
    State(parts): State<Parts>,
    DepartmentId(id): DepartmentId,
    Caller(who): Caller,
) -> Result<Answer<Nothing>, Refusal> {
    carried_through(async move { parts.app.remove_department(&who, id).await }).await?;
    Ok(Answer::of("Department deleted successfully", Nothing {}))
}

/// The department that a path names.
pub(super) struct DepartmentId(Uuid);

impl FromRequestParts<Parts> for DepartmentId {
    type Rejection = Refusal;

    async fn from_request_parts(
        head: &mut request::Parts,
        parts: &Parts,
    ) -> Result<DepartmentId, Refusal> {
        let id = id_of_path(head, parts).await.ok().and_then(|id| Uuid::try_parse(&id).ok());
        let bad = || Error::InvalidId("department id: invalid UUID format".into());
        Ok(DepartmentId(id.ok_or_else(bad)?))
    }
}
