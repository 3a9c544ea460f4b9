//! The WebSocket, behind one narrow interface: receive a frame, send a batch of ready-made ones.
//! So a codec of our own can take the library's place without anybody noticing.

use std::collections::VecDeque;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::time::{timeout, timeout_at};
use tungstenite::error::{CapacityError, Error as WsError};

use super::{Frame, Incoming, Line};
use crate::limits::{CLOSE_GRACE, WS_READ_BUFFER_BYTES, WS_WRITE_BUFFER_BYTES};
use crate::model::CloseReason;

/// An open WebSocket, and what is still to be written to it.
pub(super) struct Socket {
    ws: WebSocket,
    queue: VecDeque<Bytes>,
    is_ping_due: bool,
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
        Socket { ws: socket, queue: VecDeque::new(), is_ping_due: false }
    }
}

impl Line for Socket {
    fn poll_recv(&mut self, cx: &mut Context) -> Poll<Incoming> {
        Poll::Ready(match ready!(self.ws.poll_next_unpin(cx)) {
            Some(Ok(Message::Text(text))) => Incoming::Frame(Frame::Text(text)),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Incoming::Alive,
            Some(Ok(Message::Binary(_))) => Incoming::End(CloseReason::NotText),
            Some(Ok(Message::Close(_))) => Incoming::End(CloseReason::ClientClosed),
            Some(Err(err)) => Incoming::End(reason_of(err)),
            None => Incoming::End(CloseReason::NetworkError),
        })
    }

    fn enqueue(&mut self, frame: Bytes) {
        self.queue.push_back(frame);
    }

    fn poll_write(&mut self, cx: &mut Context) -> Poll<Result<(), CloseReason>> {
        if self.is_ping_due {
            ready!(self.ws.poll_ready_unpin(cx)).map_err(reason_of)?;
            self.ws.start_send_unpin(Message::Ping(Bytes::new())).map_err(reason_of)?;
            self.is_ping_due = false;
        }
        while !self.queue.is_empty() {
            ready!(self.ws.poll_ready_unpin(cx)).map_err(reason_of)?;
            let Some(frame) = self.queue.pop_front() else { break };
            // Every frame is JSON text of our own making, so this never refuses one.
            let text = Utf8Bytes::try_from(frame).map_err(|_| CloseReason::Internal)?;
            self.ws.start_send_unpin(Message::Text(text)).map_err(reason_of)?;
        }
        self.queue.shrink_to(QUEUE_KEPT);
        self.ws.poll_flush_unpin(cx).map_err(reason_of)
    }

    fn ping(&mut self) {
        self.is_ping_due = true;
    }

    /// Waits, because a socket closed with unread input is reset, and the peer would never see
    /// the reason.
    async fn close(mut self, reason: CloseReason) {
        if reason == CloseReason::NetworkError {
            return;
        }
        let deadline = tokio::time::Instant::now() + CLOSE_GRACE;
        let frame = CloseFrame { code: reason.code(), reason: reason.text().into() };
        let message = Message::Close((reason != CloseReason::ClientClosed).then_some(frame));
        // The library has answered a client's own close already; it only wants flushing.
        let said = match reason {
            CloseReason::ClientClosed => timeout_at(deadline, self.ws.flush()).await,
            _ => timeout_at(deadline, self.ws.send(message)).await,
        };
        if !matches!(said, Ok(Ok(()))) {
            return;
        }
        let drained = async { while let Some(Ok(_)) = self.ws.next().await {} };
        let _ =
            timeout(deadline.duration_since(tokio::time::Instant::now()).min(WAIT_MAX), drained)
                .await;
    }
}

/// Frames a queue keeps room for while its connection is idle.
const QUEUE_KEPT: usize = 16;

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
