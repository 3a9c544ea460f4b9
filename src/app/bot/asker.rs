//! Who asks the bot without a token: a customer, by what proves a session to be its own.

use super::super::App;
use crate::auth;
use crate::model::{
    Conversation, ConversationId, Error, ExternalId, Identity, Role, TenantId, UserId,
};

impl App {
    /// The customer that a session key proves, and its conversation; `None` if it is no key.
    ///
    /// # Errors
    /// 503 when the log does not answer.
    pub async fn customer_by_key(
        &self,
        key: &str,
    ) -> Result<Option<(Identity, ConversationId)>, Error> {
        let found = self.log.conversation_by_session_key(&auth::digest(key)).await;
        let Some((tenant, id)) = found.map_err(|e| self.fault(e))? else { return Ok(None) };
        let found = self.log.conversation(&tenant, id).await.map_err(|e| self.fault(e))?;
        found.map(|conversation| customer_of(tenant, &conversation, false)).transpose()
    }

    /// With `auth.open_sessions`: the customer of whatever conversation is named.
    ///
    /// # Errors
    /// 401 without that option, 404 for a name nobody knows.
    pub async fn customer_by_name(
        &self,
        name: &ExternalId,
    ) -> Result<(Identity, ConversationId), Error> {
        if !self.config.auth.open_sessions {
            return Err(Error::Unauthorized("no token".into()));
        }
        let tenant = TenantId::default_tenant();
        let id = self.conversation_named(&tenant, name).await?;
        let found = self.log.conversation(&tenant, id).await.map_err(|e| self.fault(e))?;
        customer_of(tenant, found.ok_or(Error::NotFound("conversation"))?.as_ref(), true)
    }
}

fn customer_of(
    tenant: TenantId,
    conversation: &Conversation,
    is_open: bool,
) -> Result<(Identity, ConversationId), Error> {
    let user = match &conversation.customer {
        Some(customer) => customer.clone(),
        None => UserId::parse("customer").map_err(|e| Error::InvalidId(e.to_string()))?,
    };
    let identity = Identity {
        tenant,
        subject: user.clone(),
        user,
        role: Role::Customer,
        user_type: Role::Customer,
        name: conversation.name.as_deref().map(Into::into),
        departments: [].into(),
        conversations: [conversation.id].into(),
        scopes: [].into(),
        expires_at: None,
        is_open,
    };
    Ok((identity, conversation.id))
}
