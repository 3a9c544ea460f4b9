//! Noting everything anew, when Redis is back or had forgotten this node, and keeping what is noted
//! from ending.

use futures_util::StreamExt;
use futures_util::stream;
use std::sync::atomic::Ordering;
use tokio::sync::mpsc;

use super::keys::PlaceKeys;
use super::scripts::UNHOLD;
use super::{Finding, Noted, Shared, State, Whose, ms};
use crate::limits::{PRESENCE_AT_ONCE, SESSION_KEYS_TTL};
use crate::model::{Member, Place, TenantId};
use crate::redis;

impl Shared {
    /// Notes all own stays anew, settles what was left open, and tells both. Presence is whole then,
    /// unless Redis went away again.
    pub(super) async fn restore(&self, found: &mpsc::Sender<Finding>) {
        let (started, epoch) = (tokio::time::Instant::now(), self.holder().epoch);
        // The index may have been forgotten as well.
        self.noted().clear();
        let everybody = self.here.everybody();
        let count = everybody.len();
        let settled: Vec<Result<(), redis::Error>> = stream::iter(everybody)
            .map(|whose| self.note_again(whose, found))
            .buffer_unordered(PRESENCE_AT_ONCE)
            .collect()
            .await;
        self.report(settled);
        let unsure: Vec<Whose> = self.unsure().keys().cloned().collect();
        let settled = stream::iter(unsure)
            .map(|whose| self.settle(whose, found))
            .buffer_unordered(PRESENCE_AT_ONCE)
            .collect()
            .await;
        self.report(settled);
        self.end_own_past(epoch, found).await;
        let (back, up) = (State::Back as u8, State::Up as u8);
        let is_whole = self.holder().epoch == epoch
            && self.state.compare_exchange(back, up, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        if is_whole {
            let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(stays = count, took_ms, "presence in Redis is whole again");
        }
    }

    /// A Redis that went away again is one failure; what it refused is one line.
    fn report(&self, settled: Vec<Result<(), redis::Error>>) {
        let failed: Vec<_> = settled.into_iter().filter_map(Result::err).collect();
        let gone = failed.iter().find(|err| matches!(err, redis::Error::Gone(_)));
        if let Some(err) = gone.or(failed.first()) {
            self.fail(err);
        }
    }

    async fn note_again(
        &self,
        whose: Whose,
        found: &mpsc::Sender<Finding>,
    ) -> Result<(), redis::Error> {
        self.check_whole()?;
        let (tenant, place, user) = &whose;
        let order = self.order_of(&whose).lock().await;
        let Some((mut member, connections)) = self.here.stay_of(tenant, *place, user) else {
            return Ok(());
        };
        match self.note(&whose, &member, connections).await? {
            Noted::Another(since) => {
                self.here.set_joined_at(tenant, *place, user, since);
                member.joined_at = since;
            }
            Noted::First(_) => {}
            // Somebody came in its name and another role while nobody could know.
            Noted::WithRole(_) | Noted::Last | Noted::NotLast => return Ok(()),
        }
        self.unsure().remove(&whose);
        drop(order);
        let (tenant, place, _) = whose;
        let _ = found.send(Finding::Here { tenant, place, member }).await;
        Ok(())
    }

    /// Takes a connection out that went while Redis was away.
    async fn settle(
        &self,
        whose: Whose,
        found: &mpsc::Sender<Finding>,
    ) -> Result<(), redis::Error> {
        self.check_whole()?;
        let (tenant, place, user) = &whose;
        let order = self.order_of(&whose).lock().await;
        let Some(member) = self.unsure().get(&whose).cloned() else { return Ok(()) };
        if self.here.stay_of(tenant, *place, user).is_none() {
            self.note(&whose, &member, 0).await?;
        }
        self.unsure().remove(&whose);
        drop(order);
        let (tenant, place, _) = whose;
        let _ = found.send(Finding::Unsure { tenant, place, member }).await;
        Ok(())
    }

    /// Renews the TTL of all places with own stays, notes anew what is not there any more, and takes
    /// places out of the index that this node has left.
    pub(super) async fn refresh(&self) {
        let held = self.holder().held();
        let mut expire = ::redis::cmd("PEXPIRE");
        expire.arg(&held).arg(ms(SESSION_KEYS_TTL));
        let has_noted = !self.noted().is_empty();
        match self.redis.ask::<bool>(&expire).await {
            Ok(false) if has_noted => return self.begin_again(),
            Ok(_) => {}
            Err(err) => return self.fail(&err),
        }
        let places = self.here.places();
        let renewed: Vec<Result<bool, redis::Error>> = stream::iter(places)
            .map(|(tenant, place)| async move { self.renew_place(&tenant, place).await })
            .buffer_unordered(PRESENCE_AT_ONCE)
            .collect()
            .await;
        let is_whole = renewed.iter().all(|renewed| !matches!(renewed, Ok(false)));
        self.report(renewed.into_iter().map(|renewed| renewed.map(drop)).collect());
        self.forget_places().await;
        if !is_whole {
            self.begin_again();
        }
    }

    /// Something of what was noted is not there: deleted by hand, or evicted.
    fn begin_again(&self) {
        tracing::warn!("Redis has lost keys; does it evict? All that is present is noted anew");
        let (up, back) = (State::Up as u8, State::Back as u8);
        if self.state.compare_exchange(up, back, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            self.wake.notify_one();
        }
    }

    /// Whether the place is there.
    async fn renew_place(&self, tenant: &TenantId, place: Place) -> Result<bool, redis::Error> {
        self.check_whole()?;
        let keys = PlaceKeys::of(tenant, place);
        let mut commands = ::redis::pipe();
        for key in [Some(&keys.stays), keys.users.as_ref()].into_iter().flatten() {
            commands.cmd("PEXPIRE").arg(key).arg(ms(SESSION_KEYS_TTL));
        }
        let renewed: Vec<bool> = self.redis.ask_all(&commands).await?;
        // Whoever left meanwhile took the key along.
        Ok(renewed.into_iter().all(|there| there) || !self.here.has_anybody(tenant, place))
    }

    async fn forget_places(&self) {
        let holder = self.holder();
        let left: Vec<_> = {
            let mut noted = self.noted();
            let is_left = |of: &(TenantId, Place)| !self.here.has_anybody(&of.0, of.1);
            let left: Vec<_> = noted.keys().filter(|of| is_left(of)).cloned().collect();
            left.into_iter().filter_map(|of| Some((noted.remove(&of)?.1, of))).collect()
        };
        let held = holder.held();
        for (score, (tenant, place)) in left {
            let (name, score) = (PlaceKeys::of(&tenant, place).name, score.to_string());
            let args = [name.as_bytes(), score.as_bytes()];
            if let Err(err) = self.redis.run::<()>(&UNHOLD, &[&held], &args).await {
                return self.fail(&err);
            }
        }
    }
}

/// What was told of a stay, as a finding tells it.
pub(super) fn left(tenant: &TenantId, place: Place, member: Member) -> Finding {
    Finding::Left { tenant: tenant.clone(), place, member }
}
