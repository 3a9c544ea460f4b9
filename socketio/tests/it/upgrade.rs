//! From long-polling to a WebSocket.

use std::pin::pin;

use bytes::Bytes;
use engineio_socketio::engine::Config;
use engineio_socketio::{EndReason, Frame, Incoming};
use futures_util::FutureExt;
use tokio::time::Instant;

use super::support::{during, message, poll, polling, shown, text, websocket};

fn driven() -> Config {
    Config { own_timers: false, ..Config::default() }
}

#[tokio::test(start_paused = true)]
async fn a_websocket_takes_over_with_all_that_waits() {
    let (sessions, mut link, sid) = polling(driven());
    let mut waiting = pin!(sessions.poll(sid));
    assert!(poll(&mut waiting).await.is_pending());
    assert!(link.recv().now_or_never().is_none());

    let (client, socket) = websocket();
    let mut upgrading = pin!(sessions.upgrade(sid, socket));
    client.say("2probe");
    assert!(poll(&mut upgrading).await.is_pending());
    let (polled, _) = during(&mut link, waiting).await;
    assert_eq!(shown(&polled), (200, "6"), "the waiting poll is let go");
    assert_eq!(client.heard(), ["3probe"]);

    link.enqueue(message("one"));
    link.enqueue(Frame::Binary(Bytes::from_static(b"two")));
    link.flush().await.unwrap();
    assert!(client.heard().is_empty(), "it polls until the client says otherwise");
    client.say("5");
    client.say("4hello");
    assert_eq!(link.recv().await, text("hello"));
    assert!(!link.is_polling());
    assert_eq!(client.heard(), ["4one", "b\"two\""]);
    upgrading.await;
    assert!(!client.is_closed());
}

#[tokio::test(start_paused = true)]
async fn after_the_upgrade_other_transports_are_refused() {
    let (sessions, mut link, sid) = polling(driven());
    let (client, socket) = websocket();
    client.say("2probe");
    client.say("5");
    during(&mut link, sessions.upgrade(sid, socket)).await;
    let refusal = (400, r#"{"code":3,"message":"Bad request"}"#);
    assert_eq!(shown(&sessions.poll(sid).await), refusal);
    assert_eq!(shown(&sessions.post(sid, "4a".into()).await), refusal);

    assert_eq!(sessions.check_upgrade(sid), Ok(()));
    let (second, socket) = websocket();
    sessions.upgrade(sid, socket).await;
    assert_eq!(second.closed().await, 1000);

    client.say("4hello");
    assert_eq!(link.recv().await, text("hello"));
    drop(link);
    assert_eq!(sessions.listed(), 0);
}

#[tokio::test(start_paused = true)]
async fn polls_during_the_upgrade_are_let_go_one_by_one() {
    let (sessions, mut link, sid) = polling(driven());
    let (client, socket) = websocket();
    client.say("2probe");
    let mut upgrading = pin!(sessions.upgrade(sid, socket));
    assert!(poll(&mut upgrading).await.is_pending());
    for _ in 0..3 {
        let (polled, _) = during(&mut link, sessions.poll(sid)).await;
        assert_eq!(shown(&polled), (200, "6"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_is_still_there_when_the_websocket_takes_over_is_refused() {
    let (sessions, mut link, sid) = polling(driven());
    let (client, socket) = websocket();
    client.say("2probe");
    let mut upgrading = pin!(sessions.upgrade(sid, socket));
    assert!(poll(&mut upgrading).await.is_pending());
    assert!(link.recv().now_or_never().is_none());
    let mut waiting = pin!(sessions.poll(sid));
    assert!(poll(&mut waiting).await.is_pending());
    assert!(link.recv().now_or_never().is_none());
    link.enqueue(message("for the websocket"));
    client.say("5");
    let (polled, _) = during(&mut link, waiting).await;
    assert_eq!(polled.status(), 400);
    assert_eq!(client.heard(), ["3probe", "4for the websocket"]);
}

#[tokio::test(start_paused = true)]
async fn a_websocket_that_still_waits_for_its_session_is_closed_with_it() {
    let (sessions, link, sid) = polling(driven());
    let (client, socket) = websocket();
    let mut upgrading = pin!(sessions.upgrade(sid, socket));
    assert!(poll(&mut upgrading).await.is_pending());
    drop(link);
    upgrading.await;
    assert_eq!(client.closed().await, 1000);
}

#[tokio::test(start_paused = true)]
async fn what_was_posted_arrives_before_what_the_websocket_brings() {
    let (sessions, mut link, sid) = polling(driven());
    let mut posting = pin!(sessions.post(sid, "4a\u{1e}4b".into()));
    assert!(poll(&mut posting).await.is_pending());
    assert_eq!(link.recv().await, text("a"));
    let (client, socket) = websocket();
    for said in ["2probe", "5", "4c"] {
        client.say(said);
    }
    let mut upgrading = pin!(sessions.upgrade(sid, socket));
    assert!(poll(&mut upgrading).await.is_pending());
    assert_eq!(link.recv().await, text("b"));
    assert_eq!(link.recv().await, text("c"));
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_that_is_not_completed_leaves_the_session_polling() {
    let (sessions, mut link, sid) = polling(driven());
    let (client, socket) = websocket();
    client.say("2probe");
    let start = Instant::now();
    during(&mut link, sessions.upgrade(sid, socket)).await;
    assert_eq!(start.elapsed(), sessions.config().upgrade_timeout);
    assert_eq!(client.closed().await, 1000);
    link.enqueue(message("still here"));
    let (polled, _) = during(&mut link, sessions.poll(sid)).await;
    assert_eq!(shown(&polled), (200, "4still here"));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_goes_wrong_is_closed_and_another_may_come() {
    let (sessions, mut link, sid) = polling(driven());
    for said in ["4hello", "garbage", "", "2"] {
        let (client, socket) = websocket();
        client.say(said);
        during(&mut link, sessions.upgrade(sid, socket)).await;
        assert_eq!(client.closed().await, 1000, "{said:?}");
    }
    let (client, socket) = websocket();
    client.say_bytes(b"5");
    during(&mut link, sessions.upgrade(sid, socket)).await;
    assert!(client.is_closed(), "bytes are no probe");
    let (client, socket) = websocket();
    drop(client);
    during(&mut link, sessions.upgrade(sid, socket)).await;
    let (client, socket) = websocket();
    client.say("2probe");
    client.say("5");
    during(&mut link, sessions.upgrade(sid, socket)).await;
    assert!(!client.is_closed());
}

#[tokio::test(start_paused = true)]
async fn only_one_websocket_probes_at_a_time() {
    let (sessions, mut link, sid) = polling(driven());
    let (first, socket) = websocket();
    let mut upgrading = pin!(sessions.upgrade(sid, socket));
    assert!(poll(&mut upgrading).await.is_pending());
    let (second, socket) = websocket();
    during(&mut link, sessions.upgrade(sid, socket)).await;
    assert!(second.is_closed() && !first.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_probe_is_closed_when_its_session_ends() {
    let (sessions, mut link, sid) = polling(driven());
    let (client, socket) = websocket();
    client.say("2probe");
    let mut upgrading = pin!(sessions.upgrade(sid, socket));
    assert!(poll(&mut upgrading).await.is_pending());
    let (_, came) = during(&mut link, sessions.post(sid, "1".into())).await;
    assert_eq!(came, [Incoming::End(EndReason::ClientClosed)]);
    upgrading.await;
    assert_eq!(client.closed().await, 1000);
}
