//! Presence of one node, in its memory.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::{Counts, Entered, Entry, Error, Left, Presence, RECONNECT_WINDOW};
use crate::model::{ConnId, Member, Moment, Place, Role, TenantId, UserId};

/// Presence that is lost with its process.
#[derive(Default)]
pub(super) struct Memory(Mutex<State>);

#[derive(Default)]
struct State {
    /// One map for all, so that a conversation of two costs two entries and no map of its own;
    /// who is in a place stands side by side in it.
    stays: BTreeMap<Key, Stay>,
    departures: Departures,
}

/// A user in a place.
struct Stay {
    role: Role,
    joined_at: Moment,
    connections: Vec<ConnId>,
}

/// Who left within the last [`RECONNECT_WINDOW`].
#[derive(Default)]
struct Departures {
    when: HashMap<Key, Instant>,
    /// Oldest first, so that forgetting costs nothing but what is forgotten.
    order: VecDeque<(Instant, Key)>,
}

/// `None` sorts before every user, and so begins a place.
type Key = (TenantId, Place, Option<UserId>);

impl Departures {
    fn note(&mut self, key: Key, when: Instant) {
        self.forget_before(Instant::now());
        self.when.insert(key.clone(), when);
        self.order.push_back((when, key));
    }

    fn take(&mut self, key: &Key) -> Option<u64> {
        let away = self.when.remove(key)?.elapsed();
        (away < RECONNECT_WINDOW).then(|| u64::try_from(away.as_millis()).unwrap_or(u64::MAX))
    }

    fn forget_before(&mut self, now: Instant) {
        while let Some((when, _)) = self.order.front()
            && now.duration_since(*when) >= RECONNECT_WINDOW
            && let Some((when, key)) = self.order.pop_front()
        {
            // A user that came back and left again has a younger entry.
            if self.when.get(&key) == Some(&when) {
                self.when.remove(&key);
            }
        }
    }
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Presence for Memory {
    async fn enter(&self, of: &TenantId, place: Place, entry: Entry) -> Result<Entered, Error> {
        let mut state = self.lock();
        let key = (of.clone(), place, Some(entry.user));
        if let Some(stay) = state.stays.get_mut(&key) {
            if stay.role != entry.role {
                return Ok(Entered::WithRole(stay.role));
            }
            if !stay.connections.contains(&entry.conn) {
                stay.connections.push(entry.conn);
            }
            return Ok(Entered::Another);
        }
        let joined_at = Moment::now();
        let away_ms = state.departures.take(&key);
        let connections = vec![entry.conn];
        state.stays.insert(key, Stay { role: entry.role, joined_at, connections });
        Ok(Entered::First { joined_at, away_ms })
    }

    async fn leave(
        &self,
        of: &TenantId,
        place: Place,
        user: &UserId,
        conn: ConnId,
    ) -> Result<Left, Error> {
        let mut state = self.lock();
        let key = (of.clone(), place, Some(user.clone()));
        let Some(stay) = state.stays.get_mut(&key) else { return Ok(Left::NotLast) };
        let before = stay.connections.len();
        stay.connections.retain(|c| *c != conn);
        if stay.connections.len() == before || !stay.connections.is_empty() {
            return Ok(Left::NotLast);
        }
        state.stays.remove(&key);
        state.departures.note(key, Instant::now());
        Ok(Left::Last)
    }

    async fn remember_leave(
        &self,
        of: &TenantId,
        place: Place,
        user: &UserId,
        away: Duration,
    ) -> Result<(), Error> {
        // A machine younger than that has no such moment, and nobody was away on it.
        if let Some(when) = Instant::now().checked_sub(away) {
            let key = (of.clone(), place, Some(user.clone()));
            self.lock().departures.note(key, when);
        }
        Ok(())
    }

    async fn members(&self, of: &TenantId, place: Place) -> Result<Vec<Member>, Error> {
        let state = self.lock();
        let stays = state.stays.range((of.clone(), place, None)..);
        let here = stays.take_while(|((t, p, _), _)| t == of && *p == place);
        let members = here.filter_map(|((_, _, user), stay)| {
            let (user_type, joined_at) = (stay.role, stay.joined_at);
            user.clone().map(|user_id| Member { user_id, user_type, joined_at })
        });
        Ok(members.collect())
    }

    async fn connections_of(&self, of: &TenantId, user: &UserId) -> Result<usize, Error> {
        let key = (of.clone(), Place::Tenant, Some(user.clone()));
        Ok(self.lock().stays.get(&key).map_or(0, |stay| stay.connections.len()))
    }

    async fn counts(&self) -> Result<Counts, Error> {
        let state = self.lock();
        let mut counts = Counts::default();
        let mut last = None;
        for (tenant, place, _) in state.stays.keys() {
            let is_another = last != Some((tenant, place));
            match place {
                Place::Tenant => counts.users += 1,
                Place::Work => {}
                Place::Conversation(_) => counts.conversations += usize::from(is_another),
            }
            last = Some((tenant, place));
        }
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_keeps_the_contract() {
        super::super::contract::suite(&Memory::default()).await;
    }
}
