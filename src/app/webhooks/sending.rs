//! One try of one delivery, in a task of its own.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::App;
use crate::log::{Reading, Webhook};
use crate::model::{Moment, TenantId};
use crate::sink::webhooks::{Answer, Item, Message, Post};

/// A try that is over.
pub(super) struct Finished {
    pub(super) webhook: Uuid,
    pub(super) item: Item,
    pub(super) end: End,
    /// When it was over, by the clock that retries go by.
    pub(super) at: Moment,
}

/// How a try ended.
pub(super) enum End {
    /// It was made.
    Answered(Answer),
    /// There is nothing to send any more.
    Lost,
    /// It was not made, for a reason that is not the receiver's.
    Unmade,
}

/// Makes a try, unless the server stops before it has a place.
pub(super) async fn deliver(
    app: App,
    tenant: TenantId,
    webhook: Arc<Webhook>,
    item: Item,
    until: CancellationToken,
) -> Finished {
    let made = AssertUnwindSafe(attempt(&app, &tenant, &webhook, &item, &until)).catch_unwind();
    // A panic has been told of, and its lane must go on.
    let end = made.await.unwrap_or(End::Unmade);
    if let End::Answered(answer) = &end {
        app.metrics.webhook_tried(answer.fault.is_none(), answer.took);
    }
    Finished { webhook: webhook.id, item, end, at: app.0.router.clock.now() }
}

async fn attempt(
    app: &App,
    tenant: &TenantId,
    webhook: &Webhook,
    item: &Item,
    until: &CancellationToken,
) -> End {
    let Some(_place) = app.webhooks.place().await.filter(|_| !until.is_cancelled()) else {
        return End::Unmade;
    };
    let before = item.position.saturating_sub(1);
    let page = match app.log.read(tenant, Reading::All, before, 1).await {
        Ok(page) => page,
        Err(err) => {
            tracing::warn!(%tenant, webhook = %webhook.id, error = %err, "nothing can be read");
            return End::Unmade;
        }
    };
    let envelope = page.events.first().filter(|envelope| envelope.position() == item.position);
    let Some(Ok(message)) = envelope.map(|envelope| Message::of(envelope)) else {
        return End::Lost;
    };
    let secrets = secrets(webhook, Moment::now());
    End::Answered(
        app.webhooks.post(Post { url: &webhook.url, secrets: &secrets, message: &message }).await,
    )
}

/// Those that sign now, the newest first.
pub(super) fn secrets(webhook: &Webhook, now: Moment) -> Vec<&str> {
    let old = webhook.old_secrets.iter().filter(|old| now < old.until).map(|old| &old.secret);
    [&webhook.secret].into_iter().chain(old).map(|secret| secret.0.as_str()).collect()
}
