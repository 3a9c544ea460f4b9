//! Agents and departments as administration changes them, and telling the others what an agent is.

use tokio::time::sleep;
use uuid::Uuid;

use super::super::App;
use super::super::agents::AgentView;
use super::super::staff::{StaffChange, policy_of};
use super::Floor;
use super::restore::agent_setup;
use crate::limits::{OWED_RETRY_INTERVAL, PRESENCE_CONVERSATIONS_MAX};
use crate::log::{self, Agent};
use crate::model::{AgentStatus, ConversationId, Event, PresenceChanged, Role, TenantId, UserId};
use crate::routing::{AgentState, Input};

impl App {
    /// Tells the engine what administration changed; it is in the log already.
    pub(in crate::app) async fn staff_changed(&self, tenant: &TenantId, change: &StaffChange) {
        // Two changes at once are read in one order and taken in in the same.
        let _order = self.0.router.staff.lock().await;
        loop {
            let input = match change {
                StaffChange::Agent(id) => self.agent_input(tenant, id).await,
                StaffChange::AgentRemoved(id) => {
                    self.0.router.lock().floor(tenant, self).lines.forget(id);
                    Ok(Some(Input::AgentGone(id.clone())))
                }
                StaffChange::Department(id) => self.department_input(tenant, *id).await,
                StaffChange::DepartmentRemoved(id) => Ok(Some(Input::DepartmentGone(*id))),
            };
            match input {
                Ok(input) => {
                    let calls = self.calls_of(tenant, change);
                    return self.route_all(tenant, input.into_iter().chain(calls), None);
                }
                Err(err) => {
                    tracing::warn!(error = %err, ?change, "routing does not know of it yet");
                    sleep(OWED_RETRY_INTERVAL).await;
                }
            }
        }
    }

    async fn agent_input(
        &self,
        tenant: &TenantId,
        id: &UserId,
    ) -> Result<Option<Input>, log::Error> {
        let Some(agent) = self.log.agent(tenant, id).await? else { return Ok(None) };
        self.0.router.lock().floor(tenant, self).note_agent(&agent);
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
        self.0.router.lock().floor(tenant, self).departments.insert(id, name.as_str().into());
        Ok(Some(Input::Department { id, name, policy, is_empty: None }))
    }

    /// Whether an agent is disabled; `None` for one that routing does not know.
    pub(in crate::app) fn is_disabled(&self, tenant: &TenantId, agent: &UserId) -> Option<bool> {
        self.ask_engine(tenant, |engine, _| engine.is_disabled(agent)).flatten()
    }

    /// Another node told what somebody is.
    pub(in crate::app) fn note_told(&self, tenant: &TenantId, user: &UserId, status: AgentStatus) {
        let mut state = self.0.router.lock();
        let floor = state.floor(tenant, self);
        if floor.engine.is_disabled(user).is_some() {
            floor.told.insert(user.clone(), status);
        }
    }

    /// The tenants that routing knows.
    pub(in crate::app) fn floors(&self) -> Vec<TenantId> {
        self.0.router.lock().tenants.keys().cloned().collect()
    }

    /// Tells what an agent is, if it was told to be something else.
    pub(super) async fn tell_change(&self, agent: &UserId, tenant: &TenantId) {
        let conversations = self.conversations_of(tenant, agent).await;
        let mut state = self.0.router.lock();
        let now = self.0.router.clock.now();
        let floor = state.floor(tenant, self);
        let Some(status) = floor.engine.agent(now, agent).map(|a| a.status) else { return };
        if floor.told.insert(agent.clone(), status).unwrap_or(AgentStatus::Offline) != status {
            self.tell_status(tenant, agent, status, conversations);
        }
    }

    /// Tells that a user came or went (contract 6, `presence_update`): an agent as what it is,
    /// anybody else as there or not.
    pub(in crate::app) async fn tell_presence_of(
        &self,
        tenant: &TenantId,
        user: &UserId,
        role: Role,
        is_here: bool,
    ) {
        let plain = if is_here { AgentStatus::Online } else { AgentStatus::Offline };
        let is_staff = matches!(role, Role::Agent | Role::Admin);
        let conversations =
            if is_staff { self.conversations_of(tenant, user).await } else { vec![] };
        let mut state = self.0.router.lock();
        let now = self.0.router.clock.now();
        let floor = state.floor(tenant, self);
        let known = floor.engine.agent(now, user).map(|agent| agent.status);
        if let Some(status) = known {
            floor.told.insert(user.clone(), status);
        }
        self.tell_status(tenant, user, known.unwrap_or(plain), conversations);
    }

    async fn conversations_of(&self, tenant: &TenantId, agent: &UserId) -> Vec<ConversationId> {
        let found = self.log.assigned_to(tenant, agent, PRESENCE_CONVERSATIONS_MAX).await;
        // Its customers are not told then; they would not be by a slow line either.
        found.map_err(|e| self.fault(e)).unwrap_or_default()
    }

    /// Under the router's lock, so that two of these are heard in the order in which they are true.
    fn tell_status(
        &self,
        tenant: &TenantId,
        user: &UserId,
        status: AgentStatus,
        conversations: Vec<ConversationId>,
    ) {
        let changed = PresenceChanged { user_id: user.clone(), status, conversations };
        self.publish(tenant, Event::PresenceChanged(changed));
    }
}

impl Floor {
    pub(super) fn note_agent(&mut self, agent: &Agent) {
        match &agent.email {
            Some(email) => self.emails.insert(agent.id.clone(), email.as_str().into()),
            None => self.emails.remove(&agent.id),
        };
        self.lines.note(agent);
    }

    /// An agent with what the engine does not know of it.
    pub(in crate::app) fn view(&self, state: AgentState) -> AgentView {
        let first = state.departments.first();
        let department = first.and_then(|id| Some((*id, self.departments.get(id)?.clone())));
        AgentView { email: self.emails.get(&state.agent).cloned(), department, state }
    }
}

/// Whether an id is a UUID as it is usually written: of two spellings one would be another agent.
pub(in crate::app) fn is_uuid(id: &UserId) -> bool {
    Uuid::try_parse(id.as_str()).is_ok_and(|uuid| uuid.to_string() == id.as_str())
}

/// Agents are found by their ids in 001's endpoints and in routing, and those are UUIDs (contract
/// 1). Admins are there to watch, and are never routed to.
pub(super) fn is_routable(agent: &Agent) -> bool {
    agent.role == Role::Agent && is_uuid(&agent.id)
}
