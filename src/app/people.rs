//! Tenants, agents and API keys, as far as tokens and logins need them.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use super::audit::{audit_entry, check_admin};
use super::staff::StaffChange;
use crate::auth;
use crate::limits::{KNOWN_TENANTS_MAX, PATTERNS_MAX};
use crate::log::{Agent, ApiKey, Change, Department, Record};
use crate::model::{Error, EventSet, Identity, Moment, Scope, TenantId};

/// How many conversations an agent may have when nobody said (contract 11).
pub(super) const MAX_CHATS: u32 = 5;

/// Tenants that are known to exist; tenants never cease to.
#[derive(Default)]
pub(super) struct Known(Mutex<HashSet<TenantId>>);

/// What a new API key is to be.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// The only events it may post and hear, by names and patterns (`call.*`); all when absent.
    #[serde(default)]
    pub events: Option<Vec<String>>,
}

impl App {
    /// Makes sure the tenant of a valid token exists.
    ///
    /// # Errors
    /// 403 for an unknown tenant when `auth.create_on_first_use` is off.
    pub(super) async fn ensure_tenant(&self, tenant: &TenantId) -> Result<(), Error> {
        if self.is_known(tenant).await? {
            return Ok(());
        }
        if !self.config.auth.create_on_first_use && !tenant.is_default() {
            return Err(Error::Forbidden("the token's tenant is unknown".into()));
        }
        self.begin_tenant(tenant).await
    }

    /// Makes a tenant that the configuration names, if there is none of that id.
    ///
    /// # Errors
    /// 503 when the log does not answer.
    pub async fn begin_tenant(&self, tenant: &TenantId) -> Result<(), Error> {
        if self.is_known(tenant).await? {
            return Ok(());
        }
        let record = Record::Tenant(tenant.to_string());
        self.log.commit(tenant, Change::record(record)).await.map_err(|e| self.fault(e))?;
        self.remember(tenant);
        Ok(())
    }

    /// Whether the tenant exists.
    ///
    /// # Errors
    /// 503 when the log does not answer.
    pub async fn is_known(&self, tenant: &TenantId) -> Result<bool, Error> {
        if self.0.known.0.lock().unwrap_or_else(PoisonError::into_inner).contains(tenant) {
            return Ok(true);
        }
        let found = self.log.tenant(tenant).await.map_err(|e| self.fault(e))?.is_some();
        if found {
            self.remember(tenant);
        }
        Ok(found)
    }

    fn remember(&self, tenant: &TenantId) {
        let mut known = self.0.known.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < KNOWN_TENANTS_MAX {
            known.insert(tenant.clone());
        }
    }

    /// Makes sure the agent or admin of a valid token exists and may work.
    pub(super) async fn ensure_agent(
        &self,
        who: &Identity,
        email: Option<&str>,
    ) -> Result<(), Error> {
        let disabled = || Err(Error::Forbidden("this agent is disabled".into()));
        // Routing knows those who were there before, and thousands of heartbeats ask.
        match self.is_disabled(&who.tenant, &who.subject) {
            Some(true) => return disabled(),
            Some(false) => return Ok(()),
            None => {}
        }
        let found = self.log.agent(&who.tenant, &who.subject).await.map_err(|e| self.fault(e))?;
        if let Some(agent) = found {
            // Whoever made it hung up before routing was told.
            self.staff_changed(&who.tenant, &StaffChange::Agent(agent.id.clone())).await;
            return if agent.is_disabled { disabled() } else { Ok(()) };
        }
        if !self.config.auth.create_on_first_use {
            return Err(Error::Forbidden("the token's agent is unknown".into()));
        }
        self.add_on_first_use(who, email).await
    }

    async fn add_on_first_use(&self, who: &Identity, email: Option<&str>) -> Result<(), Error> {
        let _turn = self.staff_turn(&who.tenant).await;
        let found = self.log.agent(&who.tenant, &who.subject).await.map_err(|e| self.fault(e))?;
        if found.is_some() {
            // Another request of the same token was quicker.
            return Ok(());
        }
        let is_former = self.log.is_former_agent(&who.tenant, &who.subject).await;
        if is_former.map_err(|e| self.fault(e))? {
            return Err(Error::Forbidden("this agent was removed".into()));
        }
        let missing = self.missing_departments(who).await?;
        let named = |id: &Uuid| {
            Record::Department(Department { id: *id, name: id.to_string(), routing: None })
        };
        let mut records: Vec<Record> = missing.iter().map(named).collect();
        records.push(Record::Agent(agent_of(who, email)));
        let change = Change::new(vec![], records);
        self.log.commit(&who.tenant, change).await.map_err(|e| self.fault(e))?;
        for id in missing {
            self.staff_changed(&who.tenant, &StaffChange::Department(id)).await;
        }
        self.staff_changed(&who.tenant, &StaffChange::Agent(who.subject.clone())).await;
        Ok(())
    }

