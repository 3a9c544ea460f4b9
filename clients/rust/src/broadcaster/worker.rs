//! What happens to events that were handed over: gathered for a moment, sent in batches, one at a
//! time and in their order, sent again while that can help, and each of them answered. It must not
//! know what an event or an answer looks like.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::endpoint::{Endpoint, Outcome, Rejected};
use super::{Accepted, BATCH_BYTES_MAX, Undelivered};
use crate::Error;
use crate::backoff::Backoff;
use crate::event::Encoded;

const BACKOFF_FIRST: Duration = Duration::from_millis(250);
/// A server that comes back after a long time is noticed within this.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

pub(super) enum Command {
    Post(Entry),
    /// Answered when everything before it is.
    Flush(oneshot::Sender<()>),
    /// Nothing comes after it.
    Close,
}

/// An event that waits for its answer.
pub(super) struct Entry {
    pub(super) encoded: Encoded,
    pub(super) published: Instant,
    pub(super) answer: oneshot::Sender<Result<Accepted, Error>>,
    /// Its place in the queue, free again when the entry is dropped.
    pub(super) _place: OwnedSemaphorePermit,
}

type Hear = Box<dyn Fn(&Undelivered) + Send + Sync>;

pub(super) struct Options {
    pub(super) batch_max: usize,
    pub(super) linger: Duration,
    pub(super) give_up_after: Duration,
    pub(super) on_rejected: Option<Hear>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            batch_max: 100,
            linger: Duration::from_millis(20),
            give_up_after: Duration::from_secs(3_600),
            on_rejected: None,
        }
    }
}

pub(super) struct Worker {
    endpoint: Endpoint,
    options: Options,
    queue: mpsc::Receiver<Command>,
    /// Taken from the queue and not yet answered, `batch_max` at most.
    pending: VecDeque<Entry>,
    /// Those who wait until `pending` is empty.
    flushes: Vec<oneshot::Sender<()>>,
    /// What went wrong last, while it goes wrong.
    failure: watch::Sender<Option<String>>,
    backoff: Backoff,
    /// When the next attempt may be made.
    not_before: Instant,
}

impl Worker {
    pub(super) fn new(
        endpoint: Endpoint,
        options: Options,
        queue: mpsc::Receiver<Command>,
        failure: watch::Sender<Option<String>>,
    ) -> Worker {
        Worker {
            endpoint,
            options,
            queue,
            pending: VecDeque::new(),
            flushes: Vec::new(),
            failure,
            backoff: Backoff::new(BACKOFF_FIRST, BACKOFF_MAX),
            not_before: Instant::now(),
        }
    }

    /// Works until it is closed and everything is answered, or until it is stopped. `left` then has
    /// the number of those unanswered, and is closed.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>, left: watch::Sender<usize>) {
        let stopped = async {
            if stop.wait_for(|is_stopped| *is_stopped).await.is_err() {
                // Nobody is left who could stop it; it ends with the queue.
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = self.work() => {}
            () = stopped => {
                left.send_replace(self.abandon());
            }
        }
    }

    async fn work(&mut self) {
        while self.gather().await {
            self.deliver().await;
            for flush in self.flushes.drain(..) {
                // Whoever flushed may be gone.
                let _ = flush.send(());
            }
        }
    }

    /// Takes what comes within the linger; false when nothing will come any more.
    async fn gather(&mut self) -> bool {
        match self.queue.recv().await {
            None => return false,
            Some(command) => {
                if self.take(command) {
                    return true;
                }
            }
        }
        let until = Instant::now() + self.options.linger;
        while self.pending.len() < self.options.batch_max {
            match timeout_at(until, self.queue.recv()).await {
                Ok(Some(command)) => {
                    if self.take(command) {
                        break;
                    }
                }
                Ok(None) | Err(_) => break,
            }
        }
        true
    }

    /// Takes one command; true if somebody waits for what is there to be sent.
    fn take(&mut self, command: Command) -> bool {
        match command {
            Command::Post(entry) => {
                self.pending.push_back(entry);
                return false;
            }
            Command::Flush(answered) => self.flushes.push(answered),
            // What is in the queue already can still be received.
            Command::Close => self.queue.close(),
        }
        true
    }

