//! What is asked of the log about tenants and those who work for them. A part of
//! [`Log`](super::Log), apart from it because it is administration: nothing here is an event.

use async_trait::async_trait;
use uuid::Uuid;

use super::{Agent, Department, Error};
use crate::model::{TenantId, UserId};

/// Which agents a list shows.
#[derive(Clone, Debug)]
pub struct AgentFilter {
    /// Only those of this department.
    pub department: Option<Uuid>,
    /// Only those behind this one, in the order of their ids.
    pub after: Option<UserId>,
    /// At most so many.
    pub limit: usize,
}

/// Tenants, departments and agents. Pages are in the order of the ids.
#[async_trait]
pub trait Staff: Send + Sync + 'static {
    /// A tenant's name; `None` for an unknown tenant.
    async fn tenant(&self, tenant: &TenantId) -> Result<Option<String>, Error>;

    /// A page of all tenants, each with its name.
    async fn tenant_page(
        &self,
        after: Option<TenantId>,
        limit: usize,
    ) -> Result<Vec<(TenantId, String)>, Error>;

    /// All tenants, each with its name.
    async fn tenants(&self) -> Result<Vec<(TenantId, String)>, Error> {
        self.tenant_page(None, usize::MAX).await
    }

    /// A department.
    async fn department(&self, tenant: &TenantId, id: Uuid) -> Result<Option<Department>, Error>;

    /// A page of a tenant's departments.
    async fn department_page(
        &self,
        tenant: &TenantId,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Department>, Error>;

    /// All departments of a tenant.
    async fn departments(&self, tenant: &TenantId) -> Result<Vec<Department>, Error> {
        self.department_page(tenant, None, usize::MAX).await
    }

    /// A local user by id.
    async fn agent(&self, tenant: &TenantId, id: &UserId) -> Result<Option<Agent>, Error>;

    /// A page of a tenant's local users.
    async fn agent_page(&self, tenant: &TenantId, filter: AgentFilter)
    -> Result<Vec<Agent>, Error>;

    /// All local users of a tenant, disabled ones and admins included.
    async fn agents(&self, tenant: &TenantId) -> Result<Vec<Agent>, Error> {
        let all = AgentFilter { department: None, after: None, limit: usize::MAX };
        self.agent_page(tenant, all).await
    }

    /// Local users by e-mail address, in either case, of any tenant; for login, which names none.
    async fn agents_by_email(&self, email: &str) -> Result<Vec<(TenantId, Agent)>, Error>;

    /// Whether there was a local user of this id who was removed.
    async fn is_former_agent(&self, tenant: &TenantId, id: &UserId) -> Result<bool, Error>;
}
