//! The real-time layer of a contact centre: one core, several socket dialects.
//!
//! Read the modules in this order; each may use only the ones above it (`ARCHITECTURE.md`, checked
//! by `tests/it/tidy.rs`).
//!
//! 0. [`limits`], [`config`], [`telemetry`]: bounds, options, what is logged and counted. Beside
//!    them [`mod@redis`]: the line to Redis.
//! 1. [`model`]: the words. Pure data, no I/O.
//! 2. [`auth`], [`log`], [`hub`], [`presence`], [`broker`], [`bot`], [`routing`], [`sink`]: who
//!    speaks, what is kept, who listens, who is here, who serves beside this node, who answers by
//!    itself, who takes the next conversation, who reads outside.
//! 3. [`app`]: the verbs. The only place where a rule of the product lives.
//! 4. [`door`], then [`wire`] and [`http`]: bytes to commands and envelopes back to bytes. Beside
//!    them [`ingest`]: what other systems tell.
//! 5. [`server`]: puts the parts together. Beside it what serves nobody: [`doctor`], [`backup`],
//!    [`moving`], [`simulate`].

pub mod app;
pub mod auth;
pub mod backup;
pub mod bot;
pub mod broker;
pub mod config;
pub mod doctor;
pub mod door;
pub mod http;
pub mod hub;
pub mod ingest;
pub mod limits;
pub mod log;
pub mod model;
pub mod moving;
pub mod presence;
pub mod redis;
pub mod routing;
pub mod server;
pub mod simulate;
pub mod sink;
pub mod telemetry;
#[cfg(test)]
mod testing;
pub mod wire;
