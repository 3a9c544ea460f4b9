//! Departments: a name, and how the conversations that wait in it are routed.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::fields::checked_name;
use super::{StaffChange, conflict, policy, policy_of};
use crate::app::App;
use crate::app::audit::check_admin;
use crate::log::{AgentFilter, ConversationFilter, Department, Record};
use crate::model::{Error, Identity};
use crate::routing::Action;

/// What a new department is to be.
#[derive(Clone, Debug, Default)]
pub struct NewDepartment {
    /// Its name.
    pub name: String,
    /// What of its routing policy is not the default.
    pub routing: Map<String, Value>,
}

/// What is to be different in a department; `None` stays.
#[derive(Clone, Debug, Default)]
pub struct DepartmentChange {
    /// Its name.
    pub name: Option<String>,
    /// Fields of its routing policy; `Some(None)` makes all of it the default again.
    pub routing: Option<Option<Map<String, Value>>>,
}

impl App {
    /// A page of the departments of an admin's tenant, in the order of their ids.
    ///
    /// # Errors
    /// 403 for anybody but an admin.
    pub async fn departments(
        &self,
        who: &Identity,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Department>, Error> {
        check_admin(who)?;
        self.log.department_page(&who.tenant, after, limit).await.map_err(|e| self.fault(e))
    }

    /// A department of an admin's tenant.
    ///
    /// # Errors
    /// 403 for anybody but an admin, 404.
    pub async fn department(&self, who: &Identity, id: Uuid) -> Result<Department, Error> {
        check_admin(who)?;
        let found = self.log.department(&who.tenant, id).await.map_err(|e| self.fault(e))?;
        found.ok_or(Error::NotFound("department"))
    }

    /// Makes a department.
    ///
    /// # Errors
    /// 403 for anybody but an admin, 422 by field.
    pub async fn add_department(
        &self,
        who: &Identity,
        new: NewDepartment,
    ) -> Result<Department, Error> {
        check_admin(who)?;
        let name = checked_name(&new.name)?;
        let routing = policy::changed(None, new.routing)?;
        let department = Department { id: Uuid::now_v7(), name, routing };
        self.check_escalations(who, &department).await?;
        self.keep_department(who, "department.created", department).await
    }

    /// Changes a department. What waits in it is routed by the new policy at once.
    ///
    /// # Errors
    /// 403 for anybody but an admin, 404, 422 by field.
    pub async fn change_department(
        &self,
        who: &Identity,
        id: Uuid,
        change: DepartmentChange,
    ) -> Result<Department, Error> {
        check_admin(who)?;
        let _turn = self.staff_turn(&who.tenant).await;
        let mut department = self.department(who, id).await?;
        if let Some(name) = &change.name {
            department.name = checked_name(name)?;
        }
        department.routing = match change.routing {
            None => department.routing,
            Some(None) => None,
            Some(Some(fields)) => policy::changed(department.routing.as_deref(), fields)?,
        };
        self.check_escalations(who, &department).await?;
        self.keep_department(who, "department.changed", department).await
    }

    /// Takes a department away that nobody works in, and no conversation that is not closed
    /// belongs to: one that is with an agent may come back to its queue.
    ///
    /// # Errors
    /// 403 for anybody but an admin, 404, 409 while it is in use.
    pub async fn remove_department(&self, who: &Identity, id: Uuid) -> Result<(), Error> {
        check_admin(who)?;
        let _turn = self.staff_turn(&who.tenant).await;
        self.department(who, id).await?;
        let open = ConversationFilter { department: Some(id), limit: 1, ..Default::default() };
        let open = self.log.conversations(&who.tenant, open).await.map_err(|e| self.fault(e))?;
        if !open.is_empty() {
            return conflict("conversations that are not closed belong to this department");
        }
        let agents = AgentFilter { department: Some(id), after: None, limit: 1 };
        let agents = self.log.agent_page(&who.tenant, agents).await.map_err(|e| self.fault(e))?;
        if !agents.is_empty() {
            return conflict("agents work in this department; move them first");
        }
        let all = self.log.departments(&who.tenant).await.map_err(|e| self.fault(e))?;
        let widens_here = |department: &&Department| {
            let rules = policy_of(department).escalations;
            department.id != id && rules.iter().any(|rule| rule.action == Action::Department(id))
        };
        if let Some(other) = all.iter().find(widens_here) {
            return conflict(format!("{} escalates to this department", other.name));
        }
        let record = Record::DepartmentRemoved(id);
        let change = StaffChange::DepartmentRemoved(id);
        self.keep_staff(who, "department.deleted", record, change).await
    }

    /// Refuses to widen to a department that is not there.
    async fn check_escalations(
        &self,
        who: &Identity,
        department: &Department,
    ) -> Result<(), Error> {
        for (place, rule) in policy_of(department).escalations.iter().enumerate() {
            let Action::Department(id) = rule.action else { continue };
            let found = self.log.department(&who.tenant, id).await.map_err(|e| self.fault(e))?;
            if found.is_none() {
                let path = format!("routing.escalations[{place}].action.department");
                return Err(Error::InvalidAt { path, reason: "is no department".into() });
            }
        }
        Ok(())
    }

    async fn keep_department(
        &self,
        who: &Identity,
        action: &str,
        department: Department,
    ) -> Result<Department, Error> {
        let record = Record::Department(department.clone());
        let change = StaffChange::Department(department.id);
        self.keep_staff(who, action, record, change).await?;
        Ok(department)
    }
}
