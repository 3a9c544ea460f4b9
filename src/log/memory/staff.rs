//! Tenants, departments and agents in memory.

use async_trait::async_trait;
use uuid::Uuid;

use super::Memory;
use crate::log::{Agent, AgentFilter, Department, Error, Staff};
use crate::model::{TenantId, UserId};

#[async_trait]
impl Staff for Memory {
    async fn tenant(&self, tenant: &TenantId) -> Result<Option<String>, Error> {
        Ok(self.lock().get(tenant).map(|t| t.name.clone()))
    }

    async fn tenant_page(
        &self,
        after: Option<TenantId>,
        limit: usize,
    ) -> Result<Vec<(TenantId, String)>, Error> {
        let tenants = self.lock();
        let later = tenants.iter().filter(|(id, _)| after.as_ref().is_none_or(|a| *id > a));
        let mut found: Vec<_> = later.map(|(id, t)| (id.clone(), t.name.clone())).collect();
        found.sort();
        found.truncate(limit);
        Ok(found)
    }

    async fn department(&self, tenant: &TenantId, id: Uuid) -> Result<Option<Department>, Error> {
        Ok(self.with(tenant, |t| t.departments.get(&id).cloned()))
    }

    async fn department_page(
        &self,
        tenant: &TenantId,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Department>, Error> {
        let is_later = |d: &&Department| after.is_none_or(|after| d.id > after);
        Ok(self.with(tenant, |t| {
            t.departments.values().filter(is_later).take(limit).cloned().collect()
        }))
    }

    async fn agent(&self, tenant: &TenantId, id: &UserId) -> Result<Option<Agent>, Error> {
        Ok(self.with(tenant, |t| t.agents.get(id).cloned()))
    }

    async fn agent_page(
        &self,
        tenant: &TenantId,
        filter: AgentFilter,
    ) -> Result<Vec<Agent>, Error> {
        let AgentFilter { department, after, limit } = filter;
        let is_wanted = |a: &&Agent| {
            after.as_ref().is_none_or(|after| a.id > *after)
                && department.is_none_or(|id| a.departments.contains(&id))
        };
        Ok(self
            .with(tenant, |t| t.agents.values().filter(is_wanted).take(limit).cloned().collect()))
    }

    async fn agents_by_email(&self, email: &str) -> Result<Vec<(TenantId, Agent)>, Error> {
        let tenants = self.lock();
        let has_it =
            |a: &&Agent| a.email.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(email));
        let found = tenants.iter().flat_map(|(tenant, t)| {
            t.agents.values().filter(has_it).map(|a| (tenant.clone(), a.clone()))
        });
        Ok(found.collect())
    }

    async fn is_former_agent(&self, tenant: &TenantId, id: &UserId) -> Result<bool, Error> {
        Ok(self.with(tenant, |t| t.former_agents.contains(id)))
    }
}
