//! The questions about a tenant that take more than a line or two, asked of what memory holds.

use std::cmp::Reverse;
use std::sync::Arc;

use super::super::{ConversationFilter, OpenCall, Reading, Recovery, Retention};
use super::Tenant;
use crate::model::{
    Conversation, ConversationId, Envelope, Event, FaqEntry, History, HistoryRange, Moment, Status,
    Target,
};

impl Tenant {
    pub(super) fn messages(&self, conversation: ConversationId, range: HistoryRange) -> History {
        let limit = range.limit.map_or(usize::MAX, |l| l as usize);
        let wanted = self.events.values().filter(|e| {
            e.event.conversation() == Some(conversation)
                && seq_of(e).is_some_and(|seq| {
                    range.before.is_none_or(|b| seq < b) && range.after.is_none_or(|a| seq > a)
                })
        });
        let mut messages: Vec<_> = wanted.cloned().collect();
        let has_more = messages.len() > limit;
        if range.after.is_some() && range.before.is_none() {
            messages.truncate(limit);
        } else {
            messages.drain(..messages.len().saturating_sub(limit));
        }
        History { messages, has_more }
    }

    /// Newest first.
    pub(super) fn conversations(&self, filter: &ConversationFilter) -> Vec<Arc<Conversation>> {
        let is_shown = |c: &&Arc<Conversation>| {
            filter.status.map_or(c.status != Status::Closed, |status| c.status == status)
                && (filter.department.is_none() || c.department == filter.department)
                && filter.after.is_none_or(|after| (c.created_at, c.id) < after)
        };
        let mut found: Vec<_> = self.conversations.values().filter(is_shown).cloned().collect();
        found.sort_by_key(|c| Reverse((c.created_at, c.id)));
        found.truncate(filter.limit);
        found
    }

    pub(super) fn search_faq(&self, words: &[String], limit: usize) -> Vec<FaqEntry> {
        let enabled = self.faq.values().filter(|entry| entry.is_enabled);
        let scored = enabled.map(|entry| (matches(entry, words), entry));
        let mut found: Vec<_> = scored.filter(|(score, _)| *score > 0).collect();
        found.sort_by_key(|(score, entry)| (Reverse(*score), entry.id));
        found.into_iter().take(limit).map(|(_, entry)| entry.clone()).collect()
    }

    /// Forgets what is too old; returns how many events went.
    pub(super) fn prune(&mut self, retention: Retention) -> u64 {
        let too_old = |e: &Envelope| {
            retention.all_before.is_some_and(|before| e.at < before)
                || (e.event.is_connection_event()
                    && retention.connections_before.is_some_and(|before| e.at < before))
        };
        let old: Vec<u64> =
            self.events.iter().filter(|(_, e)| too_old(e)).map(|(p, _)| *p).collect();
        self.pruned = self.pruned.max(old.last().copied().unwrap_or(0));
        old.iter().for_each(|position| drop(self.events.remove(position)));
        let is_old = |at: Moment| retention.recoveries_before.is_some_and(|b| at < b);
        let has_ended = |known: &Recovery| known.ended_at.is_some_and(is_old);
        self.recoveries.retain(|_, (noted, known)| !(is_old(*noted) && has_ended(known)));
        self.posts.retain(|_, (at, ..)| retention.posts_before.is_none_or(|before| *at >= before));
        let goes_on = |call: &OpenCall| retention.calls_before.is_none_or(|b| call.began_at >= b);
        self.calls.retain(|_, call| goes_on(call));
        self.prune_deliveries(retention);
        old.len() as u64
    }
}

/// How many of the words an entry has; those of its questions count four times, as in SQLite.
fn matches(entry: &FaqEntry, words: &[String]) -> usize {
    let asked = [&entry.question].into_iter().chain(&entry.wordings);
    let asked = asked.map(|text| text.to_lowercase()).collect::<Vec<_>>().join("\n");
    let answer = entry.answer.to_lowercase();
    let has = |text: &str, word: &String| {
        text.split(|c: char| !c.is_alphanumeric()).any(|own| own.starts_with(word.as_str()))
    };
    let score = |word| 4 * usize::from(has(&asked, word)) + usize::from(has(&answer, word));
    words.iter().map(score).sum()
}

impl Reading {
    pub(super) fn takes(&self, envelope: &Envelope) -> bool {
        let is_of = |id: &ConversationId| envelope.conversation() == Some(*id);
        match self {
            Reading::All => true,
            Reading::Conversation(id) => is_of(id),
            Reading::Recorder(id) => {
                let is_said_or_why = matches!(
                    envelope.event,
                    Event::Message(_) | Event::MessageStatus(_) | Event::Decided(_)
                );
                is_of(id) && !is_said_or_why
            }
            Reading::Decisions(id) => is_of(id) && matches!(envelope.event, Event::Decided(_)),
            Reading::User(user) => envelope.addressee() == Some(user),
            Reading::Role(role) => envelope.target() == Some(&Target::Role(*role)),
            Reading::Audit => matches!(envelope.event, Event::Audit(_)),
        }
    }
}

pub(super) fn seq_of(envelope: &Envelope) -> Option<u64> {
    match &envelope.event {
        Event::Message(message) => Some(message.seq),
        _ => None,
    }
}
