//! From a credential to an [`Identity`]: the one place where one is made (contract 4).

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use crate::auth::{self, Claims, PasswordError, TokenError};
use crate::limits::EMAIL_BYTES_MAX;
use crate::log::Agent;
use crate::model::{
    ConversationId, Credential, Error, EventSet, ExternalId, Identity, Moment, Reply, Role, Scope,
    TenantId, UserId,
};
use crate::presence::Turn;

/// What a login gives.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Login {
    /// The token.
    pub token: String,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Moment,
    /// Who logged in.
    pub user: LoginUser,
}

/// A local user, as login shows it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LoginUser {
    /// Its id.
    pub id: String,
    /// Its tenant.
    pub tenant: String,
    /// Agent or admin.
    pub role: Role,
    /// Its name.
    pub name: Option<String>,
    /// Its e-mail address.
    pub email: Option<String>,
    /// Its departments.
    pub departments: Vec<String>,
}

impl App {
    /// Who a token or an API key speaks for.
    ///
    /// # Errors
    /// 401 for a credential that does not hold, 403 for one of an unknown tenant or a disabled
    /// agent, 503 while the keys to check it cannot be had.
    pub async fn identify(&self, credential: &str) -> Result<Identity, Error> {
        if auth::is_api_key(credential) {
            return self.identify_key(credential).await;
        }
        let now = Moment::now().unix_seconds();
        let claims = self.tokens.verify(credential, now).await.map_err(refuse_token)?;
        let email = claims.email.clone();
        let who = identity_of(claims)?;
        self.ensure_tenant(&who.tenant).await?;
        if matches!(who.role, Role::Agent | Role::Admin) {
            self.ensure_agent(&who, email.as_deref()).await?;
        }
        Ok(who)
    }

    /// Who posts for a tenant without a key: a connector of ours, by its name, which may post any
    /// event and nothing else.
    pub fn connector(tenant: TenantId, name: &'static str) -> Result<Identity, Error> {
        let user = UserId::parse(name).map_err(|e| Error::InvalidId(e.to_string()))?;
        Ok(Identity {
            tenant,
            subject: user.clone(),
            user,
            role: Role::Service,
            user_type: Role::Service,
            name: Some(name.into()),
            departments: [].into(),
            conversations: [].into(),
            scopes: [Scope::EventsWrite].into(),
            events: EventSet::ALL,
            expires_at: None,
            is_open: false,
        })
    }

    async fn identify_key(&self, credential: &str) -> Result<Identity, Error> {
        let digest = auth::digest(credential);
        let found = self.log.api_key(&digest).await.map_err(|e| self.fault(e))?;
        let (tenant, key) =
            found.ok_or_else(|| Error::Unauthorized("unknown or revoked API key".into()))?;
        let user = UserId::parse(&format!("key:{}", key.id));
        let user = user.map_err(|e| Error::Unauthorized(e.to_string()))?;
        Ok(Identity {
            tenant,
            subject: user.clone(),
            user,
            role: Role::Service,
            user_type: Role::Service,
            name: Some(key.name.into()),
            departments: [].into(),
            conversations: [].into(),
            scopes: key.scopes.into(),
            // Names that a later version has no more stand for nothing.
            events: EventSet::parse_all(key.events.iter().map(String::as_str)).0,
            expires_at: None,
            is_open: false,
        })
    }

    /// Takes a newer token of the same user on an open connection.
    pub(super) async fn renew(
        &self,
        who: &mut Identity,
        credential: &Credential,
    ) -> Result<Reply, Error> {
        let newer = self.identify_by(credential).await?;
        if newer.tenant != who.tenant || newer.subject != who.subject || newer.role != who.role {
            return Err(Error::Forbidden("the token is another user's".into()));
        }
        *who = Identity { user: who.user.clone(), user_type: who.user_type, ..newer };
        Ok(Reply::Authenticated(Box::new(who.clone())))
    }

    /// Who a credential of either kind speaks for.
    ///
    /// # Errors
    /// As [`App::identify`]; 401 for a session nobody knows.
    pub async fn identify_by(&self, credential: &Credential) -> Result<Identity, Error> {
        match credential {
            Credential::Token(token) => self.identify(token).await,
            Credential::Session(session) => self.identify_customer(session).await,
        }
    }

    /// With `auth.open_sessions` a conversation's id or external id opens it as well as its key.
    async fn identify_customer(&self, session: &str) -> Result<Identity, Error> {
        if let Some(customer) = self.customer_by_key(session).await? {
            return Ok(customer);
        }
        let found = match self.open_session(session).await? {
            Some((tenant, id)) => self.customer_of(tenant, id).await?,
            None => None,
        };
        found.ok_or_else(|| Error::Unauthorized("unknown session".into()))
    }

