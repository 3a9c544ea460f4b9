//! What one client may use (contract 10; lines 67, 68, 72).

use serde_json::{Value, json};
use switchboard::limits::{OTHER_FRAMES_PER_MINUTE, PERSISTENT_REFUSALS};
use uuid::Uuid;

use crate::client::{Answer, Client, Seen};
use crate::clock::{self, real_pause, within};
use crate::server::Server;

const OPEN: (&str, &str) = ("auth.open_sessions", "true");

fn refused(answer: Result<Client, Answer>) -> Answer {
    match answer {
        Ok(_) => panic!("it was let in"),
        Err(answer) => answer,
    }
}

/// A connection's place is free again shortly after its end, however that came.
async fn let_in_soon(server: &Server, path: &str) -> Client {
    within("a free place", async {
        loop {
            match server.try_open(path).await {
                Ok(client) => return client,
                Err(_) => real_pause(std::time::Duration::from_millis(5)).await,
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_user_holds_so_many_connections_and_no_more() {
    let server = Server::start(&[OPEN, ("limits.connections_per_user", "3")]).await;
    let path = format!("/ws/{}/budi/customer", Uuid::new_v4());
    let elsewhere = format!("/ws/{}/budi/customer", Uuid::new_v4());
    let first = server.open(&path).await;
    let _second = server.open(&path).await;
    let _third = server.open(&elsewhere).await;
    let answer = refused(server.try_open(&path).await);
    assert_eq!((answer.status, &answer.body["code"]), (429, &json!("too_many_connections")));
    assert!(answer.head.contains("\r\nretry-after: "), "{}", answer.head);
    // Another user is not concerned, and a place that is given up is free.
    let _other = server.open(&format!("/ws/{}/citra/customer", Uuid::new_v4())).await;
    first.cut().await;
    let_in_soon(&server, &path).await;
}

#[tokio::test]
async fn a_session_holds_so_many_connections_and_no_more() {
    let server = Server::start(&[OPEN, ("limits.connections_per_session", "2")]).await;
    let id = Uuid::new_v4();
    let first = server.open(&format!("/ws/{id}/budi/customer")).await;
    let _second = server.open(&format!("/ws/{id}/dewi/agent")).await;
    let answer = refused(server.try_open(&format!("/ws/{id}/agus/agent")).await);
    assert_eq!((answer.status, &answer.body["code"]), (429, &json!("too_many_connections")));
    first.close().await;
    let_in_soon(&server, &format!("/ws/{id}/agus/agent")).await;
}

#[tokio::test]
async fn an_address_holds_so_many_connections_and_no_more() {
    let server = Server::start(&[OPEN, ("limits.connections_per_address", "2")]).await;
    let path = format!("/ws/{}/budi/customer", Uuid::new_v4());
    let first = server.open(&path).await;
    let _second = server.open(&path).await;
    let answer = refused(server.try_open(&path).await);
    assert_eq!((answer.status, &answer.body["code"]), (429, &json!("too_many_connections")));
    assert!(answer.head.contains("\r\nretry-after: "), "{}", answer.head);
    first.cut().await;
    let_in_soon(&server, &path).await;
}

#[tokio::test]
async fn a_client_that_keeps_sending_over_its_limit_is_closed() {
    let server = Server::start(&[OPEN, ("limits.messages_per_minute", "1")]).await;
    let mut client = server.open(&format!("/ws/{}/budi/customer", Uuid::new_v4())).await;
    for n in 0..200 {
        client.say("again", &n.to_string()).await;
    }
    assert_eq!(client.frame_of("ack").await["success"], true);
    let mut refusals = 0;
    loop {
        match client.next().await {
            Seen::Frame(frame) if frame["type"] == "ack" => {
                let data = &frame["data"];
                assert_eq!(
                    (&data["success"], &data["code"]),
                    (&json!(false), &json!("rate_limited"))
                );
                assert!(
                    data["retry_after"].as_u64().is_some_and(|s| (1..=60).contains(&s)),
                    "{frame}"
                );
                refusals += 1;
            }
            Seen::Frame(_) | Seen::Ping => {}
            Seen::Closed(code) => {
                assert_eq!(code, 4029);
                break;
            }
            Seen::Lost => panic!("no close frame"),
        }
    }
    assert!((10..200).contains(&refusals), "closed after {refusals} refusals");
}

#[tokio::test]
async fn frames_that_cannot_be_read_count_like_others() {
    let _stopped = clock::stop();
    let server = Server::start(&[OPEN]).await;
    let mut client = server.open(&format!("/ws/{}/budi/customer", Uuid::new_v4())).await;
    client.frame_of("conversation_queued").await;
    let mut codes: Vec<(Value, u32)> = Vec::new();
    let end = loop {
        // Of either kind: no JSON, and nothing anybody knows.
        let is_odd = codes.iter().map(|(_, n)| n).sum::<u32>() % 2 == 1;
        client.send_text(if is_odd { "{\"type\":\"dance\"}" } else { "no JSON" }).await;
        match client.next().await {
            Seen::Frame(frame) => {
                assert_eq!(frame["type"], "error", "{frame}");
                let code = match frame["data"]["code"].clone() {
                    code if code == "unknown_type" => json!("bad_frame"),
                    code => code,
                };
                match codes.last_mut() {
                    Some((last, n)) if *last == code => *n += 1,
                    _ => codes.push((code, 1)),
                }
            }
            Seen::Ping => {}
            end => break end,
        }
        assert!(codes.iter().map(|(_, n)| n).sum::<u32>() < 2_000, "{codes:?}");
    };
    // As many a minute as of all frames that are no messages, then as many refusals in a row.
    let expected = [("bad_frame", OTHER_FRAMES_PER_MINUTE), ("rate_limited", PERSISTENT_REFUSALS)];
    assert_eq!(codes, expected.map(|(code, n)| (json!(code), n)));
    assert_eq!(end, Seen::Closed(4029));
}
