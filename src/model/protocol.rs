//! The list of socket dialects. To add one: a variant here and a folder in `wire`.

/// How a connection talks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `/ws/{session_id}/{user_id}/{user_type}` (documents 000 and 002).
    Session,
    /// `/socket.io/` (document 003).
    SocketIo,
}

impl Dialect {
    /// Every dialect, in the order of their discriminants.
    pub const ALL: [Dialect; 2] = [Dialect::Session, Dialect::SocketIo];

    /// The dialect as metrics and statistics name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Dialect::Session => "session",
            Dialect::SocketIo => "socketio",
        }
    }
}

/// The names the dialects keep for themselves. What is sent to a user under one of these could be
/// taken for something that happened.
const OWN_EVENTS: &[&str] = &[
    // Socket.IO's own, and document 003's.
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
    "authenticate",
    "authenticated",
    "cursor",
    "joined_conversation",
    "left_conversation",
    "message_received",
    "presence_update",
    // Of both Socket.IO and the session dialect.
    "connection_status_update",
    "error",
    "history",
    "message_status",
    "resync",
    "typing_indicator",
    // The session dialect's, and the hub's.
    "ack",
    "connected",
    "connection_established",
    "message",
    "ping",
    "pong",
    "subscribe",
    "subscribed",
    "unsubscribe",
    "unsubscribed",
];

/// Whether an event of this name is a dialect's own, or one of the catalogue, dotted or as the
/// dialects write it.
pub fn is_own_event(name: &str) -> bool {
    let is_lifecycle = name.starts_with("conversation_") || name.starts_with("conversation.");
    is_lifecycle
        || OWN_EVENTS.contains(&name)
        || super::Event::samples().iter().any(|e| e.name() == name && name != "notification")
}
