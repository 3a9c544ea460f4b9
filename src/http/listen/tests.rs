//! Listeners against real sockets: limits, deadlines, drain, TLS.

use std::path::Path;

use axum::extract::WebSocketUpgrade;
use axum::routing::get;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio_rustls::TlsConnector;

use super::*;
use crate::http::tls::tests::write_pair;

const ANY: &str = "127.0.0.1:0";
const GET: &[u8] = b"GET /peer HTTP/1.1\r\nHost: x\r\n\r\n";
const UPGRADE: &[u8] = b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A listener with a route that tells the peer, one that waits to be released, and a WebSocket.
struct Served {
    address: SocketAddr,
    serving: Serving,
    entered: Arc<Notify>,
    release: Arc<Notify>,
}

const HANDSHAKE: Duration = Duration::from_secs(10);

impl Served {
    fn start(connections_max: usize, tls: Option<TlsReloader>) -> Served {
        let listener = Listener::bind(ANY.parse().unwrap(), tls).unwrap();
        let address = listener.local_addr();
        let release = Arc::new(Notify::new());
        let entered = Arc::new(Notify::new());
        let (entering, waiting) = (entered.clone(), release.clone());
        let router = Router::new()
            .route(
                "/peer",
                get(|ConnectInfo(p): ConnectInfo<SocketAddr>| async move { p.to_string() }),
            )
            .route(
                "/slow",
                get(async move || {
                    entering.notify_one();
                    waiting.notified().await;
                    "released"
                }),
            )
            .route("/ws", get(ws));
        let serving = Serving {
            router,
            addresses: AddressLimit::new(connections_max),
            handshake_timeout: HANDSHAKE,
            drain_timeout: Duration::from_secs(5),
            shutdown: CancellationToken::new(),
            tracker: TaskTracker::new(),
        };
        serving.tracker.spawn(serve(listener, serving.clone()));
        Served { address, serving, entered, release }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Connects and asks; the client and the answer.
    async fn ask(&self, request: &[u8]) -> (TcpStream, String) {
        let mut client = self.connect().await;
        client.write_all(request).await.unwrap();
        let answer = read_some(&mut client).await;
        (client, answer)
    }

    fn held(&self) -> usize {
        self.serving.addresses.count(self.address.ip())
    }

    async fn until_held(&self, count: usize) {
        while self.held() != count {
            tokio::task::yield_now().await;
        }
    }
}

async fn ws(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(
        async move |mut socket| {
            while socket.recv().await.is_some_and(|frame| frame.is_ok()) {}
        },
    )
}

async fn read_some<S: AsyncRead + Unpin>(client: &mut S) -> String {
    let mut buffer = vec![0; 8_192];
    let n = client.read(&mut buffer).await.unwrap();
    String::from_utf8_lossy(&buffer[..n]).into_owned()
}

async fn read_to_end(client: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    client.read_to_end(&mut bytes).await.unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn a_handler_learns_who_asks() {
    let served = Served::start(0, None);
    let (client, answer) = served.ask(GET).await;
    assert!(answer.ends_with(&client.local_addr().unwrap().to_string()), "{answer}");
}

#[tokio::test]
async fn an_address_in_use_is_named_with_a_hint() {
    let taken = Listener::bind(ANY.parse().unwrap(), None).unwrap();
    let error = Listener::bind(taken.local_addr(), None).unwrap_err().to_string();
    assert!(error.contains(&taken.local_addr().to_string()), "{error}");
    assert!(error.contains("choose another --listen"), "{error}");
}

#[tokio::test]
async fn a_connection_over_the_addresss_share_is_told_so_and_closed() {
    let served = Served::start(1, None);
    let (first, _) = served.ask(GET).await;
    let mut second = served.connect().await;
    second.write_all(GET).await.unwrap();
    let answer = read_to_end(&mut second).await;
    assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("retry-after: 5"), "{answer}");
    assert!(answer.contains("\"code\":\"too_many_connections\""), "{answer}");
    drop(first);
    served.until_held(0).await;
    let (_third, answer) = served.ask(GET).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_that_says_nothing_is_dropped_soon() {
    let served = Served::start(1, None);
    let (_first, _) = served.ask(GET).await;
    let began = tokio::time::Instant::now();
    assert_eq!(read_to_end(&mut served.connect().await).await, "");
    assert!(began.elapsed() < HANDSHAKE, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_websocket_gives_its_place_among_the_requests_back() {
    let served = Served::start(1, None);
    let (_client, answer) = served.ask(UPGRADE).await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    served.until_held(0).await;
    let (_other, answer) = served.ask(GET).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_request_head_that_does_not_come_ends_the_connection() {
    let served = Served::start(0, None);
    let mut client = served.connect().await;
    client.write_all(b"GET /peer HTTP/1.1\r\nHost:").await.unwrap();
    let began = tokio::time::Instant::now();
    assert_eq!(read_to_end(&mut client).await, "");
    assert!(began.elapsed() >= HANDSHAKE - ACCEPT_BACKOFF, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_head_over_the_limit_is_refused() {
    let served = Served::start(0, None);
    let long = format!("GET /peer?{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(HEADER_BYTES_MAX));
    let (_, answer) = served.ask(long.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}

#[tokio::test]
async fn a_drain_closes_idle_connections_and_lets_requests_finish() {
    let served = Served::start(0, None);
    let (mut idle, _) = served.ask(GET).await;
    let mut busy = served.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    served.entered.notified().await;
    served.serving.shutdown.cancel();
    assert_eq!(read_to_end(&mut idle).await, "");
    served.release.notify_one();
    let answer = read_to_end(&mut busy).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("released"), "{answer}");
    served.serving.tracker.close();
    served.serving.tracker.wait().await;
    assert!(TcpStream::connect(served.address).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_request_that_outlasts_the_drain_is_cut_off() {
    let served = Served::start(0, None);
    let mut busy = served.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    served.entered.notified().await;
    served.serving.shutdown.cancel();
    assert_eq!(read_to_end(&mut busy).await, "");
}

fn connector(trusted: &CertificateDer<'static>) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsConnector::from(Arc::new(config))
}

fn reloader(dir: &Path) -> TlsReloader {
    TlsReloader::open(&dir.join("cert.pem"), &dir.join("key.pem")).unwrap()
}

#[tokio::test]
async fn a_new_certificate_is_used_while_old_connections_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let old = write_pair(dir.path());
    let tls = reloader(dir.path());
    let served = Served::start(0, Some(tls.clone()));
    let name = ServerName::try_from("localhost").unwrap();
    let first = connector(&old).connect(name.clone(), served.connect().await).await;
    let mut first = first.unwrap();
    assert_eq!(first.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));

    let new = write_pair(dir.path());
    assert!(tls.reload_if_changed().unwrap());
    assert!(connector(&old).connect(name.clone(), served.connect().await).await.is_err());
    let mut second = connector(&new).connect(name, served.connect().await).await.unwrap();
    for client in [&mut first, &mut second] {
        client.write_all(GET).await.unwrap();
        let answer = read_some(client).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_watch_takes_up_a_new_certificate_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    write_pair(dir.path());
    let tls = reloader(dir.path());
    let served = Served::start(0, Some(tls.clone()));
    let shutdown = served.serving.shutdown.clone();
    let watch = served.serving.tracker.spawn(tls.watch(shutdown.clone()));
    let new = write_pair(dir.path());
    let name = ServerName::try_from("localhost").unwrap();
    while connector(&new).connect(name.clone(), served.connect().await).await.is_err() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    shutdown.cancel();
    watch.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_tls_handshake_that_does_not_come_ends_the_connection() {
    let dir = tempfile::tempdir().unwrap();
    write_pair(dir.path());
    let served = Served::start(0, Some(reloader(dir.path())));
    let mut client = served.connect().await;
    assert_eq!(read_to_end(&mut client).await, "");
    served.until_held(0).await;
}
