//! Who calls: the credential of a REST request turned into an identity, once per request, and its
//! share of the rate limit taken.
//!
//! [`identify`] refuses nobody but those over their limit; what it found is for the extractors, so
//! that a malformed id is refused before a missing token (contract 4).

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request;

use super::Parts;
use super::answer::Refusal;
use crate::door::{self, LOGIN_COOKIE, SESSION_COOKIE};
use crate::model::{Error, Identity, Role};

/// Who calls, for routes that need somebody.
pub(super) struct Caller(pub(super) Identity);

/// Who calls, for routes that `auth.open_sessions` opens to everybody. `None` is for the verb to
/// judge.
pub(super) struct MaybeCaller(pub(super) Option<Identity>);

/// The address a request came from, for limits.
pub(super) struct Address(pub(super) String);

/// What [`identify`] found.
#[derive(Clone)]
struct Asker {
    who: Result<Option<Identity>, Error>,
    /// Whether it was the session cookie that told.
    by_session_cookie: bool,
}

/// Finds out who calls, and counts the request.
pub(super) async fn identify(State(parts): State<Parts>, request: Request, next: Next) -> Response {
    let (mut head, body) = request.into_parts();
    let asker = asker_of(&parts, &head).await;
    let who = asker.who.as_ref().ok().and_then(Option::as_ref);
    if !is_producer(who, &head)
        && let Err(refusal) = parts.app.count_request(who, &door::address(&head)).await
    {
        return Refusal(refusal).into_response();
    }
    head.extensions.insert(asker);
    next.run(Request::from_parts(head, body)).await
}

/// A telephone exchange that posts what happens, call by call, is no client that asks too much.
fn is_producer(who: Option<&Identity>, head: &request::Parts) -> bool {
    head.uri.path() == "/api/events" && who.is_some_and(|who| who.role == Role::Service)
}

/// Counts a request of nobody yet. Whatever token comes along is not looked at: neither does a
/// stale one keep anybody from logging in, nor do fresh ones, which anybody may fetch, raise the
/// limit of an address.
pub(super) async fn count(State(parts): State<Parts>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    match parts.app.count_request(None, &door::address(&head)).await {
        Ok(()) => next.run(Request::from_parts(head, body)).await,
        Err(refusal) => Refusal(refusal).into_response(),
    }
}

/// Tries what was sent on purpose, or else the cookies: a login that has ended must not hide a
/// session that has not.
async fn asker_of(parts: &Parts, head: &request::Parts) -> Asker {
    let origin = parts.origins.of(&head.headers);
    let credential =
        |cookies: &[&str]| door::credential(&head.headers, head.uri.query(), origin, cookies);
    let mut asker = Asker { who: Ok(None), by_session_cookie: false };
    match credential(&[]) {
        Ok(None) => {}
        Ok(Some(token)) => {
            return Asker { who: parts.app.identify(&token).await.map(Some), ..asker };
        }
        Err(refusal) => return Asker { who: Err(refusal), ..asker },
    }
    for cookie in [LOGIN_COOKIE, SESSION_COOKIE] {
        let Ok(Some(token)) = credential(&[cookie]) else { continue };
        let who = parts.app.identify(&token).await.map(Some);
        asker = Asker { who, by_session_cookie: cookie == SESSION_COOKIE };
        if !matches!(asker.who, Err(Error::Unauthorized(_))) {
            break;
        }
    }
    asker
}

impl FromRequestParts<Parts> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(head: &mut request::Parts, _: &Parts) -> Result<Caller, Refusal> {
        let asker = head.extensions.get::<Asker>();
        match asker.map_or(Ok(None), |asker| asker.who.clone())? {
            Some(who) => Ok(Caller(who)),
            None => Err(Refusal(Error::Unauthorized("no token".into()))),
        }
    }
}

impl FromRequestParts<Parts> for MaybeCaller {
    type Rejection = Refusal;

    async fn from_request_parts(
        head: &mut request::Parts,
        parts: &Parts,
    ) -> Result<MaybeCaller, Refusal> {
        let Some(asker) = head.extensions.get::<Asker>() else { return Ok(MaybeCaller(None)) };
        // Where everybody may look, the cookie that a browser adds unasked must not show its
        // customer less than somebody without one sees.
        if asker.by_session_cookie && parts.app.config.auth.open_sessions {
            return Ok(MaybeCaller(None));
        }
        Ok(MaybeCaller(asker.who.clone()?))
    }
}

impl FromRequestParts<Parts> for Address {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        head: &mut request::Parts,
        _: &Parts,
    ) -> Result<Address, Self::Rejection> {
        Ok(Address(door::address(head)))
    }
}
