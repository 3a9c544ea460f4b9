//! What a change means, whatever the backend: check everything, then keep everything.
//!
//! A backend lends its open transaction as a [`State`]; the rules of numbering, repeats, marks and
//! presence are here once, so that no two backends can disagree.

use std::sync::Arc;

use uuid::Uuid;

use super::calls::{OpenCall, note_call, note_queue};
use super::{Batch, Change, Error, KeptBatch, Once, Outcome, Record};
use crate::model::{
    Audience, Conversation, ConversationId, Cursor, Envelope, Event, ExternalId, Member, Message,
    Moment, Receipt, Refused, Stint, Target, TenantId, UserId,
};

/// A tenant's state inside an open transaction.
pub(super) trait State {
    /// A conversation's record.
    fn conversation(&mut self, id: ConversationId) -> Result<Option<Conversation>, Error>;
    /// Whether another conversation has this external id.
    fn has_external_id(&mut self, id: &ExternalId) -> Result<bool, Error>;
    /// The first message a user sent under a `client_id`.
    fn known_message(&mut self, message: &Message) -> Result<Option<Arc<Envelope>>, Error>;
    /// Up to where a user has read.
    fn read_mark(&mut self, conversation: ConversationId, user: &UserId) -> Result<u64, Error>;
    /// Who is in a conversation, in the order of their ids.
    fn members(&mut self, conversation: ConversationId) -> Result<Vec<Member>, Error>;
    /// What came under a key before, and where the log ended with it.
    fn known_post(&mut self, key: &str) -> Result<Option<([u8; 32], Cursor)>, Error>;
    /// A call that has not ended.
    fn open_call(&mut self, unique_id: &str) -> Result<Option<OpenCall>, Error>;
    /// Whether a user has a notification that it has not read.
    fn is_unread(&mut self, user: &UserId, notification: Uuid) -> Result<bool, Error>;
    /// The number under which the duties are held ([`super::Nodes::hold_duties`]).
    fn duties(&mut self) -> Result<u64, Error> {
        Ok(super::nodes::ALONE)
    }
    /// Where the tenant's log ends.
    fn cursor(&self) -> Cursor;
    /// The next place in the tenant's log.
    fn next_cursor(&mut self) -> Cursor;

    /// Keeps an event.
    fn put_event(&mut self, envelope: &Arc<Envelope>) -> Result<(), Error>;
    /// Keeps a conversation's record; `is_new` if there was none.
    fn put_conversation(&mut self, record: Conversation, is_new: bool) -> Result<(), Error>;
    /// Keeps how a stint stands.
    fn put_stint(&mut self, stint: &Stint) -> Result<(), Error>;
    /// Keeps the rating of a stint.
    fn put_score(&mut self, of: ConversationId, number: u32, score: u8) -> Result<(), Error>;
    /// Keeps how far a user has read.
    fn put_read_mark(
        &mut self,
        conversation: ConversationId,
        user: &UserId,
        seq: u64,
    ) -> Result<(), Error>;
    /// Keeps that a user is in a conversation.
    fn put_member(&mut self, conversation: ConversationId, member: &Member) -> Result<(), Error>;
    /// Keeps that it is not.
    fn remove_member(&mut self, conversation: ConversationId, user: &UserId) -> Result<(), Error>;
    /// Keeps by what a repeat is known.
    fn put_post(&mut self, once: &Once, cursor: Cursor) -> Result<(), Error>;
    /// Keeps a call that has not ended.
    fn put_open_call(&mut self, call: &OpenCall) -> Result<(), Error>;
    /// Keeps that a call has ended; what it was, if it was known.
    fn remove_open_call(&mut self, unique_id: &str) -> Result<Option<OpenCall>, Error>;
    /// Keeps that a user has a notification.
    fn put_notice(&mut self, user: &UserId, id: Uuid, position: u64) -> Result<(), Error>;
    /// Keeps that it has read one.
    fn put_notice_read(&mut self, user: &UserId, id: Uuid) -> Result<(), Error>;
    /// Keeps state that no event shows.
    fn put_record(&mut self, record: &Record) -> Result<(), Error>;
}

