//! A Kafka for tests: librdkafka's mock cluster in this process, or the broker that
//! `SWITCHBOARD_TEST_KAFKA` names; and what a reader of a topic sees.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rdkafka::Message;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::time::Instant;
use uuid::Uuid;

use super::App;
use crate::app::Inner;
use crate::auth::{Passwords, Secret, Settings as TokenSettings, Tokens};
use crate::broker;
use crate::config::Config;
use crate::hub::Hub;
use crate::limits::PASSWORD_WAIT;
use crate::log::{self, Change, Location, Log, Record, Tail};
use crate::model::{NodeId, TenantId};
use crate::presence;
use crate::sink::kafka::{Outgoing, Producer, Settings};
use crate::sink::webhooks::{Client, Networks, Settings as HookSettings, SystemLookup};
use crate::telemetry::Metrics;

/// How long anything may take that tests wait for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Partitions of the mock's topics, and of those a broker makes by itself (`scripts/kafka`).
const PARTITIONS: i32 = 3;

pub(crate) struct Kafka {
    pub(crate) settings: Settings,
    mock: Option<MockCluster<'static, DefaultProducerContext>>,
    producer: OnceLock<Producer>,
    /// Behind every name, so that runs on one broker are apart.
    suffix: String,
}

/// Headers by their names.
pub(crate) type Names<'a> = &'a [(&'a str, &'a str)];

