//! `/api/webhooks`: the receivers outside that are told what happens, kept by admins. Their
//! deliveries are in `deliveries`.

use axum::extract::{FromRequestParts, State};
use http::request;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Parts;
use super::answer::{Answer, Created, Input, Nothing, Refusal, carried_through, given, id_of_path};
use super::caller::Caller;
use super::openapi::Refused;
use crate::app::{NewWebhook, Tried, WebhookChange, WebhookView};
use crate::model::{Error, Moment};

/// A webhook.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownWebhook {
    /// Its id.
    id: Uuid,
    /// Where it is told.
    url: String,
    /// The patterns of the events it wants.
    events: Vec<String>,
    /// What it is for.
    description: Option<String>,
    /// Whether it is told nothing for now. What happens meanwhile waits in the log.
    is_disabled: bool,
    /// Who said so: `admin`, or `receiver` when it answered 410.
    disabled_by: Option<&'static str>,
    /// When.
    #[schema(value_type = Option<String>, format = DateTime)]
    disabled_at: Option<Moment>,
    /// How far it has read in the tenant's log. What it did not want may be behind this.
    cursor: String,
    /// How many deliveries wait or are on their way.
    pending: u64,
    /// How many were given up.
    dead: u64,
    /// Until when an earlier secret signs beside the present one.
    #[schema(value_type = Option<String>, format = DateTime)]
    old_secret_until: Option<Moment>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Moment,
}

impl From<WebhookView> for ShownWebhook {
    fn from(WebhookView { webhook, cursor, counts }: WebhookView) -> ShownWebhook {
        let now = Moment::now();
        let signs = webhook.old_secrets.iter().map(|old| old.until).filter(|until| now < *until);
        ShownWebhook {
            id: webhook.id,
            url: webhook.url,
            events: webhook.events,
            description: webhook.description,
            is_disabled: webhook.disabled.is_some(),
            disabled_by: webhook.disabled.map(|disabled| disabled.by.as_str()),
            disabled_at: webhook.disabled.map(|disabled| disabled.at),
            cursor: cursor.to_string(),
            pending: counts.pending,
            dead: counts.dead,
            old_secret_until: signs.max(),
            created_at: webhook.created_at,
        }
    }
}

/// A webhook that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MadeWebhook {
    /// What signs its requests, shown this once.
    #[schema(example = "whsec_...")]
    secret: String,
    /// The webhook.
    #[serde(flatten)]
    webhook: ShownWebhook,
}

/// A new webhook.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewWebhook, example = json!({
    "url": "https://hooks.example.com/switchboard",
    "events": ["call.*", "chat.message"],
    "description": "Order system",
}))]
pub(super) struct WebhookToMake {
    /// Where it is told: `https`, and no private network.
    url: String,
    /// The events it wants, by names and patterns (`call.*`, `*`); all when absent. The audit trail
    /// goes out only where it is named.
    events: Option<Vec<String>>,
    /// What it is for, up to 200 characters.
    description: Option<String>,
    /// Whether it is told nothing for now; false when absent.
    #[serde(default)]
    is_disabled: bool,
    /// From where on it is told: `now`, which it is when absent, or a cursor of the tenant's log.
    start: Option<String>,
}

/// What is to be different in a webhook; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WebhookChange, example = json!({"is_disabled": false}))]
pub(super) struct ChangeOfWebhook {
    /// Where it is told.
    url: Option<String>,
    /// The events it wants, all of them; of what it has yet to read.
    events: Option<Vec<String>>,
    /// What it is for; null takes it away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    description: Option<Option<String>>,
    /// Whether it is told nothing for now.
    is_disabled: Option<bool>,
}

/// A webhook's new secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NewSecret {
    /// What signs its requests from now on, shown this once.
    #[schema(example = "whsec_...")]
    secret: String,
    /// Until when the one before signs beside it.
    #[schema(value_type = Option<String>, format = DateTime)]
    old_secret_until: Option<Moment>,
}

/// What came of trying a webhook out.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TestResult {
    /// Whether the receiver took it.
    delivered: bool,
    /// What it answered, if it did.
    status: Option<u16>,
    /// Why it counts as failed, if it does.
    error: Option<String>,
    /// How long it took, in milliseconds.
    took_ms: u64,
}

impl From<Tried> for TestResult {
    fn from(Tried { status, error, took }: Tried) -> TestResult {
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        TestResult { delivered: error.is_none(), status, error, took_ms }
    }
}

