//! The catalogue of commands: everything a connected client may ask for, whatever its dialect.

use std::sync::Arc;

use uuid::Uuid;

use super::{ConversationId, ConversationName, Cursor, Envelope, Identity, Moment, UnknownEvent};

/// A request from a client.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Say something.
    Send {
        /// Where.
        conversation: ConversationName,
        /// The text.
        content: String,
        /// The sender's own id for it.
        client_id: Option<String>,
    },
    /// Start or stop typing.
    Typing {
        /// Where.
        conversation: ConversationName,
        /// Started or stopped.
        is_typing: bool,
    },
    /// All messages up to `seq` were seen.
    Read {
        /// Where.
        conversation: ConversationName,
        /// Up to which message.
        seq: u64,
    },
    /// Show earlier messages.
    History {
        /// Of which conversation.
        conversation: ConversationName,
        /// Which of them.
        range: HistoryRange,
    },
    /// End the conversation.
    Close(ConversationName),
    /// Take part in a conversation: hear it, and be seen there.
    Join(ConversationName),
    /// Take part in it no longer.
    Leave(ConversationName),
    /// Tell of these events, and of what happened of them behind a cursor.
    Subscribe {
        /// Names and patterns.
        events: Vec<String>,
        /// Behind where.
        after: Option<String>,
    },
    /// Tell of these no longer.
    Unsubscribe {
        /// Names and patterns.
        events: Vec<String>,
    },
    /// These notifications were seen.
    ReadNotifications(Vec<Uuid>),
    /// Are you there?
    Ping,
    /// A newer token, before the old one ends.
    Authenticate(Credential),
}

impl Command {
    /// Whether what it does depends on what was said before it, which may still be on its way to
    /// the disk; or begins with its answer, which comes behind the others.
    pub fn follows_what_was_said(&self) -> bool {
        matches!(
            self,
            Command::Read { .. }
                | Command::History { .. }
                | Command::Join(_)
                | Command::Leave(_)
                | Command::Subscribe { .. }
                | Command::Unsubscribe { .. }
        )
    }
}

/// What proves who somebody is.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A token or an API key.
    Token(String),
    /// What `POST /api/sessions` gave a customer as its session key.
    Session(String),
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Credential::Token(_) => "a token",
            Credential::Session(_) => "a session key",
        })
    }
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
    /// The connection takes part in this conversation from now on.
    Joined(ConversationId),
    /// And in this one no longer.
    Left(ConversationId),
    /// What is told from now on, or no longer.
    Subscribed(Box<Subscribed>),
    /// Here I am.
    Pong,
    /// The newer token counts from now.
    Authenticated(Box<Identity>),
}

/// What became of a subscription, or of the end of one.
#[derive(Clone, Debug)]
pub struct Subscribed {
    /// Whether it is the end of one.
    pub is_end: bool,
    /// The names and patterns given that are known.
    pub events: Vec<String>,
    /// Names that no event has.
    pub unknown: Vec<UnknownEvent>,
    /// Whoever comes back with this misses nothing.
    pub cursor: Cursor,
    /// Why the past that was asked for cannot be told.
    pub resync: Option<&'static str>,
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
