//! Presence of one node, in its memory.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::time::Instant;

use super::{Counts, Entered, Entry, Error, Left, Presence, RECONNECT_WINDOW};
use crate::model::{ConnId, Member, Moment, Place, Role, TenantId, UserId};

/// Presence that is lost with its process.
#[derive(Default)]
pub(super) struct Memory(Mutex<State>);

#[derive(Default)]
struct State {
    places: HashMap<(TenantId, Place), BTreeMap<UserId, Stay>>,
    departures: Departures,
}

/// A user in a place.
struct Stay {
    role: Role,
    joined_at: Moment,
    connections: BTreeSet<ConnId>,
}

/// Who left within the last [`RECONNECT_WINDOW`].
#[derive(Default)]
struct Departures {
    when: HashMap<Key, Instant>,
    /// Oldest first, so that forgetting costs nothing but what is forgotten.
    order: VecDeque<(Instant, Key)>,
}

type Key = (TenantId, Place, UserId);

impl Departures {
    fn note(&mut self, key: Key) {
        let now = Instant::now();
        self.forget_before(now);
        self.when.insert(key.clone(), now);
        self.order.push_back((now, key));
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
        let users = state.places.entry((of.clone(), place)).or_default();
        if let Some(stay) = users.get_mut(&entry.user) {
            if stay.role != entry.role {
                return Ok(Entered::WithRole(stay.role));
            }
            stay.connections.insert(entry.conn);
            return Ok(Entered::Another);
        }
        let joined_at = Moment::now();
        let connections = BTreeSet::from([entry.conn]);
        users.insert(entry.user.clone(), Stay { role: entry.role, joined_at, connections });
        let away_ms = state.departures.take(&(of.clone(), place, entry.user));
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
        let at = (of.clone(), place);
        let Some(users) = state.places.get_mut(&at) else { return Ok(Left::NotLast) };
        let Some(stay) = users.get_mut(user) else { return Ok(Left::NotLast) };
        if !stay.connections.remove(&conn) || !stay.connections.is_empty() {
            return Ok(Left::NotLast);
        }
        users.remove(user);
        if users.is_empty() {
            state.places.remove(&at);
        }
        state.departures.note((at.0, place, user.clone()));
        Ok(Left::Last)
    }

    async fn members(&self, of: &TenantId, place: Place) -> Result<Vec<Member>, Error> {
        let state = self.lock();
        let users = state.places.get(&(of.clone(), place)).into_iter().flatten();
        Ok(users
            .map(|(user, stay)| Member {
                user_id: user.clone(),
                user_type: stay.role,
                joined_at: stay.joined_at,
            })
            .collect())
    }

    async fn counts(&self) -> Result<Counts, Error> {
        let state = self.lock();
        let mut counts = Counts::default();
        for ((_, place), users) in &state.places {
            match place {
                Place::Tenant => counts.users += users.len(),
                Place::Conversation(_) => counts.conversations += 1,
            }
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
