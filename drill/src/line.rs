//! A WebSocket to a node, and requests of REST: what every client of the drill is made of.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// How long a node may take to let somebody in; a paused one never does.
const OPEN_TIMEOUT: Duration = Duration::from_secs(4);

/// How long a request may take.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(6);

/// How long a goodbye may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// An open WebSocket.
pub(crate) struct Line(WebSocketStream<TcpStream>);

/// Why there is no line.
#[derive(Debug)]
pub(crate) enum NoLine {
    /// The node answered, and refused.
    Refused(u16, String),
    /// It did not answer, or was cut.
    Lost(String),
}

impl std::fmt::Display for NoLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(status, body) => write!(f, "refused with {status}: {body}"),
            Self::Lost(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for NoLine {}

impl Line {
    /// Opens one.
    pub(crate) async fn open(
        node: SocketAddr,
        path: &str,
        token: Option<&str>,
    ) -> Result<Self, NoLine> {
        let opening = async {
            let mut request = format!("ws://{node}{path}").into_client_request()?;
            if let Some(token) = token {
                let bearer =
                    format!("Bearer {token}").parse().map_err(tungstenite::http::Error::from)?;
                request.headers_mut().insert("Authorization", bearer);
            }
            let stream = TcpStream::connect(node).await?;
            stream.set_nodelay(true)?;
            Ok(client_async(request, stream).await?.0)
        };
        match timeout(OPEN_TIMEOUT, opening).await {
            Ok(Ok(socket)) => Ok(Self(socket)),
            Ok(Err(tungstenite::Error::Http(answer))) => {
                let body = answer.body().as_deref().unwrap_or_default();
                let body = String::from_utf8_lossy(body).into_owned();
                Err(NoLine::Refused(answer.status().as_u16(), body))
            }
            Ok(Err(fault)) => Err(NoLine::Lost(fault.to_string())),
            Err(_) => Err(NoLine::Lost("no answer in time".into())),
        }
    }

    /// The next text; an error at the end of the line: the code and reason of its close frame, if
    /// one came.
    pub(crate) async fn next(&mut self) -> Result<String> {
        loop {
            match self.0.next().await.context("the line broke")?? {
                Message::Text(text) => return Ok(text.as_str().to_owned()),
                Message::Close(Some(frame)) => {
                    bail!("closed: {} {}", u16::from(frame.code), frame.reason)
                }
                Message::Close(None) => bail!("closed"),
                // Pings are answered by the library.
                _ => {}
            }
        }
    }

    /// Sends a text.
    pub(crate) async fn send(&mut self, text: String) -> Result<()> {
        let sending = timeout(OPEN_TIMEOUT, self.0.send(Message::text(text)));
        sending.await.context("a text could not be written in time")??;
        Ok(())
    }

    /// Says goodbye, and waits for the answer.
    pub(crate) async fn close(mut self) {
        let closing = async {
            self.0.close(None).await?;
            while let Some(Ok(_)) = self.0.next().await {}
            Ok::<(), tungstenite::Error>(())
        };
        // Whether the other end is still there does not matter any more.
        let _ = timeout(CLOSE_TIMEOUT, closing).await;
    }
}

/// What REST answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The body; null when it is no JSON.
    pub(crate) body: Value,
}

impl Answer {
    /// Whether it was done.
    pub(crate) fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The `code` of a refusal.
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

/// Sends a request to a node; a body makes it a POST.
pub(crate) async fn ask(
    http: &reqwest::Client,
    node: SocketAddr,
    path: &str,
    token: Option<&str>,
    body: Option<&Value>,
) -> Result<Answer> {
    let url = format!("http://{node}{path}");
    let request = match body {
        Some(body) => http.post(url).json(body),
        None => http.get(url),
    };
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    let asking = async {
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let body = serde_json::from_slice(&answer.bytes().await?).unwrap_or_default();
        Ok::<_, reqwest::Error>(Answer { status, body })
    };
    let answer =
        timeout(REQUEST_TIMEOUT, asking).await.map_err(|_| anyhow!("no answer in time"))?;
    Ok(answer?)
}
