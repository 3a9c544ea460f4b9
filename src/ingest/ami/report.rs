//! What a telephone system tells on its way to the log: kept in its order, tried again until the log
//! takes it, and never lost in between.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::line::{Agent, Lines};
use super::machine::{Machine, Telling};
use super::snapshot::Trouble;
use super::wire::Packet;
use crate::app::App;
use crate::limits::{AMI_REPORT_EVENTS_MAX, OWED_RETRY_INTERVAL};
use crate::model::{Event, Moment, TenantId};
use crate::telemetry::ByTenant;

/// The log did not take it in time. Nothing is lost: it is still to be reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stalled;

/// A machine, and what of its events the log has not taken yet.
pub(super) struct Reporter {
    app: App,
    pub(super) tenant: TenantId,
    pub(super) machine: Machine,
    /// At most what one read or one snapshot makes: nothing is read while there is any.
    owed: VecDeque<Event>,
    clock: Clock,
    is_connected: bool,
}

/// The wall clock at the start, and steady from there on: a call is not longer because the clock
/// was set.
struct Clock {
    origin: Moment,
    started: Instant,
}

impl Clock {
    fn now(&self) -> Moment {
        let elapsed = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        Moment(self.origin.0.saturating_add(elapsed))
    }
}

/// The agents' telephones, as administration knows them.
struct LinesOf<'a>(&'a App, &'a TenantId);

impl Lines for LinesOf<'_> {
    fn agent_at(&self, extension: &str) -> Option<Agent> {
        let (id, name) = self.0.agent_at(self.1, extension)?;
        Some(Agent { id, name: Some(name.as_ref().to_owned()) })
    }
}

impl Reporter {
    /// Begins with the calls that were going on as far as the log knows. Waits for the log.
    pub(super) async fn open(app: App, tenant: TenantId) -> Reporter {
        let machine = loop {
            let open = match app.begin_tenant(&tenant).await {
                Ok(()) => app.open_calls(&tenant).await,
                Err(err) => Err(err),
            };
            match open {
                Ok(open) => break Machine::new(open),
                Err(err) => tracing::warn!(%tenant, error = %err, "no telephone system yet"),
            }
            sleep(OWED_RETRY_INTERVAL).await;
        };
        let clock = Clock { origin: Moment::now(), started: Instant::now() };
        let reporter =
            Reporter { app, tenant, machine, owed: VecDeque::new(), clock, is_connected: false };
        reporter.show_connected(false);
        reporter
    }

    /// Takes a packet in.
    ///
    /// # Errors
    /// As [`Machine::take`].
    pub(super) fn take(&mut self, packet: Packet) -> Result<(), Trouble> {
        self.tell(|machine, telling| machine.take(packet, telling))
    }

    /// Takes in that time passed.
    pub(super) fn pass(&mut self) {
        self.tell(Machine::pass);
    }

    /// When that is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let due = self.machine.next_due()?;
        Some(Instant::now() + Duration::from_millis(due.ms_since(self.clock.now())))
    }

    fn tell<T>(&mut self, act: impl FnOnce(&mut Machine, &mut Telling) -> T) -> T {
        let lines = LinesOf(&self.app, &self.tenant);
        let mut telling = Telling::new(&lines, self.clock.now());
        let done = act(&mut self.machine, &mut telling);
        self.owed.extend(telling.events);
        done
    }

    /// Reports what is owed, and tries again for as long as the line can wait.
    ///
    /// # Errors
    /// [`Stalled`] after that.
    pub(super) async fn report(&mut self, patience: Duration) -> Result<(), Stalled> {
        let started = Instant::now();
        let mut is_refused = false;
        while !self.owed.is_empty() {
            let count = self.owed.len().min(AMI_REPORT_EVENTS_MAX);
            let events: Vec<Event> = self.owed.iter().take(count).cloned().collect();
            let durable = events.iter().filter(|event| event.facts().is_durable).count();
            match self.app.report(&self.tenant, events).await {
                Ok(_) => {
                    self.owed.drain(..count);
                    let by = ByTenant { tenant: self.tenant.to_string() };
                    self.app.metrics.ami_events_total.get_or_create(&by).inc_by(durable as u64);
                }
                Err(err) => {
                    if !std::mem::replace(&mut is_refused, true) {
                        let events = self.owed.len();
                        tracing::warn!(tenant = %self.tenant, error = %err, events,
                            "what the telephone system tells is not kept yet");
                    }
                    // Figures are worth nothing later.
                    self.owed.retain(|event| event.facts().is_durable);
                    if started.elapsed() >= patience {
                        return Err(Stalled);
                    }
                    sleep(OWED_RETRY_INTERVAL).await;
                }
            }
        }
        Ok(())
    }

    /// Reports what is owed, however long the log takes.
    pub(super) async fn report_all(&mut self) {
        while self.report(OWED_RETRY_INTERVAL).await.is_err() {}
    }

    /// The telephone system is connected, and what is known of it is what is.
    pub(super) fn is_whole(&mut self) {
        if self.machine.is_live() && !std::mem::replace(&mut self.is_connected, true) {
            self.show_connected(true);
            tracing::info!(tenant = %self.tenant, "the telephone system is known");
        }
    }

    /// The line is lost. Returns whether it had been of use.
    pub(super) fn lose_line(&mut self) -> bool {
        self.tell(Machine::lose);
        self.show_connected(false);
        let by = ByTenant { tenant: self.tenant.to_string() };
        self.app.metrics.ami_disconnects_total.get_or_create(&by).inc();
        std::mem::replace(&mut self.is_connected, false)
    }

    fn show_connected(&self, is_connected: bool) {
        let by = ByTenant { tenant: self.tenant.to_string() };
        self.app.metrics.ami_connected.get_or_create(&by).set(is_connected.into());
    }
}
