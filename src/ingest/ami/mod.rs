//! A tenant's telephone system: an Asterisk, by its manager interface (AMI).
//!
//! `wire` is the framing, `machine` makes events of packets, `connection` keeps the line. What is
//! told of a call, and how what was missed is found out, is in `docs/telephony.md`, and why in
//! ADR 29. To take another packet in: its name in `machine`, and what it does beside the others.

mod calls;
mod channels;
mod compare;
mod connection;
mod line;
mod machine;
mod queues;
mod report;
mod session;
mod snapshot;
mod stream;
mod wire;

#[cfg(test)]
mod tests;

pub use connection::serve;
