//! Presence over real servers. Nodes here are real ones in one process, each with a line of its own;
//! killing one is to end what it runs.

mod away;
mod lost;
mod shapes;
mod walks;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::{Settings, Shared};
use crate::model::{Member, NodeId, Place, TenantId};
use crate::presence::contract::{self, entry, somewhere, tenant, user};
use crate::presence::{Entered, Finding, Left, Presence};
use crate::redis::testing::{open as line, settings as server};
use crate::redis::{self, Redis};

const SINGLE: &str = "redis";
const CLUSTER: &str = "redis_cluster";

/// Shorter than any that can be configured, so that tests need not wait for long.
const LEASE: Duration = Duration::from_secs(1);

/// A node, and what it found.
struct Node {
    presence: Arc<Shared>,
    found: mpsc::Receiver<Finding>,
    tending: JoinHandle<()>,
}

/// Nodes that know of each other, and of no others on the same server.
#[derive(Clone)]
struct Cluster {
    server: redis::Settings,
    scope: String,
}

fn settings() -> Settings {
    Settings {
        node: NodeId::random(),
        address: "10.0.0.7:8080".into(),
        lease: LEASE,
        status_ttl: Duration::from_secs(300),
        log: "a log".into(),
        encryption_key: None,
    }
}

impl Cluster {
    fn on(server: redis::Settings) -> Cluster {
        Cluster { server, scope: Uuid::new_v4().to_string() }
    }

    async fn shared(&self, settings: Settings) -> Shared {
        let mut shared = Shared::new(line(&self.server).await, settings).unwrap();
        shared.nodes = format!("sb:nodes:{}", self.scope);
        shared.log = format!("sb:log:{}", self.scope);
        shared
    }

    async fn node(&self) -> Node {
        self.node_with(settings(), 100_000).await
    }

    async fn node_with(&self, settings: Settings, findings: usize) -> Node {
        let presence = Arc::new(self.shared(settings).await);
        presence.begin().await.unwrap();
        let (sender, found) = mpsc::channel(findings);
        let tended = presence.clone();
        let tending = tokio::spawn(async move { tended.tend(sender).await });
        Node { presence, found, tending }
    }
}

impl Node {
    /// From now on it gives no sign of life.
    fn kill(&mut self) {
        self.tending.abort();
    }

    /// It goes on where it was killed.
    fn wake(&mut self) {
        let (sender, found) = mpsc::channel(100_000);
        let tended = self.presence.clone();
        self.found = found;
        self.tending = tokio::spawn(async move { tended.tend(sender).await });
    }

    async fn enter(&self, of: &TenantId, place: Place, name: &str, conn: u64) -> Entered {
        self.presence.enter(of, place, entry(name, conn)).await.unwrap()
    }

    async fn leave(&self, of: &TenantId, place: Place, name: &str, conn: u64) -> Left {
        self.presence.leave(of, place, &user(name), crate::model::ConnId(conn)).await.unwrap()
    }

    /// Everything it found until now.
    fn findings(&mut self) -> Vec<Finding> {
        std::iter::from_fn(|| self.found.try_recv().ok()).collect()
    }

    /// Who was told as left until now, in the order of names; with repeats.
    fn left(&mut self) -> Vec<String> {
        let mut left: Vec<_> = self
            .findings()
            .into_iter()
            .filter_map(|finding| match finding {
                Finding::Left { member, .. } => Some(member.user_id.to_string()),
                _ => None,
            })
            .collect();
        left.sort();
        left
    }

    async fn names(&self, of: &TenantId, place: Place) -> Vec<String> {
        let members = self.presence.members(of, place).await.unwrap_or_default();
        members.into_iter().map(|Member { user_id, .. }| user_id.to_string()).collect()
    }
}

/// Waits until something holds; fails where it does not within the time.
async fn until<F: Future<Output = bool>>(within: Duration, holds: impl Fn() -> F) {
    let waiting = async {
        while !holds().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(within, waiting).await.expect("it did not come about");
}

fn is_first(entered: &Entered) -> bool {
    matches!(entered, Entered::First { .. })
}

/// Makes leaves look older instead of waiting.
struct Aging {
    redis: Arc<Redis>,
    tenant: TenantId,
}

#[async_trait]
impl contract::Clock for Aging {
    async fn pass(&self, time: Duration) {
        let script = crate::redis::Script::new(
            "for _, who in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
               redis.call('ZINCRBY', KEYS[1], -ARGV[1], who)
             end",
        );
        let pattern = format!("sb:away:{{t:{}:*", self.tenant);
        let keys: Vec<String> = self.redis.ask(::redis::cmd("KEYS").arg(pattern)).await.unwrap();
        let by = time.as_millis().to_string();
        for key in keys {
            self.redis.run::<()>(&script, &[&key], &[by.as_bytes()]).await.unwrap();
        }
    }
}

#[tokio::test]
async fn it_keeps_the_contract() {
    for variable in [SINGLE, CLUSTER] {
        let Some(server) = server(variable) else { continue };
        let node = Cluster::on(server.clone()).node().await;
        let tenant = tenant();
        let clock = Aging { redis: line(&server).await, tenant: tenant.clone() };
        contract::suite(&*node.presence, &clock, tenant).await;
    }
}

#[tokio::test]
async fn connections_on_two_nodes_are_one_user() {
    for variable in [SINGLE, CLUSTER] {
        let Some(server) = server(variable) else { continue };
        let (cluster, of, place) = (Cluster::on(server), tenant(), somewhere());
        let (a, b) = (cluster.node().await, cluster.node().await);
        assert!(is_first(&a.enter(&of, place, "u", 1).await));
        // The same number is another connection on another node.
        assert_eq!(b.enter(&of, place, "u", 1).await, Entered::Another);
        let (there, here) = (a.presence.members(&of, place), b.presence.members(&of, place));
        assert_eq!(there.await.unwrap(), here.await.unwrap());
        assert_eq!(a.leave(&of, place, "u", 1).await, Left::NotLast);
        assert_eq!(a.leave(&of, place, "u", 1).await, Left::NotLast);
        assert_eq!(b.names(&of, place).await, ["u"]);
        assert_eq!(b.leave(&of, place, "u", 1).await, Left::Last);
        let back = a.enter(&of, place, "u", 3).await;
        assert!(matches!(back, Entered::First { away_ms: Some(_), .. }), "{back:?}");
        let as_agent = contract::entry("u", 9);
        let as_agent = crate::presence::Entry { role: crate::model::Role::Agent, ..as_agent };
        let refused = b.presence.enter(&of, place, as_agent).await.unwrap();
        assert_eq!(refused, Entered::WithRole(crate::model::Role::Customer));
        assert_eq!(b.presence.counts().await.unwrap(), Default::default());
        a.enter(&of, Place::Tenant, "u", 1).await;
        a.enter(&of, Place::Tenant, "u", 2).await;
        b.enter(&of, Place::Tenant, "u", 1).await;
        assert_eq!(b.presence.connections_of(&of, &user("u")).await.unwrap(), 3);
        let address = b.presence.address_of(a.presence.settings.node).await.unwrap();
        assert_eq!(address.as_deref(), Some("10.0.0.7:8080"));
        assert_eq!(b.presence.address_of(NodeId::random()).await.unwrap(), None);
    }
}

/// Names of so many users, in order.
fn crowd(count: usize) -> Vec<String> {
    let names: BTreeSet<_> = (0..count).map(|number| format!("u{number:05}")).collect();
    names.into_iter().collect()
}