/// A record as a reader of a topic has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Option<String>,
    pub(crate) value: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl Kafka {
    /// In this process.
    pub(crate) fn mock() -> Kafka {
        let mock = MockCluster::new(1).unwrap();
        Kafka::at(mock.bootstrap_servers(), Some(mock))
    }

    /// The real one, if the tests are given one; says so if not.
    pub(crate) fn real() -> Option<Kafka> {
        let of = |name: &str| crate::config::environment().find(|(key, _)| key == name);
        if let Some((_, brokers)) = of("SWITCHBOARD_TEST_KAFKA") {
            return Some(Kafka::at(brokers, None));
        }
        assert!(of("SWITCHBOARD_TEST_SERVICES").is_none(), "SWITCHBOARD_TEST_KAFKA is not set");
        eprintln!("skipped: SWITCHBOARD_TEST_KAFKA is not set; the mock cluster stands for Kafka");
        None
    }

    /// Both, or the mock alone.
    pub(crate) fn each() -> Vec<Kafka> {
        std::iter::once(Kafka::mock()).chain(Kafka::real()).collect()
    }

    fn at(brokers: String, mock: Option<MockCluster<'static, DefaultProducerContext>>) -> Kafka {
        let suffix = Uuid::new_v4().simple().to_string();
        let settings = Settings { brokers, properties: vec![] };
        Kafka { settings, mock, producer: OnceLock::new(), suffix }
    }

    /// A topic, or a group, of this test alone.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("{name}-{}", self.suffix)
    }

    /// The mock has its topics made; a broker makes them when they are first written to.
    pub(crate) fn topic(&self, name: &str) -> String {
        let topic = self.name(name);
        if let Some(mock) = &self.mock {
            mock.create_topic(&topic, PARTITIONS, 1).unwrap();
        }
        topic
    }

    pub(crate) fn cluster(&self) -> &MockCluster<'static, DefaultProducerContext> {
        self.mock.as_ref().unwrap()
    }

    /// Nobody answers any more.
    pub(crate) fn go_down(&self) {
        self.cluster().broker_down(-1).unwrap();
    }

    /// The mock answers as brokers do that are far away.
    pub(crate) fn slow_down(&self) {
        if let Some(mock) = &self.mock {
            mock.broker_round_trip_time(-1, Duration::from_millis(20)).unwrap();
        }
    }

    pub(crate) fn come_back(&self) {
        self.cluster().broker_up(-1).unwrap();
    }

    /// Puts records into a topic: key, value, headers.
    pub(crate) async fn put(&self, topic: &str, records: &[(&str, &str, Names<'_>)]) {
        let made = || Producer::of_dead_letters(&self.settings).unwrap();
        let producer = self.producer.get_or_init(made);
        for (key, value, headers) in records {
            let headers: Vec<_> =
                headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
            let record = Outgoing {
                topic,
                key: Some(key.as_bytes()),
                value: Some(value.as_bytes()),
                at_ms: None,
                headers: &headers,
            };
            producer.send(&record).unwrap().taken().await.unwrap();
        }
    }

    /// Everything in a topic once `is_enough` says so, by partition and offset.
    pub(crate) async fn read_until(
        &self,
        topic: &str,
        is_enough: impl Fn(&[Seen]) -> bool,
    ) -> Vec<Seen> {
        let reader = self.reader(topic);
        let started = Instant::now();
        let mut seen = Vec::new();
        while !is_enough(&seen) {
            assert!(started.elapsed() < PATIENCE, "{} records in {topic}: {seen:?}", seen.len());
            seen.extend(drain(&reader));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // Nothing that should not be there comes later.
        tokio::time::sleep(Duration::from_millis(300)).await;
        seen.extend(drain(&reader));
        seen.sort_by_key(|seen| (seen.partition, seen.offset));
        tokio::task::spawn_blocking(move || drop(reader)).await.unwrap();
        seen
    }

    pub(crate) async fn read(&self, topic: &str, count: usize) -> Vec<Seen> {
        self.read_until(topic, |seen| seen.len() >= count).await
    }

    fn reader(&self, topic: &str) -> BaseConsumer {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.settings.brokers);
        config.set("group.id", self.name("reader"));
        config.set("enable.auto.commit", "false");
        config.set("allow.auto.create.topics", "true");
        let reader: BaseConsumer = config.create().unwrap();
        let mut all = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            all.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
        reader.assign(&all).unwrap();
        reader
    }
}

/// What has come since.
fn drain(reader: &BaseConsumer) -> Vec<Seen> {
    let mut seen = Vec::new();
    while let Some(polled) = reader.poll(Duration::from_millis(1)) {
        seen.extend(polled.ok().map(|message| seen_of(&message)));
    }
    seen
}

fn seen_of(message: &BorrowedMessage<'_>) -> Seen {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    Seen {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(text),
        value: message.payload().map(text),
        headers: headers
            .map(|header| (header.key.to_owned(), text(header.value.unwrap_or_default())))
            .collect(),
    }
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A log at this location, with these tenants.
pub(crate) async fn open_log(location: &Location, tenants: &[&str]) -> (Arc<dyn Log>, Tail) {
    let (log, tail) = log::open(location, Arc::new(|_, _| {}), None).await.unwrap();
    for name in tenants {
        let record = Record::Tenant((*name).into());
        log.commit(&TenantId::parse(name).unwrap(), Change::record(record)).await.unwrap();
    }
    (log, tail)
}

/// A node on a log.
pub(crate) fn app_on(log: &Arc<dyn Log>) -> App {
    let timeout = Duration::from_secs(5);
    let hooks = HookSettings { networks: Networks::Public, timeout, requests_max: 8 };
    let tokens = TokenSettings {
        secret: Secret::from("a shared secret of more than 32 bytes"),
        public_key_pem: None,
        jwks_url: None,
        jwks_refresh: timeout,
        jwks_timeout: timeout,
    };
    crate::auth::install_crypto();
    App::new(Inner {
        node: NodeId::random(),
        broker: broker::local(),
        config: Arc::new(Config::default()),
        log: log.clone(),
        presence: presence::memory(),
        hub: Hub::default(),
        tokens: Tokens::new(tokens).unwrap(),
        passwords: Passwords::new(PASSWORD_WAIT),
        metrics: Metrics::new(),
        bot: None,
        webhooks: Client::new(hooks, Arc::new(SystemLookup)).unwrap(),
    })
}
