//! The line between nodes: from what the broker hears to those whom it concerns.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio::time::timeout;
use uuid::Uuid;

use crate::app::App;
use crate::broker::{Broker, Heard, Word};
use crate::http::Sockets;
use crate::limits::{LIVE_COPIES_MAX, NODES_ANSWER_TIMEOUT};
use crate::log::{Copied, LiveCopy};
use crate::model::{ConnectionInfo, Error, TenantId, UserId};
use crate::wire::Registry;

/// Connections of this node and, by asking, of the others.
#[derive(Clone)]
pub(super) struct AllSockets {
    here: Registry,
    app: App,
    questions: Questions,
}

/// Questions to other nodes that wait for answers.
#[derive(Clone, Default)]
pub(super) struct Questions(Arc<Mutex<HashMap<Uuid, mpsc::Sender<Vec<ConnectionInfo>>>>>);

impl Questions {
    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, mpsc::Sender<Vec<ConnectionInfo>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, question: Uuid, connections: Vec<ConnectionInfo>) {
        if let Some(sender) = self.lock().get(&question) {
            // One answer too many is of a node that nobody knew of.
            let _ = sender.try_send(connections);
        }
    }
}

impl AllSockets {
    pub(super) fn new(here: Registry, app: App, questions: Questions) -> AllSockets {
        AllSockets { here, app, questions }
    }

    /// What the other nodes answer in time. One that does not is missing from a list that was old
    /// when it was shown.
    async fn of_others(&self, tenant: &TenantId) -> Vec<ConnectionInfo> {
        let others = self.app.presence.nodes().await.unwrap_or(1).saturating_sub(1);
        let mut found = Vec::new();
        if others == 0 || !self.app.broker.is_shared() {
            return found;
        }
        let question = Uuid::new_v4();
        let (sender, mut answers) = mpsc::channel(others);
        self.questions.lock().insert(question, sender);
        self.app.broker.tell(Word::WhoIsConnected { tenant: tenant.clone(), question });
        let all = async {
            for _ in 0..others {
                found.extend(answers.recv().await.unwrap_or_default());
            }
        };
        let _ = timeout(NODES_ANSWER_TIMEOUT, all).await;
        self.questions.lock().remove(&question);
        found
    }
}

#[async_trait]
impl Sockets for AllSockets {
    async fn of_tenant(&self, tenant: &TenantId) -> Result<Vec<ConnectionInfo>, Error> {
        if self.app.broker.is_shared() && !self.app.presence.is_up() {
            return Err(Error::PresenceUnavailable);
        }
        let mut found = self.here.of_tenant(tenant);
        found.extend(self.of_others(tenant).await);
        Ok(found)
    }

    async fn kick(&self, tenant: &TenantId, connection_id: &str) -> bool {
        if self.here.kick(tenant, connection_id) {
            return true;
        }
        let others = self.of_others(tenant).await;
        let is_there = others.iter().any(|c| c.connection_id == connection_id);
        if is_there {
            self.app.broker.tell(Word::Kick(tenant.clone(), connection_id.to_owned()));
        }
        is_there
    }

    fn put_out(&self, tenant: &TenantId, staff: &UserId) {
        self.here.put_out(tenant, staff);
        self.app.broker.tell(Word::PutOut(tenant.clone(), staff.clone()));
    }
}

/// The log's end of the line, and the two ends for whoever carries words.
pub(super) fn live_copy() -> (LiveCopy, mpsc::Receiver<Copied>, mpsc::Sender<Copied>) {
    let (outgoing, committed) = mpsc::channel(LIVE_COPIES_MAX);
    let (copied, incoming) = mpsc::channel(LIVE_COPIES_MAX);
    (LiveCopy { outgoing, incoming }, committed, copied)
}

/// Tells the others what this node commits. Ends with the log.
pub(super) async fn tell(broker: Arc<dyn Broker>, mut committed: mpsc::Receiver<Copied>) {
    while let Some(Copied { events, staff }) = committed.recv().await {
        broker.tell(Word::Committed { events, staff });
    }
}

/// Brings what others tell to those whom it concerns. Ends with the broker.
pub(super) async fn hear(
    app: App,
    registry: Registry,
    questions: Questions,
    mut heard: Heard,
    copied: Option<mpsc::Sender<Copied>>,
) {
    while let Some(word) = heard.recv().await {
        match word {
            Word::Committed { events, staff } => {
                if let Some(copied) = &copied {
                    // Whatever has no room is read from the log.
                    let _ = copied.try_send(Copied { events, staff });
                }
            }
            Word::Volatile(envelope) => app.hear_volatile(envelope),
            Word::Agent { tenant, agent, news } => app.hear_of_agent(&tenant, agent, news),
            Word::Kick(tenant, connection) => {
                registry.kick(&tenant, &connection);
            }
            Word::PutOut(tenant, staff) => registry.put_out(&tenant, &staff),
            Word::WhoIsConnected { tenant, question } => {
                let connections = registry.of_tenant(&tenant);
                app.broker.tell(Word::Connected { question, connections });
            }
            Word::Connected { question, connections } => questions.answer(question, connections),
        }
    }
}
