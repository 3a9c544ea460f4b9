//! Engine.IO v4: a session of messages over one transport at a time. This layer knows nothing of
//! Socket.IO; a message is text or bytes to it.

mod config;
mod handshake;
mod packet;
mod payload;
mod session;

pub use config::Config;
pub(crate) use handshake::payload_response;
pub(crate) use payload::size_in_payload;

pub use handshake::{Refusal, Request, classify, open_packet, sid_of};
pub use packet::{Packet, PacketError};
pub use payload::{Payload, PayloadError, join};
pub use session::{Due, Session, Step, Via};
