//! Bounds of what goes to Kafka and comes from it.

use std::time::Duration;

/// Events of a tenant that are read from the log and sent to Kafka at once. All of them are
/// acknowledged before more are read, so it decides, with the number of those who do this, how much
/// memory the export takes while Kafka is gone.
pub const KAFKA_PAGE_EVENTS: usize = 512;

/// Tenants that are exported at once. One alone reaches tens of thousands of events a second; several,
/// so that none waits behind a tenant with a year of log to tell.
pub const KAFKA_TENANTS_AT_ONCE: usize = 4;

/// Records that may wait in the producer: what the export has under way, twice.
pub const KAFKA_QUEUE_RECORDS: usize = 2 * KAFKA_PAGE_EVENTS * KAFKA_TENANTS_AT_ONCE;

/// And how large all of them may be, in KiB. A page of the largest events is a quarter of it.
pub const KAFKA_QUEUE_KIB: usize = 64 * 1024;

/// How often the log keeps how far a tenant is exported. After a crash so much is sent again.
pub const KAFKA_CURSOR_INTERVAL: Duration = Duration::from_secs(1);

/// After how many events it does before that.
pub const KAFKA_CURSOR_EVENTS: u64 = 1_000;

/// How long a full queue of the producer is left alone. It empties in the time of one exchange with
/// a broker.
pub const KAFKA_FULL_PAUSE: Duration = Duration::from_millis(20);

/// How long the export waits before it tries again what Kafka refused.
pub const KAFKA_RETRY_PAUSE: Duration = Duration::from_secs(1);

/// How long a stopping export waits for acknowledgements; what has none by then is sent again by
/// whoever goes on.
pub const KAFKA_DRAIN_WAIT: Duration = Duration::from_secs(2);

/// How long a client may take to say goodbye to brokers.
pub const KAFKA_CLOSE_WAIT: Duration = Duration::from_secs(2);

/// How often it is found out whether Kafka answers.
pub const KAFKA_PROBE_INTERVAL: Duration = Duration::from_secs(5);

/// How long it may take to answer that.
pub const KAFKA_PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// Records of the ingest topic that are taken in at once: they share a transaction of the log. With
/// [`EVENTS_BODY_BYTES_MAX`] it bounds what is in memory of them.
pub const KAFKA_INGEST_RECORDS: usize = 256;

/// How long taking them in may last before the partitions are paused. Much less than the time after
/// which Kafka gives a consumer up that asks for nothing (five minutes).
pub const KAFKA_INGEST_PATIENCE: Duration = Duration::from_secs(1);

/// How long one try to send a dead letter lasts.
pub const KAFKA_DEAD_LETTER_PATIENCE: Duration = Duration::from_secs(10);

/// Reasons that a dead letter gives: each event of a record may have one.
pub const KAFKA_DEAD_LETTER_REASONS: usize = 16;