/// What is to be done with an event, decided before anything is written.
enum Plan {
    Keep(Event),
    Known(Arc<Envelope>),
    Unchanged,
}

/// Carries a batch out in `state`: each change whole or, if it is refused, not at all.
///
/// # Errors
/// The batch's key came with something else before; and [`Error::Failed`], which may leave half a
/// batch behind, for the backend to roll back with its transaction.
pub(super) fn carry_out_batch(
    state: &mut impl State,
    tenant: &TenantId,
    batch: Batch,
    at: Moment,
) -> Result<KeptBatch, Error> {
    let known = batch.once.as_ref().map(|once| known_before(state, once)).transpose()?;
    if let Some(Some(cursor)) = known {
        let mut changes = Vec::with_capacity(batch.changes.len());
        for change in &batch.changes {
            changes.push(match repeated(state, change, cursor) {
                Err(Error::Failed(reason)) => return Err(Error::Failed(reason)),
                repeated => repeated,
            });
        }
        return Ok(KeptBatch { changes, cursor, is_repeat: true });
    }
    let mut changes = Vec::with_capacity(batch.changes.len());
    for change in batch.changes {
        changes.push(match carry_out(state, tenant, change, at) {
            Err(Error::Failed(reason)) => return Err(Error::Failed(reason)),
            carried => carried,
        });
    }
    let cursor = state.cursor();
    if let Some(once) = &batch.once {
        state.put_post(once, cursor)?;
    }
    Ok(KeptBatch { changes, cursor, is_repeat: false })
}

/// What a change of a batch is told that came before: what was refused then because of its own
/// key is refused again.
fn repeated(
    state: &mut impl State,
    change: &Change,
    cursor: Cursor,
) -> Result<Vec<Outcome>, Error> {
    let own = change.once.as_ref().map(|once| known_before(state, once)).transpose()?;
    Ok(vec![Outcome::Repeated(own.flatten().unwrap_or(cursor))])
}

/// Where the log ended when the same came under this key before.
fn known_before(state: &mut impl State, once: &Once) -> Result<Option<Cursor>, Error> {
    match state.known_post(&once.key)? {
        Some((digest, cursor)) if digest == once.digest => Ok(Some(cursor)),
        Some(_) => Err(Error::KeyReused(once.key.clone())),
        None => Ok(None),
    }
}

/// Carries a change out in `state`: all of it, or nothing if it is refused.
fn carry_out(
    state: &mut impl State,
    tenant: &TenantId,
    change: Change,
    at: Moment,
) -> Result<Vec<Outcome>, Error> {
    if let Some(once) = &change.once
        && let Some(cursor) = known_before(state, once)?
    {
        return Ok(vec![Outcome::Repeated(cursor)]);
    }
    if let Some(number) = change.under
        && number != state.duties()?
    {
        return Err(Error::Superseded);
    }
    let mut subject = Subject::of(state, &change)?;
    let mut plans = Vec::with_capacity(change.events.len());
    for event in change.events {
        plans.push(subject.plan(state, event, at)?);
    }
    if plans.iter().any(|plan| matches!(plan, Plan::Known(_))) {
        // A repeat publishes nothing, and neither does what came along with it.
        let known = |plan| match plan {
            Plan::Known(envelope) => Outcome::Known(envelope),
            Plan::Keep(_) | Plan::Unchanged => Outcome::Unchanged,
        };
        return Ok(plans.into_iter().map(known).collect());
    }
    let audience = subject.audience();
    let mut outcomes = Vec::with_capacity(plans.len());
    for plan in plans {
        outcomes.push(match plan {
            Plan::Known(envelope) => Outcome::Known(envelope),
            Plan::Unchanged => Outcome::Unchanged,
            Plan::Keep(event) => {
                let envelope = Envelope {
                    tenant: tenant.clone(),
                    cursor: None,
                    at,
                    event,
                    present: None,
                    origin: change.origin.clone(),
                    audience: audience.clone(),
                };
                Outcome::Kept(keep(state, envelope)?)
            }
        });
    }
    for record in &change.records {
        state.put_record(record)?;
    }
    subject.settle(state)?;
    if let Some(once) = &change.once {
        let cursor = state.cursor();
        state.put_post(once, cursor)?;
    }
    Ok(outcomes)
}

