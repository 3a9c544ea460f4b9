//! A session of the protocol crate as a [`Line`], and our WebSocket as the one it wants.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use engineio_socketio::{
    End, EndReason, Frame as Ready, Incoming as Came, Link, Received, Text, WebSocket,
};
use tokio::time::{Instant, timeout};

use crate::limits::{CLOSE_GRACE, DRAIN_POLL_WAIT};
use crate::model::CloseReason;
use crate::wire::socket::{Frame, Socket};
use crate::wire::{Incoming, Line};

/// A message of a client: a packet, or the bytes that belong to one.
pub(crate) enum Message {
    /// A packet.
    Packet(Text),
    /// An attachment.
    Attachment(Bytes),
}

impl Line for Link<Socket> {
    type Frame = Message;

    fn poll_recv(&mut self, cx: &mut Context) -> Poll<Incoming<Message>> {
        Poll::Ready(match ready!(Link::poll_recv(self, cx)) {
            Came::Text(text) => Incoming::Frame(Message::Packet(text)),
            Came::Binary(bytes) => Incoming::Frame(Message::Attachment(bytes)),
            Came::Alive | Came::Alarm => Incoming::Alive,
            Came::End(reason) => Incoming::End(reason_of(reason)),
        })
    }

    fn enqueue(&mut self, frame: Bytes) {
        Link::enqueue(self, Ready::Text(frame));
    }

    fn poll_write(&mut self, cx: &mut Context) -> Poll<Result<(), CloseReason>> {
        Link::poll_write(self, cx).map_err(reason_of)
    }

    fn ping(&mut self) {
        Link::ping(self, Instant::now());
    }

    async fn close(self, reason: CloseReason) {
        close(self, reason).await;
    }
}

/// Ends a session. A client that is told to leave the namespace stays away; one whose transport
/// just closes comes back by itself.
pub(super) async fn close(mut link: Link<Socket>, reason: CloseReason) {
    // One that kept sending too much would only go on with it.
    let is_unwanted = !reason.should_reconnect() || reason == CloseReason::RateLimited;
    if is_unwanted && !came_from_client(reason) {
        link.enqueue(engineio_socketio::socket::disconnected("/"));
    }
    // No frame may carry the code of a line that broke. Its client goes on over another one, and
    // does not hear this.
    let code = match reason {
        CloseReason::NetworkError => CloseReason::ClientClosed.code(),
        _ => reason.code(),
    };
    let goodbye_wait = match link.is_polling() && reason == CloseReason::GoingAway {
        // Between two polls it cannot be told, and its next one finds the listeners closed.
        true => DRAIN_POLL_WAIT,
        false => 2 * CLOSE_GRACE,
    };
    let _told = timeout(goodbye_wait, link.close(code, reason.text())).await;
}

fn came_from_client(reason: CloseReason) -> bool {
    matches!(reason, CloseReason::ClientClosed | CloseReason::NetworkError)
}

pub(super) fn reason_of(reason: EndReason) -> CloseReason {
    match reason {
        EndReason::ClientClosed => CloseReason::ClientClosed,
        EndReason::Lost | EndReason::PollAborted | EndReason::PollAbandoned => {
            CloseReason::NetworkError
        }
        EndReason::TooLarge => CloseReason::TooLarge,
        EndReason::NotUtf8 => CloseReason::NotUtf8,
        EndReason::PingTimeout => CloseReason::HeartbeatTimeout,
        EndReason::WebSocketProtocol
        | EndReason::BadPacket
        | EndReason::PingFromClient
        | EndReason::PollOverlap
        | EndReason::PostOverlap => CloseReason::ProtocolError,
    }
}

impl WebSocket for Socket {
    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        Poll::Ready(match ready!(Line::poll_recv(self, cx)) {
            Incoming::Frame(Frame::Text(text)) => match Text::try_from(Bytes::from(text)) {
                Ok(text) => Received::Text(text),
                Err(_) => Received::Ended(End::NotUtf8),
            },
            Incoming::Frame(Frame::Binary(bytes)) => Received::Binary(bytes),
            Incoming::Alive => Received::Alive,
            Incoming::End(reason) => Received::Ended(end_of(reason)),
        })
    }

    fn enqueue(&mut self, frame: Ready) {
        match frame {
            Ready::Text(text) => Line::enqueue(self, text),
            Ready::Binary(bytes) => self.enqueue_binary(bytes),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        Line::poll_write(self, cx).map_err(end_of)
    }

    async fn close(self, code: u16, reason: &str) {
        self.end(code, reason).await;
    }
}

fn end_of(reason: CloseReason) -> End {
    match reason {
        CloseReason::ClientClosed => End::Closed,
        CloseReason::TooLarge => End::TooLarge,
        CloseReason::NotUtf8 => End::NotUtf8,
        CloseReason::ProtocolError => End::Protocol,
        _ => End::Lost,
    }
}
