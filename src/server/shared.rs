//! The parts that nodes share, or this node has alone: as the configuration says.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::nodes::{self, AllSockets, Questions};
use crate::app::App;
use crate::broker::{self, Broker, Heard};
use crate::config::{Config, StoreUrl};
use crate::limits::FINDINGS_MAX;
use crate::log::{self, Change, Copied, LiveCopy, Log, Record};
use crate::model::{NodeId, TenantId};
use crate::presence::{self, Presence};
use crate::redis::{self, Redis};
use crate::wire::Registry;

/// This node's line to the others, before the log is open.
pub(super) struct Line {
    pub(super) node: NodeId,
    redis: Option<Arc<Redis>>,
    pub(super) broker: Arc<dyn Broker>,
    heard: Option<Heard>,
    work: Option<broker::redis::Work>,
    /// The log's ends of the line.
    committed: Option<mpsc::Receiver<Copied>>,
    copied: Option<mpsc::Sender<Copied>>,
    pub(super) questions: Questions,
}

impl Line {
    /// Opens it, and with it what the log needs to hear of other nodes.
    ///
    /// # Errors
    /// What is wrong with Redis, in one line.
    pub(super) async fn open(config: &Config) -> Result<(Line, Option<LiveCopy>)> {
        let (node, questions) = (NodeId::random(), Questions::default());
        let mut line = Line {
            node,
            redis: None,
            broker: broker::local(),
            heard: None,
            work: None,
            committed: None,
            copied: None,
            questions,
        };
        if !config.has_redis() {
            return Ok((line, None));
        }
        let redis = Redis::open(&redis::Settings::from(&config.redis)).await.context(
            "redis (redis.host and redis.port; without REDIS_HOST the server does without)",
        )?;
        line.redis = Some(redis.clone());
        // A log that no other node can write needs no line to them.
        if !matches!(config.store_url(), StoreUrl::Postgres(_)) {
            return Ok((line, None));
        }
        let words = broker::redis::open(redis, node);
        line.broker = words.broker;
        (line.heard, line.work) = (Some(words.heard), Some(words.work));
        let (live, committed, copied) = nodes::live_copy();
        (line.committed, line.copied) = (Some(committed), Some(copied));
        Ok((line, Some(live)))
    }

    /// Who is where: for all nodes, or for this one alone.
    ///
    /// # Errors
    /// When nodes of another installation use the same Redis.
    pub(super) async fn presence(
        &self,
        config: &Config,
        log: &dyn Log,
        listener: SocketAddr,
        secret: &[u8],
    ) -> Result<Arc<dyn Presence>> {
        let Some(redis) = &self.redis else { return Ok(presence::memory()) };
        let settings = presence::redis::Settings {
            node: self.node,
            address: address(config, listener)?,
            lease: config.cluster.lease,
            status_ttl: config.agents.status_ttl,
            log: identity(log, secret).await?,
            encryption_key: (!config.redis.encryption_key.is_empty())
                .then(|| config.redis.encryption_key.expose().to_owned()),
        };
        tracing::info!("{}", presence::redis::encryption_notice(settings.encryption_key.is_some()));
        presence::redis::open(redis.clone(), settings).await.context("redis")
    }

    /// Everything that keeps the line alive, until `until`.
    pub(super) fn spawn(
        self,
        app: &App,
        registry: &Registry,
        background: &TaskTracker,
        until: &CancellationToken,
    ) {
        let Line { redis, broker, heard, work, committed, copied, questions, .. } = self;
        let run = |task: futures_util::future::BoxFuture<'static, ()>| {
            let until = until.clone();
            background.spawn(async move { until.run_until_cancelled(task).await });
        };
        if let Some(redis) = redis {
            run(Box::pin(async move { redis.keep().await }));
            let (found, findings) = mpsc::channel(FINDINGS_MAX);
            let (presence, agreeing) = (app.presence.clone(), app.clone());
            run(Box::pin(async move { presence.tend(found).await }));
            run(Box::pin(async move { agreeing.take_in_findings(findings).await }));
        }
        if let Some(work) = work {
            run(Box::pin(work.run()));
        }
        if let Some(committed) = committed {
            run(Box::pin(nodes::tell(broker, committed)));
        }
        if let Some(heard) = heard {
            run(Box::pin(nodes::hear(app.clone(), registry.clone(), questions, heard, copied)));
        }
    }

    /// The connections of all nodes.
    pub(super) fn sockets(&self, registry: &Registry, app: &App) -> AllSockets {
        AllSockets::new(registry.clone(), app.clone(), self.questions.clone())
    }
}

/// What nodes of one installation have in common: the log, and the secret of their tokens, because
/// a token of one has to count with all.
async fn identity(log: &dyn Log, secret: &[u8]) -> Result<String> {
    let default = TenantId::default_tenant();
    let number = log.head(&default).await.context("store")?.log;
    let digest = Sha256::digest([b"node identity", secret].concat());
    let digest: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{number:08x}-{digest}"))
}

/// The default tenant exists.
pub(super) async fn begin_log(log: &dyn Log) -> Result<(), log::Error> {
    let default = TenantId::default_tenant();
    if log.tenant(&default).await?.is_none() {
        let record = Record::Tenant(default.to_string());
        log.commit(&default, Change::record(record)).await?;
    }
    Ok(())
}

/// Where other nodes reach this one.
fn address(config: &Config, listener: SocketAddr) -> Result<String> {
    if !config.cluster.advertise.is_empty() {
        return Ok(config.cluster.advertise.clone());
    }
    if !listener.ip().is_unspecified() {
        return Ok(listener.to_string());
    }
    // The address from which this host would speak to Redis; nothing is sent.
    let host = config.redis.host.split(',').next().unwrap_or_default();
    let to = match host.rsplit_once(':') {
        Some(_) => host.to_owned(),
        None => format!("{host}:{}", config.redis.port),
    };
    let found = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.connect(to)?;
        socket.local_addr()
    });
    match found {
        Ok(from) => Ok(SocketAddr::new(from.ip(), listener.port()).to_string()),
        Err(err) => {
            bail!("this host has no address for other nodes ({err}); set cluster.advertise")
        }
    }
}
