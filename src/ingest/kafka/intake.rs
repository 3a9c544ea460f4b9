//! From records to the log: what a handful of them says is posted, tenant by tenant, in their order,
//! and waits for a log that fails. What is wrong goes to the dead letters.

use std::collections::BTreeMap;

use tokio::time::sleep;

use super::arrived::Arrived;
use super::dead::{DeadLetters, Reason};
use crate::app::{App, Post, Posted};
use crate::limits::OWED_RETRY_INTERVAL;
use crate::model::{Error, TenantId};

/// As whom records are posted.
const PRODUCER: &str = "kafka";

pub(super) struct Intake {
    app: App,
    default_tenant: Option<TenantId>,
    dead: DeadLetters,
}

/// What a record says.
struct Parcel<'a> {
    record: &'a Arrived,
    posts: Vec<Result<Post, Error>>,
}

impl Intake {
    pub(super) fn new(app: App, default_tenant: Option<TenantId>, dead: DeadLetters) -> Intake {
        Intake { app, default_tenant, dead }
    }

    /// Takes a handful in. Once this is done, the log or the dead-letter topic has all of it; it
    /// waits for both.
    pub(super) async fn take(&self, handful: &[Arrived]) {
        let mut by_tenant: BTreeMap<TenantId, Vec<Parcel>> = BTreeMap::new();
        for record in handful {
            match self.open(record).await {
                Ok((tenant, posts)) => {
                    by_tenant.entry(tenant).or_default().push(Parcel { record, posts });
                }
                Err(refusal) => self.bury(record, &[Reason { at: None, refusal }]).await,
            }
        }
        for (tenant, parcels) in by_tenant {
            for share in self.shares(parcels) {
                self.post(&tenant, share).await;
            }
        }
    }

    /// What a record says, and for whom.
    async fn open(&self, record: &Arrived) -> Result<(TenantId, Vec<Result<Post, Error>>), Error> {
        let tenant = record.tenant(self.default_tenant.as_ref())?;
        let mut patience = Patience::default();
        let is_known = loop {
            match self.app.is_known(&tenant).await {
                Err(fault) if is_fault(&fault) => patience.wait(&fault).await,
                known => break known?,
            }
        };
        if !is_known {
            return Err(Error::NotFound("tenant"));
        }
        Ok((tenant, record.posts(self.app.config.limits.batch_events)?))
    }

    /// As many parcels at once as one post may have events, one at least.
    fn shares<'a>(&self, parcels: Vec<Parcel<'a>>) -> Vec<Vec<Parcel<'a>>> {
        let max = self.app.config.limits.batch_events;
        let (mut shares, mut events) = (Vec::<Vec<Parcel>>::new(), 0);
        for parcel in parcels {
            events += parcel.posts.len();
            match shares.last_mut() {
                Some(share) if events <= max => share.push(parcel),
                _ => {
                    events = parcel.posts.len();
                    shares.push(vec![parcel]);
                }
            }
        }
        shares
    }

    async fn post(&self, tenant: &TenantId, share: Vec<Parcel<'_>>) {
        let posts: Vec<_> = share.iter().flat_map(|parcel| parcel.posts.iter().cloned()).collect();
        let count = posts.len();
        let mut patience = Patience::default();
        let posted = loop {
            match self.try_post(tenant, posts.clone()).await {
                Err(fault) if is_fault(&fault) => patience.wait(&fault).await,
                posted => break posted,
            }
        };
        let rejected = match posted {
            Ok(Posted { accepted, rejected, .. }) => {
                self.app.metrics.posted(accepted, rejected.len());
                rejected
            }
            Err(refusal) => (0..count).map(|at| (at, refusal.clone())).collect(),
        };
        let (mut rejected, mut end, mut dead) = (rejected.into_iter().peekable(), 0, 0);
        for Parcel { record, posts } in &share {
            let start = end;
            end += posts.len();
            let mut reasons = Vec::new();
            while let Some((at, refusal)) = rejected.next_if(|(at, _)| *at < end) {
                let at = (posts.len() > 1).then_some(at - start);
                reasons.push(Reason { at, refusal });
            }
            if !reasons.is_empty() {
                self.bury(record, &reasons).await;
                dead += 1;
            }
        }
        self.app.metrics.kafka_ingested(share.len() - dead, 0);
    }

    /// Posts as REST does.
    async fn try_post(
        &self,
        tenant: &TenantId,
        posts: Vec<Result<Post, Error>>,
    ) -> Result<Posted, Error> {
        let who = App::connector(tenant.clone(), PRODUCER)?;
        let _turn = self.app.turn_to_post().await?;
        let posted = self.app.post(&who, posts, None).await?;
        // A fault of one of them is no fault of the producer's: all are tried again, and those that
        // are kept are known.
        match posted.rejected.iter().find(|(_, refusal)| is_fault(refusal)) {
            Some((_, fault)) => Err(fault.clone()),
            None => Ok(posted),
        }
    }

    async fn bury(&self, record: &Arrived, reasons: &[Reason]) {
        self.dead.bury(record, reasons).await;
        self.app.metrics.kafka_ingested(0, 1);
    }

    pub(super) async fn close(self) {
        self.dead.close().await;
    }
}

/// With a log that does not answer. Operators are told once.
#[derive(Default)]
struct Patience {
    is_told: bool,
}

impl Patience {
    async fn wait(&mut self, fault: &Error) {
        if !std::mem::replace(&mut self.is_told, true) {
            tracing::warn!(error = %fault, "events of Kafka wait for the log");
        }
        sleep(OWED_RETRY_INTERVAL).await;
    }
}

/// Whether it is the server's fault, which passes, and not the record's, which does not.
fn is_fault(refusal: &Error) -> bool {
    refusal.is_worth_a_retry() || refusal.status() >= 500
}
