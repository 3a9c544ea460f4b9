//! Logs and metrics. Metric names are listed once, in the table below; everybody else uses the
//! fields and functions of [`Metrics`].
//!
//! To add a metric: a line in the table with its help as doc comment, then `make docs`. Labels are
//! bounded sets (dialects, codes, route templates), never ids: each combination lives for ever.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

pub use departments::DepartmentFigures;
pub use lines::init;
pub use nodes::Between;

use crate::model::{CloseReason, Dialect, Error};

/// The media type of [`Metrics::encode`].
pub const METRICS_CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The kinds of metrics the table may use.
trait Kind {
    const KIND: &'static str;
}

impl Kind for Counter {
    const KIND: &'static str = "counter";
}

impl Kind for Gauge {
    const KIND: &'static str = "gauge";
}

impl Kind for Histogram {
    const KIND: &'static str = "histogram";
}

impl<L, M: Kind, C> Kind for Family<L, M, C> {
    const KIND: &'static str = M::KIND;
}

macro_rules! metrics {
    ($($(#[doc = $help:literal])* $name:ident: $type:ty = $new:expr;)*) => {
        /// Every metric, as a field of its name.
        #[derive(Debug)]
        pub struct Fields {
            $($(#[doc = $help])* pub $name: $type,)*
        }

        impl Fields {
            fn new() -> Fields {
                Fields { $($name: $new,)* }
            }

            fn register(&self, registry: &mut Registry) {
                $(
                    // The encoder puts `_total` behind a counter's name and a full stop behind
                    // its help.
                    let name = stringify!($name).trim_end_matches("_total");
                    registry.register(
                        name,
                        concat!($($help),*).trim().trim_end_matches('.'),
                        self.$name.clone(),
                    );
                )*
            }
        }

        /// Every metric as its name, its kind and its help, for the reference.
        pub fn catalogue() -> Vec<(&'static str, &'static str, &'static str)> {
            vec![$((
                concat!("switchboard_", stringify!($name)),
                <$type as Kind>::KIND,
                concat!($($help),*).trim(),
            ),)*]
        }
    };
}

metrics! {
    /// Open connections by dialect.
    connections: Family<ByDialect, Gauge> = Family::default();
    /// Connections opened.
    connections_opened_total: Family<ByDialect, Counter> = Family::default();
    /// Connections ended, by reason.
    connections_closed_total: Family<ByEnd, Counter> = Family::default();
    /// Connections that came back with a cursor.
    reconnections_total: Counter = Counter::default();
    /// Messages stored.
    messages_total: Counter = Counter::default();
    /// Events that producers posted, by what came of them.
    posted_events_total: Family<ByOutcome, Counter> = Family::default();
    /// Typing events passed on.
    typing_total: Counter = Counter::default();
    /// Events put into the outboxes of connections.
    deliveries_total: Counter = Counter::default();
    /// Requests and frames refused, by code.
    refusals_total: Family<ByCode, Counter> = Family::default();
    /// Faults of the server, each in the log under an id.
    faults_total: Counter = Counter::default();
    /// Conversations with at least one connection.
    rooms: Gauge = Gauge::default();
    /// Users with at least one connection.
    users: Gauge = Gauge::default();
    /// Transactions of the log.
    commits_total: Counter = Counter::default();
    /// Events per transaction of the log.
    commit_batch_events: Histogram = Histogram::new(BATCH_EVENTS);
    /// Time from the start of a transaction of the log to its last byte on disk.
    commit_seconds: Histogram = Histogram::new(SECONDS);
    /// The fullest outbox since the last scrape, in events.
    outbox_depth_max: Gauge = Gauge::default();
    /// Connections closed because their outbox was full.
    slow_consumers_total: Counter = Counter::default();
    /// HTTP requests answered, by route.
    http_requests_total: Family<ByRequest, Counter> = Family::default();
    /// Time to answer an HTTP request, by route.
    http_request_seconds: Family<ByPath, Histogram, fn() -> Histogram> =
        Family::new_with_constructor(seconds);
    /// Memory of the process that is in RAM.
    resident_memory_bytes: Gauge = Gauge::default();
    /// Time since the start.
    uptime_seconds: Gauge = Gauge::default();
    /// Questions put to the bot's provider, by what came of them.
    bot_answers_total: Family<ByBot, Counter> = Family::default();
    /// Time the bot's provider took, other tries included.
    bot_answer_seconds: Family<ByProvider, Histogram, fn() -> Histogram> =
        Family::new_with_constructor(long_seconds);
    /// Answers of the bot that were not told, because somebody else was in charge by then.
    bot_superseded_total: Counter = Counter::default();
    /// The breaker before the bot's provider: 0 closed, 1 finding out, 2 open.
    bot_breaker_state: Gauge = Gauge::default();
    /// Agents of a department by effective status.
    agents: Family<ByAgents, Gauge> = Family::default();
    /// Conversations that wait for an agent of a department.
    waiting: Family<ByDepartment, Gauge> = Family::default();
    /// How long the one that waits longest does, by department.
    longest_wait_seconds: Family<ByDepartment, Gauge> = Family::default();
    /// Departments without an agent, for which an alert stands.
    departments_empty: Gauge = Gauge::default();
    /// Heartbeats of agents, by what came of them.
    heartbeats_total: Family<ByOutcome, Counter> = Family::default();
    /// Time to answer who is online.
    agent_status_query_seconds: Histogram = Histogram::new(SECONDS);
    /// Decisions of the router that were kept, by what they were.
    routing_decisions_total: Family<ByOutcome, Counter> = Family::default();
    /// Decisions of the router that came too late: somebody took the conversation by hand.
    routing_superseded_total: Counter = Counter::default();
    /// Time conversations had waited when they were assigned.
    queue_wait_seconds: Histogram = Histogram::new(WAIT_SECONDS);
    /// Requests to receivers of webhooks, by what came of them.
    webhook_requests_total: Family<ByOutcome, Counter> = Family::default();
    /// Time receivers took.
    webhook_request_seconds: Histogram = Histogram::new(LONG_SECONDS);
    /// Deliveries of webhooks that were given up.
    webhook_dead_total: Counter = Counter::default();
    /// Deliveries of webhooks that wait or are on their way.
    webhook_pending: Gauge = Gauge::default();
    /// How long ago the oldest event happened that a webhook has taken and not delivered.
    webhook_lag_seconds: Gauge = Gauge::default();
    /// Whether a tenant's telephone system is connected and known.
    ami_connected: Family<ByTenant, Gauge> = Family::default();
    /// Times the line to a tenant's telephone system was lost, or could not be had.
    ami_disconnects_total: Family<ByTenant, Counter> = Family::default();
    /// Events that a tenant's telephone system caused and the log keeps.
    ami_events_total: Family<ByTenant, Counter> = Family::default();
    /// Whether Kafka answers.
    kafka_up: Gauge = Gauge::default();
    /// Events sent to Kafka and acknowledged.
    kafka_exported_total: Counter = Counter::default();
    /// Events that Kafka does not take because they are too large.
    kafka_export_dead_total: Counter = Counter::default();
    /// Events that are in the log and not in Kafka, on the node that exports.
    kafka_export_lag_events: Gauge = Gauge::default();
    /// How long ago the oldest of them happened.
    kafka_export_lag_seconds: Gauge = Gauge::default();
    /// Records of Kafka's ingest topic, by what came of them: `dead` are those with something wrong.
    kafka_ingested_records_total: Family<ByOutcome, Counter> = Family::default();
    /// Whether Redis answers.
    redis_up: Gauge = Gauge::default();
    /// Nodes that are alive, this one included, as far as it knows.
    nodes: Gauge = Gauge::default();
    /// Whether this node has the duties: of all nodes one has.
    duties: Gauge = Gauge::default();
    /// What this node told the others and heard from them, and what was lost before it was told.
    node_words_total: Family<ByOutcome, Counter> = Family::default();
    /// Events committed to the log.
    log_events_total: Counter = Counter::default();
}

/// From a memory access to a disk that hangs.
const SECONDS: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Up to the largest batch of the log's writer.
const BATCH_EVENTS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// From a lookup to a model that thinks for a minute.
const LONG_SECONDS: [f64; 10] = [0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];

/// From an agent who is free to a customer who has gone to lunch.
const WAIT_SECONDS: [f64; 12] =
    [0.1, 1.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0];

fn long_seconds() -> Histogram {
    Histogram::new(LONG_SECONDS)
}

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

/// Labels of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByDialect {
    dialect: &'static str,
}

/// Labels of the end of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByEnd {
    dialect: &'static str,
    reason: &'static str,
}

/// Labels of a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByCode {
    code: &'static str,
}

/// Labels of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByRequest {
    method: &'static str,
    path: String,
    status: u16,
}

