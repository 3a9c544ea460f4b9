//! What other systems tell of themselves, brought into a tenant's log: each connector speaks its
//! system's language on one side and reports events to `crate::app` on the other.
//!
//! A connector knows no socket of ours and no rule of the product. To add one: a folder here, a
//! section of options, and a line in `server.rs`, which spawns and drains it.

pub mod ami;
pub mod kafka;
