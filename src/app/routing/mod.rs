//! The thin driver of routing: what happens goes into a tenant's engine (`crate::routing`), and
//! what the engine decides goes to the log like anybody's command.
//!
//! The engine decides at once and in memory; the log's commit decides whether it holds, because a
//! claim by hand may be quicker. `listen` brings what the log tells, `carry` takes decisions to the
//! log, `restore` builds the engines anew at start, `places` tells customers where they stand.
//! Nothing here decides who gets what.

mod calls;
mod carry;
mod listen;
mod notices;
mod places;
mod restore;
mod staff;
mod verbs;

pub use listen::Unread;
pub(super) use staff::is_uuid;
pub use verbs::NewRequirements;
pub(super) use verbs::{check_language, check_skills};

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::atomic::{AtomicBool, AtomicI64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as OrderLock, Notify, mpsc, oneshot};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::App;
use super::calls::{CallsTaken, Lines};
use crate::limits::{RESTART_GRACE, ROUTING_CATCH_UP, ROUTING_INBOX_EVENTS, ROUTING_KEEP_TIMEOUT};
use crate::log::Outcome;
use crate::model::{AgentStatus, ConversationId, Envelope, Error, Moment, TenantId, UserId};
use crate::routing::{Decision, Engine, Input, Settings};

/// What the verbs and the driver share.
pub(super) struct Router {
    pub(super) clock: Clock,
    state: Mutex<State>,
    /// Changes of the staff are read and taken in one after the other.
    staff: OrderLock<()>,
    /// What the log tells is taken in one after the other, and not while an engine is built anew.
    reading: OrderLock<()>,
    /// More of the log was taken in.
    progress: Notify,
    /// Something is to be carried out, or the next deadline is another one.
    to_carry: Notify,
    /// Somebody's place may be another one.
    to_tell: Notify,
    inbox: mpsc::Sender<Arc<Envelope>>,
    /// Whether somebody reads the inbox; without one nothing is put in.
    is_listening: AtomicBool,
    /// The server stops: no moment comes any more, so that nobody is lost by it.
    is_held: AtomicBool,
    /// Taken by whoever does.
    unread: Mutex<Option<mpsc::Receiver<Arc<Envelope>>>>,
}

/// One lock for all: what is done under it is in memory and short.
#[derive(Default)]
pub(super) struct State {
    pub(super) tenants: HashMap<TenantId, Floor>,
    /// The tenants whose engines wait for a moment, soonest first.
    due: BTreeSet<(Moment, TenantId)>,
    /// Decisions on their way to the log, in the order they were made. Bounded by what they are
    /// about: an engine decides nothing about what is on its way.
    jobs: VecDeque<Job>,
    /// Queues whose places changed since they were told.
    moved: BTreeSet<(TenantId, Option<Uuid>)>,
    /// Leases of heartbeats that are not kept yet.
    /// Every tenant there was at the start has its engine.
    is_restored: bool,
    pub(super) beats: HashMap<TenantId, HashMap<UserId, Moment>>,
}

/// A tenant's engine with what it needs not know.
#[derive(Debug)]
pub(super) struct Floor {
    pub(super) engine: Engine,
    /// Up to where it has taken in what the log told.
    read_to: u64,
    /// When it wants to be woken.
    due: Option<Moment>,
    /// The place that waiting conversations were told last, of those somebody listens to.
    places: HashMap<ConversationId, Told>,
    /// What every agent's status was told as last.
    told: HashMap<UserId, AgentStatus>,
    /// The agents' e-mail addresses.
    emails: HashMap<UserId, Arc<str>>,
    /// The departments' names.
    departments: HashMap<Uuid, Arc<str>>,
    /// The agents' telephones.
    pub(super) lines: Lines,
    /// Who has which call.
    calls: CallsTaken,
}

/// A position, and the seconds it takes from there.
type Told = (u64, u64);

/// A decision on its way to the log.
struct Job {
    tenant: TenantId,
    decision: Decision,
    /// Whoever waits for it to be kept.
    done: Option<oneshot::Sender<()>>,
}

/// The wall clock, in step with `tokio::time`, so that deadlines and what waits for them agree. It
/// follows the wall clock forward, for a machine that slept, and never goes back.
pub(super) struct Clock {
    origin: AtomicI64,
    started: Instant,
}

impl Clock {
    fn new() -> Clock {
        Clock { origin: AtomicI64::new(Moment::now().0), started: Instant::now() }
    }

