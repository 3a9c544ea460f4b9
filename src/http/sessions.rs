//! `/api/sessions`: the active conversations page by page, and how a customer starts one.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Parts;
use super::answer::{Answer, Created, OptionalInput, Parameters, Refusal, blank_as_none};
use super::caller::Caller;
use super::cookies::{Cookies, SetCookies};
use super::openapi::Refused;
use crate::app::{NewConversation, Started, Summary, is_email};
use crate::door::SESSION_COOKIE;
use crate::limits::NAME_CHARS_MAX;
use crate::log::ConversationFilter;
use crate::model::{
    ConnectionStatus, Conversation, ConversationId, Error, ExternalId, Moment, Status, TenantId,
    UserId,
};

/// Largest metadata of a conversation, in bytes of JSON: it is in every record of the
/// conversation that is kept in memory.
const METADATA_BYTES_MAX: usize = 4 * 1024;

/// Which conversations are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Only those in this state: `open`, `waiting`, `bot`, `assigned` or `closed`; all but the
    /// closed ones when absent.
    #[serde(default, deserialize_with = "blank_as_none")]
    status: Option<String>,
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

/// A page of conversations, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionPage {
    /// The conversations.
    sessions: Vec<SessionSummary>,
    /// Where the next page starts; null on the last one.
    next_cursor: Option<String>,
}

/// A conversation in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionSummary {
    /// The conversation.
    session_id: ConversationId,
    /// Names other systems know it by.
    external_ids: Vec<ExternalId>,
    /// Where it stands.
    status: Status,
    /// Its customer, once one has come.
    customer_id: Option<UserId>,
    /// The name the customer gave.
    customer_name: Option<String>,
    /// The e-mail address the customer gave.
    customer_email: Option<String>,
    /// Its department.
    department_id: Option<Uuid>,
    /// Who has it, or had it when it was closed.
    agent_id: Option<UserId>,
    /// That agent's name.
    agent_name: Option<String>,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    created_at: Moment,
    /// Since when it waits, or waited before it was taken.
    #[schema(value_type = Option<String>, format = DateTime)]
    queued_at: Option<Moment>,
    /// Since when its agent has it.
    #[schema(value_type = Option<String>, format = DateTime)]
    assigned_at: Option<Moment>,
    /// When it was closed last.
    #[schema(value_type = Option<String>, format = DateTime)]
    closed_at: Option<Moment>,
    /// How many messages it has.
    last_seq: u64,
    /// The customer's rating, 1 to 5.
    score: Option<u8>,
    /// Whatever the customer's page attached.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
    /// Who is connected to it.
    connection_status: ConnectionStatus,
}

impl SessionSummary {
    fn of(summary: Summary) -> SessionSummary {
        let Conversation {
            id: session_id,
            external_ids,
            customer: customer_id,
            name: customer_name,
            email: customer_email,
            department: department_id,
            status,
            agent: agent_id,
            agent_name,
            created_at,
            queued_at,
            assigned_at,
            closed_at,
            last_seq,
            delivered_seq: _,
            needs_person: _,
            routing: _,
            score,
            metadata,
        } = summary.conversation.as_ref().clone();
        SessionSummary {
            session_id,
            external_ids,
            status,
            customer_id,
            customer_name,
            customer_email,
            department_id,
            agent_id,
            agent_name,
            created_at,
            queued_at,
            assigned_at,
            closed_at,
            last_seq,
            score,
            metadata,
            connection_status: summary.status,
        }
    }
}

/// The active conversations
///
/// Those the caller may see, newest first, page by page, each with who is connected to it.
#[utoipa::path(
    get,
    path = "/api/sessions",
    operation_id = "list_sessions",
    tag = "sessions",
    params(Filter),
    responses(
        (status = 200, description = "A page of conversations", body = Answer<SessionPage>),
        Refused<400>, Refused<401>, Refused<403>, Refused<422>, Refused<429>, Refused<500>,
        Refused<503>,
    ),
)]
pub(super) async fn list(
    State(parts): State<Parts>,
    Parameters(asked): Parameters<Filter>,
    who: Result<Caller, Refusal>,
) -> Result<Answer<SessionPage>, Refusal> {
    let department = asked.department.as_deref().map(parse_department).transpose()?;
    let after = asked.cursor.as_deref().map(parse_cursor).transpose()?;
    let Caller(who) = who?;
    let status = asked.status.as_deref().map(parse_status).transpose()?;
    let limit = parts.page_of(asked.limit);
    let filter = ConversationFilter { status, department, after, limit };
    let page = parts.app.sessions(&who, filter).await?;
    let next_cursor = page.next.map(cursor_of);
    let sessions = page.summaries.into_iter().map(SessionSummary::of).collect();
    Ok(Answer::of("Sessions retrieved successfully", SessionPage { sessions, next_cursor }))
}

fn parse_department(text: &str) -> Result<Uuid, Error> {
    Uuid::try_parse(text).map_err(|_| Error::InvalidId("department: invalid UUID format".into()))
}

fn parse_status(text: &str) -> Result<Status, Error> {
    let reason = || "must be open, waiting, bot, assigned or closed".into();
    Status::parse(text).ok_or_else(|| Error::Invalid { field: "status", reason: reason() })
}

/// The place of a conversation in the list. Begins with a letter: no cursor is all digits
/// (contract 1).
fn cursor_of((created_at, id): (Moment, ConversationId)) -> String {
    format!("c{}.{}", created_at.0, id.0.simple())
}

fn parse_cursor(text: &str) -> Result<(Moment, ConversationId), Error> {
    let read = || {
        let (at, id) = text.strip_prefix('c')?.split_once('.')?;
        Some((Moment(at.parse().ok()?), ConversationId::parse(id)?))
    };
    read().ok_or_else(|| Error::Malformed("cursor: not one of this list".into()))
}

