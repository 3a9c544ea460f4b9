//! The list of socket dialects. To add one: a variant here and a folder in `wire`.

/// How a connection talks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `/ws/{session_id}/{user_id}/{user_type}` (documents 000 and 002).
    Session,
    /// `/socket.io/` (document 003).
    SocketIo,
    /// `/ws` and `/ws/public` (document 004).
    Hub,
}

impl Dialect {
    /// Every dialect, in the order of their discriminants.
    pub const ALL: [Dialect; 3] = [Dialect::Session, Dialect::SocketIo, Dialect::Hub];

    /// The dialect as metrics and statistics name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Dialect::Session => "session",
            Dialect::SocketIo => "socketio",
            Dialect::Hub => "hub",
        }
    }
}

/// The hub's own frames (contract 7): they belong to a connection, and nobody can produce them.
pub const PROTOCOL_FRAMES: &[&str] = &[
    "ping",
    "pong",
    "error",
    "connected",
    "subscribe",
    "subscribed",
    "unsubscribe",
    "unsubscribed",
    "ack",
    "resync",
];

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
    "join_conversation",
    "joined_conversation",
    "leave_conversation",
    "left_conversation",
    "message_read",
    "message_received",
    "send_message",
    "typing_start",
    "typing_stop",
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
    "alert",
    "close",
    "connected",
    "connection_established",
    "message",
    "ping",
    "pong",
    "read",
    "subscribe",
    "subscribed",
    "unsubscribe",
    "unsubscribed",
];

/// The beginnings of the catalogue's names, document 004's included, and of their form in the
/// dialects that have no dots.
const OWN_FAMILIES: &[&str] = &[
    "agent.",
    "agent_",
    "audit.",
    "call.",
    "chat.",
    "conversation.",
    "conversation_",
    "notification.",
    "presence.",
    "queue.",
    "queue_",
    "routing.",
];

/// Whether an event of this name is a dialect's own, or one of the catalogue, dotted or as the
/// dialects write it.
pub fn is_own_event(name: &str) -> bool {
    OWN_EVENTS.contains(&name) || OWN_FAMILIES.iter().any(|family| name.starts_with(family))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_of_the_catalogue_is_our_own_but_the_notification() {
        for event in super::super::Event::samples() {
            let name = event.name();
            assert_eq!(is_own_event(name), name != "notification", "{name}");
        }
        assert!(!is_own_event("crm.updated"));
    }
}
