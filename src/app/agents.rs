//! Which agents can work (document 001): heartbeats, what an agent declares, and who asks.
//!
//! What an agent chose and what is seen of it are kept apart; `crate::routing` makes one effective
//! status of both. Every answer is computed when it is given; nothing expires by being swept.

use std::sync::Arc;

use uuid::Uuid;

use super::App;
use super::nodes::input_of;
use super::routing::{Floor, is_uuid};
use crate::broker::{AgentNews, Word};
use crate::limits::{BEATS_KEPT_INTERVAL, OWED_RETRY_INTERVAL};
use crate::log::{Change, Record};
use crate::model::{AgentStatus, Error, IdOf, Identity, Moment, Role, Scope, TenantId, UserId};
use crate::routing::{AgentState, DepartmentState};
use crate::telemetry::DepartmentFigures;

/// An agent, as the lists of document 001 show it.
#[derive(Clone, Debug)]
pub struct AgentView {
    /// What the engine knows.
    pub state: AgentState,
    /// Its e-mail address.
    pub email: Option<Arc<str>>,
    /// Its first department, with the name.
    pub department: Option<(Uuid, Arc<str>)>,
}

/// A department's agents and customers, now.
#[derive(Clone, Debug)]
pub struct DepartmentView {
    /// What the engine knows.
    pub state: DepartmentState,
    /// How long the one that waits longest does; 0 when none waits.
    pub longest_wait_seconds: u64,
}

impl DepartmentView {
    fn of(state: DepartmentState, now: Moment) -> DepartmentView {
        let longest_wait_seconds = state.waiting_since.map_or(0, |at| now.ms_since(at) / 1000);
        DepartmentView { state, longest_wait_seconds }
    }
}

impl App {
    /// Whether somebody may say that it is there.
    ///
    /// # Errors
    /// 403 for anybody but agents and admins, 400 for an id that is no UUID.
    pub fn check_heartbeat(&self, who: &Identity) -> Result<(), Error> {
        check_staff(who)?;
        check_id(who)
    }

    /// An agent is there, with this status or the one it had.
    ///
    /// # Errors
    /// 403 for anybody but agents and admins, 400 for an id that is no UUID.
    pub async fn heartbeat(
        &self,
        who: &Identity,
        status: Option<AgentStatus>,
    ) -> Result<AgentStatus, Error> {
        self.check_heartbeat(who)?;
        let ttl_ms = i64::try_from(self.config.agents.status_ttl.as_millis()).unwrap_or(i64::MAX);
        let now = self.0.router.clock.now();
        let until = Moment(now.0.saturating_add(ttl_ms));
        let (tenant, agent) = (&who.tenant, &who.subject);
        self.presence.note_beat(tenant, agent, until).await.map_err(agents_fault)?;
        self.0.router.note_beat(tenant, agent, until);
        self.route_news(tenant, agent, AgentNews::Beat(until, status)).await?;
        let state = self.ask_engine(tenant, |e, now| e.agent(now, agent).map(|a| a.declared));
        Ok(state.flatten().unwrap_or(AgentStatus::Online))
    }

    /// An agent goes: offline until its next heartbeat or login, whatever sockets it has.
    ///
    /// # Errors
    /// 403 for anybody but agents and admins.
    pub async fn go_offline(&self, who: &Identity) -> Result<(), Error> {
        check_staff(who)?;
        let (tenant, agent) = (&who.tenant, &who.subject);
        let never = Moment::default();
        self.presence.note_beat(tenant, agent, never).await.map_err(agents_fault)?;
        self.0.router.note_beat(tenant, agent, never);
        self.route_news(tenant, agent, AgentNews::Declared(AgentStatus::Offline)).await
    }

    /// Something is known of an agent from now on, on every node, and what follows is kept if it
    /// is decided here.
    async fn route_news(
        &self,
        tenant: &TenantId,
        agent: &UserId,
        news: AgentNews,
    ) -> Result<(), Error> {
        self.broker.tell(Word::Agent { tenant: tenant.clone(), agent: agent.clone(), news });
        self.route_and_keep(tenant, vec![input_of(agent.clone(), news)]).await?;
        self.show_agent(tenant, agent).await
    }

    /// Who logs in is there again, if it had left.
    pub(super) async fn note_login(&self, tenant: &TenantId, agent: &UserId) -> Result<(), Error> {
        let declared = self.ask_engine(tenant, |e, now| e.agent(now, agent).map(|a| a.declared));
        if declared.flatten() != Some(AgentStatus::Offline) {
            return Ok(());
        }
        self.route_news(tenant, agent, AgentNews::Declared(AgentStatus::Online)).await
    }

    /// Whether somebody may ask about agents, and whether there is an answer: what this node
    /// remembers of the others' agents is none.
    fn check_agents(&self, who: &Identity) -> Result<(), Error> {
        check_reader(who)?;
        match self.presence.is_shared() && !self.presence.is_up() {
            true => Err(Error::AgentsUnavailable),
            false => Ok(()),
        }
    }

    /// Everybody who is not offline, in the order of the ids.
    ///
    /// # Errors
    /// 403 for customers.
    pub fn online_agents(&self, who: &Identity) -> Result<Vec<AgentView>, Error> {
        self.check_agents(who)?;
        Ok(self.ask_floor(&who.tenant, |floor, now| views(floor, floor.engine.agents(now))))
    }