    /// Sends what is pending until all of it is answered.
    async fn deliver(&mut self) {
        // A batch that is refused because of one of its events is halved until that one is alone.
        let mut limit = self.pending.len();
        loop {
            self.pause().await;
            let count = self.batch_len(limit);
            if count == 0 {
                return;
            }
            match self.endpoint.post(self.body(count), count).await {
                Outcome::Answered { rejected, cursor } => {
                    self.settle(count, rejected, cursor.as_ref());
                    limit = limit.saturating_mul(2);
                }
                Outcome::RefusedTogether(_) if count > 1 => limit = count / 2,
                Outcome::Refused(error) | Outcome::RefusedTogether(error) => {
                    self.refuse(count, &error);
                    limit = limit.saturating_mul(2);
                }
                Outcome::Passing { reason, retry_after } => {
                    self.not_before = Instant::now() + self.backoff.next(retry_after);
                    self.failure.send_replace(Some(reason));
                    continue;
                }
            }
            self.backoff.reset();
            self.failure.send_replace(None);
        }
    }

    /// Waits until the next attempt may be made, and gives up what gets too old meanwhile.
    async fn pause(&mut self) {
        loop {
            self.give_up();
            let Some(oldest) = self.pending.front() else { return };
            if Instant::now() >= self.not_before {
                return;
            }
            let too_old = oldest.published + self.options.give_up_after;
            sleep_until(self.not_before.min(too_old)).await;
        }
    }

    /// Gives up what is too old. Without a failure there is nothing to give up yet: it is the next
    /// one to be sent.
    fn give_up(&mut self) {
        let Some(last) = self.failure.borrow().clone() else { return };
        let after = self.options.give_up_after;
        while self.pending.front().is_some_and(|entry| entry.published.elapsed() >= after) {
            self.refuse(1, &Error::GaveUp { after, last: last.clone() });
        }
    }

    /// How many of the pending go out together: not more than the limit, nor than fit.
    fn batch_len(&self, limit: usize) -> usize {
        let mut bytes = 0;
        let fits = |entry: &&Entry| {
            bytes += entry.encoded.json.len();
            bytes <= BATCH_BYTES_MAX
        };
        self.pending.iter().take(limit).take_while(fits).count()
    }

    fn body(&self, count: usize) -> String {
        let events: Vec<&str> =
            self.pending.iter().take(count).map(|entry| entry.encoded.json.as_str()).collect();
        format!("{{\"events\":[{}]}}", events.join(","))
    }

    fn settle(&mut self, count: usize, rejected: Vec<Rejected>, cursor: Option<&String>) {
        let mut answers: Vec<Option<Error>> = vec![None; count];
        for Rejected { index, code, message } in rejected {
            answers[index] = Some(Error::Rejected { code, message });
        }
        for (entry, rejection) in self.pending.drain(..count).zip(answers) {
            match rejection {
                Some(error) => refuse(entry, error, self.options.on_rejected.as_ref()),
                None => {
                    let accepted = Accepted { id: entry.encoded.id, cursor: cursor.cloned() };
                    // Whoever dropped the handle does not want to know.
                    let _ = entry.answer.send(Ok(accepted));
                }
            }
        }
    }

    fn refuse(&mut self, count: usize, error: &Error) {
        for entry in self.pending.drain(..count) {
            refuse(entry, error.clone(), self.options.on_rejected.as_ref());
        }
    }

    /// Leaves everything as it is, and says how much that was.
    fn abandon(&mut self) -> usize {
        self.queue.close();
        while let Ok(command) = self.queue.try_recv() {
            self.take(command);
        }
        let count = self.pending.len();
        self.refuse(count, &Error::Closed);
        count
    }
}

fn refuse(entry: Entry, error: Error, hear: Option<&Hear>) {
    let Encoded { id, kind, .. } = entry.encoded;
    if let Some(hear) = hear {
        hear(&Undelivered { id, kind, error: error.clone() });
    }
    // Whoever dropped the handle does not want to know.
    let _ = entry.answer.send(Err(error));
}
