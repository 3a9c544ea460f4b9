//! The real-time layer of a contact centre.
pub mod limits;
pub mod config;
pub mod model;
pub mod auth;
pub mod log;
pub mod hub;
pub mod presence;
pub mod http;
