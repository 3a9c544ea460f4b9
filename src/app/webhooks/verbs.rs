//! What administrators do with webhooks. Each act is kept together with its audit entry.

use std::time::Duration;

use tokio::time::timeout;
use uuid::Uuid;

use super::fields::{checked_description, checked_events};
use super::sending::secrets;
use crate::app::App;
use crate::app::audit::{audit_entry, check_admin};
use crate::auth;
use crate::limits::{WEBHOOK_OLD_SECRETS_MAX, WEBHOOK_SECRET_OVERLAP, WEBHOOKS_PER_TENANT_MAX};
use crate::log::{
    Change, DeliveryCounts, Disabled, DisabledBy, OldSecret, Record, SigningSecret, Webhook,
};
use crate::model::{Cursor, Error, Identity, Moment};
use crate::sink::webhooks::{Answer, Post, ping_of};

/// What a new webhook is to be.
#[derive(Clone, Debug, Default)]
pub struct NewWebhook {
    /// Where it is told.
    pub url: String,
    /// The patterns of the events it wants; all when absent.
    pub events: Option<Vec<String>>,
    /// What it is for.
    pub description: Option<String>,
    /// Whether it is told nothing for now.
    pub is_disabled: bool,
    /// From where on: a cursor, or `now`, which it is when absent.
    pub start: Option<String>,
}

/// What is to be different in a webhook; `None` stays.
#[derive(Clone, Debug, Default)]
pub struct WebhookChange {
    /// Where it is told.
    pub url: Option<String>,
    /// The patterns of the events it wants.
    pub events: Option<Vec<String>>,
    /// What it is for; `Some(None)` takes it away.
    pub description: Option<Option<String>>,
    /// Whether it is told nothing for now.
    pub is_disabled: Option<bool>,
}

/// A webhook with how it stands.
#[derive(Clone, Debug)]
pub struct WebhookView {
    /// The webhook.
    pub webhook: Webhook,
    /// How far it has read.
    pub cursor: Cursor,
    /// How its deliveries stand.
    pub counts: DeliveryCounts,
}

/// What came of trying a webhook out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// What the receiver answered, if it did.
    pub status: Option<u16>,
    /// Why it counts as failed, if it does.
    pub error: Option<String>,
    /// How long it took.
    pub took: Duration,
}

impl App {
    /// An admin's webhooks, the oldest first.
    ///
    /// # Errors
    /// 403 for anybody but an admin.
    pub async fn webhooks(&self, who: &Identity) -> Result<Vec<WebhookView>, Error> {
        check_admin(who)?;
        let found = self.log.webhooks(&who.tenant).await.map_err(|e| self.fault(e))?;
        let mut views = Vec::with_capacity(found.len());
        for webhook in found {
            views.push(self.view(who, webhook).await?);
        }
        Ok(views)
    }

    /// One of them.
    ///
    /// # Errors
    /// 403 for anybody but an admin, 404.
    pub async fn webhook(&self, who: &Identity, id: Uuid) -> Result<WebhookView, Error> {
        let webhook = self.own_webhook(who, id).await?;
        self.view(who, webhook).await
    }

    /// Makes a webhook. Its secret is in what is returned, and is shown no other time.
    ///
    /// # Errors
    /// 403 for anybody but an admin, 409 for one too many, 422 by field.
    pub async fn add_webhook(&self, who: &Identity, new: NewWebhook) -> Result<WebhookView, Error> {
        check_admin(who)?;
        let url = self.checked_url(&new.url).await?;
        let events = checked_events(who, new.events)?;
        let description = checked_description(new.description)?;
        let office = self.0.offices.open(&who.tenant);
        let _turn = office.turn.lock().await;
        let cursor = match new.start.as_deref() {
            None | Some("now") => {
                self.log.head(&who.tenant).await.map_err(|e| self.fault(e))?.position
            }
            Some(text) => self.checked_cursor(who, "start", text).await?,
        };
        let known = self.log.webhooks(&who.tenant).await.map_err(|e| self.fault(e))?;
        if known.len() >= WEBHOOKS_PER_TENANT_MAX {
            let message = format!("the tenant has {WEBHOOKS_PER_TENANT_MAX} webhooks already");
            return Err(Error::Conflict { message, holder: None });
        }
        let created_at = Moment::now();
        let webhook = Webhook {
            id: Uuid::now_v7(),
            url,
            description,
            events,
            secret: SigningSecret(auth::new_signing_secret()),
            old_secrets: vec![],
            disabled: new.is_disabled.then_some(by_admin(created_at)),
            created_at,
            cursor,
        };
        let record = Record::Webhook(webhook.clone());
        self.keep_webhook(who, "webhook.created", webhook.id, vec![record]).await?;
        self.view(who, webhook).await
    }

