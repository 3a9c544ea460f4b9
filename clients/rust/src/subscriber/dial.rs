//! Making a line: the request to the hub, its upgrade, and what a refusal of it means. What is said
//! on the line is none of this file's business.

use std::time::Duration;

use reqwest::header::{
    CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use reqwest::{Client, Response, StatusCode, Upgraded, Url};
use serde::Deserialize;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::line::End;
use crate::error::whole;
use crate::{Error, address};

const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(20);
/// The server's own limit for a frame is 512 KiB (contract 10); what it adds to one is little.
const FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;
const REFUSAL_BYTES_MAX: usize = 64 * 1024;

pub(super) type Socket = WebSocketStream<Upgraded>;

/// Whom to ask for a line, and for which events.
pub(super) struct Dial {
    client: Client,
    url: Url,
}

/// What a refusal says (contract 8).
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    message: String,
    error: String,
    code: String,
}

impl Dial {
    pub(super) fn new(url: Url, token: &str, events: Vec<String>) -> Result<Dial, Error> {
        let mut url = match url.path().ends_with("/ws") {
            true => url,
            false => address::below(url, "/ws"),
        };
        // The upgrade is a request like any other, with the same TLS as all of them.
        let scheme = if matches!(url.scheme(), "wss" | "https") { "https" } else { "http" };
        if url.set_scheme(scheme).is_err() {
            return Err(Error::Unusable("the address cannot be one of HTTP".into()));
        }
        if !events.is_empty() {
            url.query_pairs_mut().append_pair("events", &events.join(","));
        }
        Ok(Dial { client: address::client(token)?, url })
    }

    /// Asks for a line that begins after the cursor, if there is one.
    pub(super) async fn dial(&self, after: Option<&str>) -> Result<Socket, End> {
        let mut url = self.url.clone();
        if let Some(cursor) = after {
            url.query_pairs_mut().append_pair("after", cursor);
        }
        let attempt = timeout(HANDSHAKE_DEADLINE, self.upgrade(url)).await;
        attempt.unwrap_or_else(|_| Err(End::passing("no answer to the handshake")))
    }

    async fn upgrade(&self, url: Url) -> Result<Socket, End> {
        let key = generate_key();
        let request = self
            .client
            .get(url)
            .header(CONNECTION, HeaderValue::from_static("Upgrade"))
            .header(UPGRADE, HeaderValue::from_static("websocket"))
            .header(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))
            .header(SEC_WEBSOCKET_KEY, &key);
        let response = request.send().await.map_err(|err| End::passing(whole(&err)))?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(refusal(response).await);
        }
        let proof = response.headers().get(SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes);
        if proof != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
            return Err(End::passing("the handshake was not answered by a WebSocket server"));
        }
        let line = response.upgrade().await.map_err(|err| End::passing(whole(&err)))?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(FRAME_BYTES_MAX))
            .max_frame_size(Some(FRAME_BYTES_MAX));
        Ok(WebSocketStream::from_raw_socket(line, Role::Client, Some(config)).await)
    }
}

/// A refusal that lies with who asks, or with the question, stands; others pass.
async fn refusal(response: Response) -> End {
    let (status, retry_after) = (response.status(), address::retry_after(&response));
    let body = address::body(response, REFUSAL_BYTES_MAX).await.unwrap_or_default();
    let refusal: Refusal = serde_json::from_slice(&body).unwrap_or_default();
    let said = [refusal.error, refusal.message].into_iter().find(|text| !text.is_empty());
    let message = said.unwrap_or_else(|| format!("HTTP {status}"));
    let passes = matches!(status.as_u16(), 408 | 429) || status.is_server_error();
    match passes {
        true => End::Passing { reason: message, retry_after },
        false => {
            End::Final(Error::Refused { status: status.as_u16(), code: refusal.code, message })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hub_is_found_from_its_own_address_and_from_the_servers() {
        for (given, want) in [
            ("http://localhost:8080", "http://localhost:8080/ws"),
            ("https://example.com/chat/", "https://example.com/chat/ws"),
            ("wss://example.com/ws", "https://example.com/ws"),
            ("ws://localhost:8080", "http://localhost:8080/ws"),
        ] {
            let url = address::parse(given, &["http", "https", "ws", "wss"]).unwrap();
            assert_eq!(Dial::new(url, "a.b.c", vec![]).unwrap().url.as_str(), want);
        }
    }
}
