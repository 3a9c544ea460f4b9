//! The log in this process' memory: the reference the other backends are compared with.

mod hub;
mod lookup;
mod nodes;
mod routing;
mod staff;
mod state;
mod webhooks;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::change;
use super::{
    Agent, ApiKey, Batch, ConversationFilter, Delivery, Department, Error, LeftBehind, Log,
    OpenCall, Outcome, Page, PendingBatch, Reading, RecentLeave, Recovery, Retention, Tail, Told,
    Webhook,
};
use crate::limits::TAIL_COMMITS_MAX;
use crate::model::{
    AgentRecord, Conversation, ConversationId, Cursor, Envelope, ExternalId, FaqEntry, History,
    HistoryRange, Member, Moment, Status, Stint, TenantId, UserId,
};
use lookup::seq_of;

/// A log that is lost with its process.
pub(super) struct Memory {
    tenants: Mutex<Tenants>,
    /// Taken by [`Log::close`].
    tail: Mutex<Option<mpsc::Sender<Told>>>,
}

type Tenants = HashMap<TenantId, Tenant>;

/// One tenant's everything.
#[derive(Clone, Default)]
struct Tenant {
    log: u32,
    head: u64,
    pruned: u64,
    name: String,
    events: BTreeMap<u64, Arc<Envelope>>,
    conversations: HashMap<ConversationId, Arc<Conversation>>,
    external_ids: HashMap<ExternalId, ConversationId>,
    session_keys: HashMap<[u8; 32], ConversationId>,
    known: HashMap<(ConversationId, UserId, String), Arc<Envelope>>,
    read_marks: HashMap<(ConversationId, UserId), u64>,
    members: HashMap<ConversationId, BTreeMap<UserId, Member>>,
    departments: BTreeMap<Uuid, Department>,
    agents: BTreeMap<UserId, Agent>,
    former_agents: HashSet<UserId>,
    api_keys: HashMap<Uuid, ApiKey>,
    recoveries: HashMap<Uuid, (Moment, Recovery)>,
    faq: BTreeMap<Uuid, FaqEntry>,
    stints: BTreeMap<(ConversationId, u32), (Stint, Option<u8>)>,
    agent_states: BTreeMap<UserId, AgentRecord>,
    beats: HashMap<UserId, Moment>,
    department_alerts: BTreeSet<Uuid>,
    posts: HashMap<String, (Moment, [u8; 32], u64)>,
    calls: BTreeMap<String, OpenCall>,
    notices: BTreeMap<(UserId, u64), KnownNotice>,
    webhooks: BTreeMap<Uuid, Webhook>,
    deliveries: BTreeMap<(Uuid, u64), Delivery>,
    readers: HashMap<&'static str, u64>,
}

/// What is known of a user's notification.
#[derive(Clone)]
struct KnownNotice {
    id: Uuid,
    is_delivered: bool,
    read_at: Option<Moment>,
}

impl Memory {
    /// An empty log and its tail.
    pub(super) fn open() -> (Memory, Tail) {
        let (sender, tail) = mpsc::channel(TAIL_COMMITS_MAX);
        (Memory { tenants: Mutex::default(), tail: Mutex::new(Some(sender)) }, tail)
    }

    fn lock(&self) -> MutexGuard<'_, Tenants> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks something up in a tenant; an unknown tenant has nothing.
    fn with<T: Default>(&self, tenant: &TenantId, f: impl FnOnce(&Tenant) -> T) -> T {
        self.lock().get(tenant).map(f).unwrap_or_default()
    }
}

#[async_trait]
impl Log for Memory {
    async fn append_batch(&self, tenant: &TenantId, batch: Batch) -> Result<PendingBatch, Error> {
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let tail = tail.ok_or_else(|| Error::failed("the log is closed"))?;
        // Room in the tail first, so that the order of the tail is the order of the log.
        let permit = tail.reserve().await.map_err(Error::failed)?;
        let (answer, pending) = oneshot::channel();
        let kept = {
            let mut tenants = self.lock();
            let state = tenants.entry(tenant.clone()).or_insert_with(|| Tenant {
                log: Uuid::new_v4().as_fields().0,
                name: tenant.to_string(),
                ..Tenant::default()
            });
            let kept = change::carry_out_batch(state, tenant, batch, Moment::now());
            if let Ok(kept) = &kept {
                let told = |o: &Outcome| match o {
                    Outcome::Kept(envelope) => Some(envelope.clone()),
                    Outcome::Known(_) | Outcome::Unchanged | Outcome::Repeated(_) => None,
                };
                let events = kept.changes.iter().flatten().flatten().filter_map(told).collect();
                permit.send(Told::Events { events, is_own: true });
            }
            kept
        };
        // The receiver is in our hands, so it cannot be gone.
        let _ = answer.send(kept);
        Ok(PendingBatch(pending))
    }

