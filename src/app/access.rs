//! Who may open a socket where, and how many: everything that is decided before an upgrade.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{App, Room};
use crate::log::Change;
use crate::model::{
    Conversation, ConversationId, Error, Event, EventSet, Identity, Role, SessionStarted, TenantId,
    UserId,
};

/// What a session-dialect path asks for, read and checked.
#[derive(Clone, Debug)]
pub struct SessionPath {
    /// Which conversation.
    pub session: ConversationId,
    /// Under which name.
    pub user: UserId,
    /// As what: customer, agent or admin.
    pub role: Role,
}

impl SessionPath {
    /// Reads the three parts of the path.
    ///
    /// # Errors
    /// The first part that is malformed.
    pub fn parse(session: &str, user: &str, user_type: &str) -> Result<SessionPath, Error> {
        let session = ConversationId::parse(session).ok_or(Error::InvalidSessionId)?;
        let user = UserId::parse(user).map_err(|e| Error::InvalidId(format!("user id: {e}")))?;
        if user.is_bot() {
            return Err(Error::InvalidId(format!("user id: {user} is the bot's own")));
        }
        let role = Role::parse(user_type)
            .filter(|r| matches!(r, Role::Customer | Role::Agent | Role::Admin))
            .ok_or_else(|| Error::InvalidUserType(user_type.to_owned()))?;
        Ok(SessionPath { session, user, role })
    }
}

/// How many connections a user and a conversation hold.
#[derive(Default)]
pub(super) struct Seats(Arc<Mutex<Taken>>);

#[derive(Default)]
struct Taken {
    users: HashMap<(TenantId, UserId), usize>,
    conversations: HashMap<(TenantId, ConversationId), usize>,
}

/// A connection's place among its user's; given back when dropped.
pub struct Seat {
    taken: Arc<Mutex<Taken>>,
    user: (TenantId, UserId),
}

/// A connection's place in a conversation; given back when dropped.
pub(super) struct RoomSeat {
    taken: Arc<Mutex<Taken>>,
    conversation: (TenantId, ConversationId),
}

impl Seats {
    fn take(&self, who: &Identity, per_user: usize) -> Result<Seat, Error> {
        let user = (who.tenant.clone(), who.user.clone());
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let has = taken.users.get(&user).copied().unwrap_or(0);
        if per_user > 0 && has >= per_user {
            return Err(Error::TooManyConnections("for this user"));
        }
        *taken.users.entry(user.clone()).or_default() += 1;
        Ok(Seat { taken: self.0.clone(), user })
    }

    pub(super) fn take_in_room(
        &self,
        who: &Identity,
        conversation: ConversationId,
        per_conversation: usize,
    ) -> Result<RoomSeat, Error> {
        let conversation = (who.tenant.clone(), conversation);
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let has = taken.conversations.get(&conversation).copied().unwrap_or(0);
        if per_conversation > 0 && has >= per_conversation {
            return Err(Error::TooManyConnections("in this session"));
        }
        *taken.conversations.entry(conversation.clone()).or_default() += 1;
        Ok(RoomSeat { taken: self.0.clone(), conversation })
    }
}

impl Seats {
    pub(super) fn taken(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).users.values().sum()
    }

    pub(super) fn in_conversation(&self, tenant: &TenantId, id: ConversationId) -> usize {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.conversations.get(&(tenant.clone(), id)).copied().unwrap_or(0)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        release(&mut taken.users, &self.user);
    }
}

impl Drop for RoomSeat {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        release(&mut taken.conversations, &self.conversation);
    }
}

fn release<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

impl App {
    /// A seat for one more connection of a user.
    ///
    /// # Errors
    /// 429 when it has as many as it may.
    pub async fn seat(&self, who: &Identity) -> Result<Seat, Error> {
        let limit = self.config.limits.connections_per_user;
        if limit > 0 && self.presence.is_shared() {
            // Those of all nodes. Without an answer each node counts its own.
            let has = self.presence.connections_of(&who.tenant, &who.subject).await;
            if has.is_ok_and(|has| has >= limit) {
                return Err(Error::TooManyConnections("for this user"));
            }
        }
        self.0.seats.take(who, limit)
    }

