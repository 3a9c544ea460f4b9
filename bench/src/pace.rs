//! A fixed rate that waits for nobody. What is due counts from the moment it was meant to happen,
//! whether or not what came before is done, so a server that stalls cannot hide it by slowing the
//! generator down.

use std::time::Duration;

use tokio::sync::mpsc;

use crate::clock;

/// Time between the decision to start and the first moment.
const LEAD: Duration = Duration::from_millis(100);
/// Moments the acting side may fall behind by before the schedule waits for it.
const DUE_MAX: usize = 65_536;

/// When what is due.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    first_ns: u64,
    interval_ns: u64,
}

impl Schedule {
    /// So many each second, from now on.
    pub(crate) fn per_second(rate: u64) -> Self {
        let first_ns = clock::now_ns() + clock::nanos(LEAD);
        Self { first_ns, interval_ns: clock::nanos(Duration::from_secs(1)) / rate }
    }

    /// When the one with this index, from 0, is due.
    pub(crate) fn due_ns(self, index: u64) -> u64 {
        self.first_ns + index * self.interval_ns
    }

    /// Tells each index when it is due.
    pub(crate) fn run(self, total: u64) -> mpsc::Receiver<u64> {
        let (due, dues) = mpsc::channel(DUE_MAX);
        // A thread keeps the schedule, because the runtime's timers are too coarse for it. It
        // ends when all is told, or when nobody listens.
        std::thread::spawn(move || {
            for index in 0..total {
                clock::block_until(self.due_ns(index));
                if due.blocking_send(index).is_err() {
                    return;
                }
            }
        });
        dues
    }
}
