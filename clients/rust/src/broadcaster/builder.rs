//! The broadcaster's options: their defaults, their bounds, and what is made of them.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, watch};

use super::endpoint::Endpoint;
use super::worker::{Options, Worker};
use super::{EventBroadcaster, Inner, Undelivered};
use crate::Error;

/// What the server takes in one request (contract 7).
const BATCH_EVENTS_MAX: usize = 1_000;
/// So many flushes can wait beside a full queue before a further one waits for room.
const FLUSHES_WAITING_MAX: usize = 16;

/// Makes an [`EventBroadcaster`].
#[must_use]
pub struct BroadcasterBuilder {
    base_url: String,
    api_key: String,
    queue_max: usize,
    queue_wait: Duration,
    request_timeout: Duration,
    options: Options,
}

impl BroadcasterBuilder {
    pub(super) fn new(base_url: String, api_key: String) -> BroadcasterBuilder {
        BroadcasterBuilder {
            base_url,
            api_key,
            queue_max: 10_000,
            queue_wait: Duration::from_secs(30),
            request_timeout: Duration::from_secs(30),
            options: Options::default(),
        }
    }

    /// How many events may wait for their answers; 10,000 without it.
    pub fn queue_max(mut self, events: usize) -> BroadcasterBuilder {
        self.queue_max = events;
        self
    }

    /// How long an event may wait for a place in a full queue before it is refused; 30 s without
    /// it.
    pub fn queue_wait(mut self, wait: Duration) -> BroadcasterBuilder {
        self.queue_wait = wait;
        self
    }

    /// How many events go out in one batch, up to 1,000; 100 without it.
    pub fn batch_max(mut self, events: usize) -> BroadcasterBuilder {
        self.options.batch_max = events;
        self
    }

    /// How long an event waits for others to go out with; 20 ms without it.
    pub fn linger(mut self, linger: Duration) -> BroadcasterBuilder {
        self.options.linger = linger;
        self
    }

    /// How long one attempt may take, answer included; 30 s without it.
    pub fn request_timeout(mut self, timeout: Duration) -> BroadcasterBuilder {
        self.request_timeout = timeout;
        self
    }

    /// How long an event is tried, counted from when it was handed over; an hour without it.
    pub fn give_up_after(mut self, after: Duration) -> BroadcasterBuilder {
        self.options.give_up_after = after;
        self
    }

    /// Is told of each event that did not get through, whether or not somebody awaits its
    /// [`Delivery`](super::Delivery). It is called between two batches: it must be quick, and must
    /// not panic.
    pub fn on_rejected(
        mut self,
        hear: impl Fn(&Undelivered) + Send + Sync + 'static,
    ) -> BroadcasterBuilder {
        self.options.on_rejected = Some(Box::new(hear));
        self
    }

    /// Makes the broadcaster, which works in the tokio runtime this is called in. Nothing is sent
    /// before the first event.
    ///
    /// # Errors
    /// [`Error::Unusable`] for an address, a key or an option that cannot be used,
    /// [`Error::NoRuntime`].
    pub fn build(self) -> Result<EventBroadcaster, Error> {
        self.check()?;
        let runtime = Handle::try_current().map_err(|_| Error::NoRuntime)?;
        let endpoint = Endpoint::new(&self.base_url, &self.api_key, self.request_timeout)?;
        let (commands, queue) = mpsc::channel(self.queue_max + FLUSHES_WAITING_MAX);
        let (stop, stopped) = watch::channel(false);
        let (left, ended) = watch::channel(0);
        let (trouble, failure) = watch::channel(None);
        let worker = Worker::new(endpoint, self.options, queue, trouble);
        runtime.spawn(worker.run(stopped, left));
        let places = Arc::new(Semaphore::new(self.queue_max));
        let (queue_max, queue_wait) = (self.queue_max, self.queue_wait);
        let inner = Inner { commands, places, queue_max, queue_wait, stop, ended, failure };
        Ok(EventBroadcaster { inner: Arc::new(inner) })
    }

    fn check(&self) -> Result<(), Error> {
        // A queue as long as a semaphore can count would not fit any memory anyway.
        const QUEUE_EVENTS_MAX: usize = 10_000_000;
        let limits = [
            ("queue_max", self.queue_max, QUEUE_EVENTS_MAX),
            ("batch_max", self.options.batch_max, BATCH_EVENTS_MAX),
        ];
        for (name, value, max) in limits {
            if !(1..=max).contains(&value) {
                return Err(Error::Unusable(format!("{name} must be 1 to {max}, not {value}")));
            }
        }
        let spans = [
            ("give_up_after", self.options.give_up_after),
            ("request_timeout", self.request_timeout),
        ];
        for (name, span) in spans {
            if span.is_zero() {
                return Err(Error::Unusable(format!("{name} must be more than 0")));
            }
        }
        Ok(())
    }
}
