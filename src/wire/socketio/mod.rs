//! Socket.IO (document 003): the HTTP side of its handshake, its polls and its upgrades.
//!
//! The protocol itself is the crate `engineio-socketio`, which knows nothing of us. A session of
//! it is one task here: first [`greeting`] finds out who it is, then the one loop of every dialect
//! serves it, over a [`line`](self::line) that is a WebSocket or long-polling, whichever it is now.

mod codec;
mod frames;
mod greeting;
mod line;
mod requests;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bytes::Bytes;
use engineio_socketio::engine::{self, Refusal};
use engineio_socketio::{Link, Sessions, Sid, socket as packets};
use futures_util::FutureExt;
use futures_util::future::OptionFuture;
use tokio::time::timeout;

use super::relay::NotPassed;
use super::socket::{self, Socket};
use super::{Beat, Door, connection};
use crate::config::Config;
use crate::door::{self, Origin};
use crate::limits::{
    AUTHENTICATE_DEADLINE, CLOSE_GRACE, POLL_FRAMES_WAITING_MAX, REST_BODY_TIMEOUT,
    SOCKETIO_ATTACHMENTS_MAX, SOCKETIO_JSON_DEPTH_MAX,
};
use crate::model::NodeId;
use greeting::Greeter;

/// The dialect's one route.
pub fn router(door: Door) -> Router {
    let (config, node) = (door.app.config.clone(), door.app.node);
    let engine = Engine {
        door,
        sessions: Sessions::new(engine_config(&config, node)),
        packets: Arc::new(packets_config(&config)),
    };
    Router::new()
        .route("/socket.io/", any(serve))
        .route("/socket.io", any(serve))
        .with_state(engine)
}

fn engine_config(config: &Config, node: NodeId) -> engine::Config {
    engine::Config {
        // Wherever a request of the session arrives, it tells where the session is.
        sid_prefix: node.to_string(),
        ping_interval: config.socketio.ping_interval,
        ping_timeout: config.socketio.ping_timeout,
        upgrade_timeout: config.socketio.upgrade_timeout,
        max_payload: config.limits.frame_bytes,
        frames_waiting_max: POLL_FRAMES_WAITING_MAX,
        bytes_waiting_max: config.limits.frame_bytes,
        close_timeout: CLOSE_GRACE,
        // The registry looks after all connections with one clock.
        own_timers: false,
        ..engine::Config::default()
    }
}

fn packets_config(config: &Config) -> packets::Config {
    packets::Config {
        connect_timeout: AUTHENTICATE_DEADLINE,
        attachments_max: SOCKETIO_ATTACHMENTS_MAX,
        attachment_bytes_max: config.limits.frame_bytes,
        json_depth_max: SOCKETIO_JSON_DEPTH_MAX,
        ..packets::Config::default()
    }
}

/// Everything a request needs. Cheap to clone.
#[derive(Clone)]
struct Engine {
    door: Door,
    sessions: Sessions<Socket>,
    packets: Arc<packets::Config>,
}

/// A place among the sockets of an address, held as long as the session.
type Place = Box<dyn Send>;

async fn serve(State(engine): State<Engine>, request: Request) -> Response {
    if engine.door.origins.of(request.headers()) == Origin::Foreign {
        return answer(Refusal::Forbidden);
    }
    if let Some(node) = engine.other_node(&request) {
        // In a box, so that no request pays for it that stays here.
        return Box::pin(engine.pass(node, request)).await;
    }
    let (mut parts, body) = request.into_parts();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await.ok();
    let query = parts.uri.query().unwrap_or_default();
    let prefix = &engine.sessions.config().sid_prefix;
    let asked = engine::classify(&parts.method, query, upgrade.is_some(), prefix);
    match (asked, upgrade) {
        (Ok(engine::Request::Poll(sid)), _) => engine.sessions.poll(sid).await.map(Body::from),
        (Ok(engine::Request::Post(sid)), _) => engine.post(sid, body).await,
        (Ok(engine::Request::OpenPolling), _) => engine.open_polling(&parts),
        (Ok(engine::Request::OpenWebSocket), Some(upgrade)) => engine.open(&parts, upgrade),
        (Ok(engine::Request::Upgrade(sid)), Some(upgrade)) => engine.upgrade(sid, upgrade),
        (Ok(_), None) => answer(Refusal::BadRequest),
        (Err(refusal), _) => answer(refusal),
    }
}

fn answer(refusal: Refusal) -> Response {
    refusal.to_response().map(Body::from)
}

impl Engine {
    /// The node on which the session of a request lives, if it is not this one.
    fn other_node(&self, request: &Request) -> Option<NodeId> {
        let sid = engine::sid_of(request.uri().query()?)?;
        let own = &self.sessions.config().sid_prefix;
        NodeId::parse(sid.get(..own.len())?).filter(|node| *node != self.door.app.node)
    }

