//! What a connection is told: from the log until it has caught up, and from its outbox from then on.
//!
//! How far it was told is kept for each conversation it takes part in, so that nothing is told
//! twice and nothing is passed over at the seam, whenever it joins which.

use std::collections::VecDeque;
use std::mem::replace;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{join, join_all};

use super::{Beginning, Feed, Serving};
use crate::app::{Missed, Resume, Start};
use crate::hub::Publication;
use crate::limits::{REPLAY_WRITE_DEADLINE, REPLAY_WRITE_EVENTS, ROOMS_PER_CONNECTION_MAX};
use crate::log::Pending;
use crate::model::{
    CloseReason, ConversationId, Cursor, DisconnectReason, Error, Event, ExternalId, HistoryRange,
    Role, Topic,
};
use crate::wire::{Codec, Line};

impl<C: Codec> Serving<C> {
    /// The opening frames, and the choice of the feed.
    pub(super) async fn begin(&mut self, beginning: Beginning) -> Result<(), CloseReason> {
        if !matches!(beginning, Beginning::Now) {
            // What the outbox cannot hold meanwhile is read from the log.
            self.conn.outbox.begin_catch_up();
        }
        self.hear_beyond_rooms();
        let room = self.conn.rooms.first().map(|room| room.id);
        let tenant = &self.conn.who.tenant;
        let start = match beginning {
            Beginning::Now => {
                // Listening before asking where the log ends: nothing falls in between.
                self.listen_to_rooms();
                self.app.start_of(&self.conn.who.tenant, None, None).await
            }
            Beginning::After(after) => self.app.start_of(tenant, room, Some(&after)).await,
            Beginning::At(start) => Ok(start),
        };
        let start = start.map_err(|_| CloseReason::Internal)?;
        self.set_out_from(&start);
        self.app.arrive(&self.conn).await.map_err(|_| CloseReason::Internal)?;
        let mut frames = Vec::new();
        self.codec.established(&self.conn, &start, &mut frames);
        if let Resume::Resync(reason) = start.resume {
            frames.extend(self.codec.resync(reason));
            self.add_snapshot(start.cursor.position, &mut frames).await?;
        }
        frames.into_iter().for_each(|frame| self.line.enqueue(frame));
        self.tell_undelivered(start.cursor).await?;
        self.app.note_rooms(&self.conn, None).await;
        match self.feed {
            Feed::Live => self.become_present(None).await,
            Feed::Log => Ok(()),
        }
    }

    /// What the user was notified of while it was not there. What is behind the start comes by
    /// itself.
    async fn tell_undelivered(&mut self, start: Cursor) -> Result<(), CloseReason> {
        let mut due = self.app.undelivered(&self.conn.who).await;
        let due = due.as_mut().map_err(|_| CloseReason::Internal)?;
        let who = &self.conn.who;
        due.retain(|e| e.position() <= start.position && who.events.contains(&e.event));
        for envelope in &*due {
            let frame = C::encode(&envelope.told_at(start), None);
            frame.into_iter().for_each(|frame| self.line.enqueue(frame));
        }
        self.ask_for_notified(due.last().map(|last| last.position()));
        self.write().await
    }

    fn set_out_from(&mut self, start: &Start) {
        let position = start.cursor.position;
        self.marked = position;
        self.conn.told = position;
        if let Some(subscription) = &mut self.conn.subscription {
            subscription.begin(position);
        }
        for room in &mut self.conn.rooms {
            room.is_taken_up = true;
            // One of a connection that is taken up again may be further behind.
            room.told = room.told_at_first.map_or(position, |told| told.min(position));
        }
        self.feed = if start.resume == Resume::Live { Feed::Live } else { Feed::Log };
    }

    /// The newest messages, for a client that cannot be told what it missed.
    async fn add_snapshot(
        &mut self,
        position: u64,
        frames: &mut Vec<Bytes>,
    ) -> Result<(), CloseReason> {
        for id in self.conn.rooms.iter().map(|room| room.id).collect::<Vec<_>>() {
            let latest = self.app.history(&self.conn.who, id, HistoryRange::default()).await;
            let mut latest = latest.map_err(|_| CloseReason::Internal)?;
            // What came after the log's end was read follows by itself.
            latest.messages.retain(|e| e.position() <= position);
            frames.extend(self.codec.history(&latest));
        }
        Ok(())
    }

