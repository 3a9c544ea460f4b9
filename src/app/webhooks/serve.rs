//! Every office has a task that serves it, from the start or from its first webhook on, until the
//! server stops.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::driver::Driver;
use super::{App, Office};
use crate::limits::OWED_RETRY_INTERVAL;

impl App {
    /// Serves the webhooks of all tenants until it is told to stop; then waits a moment for the
    /// answers of receivers that have a request, and keeps them.
    pub async fn serve_webhooks(&self, until: CancellationToken) {
        let offices = &self.0.offices;
        let mut drivers = JoinSet::new();
        if until.run_until_cancelled(self.open_offices()).await.is_none() {
            return;
        }
        while !until.is_cancelled() {
            for office in offices.take_unserved() {
                drivers.spawn(serve_office(self.clone(), office, until.clone()));
            }
            tokio::select! {
                () = until.cancelled() => {}
                () = offices.opened.notified() => {}
            }
        }
        while drivers.join_next().await.is_some() {}
        offices.close_all();
    }

    /// Finds the tenants that have webhooks.
    async fn open_offices(&self) {
        loop {
            match self.log.all_webhooks().await {
                Ok(found) => {
                    for (tenant, _) in found {
                        let office = self.0.offices.open(&tenant);
                        self.0.offices.changed(&office);
                    }
                    return;
                }
                Err(err) => {
                    tracing::warn!(error = %err, "the webhooks cannot be read yet");
                    sleep(OWED_RETRY_INTERVAL).await;
                }
            }
        }
    }
}

async fn serve_office(app: App, office: Arc<Office>, until: CancellationToken) {
    loop {
        let driver = Driver::new(app.clone(), office.clone(), until.clone());
        if AssertUnwindSafe(driver.run()).catch_unwind().await.is_ok() {
            return;
        }
        // Whatever it was in the middle of, the log knows what is to be done.
        tracing::error!(tenant = %office.tenant, "the webhooks are served anew");
        office.forget();
        if until.run_until_cancelled(sleep(OWED_RETRY_INTERVAL)).await.is_none() {
            return;
        }
    }
}
