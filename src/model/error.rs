//! The closed lists of refusals and of ends. A refusal is safe to show to whoever caused it; a
//! fault of ours is logged once with an id and shown as that id alone.
//!
//! To add a refusal: a variant in [`Error`], its line in [`Error::code`], and `make docs`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Role, UnknownEvent};

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The session id of a path is no UUID (document 000).
    #[error("invalid UUID format")]
    InvalidSessionId,
    /// Another id does not fit its alphabet.
    #[error("{0}")]
    InvalidId(String),
    /// An id that has to be a UUID and is none: whose it would be.
    #[error("invalid UUID format")]
    InvalidUuid(IdOf),
    /// The path's user type is none of `customer`, `agent`, `admin`.
    #[error("user type must be customer, agent or admin, not {0:?}")]
    InvalidUserType(String),
    /// A body, query or parameter that cannot be read.
    #[error("{0}")]
    Malformed(String),
    /// A socket frame that cannot be read.
    #[error("{0}")]
    BadFrame(String),
    /// A frame of a type nobody knows.
    #[error("unknown frame type {0:?}")]
    UnknownType(String),
    /// An event that there is not.
    #[error("{0}")]
    UnknownEvent(UnknownEvent),
    /// No token, or one that does not hold.
    #[error("{0}")]
    Unauthorized(String),
    /// Known, but not allowed.
    #[error("{0}")]
    Forbidden(String),
    /// The user is in this session with another type already.
    #[error("user {user} is in this session as {present} already")]
    UserTypeConflict {
        /// Who.
        user: String,
        /// The type it is there with.
        present: Role,
    },
    /// Unknown, or another tenant's, which is the same from outside.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// The path exists, the method does not.
    #[error("method not allowed here")]
    MethodNotAllowed,
    /// Somebody else was first.
    #[error("{message}")]
    Conflict {
        /// What stands in the way.
        message: String,
        /// Who holds it, when it is an assignment.
        holder: Option<Holder>,
    },
    /// More bytes than allowed.
    #[error("at most {max_bytes} bytes are allowed")]
    TooLarge {
        /// The limit.
        max_bytes: usize,
    },
    /// Understood, but a field has a value that cannot be.
    #[error("{field}: {reason}")]
    Invalid {
        /// The field, as the request names it.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The same of a value deep inside a field. Has no code of its own.
    #[error("{path}: {reason}")]
    InvalidAt {
        /// Where it is: `routing.escalations[1].after_seconds`.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Too many requests.
    #[error("too many requests; try again in {retry_after_s} s")]
    RateLimited {
        /// Seconds until one more is allowed.
        retry_after_s: u64,
    },
    /// A connection limit is reached.
    #[error("too many connections {0}")]
    TooManyConnections(&'static str),
    /// Who is connected cannot be told (document 000).
    #[error("redis connection failed")]
    PresenceUnavailable,
    /// What agents are cannot be told or noted (document 001).
    #[error("redis connection failed")]
    AgentsUnavailable,
    /// A dependency did not answer; worth another try.
    #[error("{0}")]
    Unavailable(String),
    /// A fault of ours, to be found in the log under this id.
    #[error("internal error {id}")]
    Fault {
        /// The id in the log line.
        id: String,
    },
}

/// Who an assignment belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Holder {
    /// The agent's id.
    pub agent_id: String,
    /// The agent's name, or its id when it has none.
    pub name: String,
}

/// Whose id it would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdOf {
    /// An agent's.
    Agent,
    /// A department's.
    Department,
}

impl IdOf {
    /// The words of document 001.
    fn title(self) -> &'static str {
        match self {
            IdOf::Agent => "Invalid agent ID",
            IdOf::Department => "Invalid department ID",
        }
    }
}

