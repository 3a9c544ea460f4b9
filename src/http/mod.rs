//! HTTP: the listeners, and REST with a file per resource (contract 8). A handler reads, calls a
//! verb of `app`, and writes; every rule is in `app`.
//!
//! To add an endpoint: its handler with `#[utoipa::path]` in the file of its resource, a line in
//! `identified` or `anonymous`, and a row in `tests/described.rs`.

mod agent_status;
mod agents;
mod answer;
pub mod asyncapi;
mod audit;
mod auth;
mod bot;
mod caller;
pub mod catalogue;
mod connections;
mod cookies;
mod deliveries;
mod departments;
mod events;
mod faq;
mod health;
mod hub;
mod keys;
pub mod listen;
mod messages;
pub mod openapi;
mod outer;
pub mod pages;
mod reports;
mod routing;
mod sessions;
mod status;
mod tenants;
#[cfg(test)]
mod tests;
pub mod tls;
mod users;
mod webhooks;
mod work;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use axum::Router;
use axum::middleware::from_fn_with_state;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::door::Origins;
use crate::model::{ConnectionInfo, Error, TenantId, UserId};

pub use outer::outer;

/// What the routes need. Cheap to clone.
#[derive(Clone)]
pub struct Parts {
    /// The verbs.
    pub app: App,
    /// The origins whose pages may come in.
    pub origins: Origins,
    /// What `/ready` says.
    pub readiness: Readiness,
    /// What is known of the open sockets.
    pub sockets: Arc<dyn Sockets>,
}

/// The open sockets, as `server.rs` shows them to REST: their layer is this one's peer.
#[async_trait]
pub trait Sockets: Send + Sync {
    /// A tenant's connections, on whatever node.
    ///
    /// # Errors
    /// 500 while the other nodes cannot be asked.
    async fn of_tenant(&self, tenant: &TenantId) -> Result<Vec<ConnectionInfo>, Error>;

    /// Puts one of them out; false if there is none of that number.
    async fn kick(&self, tenant: &TenantId, connection_id: &str) -> bool;

    /// Puts out every one of an agent or admin that may not be here any more.
    fn put_out(&self, tenant: &TenantId, staff: &UserId);
}

impl Parts {
    /// How many entries a page has of which `asked` are asked for.
    fn page_of(&self, asked: Option<u64>) -> usize {
        let limits = &self.app.config.limits;
        let asked = asked.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        asked.unwrap_or(limits.history_page).clamp(1, limits.history_page_max)
    }
}

/// Whether the server wants new clients. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    is_draining: Arc<AtomicBool>,
}

impl Readiness {
    /// From now on no new clients are wanted.
    pub fn set_draining(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    /// Whether new clients are welcome.
    pub fn is_ready(&self) -> bool {
        !self.is_draining.load(Ordering::Relaxed)
    }
}

/// Every route but the sockets', without the outer layers.
pub fn router(parts: Parts) -> Router {
    let (identified, _) = identified().split_for_parts();
    let (anonymous, _) = anonymous().split_for_parts();
    let (operations, _) = operations().split_for_parts();
    identified
        .route_layer(from_fn_with_state(parts.clone(), caller::identify))
        .merge(anonymous.route_layer(from_fn_with_state(parts.clone(), caller::count)))
        .merge(operations)
        .merge(pages::router(&parts.origins.frame_ancestors()))
        .with_state(parts)
}

/// What is asked by somebody, and counted as its.
fn identified() -> OpenApiRouter<Parts> {
    OpenApiRouter::default()
        .routes(routes!(status::connection_status))
        .routes(routes!(status::flight_recorder))
        .routes(routes!(sessions::list))
        .routes(routes!(work::assign))
        .routes(routes!(work::transfer))
        .routes(routes!(work::close))
        .routes(routes!(work::reopen))
        .routes(routes!(work::rate))
        .routes(routes!(routing::require))
        .routes(routes!(routing::decline))
        .routes(routes!(routing::decisions))
        .routes(routes!(agent_status::heartbeat))
        .routes(routes!(agent_status::online))
        .routes(routes!(agent_status::department))
        .routes(routes!(agent_status::agent))
        .routes(routes!(agent_status::stats))
        .routes(routes!(agent_status::offline))
        .routes(routes!(messages::list, messages::send))
        .routes(routes!(bot::ask))
        .routes(routes!(auth::refresh))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .routes(routes!(faq::list, faq::create))
        .routes(routes!(faq::show, faq::update, faq::remove))
        .routes(routes!(departments::list, departments::create))
        .routes(routes!(departments::show, departments::update, departments::remove))
        .routes(routes!(agents::list, agents::create))
        .routes(routes!(agents::show, agents::update, agents::remove))
        .routes(routes!(tenants::list, tenants::create))
        .routes(routes!(tenants::show, tenants::update))
        .routes(routes!(connections::list))
        .routes(routes!(connections::kick))
        .routes(routes!(audit::list))
        .routes(routes!(reports::departments))
        .routes(routes!(reports::agents))
        .routes(routes!(users::notify))
        .routes(routes!(events::post))
        .routes(routes!(hub::stats))
        .routes(routes!(hub::online))
        .routes(routes!(hub::notifications))
        .routes(routes!(hub::read))
        .routes(routes!(webhooks::list, webhooks::create))
        .routes(routes!(webhooks::show, webhooks::update, webhooks::remove))
        .routes(routes!(webhooks::rotate))
        .routes(routes!(webhooks::test))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::replay_one))
        .routes(routes!(deliveries::replay))
}

/// What is asked by nobody yet, and counted as its address's.
fn anonymous() -> OpenApiRouter<Parts> {
    OpenApiRouter::default()
        .routes(routes!(sessions::start))
        .routes(routes!(auth::login))
        .routes(routes!(auth::logout))
        .routes(routes!(health::about))
}

/// What is not counted: for machines that watch the server, and the description of it all.
fn operations() -> OpenApiRouter<Parts> {
    OpenApiRouter::default()
        .routes(routes!(health::health))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
        .routes(routes!(openapi::show))
        .routes(routes!(asyncapi::show))
}
