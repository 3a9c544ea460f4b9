//! Nodes that are gone: who ends their stays, and that each is told once.

use std::collections::{HashMap, HashSet};

use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::keys::{self, Holder, PlaceKeys, Stay};
use super::restore::left;
use super::scripts::END;
use super::{Finding, RECONNECT_WINDOW, Shared, ms};
use crate::limits::{
    PRESENCE_ENDED_AT_ONCE, PRESENCE_LOOK_INTERVAL, PRESENCE_PLACES_AT_ONCE, PRESENCE_SETTLED_KEPT,
    SESSION_KEYS_TTL,
};
use crate::model::{Member, NodeId, Place, TenantId, UserId};
use crate::redis;

/// The other nodes, as far as this one has seen them.
#[derive(Default)]
pub(super) struct Others {
    /// Also those that Redis has forgotten meanwhile: if they do not come back, they are lost like
    /// any other, although nobody knows any more whom they had.
    known: HashSet<NodeId>,
    /// Those without a lease, and since when that has been seen. One look is not enough: after a
    /// pause of Redis this node's question may come before another's renewal.
    missing: HashMap<NodeId, Instant>,
}

impl Others {
    /// Redis was away: who is missing has to be seen anew.
    pub(super) fn begin_anew(&mut self) {
        self.missing.clear();
    }

    /// Whether it has been missing for long enough.
    fn is_lost(&mut self, node: NodeId) -> bool {
        let since = self.missing.entry(node).or_insert_with(Instant::now);
        // A look that comes a little early must not put it off until the next one.
        since.elapsed() >= PRESENCE_LOOK_INTERVAL * 4 / 5
    }

    fn forget(&mut self, node: NodeId) {
        self.known.remove(&node);
        self.missing.remove(&node);
    }
}

/// Whose a claim is.
#[derive(PartialEq, Eq)]
enum Claim {
    Ours,
    Anothers,
    /// Nobody's any more: all was done.
    Settled,
}

/// What a claim holds when all was done.
pub(super) const SETTLED: &str = "settled";

impl Shared {
    /// Looks who is there, and after the time of grace who is not any more; ends what they held.
    pub(super) async fn look_for_others(
        &self,
        others: &mut Others,
        is_grace_over: bool,
        found: &mpsc::Sender<Finding>,
    ) -> Result<(), redis::Error> {
        let mut nodes: HashMap<NodeId, Vec<Holder>> = HashMap::new();
        for holder in self.holders().await? {
            nodes.entry(holder.node).or_default().push(holder);
        }
        nodes.remove(&self.settings.node);
        others.known.extend(nodes.keys());
        if !is_grace_over {
            return Ok(());
        }
        for node in others.known.clone() {
            let exists = ::redis::cmd("EXISTS").arg(keys::lease(node)).clone();
            if self.redis.ask(&exists).await? {
                others.missing.remove(&node);
                continue;
            }
            if !others.is_lost(node) {
                continue;
            }
            let holders = nodes.get(&node).map(Vec::as_slice).unwrap_or_default();
            match self.claim(node).await? {
                Claim::Ours => self.end_node(node, holders, found).await?,
                // It is kept in mind until that one is done.
                Claim::Anothers => continue,
                Claim::Settled if holders.is_empty() => {}
                // It came back after that, and is gone again.
                Claim::Settled => {
                    self.redis.ask::<()>(::redis::cmd("DEL").arg(keys::claim(node))).await?;
                    continue;
                }
            }
            others.forget(node);
        }
        Ok(())
    }

    /// Whether it is for this node to end another one's stays.
    async fn claim(&self, node: NodeId) -> Result<Claim, redis::Error> {
        let mut set = ::redis::cmd("SET");
        set.arg(keys::claim(node)).arg(self.settings.node.to_string());
        set.arg("NX").arg("PX").arg(ms(self.claim_ttl()));
        let taken: Option<String> = self.redis.ask(&set).await?;
        if taken.is_some() {
            return Ok(Claim::Ours);
        }
        let get = ::redis::cmd("GET").arg(keys::claim(node)).clone();
        let whose: Option<String> = self.redis.ask(&get).await?;
        let is_settled = whose.as_deref() == Some(SETTLED);
        Ok(if is_settled { Claim::Settled } else { Claim::Anothers })
    }

    /// Keeps a claim while the work goes on.
    async fn keep_claim(&self, node: NodeId) {
        loop {
            sleep(self.claim_ttl() / 4).await;
            let mut expire = ::redis::cmd("PEXPIRE");
            expire.arg(keys::claim(node)).arg(ms(self.claim_ttl()));
            if let Err(err) = self.redis.ask::<()>(&expire).await {
                self.fail(&err);
            }
        }
    }