    /// Lets the session's own node answer. A client that is told anything but its session's answer
    /// begins a new one, and is taken up again there.
    async fn pass(self, node: NodeId, request: Request) -> Response {
        match self.door.relay.pass(node, request).await {
            Ok(response) => response,
            Err(NotPassed::Unknown) => answer(Refusal::UnknownSid),
            Err(NotPassed::Busy) => answer(Refusal::Busy),
            Err(NotPassed::TooLarge) => answer(Refusal::PayloadTooLarge),
        }
    }

    async fn post(self, sid: Sid, body: Body) -> Response {
        if let Err(refusal) = self.sessions.check_upgrade(sid) {
            return answer(refusal);
        }
        let max = self.sessions.config().max_payload;
        // One more than allowed tells a body that is too large from one that is just allowed.
        let read = timeout(REST_BODY_TIMEOUT, to_bytes(body, max + 1)).await;
        match read {
            Ok(Ok(body)) => self.sessions.post(sid, body).await.map(Body::from),
            Ok(Err(_)) => answer(Refusal::PayloadTooLarge),
            Err(_) => answer(Refusal::BadRequest),
        }
    }

    fn open_polling(self, parts: &Parts) -> Response {
        let Some(place) = self.place(parts) else { return self.no_place() };
        match self.sessions.open_polling() {
            Ok((link, response)) => {
                let greeter = self.greeter(parts);
                self.spawn(link, greeter, place);
                response.map(Body::from)
            }
            Err(refusal) => answer(refusal),
        }
    }

    fn open(self, parts: &Parts, upgrade: WebSocketUpgrade) -> Response {
        let Some(place) = self.place(parts) else { return self.no_place() };
        let greeter = self.greeter(parts);
        let upgrade = socket::sized(upgrade, self.sessions.config().max_payload);
        upgrade.on_upgrade(move |ws| {
            match self.sessions.open_websocket(Socket::new(ws)) {
                Ok(link) => self.spawn(link, greeter, place),
                Err(refusal) => tracing::warn!(%refusal, "a session could not be opened"),
            }
            std::future::ready(())
        })
    }

    /// A WebSocket for a session that polls; the session has its place already.
    fn upgrade(self, sid: Sid, upgrade: WebSocketUpgrade) -> Response {
        if let Err(refusal) = self.sessions.check_upgrade(sid) {
            return answer(refusal);
        }
        let upgrade = socket::sized(upgrade, self.sessions.config().max_payload);
        upgrade.on_upgrade(move |ws| async move {
            self.sessions.upgrade(sid, Socket::new(ws)).await;
        })
    }

    fn place(&self, parts: &Parts) -> Option<Place> {
        match self.door.shutdown.is_cancelled() {
            true => None,
            false => self.door.places.take(&parts.extensions),
        }
    }

    /// Why there is no place.
    fn no_place(&self) -> Response {
        if self.door.shutdown.is_cancelled() {
            return answer(Refusal::Busy);
        }
        let refusal = crate::model::Error::TooManyConnections("from this address");
        self.door.app.metrics.refused(&refusal);
        door::refuse(&refusal).into_response()
    }

    /// What a session needs to know of the request that opened it.
    fn greeter(&self, parts: &Parts) -> Greeter {
        let origin = self.door.origins.of(&parts.headers);
        let cookies = [door::LOGIN_COOKIE, door::SESSION_COOKIE];
        // What is no credential of ours may be somebody else's: the handshake's counts then.
        let carried = door::credential(&parts.headers, parts.uri.query(), origin, &cookies);
        Greeter {
            app: self.door.app.clone(),
            registry: self.door.registry.clone(),
            packets: self.packets.clone(),
            carried: carried.ok().flatten(),
        }
    }

    fn spawn(&self, mut link: Link<Socket>, greeter: Greeter, place: Place) {
        let (door, config) = (self.door.clone(), &self.door.app.config.socketio);
        let tracker = self.door.tracker.clone();
        let beat = Beat::new(config.ping_interval, config.ping_interval + config.ping_timeout);
        // In a box with all it needs, so that a session that is known pays for its loop alone.
        let greeting = Box::pin(async move {
            match greeter.greet(&mut link, &door.shutdown).await {
                Ok(greeted) => Some(connection::run(greeted.open(door, link, beat))),
                Err(reason) => {
                    line::close(link, reason).await;
                    None
                }
            }
        });
        // Not awaited in a block of our own, which would keep room for it twice.
        tracker.spawn(greeting.then(OptionFuture::from).map(|_served| drop(place)));
    }
}

/// Reads bytes as a client's packets, for `fuzz/`.
#[doc(hidden)]
pub fn fuzz_socketio_decode(packet: Bytes) {
    codec::fuzz_decode(packet);
}
