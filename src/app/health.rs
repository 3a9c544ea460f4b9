//! Whether the server can store anything, for those who watch it.

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::App;
use crate::limits::{STORE_CHECK_INTERVAL, STORE_DEADLINE};

/// The latest look at the store, and when that was.
#[derive(Default)]
pub(super) struct Verdict(Mutex<Option<(Instant, bool)>>);

impl App {
    /// Whether the store can write. Looked at once a second at most, whoever asks how often.
    pub async fn can_store(&self) -> bool {
        let mut latest = self.0.store_verdict.0.lock().await;
        if let Some((when, verdict)) = *latest
            && when.elapsed() < STORE_CHECK_INTERVAL
        {
            return verdict;
        }
        let verdict = match timeout(STORE_DEADLINE, self.log.check()).await {
            Ok(Ok(())) => true,
            Ok(Err(err)) => {
                tracing::warn!(error = %err, "the store cannot write");
                false
            }
            Err(_) => {
                tracing::warn!("the store does not answer");
                false
            }
        };
        *latest = Some((Instant::now(), verdict));
        verdict
    }
}