/// The one conversation a change is about.
struct Subject {
    record: Option<Conversation>,
    is_new: bool,
    is_dirty: bool,
    members: Option<Vec<Member>>,
    /// What became of its stints, in order.
    stints: Vec<Stint>,
    /// The rating of a stint.
    score: Option<(ConversationId, u32, u8)>,
    /// The department it was in before.
    department_before: Option<Uuid>,
}

impl Subject {
    fn of(state: &mut impl State, change: &Change) -> Result<Subject, Error> {
        let id = change.events.iter().find_map(Event::conversation);
        let target = change.origin.as_ref().and_then(|origin| match origin.target {
            Some(Target::Conversation(id)) => Some(id),
            _ => None,
        });
        let id = id.or(target);
        debug_assert!(change.events.iter().all(|e| e.conversation().is_none_or(|c| Some(c) == id)));
        let record = id.map(|id| state.conversation(id)).transpose()?.flatten();
        Ok(Subject {
            department_before: record.as_ref().and_then(|record| record.department),
            record,
            is_new: false,
            is_dirty: false,
            members: None,
            stints: vec![],
            score: None,
        })
    }

    fn plan(
        &mut self,
        state: &mut impl State,
        mut event: Event,
        at: Moment,
    ) -> Result<Plan, Error> {
        let Some(id) = event.conversation() else { return plan_of_none(state, event) };
        if let Event::SessionStarted(started) = &event {
            if self.record.is_some() {
                return Ok(Plan::Unchanged);
            }
            for external in &started.external_ids {
                if state.has_external_id(external)? {
                    return Err(Error::Conflict(format!("external id {external} is taken"), None));
                }
            }
            (self.record, self.is_new) = (Some(Conversation::begin(started, at)), true);
            self.is_dirty = true;
            return Ok(Plan::Keep(event));
        }
        match &event {
            Event::Message(message) if message.client_id.is_some() => {
                if let Some(first) = state.known_message(message)? {
                    return Ok(Plan::Known(first));
                }
            }
            Event::MessageStatus(status)
                if status.status == Receipt::Read
                    && status.seq <= state.read_mark(id, &status.user_id)? =>
            {
                return Ok(Plan::Unchanged);
            }
            Event::Joined(_) | Event::Left(_) if !self.moves(state, id, &event)? => {
                return Ok(Plan::Unchanged);
            }
            _ => {}
        }
        let record = self.record.as_mut().ok_or(Error::UnknownConversation)?;
        let before = record.stint();
        // A delivery mark or a message changes the record; reading it back costs nothing.
        match record.apply(&mut event, at) {
            Ok(()) => {
                let changes_nothing =
                    matches!(event, Event::Left(_) | Event::SessionEnded(_) | Event::Decided(_));
                self.is_dirty |= !changes_nothing;
                self.stints.extend(record.stints_since(before, &event, at));
                if let Event::Rated(rated) = &event {
                    self.score = record.rated_stint().map(|number| (id, number, rated.score));
                }
                Ok(Plan::Keep(event))
            }
            Err(Refused::Unchanged) => Ok(Plan::Unchanged),
            Err(Refused::Closed) => Err(Error::Closed),
            Err(Refused::Conflict(message, holder)) => Err(Error::Conflict(message, holder)),
        }
    }

