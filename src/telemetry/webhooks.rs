//! What is counted of webhooks.

use std::time::Duration;

use super::{ByOutcome, Metrics};

impl Metrics {
    /// A receiver took what it was told, or did not.
    pub fn webhook_tried(&self, is_taken: bool, took: Duration) {
        let outcome = if is_taken { "ok" } else { "failed" };
        self.webhook_requests_total.get_or_create(&ByOutcome { outcome }).inc();
        self.webhook_request_seconds.observe(took.as_secs_f64());
    }

    /// So many deliveries wait, and the oldest event of them happened so long ago.
    pub fn webhooks_wait(&self, pending: usize, lag_ms: u64) {
        self.webhook_pending.set(i64::try_from(pending).unwrap_or(i64::MAX));
        self.webhook_lag_seconds.set(i64::try_from(lag_ms / 1_000).unwrap_or(i64::MAX));
    }
}
