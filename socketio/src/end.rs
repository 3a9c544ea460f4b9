//! Why sessions end, as one closed list. The embedding server maps it to its own words.

/// How a WebSocket ended, in the words of whoever implements [`WebSocket`](crate::WebSocket).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A close frame came.
    Closed,
    /// The connection broke off.
    Lost,
    /// A frame or message was over the server's limit.
    TooLarge,
    /// A text frame was not UTF-8.
    NotUtf8,
    /// The peer broke the WebSocket protocol in another way.
    Protocol,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndReason {
    /// The client said so: an Engine.IO close packet, or a WebSocket close frame.
    #[error("the client closed the session")]
    ClientClosed,
    /// The WebSocket broke off.
    #[error("the connection was lost")]
    Lost,
    /// A WebSocket frame was over the server's limit.
    #[error("a frame was too large")]
    TooLarge,
    /// A WebSocket text frame was not UTF-8.
    #[error("a text frame was not UTF-8")]
    NotUtf8,
    /// The client broke the WebSocket protocol.
    #[error("the WebSocket protocol was broken")]
    WebSocketProtocol,
    /// What came in is no Engine.IO packet.
    #[error("a packet could not be read")]
    BadPacket,
    /// The client sent a ping; in version 4 only the server does.
    #[error("the client sent a ping")]
    PingFromClient,
    /// No pong came in time.
    #[error("no pong came in time")]
    PingTimeout,
    /// A poll came while another one was waiting.
    #[error("two polls at a time")]
    PollOverlap,
    /// Packets were posted while those of another request were not yet taken.
    #[error("two posts at a time")]
    PostOverlap,
    /// The client dropped a poll before it was answered.
    #[error("a poll was dropped by the client")]
    PollAborted,
    /// The client stopped polling.
    #[error("the client stopped polling")]
    PollAbandoned,
}

impl From<End> for EndReason {
    fn from(end: End) -> EndReason {
        match end {
            End::Closed => EndReason::ClientClosed,
            End::Lost => EndReason::Lost,
            End::TooLarge => EndReason::TooLarge,
            End::NotUtf8 => EndReason::NotUtf8,
            End::Protocol => EndReason::WebSocketProtocol,
        }
    }
}