    /// The customer whose session key this is, if it is one.
    ///
    /// # Errors
    /// 503 when the log does not answer.
    pub async fn customer_by_key(&self, key: &str) -> Result<Option<Identity>, Error> {
        let found = self.log.conversation_by_session_key(&auth::digest(key)).await;
        match found.map_err(|e| self.fault(e))? {
            Some((tenant, id)) => self.customer_of(tenant, id).await,
            None => Ok(None),
        }
    }

    async fn customer_of(
        &self,
        tenant: TenantId,
        id: ConversationId,
    ) -> Result<Option<Identity>, Error> {
        let found = self.log.conversation(&tenant, id).await.map_err(|e| self.fault(e))?;
        let Some(conversation) = found else { return Ok(None) };
        // Whoever comes first becomes the conversation's customer, as 003 asks.
        let subject = match &conversation.customer {
            Some(customer) => customer.clone(),
            None => new_customer()?,
        };
        Ok(Some(Identity {
            tenant,
            user: subject.clone(),
            subject,
            role: Role::Customer,
            user_type: Role::Customer,
            name: conversation.name.as_deref().map(Into::into),
            departments: [].into(),
            conversations: [id].into(),
            scopes: [].into(),
            events: EventSet::ALL,
            expires_at: None,
            is_open: false,
        }))
    }

