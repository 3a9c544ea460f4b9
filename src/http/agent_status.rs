//! `/api/agent-status/...`: which agents can work (document 001). The answers carry 001's texts and
//! its record, with the work an agent has beside it.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use http::request::Parts as Head;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Parts;
use super::answer::{Answer, LongList, OptionalInput, Refusal, id_of_path};
use super::caller::Caller;
use super::openapi::Refused;
use crate::app::{AgentView, App, DepartmentView};
use crate::model::{AgentStatus, Error, IdOf, StatusReason, UserId};

/// About what a record takes in an answer.
const RECORD_BYTES: usize = 448;

/// What an agent may say of itself.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"status": "online"}))]
pub(super) struct Heartbeat {
    /// `online`, `busy` or `away`; absent: what it was.
    #[serde(default)]
    status: Option<String>,
}

/// What was noted of a heartbeat.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Beaten {
    /// The agent, as its token names it.
    agent_id: UserId,
    /// What it declares from now on.
    status: AgentStatus,
}

/// An agent, as document 001 shows it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AgentRecord {
    /// Its id.
    agent_id: UserId,
    /// Its name.
    name: String,
    /// Its e-mail address, if known.
    email: Option<Arc<str>>,
    /// Its first department, if it has one.
    department_id: Option<Uuid>,
    /// That department's name.
    department: Option<Arc<str>>,
    /// All its departments.
    department_ids: Vec<Uuid>,
    /// What it is: what it declares while it is there, `busy` when it has no room, or `offline`.
    status: AgentStatus,
    /// What it declared last.
    declared: AgentStatus,
    /// Why its status is what it is.
    reason: StatusReason,
    /// Since when it is so.
    since: String,
    /// The last sign of life, of a heartbeat or of an open socket; `null` if there never was one.
    last_heartbeat: Option<String>,
    /// Conversations it has open.
    current_chats: u32,
    /// How many it may have.
    max_chats: u32,
}

impl AgentRecord {
    fn of(view: AgentView) -> AgentRecord {
        let AgentView { state, email, department } = view;
        let (department_id, department) = department.unzip();
        AgentRecord {
            agent_id: state.agent,
            name: state.name,
            email,
            department_id,
            department,
            department_ids: state.departments,
            status: state.status,
            declared: state.declared,
            reason: state.reason,
            since: state.since.to_seconds_string(),
            last_heartbeat: state.last_seen.map(|at| at.to_seconds_string()),
            current_chats: state.current_chats,
            max_chats: state.max_chats,
        }
    }
}

/// A department's agents and customers, now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DepartmentRecord {
    /// Its id.
    department_id: Option<Uuid>,
    /// Its name.
    department: String,
    /// Agents who can take a conversation.
    online: u32,
    /// Agents who have no room, or say so.
    busy: u32,
    /// Agents who are away for a while.
    away: u32,
    /// Conversations that wait.
    waiting: u64,
    /// How long the one that waits longest does; 0 when none waits.
    longest_wait_seconds: u64,
}

impl From<DepartmentView> for DepartmentRecord {
    fn from(view: DepartmentView) -> DepartmentRecord {
        let DepartmentView { state, longest_wait_seconds } = view;
        DepartmentRecord {
            department_id: state.department,
            department: state.name,
            online: state.online,
            busy: state.busy,
            away: state.away,
            waiting: state.waiting,
            longest_wait_seconds,
        }
    }
}

/// An agent is there
///
/// To be sent every `HEARTBEAT_INTERVAL`; without one, and without an open socket, an agent is
/// offline after `AGENT_STATUS_TTL`. For agents and admins; who it is comes from the token.
#[utoipa::path(
    post,
    path = "/api/agent-status/heartbeat",
    tag = "agent status",
    request_body(content = Heartbeat, description = "May be left out"),
    responses(
        (status = 200, description = "It is noted", body = Answer<Beaten>),
        Refused<400>, Refused<401>, Refused<403>, Refused<413>, Refused<422>, Refused<429>,
        Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn heartbeat(
    State(parts): State<Parts>,
    Caller(who): Caller,
    OptionalInput(heartbeat): OptionalInput<Heartbeat>,
) -> Result<Answer<Beaten>, Refusal> {
    let result = beat(&parts, &who, heartbeat).await;
    parts.app.metrics.heartbeat(result.is_ok());
    let status = result?;
    let beaten = Beaten { agent_id: who.subject, status };
    Ok(Answer::of("Heartbeat updated successfully", beaten))
}

async fn beat(
    parts: &Parts,
    who: &crate::model::Identity,
    heartbeat: Heartbeat,
) -> Result<AgentStatus, Error> {
    parts.app.check_heartbeat(who)?;
    let status = heartbeat.status.as_deref().map(|text| match AgentStatus::parse(text) {
        Some(status) if status != AgentStatus::Offline => Ok(status),
        _ => {
            let reason = format!("must be online, busy or away, not {text:?}");
            Err(Error::Invalid { field: "status", reason })
        }
    });
    parts.app.heartbeat(who, status.transpose()?).await
}

/// The agents who are not offline
///
/// Busy ones and those who are away included, in the order of their ids.
#[utoipa::path(
    get,
    path = "/api/agent-status/online",
    tag = "agent status",
    responses(
        (status = 200, description = "The agents", body = Answer<Vec<AgentRecord>>),
        Refused<401>, Refused<403>, Refused<429>, Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn online(
    State(parts): State<Parts>,
    Caller(who): Caller,
) -> Result<LongList<AgentRecord>, Refusal> {
    let agents = parts.timed(|app| app.online_agents(&who))?;
    let message = "Online agents retrieved successfully";
    Ok(LongList::of(message, records(agents), RECORD_BYTES))
}

/// The agents of a department who are not offline
#[utoipa::path(
    get,
    path = "/api/agent-status/department/{department_id}",
    tag = "agent status",
    params(("department_id" = Uuid, Path, description = "The department")),
    responses(
        (status = 200, description = "The agents", body = Answer<Vec<AgentRecord>>),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<429>, Refused<500>,
        Refused<503>,
    ),
)]
pub(super) async fn department(
    State(parts): State<Parts>,
    DepartmentId(id): DepartmentId,
    Caller(who): Caller,
) -> Result<LongList<AgentRecord>, Refusal> {
    let agents = parts.timed(|app| app.online_agents_of(&who, id))?;
    let message = "Department agents retrieved successfully";
    Ok(LongList::of(message, records(agents), RECORD_BYTES))
}

