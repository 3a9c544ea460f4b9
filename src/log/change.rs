//! What a change means, whatever the backend: check everything, then keep everything.
//!
//! A backend lends its open transaction as a [`State`]; the rules of numbering, repeats, marks and
//! presence are here once, so that no two backends can disagree.

use std::sync::Arc;

use super::{Change, Error, Outcome, Record};
use crate::model::{
    Conversation, ConversationId, Cursor, Envelope, Event, ExternalId, Member, Message, Moment,
    Receipt, Refused, Stint, TenantId, UserId,
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
    /// Keeps state that no event shows.
    fn put_record(&mut self, record: &Record) -> Result<(), Error>;
}

/// What is to be done with an event, decided before anything is written.
enum Plan {
    Keep(Event),
    Known(Arc<Envelope>),
    Unchanged,
}

/// Carries a change out in `state`: all of it, or nothing if it is refused.
///
/// # Errors
/// A refusal writes nothing. [`Error::Failed`] may leave half a change behind, which the backend
/// rolls back with its transaction.
pub(super) fn carry_out(
    state: &mut impl State,
    tenant: &TenantId,
    change: Change,
    at: Moment,
) -> Result<Vec<Outcome>, Error> {
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
    let mut outcomes = Vec::with_capacity(plans.len());
    for plan in plans {
        outcomes.push(match plan {
            Plan::Known(envelope) => Outcome::Known(envelope),
            Plan::Unchanged => Outcome::Unchanged,
            Plan::Keep(event) => Outcome::Kept(keep(state, tenant, event, at)?),
        });
    }
    for record in &change.records {
        state.put_record(record)?;
    }
    for stint in &subject.stints {
        state.put_stint(stint)?;
    }
    if let Some((of, number, score)) = subject.score {
        state.put_score(of, number, score)?;
    }
    if let (Some(record), true) = (subject.record, subject.is_dirty) {
        state.put_conversation(record, subject.is_new)?;
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
}

impl Subject {
    fn of(state: &mut impl State, change: &Change) -> Result<Subject, Error> {
        let id = change.events.iter().find_map(Event::conversation);
        debug_assert!(change.events.iter().all(|e| e.conversation().is_none_or(|c| Some(c) == id)));
        let record = id.map(|id| state.conversation(id)).transpose()?.flatten();
        Ok(Subject {
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
        let Some(id) = event.conversation() else { return Ok(Plan::Keep(event)) };
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

fn keep(
    state: &mut impl State,
    tenant: &TenantId,
    event: Event,
    at: Moment,
) -> Result<Arc<Envelope>, Error> {
    let present = match &event {
        Event::Joined(joined) => {
            let member = Member {
                user_id: joined.user_id.clone(),
                user_type: joined.user_type,
                joined_at: joined.joined_at,
            };
            state.put_member(joined.session_id, &member)?;
            Some(state.members(joined.session_id)?.into())
        }
        Event::Left(left) => {
            state.remove_member(left.session_id, &left.user_id)?;
            Some(state.members(left.session_id)?.into())
        }
        Event::MessageStatus(status) if status.status == Receipt::Read => {
            state.put_read_mark(status.session_id, &status.user_id, status.seq)?;
            None
        }
        _ => None,
    };
    let cursor = Some(state.next_cursor());
    let envelope = Arc::new(Envelope { tenant: tenant.clone(), cursor, at, event, present });
    state.put_event(&envelope)?;
    Ok(envelope)
}
