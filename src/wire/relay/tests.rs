//! What is passed on at once, and over which lines. The rest is in `tests/it/relay.rs`, with whole
//! servers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::routing::{get, post};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::net::TcpListener;

use super::*;
use crate::model::{ConnId, Member, Place, TenantId, UserId};
use crate::presence::{self, Counts, Entered, Entry, Error, Left};

/// A presence that knows of one node, at this address.
struct One(NodeId, String, Arc<dyn Presence>);

#[async_trait]
impl Presence for One {
    async fn enter(&self, of: &TenantId, place: Place, entry: Entry) -> Result<Entered, Error> {
        self.2.enter(of, place, entry).await
    }

    async fn leave(
        &self,
        of: &TenantId,
        place: Place,
        user: &UserId,
        conn: ConnId,
    ) -> Result<Left, Error> {
        self.2.leave(of, place, user, conn).await
    }

    async fn remember_leave(
        &self,
        of: &TenantId,
        place: Place,
        user: &UserId,
        away: Duration,
    ) -> Result<(), Error> {
        self.2.remember_leave(of, place, user, away).await
    }

    async fn members(&self, of: &TenantId, place: Place) -> Result<Vec<Member>, Error> {
        self.2.members(of, place).await
    }

    async fn counts(&self) -> Result<Counts, Error> {
        self.2.counts().await
    }

    async fn connections_of(&self, of: &TenantId, user: &UserId) -> Result<usize, Error> {
        self.2.connections_of(of, user).await
    }

    async fn address_of(&self, node: NodeId) -> Result<Option<String>, Error> {
        Ok((node == self.0).then(|| self.1.clone()))
    }
}

/// A way to a node that serves this, for so many at once; how many lines it has accepted.
async fn way_to(node: NodeId, at_once: usize, router: Router) -> (Relay, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let accepted = Arc::new(AtomicUsize::new(0));
    let counting = accepted.clone();
    let listener = axum::serve::ListenerExt::tap_io(listener, move |_| {
        counting.fetch_add(1, Ordering::Relaxed);
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    let presence = Arc::new(One(node, address, presence::memory()));
    let (tracker, shutdown) = (TaskTracker::new(), CancellationToken::new());
    let relay = Relay::new(presence, &Config::default(), at_once, tracker, shutdown, None);
    (relay, accepted)
}

fn ask(path: &str) -> Request {
    Request::get(path).body(Body::empty()).unwrap()
}

async fn read(response: Response) -> Vec<u8> {
    response.into_body().collect().await.unwrap().to_bytes().to_vec()
}

#[tokio::test]
async fn beyond_so_many_at_once_the_others_may_try_again() {
    let node = NodeId::random();
    let parked = get(|| async { std::future::pending::<&str>().await });
    let router = Router::new().route("/parked", parked).route("/", get(|| async { "ok" }));
    let (relay, _) = way_to(node, 2, router).await;
    let park = || {
        let relay = relay.clone();
        tokio::spawn(async move { relay.pass(node, ask("/parked")).await })
    };
    let (first, _second) = (park(), park());
    while relay.0.turns.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(relay.pass(node, ask("/")).await.unwrap_err(), NotPassed::Busy);
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    // Its turn is held until the answer was read.
    let answer = relay.pass(node, ask("/")).await.unwrap();
    assert_eq!(relay.pass(node, ask("/")).await.unwrap_err(), NotPassed::Busy);
    assert_eq!(read(answer).await, b"ok");
    assert_eq!(read(relay.pass(node, ask("/")).await.unwrap()).await, b"ok");
}

#[tokio::test]
async fn a_line_is_used_again_once_its_answer_was_read() {
    let node = NodeId::random();
    let router = Router::new().route("/", get(|| async { "ok" }));
    let (relay, accepted) = way_to(node, 10, router).await;
    for _ in 0..20 {
        assert_eq!(read(relay.pass(node, ask("/")).await.unwrap()).await, b"ok");
    }
    assert_eq!(accepted.load(Ordering::Relaxed), 1);
    let unread = relay.pass(node, ask("/")).await.unwrap();
    assert_eq!(read(relay.pass(node, ask("/")).await.unwrap()).await, b"ok");
    assert_eq!(accepted.load(Ordering::Relaxed), 2, "one answer was still on its way");
    drop(unread);
}

#[tokio::test]
async fn a_line_that_the_other_side_has_closed_is_no_excuse() {
    let node = NodeId::random();
    let last = [("connection", "close")];
    let router = Router::new().route("/", get(move || async move { (last, "ok") }));
    let (relay, accepted) = way_to(node, 10, router).await;
    for _ in 0..20 {
        assert_eq!(read(relay.pass(node, ask("/")).await.unwrap()).await, b"ok");
    }
    assert_eq!(accepted.load(Ordering::Relaxed), 20);
}

#[tokio::test]
async fn no_body_goes_on_that_is_larger_than_a_frame() {
    let node = NodeId::random();
    let swallow = post(async |body: Body| body.collect().await.is_ok().to_string());
    let (relay, _) = way_to(node, 10, Router::new().route("/", swallow)).await;
    let max = Config::default().limits.frame_bytes;
    let post = async |body: Body| relay.pass(node, Request::post("/").body(body).unwrap()).await;
    let chunks = |bytes: usize| {
        let halves = [vec![b'4'; max], vec![b'4'; bytes - max]];
        let halves = halves.map(|half| Ok::<_, std::io::Error>(half.into()));
        Body::new(StreamBody::new(stream::iter(halves.map(|half| half.map(Frame::<Bytes>::data)))))
    };
    assert_eq!(read(post(chunks(max)).await.unwrap()).await, b"true");
    assert_eq!(post(chunks(max + 1)).await.unwrap_err(), NotPassed::TooLarge);
    let said = |length: usize| {
        let request = Request::post("/").header(header::CONTENT_LENGTH, length);
        relay.pass(node, request.body(Body::from(vec![b'4'; length])).unwrap())
    };
    assert_eq!(read(said(max).await.unwrap()).await, b"true");
    assert_eq!(said(max + 1).await.unwrap_err(), NotPassed::TooLarge);
}
