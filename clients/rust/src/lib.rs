//! Tells a Switchboard server what happens, and hears what happens there.
//!
#![doc = include_str!("../README.md")]

mod address;
mod backoff;
mod broadcaster;
mod error;
mod event;
mod subscriber;

pub use broadcaster::{
    Accepted, BroadcasterBuilder, Delivery, EventBroadcaster, Status, Undelivered,
};
pub use error::Error;
pub use event::{
    AgentLogin, AgentLogout, AgentStateChanged, Alert, CallAnswered, CallEnded, CallHold,
    CallIncoming, CallTransferred, CallUnhold, ChatMessage, ChatSessionEnded, ChatSessionStarted,
    ChatTransferred, ChatTyping, Event, NewEvent, Notification, QueueJoined, QueueLeft,
    QueueMemberAdded, QueueMemberPaused, QueueMemberRemoved, QueueMemberUnpaused, QueueStats,
    SenderType, Target, TransferKind,
};
pub use subscriber::{
    Connected, Disconnected, HubEvent, Incoming, Refused, Resync, Subscriber, SubscriberBuilder,
};
