//! Attacks that worked against other implementations of these protocols, one test each: the test
//! says what the attack was, and shows what becomes of it here.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "it/support.rs"]
#[expect(dead_code, reason = "not every test program needs all of it")]
mod support;

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use engineio_socketio::engine::{Config, Packet, Payload};
use engineio_socketio::socket::{self, Connection, Fault, PacketError};
use engineio_socketio::{EndReason, Incoming, Sid, Text};
use tokio::time::Instant;

use support::{during, poll, polling, shown, websocket, websocket_session};

fn client() -> Connection {
    Connection::new(Arc::new(socket::Config::default()), Instant::now())
}

fn connected_client() -> Connection {
    let mut client = client();
    say(&mut client, "0").unwrap();
    client.accept("/", Sid::random().unwrap(), None);
    client
}

/// Whether anything arrives.
fn say(client: &mut Connection, text: &str) -> Result<bool, Fault> {
    let text = Text::from(text.to_owned());
    client.text(&text, Instant::now()).map(|arrival| arrival.is_some())
}

/// GHSA-7xpx-rcqc-8qjh (socketioxide): a malformed MessagePack packet made the parser panic.
/// MessagePack is not offered here: its packets are bytes without a packet that announces them,
/// which is refused before anything looks inside.
#[tokio::test(start_paused = true)]
async fn ghsa_7xpx_rcqc_8qjh_messagepack_is_refused_unread() {
    // {"type": 2, "nsp": "/", "data": ...}, whole and cut off at every byte.
    let packet = b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x91\xa1a";
    for end in 0..=packet.len() {
        assert_eq!(
            connected_client().binary(&packet[..end]).unwrap_err(),
            Fault::UnexpectedAttachment
        );
        assert_eq!(client().binary(&packet[..end]).unwrap_err(), Fault::UnexpectedAttachment);
    }
}

