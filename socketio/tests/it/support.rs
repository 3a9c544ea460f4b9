//! A WebSocket in memory, with the client's end in the test's hand, and a way to serve a link
//! while a request is under way.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use engineio_socketio::engine::{Config, Request, classify};
use engineio_socketio::{End, Frame, Incoming, Link, Received, Sessions, Sid, Text, WebSocket};
use http::{Method, Response};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Wire {
    to_server: VecDeque<Received>,
    to_client: VecDeque<Frame>,
    wakers: Vec<Waker>,
    is_stuck: bool,
    closed: Option<u16>,
}

impl Wire {
    fn wait<T>(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        self.wakers.push(cx.waker().clone());
        Poll::Pending
    }

    fn wake(&mut self) {
        self.wakers.drain(..).for_each(Waker::wake);
    }
}

/// The server's end.
pub(crate) struct Socket {
    wire: Arc<Mutex<Wire>>,
    queue: VecDeque<Frame>,
}

/// The client's end. Dropping it breaks the connection off.
pub(crate) struct Client {
    wire: Arc<Mutex<Wire>>,
}

pub(crate) fn websocket() -> (Client, Socket) {
    let wire = Arc::<Mutex<Wire>>::default();
    (Client { wire: wire.clone() }, Socket { wire, queue: VecDeque::new() })
}

impl WebSocket for Socket {
    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        let mut wire = self.wire.lock().unwrap();
        match wire.to_server.pop_front() {
            Some(received) => Poll::Ready(received),
            None => wire.wait(cx),
        }
    }

    fn enqueue(&mut self, frame: Frame) {
        self.queue.push_back(frame);
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        let mut wire = self.wire.lock().unwrap();
        if wire.is_stuck && !self.queue.is_empty() {
            return wire.wait(cx);
        }
        wire.to_client.extend(self.queue.drain(..));
        wire.wake();
        Poll::Ready(Ok(()))
    }

    async fn close(self, code: u16, _reason: &str) {
        let mut wire = self.wire.lock().unwrap();
        wire.closed = Some(code);
        wire.wake();
    }
}

impl Client {
    fn wire(&self) -> MutexGuard<'_, Wire> {
        self.wire.lock().unwrap()
    }

    fn send(&self, received: Received) {
        let mut wire = self.wire();
        wire.to_server.push_back(received);
        wire.wake();
    }

    pub(crate) fn say(&self, text: &str) {
        self.send(Received::Text(Text::from(text.to_owned())));
    }

    pub(crate) fn say_bytes(&self, bytes: &'static [u8]) {
        self.send(Received::Binary(Bytes::from_static(bytes)));
    }

    /// Whether the client takes nothing more.
    pub(crate) fn set_stuck(&self, is_stuck: bool) {
        let mut wire = self.wire();
        wire.is_stuck = is_stuck;
        wire.wake();
    }

    /// What came, as text; bytes as `b".."`.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.wire().to_client.drain(..).map(shown_frame).collect()
    }

    /// What comes next.
    pub(crate) async fn hear(&self) -> String {
        poll_fn(|cx| {
            let mut wire = self.wire();
            match wire.to_client.pop_front() {
                Some(frame) => Poll::Ready(shown_frame(frame)),
                None => wire.wait(cx),
            }
        })
        .await
    }

    /// The code of the close frame.
    pub(crate) async fn closed(&self) -> u16 {
        poll_fn(|cx| {
            let mut wire = self.wire();
            wire.closed.map_or_else(|| wire.wait(cx), Poll::Ready)
        })
        .await
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.wire().closed.is_some()
    }
}

fn shown_frame(frame: Frame) -> String {
    match frame {
        Frame::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
        Frame::Binary(bytes) => format!("{bytes:?}"),
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.send(Received::Ended(End::Lost));
    }
}

/// A polling session and its id.
pub(crate) fn polling(config: Config) -> (Sessions<Socket>, Link<Socket>, Sid) {
    let sessions = Sessions::new(config);
    let (link, response) = sessions.open_polling().unwrap();
    let sid = sid_of(&response);
    (sessions, link, sid)
}

/// The id in the answer that opens a session.
pub(crate) fn sid_of(response: &Response<Bytes>) -> Sid {
    let open: serde_json::Value = serde_json::from_slice(&response.body()[1..]).unwrap();
    let query = format!("EIO=4&transport=polling&sid={}", open["sid"].as_str().unwrap());
    match classify(&Method::GET, &query, false, "") {
        Ok(Request::Poll(sid)) => sid,
        other => panic!("{other:?}"),
    }
}

/// A WebSocket session, and what the client heard first.
pub(crate) async fn websocket_session(config: Config) -> (Client, Link<Socket>) {
    let (client, socket) = websocket();
    let mut link = Sessions::new(config).open_websocket(socket).unwrap();
    link.flush().await.unwrap();
    assert!(client.heard()[0].starts_with("0{"));
    (client, link)
}

/// Receives until the request is answered or the session ends; returns the answer and what came.
pub(crate) async fn during<T>(
    link: &mut Link<Socket>,
    request: impl Future<Output = T>,
) -> (T, Vec<Incoming>) {
    let mut request = pin!(request);
    let mut came = Vec::new();
    loop {
        tokio::select! {
            biased;
            answer = &mut request => return (answer, came),
            incoming = link.recv() => {
                let is_end = matches!(incoming, Incoming::End(_));
                came.push(incoming);
                if is_end {
                    return (request.await, came);
                }
            }
        }
    }
}

/// Polls once.
pub(crate) async fn poll<F: Future + Unpin>(mut future: F) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(pin!(&mut future).poll(cx))).await
}

pub(crate) fn text(text: &'static str) -> Incoming {
    Incoming::Text(text.into())
}

pub(crate) fn message(text: &str) -> Frame {
    Frame::Text(Bytes::from(format!("4{text}")))
}

/// Status and body in one.
pub(crate) fn shown(response: &Response<Bytes>) -> (u16, &str) {
    (response.status().as_u16(), std::str::from_utf8(response.body()).unwrap())
}
