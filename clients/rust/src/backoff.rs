//! How long is waited before something is tried again. It must not know what.

use std::time::Duration;

use uuid::Uuid;

/// Exponential with full jitter: the n-th pause is anything from nothing to `first * 2^n`, `max` at
/// most. Clients that were cut off together do not come back together.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    max: Duration,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(first: Duration, max: Duration) -> Backoff {
        Backoff { first, max, failures: 0 }
    }

    /// After a success.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// After a failure that may have asked for a pause itself, which is never cut short.
    pub(crate) fn next(&mut self, asked_for: Option<Duration>) -> Duration {
        let longest = self.longest();
        self.failures = self.failures.saturating_add(1);
        asked_for.unwrap_or_default() + longest.mul_f64(dice())
    }

    fn longest(&self) -> Duration {
        let doubled = 2_u32.checked_pow(self.failures).and_then(|n| self.first.checked_mul(n));
        doubled.map_or(self.max, |pause| pause.min(self.max))
    }
}

/// From 0 to 1, 1 excluded. A random UUID has all the randomness that is needed here.
fn dice() -> f64 {
    const BITS: u32 = 53;
    let bits = Uuid::new_v4().as_u128() & ((1 << BITS) - 1);
    bits as f64 / (1_u64 << BITS) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(250);
    const MAX: Duration = Duration::from_secs(30);

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew_after_a_success() {
        let mut backoff = Backoff::new(FIRST, MAX);
        let mut bounds = Vec::new();
        for _ in 0..9 {
            bounds.push(backoff.longest().as_millis());
            assert!(backoff.longest() >= backoff.clone().next(None));
            backoff.next(None);
        }
        assert_eq!(bounds, [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        backoff.failures = u32::MAX;
        assert!(backoff.next(None) <= MAX);
        backoff.reset();
        assert_eq!(backoff.longest(), FIRST);
    }

    #[test]
    fn a_pause_that_was_asked_for_is_never_cut_short() {
        let asked_for = Duration::from_secs(7);
        let pause = Backoff::new(FIRST, MAX).next(Some(asked_for));
        assert!(asked_for <= pause && pause <= asked_for + FIRST, "{pause:?}");
    }

    #[test]
    fn the_dice_are_fair() {
        let throws: Vec<f64> = (0..1_000).map(|_| dice()).collect();
        assert!(throws.iter().all(|throw| (0.0..1.0).contains(throw)));
        let mean = throws.iter().sum::<f64>() / 1_000.0;
        assert!((0.4..0.6).contains(&mean), "the mean is {mean}");
    }
}
