//! `/api/webhooks/{id}/deliveries` and `/replay`: what became of what a webhook was told, and telling
//! it again.

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, State};
use http::request;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Parts;
use super::answer::{
    Answer, Input, Nothing, Parameters, Refusal, blank_as_none, carried_through, cursor_behind,
    read_cursor,
};
use super::caller::Caller;
use super::openapi::Refused;
use super::webhooks::WebhookId;
use crate::log::{Delivery, DeliveryFilter, DeliveryState};
use crate::model::{Cursor, Error, Moment};

/// Which deliveries are shown.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Range {
    /// Only those in this state: `pending`, `delivered` or `dead`.
    #[serde(default, deserialize_with = "blank_as_none")]
    state: Option<String>,
    /// `next_cursor` of the page before.
    #[serde(default, deserialize_with = "blank_as_none")]
    cursor: Option<String>,
    /// At most so many: 50 when absent, 200 at most.
    #[serde(default, deserialize_with = "blank_as_none")]
    limit: Option<u64>,
}

/// A page of deliveries, the newest events first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeliveryPage {
    /// The deliveries.
    deliveries: Vec<ShownDelivery>,
    /// Where the next page starts; null on the last one.
    next_cursor: Option<String>,
}

/// What became of an event that a webhook wants. What it says is in the log alone.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownDelivery {
    /// `webhook-id` of its requests: the event's id.
    id: String,
    /// The event's name.
    r#type: String,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Moment,
    /// `pending`, `delivered` or `dead`.
    state: &'static str,
    /// How often it was sent.
    attempts: u32,
    /// What the receiver answered last, if it did.
    last_status: Option<u16>,
    /// Why the latest request failed, if it did.
    last_error: Option<String>,
    /// When that was over.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_attempt_at: Option<Moment>,
    /// When it is sent again. Null if it was not sent yet: then as soon as what is before it in its
    /// conversation, or its call, is delivered or given up.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Moment>,
    /// How long the latest request took, in milliseconds.
    took_ms: Option<u32>,
}

impl ShownDelivery {
    fn of(delivery: Delivery, log: u32) -> ShownDelivery {
        let Delivery { taken, state, tries } = delivery;
        ShownDelivery {
            id: Cursor { log, position: taken.position }.event_id(),
            r#type: taken.name,
            timestamp: taken.at,
            state: state.as_str(),
            attempts: tries.attempts,
            last_status: tries.status,
            last_error: tries.error,
            last_attempt_at: tries.tried_at,
            next_attempt_at: tries.next_at,
            took_ms: tries.took_ms,
        }
    }
}

/// What is to be sent again: give one of the two.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"after": "L0a1b2c3d-1700"}))]
pub(super) struct Replay {
    /// Everything that came after this cursor.
    after: Option<String>,
    /// `true`: whatever was given up.
    dead: Option<bool>,
}

/// What is sent again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReplayResult {
    /// Of what was given up, how many deliveries.
    replayed: Option<u64>,
    /// How many there was no room for: ask again when fewer wait.
    left: Option<u64>,
}

/// The deliveries of a webhook
///
/// Those that succeeded are known for `retention.deliveries` (72 h), those that were given up for
/// `retention.dead_deliveries` (30 days).
#[utoipa::path(
    get,
    path = "/api/webhooks/{id}/deliveries",
    operation_id = "list_webhook_deliveries",
    tag = "administration",
    params(("id" = Uuid, Path, description = "The webhook's id"), Range),
    responses(
        (status = 200, description = "A page of deliveries", body = Answer<DeliveryPage>),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<422>, Refused<429>,
        Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn list(
    State(parts): State<Parts>,
    WebhookId(id): WebhookId,
    Parameters(asked): Parameters<Range>,
    Caller(who): Caller,
) -> Result<Answer<DeliveryPage>, Refusal> {
    let parse = |position: &str| position.parse().ok();
    let before = asked.cursor.as_deref().map(|text| read_cursor(text, parse)).transpose()?;
    let state = asked.state.as_deref().map(read_state).transpose()?;
    let limit = parts.page_of(asked.limit);
    // One more than asked for tells whether there are more.
    let filter = DeliveryFilter { state, before, limit: limit + 1 };
    let mut found = parts.app.deliveries(&who, id, filter).await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| has_more);
    let next_cursor = last.map(|delivery| cursor_behind(&delivery.taken.position.to_string()));
    let log = parts.app.own_log(&who).await?;
    let deliveries = found.into_iter().map(|delivery| ShownDelivery::of(delivery, log)).collect();
    let page = DeliveryPage { deliveries, next_cursor };
    Ok(Answer::of("Deliveries retrieved successfully", page))
}

