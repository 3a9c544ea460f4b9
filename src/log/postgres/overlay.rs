//! The state of a group's tenants as its transaction found it, with what the group makes of it on
//! top: in memory, so that nothing is asked of the database between two changes.
//!
//! Must not know SQL. Being asked for what was not read before is a mistake of [`super::needs`] and
//! fails the change, naming it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use uuid::Uuid;

use super::super::change::{State, has_same_state};
use super::super::{Error, Once, OpenCall, Record};
use super::needs::{MessageKey, Of, key_of, message_key};
use super::records::Records;
use crate::model::{
    Conversation, ConversationId, Cursor, Envelope, ExternalId, Member, Message, Moment, Stint,
    TenantId, UserId,
};

/// What is known of keys, and which of it the group has changed.
#[derive(Debug)]
pub(super) struct Known<K, V> {
    what: &'static str,
    slots: HashMap<K, V>,
    changed: HashSet<K>,
}

impl<K: Clone + Debug + Eq + Hash, V> Known<K, V> {
    fn new(what: &'static str) -> Known<K, V> {
        Known { what, slots: HashMap::new(), changed: HashSet::new() }
    }

    /// What the database has.
    pub(super) fn found(&mut self, key: K, value: V) {
        self.slots.insert(key, value);
    }

    pub(super) fn found_mut(&mut self, key: &K) -> Option<&mut V> {
        self.slots.get_mut(key)
    }

    pub(super) fn at(&self, key: &K) -> Option<&V> {
        self.slots.get(key)
    }

    fn get(&self, key: &K) -> Result<&V, Error> {
        let missing = || Error::failed(format!("{} {key:?} was not read before", self.what));
        self.slots.get(key).ok_or_else(missing)
    }

    fn put(&mut self, key: K, value: V) {
        self.changed.insert(key.clone());
        self.slots.insert(key, value);
    }

    /// What the group has changed, as it is now.
    pub(super) fn changed(&self) -> impl Iterator<Item = (&K, &V)> {
        self.changed.iter().filter_map(|key| self.slots.get_key_value(key))
    }
}

/// A tenant of the group.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) tenant: TenantId,
    pub(super) cursor: Cursor,
    /// Time never runs backwards within a log, whichever node's clock it is.
    pub(super) at: Moment,
    /// Rises with every change of departments or agents.
    pub(super) staff: i64,
    /// A new name.
    pub(super) name: Option<String>,
}

/// A conversation's record, and what of it is to be written.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) record: Option<Conversation>,
    /// Only the counters differ from what the database has.
    pub(super) is_counters_only: bool,
}

/// What came under a key, where the log ended with it, and when that was.
type Post = ([u8; 32], u64, Moment);

/// See the head of the file.
#[derive(Debug)]
pub(super) struct Overlay {
    pub(super) heads: Vec<Head>,
    pub(super) before: Vec<Head>,
    pub(super) duties: Option<u64>,
    pub(super) conversations: Known<(Of, ConversationId), Held>,
    pub(super) external_ids: Known<(Of, ExternalId), Option<ConversationId>>,
    pub(super) messages: Known<MessageKey, Option<Arc<Envelope>>>,
    pub(super) read_marks: Known<(Of, ConversationId, UserId), u64>,
    /// By the conversation and the user.
    pub(super) members: Known<(Of, ConversationId), BTreeMap<UserId, Member>>,
    pub(super) moved: HashSet<(Of, ConversationId, UserId)>,
    pub(super) posts: Known<(Of, String), Option<Post>>,
    pub(super) calls: Known<(Of, String), Option<OpenCall>>,
    pub(super) unread: Known<(Of, UserId, Uuid), bool>,
    /// In the order of each log.
    pub(super) events: Vec<Arc<Envelope>>,
    pub(super) notices: Vec<(Of, UserId, Uuid, u64)>,
    pub(super) stints: BTreeMap<(Of, ConversationId, u32), Stint>,
    pub(super) scores: BTreeMap<(Of, ConversationId, u32), u8>,
    pub(super) records: Records,
}

