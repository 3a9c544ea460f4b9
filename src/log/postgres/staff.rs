//! Tenants, departments and agents in PostgreSQL.

use async_trait::async_trait;
use tokio_postgres::Row;
use uuid::Uuid;

use super::super::{Agent, AgentFilter, Department, Error, Staff};
use super::rows::{self, Text, get};
use super::{Postgres, sql};
use crate::model::{Role, TenantId, UserId};

fn department(row: &Row) -> Result<Department, Error> {
    Ok(Department { id: get(row, 0)?, name: get(row, 1)?, routing: get(row, 2)? })
}

fn agent(row: &Row) -> Result<(TenantId, Agent), Error> {
    let agent = Agent {
        id: rows::user(row, 1)?,
        role: rows::parsed(row, 2, Role::parse)?,
        name: get(row, 3)?,
        email: get(row, 4)?,
        password: get(row, 5)?,
        departments: rows::json(row, 6)?,
        max_chats: rows::count(row, 7)?,
        skills: rows::json(row, 8)?,
        languages: rows::json(row, 9)?,
        is_disabled: get(row, 10)?,
        created_at: rows::at(row, 11)?,
        extension: get(row, 12)?,
    };
    Ok((rows::tenant(row, 0)?, agent))
}

fn agent_alone(row: &Row) -> Result<Agent, Error> {
    agent(row).map(|(_, agent)| agent)
}

#[async_trait]
impl Staff for Postgres {
    async fn tenant(&self, tenant: &TenantId) -> Result<Option<String>, Error> {
        self.lines.first(sql::TENANT_NAME, &[&tenant.as_str()], |row| get(row, 0)).await
    }

    async fn tenant_page(
        &self,
        after: Option<TenantId>,
        limit: usize,
    ) -> Result<Vec<(TenantId, String)>, Error> {
        let after = after.as_ref().map_or("", TenantId::as_str);
        let read = |row: &Row| Ok((rows::tenant(row, 0)?, get(row, 1)?));
        self.lines.all(sql::TENANTS, &[&after, &rows::limit(limit)], read).await
    }

    async fn department(&self, tenant: &TenantId, id: Uuid) -> Result<Option<Department>, Error> {
        self.lines.first(sql::DEPARTMENT, &[&tenant.as_str(), &id], department).await
    }

    async fn department_page(
        &self,
        tenant: &TenantId,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Department>, Error> {
        let (of, limit) = (tenant.as_str(), rows::limit(limit));
        self.lines.all(sql::DEPARTMENTS, &[&of, &after, &limit], department).await
    }

    async fn agent(&self, tenant: &TenantId, id: &UserId) -> Result<Option<Agent>, Error> {
        self.lines.first(sql::AGENT, &[&tenant.as_str(), &id.as_str()], agent_alone).await
    }

    async fn agent_page(
        &self,
        tenant: &TenantId,
        filter: AgentFilter,
    ) -> Result<Vec<Agent>, Error> {
        // Every id is behind the empty text.
        let after = filter.after.as_ref().map_or("", UserId::as_str);
        let (of, limit) = (tenant.as_str(), rows::limit(filter.limit));
        match filter.department {
            None => self.lines.all(sql::AGENTS, &[&of, &after, &limit], agent_alone).await,
            Some(id) => {
                // The column is a JSON array of ids, and no id is part of another.
                let id = id.to_string();
                let sql = sql::AGENTS_OF_DEPARTMENT;
                self.lines.all(sql, &[&of, &after, &limit, &id], agent_alone).await
            }
        }
    }

    async fn agents_by_email(&self, email: &str) -> Result<Vec<(TenantId, Agent)>, Error> {
        self.lines.all(sql::AGENTS_BY_EMAIL, &[&Text(email)], agent).await
    }

    async fn is_former_agent(&self, tenant: &TenantId, id: &UserId) -> Result<bool, Error> {
        let found = self.lines.query(sql::FORMER_AGENT, &[&tenant.as_str(), &id.as_str()]).await?;
        Ok(!found.is_empty())
    }
}
