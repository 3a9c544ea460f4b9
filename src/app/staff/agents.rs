//! Agents and admins, as admins keep them. How a token makes one on first use is `people.rs`'.

use uuid::Uuid;

use super::fields::{
    check_password, checked_email, checked_extension, checked_max_chats, checked_name,
    checked_role, checked_words, invalid,
};
use super::{StaffChange, conflict};
use crate::app::audit::check_admin;
use crate::app::{App, identity};
use crate::log::{Agent, AgentFilter, Record};
use crate::model::{Error, Identity, Moment, Role, UserId};

/// Most departments of an agent.
const DEPARTMENTS_MAX: usize = 50;

/// What a new agent is to be.
#[derive(Clone, Debug)]
pub struct NewAgent {
    /// Its name.
    pub name: String,
    /// Its e-mail address.
    pub email: Option<String>,
    /// By which it may log in here; without one, others vouch for it by tokens.
    pub password: Option<String>,
    /// `agent` or `admin`.
    pub role: String,
    /// Where it works; the first one is shown.
    pub departments: Vec<Uuid>,
    /// How many conversations it may have at once.
    pub max_chats: i64,
    /// What it can do.
    pub skills: Vec<String>,
    /// What it speaks.
    pub languages: Vec<String>,
    /// Its telephone's extension.
    pub extension: Option<String>,
    /// Whether it may neither log in nor be assigned.
    pub is_disabled: bool,
}

impl NewAgent {
    /// An agent of that name and nothing else.
    pub fn named(name: String) -> NewAgent {
        NewAgent {
            name,
            email: None,
            password: None,
            role: Role::Agent.to_string(),
            departments: vec![],
            max_chats: crate::app::people::MAX_CHATS.into(),
            skills: vec![],
            languages: vec![],
            extension: None,
            is_disabled: false,
        }
    }
}

/// What is to be different in an agent; `None` stays, and an inner `None` takes away.
#[derive(Clone, Debug, Default)]
pub struct AgentChange {
    /// Its name.
    pub name: Option<String>,
    /// Its e-mail address.
    pub email: Option<Option<String>>,
    /// Its password.
    pub password: Option<Option<String>>,
    /// `agent` or `admin`.
    pub role: Option<String>,
    /// All its departments.
    pub departments: Option<Vec<Uuid>>,
    /// How many conversations it may have at once.
    pub max_chats: Option<i64>,
    /// All it can do.
    pub skills: Option<Vec<String>>,
    /// All it speaks.
    pub languages: Option<Vec<String>>,
    /// Its telephone's extension.
    pub extension: Option<Option<String>>,
    /// Whether it may neither log in nor be assigned.
    pub is_disabled: Option<bool>,
}

impl App {
    /// A page of the agents and admins of an admin's tenant, in the order of their ids.
    ///
    /// # Errors
    /// 403 for anybody but an admin.
    pub async fn agents(&self, who: &Identity, filter: AgentFilter) -> Result<Vec<Agent>, Error> {
        check_admin(who)?;
        self.log.agent_page(&who.tenant, filter).await.map_err(|e| self.fault(e))
    }

    /// An agent, for admins and for itself.
    ///
    /// # Errors
    /// 403 for anybody else, 404.
    pub async fn agent(&self, who: &Identity, id: &UserId) -> Result<Agent, Error> {
        if !is_itself(who, id) {
            check_admin(who)?;
        }
        let found = self.log.agent(&who.tenant, id).await.map_err(|e| self.fault(e))?;
        found.ok_or(Error::NotFound("agent"))
    }

    /// Makes an agent or admin, under a new id.
    ///
    /// # Errors
    /// 403 for anybody but an admin, 409 for an e-mail address that is taken, 422 by field.
    pub async fn add_agent(&self, who: &Identity, new: NewAgent) -> Result<Agent, Error> {
        check_admin(who)?;
        let id = UserId::parse(&Uuid::now_v7().to_string());
        let agent = checked(Agent {
            id: id.map_err(|err| Error::InvalidId(err.to_string()))?,
            role: checked_role(&new.role)?,
            name: new.name,
            email: new.email,
            password: None,
            departments: new.departments,
            max_chats: checked_max_chats(new.max_chats)?,
            skills: new.skills,
            languages: new.languages,
            extension: new.extension,
            is_disabled: new.is_disabled,
            created_at: Moment::now(),
        })?;
        let password = self.hash_of(new.password).await?;
        let _turn = self.staff_turn(&who.tenant).await;
        self.check_departments(who, &agent.departments).await?;
        let agent = Agent { password, ..agent };
        self.check_email(who, &agent).await?;
        self.keep_agent(who, "agent.created", agent).await
    }

