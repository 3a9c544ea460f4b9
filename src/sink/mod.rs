//! The outside world that reads the log: what is sent there and how, a module per kind of receiver.
//! Nothing here knows who may hear what, or where it is kept; `app` does.

mod frame;
pub mod kafka;
pub mod webhooks;
