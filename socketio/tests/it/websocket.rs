//! Sessions that are WebSockets.

use std::pin::pin;

use bytes::Bytes;
use engineio_socketio::engine::Config;
use engineio_socketio::{EndReason, Frame, Incoming, Link};
use futures_util::FutureExt;
use tokio::time::Instant;

use super::support::{SECOND, during, message, poll, text, websocket_session};

fn driven() -> Config {
    Config { own_timers: false, ..Config::default() }
}

#[tokio::test(start_paused = true)]
async fn messages_come_and_go() {
    let (client, mut link) = websocket_session(driven()).await;
    client.say("4hello");
    client.say_bytes(b"\x01\x02");
    client.say("3");
    assert_eq!(link.recv().await, text("hello"));
    assert_eq!(link.recv().await, Incoming::Binary(Bytes::from_static(&[1, 2])));
    assert_eq!(link.recv().await, Incoming::Alive);
    link.enqueue(message("back"));
    link.enqueue(Frame::Binary(Bytes::from_static(b"bytes")));
    link.flush().await.unwrap();
    assert_eq!(client.heard(), ["4back", "b\"bytes\""]);
}

#[tokio::test(start_paused = true)]
async fn the_first_ping_comes_after_the_interval() {
    let (client, mut link) = websocket_session(Config::default()).await;
    let start = Instant::now();
    for ping in 1..4 {
        let (heard, came) = during(&mut link, client.hear()).await;
        assert_eq!((heard.as_str(), came), ("2", vec![]));
        assert_eq!(start.elapsed().as_secs(), 25 * ping);
        client.say("3");
        assert_eq!(link.recv().await, Incoming::Alive);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_pong_the_session_ends() {
    let (client, mut link) = websocket_session(Config::default()).await;
    let start = Instant::now();
    assert_eq!(link.recv().await, Incoming::End(EndReason::PingTimeout));
    assert_eq!(start.elapsed().as_secs(), 45);
    link.close(1000, "").await;
    assert_eq!(client.closed().await, 1000);
}

#[tokio::test(start_paused = true)]
async fn a_stuck_write_does_not_outlive_the_heartbeat() {
    let (client, mut link) = websocket_session(Config::default()).await;
    client.set_stuck(true);
    link.enqueue(message("x"));
    assert_eq!(link.flush().await, Err(EndReason::PingTimeout));
}

#[tokio::test(start_paused = true)]
async fn the_owner_may_ping_instead() {
    let (client, mut link) = websocket_session(driven()).await;
    link.ping(Instant::now());
    link.flush().await.unwrap();
    assert_eq!(client.heard(), ["2"]);
    let silence = tokio::time::timeout(1_000 * SECOND, link.recv()).await;
    assert!(silence.is_err(), "the owner judges the silence");
}

#[tokio::test(start_paused = true)]
async fn a_link_that_times_itself_waits_for_the_pong_of_an_extra_ping() {
    let (_client, mut link) = websocket_session(Config::default()).await;
    let start = Instant::now();
    link.ping(start);
    assert_eq!(link.recv().await, Incoming::End(EndReason::PingTimeout));
    assert_eq!(start.elapsed().as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn ends_have_their_reasons() {
    let ends = [
        ("1", EndReason::ClientClosed),
        ("2", EndReason::PingFromClient),
        ("abc", EndReason::BadPacket),
        ("", EndReason::BadPacket),
        ("b*", EndReason::BadPacket),
    ];
    for (said, reason) in ends {
        let (client, mut link) = websocket_session(driven()).await;
        client.say(said);
        assert_eq!(link.recv().await, Incoming::End(reason), "{said:?}");
        assert_eq!(link.flush().await, Err(reason), "{said:?}");
    }
    let (client, mut link) = websocket_session(driven()).await;
    drop(client);
    assert_eq!(link.recv().await, Incoming::End(EndReason::Lost));
    assert_eq!(link.recv().await, Incoming::End(EndReason::Lost));
}

#[tokio::test(start_paused = true)]
async fn a_stuck_write_goes_on_where_it_was() {
    let (client, mut link) = websocket_session(driven()).await;
    client.set_stuck(true);
    link.enqueue(message("one"));
    assert!(link.flush().now_or_never().is_none());
    link.enqueue(message("two"));
    client.set_stuck(false);
    link.flush().await.unwrap();
    assert_eq!(client.heard(), ["4one", "4two"]);
}

#[tokio::test(start_paused = true)]
async fn an_alarm_rings_once_and_at_its_time() {
    let (client, mut link) = websocket_session(driven()).await;
    let at = Instant::now() + 3 * SECOND;
    link.set_alarm(Some(at));
    assert_eq!(link.recv().await, Incoming::Alarm);
    assert_eq!(Instant::now(), at);
    client.say("4next");
    assert_eq!(link.recv().await, text("next"));

    link.set_alarm(Some(at + SECOND));
    link.set_alarm(None);
    assert!(tokio::time::timeout(9 * SECOND, link.recv()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_alarm_that_a_write_notices_is_for_whoever_receives() {
    let (client, mut link) = websocket_session(driven()).await;
    client.set_stuck(true);
    link.enqueue(message("x"));
    link.set_alarm(Some(Instant::now() + SECOND));
    {
        let mut written = pin!(link.flush());
        assert!(poll(&mut written).await.is_pending());
        assert!(tokio::time::timeout(5 * SECOND, &mut written).await.is_err());
    }
    assert_eq!(link.recv().now_or_never(), Some(Incoming::Alarm));
}

#[test]
fn an_idle_link_is_small() {
    assert!(size_of::<Link<()>>() <= 176, "{}", size_of::<Link<()>>());
}
