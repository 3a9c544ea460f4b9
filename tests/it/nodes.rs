//! Servers of this process that find each other, as nodes do that share a presence. Each keeps its
//! own log and its own users; they know where the others are, and nothing else of them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use switchboard::model::{ConnId, Member, NodeId, Place, TenantId, UserId};
use switchboard::presence::{self, Counts, Entered, Entry, Error, Left, Presence};

use crate::server::Server;

/// Where the nodes are.
#[derive(Clone, Default)]
pub struct Nodes(Arc<Mutex<HashMap<NodeId, String>>>);

impl Nodes {
    /// One more server, which the others find.
    pub async fn start(&self, options: &[(&str, &str)]) -> Server {
        let own = Finding { own: presence::memory(), nodes: self.clone() };
        let server = Server::beside(Arc::new(own), options).await;
        self.set(server.running.app.node, server.addr);
        server
    }

    /// A node that is no server of ours.
    pub fn add(&self, address: SocketAddr) -> NodeId {
        let node = NodeId::random();
        self.set(node, address);
        node
    }

    /// It counts as dead.
    pub fn lose(&self, node: NodeId) {
        self.0.lock().unwrap().remove(&node);
    }

    fn set(&self, node: NodeId, address: SocketAddr) {
        self.0.lock().unwrap().insert(node, address.to_string());
    }
}

/// A presence of one's own that knows where the others are.
struct Finding {
    own: Arc<dyn Presence>,
    nodes: Nodes,
}

#[async_trait]
impl Presence for Finding {
    async fn enter(&self, of: &TenantId, place: Place, entry: Entry) -> Result<Entered, Error> {
        self.own.enter(of, place, entry).await
    }

    async fn leave(
        &self,
        of: &TenantId,
        place: Place,
        user: &UserId,
        conn: ConnId,
    ) -> Result<Left, Error> {
        self.own.leave(of, place, user, conn).await
    }

    async fn remember_leave(
        &self,
        of: &TenantId,
        place: Place,
        user: &UserId,
        away: Duration,
    ) -> Result<(), Error> {
        self.own.remember_leave(of, place, user, away).await
    }

    async fn members(&self, of: &TenantId, place: Place) -> Result<Vec<Member>, Error> {
        self.own.members(of, place).await
    }

    async fn counts(&self) -> Result<Counts, Error> {
        self.own.counts().await
    }

    async fn connections_of(&self, of: &TenantId, user: &UserId) -> Result<usize, Error> {
        self.own.connections_of(of, user).await
    }

    async fn address_of(&self, node: NodeId) -> Result<Option<String>, Error> {
        Ok(self.nodes.0.lock().unwrap().get(&node).cloned())
    }
}
