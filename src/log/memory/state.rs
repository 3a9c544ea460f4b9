//! A tenant in memory as a transaction of `change.rs` sees it: what a change reads and writes.

use std::sync::Arc;

use uuid::Uuid;

use super::{KnownNotice, Tenant};
use crate::log::change::State;
use crate::log::{Error, Once, OpenCall, Record};
use crate::model::{
    Conversation, ConversationId, Cursor, Envelope, Event, ExternalId, Member, Message, Moment,
    Stint, UserId,
};

impl State for Tenant {
    fn conversation(&mut self, id: ConversationId) -> Result<Option<Conversation>, Error> {
        Ok(self.conversations.get(&id).map(|c| c.as_ref().clone()))
    }

    fn has_external_id(&mut self, id: &ExternalId) -> Result<bool, Error> {
        Ok(self.external_ids.contains_key(id))
    }

    fn known_message(&mut self, message: &Message) -> Result<Option<Arc<Envelope>>, Error> {
        Ok(known_key(message).and_then(|key| self.known.get(&key).cloned()))
    }

    fn read_mark(&mut self, conversation: ConversationId, user: &UserId) -> Result<u64, Error> {
        Ok(self.read_marks.get(&(conversation, user.clone())).copied().unwrap_or(0))
    }

    fn members(&mut self, conversation: ConversationId) -> Result<Vec<Member>, Error> {
        Ok(self
            .members
            .get(&conversation)
            .map(|m| m.values().cloned().collect())
            .unwrap_or_default())
    }

    fn known_post(&mut self, key: &str) -> Result<Option<([u8; 32], Cursor)>, Error> {
        let log = self.log;
        let known = self.posts.get(key);
        Ok(known.map(|(_, digest, position)| (*digest, Cursor { log, position: *position })))
    }

    fn open_call(&mut self, unique_id: &str) -> Result<Option<OpenCall>, Error> {
        Ok(self.calls.get(unique_id).cloned())
    }

    fn is_unread(&mut self, user: &UserId, notification: Uuid) -> Result<bool, Error> {
        let mut its = self.notices.iter().filter(|((of, _), n)| of == user && n.id == notification);
        Ok(its.any(|(_, notice)| notice.read_at.is_none()))
    }

    fn cursor(&self) -> Cursor {
        Cursor { log: self.log, position: self.head }
    }

    fn next_cursor(&mut self) -> Cursor {
        self.head += 1;
        Cursor { log: self.log, position: self.head }
    }

    fn put_event(&mut self, envelope: &Arc<Envelope>) -> Result<(), Error> {
        if let Event::Message(message) = &envelope.event
            && let Some(key) = known_key(message)
        {
            self.known.insert(key, envelope.clone());
        }
        // Who was present is told live; a reader of the past asks for a snapshot instead.
        let kept = Envelope { present: None, audience: None, ..envelope.as_ref().clone() };
        self.events.insert(envelope.position(), Arc::new(kept));
        Ok(())
    }

    fn put_conversation(&mut self, record: Conversation, _is_new: bool) -> Result<(), Error> {
        for external in &record.external_ids {
            self.external_ids.insert(external.clone(), record.id);
        }
        self.conversations.insert(record.id, Arc::new(record));
        Ok(())
    }

    fn put_stint(&mut self, stint: &Stint) -> Result<(), Error> {
        let entry = self.stints.entry((stint.conversation, stint.number));
        entry.or_insert_with(|| (stint.clone(), None)).0 = stint.clone();
        Ok(())
    }

    fn put_score(&mut self, of: ConversationId, number: u32, score: u8) -> Result<(), Error> {
        if let Some((_, kept)) = self.stints.get_mut(&(of, number)) {
            *kept = Some(score);
        }
        Ok(())
    }

    fn put_read_mark(
        &mut self,
        conversation: ConversationId,
        user: &UserId,
        seq: u64,
    ) -> Result<(), Error> {
        self.read_marks.insert((conversation, user.clone()), seq);
        Ok(())
    }

