//! What only one of several nodes does at a time: to decide who gets what, to tell receivers
//! outside, and the like. A node alone has the duties from its start to its end.
//!
//! Which node has them is in the log, under a number that rises whenever they change hands; what
//! is committed for a duty carries the number, and the log refuses it once another node has taken
//! over ([`crate::log::Change::under`]). So a node that was stopped and goes on with what it was
//! about to do changes nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::App;
use crate::log::{self, Change};

/// The number under which this node has the duties; 0 while it has not.
#[derive(Default)]
pub(super) struct Duties(AtomicU64);

impl App {
    /// The number under which this node has the duties, if it has them.
    pub fn duties(&self) -> Option<u64> {
        Some(self.0.duties.0.load(Ordering::Acquire)).filter(|number| *number > 0)
    }

    /// Asks the log for the duties, or to keep them for `ttl` more.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn ask_for_duties(&self, ttl: Duration) -> Result<Option<u64>, log::Error> {
        self.log.hold_duties(self.node, ttl).await
    }

    /// This node has the duties from now on, or no longer. Before routing was restored nothing
    /// else is to be done; behind it the engines are to be built anew
    /// ([`App::rebuild_routing`]).
    pub fn note_duties(&self, number: Option<u64>) {
        self.0.duties.0.store(number.unwrap_or(0), Ordering::Release);
    }

    /// Somebody else may have them at once.
    pub async fn release_duties(&self) {
        self.note_duties(None);
        if let Err(err) = self.log.release_duties(self.node).await {
            tracing::warn!(error = %err, "the duties are free only when their lease ends");
        }
    }

    /// For the log to refuse it once another node has the duties. Without duties nothing is kept.
    pub(super) fn as_duty(&self, change: Change) -> Change {
        let number = self.0.duties.0.load(Ordering::Acquire);
        Change { under: Some(number), ..change }
    }
}
