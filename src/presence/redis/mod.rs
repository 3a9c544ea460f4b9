//! Presence of several nodes, in Redis.
//!
//! A node keeps its own connections in [`Memory`], and that is the truth about them. Redis holds
//! what nodes have to know of each other: of every user in a place, which nodes have connections of
//! it. So the second tab on a node asks nobody, a node can note its part anew at any time, and while
//! Redis is away each node goes on by what it knows itself.
//!
//! `keys.rs` has the names, `scripts.rs` what is atomic, `tend.rs` the leases, `restore.rs` what
//! follows Redis' return, `lost.rs` what follows a node's end, `agents.rs` what document 001 keeps.

mod agents;
mod keys;
mod lost;
mod restore;
mod scripts;
mod seal;
mod stays;
mod tend;
#[cfg(test)]
mod tests;

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tokio::sync::{Notify, mpsc};
use uuid::Uuid;

use super::memory::{Gone, Memory};
use super::{
    AgentSheet, Counts, Entered, Entry, Error, Finding, Left, Presence, RECONNECT_WINDOW, Turn,
};
use crate::limits::{PRESENCE_ORDERS, SESSION_KEYS_TTL};
use crate::model::{ConnId, Member, Moment, NodeId, Place, Role, TenantId, UserId};
use crate::redis::{self, Redis};

use keys::{Holder, PlaceKeys, Stay};
use scripts::{REMEMBER, STAY, TURN, TURN_BACK};
use seal::Seal;

/// What a node needs for its presence in Redis.
#[derive(Clone, Debug)]
pub struct Settings {
    /// This node.
    pub node: NodeId,
    /// Where other nodes reach it.
    pub address: String,
    /// How long it counts as alive without a sign of life.
    pub lease: Duration,
    /// How long an agent's record lasts (`AGENT_STATUS_TTL`).
    pub status_ttl: Duration,
    /// What identifies the log that this node writes; nodes that write another must use another
    /// database.
    pub log: String,
    /// Encrypts the values that name people; `None`: they are readable.
    pub encryption_key: Option<String>,
}

/// Presence in Redis; its lease is taken before this returns. [`Presence::tend`] has to run.
///
/// # Errors
/// Redis does not answer, or nodes that write another log use the same database.
pub async fn open(redis: Arc<Redis>, settings: Settings) -> Result<Arc<dyn Presence>, Error> {
    let shared = Shared::new(redis, settings)?;
    shared.begin().await?;
    Ok(Arc::new(shared))
}

/// What the log says at the start of how values are kept.
pub fn encryption_notice(is_encrypted: bool) -> &'static str {
    match is_encrypted {
        true => {
            "values in Redis are encrypted (redis.encryption_key): other programs that read \
             session:*:users or agent:online:* see ciphertext"
        }
        false => "values in Redis are readable; redis.encryption_key encrypts them",
    }
}

/// A user in a place.
type Whose = (TenantId, Place, UserId);

/// What a failing Redis is told as (document 000).
const AWAY: &str = "redis connection failed";

struct Shared {
    redis: Arc<Redis>,
    settings: Settings,
    seal: Option<Seal>,
    started_at: Moment,
    /// The set of all nodes, and whose log they write.
    nodes: String,
    log: String,
    /// This node's own connections.
    here: Memory,
    epoch: AtomicU32,
    state: AtomicU8,
    is_retired: AtomicBool,
    /// Woken when there is something to look after at once.
    wake: Notify,
    /// Woken when Redis failed, so that its return is not waited for longer than needed.
    failed: Notify,
    /// The order locks: what is told of a user in a place is told in the order it happened.
    orders: Vec<tokio::sync::Mutex<()>>,
    /// Users whose last connection here went while Redis did not take it.
    unsure: Mutex<BTreeMap<Whose, Member>>,
    /// Places that the index has, under which epoch, and with which score.
    noted: Mutex<HashMap<(TenantId, Place), (u32, u64)>>,
    scores: AtomicU64,
    /// How often Redis came back, or had forgotten this node.
    returns: AtomicU64,
    /// The departments an agent was shown in.
    shown: Mutex<HashMap<(TenantId, UserId), Vec<Uuid>>>,
}

