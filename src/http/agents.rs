//! `/api/agents`: the agents and admins of a tenant, kept by admins. What an agent does at the
//! moment is no business of this file.

use axum::extract::{FromRequestParts, State};
use http::request;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Parts;
use super::answer::{
    Answer, Created, Input, Nothing, Parameters, Refusal, blank_as_none, carried_through, given,
};
use super::answer::{cursor_behind, id_of_path, read_cursor};
use super::caller::Caller;
use super::openapi::Refused;
use crate::app::{AgentChange, NewAgent};
use crate::log::{Agent, AgentFilter};
use crate::model::{Error, Moment, Role, UserId};

/// Which agents are shown.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Only those of this department.
    #[serde(default, deserialize_with = "blank_as_none")]
    #[param(value_type = Option<Uuid>)]
    department: Option<String>,
    /// `next_cursor` of the page before.
    #[serde(default, deserialize_with = "blank_as_none")]
    cursor: Option<String>,
    /// At most so many: 50 when absent, 200 at most.
    #[serde(default, deserialize_with = "blank_as_none")]
    limit: Option<u64>,
}

/// A page of agents and admins, in the order of their ids.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AgentPage {
    /// The agents and admins.
    agents: Vec<ShownAgent>,
    /// Where the next page starts; null on the last one.
    next_cursor: Option<String>,
}

/// An agent or admin.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownAgent {
    /// Its id. A UUID, but for those whom a token with another one made.
    id: UserId,
    /// Agent or admin. Admins are never routed to.
    role: Role,
    /// Its name.
    name: String,
    /// Its e-mail address.
    email: Option<String>,
    /// Its departments; the first is the one shown.
    department_ids: Vec<Uuid>,
    /// How many conversations it may have at once.
    max_chats: u32,
    /// What it can do, in lower case.
    skills: Vec<String>,
    /// What it speaks, in lower case.
    languages: Vec<String>,
    /// Its telephone's extension, by which a telephone system knows it.
    extension: Option<String>,
    /// Whether it may neither log in nor be assigned.
    is_disabled: bool,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Moment,
}

impl From<Agent> for ShownAgent {
    fn from(agent: Agent) -> ShownAgent {
        ShownAgent {
            id: agent.id,
            role: agent.role,
            name: agent.name,
            email: agent.email,
            department_ids: agent.departments,
            max_chats: agent.max_chats,
            skills: agent.skills,
            languages: agent.languages,
            extension: agent.extension,
            is_disabled: agent.is_disabled,
            created_at: agent.created_at,
        }
    }
}

/// A new agent or admin.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewAgent, example = json!({
    "name": "Dewi",
    "email": "dewi@example.com",
    "password": "a long password",
    "department_ids": ["660e8400-e29b-41d4-a716-446655440000"],
    "max_chats": 5,
    "skills": ["billing"],
    "languages": ["id", "en"],
}))]
pub(super) struct AgentToMake {
    /// Its name, up to 200 characters.
    name: String,
    /// Its e-mail address, which no other agent of the tenant has; in either case the same.
    email: Option<String>,
    /// At least 8 characters; for those who log in here. Never shown.
    #[schema(write_only)]
    password: Option<String>,
    /// `agent`, the default, or `admin`.
    role: Option<String>,
    /// Up to 50 departments; the first is the one shown.
    #[serde(default)]
    department_ids: Vec<Uuid>,
    /// How many conversations it may have at once, 1 to 100; 5 when absent.
    max_chats: Option<i64>,
    /// What it can do: up to 50 words of up to 32 characters, taken in lower case.
    #[serde(default)]
    skills: Vec<String>,
    /// What it speaks: up to 50 words of up to 32 characters, taken in lower case.
    #[serde(default)]
    languages: Vec<String>,
    /// Its telephone's extension, by which a telephone system knows it: up to 32 characters of
    /// `A-Z a-z 0-9 + * # - _ .`.
    extension: Option<String>,
    /// Whether it may neither log in nor be assigned.
    #[serde(default)]
    is_disabled: bool,
}

/// What is to be different in an agent or admin; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AgentChange, example = json!({"max_chats": 3, "is_disabled": false}))]
pub(super) struct ChangeOfAgent {
    /// Its name.
    name: Option<String>,
    /// Its e-mail address; null takes it away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    email: Option<Option<String>>,
    /// Its password; null takes it away, and it cannot log in here any more.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, write_only)]
    password: Option<Option<String>>,
    /// `agent` or `admin`. Counts from its next login.
    role: Option<String>,
    /// All its departments: not those to be added.
    department_ids: Option<Vec<Uuid>>,
    /// How many conversations it may have at once, 1 to 100.
    max_chats: Option<i64>,
    /// All it can do.
    skills: Option<Vec<String>>,
    /// All it speaks.
    languages: Option<Vec<String>>,
    /// Its telephone's extension; null takes it away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    extension: Option<Option<String>>,
    /// Whether it may neither log in nor be assigned. Its connections are closed with 4003.
    is_disabled: Option<bool>,
}