impl Error {
    /// The machine-readable name, from one closed list (`docs/errors.md`).
    pub fn code(&self) -> &'static str {
        self.row().0
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.row().1
    }

    /// The short text of a REST answer's `message`; `error` carries the detail.
    pub fn title(&self) -> &'static str {
        self.row().2
    }

    /// Whether the same request may succeed later, unchanged.
    pub fn is_worth_a_retry(&self) -> bool {
        matches!(
            self,
            Error::RateLimited { .. }
                | Error::TooManyConnections(_)
                | Error::PresenceUnavailable
                | Error::AgentsUnavailable
                | Error::Unavailable(_)
                | Error::Fault { .. }
        )
    }

    fn row(&self) -> (&'static str, u16, &'static str) {
        match self {
            Error::InvalidSessionId => ("invalid_session_id", 400, "Invalid session ID"),
            Error::InvalidId(_) => ("invalid_id", 400, "Invalid ID"),
            Error::InvalidUuid(of) => ("invalid_uuid", 400, of.title()),
            Error::InvalidUserType(_) => ("invalid_user_type", 400, "Invalid user type"),
            Error::Malformed(_) => ("malformed", 400, "Malformed request"),
            Error::BadFrame(_) => ("bad_frame", 400, "Malformed frame"),
            Error::UnknownType(_) => ("unknown_type", 400, "Unknown frame type"),
            Error::UnknownEvent(_) => ("unknown_event", 422, "Unknown event"),
            Error::Unauthorized(_) => ("unauthorized", 401, "Unauthorized"),
            Error::Forbidden(_) => ("forbidden", 403, "Forbidden"),
            Error::UserTypeConflict { .. } => ("user_type_conflict", 403, "Forbidden"),
            Error::NotFound(_) => ("not_found", 404, "Not found"),
            Error::MethodNotAllowed => ("method_not_allowed", 405, "Method not allowed"),
            Error::Conflict { .. } => ("conflict", 409, "Conflict"),
            Error::TooLarge { .. } => ("too_large", 413, "Too large"),
            Error::Invalid { .. } | Error::InvalidAt { .. } => ("invalid", 422, "Invalid value"),
            Error::RateLimited { .. } => ("rate_limited", 429, "Too many requests"),
            Error::TooManyConnections(_) => ("too_many_connections", 429, "Too many connections"),
            Error::PresenceUnavailable => {
                ("presence_unavailable", 500, "Failed to get connection status")
            }
            Error::AgentsUnavailable => {
                ("agents_unavailable", 500, "Failed to reach the agents' status")
            }
            Error::Unavailable(_) => ("unavailable", 503, "Temporarily unavailable"),
            Error::Fault { .. } => ("internal", 500, "Internal error"),
        }
    }

    /// One of each code, for the reference list and its test.
    pub fn samples() -> Vec<Error> {
        vec![
            Error::InvalidSessionId,
            Error::InvalidId("user id: an id has 1 to 128 characters".into()),
            Error::InvalidUuid(IdOf::Agent),
            Error::InvalidUserType("robot".into()),
            Error::Malformed("expected a JSON object".into()),
            Error::BadFrame("expected {\"type\", \"data\"}".into()),
            Error::UnknownType("dance".into()),
            Error::UnknownEvent(UnknownEvent::nearest_to("call.incomming")),
            Error::Unauthorized("no token".into()),
            Error::Forbidden("this conversation is not yours".into()),
            Error::UserTypeConflict { user: "u1".into(), present: Role::Customer },
            Error::NotFound("conversation"),
            Error::MethodNotAllowed,
            Error::Conflict { message: "assigned already".into(), holder: None },
            Error::TooLarge { max_bytes: 524_288 },
            Error::Invalid { field: "content", reason: "is empty".into() },
            Error::RateLimited { retry_after_s: 1 },
            Error::TooManyConnections("for this user"),
            Error::PresenceUnavailable,
            Error::AgentsUnavailable,
            Error::Unavailable("the log does not answer".into()),
            Error::Fault { id: "0f3a".into() },
        ]
    }
}

/// Why a user is gone, as `conversation.left` tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DisconnectReason {
    /// A close frame came.
    ClientClose,
    /// The line broke without one.
    NetworkError,
    /// No pong came in time.
    HeartbeatTimeout,
    /// It read too slowly.
    SlowConsumer,
    /// This node drained.
    ServerShutdown,
    /// This node died; told at its next start.
    NodeLost,
    /// An admin put it out.
    Kicked,
    /// A rule ended it: its token ended, it broke the protocol or a limit.
    Policy,
}

