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