/// The webhooks of the tenant
#[utoipa::path(
    get,
    path = "/api/webhooks",
    operation_id = "list_webhooks",
    tag = "administration",
    responses(
        (status = 200, description = "The webhooks", body = Answer<Vec<ShownWebhook>>),
        Refused<401>, Refused<403>, Refused<429>, Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn list(
    State(parts): State<Parts>,
    Caller(who): Caller,
) -> Result<Answer<Vec<ShownWebhook>>, Refusal> {
    let found = parts.app.webhooks(&who).await?;
    let webhooks = found.into_iter().map(ShownWebhook::from).collect();
    Ok(Answer::of("Webhooks retrieved successfully", webhooks))
}

/// Makes a webhook
#[utoipa::path(
    post,
    path = "/api/webhooks",
    operation_id = "create_webhook",
    tag = "administration",
    request_body = WebhookToMake,
    responses(
        (status = 201, description = "The webhook with its secret", body = Answer<MadeWebhook>),
        Refused<400>, Refused<401>, Refused<403>, Refused<409>, Refused<413>, Refused<422>,
        Refused<429>, Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn create(
    State(parts): State<Parts>,
    Caller(who): Caller,
    Input(new): Input<WebhookToMake>,
) -> Result<Created<MadeWebhook>, Refusal> {
    let WebhookToMake { url, events, description, is_disabled, start } = new;
    let new = NewWebhook { url, events, description, is_disabled, start };
    let made = carried_through(async move { parts.app.add_webhook(&who, new).await }).await?;
    let secret = made.webhook.secret.0.clone();
    let made = MadeWebhook { secret, webhook: made.into() };
    Ok(Created(Answer::of("Webhook created successfully", made)))
}

/// A webhook
#[utoipa::path(
    get,
    path = "/api/webhooks/{id}",
    operation_id = "get_webhook",
    tag = "administration",
    params(("id" = Uuid, Path, description = "The webhook's id")),
    responses(
        (status = 200, description = "The webhook", body = Answer<ShownWebhook>),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<429>, Refused<500>,
        Refused<503>,
    ),
)]
pub(super) async fn show(
    State(parts): State<Parts>,
    WebhookId(id): WebhookId,
    Caller(who): Caller,
) -> Result<Answer<ShownWebhook>, Refusal> {
    let webhook = parts.app.webhook(&who, id).await?;
    Ok(Answer::of("Webhook retrieved successfully", webhook.into()))
}

/// Changes a webhook
///
/// One that is enabled again goes on where it stopped. What waits is sent at once to a new address,
/// and to a receiver that is enabled again.
#[utoipa::path(
    patch,
    path = "/api/webhooks/{id}",
    operation_id = "update_webhook",
    tag = "administration",
    params(("id" = Uuid, Path, description = "The webhook's id")),
    request_body = ChangeOfWebhook,
    responses(
        (status = 200, description = "The webhook as it is now", body = Answer<ShownWebhook>),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<413>, Refused<422>,
        Refused<429>, Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn update(
    State(parts): State<Parts>,
    WebhookId(id): WebhookId,
    Caller(who): Caller,
    Input(change): Input<ChangeOfWebhook>,
) -> Result<Answer<ShownWebhook>, Refusal> {
    let ChangeOfWebhook { url, events, description, is_disabled } = change;
    let change = WebhookChange { url, events, description, is_disabled };
    let changed = async move { parts.app.change_webhook(&who, id, change).await };
    let webhook = carried_through(changed).await?;
    Ok(Answer::of("Webhook updated successfully", webhook.into()))
}

/// Takes a webhook away
///
/// With all that waits, and the log of its deliveries.
#[utoipa::path(
    delete,
    path = "/api/webhooks/{id}",
    operation_id = "delete_webhook",
    tag = "administration",
    params(("id" = Uuid, Path, description = "The webhook's id")),
    responses(
        (status = 200, description = "It is gone", body = Answer<Nothing>),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<429>, Refused<500>,
        Refused<503>,
    ),
)]
pub(super) async fn remove(
    State(parts): State<Parts>,
    WebhookId(id): WebhookId,
    Caller(who): Caller,
) -> Result<Answer<Nothing>, Refusal> {
    carried_through(async move { parts.app.remove_webhook(&who, id).await }).await?;
    Ok(Answer::of("Webhook deleted successfully", Nothing {}))
}

/// Gives a webhook a new secret
///
/// Every request has both signatures for 24 hours, so that receivers can change over meanwhile.
#[utoipa::path(
    post,
    path = "/api/webhooks/{id}/rotate",
    operation_id = "rotate_webhook_secret",
    tag = "administration",
    params(("id" = Uuid, Path, description = "The webhook's id")),
    responses(
        (status = 200, description = "The new secret", body = Answer<NewSecret>),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<429>, Refused<500>,
        Refused<503>,
    ),
)]
pub(super) async fn rotate(
    State(parts): State<Parts>,
    WebhookId(id): WebhookId,
    Caller(who): Caller,
) -> Result<Answer<NewSecret>, Refusal> {
    let rotated = async move { parts.app.rotate_webhook(&who, id).await };
    let webhook = carried_through(rotated).await?;
    let old_secret_until = webhook.old_secrets.first().map(|old| old.until);
    let secret = NewSecret { secret: webhook.secret.0, old_secret_until };
    Ok(Answer::of("Webhook secret rotated successfully", secret))
}

/// Tries a webhook out
///
/// Sends `webhook.test` once and waits for the answer. It is no event: no list of deliveries has it.
#[utoipa::path(
    post,
    path = "/api/webhooks/{id}/test",
    operation_id = "test_webhook",
    tag = "administration",
    params(("id" = Uuid, Path, description = "The webhook's id")),
    responses(
        (status = 200, description = "What came of it", body = Answer<TestResult>),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<429>, Refused<500>,
        Refused<503>,
    ),
)]
pub(super) async fn test(
    State(parts): State<Parts>,
    WebhookId(id): WebhookId,
    Caller(who): Caller,
) -> Result<Answer<TestResult>, Refusal> {
    let tried = parts.app.test_webhook(&who, id).await?;
    Ok(Answer::of("Webhook tested", tried.into()))
}

/// The webhook that a path names.
pub(super) struct WebhookId(pub(super) Uuid);

impl FromRequestParts<Parts> for WebhookId {
    type Rejection = Refusal;

    async fn from_request_parts(
        head: &mut request::Parts,
        parts: &Parts,
    ) -> Result<WebhookId, Refusal> {
        let id = id_of_path(head, parts).await.ok().and_then(|id| Uuid::try_parse(&id).ok());
        let bad = || Error::InvalidId("webhook id: invalid UUID format".into());
        Ok(WebhookId(id.ok_or_else(bad)?))
    }
}
