//! Agents and departments as administration changes them, and telling the others what an agent is.

use uuid::Uuid;

use super::super::App;
use super::super::agents::AgentView;
use super::super::staff::{StaffChange, policy_of};
use super::Desk;
use super::restore::agent_setup;
use crate::limits::PRESENCE_CONVERSATIONS_MAX;
use crate::log::{self, Agent};
use crate::model::{AgentStatus, Event, PresenceChanged, Role, TenantId, UserId};
use crate::routing::{AgentState, Input};

impl App {
    /// Tells the engine what administration changed; it is in the log already.
    pub(in crate::app) async fn staff_changed(&self, tenant: &TenantId, change: &StaffChange) {
        // Two changes at once are read in one order and taken in in the same.
        let _order = self.0.router.staff.lock().await;
        let input = match change {
            StaffChange::Agent(id) => self.agent_input(tenant, id).await,
            StaffChange::AgentRemoved(id) => Ok(Some(Input::AgentGone(id.clone()))),
            StaffChange::Department(id) => self.department_input(tenant, *id).await,
            StaffChange::DepartmentRemoved(id) => Ok(Some(Input::DepartmentGone(*id))),
        };
        match input {
            Ok(input) => self.route_all(tenant, input, None),
            Err(err) => {
                self.metrics.faults_total.inc();
                tracing::error!(error = %err, ?change, "routing goes on with what it knew before");
            }
        }
    }

    async fn agent_input(
        &self,
        tenant: &TenantId,
        id: &UserId,
    ) -> Result<Option<Input>, log::Error> {
        let Some(agent) = self.log.agent(tenant, id).await? else { return Ok(None) };
        self.0.router.lock().desk(tenant, self).note_agent(&agent);
        Ok(Some(Input::Agent(agent_setup(agent))))
    }

    async fn department_input(
        &self,
        tenant: &TenantId,
        id: Uuid,
    ) -> Result<Option<Input>, log::Error> {
        let Some(department) = self.log.department(tenant, id).await? else { return Ok(None) };
        let policy = policy_of(&department);
        let name = department.name;
        self.0.router.lock().desk(tenant, self).departments.insert(id, name.as_str().into());
        Ok(Some(Input::Department { id, name, policy, is_empty: None }))
    }

    /// Whether an agent is disabled; `None` for one that routing does not know.
    pub(in crate::app) fn is_disabled(&self, tenant: &TenantId, agent: &UserId) -> Option<bool> {
        self.ask_engine(tenant, |engine, _| engine.is_disabled(agent)).flatten()
    }

    /// What a user is that has a status; `None` for customers and programs.
    pub(in crate::app) fn status_of(
        &self,
        tenant: &TenantId,
        user: &UserId,
    ) -> Option<AgentStatus> {
        self.ask_engine(tenant, |engine, now| engine.agent(now, user).map(|a| a.status)).flatten()
    }

    /// Tells an agent's status, if it was told another one before.
    pub(super) async fn tell_change(&self, state: &AgentState, tenant: &TenantId) {
        let (agent, status) = (&state.agent, state.status);
        let told = self.0.router.lock().desk(tenant, self).told.get(agent).copied();
        if told.unwrap_or(AgentStatus::Offline) != status {
            self.tell_status(tenant, agent, status, Role::Agent).await;
        }
    }

    /// Tells a user's status to whoever works with it (contract 6, `presence_update`).
    pub(in crate::app) async fn tell_status(
        &self,
        tenant: &TenantId,
        user: &UserId,
        status: AgentStatus,
        role: Role,
    ) {
        let conversations = match role {
            Role::Agent | Role::Admin => {
                self.0.router.lock().desk(tenant, self).told.insert(user.clone(), status);
                let limit = PRESENCE_CONVERSATIONS_MAX;
                let found = self.log.assigned_to(tenant, user, limit).await;
                // Its customers are not told then; they would not be by a slow line either.
                found.map_err(|e| self.fault(e)).unwrap_or_default()
            }
            _ => vec![],
        };
        let changed = PresenceChanged { user_id: user.clone(), status, conversations };
        self.publish(tenant, Event::PresenceChanged(changed));
    }
}

impl Desk {
    pub(super) fn note_agent(&mut self, agent: &Agent) {
        match &agent.email {
            Some(email) => self.emails.insert(agent.id.clone(), email.as_str().into()),
            None => self.emails.remove(&agent.id),
        };
    }

    /// An agent with what the engine does not know of it.
    pub(in crate::app) fn view(&self, state: AgentState) -> AgentView {
        let first = state.departments.first();
        let department = first.and_then(|id| Some((*id, self.departments.get(id)?.clone())));
        AgentView { email: self.emails.get(&state.agent).cloned(), department, state }
    }
}

/// Agents are found by their ids in 001's endpoints and in routing, and those are UUIDs (contract
/// 1). Admins are there to watch, and are never routed to.
pub(super) fn is_routable(agent: &Agent) -> bool {
    agent.role == Role::Agent && Uuid::try_parse(agent.id.as_str()).is_ok()
}
