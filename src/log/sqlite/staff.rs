//! Tenants, departments and agents in SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::super::{Agent, AgentFilter, Department, Error, Staff};
use super::rows::{self, all, first, int, run};
use super::{Sqlite, sql};
use crate::model::{Moment, Role, TenantId, UserId};

fn department(row: &Row) -> rusqlite::Result<Department> {
    Ok(Department { id: row.get(0)?, name: row.get(1)?, routing: row.get(2)? })
}

fn agent(row: &Row) -> rusqlite::Result<(TenantId, Agent)> {
    let agent = Agent {
        id: rows::user(row, 1)?,
        role: rows::parsed(row, 2, Role::parse)?,
        name: row.get(3)?,
        email: row.get(4)?,
        password: row.get(5)?,
        departments: rows::json(row, 6)?,
        max_chats: rows::count(row, 7)?,
        skills: rows::json(row, 8)?,
        languages: rows::json(row, 9)?,
        is_disabled: row.get(10)?,
        created_at: Moment(row.get(11)?),
        extension: row.get(12)?,
    };
    Ok((rows::tenant(row, 0)?, agent))
}

fn agent_alone(row: &Row) -> rusqlite::Result<Agent> {
    agent(row).map(|(_, agent)| agent)
}

pub(super) fn put_department(
    db: &Connection,
    tenant: &TenantId,
    d: &Department,
) -> Result<(), Error> {
    run(db, sql::PUT_DEPARTMENT, params![tenant.as_str(), d.id, d.name, d.routing])
}

pub(super) fn put_agent(db: &Connection, tenant: &TenantId, a: &Agent) -> Result<(), Error> {
    let of = tenant.as_str();
    run(db, sql::REMOVE_FORMER_AGENT, params![of, a.id.as_str()])?;
    run(
        db,
        sql::PUT_AGENT,
        params![
            of,
            a.id.as_str(),
            a.role.as_str(),
            a.name,
            a.email,
            a.password,
            rows::to_json(&a.departments)?,
            a.max_chats,
            rows::to_json(&a.skills)?,
            rows::to_json(&a.languages)?,
            a.is_disabled,
            a.created_at.0,
            a.extension,
        ],
    )
}

pub(super) fn remove_agent(
    db: &Connection,
    tenant: &TenantId,
    id: &UserId,
    at: Moment,
) -> Result<(), Error> {
    run(db, sql::REMOVE_AGENT, params![tenant.as_str(), id.as_str()])?;
    run(db, sql::ADD_FORMER_AGENT, params![tenant.as_str(), id.as_str(), at.0])
}

/// All, or those of one department.
fn read_agents(
    db: &Connection,
    tenant: &TenantId,
    filter: &AgentFilter,
) -> Result<Vec<Agent>, Error> {
    // Every id is behind the empty text.
    let after = filter.after.as_ref().map_or("", UserId::as_str);
    let (of, limit) = (tenant.as_str(), int(filter.limit as u64));
    match filter.department {
        None => all(db, sql::AGENTS, params![of, after, limit], agent_alone),
        Some(id) => {
            // The column is a JSON array of ids, and no id is part of another.
            let of = params![of, after, limit, id.to_string()];
            all(db, sql::AGENTS_OF_DEPARTMENT, of, agent_alone)
        }
    }
}

#[async_trait]
impl Staff for Sqlite {
    async fn tenant(&self, tenant: &TenantId) -> Result<Option<String>, Error> {
        let of = tenant.clone();
        self.reading(move |db| rows::scalar(db, sql::TENANT_NAME, params![of.as_str()])).await
    }

    async fn tenant_page(
        &self,
        after: Option<TenantId>,
        limit: usize,
    ) -> Result<Vec<(TenantId, String)>, Error> {
        let read = |row: &Row| Ok((rows::tenant(row, 0)?, row.get(1)?));
        self.reading(move |db| {
            let after = after.as_ref().map_or("", TenantId::as_str);
            all(db, sql::TENANTS, params![after, int(limit as u64)], read)
        })
        .await
    }

    async fn department(&self, tenant: &TenantId, id: Uuid) -> Result<Option<Department>, Error> {
        let of = tenant.clone();
        let read =
            move |db: &Connection| first(db, sql::DEPARTMENT, params![of.as_str(), id], department);
        self.reading(read).await
    }

    async fn department_page(
        &self,
        tenant: &TenantId,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Department>, Error> {
        let of = tenant.clone();
        self.reading(move |db| {
            // Every id is behind no bytes at all.
            let after = after.map_or(vec![], |id| id.as_bytes().to_vec());
            all(db, sql::DEPARTMENTS, params![of.as_str(), after, int(limit as u64)], department)
        })
        .await
    }

    async fn agent(&self, tenant: &TenantId, id: &UserId) -> Result<Option<Agent>, Error> {
        let (of, id) = (tenant.clone(), id.clone());
        let read = move |db: &Connection| {
            first(db, sql::AGENT, params![of.as_str(), id.as_str()], agent_alone)
        };
        self.reading(read).await
    }

    async fn agent_page(
        &self,
        tenant: &TenantId,
        filter: AgentFilter,
    ) -> Result<Vec<Agent>, Error> {
        let of = tenant.clone();
        self.reading(move |db| read_agents(db, &of, &filter)).await
    }

    async fn agents_by_email(&self, email: &str) -> Result<Vec<(TenantId, Agent)>, Error> {
        let email = email.to_owned();
        self.reading(move |db| all(db, sql::AGENTS_BY_EMAIL, params![email], agent)).await
    }

    async fn is_former_agent(&self, tenant: &TenantId, id: &UserId) -> Result<bool, Error> {
        let (of, id) = (tenant.clone(), id.clone());
        self.reading(move |db| {
            let found = first(db, sql::FORMER_AGENT, params![of.as_str(), id.as_str()], |_| Ok(()));
            Ok(found?.is_some())
        })
        .await
    }
}