    /// Decides whether the holder of a token (or nobody, with `auth.open_sessions`) may open the
    /// path, as whom, and keeps a seat for it. Makes the conversation where contract 4 says so.
    ///
    /// `objection` is what is wrong with the request itself: told after who may not come in at
    /// all, and before anything is made or noted for its sake.
    ///
    /// # Errors
    /// In the contract's order: 401 was decided by the caller; then 403, 404, and 429.
    pub async fn admit(
        &self,
        token: Option<Identity>,
        path: &SessionPath,
        objection: Option<Error>,
    ) -> Result<(Identity, Seat, Room), Error> {
        let who = match token {
            Some(identity) => as_path(identity, path)?,
            None if self.config.auth.open_sessions => open_identity(path),
            None => return Err(Error::Unauthorized("no token".into())),
        };
        let found = match self.conversation_for(&who, path.session).await {
            Err(Error::NotFound(_)) if self.may_begin(&who, path) => None,
            found => Some(found?),
        };
        if let Some(objection) = objection {
            return Err(objection);
        }
        let conversation = match found {
            Some(conversation) => conversation,
            None => self.begin_by_path(&who, path).await?,
        };
        let seat = self.seat(&who).await?;
        let room = self.admit_to(&who, &conversation, None).await?;
        Ok((who, seat, room))
    }

    /// An open session begins with its first join; so does one that a customer's token names.
    fn may_begin(&self, who: &Identity, path: &SessionPath) -> bool {
        who.is_open
            || (who.role == Role::Customer
                && who.conversations.contains(&path.session)
                && self.config.auth.create_on_first_use)
    }

    async fn begin_by_path(
        &self,
        who: &Identity,
        path: &SessionPath,
    ) -> Result<Arc<Conversation>, Error> {
        let is_customer = who.role == Role::Customer;
        let started = Event::SessionStarted(SessionStarted {
            session_id: path.session,
            customer_id: is_customer.then(|| who.user.clone()),
            visitor_name: who.name.as_ref().filter(|_| is_customer).map(|n| n.to_string()),
            visitor_email: None,
            department_id: None,
            skills: vec![],
            language: None,
            external_ids: vec![],
            metadata: None,
        });
        self.log.commit(&who.tenant, Change::of(started)).await.map_err(|e| self.fault(e))?;
        self.conversation_for(who, path.session).await
    }
}

/// The path matrix of contract 4 for somebody with a token.
fn as_path(identity: Identity, path: &SessionPath) -> Result<Identity, Error> {
    let may = match identity.role {
        Role::Admin => matches!(path.role, Role::Admin | Role::Agent),
        Role::Agent => path.role == Role::Agent,
        Role::Customer => path.role == Role::Customer,
        Role::Bot | Role::Service => false,
    };
    if !may {
        let reason = format!("role {} may not connect as {}", identity.role, path.role);
        return Err(Error::Forbidden(reason));
    }
    let (named, user) = (path.user.as_str(), identity.subject.as_str());
    let is_own =
        named == user || named.strip_prefix(path.role.as_str()) == Some(&format!("_{user}"));
    if !is_own {
        return Err(Error::Forbidden("the path names another user than the token".into()));
    }
    Ok(Identity { user: path.user.clone(), user_type: path.role, ..identity })
}

fn open_identity(path: &SessionPath) -> Identity {
    Identity {
        tenant: TenantId::default_tenant(),
        user: path.user.clone(),
        subject: path.user.clone(),
        role: path.role,
        user_type: path.role,
        name: None,
        departments: [].into(),
        conversations: [].into(),
        scopes: [].into(),
        events: EventSet::ALL,
        expires_at: None,
        is_open: true,
    }
}
