//! Presence of one node, in its memory; also what a node that shares Redis knows of its own
//! connections.

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

impl Stay {
    fn member(&self, user_id: UserId) -> Member {
        Member { user_id, user_type: self.role, joined_at: self.joined_at }
    }
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

/// What a leave from memory changed.
pub(super) enum Gone {
    /// That was the user's last connection here.
    Last(Member),
    /// It has others.
    NotLast,
    /// The connection was not here.
    Unknown,
}

impl Memory {
    /// Notes that a connection came.
    pub(super) fn note_enter(&self, of: &TenantId, place: Place, entry: Entry) -> Entered {
        let mut state = self.lock();
        let key = (of.clone(), place, Some(entry.user));
        if let Some(stay) = state.stays.get_mut(&key) {
            if stay.role != entry.role {
                return Entered::WithRole(stay.role);
            }
            if !stay.connections.contains(&entry.conn) {
                stay.connections.push(entry.conn);
            }
            return Entered::Another;
        }
        let joined_at = Moment::now();
        let away_ms = state.departures.take(&key);
        let connections = vec![entry.conn];
        state.stays.insert(key, Stay { role: entry.role, joined_at, connections });
        Entered::First { joined_at, away_ms }
    }

    /// Notes that it went.
    pub(super) fn note_leave(
        &self,
        of: &TenantId,
        place: Place,
        user: &UserId,
        conn: ConnId,
    ) -> Gone {
        let mut state = self.lock();
        let key = (of.clone(), place, Some(user.clone()));
        let Some(stay) = state.stays.get_mut(&key) else { return Gone::Unknown };
        let before = stay.connections.len();
        stay.connections.retain(|c| *c != conn);
        let left = stay.connections.len();
        if left == before {
            return Gone::Unknown;
        }
        if left > 0 {
            return Gone::NotLast;
        }
        let member = stay.member(user.clone());
        state.stays.remove(&key);
        state.departures.note(key, Instant::now());
        Gone::Last(member)
    }

    /// Undoes an entry that was a user's first, as if it had never been.
    pub(super) fn forget(&self, of: &TenantId, place: Place, user: &UserId) {
        self.lock().stays.remove(&(of.clone(), place, Some(user.clone())));
    }

    /// Since when a user is here is known better.
    pub(super) fn set_joined_at(&self, of: &TenantId, place: Place, user: &UserId, at: Moment) {
        let key = (of.clone(), place, Some(user.clone()));
        if let Some(stay) = self.lock().stays.get_mut(&key) {
            stay.joined_at = at;
        }
    }

    /// A user who is here, and its connections.
    pub(super) fn stay_of(
        &self,
        of: &TenantId,
        place: Place,
        user: &UserId,
    ) -> Option<(Member, usize)> {
        let state = self.lock();
        let stay = state.stays.get(&(of.clone(), place, Some(user.clone())))?;
        Some((stay.member(user.clone()), stay.connections.len()))
    }

    /// Who is in a place.
    pub(super) fn members_of(&self, of: &TenantId, place: Place) -> Vec<Member> {
        let state = self.lock();
        let stays = state.stays.range((of.clone(), place, None)..);
        let here = stays.take_while(|((t, p, _), _)| t == of && *p == place);
        here.filter_map(|((_, _, user), stay)| Some(stay.member(user.clone()?))).collect()
    }

    /// Everybody, wherever it is.
    pub(super) fn everybody(&self) -> Vec<(TenantId, Place, UserId)> {
        let state = self.lock();
        let keys = state.stays.keys();
        keys.filter_map(|(of, place, user)| Some((of.clone(), *place, user.clone()?))).collect()
    }

    /// Places with somebody in them.
    pub(super) fn places(&self) -> Vec<(TenantId, Place)> {
        let state = self.lock();
        let mut places: Vec<_> = state.stays.keys().map(|(of, place, _)| (of, *place)).collect();
        places.dedup();
        places.into_iter().map(|(of, place)| (of.clone(), place)).collect()
    }

    /// Whether somebody is in a place.
    pub(super) fn has_anybody(&self, of: &TenantId, place: Place) -> bool {
        let state = self.lock();
        let mut from = state.stays.range((of.clone(), place, None)..);
        from.next().is_some_and(|((t, p, _), _)| t == of && *p == place)
    }

    /// Notes when a user left, as an earlier log tells.
    pub(super) fn note_departure(
        &self,
        of: &TenantId,
        place: Place,
        user: &UserId,
        away: Duration,
    ) {
        // A machine younger than that has no such moment, and nobody was away on it.
        if let Some(when) = Instant::now().checked_sub(away) {
            let key = (of.clone(), place, Some(user.clone()));
            self.lock().departures.note(key, when);
        }
    }

    /// How many are here.
    pub(super) fn count(&self) -> Counts {
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
        counts
    }
}

#[async_trait]
impl Presence for Memory {
    async fn enter(&self, of: &TenantId, place: Place, entry: Entry) -> Result<Entered, Error> {
        Ok(self.note_enter(of, place, entry))
    }

    async fn leave(
        &self,
        of: &TenantId,
        place: Place,
        user: &UserId,
        conn: ConnId,
    ) -> Result<Left, Error> {
        Ok(match self.note_leave(of, place, user, conn) {
            Gone::Last(_) => Left::Last,
            Gone::NotLast | Gone::Unknown => Left::NotLast,
        })
    }

    async fn remember_leave(
        &self,
        of: &TenantId,
        place: Place,
        user: &UserId,
        away: Duration,
    ) -> Result<(), Error> {
        self.note_departure(of, place, user, away);
        Ok(())
    }

    async fn members(&self, of: &TenantId, place: Place) -> Result<Vec<Member>, Error> {
        Ok(self.members_of(of, place))
    }

    async fn connections_of(&self, of: &TenantId, user: &UserId) -> Result<usize, Error> {
        Ok(self.stay_of(of, Place::Tenant, user).map_or(0, |(_, connections)| connections))
    }

    async fn counts(&self) -> Result<Counts, Error> {
        Ok(self.count())
    }
}

#[cfg(test)]
mod tests {
    use super::super::contract;
    use super::*;

    struct Paused;

    #[async_trait]
    impl contract::Clock for Paused {
        async fn pass(&self, time: Duration) {
            tokio::time::advance(time).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_keeps_the_contract() {
        contract::suite(&Memory::default(), &Paused, contract::tenant()).await;
    }
}