    /// Ends everything a node held, and tells that it is lost.
    async fn end_node(
        &self,
        node: NodeId,
        holders: &[Holder],
        found: &mpsc::Sender<Finding>,
    ) -> Result<(), redis::Error> {
        let started = Instant::now();
        let work = async {
            let mut ended = 0;
            for holder in holders {
                ended += self.end_holder(*holder, found).await?;
                self.remove_holder(*holder).await?;
            }
            Ok(ended)
        };
        let ended: usize = tokio::select! {
            done = work => done?,
            () = self.keep_claim(node) => return Ok(()),
        };
        let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::warn!(%node, users = ended, took_ms, "a node is gone; its users were ended");
        let _ = found.send(Finding::NodeLost(node)).await;
        self.settle_claim(node).await
    }

    /// Leaves word that nothing is left to be done about a node.
    pub(super) async fn settle_claim(&self, node: NodeId) -> Result<(), redis::Error> {
        let mut set = ::redis::cmd("SET");
        set.arg(keys::claim(node)).arg(SETTLED).arg("PX").arg(ms(PRESENCE_SETTLED_KEPT));
        self.redis.ask(&set).await
    }

    /// Ends what is left of this node's own earlier epochs: connections that went while nobody could
    /// note it.
    pub(super) async fn end_own_past(&self, epoch: u32, found: &mpsc::Sender<Finding>) {
        let ended = async {
            let node = self.settings.node;
            for holder in self.holders().await? {
                if holder.node == node && holder.epoch < epoch {
                    self.end_holder(holder, found).await?;
                    self.remove_holder(holder).await?;
                }
            }
            Ok(())
        };
        if let Err(err) = ended.await {
            self.fail(&err);
        }
    }

    /// Ends the stays of a holder; returns how many users went with it.
    async fn end_holder(
        &self,
        holder: Holder,
        found: &mpsc::Sender<Finding>,
    ) -> Result<usize, redis::Error> {
        let range = ::redis::cmd("ZRANGE").arg(holder.held()).arg(0).arg(-1).clone();
        let names: Vec<String> = self.redis.ask(&range).await?;
        let places: Vec<_> = names.iter().filter_map(|name| keys::place_of(name)).collect();
        let ended: Vec<Result<usize, redis::Error>> = stream::iter(places)
            .map(|(tenant, place)| self.end_place(holder, tenant, place, found))
            .buffer_unordered(PRESENCE_PLACES_AT_ONCE)
            .collect()
            .await;
        ended.into_iter().sum()
    }

    async fn end_place(
        &self,
        holder: Holder,
        tenant: TenantId,
        place: Place,
        found: &mpsc::Sender<Finding>,
    ) -> Result<usize, redis::Error> {
        let (keys, mut count) = (PlaceKeys::of(&tenant, place), 0);
        loop {
            let (has_more, gone) = self.end_some(holder, &keys).await?;
            count += gone.len();
            for member in &gone {
                let _ = found.send(left(&tenant, place, member.clone())).await;
            }
            // From now on whoever takes over does not tell them again.
            if !gone.is_empty() {
                let mut told = ::redis::cmd("HDEL");
                told.arg(&keys.lost);
                for member in &gone {
                    told.arg(member.user_id.as_str());
                }
                self.redis.ask::<()>(&told).await?;
            }
            if !has_more {
                return Ok(count);
            }
        }
    }

    async fn end_some(
        &self,
        holder: Holder,
        keys: &PlaceKeys,
    ) -> Result<(bool, Vec<Member>), redis::Error> {
        self.check_whole()?;
        let mut names = vec![keys.stays.as_str(), &keys.away, &keys.lost];
        names.extend(keys.users.as_deref());
        let args = [
            holder.to_string(),
            PRESENCE_ENDED_AT_ONCE.to_string(),
            ms(RECONNECT_WINDOW),
            ms(SESSION_KEYS_TTL),
        ];
        let args: Vec<&[u8]> = args.iter().map(|arg| arg.as_bytes()).collect();
        let told: Vec<String> = self.redis.run(&END, &names, &args).await?;
        let members =
            told.get(1..).unwrap_or_default().chunks_exact(2).filter_map(|pair| {
                Some(Stay::parse(&pair[1])?.member(UserId::parse(&pair[0]).ok()?))
            });
        Ok((told.first().is_some_and(|more| more == "1"), members.collect()))
    }

    /// Takes a holder whose stays were ended off the list.
    async fn remove_holder(&self, holder: Holder) -> Result<(), redis::Error> {
        self.redis.ask::<()>(::redis::cmd("DEL").arg(holder.held())).await?;
        let remove = ::redis::cmd("SREM").arg(&self.nodes).arg(holder.to_string()).clone();
        self.redis.ask(&remove).await
    }
}