    /// Changes an agent or admin. What it may do by a token it has is as long as the token says,
    /// unless it is disabled: then it may do nothing from now on.
    ///
    /// # Errors
    /// 403 for anybody but an admin, 404, 409 for an e-mail address that is taken and for an admin
    /// who would lock itself out, 422 by field.
    pub async fn change_agent(
        &self,
        who: &Identity,
        id: &UserId,
        mut change: AgentChange,
    ) -> Result<Agent, Error> {
        check_admin(who)?;
        self.agent(who, id).await?;
        // Before its turn: a hash takes long, and others wait for theirs.
        let password = match change.password.take() {
            None => None,
            Some(password) => Some(self.hash_of(password).await?),
        };
        let _turn = self.staff_turn(&who.tenant).await;
        let known = self.agent(who, id).await?;
        let (was_disabled, was_admin) = (known.is_disabled, known.role == Role::Admin);
        let old_email = known.email.clone();
        if let Some(departments) = &change.departments {
            self.check_departments(who, departments).await?;
        }
        let agent = checked(merged(known, change, password)?)?;
        let loses = agent.is_disabled || was_admin && agent.role != Role::Admin;
        if who.subject == *id && loses {
            return conflict("nobody takes the administration from itself");
        }
        if agent.email != old_email {
            self.check_email(who, &agent).await?;
        }
        let action = match (was_disabled, agent.is_disabled) {
            (false, true) => "agent.disabled",
            (true, false) => "agent.enabled",
            _ => "agent.changed",
        };
        self.keep_agent(who, action, agent).await
    }

    /// Takes an agent or admin away. Its tokens count no longer, and no token makes it anew.
    ///
    /// # Errors
    /// 403 for anybody but an admin, 404, 409 for itself.
    pub async fn remove_agent(&self, who: &Identity, id: &UserId) -> Result<(), Error> {
        check_admin(who)?;
        let _turn = self.staff_turn(&who.tenant).await;
        self.agent(who, id).await?;
        if who.subject == *id {
            return conflict("nobody removes itself");
        }
        let record = Record::AgentRemoved(id.clone());
        let change = StaffChange::AgentRemoved(id.clone());
        self.keep_staff(who, "agent.deleted", record, change).await
    }

    /// Keeps an agent whose turn it is.
    async fn keep_agent(&self, who: &Identity, action: &str, agent: Agent) -> Result<Agent, Error> {
        if agent.password.is_some() && agent.email.is_none() {
            return invalid("email", "is what one logs in with, beside the password");
        }
        let record = Record::Agent(agent.clone());
        let change = StaffChange::Agent(agent.id.clone());
        self.keep_staff(who, action, record, change).await?;
        Ok(agent)
    }

    /// Refuses an address that another agent of the tenant has.
    async fn check_email(&self, who: &Identity, agent: &Agent) -> Result<(), Error> {
        let Some(email) = &agent.email else { return Ok(()) };
        let found = self.log.agents_by_email(email).await.map_err(|e| self.fault(e))?;
        let is_other = |(of, other): &(_, Agent)| *of == who.tenant && other.id != agent.id;
        match found.iter().any(is_other) {
            true => conflict("another agent has this e-mail address"),
            false => Ok(()),
        }
    }

    async fn check_departments(&self, who: &Identity, ids: &[Uuid]) -> Result<(), Error> {
        if ids.len() > DEPARTMENTS_MAX {
            return invalid("department_ids", format!("has more than {DEPARTMENTS_MAX}"));
        }
        for (place, id) in ids.iter().enumerate() {
            let found = self.log.department(&who.tenant, *id).await.map_err(|e| self.fault(e))?;
            if found.is_none() {
                let path = format!("department_ids[{place}]");
                return Err(Error::InvalidAt { path, reason: "is no department".into() });
            }
        }
        Ok(())
    }

    async fn hash_of(&self, password: Option<String>) -> Result<Option<String>, Error> {
        let Some(password) = password else { return Ok(None) };
        check_password(&password)?;
        let hash = self.passwords.hash(&password).await.map_err(identity::refuse_password)?;
        Ok(Some(hash))
    }
}

/// Whether `who` asks for its own record. An identity that nobody proved has none.
fn is_itself(who: &Identity, id: &UserId) -> bool {
    matches!(who.role, Role::Agent | Role::Admin) && !who.is_open && who.subject == *id
}

fn merged(
    known: Agent,
    change: AgentChange,
    password: Option<Option<String>>,
) -> Result<Agent, Error> {
    Ok(Agent {
        name: change.name.unwrap_or(known.name),
        email: change.email.unwrap_or(known.email),
        password: password.unwrap_or(known.password),
        role: change.role.as_deref().map_or(Ok(known.role), checked_role)?,
        departments: change.departments.unwrap_or(known.departments),
        max_chats: change.max_chats.map_or(Ok(known.max_chats), checked_max_chats)?,
        skills: change.skills.unwrap_or(known.skills),
        languages: change.languages.unwrap_or(known.languages),
        extension: change.extension.unwrap_or(known.extension),
        is_disabled: change.is_disabled.unwrap_or(known.is_disabled),
        id: known.id,
        created_at: known.created_at,
    })
}

/// The agent as it is kept, if it can be one.
fn checked(agent: Agent) -> Result<Agent, Error> {
    let mut departments: Vec<Uuid> = Vec::with_capacity(agent.departments.len());
    for id in agent.departments {
        if !departments.contains(&id) {
            departments.push(id);
        }
    }
    Ok(Agent {
        name: checked_name(&agent.name)?,
        email: checked_email(agent.email)?,
        skills: checked_words("skills", &agent.skills)?,
        languages: checked_words("languages", &agent.languages)?,
        extension: checked_extension(agent.extension)?,
        departments,
        ..agent
    })
}
