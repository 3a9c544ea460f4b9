//! Lines to other nodes: opened when they are needed, and kept for a moment afterwards. Without that
//! every poll would leave a closed port behind for a minute, and there are not enough of them for
//! more than some hundred polls a second.

use std::collections::HashMap;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::limits::{
    HEADER_BYTES_MAX, RELAY_CONNECT_TIMEOUT, RELAY_LINE_IDLE_MAX, RELAY_LINES_IDLE_MAX, RELAY_SPARE,
};

/// The lines to all nodes. Cheap to clone.
#[derive(Clone)]
pub(super) struct Lines(Arc<Shared>);

struct Shared {
    tls: Option<Arc<ClientConfig>>,
    idle_max: Duration,
    idle: Mutex<HashMap<Arc<str>, Vec<Idle>>>,
    tracker: TaskTracker,
    shutdown: CancellationToken,
}

/// A line that has one request at a time.
pub(super) struct Line {
    pub(super) sender: SendRequest<Body>,
    address: Arc<str>,
}

/// One that waits for its next request.
struct Idle {
    line: Line,
    since: Instant,
}

impl Lines {
    /// `head_timeout` is how long a node waits for the head of the next request; all of them are
    /// taken to be configured alike.
    pub(super) fn new(
        tls: Option<Arc<ClientConfig>>,
        head_timeout: Duration,
        tracker: TaskTracker,
        shutdown: CancellationToken,
    ) -> Lines {
        let idle_max = RELAY_LINE_IDLE_MAX.min(head_timeout / 2);
        Lines(Arc::new(Shared { tls, idle_max, idle: Mutex::default(), tracker, shutdown }))
    }

    /// A line to an address, and whether it is new.
    pub(super) async fn take(&self, address: &Arc<str>) -> io::Result<(Line, bool)> {
        let taken = timeout(RELAY_CONNECT_TIMEOUT, async {
            while let Some(mut line) = self.idle_line(address) {
                if line.sender.ready().await.is_ok() {
                    return Ok((line, false));
                }
            }
            Ok((self.connect(address).await?, true))
        });
        taken.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Keeps a line whose answer was read to its end.
    pub(super) fn give_back(&self, line: Line) {
        if line.sender.is_closed() || self.0.shutdown.is_cancelled() {
            return;
        }
        let mut idle = self.idle();
        // Of a node that is gone, nobody takes a line any more.
        idle.retain(|_, lines| {
            lines.retain(|one| !one.line.sender.is_closed());
            !lines.is_empty()
        });
        let lines = idle.entry(line.address.clone()).or_default();
        if lines.len() < RELAY_LINES_IDLE_MAX {
            lines.push(Idle { line, since: Instant::now() });
        }
    }

    /// The one that was used last; the others grow old, and are closed by the other side.
    fn idle_line(&self, address: &Arc<str>) -> Option<Line> {
        let mut idle = self.idle();
        let lines = idle.get_mut(address)?;
        lines.retain(|one| one.since.elapsed() < self.0.idle_max);
        lines.pop().map(|one| one.line)
    }

    async fn connect(&self, address: &Arc<str>) -> io::Result<Line> {
        let tcp = TcpStream::connect(&**address).await?;
        tcp.set_nodelay(true)?;
        let Some(tls) = &self.0.tls else { return self.shake_hands(address, tcp).await };
        let host = address.rsplit_once(':').map_or("", |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host).map_err(io::Error::other)?;
        let stream = TlsConnector::from(tls.clone()).connect(name, tcp).await?;
        self.shake_hands(address, stream).await
    }

    async fn shake_hands<S>(&self, address: &Arc<str>, stream: S) -> io::Result<Line>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut builder = http1::Builder::new();
        builder.max_header_size(HEADER_BYTES_MAX);
        let shaken = builder.handshake(TokioIo::new(stream)).await;
        let (sender, connection) = shaken.map_err(io::Error::other)?;
        let lines = self.clone();
        self.0.tracker.spawn(async move {
            let mut connection = pin!(connection.with_upgrades());
            tokio::select! {
                // Whoever sent a request over it is told how it ended.
                _ended = connection.as_mut() => return,
                () = lines.0.shutdown.cancelled() => {}
            }
            lines.idle().clear();
            let _ended = timeout(RELAY_SPARE, connection).await;
        });
        Ok(Line { sender, address: address.clone() })
    }

    fn idle(&self) -> MutexGuard<'_, HashMap<Arc<str>, Vec<Idle>>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
