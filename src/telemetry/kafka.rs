//! What is counted of Kafka.

use super::{ByOutcome, Metrics};

impl Metrics {
    /// The export is so many events behind, and the oldest of them happened so long ago.
    pub fn kafka_behind(&self, events: u64, lag_ms: u64) {
        let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.kafka_export_lag_events.set(whole(events));
        self.kafka_export_lag_seconds.set(whole(lag_ms / 1_000));
    }

    /// So many records of the ingest topic are taken in, and so many are dead letters.
    pub fn kafka_ingested(&self, taken: usize, dead: usize) {
        for (outcome, count) in [("ok", taken), ("dead", dead)] {
            let of = self.kafka_ingested_records_total.get_or_create(&ByOutcome { outcome });
            of.inc_by(count as u64);
        }
    }
}
