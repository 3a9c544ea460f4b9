//! The broadcaster as its callers see it: how it is made, how events are handed to it, and what
//! comes of them. The methods of document 004 are in `broadcaster/methods.rs`; what happens to an
//! event that was handed over is `broadcaster/worker.rs`'s business.

mod builder;
mod delivery;
mod endpoint;
mod methods;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, TryAcquireError, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};

use crate::Error;
use crate::event::NewEvent;
pub use builder::BroadcasterBuilder;
pub use delivery::{Accepted, Delivery, Undelivered};
use worker::{Command, Entry};

/// A batch has no more bytes of JSON than this, well below what the server takes.
const BATCH_BYTES_MAX: usize = 512 * 1024;

/// Tells a server what happens, in the order it is told (document 004).
///
/// Events are gathered for a moment and sent in batches, one at a time. A batch that meets a broken
/// line or a busy server is sent again, with the same ids, by which the server knows what it has
/// already. Each method hands an event over and returns a [`Delivery`], which tells what became of
/// it; dropping that is fine.
///
/// Document 004's methods take the tenant first. An API key belongs to one tenant, so a broadcaster
/// is of one tenant: make one for each.
///
/// It is cheap to clone; all clones share one queue. When the last one is dropped, what was handed
/// over is still sent, as long as the runtime lives: to wait for that is what
/// [`close`](EventBroadcaster::close) is for.
#[derive(Clone)]
pub struct EventBroadcaster {
    inner: Arc<Inner>,
}

struct Inner {
    commands: mpsc::Sender<Command>,
    /// One for each event that may wait for its answer.
    places: Arc<Semaphore>,
    queue_max: usize,
    queue_wait: Duration,
    /// Set to end the worker at once.
    stop: watch::Sender<bool>,
    /// How many events the worker left unanswered; closed when it has ended.
    ended: watch::Receiver<usize>,
    /// Why the batch at hand is being sent again.
    failure: watch::Receiver<Option<String>>,
}

/// How a broadcaster fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// How many events wait for their answers.
    pub unanswered: usize,
    /// What went wrong with the last attempt, if the batch at hand is being sent again. A wrong
    /// address looks like a server that is down: look here before an hour has passed.
    pub failure: Option<String>,
}

impl EventBroadcaster {
    /// Begins a broadcaster for the server at `base_url`, such as `https://chat.example.com`, and
    /// with an API key that has the scope `events:write`, or an admin's token.
    pub fn builder(base_url: impl Into<String>, api_key: impl Into<String>) -> BroadcasterBuilder {
        BroadcasterBuilder::new(base_url.into(), api_key.into())
    }

    /// Hands an event over: a payload, or a [`NewEvent`] with a target or an id. Waits for a place
    /// in a full queue.
    ///
    /// # Errors
    /// [`Error::QueueFull`] if no place gets free in time, [`Error::Payload`], [`Error::TooLarge`],
    /// [`Error::Closed`]. What the server says comes with the [`Delivery`].
    pub async fn publish(&self, event: impl Into<NewEvent>) -> Result<Delivery, Error> {
        let (entry, delivery) = self.entry(event.into())?;
        let wait = timeout(self.inner.queue_wait, Arc::clone(&self.inner.places).acquire_owned());
        let place = match wait.await {
            Ok(Ok(place)) => place,
            Ok(Err(_)) => return Err(Error::Closed),
            Err(_) => return Err(self.full()),
        };
        let entry = entry(place);
        self.inner.commands.send(Command::Post(entry)).await.map_err(|_| Error::Closed)?;
        Ok(delivery)
    }

    /// Hands an event over without waiting, from where waiting is not possible or not wanted.
    ///
    /// # Errors
    /// Those of [`publish`](EventBroadcaster::publish); [`Error::QueueFull`] at once.
    pub fn try_publish(&self, event: impl Into<NewEvent>) -> Result<Delivery, Error> {
        let (entry, delivery) = self.entry(event.into())?;
        let place = match Arc::clone(&self.inner.places).try_acquire_owned() {
            Ok(place) => place,
            Err(TryAcquireError::Closed) => return Err(Error::Closed),
            Err(TryAcquireError::NoPermits) => return Err(self.full()),
        };
        let sent = self.inner.commands.try_send(Command::Post(entry(place)));
        sent.map_err(|err| match err {
            mpsc::error::TrySendError::Full(_) => self.full(),
            mpsc::error::TrySendError::Closed(_) => Error::Closed,
        })?;
        Ok(delivery)
    }

    /// Waits until every event handed over before has been answered: accepted, rejected or given
    /// up. That takes as long as `give_up_after` if the server cannot be reached.
    ///
    /// # Errors
    /// [`Error::Closed`] if the broadcaster was closed meanwhile.
    pub async fn flush(&self) -> Result<(), Error> {
        let (answered, all_answered) = oneshot::channel();
        let sent = self.inner.commands.send(Command::Flush(answered)).await;
        sent.map_err(|_| Error::Closed)?;
        all_answered.await.map_err(|_| Error::Closed)
    }

    /// Takes nothing more, and waits until everything handed over has been answered. Calling it
    /// twice does no harm.
    pub async fn close(&self) {
        self.inner.places.close();
        // Whoever closed it before has sent this, and the worker may have ended.
        let _ = self.inner.commands.send(Command::Close).await;
        self.until_ended().await;
    }

    /// The same in a hurry: what is unanswered after `limit` is left, and ends as
    /// [`Error::Closed`].
    ///
    /// # Errors
    /// [`Error::Unanswered`] if something was left.
    pub async fn close_within(&self, limit: Duration) -> Result<(), Error> {
        if timeout(limit, self.close()).await.is_err() {
            self.inner.stop.send_replace(true);
            self.until_ended().await;
        }
        match *self.inner.ended.borrow() {
            0 => Ok(()),
            count => Err(Error::Unanswered { count }),
        }
    }

    /// How many events wait, and whether something is wrong at the moment.
    pub fn status(&self) -> Status {
        Status {
            unanswered: self.inner.queue_max - self.inner.places.available_permits(),
            failure: self.inner.failure.borrow().clone(),
        }
    }

    /// The event as the worker takes it, but for its place in the queue, and the handle to it.
    fn entry(
        &self,
        event: NewEvent,
    ) -> Result<(impl FnOnce(tokio::sync::OwnedSemaphorePermit) -> Entry, Delivery), Error> {
        let encoded = event.encode().map_err(|err| Error::Payload(err.to_string()))?;
        if encoded.json.len() > BATCH_BYTES_MAX {
            let bytes = encoded.json.len();
            return Err(Error::TooLarge { bytes, bytes_max: BATCH_BYTES_MAX });
        }
        let (answer, receiver) = oneshot::channel();
        let delivery = Delivery::new(encoded.id.clone(), receiver);
        let entry =
            move |place| Entry { encoded, published: Instant::now(), answer, _place: place };
        Ok((entry, delivery))
    }

    fn full(&self) -> Error {
        Error::QueueFull { queue_max: self.inner.queue_max }
    }

    async fn until_ended(&self) {
        let mut ended = self.inner.ended.clone();
        // A change is the number of those left; after the last one comes the end.
        while ended.changed().await.is_ok() {}
    }
}

impl std::fmt::Debug for EventBroadcaster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventBroadcaster").field("status", &self.status()).finish_non_exhaustive()
    }
}
