//! What routing asks of the log: who waits, who serves, who was served by whom, and what agents are.
//! Asked once at the start of a tenant, but for the figures, which people ask for.

use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use super::Error;
use crate::model::{AgentRecord, Conversation, ConversationId, Moment, TenantId, UserId};

/// Of each department, when agents got conversations that had waited in it, ascending.
pub type Starts = Vec<(Option<Uuid>, Vec<Moment>)>;

/// When an agent worked last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentWork {
    /// Who.
    pub agent: UserId,
    /// When it was given a conversation last.
    pub last_assigned_at: Moment,
    /// When one of its conversations ended last, or went to somebody else.
    pub last_ended_at: Option<Moment>,
}

/// The figures of the stints that began in a span of time, of one department and one agent.
///
/// A stint that came from another agent or the bot has not entered a queue, so it counts among the
/// handled and the rated only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// The department.
    pub department: Option<Uuid>,
    /// The agent; `None` for what no agent had.
    pub agent: Option<UserId>,
    /// How many entered the queue.
    pub entered: u64,
    /// How many of those an agent got.
    pub answered: u64,
    /// How many of those within the service level.
    pub answered_in_time: u64,
    /// How many were closed while they waited.
    pub abandoned: u64,
    /// How long those that an agent got had waited, together, in milliseconds.
    pub wait_ms_sum: u64,
    /// The longest of these waits.
    pub wait_ms_max: u64,
    /// How long agents took from getting one to their first message, together, in milliseconds.
    pub response_ms_sum: u64,
    /// How many had such a first message.
    pub responses: u64,
    /// How long agents had those that ended, together, in milliseconds.
    pub handle_ms_sum: u64,
    /// How many an agent had until they ended.
    pub handled: u64,
    /// The sum of the ratings.
    pub score_sum: u64,
    /// How many were rated.
    pub scores: u64,
}

/// The questions of routing.
#[async_trait]
pub trait RoutingLog: Send + Sync + 'static {
    /// Every conversation that waits, those that waited longest first.
    async fn waiting(&self, tenant: &TenantId) -> Result<Vec<Arc<Conversation>>, Error>;

    /// Every conversation that an agent has, with the agent and the department, by id.
    async fn serving(
        &self,
        tenant: &TenantId,
    ) -> Result<Vec<(ConversationId, UserId, Option<Uuid>)>, Error>;

    /// The stints with an agent that ended since then, in that order: who had it, of which
    /// department, which conversation, and when it ended.
    async fn wrapping(
        &self,
        tenant: &TenantId,
        since: Moment,
    ) -> Result<Vec<(UserId, Option<Uuid>, ConversationId, Moment)>, Error>;

    /// When each agent worked last, by agent.
    async fn agent_work(&self, tenant: &TenantId) -> Result<Vec<AgentWork>, Error>;

    /// When agents got the latest conversations that had waited: of each department at most
    /// `limit`, ascending.
    async fn starts(&self, tenant: &TenantId, limit: usize) -> Result<Starts, Error>;

    /// The agent who had a conversation of this customer last.
    async fn last_agent(
        &self,
        tenant: &TenantId,
        customer: &UserId,
    ) -> Result<Option<UserId>, Error>;

    /// What each agent is, with the end of the lease its latest heartbeat gave, by agent. Who has a
    /// lease and no state is not among them.
    async fn agent_states(
        &self,
        tenant: &TenantId,
    ) -> Result<Vec<(AgentRecord, Option<Moment>)>, Error>;

    /// The departments of which it was told that they have no agent, and not yet that they have one.
    async fn department_alerts(&self, tenant: &TenantId) -> Result<Vec<Uuid>, Error>;

    /// The figures of stints that began in `[from, to)`, of each department and agent that had any.
    async fn figures(
        &self,
        tenant: &TenantId,
        from: Moment,
        to: Moment,
        service_level_ms: u64,
    ) -> Result<Vec<Figures>, Error>;
}
