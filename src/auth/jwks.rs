//! A JSON Web Key Set read over HTTP (RFC 7517), kept, and read again.
//!
//! One fetch runs at a time, in a task of its own, so that a caller who leaves does not end it
//! for the others. While the endpoint is down the last set serves on; a key that a newer set
//! lacks is gone. It knows keys only, not what the tokens say.

use std::error::Error as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey};
use reqwest::redirect;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use url::Url;

use super::keys::PublicKey;
use super::{BadKey, Settings, TokenError};

/// Shortest time between two fetches. Anybody can send a token with an invented `kid`; this is
/// what keeps that from becoming a flood on the issuer. A rotated key is known within that time.
pub const JWKS_RETRY_MIN: Duration = Duration::from_secs(1);

/// Largest set, in bytes: about a hundred times what issuers publish.
pub const JWKS_BYTES_MAX: usize = 256 * 1024;

/// The keys behind one address.
pub(super) struct Jwks(Arc<Inner>);

struct Inner {
    url: Url,
    client: reqwest::Client,
    refresh: Duration,
    timeout: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The last set read; `None` before the first.
    keys: Option<Vec<NamedKey>>,
    read_at: Option<Instant>,
    tried_at: Option<Instant>,
    /// Why the last try failed.
    failure: Option<Failure>,
    /// Closed when the fetch under way is over, whichever way it ends.
    flight: Option<watch::Receiver<()>>,
}

struct NamedKey {
    kid: Option<String>,
    public: PublicKey,
}

/// Why a set could not be read. Compared with the one before, so that it is logged once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Failure {
    #[error("no answer within {0:?}")]
    TooSlow(Duration),
    #[error("{0}")]
    Network(String),
    #[error("it answers with status {0}")]
    Status(u16),
    #[error("its answer is larger than {JWKS_BYTES_MAX} bytes")]
    TooLarge,
    #[error("its answer is no JSON Web Key Set")]
    NotAKeySet,
}

impl Jwks {
    /// Makes the client; fetches nothing yet.
    pub(super) fn new(settings: &Settings) -> Result<Option<Jwks>, BadKey> {
        let Some(address) = &settings.jwks_url else { return Ok(None) };
        let url = parse_address(address)?;
        // A redirect could lead from https to http, or into the local network.
        let client = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .build()
            .map_err(BadKey::Client)?;
        Ok(Some(Jwks(Arc::new(Inner {
            url,
            client,
            refresh: settings.jwks_refresh,
            timeout: settings.jwks_timeout,
            state: Mutex::default(),
        }))))
    }

    /// The key for a token's algorithm and `kid`; fetches the set if it is old or lacks it.
    pub(super) async fn find(
        &self,
        algorithm: Algorithm,
        kid: Option<&str>,
    ) -> Result<DecodingKey, TokenError> {
        let (found, flight) = self.look(algorithm, kid);
        let Some(mut flight) = flight else { return found };
        // Nothing is ever sent; the error says that the fetch is over.
        let _ = flight.changed().await;
        self.0.state().pick(algorithm, kid)
    }

    /// What is known now, and the fetch that is worth waiting for.
    fn look(
        &self,
        algorithm: Algorithm,
        kid: Option<&str>,
    ) -> (Result<DecodingKey, TokenError>, Option<watch::Receiver<()>>) {
        let mut state = self.0.state();
        let found = state.pick(algorithm, kid);
        let is_unknown = matches!(found, Err(TokenError::UnknownKey | TokenError::KeysUnavailable));
        if !is_unknown && !state.is_older_than(self.0.refresh) {
            return (found, None);
        }
        let flight = self.board(&mut state);
        // An endpoint that hung may hang again; who holds an old key does not wait for it.
        let is_worth_waiting = is_unknown || state.failure.is_none();
        (found, flight.filter(|_| is_worth_waiting))
    }

