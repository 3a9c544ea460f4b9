//! Clients that do not keep to the protocol, or keep to it very slowly.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

use crate::client::{Client, connect, read_head};
use crate::clock::{self, within, within_real};
use crate::server::Server;

const OPEN: &[(&str, &str)] = &[("auth.open_sessions", "true"), ("limits.frame_bytes", "1024")];

fn a_path() -> String {
    format!("/ws/{}/budi/customer", Uuid::new_v4())
}

async fn is_served(addr: SocketAddr) {
    let mut client = Client::open(addr, &a_path(), &[]).await.unwrap();
    client.frame_of("conversation_queued").await;
    client.close().await;
}

#[tokio::test]
async fn who_connects_and_says_nothing_is_sent_away() {
    let _stopped = clock::stop();
    let server = Server::start(OPEN).await;
    let mut silent = TcpStream::connect(server.addr).await.unwrap();
    clock::advance(Duration::from_secs(9)).await;
    let mut read = Vec::new();
    let moment = Duration::from_millis(50);
    assert!(within_real(moment, silent.read_buf(&mut read)).await.is_none(), "too early");
    is_served(server.addr).await;
    clock::advance(Duration::from_secs(2)).await;
    within("the end", silent.read_to_end(&mut read)).await.unwrap();
}

#[tokio::test]
async fn a_head_that_drips_in_is_not_waited_for() {
    let _stopped = clock::stop();
    let server = Server::start(OPEN).await;
    let mut slow = TcpStream::connect(server.addr).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").await.unwrap();
    for _ in 0..11 {
        // Whether the line still stands is seen below.
        let _ = slow.write_all(b"X-A: b\r\n").await;
        clock::advance(Duration::from_secs(1)).await;
    }
    let (mut read, end) = (Vec::new(), "the end");
    let _ = within(end, slow.read_to_end(&mut read)).await;
    assert!(!read.starts_with(b"HTTP/1.1 200"), "it was served");
    is_served(server.addr).await;
}

#[tokio::test]
async fn an_endless_head_is_refused() {
    let server = Server::start(OPEN).await;
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX-A: ").await.unwrap();
    let mut written = 0;
    while written < 1 << 20 && stream.write_all(&[b'a'; 4096]).await.is_ok() {
        written += 4096;
    }
    let (head, _) = within("an answer", read_head(&mut stream)).await;
    assert!(head.is_empty() || head.starts_with("http/1.1 431"), "{head}");
    is_served(server.addr).await;
}

#[tokio::test]
async fn an_offer_to_compress_is_politely_left_aside() {
    let server = Server::start(OPEN).await;
    let offer = [("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")];
    let mut client = Client::open(server.addr, &a_path(), &offer).await.unwrap();
    assert!(!client.head.contains("sec-websocket-extensions"), "{}", client.head);
    client.frame_of("connection_established").await;
}

#[tokio::test]
async fn a_request_that_is_no_handshake_is_told_so() {
    let server = Server::start(OPEN).await;
    let answer = server.request("GET", &a_path(), "").await;
    assert_eq!((answer.status, answer.body["success"].as_bool()), (400, Some(false)));
    let answer = server.request("POST", &a_path(), "{}").await;
    assert_eq!(answer.status, 405);
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    let head = format!(
        "GET {} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        a_path()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let (head, _) = within("an answer", read_head(&mut stream)).await;
    assert!(head.starts_with("http/1.1 400"), "{head}");
}

/// The code a connection is closed with after these bytes.
async fn closed_after(addr: SocketAddr, bytes: &[u8]) -> Option<u16> {
    let (mut ws, _) = connect(addr, &a_path(), &[], None).await.unwrap();
    ws.get_mut().write_all(bytes).await.unwrap();
    loop {
        match within("a close frame", ws.next()).await {
            Some(Ok(Message::Close(frame))) => return frame.map(|f| f.code.into()),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return None,
        }
    }
}

#[tokio::test]
async fn a_broken_frame_ends_the_connection_with_its_code() {
    let server = Server::start(OPEN).await;
    let mask = [0, 0, 0, 0];
    let frame =
        |first: u8, length: &[u8], payload: &[u8]| [&[first], length, &mask, payload].concat();
    let fragment = frame(0x01, &[0xfe, 0x02, 0x00], &[b'x'; 512]);
    let more = frame(0x00, &[0xfe, 0x02, 0x00], &[b'x'; 512]);
    for (what, bytes, code) in [
        ("unmasked", vec![0x81, 0x02, b'h', b'i'], 1002),
        ("a reserved bit", frame(0xc1, &[0x82], b"hi"), 1002),
        ("an unknown opcode", frame(0x83, &[0x82], b"hi"), 1002),
        ("a continuation of nothing", frame(0x80, &[0x82], b"hi"), 1002),
        ("a fragmented ping", frame(0x09, &[0x82], b"hi"), 1002),
        ("a length over the limit", frame(0x81, &[0xfe, 0xff, 0xff], b""), 1009),
        ("a length of exabytes", frame(0x81, &[0xff, 0x7f, 0, 0, 0, 0, 0, 0, 0], b""), 1009),
        ("fragments over the limit", [fragment, more.clone(), more].concat(), 1009),
        ("half a character", frame(0x81, &[0x81], &[0xc3]), 1007),
    ] {
        assert_eq!(closed_after(server.addr, &bytes).await, Some(code), "{what}");
    }
    is_served(server.addr).await;
}

#[tokio::test]
async fn a_message_in_fragments_is_one_message() {
    let server = Server::start(OPEN).await;
    let (mut ws, _) = connect(server.addr, &a_path(), &[], None).await.unwrap();
    let (one, two) = (br#"{"type":"#, br#""ping"}"#);
    let mask = [0, 0, 0, 0];
    let mut bytes = [&[0x01, 0x80 | one.len() as u8], &mask[..], one].concat();
    // A ping of the client between two fragments, as the protocol allows.
    bytes.extend([&[0x89, 0x80], &mask[..]].concat());
    bytes.extend([&[0x80, 0x80 | two.len() as u8], &mask[..], two].concat());
    for byte in bytes {
        ws.get_mut().write_all(&[byte]).await.unwrap();
    }
    loop {
        match within("a pong of both kinds", ws.next()).await {
            Some(Ok(Message::Text(text))) if text.contains(r#""pong""#) => return,
            Some(Ok(_)) => {}
            end => panic!("{end:?}"),
        }
    }
}
