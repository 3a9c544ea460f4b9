//! Routing in PostgreSQL: the stints that figures are made of, and what agents are.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_postgres::Row;
use uuid::Uuid;

use super::connect::Params;
use super::lines::Lines;
use super::rows::{self, count, get, int};
use super::{Postgres, sql};
use crate::log::Error;
use crate::log::routing::{AgentWork, Figures, RoutingLog, Starts};
use crate::model::{
    AgentRecord, AgentStatus, Conversation, ConversationId, Moment, StatusReason, TenantId, UserId,
};

#[async_trait]
impl RoutingLog for Postgres {
    async fn waiting(&self, tenant: &TenantId) -> Result<Vec<Arc<Conversation>>, Error> {
        self.lines.all(sql::WAITING, &[&tenant.as_str()], rows::conversation).await
    }

    async fn serving(
        &self,
        tenant: &TenantId,
    ) -> Result<Vec<(ConversationId, UserId, Option<Uuid>)>, Error> {
        let read =
            |row: &Row| Ok((rows::conversation_id(row, 0)?, rows::user(row, 1)?, get(row, 2)?));
        self.lines.all(sql::SERVING, &[&tenant.as_str()], read).await
    }

    async fn wrapping(
        &self,
        tenant: &TenantId,
        since: Moment,
    ) -> Result<Vec<(UserId, Option<Uuid>, ConversationId, Moment)>, Error> {
        let read = |row: &Row| {
            let (agent, conversation) = (rows::user(row, 0)?, rows::conversation_id(row, 2)?);
            Ok((agent, get(row, 1)?, conversation, rows::at(row, 3)?))
        };
        self.lines.all(sql::WRAPPING, &[&tenant.as_str(), &since.0], read).await
    }

    async fn agent_work(&self, tenant: &TenantId) -> Result<Vec<AgentWork>, Error> {
        let read = |row: &Row| {
            Ok(AgentWork {
                agent: rows::user(row, 0)?,
                last_assigned_at: rows::at(row, 1)?,
                last_ended_at: rows::moment(row, 2)?,
            })
        };
        self.lines.all(sql::AGENT_WORK, &[&tenant.as_str()], read).await
    }

    async fn starts(&self, tenant: &TenantId, limit: usize) -> Result<Starts, Error> {
        read_starts(&self.lines, tenant, limit).await
    }

    async fn last_agent(
        &self,
        tenant: &TenantId,
        customer: &UserId,
    ) -> Result<Option<UserId>, Error> {
        let read = |row: &Row| rows::user(row, 0);
        self.lines.first(sql::LAST_AGENT, &[&tenant.as_str(), &customer.as_str()], read).await
    }

    async fn agent_states(
        &self,
        tenant: &TenantId,
    ) -> Result<Vec<(AgentRecord, Option<Moment>)>, Error> {
        self.lines.all(sql::AGENT_STATES, &[&tenant.as_str()], agent_state).await
    }

    async fn department_alerts(&self, tenant: &TenantId) -> Result<Vec<Uuid>, Error> {
        self.lines.all(sql::DEPARTMENT_ALERTS, &[&tenant.as_str()], |row| get(row, 0)).await
    }

    async fn figures(
        &self,
        tenant: &TenantId,
        from: Moment,
        to: Moment,
        service_level_ms: u64,
    ) -> Result<Vec<Figures>, Error> {
        let of: Params<'_> = &[&tenant.as_str(), &from.0, &to.0, &int(service_level_ms)];
        self.lines.all(sql::FIGURES, of, figures).await
    }
}

/// Department by department, so that no more is read than is asked for.
async fn read_starts(lines: &Lines, tenant: &TenantId, limit: usize) -> Result<Starts, Error> {
    let mut starts = Vec::new();
    let mut department: Option<Uuid> = None;
    let (of, limit) = (tenant.as_str(), rows::limit(limit));
    let at = |row: &Row| rows::at(row, 0);
    loop {
        let mut moments = match department {
            Some(id) => lines.all(sql::STARTS, &[&of, &id, &limit], at).await?,
            None => lines.all(sql::STARTS_OF_NONE, &[&of, &limit], at).await?,
        };
        moments.reverse();
        if !moments.is_empty() {
            starts.push((department, moments));
        }
        let after = department.unwrap_or_default();
        match lines.first(sql::NEXT_STARTED, &[&of, &after], |row| get(row, 0)).await? {
            Some(next) => department = Some(next),
            None => return Ok(starts),
        }
    }
}

fn agent_state(row: &Row) -> Result<(AgentRecord, Option<Moment>), Error> {
    let record = AgentRecord {
        agent: rows::user(row, 0)?,
        declared: rows::parsed(row, 1, AgentStatus::parse)?,
        status: rows::parsed(row, 2, AgentStatus::parse)?,
        reason: rows::parsed(row, 3, StatusReason::parse)?,
        since: rows::at(row, 4)?,
    };
    Ok((record, rows::moment(row, 5)?))
}

fn figures(row: &Row) -> Result<Figures, Error> {
    Ok(Figures {
        department: get(row, 0)?,
        agent: rows::optional(row, 1, |t| UserId::parse(t).ok())?,
        entered: count(row, 2)?,
        answered: count(row, 3)?,
        answered_in_time: count(row, 4)?,
        abandoned: count(row, 5)?,
        wait_ms_sum: count(row, 6)?,
        wait_ms_max: count(row, 7)?,
        response_ms_sum: count(row, 8)?,
        responses: count(row, 9)?,
        handle_ms_sum: count(row, 10)?,
        handled: count(row, 11)?,
        score_sum: count(row, 12)?,
        scores: count(row, 13)?,
    })
}