    pub(super) fn topics_beyond_rooms(&self) -> impl Iterator<Item = Topic> {
        let who = &self.conn.who;
        let is_staff = matches!(who.role, Role::Agent | Role::Admin);
        let staff = Topic::Staff(who.tenant.clone());
        let user = Topic::User(who.tenant.clone(), who.subject.clone());
        let tenant = Topic::Tenant(who.tenant.clone());
        // Everything of the tenant comes by its topic, whatever else it comes by.
        let first = if self.conn.is_console { tenant } else { user };
        let staff = (is_staff && C::HEARS_BEYOND_ROOMS && !self.conn.is_console).then_some(staff);
        let hears_role = self.conn.hears_role && !self.conn.is_console;
        let role = hears_role.then(|| Topic::Role(who.tenant.clone(), who.role));
        [first].into_iter().chain(staff).chain(role)
    }

    fn hear_beyond_rooms(&self) {
        if let Some(subscription) = &self.conn.subscription {
            self.conn.outbox.take_only(subscription.wanted());
        }
        for topic in self.topics_beyond_rooms() {
            self.app.hub.subscribe(topic, self.conn.id, self.conn.outbox.clone());
        }
    }

    fn listen_to_rooms(&mut self) {
        let (tenant, outbox) = (&self.conn.who.tenant, &self.conn.outbox);
        for room in self.conn.rooms.iter_mut().filter(|room| !room.is_listening) {
            let topic = Topic::Conversation(tenant.clone(), room.id);
            self.app.hub.subscribe(topic, self.conn.id, outbox.clone());
            room.is_listening = true;
        }
    }

    /// Begins to tell of a conversation the client has joined, behind the answer that says so.
    pub(super) async fn take_up(
        &mut self,
        id: ConversationId,
        frames: Vec<Bytes>,
    ) -> Result<(), CloseReason> {
        let is_live = self.feed == Feed::Live;
        let is_taken_up =
            self.conn.room(id).is_none_or(|room| replace(&mut room.is_taken_up, true));
        if is_taken_up {
            // It may be called by another name now.
            self.app.keep_rooms(&self.conn).await;
            return self.write_all(frames).await;
        }
        if is_live {
            self.listen_to_rooms();
        }
        let (head, past) = self.past_of(id).await.map_err(|_| CloseReason::Internal)?;
        let after = past.ok().flatten();
        let marked = self.marked;
        if let Some(room) = self.conn.room(id) {
            room.told = after.unwrap_or(head);
            // Of what is older than the offset it has, the client's offset tells nothing.
            room.told_at_first = after.filter(|after| *after < marked);
        }
        // A page that is being read does not have it, and would be taken for all there is.
        self.reading = None;
        let noted = self.app.note_rooms(&self.conn, None).await;
        frames.into_iter().for_each(|frame| self.line.enqueue(frame));
        let resync = past.err().and_then(|reason| self.codec.resync(reason));
        resync.into_iter().for_each(|frame| self.line.enqueue(frame));
        match (is_live, after) {
            // What is put in is written when the disk has the join.
            (true, None) => self.become_present(noted).await,
            // It is seen there when all have been told.
            (is_live, _) => {
                if is_live {
                    self.turn_back();
                }
                self.app.noted(&self.conn, noted).await;
                self.write().await
            }
        }
    }

    /// Where the log ends, and from where on a conversation is told that is joined: once, and as
    /// far as the log still reaches back.
    async fn past_of(
        &mut self,
        id: ConversationId,
    ) -> Result<(u64, Result<Option<u64>, &'static str>), Error> {
        let tenant = &self.conn.who.tenant;
        let head = self.app.start_of(tenant, None, None).await?.cursor.position;
        let Some(after) = self.conn.after else { return Ok((head, Ok(None))) };
        let told_past = &mut self.conn.told_past;
        let is_first = told_past.len() < ROOMS_PER_CONNECTION_MAX && !told_past.contains(&id);
        if is_first {
            told_past.push(id);
        }
        if !is_first || after.position >= head {
            return Ok((head, Ok(None)));
        }
        let start = self.app.start_of(tenant, None, Some(&after.to_string())).await?;
        Ok((
            head,
            match start.resume {
                Resume::Resync(reason) => Err(reason),
                Resume::Live | Resume::Missed => Ok(Some(after.position)),
            },
        ))
    }

    /// Begins to tell the past that a subscription asked for.
    pub(super) fn begin_past(&mut self) {
        if !self.conn.has_past() {
            return;
        }
        // A page that is being read begins too late.
        self.reading = None;
        if self.feed == Feed::Live {
            self.turn_back();
        }
    }

