//! Coming back: from where a reader goes on, and what it missed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::{App, Connection, Room};
use crate::limits::{CONSOLE_PAGE_EVENTS, REPLAY_PAGE_EVENTS, REPLAY_SOURCE_EVENTS_MIN};
use crate::log::Reading;
use crate::model::{
    Audience, ConversationId, Cursor, Envelope, Error, ExternalId, Identity, Moment, Role, TenantId,
};

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

/// A connection that is taken up again, or is not.
pub struct Recovered {
    /// From where on.
    pub start: Start,
    /// The conversations it takes part in.
    pub rooms: Vec<Room>,
    /// Those it did before and may no longer, with what it called them.
    pub lost: Vec<(ConversationId, Option<ExternalId>)>,
}

/// What a reader hears, each with the position up to which it was told.
pub struct Told {
    tenant: TenantId,
    sources: Vec<(Reading, u64)>,
    /// Whether it takes part in nothing, and who comes and goes is an event to it like others.
    is_console: bool,
    /// Whether what it may hear depends on whose conversation it is.
    needs_audience: bool,
}

/// A stretch of what a reader missed, in log order.
#[derive(Debug, Default)]
pub struct Missed {
    /// What happened.
    pub events: Vec<Arc<Envelope>>,
    /// Everything up to here is told with it.
    pub read_to: u64,
    /// Whether that was all.
    pub is_end: bool,
}

impl App {
    /// Where a reader starts that asked for `after`: a cursor, or the `seq` of a message of this
    /// conversation.
    ///
    /// # Errors
    /// 503 when the log does not answer.
    pub async fn start_of(
        &self,
        tenant: &TenantId,
        conversation: Option<ConversationId>,
        after: Option<&str>,
    ) -> Result<Start, Error> {
        let head = self.log.head(tenant).await.map_err(|e| self.fault(e))?;
        let Some(after) = after else { return Ok(Start { cursor: head, resume: Resume::Live }) };
        let resync = |reason| Ok(Start { cursor: head, resume: Resume::Resync(reason) });
        let position = match (after.parse::<u64>(), conversation) {
            (Ok(0), Some(_)) => Some(0),
            (Ok(seq), Some(conversation)) => {
                let found = self.log.position_of(tenant, conversation, seq).await;
                found.map_err(|e| self.fault(e))?
            }
            (Ok(_), None) => None,
            (Err(_), _) => {
                let pruned = self.log.pruned_through(tenant).await.map_err(|e| self.fault(e))?;
                match Cursor::parse(after) {
                    Some(c) if c.log == head.log && c.position < pruned => {
                        return resync("cursor_expired");
                    }
                    Some(c) if c.log == head.log && c.position <= head.position => Some(c.position),
                    _ => None,
                }
            }
        };
        match position {
            Some(position) => {
                Ok(Start { cursor: Cursor { position, ..head }, resume: Resume::Missed })
            }
            None => resync("unknown_cursor"),
        }
    }

    /// Where a connection goes on that was cut, and what it took part in: with the number it was
    /// given (`recovery`) and the last cursor it has. `is_patient` lifts the time it may be away.
    ///
    /// # Errors
    /// 503 when the log does not answer.
    pub async fn recover(
        &self,
        who: &Identity,
        recovery: Uuid,
        after: &str,
        is_patient: bool,
    ) -> Result<Recovered, Error> {
        let start = self.start_of(&who.tenant, None, Some(after)).await?;
        let resync = |reason| {
            let start = Start { resume: Resume::Resync(reason), ..start };
            Ok(Recovered { start, rooms: vec![], lost: vec![] })
        };
        if let Resume::Resync(reason) = start.resume {
            return resync(reason);
        }
        let found = self.log.recovery(&who.tenant, recovery).await.map_err(|e| self.fault(e))?;
        let Some(found) = found.filter(|found| found.user == who.subject) else {
            return resync("unknown_recovery");
        };
        // One that has not ended has a line that only its client knows dead.
        let away = found.ended_at.map(|at| Moment::now().ms_since(at)).map(Duration::from_millis);
        let window = self.config.server.recovery_window;
        if away.is_some_and(|away| away > window) && !is_patient {
            return resync("recovery_expired");
        }
        let after = start.cursor.position;
        let (rooms, lost) = self.recovered_rooms(who, found.rooms, after).await?;
        let lost = lost.into_iter().map(|room| (room.id, room.name)).collect();
        Ok(Recovered { start, rooms, lost })
    }

