//! Requests for what lives on another node, passed on to it and answered with what it says. Knows
//! where nodes are and how HTTP is passed on; what the requests are about is the dialect's.
//!
//! A load balancer sends each request of a long-polling client to whatever node it likes, and the
//! session lives on one of them (`docs/adr/0030-long-polling-through-any-node.md`).

mod forward;
mod lines;
mod splice;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use rustls::ClientConfig;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::limits::{
    DRAIN_GROUP_INTERVAL, RELAY_LEAVING_GROUPS, RELAY_SPARE, RELAY_WATCH_INTERVAL,
    REST_BODY_TIMEOUT,
};
use crate::model::NodeId;
use crate::presence::Presence;
use forward::Forwarded;
use lines::{Line, Lines};

/// Why a request was not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotPassed {
    /// There is no such node, or not any more; or it went while it was asked, and may have done
    /// what the request says. Nobody is to try the same again.
    Unknown,
    /// It was not asked. The same request may do better in a moment, or elsewhere.
    Busy,
    /// The body is larger than a frame may be.
    TooLarge,
}

/// The way to the other nodes. Cheap to clone.
#[derive(Clone)]
pub struct Relay(Arc<Shared>);

struct Shared {
    presence: Arc<dyn Presence>,
    lines: Lines,
    tracker: TaskTracker,
    shutdown: CancellationToken,
    turns: Arc<Semaphore>,
    known: Mutex<HashMap<NodeId, Known>>,
    /// Requests passed on, to divide those under way into groups.
    passed: AtomicU32,
    /// How long a line may be silent whose sides ping each other.
    silence_max: Duration,
    frame_bytes: usize,
}

/// A node that was alive when it was looked for last.
#[derive(Clone)]
struct Known {
    address: Arc<str>,
    /// It counts as dead.
    gone: CancellationToken,
}

impl Relay {
    /// The way to the nodes that presence knows, for so many requests at once; over TLS if there is a
    /// configuration for it.
    pub fn new(
        presence: Arc<dyn Presence>,
        config: &Config,
        at_once: usize,
        tracker: TaskTracker,
        shutdown: CancellationToken,
        tls: Option<Arc<ClientConfig>>,
    ) -> Relay {
        let silence_max =
            config.socketio.ping_interval + config.socketio.ping_timeout + RELAY_SPARE;
        let head_timeout = config.server.handshake_timeout;
        Relay(Arc::new(Shared {
            presence,
            lines: Lines::new(tls, head_timeout, tracker.clone(), shutdown.clone()),
            tracker,
            shutdown,
            turns: Arc::new(Semaphore::new(at_once)),
            frame_bytes: config.limits.frame_bytes,
            known: Mutex::default(),
            passed: AtomicU32::new(0),
            silence_max,
        }))
    }

    /// Passes a request on to a node, and its answer back. A request that wants to become something
    /// else than HTTP does, if the node lets it; its bytes are passed on from then on.
    pub(super) async fn pass(&self, node: NodeId, request: Request) -> Result<Response, NotPassed> {
        if forward::is_forwarded(request.headers()) {
            // Whoever passed it on took us for another node. Doing as it did would go in circles.
            return Err(NotPassed::Unknown);
        }
        let turn = self.0.turns.clone().try_acquire_owned().map_err(|_| NotPassed::Busy)?;
        let known = self.find(node).await?;
        tokio::select! {
            passed = self.exchange(&known, request, turn) => passed,
            () = known.gone.cancelled() => Err(NotPassed::Unknown),
            () = self.leaving() => Err(NotPassed::Busy),
        }
    }

