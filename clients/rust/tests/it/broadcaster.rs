//! Batches, and what becomes of the events in them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use switchboard_client::{Alert, Error, Event, EventBroadcaster, NewEvent, Target, Undelivered};
use tokio::time::Instant;

use crate::hold;
use crate::origin::{Answer, Origin, accepted, accepted_but, answer, refused};

fn rejected(code: &str, message: &str) -> Error {
    Error::Rejected { code: code.into(), message: message.into() }
}

#[tokio::test(start_paused = true)]
async fn what_comes_together_goes_out_together_and_in_order() {
    let origin = Origin::serve([accepted()]).await;
    let broadcaster = origin.broadcaster();
    let begun = Instant::now();
    let mut told = Vec::new();
    for call in 1..=3 {
        told.push(broadcaster.call_ended(call.to_string(), 9).await.unwrap());
    }
    for delivery in told {
        let id = delivery.id().to_owned();
        let outcome = delivery.await.unwrap();
        assert_eq!((outcome.id, outcome.cursor.as_deref()), (id, Some("c-7")));
    }
    assert_eq!(origin.calls(), [["1", "2", "3"]]);
    assert!(begun.elapsed() < Duration::from_millis(30), "it lingers for 20 ms");
    let head = origin.asked()[0].head.to_lowercase();
    assert!(head.starts_with("post /api/events http/1.1"), "{head}");
    assert!(head.contains("authorization: bearer sbk_test"), "{head}");
    assert!(head.contains("content-type: application/json"), "{head}");
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_a_hundred_events_at_most() {
    let origin = Origin::serve([accepted()]).await;
    let broadcaster = origin.broadcaster();
    for call in 0..250 {
        drop(broadcaster.publish(hold(call)).await.unwrap());
    }
    broadcaster.flush().await.unwrap();
    let sizes: Vec<usize> = origin.calls().iter().map(Vec::len).collect();
    assert_eq!(sizes, [100, 100, 50]);
    let sent: Vec<String> = origin.calls().concat();
    assert_eq!(sent, (0..250).map(|call| call.to_string()).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_no_more_bytes_than_the_server_takes() {
    let origin = Origin::serve([accepted()]).await;
    let broadcaster = origin.broadcaster();
    let long = "x".repeat(200 * 1024);
    for _ in 0..3 {
        drop(broadcaster.send_alert("Long", &long).await.unwrap());
    }
    broadcaster.flush().await.unwrap();
    let sizes: Vec<usize> = origin.asked().iter().map(|asked| asked.events().len()).collect();
    assert_eq!(sizes, [2, 1]);
    let longer = broadcaster.send_alert("Longer", long.repeat(3)).await;
    assert!(matches!(longer, Err(Error::TooLarge { bytes_max: 524_288, .. })), "{longer:?}");
}

#[tokio::test(start_paused = true)]
async fn an_event_keeps_the_id_and_the_target_it_is_given() {
    let origin = Origin::serve([accepted()]).await;
    let event = NewEvent::from(hold(1)).id("cdr-17").to(Target::User("u1".into()));
    let outcome = origin.broadcaster().publish(event).await.unwrap().await.unwrap();
    assert_eq!(outcome.id, "cdr-17");
    let sent = &origin.asked()[0].events()[0];
    assert_eq!(sent["id"], "cdr-17");
    assert_eq!(sent["target"], json!({"user_id": "u1"}));
}

#[tokio::test(start_paused = true)]
async fn a_rejected_event_is_told_to_its_caller_and_the_others_are_accepted() {
    let heard: Arc<Mutex<Vec<Undelivered>>> = Arc::default();
    let ears = Arc::clone(&heard);
    let one = json!([{"index": 1, "code": "invalid", "message": "payload.duration: too long"}]);
    let origin = Origin::serve([accepted_but(&one)]).await;
    let builder = origin.builder().on_rejected(move |it| ears.lock().unwrap().push(it.clone()));
    let broadcaster = builder.build().unwrap();
    let first = broadcaster.publish(hold(1)).await.unwrap();
    let second = broadcaster.publish(NewEvent::from(hold(2)).id("e-2")).await.unwrap();
    let third = broadcaster.publish(hold(3)).await.unwrap();
    assert!(first.await.is_ok());
    let error = rejected("invalid", "payload.duration: too long");
    assert_eq!(second.await, Err(error.clone()));
    assert!(third.await.is_ok());
    let want = Undelivered { id: "e-2".into(), kind: "call.hold".into(), error };
    assert_eq!(*heard.lock().unwrap(), [want]);
}

#[tokio::test(start_paused = true)]
async fn when_all_are_rejected_each_learns_why() {
    let rejected_all = json!({"success": false, "message": "No", "code": "invalid", "error": "no",
        "data": {"accepted": 0, "cursor": null, "rejected": [
            {"index": 0, "code": "unknown_event", "message": "a"},
            {"index": 1, "code": "invalid", "message": "b"}]}});
    let origin = Origin::serve([answer(422, "", &rejected_all)]).await;
    let broadcaster = origin.broadcaster();
    let other = Event::Other { kind: "call.dance".into(), payload: serde_json::Map::new() };
    let first = broadcaster.publish(other).await.unwrap();
    let second = broadcaster.publish(hold(2)).await.unwrap();
    assert_eq!(first.await, Err(rejected("unknown_event", "a")));
    assert_eq!(second.await, Err(rejected("invalid", "b")));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_stands_for_all_is_not_asked_for_again() {
    let origin = Origin::serve([refused(403, "forbidden", "no scope events:write")]).await;
    let broadcaster = origin.broadcaster();
    let told =
        [broadcaster.publish(hold(1)).await.unwrap(), broadcaster.publish(hold(2)).await.unwrap()];
    for delivery in told {
        assert_eq!(delivery.await, Err(rejected("forbidden", "no scope events:write")));
    }
    assert_eq!(origin.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_batch_refused_for_one_of_its_events_is_halved_until_that_one_is_alone() {
    let conflict = || refused(409, "conflict", "this id has another body");
    let origin = Origin::serve([conflict(), accepted(), conflict(), conflict(), accepted()]).await;
    let broadcaster = origin.broadcaster();
    let mut told = Vec::new();
    for call in 1..=6 {
        told.push(broadcaster.publish(hold(call)).await.unwrap());
    }
    let mut refused = Vec::new();
    for (at, delivery) in told.into_iter().enumerate() {
        if let Err(error) = delivery.await {
            assert_eq!(error, rejected("conflict", "this id has another body"));
            refused.push(at + 1);
        }
    }
    let calls: Vec<String> = origin.calls().iter().map(|calls| calls.concat()).collect();
    assert_eq!(calls, ["123456", "123", "456", "4", "56"]);
    assert_eq!(refused, [4]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_none_of_this_server_ends_the_event_with_that_name() {
    let origin = Origin::serve([Answer::Whole(200, String::new(), "<html>".into())]).await;
    let outcome = origin.broadcaster().publish(hold(1)).await.unwrap().await;
    assert!(matches!(outcome, Err(Error::Malformed(_))), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn an_event_whose_handle_is_dropped_is_sent_all_the_same() {
    let origin = Origin::serve([accepted()]).await;
    let broadcaster = origin.broadcaster();
    drop(broadcaster.try_publish(hold(1)).unwrap());
    broadcaster.flush().await.unwrap();
    assert_eq!(origin.calls(), [["1"]]);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_at_once_or_after_a_wait_and_takes_more_when_there_is_room() {
    let minute = Duration::from_secs(60);
    let origin = Origin::serve([Answer::Late(minute), accepted()]).await;
    let builder = origin.builder().queue_max(2).queue_wait(Duration::from_secs(10));
    let broadcaster = builder.request_timeout(minute * 2).build().unwrap();
    let first = broadcaster.try_publish(hold(1)).unwrap();
    drop(broadcaster.try_publish(hold(2)).unwrap());
    let full = Error::QueueFull { queue_max: 2 };
    assert_eq!(broadcaster.try_publish(hold(3)).unwrap_err(), full);
    let begun = Instant::now();
    assert_eq!(broadcaster.publish(hold(3)).await.unwrap_err(), full);
    assert_eq!(begun.elapsed().as_secs(), 10);
    assert_eq!(broadcaster.status().unanswered, 2);
    first.await.unwrap();
    broadcaster.publish(hold(4)).await.unwrap().await.unwrap();
    assert_eq!(broadcaster.status().unanswered, 0);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_place_gets_the_one_that_is_freed() {
    let origin = Origin::serve([Answer::Late(Duration::from_secs(5)), accepted()]).await;
    let broadcaster = origin.builder().queue_max(1).build().unwrap();
    drop(broadcaster.publish(hold(1)).await.unwrap());
    let begun = Instant::now();
    broadcaster.publish(hold(2)).await.unwrap().await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 5);
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_when_the_broadcaster_is_made() {
    let builder = || EventBroadcaster::builder("http://localhost:8080", "sbk_test");
    for (builder, what) in [
        (EventBroadcaster::builder("localhost", "sbk_test"), "the address"),
        (EventBroadcaster::builder("ws://localhost", "sbk_test"), "must begin with http://"),
        (EventBroadcaster::builder("http://localhost", ""), "the key or token is empty"),
        (builder().queue_max(0), "queue_max must be 1 to"),
        (builder().batch_max(1_001), "batch_max must be 1 to 1000, not 1001"),
        (builder().give_up_after(Duration::ZERO), "give_up_after must be more than 0"),
    ] {
        let said = builder.build().unwrap_err().to_string();
        assert!(said.contains(what), "{said}");
    }
}

#[test]
fn without_a_runtime_there_is_no_broadcaster() {
    let built = EventBroadcaster::builder("http://localhost:8080", "sbk_test").build();
    assert_eq!(built.unwrap_err(), Error::NoRuntime);
}

#[tokio::test(start_paused = true)]
async fn data_that_are_no_object_are_refused_before_anything_is_sent() {
    let origin = Origin::serve([accepted()]).await;
    let broadcaster = origin.broadcaster();
    let refused = broadcaster.send_notification("u1", "k", "t", "b", [1, 2]).await;
    assert!(matches!(refused, Err(Error::Payload(_))), "{refused:?}");
    drop(broadcaster.publish(Alert::default()).await.unwrap());
    broadcaster.flush().await.unwrap();
    assert_eq!(origin.asked()[0].events().len(), 1);
}