/// GHSA-c6g7-r2mf-pf5g (socketioxide): deeply nested MessagePack overflowed the stack. The same
/// shape in JSON is refused by a count of brackets, which does not recurse.
#[test]
fn ghsa_c6g7_r2mf_pf5g_nesting_is_counted_before_anything_recurses() {
    let deep = |open: &str, close: &str| {
        let (open, close) = (open.repeat(100_000), close.repeat(100_000));
        [
            format!(r#"2["a",{open}{close}]"#),
            format!(r#"51-["a",{open}{close}]"#),
            format!("31[{open}{close}]"),
            format!(r#"0{{"a":{open}{close}}}"#),
            format!(r#"2["a",{open}"#),
        ]
    };
    let config = socket::Config::default();
    for text in deep("[", "]").iter().chain(&deep(r#"{"a":["#, "]}")) {
        let refusal = socket::Packet::parse(text, &config).map(|_| ()).unwrap_err();
        assert_eq!(refusal, PacketError::TooDeep);
    }
}

/// The deepest packet that the bounds allow is read whole, placeholders included, on the small
/// stack of a test thread.
#[tokio::test(start_paused = true)]
async fn the_deepest_packet_allowed_is_read_to_the_bottom() {
    let config = socket::Config { json_depth_max: 127, ..socket::Config::default() };
    let mut client = Connection::new(Arc::new(config), Instant::now());
    say(&mut client, "0").unwrap();
    client.accept("/", Sid::random().unwrap(), None);
    let bottom = r#"{"_placeholder":true,"num":0}"#;
    let text = format!(r#"51-["a",{}{bottom}{}]"#, "[".repeat(125), "]".repeat(125));
    assert_eq!(say(&mut client, &text), Ok(false));
    assert!(client.binary(b"x").unwrap().is_some());
}

/// GHSA-55mf-67qm-4wpg (socketioxide): attachments were collected without limit, even from
/// clients that had not connected to a namespace.
#[tokio::test(start_paused = true)]
async fn ghsa_55mf_67qm_4wpg_attachments_need_a_connection_and_have_limits() {
    let announced = r#"510-["a"]"#;
    assert_eq!(say(&mut client(), announced), Err(Fault::NotConnected));

    let mut client = connected_client();
    assert_eq!(say(&mut client, announced), Ok(false));
    let piece = vec![0; 300_000];
    let kept = (0..10).take_while(|_| client.binary(&piece).is_ok()).count();
    assert_eq!(kept, 3, "a million bytes and no more");
    let waits_until = client.deadline().unwrap();
    assert_eq!(client.expire(waits_until), Err(Fault::AttachmentsTimeout));
}

/// GHSA-677m-j7p3-52f9, CVE-2026-33151 (socket.io-parser): a packet could announce any number of
/// attachments, and the parser collected them until the memory was gone.
#[tokio::test(start_paused = true)]
async fn ghsa_677m_j7p3_52f9_a_packet_announces_ten_attachments_at_most() {
    let mut client = connected_client();
    for count in ["11", "1000000", "18446744073709551616", &"9".repeat(10_000)] {
        let refusal = say(&mut client, &format!(r#"5{count}-["a"]"#)).unwrap_err();
        assert_eq!(refusal, Fault::Packet(PacketError::TooManyAttachments));
    }
}

/// GHSA-2m8v-j782-fhvr, CVE-2026-69185 (socket.io-parser): a binary packet that announced zero
/// attachments was complete, and yet its collector stayed in place; the number never came back to
/// zero, so it took attachments for ever.
#[tokio::test(start_paused = true)]
async fn cve_2026_69185_a_packet_with_zero_attachments_collects_nothing() {
    let mut client = connected_client();
    for text in [r#"50-["a"]"#, r#"5000-["a"]"#] {
        assert_eq!(say(&mut client, text), Ok(true), "it is complete as it is");
        assert_eq!(client.binary(b"x").unwrap_err(), Fault::UnexpectedAttachment);
    }
    let ack = client.expect_ack("/", Instant::now()).unwrap();
    assert_eq!(say(&mut client, &format!("60-{ack}[]")), Ok(true));
    assert_eq!(client.binary(b"x").unwrap_err(), Fault::UnexpectedAttachment);
}

/// CVE-2022-2421 (socket.io-parser): the index of a placeholder was not checked, so it could name
/// anything that JavaScript finds on an array.
#[tokio::test(start_paused = true)]
async fn cve_2022_2421_a_placeholder_stands_for_an_attachment_or_for_nothing() {
    for number in ["1", "-1", "0.5", "1e400", r#""splice""#, "null", "{}", "[0]"] {
        let mut client = connected_client();
        let text = format!(r#"51-["a",[{{"_placeholder":true,"num":{number}}}]]"#);
        assert_eq!(say(&mut client, &text), Ok(false), "{number}");
        assert_eq!(client.binary(b"x").unwrap_err(), Fault::BadPlaceholder, "{number}");
    }
}

/// CVE-2023-32695, CVE-2024-38355 (socket.io): an event whose name was an object, or that of an
/// internal event, threw where nobody caught it.
#[tokio::test(start_paused = true)]
async fn cve_2023_32695_event_names_are_checked() {
    let said = |text| say(&mut connected_client(), text);
    assert_eq!(said(r#"2[{"toString":"foo"}]"#), Err(Fault::Packet(PacketError::BadPayload)));
    assert_eq!(said(r#"2["disconnecting"]"#), Err(Fault::Packet(PacketError::ReservedName)));
    assert_eq!(said(r#"2["error"]"#), Ok(true), "an event like any other");
}

/// socketioxide #794: packets with multibyte characters, or cut off in the middle, made the
/// decoder panic where it cut the text. Every prefix and suffix of such packets is tried in
/// every layer.
#[tokio::test(start_paused = true)]
async fn socketioxide_794_text_is_cut_between_characters_only() {
    let config = socket::Config::default();
    for text in
        [r#"452-/é€😀,12["é€😀",{"😀":"é"}]"#, "é", "4é", "2é", "b😀", "45é-[]", "45-é", "42/é"]
    {
        for at in 0..=text.len() {
            for part in [&text.as_bytes()[..at], &text.as_bytes()[at..]] {
                let bytes = Bytes::copy_from_slice(part);
                let _ = Payload::new(bytes.clone(), 1_000, 10).map(Iterator::count);
                let Ok(text) = Text::try_from(bytes) else { continue };
                let _ = socket::Packet::parse(text.as_str(), &config);
                if let Ok(Packet::Message(message)) = Packet::parse(&text) {
                    let _ = connected_client().text(&message, Instant::now());
                }
            }
        }
    }
}

/// socketioxide #731: polling sessions whose client went away without a word, or began an upgrade
/// and never completed it, stayed for ever: 19 GiB in 20 days.
#[tokio::test(start_paused = true)]
async fn socketioxide_731_abandoned_polling_sessions_expire() {
    for own_timers in [true, false] {
        let (sessions, mut link, sid) = polling(Config { own_timers, ..Config::default() });
        let start = Instant::now();
        let (client, socket) = websocket();
        client.say("2probe");
        let mut upgrading = pin!(sessions.upgrade(sid, socket));
        assert!(poll(&mut upgrading).await.is_pending());
        let ended = loop {
            if let Incoming::End(reason) = link.recv().await {
                break reason;
            }
        };
        assert!(matches!(ended, EndReason::PollAbandoned | EndReason::PingTimeout));
        assert_eq!(start.elapsed(), sessions.config().unpolled_timeout());
        upgrading.await;
        assert!(client.is_closed());
        drop(link);
        assert_eq!(sessions.listed(), 0);
    }
}

/// socketioxide #731, the other way: a client that keeps posting but never polls.
#[tokio::test(start_paused = true)]
async fn socketioxide_731_a_client_that_only_posts_is_given_up_as_well() {
    let (sessions, mut link, sid) = polling(Config { own_timers: false, ..Config::default() });
    let start = Instant::now();
    let ended = loop {
        let (_, came) = during(&mut link, async {
            tokio::time::sleep(support::SECOND).await;
            sessions.post(sid, "3".into()).await
        })
        .await;
        if let Some(Incoming::End(reason)) = came.last() {
            break *reason;
        }
    };
    assert_eq!(ended, EndReason::PollAbandoned);
    assert_eq!(start.elapsed(), sessions.config().unpolled_timeout());
}

/// socketioxide #399: memory grew with every client that had been there. Among the causes: what
/// was kept of a packet kept the whole read buffer, and sessions were not let go of. Here what
/// waits for attachments is a copy, and a session that is over is not listed.
#[tokio::test(start_paused = true)]
async fn socketioxide_399_nothing_is_kept_of_clients_that_left() {
    let buffer = Bytes::from(format!(r#"51-["a"]{}"#, " ".repeat(1_000_000)));
    let text = Text::try_from(buffer.clone()).unwrap();
    let mut client = connected_client();
    assert!(client.text(&text, Instant::now()).unwrap().is_none());
    drop(text);
    assert!(buffer.is_unique(), "the packet that waits is a copy");

    let (sessions, first, _) = polling(Config::default());
    let links: Vec<_> = (0..100).map(|_| sessions.open_polling().unwrap()).collect();
    assert_eq!(sessions.listed(), 101);
    drop((first, links));
    assert_eq!(sessions.listed(), 0);
}

/// CVE-2026-59725 (engine.io): a binary body that could not be read was not answered, and the
/// request was held for ever.
#[tokio::test(start_paused = true)]
async fn cve_2026_59725_a_body_that_is_no_text_is_answered() {
    let (sessions, mut link, sid) = polling(Config::default());
    let body = Bytes::from_static(b"\x00\x04\xff\x84hello");
    let (answer, came) = during(&mut link, sessions.post(sid, body)).await;
    assert_eq!(shown(&answer).0, 400);
    assert_eq!(came, [Incoming::End(EndReason::BadPacket)]);
}

/// A flood of what costs the server an answer: none of it makes the server queue answers.
#[tokio::test(start_paused = true)]
async fn answers_that_nobody_takes_do_not_pile_up() {
    let (sessions, mut link, sid) = polling(Config { own_timers: false, ..Config::default() });
    let (client, socket) = websocket();
    client.set_stuck(true);
    (0..1_000).for_each(|_| client.say("2probe"));
    during(&mut link, sessions.upgrade(sid, socket)).await;
    assert!(client.is_closed());

    let (client, mut link) = websocket_session(Config::default()).await;
    client.say("2");
    assert_eq!(link.recv().await, Incoming::End(EndReason::PingFromClient));
}
