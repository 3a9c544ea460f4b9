//! Engine.IO v4 and Socket.IO v5, for servers.
//!
//! Three layers, each usable without the ones above it:
//!
//! 1. **Packets**, pure functions: [`engine::Packet`], [`engine::Payload`], [`socket::Packet`],
//!    [`socket::Builder`].
//! 2. **State machines** without a socket and without a clock of their own: [`engine::Session`]
//!    (transports, upgrade, heartbeat) and [`socket::Connection`] (namespaces, acknowledgements,
//!    binary attachments).
//! 3. **The driver**: a [`Link`] is one Engine.IO session, owned by one task. It needs something
//!    that implements [`WebSocket`], and hides from its owner which transport is in use.
//!    [`Sessions`] brings the requests of HTTP long-polling to the link they belong to.
//!
//! The crate opens no socket, routes no request, spawns no task and logs nothing. The embedding
//! server does the HTTP (its CORS headers, its body limits, its WebSocket handshake) and decides
//! who may connect. Every queue has a bound and every wait a deadline, see [`engine::Config`] and
//! [`socket::Config`].
//!
//! `examples/echo` is a whole server over `axum`; the protocols' own conformance suites pass
//! against it.

pub mod engine;
pub mod link;
pub mod socket;

mod directory;
mod end;
mod frame;
mod mailbox;
mod sid;

pub use directory::Sessions;
pub use end::{End, EndReason};
pub use frame::{Frame, Text};
pub use link::{Incoming, Link, Received, WebSocket};
pub use sid::Sid;
