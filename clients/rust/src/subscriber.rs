//! The subscriber as its owner sees it: how it is made, and what it hears. The line to the server,
//! and when a new one is tried, are `subscriber/line.rs`'s business.

mod dial;
mod frame;
mod line;

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use serde::Deserialize;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::{Error, Event, address};
use dial::Dial;
use line::Line;

/// So much waits for a slow owner before the line is not read any more.
const WAITING_MAX: usize = 256;

/// Hears what happens in a tenant, in the order of its log: a stream of [`Incoming`].
///
/// When the line breaks, it is made anew, and what was missed comes first: nothing is lost and
/// nothing doubled. The stream ends after an error that trying again cannot mend:
/// [`Error::TokenEnded`], [`Error::Forbidden`], [`Error::Refused`].
///
/// An owner that is slow stops the line from being read, not the process from working; the server
/// closes a line that is not read for a minute, and goes on where it was on the next one.
#[derive(Debug)]
pub struct Subscriber {
    incoming: mpsc::Receiver<Result<Incoming, Error>>,
    cursor: Option<String>,
}

/// What a subscriber hears.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Incoming {
    /// Something happened.
    Event(HubEvent),
    /// What happened since the last event cannot be told. Whoever keeps a state must read it anew;
    /// what happens from now on follows.
    Resync(Resync),
    /// The server did not understand something, such as the name of an event; the rest counts.
    Refused(Refused),
    /// There is a line to the server.
    Connected(Connected),
    /// There is none, and a new one is tried.
    Disconnected(Disconnected),
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct HubEvent {
    /// Its name, such as `call.incoming`.
    pub kind: String,
    /// Its payload, a JSON object.
    pub payload: Value,
    /// Its id, the same when it is told again: its producer's, if that gave one. Empty if the server
    /// sent none.
    pub id: String,
    /// When it happened: RFC 3339, UTC, milliseconds. Empty if the server sent none.
    pub timestamp: String,
    /// Where it is in the tenant's log; none for a volatile event, such as `chat.typing`, which is
    /// told once or not at all.
    pub cursor: Option<String>,
}

impl HubEvent {
    /// The event with its payload typed.
    ///
    /// # Errors
    /// What is wrong with the payload.
    pub fn event(&self) -> Result<Event, serde_json::Error> {
        Event::from_parts(&self.kind, self.payload.clone())
    }
}

/// What happened since the last event cannot be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resync {
    /// Why: `cursor_expired`, `unknown_cursor`.
    pub reason: String,
}

/// The server did not understand something.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Refused {
    /// From the server's closed list: `unknown_event`.
    #[serde(default)]
    pub code: String,
    /// What is wrong.
    #[serde(default)]
    pub message: String,
    /// The known name that is written most like the unknown one.
    pub nearest: Option<String>,
}

/// There is a line to the server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Connected {
    /// The connection, as the server's log names it.
    #[serde(default)]
    pub connection_id: String,
    /// As whom.
    #[serde(default)]
    pub user_id: String,
    /// In what role.
    #[serde(default)]
    pub role: String,
    /// Where the tenant's log was.
    pub cursor: Option<String>,
}

/// There is no line to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnected {
    /// What happened to it.
    pub reason: String,
    /// When a new one is tried.
    pub retry_in: Duration,
}

/// Makes a [`Subscriber`].
#[must_use]
pub struct SubscriberBuilder {
    url: String,
    token: String,
    events: Vec<String>,
    after: Option<String>,
}

impl Subscriber {
    /// Begins a subscriber of the server at `url`: the address that a broadcaster takes, or the
    /// hub's own, `wss://chat.example.com/ws`. The token is an agent's or an admin's, or an API key
    /// with the scope `events:read`.
    pub fn builder(url: impl Into<String>, token: impl Into<String>) -> SubscriberBuilder {
        let (url, token) = (url.into(), token.into());
        SubscriberBuilder { url, token, events: Vec::new(), after: None }
    }

    /// The next thing heard; none after the end. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<Incoming, Error>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// The next event; the rest is passed over.
    ///
    /// # Errors
    /// What ended the stream.
    pub async fn next_event(&mut self) -> Option<Result<HubEvent, Error>> {
        loop {
            match self.next().await? {
                Ok(Incoming::Event(event)) => return Some(Ok(event)),
                Ok(_) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// The cursor of the last durable event that was taken from the stream, or what it began with:
    /// where a later subscriber goes on.
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }
}

impl Stream for Subscriber {
    type Item = Result<Incoming, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.incoming.poll_recv(context);
        match &polled {
            Poll::Ready(Some(Ok(Incoming::Event(HubEvent { cursor: Some(cursor), .. })))) => {
                self.cursor = Some(cursor.clone());
            }
            // The old one leads nowhere any more.
            Poll::Ready(Some(Ok(Incoming::Resync(_)))) => self.cursor = None,
            _ => {}
        }
        polled
    }
}

impl SubscriberBuilder {
    /// Hears only events of these names and patterns: `call.incoming`, `call.*`. Without it
    /// everything the token may hear.
    pub fn events<T: Into<String>>(
        mut self,
        patterns: impl IntoIterator<Item = T>,
    ) -> SubscriberBuilder {
        self.events.extend(patterns.into_iter().map(Into::into));
        self
    }

    /// Begins behind this cursor, of a [`HubEvent`] or of what a broadcaster was answered. Without
    /// it with what happens from now on.
    pub fn after(mut self, cursor: impl Into<String>) -> SubscriberBuilder {
        self.after = Some(cursor.into());
        self
    }

    /// Makes the subscriber, which begins at once to listen in the tokio runtime this is called in,
    /// and ends when it is dropped.
    ///
    /// # Errors
    /// [`Error::Unusable`] for an address or a token that cannot be used, [`Error::NoRuntime`].
    pub fn build(self) -> Result<Subscriber, Error> {
        let url = address::parse(&self.url, &["http", "https", "ws", "wss"])?;
        if let Some(pattern) = self.events.iter().find(|p| p.is_empty() || p.contains(',')) {
            return Err(Error::Unusable(format!("{pattern:?} is no name or pattern of events")));
        }
        let runtime = Handle::try_current().map_err(|_| Error::NoRuntime)?;
        let dial = Dial::new(url, &self.token, self.events)?;
        let (heard, incoming) = mpsc::channel(WAITING_MAX);
        let cursor = self.after.filter(|cursor| !cursor.is_empty());
        runtime.spawn(Line::new(dial, heard, cursor.clone()).run());
        Ok(Subscriber { incoming, cursor })
    }
}
