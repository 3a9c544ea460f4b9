//! Nodes that are gone: who ends their stays, and that each is told once.

use std::collections::HashMap;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::keys::{self, Holder, PlaceKeys, Stay};
use super::restore::left;
use super::scripts::END;
use super::{Finding, RECONNECT_WINDOW, Shared, ms};
use crate::limits::{
    PRESENCE_ENDED_AT_ONCE, PRESENCE_LOOK_INTERVAL, PRESENCE_PLACES_AT_ONCE, SESSION_KEYS_TTL,
};
use crate::model::{Member, NodeId, Place, TenantId, UserId};
use crate::redis;

/// Nodes without a lease, and since when that has been seen. One look is not enough: after a pause
/// of Redis this node's question may come before another's renewal.
#[derive(Default)]
pub(super) struct Missing(HashMap<NodeId, Instant>);

impl Missing {
    /// Whether it has been missing for long enough.
    fn is_lost(&mut self, node: NodeId) -> bool {
        let since = self.0.entry(node).or_insert_with(Instant::now);
        // A look that comes a little early must not put it off until the next one.
        since.elapsed() >= PRESENCE_LOOK_INTERVAL * 4 / 5
    }
}

impl Shared {
    /// Looks for nodes that are gone, and ends what they held.
    pub(super) async fn end_lost(
        &self,
        missing: &mut Missing,
        found: &mpsc::Sender<Finding>,
    ) -> Result<(), redis::Error> {
        let mut nodes: HashMap<NodeId, Vec<Holder>> = HashMap::new();
        for holder in self.holders().await? {
            nodes.entry(holder.node).or_default().push(holder);
        }
        nodes.remove(&self.settings.node);
        missing.0.retain(|node, _| nodes.contains_key(node));
        for (node, holders) in nodes {
            let exists = ::redis::cmd("EXISTS").arg(keys::lease(node)).clone();
            if self.redis.ask(&exists).await? {
                missing.0.remove(&node);
            } else if missing.is_lost(node) && self.claim(node).await? {
                self.end_node(node, &holders, found).await?;
                missing.0.remove(&node);
            }
        }
        Ok(())
    }

    /// Whether it is for this node to end another one's stays.
    async fn claim(&self, node: NodeId) -> Result<bool, redis::Error> {
        let mut set = ::redis::cmd("SET");
        set.arg(keys::claim(node)).arg(self.settings.node.to_string());
        set.arg("NX").arg("PX").arg(ms(self.claim_ttl()));
        let taken: Option<String> = self.redis.ask(&set).await?;
        Ok(taken.is_some())
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
            let (mut ended, mut removed) = (0, 0);
            for holder in holders {
                ended += self.end_holder(*holder, found).await?;
                removed += self.remove_holder(*holder).await?;
            }
            Ok((ended, removed))
        };
        let (ended, removed): (usize, usize) = tokio::select! {
            done = work => done?,
            () = self.keep_claim(node) => return Ok(()),
        };
        if removed > 0 {
            let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(%node, users = ended, took_ms, "a node is gone; its users were ended");
            let _ = found.send(Finding::NodeLost(node)).await;
        }
        self.redis.ask(::redis::cmd("DEL").arg(keys::claim(node))).await
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
                gone.iter().for_each(|member| drop(told.arg(member.user_id.as_str())));
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

    /// Takes a holder whose stays were ended off the list; how many that were.
    async fn remove_holder(&self, holder: Holder) -> Result<usize, redis::Error> {
        self.redis.ask::<()>(::redis::cmd("DEL").arg(holder.held())).await?;
        let remove = ::redis::cmd("SREM").arg(keys::NODES).arg(holder.to_string()).clone();
        self.redis.ask(&remove).await
    }
}
