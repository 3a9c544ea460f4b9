//! Who is in a conversation: coming, going, and who may ask.
//!
//! Presence knows connections, the log knows joins and leaves; here the two are kept in one order,
//! so that exactly one join and one leave bracket a user's stay (document 002).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

use super::{App, Connection};
use crate::limits::OWED_RETRY_INTERVAL;
use crate::log::{self, Change, Outcome, Pending, Reading};
use crate::model::{
    ConnectionStatus, Conversation, ConversationId, DisconnectReason, Envelope, Error, Event,
    Identity, Joined, Left, Member, Moment, Place, Role, Status, TenantId, Transferred, UserId,
};
use crate::presence::{self, Entered, Entry, RECONNECT_WINDOW};

/// Joins and leaves that presence has seen and the log could not keep: a full disk, say. One entry
/// a user and conversation, so never more than are or were present.
#[derive(Default)]
pub(super) struct Owed {
    events: Mutex<BTreeMap<Whose, Event>>,
    wake: Notify,
}

pub(super) type Whose = (TenantId, ConversationId, UserId);

impl Owed {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Whose, Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, whose: Whose, event: Event) {
        self.lock().insert(whose, event);
        self.wake.notify_one();
    }

    fn settle(&self, whose: &Whose) {
        self.lock().remove(whose);
    }
}

impl App {
    /// Lets a connection into a conversation: present from now on, and told if it is the user's
    /// first. Returns whether it was told, to this connection too.
    ///
    /// # Errors
    /// 403 for a second type of one user, 500 without presence, 503 without the log.
    pub async fn enter(&self, conn: &Connection, id: ConversationId) -> Result<bool, Error> {
        let who = &conn.who;
        let whose = (who.tenant.clone(), id, who.user.clone());
        let entry = Entry { user: who.user.clone(), role: who.user_type, conn: conn.id };
        let order = self.order_of(&who.tenant, id).lock().await;
        let entered = self.presence.enter(&who.tenant, Place::Conversation(id), entry).await;
        let (joined_at, away_ms) = match entered.map_err(presence_fault)? {
            Entered::First { joined_at, away_ms } => (joined_at, away_ms),
            Entered::Another => return Ok(false),
            Entered::WithRole(present) => {
                let user = who.user.to_string();
                return Err(Error::UserTypeConflict { user, present });
            }
        };
        let (user_id, user_type) = (who.user.clone(), who.user_type);
        let joined =
            Event::Joined(Joined { session_id: id, user_id, user_type, joined_at, away_ms });
        let appended = self.append_join(&who.tenant, id, who.user_type, joined.clone()).await;
        drop(order);
        let committed = match appended {
            Ok(pending) => pending.committed().await.map_err(|e| self.fault(e)),
            Err(err) => Err(err),
        };
        match committed {
            Ok(outcomes) => {
                self.0.owed.settle(&whose);
                self.metrics.reconnections_total.inc_by(u64::from(away_ms.is_some()));
                self.listen_to_place(&who.tenant, id);
                let (user_id, user_type) = (who.user.clone(), who.user_type);
                let member = Member { user_id, user_type, joined_at };
                self.confirm(&who.tenant, id, &member, true).await;
                // Unchanged after a leave that could not be kept: nobody has to be told anything.
                Ok(matches!(outcomes.first(), Some(Outcome::Kept(_))))
            }
            Err(err) => {
                self.undo_enter(conn, id, whose, joined).await?;
                Err(err)
            }
        }
    }

    /// What presence has seen is to be in the log as soon as it keeps it.
    pub(super) fn owe(&self, whose: Whose, event: Event) {
        self.0.owed.add(whose, event);
    }

    /// Nobody was told of the join, so nobody needs to be told of the leave; unless the user's
    /// other tab came meanwhile and counts on it.
    async fn undo_enter(
        &self,
        conn: &Connection,
        id: ConversationId,
        whose: Whose,
        joined: Event,
    ) -> Result<(), Error> {
        let _order = self.order_of(&whose.0, id).lock().await;
        let place = Place::Conversation(id);
        let left = self.presence.leave(&whose.0, place, &whose.2, conn.id).await;
        if left.map_err(presence_fault)? == presence::Left::NotLast {
            self.0.owed.add(whose, joined);
        }
        Ok(())
    }

