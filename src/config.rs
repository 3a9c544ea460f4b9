//! Every option, documented, with its default; nothing else reads the environment.
//!
//! One table makes it all: the structs, their defaults, `default-config`, the list of known keys
//! and the reference page (`reference`); how is in `table`. Sources in order: defaults, TOML file,
//! environment, flags (`sources`). What a value may look like is in `value`, its ranges in
//! `checks`.
//!
//! To add an option: a line in the table below with its doc comment, its default, and a check if
//! not every value will do. Then `make docs`.

#[macro_use]
mod table;

mod ami;
mod bot;
mod checks;
mod reference;
mod sources;
mod value;
mod webhooks;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use reference::tidy;
pub use sources::{ConfigError, SEED_NAMES, Sources, environment};
pub use value::{Address, BotProvider, LogFormat, Secret, parse_duration};

use checks::{
    check_address, check_addresses, check_count, check_encryption_key, check_filled,
    check_frame_bytes, check_lease, check_level, check_number, check_one_line, check_origins,
    check_pauses, check_peer, check_peers, check_percent, check_port, check_positive,
    check_properties, check_redis_host, check_secret, check_store, check_topic, properties_of,
};
use value::Value;

use crate::model::TenantId;

/// One option, as the reference lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionDoc {
    /// The section of the file; `section.tenant`, where every tenant has its own.
    pub section: String,
    /// The key in it.
    pub key: &'static str,
    /// What a value looks like.
    pub expected: &'static str,
    /// The default as TOML.
    pub default: String,
    /// What it does.
    pub doc: String,
}

impl OptionDoc {
    /// `section.key`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.section, self.key)
    }

    /// The environment variable that sets it.
    pub fn env_name(&self) -> String {
        format!("SWITCHBOARD__{}__{}", self.section, self.key).to_ascii_uppercase()
    }
}

