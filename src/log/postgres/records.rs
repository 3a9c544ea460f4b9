//! What a group of changes only keeps, gathered by its keys: of what is written several times in a
//! group the last counts. Must not know SQL.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::super::{
    Agent, ApiKey, DeliveryTried, Department, Record, Recovery, Webhook, WebhookRead,
};
use super::needs::Of;
use crate::model::{AgentRecord, ConversationId, FaqEntry, Moment, Stint, UserId};

/// `None` is what is gone.
pub(super) type Latest<K, V> = BTreeMap<(Of, K), Option<V>>;

/// See the head of the file.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) session_keys: Vec<(Of, ConversationId, [u8; 32])>,
    pub(super) departments: Latest<Uuid, Department>,
    pub(super) agents: Latest<UserId, Agent>,
    /// `None` for those that are there again.
    pub(super) former_agents: Latest<UserId, Moment>,
    pub(super) api_keys: Vec<(Of, ApiKey)>,
    pub(super) revoked: Vec<(Of, Uuid, Moment)>,
    pub(super) recoveries: BTreeMap<Uuid, (Of, Recovery, Moment)>,
    pub(super) faq: Latest<Uuid, FaqEntry>,
    pub(super) agent_states: BTreeMap<(Of, UserId), AgentRecord>,
    pub(super) beats: BTreeMap<(Of, UserId), Moment>,
    pub(super) alerts: Latest<Uuid, ()>,
    pub(super) delivered: BTreeMap<(Of, UserId), u64>,
    pub(super) read_notices: BTreeMap<(Of, UserId, Uuid), Moment>,
    /// When an agent was given a conversation last, and had one end last.
    pub(super) work: BTreeMap<(Of, UserId), (Moment, Option<Moment>)>,
    pub(super) readers: BTreeMap<(Of, &'static str), u64>,
    /// In order: what comes later builds on what came before.
    pub(super) hooks: Vec<Hook>,
}

/// Something of webhooks.
#[derive(Debug)]
pub(super) enum Hook {
    Put(Of, Webhook),
    Removed(Of, Uuid, Moment),
    Read(Of, WebhookRead),
    /// Of different deliveries.
    Tried(BTreeMap<(Of, Uuid, u64), DeliveryTried>),
    Revived(Of, Uuid, Vec<u64>),
}

impl Records {
    pub(super) fn put(&mut self, of: Of, record: &Record, at: Moment) {
        match record {
            // The tenant's own row has it.
            Record::Tenant(_) => {}
            Record::SessionKey(id, digest) => self.session_keys.push((of, *id, *digest)),
            Record::Department(d) => drop(self.departments.insert((of, d.id), Some(d.clone()))),
            Record::DepartmentRemoved(id) => drop(self.departments.insert((of, *id), None)),
            Record::Agent(agent) => {
                self.former_agents.insert((of, agent.id.clone()), None);
                self.agents.insert((of, agent.id.clone()), Some(agent.clone()));
            }
            Record::AgentRemoved(id) => {
                self.agents.insert((of, id.clone()), None);
                self.former_agents.insert((of, id.clone()), Some(at));
            }
            Record::ApiKey(key) => self.api_keys.push((of, key.clone())),
            Record::ApiKeyRevoked(id) => self.revoked.push((of, *id, at)),
            Record::Recovery(r) => drop(self.recoveries.insert(r.id, (of, r.clone(), at))),
            Record::Faq(entry) => drop(self.faq.insert((of, entry.id), Some(entry.clone()))),
            Record::FaqRemoved(id) => drop(self.faq.insert((of, *id), None)),
            Record::AgentState(state) => {
                self.agent_states.insert((of, state.agent.clone()), state.clone());
            }
            Record::Beats(beats) => {
                let beats = beats.iter().map(|(agent, until)| ((of, agent.clone()), *until));
                self.beats.extend(beats);
            }
            Record::NoticesDelivered(user, through) => {
                let known = self.delivered.entry((of, user.clone())).or_default();
                *known = (*known).max(*through);
            }
            Record::DepartmentAlert(id, stands) => {
                self.alerts.insert((of, *id), stands.then_some(()));
            }
            Record::ReadBy(name, position) => drop(self.readers.insert((of, name), *position)),
            _ => self.put_hook(of, record, at),
        }
    }

    fn put_hook(&mut self, of: Of, record: &Record, at: Moment) {
        let hook = match record {
            Record::Webhook(webhook) => Hook::Put(of, webhook.clone()),
            Record::WebhookRemoved(id) => Hook::Removed(of, *id, at),
            Record::WebhookRead(read) => Hook::Read(of, read.clone()),
            Record::DeliveriesRevived(id, positions) => Hook::Revived(of, *id, positions.clone()),
            Record::DeliveryTried(tried) => {
                let key = (of, tried.webhook, tried.position);
                if let Some(Hook::Tried(known)) = self.hooks.last_mut() {
                    known.insert(key, tried.clone());
                    return;
                }
                Hook::Tried(BTreeMap::from([(key, tried.clone())]))
            }
            _ => return,
        };
        self.hooks.push(hook);
    }

    pub(super) fn read_notice(&mut self, of: Of, user: &UserId, id: Uuid, at: Moment) {
        self.read_notices.insert((of, user.clone(), id), at);
    }

    /// Notes when an agent worked.
    pub(super) fn worked(&mut self, of: Of, stint: &Stint) {
        let (Some(agent), Some(assigned_at)) = (&stint.agent, stint.assigned_at) else { return };
        let known = self.work.entry((of, agent.clone())).or_insert((assigned_at, None));
        known.0 = known.0.max(assigned_at);
        known.1 = known.1.max(stint.ended_at);
    }
}
