//! What one Socket.IO client may use (contract 10; acceptance 241-243).

use std::sync::Arc;

use serde_json::{Value, json};
use switchboard::limits::{OTHER_FRAMES_PER_MINUTE, PERSISTENT_REFUSALS, ROOMS_PER_CONNECTION_MAX};
use switchboard::log::Change;
use switchboard::model::{ConversationId, Event, Role, SessionStarted, TenantId};
use tempfile::TempDir;

use crate::client::{Seen, request};
use crate::clock::{self, within};
use crate::packet::{self, SEPARATOR};
use crate::recovery::{begin, customer};
use crate::server::{Server, token};
use crate::socketio::Socket;

#[tokio::test]
async fn a_connection_takes_part_in_so_many_conversations_and_no_more() {
    let server = Server::start(&[]).await;
    let mut sari = Socket::open(&server, json!({ "token": token(Role::Admin, "sari") })).await;
    let tenant = TenantId::default_tenant();
    let mut ids = Vec::new();
    for _ in 0..=ROOMS_PER_CONNECTION_MAX {
        let session_id = ConversationId::random();
        let started = SessionStarted {
            session_id,
            customer_id: None,
            visitor_name: None,
            visitor_email: None,
            department_id: None,
            skills: vec![],
            language: None,
            external_ids: vec![],
            metadata: None,
        };
        let change = Change::of(Event::SessionStarted(started));
        server.running.app.log.commit(&tenant, change).await.unwrap();
        ids.push(session_id.to_string());
    }
    let (last, others) = ids.split_last().unwrap();
    for id in others {
        sari.join(id).await;
    }
    let refused = sari.call(json!(["join_conversation", last])).await;
    assert_eq!((&refused["success"], &refused["code"]), (&json!(false), &json!("invalid")));
    // One it is in already is none more, and one that it leaves makes room.
    sari.join(&others[0]).await;
    let left = sari.call(json!(["leave_conversation", others[0]])).await;
    assert_eq!(left["success"], true);
    sari.join(last).await;
}

#[tokio::test]
async fn a_user_holds_so_many_connections_over_all_dialects() {
    let server = Server::start(&[("limits.connections_per_user", "3")]).await;
    let id = begin(&server, "conv-1").await["session_id"].as_str().unwrap().to_owned();
    let dewi = token(Role::Agent, "dewi");
    let auth = json!({ "token": dewi });
    let path = format!("/ws/{id}/dewi/agent?token={dewi}");
    let first = server.open(&path).await;
    let _second = Socket::open(&server, auth.clone()).await;
    let _third = Socket::open_polling(&server, auth.clone()).await;
    let refused = Socket::try_open(&server, &auth).await.err().expect("one too many");
    assert_eq!(refused["data"]["code"], "too_many_connections", "{refused}");
    let other = json!({ "token": token(Role::Agent, "agus") });
    let _other = Socket::open(&server, other).await;
    first.close().await;
    clock::settle().await;
    let _again = Socket::open(&server, auth).await;
}

#[tokio::test]
async fn an_address_holds_so_many_sessions_also_while_they_do_not_poll() {
    let server = Server::start(&[("limits.connections_per_address", "2")]).await;
    let path = "/socket.io/?EIO=4&transport=polling";
    let open = async || request(server.addr, "GET", path, &[], "").await;
    let first = open().await;
    assert_eq!((first.status, open().await.status), (200, 200));
    let refused = open().await;
    assert_eq!((refused.status, &refused.body["code"]), (429, &json!("too_many_connections")));
    assert!(refused.head.contains("\r\nretry-after: "), "{}", refused.head);
    let sid = packet::read(&first.text).unwrap()[1]["sid"].as_str().unwrap().to_owned();
    let goodbye = request(server.addr, "POST", &format!("{path}&sid={sid}"), &[], "1").await;
    assert_eq!(goodbye.status, 200);
    within("its place", async { while open().await.status != 200 {} }).await;
}

/// What a flood comes to: how many were let through, how many refused, and how it ended.
async fn flood(socket: &mut Socket, event: &str, count: usize) -> (usize, usize, Option<u16>) {
    for n in 0..count {
        socket.client.send_text(&format!("42{n}{event}")).await;
    }
    let (mut kept, mut refused) = (0, 0);
    loop {
        match socket.client.next().await {
            Seen::Frame(frame) if frame[0].as_str().unwrap().starts_with("43") => {
                let answer: &Value = &frame[1][0];
                if answer["success"] == true {
                    assert_eq!(refused, 0, "let through after a refusal");
                    kept += 1;
                } else {
                    assert_eq!(answer["code"], "rate_limited", "{answer}");
                    let wait = answer["retry_after"].as_u64();
                    assert!(wait.is_some_and(|s| (1..=60).contains(&s)), "{answer}");
                    refused += 1;
                }
            }
            Seen::Frame(frame) => assert_ne!(frame[0], "41", "it may come back"),
            Seen::Ping => {}
            Seen::Closed(code) => return (kept, refused, Some(code)),
            Seen::Lost => return (kept, refused, None),
        }
    }
}

