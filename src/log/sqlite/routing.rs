//! Routing in SQLite: the stints that figures are made of, and what agents are.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::rows::{self, all, count, first, int, run};
use super::{Sqlite, sql};
use crate::log::Error;
use crate::log::routing::{AgentWork, Figures, RoutingLog, Starts};
use crate::model::{
    AgentRecord, AgentStatus, Conversation, ConversationId, Moment, StatusReason, Stint, TenantId,
    UserId,
};

#[async_trait]
impl RoutingLog for Sqlite {
    async fn waiting(&self, tenant: &TenantId) -> Result<Vec<Arc<Conversation>>, Error> {
        let of = tenant.clone();
        let read = |row: &Row| rows::conversation(row).map(Arc::new);
        self.reading(move |db| all(db, sql::WAITING, params![of.as_str()], read)).await
    }

    async fn serving(
        &self,
        tenant: &TenantId,
    ) -> Result<Vec<(ConversationId, UserId, Option<Uuid>)>, Error> {
        let of = tenant.clone();
        self.reading(move |db| {
            all(db, sql::SERVING, params![of.as_str()], |row| {
                Ok((rows::conversation_id(row, 0)?, rows::user(row, 1)?, row.get(2)?))
            })
        })
        .await
    }

    async fn wrapping(
        &self,
        tenant: &TenantId,
        since: Moment,
    ) -> Result<Vec<(UserId, Option<Uuid>, ConversationId, Moment)>, Error> {
        let of = tenant.clone();
        self.reading(move |db| {
            all(db, sql::WRAPPING, params![of.as_str(), since.0], |row| {
                let (agent, conversation) = (rows::user(row, 0)?, rows::conversation_id(row, 2)?);
                Ok((agent, row.get(1)?, conversation, Moment(row.get(3)?)))
            })
        })
        .await
    }

    async fn agent_work(&self, tenant: &TenantId) -> Result<Vec<AgentWork>, Error> {
        let of = tenant.clone();
        self.reading(move |db| {
            all(db, sql::AGENT_WORK, params![of.as_str()], |row| {
                Ok(AgentWork {
                    agent: rows::user(row, 0)?,
                    last_assigned_at: Moment(row.get(1)?),
                    last_ended_at: rows::moment(row, 2)?,
                })
            })
        })
        .await
    }

    async fn starts(&self, tenant: &TenantId, limit: usize) -> Result<Starts, Error> {
        let of = tenant.clone();
        self.reading(move |db| read_starts(db, &of, limit)).await
    }

    async fn last_agent(
        &self,
        tenant: &TenantId,
        customer: &UserId,
    ) -> Result<Option<UserId>, Error> {
        let (of, customer) = (tenant.clone(), customer.clone());
        self.reading(move |db| {
            let of = params![of.as_str(), customer.as_str()];
            first(db, sql::LAST_AGENT, of, |row| rows::user(row, 0))
        })
        .await
    }

    async fn agent_states(
        &self,
        tenant: &TenantId,
    ) -> Result<Vec<(AgentRecord, Option<Moment>)>, Error> {
        let of = tenant.clone();
        self.reading(move |db| all(db, sql::AGENT_STATES, params![of.as_str()], agent_state)).await
    }

    async fn department_alerts(&self, tenant: &TenantId) -> Result<Vec<Uuid>, Error> {
        let of = tenant.clone();
        let read = |row: &Row| row.get(0);
        self.reading(move |db| all(db, sql::DEPARTMENT_ALERTS, params![of.as_str()], read)).await
    }

    async fn figures(
        &self,
        tenant: &TenantId,
        from: Moment,
        to: Moment,
        service_level_ms: u64,
    ) -> Result<Vec<Figures>, Error> {
        let of = tenant.clone();
        self.reading(move |db| {
            let of = params![of.as_str(), from.0, to.0, int(service_level_ms)];
            all(db, sql::FIGURES, of, figures)
        })
        .await
    }
}