/// Whether Redis can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It answers, and knows of this node's connections.
    Up,
    /// It answers again, but may have forgotten them.
    Back,
    /// It does not answer.
    Away,
}

impl State {
    fn of(number: u8) -> State {
        match number {
            0 => State::Up,
            1 => State::Back,
            _ => State::Away,
        }
    }
}

/// What [`STAY`] returned.
enum Noted {
    First(Option<u64>),
    Another(Moment),
    WithRole(Role),
    Last,
    NotLast,
}

impl Shared {
    fn new(redis: Arc<Redis>, settings: Settings) -> Result<Shared, Error> {
        let seal = settings.encryption_key.as_deref().map(Seal::new).transpose();
        Ok(Shared {
            redis,
            seal: seal.map_err(|_| Error("redis.encryption_key: no key of it".into()))?,
            settings,
            started_at: Moment::now(),
            nodes: keys::NODES.into(),
            log: keys::LOG.into(),
            here: Memory::default(),
            epoch: AtomicU32::new(0),
            state: AtomicU8::new(State::Up as u8),
            is_retired: AtomicBool::new(false),
            wake: Notify::new(),
            failed: Notify::new(),
            orders: (0..PRESENCE_ORDERS).map(|_| tokio::sync::Mutex::default()).collect(),
            unsure: Mutex::default(),
            noted: Mutex::default(),
            scores: AtomicU64::new(1),
            returns: AtomicU64::new(0),
            shown: Mutex::default(),
        })
    }

    fn state(&self) -> State {
        State::of(self.state.load(Ordering::SeqCst))
    }

    fn holder(&self) -> Holder {
        Holder { node: self.settings.node, epoch: self.epoch.load(Ordering::SeqCst) }
    }

    fn order_of(&self, whose: &Whose) -> &tokio::sync::Mutex<()> {
        let mut hasher = DefaultHasher::new();
        whose.hash(&mut hasher);
        let number = usize::try_from(hasher.finish()).unwrap_or_default();
        &self.orders[number % self.orders.len()]
    }

    fn unsure(&self) -> MutexGuard<'_, BTreeMap<Whose, Member>> {
        self.unsure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn noted(&self) -> MutexGuard<'_, HashMap<(TenantId, Place), (u32, u64)>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a failure: from now on nobody waits for Redis until it is back.
    fn fail(&self, err: &redis::Error) {
        match err {
            redis::Error::Gone(reason) => {
                if self.state.swap(State::Away as u8, Ordering::SeqCst) != State::Away as u8 {
                    tracing::warn!(%reason, "Redis does not answer; presence is that of this node");
                    self.failed.notify_one();
                }
            }
            redis::Error::Refused(reason) => {
                tracing::warn!(%reason, "Redis refused to note who is present");
            }
        }
    }

    /// The answer to a question, unless Redis is away.
    fn answer<T>(&self, asked: Result<T, redis::Error>) -> Result<T, Error> {
        asked.map_err(|err| {
            self.fail(&err);
            Error(AWAY.into())
        })
    }

    /// Nothing is read while Redis may have forgotten who is here.
    fn check_up(&self) -> Result<(), Error> {
        if self.state() == State::Up { Ok(()) } else { Err(Error(AWAY.into())) }
    }