    async fn head(&self, tenant: &TenantId) -> Result<Cursor, Error> {
        let tenants = self.lock();
        let found = tenants.get(tenant).map(|t| Cursor { log: t.log, position: t.head });
        Ok(found.unwrap_or(Cursor { log: 0, position: 0 }))
    }

    async fn pruned_through(&self, tenant: &TenantId) -> Result<u64, Error> {
        Ok(self.with(tenant, |t| t.pruned))
    }

    async fn read(
        &self,
        tenant: &TenantId,
        reading: Reading,
        after: u64,
        limit: usize,
    ) -> Result<Page, Error> {
        Ok(self.with(tenant, |t| {
            let wanted = t.events.range(after + 1..).filter(|(_, e)| reading.takes(e));
            let events: Vec<_> = wanted.take(limit).map(|(_, e)| e.clone()).collect();
            Page { is_end: events.len() < limit, events }
        }))
    }

    async fn read_latest(
        &self,
        tenant: &TenantId,
        reading: Reading,
        limit: usize,
    ) -> Result<Page, Error> {
        Ok(self.with(tenant, |t| {
            let wanted = t.events.values().rev().filter(|e| reading.takes(e));
            let mut events: Vec<_> = wanted.take(limit).cloned().collect();
            events.reverse();
            Page { events, is_end: true }
        }))
    }

    async fn position_at(&self, tenant: &TenantId, at: Moment) -> Result<u64, Error> {
        Ok(self.with(tenant, |t| {
            t.events.iter().take_while(|(_, e)| e.at < at).last().map_or(0, |(p, _)| *p)
        }))
    }

    async fn position_of(
        &self,
        tenant: &TenantId,
        conversation: ConversationId,
        seq: u64,
    ) -> Result<Option<u64>, Error> {
        Ok(self.with(tenant, |t| {
            let is_it = |e: &&Arc<Envelope>| {
                e.event.conversation() == Some(conversation) && seq_of(e) == Some(seq)
            };
            t.events.values().find(is_it).map(|e| e.position())
        }))
    }

    async fn messages(
        &self,
        tenant: &TenantId,
        conversation: ConversationId,
        range: HistoryRange,
    ) -> Result<History, Error> {
        Ok(self.with(tenant, |t| t.messages(conversation, range)))
    }

    async fn conversation(
        &self,
        tenant: &TenantId,
        id: ConversationId,
    ) -> Result<Option<Arc<Conversation>>, Error> {
        Ok(self.with(tenant, |t| t.conversations.get(&id).cloned()))
    }

    async fn conversation_by_external_id(
        &self,
        tenant: &TenantId,
        id: &ExternalId,
    ) -> Result<Option<ConversationId>, Error> {
        Ok(self.with(tenant, |t| t.external_ids.get(id).copied()))
    }

    async fn conversation_by_session_key(
        &self,
        digest: &[u8; 32],
    ) -> Result<Option<(TenantId, ConversationId)>, Error> {
        let tenants = self.lock();
        let mut found = tenants
            .iter()
            .filter_map(|(tenant, t)| t.session_keys.get(digest).map(|id| (tenant.clone(), *id)));
        Ok(found.next())
    }

    async fn conversations(
        &self,
        tenant: &TenantId,
        filter: ConversationFilter,
    ) -> Result<Vec<Arc<Conversation>>, Error> {
        Ok(self.with(tenant, |t| t.conversations(&filter)))
    }

    async fn assigned_to(
        &self,
        tenant: &TenantId,
        agent: &UserId,
        limit: usize,
    ) -> Result<Vec<ConversationId>, Error> {
        Ok(self.with(tenant, |t| {
            let has = |c: &&Arc<Conversation>| {
                c.status == Status::Assigned && c.agent.as_ref() == Some(agent)
            };
            t.conversations.values().filter(has).take(limit).map(|c| c.id).collect()
        }))
    }

