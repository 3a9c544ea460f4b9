//! Tenants. They are made and named by the admins of the tenant `default`, and never deleted:
//! their logs, and the cursors their readers hold, outlast whoever administers.

use super::conflict;
use super::fields::checked_name;
use crate::app::App;
use crate::app::audit::check_admin;
use crate::log::{Change, Record};
use crate::model::{Error, Identity, TenantId};

/// One customer company.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its name.
    pub name: String,
}

impl App {
    /// A page of the tenants an admin sees, in the order of their ids: all, or its own.
    ///
    /// # Errors
    /// 403 for anybody but an admin.
    pub async fn tenants(
        &self,
        who: &Identity,
        after: Option<TenantId>,
        limit: usize,
    ) -> Result<Vec<Tenant>, Error> {
        check_admin(who)?;
        if !who.tenant.is_default() {
            let is_behind = after.is_none_or(|after| who.tenant > after);
            let own = self.tenant(who, &who.tenant).await?;
            return Ok(if is_behind { vec![own] } else { vec![] });
        }
        let page = self.log.tenant_page(after, limit).await.map_err(|e| self.fault(e))?;
        Ok(page.into_iter().map(|(id, name)| Tenant { id, name }).collect())
    }

    /// A tenant an admin sees.
    ///
    /// # Errors
    /// 403 for anybody but an admin, 404, also for another tenant's admin.
    pub async fn tenant(&self, who: &Identity, id: &TenantId) -> Result<Tenant, Error> {
        check_admin(who)?;
        if !who.tenant.is_default() && who.tenant != *id {
            return Err(Error::NotFound("tenant"));
        }
        let name = self.log.tenant(id).await.map_err(|e| self.fault(e))?;
        let name = name.ok_or(Error::NotFound("tenant"))?;
        Ok(Tenant { id: id.clone(), name })
    }

    /// Makes a tenant.
    ///
    /// # Errors
    /// 403 for anybody but an admin of the tenant `default`, 409 when there is one of that id,
    /// 422 by field.
    pub async fn add_tenant(&self, who: &Identity, new: Tenant) -> Result<Tenant, Error> {
        check_admin_of_all(who)?;
        let tenant = Tenant { name: checked_name(&new.name)?, ..new };
        let _turn = self.staff_turn(&tenant.id).await;
        if self.log.tenant(&tenant.id).await.map_err(|e| self.fault(e))?.is_some() {
            return conflict("there is a tenant of this id");
        }
        self.keep_tenant(who, "tenant.created", tenant).await
    }

    /// Gives a tenant another name.
    ///
    /// # Errors
    /// 403 for anybody but an admin of the tenant `default`, 404, 422 by field.
    pub async fn change_tenant(
        &self,
        who: &Identity,
        id: &TenantId,
        name: Option<String>,
    ) -> Result<Tenant, Error> {
        check_admin_of_all(who)?;
        let known = self.tenant(who, id).await?;
        let Some(name) = name else { return Ok(known) };
        let tenant = Tenant { name: checked_name(&name)?, ..known };
        self.keep_tenant(who, "tenant.changed", tenant).await
    }

    /// The entry is another tenant's than the record, so no one commit has both. It goes first:
    /// a trail that tells of an act that failed is better than an act without a trace.
    async fn keep_tenant(
        &self,
        who: &Identity,
        action: &str,
        tenant: Tenant,
    ) -> Result<Tenant, Error> {
        self.audit(who, action, Some(tenant.id.to_string())).await?;
        let record = Change::record(Record::Tenant(tenant.name.clone()));
        self.log.commit(&tenant.id, record).await.map_err(|e| self.fault(e))?;
        Ok(tenant)
    }
}

fn check_admin_of_all(who: &Identity) -> Result<(), Error> {
    check_admin(who)?;
    match who.tenant.is_default() {
        true => Ok(()),
        false => Err(Error::Forbidden("for admins of the tenant `default` only".into())),
    }
}