options! {
    /// Where the server listens, where it keeps its data, and how long it waits.
    [server] Server {
        /// The addresses to listen on; every listener serves everything.
        listen: Vec<SocketAddr> = vec![loopback(8080)], check_addresses;
        /// The directory of the database and of the generated secret.
        data_dir: PathBuf = "./data".into();
        /// How long a drain may take after SIGTERM before what is left is cut off.
        drain_timeout: Duration = secs(10);
        /// How often a silent WebSocket is pinged.
        ping_interval: Duration = secs(54), check_positive;
        /// How long a WebSocket may stay silent before it is closed with 4009.
        ping_timeout: Duration = secs(60), check_positive;
        /// How long after a cut a Socket.IO connection is taken up again where it was; longer, if
        /// its client says from which cursor.
        recovery_window: Duration = secs(120);
        /// How long a client may take for its TLS handshake, and for the head of a request; also
        /// how long a connection may stay without a request.
        handshake_timeout: Duration = secs(10), check_positive;
    }

    /// Socket.IO, at `/socket.io/`.
    [socketio] SocketIo {
        /// How often a connection is pinged.
        ping_interval: Duration = secs(25), check_positive;
        /// How long a client may take to answer a ping.
        ping_timeout: Duration = secs(20), check_positive;
        /// How long a client may take to change from long-polling to a WebSocket.
        upgrade_timeout: Duration = secs(10), check_positive;
    }

    /// With both files every listener speaks `https` and `wss`; they are read again when they
    /// change.
    [tls] Tls {
        /// The certificate chain, a PEM file; empty: no TLS.
        cert: PathBuf = PathBuf::new();
        /// Its private key, a PEM file; empty: no TLS.
        key: PathBuf = PathBuf::new();
    }

    /// Where the log and the state are kept.
    [store] Store {
        /// `sqlite:PATH`; `postgres://USER:PASSWORD@HOST/DATABASE`, which several nodes may share;
        /// `memory:` for nothing that outlives the process. Empty: SQLite in `server.data_dir`.
        url: Address = Address::default(), check_store;
        /// How many connections to PostgreSQL read beside the one that writes.
        connections: usize = 4, check_count;
    }

    /// Redis: who is here, for all nodes, under the keys of `docs/operations.md`, and the live copy
    /// of the log from node to node.
    [redis] Redis {
        /// Its host; empty: no Redis. Of a cluster, any of its nodes, or several with their ports:
        /// `redis-1:6379,redis-2:6379`.
        host: String = String::new(), check_redis_host;
        /// Its port.
        port: u32 = 6_379, check_port;
        /// The user's name, where Redis has users (ACL); empty: its default user.
        username: String = String::new();
        /// Its password; empty: none.
        password: Secret = Secret::default();
        /// The number of the database; a cluster has 0 alone.
        db: u32 = 0;
        /// Whether it is a Redis Cluster.
        cluster: bool = false;
        /// Whether the line is encrypted.
        tls: bool = false;
        /// A PEM file with the certificates that vouch for it; empty: those this machine trusts.
        tls_ca: PathBuf = PathBuf::new();
        /// How many connections carry commands.
        connections: usize = 4, check_count;
        /// How long a command may take; then Redis counts as gone.
        timeout: Duration = secs(2), check_positive;
        /// Encrypts what is kept in Redis; the values of the seeds' keys are then inside the
        /// ciphertext. Any text of 16 characters or more; empty: not encrypted.
        encryption_key: Secret = Secret::default(), check_encryption_key;
    }

    /// What nodes that serve together know of each other. They share a PostgreSQL database and a
    /// Redis.
    [cluster] Cluster {
        /// Where other nodes reach this one, such as `10.0.0.7:8080`; empty: the address of its
        /// first listener, or this host's where that is `0.0.0.0` or `[::]`.
        advertise: String = String::new(), check_peer;
        /// How long a node that gives no sign of life still counts as alive. Its users are told as
        /// gone then, and its duties are another's.
        lease: Duration = secs(5), check_lease;
    }

    /// Kafka: the log for others, and events from others (`docs/kafka.md`).
    [kafka] Kafka {
        /// Brokers to begin with, such as `kafka-1:9092,kafka-2:9092`; empty: no Kafka.
        brokers: String = String::new(), check_peers;
        /// The topic that gets the log; empty: nothing is exported.
        topic: String = "switchboard.events".into(), check_topic;
        /// The topic whose records are posted as events; empty: none.
        ingest_topic: String = String::new(), check_topic;
        /// Where records go that cannot be events; empty: they are logged and left.
        dead_letter_topic: String = "switchboard.events.dead".into(), check_topic;
        /// The consumer group that reads the ingest topic.
        group: String = "switchboard".into(), check_filled;
        /// The tenant of records that name none; empty: such records are dead letters.
        default_tenant: String = "default".into();
        /// More settings of librdkafka as `name=value`, such as `security.protocol=sasl_plaintext`.
        properties: Secret = Secret::default(), check_properties;
    }

    /// Who is let in.
    [auth] Auth {
        /// The secret of HS256 tokens; empty: one is made once and kept in `server.data_dir`.
        jwt_secret: Secret = Secret::default();
        /// A PEM file with the public key of RS256, ES256 or EdDSA tokens; empty: none.
        public_key: PathBuf = PathBuf::new();
        /// The address of a JWKS with such keys; empty: none.
        jwks_url: String = String::new(), check_address;
        /// How often the JWKS is fetched again.
        jwks_refresh: Duration = secs(10 * 60), check_positive;
        /// How long fetching it may take.
        jwks_timeout: Duration = secs(5), check_positive;
        /// Whether a validly signed token makes the tenant, agent or department it names.
        create_on_first_use: bool = true;
        /// Whether the session dialect needs no token and believes its path. For trying things
        /// out; `--demo` turns it on.
        open_sessions: bool = false;
        /// The origins whose pages may call the API and open sockets, such as
        /// `https://chat.example.com`; `*` for all; empty: the same origin only.
        cors_origin: Vec<String> = Vec::new(), check_origins;
        /// How long a token from `POST /api/auth/login` holds.
        token_ttl: Duration = hours(12), check_positive;
        /// How long a customer's token from `POST /api/sessions` holds.
        session_ttl: Duration = hours(24), check_positive;
    }
    at run time {
        /// Every loopback origin is allowed; `--demo` turns it on, no file can.
        loopback_origins: bool = false;
    }

    /// How agents show that they are there.
    [agents] Agents {
        /// How long a heartbeat keeps an agent online.
        status_ttl: Duration = secs(300), check_positive;
        /// How often clients are told to send one.
        heartbeat_interval: Duration = secs(180), check_positive;
    }

    /// How conversations find their agents.
    [routing] Routing {
        /// How long an agent who is gone keeps its conversations; then they go back to the head
        /// of their queues. Whoever comes back in time was never away for anybody else.
        grace: Duration = secs(5), check_positive;
        /// The wait told per waiting conversation and agent on duty while nothing has been measured
        /// yet.
        assumed_wait: Duration = secs(60);
    }

    /// Who answers customers before a person does. What it does when it cannot is in
    /// `docs/bot.md`.
    [bot] Bot {
        /// `none`; `faq` answers from `/api/faq`; `coze` is Coze's chat API; `openai` is any
        /// endpoint that speaks OpenAI's chat completions. `--demo` turns `none` into `faq`.
        provider: BotProvider = BotProvider::None;
        /// The name its messages carry.
        name: String = "Assistant".into(), check_filled;
        /// Whether new conversations begin with the bot. Otherwise it takes a conversation that
        /// waits when `POST /api/coze/chat` first asks it.
        first: bool = false;
        /// The provider's address; empty: `https://api.coze.com`, `https://api.openai.com/v1`.
        base_url: String = String::new(), check_address;
        /// The provider's key or access token; empty: none is sent, which `openai` allows.
        api_key: Secret = Secret::default();
        /// Which bot at Coze.
        bot_id: String = String::new();
        /// Which model of an `openai` endpoint.
        model: String = String::new();
        /// What an `openai` endpoint is told before each conversation. `{marker}` stands for
        /// `bot.handoff_marker`.
        instructions: String = bot::INSTRUCTIONS.into();
        /// How long an answer may take, other tries included.
        timeout: Duration = secs(20), check_positive;
        /// How often a provider is asked at most when it cannot be reached, is overloaded or fails.
        attempts: usize = 3, check_count;
        /// After how many failures in a row it is left alone.
        breaker_failures: u32 = 5, check_number;
        /// For how long.
        breaker_rest: Duration = secs(30), check_positive;
        /// How many earlier messages of the conversation it is told.
        history_messages: usize = 10;
        /// The longest answer in bytes of UTF-8; what is longer is cut off.
        answer_bytes: usize = 4 * 1024, check_count;
        /// How sure the FAQ must be to answer, in percent.
        confidence: u32 = 60, check_percent;
        /// What a customer says who wants a person; found as whole words in any case.
        handoff_phrases: Vec<String> = bot::phrases();
        /// What a provider puts into an answer to ask for a person; it is taken out. Empty: none.
        handoff_marker: String = "[handoff]".into();
    }

    /// What the webhooks of tenants may do (`docs/webhooks.md`).
    [webhooks] Webhooks {
        /// Whether they may go to private networks and to this machine, and by `http`. Whoever
        /// administers a tenant then reaches whatever this server does.
        allow_private_networks: bool = false;
        /// How long a receiver may take to answer, connecting included.
        timeout: Duration = secs(15), check_positive;
        /// The pauses after the first failed try, the second, and so on; the last one stands for
        /// all that follow. Each is a fifth shorter or longer by chance.
        retry_pauses: Vec<Duration> = webhooks::retry_pauses(), check_pauses;
        /// How long a delivery is tried before it is dead.
        give_up_after: Duration = hours(3 * 24), check_positive;
        /// Requests one webhook may have under way.
        requests_per_webhook: usize = 32, check_count;
        /// Requests all webhooks together may have under way.
        requests: usize = 256, check_count;
        /// Deliveries of one webhook that may wait; with so many it reads no further in the log.
        backlog: usize = 10_000, check_count;
    }
    at run time {
        /// They may go to this machine; `--demo` turns it on, no file can.
        allow_loopback: bool = false;
    }

    /// What one client may use.
    [limits] Limits {
        /// Events that may wait for a slow connection before it is closed with 4008.
        outbox_events: usize = 256, check_count;
        /// The largest frame of any transport in bytes, at least 1024.
        frame_bytes: usize = 512 * 1024, check_frame_bytes;
        /// The longest message text in bytes of UTF-8.
        message_bytes: usize = 16 * 1024, check_count;
        /// Connections of one conversation; 0: unlimited.
        connections_per_session: usize = 0;
        /// Connections of one user; 0: unlimited.
        connections_per_user: usize = 50;
        /// Connections of one address, loopback included; 0: unlimited.
        connections_per_address: usize = 1_000;
        /// Messages a connection may send in a minute; 0: unlimited.
        messages_per_minute: u32 = 120;
        /// Typing events a connection may send in a minute; 0: unlimited.
        typing_per_minute: u32 = 120;
        /// REST requests of one token in a minute, of one address without a token; 0: unlimited.
        rest_per_minute: u32 = 600;
        /// Events that one request may post.
        batch_events: usize = 1_000, check_count;
        /// Messages in a page of history when the request does not say.
        history_page: usize = 50, check_count;
        /// The largest page of history; what is asked beyond it is clamped.
        history_page_max: usize = 200, check_count;
        /// Wrong logins of one account or address in a minute; 0: unlimited.
        logins_per_minute: u32 = 5;
    }

    /// How long things are kept.
    [retention] Retention {
        /// Messages; 0: for ever.
        messages: Duration = secs(0);
        /// Connects and disconnects, the flight recorder of a conversation; 0: for ever.
        connection_events: Duration = hours(30 * 24);
        /// What is known of webhooks' deliveries that succeeded; 0: for ever.
        deliveries: Duration = hours(3 * 24);
        /// What is known of those that were given up, and can be replayed; 0: for ever.
        dead_deliveries: Duration = hours(30 * 24);
    }

    /// What is written to standard error.
    [log] Log {
        /// `text` for people, `json` for machines: one object a line.
        format: LogFormat = LogFormat::Text;
        /// `error`, `warn`, `info`, `debug`, `trace`, or such filters per module as
        /// `info,switchboard::wire=debug`.
        level: String = "info".into(), check_level;
    }

    for each tenant {
        /// The telephone system of a tenant: an Asterisk, by its manager interface (AMI). Off where
        /// there is no such section. `docs/telephony.md` sets one up.
        [ami] Ami {
            /// Its host and port, such as `pbx.example.com:5038`.
            address: String = String::new(), check_peer;
            /// The manager's name, as in `manager.conf`.
            username: String = String::new(), check_one_line;
            /// The manager's secret; empty: it is in `secret_file`.
            secret: Secret = Secret::default(), check_secret;
            /// A file with the secret, read at every login; empty: it is in `secret`.
            secret_file: PathBuf = PathBuf::new();
            /// Whether the line is encrypted (`tlsenable` in `manager.conf`). Without it the secret
            /// is proved by a digest, and all that is told of calls is readable on the way.
            tls: bool = false;
            /// A PEM file with the certificates that vouch for the telephone system's; empty: those
            /// this machine trusts.
            tls_ca: PathBuf = PathBuf::new();
            /// How often the figures of the queues are asked for. They are as well when a queue
            /// changes.
            stats_interval: Duration = secs(10), check_positive;
        }
    }
}