/// Labels of a question put to the bot's provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByBot {
    provider: &'static str,
    outcome: &'static str,
}

/// A department of a tenant; its id, because names change. As many as administration made.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByDepartment {
    /// Whose.
    pub tenant: String,
    /// Which; empty for conversations without one.
    pub department: String,
}

/// A tenant, where there is one of something for each.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByTenant {
    /// Whose.
    pub tenant: String,
}

/// Labels of a department's agents.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByAgents {
    /// Whose.
    pub tenant: String,
    /// Which department.
    pub department: String,
    /// What the agents are.
    pub status: &'static str,
}

/// What came of something.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByOutcome {
    outcome: &'static str,
}

/// The bot's provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByProvider {
    provider: &'static str,
}

/// The route of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByPath {
    path: String,
}

/// The metrics of the process; clones share them.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    fields: Fields,
    registry: Registry,
    started: Instant,
}

impl Deref for Metrics {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        &self.0.fields
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

impl Metrics {
    /// All at zero; uptime counts from here.
    pub fn new() -> Metrics {
        let fields = Fields::new();
        let mut registry = Registry::with_prefix("switchboard");
        fields.register(&mut registry);
        Metrics(Arc::new(Shared { fields, registry, started: Instant::now() }))
    }

