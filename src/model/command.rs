//! The catalogue of commands: everything a connected client may ask for, whatever its dialect.

use std::sync::Arc;

use uuid::Uuid;

use super::{ConversationId, Envelope, Moment};

/// A request from a client.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Say something.
    Send {
        /// Where.
        conversation: ConversationId,
        /// The text.
        content: String,
        /// The sender's own id for it.
        client_id: Option<String>,
    },
    /// Start or stop typing.
    Typing {
        /// Where.
        conversation: ConversationId,
        /// Started or stopped.
        is_typing: bool,
    },
    /// All messages up to `seq` were seen.
    Read {
        /// Where.
        conversation: ConversationId,
        /// Up to which message.
        seq: u64,
    },
    /// Show earlier messages.
    History {
        /// Of which conversation.
        conversation: ConversationId,
        /// Which of them.
        range: HistoryRange,
    },
    /// End the conversation.
    Close(ConversationId),
    /// Are you there?
    Ping,
    /// A newer token, before the old one ends.
    Authenticate {
        /// The token.
        token: String,
    },
}

/// Which messages of a conversation; both bounds are exclusive `seq`s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryRange {
    /// Only messages before this one.
    pub before: Option<u64>,
    /// Only messages after this one.
    pub after: Option<u64>,
    /// At most so many; the newest ones unless only `after` is given.
    pub limit: Option<u64>,
}

/// The answer to a command.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Done, nothing to tell.
    Done,
    /// The message is kept.
    Sent(Sent),
    /// Earlier messages.
    History(History),
    /// Here I am.
    Pong,
    /// The newer token counts from now.
    Authenticated {
        /// When it ends, in seconds of Unix time.
        expires_at: i64,
    },
}

/// How a message is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The message's id.
    pub id: Uuid,
    /// Its number in the conversation.
    pub seq: u64,
    /// When it was kept.
    pub at: Moment,
}

/// A page of messages, ascending.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The messages; each envelope holds a `chat.message`.
    pub messages: Vec<Arc<Envelope>>,
    /// Whether there are more in the direction asked for.
    pub has_more: bool,
}