    /// Joins the fetch under way, or starts one unless the last is too recent.
    fn board(&self, state: &mut State) -> Option<watch::Receiver<()>> {
        if let Some(flight) = state.flight.as_ref().filter(|f| f.has_changed().is_ok()) {
            return Some(flight.clone());
        }
        if state.tried_at.is_some_and(|at| at.elapsed() < JWKS_RETRY_MIN) {
            return None;
        }
        state.tried_at = Some(Instant::now());
        let (landed, flight) = watch::channel(());
        state.flight = Some(flight.clone());
        let inner = self.0.clone();
        tokio::spawn(async move {
            inner.read().await;
            drop(landed);
        });
        Some(flight)
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of the state is a plain assignment, so a panic leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read(&self) {
        let outcome = timeout(self.timeout, self.fetch()).await;
        let outcome = outcome.unwrap_or(Err(Failure::TooSlow(self.timeout)));
        let is_empty = outcome.as_ref().is_ok_and(Vec::is_empty);
        let news = self.state().settle(outcome);
        let host = self.url.host_str().unwrap_or_default();
        if is_empty {
            tracing::warn!(host, "the JWKS address lists no key that can be used");
        }
        match news {
            Some(Some(failure)) => tracing::warn!(host, %failure, "the JWKS cannot be read"),
            Some(None) => tracing::info!(host, "the JWKS can be read again"),
            None => {}
        }
    }

    async fn fetch(&self) -> Result<Vec<NamedKey>, Failure> {
        let answer = self.client.get(self.url.clone()).send().await.map_err(network)?;
        if !answer.status().is_success() {
            return Err(Failure::Status(answer.status().as_u16()));
        }
        parse_set(&read_body(answer).await?)
    }
}

impl State {
    fn is_older_than(&self, age: Duration) -> bool {
        self.read_at.is_none_or(|at| at.elapsed() >= age)
    }

    fn pick(&self, algorithm: Algorithm, kid: Option<&str>) -> Result<DecodingKey, TokenError> {
        let keys = self.keys.as_ref().ok_or(TokenError::KeysUnavailable)?;
        let mut fitting = keys
            .iter()
            .filter(|k| k.public.algorithm == algorithm)
            .filter(|k| kid.is_none() || k.kid.as_deref() == kid);
        match (fitting.next(), fitting.next()) {
            (Some(_), Some(_)) if kid.is_none() => Err(TokenError::AmbiguousKey),
            (Some(key), _) => Ok(key.public.key.clone()),
            // It may be in the set that cannot be read now.
            (None, _) if self.failure.is_some() => Err(TokenError::KeysUnavailable),
            (None, _) => Err(TokenError::UnknownKey),
        }
    }

    /// Takes the outcome of a fetch; answers with the failure, or its end, if that is news.
    fn settle(&mut self, outcome: Result<Vec<NamedKey>, Failure>) -> Option<Option<Failure>> {
        let failure = match outcome {
            Ok(keys) => {
                self.keys = Some(keys);
                self.read_at = Some(Instant::now());
                None
            }
            Err(failure) => Some(failure),
        };
        let is_news = self.failure != failure;
        self.failure.clone_from(&failure);
        is_news.then_some(failure)
    }
}

fn parse_address(address: &str) -> Result<Url, BadKey> {
    let url = Url::parse(address).map_err(|e| BadKey::BadUrl(e.to_string()))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(BadKey::BadUrl(format!("its scheme is {other:?}"))),
    }
}

async fn read_body(mut answer: reqwest::Response) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(network)? {
        if body.len() + chunk.len() > JWKS_BYTES_MAX {
            return Err(Failure::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Reads a set, passing over keys it does not understand (RFC 7517, section 5).
fn parse_set(body: &[u8]) -> Result<Vec<NamedKey>, Failure> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    let set: Set = serde_json::from_slice(body).map_err(|_| Failure::NotAKeySet)?;
    Ok(set.keys.iter().filter_map(parse_key).collect())
}

fn parse_key(value: &Value) -> Option<NamedKey> {
    let jwk = jsonwebtoken::jwk::Jwk::deserialize(value).ok()?;
    let public = PublicKey::from_jwk(&jwk)?;
    Some(NamedKey { kid: jwk.common.key_id, public })
}

/// The library's own text says only that something failed; the reason is at the chain's end. The
/// address may hold a password and stays out.
fn network(error: reqwest::Error) -> Failure {
    let error = error.without_url();
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        reason = cause.to_string();
        source = cause.source();
    }
    Failure::Network(reason)
}

#[cfg(test)]
mod tests;
