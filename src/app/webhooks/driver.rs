//! One tenant's webhooks, served by turns: keep what became of requests and take what is new, both
//! in one commit; send what is due; wait until something happens.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::reading::Reading;
use super::sending::{Finished, deliver};
use super::settling::Settled;
use super::{App, Desk, Office};
use crate::limits::{OWED_RETRY_INTERVAL, WEBHOOK_CURSOR_INTERVAL, WEBHOOK_DRAIN_WAIT};
use crate::log::{self, Change, Record};
use crate::model::Moment;

pub(super) struct Driver {
    pub(super) app: App,
    pub(super) office: Arc<Office>,
    until: CancellationToken,
    requests: JoinSet<Finished>,
    /// What is not kept yet.
    finished: Vec<Finished>,
    /// When cursors are kept that moved past what nobody wanted.
    cursors_due: Instant,
}

impl Driver {
    pub(super) fn new(app: App, office: Arc<Office>, until: CancellationToken) -> Driver {
        let cursors_due = Instant::now() + WEBHOOK_CURSOR_INTERVAL;
        let (requests, finished) = (JoinSet::new(), vec![]);
        Driver { app, office, until, requests, finished, cursors_due }
    }

    pub(super) async fn run(mut self) {
        while !self.until.is_cancelled() {
            match self.turn(true).await {
                Ok(has_more) => {
                    self.send();
                    if !has_more {
                        self.wait().await;
                    }
                    self.collect();
                }
                // Nothing new goes out either: what becomes of it could not be kept.
                Err(err) => {
                    let tenant = &self.office.tenant;
                    tracing::warn!(%tenant, error = %err, "webhooks rest; the log does not answer");
                    self.until.run_until_cancelled(sleep(OWED_RETRY_INTERVAL)).await;
                }
            }
        }
        self.wind_up().await;
    }

    /// Whatever is sent is answered soon or sent again after the next start.
    async fn wind_up(mut self) {
        let deadline = Instant::now() + WEBHOOK_DRAIN_WAIT;
        while let Ok(Some(ended)) = timeout_at(deadline, self.requests.join_next()).await {
            self.finished.extend(ended);
        }
        self.cursors_due = Instant::now();
        if let Err(err) = self.turn(false).await {
            let tenant = &self.office.tenant;
            tracing::warn!(%tenant, error = %err, "the latest deliveries are not kept");
        }
    }

    /// Keeps what is to be kept. Returns whether there is more to read.
    async fn turn(&mut self, may_read: bool) -> Result<bool, log::Error> {
        let office = self.office.clone();
        let _turn = office.turn.lock().await;
        if office.lock().is_stale {
            self.reload().await?;
        }
        let settled = self.settled(&self.finished);
        let readings = if may_read { self.read().await? } else { vec![] };
        let are_cursors_due = Instant::now() >= self.cursors_due;
        let change = self.change_of(&settled, &readings, are_cursors_due);
        if !(change.events.is_empty() && change.records.is_empty()) {
            let duty = self.app.as_duty(change.clone());
            self.app.log.commit(&office.tenant, duty).await?;
        }
        if are_cursors_due {
            self.cursors_due = Instant::now() + WEBHOOK_CURSOR_INTERVAL;
        }
        self.finished.clear();
        Ok(self.take_in(settled, readings, &change))
    }

    /// Everything the log is to know, in one change: it is kept whole or not at all.
    fn change_of(
        &self,
        settled: &[Settled],
        readings: &[Reading],
        are_cursors_due: bool,
    ) -> Change {
        let mut change = Change::default();
        for settled in settled {
            change.records.extend(settled.record.clone());
        }
        self.add_disabled(settled, &mut change);
        self.add_read(readings, are_cursors_due, &mut change);
        change
    }

    /// Takes in what is kept now.
    fn take_in(&self, settled: Vec<Settled>, readings: Vec<Reading>, change: &Change) -> bool {
        let mut state = self.office.lock();
        for settled in settled {
            self.note(&settled);
            settled.take_in(&mut state);
        }
        readings.into_iter().for_each(|reading| reading.take_in(&mut state));
        for record in &change.records {
            match record {
                Record::WebhookRead(read) => {
                    let desk = state.desks.get_mut(&read.webhook);
                    desk.into_iter().for_each(|desk| desk.kept = read.cursor);
                }
                Record::Webhook(webhook) => {
                    let desk = state.desks.get_mut(&webhook.id);
                    desk.into_iter().for_each(|desk| desk.webhook = webhook.clone().into());
                }
                _ => {}
            }
        }
        self.behind(&mut state).next().is_some()
    }

    /// Reads anew what the log knows of the webhooks.
    async fn reload(&self) -> Result<(), log::Error> {
        let (log, tenant) = (&self.app.log, &self.office.tenant);
        let head = log.head(tenant).await?.position;
        let mut found = Vec::new();
        for webhook in log.webhooks(tenant).await? {
            let pending = match webhook.disabled {
                None => log.pending_deliveries(tenant, webhook.id).await?,
                Some(_) => vec![],
            };
            found.push((webhook, pending));
        }
        let (now, width) = (self.now(), self.app.config.webhooks.requests_per_webhook);
        let mut state = self.office.lock();
        let mut known = std::mem::take(&mut state.desks);
        for (webhook, pending) in found {
            let id = webhook.id;
            let desk = known.remove(&id);
            let mut desk = desk.unwrap_or_else(|| Desk::new(webhook.clone(), width));
            desk.update(webhook, pending, now);
            state.desks.insert(id, desk);
        }
        state.head = state.head.max(head);
        state.is_stale = false;
        Ok(())
    }

    /// Sends what is due.
    fn send(&mut self) {
        let now = self.now();
        let mut due = Vec::new();
        for desk in self.office.lock().enabled() {
            while let Some(item) = desk.schedule.next(now) {
                due.push((desk.webhook.clone(), item));
            }
        }
        for (webhook, item) in due {
            let (app, tenant) = (self.app.clone(), self.office.tenant.clone());
            self.requests.spawn(deliver(app, tenant, webhook, item, self.until.clone()));
        }
    }

    /// Waits until there is something to do.
    async fn wait(&mut self) {
        let due = self.next_due();
        let due = async {
            match due {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.until.cancelled() => {}
            () = self.office.wake.notified() => {}
            () = due => {}
            Some(ended) = self.requests.join_next() => self.finished.extend(ended),
        }
    }

    /// Takes whatever else has ended meanwhile, so that it is kept in one go.
    fn collect(&mut self) {
        while let Some(ended) = self.requests.try_join_next() {
            self.finished.extend(ended);
        }
    }

    fn next_due(&self) -> Option<Instant> {
        let now = self.now();
        let mut state = self.office.lock();
        let mut due: Option<Moment> = None;
        let mut has_moved = false;
        for desk in state.enabled() {
            due = due.into_iter().chain(desk.schedule.next_at()).min();
            has_moved |= desk.read_to != desk.kept;
        }
        let due = due.map(|at| Instant::now() + std::time::Duration::from_millis(at.ms_since(now)));
        due.into_iter().chain(has_moved.then_some(self.cursors_due)).min()
    }

    pub(super) fn now(&self) -> Moment {
        self.app.0.router.clock.now()
    }
}
