//! Hearing: what a subscriber asks for, what it makes of what it is told, and how it comes back.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::json;
use switchboard_client::{Error, Event, Incoming, Subscriber};
use tokio::time::{Instant, sleep};
use tokio_tungstenite::tungstenite::Message;

use crate::hub::Hub;

/// The cursor of the next event.
async fn next_cursor(subscriber: &mut Subscriber) -> String {
    subscriber.next_event().await.unwrap().unwrap().cursor.unwrap()
}

/// Why the line was lost, and when a new one is tried.
async fn loss(subscriber: &mut Subscriber) -> (String, Duration) {
    loop {
        if let Incoming::Disconnected(lost) = subscriber.next().await.unwrap().unwrap() {
            return (lost.reason, lost.retry_in);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_asks_for_its_events_after_its_cursor_with_its_token() {
    let hub = Hub::open().await;
    let builder = hub.builder().events(["call.*", "alert"]).after("c=7&8");
    let _subscriber = builder.build().unwrap();
    let caller = hub.take().await;
    assert_eq!(caller.uri, "/ws?events=call.*%2Calert&after=c%3D7%268");
    assert_eq!(caller.authorization, "Bearer a.b.c");
}

#[tokio::test(start_paused = true)]
async fn an_event_is_heard_with_everything_it_has() {
    let hub = Hub::open().await;
    let mut subscriber = hub.subscriber();
    let mut caller = hub.take_at("c-1").await;
    assert_eq!(caller.uri, "/ws");
    caller.hold("c-2").await;
    let Some(Ok(Incoming::Connected(line))) = StreamExt::next(&mut subscriber).await else {
        panic!("not connected");
    };
    assert_eq!((line.user_id.as_str(), line.role.as_str()), ("u1", "admin"));
    let heard = subscriber.next_event().await.unwrap().unwrap();
    assert_eq!(heard.kind, "call.hold");
    assert_eq!((heard.id.as_str(), heard.cursor.as_deref()), ("e-c-2", Some("c-2")));
    assert_eq!(heard.timestamp, "2025-01-24T10:30:00.000Z");
    let Event::CallHold(call) = heard.event().unwrap() else { panic!("another event") };
    assert_eq!(call.unique_id, "c-2");
    assert_eq!(subscriber.cursor(), Some("c-2"));
}

#[tokio::test(start_paused = true)]
async fn it_comes_back_to_where_it_was_and_hears_nothing_twice() {
    let hub = Hub::open().await;
    let mut subscriber = hub.builder().after("c-1").build().unwrap();
    let mut caller = hub.take_at("c-9").await;
    caller.hold("c-2").await;
    caller.hold("c-3").await;
    drop(caller);
    let mut caller = hub.take_at("c-9").await;
    assert_eq!(caller.uri, "/ws?after=c-3");
    caller.hold("c-3").await;
    caller.hold("c-4").await;
    for cursor in ["c-2", "c-3", "c-4"] {
        assert_eq!(next_cursor(&mut subscriber).await, cursor);
    }
}

#[tokio::test(start_paused = true)]
async fn without_an_event_it_comes_back_to_where_its_first_line_began() {
    let hub = Hub::open().await;
    let _subscriber = hub.subscriber();
    drop(hub.take_at("c-5").await);
    drop(hub.take_at("c-9").await);
    assert_eq!(hub.take().await.uri, "/ws?after=c-5");
}

#[tokio::test(start_paused = true)]
async fn a_resync_is_told_and_the_next_line_begins_where_that_one_did() {
    let hub = Hub::open().await;
    let mut subscriber = hub.builder().after("c-1").build().unwrap();
    let mut caller = hub.take_at("c-9").await;
    caller.say(&json!({"type": "resync", "payload": {"reason": "cursor_expired"}})).await;
    assert!(matches!(subscriber.next().await, Some(Ok(Incoming::Connected(_)))));
    let Some(Ok(Incoming::Resync(resync))) = subscriber.next().await else { panic!("no resync") };
    assert_eq!((resync.reason.as_str(), subscriber.cursor()), ("cursor_expired", None));
    drop(caller);
    assert_eq!(hub.take().await.uri, "/ws?after=c-9");
}

#[tokio::test(start_paused = true)]
async fn an_unknown_name_is_told_and_the_line_stays() {
    let hub = Hub::open().await;
    let mut subscriber = hub.builder().events(["call.hodl", "call.hold"]).build().unwrap();
    let mut caller = hub.take().await;
    let payload = json!({"code": "unknown_event", "message": "m", "nearest": "call.hold"});
    caller.say(&json!({"type": "error", "payload": payload})).await;
    caller.hold("c-2").await;
    let Some(Ok(Incoming::Refused(refused))) = subscriber.next().await else { panic!("not told") };
    assert_eq!(refused.nearest.as_deref(), Some("call.hold"));
    assert_eq!(next_cursor(&mut subscriber).await, "c-2");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_ends_or_may_not_listen_ends_the_stream() {
    for (code, error) in [(4001, Error::TokenEnded), (4003, Error::Forbidden)] {
        let hub = Hub::open().await;
        let mut subscriber = hub.subscriber();
        hub.take().await.close(code).await;
        assert_eq!(subscriber.next().await, Some(Err(error)));
        assert_eq!(subscriber.next().await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn any_other_close_is_followed_by_a_new_line() {
    for code in [1000, 1001, 4008, 4009, 4010, 4029, 4030] {
        let hub = Hub::open().await;
        let mut subscriber = hub.builder().after("c-1").build().unwrap();
        hub.take().await.close(code).await;
        let (reason, retry_in) = loss(&mut subscriber).await;
        assert_eq!(reason, format!("closed with {code}: because"));
        assert!(retry_in <= Duration::from_secs(1), "{retry_in:?}");
        assert_eq!(hub.take().await.uri, "/ws?after=c-1");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_stands_ends_the_stream() {
    for status in [400, 401, 403, 404, 302] {
        let hub = Hub::open().await;
        let mut subscriber = hub.subscriber();
        let body = r#"{"success": false, "message": "No", "error": "no", "code": "unauthorized"}"#;
        hub.refuse(status, "", body).await;
        let (code, message) = ("unauthorized".into(), "no".into());
        assert_eq!(subscriber.next().await, Some(Err(Error::Refused { status, code, message })));
        assert_eq!(subscriber.next().await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_passes_is_waited_for() {
    for (status, header, least) in [(503, "retry-after: 7\r\n", 7), (429, "", 0), (500, "", 0)] {
        let hub = Hub::open().await;
        let mut subscriber = hub.subscriber();
        hub.refuse(status, header, "").await;
        let (reason, retry_in) = loss(&mut subscriber).await;
        assert!(reason.starts_with(&format!("HTTP {status}")), "{reason}");
        assert_eq!(retry_in.as_secs(), least);
        hub.take().await;
    }
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_until_a_line_was_a_good_one() {
    let hub = Hub::open().await;
    let mut subscriber = hub.subscriber();
    let mut longest = Duration::ZERO;
    for _ in 0..40 {
        drop(hub.take().await);
        longest = longest.max(loss(&mut subscriber).await.1);
    }
    assert!(Duration::from_secs(10) < longest && longest <= Duration::from_secs(30), "{longest:?}");
    let caller = hub.take().await;
    sleep(Duration::from_secs(11)).await;
    drop(caller);
    assert!(loss(&mut subscriber).await.1 <= Duration::from_secs(1));
}

// 004: acceptance 306
#[tokio::test(start_paused = true)]
async fn a_ping_goes_out_every_30_seconds() {
    let hub = Hub::open().await;
    let _subscriber = hub.subscriber();
    let mut caller = hub.take().await;
    let begun = Instant::now();
    for round in 1..=5 {
        assert_eq!(caller.hear().await, Some(Message::text(r#"{"type":"ping"}"#)));
        assert_eq!(begun.elapsed().as_secs(), 30 * round);
        caller.say(&json!({"type": "pong"})).await;
    }
}

// 004: acceptance 341
#[tokio::test(start_paused = true)]
async fn the_servers_pings_are_answered_in_both_forms() {
    let hub = Hub::open().await;
    let _subscriber = hub.subscriber();
    let mut caller = hub.take().await;
    caller.ping().await;
    assert_eq!(caller.hear().await, Some(Message::Pong("54".into())));
    caller.say(&json!({"type": "ping"})).await;
    assert_eq!(caller.hear().await, Some(Message::text(r#"{"type":"pong"}"#)));
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_silent_for_90_seconds_is_dead() {
    let hub = Hub::open().await;
    let mut subscriber = hub.subscriber();
    let mut silent = hub.take().await;
    sleep(Duration::from_secs(20)).await;
    silent.ping().await;
    let begun = Instant::now();
    assert_eq!(loss(&mut subscriber).await.0, "the line is dead");
    assert_eq!(begun.elapsed().as_secs(), 90);
    hub.take().await;
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_is_slow_is_waited_for_and_misses_nothing() {
    let hub = Hub::open().await;
    let mut subscriber = hub.subscriber();
    let mut caller = hub.take().await;
    for cursor in 0..600 {
        caller.hold(&format!("c-{cursor}")).await;
    }
    sleep(Duration::from_secs(600)).await;
    assert_eq!(caller.hear().await, Some(Message::text(r#"{"type":"ping"}"#)));
    for cursor in 0..600 {
        let Some(Ok(Incoming::Event(heard))) = subscriber.next().await else { panic!("no event") };
        assert_eq!(heard.cursor, Some(format!("c-{cursor}")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_is_dropped_says_goodbye() {
    let hub = Hub::open().await;
    let mut subscriber = hub.subscriber();
    let mut caller = hub.take_at("c-1").await;
    assert!(matches!(subscriber.next().await, Some(Ok(Incoming::Connected(_)))));
    drop(subscriber);
    let Some(Message::Close(Some(frame))) = caller.hear().await else { panic!("no goodbye") };
    assert_eq!(u16::from(frame.code), 1000);
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_when_the_subscriber_is_made() {
    let builder = || Subscriber::builder("http://localhost:8080", "a.b.c");
    for (builder, what) in [
        (Subscriber::builder("localhost", "a.b.c"), "the address"),
        (Subscriber::builder("ws://localhost/ws?token=x", "a.b.c"), "has a query"),
        (Subscriber::builder("ws://localhost/ws", "a.b\n"), "the key or token"),
        (builder().events(["call.*,alert"]), "no name or pattern"),
        (builder().events([""]), "no name or pattern"),
    ] {
        let said = builder.build().unwrap_err().to_string();
        assert!(said.contains(what), "{said}");
    }
}

#[test]
fn without_a_runtime_there_is_no_subscriber() {
    let built = Subscriber::builder("http://localhost:8080", "a.b.c").build();
    assert_eq!(built.unwrap_err(), Error::NoRuntime);
}
