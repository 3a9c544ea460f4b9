//! Webhooks without their store: what a request says and how it is signed (`message`, `signature`),
//! which deliveries keep their order (`lane`), when each goes out (`schedule`, `backoff`), where
//! none may go (`networks`), and one request (`client`).
//!
//! The format is that of Standard Webhooks 1.0.0 (`spec/standard-webhooks.md` of
//! standard-webhooks/standard-webhooks). All of it but `client` is pure and has no clock. Who gets
//! which events, and what is kept of it, is `app::webhooks`' and the log's.

mod backoff;
mod client;
mod lane;
mod message;
mod networks;
mod resolver;
mod schedule;
mod signature;
#[cfg(test)]
mod tests;

pub use backoff::Backoff;
pub use client::{Answer, Client, Fault, Post, Settings};
pub use lane::lane_of;
pub use message::{Message, ping_of};
pub use networks::{BadAddress, Networks};
pub use resolver::{Lookup, SystemLookup};
pub use schedule::{Fate, Item, Schedule};
pub use signature::{BadSecret, SECRET_PREFIX, sign};