#[tokio::test]
async fn who_keeps_sending_over_its_limit_is_closed() {
    let _stopped = clock::stop();
    let options = [("limits.messages_per_minute", "3"), ("limits.typing_per_minute", "2")];
    let server = Server::start(&options).await;
    let started = begin(&server, "conv-1").await;
    let refusals = PERSISTENT_REFUSALS as usize;
    for (event, let_through) in [
        (r#"["send_message",{"conversationId":"conv-1","content":"again"}]"#, 3),
        (r#"["typing_start","conv-1"]"#, 2),
    ] {
        let mut budi = customer(&server, &started).await;
        let ended = flood(&mut budi, event, 2 * refusals).await;
        assert_eq!(ended, (let_through, refusals, Some(4029)), "{event}");
    }
}

#[tokio::test]
async fn events_that_cannot_be_read_count_like_others() {
    let _stopped = clock::stop();
    let server = Server::start(&[]).await;
    let mut sari = Socket::open(&server, json!({ "token": token(Role::Admin, "sari") })).await;
    sari.event_of("presence_update").await;
    let mut codes = Vec::<(String, u32)>::new();
    let end = loop {
        // Of each kind: unknown, without what it needs, and no event of ours at all.
        let n = codes.iter().map(|(_, n)| n).sum::<u32>();
        match n % 3 {
            0 => sari.emit(json!(["dance"])).await,
            1 => sari.emit(json!(["send_message", 5])).await,
            _ => sari.client.send_text("40/admin,").await,
        }
        let code = match sari.client.next().await {
            Seen::Frame(frame) if frame[0] == "44/admin," => "refused".to_owned(),
            Seen::Frame(frame) => match packet::event(&frame) {
                Some(("error", [data])) => match data["code"].as_str().unwrap() {
                    "rate_limited" => "rate_limited".to_owned(),
                    _ => "refused".to_owned(),
                },
                _ => continue,
            },
            Seen::Ping => continue,
            end => break end,
        };
        match codes.last_mut() {
            Some((last, n)) if *last == code => *n += 1,
            _ => codes.push((code, 1)),
        }
        assert!(n < 5_000, "{codes:?}");
    };
    assert_eq!(end, Seen::Closed(4029));
    assert_eq!(codes[0], ("refused".to_owned(), OTHER_FRAMES_PER_MINUTE));
}

#[tokio::test]
async fn a_post_over_the_limit_is_refused_and_the_session_goes_on() {
    let server = Server::start(&[("limits.frame_bytes", "2048")]).await;
    let sari = json!({ "token": token(Role::Admin, "sari") });
    let path = "/socket.io/?EIO=4&transport=polling";
    let opened = request(server.addr, "GET", path, &[], "").await;
    let sid = packet::read(&opened.text).unwrap()[1]["sid"].as_str().unwrap().to_owned();
    let path = format!("{path}&sid={sid}");
    let post = async |body: &str| request(server.addr, "POST", &path, &[], body).await.status;
    assert_eq!(post(&format!("40{sari}")).await, 200);
    assert_eq!(post(&"x".repeat(2_049)).await, 413);
    assert_eq!(post(&"x".repeat(100_000)).await, 413);
    // Several packets in one body, each answered in its turn.
    let two = [r#"420["dance"]"#, r#"421["sing"]"#].join(&SEPARATOR.to_string());
    assert_eq!(post(&two).await, 200);
    let mut answers = Vec::new();
    while answers.len() < 2 {
        let polled = request(server.addr, "GET", &path, &[], "").await;
        assert_eq!(polled.status, 200);
        let packets = polled.text.split(SEPARATOR).map(|text| packet::read(text).unwrap());
        answers.extend(packets.filter(|p| p[0].as_str().unwrap().starts_with("43")));
    }
    let expected = |id: &str| (json!(id), json!("unknown_type"));
    let got: Vec<_> = answers.iter().map(|a| (a[0].clone(), a[1][0]["code"].clone())).collect();
    assert_eq!(got, [expected("430"), expected("431")]);
    // What cannot be read ends it.
    assert_eq!(post("9").await, 400);
    assert_eq!(post(r#"42["dance"]"#).await, 400, "it is gone");
}

#[tokio::test]
async fn answers_come_in_the_order_of_their_questions() {
    let server = Server::on_disk(Arc::new(TempDir::new().unwrap()), &[]).await;
    let started = begin(&server, "conv-1").await;
    let mut budi = customer(&server, &started).await;
    // Some wait for the disk and some do not.
    for n in 0..30 {
        let event = match n % 3 {
            0 => json!(["send_message", { "conversationId": "conv-1", "content": "hai" }]),
            1 => json!(["history", { "conversationId": "conv-1" }]),
            _ => json!(["typing_start", "unknown"]),
        };
        budi.ask(event).await;
    }
    let mut next = 0;
    while next < 30 {
        let frame = match budi.client.next().await {
            Seen::Frame(frame) => frame,
            Seen::Ping => continue,
            end => panic!("{end:?}"),
        };
        if frame[0].as_str().unwrap().starts_with("43") {
            assert_eq!(frame[0], format!("43{next}"));
            // What was sent before is in the history asked for after it.
            let messages = frame[1][0]["messages"].as_array();
            assert!(next % 3 != 1 || messages.is_some_and(|m| m.len() == next / 3 + 1), "{frame}");
            next += 1;
        }
    }
}
