//! What the handshakes of plain WebSockets share: what a request carries, and the way from a
//! connection that may be to one that is. Everything that can be refused is refused before that.

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Request};
use axum::http::HeaderValue;
use axum::http::request::Parts;
use axum::response::Response;
use futures_util::FutureExt;

use super::connection::{self, Beginning, Opened};
use super::socket::{self, Socket};
use super::{Beat, Codec, Door};
use crate::app::Connection;
use crate::door::{self, Origin};
use crate::model::Error;

/// A request for a WebSocket.
pub(super) struct Knock {
    parts: Parts,
    origin: Origin,
    upgrade: Result<WebSocketUpgrade, String>,
}

impl Knock {
    /// Looks at where a request comes from, and whether it can be upgraded.
    ///
    /// # Errors
    /// 403 for a foreign origin.
    pub(super) async fn of(door: &Door, request: Request) -> Result<Knock, Error> {
        let (mut parts, _) = request.into_parts();
        let origin = door.origins.of(&parts.headers);
        if origin == Origin::Foreign {
            return Err(Error::Forbidden("this origin may not connect".into()));
        }
        let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
        Ok(Knock { parts, origin, upgrade: upgrade.map_err(|err| err.to_string()) })
    }

    /// A parameter of the query, if it is there and says something.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        door::query_parameter(self.parts.uri.query(), name).filter(|value| !value.is_empty())
    }

    /// What it carries to prove who it is; of these cookies, the first that is there.
    ///
    /// # Errors
    /// 401 for an Authorization header of another scheme.
    pub(super) fn credential(&self, cookies: &[&str]) -> Result<Option<String>, Error> {
        door::credential(&self.parts.headers, self.parts.uri.query(), self.origin, cookies)
    }

    /// The address it came from, for limits.
    pub(super) fn address(&self) -> String {
        door::address(&self.parts)
    }

    /// What is wrong with the request itself: told after who may not come in at all.
    pub(super) fn objection(&self) -> Option<Error> {
        self.upgrade.as_ref().err().map(|reason| Error::Malformed(reason.clone()))
    }

    /// From where the connection is to be told.
    pub(super) fn beginning(&self) -> Beginning {
        self.parameter("after").map_or(Beginning::Now, Beginning::After)
    }

    /// A place among the sockets of its address, while the server takes any.
    ///
    /// # Errors
    /// 503 while the server is going away, 429 for an address that has its share.
    pub(super) fn place(&self, door: &Door) -> Result<Box<dyn Send>, Error> {
        if door.shutdown.is_cancelled() {
            return Err(Error::Unavailable("the server is going away".into()));
        }
        let place = door.places.take(&self.parts.extensions);
        place.ok_or(Error::TooManyConnections("from this address"))
    }

    /// Upgrades, and serves the connection from then on.
    ///
    /// # Errors
    /// 400 for a request that is no upgrade.
    pub(super) fn open<C: Codec<Line = Socket>>(
        self,
        door: Door,
        place: Box<dyn Send>,
        conn: Connection,
        codec: C,
    ) -> Result<Response, Error> {
        let beginning = self.beginning();
        self.open_at(door, place, conn, codec, beginning)
    }

    /// The same, told from where the handshake says.
    ///
    /// # Errors
    /// 400 for a request that is no upgrade.
    pub(super) fn open_at<C: Codec<Line = Socket>>(
        self,
        door: Door,
        place: Box<dyn Send>,
        conn: Connection,
        codec: C,
        beginning: Beginning,
    ) -> Result<Response, Error> {
        let app = door.app;
        let upgrade = self.upgrade.map_err(Error::Malformed)?;
        let mut upgrade = socket::sized(upgrade, app.config.limits.frame_bytes);
        if upgrade.requested_protocols().any(|p| p == door::TOKEN_PROTOCOL) {
            upgrade.set_selected_protocol(HeaderValue::from_static(door::TOKEN_PROTOCOL));
        }
        let beat = Beat::new(app.config.server.ping_interval, app.config.server.ping_timeout);
        let (registry, tracker) = (door.registry, door.tracker);
        Ok(upgrade.on_upgrade(move |ws| {
            let line = Socket::new(ws);
            // A task of its own: the handshake's future is large, a connection's is not.
            let opened = Opened { app, registry, codec, conn, line, beginning, beat };
            // Not awaited in a block of our own, which would keep room for it twice.
            tracker.spawn(connection::run(opened).map(|()| drop(place)));
            std::future::ready(())
        }))
    }
}
