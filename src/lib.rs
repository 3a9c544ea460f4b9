//! The real-time layer of a contact centre.
pub mod limits;
pub mod log;
pub mod model;
