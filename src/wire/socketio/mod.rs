//! stub
use super::Door;
use axum::Router;
/// The dialect's one route.
pub fn router(_door: Door) -> Router {
    Router::new()
}
