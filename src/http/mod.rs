//! HTTP: the listeners and what they serve.

pub mod listen;
pub mod pages;
pub mod tls;