    async fn open_session(
        &self,
        session: &str,
    ) -> Result<Option<(TenantId, ConversationId)>, Error> {
        let name = ExternalId::parse(session);
        let (true, Ok(name)) = (self.config.auth.open_sessions, name) else { return Ok(None) };
        let tenant = TenantId::default_tenant();
        match self.conversation_named(&tenant, &name).await {
            Ok(id) => Ok(Some((tenant, id))),
            Err(Error::NotFound(_)) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Logs a local user in. `address` is where the request came from.
    ///
    /// # Errors
    /// 401 for a wrong address or password (which of the two is not said), 429 after too many.
    pub async fn login(&self, email: &str, password: &str, address: &str) -> Result<Login, Error> {
        if email.len() > EMAIL_BYTES_MAX {
            return Err(Error::Invalid { field: "email", reason: "is too long".into() });
        }
        let account = format!("account {}", email.to_lowercase());
        let keys = [account, format!("address {address}")];
        // Counted before the password is looked at, so that many at once are as many.
        self.0.logins.take(&keys)?;
        let per_minute = self.config.limits.logins_per_minute;
        for key in &keys {
            self.take_turn(&format!("login {key}"), per_minute).await?;
        }
        let found = self.log.agents_by_email(email).await.map_err(|e| self.fault(e))?;
        let mut verified = None;
        for (tenant, agent) in found {
            if let Some(hash) = agent.password.as_deref().filter(|_| !agent.is_disabled)
                && self.passwords.verify(password, hash).await.map_err(refuse_password)?
            {
                verified = Some((tenant, agent));
                break;
            }
        }
        let Some((tenant, agent)) = verified else {
            // An unknown account takes as long as a known one.
            self.passwords.verify_absent(password).await.map_err(refuse_password)?;
            return Err(Error::Unauthorized("wrong e-mail address or password".into()));
        };
        self.0.logins.give_back(&keys);
        for key in &keys {
            // If it is not given back, one wrong try less is allowed for a while.
            let _ = self.presence.give_turn_back(&format!("login {key}"), per_minute).await;
        }
        self.note_login(&tenant, &agent.id).await?;
        self.login_of(&tenant, agent)
    }

    /// A new token for whoever still holds a valid one.
    ///
    /// # Errors
    /// 403 for anybody but a local user.
    pub async fn refresh(&self, who: &Identity) -> Result<Login, Error> {
        let agent = self.log.agent(&who.tenant, &who.subject).await.map_err(|e| self.fault(e))?;
        match agent {
            // Not those another issuer vouches for: their tokens last as long as it says.
            Some(agent)
                if agent.password.is_some() && agent.role == who.role && !agent.is_disabled =>
            {
                self.login_of(&who.tenant, agent)
            }
            _ => Err(Error::Forbidden("only local users' tokens can be refreshed".into())),
        }
    }

    fn login_of(&self, tenant: &TenantId, agent: Agent) -> Result<Login, Error> {
        let expires_at = self.expiry(self.config.auth.token_ttl);
        let user = LoginUser {
            id: agent.id.to_string(),
            tenant: tenant.to_string(),
            role: agent.role,
            name: Some(agent.name),
            email: agent.email,
            departments: agent.departments.iter().map(Uuid::to_string).collect(),
        };
        let token = self.sign(Claims {
            sub: user.id.clone(),
            tenant: user.tenant.clone(),
            role: user.role,
            name: user.name.clone(),
            email: user.email.clone(),
            departments: user.departments.clone(),
            conversations: vec![],
            exp: expires_at.unix_seconds(),
            iat: None,
        })?;
        Ok(Login { token, expires_at, user })
    }

    /// A token for a local user, without a login.
    pub(super) fn token_for(&self, tenant: &TenantId, agent: Agent) -> Result<String, Error> {
        Ok(self.login_of(tenant, agent)?.token)
    }

    /// A token by which a customer proves that a conversation is its own.
    pub(super) fn customer_token(
        &self,
        tenant: &TenantId,
        user: &UserId,
        name: Option<String>,
        conversation: ConversationId,
    ) -> Result<String, Error> {
        self.sign(Claims {
            sub: user.to_string(),
            tenant: tenant.to_string(),
            role: Role::Customer,
            name,
            email: None,
            departments: vec![],
            conversations: vec![conversation.to_string()],
            exp: self.expiry(self.config.auth.session_ttl).unix_seconds(),
            iat: None,
        })
    }

    fn expiry(&self, ttl: std::time::Duration) -> Moment {
        let ttl_ms = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
        Moment(Moment::now().0.saturating_add(ttl_ms))
    }

    fn sign(&self, claims: Claims) -> Result<String, Error> {
        let iat = Some(Moment::now().unix_seconds());
        self.tokens.sign(&Claims { iat, ..claims }).map_err(|err| {
            tracing::error!(error = %err, "a token could not be signed");
            Error::Unavailable("no token can be made at the moment".into())
        })
    }

    /// Counts one request of whoever it is, or of its address, to whichever node it comes.
    ///
    /// # Errors
    /// 429 with the seconds to wait.
    pub async fn count_request(&self, who: Option<&Identity>, address: &str) -> Result<(), Error> {
        let key = match who {
            Some(who) if !who.is_open => format!("{} {} {}", who.tenant, who.role, who.subject),
            _ => address.to_owned(),
        };
        self.0.requests.take(&key)?;
        self.take_turn(&format!("rest {key}"), self.config.limits.rest_per_minute).await
    }

    /// Takes one of the turns that all nodes share. Where they share none, or while what they
    /// share does not answer, each node's own count has to do.
    async fn take_turn(&self, of: &str, per_minute: u32) -> Result<(), Error> {
        if per_minute == 0 {
            return Ok(());
        }
        match self.presence.take_turn(of, per_minute).await {
            Ok(Some(Turn::After(wait))) => {
                Err(Error::RateLimited { retry_after_s: wait.as_secs() + 1 })
            }
            Ok(Some(Turn::Taken) | None) | Err(_) => Ok(()),
        }
    }
}

/// An id for a customer who has none.
pub(super) fn new_customer() -> Result<UserId, Error> {
    let id = format!("customer_{}", Uuid::new_v4().simple());
    UserId::parse(&id).map_err(|e| Error::InvalidId(e.to_string()))
}

fn identity_of(claims: Claims) -> Result<Identity, Error> {
    let bad = |what: &str| Error::Unauthorized(format!("the token's {what} is malformed"));
    let tenant = TenantId::parse(&claims.tenant).map_err(|_| bad("tenant"))?;
    let subject = UserId::parse(&claims.sub).map_err(|_| bad("sub"))?;
    if subject.is_bot() {
        return Err(Error::Unauthorized(format!("the token's sub, {subject}, is the bot's own")));
    }
    let departments = claims.departments.iter().map(|d| Uuid::try_parse(d));
    let departments = departments.collect::<Result<Vec<_>, _>>().map_err(|_| bad("departments"))?;
    // A name in place of an id is another dialect's way to say it; here only ids count.
    let conversations =
        claims.conversations.iter().filter_map(|c| ConversationId::parse(c)).collect();
    Ok(Identity {
        tenant,
        user: subject.clone(),
        subject,
        role: claims.role,
        user_type: claims.role,
        name: claims.name.map(Into::into),
        departments: departments.into(),
        conversations,
        scopes: [].into(),
        events: EventSet::ALL,
        expires_at: Some(claims.exp),
        is_open: false,
    })
}

fn refuse_token(err: TokenError) -> Error {
    match err {
        TokenError::KeysUnavailable => Error::Unavailable(err.to_string()),
        _ => Error::Unauthorized(err.to_string()),
    }
}

pub(super) fn refuse_password(err: PasswordError) -> Error {
    match err {
        PasswordError::TooLong => {
            Error::Invalid { field: "password", reason: "is too long".into() }
        }
        _ => {
            tracing::warn!(error = %err, "a password could not be checked");
            Error::Unavailable("logins are busy; try again".into())
        }
    }
}
