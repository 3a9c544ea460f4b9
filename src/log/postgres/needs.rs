//! What a group of changes will ask for, found out before anything is read: so that it can be read
//! with a fixed number of statements, whatever the size of the group.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use uuid::Uuid;

use super::super::Batch;
use crate::model::{
    CallQueue, ConversationId, Envelope, Event, ExternalId, Message, Receipt, Target, TenantId,
    UserId,
};

/// A tenant of a group, by its place among them.
pub(super) type Of = usize;

/// A message that may be a repeat, by what makes it one.
pub(super) type MessageKey = (Of, ConversationId, UserId, String);

/// Keys without doubles, in the order in which they came.
#[derive(Debug)]
pub(super) struct Keys<K> {
    pub(super) list: Vec<K>,
    known: HashSet<K>,
}

impl<K> Default for Keys<K> {
    fn default() -> Keys<K> {
        Keys { list: vec![], known: HashSet::new() }
    }
}

impl<K: Clone + Eq + Hash> Keys<K> {
    fn add(&mut self, key: K) {
        if self.known.insert(key.clone()) {
            self.list.push(key);
        }
    }
}

/// The keys of everything that [`super::overlay`] will be asked for.
#[derive(Debug, Default)]
pub(super) struct Needs {
    pub(super) tenants: Vec<TenantId>,
    places: HashMap<TenantId, Of>,
    pub(super) conversations: Keys<(Of, ConversationId)>,
    pub(super) external_ids: Keys<(Of, ExternalId)>,
    pub(super) messages: Keys<MessageKey>,
    pub(super) read_marks: Keys<(Of, ConversationId, UserId)>,
    pub(super) members: Keys<(Of, ConversationId)>,
    pub(super) posts: Keys<(Of, String)>,
    pub(super) calls: Keys<(Of, String)>,
    pub(super) unread: Keys<(Of, UserId, Uuid)>,
    pub(super) duties: bool,
}

impl Needs {
    /// Of these batches.
    pub(super) fn of<'a>(group: impl Iterator<Item = (&'a TenantId, &'a Batch)>) -> Needs {
        let mut needs = Needs::default();
        for (tenant, batch) in group {
            let of = needs.place(tenant);
            needs.add_batch(of, batch);
        }
        needs
    }

    /// Where a tenant stands among those of the group.
    pub(super) fn place(&mut self, tenant: &TenantId) -> Of {
        if let Some(of) = self.places.get(tenant) {
            return *of;
        }
        self.tenants.push(tenant.clone());
        self.places.insert(tenant.clone(), self.tenants.len() - 1);
        self.tenants.len() - 1
    }

    /// The tenant of this name, if it is one of the group.
    pub(super) fn find(&self, tenant: &TenantId) -> Option<Of> {
        self.places.get(tenant).copied()
    }

    fn add_batch(&mut self, of: Of, batch: &Batch) {
        if let Some(once) = &batch.once {
            self.posts.add((of, once.key.clone()));
        }
        for change in &batch.changes {
            if let Some(once) = &change.once {
                self.posts.add((of, once.key.clone()));
            }
            self.duties |= change.under.is_some();
            let target = change.origin.as_ref().and_then(|origin| match origin.target {
                Some(Target::Conversation(id)) => Some(id),
                _ => None,
            });
            let subject = change.events.iter().find_map(Event::conversation).or(target);
            if let Some(id) = subject {
                self.conversations.add((of, id));
            }
            for event in &change.events {
                self.add_event(of, event);
            }
        }
    }

    fn add_event(&mut self, of: Of, event: &Event) {
        match event {
            Event::SessionStarted(started) => {
                for external in &started.external_ids {
                    self.external_ids.add((of, external.clone()));
                }
            }
            Event::Message(message) => {
                if let Some(key) = message_key(of, message) {
                    self.messages.add(key);
                }
            }
            Event::MessageStatus(status) if status.status == Receipt::Read => {
                self.read_marks.add((of, status.session_id, status.user_id.clone()));
            }
            Event::Joined(joined) => self.members.add((of, joined.session_id)),
            Event::Left(left) => self.members.add((of, left.session_id)),
            Event::Call(call) => self.calls.add((of, call.unique_id().to_owned())),
            Event::CallQueue(CallQueue::QueueJoined(e)) => {
                self.calls.add((of, e.unique_id.clone()));
            }
            Event::CallQueue(CallQueue::QueueLeft(e)) => self.calls.add((of, e.unique_id.clone())),
            Event::NotificationRead(read) => {
                for id in &read.notification_ids {
                    self.unread.add((of, read.user_id.clone(), *id));
                }
            }
            _ => {}
        }
    }
}

/// By what a repeat of a message is known; nothing for one that cannot be repeated.
pub(super) fn message_key(of: Of, message: &Message) -> Option<MessageKey> {
    let client_id = message.client_id.as_ref()?.to_string();
    Some((of, message.session_id, message.sender_id.clone(), client_id))
}

/// By what a repeat of a kept message will be known.
pub(super) fn key_of(of: Of, envelope: &Envelope) -> Option<MessageKey> {
    match &envelope.event {
        Event::Message(message) => message_key(of, message),
        _ => None,
    }
}