    /// Changes a webhook. What it has taken already goes out as before, to the new address.
    ///
    /// # Errors
    /// 403 for anybody but an admin, 404, 422 by field.
    pub async fn change_webhook(
        &self,
        who: &Identity,
        id: Uuid,
        change: WebhookChange,
    ) -> Result<WebhookView, Error> {
        self.own_webhook(who, id).await?;
        let url = match &change.url {
            Some(url) => Some(self.checked_url(url).await?),
            None => None,
        };
        let events = change.events.map(|given| checked_events(who, Some(given))).transpose()?;
        let description = change.description.map(checked_description).transpose()?;
        let office = self.0.offices.open(&who.tenant);
        let _turn = office.turn.lock().await;
        let mut webhook = self.own_webhook(who, id).await?;
        webhook.url = url.unwrap_or(webhook.url);
        webhook.events = events.unwrap_or(webhook.events);
        webhook.description = description.unwrap_or(webhook.description);
        webhook.disabled = match change.is_disabled {
            None => webhook.disabled,
            Some(false) => None,
            Some(true) => webhook.disabled.or(Some(by_admin(Moment::now()))),
        };
        let record = Record::Webhook(webhook.clone());
        self.keep_webhook(who, "webhook.changed", id, vec![record]).await?;
        self.view(who, webhook).await
    }

    /// Takes a webhook away, with all that was on its way to it.
    ///
    /// # Errors
    /// 403 for anybody but an admin, 404.
    pub async fn remove_webhook(&self, who: &Identity, id: Uuid) -> Result<(), Error> {
        let office = self.0.offices.open(&who.tenant);
        let _turn = office.turn.lock().await;
        self.own_webhook(who, id).await?;
        self.keep_webhook(who, "webhook.deleted", id, vec![Record::WebhookRemoved(id)]).await
    }

    /// Gives a webhook a new secret, and returns it with it. The one before signs beside it for a
    /// day.
    ///
    /// # Errors
    /// 403 for anybody but an admin, 404.
    pub async fn rotate_webhook(&self, who: &Identity, id: Uuid) -> Result<Webhook, Error> {
        let office = self.0.offices.open(&who.tenant);
        let _turn = office.turn.lock().await;
        let mut webhook = self.own_webhook(who, id).await?;
        let now = Moment::now();
        let until = Moment(now.0.saturating_add(SECRET_OVERLAP_MS));
        let fresh = SigningSecret(auth::new_signing_secret());
        let secret = std::mem::replace(&mut webhook.secret, fresh);
        webhook.old_secrets.retain(|old| now < old.until);
        webhook.old_secrets.insert(0, OldSecret { secret, until });
        webhook.old_secrets.truncate(WEBHOOK_OLD_SECRETS_MAX);
        let record = Record::Webhook(webhook.clone());
        self.keep_webhook(who, "webhook.secret_rotated", id, vec![record]).await?;
        Ok(webhook)
    }

    /// Tries a webhook out, disabled or not: sends a ping and waits for the answer. It is sent once
    /// and stands in no list of deliveries.
    ///
    /// # Errors
    /// 403 for anybody but an admin, 404, 503 when too many requests are under way.
    pub async fn test_webhook(&self, who: &Identity, id: Uuid) -> Result<Tried, Error> {
        let webhook = self.own_webhook(who, id).await?;
        self.audit(who, "webhook.tested", Some(id.to_string())).await?;
        let now = Moment::now();
        let busy = || Error::Unavailable("too many requests to receivers are under way".into());
        let place = timeout(self.config.webhooks.timeout, self.webhooks.place());
        let _place = place.await.ok().flatten().ok_or_else(busy)?;
        let message = ping_of(&who.tenant, id, now);
        let message = message.map_err(|err| Error::Unavailable(err.to_string()))?;
        let secrets = secrets(&webhook, now);
        let post = Post { url: &webhook.url, secrets: &secrets, message: &message };
        let Answer { status, fault, took, .. } = self.webhooks.post(post).await;
        Ok(Tried { status, error: fault.map(|fault| fault.to_string()), took })
    }

    async fn view(&self, who: &Identity, webhook: Webhook) -> Result<WebhookView, Error> {
        let (log, tenant) = (&self.log, &who.tenant);
        let counts = log.delivery_counts(tenant, webhook.id).await.map_err(|e| self.fault(e))?;
        let head = log.head(tenant).await.map_err(|e| self.fault(e))?;
        let cursor = Cursor { position: webhook.cursor, ..head };
        Ok(WebhookView { webhook, cursor, counts })
    }

    /// Keeps an act with its audit entry, and tells whoever serves the webhooks. Whoever calls has
    /// the turn.
    pub(super) async fn keep_webhook(
        &self,
        who: &Identity,
        action: &str,
        id: Uuid,
        records: Vec<Record>,
    ) -> Result<(), Error> {
        let events = vec![audit_entry(who, action, Some(id.to_string()))];
        let office = self.0.offices.open(&who.tenant);
        // Before as well, so that nothing that comes behind it is passed over by what was true
        // before it; and after it also when it failed, because it may have been kept.
        office.note_stale();
        let kept = self.log.commit(&who.tenant, Change::new(events, records)).await;
        self.0.offices.changed(&office);
        kept.map_err(|e| self.fault(e))?;
        Ok(())
    }
}

const SECRET_OVERLAP_MS: i64 = WEBHOOK_SECRET_OVERLAP.as_millis() as i64;

fn by_admin(at: Moment) -> Disabled {
    Disabled { by: DisabledBy::Admin, at }
}