    pub(super) fn now(&self) -> Moment {
        let elapsed = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        let now = self.origin.load(Acquire).saturating_add(elapsed);
        let ahead = Moment::now().0.saturating_sub(now);
        if ahead <= CLOCK_STEP_MS {
            return Moment(now);
        }
        self.origin.fetch_add(ahead, Release);
        Moment(now.saturating_add(ahead))
    }

    /// A moment of the log as this clock has it. The two differ when the wall clock was set back:
    /// what was a minute ago still is.
    fn here(&self, at: Moment) -> Moment {
        let behind = self.now().0.saturating_sub(Moment::now().0);
        if behind <= CLOCK_STEP_MS { at } else { Moment(at.0.saturating_add(behind)) }
    }

    fn instant_of(&self, at: Moment) -> Instant {
        Instant::now() + Duration::from_millis(at.ms_since(self.now()))
    }
}

/// More than the two clocks drift apart by themselves while somebody looks.
const CLOCK_STEP_MS: i64 = 1_000;

impl Router {
    /// A router that knows nobody yet.
    pub(super) fn new() -> Router {
        let (inbox, unread) = mpsc::channel(ROUTING_INBOX_EVENTS);
        Router {
            clock: Clock::new(),
            state: Mutex::default(),
            staff: OrderLock::new(()),
            reading: OrderLock::new(()),
            progress: Notify::new(),
            to_carry: Notify::new(),
            to_tell: Notify::new(),
            inbox,
            is_listening: AtomicBool::new(false),
            is_held: AtomicBool::new(false),
            unread: Mutex::new(Some(unread)),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_job(&self) -> Option<Job> {
        self.lock().jobs.pop_front()
    }

    fn put_back(&self, job: Job) {
        self.lock().jobs.push_front(job);
        self.to_carry.notify_one();
    }

    /// When the next engine wants to be woken.
    fn next_due(&self) -> Option<Instant> {
        let due = self.lock().due.first().map(|(at, _)| *at);
        due.map(|at| self.clock.instant_of(at))
    }

    /// The tenants whose moment has come.
    fn take_due(&self) -> Vec<TenantId> {
        let now = self.clock.now();
        let state = self.lock();
        state.due.iter().take_while(|(at, _)| *at <= now).map(|(_, of)| of.clone()).collect()
    }

    /// Notes a lease that is to be kept.
    pub(super) fn note_beat(&self, tenant: &TenantId, agent: &UserId, until: Moment) {
        let mut state = self.lock();
        state.beats.entry(tenant.clone()).or_default().insert(agent.clone(), until);
    }

    fn take_unread(&self) -> Option<mpsc::Receiver<Arc<Envelope>>> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl State {
    /// A tenant's floor; one that just began has an empty one.
    fn floor(&mut self, tenant: &TenantId, app: &App) -> &mut Floor {
        let now = app.0.router.clock.now();
        let is_restored = self.is_restored;
        self.tenants.entry(tenant.clone()).or_insert_with(|| Floor {
            engine: engine(app.routing_settings(), now, is_restored),
            read_to: 0,
            due: None,
            places: HashMap::new(),
            told: HashMap::new(),
            emails: HashMap::new(),
            departments: HashMap::new(),
            lines: Lines::default(),
            calls: CallsTaken::default(),
        })
    }

    /// Keeps what an engine decided, and when it wants to be woken. Returns whether whoever carries
    /// that out has to look.
    fn take(
        &mut self,
        tenant: &TenantId,
        decisions: Vec<Decision>,
        mut done: Option<oneshot::Sender<()>>,
    ) -> bool {
        let mut has_work = false;
        if let Some(floor) = self.tenants.get_mut(tenant) {
            let due = floor.engine.next_deadline();
            if due != floor.due {
                // One that is later than it was is found out at the earlier moment.
                has_work = due.is_some_and(|due| floor.due.is_none_or(|before| due < before));
                let old = floor.due.map(|at| (at, tenant.clone()));
                floor.due = due;
                old.map(|old| self.due.remove(&old));
                due.map(|at| self.due.insert((at, tenant.clone())));
            }
        }
        let is_kept = |d: &Decision| !matches!(d, Decision::QueueMoved { .. });
        let last = decisions.iter().rposition(is_kept);
        for (at, decision) in decisions.into_iter().enumerate() {
            if let Decision::QueueMoved { department } = decision {
                self.moved.insert((tenant.clone(), department));
                continue;
            }
            let done = if Some(at) == last { done.take() } else { None };
            self.jobs.push_back(Job { tenant: tenant.clone(), decision, done });
            has_work = true;
        }
        has_work
    }
}

/// The engine of a tenant: of one that began after the start there is nothing to restore.
fn engine(settings: Settings, now: Moment, is_restored: bool) -> Engine {
    let mut engine = Engine::new(settings);
    if is_restored {
        // Nothing can follow: it knows nobody.
        engine.apply(now, Input::Started, &mut Vec::new());
    }
    engine
}

impl App {
    /// The server stops: whoever goes now is not lost, and comes back to the next start.
    pub fn hold_routing(&self) {
        self.0.router.is_held.store(true, Release);
    }

    /// Routes, from where the log was read by [`App::restore_routing`]. Runs for ever.
    pub async fn serve_routing(&self, unread: Unread) {
        let carrying = Box::pin(self.carry_out_routing());
        tokio::join!(self.follow_log(unread.0), carrying, self.tell_places(), self.keep_beats());
    }

    fn routing_settings(&self) -> Settings {
        let ms = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        let settings = &self.config.routing;
        Settings {
            grace_ms: ms(settings.grace),
            start_grace_ms: ms(RESTART_GRACE),
            assumed_wait_ms: ms(settings.assumed_wait),
            is_following: self.duties().is_none(),
            ..Settings::default()
        }
    }

    /// Tells a tenant's engine what happened; what follows from it is under way when this returns.
    pub(super) fn route(&self, tenant: &TenantId, input: Input) {
        self.route_all(tenant, [input], None);
    }

    /// The same, and waits until what follows is kept.
    ///
    /// # Errors
    /// 503 when it is not kept in time; it will be.
    pub(super) async fn route_and_keep(
        &self,
        tenant: &TenantId,
        inputs: Vec<Input>,
    ) -> Result<(), Error> {
        let (done, kept) = oneshot::channel();
        self.route_all(tenant, inputs, Some(done));
        match timeout(ROUTING_KEEP_TIMEOUT, kept).await {
            // Without an answer there was nothing to keep.
            Ok(_) => Ok(()),
            Err(_) => {
                Err(Error::Unavailable("the server cannot store anything at the moment".into()))
            }
        }
    }

    fn route_all(
        &self,
        tenant: &TenantId,
        inputs: impl IntoIterator<Item = Input>,
        done: Option<oneshot::Sender<()>>,
    ) {
        let router = &self.0.router;
        let now = router.clock.now();
        let mut decisions = Vec::new();
        let mut state = router.lock();
        let floor = state.floor(tenant, self);
        for input in inputs {
            floor.engine.apply(now, input, &mut decisions);
        }
        let has_moved = decisions.iter().any(|d| matches!(d, Decision::QueueMoved { .. }));
        let has_work = state.take(tenant, decisions, done);
        drop(state);
        if has_work {
            router.to_carry.notify_one();
        }
        if has_moved {
            router.to_tell.notify_one();
        }
    }

    /// Whoever has this chooses alone.
    pub(super) async fn routing_turn(&self, tenant: &TenantId) -> tokio::sync::MutexGuard<'_, ()> {
        self.order_of(tenant, "routing turn").lock().await
    }

    /// Waits until routing has taken in what was just committed, so that whoever asks next is told
    /// a place behind it. Not for long: routing reads on by itself.
    pub(super) async fn routed(&self, tenant: &TenantId, outcomes: &[Outcome]) {
        let router = &self.0.router;
        let last = outcomes.iter().rev().filter_map(Outcome::envelope);
        let Some(last) = last.into_iter().find(|e| listen::concerns_routing(&e.event)) else {
            return;
        };
        let position = last.position();
        let caught_up = async {
            while router.is_listening.load(Acquire) {
                let progress = router.progress.notified();
                if self.ask_floor(tenant, |floor, _| floor.read_to) >= position {
                    break;
                }
                progress.await;
            }
        };
        let _ = timeout(ROUTING_CATCH_UP, caught_up).await;
    }

    /// Asks a tenant's floor; nothing is known of a tenant without one.
    pub(super) fn ask_floor<T: Default>(
        &self,
        tenant: &TenantId,
        question: impl FnOnce(&Floor, Moment) -> T,
    ) -> T {
        let router = &self.0.router;
        let now = router.clock.now();
        let state = router.lock();
        state.tenants.get(tenant).map(|floor| question(floor, now)).unwrap_or_default()
    }

    /// Asks a tenant's engine; `None` for a tenant without one.
    pub(super) fn ask_engine<T>(
        &self,
        tenant: &TenantId,
        question: impl FnOnce(&Engine, Moment) -> T,
    ) -> Option<T> {
        let router = &self.0.router;
        let now = router.clock.now();
        let state = router.lock();
        state.tenants.get(tenant).map(|floor| question(&floor.engine, now))
    }
}
