//! What changes of a request and of its answer on their way through a node: the headers that are
//! between two neighbours only (RFC 9110, section 7.6.1), and what the bodies are bounded by.

use std::error::Error as _;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, Version, header};
use bytes::Bytes;
use http_body_util::{LengthLimitError, Limited};
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep};

use super::NotPassed;
use super::lines::{Line, Lines};
use crate::limits::RELAY_ANSWER_TIMEOUT;

/// Says that a node passed this on.
const FORWARDED: HeaderName = HeaderName::from_static("x-switchboard-relay");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What is between two neighbours only, beside what `Connection` names. `Expect` is answered by
/// whoever reads the body first.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
];

pub(super) fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.contains_key(FORWARDED)
}

/// The request as the other node gets it. `Host` stays what the client said: the other node compares
/// it with the origin.
pub(super) fn onward(
    parts: Parts,
    body: Body,
    is_upgrade: bool,
    body_bytes_max: usize,
) -> Result<Request, NotPassed> {
    if parts.headers.get(header::CONTENT_LENGTH).is_some_and(|said| is_over(said, body_bytes_max)) {
        return Err(NotPassed::TooLarge);
    }
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer);
    let mut headers = parts.headers;
    strip(&mut headers);
    if is_upgrade {
        say_upgrade(&mut headers);
    }
    headers.insert(FORWARDED, HeaderValue::from_static("1"));
    let peer = peer.map(|peer| peer.ip().to_canonical().to_string());
    if let Some(peer) = peer.and_then(|peer| HeaderValue::try_from(peer).ok()) {
        // One more line of a list means the same as one more member of its last line.
        headers.append(FORWARDED_FOR, peer);
    }
    let mut request = Request::new(Body::new(Limited::new(body, body_bytes_max)));
    *request.method_mut() = parts.method;
    *request.uri_mut() = parts.uri.path_and_query().map_or_else(Uri::default, |p| p.clone().into());
    *request.version_mut() = Version::HTTP_11;
    *request.headers_mut() = headers;
    Ok(request)
}

/// The answer as the client gets it. What the outer layer says of every answer, it says of this
/// one as well.
pub(super) fn backward<B>(response: hyper::Response<B>, is_upgrade: bool) -> hyper::Response<B> {
    let (mut parts, body) = response.into_parts();
    strip(&mut parts.headers);
    parts.headers.remove(header::VARY);
    if is_upgrade {
        say_upgrade(&mut parts.headers);
    }
    hyper::Response::from_parts(parts, body)
}

/// Why a request that was on its way brought no answer.
pub(super) fn reason_of(error: &hyper::Error) -> NotPassed {
    let mut cause = error.source();
    while let Some(deeper) = cause {
        if deeper.is::<LengthLimitError>() {
            return NotPassed::TooLarge;
        }
        cause = deeper.source();
    }
    NotPassed::Unknown
}

fn is_over(said: &HeaderValue, max: usize) -> bool {
    let length = said.to_str().ok().and_then(|text| text.parse::<usize>().ok());
    length.is_none_or(|length| length > max)
}

fn strip(headers: &mut HeaderMap) {
    let lists = headers.get_all(header::CONNECTION).iter().filter_map(|list| list.to_str().ok());
    let named = lists.flat_map(|list| list.split(',')).filter_map(|name| name.trim().parse().ok());
    for name in named.chain(HOP_BY_HOP).collect::<Vec<HeaderName>>() {
        headers.remove(name);
    }
}

fn say_upgrade(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
}

/// The body of an answer. Read to its end, it gives back the line it came over.
pub(super) struct Forwarded {
    body: Incoming,
    deadline: Pin<Box<Sleep>>,
    give_back: Option<(Lines, Line)>,
    _turn: OwnedSemaphorePermit,
}

impl Forwarded {
    pub(super) fn new(
        body: Incoming,
        give_back: (Lines, Line),
        turn: OwnedSemaphorePermit,
    ) -> Forwarded {
        let deadline = Box::pin(sleep(RELAY_ANSWER_TIMEOUT));
        Forwarded { body, deadline, give_back: Some(give_back), _turn: turn }
    }
}

impl hyper::body::Body for Forwarded {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        match self.deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Some(Err("the answer took too long".into()))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Forwarded {
    fn drop(&mut self) {
        if self.body.is_end_stream()
            && let Some((lines, line)) = self.give_back.take()
        {
            lines.give_back(line);
        }
    }
}