/// The ports of the seeds' examples, which `--demo` listens on.
const DEMO_PORTS: [u16; 4] = [3000, 8080, 8081, 8082];

/// Where the log and the state are kept, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// An SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL database, by its address.
    Postgres(Address),
    /// Nothing that outlives the process.
    Memory,
}

impl Config {
    /// The certificate and key files, when TLS is on.
    pub fn tls_files(&self) -> Option<(PathBuf, PathBuf)> {
        let Tls { cert, key } = &self.tls;
        (!cert.as_os_str().is_empty()).then(|| (cert.clone(), key.clone()))
    }

    /// Where the log and the state are kept.
    pub fn store_url(&self) -> StoreUrl {
        match self.store.url.expose().split_once(':') {
            Some(("memory", _)) => StoreUrl::Memory,
            Some(("postgres" | "postgresql", _)) => StoreUrl::Postgres(self.store.url.clone()),
            Some((_, path)) => StoreUrl::Sqlite(path.strip_prefix("//").unwrap_or(path).into()),
            None => StoreUrl::Sqlite(self.server.data_dir.join("switchboard.db")),
        }
    }

    /// Whether Redis is on.
    pub fn has_redis(&self) -> bool {
        !self.redis.host.is_empty()
    }

    /// More settings of Kafka's clients.
    pub fn kafka_properties(&self) -> Vec<(String, String)> {
        properties_of(&self.kafka.properties)
    }

