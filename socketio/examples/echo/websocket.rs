//! A WebSocket of axum as the crate wants it.

use std::collections::VecDeque;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use bytes::Bytes;
use engineio_socketio::{End, Frame, Received, Text};
use futures_util::{SinkExt, StreamExt};
use tokio::time::timeout;
use tungstenite::error::{CapacityError, Error};

/// How long a client may take to answer our close frame.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

/// An open WebSocket, and what is still to be written to it.
pub(crate) struct Socket {
    ws: WebSocket,
    queue: VecDeque<Frame>,
}

impl Socket {
    /// A WebSocket after its handshake.
    pub(crate) fn new(ws: WebSocket) -> Socket {
        Socket { ws, queue: VecDeque::new() }
    }
}

impl engineio_socketio::WebSocket for Socket {
    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        Poll::Ready(match ready!(self.ws.poll_next_unpin(cx)) {
            Some(Ok(Message::Text(text))) => match Text::try_from(Bytes::from(text)) {
                Ok(text) => Received::Text(text),
                Err(_) => Received::Ended(End::NotUtf8),
            },
            Some(Ok(Message::Binary(bytes))) => Received::Binary(bytes),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Received::Alive,
            Some(Ok(Message::Close(_))) => Received::Ended(End::Closed),
            Some(Err(err)) => Received::Ended(end_of(err)),
            None => Received::Ended(End::Lost),
        })
    }

    fn enqueue(&mut self, frame: Frame) {
        self.queue.push_back(frame);
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        while !self.queue.is_empty() {
            ready!(self.ws.poll_ready_unpin(cx)).map_err(end_of)?;
            let Some(frame) = self.queue.pop_front() else { break };
            let message = match frame {
                Frame::Text(text) => {
                    Message::Text(Utf8Bytes::try_from(text).map_err(|_| End::NotUtf8)?)
                }
                Frame::Binary(bytes) => Message::Binary(bytes),
            };
            self.ws.start_send_unpin(message).map_err(end_of)?;
        }
        self.ws.poll_flush_unpin(cx).map_err(end_of)
    }

    async fn close(mut self, code: u16, reason: &str) {
        let frame = CloseFrame { code, reason: reason.into() };
        let goodbye = async {
            // Whether it can still be said does not matter any more.
            let _gone = self.ws.send(Message::Close(Some(frame))).await;
            while let Some(Ok(_)) = self.ws.next().await {}
        };
        let _too_late = timeout(CLOSE_DEADLINE, goodbye).await;
    }
}

fn end_of(err: axum::Error) -> End {
    let Ok(err) = err.into_inner().downcast::<Error>() else { return End::Lost };
    match *err {
        Error::Capacity(CapacityError::MessageTooLong { .. }) => End::TooLarge,
        Error::Utf8(_) => End::NotUtf8,
        Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => {
            End::Lost
        }
        Error::Protocol(_) => End::Protocol,
        Error::ConnectionClosed | Error::AlreadyClosed => End::Closed,
        _ => End::Lost,
    }
}