    /// A customer's first join also puts the conversation into its queue, or into the bot's hands.
    async fn append_join(
        &self,
        tenant: &TenantId,
        id: ConversationId,
        role: Role,
        joined: Event,
    ) -> Result<Pending, Error> {
        let mut events = vec![joined];
        if role == Role::Customer {
            let found = self.log.conversation(tenant, id).await.map_err(|e| self.fault(e))?;
            if let Some(conversation) = found.filter(|c| c.status == Status::Open) {
                events.push(self.taken_up(tenant, &conversation));
            }
        }
        let change = Change::events(events);
        self.log.append(tenant, change).await.map_err(|e| self.fault(e))
    }

    /// Takes a connection out of a conversation; told if it was the user's last. Never waits for a
    /// log that fails: what it could not keep is owed.
    pub async fn leave(&self, conn: &Connection, id: ConversationId, reason: DisconnectReason) {
        let who = &conn.who;
        let (tenant, user) = (&who.tenant, &who.user);
        self.end_typing(tenant, id, user);
        let order = self.order_of(tenant, id).lock().await;
        let place = Place::Conversation(id);
        let left = self.presence.leave(tenant, place, user, conn.id).await;
        if !matches!(left, Ok(presence::Left::Last)) {
            return;
        }
        let (user_id, user_type) = (user.clone(), who.user_type);
        let member = Member { user_id, user_type, joined_at: Moment::default() };
        let (user_id, user_type) = (user.clone(), who.user_type);
        let left = Event::Left(Left { session_id: id, user_id, user_type, reason });
        let appended = self.log.append(tenant, Change::of(left.clone())).await;
        drop(order);
        let committed = match appended {
            Ok(pending) => pending.committed().await,
            Err(err) => Err(err),
        };
        let whose = (tenant.clone(), id, user.clone());
        match committed {
            Ok(_) => {
                self.0.owed.settle(&whose);
                self.confirm(tenant, id, &member, false).await;
            }
            Err(err) => {
                tracing::warn!(error = %err, session = %id, "a leave waits for the log");
                self.0.owed.add(whose, left);
            }
        }
    }

    /// Writes the joins and leaves that are owed, as soon as the log keeps them. Runs for ever;
    /// what is owed when the process ends is written by the next start.
    pub async fn settle_owed(&self) {
        loop {
            self.0.owed.wake.notified().await;
            while !self.0.owed.lock().is_empty() {
                sleep(OWED_RETRY_INTERVAL).await;
                let owed: Vec<_> =
                    self.0.owed.lock().iter().map(|(w, e)| (w.clone(), e.clone())).collect();
                for (whose, event) in owed {
                    self.settle_one(&whose, event).await;
                }
            }
        }
    }

    async fn settle_one(&self, whose: &Whose, event: Event) {
        let (tenant, id, user) = whose;
        let order = self.order_of(tenant, *id).lock().await;
        let Ok(members) = self.members(tenant, *id).await else { return };
        let is_here = members.iter().any(|m| m.user_id == *user);
        match event {
            // Back, perhaps only to fail at the door: a join that holds, or the next leave, decides.
            Event::Left(_) if is_here => return,
            Event::Joined(_) if !is_here => return self.0.owed.settle(whose),
            _ => {}
        }
        let appended = self.log.append(tenant, Change::of(event)).await;
        drop(order);
        if let Ok(pending) = appended
            && pending.committed().await.is_ok()
        {
            self.0.owed.settle(whose);
        }
    }

    /// Writes the leaves that the last run did not live to write (contract 2). Returns how many.
    ///
    /// # Errors
    /// When the log does not keep them.
    pub async fn close_left_behind(&self) -> Result<usize, log::Error> {
        let mut pending = Vec::new();
        for behind in self.log.left_behind().await? {
            let left = Event::Left(Left {
                session_id: behind.conversation,
                user_id: behind.member.user_id,
                user_type: behind.member.user_type,
                reason: DisconnectReason::NodeLost,
            });
            pending.push(self.log.append(&behind.tenant, Change::of(left)).await?);
        }
        let count = pending.len();
        for commit in pending {
            commit.committed().await?;
        }
        Ok(count)
    }

