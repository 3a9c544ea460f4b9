//! What a connection hears of what happens, and that it has heard it: once, and nothing that is not
//! for it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Serving;
use crate::hub::Publication;
use crate::model::{Envelope, Event, ExternalId, Role};
use crate::wire::Codec;

impl<C: Codec> Serving<C> {
    /// Whether this connection is to be told of an event, and what it calls its conversation. This
    /// is the one place where what is for the staff is kept from customers, live or from the log.
    pub(super) fn hears(&mut self, envelope: &Envelope) -> Option<Option<ExternalId>> {
        let name = match self.conn.is_console {
            true => self.is_news_to_console(envelope).then_some(None),
            false => self.is_news(envelope),
        };
        let conn = &self.conn;
        let may_hear = match conn.is_console {
            true => envelope.may_be_heard_by(&conn.who),
            false => envelope.may_be_heard_there_by(&conn.who),
        };
        let is_wanted = envelope.is_addressed_to(&conn.who) || conn.wants(&envelope.event);
        name.filter(|_| may_hear && is_wanted)
    }

    /// A console hears all of its tenant, so one position says how far it was told.
    fn is_news_to_console(&mut self, envelope: &Envelope) -> bool {
        let (position, event) = (envelope.position(), &envelope.event);
        if position == 0 || position > self.conn.told {
            self.conn.told = self.conn.told.max(position);
            return true;
        }
        let is_addressed = envelope.is_addressed_to(&self.conn.who);
        self.conn.is_past_due(event, position, is_addressed)
    }

    /// What it was told of once, or would have been if it might hear it, it is not told of again.
    fn is_news(&mut self, envelope: &Envelope) -> Option<Option<ExternalId>> {
        let (position, event) = (envelope.position(), &envelope.event);
        let is_meant = envelope.is_addressed_to(&self.conn.who);
        let is_past_due = self.conn.is_past_due(event, position, is_meant);
        let is_news = |told: &mut u64| {
            let is_news = position == 0 || position > *told || is_past_due;
            *told = (*told).max(position);
            is_news
        };
        // Comes by the topic of the staff alone, which no replay reads: it cannot come twice.
        let is_for_staff = event.is_for_all_staff();
        let Some(id) = envelope.conversation() else {
            return (is_for_staff || is_news(&mut self.conn.told)).then_some(None);
        };
        // What is meant for the user is told whether it came by the room or by the user, once.
        let is_news_to_user = is_meant && is_news(&mut self.conn.told);
        match self.conn.room(id) {
            Some(room) => {
                let is_news_in_room = is_news(&mut room.told);
                (is_news_in_room || is_news_to_user).then(|| room.name.clone())
            }
            None => (C::HEARS_BEYOND_ROOMS && (is_news_to_user || is_for_staff)).then_some(None),
        }
    }

    pub(super) fn note_delivered(&self, batch: &VecDeque<Arc<Publication>>) {
        let who = &self.conn.who;
        let delivers = |p: &&Arc<Publication>| {
            matches!(&p.envelope.event, Event::Message(m) if m.sender_id != who.user)
                && p.is_first_delivery()
        };
        // To the console of the agent who has a conversation its messages are delivered, too.
        if self.conn.is_console && who.role == Role::Agent {
            let has_it = |p: &&Arc<Publication>| {
                let audience = p.envelope.audience.as_ref();
                audience.is_some_and(|audience| audience.agent.as_ref() == Some(&who.subject))
            };
            for publication in batch.iter().filter(has_it).filter(delivers) {
                self.app.note_delivered(who, std::slice::from_ref(&publication.envelope));
            }
        }
        // Of each conversation only the latest counts, and most batches are of one.
        for room in &self.conn.rooms {
            let in_room = |p: &&Arc<Publication>| p.envelope.event.conversation() == Some(room.id);
            if let Some(publication) = batch.iter().rev().filter(in_room).find(delivers) {
                self.app.note_delivered(who, std::slice::from_ref(&publication.envelope));
            }
        }
    }

    /// Up to where its user was notified by these.
    pub(super) fn notified<'a>(
        &self,
        told: impl Iterator<Item = &'a Arc<Envelope>>,
    ) -> Option<u64> {
        let user = &self.conn.who.subject;
        let notifies =
            |e: &&Arc<Envelope>| matches!(&e.event, Event::Notification(n) if n.user_id == *user);
        told.filter(notifies).map(|e| e.position()).max()
    }

    pub(super) async fn note_notified(&mut self, through: Option<u64>) {
        if let Some(position) = through {
            // In a box, because an idle connection need not keep room for it.
            Box::pin(self.app.note_notified(&self.conn.who, position)).await;
        }
    }
}
