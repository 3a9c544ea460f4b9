//! A client of Engine.IO over long-polling: each poll and each post is a request of its own, and
//! what they bring looks like what a WebSocket would have brought.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Act, Answer, Client, Seen, request};
use crate::packet::{self, PONG, SEPARATOR};

/// Opens a session; the first packet is seen like any other.
pub async fn open(addr: SocketAddr, headers: &[(&str, &str)]) -> Result<Client, Answer> {
    open_through(vec![addr], headers).await
}

/// Opens a session at the first of these servers; of its requests, each goes to the next of them.
pub async fn open_through(
    addrs: Vec<SocketAddr>,
    headers: &[(&str, &str)],
) -> Result<Client, Answer> {
    let addr = addrs[0];
    let path = "/socket.io/?EIO=4&transport=polling";
    let opened = request(addr, "GET", path, headers, "").await;
    let first = packet::read(&opened.text).unwrap_or_default();
    let (200, Some(sid)) = (opened.status, first[1]["sid"].as_str()) else { return Err(opened) };
    let path = format!("{path}&sid={sid}");
    Ok(Client::of(opened.head, |orders, tell| async move {
        let _ = tell.send(Seen::Frame(first)).await;
        run(addrs, path, orders, tell).await;
    }))
}

async fn run(
    addrs: Vec<SocketAddr>,
    path: String,
    mut orders: mpsc::Receiver<Act>,
    tell: mpsc::Sender<Seen>,
) {
    let turn = AtomicUsize::new(1);
    let next = || addrs[turn.fetch_add(1, Ordering::Relaxed) % addrs.len()];
    let poll = || Box::pin(request(next(), "GET", &path, &[], ""));
    let post = async |body: &str| request(next(), "POST", &path, &[], body).await;
    let mut polling = poll();
    loop {
        let act = tokio::select! {
            act = orders.recv() => act,
            answer = &mut polling => {
                if answer.status != 200 {
                    let _ = tell.send(Seen::Closed(answer.status)).await;
                    return;
                }
                for text in answer.text.split(SEPARATOR).filter(|text| *text != "6") {
                    let seen = packet::seen(text);
                    let is_end = matches!(seen, Seen::Closed(_));
                    if seen == Seen::Ping {
                        post(PONG).await;
                    }
                    let _ = tell.send(seen).await;
                    if is_end {
                        return;
                    }
                }
                polling = poll();
                continue;
            }
        };
        match act {
            Some(Act::Send(Message::Text(text))) => {
                let answer = post(&text).await;
                if answer.status != 200 {
                    let _ = tell.send(Seen::Closed(answer.status)).await;
                    return;
                }
            }
            Some(Act::Send(_)) => panic!("long-polling sends text only here"),
            Some(Act::Close) => drop(post("1").await),
            Some(Act::Freeze) => {
                // The poll under way is left unread, and no other follows.
                while !matches!(orders.recv().await, None | Some(Act::Cut)) {}
            }
            Some(Act::Cut) | None => return,
        }
    }
}
