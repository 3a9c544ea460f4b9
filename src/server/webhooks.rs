//! From the options of `[webhooks]` to those who serve webhooks.

use std::sync::Arc;

use anyhow::{Context, Result};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::config;
use crate::sink::webhooks::{Client, Networks, Settings, SystemLookup};

/// Whoever makes the requests.
///
/// # Errors
/// When no HTTP client can be made.
pub(super) fn open(options: &config::Webhooks) -> Result<Client> {
    let networks = match (options.allow_private_networks, options.allow_loopback) {
        (true, _) => Networks::All,
        (false, true) => Networks::PublicAndLoopback,
        (false, false) => Networks::Public,
    };
    let settings = Settings { networks, timeout: options.timeout, requests_max: options.requests };
    Client::new(settings, Arc::new(SystemLookup)).context("webhooks")
}

/// Serves the webhooks until the server stops, and a moment longer.
pub(super) fn spawn(app: &App, shutdown: &CancellationToken) -> TaskTracker {
    let (tracker, serving, until) = (TaskTracker::new(), app.clone(), shutdown.clone());
    tracker.spawn(async move { serving.serve_webhooks(until).await });
    tracker.close();
    tracker
}
