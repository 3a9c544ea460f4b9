//! The words every other module speaks. Pure data: no I/O, no tasks, no locks.

mod command;
mod conversation;
mod error;
mod event;
mod faq;
mod identity;
mod presence;
mod protocol;
mod time;
mod topic;

pub use command::{Command, History, HistoryRange, Reply, Sent};
pub use conversation::{Conversation, Refused, Status};
pub use error::{CloseReason, DisconnectReason, Error, Holder};
pub use event::{
    Assigned, Audit, BadEvent, Closed, Envelope, Event, Facts, Handoff, HandoffReason, InCharge,
    Joined, Left, Message, MessageStatus, Queued, Rated, Receipt, Reopened, SessionEnded,
    SessionStarted, Transferred, Typing,
};
pub use faq::FaqEntry;
pub use identity::{
    BadId, ConnId, ConversationId, ExternalId, ID_CHARS_MAX, Identity, Role, Scope, TenantId,
    UserId,
};
pub use presence::{ConnectedUser, ConnectionInfo, ConnectionStatus, Member, Place};
pub use protocol::Dialect;
pub use time::Moment;
pub use topic::{Cursor, Topic};
