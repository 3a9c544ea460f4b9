//! A server that is told to go: it sends everybody away, keeps what it acknowledged, and ends in
//! time (contract 2).

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::json;
use switchboard::model::Role;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

use crate::client::{Seen, connect};
use crate::clock::within;
use crate::server::{Server, token};

const OPEN: &[(&str, &str)] =
    &[("auth.open_sessions", "true"), ("limits.messages_per_minute", "0")];

#[tokio::test]
async fn a_drain_sends_everybody_away_and_loses_nothing_acknowledged() {
    let data = Arc::new(TempDir::new().unwrap());
    let server = Server::on_disk(data.clone(), OPEN).await;
    let id = Uuid::new_v4();
    let path = format!("/ws/{id}/budi/customer");
    let mut budi = server.open(&path).await;
    let mut dewi = server.open(&format!("/ws/{id}/dewi/agent")).await;
    let addr = server.addr;
    let mut acked = 0;
    for n in 0..50 {
        budi.say("hai", &n.to_string()).await;
    }
    // In the middle of it all.
    while acked < 10 {
        acked = budi.frame_of("ack").await["seq"].as_u64().unwrap();
    }
    let draining = tokio::spawn(server.running.drain());
    let code = loop {
        match budi.next().await {
            Seen::Frame(frame) if frame["type"] == "ack" => {
                assert_eq!(frame["data"]["success"], true, "{frame}");
                acked = frame["data"]["seq"].as_u64().unwrap();
            }
            Seen::Frame(_) | Seen::Ping => {}
            Seen::Closed(code) => break code,
            Seen::Lost => panic!("no close frame"),
        }
    };
    assert_eq!((code, dewi.end().await), (1001, Some(1001)), "come back, it says");
    assert!(within("the drain", draining).await.unwrap(), "it was not clean");
    assert!(TcpStream::connect(addr).await.is_err(), "it still listens");

    let server = Server::on_disk(data, OPEN).await;
    let mut budi = server.open(&format!("{path}?after=0")).await;
    for seq in 1..=acked {
        assert_eq!(budi.frame_of("message").await["seq"], seq);
    }
    let recorder = format!("/api/session/{id}/events");
    let answer = server.request("GET", &recorder, "").await;
    let events = answer.body["data"].to_string();
    assert_eq!(events.matches("server_shutdown").count(), 2, "{events}");
    assert!(!events.contains("node_lost"), "nobody was lost: {events}");
}

#[tokio::test]
async fn a_client_that_does_not_answer_holds_no_drain_up() {
    let options = [OPEN, &[("server.drain_timeout", "5s")]].concat();
    let server = Server::start(&options).await;
    let path = format!("/ws/{}/budi/customer", Uuid::new_v4());
    let (mut frozen, _) = connect(server.addr, &path, &[], None).await.unwrap();
    let _silent = TcpStream::connect(server.addr).await.unwrap();
    let started = tokio::time::Instant::now();
    within("the drain", server.running.drain()).await;
    assert!(started.elapsed() < Duration::from_secs(6), "took {:?}", started.elapsed());
    // What it did not read is there, the reason included.
    loop {
        match within("the close frame", frozen.next()).await {
            Some(Ok(Message::Close(frame))) => {
                assert_eq!(frame.map(|f| u16::from(f.code)), Some(1001));
                return;
            }
            Some(Ok(_)) => {}
            end => panic!("{end:?}"),
        }
    }
}

#[tokio::test]
async fn two_servers_do_not_share_a_data_directory() {
    let data = Arc::new(TempDir::new().unwrap());
    let first = Server::on_disk(data.clone(), OPEN).await;
    let Err(refusal) = Server::try_start(data.clone(), OPEN).await else {
        panic!("a second server started on the same data");
    };
    let refusal = format!("{refusal:#}");
    assert!(refusal.contains("another server uses the data directory"), "{refusal}");
    assert!(!refusal.contains('\n'), "one line: {refusal}");
    // The first one is none the worse for it, and its end frees the directory.
    let mut client = first.open(&format!("/ws/{}/budi/customer", Uuid::new_v4())).await;
    client.send(&json!({ "type": "ping" })).await;
    client.frame_of("pong").await;
    drop(client);
    assert!(within("the drain", first.running.drain()).await);
    Server::on_disk(data, OPEN).await;
}

#[tokio::test]
async fn a_drain_answers_what_it_takes_and_makes_nobody_a_ghost() {
    let data = Arc::new(TempDir::new().unwrap());
    let server = Server::on_disk(data.clone(), &[]).await;
    let agent = Uuid::new_v4().to_string();
    let path = format!("/api/agent-status/heartbeat?token={}", token(Role::Agent, &agent));
    assert_eq!(server.request("POST", &path, "{}").await.status, 200);
    // The connection is there before the drain begins, and its request is on its way.
    let (addr, began) = (server.addr, tokio::time::Instant::now());
    let mut line = TcpStream::connect(addr).await.unwrap();
    let body = r#"{"status":"away"}"#;
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    line.write_all(request.as_bytes()).await.unwrap();
    let half = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        line.write_all(body.as_bytes()).await.unwrap();
        let mut answer = String::new();
        line.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let drain = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.running.drain().await
    };
    let (answer, is_clean) = tokio::join!(half, drain);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(is_clean && began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());

    // It is what it said, and its lease still counts.
    let server = Server::on_disk(data, &[]).await;
    let admin = token(Role::Admin, &Uuid::new_v4().to_string());
    let path = format!("/api/agent-status/agent/{agent}?token={admin}");
    let answer = server.request("GET", &path, "").await;
    assert_eq!(answer.body["data"]["status"], "away", "{answer:?}");
}
