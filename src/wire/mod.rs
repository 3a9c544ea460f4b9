//! The socket dialects. To add one: a folder with its handshake and its pure [`Codec`], and a line
//! in `server.rs`.
//!
//! A codec turns frames into commands and envelopes into frames. Sockets, timers, order and the
//! one exit belong to [`connection`], whatever the dialect.

#[cfg(test)]
mod any_json;
mod connection;
mod handshake;
pub mod hub;
mod registry;
mod relay;
pub mod session;
mod shapes;
mod socket;
pub mod socketio;

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::{App, Connection, Start};
use crate::door::Origins;
use crate::hub::Encoding;
use crate::model::{
    CloseReason, Command, ConnectionStatus, ConversationId, Cursor, Dialect, Envelope, Error,
    ExternalId, History, Reply,
};

pub use registry::{Beat, Registry};
pub use relay::Relay;

/// What every dialect's handshake needs. Cheap to clone.
#[derive(Clone)]
pub struct Door {
    /// The verbs.
    pub app: App,
    /// The origins that may come in.
    pub origins: Origins,
    /// The open connections.
    pub registry: Registry,
    /// Where the connections' tasks are counted.
    pub tracker: TaskTracker,
    /// No new connection after this.
    pub shutdown: CancellationToken,
    /// The way to what lives on another node.
    pub relay: Relay,
    /// A place among the sockets of a request's address, if there is one left.
    pub places: Arc<dyn Places>,
}

/// How many sockets an address may hold, as `server.rs` lends it: listeners are another layer's.
pub trait Places: Send + Sync {
    /// A place for one more, given back when dropped; `None` if the address has its share.
    fn take(&self, request: &http::Extensions) -> Option<Box<dyn Send>>;
}

/// A line to a client: frames come in, ready-made frames go out.
pub(crate) trait Line: Send + 'static {
    /// What comes in over it.
    type Frame: Send;

    /// The next thing that comes in. None is lost when the caller stops polling.
    fn poll_recv(&mut self, cx: &mut Context) -> Poll<Incoming<Self::Frame>>;

    /// Puts a frame behind those that wait already.
    fn enqueue(&mut self, frame: Bytes);

    /// Writes all that waits, with as few system calls as possible.
    fn poll_write(&mut self, cx: &mut Context) -> Poll<Result<(), CloseReason>>;

    /// Asks whether the peer is still there, with the next write.
    fn ping(&mut self);

    /// Says why it ends, and waits a little for the peer to take it in.
    fn close(self, reason: CloseReason) -> impl Future<Output = ()> + Send;
}

/// What came in.
pub(crate) enum Incoming<F> {
    /// A frame.
    Frame(F),
    /// A sign of life.
    Alive,
    /// The end, and why.
    End(CloseReason),
}

/// What a frame says.
pub(crate) enum Decoded<T> {
    /// A request. One that cannot be read has a tag too, so that it can be answered.
    Request(T, Result<Command, Error>),
    /// Nothing, or not all of it yet.
    Nothing,
    /// That this is the end.
    End(CloseReason),
}

/// One socket dialect, without its sockets.
pub(crate) trait Codec: Send + 'static {
    /// Which one.
    const DIALECT: Dialect;

    /// Under which its frames are shared with others who write the same.
    const ENCODING: Encoding;

    /// Whether its connections hear what is meant for their user in conversations they do not
    /// take part in, and who of the tenant comes and goes.
    const HEARS_BEYOND_ROOMS: bool;

    /// The line it is spoken on.
    type Line: Line;

    /// What an answer must repeat of its request.
    type Tag: Send + 'static;

    /// Reads one frame.
    fn decode(&mut self, frame: <Self::Line as Line>::Frame) -> Decoded<Self::Tag>;

    /// Looks whether what the client has begun is overdue.
    fn check_overdue(&mut self) -> Result<(), CloseReason> {
        Ok(())
    }

    /// Writes an envelope, or nothing if this dialect has no frame for it. The same for everybody
    /// who calls the conversation by this name.
    fn encode(envelope: &Envelope, name: Option<&ExternalId>) -> Option<Bytes>;

    /// Writes how far the client has read, if the frames do not say so themselves.
    fn mark(_cursor: Cursor) -> Option<Bytes> {
        None
    }

    /// Answers a request, if it is to be answered.
    fn reply(&self, tag: Self::Tag, result: Result<Reply, Error>, out: &mut Vec<Bytes>);

    /// The first frames of a connection.
    fn established(&mut self, conn: &Connection, start: &Start, out: &mut Vec<Bytes>);

    /// Who is connected, for one who was not told by an event.
    fn status(
        &self,
        id: ConversationId,
        name: Option<&ExternalId>,
        status: &ConnectionStatus,
    ) -> Option<Bytes>;

    /// What was missed cannot be told; a snapshot follows.
    fn resync(&self, reason: &str) -> Option<Bytes>;

    /// Earlier messages, unasked; for dialects whose connections are in one conversation.
    fn history(&self, history: &History) -> Vec<Bytes>;

    /// The connection was put out of a conversation; nothing if it ends with that.
    fn put_out(&self, id: ConversationId, name: Option<&ExternalId>) -> Option<Bytes>;
}
