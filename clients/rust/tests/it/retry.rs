//! Sending again: after what, after which pause, with which ids, and for how long.

use std::time::Duration;

use serde_json::json;
use switchboard_client::{Error, EventBroadcaster};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::hold;
use crate::origin::{Answer, Origin, accepted, answer};

#[tokio::test(start_paused = true)]
async fn a_batch_whose_answer_was_cut_is_sent_again_with_the_same_ids() {
    let origin = Origin::serve([Answer::Cut, Answer::Cut, accepted()]).await;
    let broadcaster = origin.broadcaster();
    let told =
        [broadcaster.publish(hold(1)).await.unwrap(), broadcaster.publish(hold(2)).await.unwrap()];
    for delivery in told {
        delivery.await.unwrap();
    }
    let asked = origin.asked();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|again| again.body == asked[0].body), "{asked:?}");
    assert!(asked[0].events().iter().all(|event| event["id"].is_string()));
}

#[tokio::test(start_paused = true)]
async fn a_busy_server_is_asked_again_after_the_pause_it_asks_for() {
    for status in [429, 503] {
        let busy = answer(status, "retry-after: 7\r\n", &json!({"success": false, "code": "busy"}));
        let origin = Origin::serve([busy, accepted()]).await;
        origin.broadcaster().publish(hold(1)).await.unwrap().await.unwrap();
        let asked = origin.asked();
        let pause = asked[1].at - asked[0].at;
        let (least, most) = (Duration::from_secs(7), Duration::from_millis(7_300));
        assert!(least <= pause && pause <= most, "{status}: {pause:?}");
        assert_eq!(asked[0].body, asked[1].body);
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_meanwhile_waits_behind_what_is_sent_again() {
    let gateway = |status| Answer::Whole(status, String::new(), "<html>".into());
    let answers = [gateway(502), gateway(503), gateway(504), accepted()];
    let origin = Origin::serve(answers).await;
    let broadcaster = origin.builder().batch_max(2).build().unwrap();
    for call in 1..=5 {
        drop(broadcaster.publish(hold(call)).await.unwrap());
    }
    broadcaster.flush().await.unwrap();
    let calls: Vec<String> = origin.calls().iter().map(|calls| calls.concat()).collect();
    assert_eq!(calls, ["12", "12", "12", "12", "34", "5"]);
}

#[tokio::test(start_paused = true)]
async fn after_a_success_the_pauses_begin_anew() {
    let busy = || Answer::Whole(503, String::new(), String::new());
    let mut answers = vec![busy(); 12];
    answers.extend([accepted(), busy(), accepted()]);
    let origin = Origin::serve(answers).await;
    let broadcaster = origin.builder().batch_max(1).build().unwrap();
    drop(broadcaster.publish(hold(1)).await.unwrap());
    drop(broadcaster.publish(hold(2)).await.unwrap());
    broadcaster.flush().await.unwrap();
    let asked = origin.asked();
    assert_eq!(asked.len(), 15);
    let pause = asked[14].at - asked[13].at;
    assert!(pause <= Duration::from_millis(260), "{pause:?}");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_not_answered_in_time_is_made_again() {
    let origin = Origin::serve([Answer::Late(Duration::from_secs(5)), accepted()]).await;
    let broadcaster = origin.builder().request_timeout(Duration::from_secs(4)).build().unwrap();
    broadcaster.publish(hold(1)).await.unwrap().await.unwrap();
    let asked = origin.asked();
    assert_eq!((asked.len(), &asked[0].body), (2, &asked[1].body));
    assert_eq!((asked[1].at - asked[0].at).as_secs(), 4);
}

/// An address where nobody listens.
async fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test(start_paused = true)]
async fn an_event_is_given_up_an_hour_after_it_was_handed_over() {
    let broadcaster = EventBroadcaster::builder(nowhere().await, "sbk_test").build().unwrap();
    let begun = Instant::now();
    let first = broadcaster.publish(hold(1)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(600)).await;
    let status = broadcaster.status();
    assert_eq!(status.unanswered, 1);
    assert!(status.failure.is_some_and(|why| why.contains("error sending request")));
    let second = broadcaster.publish(hold(2)).await.unwrap();
    for (delivery, seconds) in [(first, 3_600), (second, 4_200)] {
        let outcome = delivery.await;
        let hour = Duration::from_secs(3_600);
        assert!(
            matches!(&outcome, Err(Error::GaveUp { after, .. }) if *after == hour),
            "{outcome:?}"
        );
        assert_eq!(begun.elapsed().as_secs(), seconds);
    }
    assert_eq!(broadcaster.status().unanswered, 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_comes_back_is_told_what_it_missed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("http://{address}");
    let broadcaster = EventBroadcaster::builder(url, "sbk_test").build().unwrap();
    let delivery = broadcaster.publish(hold(1)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(300)).await;
    let origin = Origin::serve_at(TcpListener::bind(address).await.unwrap(), [accepted()]);
    let back = Instant::now();
    delivery.await.unwrap();
    assert!(back.elapsed() <= Duration::from_secs(31), "after {:?}", back.elapsed());
    assert_eq!(broadcaster.status().failure, None);
    assert_eq!(origin.calls(), [["1"]]);
}
