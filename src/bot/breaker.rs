//! A circuit breaker: after some failures in a row a provider is left alone for a while, so that
//! customers do not wait for it in vain and it is not flooded while it recovers. Then a single
//! question is let through, and its outcome decides.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Everything passes.
    Closed,
    /// One question is under way to find out.
    HalfOpen,
    /// Nothing passes.
    Open,
}

/// Lets trials through, or not.
pub(super) struct Breaker {
    failures_max: u32,
    rest: Duration,
    state: Mutex<State>,
}

#[derive(Clone, Copy)]
enum State {
    /// So many failures in a row.
    Closed {
        failures: u32,
    },
    Open {
        until: Instant,
    },
    HalfOpen,
}

/// A question on its way. Unless it is said to have ended otherwise, it has failed.
pub(super) struct Trial<'a> {
    breaker: &'a Breaker,
    /// The one that decides whether the breaker closes.
    is_probe: bool,
    outcome: Outcome,
}

/// What a trial says of the provider.
#[derive(Clone, Copy)]
enum Outcome {
    Succeeded,
    Failed,
    /// Nothing: it was the question's fault.
    Unsettled,
}

impl Breaker {
    pub(super) fn new(failures_max: u32, rest: Duration) -> Breaker {
        Breaker { failures_max, rest, state: Mutex::new(State::Closed { failures: 0 }) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> BreakerState {
        match *self.lock() {
            State::Closed { .. } => BreakerState::Closed,
            State::HalfOpen => BreakerState::HalfOpen,
            State::Open { .. } => BreakerState::Open,
        }
    }

    /// Lets a question through, if it may pass.
    pub(super) fn admit(&self) -> Option<Trial<'_>> {
        let mut state = self.lock();
        let is_probe = match *state {
            State::Closed { .. } => false,
            State::Open { until } if until <= Instant::now() => true,
            State::Open { .. } | State::HalfOpen => return None,
        };
        if is_probe {
            *state = State::HalfOpen;
        }
        Some(Trial { breaker: self, is_probe, outcome: Outcome::Failed })
    }

    fn settle(&self, is_probe: bool, outcome: Outcome) {
        let mut state = self.lock();
        let now = Instant::now();
        let open = State::Open { until: now + self.rest };
        *state = match (*state, outcome) {
            (_, Outcome::Succeeded) if is_probe => State::Closed { failures: 0 },
            (_, Outcome::Failed) if is_probe => open,
            // Its rest is over all the same, so the next question finds out.
            (_, Outcome::Unsettled) if is_probe => State::Open { until: now },
            (State::Closed { .. }, Outcome::Succeeded) => State::Closed { failures: 0 },
            (State::Closed { failures }, Outcome::Failed) if failures + 1 < self.failures_max => {
                State::Closed { failures: failures + 1 }
            }
            (State::Closed { .. }, Outcome::Failed) => open,
            // Started before the breaker opened; what has happened since counts more.
            (state, _) => state,
        };
    }
}

impl Trial<'_> {
    pub(super) fn succeeded(mut self) {
        self.outcome = Outcome::Succeeded;
    }

    /// How it ended says nothing of the provider.
    pub(super) fn settles_nothing(mut self) {
        self.outcome = Outcome::Unsettled;
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        self.breaker.settle(self.is_probe, self.outcome);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const REST: Duration = Duration::from_secs(30);

    fn fail(breaker: &Breaker) {
        drop(breaker.admit().expect("it passes"));
    }

    fn opened() -> Breaker {
        let breaker = Breaker::new(3, REST);
        (0..3).for_each(|_| fail(&breaker));
        breaker
    }

    #[tokio::test(start_paused = true)]
    async fn only_failures_in_a_row_open_it() {
        let breaker = Breaker::new(3, REST);
        for _ in 0..5 {
            fail(&breaker);
            fail(&breaker);
            breaker.admit().unwrap().succeeded();
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
        (0..3).for_each(|_| fail(&breaker));
        assert_eq!(breaker.state(), BreakerState::Open);
        assert!(breaker.admit().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn after_its_rest_one_question_passes_and_closes_it() {
        let breaker = opened();
        advance(REST - Duration::from_millis(1)).await;
        assert!(breaker.admit().is_none(), "not yet");
        advance(Duration::from_millis(1)).await;
        let probe = breaker.admit().unwrap();
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert!(breaker.admit().is_none(), "one at a time");
        probe.succeeded();
        assert_eq!(breaker.state(), BreakerState::Closed);
        fail(&breaker);
        assert_eq!(breaker.state(), BreakerState::Closed, "it counts from the beginning");
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_fails_or_is_given_up_begins_another_rest() {
        let breaker = opened();
        for _ in 0..2 {
            advance(REST).await;
            fail(&breaker);
            assert_eq!(breaker.state(), BreakerState::Open);
            assert!(breaker.admit().is_none());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_the_questions_fault_counts_neither_way() {
        let breaker = Breaker::new(2, REST);
        (0..9).for_each(|_| breaker.admit().unwrap().settles_nothing());
        assert_eq!(breaker.state(), BreakerState::Closed);
        fail(&breaker);
        breaker.admit().unwrap().settles_nothing();
        fail(&breaker);
        assert_eq!(breaker.state(), BreakerState::Open, "two failures, and no success between");
        advance(REST).await;
        breaker.admit().unwrap().settles_nothing();
        breaker.admit().expect("another one finds out, at once").succeeded();
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_under_way_when_it_opened_decides_nothing() {
        let breaker = Breaker::new(1, REST);
        let (late, later) = (breaker.admit().unwrap(), breaker.admit().unwrap());
        fail(&breaker);
        late.succeeded();
        assert_eq!(breaker.state(), BreakerState::Open);
        advance(REST).await;
        let probe = breaker.admit().unwrap();
        drop(later);
        assert_eq!(breaker.state(), BreakerState::HalfOpen, "the probe decides");
        probe.succeeded();
    }
}
