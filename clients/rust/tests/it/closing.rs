//! Flushing, closing, and being dropped.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use switchboard_client::Error;
use tokio::time::Instant;

use crate::hold;
use crate::origin::{Answer, Origin, accepted};

fn busy() -> Answer {
    Answer::Whole(503, String::new(), String::new())
}

#[tokio::test(start_paused = true)]
async fn a_flush_does_not_linger_and_is_over_when_everything_is_answered() {
    let origin = Origin::serve([Answer::Late(Duration::from_secs(3)), accepted()]).await;
    let broadcaster = origin.builder().linger(Duration::from_secs(60)).build().unwrap();
    let begun = Instant::now();
    drop(broadcaster.publish(hold(1)).await.unwrap());
    broadcaster.flush().await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 3);
    assert_eq!(broadcaster.status().unanswered, 0);
    broadcaster.flush().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_close_sends_everything_and_takes_nothing_more() {
    let origin = Origin::serve([busy(), accepted()]).await;
    let broadcaster = origin.builder().batch_max(2).build().unwrap();
    let mut told = Vec::new();
    for call in 1..=5 {
        told.push(broadcaster.publish(hold(call)).await.unwrap());
    }
    broadcaster.close().await;
    for delivery in told {
        delivery.await.unwrap();
    }
    assert_eq!(origin.calls().concat(), ["1", "2", "1", "2", "3", "4", "5"]);
    assert_eq!(broadcaster.publish(hold(6)).await.unwrap_err(), Error::Closed);
    assert_eq!(broadcaster.try_publish(hold(6)).unwrap_err(), Error::Closed);
    assert_eq!(broadcaster.flush().await, Err(Error::Closed));
    broadcaster.close().await;
    assert_eq!(broadcaster.close_within(Duration::ZERO).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_close_in_a_hurry_says_what_it_left_and_each_event_learns_it() {
    let heard: Arc<Mutex<usize>> = Arc::default();
    let ears = Arc::clone(&heard);
    let origin = Origin::serve([busy()]).await;
    let builder = origin.builder().batch_max(2).on_rejected(move |_| *ears.lock().unwrap() += 1);
    let broadcaster = builder.build().unwrap();
    let mut told = Vec::new();
    for call in 1..=5 {
        told.push(broadcaster.publish(hold(call)).await.unwrap());
    }
    let begun = Instant::now();
    let closed = broadcaster.close_within(Duration::from_secs(8)).await;
    assert_eq!(closed, Err(Error::Unanswered { count: 5 }));
    assert_eq!(begun.elapsed().as_secs(), 8);
    for delivery in told {
        assert_eq!(delivery.await, Err(Error::Closed));
    }
    assert_eq!(*heard.lock().unwrap(), 5);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_place_when_it_is_closed_is_refused() {
    let origin = Origin::serve([Answer::Late(Duration::from_secs(5)), accepted()]).await;
    let broadcaster = origin.builder().queue_max(1).build().unwrap();
    drop(broadcaster.publish(hold(1)).await.unwrap());
    let begun = Instant::now();
    let waiting = async {
        let refused = broadcaster.publish(hold(2)).await.unwrap_err();
        (refused, begun.elapsed(), broadcaster.try_publish(hold(3)).unwrap_err())
    };
    let (refused, ()) = tokio::join!(waiting, broadcaster.close());
    assert_eq!(refused, (Error::Closed, Duration::ZERO, Error::Closed));
}

#[tokio::test(start_paused = true)]
async fn the_last_one_dropped_still_sends_what_was_handed_over() {
    let origin = Origin::serve([busy(), accepted()]).await;
    let broadcaster = origin.broadcaster();
    let clone = broadcaster.clone();
    let first = broadcaster.publish(hold(1)).await.unwrap();
    drop(broadcaster);
    let second = clone.publish(hold(2)).await.unwrap();
    drop(clone);
    first.await.unwrap();
    second.await.unwrap();
}

#[test]
fn a_runtime_that_ends_ends_what_is_unanswered() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let origin = runtime.block_on(Origin::serve([busy()]));
    let told = {
        let _within = runtime.enter();
        origin.broadcaster().try_publish(hold(1)).unwrap()
    };
    drop(runtime);
    let other = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(other.block_on(told), Err(Error::Closed));
}
