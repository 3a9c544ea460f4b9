//! One clock for the whole run, as a number that fits into a message.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::Instant;

/// The instant all stamps count from.
fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

/// Nanoseconds since the run's epoch.
pub(crate) fn now_ns() -> u64 {
    nanos(epoch().elapsed())
}

/// The nanoseconds of a duration.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The seconds of so many nanoseconds.
pub(crate) fn seconds(ns: u64) -> f64 {
    Duration::from_nanos(ns).as_secs_f64()
}

/// Sleeps in a thread until the clock shows `at_ns`. The runtime's timers have a grain of a
/// millisecond, which would show in the latencies.
pub(crate) fn block_until(at_ns: u64) {
    let ahead = at_ns.saturating_sub(now_ns());
    if ahead > 0 {
        std::thread::sleep(Duration::from_nanos(ahead));
    }
}
