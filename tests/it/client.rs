//! A WebSocket client that says everything about how it was treated. The handshake is our own, so
//! that a refusal is seen whole; the frames are tungstenite's. What the frames say is read as the
//! dialect has it, see [`Speech`].

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};

use crate::clock::{within, within_real};
use crate::packet;

/// An answer of HTTP: to a request, or to a handshake that was not let in.
#[derive(Debug)]
pub struct Answer {
    /// The status; 0 if the line ended without an answer.
    pub status: u16,
    /// The head, in lower case.
    pub head: String,
    /// The body; null if it is no JSON.
    pub body: Value,
    /// The body as it came.
    pub text: String,
}

/// How a client reads its frames.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Speech {
    /// Each is JSON.
    Json,
    /// Each is a packet of Engine.IO, shown as [`packet::read`] has it; pings are answered.
    EngineIo,
}

/// What a client sees.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// A frame of JSON, or a packet.
    Frame(Value),
    /// A ping; the pong goes out by itself.
    Ping,
    /// A close frame with this code. Where there are no such frames: 0 for a close packet, or the
    /// status of the HTTP answer that ended it.
    Closed(u16),
    /// The end of the line without a close frame.
    Lost,
}

/// What the client's task is told to do.
pub enum Act {
    /// Sends a message.
    Send(Message),
    /// Closes politely.
    Close,
    /// Resets the line.
    Cut,
    /// Does nothing any more but keep the line.
    Freeze,
}

/// An open socket, read in the background.
pub struct Client {
    acts: mpsc::Sender<Act>,
    seen: mpsc::Receiver<Seen>,
    /// The head of the answer to the handshake, in lower case.
    pub head: String,
}

/// Opens a socket and leaves the reading to the caller. `receive_bytes` bounds what the kernel
/// takes in for a client that does not read.
pub async fn connect(
    addr: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    receive_bytes: Option<u32>,
) -> Result<(WebSocketStream<TcpStream>, String), Answer> {
    let socket = TcpSocket::new_v4().unwrap();
    if let Some(bytes) = receive_bytes {
        socket.set_recv_buffer_size(bytes).unwrap();
    }
    let unanswered =
        || Answer { status: 0, head: String::new(), body: Value::Null, text: String::new() };
    let connected = within("connect", socket.connect(addr)).await;
    let mut stream = connected.map_err(|_| unanswered())?;
    stream.set_nodelay(true).unwrap();
    let mut request = format!(
        "GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    );
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    let asked = stream.write_all(format!("{request}\r\n").as_bytes()).await;
    asked.map_err(|_| unanswered())?;
    let (head, rest) = within("handshake", read_head(&mut stream)).await;
    if head.starts_with("http/1.1 101 ") {
        let ws = WebSocketStream::from_partially_read(stream, rest, Role::Client, None).await;
        return Ok((ws, head));
    }
    Err(answer(&mut stream, head, rest).await)
}

/// The head of an answer in lower case, and what was read beyond it.
pub async fn read_head(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut read = Vec::new();
    loop {
        if let Some(end) = read.windows(4).position(|w| w == b"\r\n\r\n") {
            let rest = read.split_off(end + 4);
            return (String::from_utf8_lossy(&read).to_ascii_lowercase(), rest);
        }
        if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
            return (String::from_utf8_lossy(&read).to_ascii_lowercase(), Vec::new());
        }
    }
}

/// Asks by HTTP, on a connection of its own.
pub async fn request(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        let length = body.len();
        text += &format!("Content-Type: application/json\r\nContent-Length: {length}\r\n");
    }
    stream.write_all(format!("{text}\r\n{body}").as_bytes()).await.unwrap();
    let (head, rest) = within("an answer", read_head(&mut stream)).await;
    answer(&mut stream, head, rest).await
}

async fn answer(stream: &mut TcpStream, head: String, rest: Vec<u8>) -> Answer {
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    let body = within("a body", read_body(stream, &head, rest)).await;
    let text = String::from_utf8_lossy(&body).into_owned();
    Answer { status, head, body: serde_json::from_slice(&body).unwrap_or(Value::Null), text }
}

async fn read_body(stream: &mut TcpStream, head: &str, mut body: Vec<u8>) -> Vec<u8> {
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.and_then(|l| l.parse().ok()).unwrap_or(0);
    while body.len() < length && stream.read_buf(&mut body).await.unwrap_or(0) > 0 {}
    body
}

