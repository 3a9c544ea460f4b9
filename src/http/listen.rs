//! The accept loop: from a listening address to requests in a router. Owns the sockets until they
//! are upgraded; knows no route.
//!
//! Written on hyper rather than `axum::serve`, which has no deadline for a request's head, no
//! limit of connections and leaves Nagle's algorithm on. A connection that upgrades leaves its
//! task behind: what an idle WebSocket costs is decided in `wire`.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::tls::TlsReloader;
use crate::limits::{
    ACCEPT_BACKLOG, ACCEPT_BACKOFF, HEADER_BYTES_MAX, REFUSAL_RETRY_AFTER_S, REFUSAL_TIMEOUT,
    REFUSALS_AT_ONCE_MAX,
};
use crate::model::Error;

/// A bound address, ready to be served.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    local_addr: SocketAddr,
    tls: Option<TlsReloader>,
}

impl Listener {
    /// Binds an address; port 0 takes a free one. The error names the address and how to mend it.
    pub fn bind(address: SocketAddr, tls: Option<TlsReloader>) -> io::Result<Listener> {
        let tcp = bind_tcp(address).map_err(|error| explain(address, &error))?;
        let local_addr = tcp.local_addr()?;
        Ok(Listener { tcp, local_addr, tls })
    }

    /// Of a socket that listens already.
    pub fn of(socket: std::net::TcpListener, tls: Option<TlsReloader>) -> io::Result<Listener> {
        socket.set_nonblocking(true)?;
        let local_addr = socket.local_addr()?;
        Ok(Listener { tcp: TcpListener::from_std(socket)?, local_addr, tls })
    }

    /// The address, with the real port.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The address as a browser takes it: `https://127.0.0.1:8443`.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.local_addr)
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart must not wait for the connections of the last run to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(ACCEPT_BACKLOG)
}

fn explain(address: SocketAddr, error: &io::Error) -> io::Error {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => "; stop the program that has it, or choose another --listen",
        io::ErrorKind::PermissionDenied => "; ports below 1024 need CAP_NET_BIND_SERVICE",
        io::ErrorKind::AddrNotAvailable => "; no network interface here has this address",
        _ => "",
    };
    io::Error::new(error.kind(), format!("cannot listen on {address}: {error}{hint}"))
}

/// How many connections one address may hold, over all that share the limit. Clones share it.
#[derive(Clone, Debug)]
pub struct AddressLimit {
    max: usize,
    held: Arc<Mutex<HashMap<IpAddr, usize>>>,
    refusals: Arc<Semaphore>,
}

impl AddressLimit {
    /// At most `max` connections of each address; 0: unlimited.
    pub fn new(max: usize) -> AddressLimit {
        let refusals = Arc::new(Semaphore::new(REFUSALS_AT_ONCE_MAX));
        AddressLimit { max, held: Arc::default(), refusals }
    }

    /// How many connections this address holds now.
    pub fn count(&self, address: IpAddr) -> usize {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(&address.to_canonical()).copied().unwrap_or(0)
    }

    /// A place for one more connection, unless the address has its share.
    pub fn take(&self, address: IpAddr) -> Option<AddressGuard> {
        // `::ffff:192.0.2.1` on a dual-stack listener is the same client as `192.0.2.1`.
        let address = address.to_canonical();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(address).or_insert(0);
        if self.max > 0 && *count >= self.max {
            return None;
        }
        *count += 1;
        let place = Place { address, held: self.held.clone() };
        Some(AddressGuard(Arc::new(place)))
    }
}

/// A connection's place in its address's share, given back when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct AddressGuard(#[expect(dead_code, reason = "held for its drop")] Arc<Place>);

#[derive(Debug)]
struct Place {
    address: IpAddr,
    held: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.address);
            }
        }
    }
}

/// What a listener serves, and within which bounds. Clones share everything.
#[derive(Clone, Debug)]
pub struct Serving {
    /// The routes.
    pub router: Router,
    /// The share of each address, one for all listeners.
    pub addresses: AddressLimit,
    /// How long a client may take for its TLS handshake, and for the head of a request.
    pub handshake_timeout: Duration,
    /// How long requests under way may take once shutdown began.
    pub drain_timeout: Duration,
    /// Ends the accept loops and lets connections finish.
    pub shutdown: CancellationToken,
    /// Where the connections' tasks are counted.
    pub tracker: TaskTracker,
}

