//! A receiver of webhooks on a real socket, which does what a test tells it: it answers as asked,
//! hangs, or is not there at all. Every signature is checked here, by a few lines that know nothing
//! of how the server makes them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::clock::within;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Told {
    /// `webhook-id`.
    pub id: String,
    /// `webhook-timestamp`.
    pub timestamp: i64,
    /// Each signature of `webhook-signature`.
    pub signatures: Vec<String>,
    /// The body as it came.
    pub text: String,
    /// The body.
    pub body: Value,
    /// What it was answered.
    pub status: u16,
    /// When it came.
    pub at: tokio::time::Instant,
}

/// What a receiver does with a request.
#[derive(Clone, Debug)]
pub enum Does {
    /// Answers with this status.
    Answer(u16),
    /// Answers with this status and a header.
    AnswerWith(u16, &'static str, String),
    /// Thinks for so long, and answers 200.
    Think(Duration),
    /// Never answers.
    Hang,
}

type Manners = Box<dyn FnMut(&Told) -> Does + Send>;

/// The receiver.
pub struct Receiver {
    /// Where it is told.
    pub url: String,
    addr: SocketAddr,
    inner: Arc<Inner>,
    serving: Option<tokio::task::JoinHandle<()>>,
}

struct Inner {
    manners: Mutex<Manners>,
    told: Mutex<Vec<Told>>,
    more: Notify,
    /// How many requests are under way, and how many were at most.
    busy: Mutex<(usize, usize)>,
}

impl Receiver {
    /// A receiver that takes everything.
    pub async fn start() -> Receiver {
        Receiver::with(|_| Does::Answer(200)).await
    }

    /// A receiver with manners.
    pub async fn with(manners: impl FnMut(&Told) -> Does + Send + 'static) -> Receiver {
        let inner = Arc::new(Inner {
            manners: Mutex::new(Box::new(manners)),
            told: Mutex::default(),
            more: Notify::new(),
            busy: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let serving = Some(tokio::spawn(serve(listener, inner.clone())));
        Receiver { url: format!("http://{addr}/hook"), addr, inner, serving }
    }

    /// From now on it has these manners.
    pub fn will(&self, manners: impl FnMut(&Told) -> Does + Send + 'static) {
        *self.inner.manners.lock().unwrap() = Box::new(manners);
    }

    /// From now on nobody is there, and whoever waits for an answer gets none.
    pub async fn stop(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            let _ = serving.await;
        }
    }

    /// It is there again.
    pub async fn come_back(&mut self) {
        let listener = TcpListener::bind(self.addr).await.unwrap();
        self.serving = Some(tokio::spawn(serve(listener, self.inner.clone())));
    }

    /// Everything it was told, in order, refused or not.
    pub fn told(&self) -> Vec<Told> {
        self.inner.told.lock().unwrap().clone()
    }

    /// How many requests it had at once at most.
    pub fn busiest(&self) -> usize {
        self.inner.busy.lock().unwrap().1
    }

    /// Waits until what it was told is as wanted.
    pub async fn until(&self, what: &str, mut is_it: impl FnMut(&[Told]) -> bool) {
        within(what, async {
            loop {
                let more = self.inner.more.notified();
                if is_it(&self.told()) {
                    return;
                }
                more.await;
            }
        })
        .await;
    }

    /// Waits until it took so many different ones.
    pub async fn took(&self, count: usize) -> Vec<Told> {
        let what = format!("{count} deliveries");
        self.until(&what, |told| distinct(told).len() >= count).await;
        distinct(&self.told())
    }
}

/// Those that were taken, each the first time it was.
pub fn distinct(told: &[Told]) -> Vec<Told> {
    let mut seen = std::collections::HashSet::new();
    let taken = told.iter().filter(|told| (200..300).contains(&told.status));
    taken.filter(|told| seen.insert(told.id.clone())).cloned().collect()
}

async fn serve(listener: TcpListener, inner: Arc<Inner>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let inner = inner.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| answer(inner.clone(), request));
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// Counts a request for as long as it is under way, however it ends.
struct Busy(Arc<Inner>);

impl Busy {
    fn with(inner: &Arc<Inner>) -> Busy {
        let mut busy = inner.busy.lock().unwrap();
        busy.0 += 1;
        busy.1 = busy.1.max(busy.0);
        Busy(inner.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.lock().unwrap().0 -= 1;
    }
}

async fn answer(
    inner: Arc<Inner>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let _busy = Busy::with(&inner);
    let (head, body) = request.into_parts();
    let header = |name: &str| head.headers.get(name).unwrap().to_str().unwrap().to_owned();
    assert_eq!(
        (head.method.as_str(), header("content-type").as_str()),
        ("POST", "application/json")
    );
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let mut told = Told {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp").parse().unwrap(),
        signatures: header("webhook-signature").split(' ').map(str::to_owned).collect(),
        body: serde_json::from_str(&text).unwrap(),
        text,
        status: 0,
        at: tokio::time::Instant::now(),
    };
    let does = inner.manners.lock().unwrap()(&told);
    let mut response = Response::new(Full::default());
    told.status = match &does {
        Does::Answer(status) | Does::AnswerWith(status, ..) => *status,
        Does::Think(_) => 200,
        Does::Hang => 0,
    };
    match does {
        Does::AnswerWith(_, name, value) => {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        Does::Think(time) => tokio::time::sleep(time).await,
        Does::Answer(_) | Does::Hang => {}
    }
    let status = told.status;
    inner.told.lock().unwrap().push(told);
    inner.more.notify_waiters();
    if status == 0 {
        std::future::pending::<()>().await;
    }
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
    Ok(response)
}

impl Told {
    /// Whether one of its signatures is by this secret.
    pub fn is_signed_by(&self, secret: &str) -> bool {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let signed = format!("{}.{}.{}", self.id, self.timestamp, self.text);
        let expected = STANDARD.encode(hmac_sha256(&key, signed.as_bytes()));
        self.signatures.iter().any(|signature| *signature == format!("v1,{expected}"))
    }

    /// Where its event stands in the log.
    pub fn position(&self) -> u64 {
        self.id.rsplit('-').next().unwrap().parse().unwrap()
    }

    /// The event's name.
    pub fn kind(&self) -> &str {
        self.body["type"].as_str().unwrap()
    }
}

/// RFC 2104, from SHA-256 alone.
fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0_u8; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let padded = |pad: u8| block.map(|byte| byte ^ pad);
    let inner = Sha256::digest([&padded(0x36)[..], message].concat());
    Sha256::digest([&padded(0x5c)[..], &inner[..]].concat()).into()
}

#[test]
fn the_signature_of_rfc_4231_is_known() {
    let mac = hmac_sha256(b"Jefe", b"what do ya want for nothing?");
    let hex: String = mac.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}
