//! Webhooks as the log keeps them: how far each has read, and what of that its receiver has yet to
//! get. A part of [`Log`](super::Log). What is sent is the log's event itself and kept nowhere else.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Error;
use crate::model::{Moment, TenantId};

/// A receiver outside that is told what happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: Uuid,
    /// Where it is told.
    pub url: String,
    /// What it is for.
    pub description: Option<String>,
    /// The patterns of the events it wants.
    pub events: Vec<String>,
    /// Signs what it is told.
    pub secret: SigningSecret,
    /// Those before it that still sign, the newest first.
    pub old_secrets: Vec<OldSecret>,
    /// Whether it is told nothing for now.
    pub disabled: Option<Disabled>,
    /// When it was made.
    pub created_at: Moment,
    /// Everything up to here has been taken, or was not wanted. Moved by a
    /// [`Record::WebhookRead`](super::Record::WebhookRead) alone, once the webhook is there.
    pub cursor: u64,
}

/// A secret that must not be printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SigningSecret(pub String);

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A secret that was replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldSecret {
    /// It.
    pub secret: SigningSecret,
    /// Until when it signs.
    pub until: Moment,
}

/// Who said that a webhook is told nothing, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disabled {
    /// Who.
    pub by: DisabledBy,
    /// When.
    pub at: Moment,
}

/// Who said that a webhook is told nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisabledBy {
    /// An admin.
    Admin,
    /// The receiver, by answering 410.
    Receiver,
}

impl DisabledBy {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            DisabledBy::Admin => "admin",
            DisabledBy::Receiver => "receiver",
        }
    }

    /// Reads it.
    pub fn parse(text: &str) -> Option<DisabledBy> {
        [DisabledBy::Admin, DisabledBy::Receiver].into_iter().find(|by| by.as_str() == text)
    }
}

/// How a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// It goes out, or goes out again.
    Pending,
    /// The receiver has it.
    Delivered,
    /// It was tried for too long.
    Dead,
}

impl DeliveryState {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            DeliveryState::Pending => "pending",
            DeliveryState::Delivered => "delivered",
            DeliveryState::Dead => "dead",
        }
    }

    /// Reads it.
    pub fn parse(text: &str) -> Option<DeliveryState> {
        [DeliveryState::Pending, DeliveryState::Delivered, DeliveryState::Dead]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// An event on its way to a receiver, or there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Which event, and with whom it keeps its order.
    pub taken: Taken,
    /// How it stands.
    pub state: DeliveryState,
    /// What became of the tries.
    pub tries: Tries,
}

/// An event that a webhook has taken from the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Where it stands in the log.
    pub position: u64,
    /// Its name, as listeners know it.
    pub name: String,
    /// Deliveries of one lane go out one after the other.
    pub lane: i64,
    /// When it happened.
    pub at: Moment,
}

/// What became of the tries of a delivery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tries {
    /// How many there were.
    pub attempts: u32,
    /// When the first one was.
    pub first_at: Option<Moment>,
    /// When the next one is due, if there is one after another.
    pub next_at: Option<Moment>,
    /// When the latest one was over.
    pub tried_at: Option<Moment>,
    /// What the receiver answered it.
    pub status: Option<u16>,
    /// Why it failed.
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub took_ms: Option<u32>,
}

/// How far a webhook has read, and what it took. Changes nothing of a webhook that is gone; what is
/// pending already stays as it is, and what was delivered before is pending anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookRead {
    /// Which.
    pub webhook: Uuid,
    /// Up to where.
    pub cursor: u64,
    /// What of it.
    pub taken: Vec<Taken>,
}

/// What became of a try. Changes nothing of a delivery that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryTried {
    /// Whose delivery.
    pub webhook: Uuid,
    /// Of which event.
    pub position: u64,
    /// How it stands now.
    pub state: DeliveryState,
    /// What became of its tries.
    pub tries: Tries,
}

/// Which deliveries a list shows, the newest events first.
#[derive(Clone, Copy, Debug)]
pub struct DeliveryFilter {
    /// Only those that stand like this.
    pub state: Option<DeliveryState>,
    /// Only those of events before this position.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// How many deliveries of a webhook stand how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryCounts {
    /// Those that go out.
    pub pending: u64,
    /// Those that were given up.
    pub dead: u64,
}

/// What is asked of the webhooks.
#[async_trait]
pub trait WebhookLog {
    /// Every webhook of all tenants.
    async fn all_webhooks(&self) -> Result<Vec<(TenantId, Webhook)>, Error>;

    /// A tenant's webhooks, the oldest first.
    async fn webhooks(&self, tenant: &TenantId) -> Result<Vec<Webhook>, Error>;

    /// The deliveries of a webhook that go out, in log order.
    async fn pending_deliveries(
        &self,
        tenant: &TenantId,
        webhook: Uuid,
    ) -> Result<Vec<Delivery>, Error>;

    /// The first `limit` deliveries that were given up, in log order.
    async fn dead_deliveries(
        &self,
        tenant: &TenantId,
        webhook: Uuid,
        limit: usize,
    ) -> Result<Vec<u64>, Error>;

    /// Deliveries of a webhook.
    async fn deliveries(
        &self,
        tenant: &TenantId,
        webhook: Uuid,
        filter: DeliveryFilter,
    ) -> Result<Vec<Delivery>, Error>;

    /// How many stand how.
    async fn delivery_counts(
        &self,
        tenant: &TenantId,
        webhook: Uuid,
    ) -> Result<DeliveryCounts, Error>;
}