/// One agent
///
/// One that is known and not there is `offline`.
#[utoipa::path(
    get,
    path = "/api/agent-status/agent/{agent_id}",
    tag = "agent status",
    params(("agent_id" = Uuid, Path, description = "The agent")),
    responses(
        (status = 200, description = "The agent", body = Answer<AgentRecord>),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<429>, Refused<500>,
        Refused<503>,
    ),
)]
pub(super) async fn agent(
    State(parts): State<Parts>,
    AgentId(id): AgentId,
    Caller(who): Caller,
) -> Result<Answer<AgentRecord>, Refusal> {
    let view = parts.timed(|app| app.agent_status(&who, &id))?;
    Ok(Answer::of("Agent status retrieved successfully", AgentRecord::of(view)))
}

/// Agents and waiting customers per department
#[utoipa::path(
    get,
    path = "/api/agent-status/stats",
    operation_id = "department_stats",
    tag = "agent status",
    responses(
        (status = 200, description = "The departments", body = Answer<Vec<DepartmentRecord>>),
        Refused<401>, Refused<403>, Refused<429>, Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn stats(
    State(parts): State<Parts>,
    Caller(who): Caller,
) -> Result<Answer<Vec<DepartmentRecord>>, Refusal> {
    let departments = parts.timed(|app| app.department_stats(&who))?;
    let records = departments.into_iter().map(Into::into).collect();
    Ok(Answer::of("Department statistics retrieved successfully", records))
}

/// An agent goes
///
/// Offline until its next heartbeat or login, whatever sockets it has open.
#[utoipa::path(
    post,
    path = "/api/agent-status/offline",
    operation_id = "go_offline",
    tag = "agent status",
    responses(
        (status = 200, description = "It is offline", body = Answer<Beaten>),
        Refused<401>, Refused<403>, Refused<429>, Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn offline(
    State(parts): State<Parts>,
    Caller(who): Caller,
) -> Result<Answer<Beaten>, Refusal> {
    parts.app.go_offline(&who).await?;
    let beaten = Beaten { agent_id: who.subject, status: AgentStatus::Offline };
    Ok(Answer::of("Agent set to offline successfully", beaten))
}

fn records(views: Vec<AgentView>) -> Vec<AgentRecord> {
    views.into_iter().map(AgentRecord::of).collect()
}

/// The agent a path names.
pub(super) struct AgentId(UserId);

impl FromRequestParts<Parts> for AgentId {
    type Rejection = Refusal;

    async fn from_request_parts(head: &mut Head, parts: &Parts) -> Result<AgentId, Refusal> {
        let id = uuid_of_path(head, parts, IdOf::Agent).await?;
        let id = UserId::parse(&id.to_string()).map_err(|_| Error::InvalidUuid(IdOf::Agent))?;
        Ok(AgentId(id))
    }
}

/// The department a path names.
pub(super) struct DepartmentId(Uuid);

impl FromRequestParts<Parts> for DepartmentId {
    type Rejection = Refusal;

    async fn from_request_parts(head: &mut Head, parts: &Parts) -> Result<DepartmentId, Refusal> {
        Ok(DepartmentId(uuid_of_path(head, parts, IdOf::Department).await?))
    }
}

async fn uuid_of_path(head: &mut Head, parts: &Parts, of: IdOf) -> Result<Uuid, Error> {
    let id = id_of_path(head, parts).await.map_err(|_| Error::InvalidUuid(of))?;
    Uuid::try_parse(&id).map_err(|_| Error::InvalidUuid(of))
}

impl Parts {
    /// Answers a question about agents, and notes how long that took.
    fn timed<T>(&self, question: impl FnOnce(&App) -> T) -> T {
        let began = Instant::now();
        let answer = question(&self.app);
        self.app.metrics.agent_status_query_seconds.observe(began.elapsed().as_secs_f64());
        answer
    }
}
