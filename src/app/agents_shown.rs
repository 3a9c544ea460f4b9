//! Agents as document 001 keeps them in Redis, for whoever reads it there. A copy: what agents are
//! is routing's to say.

use std::collections::HashMap;

use tokio::time::{Instant, sleep};

use super::App;
use super::agents::{AgentView, agents_fault};
use crate::limits::AGENTS_SHOWN_INTERVAL;
use crate::model::{AgentStatus, Error, TenantId, UserId};
use crate::presence::AgentSheet;

/// What is kept of every agent who is there, and since when.
type Shown = HashMap<(TenantId, UserId), (AgentSheet, Instant)>;

impl App {
    /// Shows an agent as it is now.
    ///
    /// # Errors
    /// 500 when presence does not answer.
    pub(super) async fn show_agent(&self, tenant: &TenantId, agent: &UserId) -> Result<(), Error> {
        if !self.presence.is_shared() {
            return Ok(());
        }
        let view = self.ask_floor(tenant, |floor, now| {
            floor.engine.agent(now, agent).map(|found| floor.view(found))
        });
        let Some(view) = view else { return Ok(()) };
        let shown = self.presence.show_agents(tenant, vec![sheet_of(view)]).await;
        shown.map_err(agents_fault)
    }

    /// Shows every agent whenever it is otherwise than before, and now and then, so that it stays.
    /// For the node that has the duties; runs for ever.
    pub async fn show_agents(&self) {
        let (mut shown, mut returns) = (Shown::new(), 0);
        loop {
            sleep(AGENTS_SHOWN_INTERVAL).await;
            // Whatever was shown before it came back may be forgotten.
            if self.presence.returns() != returns {
                (shown, returns) = (Shown::new(), self.presence.returns());
            }
            for tenant in self.floors() {
                self.show_agents_of(&tenant, &mut shown).await;
            }
        }
    }

    async fn show_agents_of(&self, tenant: &TenantId, shown: &mut Shown) {
        let lasting = self.config.agents.status_ttl / 3;
        let due = self.ask_floor(tenant, |floor, now| {
            let sheets = floor.engine.agents(now).map(|agent| sheet_of(floor.view(agent)));
            let is_due = |sheet: &AgentSheet| {
                let key = (tenant.clone(), sheet.agent.clone());
                match shown.get(&key) {
                    Some((before, at)) => at.elapsed() > lasting || !is_same(before, sheet),
                    None => sheet.status != AgentStatus::Offline,
                }
            };
            sheets.filter(is_due).collect::<Vec<_>>()
        });
        if due.is_empty() || self.presence.show_agents(tenant, due.clone()).await.is_err() {
            return;
        }
        for sheet in due {
            let key = (tenant.clone(), sheet.agent.clone());
            match sheet.status {
                AgentStatus::Offline => shown.remove(&key),
                _ => shown.insert(key, (sheet, Instant::now())),
            };
        }
    }
}

/// Whether two say the same but for the time: the last sign of life of whoever is connected is now.
fn is_same(a: &AgentSheet, b: &AgentSheet) -> bool {
    *a == AgentSheet { last_heartbeat: a.last_heartbeat, ..b.clone() }
}

fn sheet_of(view: AgentView) -> AgentSheet {
    let AgentView { state, email, department } = view;
    AgentSheet {
        agent: state.agent,
        name: state.name,
        email: email.map(|email| email.to_string()),
        department: department.map(|(id, name)| (id, name.to_string())),
        departments: state.departments,
        status: state.status,
        last_heartbeat: state.last_seen,
        current_chats: state.current_chats,
        max_chats: state.max_chats,
    }
}
