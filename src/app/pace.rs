//! How often somebody may do something.
//!
//! Our own twenty lines instead of a library: the clock is `tokio::time`, so that tests can pause
//! it, and a pace costs sixteen bytes of a connection.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::limits::{PACES_MAX, PERSISTENT_REFUSALS};
use crate::model::Error;

const MINUTE: Duration = Duration::from_secs(60);

/// At most so many a minute, all at once or spread (the generic cell rate algorithm).
#[derive(Clone, Debug)]
pub struct Pace {
    per_minute: u32,
    refusals: u32,
    /// When all that was taken would have been taken at an even pace.
    even: Option<Instant>,
}

impl Pace {
    /// A fresh pace; 0 is unlimited.
    pub fn per_minute(per_minute: u32) -> Pace {
        Pace { per_minute, refusals: 0, even: None }
    }

    /// Takes one.
    ///
    /// # Errors
    /// [`Error::RateLimited`] with the seconds until one more is allowed.
    pub fn take(&mut self) -> Result<(), Error> {
        if self.per_minute == 0 {
            return Ok(());
        }
        let now = Instant::now();
        let step = MINUTE / self.per_minute;
        let even = self.even.map_or(now, |even| even.max(now)) + step;
        let ahead = even.duration_since(now);
        if ahead > MINUTE {
            self.refusals = self.refusals.saturating_add(1);
            let wait = ahead.saturating_sub(MINUTE);
            return Err(Error::RateLimited { retry_after_s: wait.as_secs() + 1 });
        }
        // Not forgotten at once: who sends a hundred times too much is let through now and then.
        self.refusals = self.refusals.saturating_sub(1);
        self.even = Some(even);
        Ok(())
    }

    /// Whether it was overrun again and again without a pause.
    pub fn is_overrun(&self) -> bool {
        self.refusals >= PERSISTENT_REFUSALS
    }

    fn is_idle(&self, now: Instant) -> bool {
        self.even.is_none_or(|even| even <= now)
    }
}

/// A pace for each of many, by name.
pub(super) struct Paces {
    per_minute: u32,
    by_key: Mutex<HashMap<String, Pace>>,
}

impl Paces {
    pub(super) fn new(per_minute: u32) -> Paces {
        Paces { per_minute, by_key: Mutex::default() }
    }

    /// Takes one in the name of `key`.
    pub(super) fn take(&self, key: &str) -> Result<(), Error> {
        if self.per_minute == 0 {
            return Ok(());
        }
        let mut by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        if by_key.len() >= PACES_MAX {
            let now = Instant::now();
            by_key.retain(|_, pace| !pace.is_idle(now));
        }
        if let Some(pace) = by_key.get_mut(key) {
            return pace.take();
        }
        let mut pace = Pace::per_minute(self.per_minute);
        let taken = pace.take();
        by_key.insert(key.to_owned(), pace);
        taken
    }
}

/// Wrong tries, by account and by address (contract 4). A try counts until it proves right.
pub(super) struct Attempts {
    per_minute: u32,
    tries: Mutex<Tries>,
}

#[derive(Default)]
struct Tries {
    by_key: HashMap<String, Vec<Instant>>,
    swept_at: Option<Instant>,
}

impl Tries {
    /// Forgets what is older than a minute, once a minute.
    fn sweep(&mut self) {
        if self.swept_at.is_some_and(|at| at.elapsed() < MINUTE) {
            return;
        }
        self.by_key.retain(|_, times| times.iter().any(|at| at.elapsed() < MINUTE));
        self.swept_at = Some(Instant::now());
    }
}

impl Attempts {
    pub(super) fn new(per_minute: u32) -> Attempts {
        Attempts { per_minute, tries: Mutex::default() }
    }

    /// Counts a try under each key.
    ///
    /// # Errors
    /// 429 if one of them has had its tries of a minute; nothing is counted then.
    pub(super) fn take(&self, keys: &[String]) -> Result<(), Error> {
        if self.per_minute == 0 {
            return Ok(());
        }
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        tries.sweep();
        for key in keys {
            let Some(times) = tries.by_key.get_mut(key) else { continue };
            times.retain(|at| at.elapsed() < MINUTE);
            if times.len() >= self.per_minute as usize {
                let wait = MINUTE.saturating_sub(times[0].elapsed());
                return Err(Error::RateLimited { retry_after_s: wait.as_secs() + 1 });
            }
        }
        for key in keys {
            tries.by_key.entry(key.clone()).or_default().push(Instant::now());
        }
        Ok(())
    }

    /// The latest try was right: it does not count.
    pub(super) fn give_back(&self, keys: &[String]) {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            tries.by_key.get_mut(key).and_then(Vec::pop);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_minutes_worth_may_come_at_once_and_then_evenly() {
        let mut pace = Pace::per_minute(120);
        assert!((0..120).all(|_| pace.take().is_ok()));
        assert_eq!(pace.take(), Err(Error::RateLimited { retry_after_s: 1 }));
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(pace.take(), Ok(()));
        assert!(pace.take().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn only_persistent_excess_is_an_overrun() {
        let mut pace = Pace::per_minute(1);
        pace.take().unwrap();
        (1..PERSISTENT_REFUSALS).for_each(|_| drop(pace.take()));
        assert!(!pace.is_overrun());
        assert!(pace.take().is_err() && pace.is_overrun());
        tokio::time::advance(MINUTE).await;
        assert!(pace.take().is_ok() && !pace.is_overrun());
    }

    #[tokio::test(start_paused = true)]
    async fn five_wrong_tries_a_minute_are_enough() {
        let attempts = Attempts::new(5);
        let keys = ["a@example.com".to_owned()];
        for _ in 0..5 {
            assert_eq!(attempts.take(&keys), Ok(()));
        }
        assert!(attempts.take(&keys).is_err());
        attempts.give_back(&keys);
        assert_eq!(attempts.take(&keys), Ok(()), "a right one does not count");
        tokio::time::advance(MINUTE).await;
        assert_eq!(attempts.take(&keys), Ok(()));
    }
}
