//! Who has the duties, and what runs only where they are: what tells receivers outside, what listens
//! to telephone systems, what sweeps. A node alone has them from the start; of several, one.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::kafka;
use super::retention::prune;
use crate::app::App;
use crate::ingest::ami;
use crate::limits::{DUTIES_PATIENCE, OWED_RETRY_INTERVAL};

/// Takes the duties for a node that must have them to start at all: nobody else may write its log.
///
/// # Errors
/// When another node has them, or the log does not answer.
pub(super) async fn take(app: &App) -> Result<()> {
    let lease = app.config.cluster.lease;
    let deadline = Instant::now() + lease + DUTIES_PATIENCE;
    let mut is_told = false;
    loop {
        if let Some(number) = app.ask_for_duties(lease).await.context("store")? {
            app.note_duties(Some(number));
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!(
                "another node uses this database; several nodes need a Redis as well, all the \
                 same one: set REDIS_HOST for each"
            );
        }
        if !std::mem::replace(&mut is_told, true) {
            tracing::warn!("another node uses this database; waiting until its lease ends");
        }
        // One that was killed has them until then.
        sleep(lease / 4).await;
    }
}

/// Has the duties, or asks for them, until the server stops; then gives them up to others. A node that must
/// have them and lost them cannot go on: `lost` is cancelled.
pub(super) async fn serve(app: App, until: CancellationToken, lost: CancellationToken) {
    let lease = app.config.cluster.lease;
    let mut held = app.duties().map(|number| Held::begin(&app, number));
    let mut renewed = Instant::now();
    let mut pause = Duration::ZERO;
    while until.run_until_cancelled(sleep(pause)).await.is_some() {
        pause = lease / 4;
        let asked = Instant::now();
        match timeout(lease / 2, app.ask_for_duties(lease)).await {
            Ok(Ok(Some(number))) => {
                renewed = asked;
                if held.as_ref().is_none_or(|held| held.number != number) {
                    end(held.take()).await;
                    tracing::info!(number, "this node has the duties now");
                    app.note_duties(Some(number));
                    rebuild(&app, &until).await;
                    held = Some(Held::begin(&app, number));
                }
            }
            Ok(Ok(None)) => {
                if held.is_some() {
                    tracing::warn!("another node has the duties");
                    leave(&app, held.take(), &until, &lost).await;
                }
            }
            // Without an answer they are its own until the lease may have ended.
            Ok(Err(_)) | Err(_) => {
                if renewed.elapsed() >= lease && held.is_some() {
                    tracing::warn!("the duties could not be kept");
                    leave(&app, held.take(), &until, &lost).await;
                }
            }
        }
    }
    end(held).await;
    // Of several nodes another goes on at once. A node alone decides until its last client is gone.
    if app.presence.is_shared() {
        app.release_duties().await;
    }
}

async fn leave(app: &App, held: Option<Held>, until: &CancellationToken, lost: &CancellationToken) {
    app.note_duties(None);
    end(held).await;
    if app.presence.is_shared() {
        rebuild(app, until).await;
    } else {
        tracing::error!("another node may write the log of this one; the server stops");
        lost.cancel();
    }
}

/// The engines, as whoever has the duties or has them no longer needs them.
async fn rebuild(app: &App, until: &CancellationToken) {
    while let Err(err) = app.rebuild_routing().await {
        tracing::warn!(error = %err, "routing waits for the log");
        if until.run_until_cancelled(sleep(OWED_RETRY_INTERVAL)).await.is_none() {
            return;
        }
    }
}

async fn end(held: Option<Held>) {
    if let Some(held) = held {
        held.end().await;
    }
}

/// What runs while the duties are here.
struct Held {
    number: u64,
    until: CancellationToken,
    tasks: TaskTracker,
}

impl Held {
    fn begin(app: &App, number: u64) -> Held {
        let (until, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (serving, stop) = (app.clone(), until.clone());
        tasks.spawn(async move { serving.serve_webhooks(stop).await });
        for (tenant, settings) in &app.config.ami {
            let telling = ami::serve(app.clone(), tenant.clone(), settings.clone());
            let until = until.clone();
            tasks.spawn(async move { until.run_until_cancelled(Box::pin(telling)).await });
        }
        tasks.spawn(kafka::export(app.clone(), Some(number), until.clone()));
        let (old, stop) = (app.clone(), until.clone());
        tasks.spawn(async move { stop.run_until_cancelled(prune(&old)).await });
        if app.presence.is_shared() {
            let (seeking, stop) = (app.clone(), until.clone());
            tasks.spawn(async move { stop.run_until_cancelled(seeking.seek_ghosts()).await });
            let (showing, stop) = (app.clone(), until.clone());
            tasks.spawn(async move { stop.run_until_cancelled(showing.show_agents()).await });
            let (settling, stop) = (app.clone(), until.clone());
            tasks.spawn(
                async move { stop.run_until_cancelled(settling.settle_bots_of_others()).await },
            );
        }
        tasks.close();
        Held { number, until, tasks }
    }

    /// What receivers answered has to be in the log before anybody else goes on.
    async fn end(self) {
        self.until.cancel();
        if timeout(END_TIMEOUT, self.tasks.wait()).await.is_err() {
            tracing::warn!("some duties did not end in time");
        }
    }
}

/// A receiver that is slow to answer is asked again by whoever has the duties next.
const END_TIMEOUT: Duration = Duration::from_secs(5);
