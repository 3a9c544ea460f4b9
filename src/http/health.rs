//! For those who watch the server: `/health`, `/ready`, `/metrics`, and what it says about itself.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use serde::Serialize;
use utoipa::ToSchema;

use super::Parts;
use super::answer::{Answer, Refusal};
use super::openapi::Refused;
use crate::app::KafkaStatus;
use crate::config::StoreUrl;
use crate::model::{Dialect, Error};
use crate::telemetry::METRICS_CONTENT_TYPE;

/// The program's version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How the server is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    /// `healthy`, or `degraded` when something it depends on does not answer.
    #[schema(value_type = String, example = "healthy")]
    status: &'static str,
    /// The program's version.
    #[schema(value_type = String, example = "0.1.0")]
    version: &'static str,
    /// Since the start.
    uptime_seconds: u64,
    /// The sockets.
    websocket: Sockets,
    /// Where the log is kept.
    store: Store,
    /// `off`: nothing is configured.
    #[schema(value_type = String, example = "off")]
    redis: &'static str,
    /// `healthy`, or `unavailable`; `off`: nothing is configured.
    #[schema(value_type = String, example = "off")]
    kafka: &'static str,
}

/// How the sockets are.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Sockets {
    /// How many are open, of all dialects.
    connections: usize,
    /// `healthy`, or `draining`.
    #[schema(value_type = String, example = "healthy")]
    status: &'static str,
}

/// How the store is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Store {
    /// `sqlite` or `memory`.
    #[schema(value_type = String, example = "sqlite")]
    kind: &'static str,
    /// `healthy`, or `unavailable`.
    #[schema(value_type = String, example = "healthy")]
    status: &'static str,
}

/// How the server is
///
/// 200 also when it is degraded: it still serves what it can.
#[utoipa::path(
    get,
    path = "/health",
    tag = "operations",
    responses((status = 200, description = "How it is", body = Health), Refused<500>),
    security(()),
)]
pub(super) async fn health(State(parts): State<Parts>) -> Json<Health> {
    let can_store = parts.app.can_store().await;
    let presence = &parts.app.presence;
    let redis = match (presence.is_shared(), presence.is_up()) {
        (false, _) => "off",
        (true, true) => "healthy",
        (true, false) => "unavailable",
    };
    let kafka = parts.app.kafka_status();
    let is_whole = can_store && redis != "unavailable" && kafka != KafkaStatus::Unavailable;
    let kind = match parts.app.config.store_url() {
        StoreUrl::Sqlite(_) => "sqlite",
        StoreUrl::Postgres(_) => "postgres",
        StoreUrl::Memory => "memory",
    };
    Json(Health {
        status: if is_whole { "healthy" } else { "degraded" },
        version: VERSION,
        uptime_seconds: parts.app.metrics.uptime().as_secs(),
        websocket: Sockets {
            connections: parts.app.open_connections(),
            status: if parts.readiness.is_ready() { "healthy" } else { "draining" },
        },
        store: Store { kind, status: if can_store { "healthy" } else { "unavailable" } },
        redis,
        kafka: kafka.as_str(),
    })
}

/// Whether new clients are welcome.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ready {
    /// `ready`.
    #[schema(value_type = String, example = "ready")]
    status: &'static str,
}

/// Whether new clients are welcome
#[utoipa::path(
    get,
    path = "/ready",
    tag = "operations",
    responses((status = 200, description = "They are", body = Ready), Refused<500>, Refused<503>),
    security(()),
)]
pub(super) async fn ready(State(parts): State<Parts>) -> Result<Json<Ready>, Refusal> {
    if !parts.readiness.is_ready() {
        return Err(Error::Unavailable("the server is draining".into()).into());
    }
    if !parts.app.can_store().await {
        return Err(Error::Unavailable("the server cannot store anything".into()).into());
    }
    Ok(Json(Ready { status: "ready" }))
}

/// The metrics as OpenMetrics text
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operations",
    responses(
        (
            status = 200, description = "The metrics", body = String,
            content_type = "application/openmetrics-text"
        ),
        Refused<500>,
    ),
    security(()),
)]
pub(super) async fn metrics(State(parts): State<Parts>) -> Response {
    let metrics = &parts.app.metrics;
    // Without an answer the gauges keep what was true last.
    if let Ok(counts) = parts.app.presence.counts().await {
        metrics.rooms.set(i64::try_from(counts.conversations).unwrap_or(i64::MAX));
        metrics.users.set(i64::try_from(counts.users).unwrap_or(i64::MAX));
    }
    parts.app.measure_departments();
    parts.app.measure_webhooks();
    parts.app.measure_export();
    parts.app.measure_nodes().await;
    ([(header::CONTENT_TYPE, METRICS_CONTENT_TYPE)], metrics.encode()).into_response()
}

/// What this server is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct About {
    /// The program's name.
    #[schema(value_type = String, example = "switchboard")]
    name: &'static str,
    /// The program's version.
    #[schema(value_type = String, example = "0.1.0")]
    version: &'static str,
    /// Whether it was started with `--demo`.
    demo: bool,
    /// Whether the session dialect needs no token.
    open_sessions: bool,
    /// Seconds between an agent's heartbeats.
    heartbeat_interval: u64,
    /// The socket dialects it speaks.
    dialects: Vec<SpokenDialect>,
}

/// A socket dialect.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SpokenDialect {
    /// Its name.
    #[schema(value_type = String, example = "session")]
    name: &'static str,
    /// Where it is spoken.
    #[schema(value_type = String, example = "/ws/{session_id}/{user_id}/{user_type}")]
    path: &'static str,
}

/// What this server is
#[utoipa::path(
    get,
    path = "/api/about",
    tag = "operations",
    responses(
        (status = 200, description = "What it is", body = Answer<About>),
        Refused<429>, Refused<500>,
    ),
    security(()),
)]
pub(super) async fn about(State(parts): State<Parts>) -> Answer<About> {
    let config = &parts.app.config;
    let spoken = |dialect: Dialect| SpokenDialect {
        name: dialect.as_str(),
        path: match dialect {
            Dialect::Session => "/ws/{session_id}/{user_id}/{user_type}",
            Dialect::SocketIo => "/socket.io/",
            Dialect::Hub => "/ws",
        },
    };
    let about = About {
        name: env!("CARGO_PKG_NAME"),
        version: VERSION,
        demo: config.auth.loopback_origins,
        open_sessions: config.auth.open_sessions,
        heartbeat_interval: config.agents.heartbeat_interval.as_secs(),
        dialects: Dialect::ALL.into_iter().map(spoken).collect(),
    };
    Answer::of("Server information retrieved successfully", about)
}