    /// Lets presence know who left the last run's conversations a moment ago, so that whoever
    /// comes back after a restart is told as reconnected.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn remember_leaves(&self) -> Result<(), log::Error> {
        let now = Moment::now();
        let window_ms = i64::try_from(RECONNECT_WINDOW.as_millis()).unwrap_or(i64::MAX);
        for leave in self.log.recent_leaves(Moment(now.0 - window_ms)).await? {
            let away = Duration::from_millis(now.ms_since(leave.at));
            let place = Place::Conversation(leave.conversation);
            let noted = self.presence.remember_leave(&leave.tenant, place, &leave.user, away).await;
            noted.map_err(log::Error::failed)?;
        }
        Ok(())
    }

    async fn members(&self, tenant: &TenantId, id: ConversationId) -> Result<Vec<Member>, Error> {
        let members = self.presence.members(tenant, Place::Conversation(id)).await;
        members.map_err(presence_fault)
    }

    /// How many connections a conversation holds.
    pub fn connections_in(&self, tenant: &TenantId, id: ConversationId) -> usize {
        self.0.seats.in_conversation(tenant, id)
    }

    /// How many connections are open, in all conversations.
    pub fn open_connections(&self) -> usize {
        self.0.seats.taken()
    }

    /// Who is connected, for somebody who is in: as far as this node knows, when presence does not
    /// answer.
    pub async fn status_in(&self, tenant: &TenantId, id: ConversationId) -> ConnectionStatus {
        let place = Place::Conversation(id);
        ConnectionStatus::of(&self.presence.members_known(tenant, place).await)
    }

    /// Who is connected, on whatever node.
    ///
    /// # Errors
    /// 500 when presence does not answer.
    pub(super) async fn status_of(
        &self,
        tenant: &TenantId,
        id: ConversationId,
    ) -> Result<ConnectionStatus, Error> {
        Ok(ConnectionStatus::of(&self.members(tenant, id).await?))
    }

    /// Who is connected (document 000). An unknown conversation has nobody in it; with
    /// `auth.open_sessions` anybody may ask.
    ///
    /// # Errors
    /// 401 or 403, and 500 when presence does not answer.
    pub async fn connection_status(
        &self,
        who: Option<&Identity>,
        id: ConversationId,
    ) -> Result<ConnectionStatus, Error> {
        match self.look(who, id).await? {
            Some((tenant, _)) => self.status_of(&tenant, id).await,
            None => Ok(ConnectionStatus::default()),
        }
    }

    /// What happened around a conversation: connects, disconnects, assignments; the newest
    /// `limit`, ascending.
    ///
    /// # Errors
    /// 401, 403 or 404.
    pub async fn flight_recorder(
        &self,
        who: Option<&Identity>,
        id: ConversationId,
        limit: usize,
    ) -> Result<Vec<Arc<Envelope>>, Error> {
        let Some((tenant, _)) = self.look(who, id).await? else {
            return Err(Error::NotFound("conversation"));
        };
        let page = self.log.read_latest(&tenant, Reading::Recorder(id), limit).await;
        let events = page.map_err(|e| self.fault(e))?.events;
        let is_staff = who.is_some_and(|who| who.role != Role::Customer);
        if is_staff {
            return Ok(events);
        }
        let theirs = events.into_iter().filter(|e| is_for_customer(&e.event));
        Ok(theirs.map(without_note).collect())
    }

    async fn look(
        &self,
        who: Option<&Identity>,
        id: ConversationId,
    ) -> Result<Option<(TenantId, Arc<Conversation>)>, Error> {
        let Some(who) = who else {
            if !self.config.auth.open_sessions {
                return Err(Error::Unauthorized("no token".into()));
            }
            let tenant = TenantId::default_tenant();
            let found = self.log.conversation(&tenant, id).await.map_err(|e| self.fault(e))?;
            return Ok(found.map(|c| (tenant, c)));
        };
        match self.conversation_for(who, id).await {
            Ok(conversation) => {
                self.audit_look(who, &conversation).await?;
                Ok(Some((who.tenant.clone(), conversation)))
            }
            Err(Error::NotFound(_)) => Ok(None),
            Err(err) => Err(err),
        }
    }
}

/// What is for the staff alone is not for the customer. How its own conversation began is.
fn is_for_customer(event: &Event) -> bool {
    event.may_be_heard_by(Role::Customer) || matches!(event, Event::SessionStarted(_))
}

/// What agents write to each other is not for the customer.
fn without_note(envelope: Arc<Envelope>) -> Arc<Envelope> {
    match &envelope.event {
        Event::Transferred(transferred) if transferred.note.is_some() => {
            let event = Event::Transferred(Transferred { note: None, ..transferred.clone() });
            Arc::new(Envelope { event, ..envelope.as_ref().clone() })
        }
        _ => envelope,
    }
}

pub(super) fn presence_fault(err: presence::Error) -> Error {
    tracing::error!(error = %err, "presence failed");
    Error::PresenceUnavailable
}