    /// Those of a department.
    ///
    /// # Errors
    /// 403 for customers, 404 for an unknown department.
    pub fn online_agents_of(
        &self,
        who: &Identity,
        department: Uuid,
    ) -> Result<Vec<AgentView>, Error> {
        self.check_agents(who)?;
        let is_known =
            self.ask_engine(&who.tenant, |e, _| e.department(Some(department)).is_some());
        if is_known != Some(true) {
            return Err(Error::NotFound("department"));
        }
        Ok(self.ask_floor(&who.tenant, |floor, now| {
            views(floor, floor.engine.agents_of(now, department))
        }))
    }

    /// One agent, offline or not.
    ///
    /// # Errors
    /// 403 for customers, 404 for nobody's id.
    pub fn agent_status(&self, who: &Identity, agent: &UserId) -> Result<AgentView, Error> {
        self.check_agents(who)?;
        let found = self.ask_floor(&who.tenant, |floor, now| {
            floor.engine.agent(now, agent).map(|found| floor.view(found))
        });
        found.ok_or(Error::NotFound("agent"))
    }

    /// How many agents each department has, and how many customers wait there.
    ///
    /// # Errors
    /// 403 for customers.
    pub fn department_stats(&self, who: &Identity) -> Result<Vec<DepartmentView>, Error> {
        self.check_agents(who)?;
        let found = self.ask_engine(&who.tenant, |engine, now| {
            let named = engine.departments().filter(|d| d.department.is_some());
            named.map(|d| DepartmentView::of(d, now)).collect()
        });
        Ok(found.unwrap_or_default())
    }

    /// Sets the gauges of departments to what is true now.
    pub fn measure_departments(&self) {
        let router = &self.0.router;
        let now = router.clock.now();
        let state = router.lock();
        self.metrics.forget_departments();
        for (tenant, floor) in &state.tenants {
            for department in floor.engine.departments() {
                let view = DepartmentView::of(department, now);
                let DepartmentState { department, online, busy, away, waiting, is_empty, .. } =
                    view.state;
                let department = department.map(|id| id.to_string()).unwrap_or_default();
                self.metrics.department(&DepartmentFigures {
                    tenant: tenant.as_str(),
                    department: &department,
                    agents: [("online", online), ("busy", busy), ("away", away)],
                    waiting,
                    longest_wait_seconds: view.longest_wait_seconds,
                    is_empty,
                });
            }
        }
    }

    /// Keeps the leases of heartbeats, so that a restart makes nobody a ghost and nobody gone.
    /// Runs for ever; what the last seconds brought is lost with a crash, and a lease then ends
    /// that much sooner.
    pub(super) async fn keep_beats(&self) {
        loop {
            tokio::time::sleep(BEATS_KEPT_INTERVAL).await;
            while let Err(err) = self.keep_beats_now().await {
                tracing::warn!(error = %err, "heartbeats are not kept yet");
                tokio::time::sleep(OWED_RETRY_INTERVAL).await;
            }
        }
    }

    /// Keeps the leases there are.
    ///
    /// # Errors
    /// When the log does not keep them; they are tried again then.
    pub async fn keep_beats_now(&self) -> Result<(), crate::log::Error> {
        loop {
            // One tenant at a time: what is not reached is kept the next time.
            let beats = {
                let mut state = self.0.router.lock();
                let next = state.beats.keys().next().cloned();
                next.and_then(|tenant| state.beats.remove_entry(&tenant))
            };
            let Some((tenant, beats)) = beats else { return Ok(()) };
            let kept: Vec<_> = beats.iter().map(|(agent, until)| (agent.clone(), *until)).collect();
            let change = Change::record(Record::Beats(kept));
            if let Err(err) = self.log.commit(&tenant, change).await {
                let mut state = self.0.router.lock();
                let waiting = state.beats.entry(tenant).or_default();
                for (agent, until) in beats {
                    waiting.entry(agent).or_insert(until);
                }
                return Err(err);
            }
        }
    }
}

/// What a failure of presence looks like to agents.
pub(super) fn agents_fault(err: crate::presence::Error) -> Error {
    tracing::error!(error = %err, "presence failed");
    Error::AgentsUnavailable
}

/// Those who are there, in the order of their ids, as the engine has them.
fn views(floor: &Floor, agents: impl Iterator<Item = AgentState>) -> Vec<AgentView> {
    let there = agents.filter(|agent| agent.status != AgentStatus::Offline);
    there.map(|agent| floor.view(agent)).collect()
}

fn check_staff(who: &Identity) -> Result<(), Error> {
    match who.role {
        Role::Agent | Role::Admin => Ok(()),
        _ => Err(Error::Forbidden("for agents and admins only".into())),
    }
}

/// Agents are known by UUIDs here (contract 1).
fn check_id(who: &Identity) -> Result<(), Error> {
    match is_uuid(&who.subject) {
        true => Ok(()),
        false => Err(Error::InvalidUuid(IdOf::Agent)),
    }
}

fn check_reader(who: &Identity) -> Result<(), Error> {
    match who.role {
        Role::Agent | Role::Admin => Ok(()),
        Role::Service if who.is_admin() || who.scopes.contains(&Scope::EventsRead) => Ok(()),
        _ => Err(Error::Forbidden("for agents, admins and keys with events:read only".into())),
    }
}
