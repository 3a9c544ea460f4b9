//! The session dialect's handshake (documents 000 and 002): everything that can be refused is
//! refused before the upgrade, in the contract's order.

mod codec;
mod requests;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::HeaderValue;
use axum::response::Response;
use axum::routing::get;
use futures_util::FutureExt;

use super::connection::{self, Beginning, Opened};
use super::socket::{self, Socket};
use super::{Beat, Door};
use crate::app::SessionPath;
use crate::door::{self, Origin};
use crate::model::Error;
use codec::Session;

/// The dialect's one route.
pub fn router(door: Door) -> Router {
    Router::new().route("/ws/{session_id}/{user_id}/{user_type}", get(open)).with_state(door)
}

async fn open(State(door): State<Door>, request: Request) -> Response {
    let app = door.app.clone();
    match admit(door, request).await {
        Ok(response) => response,
        Err(refusal) => {
            app.metrics.refused(&refusal);
            door::refuse(&refusal)
        }
    }
}

async fn admit(door: Door, request: Request) -> Result<Response, Error> {
    let (mut parts, _) = request.into_parts();
    let path = parse_path(parts.uri.path())?;
    let app = door.app;
    let origin = door.origins.of(&parts.headers);
    if origin == Origin::Foreign {
        return Err(Error::Forbidden("this origin may not connect".into()));
    }
    // An open session believes its path; a cookie of another page of this browser must not differ.
    let cookies: &[&str] = match path.role {
        _ if app.config.auth.open_sessions => &[],
        crate::model::Role::Customer => &[door::SESSION_COOKIE],
        _ => &[door::LOGIN_COOKIE],
    };
    let query = parts.uri.query().map(str::to_owned);
    let credential = door::credential(&parts.headers, query.as_deref(), origin, cookies)?;
    let token = match credential {
        Some(credential) => Some(app.identify(&credential).await?),
        None => None,
    };
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
    let (upgrade, objection) = match upgrade {
        Ok(upgrade) => (Some(upgrade), None),
        Err(err) => (None, Some(Error::Malformed(err.to_string()))),
    };
    let (who, seat, room) = app.admit(token, &path, objection).await?;
    if door.shutdown.is_cancelled() {
        return Err(Error::Unavailable("the server is going away".into()));
    }
    let place = door.places.take(&parts.extensions);
    let place = place.ok_or(Error::TooManyConnections("from this address"))?;
    let upgrade = upgrade.ok_or_else(|| Error::Malformed("no WebSocket upgrade".into()))?;
    let mut upgrade = socket::sized(upgrade, app.config.limits.frame_bytes);
    let bearer = upgrade.requested_protocols().any(|p| p == door::TOKEN_PROTOCOL);
    if bearer {
        upgrade.set_selected_protocol(HeaderValue::from_static(door::TOKEN_PROTOCOL));
    }
    let after = door::query_parameter(query.as_deref(), "after").filter(|a| !a.is_empty());
    let mut conn = app.connect(who, seat);
    conn.rooms = vec![room];
    let codec = Session::new(path.session, app.config.agents.heartbeat_interval);
    let beat = Beat::new(app.config.server.ping_interval, app.config.server.ping_timeout);
    let (registry, tracker) = (door.registry, door.tracker);
    Ok(upgrade.on_upgrade(move |ws| {
        let line = Socket::new(ws);
        let beginning = after.map_or(Beginning::Now, Beginning::After);
        // A task of its own: the handshake's future is large, a connection's is not.
        let opened = Opened { app, registry, codec, conn, line, beginning, beat };
        // Not awaited in a block of our own, which would keep room for it twice.
        tracker.spawn(connection::run(opened).map(|()| drop(place)));
        std::future::ready(())
    }))
}

/// The path's three parts. They hold no character that would need decoding.
fn parse_path(path: &str) -> Result<SessionPath, Error> {
    let mut parts = path.trim_start_matches("/ws/").split('/');
    let mut next = || parts.next().unwrap_or_default();
    let (session, user, user_type) = (next(), next(), next());
    let user = percent_decode(user);
    SessionPath::parse(session, &user, user_type)
}

/// `@` and `:` may come encoded.
fn percent_decode(text: &str) -> String {
    let form = text.replace('+', "%2B");
    let query = format!("v={form}");
    door::query_parameter(Some(&query), "v").unwrap_or_default()
}

/// Reads any text as a client's frame, and writes the answer to what is refused; for `fuzz/`.
#[doc(hidden)]
pub fn fuzz_session_decode(text: &str) {
    use super::socket::Frame;
    use super::{Codec, Decoded};
    let session = crate::model::ConversationId(uuid::Uuid::nil());
    let mut codec = Session::new(session, std::time::Duration::ZERO);
    if let Decoded::Request(tag, Err(refusal)) = codec.decode(Frame::Text(text.into())) {
        let mut answer = Vec::new();
        codec.reply(tag, Err(refusal), &mut answer);
        assert!(answer.iter().any(|json| json.starts_with(b"{")), "a refusal is answered");
    }
}
