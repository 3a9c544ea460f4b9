//! Coming back: from where a reader goes on, and what it missed.

use std::sync::Arc;

use super::App;
use crate::limits::REPLAY_PAGE_EVENTS;
use crate::log::Reading;
use crate::model::{ConversationId, Cursor, Envelope, Error, TenantId};

/// From where a reader starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// Everything after this is still to come.
    pub cursor: Cursor,
    /// What comes first.
    pub resume: Resume,
}

/// What a reader gets before it hears live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// Nothing: it asked for nothing.
    Live,
    /// What it missed since its cursor.
    Missed,
    /// A snapshot, because what it missed cannot be told; with the reason.
    Resync(&'static str),
}

impl App {
    /// Where a reader of a conversation starts that asked for `after`: a cursor, or a message's
    /// `seq`.
    ///
    /// # Errors
    /// 503 when the log does not answer.
    pub async fn start_of(
        &self,
        tenant: &TenantId,
        conversation: ConversationId,
        after: Option<&str>,
    ) -> Result<Start, Error> {
        let head = self.log.head(tenant).await.map_err(|e| self.fault(e))?;
        let Some(after) = after else { return Ok(Start { cursor: head, resume: Resume::Live }) };
        let resync = |reason| Ok(Start { cursor: head, resume: Resume::Resync(reason) });
        let position = if let Ok(seq) = after.parse::<u64>() {
            if seq == 0 {
                Some(0)
            } else {
                let found = self.log.position_of(tenant, conversation, seq).await;
                found.map_err(|e| self.fault(e))?
            }
        } else {
            let pruned = self.log.pruned_through(tenant).await.map_err(|e| self.fault(e))?;
            match Cursor::parse(after) {
                Some(c) if c.log == head.log && c.position < pruned => {
                    return resync("cursor_expired");
                }
                Some(c) if c.log == head.log && c.position <= head.position => Some(c.position),
                _ => None,
            }
        };
        match position {
            Some(position) => {
                Ok(Start { cursor: Cursor { position, ..head }, resume: Resume::Missed })
            }
            None => resync("unknown_cursor"),
        }
    }

    /// What happened in a conversation after a position, without its joins and leaves, of which
    /// only the outcome matters; and how far that read, and whether it was all.
    ///
    /// # Errors
    /// 503 when the log does not answer.
    pub async fn missed(
        &self,
        tenant: &TenantId,
        conversation: ConversationId,
        after: u64,
    ) -> Result<(Vec<Arc<Envelope>>, u64, bool), Error> {
        let reading = Reading::Conversation(conversation);
        let page = self.log.read(tenant, reading, after, REPLAY_PAGE_EVENTS).await;
        let mut page = page.map_err(|e| self.fault(e))?;
        let read_to = page.events.last().map_or(after, |e| e.position());
        page.events.retain(|e| !e.event.is_connection_event());
        Ok((page.events, read_to, page.is_end))
    }
}
