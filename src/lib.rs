//! The real-time layer of a contact centre.
pub mod auth;
pub mod model;
