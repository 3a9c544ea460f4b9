//! `/api/audit`: who of the administration looked at or changed what.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Parts;
use super::answer::{Answer, Parameters, Refusal, blank_as_none};
use super::caller::Caller;
use super::openapi::Refused;
use crate::model::{Audit, Cursor, Envelope, Error, Event, Identity, Moment};

/// Which entries are shown.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Trail {
    /// Only entries behind this cursor; the newest ones when absent.
    #[serde(default, deserialize_with = "blank_as_none")]
    after: Option<String>,
    /// At most so many: 50 when absent, 200 at most.
    #[serde(default, deserialize_with = "blank_as_none")]
    limit: Option<u64>,
}

/// A page of the audit trail, ascending.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditPage {
    /// The entries.
    entries: Vec<AuditEntry>,
    /// What to give as `after` to read on; null while there is no entry at all.
    cursor: Option<String>,
}

/// An administrative act.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditEntry {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Moment,
    /// Where it stands in the log.
    cursor: Option<String>,
    /// Who did what to what.
    #[serde(flatten)]
    act: Audit,
}

impl AuditEntry {
    fn of(envelope: &Envelope) -> Option<AuditEntry> {
        let Event::Audit(act) = envelope.event.clone() else { return None };
        Some(AuditEntry { at: envelope.at, cursor: envelope.cursor.map(|c| c.to_string()), act })
    }
}

/// The audit trail
///
/// Each look of an admin into a conversation that is not assigned to it, and each change.
#[utoipa::path(
    get,
    path = "/api/audit",
    operation_id = "list_audit_entries",
    tag = "administration",
    params(Trail),
    responses(
        (status = 200, description = "A page of entries", body = Answer<AuditPage>),
        Refused<400>, Refused<401>, Refused<403>, Refused<429>, Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn list(
    State(parts): State<Parts>,
    Parameters(trail): Parameters<Trail>,
    Caller(who): Caller,
) -> Result<Answer<AuditPage>, Refusal> {
    let after = match trail.after.as_deref() {
        Some(text) => Some(position_of(&parts, &who, text).await?),
        None => None,
    };
    let found = parts.app.audit_trail(&who, after, parts.page_of(trail.limit)).await?;
    let entries: Vec<_> = found.iter().filter_map(|e| AuditEntry::of(e)).collect();
    let cursor = entries.last().and_then(|e| e.cursor.clone()).or(trail.after);
    Ok(Answer::of("Audit trail retrieved successfully", AuditPage { entries, cursor }))
}

/// Where a cursor stands in the log of the caller's tenant. A log that does not answer is left to
/// the verb to tell.
async fn position_of(parts: &Parts, who: &Identity, text: &str) -> Result<u64, Error> {
    let cursor = Cursor::parse(text).ok_or_else(|| malformed("is no cursor"))?;
    match parts.app.log.head(&who.tenant).await {
        Ok(head) if head.log != cursor.log => Err(malformed("is a cursor of another log")),
        _ => Ok(cursor.position),
    }
}

fn malformed(reason: &str) -> Error {
    Error::Malformed(format!("after: {reason}"))
}