impl Client {
    /// Opens a socket.
    pub async fn open(
        addr: SocketAddr,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Client, Answer> {
        Client::open_speaking(Speech::Json, addr, path, headers).await
    }

    /// Opens a socket of a dialect.
    pub async fn open_speaking(
        speech: Speech,
        addr: SocketAddr,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Client, Answer> {
        let (ws, head) = connect(addr, path, headers, None).await?;
        Ok(Client::of(head, |orders, tell| run(speech, ws, orders, tell)))
    }

    /// A client whose line is looked after by a task.
    pub fn of<F: Future<Output = ()> + Send + 'static>(
        head: String,
        task: impl FnOnce(mpsc::Receiver<Act>, mpsc::Sender<Seen>) -> F,
    ) -> Client {
        let (acts, orders) = mpsc::channel(1_024);
        let (tell, seen) = mpsc::channel(1 << 20);
        tokio::spawn(task(orders, tell));
        Client { acts, seen, head }
    }

    /// Sends a frame of text as it is.
    pub async fn send_text(&self, text: &str) {
        self.act(Act::Send(Message::text(text))).await;
    }

    /// Sends a frame.
    pub async fn send(&self, frame: &Value) {
        self.send_text(&frame.to_string()).await;
    }

    /// Says something.
    pub async fn say(&self, content: &str, client_id: &str) {
        let data = json!({ "content": content, "client_id": client_id });
        self.send(&json!({ "type": "message", "data": data })).await;
    }

    /// Sends a binary frame.
    pub async fn send_binary(&self, bytes: Vec<u8>) {
        self.act(Act::Send(Message::binary(bytes))).await;
    }

    /// Sends a text frame that holds these bytes, UTF-8 or not.
    pub async fn send_raw_text(&self, bytes: Vec<u8>) {
        let frame = Frame::message(bytes, OpCode::Data(Data::Text), true);
        self.act(Act::Send(Message::Frame(frame))).await;
    }

    /// Closes politely.
    pub async fn close(&self) {
        self.act(Act::Close).await;
    }

    /// Resets the line without a close frame.
    pub async fn cut(&self) {
        self.act(Act::Cut).await;
    }

    /// Stays connected, but neither reads nor answers any more.
    pub async fn freeze(&self) {
        self.act(Act::Freeze).await;
    }

    async fn act(&self, act: Act) {
        // A client whose line has ended does nothing.
        let _ = self.acts.send(act).await;
    }

    /// What comes next.
    pub async fn next(&mut self) -> Seen {
        within("a frame", self.seen.recv()).await.unwrap_or(Seen::Lost)
    }

    /// What comes next, unless nothing does for a moment of the real clock.
    pub async fn next_soon(&mut self, moment: Duration) -> Option<Seen> {
        within_real(moment, self.seen.recv()).await.flatten()
    }

    /// The next frame, which must be one.
    pub async fn frame(&mut self) -> Value {
        loop {
            match self.next().await {
                Seen::Frame(frame) => return frame,
                Seen::Ping => {}
                other => panic!("expected a frame, got {other:?}"),
            }
        }
    }

    /// The data of the next frame of a type; others are passed over.
    pub async fn frame_of(&mut self, kind: &str) -> Value {
        loop {
            let mut frame = self.frame().await;
            if frame["type"] == kind {
                return frame["data"].take();
            }
        }
    }

    /// Waits for the end; the code, or `None` for an end without a close frame.
    pub async fn end(&mut self) -> Option<u16> {
        loop {
            match self.next().await {
                Seen::Closed(code) => return Some(code),
                Seen::Lost => return None,
                Seen::Frame(_) | Seen::Ping => {}
            }
        }
    }
}

async fn run(
    speech: Speech,
    mut ws: WebSocketStream<TcpStream>,
    mut orders: mpsc::Receiver<Act>,
    tell: mpsc::Sender<Seen>,
) {
    loop {
        let act = tokio::select! {
            act = orders.recv() => act,
            read = ws.next() => {
                let seen = seen(speech, read);
                if speech == Speech::EngineIo && seen == Some(Seen::Ping) {
                    let _ = ws.send(Message::text(packet::PONG)).await;
                }
                let is_end = matches!(seen, Some(Seen::Closed(_) | Seen::Lost));
                if let Some(seen) = seen {
                    let _ = tell.send(seen).await;
                }
                if is_end {
                    // Answers the close frame.
                    let _ = ws.flush().await;
                    return;
                }
                continue;
            }
        };
        match act {
            Some(Act::Send(message)) => drop(ws.send(message).await),
            Some(Act::Close) => {
                let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
                drop(ws.close(Some(frame)).await);
            }
            Some(Act::Freeze) => while !matches!(orders.recv().await, None | Some(Act::Cut)) {},
            Some(Act::Cut) | None => {
                let _ = ws.get_ref().set_zero_linger();
                return;
            }
        }
    }
}

fn seen(
    speech: Speech,
    read: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>,
) -> Option<Seen> {
    match read {
        Some(Ok(Message::Text(text))) if speech == Speech::EngineIo => Some(packet::seen(&text)),
        Some(Ok(Message::Ping(_))) if speech == Speech::EngineIo => None,
        Some(Ok(Message::Text(text))) => {
            Some(Seen::Frame(serde_json::from_str(&text).expect("every frame is JSON")))
        }
        Some(Ok(Message::Ping(_))) => Some(Seen::Ping),
        Some(Ok(Message::Close(frame))) => {
            Some(Seen::Closed(frame.map_or(1005, |f| u16::from(f.code))))
        }
        Some(Ok(Message::Binary(_))) => panic!("a binary frame from the server"),
        Some(Ok(Message::Pong(_) | Message::Frame(_))) => None,
        Some(Err(_)) | None => Some(Seen::Lost),
    }
}