    async fn missing_departments(&self, who: &Identity) -> Result<Vec<Uuid>, Error> {
        let mut missing = Vec::new();
        for id in who.departments.iter() {
            let found = self.log.department(&who.tenant, *id).await.map_err(|e| self.fault(e))?;
            if found.is_none() {
                missing.push(*id);
            }
        }
        Ok(missing)
    }

    /// Makes an API key and returns it for the only time.
    ///
    /// # Errors
    /// 403 for anybody but an admin, 422 for an empty name or no scope.
    pub async fn create_key(&self, who: &Identity, new: NewKey) -> Result<(Uuid, String), Error> {
        check_admin(who)?;
        if new.name.trim().is_empty() {
            return Err(Error::Invalid { field: "name", reason: "is empty".into() });
        }
        if new.scopes.is_empty() {
            return Err(Error::Invalid { field: "scopes", reason: "names none".into() });
        }
        let events = checked_patterns("events", new.events)?;
        let (set, _) = EventSet::parse_all(events.iter().map(String::as_str));
        if !set.without(who.events).is_empty() {
            let reason = "a key cannot give more events than it has; name them in events";
            return Err(Error::Forbidden(reason.into()));
        }
        let (id, key) = (Uuid::now_v7(), auth::new_api_key());
        let record = Record::ApiKey(ApiKey {
            id,
            name: new.name,
            digest: auth::digest(&key),
            scopes: new.scopes,
            events,
            created_at: Moment::now(),
        });
        let events = vec![audit_entry(who, "key.created", Some(id.to_string()))];
        let change = Change::new(events, vec![record]);
        self.log.commit(&who.tenant, change).await.map_err(|e| self.fault(e))?;
        Ok((id, key))
    }

    /// An admin's API keys, without the keys.
    ///
    /// # Errors
    /// 403 for anybody but an admin.
    pub async fn keys(&self, who: &Identity) -> Result<Vec<ApiKey>, Error> {
        check_admin(who)?;
        self.log.api_keys(&who.tenant).await.map_err(|e| self.fault(e))
    }

    /// Makes a key worthless from now on.
    ///
    /// # Errors
    /// 403 for anybody but an admin, 404 for an unknown key.
    pub async fn revoke_key(&self, who: &Identity, id: Uuid) -> Result<(), Error> {
        if !self.keys(who).await?.iter().any(|key| key.id == id) {
            return Err(Error::NotFound("API key"));
        }
        let events = vec![audit_entry(who, "key.revoked", Some(id.to_string()))];
        let change = Change::new(events, vec![Record::ApiKeyRevoked(id)]);
        self.log.commit(&who.tenant, change).await.map_err(|e| self.fault(e))?;
        Ok(())
    }

    /// The name an agent is shown by.
    pub(super) async fn agent_name(
        &self,
        tenant: &TenantId,
        id: &crate::model::UserId,
    ) -> Result<Option<String>, Error> {
        let agent = self.log.agent(tenant, id).await.map_err(|e| self.fault(e))?;
        match agent {
            Some(agent) if agent.is_disabled => {
                Err(Error::Invalid { field: "agent_id", reason: "is disabled".into() })
            }
            agent => Ok(agent.map(|a| a.name)),
        }
    }
}

/// Patterns of events that there are; all when none is given.
pub(super) fn checked_patterns(
    field: &'static str,
    given: Option<Vec<String>>,
) -> Result<Vec<String>, Error> {
    let Some(patterns) = given else { return Ok(vec!["*".into()]) };
    if patterns.is_empty() {
        return Err(Error::Invalid { field, reason: "names none".into() });
    }
    if patterns.len() > PATTERNS_MAX {
        return Err(Error::Invalid { field, reason: format!("names more than {PATTERNS_MAX}") });
    }
    let (_, unknown) = EventSet::parse_all(patterns.iter().map(String::as_str));
    match unknown.first() {
        Some(unknown) => Err(Error::Invalid { field, reason: unknown.to_string() }),
        None => Ok(patterns),
    }
}

/// The agent a token speaks of.
fn agent_of(who: &Identity, email: Option<&str>) -> Agent {
    Agent {
        id: who.subject.clone(),
        role: who.role,
        name: who.name.as_deref().unwrap_or(who.subject.as_str()).to_owned(),
        email: email.map(str::to_owned),
        password: None,
        departments: who.departments.to_vec(),
        max_chats: MAX_CHATS,
        skills: vec![],
        languages: vec![],
        is_disabled: false,
        created_at: Moment::now(),
        extension: None,
    }
}
