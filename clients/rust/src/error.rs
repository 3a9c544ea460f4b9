//! The closed list of what can go wrong, each with a name. It must not know when.

use std::time::Duration;

/// Why something could not be told, or is heard no longer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An address, a key or an option that cannot be used.
    #[error("{0}")]
    Unusable(String),
    /// There is no tokio runtime to work in.
    #[error("this must be called within a tokio runtime")]
    NoRuntime,
    /// As many events as allowed wait for their answers.
    #[error("{queue_max} events wait for their answers already")]
    QueueFull {
        /// How many may.
        queue_max: usize,
    },
    /// An event that no batch has room for.
    #[error("the event has {bytes} bytes of JSON; {bytes_max} are allowed")]
    TooLarge {
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        bytes_max: usize,
    },
    /// A payload that is no JSON object.
    #[error("the payload cannot be sent: {0}")]
    Payload(String),
    /// The server refuses the event; telling it again would not help.
    #[error("rejected ({code}): {message}")]
    Rejected {
        /// From the server's closed list (`docs/errors.md`), such as `unknown_event`; `http_` and
        /// the status when the answer was not in the server's form.
        code: String,
        /// What is wrong, with the path of the field if it is one.
        message: String,
    },
    /// The server could not be reached for too long. It may have accepted the event without its
    /// answer coming back.
    #[error("given up after {after:?}: {last}")]
    GaveUp {
        /// For how long it was tried.
        after: Duration,
        /// What went wrong the last time.
        last: String,
    },
    /// An answer of success that is none of this server's. Whether the event was accepted is not
    /// known.
    #[error("the answer cannot be understood: {0}")]
    Malformed(String),
    /// The broadcaster was closed, or its runtime ended, before the event was answered.
    #[error("the broadcaster is closed")]
    Closed,
    /// A close in a hurry left events without an answer; each of them ended as [`Error::Closed`].
    #[error("closed with {count} events unanswered")]
    Unanswered {
        /// How many.
        count: usize,
    },
    /// The server does not let the subscriber in; trying again would not help.
    #[error("refused with HTTP {status} ({code}): {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// From the server's closed list, such as `unauthorized`; empty if there was none.
        code: String,
        /// What is wrong.
        message: String,
    },
    /// The token ended (close code 4001). A new one, and a new subscriber with the last cursor,
    /// go on where this one ended.
    #[error("the token has ended")]
    TokenEnded,
    /// The token may no longer listen (close code 4003).
    #[error("the token may not listen")]
    Forbidden,
}

/// An error with what caused it, in one line: libraries keep the telling part in the causes.
pub(crate) fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.ends_with(&part) {
            text = format!("{text}: {part}");
        }
        cause = error.source();
    }
    text
}
