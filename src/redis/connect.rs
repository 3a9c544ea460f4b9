//! One connection, to a server or to a cluster, and what went wrong with it in words.

use std::fs;
use std::io;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, ResponsePolicy, RoutingInfo};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, FromRedisValue,
    IntoConnectionInfo, Pipeline, ProtocolVersion, PushInfo, RedisConnectionInfo, RedisError,
    RedisResult, ServerErrorKind, TlsCertificates,
};

use super::{Error, Redis, Settings};
use crate::limits::{REDIS_CLUSTER_PAUSE_MS, REDIS_CLUSTER_RETRIES};

/// Whoever is told what a server sends unasked. It must not wait.
pub(super) type OnPush = Arc<dyn Fn(PushInfo) + Send + Sync>;

/// Makes connections.
pub(super) struct Connector {
    infos: Vec<ConnectionInfo>,
    certificates: Option<TlsCertificates>,
    is_cluster: bool,
    db: u32,
    timeout: Duration,
    /// The server as log lines name it.
    name: String,
}

/// A connection that carries many commands at once; its clones are the same one.
#[derive(Clone)]
pub(super) enum Connection {
    /// To one server.
    Single(MultiplexedConnection),
    /// To each server of a cluster.
    Cluster(ClusterConnection),
}

impl Connector {
    pub(super) fn new(settings: &Settings) -> Result<Connector, Error> {
        let hosts: Vec<_> =
            settings.hosts.iter().map(|(host, port)| format!("{host}:{port}")).collect();
        let refused = |text: String| Err(Error::Refused(text));
        if !settings.is_cluster && settings.hosts.len() != 1 {
            return refused("redis.host names several servers, so set redis.cluster = true".into());
        }
        if settings.is_cluster && settings.db != 0 {
            return refused(format!(
                "a Redis Cluster has no database {}; see redis.db",
                settings.db
            ));
        }
        let infos: RedisResult<_> = settings.hosts.iter().map(|at| info(settings, at)).collect();
        let name = format!("redis at {}", hosts.join(","));
        Ok(Connector {
            infos: infos.map_err(|err| Error::Refused(format!("{name}: {err}")))?,
            certificates: certificates(settings)?,
            is_cluster: settings.is_cluster,
            db: settings.db,
            timeout: settings.timeout,
            name,
        })
    }

    pub(super) fn is_cluster(&self) -> bool {
        self.is_cluster
    }

    pub(super) fn db(&self) -> u32 {
        self.db
    }

    /// Connects anew.
    pub(super) async fn connect(&self, on_push: Option<OnPush>) -> RedisResult<Connection> {
        match self.is_cluster {
            true => self.connect_to_all(on_push).await.map(Connection::Cluster),
            false => self.connect_to_one(on_push).await.map(Connection::Single),
        }
    }

    async fn connect_to_one(&self, on_push: Option<OnPush>) -> RedisResult<MultiplexedConnection> {
        let info = self.infos[0].clone();
        let client = match &self.certificates {
            Some(certificates) => Client::build_with_tls(info, certificates.clone())?,
            None => Client::open(info)?,
        };
        // The library's own deadline of half a second is shorter than a fork of a large server.
        let mut options = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout));
        if let Some(on_push) = on_push {
            options = options.set_push_sender(move |push| {
                on_push(push);
                Ok::<(), redis::aio::SendError>(())
            });
        }
        client.get_multiplexed_async_connection_with_config(&options).await
    }

    async fn connect_to_all(&self, on_push: Option<OnPush>) -> RedisResult<ClusterConnection> {
        let mut builder: ClusterClientBuilder = ClusterClient::builder(self.infos.clone())
            .connection_timeout(self.timeout)
            .response_timeout(self.timeout)
            .overall_response_timeout(Some(self.timeout))
            .retries(REDIS_CLUSTER_RETRIES)
            .min_retry_wait(REDIS_CLUSTER_PAUSE_MS)
            .use_protocol(ProtocolVersion::RESP3);
        if let Some(certificates) = &self.certificates {
            builder = builder.certs(certificates.clone());
        }
        if let Some(on_push) = on_push {
            builder = builder.push_sender(move |push| {
                on_push(push);
                Ok::<(), redis::aio::SendError>(())
            });
        }
        builder.build()?.get_async_connection().await
    }

    /// Whether the server is what the settings say; one that does not tell is believed.
    pub(super) async fn check(&self, redis: &Redis) -> Result<(), Error> {
        if self.is_cluster {
            return redis.ping().await;
        }
        let told: Result<String, Error> = redis.ask(redis::cmd("INFO").arg("cluster")).await;
        match told {
            Ok(told) if told.contains("cluster_enabled:1") => Err(Error::Refused(format!(
                "{} is a Redis Cluster; set redis.cluster = true",
                self.name
            ))),
            Err(err @ Error::Gone(_)) => Err(err),
            _ => Ok(()),
        }
    }

    /// An error as whoever runs the server reads it.
    pub(super) fn explain(&self, err: &RedisError) -> Error {
        let (name, text) = (&self.name, err.to_string().replace(['\n', '\r'], " "));
        let is = |part: &str| text.contains(part);
        let hint = if err.kind() == ErrorKind::AuthenticationFailed
            || ["WRONGPASS", "NOAUTH", "invalid password"].into_iter().any(is)
        {
            "refuses the password or the user; see redis.password (REDIS_PASSWORD), redis.username"
        } else if is("DB index is out of range") || is("is not allowed in cluster mode") {
            "has no database of that number; see redis.db (REDIS_DB)"
        } else if is("cluster support disabled") {
            "is not a cluster; set redis.cluster = false"
        } else {
            ""
        };
        match (hint, is_gone(err)) {
            ("", true) => Error::Gone(format!("{name}: {text}")),
            ("", false) => Error::Refused(format!("{name}: {text}")),
            (hint, _) => Error::Refused(format!("{name} {hint}")),
        }
    }
}

