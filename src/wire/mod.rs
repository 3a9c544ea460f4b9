//! The socket dialects. To add one: a folder with its handshake and its pure [`Codec`], and a line
//! in `server.rs`.
//!
//! A codec turns text into commands and envelopes into text. Sockets, timers, order and the one
//! exit belong to [`connection`], whatever the dialect.

mod connection;
mod registry;
pub mod session;
mod socket;

use bytes::Bytes;

use crate::app::Start;
use crate::model::{
    Command, ConnId, ConnectionStatus, ConversationId, Dialect, Envelope, Error, History, Identity,
    Reply,
};

pub use registry::Registry;

/// One socket dialect, without its sockets.
pub trait Codec: Send + Sync + 'static {
    /// Which one.
    const DIALECT: Dialect;

    /// What an answer must repeat of its request.
    type Tag: Send + 'static;

    /// Reads one frame. A frame that cannot be read has a tag too, so that it can be answered.
    fn decode(&self, frame: &str) -> (Self::Tag, Result<Command, Error>);

    /// Writes an envelope, or nothing if this dialect has no frame for it. The same for everybody.
    fn encode(envelope: &Envelope) -> Option<Bytes>;

    /// Answers a request, if it is to be answered.
    fn reply(&self, tag: Self::Tag, result: Result<Reply, Error>) -> Option<Bytes>;

    /// The first frame of a connection.
    fn established(&self, conn: ConnId, who: &Identity, start: &Start) -> Bytes;

    /// Who is connected, for one who was not told by an event.
    fn status(&self, id: ConversationId, status: &ConnectionStatus) -> Bytes;

    /// What was missed cannot be told; a snapshot follows.
    fn resync(&self, reason: &str) -> Bytes;

    /// Earlier messages, unasked.
    fn history(&self, history: &History) -> Bytes;
}