    /// Whether Kafka is on.
    pub fn has_kafka(&self) -> bool {
        !self.kafka.brokers.is_empty()
    }

    /// What `--demo` changes: the seeds' ports on loopback, sessions without tokens, every
    /// loopback origin, and data of its own. With `keep_listen` (`--listen` was given) the
    /// addresses stay; one that is not loopback is refused, wherever it came from.
    pub fn for_demo(&mut self, keep_listen: bool) -> Result<(), ConfigError> {
        if let Some(public) = self.server.listen.iter().find(|a| !a.ip().is_loopback()) {
            return Err(ConfigError::Contradiction(format!(
                "--demo lets everybody in and therefore refuses to listen on {public}; use an \
                 address of 127.0.0.1 or [::1], or leave --demo out"
            )));
        }
        if !keep_listen {
            self.server.listen = demo_addresses();
        }
        self.server.data_dir.push("demo");
        self.auth.open_sessions = true;
        self.auth.loopback_origins = true;
        self.webhooks.allow_loopback = true;
        if self.bot.provider == BotProvider::None {
            self.bot.provider = BotProvider::Faq;
        }
        Ok(())
    }

    /// What no option can check alone.
    fn check(&self) -> Result<(), ConfigError> {
        self.check_bot()?;
        self.check_ami()?;
        let has = |path: &PathBuf| !path.as_os_str().is_empty();
        if has(&self.tls.cert) != has(&self.tls.key) {
            let (given, missing) =
                if has(&self.tls.cert) { ("cert", "key") } else { ("key", "cert") };
            return Err(ConfigError::Contradiction(format!(
                "tls.{given} is set but tls.{missing} is not; TLS needs both, no TLS needs none"
            )));
        }
        Ok(())
    }
}

fn demo_addresses() -> Vec<SocketAddr> {
    let hosts: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    hosts.iter().flat_map(|ip| DEMO_PORTS.map(|port| SocketAddr::new(*ip, port))).collect()
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

const fn hours(n: u64) -> Duration {
    Duration::from_secs(n * 3_600)
}

#[cfg(test)]
mod tests;