fn read_state(text: &str) -> Result<DeliveryState, Error> {
    let reason = || "must be pending, delivered or dead".into();
    DeliveryState::parse(text).ok_or_else(|| Error::Invalid { field: "state", reason: reason() })
}

/// Sends an event again
///
/// Under the same `webhook-id`, whatever became of it before.
#[utoipa::path(
    post,
    path = "/api/webhooks/{id}/deliveries/{delivery}/replay",
    operation_id = "replay_webhook_delivery",
    tag = "administration",
    params(
        ("id" = Uuid, Path, description = "The webhook's id"),
        ("delivery" = String, Path, description = "The delivery's id, which is its event's"),
    ),
    responses(
        (status = 200, description = "It is on its way", body = Answer<Nothing>),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<409>, Refused<429>,
        Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn replay_one(
    State(parts): State<Parts>,
    DeliveryId { webhook, event }: DeliveryId,
    Caller(who): Caller,
) -> Result<Answer<Nothing>, Refusal> {
    let replayed = async move { parts.app.replay_delivery(&who, webhook, event).await };
    carried_through(replayed).await?;
    Ok(Answer::of("Delivery replayed successfully", Nothing {}))
}

/// Sends again what was given up, or all that came after a cursor
///
/// After a cursor: the webhook reads the log anew from there, so what it got since comes again under
/// the same `webhook-id`, in order, and what happens meanwhile behind it.
#[utoipa::path(
    post,
    path = "/api/webhooks/{id}/replay",
    operation_id = "replay_webhook",
    tag = "administration",
    params(("id" = Uuid, Path, description = "The webhook's id")),
    request_body = Replay,
    responses(
        (status = 200, description = "What is sent again", body = Answer<ReplayResult>),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<413>, Refused<422>,
        Refused<429>, Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn replay(
    State(parts): State<Parts>,
    WebhookId(id): WebhookId,
    Caller(who): Caller,
    Input(asked): Input<Replay>,
) -> Result<Answer<ReplayResult>, Refusal> {
    let result = match (asked.after, asked.dead) {
        (Some(after), None | Some(false)) => {
            let replayed = async move { parts.app.replay_from(&who, id, &after).await };
            carried_through(replayed).await?;
            ReplayResult { replayed: None, left: None }
        }
        (None, Some(true)) => {
            let replayed = async move { parts.app.replay_dead(&who, id).await };
            let replayed = carried_through(replayed).await?;
            ReplayResult { replayed: Some(replayed.replayed), left: Some(replayed.left) }
        }
        _ => {
            parts.app.check_admin(&who)?;
            let reason = "give either a cursor, or \"dead\": true".into();
            return Err(Error::Invalid { field: "after", reason }.into());
        }
    };
    Ok(Answer::of("Webhook replayed successfully", result))
}

/// The delivery that a path names.
pub(super) struct DeliveryId {
    webhook: Uuid,
    event: Cursor,
}

impl FromRequestParts<Parts> for DeliveryId {
    type Rejection = Refusal;

    async fn from_request_parts(
        head: &mut request::Parts,
        parts: &Parts,
    ) -> Result<DeliveryId, Refusal> {
        let path: Result<Path<(String, String)>, PathRejection> =
            Path::from_request_parts(head, parts).await;
        let bad = |text: &str| Refusal(Error::InvalidId(text.into()));
        let Path((webhook, event)) = path.map_err(|_| bad("webhook id: invalid UUID format"))?;
        let webhook = Uuid::try_parse(&webhook);
        let webhook = webhook.map_err(|_| bad("webhook id: invalid UUID format"))?;
        let event = Cursor::of_event_id(&event).ok_or_else(|| bad("delivery id: is none"))?;
        Ok(DeliveryId { webhook, event })
    }
}
