//! The longer defaults of `[webhooks]`.

use std::time::Duration;

/// Soon at first, for a receiver that was restarted; then less and less, over days, for one that
/// was forgotten.
pub(super) fn retry_pauses() -> Vec<Duration> {
    const HOUR: u64 = 3_600;
    [5, 30, 120, 600, HOUR, 3 * HOUR, 6 * HOUR].map(Duration::from_secs).to_vec()
}