    /// A connection was opened.
    pub fn opened(&self, dialect: Dialect) {
        let labels = ByDialect { dialect: dialect.as_str() };
        self.connections.get_or_create(&labels).inc();
        self.connections_opened_total.get_or_create(&labels).inc();
    }

    /// A connection that [`Metrics::opened`] counted has ended.
    pub fn closed(&self, dialect: Dialect, reason: CloseReason) {
        let (dialect, reason_text) = (dialect.as_str(), reason.text());
        self.connections.get_or_create(&ByDialect { dialect }).dec();
        self.connections_closed_total.get_or_create(&ByEnd { dialect, reason: reason_text }).inc();
        if reason == CloseReason::SlowConsumer {
            self.slow_consumers_total.inc();
        }
    }

    /// A request or frame was refused; a fault is counted as such too.
    pub fn refused(&self, error: &Error) {
        self.refusals_total.get_or_create(&ByCode { code: error.code() }).inc();
        if matches!(error, Error::Fault { .. }) {
            self.faults_total.inc();
        }
    }

    /// A producer posted so many events that count, and so many that do not.
    pub fn posted(&self, accepted: usize, rejected: usize) {
        for (outcome, count) in [("accepted", accepted), ("rejected", rejected)] {
            let of = self.posted_events_total.get_or_create(&ByOutcome { outcome });
            of.inc_by(count as u64);
        }
    }

    /// The bot's provider answered, did not know, or failed.
    pub fn bot_answered(&self, provider: &'static str, outcome: &'static str, took: Duration) {
        self.bot_answers_total.get_or_create(&ByBot { provider, outcome }).inc();
        let by_provider = self.bot_answer_seconds.get_or_create(&ByProvider { provider });
        by_provider.observe(took.as_secs_f64());
    }

    /// A heartbeat came, and was noted or refused.
    pub fn heartbeat(&self, is_noted: bool) {
        let outcome = if is_noted { "ok" } else { "refused" };
        self.heartbeats_total.get_or_create(&ByOutcome { outcome }).inc();
    }

    /// A conversation was assigned that had waited for so long.
    pub fn waited(&self, wait: Duration) {
        self.queue_wait_seconds.observe(wait.as_secs_f64());
    }

    /// A decision of the router was kept.
    pub fn routed(&self, outcome: &'static str) {
        self.routing_decisions_total.get_or_create(&ByOutcome { outcome }).inc();
    }

    /// A transaction of the log is on disk.
    pub fn committed(&self, events: usize, took: Duration) {
        self.commits_total.inc();
        self.log_events_total.inc_by(u64::try_from(events).unwrap_or(u64::MAX));
        self.commit_batch_events.observe(f64::from(u32::try_from(events).unwrap_or(u32::MAX)));
        self.commit_seconds.observe(took.as_secs_f64());
    }

    /// An outbox holds that many events now.
    pub fn outbox_depth(&self, events: usize) {
        let depth = i64::try_from(events).unwrap_or(i64::MAX);
        // Read before written: with thousands of outboxes the line stays shared between the cores.
        let max = self.outbox_depth_max.inner();
        if depth > max.load(Relaxed) {
            max.fetch_max(depth, Relaxed);
        }
    }

    /// An HTTP request was answered. `route` is the template it matched, never the path itself.
    pub fn answered(
        &self,
        method: &Method,
        route: Option<&str>,
        status: StatusCode,
        took: Duration,
    ) {
        let path = route.unwrap_or("unmatched").to_owned();
        self.http_request_seconds
            .get_or_create(&ByPath { path: path.clone() })
            .observe(took.as_secs_f64());
        let labels = ByRequest { method: method_name(method), path, status: status.as_u16() };
        self.http_requests_total.get_or_create(&labels).inc();
    }

    /// Time since [`Metrics::new`].
    pub fn uptime(&self) -> Duration {
        self.0.started.elapsed()
    }

    /// Everything as OpenMetrics text. A scrape begins a new [`Fields::outbox_depth_max`].
    pub fn encode(&self) -> String {
        self.uptime_seconds.set(i64::try_from(self.uptime().as_secs()).unwrap_or(i64::MAX));
        self.resident_memory_bytes.set(resident_memory_bytes().unwrap_or(0));
        let mut text = String::new();
        if let Err(error) = text::encode(&mut text, &self.0.registry) {
            tracing::error!(%error, "metrics cannot be encoded");
        }
        self.outbox_depth_max.set(0);
        text
    }
}

/// The methods in use; a client may invent others, which must not become labels.
fn method_name(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// From `status` rather than `statm`, which counts pages of a size one would have to ask for.
/// `None` where there is no `/proc`.
fn resident_memory_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1_024)
}

mod departments;
mod kafka;
mod lines;
mod nodes;
mod webhooks;

#[cfg(test)]
mod tests;
