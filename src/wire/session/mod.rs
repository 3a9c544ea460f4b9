//! The session dialect's handshake (documents 000 and 002): everything that can be refused is
//! refused before the upgrade, in the contract's order.

mod codec;
mod requests;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;

use super::Door;
use super::handshake::Knock;
use crate::app::SessionPath;
use crate::door;
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
    let path = parse_path(request.uri().path())?;
    let knock = Knock::of(&door, request).await?;
    let app = door.app.clone();
    // An open session believes its path; a cookie of another page of this browser must not differ.
    let cookies: &[&str] = match path.role {
        _ if app.config.auth.open_sessions => &[],
        crate::model::Role::Customer => &[door::SESSION_COOKIE],
        _ => &[door::LOGIN_COOKIE],
    };
    let token = match knock.credential(cookies)? {
        Some(credential) => Some(app.identify(&credential).await?),
        None => None,
    };
    let (who, seat, room) = app.admit(token, &path, knock.objection()).await?;
    let place = knock.place(&door)?;
    let mut conn = app.connect(who, seat);
    conn.rooms = vec![room];
    let codec = Session::new(path.session, app.config.agents.heartbeat_interval);
    knock.open(door, place, conn, codec)
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
