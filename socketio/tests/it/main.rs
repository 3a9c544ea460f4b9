//! Links as an embedding server sees them. Most tests need neither a port nor real time; `echo`
//! runs the example's server over real sockets.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod echo;
mod polling;
mod support;
mod upgrade;
mod websocket;
