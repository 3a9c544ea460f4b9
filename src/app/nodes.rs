//! What nodes that serve together hear of each other, and how presence and the log are kept in
//! agreement: a word may be lost and a node may die at any moment, so whatever matters is compared
//! again.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{StreamExt, stream};
use tokio::sync::{Notify, mpsc};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::App;
use super::staff::StaffChange;
use crate::broker::{AgentNews, Word};
use crate::limits::{
    AGENTS_COMPARED_INTERVAL, FINDINGS_AT_ONCE, FINDINGS_CHECKED_AT_ONCE, GHOSTS_DOUBT,
    GHOSTS_SOUGHT_INTERVAL, OWED_RETRY_INTERVAL,
};
use crate::log::{self, Change, LeftBehind, Pending};
use crate::model::{
    ConversationId, DisconnectReason, Envelope, Event, Joined, Left, Member, Moment, Place,
    TenantId, UserId,
};
use crate::presence::Finding;
use crate::routing::Input;
use crate::telemetry::Between;

/// The tenants whose departments or agents another node changed.
#[derive(Default)]
pub(super) struct StaffNews {
    tenants: Mutex<BTreeSet<TenantId>>,
    wake: Notify,
}

impl StaffNews {
    fn note(&self, tenant: TenantId) {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant);
        self.wake.notify_one();
    }

    fn take(&self) -> BTreeSet<TenantId> {
        std::mem::take(&mut self.tenants.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl App {
    // === words ===

    /// Another node told of an agent.
    pub fn hear_of_agent(&self, tenant: &TenantId, agent: UserId, news: AgentNews) {
        self.route(tenant, input_of(agent, news));
    }

    /// Another node told what no log keeps.
    pub fn hear_volatile(&self, envelope: Arc<Envelope>) {
        if let Event::PresenceChanged(told) = &envelope.event {
            self.note_told(&envelope.tenant, &told.user_id, told.status);
        }
        self.tell_here(envelope);
    }

    /// Something is to be known of an agent, here and on every other node.
    pub(super) fn tell_of_agent(&self, tenant: &TenantId, agent: &UserId, news: AgentNews) {
        self.broker.tell(Word::Agent { tenant: tenant.clone(), agent: agent.clone(), news });
        self.route(tenant, input_of(agent.clone(), news));
    }

    /// Sets the gauges of what goes on between nodes.
    pub async fn measure_nodes(&self) {
        let is_shared = self.presence.is_shared();
        self.metrics.nodes_are(&Between {
            is_redis_up: is_shared && self.presence.is_up(),
            nodes: self.presence.nodes().await.ok(),
            has_duties: self.duties().is_some(),
            words: self.broker.words(),
        });
    }

    // === administration ===

    /// Another node changed departments or agents.
    pub(super) fn note_staff_changed(&self, tenant: TenantId) {
        self.0.staff_news.note(tenant);
    }

    /// Takes in what other nodes changed of departments and agents. Runs for ever.
    pub async fn follow_staff(&self) {
        loop {
            self.0.staff_news.wake.notified().await;
            for tenant in self.0.staff_news.take() {
                while let Err(err) = self.take_in_staff(&tenant).await {
                    tracing::warn!(error = %err, "changes of another node are not known yet");
                    sleep(OWED_RETRY_INTERVAL).await;
                }
            }
        }
    }

    async fn take_in_staff(&self, tenant: &TenantId) -> Result<(), log::Error> {
        let departments = self.log.departments(tenant).await?;
        let agents = self.log.agents(tenant).await?;
        let (known_departments, known_agents) = self
            .ask_engine(tenant, |engine, now| {
                let departments = engine.departments().filter_map(|d| d.department);
                let agents = engine.agents(now).map(|agent| agent.agent);
                (departments.collect::<Vec<_>>(), agents.collect::<Vec<_>>())
            })
            .unwrap_or_default();
        let here: HashSet<_> = departments.iter().map(|d| d.id).collect();
        let gone = known_departments.into_iter().filter(|id| !here.contains(id));
        let mut changes: Vec<_> = gone.map(StaffChange::DepartmentRemoved).collect();
        let here: HashSet<_> = agents.iter().map(|agent| &agent.id).collect();
        let gone = known_agents.into_iter().filter(|id| !here.contains(id));
        changes.extend(gone.map(StaffChange::AgentRemoved));
        changes.extend(departments.iter().map(|d| StaffChange::Department(d.id)));
        changes.extend(agents.iter().map(|agent| StaffChange::Agent(agent.id.clone())));
        for change in changes {
            self.staff_changed(tenant, &change).await;
        }
        Ok(())
    }

    // === presence ===

    /// Sees to it that the log agrees with what presence finds. Ends with presence.
    pub async fn take_in_findings(&self, mut findings: mpsc::Receiver<Finding>) {
        let mut found = Vec::new();
        while findings.recv_many(&mut found, FINDINGS_AT_ONCE).await > 0 {
            let mut pending = Vec::new();
            for finding in self.still_so(std::mem::take(&mut found)).await {
                if let Some((tenant, id, member, event)) = self.take_in_finding(finding).await {
                    let appended = self.log.append(&tenant, Change::of(event.clone())).await;
                    pending.push((tenant, id, member, event, appended));
                }
            }
            let settled = pending.into_iter().map(|finding| self.settle_finding(finding));
            stream::iter(settled).buffer_unordered(FINDINGS_CHECKED_AT_ONCE).collect::<()>().await;
        }
    }

    /// The log has it, or is owed it; and presence still says so.
    async fn settle_finding(&self, finding: Appended) {
        let (tenant, id, member, event, appended) = finding;
        let kept = match appended {
            Ok(pending) => pending.committed().await.map(drop),
            Err(err) => Err(err),
        };
        match kept {
            Ok(()) => {
                let is_told_here = matches!(event, Event::Joined(_));
                self.confirm(&tenant, id, &member, is_told_here).await;
            }
            Err(err) => {
                tracing::warn!(error = %err, session = %id, "a finding waits for the log");
                self.owe((tenant, id, member.user_id), event);
            }
        }
    }

    /// What the log is to keep because of it.
    async fn take_in_finding(
        &self,
        finding: Finding,
    ) -> Option<(TenantId, ConversationId, Member, Event)> {
        match finding {
            Finding::Left { tenant, place, member } => match place {
                Place::Conversation(id) => {
                    let left = left(id, &member, DisconnectReason::NodeLost);
                    Some((tenant, id, member, left))
                }
                Place::Work => {
                    self.tell_of_agent(&tenant, &member.user_id, AgentNews::Went);
                    None
                }
                Place::Tenant => {
                    let (user, role) = (&member.user_id, member.user_type);
                    self.tell_presence_of(&tenant, user, role, false).await;
                    None
                }
            },
            Finding::Here { tenant, place, member } => match place {
                Place::Conversation(id) => {
                    let joined = joined(id, &member);
                    Some((tenant, id, member, joined))
                }
                Place::Work => {
                    self.tell_of_agent(&tenant, &member.user_id, AgentNews::Came);
                    None
                }
                Place::Tenant => None,
            },
            Finding::Unsure { tenant, place, member } => {
                let members = self.presence.members(&tenant, place).await.ok()?;
                let here = members.into_iter().find(|m| m.user_id == member.user_id)?;
                match place {
                    Place::Conversation(id) => {
                        let joined = joined(id, &here);
                        Some((tenant, id, here, joined))
                    }
                    Place::Work => {
                        self.tell_of_agent(&tenant, &here.user_id, AgentNews::Came);
                        None
                    }
                    Place::Tenant => None,
                }
            }
            Finding::NodeLost(node) => {
                tracing::warn!(%node, "a node is gone");
                // Redis may have forgotten whom it had.
                self.0.ghosts.notify_one();
                None
            }
        }
    }

    /// Those of them that are still so: whoever of a lost node is back already, on whatever node,
    /// was not away for the log. Many at once, because a node has thousands.
    async fn still_so(&self, found: Vec<Finding>) -> Vec<Finding> {
        let checked = stream::iter(found).map(|finding| async move {
            let Finding::Left { tenant, place: place @ Place::Conversation(_), member } = &finding
            else {
                return Some(finding);
            };
            let members = self.presence.members(tenant, *place).await.unwrap_or_default();
            let is_back = members.iter().any(|m| m.user_id == member.user_id);
            (!is_back).then_some(finding)
        });
        let checked = checked.buffered(FINDINGS_CHECKED_AT_ONCE);
        checked.filter_map(std::future::ready).collect().await
    }

    /// Two nodes may bring a user's join and leave into the log in another order than into
    /// presence. Whoever wrote last looks again, and presence is right.
    pub(super) async fn confirm(
        &self,
        tenant: &TenantId,
        id: ConversationId,
        who: &Member,
        mut is_told_here: bool,
    ) {
        if !self.presence.is_shared() {
            return;
        }
        for _ in 0..CONFIRMATIONS_MAX {
            // While presence does not answer there is nothing to agree with; when it is back it
            // tells what it finds.
            let place = Place::Conversation(id);
            let Ok(members) = self.presence.members(tenant, place).await else { return };
            let here = members.iter().find(|m| m.user_id == who.user_id);
            if is_told_here == here.is_some() {
                return;
            }
            let event = match here {
                Some(member) => joined(id, member),
                None => left(id, who, DisconnectReason::NetworkError),
            };
            is_told_here = here.is_some();
            if let Err(err) = self.log.commit(tenant, Change::of(event.clone())).await {
                tracing::warn!(error = %err, session = %id, "presence waits for the log");
                return self.owe((tenant.clone(), id, who.user_id.clone()), event);
            }
        }
    }

    /// Compares now and then what routing knows of agents with presence: a word may have been
    /// lost. Runs for ever.
    pub async fn compare_agents(&self) {
        let mut ticks = interval(AGENTS_COMPARED_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if !self.presence.is_shared() {
                return;
            }
            for tenant in self.floors() {
                self.compare_agents_of(&tenant).await;
            }
        }
    }

    pub(super) async fn compare_agents_of(&self, tenant: &TenantId) {
        let Ok(members) = self.presence.members(tenant, Place::Work).await else { return };
        let Ok(beats) = self.presence.beats(tenant).await else { return };
        let here: HashSet<UserId> = members.into_iter().map(|m| m.user_id).collect();
        let beats: HashMap<UserId, Moment> = beats.into_iter().collect();
        let inputs = self.ask_engine(tenant, |engine, now| {
            let mut inputs = Vec::new();
            let mut missing = here.clone();
            for (agent, is_connected, beat_until) in engine.signs_of_life() {
                missing.remove(agent);
                match (here.contains(agent), is_connected) {
                    (true, false) => inputs.push(Input::Connected(agent.clone())),
                    (false, true) => inputs.push(Input::Disconnected(agent.clone())),
                    _ => {}
                }
                if let Some(until) = beats.get(agent)
                    && *until > now
                    && beat_until.is_none_or(|known| known < *until)
                {
                    let (agent, until) = (agent.clone(), *until);
                    inputs.push(Input::Beat { agent, until, status: None });
                }
            }
            inputs.extend(missing.into_iter().map(Input::Connected));
            inputs
        });
        for input in inputs.unwrap_or_default() {
            self.route(tenant, input);
        }
    }

    /// Looks for users whom the log has as present and presence has not, when a node is gone, and
    /// now and then where the duties are: Redis may have forgotten them before anybody told that
    /// they went. Runs for ever, where there may be other nodes.
    pub async fn seek_ghosts(&self) {
        while self.presence.is_shared() {
            let is_told = timeout(GHOSTS_SOUGHT_INTERVAL, self.0.ghosts.notified()).await.is_ok();
            if !(is_told || self.duties().is_some()) {
                continue;
            }
            if let Err(err) = self.lay_ghosts().await {
                tracing::warn!(error = %err, "nobody looked whether all are here who seem to be");
            }
        }
    }

    async fn lay_ghosts(&self) -> Result<(), log::Error> {
        let seeming = self.ghosts(self.log.left_behind().await?).await;
        if seeming.is_empty() {
            return Ok(());
        }
        // Whoever just came is in presence before it is in the log, and whoever goes is out of it
        // before; and a node whose users were forgotten notes them anew.
        sleep(GHOSTS_DOUBT).await;
        for ghost in self.ghosts(seeming).await {
            let LeftBehind { tenant, conversation, member } = ghost;
            let left = left(conversation, &member, DisconnectReason::NodeLost);
            self.log.commit(&tenant, Change::of(left)).await?;
            self.confirm(&tenant, conversation, &member, false).await;
        }
        Ok(())
    }

    /// Those of them that presence does not know.
    async fn ghosts(&self, behind: Vec<LeftBehind>) -> Vec<LeftBehind> {
        let mut ghosts = Vec::new();
        for one in behind {
            let place = Place::Conversation(one.conversation);
            // Whoever cannot be asked for is no ghost.
            let Ok(members) = self.presence.members(&one.tenant, place).await else {
                return vec![];
            };
            if !members.iter().any(|m| m.user_id == one.member.user_id) {
                ghosts.push(one);
            }
        }
        ghosts
    }
}

/// What presence found, on its way into the log.
type Appended = (TenantId, ConversationId, Member, Event, Result<Pending, log::Error>);

/// A user that keeps coming and going has others who look as well.
const CONFIRMATIONS_MAX: usize = 3;

pub(super) fn input_of(agent: UserId, news: AgentNews) -> Input {
    match news {
        AgentNews::Came => Input::Connected(agent),
        AgentNews::Went => Input::Disconnected(agent),
        AgentNews::Beat(until, status) => Input::Beat { agent, until, status },
        AgentNews::Declared(status) => Input::Declare { agent, status },
    }
}

fn joined(session_id: ConversationId, member: &Member) -> Event {
    Event::Joined(Joined {
        session_id,
        user_id: member.user_id.clone(),
        user_type: member.user_type,
        joined_at: member.joined_at,
        away_ms: None,
    })
}

fn left(session_id: ConversationId, member: &Member, reason: DisconnectReason) -> Event {
    let (user_id, user_type) = (member.user_id.clone(), member.user_type);
    Event::Left(Left { session_id, user_id, user_type, reason })
}