/// Why a connection ended. Every end has a name here and a code on the wire (contract 10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The client sent a close frame.
    ClientClosed,
    /// The line broke.
    NetworkError,
    /// The server drains; come back.
    GoingAway,
    /// The client broke the WebSocket protocol.
    ProtocolError,
    /// A binary frame where text is spoken.
    NotText,
    /// Text that is not UTF-8.
    NotUtf8,
    /// A frame over the limit.
    TooLarge,
    /// A fault of ours ended it.
    Internal,
    /// The token ended, leeway included.
    TokenEnded,
    /// No longer allowed here.
    Forbidden,
    /// The session is gone.
    NoSuchSession,
    /// The outbox was full with durable events; resume by cursor.
    SlowConsumer,
    /// No pong in time.
    HeartbeatTimeout,
    /// Put out by an admin.
    Kicked,
    /// Kept sending over the rate limit.
    RateLimited,
    /// One connection too many.
    TooManyConnections,
}

impl CloseReason {
    /// Every reason, for the reference list and its test.
    pub const ALL: [CloseReason; 16] = [
        CloseReason::ClientClosed,
        CloseReason::NetworkError,
        CloseReason::GoingAway,
        CloseReason::ProtocolError,
        CloseReason::NotText,
        CloseReason::NotUtf8,
        CloseReason::TooLarge,
        CloseReason::Internal,
        CloseReason::TokenEnded,
        CloseReason::Forbidden,
        CloseReason::NoSuchSession,
        CloseReason::SlowConsumer,
        CloseReason::HeartbeatTimeout,
        CloseReason::Kicked,
        CloseReason::RateLimited,
        CloseReason::TooManyConnections,
    ];

    /// The close frame's code.
    pub fn code(self) -> u16 {
        self.row().0
    }

    /// The close frame's text, and the label of the metric.
    pub fn text(self) -> &'static str {
        self.row().1
    }

    /// Whether the client should come back by itself.
    pub fn should_reconnect(self) -> bool {
        self.row().2
    }

    /// What the others in the conversation are told.
    pub fn disconnect_reason(self) -> DisconnectReason {
        match self {
            CloseReason::ClientClosed => DisconnectReason::ClientClose,
            CloseReason::NetworkError => DisconnectReason::NetworkError,
            CloseReason::GoingAway => DisconnectReason::ServerShutdown,
            CloseReason::SlowConsumer => DisconnectReason::SlowConsumer,
            CloseReason::HeartbeatTimeout => DisconnectReason::HeartbeatTimeout,
            CloseReason::Kicked => DisconnectReason::Kicked,
            CloseReason::ProtocolError
            | CloseReason::NotText
            | CloseReason::NotUtf8
            | CloseReason::TooLarge
            | CloseReason::Internal
            | CloseReason::TokenEnded
            | CloseReason::Forbidden
            | CloseReason::NoSuchSession
            | CloseReason::RateLimited
            | CloseReason::TooManyConnections => DisconnectReason::Policy,
        }
    }

    fn row(self) -> (u16, &'static str, bool) {
        match self {
            CloseReason::ClientClosed => (1000, "client closed", false),
            CloseReason::NetworkError => (1006, "network error", true),
            CloseReason::GoingAway => (1001, "going away", true),
            CloseReason::ProtocolError => (1002, "protocol error", false),
            CloseReason::NotText => (1003, "not text", false),
            CloseReason::NotUtf8 => (1007, "not UTF-8", false),
            CloseReason::TooLarge => (1009, "too large", false),
            CloseReason::Internal => (1011, "internal error", true),
            CloseReason::TokenEnded => (4001, "token ended", false),
            CloseReason::Forbidden => (4003, "forbidden", false),
            CloseReason::NoSuchSession => (4004, "no such session", false),
            CloseReason::SlowConsumer => (4008, "slow consumer", true),
            CloseReason::HeartbeatTimeout => (4009, "heartbeat timeout", true),
            CloseReason::Kicked => (4010, "kicked", false),
            CloseReason::RateLimited => (4029, "rate limited", true),
            CloseReason::TooManyConnections => (4030, "too many connections", false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_refusal_has_a_code_of_its_own() {
        let samples = Error::samples();
        let codes: HashSet<_> = samples.iter().map(Error::code).collect();
        assert_eq!(codes.len(), samples.len());
    }

    #[test]
    fn every_end_has_a_text_of_its_own() {
        let texts: HashSet<_> = CloseReason::ALL.iter().map(|r| r.text()).collect();
        assert_eq!(texts.len(), CloseReason::ALL.len());
    }
}
