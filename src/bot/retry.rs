//! Another try: after a pause that doubles and has some chance in it, or after the one that was
//! asked for; never beyond the deadline, and only where the same question may fare better.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::Failure;
use crate::limits::{BOT_RETRY_PAUSE, BOT_RETRY_PAUSE_MAX};

/// Tries until it succeeds, until another try would not help, or until there is no time for one.
pub(super) async fn run<T, F: Future<Output = Result<T, Failure>>>(
    attempts: usize,
    deadline: Instant,
    mut attempt: impl FnMut() -> F,
) -> Result<T, Failure> {
    let mut tries = 1;
    loop {
        let failure = match attempt().await {
            Ok(value) => return Ok(value),
            Err(failure) => failure,
        };
        let wait = failure.retry_after().unwrap_or_else(|| pause(tries, chance()));
        // A wait that leaves no time for the answer is time the customer spends for nothing.
        let has_time = Instant::now() + wait < deadline;
        if tries >= attempts || !failure.is_worth_a_retry() || !has_time {
            return Err(failure);
        }
        sleep(wait).await;
        tries += 1;
    }
}

/// Between half of the doubled pause and all of it, so that those who failed together do not come
/// back together.
fn pause(tries: usize, chance: f64) -> Duration {
    let doublings = u32::try_from(tries - 1).unwrap_or(u32::MAX).min(16);
    let full = BOT_RETRY_PAUSE.saturating_mul(1 << doublings).min(BOT_RETRY_PAUSE_MAX);
    full.mul_f64(0.5 + chance / 2.0)
}

/// From 0 to 1.
fn chance() -> f64 {
    f64::from(Uuid::new_v4().as_fields().0) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn status(status: u16) -> Failure {
        Failure::Status { status, retry_after: None }
    }

    /// How often it is tried, how long that takes, and how it ends.
    async fn tried(failure: Failure, time: Duration) -> (usize, Duration) {
        let (start, tries) = (Instant::now(), Cell::new(0));
        let ended = run(3, start + time, || {
            tries.set(tries.get() + 1);
            std::future::ready(Err::<(), _>(failure.clone()))
        });
        assert_eq!(ended.await, Err(failure.clone()));
        (tries.get(), start.elapsed())
    }

    #[test]
    fn the_pause_doubles_up_to_its_bound_and_varies_by_half() {
        assert_eq!(pause(1, 1.0), BOT_RETRY_PAUSE);
        assert_eq!(pause(1, 0.0), BOT_RETRY_PAUSE / 2);
        assert_eq!(pause(2, 1.0), BOT_RETRY_PAUSE * 2);
        assert_eq!(pause(60, 1.0), BOT_RETRY_PAUSE_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_tried_again_and_nothing_else() {
        let time = Duration::from_secs(60);
        for passing in [status(429), status(500), status(503), Failure::Unreachable("x".into())] {
            assert_eq!(tried(passing, time).await.0, 3);
        }
        let lasting = [status(400), status(401), Failure::BrokenOff, Failure::Refused(1)];
        for failure in lasting.into_iter().chain([Failure::Resting, Failure::TooLarge(1)]) {
            assert_eq!(tried(failure, time).await, (1, Duration::ZERO));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_asked_for_is_kept_if_there_is_time_for_it() {
        let wait = Duration::from_secs(4);
        let failure = Failure::Status { status: 429, retry_after: Some(wait) };
        assert_eq!(tried(failure.clone(), wait * 3).await, (3, wait * 2));
        assert_eq!(tried(failure.clone(), wait * 2).await, (2, wait));
        assert_eq!(tried(failure, wait).await, (1, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn the_second_try_may_succeed() {
        let tries = Cell::new(0);
        let answered = run(3, Instant::now() + Duration::from_secs(9), || {
            tries.set(tries.get() + 1);
            std::future::ready(if tries.get() < 2 { Err(status(502)) } else { Ok(tries.get()) })
        });
        assert_eq!(answered.await, Ok(2));
    }
}
