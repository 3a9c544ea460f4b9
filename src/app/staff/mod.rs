//! Administration: tenants, their departments and those who work for them (contract 8).
//!
//! Every act is checked, then kept together with its audit entry, then told to whoever routes by
//! [`App::staff_changed`]. What a routing policy means is `crate::routing`'s.

mod agents;
mod departments;
mod fields;
mod policy;
mod tenants;

use tokio::sync::MutexGuard;
use uuid::Uuid;

use super::App;
use super::audit::audit_entry;
use crate::log::{Change, Record};
use crate::model::{Error, Identity, TenantId, UserId};

pub use agents::{AgentChange, NewAgent};
pub use departments::{DepartmentChange, NewDepartment};
pub(super) use fields::checked_words;
pub use fields::is_email;
pub use policy::policy_of;
pub use tenants::Tenant;

/// What is different among those who work for a tenant. The log has it already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StaffChange {
    /// An agent or admin is new or changed.
    Agent(UserId),
    /// An agent or admin is gone.
    AgentRemoved(UserId),
    /// A department is new or changed.
    Department(Uuid),
    /// A department is gone; no conversation waited in it and no agent worked in it.
    DepartmentRemoved(Uuid),
}

impl App {
    /// What reads a tenant's staff before it changes it does so one at a time.
    pub(super) async fn staff_turn(&self, tenant: &TenantId) -> MutexGuard<'_, ()> {
        self.order_of(tenant, "staff").lock().await
    }

    /// Keeps an act with its audit entry, and tells of it.
    async fn keep_staff(
        &self,
        who: &Identity,
        action: &str,
        record: Record,
        change: StaffChange,
    ) -> Result<(), Error> {
        let target = match &change {
            StaffChange::Agent(id) | StaffChange::AgentRemoved(id) => id.to_string(),
            StaffChange::Department(id) | StaffChange::DepartmentRemoved(id) => id.to_string(),
        };
        let events = vec![audit_entry(who, action, Some(target))];
        let kept = self.log.commit(&who.tenant, Change::new(events, vec![record])).await;
        kept.map_err(|e| self.fault(e))?;
        self.staff_changed(&who.tenant, &change).await;
        Ok(())
    }
}

fn conflict<T>(message: impl Into<String>) -> Result<T, Error> {
    Err(Error::Conflict { message: message.into(), holder: None })
}
