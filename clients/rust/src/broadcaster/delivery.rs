//! What became of one event. It must not know how that was found out.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::sync::oneshot;

use crate::Error;

/// The server has the event, and will not lose it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The event's id: the one it was given, or a random one.
    pub id: String,
    /// Where the tenant's log is behind the batch this event was in; none if the server told
    /// none. A subscriber that begins after it hears what came later.
    pub cursor: Option<String>,
}

/// An event on its way. Awaiting it tells what became of it; dropping it changes nothing.
#[derive(Debug)]
#[must_use = "awaiting it tells whether the event was accepted; drop it if nobody wants to know"]
pub struct Delivery {
    id: String,
    answer: oneshot::Receiver<Result<Accepted, Error>>,
}

impl Delivery {
    pub(super) fn new(id: String, answer: oneshot::Receiver<Result<Accepted, Error>>) -> Delivery {
        Delivery { id, answer }
    }

    /// The event's id: the one it was given, or a random one.
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// # Errors
/// [`Error::Rejected`], [`Error::GaveUp`], [`Error::Malformed`], [`Error::Closed`].
impl Future for Delivery {
    type Output = Result<Accepted, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.answer).poll(context));
        // The worker went without a word when its runtime ended.
        Poll::Ready(answer.unwrap_or(Err(Error::Closed)))
    }
}

/// An event that did not get through, as `on_rejected` hears of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// The event's id.
    pub id: String,
    /// Its name, such as `call.incoming`.
    pub kind: String,
    /// Why: what its [`Delivery`] says.
    pub error: Error,
}