/// Accepts until shutdown. `server.rs` spawns one per listener.
pub async fn serve(listener: Listener, serving: Serving) {
    let mut is_failing = false;
    loop {
        let accepted = tokio::select! {
            () = serving.shutdown.cancelled() => return,
            accepted = listener.tcp.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                is_failing = false;
                admit(stream, peer, listener.tls.as_ref(), &serving);
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // Out of descriptors or memory. Those who wait stay in the backlog meanwhile.
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::error!(address = %listener.local_addr, %error, "cannot accept");
                }
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
}

/// Whether the error is about the connection that was to be accepted, not about accepting.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

fn admit(stream: TcpStream, peer: SocketAddr, tls: Option<&TlsReloader>, serving: &Serving) {
    // Small frames must not wait for the acknowledgement of the last one. The error is that of a
    // connection which is gone already; the first read will tell.
    let _ = stream.set_nodelay(true);
    let addresses = &serving.addresses;
    let welcome = match addresses.take(peer.ip()) {
        Some(guard) => Welcome::Served(guard),
        None => match addresses.refusals.clone().try_acquire_owned() {
            Ok(permit) => Welcome::Refused(permit),
            Err(_) => return,
        },
    };
    let connection = Connection { peer, welcome, serving: serving.clone() };
    match tls.cloned() {
        None => drop(serving.tracker.spawn(connection.run(stream))),
        Some(tls) => drop(serving.tracker.spawn(connection.run_tls(stream, tls))),
    }
}

/// How a connection is received.
enum Welcome {
    Served(AddressGuard),
    Refused(OwnedSemaphorePermit),
}

struct Connection {
    peer: SocketAddr,
    welcome: Welcome,
    serving: Serving,
}

impl Connection {
    async fn run_tls(self, stream: TcpStream, tls: TlsReloader) {
        let shutdown = self.serving.shutdown.clone();
        let limit = match self.welcome {
            Welcome::Served(_) => self.serving.handshake_timeout,
            Welcome::Refused(_) => REFUSAL_TIMEOUT,
        };
        let handshake = timeout(limit, tls.acceptor().accept(stream));
        let shaken = tokio::select! {
            () = shutdown.cancelled() => return,
            shaken = handshake => shaken,
        };
        let peer = self.peer;
        match shaken {
            Ok(Ok(stream)) => self.run(stream).await,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS handshake"),
            Err(_) => tracing::debug!(%peer, "the TLS handshake took too long"),
        }
    }

    async fn run<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Connection { peer, welcome, serving } = self;
        match welcome {
            Welcome::Served(guard) => run_http(stream, peer, guard, serving).await,
            Welcome::Refused(_permit) => {
                let refusing = service_fn(|_| async { Ok::<_, Infallible>(refusal()) });
                let connection =
                    builder(REFUSAL_TIMEOUT).serve_connection(TokioIo::new(stream), refusing);
                let _ = timeout(REFUSAL_TIMEOUT, connection).await;
            }
        }
    }
}

async fn run_http<S>(stream: S, peer: SocketAddr, guard: AddressGuard, serving: Serving)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Serving { router, handshake_timeout, drain_timeout, shutdown, .. } = serving;
    // Held as long as HTTP is spoken; a socket that comes of it counts among the sockets.
    let _guard = guard;
    let answering = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request)
    });
    let connection = builder(handshake_timeout).serve_connection(TokioIo::new(stream), answering);
    let mut connection = pin!(connection.with_upgrades());
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            timeout(drain_timeout, connection).await.ok()
        }
    };
    match ended {
        Some(Ok(())) => {}
        Some(Err(error)) => tracing::debug!(%peer, %error, "the connection broke"),
        None => tracing::warn!(%peer, "a request took longer than the drain and was cut off"),
    }
}

/// hyper's own limit of 100 header lines holds too.
fn builder(head_timeout: Duration) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_header_size(HEADER_BYTES_MAX);
    builder
}

/// The answer to a connection over its address's share.
fn refusal() -> Response {
    let error = Error::TooManyConnections("from this address");
    let body = serde_json::json!({
        "success": false,
        "message": error.title(),
        "error": error.to_string(),
        "code": error.code(),
    });
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::TOO_MANY_REQUESTS);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CONNECTION, HeaderValue::from_static("close")),
        (header::RETRY_AFTER, HeaderValue::from(REFUSAL_RETRY_AFTER_S)),
    ];
    (status, headers, body.to_string()).into_response()
}

#[cfg(test)]
mod tests;
