//! What everybody in the drill shares: the nodes' addresses, tokens, the books, and the phase.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::books::{Books, Trouble, now_ms};
use crate::line::{Answer, ask};

/// How long a token holds: longer than any run.
const TOKEN_SECONDS: i64 = 12 * 60 * 60;

/// How long the drill itself tries to have something done.
const INSIST_TIMEOUT: Duration = Duration::from_secs(40);

/// What the people do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// They talk.
    Load,
    /// They stay, say nothing new, and agents end what they have.
    Settle,
    /// They go.
    Leave,
}

/// Those who are cut off with a killed node and have an odd number stay away until then.
#[derive(Debug, Clone, Copy)]
struct HoldBack {
    node: usize,
    until: Instant,
}

/// What all share.
pub(crate) struct World {
    /// When the run began.
    pub(crate) started: Instant,
    /// Where the nodes are.
    pub(crate) nodes: Vec<SocketAddr>,
    /// What the clients know.
    pub(crate) books: RefCell<Books>,
    /// For REST.
    pub(crate) http: reqwest::Client,
    /// An admin's token.
    pub(crate) admin: String,
    secret: String,
    phase: watch::Sender<Phase>,
    turn: Cell<usize>,
    serial: Cell<u64>,
    hold_back: Cell<Option<HoldBack>>,
}

impl World {
    /// A world of these nodes, which check tokens by this secret.
    pub(crate) fn new(nodes: Vec<SocketAddr>, secret: &str) -> Result<Self> {
        let mut world = Self {
            started: Instant::now(),
            nodes,
            books: RefCell::default(),
            // A connection that was kept to a node that is killed would be one more way to fail.
            http: reqwest::Client::builder().pool_max_idle_per_host(0).no_proxy().build()?,
            admin: String::new(),
            secret: secret.to_owned(),
            phase: watch::Sender::new(Phase::Load),
            turn: Cell::new(0),
            serial: Cell::new(0),
            hold_back: Cell::new(None),
        };
        world.admin = world.token("drill-admin", "admin")?;
        Ok(world)
    }

    /// A token of one of the default tenant.
    pub(crate) fn token(&self, user: &str, role: &str) -> Result<String> {
        let exp = now_ms() / 1_000 + TOKEN_SECONDS;
        let claims = json!({"sub": user, "role": role, "name": user, "exp": exp});
        Ok(encode(&Header::default(), &claims, &EncodingKey::from_secret(self.secret.as_bytes()))?)
    }

    /// The number of the node whose turn it is: the clients are their own load balancer.
    pub(crate) fn next_node(&self) -> usize {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        turn % self.nodes.len()
    }

    /// A number that nobody else gets.
    pub(crate) fn next_serial(&self) -> u64 {
        self.serial.set(self.serial.get() + 1);
        self.serial.get()
    }

    /// A request to whichever node is next, once.
    pub(crate) async fn ask(
        &self,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Answer> {
        ask(&self.http, self.nodes[self.next_node()], path, token, body).await
    }

    /// A request that must succeed while nothing is broken: another node is asked until one does it.
    pub(crate) async fn insist(
        &self,
        path: &str,
        token: &str,
        body: Option<&Value>,
    ) -> Result<Value> {
        let deadline = Instant::now() + INSIST_TIMEOUT;
        loop {
            let last = match self.ask(path, Some(token), body).await {
                Ok(answer) if answer.is_ok() => return Ok(answer.body),
                Ok(answer) => format!("{} {}", answer.status, answer.body),
                Err(fault) => format!("{fault:#}"),
            };
            if Instant::now() > deadline {
                bail!("{path}: {last}");
            }
            sleep(Duration::from_millis(300)).await;
        }
    }

    /// The phase, to be followed.
    pub(crate) fn phases(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// The phase now.
    pub(crate) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// The next phase begins.
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.send_replace(phase);
    }

    /// Has those with odd numbers stay away who are cut off by this node now.
    pub(crate) fn hold_back(&self, node: usize, until: Instant) {
        self.hold_back.set(Some(HoldBack { node, until }));
    }

    /// Whether somebody stays away who lost its line to a node.
    pub(crate) fn stays_away(&self, number: u64, node: usize) -> bool {
        self.hold_back.get().is_some_and(|held| {
            held.node == node && held.until > Instant::now() && is_held_back(number)
        })
    }

    /// Somebody saw what nobody should.
    pub(crate) fn trouble(&self, user: &str, what: impl Into<String>) {
        let (at, user, what) = (self.started.elapsed(), user.to_owned(), what.into());
        self.books.borrow_mut().troubles.push(Trouble { at, user, what });
    }

    /// A text of an answer that was insisted on.
    pub(crate) fn text(body: &Value, pointer: &str) -> Result<String> {
        let text = body.pointer(pointer).and_then(Value::as_str);
        Ok(text.with_context(|| format!("no {pointer} in {body}"))?.to_owned())
    }
}

/// Whether a client with this number stays away after a kill.
pub(crate) fn is_held_back(number: u64) -> bool {
    number % 2 == 1
}