impl Overlay {
    pub(super) fn new() -> Overlay {
        Overlay {
            heads: vec![],
            before: vec![],
            duties: None,
            conversations: Known::new("conversation"),
            external_ids: Known::new("external id"),
            messages: Known::new("message"),
            read_marks: Known::new("read mark"),
            members: Known::new("members of"),
            moved: HashSet::new(),
            posts: Known::new("post"),
            calls: Known::new("call"),
            unread: Known::new("notification"),
            events: vec![],
            notices: vec![],
            stints: BTreeMap::new(),
            scores: BTreeMap::new(),
            records: Records::default(),
        }
    }

    /// The tenants whose row has to be written, as they were and are.
    pub(super) fn touched(&self) -> impl Iterator<Item = &Head> {
        let pairs = self.before.iter().zip(&self.heads);
        pairs
            .filter(|(was, is)| {
                was.cursor != is.cursor || was.staff != is.staff || is.name.is_some()
            })
            .map(|(_, is)| is)
    }

    /// The tenants whose staff the group has changed, with what their counter is now.
    pub(super) fn staff(&self) -> Vec<(TenantId, i64)> {
        let pairs = self.before.iter().zip(&self.heads);
        let raised = pairs.filter(|(was, is)| was.staff != is.staff);
        raised.map(|(_, is)| (is.tenant.clone(), is.staff)).collect()
    }

    /// One of its tenants, at a moment.
    pub(super) fn tenant(&mut self, of: Of) -> InTenant<'_> {
        let head = &mut self.heads[of];
        head.at = head.at.max(Moment::now());
        InTenant { overlay: self, of }
    }
}

/// The group's state, seen from one tenant.
pub(super) struct InTenant<'a> {
    overlay: &'a mut Overlay,
    of: Of,
}

impl InTenant<'_> {
    fn head(&self) -> &Head {
        &self.overlay.heads[self.of]
    }

    pub(super) fn at(&self) -> Moment {
        self.head().at
    }
}

