//! The engines as they were, from what the log keeps: a restart loses no place, no conversation
//! of an agent and no deadline.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::App;
use super::super::staff::policy_of;
use super::listen::Unread;
use crate::limits::ROUTING_STARTS_KEPT;
use crate::log::{self, Agent, AgentWork};
use crate::model::{AgentRecord, AgentStatus, Moment, Place, StatusReason, TenantId, UserId};
use crate::routing::{self, AgentSetup, Input};

impl App {
    /// Builds every tenant's engine from the log. To be called once, before anybody may change
    /// anything; what is told meanwhile waits in what this returns.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn restore_routing(&self) -> Result<Unread, log::Error> {
        let unread =
            self.0.router.take_unread().ok_or_else(|| log::Error::failed("read already"))?;
        self.0.router.is_listening.store(true, Ordering::Release);
        self.rebuild_routing().await?;
        self.0.router.lock().is_restored = true;
        Ok(Unread(unread))
    }

    /// Builds every tenant's engine from the log, instead of the one there may be: one that
    /// decides where this node has the duties, and else one that only follows.
    ///
    /// # Errors
    /// When the log cannot be read; to be tried again.
    pub async fn rebuild_routing(&self) -> Result<(), log::Error> {
        for (tenant, _) in self.log.tenants().await? {
            let router = &self.0.router;
            let (_turn, _staff) = (router.reading.lock().await, router.staff.lock().await);
            let inputs = self.inputs_of(&tenant).await?;
            self.begin_floor_anew(&tenant);
            self.route_all(&tenant, inputs, None);
            self.compare_agents_of(&tenant).await;
        }
        Ok(())
    }

    /// Whatever the engine decided is not to be carried out any more.
    fn begin_floor_anew(&self, tenant: &TenantId) {
        let settings = self.routing_settings();
        let mut state = self.0.router.lock();
        state.jobs.retain(|job| job.tenant != *tenant);
        let floor = state.floor(tenant, self);
        floor.engine = routing::Engine::new(settings);
        let due = floor.due.take();
        due.map(|at| state.due.remove(&(at, tenant.clone())));
    }

    async fn inputs_of(&self, tenant: &TenantId) -> Result<Vec<Input>, log::Error> {
        let mut inputs = Vec::new();
        let mut longest_wrap_up_ms = 0;
        let mut names = Vec::new();
        let alerts = self.log.department_alerts(tenant).await?;
        for department in self.log.departments(tenant).await? {
            let is_empty = Some(alerts.contains(&department.id));
            let policy = policy_of(&department);
            longest_wrap_up_ms = longest_wrap_up_ms.max(i64::from(policy.wrap_up_seconds) * 1000);
            let (id, name) = (department.id, department.name);
            names.push((id, name.as_str().into()));
            inputs.push(Input::Department { id, name, policy, is_empty });
        }
        let agents = self.log.agents(tenant).await?;
        let employed: HashSet<UserId> = agents.iter().map(|agent| agent.id.clone()).collect();
        {
            let mut state = self.0.router.lock();
            let floor = state.floor(tenant, self);
            agents.iter().for_each(|agent| floor.note_agent(agent));
            floor.departments.extend(names);
        }
        let mut known: HashMap<UserId, (AgentRecord, Option<Moment>)> = HashMap::new();
        for (record, beat_until) in self.log.agent_states(tenant).await? {
            known.insert(record.agent.clone(), (record, beat_until));
        }
        let work = self.log.agent_work(tenant).await?;
        let mut work: HashMap<UserId, AgentWork> =
            work.into_iter().map(|w| (w.agent.clone(), w)).collect();
        for agent in agents {
            let id = agent.id.clone();
            inputs.push(Input::Agent(agent_setup(agent)));
            let status_ttl = self.config.agents.status_ttl;
            inputs.push(restored(id.clone(), known.remove(&id), work.remove(&id), status_ttl));
        }
        for (department, times) in self.log.starts(tenant, ROUTING_STARTS_KEPT).await? {
            inputs.push(Input::Starts { department, times });
        }
        let since = Moment(Moment::now().0.saturating_sub(longest_wrap_up_ms));
        for (agent, department, _, ended_at) in self.log.wrapping(tenant, since).await? {
            inputs.push(Input::WrappingUp { agent, department, ended_at });
        }
        let mut removed = HashSet::new();
        for (conversation, agent, department) in self.log.serving(tenant).await? {
            if !employed.contains(&agent) && self.log.is_former_agent(tenant, &agent).await? {
                removed.insert(agent.clone());
            }
            inputs.push(Input::Given { conversation, agent, department });
        }
        for record in self.log.waiting(tenant).await? {
            inputs.push(Input::Waits(self.waiting(tenant, &record).await?));
        }
        let open = self.log.open_calls(tenant).await?;
        inputs.extend(self.restore_calls(tenant, open, &employed));
        let connected = self.presence.members(tenant, Place::Work).await.unwrap_or_default();
        inputs.extend(connected.into_iter().map(|member| Input::Connected(member.user_id)));
        inputs.push(Input::Started);
        // They were removed just before the server stopped, and what they had was to go back.
        inputs.extend(removed.into_iter().map(Input::AgentGone));
        Ok(inputs)
    }
}

/// An agent's status, lease and work as they were.
fn restored(
    agent: UserId,
    known: Option<(AgentRecord, Option<Moment>)>,
    work: Option<AgentWork>,
    status_ttl: Duration,
) -> Input {
    let (record, beat_until) = known.map_or((None, None), |(r, b)| (Some(r), b));
    // An agent that went has a lease of no time.
    let beat_until = beat_until.filter(|until| *until > Moment::default());
    let ttl_ms = i64::try_from(status_ttl.as_millis()).unwrap_or(i64::MAX);
    let record = record.unwrap_or_else(|| AgentRecord {
        agent,
        declared: AgentStatus::Online,
        status: AgentStatus::Offline,
        reason: StatusReason::Disconnected,
        since: Moment::default(),
    });
    Input::AgentRestored(routing::AgentRestored {
        agent: record.agent,
        declared: record.declared,
        status: record.status,
        reason: record.reason,
        since: record.since,
        beat_until,
        last_seen: beat_until.map(|until| Moment(until.0.saturating_sub(ttl_ms))),
        last_assigned_at: work.as_ref().map(|w| w.last_assigned_at),
        idle_since: work.map(|w| {
            w.last_ended_at.map_or(w.last_assigned_at, |ended| ended.max(w.last_assigned_at))
        }),
    })
}

/// An agent as the engine takes it.
pub(super) fn agent_setup(agent: Agent) -> AgentSetup {
    AgentSetup {
        is_routable: super::staff::is_routable(&agent),
        id: agent.id,
        name: agent.name,
        departments: agent.departments,
        skills: agent.skills,
        languages: agent.languages.iter().map(|tag| spoken(tag)).collect(),
        max_chats: agent.max_chats,
        is_disabled: agent.is_disabled,
    }
}

/// What counts of a language's tag: browsers say `en-US` where agents say `en`.
pub(super) fn spoken(tag: &str) -> String {
    tag.split(['-', '_']).next().unwrap_or(tag).to_owned()
}