    /// What happened in the conversations a reader takes part in, and to its user, since it was
    /// told last; without joins and leaves, of which only the outcome matters.
    ///
    /// # Errors
    /// 503 when the log does not answer.
    pub async fn missed(&self, told: Told) -> Result<Missed, Error> {
        let of_each = if told.is_console { CONSOLE_PAGE_EVENTS } else { REPLAY_PAGE_EVENTS };
        let limit = (of_each / told.sources.len().max(1)).max(REPLAY_SOURCE_EVENTS_MIN);
        let afters: Vec<u64> = told.sources.iter().map(|(_, after)| *after).collect();
        // The sources are read one after the other, and what comes meanwhile would be in the pages
        // of the later ones alone. So no further than the log was before the first.
        let read = self.log.read_each(&told.tenant, told.sources.clone(), limit).await;
        let (head, pages) = read.map_err(|e| self.fault(e))?;
        let mut events = Vec::new();
        // Everything up to here has been read of every source.
        let mut read_to = head;
        let mut is_end = true;
        for (page, after) in pages.into_iter().zip(afters) {
            let newest = page.events.last().map_or(after, |e| e.position());
            if !page.is_end && newest < head {
                read_to = read_to.min(newest);
                is_end = false;
            }
            events.extend(page.events);
        }
        events.retain(|e| {
            e.position() <= read_to && (told.is_console || !e.event.is_connection_event())
        });
        events.sort_by_key(|e| e.position());
        // What happened in a conversation and is meant for this user comes from both.
        events.dedup_by_key(|e| e.position());
        if told.needs_audience {
            self.add_audience(&told.tenant, &mut events).await?;
        }
        Ok(Missed { events, read_to, is_end })
    }

    /// Whose the conversations are now: the log does not keep whose they were.
    async fn add_audience(
        &self,
        tenant: &TenantId,
        events: &mut [Arc<Envelope>],
    ) -> Result<(), Error> {
        let mut known: HashMap<ConversationId, Option<Arc<Audience>>> = HashMap::new();
        for envelope in events {
            let Some(id) = envelope.conversation() else { continue };
            if let Entry::Vacant(vacant) = known.entry(id) {
                let found = self.log.conversation(tenant, id).await.map_err(|e| self.fault(e))?;
                vacant.insert(found.map(|record| Arc::new(record.audience())));
            }
            let audience = known.get(&id).cloned().flatten();
            *envelope = Arc::new(Envelope { audience, ..envelope.as_ref().clone() });
        }
        Ok(())
    }
}

impl Connection {
    /// What it hears, and how far it was told of each.
    pub fn told(&self) -> Told {
        let after = |told| self.reads_after(told);
        let (tenant, is_console) = (self.who.tenant.clone(), self.is_console);
        if is_console {
            let needs_audience = self.who.role == Role::Agent;
            let sources = vec![(Reading::All, after(self.told))];
            return Told { tenant, sources, is_console, needs_audience };
        }
        let rooms = self.rooms.iter().map(|r| (Reading::Conversation(r.id), after(r.told)));
        let personal = (Reading::User(self.who.subject.clone()), after(self.told));
        let sources = rooms.chain([personal]);
        let of_role = self.hears_role.then(|| (Reading::Role(self.who.role), after(self.told)));
        Told {
            tenant,
            sources: sources.chain(of_role).collect(),
            is_console,
            needs_audience: false,
        }
    }
}
