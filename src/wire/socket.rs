//! The WebSocket, behind one narrow interface: receive a frame, send a batch of ready-made ones.
//! So a codec of our own can take the library's place without anybody noticing.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::ops::RangeInclusive;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::time::{timeout, timeout_at};
use tungstenite::error::{CapacityError, Error as WsError};

use super::{Incoming, Line};
use crate::limits::{CLOSE_GRACE, WS_READ_BUFFER_BYTES, WS_WRITE_BUFFER_BYTES};
use crate::model::CloseReason;

/// An open WebSocket, and what is still to be written to it.
pub(super) struct Socket {
    ws: WebSocket,
    queue: VecDeque<Message>,
    /// The peer has sent its close frame; ours was sent in answer.
    is_closed_by_peer: bool,
}

/// A frame from a client.
pub(crate) enum Frame {
    /// Of text.
    Text(Utf8Bytes),
    /// Of bytes.
    Binary(Bytes),
}

/// Buffers and limits of an upgrade. The library's own buffers would cost 135 KiB a connection.
pub(super) fn sized(upgrade: WebSocketUpgrade, frame_bytes: usize) -> WebSocketUpgrade {
    upgrade
        .read_buffer_size(WS_READ_BUFFER_BYTES)
        .write_buffer_size(WS_WRITE_BUFFER_BYTES)
        .max_message_size(frame_bytes)
        .max_frame_size(frame_bytes)
}

impl Socket {
    pub(super) fn new(socket: WebSocket) -> Socket {
        Socket { ws: socket, queue: VecDeque::new(), is_closed_by_peer: false }
    }

    pub(super) fn enqueue_binary(&mut self, bytes: Bytes) {
        self.queue.push_back(Message::Binary(bytes));
    }

    /// Says goodbye and waits a little for the peer to take it in: a socket closed with unread
    /// input is reset, and the peer would never see why.
    pub(super) async fn end(mut self, code: u16, reason: &str) {
        let deadline = tokio::time::Instant::now() + CLOSE_GRACE;
        let frame = CloseFrame { code, reason: reason.into() };
        // The library has answered a client's own close already; it only wants flushing.
        let said = match self.is_closed_by_peer {
            true => timeout_at(deadline, self.ws.flush()).await,
            false => {
                // What was put in before goes before, as far as it does without waiting.
                let _written = poll_fn(|cx| Poll::Ready(self.poll_write(cx))).await;
                let goodbye = self.ws.send(Message::Close(Some(frame)));
                timeout_at(deadline, goodbye).await
            }
        };
        if !matches!(said, Ok(Ok(()))) {
            return;
        }
        let drained = async { while let Some(Ok(_)) = self.ws.next().await {} };
        let left = deadline.duration_since(tokio::time::Instant::now());
        let _ = timeout(left.min(WAIT_MAX), drained).await;
    }
}

impl Line for Socket {
    type Frame = Frame;

    fn poll_recv(&mut self, cx: &mut Context) -> Poll<Incoming<Frame>> {
        Poll::Ready(match ready!(self.ws.poll_next_unpin(cx)) {
            Some(Ok(Message::Text(text))) => Incoming::Frame(Frame::Text(text)),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Incoming::Alive,
            Some(Ok(Message::Binary(bytes))) => Incoming::Frame(Frame::Binary(bytes)),
            Some(Ok(Message::Close(_))) => {
                self.is_closed_by_peer = true;
                Incoming::End(CloseReason::ClientClosed)
            }
            Some(Err(err)) => Incoming::End(reason_of(err)),
            None => Incoming::End(CloseReason::NetworkError),
        })
    }

    fn enqueue(&mut self, frame: Bytes) {
        // Every frame is JSON text of our own making, so this never refuses one.
        match Utf8Bytes::try_from(frame) {
            Ok(text) => self.queue.push_back(Message::Text(text)),
            Err(err) => tracing::error!(error = %err, "a frame was not text"),
        }
    }

    fn poll_write(&mut self, cx: &mut Context) -> Poll<Result<(), CloseReason>> {
        let waiting = self.queue.len();
        while !self.queue.is_empty() {
            ready!(self.ws.poll_ready_unpin(cx)).map_err(reason_of)?;
            let Some(frame) = self.queue.pop_front() else { break };
            self.ws.start_send_unpin(frame).map_err(reason_of)?;
        }
        self.queue.shrink_to((2 * waiting).clamp(*QUEUE_KEPT.start(), *QUEUE_KEPT.end()));
        self.ws.poll_flush_unpin(cx).map_err(reason_of)
    }

    fn ping(&mut self) {
        self.queue.push_back(Message::Ping(Bytes::new()));
    }

    async fn close(self, reason: CloseReason) {
        if reason != CloseReason::NetworkError {
            self.end(reason.code(), reason.text()).await;
        }
    }
}

/// Frames a queue keeps room for: what the next write is likely to be, so that bursts need no new
/// room, and a connection that hears something now and then gives back what it does not need.
const QUEUE_KEPT: RangeInclusive<usize> = 2..=32;

/// A peer that has our close frame answers within a round trip.
const WAIT_MAX: Duration = Duration::from_secs(2);

fn reason_of(err: axum::Error) -> CloseReason {
    let Ok(err) = err.into_inner().downcast::<WsError>() else { return CloseReason::NetworkError };
    match *err {
        WsError::Capacity(CapacityError::MessageTooLong { .. }) => CloseReason::TooLarge,
        WsError::Utf8(_) => CloseReason::NotUtf8,
        WsError::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => {
            CloseReason::NetworkError
        }
        WsError::Protocol(_) => CloseReason::ProtocolError,
        WsError::ConnectionClosed | WsError::AlreadyClosed => CloseReason::ClientClosed,
        _ => CloseReason::NetworkError,
    }
}