    /// From the outbox to the log again, because there is a past to tell. What waits in the outbox
    /// is read there; who came and went meanwhile is told by a snapshot.
    fn turn_back(&mut self) {
        self.conn.outbox.begin_catch_up();
        self.feed = Feed::Log;
        self.conn.rooms.iter_mut().for_each(|room| room.is_status_due = room.is_present);
    }

    /// Writes a stretch of the log; at its end, goes live.
    pub(super) async fn replay(&mut self, read: Result<Missed, Error>) -> Result<(), CloseReason> {
        self.reading = None;
        let missed = read.map_err(|_| CloseReason::Internal)?;
        self.check_stays().await?;
        for group in missed.events.chunks(REPLAY_WRITE_EVENTS) {
            for envelope in group {
                if let Some(name) = self.hears(envelope)
                    && let Some(frame) = C::encode(envelope, name.as_ref())
                {
                    self.line.enqueue(frame);
                }
            }
            self.mark_through(group.last().and_then(|e| e.cursor));
            self.ask_for_notified(self.notified_by(group.iter()));
            // The reader sets the pace, as long as it lives; taking something is a sign of that.
            self.write_slowly(REPLAY_WRITE_DEADLINE).await?;
            self.registry.seen(&self.registered);
            self.app.note_delivered(&self.conn.who, group);
        }
        self.conn.told = self.conn.told.max(missed.read_to);
        self.conn.rooms.iter_mut().for_each(|room| room.told = room.told.max(missed.read_to));
        if let Some(subscription) = &mut self.conn.subscription {
            subscription.past_read_to(missed.read_to);
        }
        if !missed.is_end {
            return Ok(());
        }
        if self.conn.rooms.iter().any(|room| !room.is_listening) {
            self.conn.outbox.begin_catch_up();
            self.listen_to_rooms();
        } else if self.conn.outbox.end_catch_up() {
            self.feed = Feed::Live;
            self.become_present(None).await?;
        }
        Ok(())
    }

    /// Tells the client how far it has read, unless it was told of later already.
    fn mark_through(&mut self, cursor: Option<Cursor>) {
        if let Some(cursor) = cursor.filter(|cursor| cursor.position > self.marked)
            && let Some(frame) = C::mark(cursor)
        {
            self.marked = cursor.position;
            self.line.enqueue(frame);
        }
    }

    /// Whether there are conversations it is to be seen in next. Its own entries are told to it as
    /// well, so its outbox has to have room for them.
    pub(super) fn may_enter(&self) -> bool {
        self.feed == Feed::Live
            && self.conn.rooms.iter().any(|room| room.is_taken_up && !room.is_present)
            && self.conn.outbox.depth() <= ENTRIES_AT_ONCE
    }

    /// Joins the conversations it is not seen in yet, or the first of many: told to all by an
    /// event if this is the user's first connection there, and to this one alone otherwise.
    /// `noted` is what the disk is to have as well before anything is said.
    pub(super) async fn become_present(
        &mut self,
        noted: Option<Pending>,
    ) -> Result<(), CloseReason> {
        // While it caught up, a conversation may have gone to somebody else.
        self.check_stays().await?;
        self.tell_due_statuses().await?;
        let absent = self.conn.rooms.iter().filter(|room| room.is_taken_up && !room.is_present);
        let absent: Vec<ConversationId> = absent.map(|r| r.id).take(ENTRIES_AT_ONCE).collect();
        for id in &absent {
            let who = &self.conn.who;
            tracing::info!(
                connection = %self.conn.id,
                "[Connect] WebSocket client connected: {} ({}) to session {id}", who.user, who.user_type
            );
        }
        // All at once, so that they share a commit: one that has many conversations would not
        // read its outbox for long otherwise.
        let entering = absent.iter().map(|id| self.app.enter(&self.conn, *id));
        let (entered, ()) = join(join_all(entering), self.app.noted(&self.conn, noted)).await;
        let entered: Vec<_> = absent.iter().copied().zip(entered).collect();
        let mut was_behind = false;
        let mut outcome = Ok(());
        for (id, entered) in entered {
            let settled = self.settle_entry(id, entered, &mut was_behind).await;
            // Those it did enter it has to leave again, so all are taken note of.
            outcome = outcome.and(settled);
        }
        outcome?;
        if was_behind {
            self.app.note_rooms(&self.conn, None).await;
        }
        self.write().await
    }

    /// Who is here, where joins and leaves were passed over.
    async fn tell_due_statuses(&mut self) -> Result<(), CloseReason> {
        let due = self.conn.rooms.iter_mut().filter_map(|room| {
            replace(&mut room.is_status_due, false).then(|| (room.id, room.name.clone()))
        });
        for (id, name) in due.collect::<Vec<_>>() {
            self.tell_status(id, name.as_ref()).await;
        }
        Ok(())
    }