impl State for InTenant<'_> {
    fn conversation(&mut self, id: ConversationId) -> Result<Option<Conversation>, Error> {
        Ok(self.overlay.conversations.get(&(self.of, id))?.record.clone())
    }

    fn has_external_id(&mut self, id: &ExternalId) -> Result<bool, Error> {
        Ok(self.overlay.external_ids.get(&(self.of, id.clone()))?.is_some())
    }

    fn known_message(&mut self, message: &Message) -> Result<Option<Arc<Envelope>>, Error> {
        match message_key(self.of, message) {
            Some(key) => self.overlay.messages.get(&key).cloned(),
            None => Ok(None),
        }
    }

    fn read_mark(&mut self, id: ConversationId, user: &UserId) -> Result<u64, Error> {
        self.overlay.read_marks.get(&(self.of, id, user.clone())).copied()
    }

    fn members(&mut self, id: ConversationId) -> Result<Vec<Member>, Error> {
        Ok(self.overlay.members.get(&(self.of, id))?.values().cloned().collect())
    }

    fn known_post(&mut self, key: &str) -> Result<Option<([u8; 32], Cursor)>, Error> {
        let log = self.head().cursor.log;
        let found = self.overlay.posts.get(&(self.of, key.to_owned()))?;
        Ok(found.map(|(digest, position, _)| (digest, Cursor { log, position })))
    }

    fn open_call(&mut self, unique_id: &str) -> Result<Option<OpenCall>, Error> {
        self.overlay.calls.get(&(self.of, unique_id.to_owned())).cloned()
    }

    fn is_unread(&mut self, user: &UserId, notification: Uuid) -> Result<bool, Error> {
        self.overlay.unread.get(&(self.of, user.clone(), notification)).copied()
    }

    fn duties(&mut self) -> Result<u64, Error> {
        self.overlay.duties.ok_or_else(|| Error::failed("the duties were not read before"))
    }

    fn cursor(&self) -> Cursor {
        self.head().cursor
    }

    fn next_cursor(&mut self) -> Cursor {
        let cursor = &mut self.overlay.heads[self.of].cursor;
        cursor.position += 1;
        *cursor
    }

    fn put_event(&mut self, envelope: &Arc<Envelope>) -> Result<(), Error> {
        if let Some(key) = key_of(self.of, envelope) {
            self.overlay.messages.put(key, Some(envelope.clone()));
        }
        self.overlay.events.push(envelope.clone());
        Ok(())
    }

    fn put_conversation(&mut self, record: Conversation, is_new: bool) -> Result<(), Error> {
        if is_new {
            for external in &record.external_ids {
                let key = (self.of, external.clone());
                self.overlay.external_ids.put(key, Some(record.id));
            }
        }
        let key = (self.of, record.id);
        let is_first = !self.overlay.conversations.changed.contains(&key);
        let before = self.overlay.conversations.get(&key)?;
        let is_counters_only = (is_first || before.is_counters_only)
            && before.record.as_ref().is_some_and(|before| has_same_state(before, &record));
        self.overlay.conversations.put(key, Held { record: Some(record), is_counters_only });
        Ok(())
    }

    fn put_stint(&mut self, stint: &Stint) -> Result<(), Error> {
        let key = (self.of, stint.conversation, stint.number);
        self.overlay.records.worked(self.of, stint);
        self.overlay.stints.insert(key, stint.clone());
        Ok(())
    }

    fn put_score(&mut self, id: ConversationId, number: u32, score: u8) -> Result<(), Error> {
        self.overlay.scores.insert((self.of, id, number), score);
        Ok(())
    }

    fn put_read_mark(&mut self, id: ConversationId, user: &UserId, seq: u64) -> Result<(), Error> {
        self.overlay.read_marks.put((self.of, id, user.clone()), seq);
        Ok(())
    }

    fn put_member(&mut self, id: ConversationId, member: &Member) -> Result<(), Error> {
        let user = member.user_id.clone();
        self.overlay.moved.insert((self.of, id, user.clone()));
        let members = self.overlay.members.found_mut(&(self.of, id));
        members.ok_or_else(|| unread_members(id))?.insert(user, member.clone());
        Ok(())
    }

    fn remove_member(&mut self, id: ConversationId, user: &UserId) -> Result<(), Error> {
        self.overlay.moved.insert((self.of, id, user.clone()));
        let members = self.overlay.members.found_mut(&(self.of, id));
        members.ok_or_else(|| unread_members(id))?.remove(user);
        Ok(())
    }

    fn put_post(&mut self, once: &Once, cursor: Cursor) -> Result<(), Error> {
        let value = (once.digest, cursor.position, self.at());
        self.overlay.posts.put((self.of, once.key.clone()), Some(value));
        Ok(())
    }

    fn put_open_call(&mut self, call: &OpenCall) -> Result<(), Error> {
        self.overlay.calls.put((self.of, call.unique_id.clone()), Some(call.clone()));
        Ok(())
    }

    fn remove_open_call(&mut self, unique_id: &str) -> Result<Option<OpenCall>, Error> {
        let key = (self.of, unique_id.to_owned());
        let known = self.overlay.calls.get(&key)?.clone();
        if known.is_some() {
            self.overlay.calls.put(key, None);
        }
        Ok(known)
    }

    fn put_notice(&mut self, user: &UserId, id: Uuid, position: u64) -> Result<(), Error> {
        let key = (self.of, user.clone(), id);
        if let Some(is_unread) = self.overlay.unread.found_mut(&key) {
            *is_unread = true;
        }
        self.overlay.notices.push((self.of, user.clone(), id, position));
        Ok(())
    }

    fn put_notice_read(&mut self, user: &UserId, id: Uuid) -> Result<(), Error> {
        let at = self.at();
        self.overlay.unread.put((self.of, user.clone(), id), false);
        self.overlay.records.read_notice(self.of, user, id, at);
        Ok(())
    }

    fn put_record(&mut self, record: &Record) -> Result<(), Error> {
        let at = self.at();
        match record {
            Record::Tenant(name) => self.overlay.heads[self.of].name = Some(name.clone()),
            Record::Department(_)
            | Record::DepartmentRemoved(_)
            | Record::Agent(_)
            | Record::AgentRemoved(_) => {
                let raised = self.overlay.before[self.of].staff + 1;
                self.overlay.heads[self.of].staff = raised;
            }
            _ => {}
        }
        self.overlay.records.put(self.of, record, at);
        Ok(())
    }
}

fn unread_members(id: ConversationId) -> Error {
    Error::failed(format!("members of {id} were not read before"))
}
