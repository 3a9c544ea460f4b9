//! Notifications of users: which one has been told, and which has been read.

use std::sync::Arc;

use async_trait::async_trait;

use super::Error;
use crate::model::{Envelope, Moment, TenantId, UserId};

/// A notification, as its user finds it.
#[derive(Clone, Debug)]
pub struct Notice {
    /// The event; holds a `notification`.
    pub envelope: Arc<Envelope>,
    /// When the user read it.
    pub read_at: Option<Moment>,
}

/// What is asked of the notifications.
#[async_trait]
pub trait Notices {
    /// The first `limit` notifications of a user that no connection of it was told of, ascending.
    /// What was appended before is waited for.
    async fn undelivered(
        &self,
        tenant: &TenantId,
        user: &UserId,
        limit: usize,
    ) -> Result<Vec<Arc<Envelope>>, Error>;

    /// Notifications of a user before a position, newest first; only those it has not read, if so
    /// wanted.
    async fn notices(
        &self,
        tenant: &TenantId,
        user: &UserId,
        is_unread_only: bool,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Notice>, Error>;
}
