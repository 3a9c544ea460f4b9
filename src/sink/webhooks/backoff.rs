//! When a delivery that failed is tried again, and when no more.

use std::time::Duration;

use crate::limits::WEBHOOK_RETRY_AFTER_MAX;
use crate::model::Moment;

/// The pauses between tries, and how long it is tried at all.
#[derive(Clone, Debug)]
pub struct Backoff {
    /// After the first try, the second, ...; the last one stands for all that follow. Not empty.
    pub pauses: Vec<Duration>,
    /// From the first try to the last.
    pub give_up_after: Duration,
}

impl Backoff {
    /// When to try again what was first tried at `first_at` and failed for the `attempts`-th time
    /// now; `None` if it is given up. The receiver may have asked to be left alone for a while.
    /// `chance` is from 0 to 1 and moves the pause by a fifth either way, so that what failed
    /// together does not come back together.
    pub fn next(
        &self,
        attempts: u32,
        first_at: Moment,
        now: Moment,
        retry_after: Option<Duration>,
        chance: f64,
    ) -> Option<Moment> {
        let tried = Duration::from_millis(now.ms_since(first_at));
        let left = self.give_up_after.checked_sub(tried).filter(|left| !left.is_zero())?;
        let at = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
        let pause = self.pauses.get(at).or(self.pauses.last()).copied().unwrap_or_default();
        // The last try is at the very end, not up to a pause before it.
        let pause = pause.mul_f64(0.8 + 0.4 * chance).min(left);
        let asked = retry_after.unwrap_or_default().min(WEBHOOK_RETRY_AFTER_MAX);
        Some(later(now, pause.max(asked)))
    }
}

/// A moment later by so much.
pub(super) fn later(at: Moment, by: Duration) -> Moment {
    Moment(at.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000;
    const HOUR: i64 = 3_600 * SECOND;

    fn backoff() -> Backoff {
        let pauses = [5, 30, 120, 600, 3_600, 10_800, 21_600].map(Duration::from_secs).to_vec();
        Backoff { pauses, give_up_after: Duration::from_secs(3 * 86_400) }
    }

    fn next(attempts: u32, now: i64, retry_after: Option<u64>, chance: f64) -> Option<i64> {
        let retry_after = retry_after.map(Duration::from_secs);
        let next = backoff().next(attempts, Moment(0), Moment(now), retry_after, chance);
        next.map(|at| at.0 - now)
    }

    #[test]
    fn pauses_grow_and_vary_by_a_fifth() {
        assert_eq!(next(1, 0, None, 0.5), Some(5 * SECOND));
        assert_eq!(next(1, 0, None, 0.0), Some(4 * SECOND));
        assert_eq!(next(1, 0, None, 1.0), Some(6 * SECOND));
        assert_eq!(next(3, 0, None, 0.5), Some(120 * SECOND));
        assert_eq!(next(7, 0, None, 0.5), Some(6 * HOUR));
        assert_eq!(next(1_000, 0, None, 0.5), Some(6 * HOUR));
    }

    #[test]
    fn the_last_try_is_after_three_days_and_none_follows() {
        assert_eq!(next(15, 70 * HOUR, None, 0.5), Some(2 * HOUR));
        assert_eq!(next(16, 72 * HOUR, None, 0.5), None);
        assert_eq!(next(16, 80 * HOUR, None, 0.5), None);
        let (mut now, mut tries) = (0, 1);
        while let Some(pause) = next(tries, now, None, 0.5) {
            now += pause;
            tries += 1;
        }
        assert_eq!((now, tries), (72 * HOUR, 19));
    }

    #[test]
    fn a_receiver_that_asks_for_time_gets_it_within_reason() {
        assert_eq!(next(1, 0, Some(60), 0.5), Some(60 * SECOND));
        assert_eq!(next(3, 0, Some(60), 0.5), Some(120 * SECOND), "not sooner than otherwise");
        assert_eq!(next(1, 0, Some(u64::MAX), 0.5), Some(24 * HOUR));
        assert_eq!(next(1, 71 * HOUR, Some(7_200), 0.5), Some(2 * HOUR), "even beyond the end");
    }
}
