//! Socket.IO v5: namespaces, events and acknowledgements inside the messages of a session. This
//! layer knows nothing of transports; it is fed with what [`Incoming`](crate::Incoming) brings and
//! makes [`Frame`](crate::Frame)s.

mod assembly;
mod build;
mod config;
mod connection;
mod json;
mod packet;

pub use assembly::{Arrival, Assembled};
pub use build::{Builder, connect_error, connected, disconnected};
pub use config::Config;
pub use connection::{AcksFull, Connection, Fault};
pub use packet::{Body, Packet, PacketError, is_reserved};