    async fn exchange(
        &self,
        known: &Known,
        request: Request,
        turn: OwnedSemaphorePermit,
    ) -> Result<Response, NotPassed> {
        let (mut parts, body) = request.into_parts();
        let upgrade = parts.extensions.remove::<OnUpgrade>();
        let client = upgrade.filter(|_| wants_websocket(&parts.headers));
        let request = forward::onward(parts, body, client.is_some(), self.0.frame_bytes)?;
        // The body may take its time, and so may what it is to be told; then the node itself has
        // said something, if it is there.
        let patience = REST_BODY_TIMEOUT + self.0.silence_max;
        let sent = timeout(patience, self.send(&known.address, request)).await;
        let (line, response) = sent.map_err(|_| NotPassed::Unknown)??;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let response = forward::backward(response, false);
            let give_back = (self.0.lines.clone(), line);
            return Ok(response.map(|body| Body::new(Forwarded::new(body, give_back, turn))));
        }
        let client = client.ok_or(NotPassed::Unknown)?;
        Ok(self.splice(known, client, response, turn))
    }

    /// Sends a request over a line that waits for one, or over a new one.
    async fn send(
        &self,
        address: &Arc<str>,
        mut request: Request,
    ) -> Result<(Line, hyper::Response<Incoming>), NotPassed> {
        loop {
            let (mut line, is_new) = match self.0.lines.take(address).await {
                Ok(taken) => taken,
                Err(error) => {
                    tracing::warn!(%address, %error, "a node cannot be reached by this one");
                    return Err(NotPassed::Busy);
                }
            };
            match line.sender.try_send_request(request).await {
                Ok(response) => return Ok((line, response)),
                Err(mut failed) => match failed.take_message() {
                    // The other side had closed it, as idle lines are.
                    Some(unsent) if !is_new => request = unsent,
                    Some(_) => return Err(NotPassed::Busy),
                    None => return Err(forward::reason_of(failed.error())),
                },
            }
        }
    }

    fn splice(
        &self,
        known: &Known,
        client: OnUpgrade,
        mut response: hyper::Response<Incoming>,
        turn: OwnedSemaphorePermit,
    ) -> Response {
        let owner = hyper::upgrade::on(&mut response);
        let (relay, gone) = (self.clone(), known.gone.clone());
        self.0.tracker.spawn(async move {
            let _turn = turn;
            tokio::select! {
                () = splice::run(client, owner, relay.0.silence_max) => {}
                () = gone.cancelled() => {}
                () = relay.leaving() => {}
            }
        });
        forward::backward(response, true).map(|_| Body::empty())
    }

    /// Waits until what is under way has to end because this node goes: in groups, so that the
    /// clients do not all come back at once.
    async fn leaving(&self) {
        let group = self.0.passed.fetch_add(1, Ordering::Relaxed) % RELAY_LEAVING_GROUPS;
        self.0.shutdown.cancelled().await;
        sleep(DRAIN_GROUP_INTERVAL * group).await;
    }

    async fn find(&self, node: NodeId) -> Result<Known, NotPassed> {
        if let Some(known) = self.known().get(&node) {
            return Ok(known.clone());
        }
        match self.0.presence.address_of(node).await {
            Ok(Some(address)) => {
                let known = Known { address: address.into(), gone: CancellationToken::new() };
                Ok(self.known().entry(node).or_insert(known).clone())
            }
            Ok(None) => Err(NotPassed::Unknown),
            Err(error) => {
                tracing::debug!(%node, %error, "where is this node?");
                Err(NotPassed::Busy)
            }
        }
    }

    /// Looks whether the nodes that were asked something are still alive, and gives up on those
    /// that are not: one that hangs, or whose machine was switched off, never ends a line itself.
    /// Runs for ever; `server.rs` spawns it.
    pub async fn watch(self) {
        let mut ticks = interval(RELAY_WATCH_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let nodes: Vec<NodeId> = self.known().keys().copied().collect();
            for node in nodes {
                // While presence does not answer, nobody is known to have gone.
                if let Ok(None) = self.0.presence.address_of(node).await
                    && let Some(known) = self.known().remove(&node)
                {
                    known.gone.cancel();
                }
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<NodeId, Known>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wants_websocket(headers: &HeaderMap) -> bool {
    let upgrade = headers.get(header::UPGRADE).and_then(|value| value.to_str().ok());
    upgrade.is_some_and(|name| name.eq_ignore_ascii_case("websocket"))
}