    /// Notes how many connections this node has of somebody.
    async fn note(
        &self,
        whose: &Whose,
        member: &Member,
        connections: usize,
    ) -> Result<Noted, redis::Error> {
        let (tenant, place, user) = whose;
        let (keys, holder) = (PlaceKeys::of(tenant, *place), self.holder());
        if connections > 0 {
            self.hold(tenant, *place, &keys.name, holder).await?;
        }
        let mut names = vec![keys.stays.as_str(), keys.away.as_str()];
        names.extend(keys.users.as_deref());
        let value = keys.users.as_ref().map(|key| self.value_of(key, member)).transpose()?;
        let value = value.unwrap_or_default();
        let (what, role, number): (String, String, i64) = self
            .redis
            .run(
                &STAY,
                &names,
                &[
                    user.as_str().as_bytes(),
                    holder.to_string().as_bytes(),
                    connections.to_string().as_bytes(),
                    member.user_type.as_str().as_bytes(),
                    member.joined_at.0.to_string().as_bytes(),
                    ms(SESSION_KEYS_TTL).as_bytes(),
                    ms(RECONNECT_WINDOW).as_bytes(),
                    value.as_bytes(),
                ],
            )
            .await?;
        Ok(match what.as_str() {
            "first" => Noted::First(u64::try_from(number).ok()),
            "another" => Noted::Another(Moment(number)),
            "role" => Noted::WithRole(Role::parse(&role).unwrap_or(member.user_type)),
            "last" => Noted::Last,
            _ => Noted::NotLast,
        })
    }

    /// Puts a place into this node's index, before anybody is noted there, so that whoever survives
    /// this node finds everybody.
    async fn hold(
        &self,
        tenant: &TenantId,
        place: Place,
        name: &str,
        holder: Holder,
    ) -> Result<(), redis::Error> {
        let of = (tenant.clone(), place);
        if self.noted().get(&of).is_some_and(|(epoch, _)| *epoch == holder.epoch) {
            return Ok(());
        }
        let score = self.scores.fetch_add(1, Ordering::SeqCst);
        let held = holder.held();
        let mut commands = ::redis::pipe();
        commands.cmd("ZADD").arg(&held).arg("GT").arg(score).arg(name).ignore();
        commands.cmd("PEXPIRE").arg(&held).arg(ms(SESSION_KEYS_TTL)).ignore();
        self.redis.ask_all::<()>(&commands).await?;
        self.noted().insert(of, (holder.epoch, score));
        Ok(())
    }

    /// What the seeds' hash holds of somebody.
    fn value_of(&self, key: &str, member: &Member) -> Result<String, redis::Error> {
        let value = json!({
            "user_id": member.user_id,
            "user_type": member.user_type,
            "joined_at": member.joined_at.to_seconds_string(),
        });
        self.sealed(key, value.to_string())
    }

    /// A value as it is kept: encrypted where a key is set, and never readable instead.
    fn sealed(&self, key: &str, value: String) -> Result<String, redis::Error> {
        let Some(seal) = &self.seal else { return Ok(value) };
        let failed = |_| redis::Error::Refused(format!("{key}: not encrypted, so not kept"));
        seal.close(key, &value).map_err(failed)
    }
}

/// Milliseconds, as an argument.
fn ms(duration: Duration) -> String {
    duration.as_millis().to_string()
}

#[async_trait]
impl Presence for Shared {
    async fn enter(&self, of: &TenantId, place: Place, entry: Entry) -> Result<Entered, Error> {
        let whose = (of.clone(), place, entry.user.clone());
        let role = entry.role;
        let _order = self.order_of(&whose).lock().await;
        Ok(match self.here.note_enter(of, place, entry) {
            Entered::First { joined_at, away_ms } => {
                self.enter_first(&whose, role, joined_at, away_ms).await
            }
            Entered::Another => {
                self.recount(&whose).await;
                Entered::Another
            }
            refused @ Entered::WithRole(_) => refused,
        })
    }

    async fn leave(
        &self,
        of: &TenantId,
        place: Place,
        user: &UserId,
        conn: ConnId,
    ) -> Result<Left, Error> {
        let whose = (of.clone(), place, user.clone());
        let _order = self.order_of(&whose).lock().await;
        Ok(match self.here.note_leave(of, place, user, conn) {
            Gone::Last(member) => self.leave_last(&whose, member).await,
            Gone::NotLast => {
                self.recount(&whose).await;
                Left::NotLast
            }
            Gone::Unknown => Left::NotLast,
        })
    }

