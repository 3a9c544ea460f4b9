//! One request to a receiver, bounded in time and bytes, and what came of it. Nothing of the answer
//! but its status is kept, and neither address nor body is ever in a [`Fault`].

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{StatusCode, redirect};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use url::{Host, Url};

use super::message::Message;
use super::networks::{BadAddress, Networks};
use super::resolver::{Lookup, Resolver};
use super::signature::sign;
use crate::limits::{WEBHOOK_ANSWER_BYTES_MAX, WEBHOOK_ANSWER_WAIT, WEBHOOK_FAULT_CHARS_MAX};
use crate::model::Moment;

/// How requests are made.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Where they may go.
    pub networks: Networks,
    /// How long a receiver may take, looking its name up and connecting included.
    pub timeout: Duration,
    /// How many are under way at once.
    pub requests_max: usize,
}

/// Sends requests. Cheap to clone.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    settings: Settings,
    http: reqwest::Client,
    resolver: Resolver,
    places: Arc<Semaphore>,
}

/// A request to be made.
#[derive(Clone, Copy, Debug)]
pub struct Post<'a> {
    /// To where.
    pub url: &'a str,
    /// The secrets that sign it, the newest first.
    pub secrets: &'a [&'a str],
    /// What it says.
    pub message: &'a Message,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status, if there was an answer.
    pub status: Option<u16>,
    /// Why it counts as failed, if it does.
    pub fault: Option<Fault>,
    /// How long the receiver wants to be left alone.
    pub retry_after: Option<Duration>,
    /// How long it took.
    pub took: Duration,
}

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The receiver wants no more, ever.
    #[error("410: the receiver wants no more")]
    Gone,
    /// It points elsewhere. Following it could lead into a private network, and the receiver's
    /// administrator can give the new address.
    #[error("{0}: redirects are not followed; give the webhook its new address")]
    Redirect(u16),
    /// Another status than 2xx.
    #[error("{0}: the receiver did not take it")]
    Status(u16),
    /// Nothing came in time.
    #[error("no answer within {}", shown(*.0))]
    Timeout(Duration),
    /// The address is none that webhooks may go to.
    #[error("the address {0}")]
    Address(#[from] BadAddress),
    /// No connection.
    #[error("no connection: {0}")]
    Unreachable(String),
    /// The connection ended before the answer.
    #[error("the connection broke before the answer")]
    BrokenOff,
    /// The secret cannot sign.
    #[error(transparent)]
    Secret(#[from] super::BadSecret),
}

fn shown(time: Duration) -> String {
    if time.subsec_millis() == 0 {
        format!("{} s", time.as_secs())
    } else {
        format!("{} ms", time.as_millis())
    }
}

impl Client {
    /// A client that looks names up by `lookup`.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(settings: Settings, lookup: Arc<dyn Lookup>) -> Result<Client, reqwest::Error> {
        let resolver = Resolver::new(settings.networks, lookup);
        let http = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            // A proxy would look the name up by itself.
            .no_proxy()
            .retry(reqwest::retry::never())
            .dns_resolver(resolver.clone())
            .user_agent(concat!("Switchboard/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let places = Arc::new(Semaphore::new(settings.requests_max));
        Ok(Client(Arc::new(Inner { settings, http, resolver, places })))
    }

    /// Whether a webhook may have this address: it can be read, its name is resolved, and it leads
    /// nowhere it must not. What it leads to may be another thing when a request is made.
    ///
    /// # Errors
    /// [`BadAddress`].
    pub async fn check(&self, url: &str) -> Result<(), BadAddress> {
        let url = self.0.settings.networks.check_url(url)?;
        if let Some(Host::Domain(name)) = url.host() {
            let resolving = timeout(self.0.settings.timeout, self.0.resolver.resolve(name));
            resolving.await.map_err(|_| BadAddress::Unresolved)??;
        }
        Ok(())
    }

    /// Waits for a place among those who make requests; whoever came first is first.
    pub async fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.0.places.clone().acquire_owned().await.ok()
    }

    /// Makes a request, signed now.
    pub async fn post(&self, post: Post<'_>) -> Answer {
        let started = Instant::now();
        let limit = self.0.settings.timeout;
        let response = timeout(limit, self.ask(post)).await;
        let took = started.elapsed();
        let failed = |fault| Answer { status: None, fault: Some(fault), retry_after: None, took };
        let response = match response {
            Ok(Ok(response)) => response,
            Ok(Err(fault)) => return failed(fault),
            Err(_) => return failed(Fault::Timeout(limit)),
        };
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        // The status counts, whatever becomes of the rest.
        let _ = timeout(WEBHOOK_ANSWER_WAIT, drain(response)).await;
        Answer { status: Some(status.as_u16()), fault: fault_of(status), retry_after, took }
    }

    /// Sends it, and waits for the head of the answer.
    async fn ask(&self, post: Post<'_>) -> Result<reqwest::Response, Fault> {
        let url: Url = self.0.settings.networks.check_url(post.url)?;
        let Message { id, body } = post.message;
        let timestamp = Moment::now().unix_seconds();
        let signature = sign(post.secrets.iter().copied(), id, timestamp, body)?;
        let request = self
            .0
            .http
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(body.clone());
        request.send().await.map_err(fault)
    }
}

/// Reads a short answer to its end, so that the connection can be used again.
async fn drain(mut response: reqwest::Response) {
    let mut left = WEBHOOK_ANSWER_BYTES_MAX;
    while let Ok(Some(piece)) = response.chunk().await
        && let Some(less) = left.checked_sub(piece.len())
    {
        left = less;
    }
}

fn fault_of(status: StatusCode) -> Option<Fault> {
    match status.as_u16() {
        200..=299 => None,
        410 => Some(Fault::Gone),
        code @ 300..=399 => Some(Fault::Redirect(code)),
        code => Some(Fault::Status(code)),
    }
}

/// Seconds, or a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_millisecond();
    Some(Duration::from_millis(Moment(at).ms_since(Moment::now())))
}

/// The library's own text says only that something failed; the reason is at the chain's end.
fn fault(error: reqwest::Error) -> Fault {
    let is_unreachable = error.is_connect();
    let error = error.without_url();
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(refused) = cause.downcast_ref::<BadAddress>() {
            return Fault::Address(refused.clone());
        }
        reason = cause.to_string();
        source = cause.source();
    }
    if is_unreachable {
        Fault::Unreachable(reason.chars().take(WEBHOOK_FAULT_CHARS_MAX).collect())
    } else {
        Fault::BrokenOff
    }
}