impl Connection {
    pub(super) async fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> RedisResult<T> {
        match self {
            Connection::Single(one) => command.query_async(one).await,
            Connection::Cluster(all) => command.query_async(all).await,
        }
    }

    pub(super) async fn ask_all<T: FromRedisValue>(
        &mut self,
        commands: &Pipeline,
    ) -> RedisResult<T> {
        match self {
            Connection::Single(one) => commands.query_async(one).await,
            Connection::Cluster(all) => commands.query_async(all).await,
        }
    }

    pub(super) async fn ping(&mut self) -> RedisResult<()> {
        let ping = redis::cmd("PING");
        match self {
            Connection::Single(one) => ping.query_async(one).await,
            Connection::Cluster(all) => {
                let masters = MultipleNodeRoutingInfo::AllMasters;
                let routing = RoutingInfo::MultiNode((masters, Some(ResponsePolicy::AllSucceeded)));
                all.route_command(ping, routing).await.map(drop)
            }
        }
    }

    /// Subscribes to a channel; to a sharded one on a cluster.
    pub(super) async fn subscribe(&mut self, channel: &str) -> RedisResult<()> {
        match self {
            Connection::Single(one) => one.subscribe(channel).await,
            Connection::Cluster(all) => all.ssubscribe(channel).await,
        }
    }
}

/// A host with its port, or with the one given.
pub(super) fn host_and_port(text: &str, port: u16) -> (String, u16) {
    let is_address = text.parse::<Ipv6Addr>().is_ok();
    let split = text.rsplit_once(':').filter(|_| !is_address);
    let own = split.and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let (host, port) = own.unwrap_or((text, port));
    (host.trim_start_matches('[').trim_end_matches(']').to_owned(), port)
}

fn info(settings: &Settings, (host, port): &(String, u16)) -> RedisResult<ConnectionInfo> {
    let (host, port) = (host.clone(), *port);
    let address = match settings.tls {
        true => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
        false => ConnectionAddr::Tcp(host, port),
    };
    let mut redis = RedisConnectionInfo::default()
        .set_protocol(ProtocolVersion::RESP3)
        .set_db(i64::from(settings.db));
    if !settings.username.is_empty() {
        redis = redis.set_username(&settings.username);
    }
    if !settings.password.is_empty() {
        redis = redis.set_password(settings.password.expose());
    }
    Ok(address.into_connection_info()?.set_redis_settings(redis))
}

fn certificates(settings: &Settings) -> Result<Option<TlsCertificates>, Error> {
    if !settings.tls {
        return Ok(None);
    }
    let path = &settings.tls_ca;
    let read = || fs::read(path).map_err(|err| format!("redis.tls_ca {}: {err}", path.display()));
    let root_cert = match path.as_os_str().is_empty() {
        true => None,
        false => Some(read().map_err(Error::Refused)?),
    };
    Ok(Some(TlsCertificates { client_tls: None, root_cert }))
}

/// No answer within the deadline.
pub(super) fn too_late() -> RedisError {
    RedisError::from(io::Error::from(io::ErrorKind::TimedOut))
}

/// Whether nobody answered, or nobody who could: the connection is of no use any more.
pub(super) fn is_gone(err: &RedisError) -> bool {
    use ServerErrorKind::{BusyLoading, ClusterDown, MasterDown, ReadOnly, TryAgain};
    match err.kind() {
        ErrorKind::Io | ErrorKind::ClusterConnectionNotFound => true,
        ErrorKind::Server(kind) => {
            matches!(kind, BusyLoading | ClusterDown | MasterDown | ReadOnly | TryAgain)
        }
        _ => err.is_unrecoverable_error(),
    }
}
