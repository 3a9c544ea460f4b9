//! What a link needs of a WebSocket. The embedding server implements it over its own library, and
//! limits the size of frames there.

use std::task::{Context, Poll};

use bytes::Bytes;

use crate::{End, Frame, Text};

/// A WebSocket after its handshake.
pub trait WebSocket: Send + 'static {
    /// The next frame. Not called again after [`Received::Ended`].
    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Received>;

    /// Puts a ready-made frame behind those that wait to be written.
    fn enqueue(&mut self, frame: Frame);

    /// Writes all that waits, and flushes.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>>;

    /// Says goodbye with a close frame and waits a bounded time for the peer to answer it. When
    /// the peer has closed already, this only completes the closing handshake.
    fn close(self, code: u16, reason: &str) -> impl Future<Output = ()> + Send;
}

/// What came over a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A text message.
    Text(Text),
    /// A binary message.
    Binary(Bytes),
    /// A ping or pong frame, which says no more than that the peer is there.
    Alive,
    /// The end, and how it came.
    Ended(End),
}