    /// Who may hear what becomes of it. Where it came from hears where it went.
    fn audience(&self) -> Option<Arc<Audience>> {
        let record = self.record.as_ref()?;
        let mut audience = record.audience();
        if self.department_before != record.department && !audience.departments.is_empty() {
            match self.department_before {
                Some(before) => audience.departments.push(before),
                None if self.is_new => {}
                None => audience.departments.clear(),
            }
        }
        Some(Arc::new(audience))
    }

    /// Keeps what became of it.
    fn settle(self, state: &mut impl State) -> Result<(), Error> {
        for stint in &self.stints {
            state.put_stint(stint)?;
        }
        if let Some((of, number, score)) = self.score {
            state.put_score(of, number, score)?;
        }
        if let (Some(record), true) = (self.record, self.is_dirty) {
            state.put_conversation(record, self.is_new)?;
        }
        Ok(())
    }

    /// Whether a join or leave changes who is here, earlier events of this change included.
    fn moves(
        &mut self,
        state: &mut impl State,
        id: ConversationId,
        event: &Event,
    ) -> Result<bool, Error> {
        if self.members.is_none() {
            self.members = Some(state.members(id)?);
        }
        let members = self.members.get_or_insert_default();
        let (user, comes) = match event {
            Event::Joined(joined) => (&joined.user_id, true),
            Event::Left(left) => (&left.user_id, false),
            _ => return Ok(true),
        };
        let is_here = members.iter().any(|m| m.user_id == *user);
        Ok(is_here != comes)
    }
}

/// An event of no conversation.
fn plan_of_none(state: &mut impl State, mut event: Event) -> Result<Plan, Error> {
    if let Event::NotificationRead(read) = &mut event {
        let mut unread = Vec::with_capacity(read.notification_ids.len());
        for id in read.notification_ids.drain(..) {
            if state.is_unread(&read.user_id, id)? {
                unread.push(id);
            }
        }
        if unread.is_empty() {
            return Ok(Plan::Unchanged);
        }
        read.notification_ids = unread;
    }
    Ok(Plan::Keep(event))
}

/// Keeps an event, and the state that goes with it.
fn keep(state: &mut impl State, mut envelope: Envelope) -> Result<Arc<Envelope>, Error> {
    let at = envelope.at;
    match &mut envelope.event {
        Event::Joined(joined) => {
            let member = Member {
                user_id: joined.user_id.clone(),
                user_type: joined.user_type,
                joined_at: joined.joined_at,
            };
            state.put_member(joined.session_id, &member)?;
            envelope.present = Some(state.members(joined.session_id)?.into());
        }
        Event::Left(left) => {
            state.remove_member(left.session_id, &left.user_id)?;
            envelope.present = Some(state.members(left.session_id)?.into());
        }
        Event::MessageStatus(status) if status.status == Receipt::Read => {
            state.put_read_mark(status.session_id, &status.user_id, status.seq)?;
        }
        Event::Call(call) => note_call(state, call, at)?,
        Event::CallQueue(queue) => note_queue(state, queue, at)?,
        Event::NotificationRead(read) => {
            for id in &read.notification_ids {
                state.put_notice_read(&read.user_id, *id)?;
            }
        }
        _ => {}
    }
    let cursor = state.next_cursor();
    envelope.cursor = Some(cursor);
    if let Event::Notification(told) = &envelope.event
        && let Some(id) = told.notification_id
    {
        state.put_notice(&told.user_id, id, cursor.position)?;
    }
    let envelope = Arc::new(envelope);
    state.put_event(&envelope)?;
    Ok(envelope)
}

/// Whether two records differ in their counters alone, as after a message.
pub(super) fn has_same_state(a: &Conversation, b: &Conversation) -> bool {
    a.status == b.status
        && a.agent == b.agent
        && a.customer == b.customer
        && a.department == b.department
        && a.score == b.score
        && a.needs_person == b.needs_person
        && a.routing == b.routing
        && (a.queued_at, a.assigned_at, a.closed_at) == (b.queued_at, b.assigned_at, b.closed_at)
}