/// Department by department, so that no more is read than is asked for.
fn read_starts(db: &Connection, tenant: &TenantId, limit: usize) -> Result<Starts, Error> {
    let mut starts = Vec::new();
    let mut department: Option<Uuid> = None;
    loop {
        let of = params![tenant.as_str(), department, int(limit as u64)];
        let mut moments = all(db, sql::STARTS, of, |row| row.get(0).map(Moment))?;
        moments.reverse();
        if !moments.is_empty() {
            starts.push((department, moments));
        }
        let after = params![tenant.as_str(), department.unwrap_or_default()];
        match first(db, sql::NEXT_STARTED, after, |row| row.get(0))? {
            Some(next) => department = Some(next),
            None => return Ok(starts),
        }
    }
}

fn agent_state(row: &Row) -> rusqlite::Result<(AgentRecord, Option<Moment>)> {
    let record = AgentRecord {
        agent: rows::user(row, 0)?,
        declared: rows::parsed(row, 1, AgentStatus::parse)?,
        status: rows::parsed(row, 2, AgentStatus::parse)?,
        reason: rows::parsed(row, 3, StatusReason::parse)?,
        since: Moment(row.get(4)?),
    };
    Ok((record, rows::moment(row, 5)?))
}

fn figures(row: &Row) -> rusqlite::Result<Figures> {
    Ok(Figures {
        department: row.get(0)?,
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

/// Keeps how a stint stands. Its rating, which comes by itself, stays.
pub(super) fn put_stint(db: &Connection, tenant: &TenantId, s: &Stint) -> Result<(), Error> {
    let at = |moment: Option<Moment>| moment.map(|m| m.0);
    let agent = s.agent.as_ref().map(UserId::as_str);
    run(
        db,
        sql::PUT_STINT,
        params![
            tenant.as_str(),
            s.conversation.0,
            s.number,
            s.customer.as_ref().map(UserId::as_str),
            s.department,
            agent,
            s.began_at.0,
            at(s.queued_at),
            at(s.assigned_at),
            at(s.answered_at),
            at(s.ended_at),
            s.outcome.as_str(),
        ],
    )?;
    match (agent, s.assigned_at) {
        (Some(agent), Some(assigned_at)) => {
            let of = params![tenant.as_str(), agent, assigned_at.0, at(s.ended_at)];
            run(db, sql::PUT_AGENT_WORK, of)
        }
        _ => Ok(()),
    }
}

pub(super) fn put_score(
    db: &Connection,
    tenant: &TenantId,
    conversation: ConversationId,
    number: u32,
    score: u8,
) -> Result<(), Error> {
    run(db, sql::PUT_SCORE, params![tenant.as_str(), conversation.0, number, score])
}

pub(super) fn put_agent_state(
    db: &Connection,
    tenant: &TenantId,
    r: &AgentRecord,
) -> Result<(), Error> {
    let (declared, status, reason) = (r.declared.as_str(), r.status.as_str(), r.reason.as_str());
    let of = tenant.as_str();
    let (agent, since) = (r.agent.as_str(), r.since.0);
    let record = params![of, agent, declared, status, reason, since];
    run(db, sql::PUT_AGENT_STATE, record)
}

pub(super) fn put_beats(
    db: &Connection,
    tenant: &TenantId,
    beats: &[(UserId, Moment)],
) -> Result<(), Error> {
    for (agent, until) in beats {
        run(db, sql::PUT_BEAT, params![tenant.as_str(), agent.as_str(), until.0])?;
    }
    Ok(())
}

pub(super) fn put_alert(
    db: &Connection,
    tenant: &TenantId,
    department: Uuid,
    is_standing: bool,
) -> Result<(), Error> {
    let sql = if is_standing { sql::ADD_DEPARTMENT_ALERT } else { sql::REMOVE_DEPARTMENT_ALERT };
    run(db, sql, params![tenant.as_str(), department])
}
