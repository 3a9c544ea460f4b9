//! Asking a provider over HTTP: one request, and its answer as a whole or as a stream of events,
//! bounded in bytes. Knows no provider. What goes wrong becomes a [`Failure`]; neither the key nor
//! a text is ever in one.

use std::collections::VecDeque;
use std::error::Error as _;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, InvalidHeaderValue, RETRY_AFTER};
use reqwest::redirect;
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::Failure;
use super::sse::{Decoder, Told};
use crate::limits::{BOT_CONNECT_TIMEOUT, BOT_REPLY_BYTES_MAX};

/// An address or a key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadEndpoint {
    /// The address is none.
    #[error("the provider's address: {0}")]
    Address(#[from] url::ParseError),
    /// The key has characters that no header takes.
    #[error("the provider's key has characters that cannot be sent")]
    Key(#[from] InvalidHeaderValue),
    /// No HTTP client can be made.
    #[error("no HTTP client can be made: {0}")]
    Client(#[from] reqwest::Error),
}

/// Where a provider is asked.
pub(super) struct Endpoint {
    client: reqwest::Client,
    url: Url,
    /// Empty for an endpoint that wants no key.
    headers: HeaderMap,
}

impl Endpoint {
    pub(super) fn new(base: &str, path: &str, key: &str) -> Result<Endpoint, BadEndpoint> {
        let url = Url::parse(&format!("{}{path}", base.trim_end_matches('/')))?;
        let mut headers = HeaderMap::new();
        if !key.is_empty() {
            let mut value = HeaderValue::from_str(&format!("Bearer {key}"))?;
            value.set_sensitive(true);
            headers.insert(reqwest::header::AUTHORIZATION, value);
        }
        // A redirect could carry the key and what customers say to somewhere else.
        let client = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .connect_timeout(BOT_CONNECT_TIMEOUT)
            .build()?;
        Ok(Endpoint { client, url, headers })
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn post(&self, body: &impl Serialize) -> Result<Reply, Failure> {
        let request = self.client.post(self.url.clone()).headers(self.headers.clone()).json(body);
        let response = request.send().await.map_err(failure)?;
        let status = response.status();
        if !status.is_success() {
            let retry_after = retry_after(response.headers());
            return Err(Failure::Status { status: status.as_u16(), retry_after });
        }
        Ok(Reply { response, bytes_left: BOT_REPLY_BYTES_MAX })
    }
}

/// Seconds; the other form, a date, is answered like none (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The head of an answer, its body yet to come.
pub(super) struct Reply {
    response: reqwest::Response,
    bytes_left: usize,
}

impl Reply {
    /// Whether the body is a stream of events.
    pub(super) fn is_stream(&self) -> bool {
        let given = self.response.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
        given.is_some_and(|t| t.trim_start().to_ascii_lowercase().starts_with("text/event-stream"))
    }

    /// The body as JSON.
    pub(super) async fn json<T: DeserializeOwned>(mut self) -> Result<T, Failure> {
        let mut body = Vec::new();
        while let Some(piece) = self.piece().await? {
            body.extend_from_slice(&piece);
        }
        serde_json::from_slice(&body).map_err(|_| Failure::Unreadable("it is no JSON of its form"))
    }

    /// The body as events.
    pub(super) fn events(self) -> Events {
        Events { reply: self, decoder: Decoder::default(), ready: VecDeque::new() }
    }

    async fn piece(&mut self) -> Result<Option<bytes::Bytes>, Failure> {
        let Some(piece) = self.response.chunk().await.map_err(|_| Failure::BrokenOff)? else {
            return Ok(None);
        };
        let left = self.bytes_left.checked_sub(piece.len());
        self.bytes_left = left.ok_or(Failure::TooLarge(BOT_REPLY_BYTES_MAX))?;
        Ok(Some(piece))
    }
}

/// The events of an answer, as they come.
pub(super) struct Events {
    reply: Reply,
    decoder: Decoder,
    ready: VecDeque<Told>,
}

impl Events {
    /// The next event; `None` at the end of the body.
    pub(super) async fn next(&mut self) -> Result<Option<Told>, Failure> {
        while self.ready.is_empty() {
            let Some(piece) = self.reply.piece().await? else { return Ok(None) };
            self.ready.extend(self.decoder.take(&piece)?);
        }
        Ok(self.ready.pop_front())
    }
}

/// A request that has no answer. The library's own text says only that something failed; the
/// reason is at the chain's end. The address may hold a password and stays out.
fn failure(error: reqwest::Error) -> Failure {
    let is_unreachable = error.is_connect();
    let error = error.without_url();
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        reason = cause.to_string();
        source = cause.source();
    }
    if is_unreachable { Failure::Unreachable(reason) } else { Failure::BrokenOff }
}