    async fn end_recoveries(&self, at: Moment) -> Result<(), Error> {
        for tenant in self.lock().values_mut() {
            for (_, known) in tenant.recoveries.values_mut() {
                known.ended_at = known.ended_at.or(Some(at));
            }
        }
        Ok(())
    }

    async fn recovery(&self, tenant: &TenantId, id: Uuid) -> Result<Option<Recovery>, Error> {
        Ok(self.with(tenant, |t| t.recoveries.get(&id).map(|(_, found)| found.clone())))
    }

    async fn left_behind(&self) -> Result<Vec<LeftBehind>, Error> {
        let tenants = self.lock();
        let found = tenants.iter().flat_map(|(tenant, t)| {
            t.members.iter().flat_map(move |(conversation, members)| {
                members.values().map(move |member| LeftBehind {
                    tenant: tenant.clone(),
                    conversation: *conversation,
                    member: member.clone(),
                })
            })
        });
        Ok(found.collect())
    }

    async fn recent_leaves(&self, since: Moment) -> Result<Vec<RecentLeave>, Error> {
        let tenants = self.lock();
        let events = tenants.values().flat_map(|t| t.events.values());
        Ok(events.filter(|e| e.at >= since).filter_map(|e| RecentLeave::of(e)).collect())
    }

    async fn with_the_bot(&self) -> Result<Vec<(TenantId, ConversationId)>, Error> {
        let tenants = self.lock();
        let found = tenants.iter().flat_map(|(tenant, t)| {
            let its = t.conversations.values().filter(|c| c.status == Status::Bot);
            its.map(|c| (tenant.clone(), c.id))
        });
        Ok(found.collect())
    }

    async fn message_known_as(
        &self,
        tenant: &TenantId,
        conversation: ConversationId,
        sender: &UserId,
        client_id: &str,
    ) -> Result<Option<Arc<Envelope>>, Error> {
        let key = (conversation, sender.clone(), client_id.to_owned());
        Ok(self.with(tenant, |t| t.known.get(&key).cloned()))
    }

    async fn faq_entry(&self, tenant: &TenantId, id: Uuid) -> Result<Option<FaqEntry>, Error> {
        Ok(self.with(tenant, |t| t.faq.get(&id).cloned()))
    }

    async fn faq_entries(
        &self,
        tenant: &TenantId,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<FaqEntry>, Error> {
        let after = after.unwrap_or_default();
        let is_later = |entry: &&FaqEntry| entry.id > after;
        Ok(self.with(tenant, |t| t.faq.values().filter(is_later).take(limit).cloned().collect()))
    }

    async fn faq_count(&self, tenant: &TenantId) -> Result<usize, Error> {
        Ok(self.with(tenant, |t| t.faq.len()))
    }

    async fn search_faq(
        &self,
        tenant: &TenantId,
        words: Vec<String>,
        limit: usize,
    ) -> Result<Vec<FaqEntry>, Error> {
        Ok(self.with(tenant, |t| t.search_faq(&words, limit)))
    }

    async fn api_key(&self, digest: &[u8; 32]) -> Result<Option<(TenantId, ApiKey)>, Error> {
        let tenants = self.lock();
        let mut found = tenants.iter().filter_map(|(tenant, t)| {
            let key = t.api_keys.values().find(|k| k.digest == *digest)?;
            Some((tenant.clone(), key.clone()))
        });
        Ok(found.next())
    }

    async fn api_keys(&self, tenant: &TenantId) -> Result<Vec<ApiKey>, Error> {
        let mut keys: Vec<_> = self.with(tenant, |t| t.api_keys.values().cloned().collect());
        keys.sort_by_key(|k: &ApiKey| k.created_at);
        Ok(keys)
    }

    async fn prune(&self, retention: Retention) -> Result<u64, Error> {
        Ok(self.lock().values_mut().map(|t| t.prune(retention)).sum())
    }

    async fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn close(&self) {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

#[cfg(test)]
mod tests {
    use super::super::contract;
    use super::*;

    #[tokio::test]
    async fn it_keeps_the_contract() {
        let (log, tail) = Memory::open();
        contract::suite(contract::Subject { log: Arc::new(log), tail }).await;
    }
}