/// Whose customer it is.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Whose {
    /// The tenant; `default` when absent.
    #[serde(default, deserialize_with = "blank_as_none")]
    tenant: Option<String>,
}

/// What a customer says when it starts a conversation. All of it may be left out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "Budi", "email": "budi@example.com"}))]
pub(super) struct NewSession {
    /// Its name, up to 200 characters.
    name: Option<String>,
    /// Its e-mail address.
    email: Option<String>,
    /// The department it asks for.
    department_id: Option<Uuid>,
    /// What another system calls the conversation, unique in the tenant.
    external_id: Option<ExternalId>,
    /// Skills its agent must have, all of them.
    #[serde(default)]
    skills: Vec<String>,
    /// The language its agent must speak, a BCP 47 tag.
    language: Option<String>,
    /// Whatever the page attaches, up to 4 KiB of JSON.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

/// A customer starts a conversation
///
/// No token is needed; the answer has one, which is also set as a cookie, and a session key for
/// clients that cannot hold a token. The conversation waits for an agent from now on.
#[utoipa::path(
    post,
    path = "/api/sessions",
    operation_id = "start_session",
    tag = "sessions",
    params(Whose),
    request_body = Option<NewSession>,
    responses(
        (status = 201, description = "The conversation has begun", body = Answer<Started>),
        Refused<400>, Refused<404>, Refused<409>, Refused<413>, Refused<422>, Refused<429>,
        Refused<500>, Refused<503>,
    ),
    security(()),
)]
pub(super) async fn start(
    State(parts): State<Parts>,
    Parameters(whose): Parameters<Whose>,
    cookies: Cookies,
    OptionalInput(new): OptionalInput<NewSession>,
) -> Result<(SetCookies, Created<Started>), Refusal> {
    let tenant = match whose.tenant.as_deref() {
        Some(text) => {
            TenantId::parse(text).map_err(|e| Error::InvalidId(format!("tenant: {e}")))?
        }
        None => TenantId::default_tenant(),
    };
    let new = NewConversation {
        name: check_name(new.name)?,
        email: check_email(new.email)?,
        department: new.department_id,
        external_id: new.external_id,
        skills: new.skills,
        language: new.language,
        metadata: check_metadata(new.metadata)?,
    };
    let started = parts.app.start_conversation(&tenant, new).await?;
    let ttl = parts.app.config.auth.session_ttl;
    let cookie = cookies.set(SESSION_COOKIE, &started.token, ttl);
    Ok((cookie, Created(Answer::of("Session started successfully", started))))
}

/// A form sends a field that nobody filled in as an empty text.
fn filled(text: Option<String>) -> Option<String> {
    text.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty())
}

fn check_name(name: Option<String>) -> Result<Option<String>, Error> {
    let invalid = |reason: String| Err(Error::Invalid { field: "name", reason });
    match filled(name) {
        Some(name) if name.chars().count() > NAME_CHARS_MAX => {
            invalid(format!("has more than {NAME_CHARS_MAX} characters"))
        }
        Some(name) if name.chars().any(char::is_control) => {
            invalid("has control characters".into())
        }
        name => Ok(name),
    }
}

fn check_email(email: Option<String>) -> Result<Option<String>, Error> {
    match filled(email) {
        Some(email) if !is_email(&email) => {
            Err(Error::Invalid { field: "email", reason: "is no e-mail address".into() })
        }
        email => Ok(email),
    }
}

fn check_metadata(
    metadata: Option<Map<String, Value>>,
) -> Result<Option<Map<String, Value>>, Error> {
    let Some(metadata) = metadata else { return Ok(None) };
    let bytes = serde_json::to_vec(&metadata).map_or(usize::MAX, |text| text.len());
    if bytes <= METADATA_BYTES_MAX {
        return Ok(Some(metadata));
    }
    let reason = format!("has more than {METADATA_BYTES_MAX} bytes of JSON");
    Err(Error::Invalid { field: "metadata", reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::EMAIL_BYTES_MAX;

    #[test]
    fn a_cursor_survives_its_wire_form_and_is_never_all_digits() {
        let (at, id) = (Moment(1_737_714_600_123), ConversationId::random());
        let text = format!("c{}.{}", at.0, id.0.simple());
        assert_eq!(parse_cursor(&text).unwrap(), (at, id));
        for bad in ["", "c", "1737714600123", "c1.x", "cx.550e8400e29b41d4a716446655440000"] {
            assert!(parse_cursor(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_name_has_a_length_and_no_control_characters() {
        let name = |text: &str| check_name(Some(text.to_owned()));
        assert_eq!(name(" Budi ").unwrap().as_deref(), Some("Budi"));
        assert_eq!(name("  ").unwrap(), None);
        assert!(name(&"é".repeat(NAME_CHARS_MAX)).is_ok());
        assert!(name(&"é".repeat(NAME_CHARS_MAX + 1)).is_err());
        assert!(name("a\u{0}b").is_err());
    }

    #[test]
    fn an_email_address_is_plausible_or_refused() {
        let email = |text: &str| check_email(Some(text.to_owned()));
        for good in ["a@b.example", "budi+x@localhost", "ü@exämple.com"] {
            assert_eq!(email(good).unwrap().as_deref(), Some(good));
        }
        let long = format!("{}@example.com", "x".repeat(EMAIL_BYTES_MAX));
        for bad in ["budi", "@b.com", "a@", "a@@b.com", "a b@c.com", "a@.com", "a@com.", &long] {
            assert!(email(bad).is_err(), "{bad}");
        }
    }
}
