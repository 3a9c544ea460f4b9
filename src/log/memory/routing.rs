//! What routing asks, in memory: by looking at everything.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use super::{Memory, Tenant};
use crate::log::Error;
use crate::log::routing::{AgentWork, Figures, RoutingLog, Starts};
use crate::model::{
    AgentRecord, Conversation, ConversationId, Moment, Status, Stint, StintOutcome, TenantId,
    UserId,
};

#[async_trait]
impl RoutingLog for Memory {
    async fn waiting(&self, tenant: &TenantId) -> Result<Vec<Arc<Conversation>>, Error> {
        let mut found = self.with(tenant, |t| t.of_status(Status::Waiting));
        found.sort_by_key(|c| (c.queued_at, c.id));
        Ok(found)
    }

    async fn serving(
        &self,
        tenant: &TenantId,
    ) -> Result<Vec<(ConversationId, UserId, Option<Uuid>)>, Error> {
        let found = self.with(tenant, |t| t.of_status(Status::Assigned));
        let of = |c: &Arc<Conversation>| Some((c.id, c.agent.clone()?, c.department));
        let mut serving: Vec<_> = found.iter().filter_map(of).collect();
        serving.sort();
        Ok(serving)
    }

    async fn wrapping(
        &self,
        tenant: &TenantId,
        since: Moment,
    ) -> Result<Vec<(UserId, Option<Uuid>, ConversationId, Moment)>, Error> {
        let mut ended = self.with(tenant, |t| {
            let of = |s: &Stint| {
                let ended_at = s.ended_at.filter(|at| *at >= since)?;
                Some((s.agent.clone()?, s.department, s.conversation, ended_at))
            };
            t.stints.values().filter_map(|(stint, _)| of(stint)).collect::<Vec<_>>()
        });
        ended.sort_by_key(|(_, _, conversation, at)| (*at, *conversation));
        Ok(ended)
    }

    async fn agent_work(&self, tenant: &TenantId) -> Result<Vec<AgentWork>, Error> {
        let work = self.with(tenant, |t| {
            let mut work = BTreeMap::new();
            for (stint, _) in t.stints.values() {
                let (Some(agent), Some(at)) = (&stint.agent, stint.assigned_at) else { continue };
                let (assigned, ended) = work.entry(agent.clone()).or_insert((at, None));
                (*assigned, *ended) = ((*assigned).max(at), (*ended).max(stint.ended_at));
            }
            work
        });
        let of = |(agent, (last_assigned_at, last_ended_at))| AgentWork {
            agent,
            last_assigned_at,
            last_ended_at,
        };
        Ok(work.into_iter().map(of).collect())
    }

    async fn starts(&self, tenant: &TenantId, limit: usize) -> Result<Starts, Error> {
        let mut starts = self.with(tenant, |t| {
            let mut starts = BTreeMap::<_, Vec<Moment>>::new();
            for (stint, _) in t.stints.values().filter(|(s, _)| s.queued_at.is_some()) {
                let Some(at) = stint.assigned_at else { continue };
                starts.entry(stint.department).or_default().push(at);
            }
            starts
        });
        for moments in starts.values_mut() {
            moments.sort();
            moments.drain(..moments.len().saturating_sub(limit));
        }
        Ok(starts.into_iter().collect())
    }

    async fn last_agent(
        &self,
        tenant: &TenantId,
        customer: &UserId,
    ) -> Result<Option<UserId>, Error> {
        Ok(self.with(tenant, |t| {
            let stints = t.stints.values().map(|(stint, _)| stint);
            let theirs = stints.filter(|s| s.customer.as_ref() == Some(customer));
            let served = theirs.filter(|s| s.agent.is_some());
            served.max_by_key(|s| s.assigned_at).and_then(|s| s.agent.clone())
        }))
    }

    async fn agent_states(
        &self,
        tenant: &TenantId,
    ) -> Result<Vec<(AgentRecord, Option<Moment>)>, Error> {
        Ok(self.with(tenant, |t| {
            let beat = |record: &AgentRecord| t.beats.get(&record.agent).copied();
            t.agent_states.values().map(|record| (record.clone(), beat(record))).collect()
        }))
    }

    async fn department_alerts(&self, tenant: &TenantId) -> Result<Vec<Uuid>, Error> {
        Ok(self.with(tenant, |t| t.department_alerts.iter().copied().collect()))
    }

    async fn figures(
        &self,
        tenant: &TenantId,
        from: Moment,
        to: Moment,
        service_level_ms: u64,
    ) -> Result<Vec<Figures>, Error> {
        let figures = self.with(tenant, |t| {
            let mut figures = BTreeMap::<_, Figures>::new();
            for (stint, score) in t.stints.values() {
                if (from..to).contains(&stint.began_at) {
                    let of = figures.entry((stint.department, stint.agent.clone())).or_default();
                    of.count(stint, *score, service_level_ms);
                }
            }
            figures
        });
        let named = |((department, agent), of)| Figures { department, agent, ..of };
        Ok(figures.into_iter().map(named).collect())
    }
}

impl Tenant {
    fn of_status(&self, status: Status) -> Vec<Arc<Conversation>> {
        self.conversations.values().filter(|c| c.status == status).cloned().collect()
    }
}

impl Figures {
    fn count(&mut self, stint: &Stint, score: Option<u8>, service_level_ms: u64) {
        let since = |from: Option<Moment>, to: Option<Moment>| Some(to?.ms_since(from?));
        self.entered += u64::from(stint.queued_at.is_some());
        self.abandoned += u64::from(stint.outcome == StintOutcome::Abandoned);
        if let Some(wait) = since(stint.queued_at, stint.assigned_at) {
            self.answered += 1;
            self.answered_in_time += u64::from(wait <= service_level_ms);
            self.wait_ms_sum += wait;
            self.wait_ms_max = self.wait_ms_max.max(wait);
        }
        if let Some(response) = since(stint.assigned_at, stint.answered_at) {
            self.responses += 1;
            self.response_ms_sum += response;
        }
        if let Some(handle) = since(stint.assigned_at, stint.ended_at) {
            self.handled += 1;
            self.handle_ms_sum += handle;
        }
        self.scores += u64::from(score.is_some());
        self.score_sum += u64::from(score.unwrap_or(0));
    }
}