/// The agents and admins of the tenant
#[utoipa::path(
    get,
    path = "/api/agents",
    operation_id = "list_agents",
    tag = "administration",
    params(Filter),
    responses(
        (status = 200, description = "A page of agents and admins", body = Answer<AgentPage>),
        Refused<400>, Refused<401>, Refused<403>, Refused<429>, Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn list(
    State(parts): State<Parts>,
    Parameters(asked): Parameters<Filter>,
    who: Result<Caller, Refusal>,
) -> Result<Answer<AgentPage>, Refusal> {
    let department = asked.department.as_deref().map(parse_department).transpose()?;
    let parse = |id: &str| UserId::parse(id).ok();
    let after = asked.cursor.as_deref().map(|text| read_cursor(text, parse)).transpose()?;
    let Caller(who) = who?;
    let limit = parts.page_of(asked.limit);
    // One more than asked for tells whether there are more.
    let filter = AgentFilter { department, after, limit: limit + 1 };
    let mut found = parts.app.agents(&who, filter).await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| has_more);
    let next_cursor = last.map(|agent| cursor_behind(agent.id.as_str()));
    let agents = found.into_iter().map(ShownAgent::from).collect();
    Ok(Answer::of("Agents retrieved successfully", AgentPage { agents, next_cursor }))
}

/// Makes an agent or admin
#[utoipa::path(
    post,
    path = "/api/agents",
    operation_id = "create_agent",
    tag = "administration",
    request_body = AgentToMake,
    responses(
        (status = 201, description = "The agent", body = Answer<ShownAgent>),
        Refused<400>, Refused<401>, Refused<403>, Refused<409>, Refused<413>, Refused<422>,
        Refused<429>, Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn create(
    State(parts): State<Parts>,
    Caller(who): Caller,
    Input(new): Input<AgentToMake>,
) -> Result<Created<ShownAgent>, Refusal> {
    let plain = NewAgent::named(new.name);
    let new = NewAgent {
        email: new.email,
        password: new.password,
        role: new.role.unwrap_or(plain.role),
        departments: new.department_ids,
        max_chats: new.max_chats.unwrap_or(plain.max_chats),
        skills: new.skills,
        languages: new.languages,
        extension: new.extension,
        is_disabled: new.is_disabled,
        ..plain
    };
    let agent = carried_through(async move { parts.app.add_agent(&who, new).await }).await?;
    Ok(Created(Answer::of("Agent created successfully", agent.into())))
}

/// An agent or admin
///
/// For admins, and for the agent itself.
#[utoipa::path(
    get,
    path = "/api/agents/{id}",
    operation_id = "get_agent",
    tag = "administration",
    params(("id" = String, Path, description = "The agent's id")),
    responses(
        (status = 200, description = "The agent", body = Answer<ShownAgent>),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<429>, Refused<500>,
        Refused<503>,
    ),
)]
pub(super) async fn show(
    State(parts): State<Parts>,
    AgentId(id): AgentId,
    Caller(who): Caller,
) -> Result<Answer<ShownAgent>, Refusal> {
    let agent = parts.app.agent(&who, &id).await?;
    Ok(Answer::of("Agent retrieved successfully", agent.into()))
}

/// Changes an agent or admin
///
/// One that is disabled is refused from now on, whatever token it has, and its connections are
/// closed with 4003. Everything else a token says counts until the next one.
#[utoipa::path(
    patch,
    path = "/api/agents/{id}",
    operation_id = "update_agent",
    tag = "administration",
    params(("id" = String, Path, description = "The agent's id")),
    request_body = ChangeOfAgent,
    responses(
        (status = 200, description = "The agent as it is now", body = Answer<ShownAgent>),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<409>, Refused<413>,
        Refused<422>, Refused<429>, Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn update(
    State(parts): State<Parts>,
    AgentId(id): AgentId,
    Caller(who): Caller,
    Input(change): Input<ChangeOfAgent>,
) -> Result<Answer<ShownAgent>, Refusal> {
    let change = AgentChange {
        name: change.name,
        email: change.email,
        password: change.password,
        role: change.role,
        departments: change.department_ids,
        max_chats: change.max_chats,
        skills: change.skills,
        languages: change.languages,
        extension: change.extension,
        is_disabled: change.is_disabled,
    };
    let changed = async move {
        let agent = parts.app.change_agent(&who, &id, change).await?;
        if agent.is_disabled {
            parts.sockets.put_out(&who.tenant, &agent.id);
        }
        Ok(agent)
    };
    let agent = carried_through(changed).await?;
    Ok(Answer::of("Agent updated successfully", agent.into()))
}

/// Takes an agent or admin away
///
/// Its connections are closed with 4003, and what it had goes back to the queue.
#[utoipa::path(
    delete,
    path = "/api/agents/{id}",
    operation_id = "delete_agent",
    tag = "administration",
    params(("id" = String, Path, description = "The agent's id")),
    responses(
        (status = 200, description = "It is gone", body = Answer<Nothing>),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<409>, Refused<429>,
        Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn remove(
    State(parts): State<Parts>,
    AgentId(id): AgentId,
    Caller(who): Caller,
) -> Result<Answer<Nothing>, Refusal> {
    let removed = async move {
        parts.app.remove_agent(&who, &id).await?;
        parts.sockets.put_out(&who.tenant, &id);
        Ok(())
    };
    carried_through(removed).await?;
    Ok(Answer::of("Agent deleted successfully", Nothing {}))
}

fn parse_department(text: &str) -> Result<Uuid, Error> {
    Uuid::try_parse(text).map_err(|_| Error::InvalidId("department: invalid UUID format".into()))
}

/// The agent that a path names.
pub(super) struct AgentId(UserId);

impl FromRequestParts<Parts> for AgentId {
    type Rejection = Refusal;

    async fn from_request_parts(
        head: &mut request::Parts,
        parts: &Parts,
    ) -> Result<AgentId, Refusal> {
        let bad = |err: String| Error::InvalidId(format!("agent id: {err}"));
        let id = id_of_path(head, parts).await.map_err(bad)?;
        Ok(AgentId(UserId::parse(&id).map_err(|err| bad(err.to_string()))?))
    }
}