    async fn remember_leave(
        &self,
        of: &TenantId,
        place: Place,
        user: &UserId,
        away: Duration,
    ) -> Result<(), Error> {
        self.here.note_departure(of, place, user, away);
        let keys = PlaceKeys::of(of, place);
        let (away, kept) = (ms(away), ms(RECONNECT_WINDOW));
        let args = [user.as_str().as_bytes(), away.as_bytes(), kept.as_bytes()];
        self.answer(self.redis.run(&REMEMBER, &[&keys.away], &args).await)
    }

    async fn members(&self, of: &TenantId, place: Place) -> Result<Vec<Member>, Error> {
        self.check_up()?;
        let keys = PlaceKeys::of(of, place);
        let asked = self.redis.ask(::redis::cmd("HGETALL").arg(&keys.stays)).await;
        let stays: BTreeMap<String, String> = self.answer(asked)?;
        let members = stays
            .iter()
            .filter_map(|(user, stay)| Some(Stay::parse(stay)?.member(UserId::parse(user).ok()?)));
        Ok(members.collect())
    }

    async fn members_known(&self, of: &TenantId, place: Place) -> Vec<Member> {
        match self.members(of, place).await {
            Ok(members) => members,
            Err(_) => self.here.members(of, place).await.unwrap_or_default(),
        }
    }

    async fn counts(&self) -> Result<Counts, Error> {
        Ok(self.here.count())
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn is_up(&self) -> bool {
        self.state() != State::Away
    }

    fn returns(&self) -> u64 {
        self.returns.load(Ordering::SeqCst)
    }

    async fn tend(&self, found: mpsc::Sender<Finding>) {
        tokio::join!(self.keep_lease(), self.look_after(found));
    }

    async fn retire(&self) {
        self.give_up().await;
    }

    async fn nodes(&self) -> Result<usize, Error> {
        self.check_up()?;
        let holders = self.holders().await;
        let mut alive = 0;
        for holder in self.answer(holders)? {
            alive += usize::from(self.lease_of(holder.node).await?.is_some());
        }
        Ok(alive)
    }

    async fn address_of(&self, node: NodeId) -> Result<Option<String>, Error> {
        self.check_up()?;
        self.lease_of(node).await.map(|lease| lease.map(|lease| lease.address))
    }

    async fn show_agents(&self, of: &TenantId, agents: Vec<AgentSheet>) -> Result<(), Error> {
        self.write_sheets(of, agents).await
    }

    async fn note_beat(&self, of: &TenantId, who: &UserId, until: Moment) -> Result<(), Error> {
        self.write_beat(of, who, until).await
    }

    async fn beats(&self, of: &TenantId) -> Result<Vec<(UserId, Moment)>, Error> {
        self.read_beats(of).await
    }

    async fn connections_of(&self, of: &TenantId, user: &UserId) -> Result<usize, Error> {
        self.check_up()?;
        let keys = PlaceKeys::of(of, Place::Tenant);
        let asked = self.redis.ask(::redis::cmd("HGET").arg(&keys.stays).arg(user.as_str())).await;
        let stay: Option<String> = self.answer(asked)?;
        Ok(stay.as_deref().and_then(Stay::parse).map_or(0, |stay| stay.connections))
    }

    async fn take_turn(&self, of: &str, per_minute: u32) -> Result<Option<Turn>, Error> {
        if per_minute == 0 {
            return Ok(Some(Turn::Taken));
        }
        if self.state() == State::Away {
            return Err(Error(AWAY.into()));
        }
        let per_minute = per_minute.to_string();
        let asked = self.redis.run(&TURN, &[&keys::turns(of)], &[per_minute.as_bytes()]).await;
        let wait: u64 = self.answer(asked)?;
        Ok(Some(if wait == 0 { Turn::Taken } else { Turn::After(Duration::from_millis(wait)) }))
    }

    async fn give_turn_back(&self, of: &str, per_minute: u32) -> Result<(), Error> {
        if per_minute == 0 || self.state() == State::Away {
            return Ok(());
        }
        let per_minute = per_minute.to_string();
        let run = self.redis.run(&TURN_BACK, &[&keys::turns(of)], &[per_minute.as_bytes()]).await;
        self.answer::<u64>(run).map(drop)
    }
}
