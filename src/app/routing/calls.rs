//! Calls take places of their agents: what the log tells of them goes to the engine, which weighs
//! them.

use std::collections::HashSet;

use super::super::App;
use super::super::staff::StaffChange;
use crate::log::OpenCall;
use crate::model::{Call, Moment, TenantId, UserId};
use crate::routing::Input;

impl App {
    /// Forgets calls that nobody told the end of, of all tenants: those that were answered before
    /// then.
    pub fn forget_calls(&self, before: Moment) {
        for tenant in self.floors() {
            let changed = self.0.router.lock().floor(&tenant, self).calls.forget(before);
            self.tell_engine_of_calls(&tenant, changed);
        }
    }

    /// What an event of the log says of a call.
    pub(super) fn take_in_call(&self, tenant: &TenantId, call: &Call, at: Moment) {
        let changed = self.0.router.lock().floor(tenant, self).calls.note(call, at);
        self.tell_engine_of_calls(tenant, changed);
    }

    /// The calls the log knew at the start, as the engine takes them.
    pub(super) fn restore_calls(
        &self,
        tenant: &TenantId,
        open: Vec<OpenCall>,
        employed: &HashSet<UserId>,
    ) -> Vec<Input> {
        let mut state = self.0.router.lock();
        let calls = &mut state.floor(tenant, self).calls;
        calls.restore(open);
        let input = |agent: UserId| Input::Calls { calls: calls.count(&agent), agent };
        let agents = calls.agents().into_iter().filter(|agent| employed.contains(agent));
        agents.map(input).collect()
    }

    /// The calls of an agent of whom the engine may just have heard for the first time.
    pub(super) fn calls_of(&self, tenant: &TenantId, change: &StaffChange) -> Option<Input> {
        let StaffChange::Agent(agent) = change else { return None };
        let calls = self.0.router.lock().floor(tenant, self).calls.count(agent);
        (calls > 0).then(|| Input::Calls { agent: agent.clone(), calls })
    }

    fn tell_engine_of_calls(&self, tenant: &TenantId, agents: Vec<UserId>) {
        let inputs = self.ask_floor(tenant, |floor, now| {
            // A line that no agent has takes nobody's place.
            let known = agents.into_iter().filter(|a| floor.engine.agent(now, a).is_some());
            let input = |agent: UserId| Input::Calls { calls: floor.calls.count(&agent), agent };
            known.map(input).collect::<Vec<_>>()
        });
        self.route_all(tenant, inputs, None);
    }
}
