//! What lies around every route, sockets included: counting, one log line, CORS, the security
//! headers, refusals of unknown paths and methods, and the answer to a handler that panicked.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use tokio::time::Instant;
use uuid::Uuid;

use super::Parts;
use super::answer::Refusal;
use crate::door::Origin;
use crate::limits::REST_BODY_BYTES_MAX;
use crate::model::Error;

/// For what does not say otherwise, which the pages do.
const DEFAULTS: [(HeaderName, HeaderValue); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
];

/// What a page of an allowed origin may send.
const PREFLIGHT: [(HeaderName, HeaderValue); 3] = [
    (
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
    ),
    (
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("authorization, content-type, idempotency-key"),
    ),
    // Ten minutes: a changed list of origins is felt soon enough.
    (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600")),
];

/// Headers that a page of an allowed origin may read beside the usual ones.
const EXPOSED: HeaderValue = HeaderValue::from_static("retry-after, www-authenticate");

/// Lays the outer layers around all routes; nothing is to be added to the router afterwards.
pub fn outer(router: Router, parts: &Parts) -> Router {
    router
        .fallback(async || Refusal(Error::NotFound("path")))
        .layer(DefaultBodyLimit::max(REST_BODY_BYTES_MAX))
        .layer(from_fn_with_state(parts.clone(), attend))
}

async fn attend(State(parts): State<Parts>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map(MatchedPath::as_str);
    let allowed = allowed_origin(&parts, request.headers());
    let is_preflight = is_preflight(&request);
    let mut response = if is_preflight {
        StatusCode::NO_CONTENT.into_response()
    } else {
        run(request, next, route).await
    };
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response = wrong_method(&method);
    }
    if let Some(error) = response.extensions_mut().remove::<Error>() {
        parts.app.metrics.refused(&error);
    }
    add_cors(response.headers_mut(), allowed, is_preflight);
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        add_defaults(response.headers_mut());
    }
    note(&parts, &method, route, response.status(), started.elapsed());
    response
}

/// A panic ends one request; its place is in the line of the panic hook, its id in both this line
/// and the answer.
async fn run(request: Request, next: Next, route: Option<&str>) -> Response {
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => {
            let id = Uuid::new_v4().simple().to_string();
            tracing::error!(fault = id, route, "a request failed");
            Refusal(Error::Fault { id }).into_response()
        }
    }
}

/// The router adds `Allow` behind this layer.
fn wrong_method(method: &Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    Refusal(Error::MethodNotAllowed).into_response()
}

/// The origin to be named in the answer, if its pages may read it.
fn allowed_origin(parts: &Parts, request: &HeaderMap) -> Option<HeaderValue> {
    let origin = request.get(header::ORIGIN)?;
    (parts.origins.of(request) == Origin::Allowed).then(|| origin.clone())
}

fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ORIGIN)
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn add_cors(headers: &mut HeaderMap, allowed: Option<HeaderValue>, is_preflight: bool) {
    // Also on answers without CORS headers: a cache must not give them to an allowed origin.
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    let Some(origin) = allowed else { return };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    if is_preflight {
        headers.extend(PREFLIGHT);
    } else {
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

fn add_defaults(headers: &mut HeaderMap) {
    for (name, value) in DEFAULTS {
        headers.entry(name).or_insert(value);
    }
}

fn note(parts: &Parts, method: &Method, route: Option<&str>, status: StatusCode, took: Duration) {
    parts.app.metrics.answered(method, route, status, took);
    let (status, ms) = (status.as_u16(), took.as_secs_f64() * 1_000.0);
    tracing::debug!(%method, route = route.unwrap_or("unmatched"), status, ms, "answered");
}
