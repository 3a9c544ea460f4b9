//! How an event is said to those outside: the hub's frame, with whose it is.

use serde::Serialize;

use crate::model::{Cursor, Envelope, Event, Moment, TenantId};

#[derive(Serialize)]
struct Frame<'a> {
    #[serde(flatten)]
    event: &'a Event,
    /// The producer's own, if it gave one.
    id: &'a str,
    timestamp: Moment,
    cursor: &'a str,
    tenant: &'a TenantId,
}

/// `{type, payload, id, timestamp, cursor, tenant}` of an event of the log, as JSON.
///
/// # Errors
/// None that an event of the catalogue has; the library's own.
pub(super) fn frame_of(envelope: &Envelope) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Frame {
        event: &envelope.event,
        id: &envelope.id(),
        timestamp: envelope.at,
        cursor: &cursor_of(envelope).to_string(),
        tenant: &envelope.tenant,
    })
}

/// Where it stands; nowhere, if no log keeps it.
pub(super) fn cursor_of(envelope: &Envelope) -> Cursor {
    envelope.cursor.unwrap_or(Cursor { log: 0, position: 0 })
}