    async fn tell_status(&mut self, id: ConversationId, name: Option<&ExternalId>) {
        let status = self.app.status_in(&self.conn.who.tenant, id).await;
        let frame = self.codec.status(id, name, &status);
        frame.into_iter().for_each(|frame| self.line.enqueue(frame));
    }

    async fn settle_entry(
        &mut self,
        id: ConversationId,
        entered: Result<bool, Error>,
        was_behind: &mut bool,
    ) -> Result<(), CloseReason> {
        let is_told = match entered {
            Ok(is_told) => is_told,
            Err(Error::UserTypeConflict { .. }) => return self.put_out(id).await,
            Err(_) => return Err(CloseReason::Internal),
        };
        let marked = self.marked;
        let Some(room) = self.conn.room(id) else { return Ok(()) };
        room.is_present = true;
        if room.told_at_first.is_some() && room.past_until.is_none() {
            // It is written, but whether it arrives is shown by what is written behind it.
            room.past_until = Some(marked);
            *was_behind = true;
        }
        let name = room.name.clone();
        if !is_told {
            self.tell_status(id, name.as_ref()).await;
        }
        Ok(())
    }

    /// Writes what the outbox handed over.
    pub(super) async fn tell(
        &mut self,
        batch: &mut VecDeque<Arc<Publication>>,
    ) -> Result<(), CloseReason> {
        self.app.metrics.outbox_depth(batch.len());
        let mut newest = None;
        let mut ended = None;
        for at in 0..batch.len() {
            let publication = &batch[at];
            let Some(name) = self.hears(&publication.envelope) else { continue };
            let frame = match &name {
                None => publication.frame(C::ENCODING, |e| C::encode(e, None)),
                Some(name) => {
                    publication.frame_named(C::ENCODING, name, |e, n| C::encode(e, Some(n)))
                }
            };
            frame.into_iter().for_each(|frame| self.line.enqueue(frame));
            newest = publication.envelope.cursor.map(|_| at).or(newest);
            if let Some(id) = changes_hands(&publication.envelope.event) {
                ended = Box::pin(self.check_stay(id)).await.err();
                if ended.is_some() {
                    batch.truncate(at + 1);
                    break;
                }
            }
        }
        if let Some(publication) = newest.and_then(|at| batch.get(at))
            && let Some(mark) = publication.mark(C::ENCODING, C::mark)
        {
            self.marked = publication.envelope.position();
            self.line.enqueue(mark);
        }
        self.ask_for_notified(self.notified_by(batch.iter().map(|p| &p.envelope)));
        self.write().await?;
        self.note_delivered(batch);
        batch.clear();
        batch.shrink_to(BATCH_KEPT);
        ended.map_or(Ok(()), Err)
    }

    /// Leaves the conversations that went to somebody else.
    pub(super) async fn check_stays(&mut self) -> Result<(), CloseReason> {
        for id in self.conn.rooms.iter().map(|room| room.id).collect::<Vec<_>>() {
            self.check_stay(id).await?;
        }
        Ok(())
    }

    async fn check_stay(&mut self, id: ConversationId) -> Result<(), CloseReason> {
        let takes_part = self.conn.room(id).is_some();
        if takes_part && !self.app.may_stay(&self.conn.who, id).await {
            self.put_out(id).await?;
        }
        Ok(())
    }

    async fn put_out(&mut self, id: ConversationId) -> Result<(), CloseReason> {
        let name = self.conn.room(id).and_then(|room| room.name.clone());
        let Some(frame) = self.codec.put_out(id, name.as_ref()) else {
            return Err(CloseReason::Forbidden);
        };
        self.app.put_out(&mut self.conn, id, DisconnectReason::Policy).await;
        self.app.note_rooms(&self.conn, None).await;
        self.line.enqueue(frame);
        Ok(())
    }
}

/// Room a batch keeps while its connection is idle.
const BATCH_KEPT: usize = 16;

/// Conversations entered at once: few enough that the outbox holds what the entries are told.
const ENTRIES_AT_ONCE: usize = 64;

/// The conversation that goes to somebody else with this event.
fn changes_hands(event: &Event) -> Option<ConversationId> {
    let is_it = matches!(
        event,
        Event::Assigned(_)
            | Event::Transferred(_)
            | Event::Handoff(_)
            | Event::Closed(_)
            | Event::Reopened(_)
    );
    event.conversation().filter(|_| is_it)
}
