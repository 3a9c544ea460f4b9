//! The words every other module speaks. Pure data: no I/O, no tasks, no locks.

mod agent;
mod command;
mod conversation;
mod envelope;
mod error;
mod event;
mod faq;
mod identity;
mod node;
mod presence;
mod protocol;
mod time;
mod topic;

pub use agent::{AgentRecord, AgentStatus, StatusReason};
pub use command::{Command, Credential, History, HistoryRange, Reply, Sent, Subscribed};
pub use conversation::{Conversation, Offer, Refused, Routing, Status, Stint, StintOutcome};
pub use envelope::{Audience, Envelope, Origin, Target};
pub use error::{CloseReason, DisconnectReason, Error, Holder, IdOf};
pub use event::{
    AgentLogin, AgentLogout, AgentStateAnnounced, AgentStateChanged, Alert, Announced, Assigned,
    Audit, BadEvent, BadPost, Call, CallAnswered, CallEnded, CallHold, CallIncoming, CallQueue,
    CallTransferred, CallUnhold, Candidate, ChatTransferred, Closed, Decided, DecisionOutcome,
    DepartmentCovered, DepartmentEmpty, Escalated, EscalationAction, Event, EventSet, Facts,
    Handoff, HandoffReason, InCharge, IsAnnounced, Joined, Left, Maker, MemberAdded, MemberPaused,
    MemberRemoved, MemberUnpaused, Message, MessageAnnounced, MessageStatus, Notification,
    NotificationRead, OfferEnded, OfferOutcome, Offered, OutsideHours, PayloadSchema,
    PresenceChanged, QueueJoined, QueueLeft, QueueStats, Queued, Rated, Receipt, Reopened,
    Requirements, SessionEnded, SessionEndedAnnounced, SessionStarted, SessionStartedAnnounced,
    TransferAnnounced, TransferKind, Transferred, Typing, TypingAnnounced, UnknownEvent,
};
pub use faq::FaqEntry;
pub use identity::{
    BadId, ConnId, ConversationId, ConversationName, ExternalId, ID_CHARS_MAX, Identity, Role,
    Scope, TenantId, UserId,
};
pub use node::NodeId;
pub use presence::{ConnectedUser, ConnectionInfo, ConnectionStatus, Member, Place};
pub use protocol::{Dialect, PROTOCOL_FRAMES, is_own_event};
pub use time::Moment;
pub use topic::{Cursor, Topic};
