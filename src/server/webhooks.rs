//! From the options of `[webhooks]` to those who serve webhooks.

use std::sync::Arc;

use anyhow::{Context, Result};

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
