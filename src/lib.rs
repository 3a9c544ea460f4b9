//! The real-time layer of a contact centre.
pub mod app;
pub mod auth;
pub mod config;
pub mod door;
pub mod http;
pub mod hub;
pub mod limits;
pub mod log;
pub mod model;
pub mod presence;
pub mod telemetry;
