//! HTTP: the listeners and what they serve.

pub mod listen;
pub mod pages;
pub mod tls;

/// tmp
#[derive(Clone)]
pub struct Parts {
    /// a
    pub app: crate::app::App,
    /// b
    pub origins: crate::door::Origins,
    /// c
    pub readiness: Readiness,
}
/// tmp
#[derive(Clone, Default)]
pub struct Readiness;
impl Readiness {
    /// x
    pub fn set_draining(&self) {}
}
/// tmp
pub fn router(_p: Parts) -> axum::Router {
    pages::router()
}
/// tmp
pub fn outer(r: axum::Router, _p: &Parts) -> axum::Router {
    r
}
