//! What the service manager and the server tell each other: sockets that it has opened already, that
//! the server serves, that it stops, and that it is alive. Without a service manager nothing of this
//! happens. Any other that speaks systemd's protocol will do.

use std::io;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use listenfd::ListenFd;
use sd_notify::NotifyState;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::config::Config;
use crate::http::listen::Listener;
use crate::http::tls::TlsReloader;

/// The sockets that were handed over; none, if nobody did. They stay open while the server is
/// replaced, so that whoever comes in between waits instead of being refused.
pub(super) fn given_listeners(config: &Config, tls: Option<&TlsReloader>) -> Result<Vec<Listener>> {
    let mut given = ListenFd::from_env();
    let mut listeners = Vec::new();
    for number in 0..given.len() {
        let socket = given.take_tcp_listener(number);
        let socket = socket.with_context(|| {
            format!("socket {number} of those handed over is no TCP socket that listens")
        })?;
        let Some(socket) = socket else { continue };
        let listener = Listener::of(socket, tls.cloned()).context("a socket handed over")?;
        let address = listener.local_addr();
        if config.auth.loopback_origins && !address.ip().is_loopback() {
            bail!("--demo lets everybody in and refuses the socket {address} that was handed over");
        }
        listeners.push(listener);
    }
    Ok(listeners)
}

/// Everybody may come.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Nobody may come any more.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Gives signs of life twice in the time after which the service manager would restart the server.
/// They end when the feed stands still: then nobody is told anything any more, and a restart helps.
/// That this runs at all says that the runtime is alive.
pub(super) async fn watch(app: App, failed: CancellationToken) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    let mut ticks = interval((limit / 2).max(SIGN_PAUSE_MIN));
    let mut before = None;
    loop {
        ticks.tick().await;
        let now = app.feed_progress();
        let stands_still = before.is_some_and(|before| now.stands_still_since(&before));
        if failed.is_cancelled() || stands_still {
            tracing::error!("the feed stands still; the service manager gets no sign of life");
        } else {
            tell(&[NotifyState::Watchdog]);
        }
        before = Some(now);
    }
}

/// Nobody wants more signs than this.
const SIGN_PAUSE_MIN: Duration = Duration::from_millis(10);

fn tell(state: &[NotifyState<'_>]) {
    match sd_notify::notify(state) {
        Ok(()) => {}
        // It went first.
        Err(err) if err.kind() == io::ErrorKind::ConnectionRefused => {}
        Err(err) => tracing::warn!(error = %err, "the service manager cannot be told"),
    }
}
