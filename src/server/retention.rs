//! What is past its time goes, now and then.

use std::time::Duration;

use tokio::time::interval;

use crate::app::App;
use crate::limits::{CALLS_KEPT, POSTS_KEPT, RECOVERIES_KEPT, RETENTION_INTERVAL};
use crate::log::Retention;
use crate::model::Moment;

/// Deletes what is past its retention. Runs for ever.
pub(super) async fn prune(app: &App) {
    let mut ticks = interval(RETENTION_INTERVAL);
    loop {
        ticks.tick().await;
        let kept = &app.config.retention;
        let before = |keep: Duration| {
            let keep_ms = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
            (!keep.is_zero()).then(|| Moment(Moment::now().0.saturating_sub(keep_ms)))
        };
        let retention = Retention {
            connections_before: before(kept.connection_events),
            all_before: before(kept.messages),
            posts_before: before(POSTS_KEPT),
            calls_before: before(CALLS_KEPT),
            delivered_before: before(kept.deliveries),
            dead_before: before(kept.dead_deliveries),
            recoveries_before: before(RECOVERIES_KEPT.max(app.config.server.recovery_window)),
        };
        if let Some(before) = retention.calls_before {
            app.forget_calls(before);
        }
        match app.log.prune(retention).await {
            Ok(0) => {}
            Ok(events) => tracing::info!(events, "deleted events past their retention"),
            Err(err) => tracing::warn!(error = %err, "retention will be tried again"),
        }
    }
}
