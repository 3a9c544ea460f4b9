//! A double of the hub: takes lines, and says on them what the test tells it to. It must not know
//! what is tested with it.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use switchboard_client::{Subscriber, SubscriberBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

/// No pause of the subscriber is longer.
const PATIENCE: Duration = Duration::from_secs(200);

pub(crate) struct Hub {
    listener: TcpListener,
    pub(crate) url: String,
}

/// A line that was taken.
pub(crate) struct Caller {
    socket: WebSocketStream<TcpStream>,
    /// The path and the query it came with.
    pub(crate) uri: String,
    pub(crate) authorization: String,
}

impl Hub {
    pub(crate) async fn open() -> Hub {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/ws", listener.local_addr().unwrap());
        Hub { listener, url }
    }

    pub(crate) fn builder(&self) -> SubscriberBuilder {
        Subscriber::builder(&self.url, "a.b.c")
    }

    pub(crate) fn subscriber(&self) -> Subscriber {
        self.builder().build().unwrap()
    }

    async fn next(&self) -> TcpStream {
        timeout(PATIENCE, self.listener.accept()).await.expect("a line").unwrap().0
    }

    /// Takes the next line.
    pub(crate) async fn take(&self) -> Caller {
        let (mut uri, mut authorization) = (String::new(), String::new());
        #[expect(clippy::result_large_err, reason = "the library's signature")]
        let see = |request: &Request, response: Response| {
            uri = request.uri().to_string();
            let header = request.headers().get("authorization").expect("a token");
            header.to_str().unwrap().clone_into(&mut authorization);
            Ok(response)
        };
        let socket = accept_hdr_async(self.next().await, see).await.unwrap();
        Caller { socket, uri, authorization }
    }

    /// Takes the next line and says where the log is.
    pub(crate) async fn take_at(&self, cursor: &str) -> Caller {
        let mut caller = self.take().await;
        let payload =
            json!({"connection_id": "k1", "user_id": "u1", "role": "admin", "cursor": cursor});
        caller.say(&json!({"type": "connected", "payload": payload})).await;
        caller
    }

    /// Answers the next handshake with this.
    pub(crate) async fn refuse(&self, status: u16, header: &str, body: &str) {
        let mut stream = self.next().await;
        let mut asked = [0; 4_096];
        let _ = stream.read(&mut asked).await.unwrap();
        let length = body.len();
        let head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}");
        let answer = format!("{head}\r\n{header}\r\n{body}");
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

impl Caller {
    pub(crate) async fn say(&mut self, frame: &Value) {
        self.socket.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// A call on hold, at this place in the log.
    pub(crate) async fn hold(&mut self, cursor: &str) {
        let frame = json!({"type": "call.hold", "payload": {"unique_id": cursor}, "id": format!("e-{cursor}"),
            "timestamp": "2025-01-24T10:30:00.000Z", "cursor": cursor});
        self.say(&frame).await;
    }

    pub(crate) async fn ping(&mut self) {
        self.socket.send(Message::Ping(Bytes::from_static(b"54"))).await.unwrap();
    }

    pub(crate) async fn close(&mut self, code: u16) {
        let frame = CloseFrame { code: code.into(), reason: "because".into() };
        self.socket.close(Some(frame)).await.unwrap();
    }

    /// The next frame of the subscriber; none when the line broke.
    pub(crate) async fn hear(&mut self) -> Option<Message> {
        timeout(PATIENCE, self.socket.next()).await.expect("a frame").and_then(Result::ok)
    }
}
