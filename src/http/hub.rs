//! What document 004 asks over HTTP beside its sockets: how many are connected, and whether somebody
//! is; and a user's notifications. The first two answer bare, as document 004 has them.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::Path;
use axum::extract::State;
use axum::extract::rejection::PathRejection;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Parts;
use super::answer::{Answer, Input, Nothing, Parameters, Refusal, blank_as_none};
use super::caller::Caller;
use super::openapi::Refused;
use crate::log::Notice;
use crate::model::{AgentStatus, Cursor, Dialect, Error, Event, Moment, Role, UserId};

/// Who is connected to a tenant, in figures.
#[derive(Serialize, ToSchema)]
pub(super) struct HubStats {
    /// Open connections of this node.
    connections: usize,
    /// Users who hold them.
    users: usize,
    /// Connections by dialect.
    by_dialect: BTreeMap<&'static str, usize>,
    /// Connections by role.
    by_role: BTreeMap<&'static str, usize>,
    /// Addresses that somebody listens to on the node that was asked: conversations, users, and the
    /// like.
    topics: usize,
}

/// How many are connected
///
/// Of the token's tenant. For agents, admins and services.
#[utoipa::path(
    get,
    path = "/ws/stats",
    operation_id = "hub_stats",
    tag = "events",
    responses(
        (status = 200, description = "The figures, bare", body = HubStats),
        Refused<401>, Refused<403>, Refused<429>, Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn stats(
    State(parts): State<Parts>,
    Caller(who): Caller,
) -> Result<Json<HubStats>, Refusal> {
    check_staff(who.role)?;
    let open = parts.sockets.of_tenant(&who.tenant).await?;
    let mut by_dialect: BTreeMap<_, usize> = Dialect::ALL.map(|d| (d.as_str(), 0)).into();
    let mut by_role: BTreeMap<_, usize> = ROLES.map(|role| (role.as_str(), 0)).into();
    for connection in &open {
        *by_dialect.entry(connection.dialect).or_default() += 1;
        *by_role.entry(connection.role.as_str()).or_default() += 1;
    }
    let users: std::collections::HashSet<_> = open.iter().map(|c| &c.user_id).collect();
    Ok(Json(HubStats {
        connections: open.len(),
        users: users.len(),
        by_dialect,
        by_role,
        topics: parts.app.hub.topics_of(&who.tenant),
    }))
}

/// Those who connect.
const ROLES: [Role; 4] = [Role::Customer, Role::Agent, Role::Admin, Role::Service];

fn check_staff(role: Role) -> Result<(), Error> {
    match role {
        Role::Customer => Err(Error::Forbidden("for agents, admins and services only".into())),
        _ => Ok(()),
    }
}

/// Whether a user is there.
#[derive(Serialize, ToSchema)]
pub(super) struct UserOnline {
    /// Who was asked for.
    user_id: UserId,
    /// Whether it holds a connection, or is an agent that can be reached by its heartbeats.
    online: bool,
    /// Its open connections, of any dialect.
    connections: usize,
    /// What it is: an agent's effective status, `online` or `offline` of anybody else.
    status: AgentStatus,
    /// When it last gave a sign of life; now while it is connected, null if that is not known.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_seen: Option<Moment>,
}

/// Whether a user is online
///
/// In the token's tenant. For agents, admins and services, and for everybody of itself. A user that
/// nobody knows is offline.
#[utoipa::path(
    get,
    path = "/ws/users/{user_id}/online",
    operation_id = "user_online",
    tag = "events",
    params(("user_id" = String, Path, description = "The user's id")),
    responses(
        (status = 200, description = "The answer, bare", body = UserOnline),
        Refused<400>, Refused<401>, Refused<403>, Refused<429>, Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn online(
    State(parts): State<Parts>,
    id: Result<Path<String>, PathRejection>,
    who: Result<Caller, Refusal>,
) -> Result<Json<UserOnline>, Refusal> {
    let Path(id) = id.map_err(|err| Error::Malformed(err.to_string()))?;
    let user = UserId::parse(&id).map_err(|err| Error::InvalidId(format!("user id: {err}")))?;
    let Caller(who) = who?;
    if who.subject != user {
        check_staff(who.role)?;
    }
    let open = parts.sockets.of_tenant(&who.tenant).await?;
    let connections = open.iter().filter(|c| c.user_id == user).count();
    let seen = parts.app.sighting(&who.tenant, &user, connections > 0);
    Ok(Json(UserOnline {
        user_id: user,
        online: seen.status != AgentStatus::Offline,
        connections,
        status: seen.status,
        last_seen: seen.last_seen,
    }))
}

/// Which notifications to list.
#[derive(Deserialize, IntoParams)]
pub(super) struct Which {
    /// Only those that were not read.
    #[serde(default, deserialize_with = "blank_as_none")]
    unread: Option<bool>,
    /// The `next_cursor` of the page before.
    #[serde(default, deserialize_with = "blank_as_none")]
    cursor: Option<String>,
    /// At most so many: 50 when absent, 200 at most.
    #[serde(default, deserialize_with = "blank_as_none")]
    limit: Option<u64>,
}

/// A page of notifications, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct NotificationPage {
    /// The notifications.
    notifications: Vec<ShownNotification>,
    /// Where the next page starts; null on the last one.
    next_cursor: Option<String>,
}

/// A notification.
#[derive(Serialize, ToSchema)]
struct ShownNotification {
    /// Its id, by which it is marked as read.
    notification_id: Option<Uuid>,
    /// The name it was told under, if not `notification`.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    /// What it is about.
    kind: Option<String>,
    /// A line to show.
    title: Option<String>,
    /// The text below it.
    body: Option<String>,
    /// Whatever its sender attached.
    #[schema(value_type = Option<Object>)]
    data: Option<serde_json::Map<String, serde_json::Value>>,
    /// When it was sent.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Moment,
    /// When it was read; null while it was not.
    #[schema(value_type = Option<String>, format = DateTime)]
    read_at: Option<Moment>,
}

impl ShownNotification {
    fn of(notice: &Notice) -> Option<ShownNotification> {
        let Event::Notification(told) = &notice.envelope.event else { return None };
        let told = told.clone();
        Some(ShownNotification {
            notification_id: told.notification_id,
            event: told.event,
            kind: told.kind,
            title: told.title,
            body: told.body,
            data: told.data,
            timestamp: notice.envelope.at,
            read_at: notice.read_at,
        })
    }
}

/// The caller's notifications
#[utoipa::path(
    get,
    path = "/api/notifications",
    operation_id = "list_notifications",
    tag = "events",
    params(Which),
    responses(
        (status = 200, description = "A page of them", body = Answer<NotificationPage>),
        Refused<400>, Refused<401>, Refused<429>, Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn notifications(
    State(parts): State<Parts>,
    Parameters(which): Parameters<Which>,
    who: Result<Caller, Refusal>,
) -> Result<Answer<NotificationPage>, Refusal> {
    let parse = |text: &str| Cursor::parse(text).map(|cursor| cursor.position);
    let before = which.cursor.as_deref().map(|text| {
        parse(text).ok_or_else(|| Error::Malformed("cursor: is none of this list".into()))
    });
    let before = before.transpose()?;
    let Caller(who) = who?;
    let limit = parts.page_of(which.limit);
    let is_unread_only = which.unread.unwrap_or(false);
    // One more than asked for tells whether there are more.
    let mut found = parts.app.notifications(&who, is_unread_only, before, limit + 1).await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| has_more);
    let next_cursor = last.and_then(|notice| notice.envelope.cursor).map(|c| c.to_string());
    let notifications = found.iter().filter_map(ShownNotification::of).collect();
    let page = NotificationPage { notifications, next_cursor };
    Ok(Answer::of("Notifications retrieved successfully", page))
}

/// Notifications that were read.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"notification_ids": ["0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3"]}))]
pub(super) struct ReadThem {
    /// Which of the caller's, up to 1,000.
    notification_ids: Vec<Uuid>,
}

/// Marks notifications as read
///
/// Those that are not the caller's, or were read before, are passed over. Its other connections
/// hear `notification.read`.
#[utoipa::path(
    post,
    path = "/api/notifications/read",
    operation_id = "read_notifications",
    tag = "events",
    request_body = ReadThem,
    responses(
        (status = 200, description = "They are", body = Answer<Nothing>),
        Refused<400>, Refused<401>, Refused<413>, Refused<422>, Refused<429>, Refused<500>,
        Refused<503>,
    ),
)]
pub(super) async fn read(
    State(parts): State<Parts>,
    Caller(who): Caller,
    Input(ids): Input<ReadThem>,
) -> Result<Answer<Nothing>, Refusal> {
    parts.app.read_notifications(&who, ids.notification_ids).await?;
    Ok(Answer::of("Notifications marked as read", Nothing {}))
}