    fn put_member(&mut self, conversation: ConversationId, member: &Member) -> Result<(), Error> {
        let members = self.members.entry(conversation).or_default();
        members.insert(member.user_id.clone(), member.clone());
        Ok(())
    }

    fn remove_member(&mut self, conversation: ConversationId, user: &UserId) -> Result<(), Error> {
        if let Some(members) = self.members.get_mut(&conversation) {
            members.remove(user);
        }
        Ok(())
    }

    fn put_post(&mut self, once: &Once, cursor: Cursor) -> Result<(), Error> {
        self.posts.insert(once.key.clone(), (Moment::now(), once.digest, cursor.position));
        Ok(())
    }

    fn put_open_call(&mut self, call: &OpenCall) -> Result<(), Error> {
        self.calls.insert(call.unique_id.clone(), call.clone());
        Ok(())
    }

    fn remove_open_call(&mut self, unique_id: &str) -> Result<Option<OpenCall>, Error> {
        Ok(self.calls.remove(unique_id))
    }

    fn put_notice(&mut self, user: &UserId, id: Uuid, position: u64) -> Result<(), Error> {
        let notice = KnownNotice { id, is_delivered: false, read_at: None };
        self.notices.insert((user.clone(), position), notice);
        Ok(())
    }

    fn put_notice_read(&mut self, user: &UserId, id: Uuid) -> Result<(), Error> {
        let its = self.notices.iter_mut().filter(|((of, _), n)| of == user && n.id == id);
        its.for_each(|(_, notice)| notice.read_at = Some(Moment::now()));
        Ok(())
    }

    fn put_record(&mut self, record: &Record) -> Result<(), Error> {
        match record.clone() {
            Record::SessionKey(id, digest) => drop(self.session_keys.insert(digest, id)),
            Record::Tenant(name) => self.name = name,
            Record::Department(d) => drop(self.departments.insert(d.id, d)),
            Record::DepartmentRemoved(id) => drop(self.departments.remove(&id)),
            Record::Agent(a) => {
                self.former_agents.remove(&a.id);
                self.agents.insert(a.id.clone(), a);
            }
            Record::AgentRemoved(id) => {
                self.agents.remove(&id);
                self.former_agents.insert(id);
            }
            Record::ApiKey(k) => drop(self.api_keys.insert(k.id, k)),
            Record::ApiKeyRevoked(id) => drop(self.api_keys.remove(&id)),
            Record::Recovery(r) => drop(self.recoveries.insert(r.id, (Moment::now(), r))),
            Record::Faq(entry) => drop(self.faq.insert(entry.id, entry)),
            Record::FaqRemoved(id) => drop(self.faq.remove(&id)),
            Record::AgentState(r) => drop(self.agent_states.insert(r.agent.clone(), r)),
            Record::Beats(beats) => self.beats.extend(beats),
            Record::NoticesDelivered(user, through) => {
                let its = self.notices.iter_mut();
                let its = its.filter(|((of, position), _)| *of == user && *position <= through);
                its.for_each(|(_, notice)| notice.is_delivered = true);
            }
            Record::DepartmentAlert(id, true) => drop(self.department_alerts.insert(id)),
            Record::DepartmentAlert(id, false) => drop(self.department_alerts.remove(&id)),
            Record::Webhook(webhook) => self.put_webhook(webhook),
            Record::WebhookRemoved(id) => self.remove_webhook(id),
            Record::WebhookRead(read) => self.put_webhook_read(read),
            Record::DeliveryTried(tried) => self.put_delivery_tried(tried),
            Record::DeliveriesRevived(id, of) => self.revive_deliveries(id, &of),
            Record::ReadBy(name, position) => {
                self.readers.insert(name, position);
            }
        }
        Ok(())
    }
}

fn known_key(message: &Message) -> Option<(ConversationId, UserId, String)> {
    let client_id = message.client_id.clone()?;
    Some((message.session_id, message.sender_id.clone(), client_id))
}
