//! Sessions over HTTP long-polling.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use engineio_socketio::engine::{Config, Refusal};
use engineio_socketio::{EndReason, Frame, Incoming, Link};
use futures_util::FutureExt;
use tokio::time::{Instant, timeout};

use super::support::{
    SECOND, Socket, during, message, poll, polling, shown, sid_of, text, websocket,
};

fn driven() -> Config {
    Config { own_timers: false, ..Config::default() }
}

async fn end_of(mut link: Link<Socket>) -> EndReason {
    loop {
        if let Incoming::End(reason) = link.recv().await {
            return reason;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_opens_with_its_terms() {
    let sessions = engineio_socketio::Sessions::<Socket>::new(driven());
    let (link, response) = sessions.open_polling().unwrap();
    assert_eq!(response.headers()["content-type"], "text/plain; charset=UTF-8");
    let (status, body) = shown(&response);
    assert_eq!(status, 200);
    assert!(body.starts_with(r#"0{"sid":""#), "{body}");
    assert!(body.ends_with(
        r#""upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#
    ));
    assert!(link.is_polling());
    assert_eq!(sessions.listed(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_posted_arrives_in_order_and_is_answered_with_ok() {
    let (sessions, mut link, sid) = polling(driven());
    let body = Bytes::from("4one\u{1e}bAQID\u{1e}3\u{1e}4é");
    let (answer, came) = during(&mut link, sessions.post(sid, body)).await;
    assert_eq!(shown(&answer), (200, "ok"));
    let bytes = Incoming::Binary(Bytes::from_static(&[1, 2, 3]));
    assert_eq!(came, [text("one"), bytes, Incoming::Alive, text("é")]);
}

#[tokio::test(start_paused = true)]
async fn a_poll_waits_until_there_is_something_to_say() {
    let (sessions, mut link, sid) = polling(driven());
    let mut request = pin!(sessions.poll(sid));
    assert!(poll(&mut request).await.is_pending());
    assert!(link.recv().now_or_never().is_none());
    link.enqueue(message("one"));
    link.enqueue(Frame::Binary(Bytes::from_static(&[1, 2, 3, 4])));
    link.enqueue(message("two"));
    assert!(poll(&mut request).await.is_pending(), "nothing is written unless asked for");
    link.flush().await.unwrap();
    let answer = request.await;
    assert_eq!(shown(&answer), (200, "4one\u{1e}bAQIDBA==\u{1e}4two"));
    assert_eq!(answer.headers()["content-type"], "text/plain; charset=UTF-8");
    assert_eq!(answer.headers()["cache-control"], "no-store");
}

#[tokio::test(start_paused = true)]
async fn what_was_said_before_the_poll_is_its_answer() {
    let (sessions, mut link, sid) = polling(driven());
    link.enqueue(message("early"));
    link.flush().await.unwrap();
    let (answer, _) = during(&mut link, sessions.poll(sid)).await;
    assert_eq!(shown(&answer), (200, "4early"));
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_cut_to_max_payload_but_not_below_one_packet() {
    let (sessions, mut link, sid) = polling(Config { max_payload: 10, ..driven() });
    for said in ["abcd", "efgh", "ijkl", "longer than ten", "m"] {
        link.enqueue(message(said));
    }
    let mut answers = Vec::new();
    for _ in 0..4 {
        let (answer, _) = during(&mut link, sessions.poll(sid)).await;
        answers.push(shown(&answer).1.to_owned());
    }
    assert_eq!(answers, ["4abcd", "4efgh", "4ijkl", "4longer than ten"]);
    link.enqueue(message("nopqrs"));
    let (answer, _) = during(&mut link, sessions.poll(sid)).await;
    assert_eq!(shown(&answer).1, "4m\u{1e}4nopqrs");
}

#[tokio::test(start_paused = true)]
async fn writing_is_stuck_beyond_the_bounds_until_a_poll_comes() {
    let (sessions, mut link, sid) = polling(Config { frames_waiting_max: 2, ..driven() });
    link.enqueue(message("1"));
    link.enqueue(message("2"));
    assert_eq!(link.flush().now_or_never(), Some(Ok(())));
    link.enqueue(message("3"));
    let mut request = pin!(sessions.poll(sid));
    {
        let mut written = pin!(link.flush());
        assert!(poll(&mut written).await.is_pending());
        assert!(poll(&mut request).await.is_pending());
        assert_eq!(written.await, Ok(()));
    }
    assert_eq!(shown(&request.await), (200, "41\u{1e}42\u{1e}43"));

    let (sessions, mut link, sid) = polling(Config { bytes_waiting_max: 8, ..driven() });
    link.enqueue(Frame::Binary(Bytes::from_static(&[0; 6])));
    assert!(link.flush().now_or_never().is_none(), "base64 counts, and the letter before it");
    during(&mut link, sessions.poll(sid)).await;
    link.enqueue(message("1234567"));
    assert_eq!(link.flush().now_or_never(), Some(Ok(())), "what is gone counts no more");
}

#[tokio::test(start_paused = true)]
async fn a_post_is_answered_when_the_last_packet_is_taken() {
    let (sessions, mut link, sid) = polling(driven());
    let mut request = pin!(sessions.post(sid, Bytes::from_static(b"4a\x1e4b")));
    assert!(poll(&mut request).await.is_pending());
    assert_eq!(link.recv().await, text("a"));
    assert!(poll(&mut request).await.is_pending());
    assert_eq!(link.recv().await, text("b"));
    assert_eq!(shown(&request.await), (200, "ok"));
}

#[tokio::test(start_paused = true)]
async fn packets_posted_while_a_write_is_stuck_are_kept() {
    let (sessions, mut link, sid) = polling(Config { frames_waiting_max: 0, ..driven() });
    link.enqueue(message("x"));
    let mut request = pin!(sessions.post(sid, Bytes::from_static(b"4a")));
    assert!(poll(&mut request).await.is_pending());
    assert!(link.flush().now_or_never().is_none());
    assert_eq!(link.recv().await, text("a"));
    assert_eq!(shown(&request.await), (200, "ok"));
}

#[tokio::test(start_paused = true)]
async fn a_second_poll_ends_the_session() {
    let (sessions, link, sid) = polling(driven());
    let ended = tokio::spawn(end_of(link));
    let (first, second) = tokio::join!(sessions.poll(sid), sessions.poll(sid));
    assert_eq!(shown(&first), (200, "1"));
    assert_eq!(shown(&second), (400, r#"{"code":3,"message":"Bad request"}"#));
    assert_eq!(ended.await.unwrap(), EndReason::PollOverlap);
    let third = sessions.poll(sid).await;
    assert_eq!(shown(&third), (400, r#"{"code":1,"message":"Session ID unknown"}"#));
    assert_eq!(sessions.listed(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_the_client_gives_up_ends_the_session() {
    let (sessions, link, sid) = polling(driven());
    let ended = tokio::spawn(end_of(link));
    assert!(timeout(SECOND, sessions.poll(sid)).await.is_err());
    assert_eq!(ended.await.unwrap(), EndReason::PollAborted);
    assert_eq!(sessions.poll(sid).await.status(), 400);
}

#[tokio::test(start_paused = true)]
async fn what_a_given_up_poll_should_have_carried_is_not_passed_over() {
    let (sessions, mut link, sid) = polling(driven());
    let mut request = Box::pin(sessions.poll(sid));
    assert!(poll(&mut request).await.is_pending());
    assert!(link.recv().now_or_never().is_none());
    link.enqueue(message("lost"));
    drop(request);
    assert_eq!(link.flush().await, Err(EndReason::PollAborted));
}

#[tokio::test(start_paused = true)]
async fn a_second_post_before_the_first_is_taken_ends_the_session() {
    let (sessions, mut link, sid) = polling(driven());
    let mut first = pin!(sessions.post(sid, Bytes::from_static(b"4a\x1e4b")));
    assert!(poll(&mut first).await.is_pending());
    assert_eq!(link.recv().await, text("a"));
    let second = sessions.post(sid, Bytes::from_static(b"4c"));
    let (second, came) = during(&mut link, second).await;
    assert_eq!(came, [Incoming::End(EndReason::PostOverlap)]);
    assert_eq!((second.status().as_u16(), first.await.status().as_u16()), (400, 400));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_ends_the_session() {
    for body in ["abc", "", "4a\u{1e}", "b*", "4a\u{1e}\u{1e}4b"] {
        let (sessions, mut link, sid) = polling(driven());
        let (answer, came) = during(&mut link, sessions.post(sid, Bytes::from(body))).await;
        assert_eq!(answer.status(), 400, "{body:?}");
        assert_eq!(came.last(), Some(&Incoming::End(EndReason::BadPacket)), "{body:?}");
        assert_eq!(sessions.poll(sid).await.status(), 400);
    }
    let (sessions, mut link, sid) = polling(Config { payload_packets_max: 2, ..driven() });
    let (answer, _) = during(&mut link, sessions.post(sid, "4a\u{1e}4b\u{1e}4c".into())).await;
    assert_eq!(answer.status(), 400);
    assert_eq!(link.recv().await, Incoming::End(EndReason::BadPacket), "told again when asked");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_large_is_refused_and_the_session_goes_on() {
    let (sessions, mut link, sid) = polling(Config { max_payload: 5, ..driven() });
    assert_eq!(sessions.post(sid, "4hello".into()).await.status(), 413);
    let (answer, came) = during(&mut link, sessions.post(sid, "4hell".into())).await;
    assert_eq!((answer.status().as_u16(), came), (200, vec![text("hell")]));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_goodbye_gets_its_poll_back() {
    let (sessions, mut link, sid) = polling(driven());
    let requests = async { tokio::join!(sessions.poll(sid), sessions.post(sid, "1".into())) };
    let ((polled, posted), came) = during(&mut link, requests).await;
    assert_eq!((shown(&polled), shown(&posted)), ((200, "6"), (200, "ok")));
    assert_eq!(came, [Incoming::End(EndReason::ClientClosed)]);
    assert_eq!(sessions.poll(sid).await.status(), 400);
    assert!(link.close(1000, "").now_or_never().is_some(), "there is nothing left to say");
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_its_goodbye_overtook_is_answered_all_the_same() {
    let (sessions, mut link, sid) = polling(driven());
    let (posted, came) = during(&mut link, sessions.post(sid, "1".into())).await;
    assert_eq!((shown(&posted), came), ((200, "ok"), vec![Incoming::End(EndReason::ClientClosed)]));
    let (polled, ()) = tokio::join!(sessions.poll(sid), link.close(1000, ""));
    assert_eq!(shown(&polled), (200, "6"));
    assert_eq!(sessions.poll(sid).await.status(), 400);
}

#[tokio::test(start_paused = true)]
async fn a_close_has_a_poll_of_its_own_behind_what_waits() {
    let (sessions, mut link, sid) = polling(driven());
    let mut request = pin!(sessions.poll(sid));
    assert!(poll(&mut request).await.is_pending());
    assert!(link.recv().now_or_never().is_none());
    link.enqueue(message("bye"));
    let answers = async { (request.await, sessions.poll(sid).await) };
    let ((first, second), ()) = tokio::join!(answers, link.close(1000, ""));
    assert_eq!((shown(&first), shown(&second)), ((200, "4bye"), (200, "1")));
    assert_eq!(sessions.listed(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_close_waits_for_a_poll_but_not_for_ever() {
    let (sessions, link, sid) = polling(driven());
    let (polled, posted, ()) = tokio::join!(
        async {
            tokio::task::yield_now().await;
            sessions.poll(sid).await
        },
        sessions.post(sid, "4too late".into()),
        link.close(1000, "")
    );
    assert_eq!((shown(&polled), shown(&posted)), ((200, "1"), (200, "ok")));

    let (sessions, link, _) = polling(driven());
    let start = Instant::now();
    link.close(1000, "").await;
    assert_eq!(start.elapsed().as_secs(), sessions.config().close_timeout.as_secs());
    assert_eq!(sessions.listed(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_dropped_leaves_nobody_waiting() {
    let (sessions, mut link, sid) = polling(driven());
    let mut request = pin!(sessions.poll(sid));
    assert!(poll(&mut request).await.is_pending());
    assert!(link.recv().now_or_never().is_none());
    drop(link);
    assert_eq!(request.await.status(), 400);
    assert_eq!(sessions.listed(), 0);
}

#[tokio::test(start_paused = true)]
async fn pings_go_out_with_polls_and_pongs_come_back_with_posts() {
    let (sessions, mut link, sid) = polling(Config::default());
    for _ in 0..3 {
        let start = Instant::now();
        let (polled, _) = during(&mut link, sessions.poll(sid)).await;
        assert_eq!((shown(&polled), start.elapsed().as_secs()), ((200, "2"), 25));
        let (_, came) = during(&mut link, sessions.post(sid, "3".into())).await;
        assert_eq!(came, [Incoming::Alive]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_silent_is_given_up() {
    let (sessions, link, sid) = polling(Config::default());
    let start = Instant::now();
    assert_eq!(end_of(link).await, EndReason::PingTimeout);
    assert_eq!(start.elapsed().as_secs(), 45);
    assert_eq!(sessions.poll(sid).await.status(), 400);
}

#[tokio::test(start_paused = true)]
async fn pings_of_the_owner_need_no_timer_of_the_link() {
    let (sessions, mut link, sid) = polling(driven());
    link.ping(Instant::now());
    let (polled, _) = during(&mut link, sessions.poll(sid)).await;
    assert_eq!(shown(&polled), (200, "2"));
    assert_eq!(end_of(link).await, EndReason::PollAbandoned);
}

#[tokio::test(start_paused = true)]
async fn sessions_and_requests_are_bounded() {
    let (sessions, _link, sid) =
        polling(Config { sessions_max: 1, requests_waiting_max: 1, ..driven() });
    assert_eq!(sessions.open_polling().err(), Some(Refusal::Busy));
    assert_eq!(sessions.listed(), 1);
    let mut first = pin!(sessions.poll(sid));
    assert!(poll(&mut first).await.is_pending());
    assert_eq!(sessions.post(sid, "4a".into()).await.status(), 503);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_nobody_serves_is_answered_in_the_end() {
    let (sessions, _link, sid) = polling(driven());
    let start = Instant::now();
    assert_eq!(sessions.poll(sid).await.status(), 503);
    assert_eq!(start.elapsed(), sessions.config().unpolled_timeout());
}

#[tokio::test(start_paused = true)]
async fn sessions_do_not_get_each_others_requests() {
    let (sessions, mut one, sid) = polling(driven());
    let (mut two, response) = sessions.open_polling().unwrap();
    assert_ne!(sid, sid_of(&response));
    one.enqueue(message("for one"));
    two.enqueue(message("for two"));
    let (answer, _) = during(&mut two, sessions.poll(sid_of(&response))).await;
    assert_eq!(shown(&answer).1, "4for two");
    assert!(sessions.check_upgrade(sid).is_ok());
    drop(one);
    assert_eq!(sessions.check_upgrade(sid), Err(Refusal::UnknownSid));
    let (client, socket) = websocket();
    sessions.upgrade(sid, socket).await;
    assert_eq!(client.closed().await, 1000);
}

#[tokio::test(start_paused = true)]
async fn receiving_can_be_given_up_at_any_time_without_loss() {
    let (sessions, mut link, sid) = polling(Config::default());
    let mut posting = Box::pin(sessions.post(sid, "4a\u{1e}4b\u{1e}4c".into()));
    assert!(poll(&mut posting).await.is_pending());
    let mut came = Vec::new();
    while came.len() < 3 {
        tokio::select! {
            biased;
            () = tokio::task::yield_now() => {}
            incoming = link.recv() => came.push(incoming),
        }
        tokio::select! {
            biased;
            incoming = link.recv() => came.push(incoming),
            () = tokio::time::sleep(Duration::from_millis(1)) => {}
        }
    }
    assert_eq!(came, [text("a"), text("b"), text("c")]);
    assert_eq!(posting.await.status(), 200);
}
