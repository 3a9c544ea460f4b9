//! Keeps the line to a telephone system: connects, and after every end connects again, with a pause
//! that grows and differs from that of others.

use std::time::Duration;

use tokio::time::sleep;
use uuid::Uuid;

use super::report::Reporter;
use super::session::{self, End};
use crate::app::App;
use crate::config::Ami;
use crate::limits::{AMI_PAUSE, AMI_PAUSE_MAX, AMI_REFUSED_PAUSE};
use crate::model::TenantId;

/// Reports what a tenant's telephone system tells. Runs for ever.
pub async fn serve(app: App, tenant: TenantId, settings: Ami) {
    let mut reporter = Reporter::open(app, tenant).await;
    let mut failures = 0;
    loop {
        let end = session::run(&settings, &mut reporter).await;
        failures = if reporter.lose_line() { 0 } else { failures + 1 };
        let pause = pause_after(&end, failures);
        tracing::warn!(
            tenant = %reporter.tenant,
            address = settings.address,
            reason = %end,
            pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            "not connected to the telephone system"
        );
        // What is known is kept before anything more is asked.
        reporter.report_all().await;
        sleep(pause).await;
    }
}

/// How long to wait after so many vain attempts in a row: half of it and a random part of the other
/// half, so that those who lost the same system do not come back at once.
fn pause_after(end: &End, failures: u32) -> Duration {
    let full = match end.is_refusal() {
        true => AMI_REFUSED_PAUSE,
        false => AMI_PAUSE.saturating_mul(1 << failures.min(16)).min(AMI_PAUSE_MAX),
    };
    let (_, random) = Uuid::new_v4().as_u64_pair();
    let share = u32::try_from(random % 1_000).unwrap_or_default();
    full / 2 + full / 2 * share / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_at_half_a_minute() {
        for (failures, full) in [(0, 1), (1, 2), (4, 16), (5, 30), (40, 30)] {
            let (full, pause) = (Duration::from_secs(full), pause_after(&End::Closed, failures));
            assert!((full / 2..=full).contains(&pause), "{failures}: {pause:?}");
        }
        let pauses: Vec<_> = (0..20).map(|_| pause_after(&End::Closed, 5)).collect();
        assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{pauses:?}");
        let refused = End::LoginRefused("Authentication failed".into());
        assert!(pause_after(&refused, 0) >= AMI_REFUSED_PAUSE / 2);
    }
}
