//! The composition root: configuration to parts, parts to listeners, and the drain. The one file
//! that knows every part; whatever runs in the background is spawned here or by a connection.

mod bot;
mod duties;
mod kafka;
mod nodes;
mod retention;
mod shared;
mod systemd;
mod webhooks;

use std::fs::{self, File, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use axum::extract::ConnectInfo;
use futures_util::FutureExt;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::{self, App, Demo};
use crate::auth::{self, Passwords, Tokens};
use crate::config::{Config, StoreUrl};
use crate::door::Origins;
use crate::http::listen::{self, AddressLimit, Listener, Serving};
use crate::http::tls::TlsReloader;
use crate::http::{self, Readiness};
use crate::hub::Hub;
use crate::limits::{PASSWORD_WAIT, RELAYS_AT_ONCE_MAX};
use crate::log::{self, Location, PostgresUrl};
use crate::model::Moment;
use crate::presence::Presence;
use crate::telemetry::Metrics;
use crate::wire::{self, Registry, Relay};
use nodes::AllSockets;
use shared::Line;

/// A server that serves.
pub struct Running {
    /// Where it listens, as a browser takes it.
    pub urls: Vec<String>,
    /// What `--demo` made.
    pub demo: Option<Demo>,
    /// The verbs, for those who run the server in their own process.
    pub app: App,
    /// Where the generated secret is kept, if it was not given.
    pub secret_file: Option<PathBuf>,
    readiness: Readiness,
    registry: Registry,
    shutdown: CancellationToken,
    /// Routing goes on while requests are still answered.
    routing: CancellationToken,
    failed: CancellationToken,
    connections: TaskTracker,
    /// What receivers outside answered has to be in the log before it is closed, and before another
    /// node goes on.
    duties: TaskTracker,
    background: TaskTracker,
    _lock: Option<File>,
}

/// Starts a server.
///
/// # Errors
/// What is missing or taken, in one line.
pub async fn start(config: Config) -> Result<Running> {
    start_with(config, None).await
}

/// Starts a server, with this presence instead of the configured one if it is given.
///
/// # Errors
/// What is missing or taken, in one line.
pub async fn start_with(config: Config, presence: Option<Arc<dyn Presence>>) -> Result<Running> {
    auth::install_crypto();
    let config = Arc::new(config);
    let lock = open_data_dir(&config)?;
    let (secret, secret_file) = secret(&config)?;
    let tls = config.tls_files().map(|(cert, key)| TlsReloader::open(&cert, &key)).transpose()?;
    let listeners = bind(&config, tls.as_ref())?;

    let (shutdown, connections, background) =
        (CancellationToken::new(), TaskTracker::new(), TaskTracker::new());
    let given = Given { config: config.clone(), secret, listener: listeners[0].local_addr() };
    let (app, tail, line) = open(given, presence).await?;
    let registry = Registry::default();
    let failed = CancellationToken::new();
    let relay = relay(&app, tls.as_ref(), &connections, &background, &shutdown)?;
    spawn_background(&app, &registry, tail, tls, &background, &shutdown, &failed);

    let routing = CancellationToken::new();
    let sockets = line.sockets(&registry, &app);
    line.spawn(&app, &registry, &background, &routing);
    prepare(&app, &background, &routing).await?;
    kafka::spawn_ingest(&app, &background, &shutdown);
    let demo = match config.auth.loopback_origins {
        true => Some(app.set_up_demo().await.context("demo")?),
        false => None,
    };

    let duties = TaskTracker::new();
    duties.spawn(duties::serve(app.clone(), shutdown.clone(), failed.clone()));
    duties.close();

    let readiness = Readiness::default();
    let router = router(&app, &registry, sockets, &readiness, relay, &connections, &shutdown);
    let serving = Serving {
        router,
        addresses: AddressLimit::new(config.limits.connections_per_address),
        handshake_timeout: config.server.handshake_timeout,
        drain_timeout: config.server.drain_timeout,
        shutdown: shutdown.clone(),
        tracker: connections.clone(),
    };
    let urls = listeners.iter().map(Listener::url).collect();
    for listener in listeners {
        background.spawn(listen::serve(listener, serving.clone()));
    }
    systemd::ready();
    Ok(Running {
        urls,
        demo,
        app,
        secret_file,
        readiness,
        registry,
        shutdown,
        routing,
        failed,
        connections,
        duties,
        background,
        _lock: lock,
    })
}

/// What the parts of a server are made of.
struct Given {
    config: Arc<Config>,
    /// The secret of the tokens.
    secret: Vec<u8>,
    /// The first address it listens on.
    listener: SocketAddr,
}

/// Opens the log, presence, and whatever else the verbs need.
async fn open(given: Given, presence: Option<Arc<dyn Presence>>) -> Result<(App, log::Tail, Line)> {
    let Given { config, secret, listener } = given;
    let tokens = tokens(&config, secret.clone())?;
    kafka::check(&config)?;
    let metrics = Metrics::new();
    let observed = metrics.clone();
    let observer = Arc::new(move |events, took| observed.committed(events, took));
    let (line, live) = Line::open(&config).await?;
    let (log, tail) = log::open(&location(&config), observer, live).await.context("store")?;
    shared::begin_log(log.as_ref()).await.context("store")?;
    let presence = match presence {
        Some(given) => given,
        None => line.presence(&config, log.as_ref(), listener, &secret).await?,
    };
    let bot = bot::open(&config.bot, &log)?;
    let webhooks = webhooks::open(&config.webhooks)?;
    let app = App::new(app::Inner {
        node: line.node,
        config,
        bot,
        webhooks,
        log,
        presence,
        broker: line.broker.clone(),
        hub: Hub::default(),
        tokens,
        passwords: Passwords::new(PASSWORD_WAIT),
        metrics,
    });
    Ok((app, tail, line))
}

impl Running {
    /// Waits until a part the server cannot do without has ended.
    pub async fn failed(&self) {
        self.failed.cancelled().await;
    }

    /// Drains: nobody new comes in, everybody is told to come back, and everything acknowledged
    /// is on disk. Takes at most `server.drain_timeout`; returns whether that was enough.
    pub async fn drain(self) -> bool {
        let deadline = Instant::now() + self.app.config.server.drain_timeout;
        self.readiness.set_draining();
        systemd::stopping();
        self.app.hold_routing();
        self.shutdown.cancel();
        self.connections.close();
        // A handshake under way when the drain began may still add a connection, so this repeats
        // until there is none.
        let all_gone = async {
            while !self.connections.is_empty() || !self.registry.is_empty() {
                self.registry.send_away().await;
                sleep(Duration::from_millis(20)).await;
            }
        };
        // Time is kept back for the log, whose last commits count more than a silent peer.
        let is_clean =
            timeout_at(deadline - LOG_SHARE.min(deadline - Instant::now()), all_gone).await.is_ok();
        let _ = timeout_at(deadline - LOG_SHARE.min(deadline - Instant::now()), self.duties.wait())
            .await;
        self.routing.cancel();
        let _ = timeout_at(deadline, self.app.release_duties()).await;
        let _ = timeout_at(deadline, self.app.presence.retire()).await;
        // Who was there by heartbeat still is after a restart.
        if let Err(err) = self.app.keep_beats_now().await {
            tracing::warn!(error = %err, "the latest heartbeats are not kept");
        }
        let closed = timeout_at(deadline, self.app.log.close()).await.is_ok();
        self.background.close();
        let ended = timeout_at(deadline, self.background.wait()).await.is_ok();
        is_clean && closed && ended
    }
}

/// The log's share of the drain.
const LOG_SHARE: Duration = Duration::from_secs(2);

fn router(
    app: &App,
    registry: &Registry,
    sockets: AllSockets,
    readiness: &Readiness,
    relay: Relay,
    connections: &TaskTracker,
    shutdown: &CancellationToken,
) -> axum::Router {
    let origins = Origins::new(&app.config.auth, app.config.tls_files().is_some());
    let parts = http::Parts {
        app: app.clone(),
        origins: origins.clone(),
        readiness: readiness.clone(),
        sockets: Arc::new(sockets),
    };
    let door = wire::Door {
        app: app.clone(),
        origins,
        registry: registry.clone(),
        tracker: connections.clone(),
        shutdown: shutdown.clone(),
        relay,
        places: Arc::new(AddressLimit::new(app.config.limits.connections_per_address)),
    };
    let router = http::router(parts.clone())
        .merge(wire::session::router(door.clone()))
        .merge(wire::hub::router(door.clone()))
        .merge(wire::socketio::router(door));
    http::outer(router, &parts)
}

impl wire::Places for AddressLimit {
    fn take(&self, request: &axum::http::Extensions) -> Option<Box<dyn Send>> {
        let ConnectInfo(peer) = request.get::<ConnectInfo<SocketAddr>>()?;
        Some(Box::new(AddressLimit::take(self, peer.ip())?))
    }
}

fn spawn_background(
    app: &App,
    registry: &Registry,
    tail: log::Tail,
    tls: Option<TlsReloader>,
    background: &TaskTracker,
    shutdown: &CancellationToken,
    failed: &CancellationToken,
) {
    let signs = systemd::watch(app.clone(), failed.clone());
    let feeding = app.clone();
    // Ends by itself when the log is closed: whatever was acknowledged is also told.
    let failed = failed.clone();
    background.spawn(async move {
        if AssertUnwindSafe(feeding.feed_hub(tail)).catch_unwind().await.is_err() {
            // Nothing would be told any more. Better to start anew than to go on in silence.
            tracing::error!("the hub is fed no more; the server stops");
            failed.cancel();
        }
    });
    let until = |task| {
        let shutdown = shutdown.clone();
        async move { shutdown.run_until_cancelled(task).await }
    };
    let marks = app.clone();
    background.spawn(until(Box::pin(async move { marks.keep_delivery_marks().await })
        as futures_util::future::BoxFuture<'static, ()>));
    background.spawn(until(Box::pin(signs)));
    let typing = app.clone();
    background.spawn(until(Box::pin(async move { typing.end_stale_typing().await })));
    let owing = app.clone();
    background.spawn(until(Box::pin(async move { owing.settle_owed().await })));
    let asked = app.clone();
    background.spawn(until(Box::pin(async move { asked.serve_bot().await })));
    let staffed = app.clone();
    background.spawn(until(Box::pin(async move { staffed.follow_staff().await })));
    let compared = app.clone();
    background.spawn(until(Box::pin(async move { compared.compare_agents().await })));
    let alive = registry.clone();
    background.spawn(until(Box::pin(async move { alive.keep_alive().await })));
    if let Some(tls) = tls {
        background.spawn(tls.watch(shutdown.clone()));
    }
}

/// The way to the other nodes, which are looked after from now on.
fn relay(
    app: &App,
    tls: Option<&TlsReloader>,
    connections: &TaskTracker,
    background: &TaskTracker,
    shutdown: &CancellationToken,
) -> Result<Relay> {
    let peers = tls.map(TlsReloader::peer_config).transpose()?;
    let (tracker, until) = (connections.clone(), shutdown.clone());
    let (presence, config) = (app.presence.clone(), &app.config);
    let relay = Relay::new(presence, config, RELAYS_AT_ONCE_MAX, tracker, until, peers);
    let (watching, until) = (relay.clone(), shutdown.clone());
    background.spawn(async move { until.run_until_cancelled(watching.watch()).await });
    Ok(relay)
}

/// Nobody is left from a run that was killed.
async fn prepare(app: &App, background: &TaskTracker, routing: &CancellationToken) -> Result<()> {
    let is_alone = !app.presence.is_shared();
    if is_alone {
        duties::take(app).await?;
        let left = app.close_left_behind().await.context("closing what the last run left open")?;
        if left > 0 {
            tracing::warn!(
                users = left,
                "the last run was cut off; its connections are closed now"
            );
        }
        app.remember_leaves().await.context("reading who left the last run")?;
    }
    // The connections of other nodes are none of ours.
    if !app.broker.is_shared() {
        app.log.end_recoveries(Moment::now()).await?;
    }
    let unread = app.restore_routing().await.context("reading who waits and who works")?;
    let (serving, until) = (app.clone(), routing.clone());
    background.spawn(async move {
        until.run_until_cancelled(Box::pin(serving.serve_routing(unread))).await
    });
    if is_alone {
        let given = app.settle_bot(Moment(i64::MAX)).await;
        let given = given.context("settling what the bot left unanswered")?;
        if given > 0 {
            tracing::warn!(conversations = given, "the bot left questions; they are queued");
        }
    }
    if app.config.auth.open_sessions {
        tracing::warn!("auth.open_sessions is on: anybody may open any session in any role");
    }
    Ok(())
}

/// Whether the files a configuration names hold what they should.
///
/// # Errors
/// What is wrong with which of them, in one line.
pub fn check_files(config: &Config) -> Result<()> {
    auth::install_crypto();
    kafka::check(config)?;
    tokens(config, b"any secret will do to read the public key with".to_vec())?;
    if let Some((cert, key)) = config.tls_files() {
        TlsReloader::open(&cert, &key).map_err(|err| anyhow!("{err}"))?;
    }
    Ok(())
}

/// Where the configuration says the log is.
pub fn location(config: &Config) -> Location {
    match config.store_url() {
        StoreUrl::Sqlite(path) => Location::Sqlite(path),
        StoreUrl::Postgres(address) => Location::Postgres {
            url: PostgresUrl(address.expose().to_owned()),
            connections: config.store.connections,
        },
        StoreUrl::Memory => Location::Memory,
    }
}

/// Makes the data directory and takes it for this process alone.
fn open_data_dir(config: &Config) -> Result<Option<File>> {
    let dir = &config.server.data_dir;
    let hint = "choose another with --data-dir, or make it writable";
    // Messages are in it: nobody else's to read.
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("cannot make the data directory {}; {hint}", dir.display()))?;
    let path = dir.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.with_context(|| format!("cannot write to {}; {hint}", dir.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => bail!(
            "another server uses the data directory {}; stop it, or choose another with --data-dir",
            dir.display()
        ),
        // A file system without locks: SQLite's own will have to do.
        Err(TryLockError::Error(err)) if err.kind() == io::ErrorKind::Unsupported => Ok(None),
        Err(TryLockError::Error(err)) => {
            Err(err).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

/// The secret in force, and its file if it is the generated one.
///
/// # Errors
/// When the generated one can neither be read nor made.
pub fn secret(config: &Config) -> Result<(Vec<u8>, Option<PathBuf>)> {
    let given = &config.auth.jwt_secret;
    if !given.is_empty() {
        return Ok((given.expose().as_bytes().to_vec(), None));
    }
    let path = secret_path(&config.server.data_dir);
    let (secret, _) = auth::load_or_create_secret(&path)
        .with_context(|| format!("cannot keep a secret in {}", path.display()))?;
    Ok((secret, Some(path)))
}

/// Where the generated secret is, or would be.
pub fn secret_path(data_dir: &Path) -> PathBuf {
    data_dir.join("jwt_secret")
}

/// The keys that tokens are signed and verified with.
///
/// # Errors
/// What is wrong with a key, and which option named it.
pub fn tokens(config: &Config, secret: Vec<u8>) -> Result<Tokens> {
    let settings = &config.auth;
    let public_key = &settings.public_key;
    let public_key_pem =
        match public_key.as_os_str().is_empty() {
            true => None,
            false => Some(fs::read(public_key).with_context(|| {
                format!("auth.public_key: cannot read {}", public_key.display())
            })?),
        };
    let tokens = Tokens::new(auth::Settings {
        secret: secret.into(),
        public_key_pem,
        jwks_url: Some(settings.jwks_url.clone()).filter(|url| !url.is_empty()),
        jwks_refresh: settings.jwks_refresh,
        jwks_timeout: settings.jwks_timeout,
    });
    tokens.map_err(|err| match public_key.as_os_str().is_empty() {
        true => anyhow!("{err}"),
        false => anyhow!("auth.public_key {}: {err}", public_key.display()),
    })
}

/// Opens every listener, unless sockets were handed over. Of the demo's own addresses, those this machine lacks are left out.
fn bind(config: &Config, tls: Option<&TlsReloader>) -> Result<Vec<Listener>> {
    let mut listeners = systemd::given_listeners(config, tls)?;
    if !listeners.is_empty() {
        return Ok(listeners);
    }
    for address in &config.server.listen {
        match Listener::bind(*address, tls.cloned()) {
            Ok(listener) => listeners.push(listener),
            Err(err)
                if config.auth.loopback_origins
                    && address.is_ipv6()
                    && err.kind() == io::ErrorKind::AddrNotAvailable => {}
            Err(err) => return Err(err.into()),
        }
    }
    Ok(listeners)
}
