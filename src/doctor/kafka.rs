//! Whether Kafka's brokers are there, and the topics that are named. Only asks; makes no topic.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;

use super::{Finding, bad, doubtful, well};
use crate::config::Kafka;

const SUBJECT: &str = "kafka";
/// For each question; a broker far away answers within a second.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// What is known of the lines is handed over by polls, one thing by each.
const EVENTS: usize = 16;

/// Keeps what the client library says first of its lines; its own error names only the time that
/// is up.
#[derive(Clone, Default)]
struct FirstWords(Arc<Mutex<String>>);

impl ClientContext for FirstWords {
    fn error(&self, _: KafkaError, text: &str) {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if first.is_empty() {
            text.clone_into(&mut first);
        }
    }

    // Says the same once more, to standard error.
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}
}

impl ConsumerContext for FirstWords {}

/// What the brokers tell of themselves.
struct Told {
    brokers: Vec<i32>,
    topics: BTreeSet<String>,
}

/// Looks at the brokers and the topics.
pub(super) async fn examine(settings: &Kafka) -> Vec<Finding> {
    let config = client_config(settings);
    let asked = config.clone();
    // The client library waits by blocking.
    let told = tokio::task::spawn_blocking(move || ask(&asked)).await;
    let told = match told.unwrap_or_else(|err| Err(err.to_string())) {
        Ok(told) => told,
        Err(what) => {
            let hint = "are kafka.brokers right, is one running, and does kafka.properties have \
                        what it wants (security.protocol, sasl.*)?";
            return vec![bad(SUBJECT, format!("{}: {what}; {hint}", settings.brokers))];
        }
    };
    let mut findings = vec![well(SUBJECT, format!("{} brokers answer", told.brokers.len()))];
    // What cannot be an event can only come from the topic that is read.
    let dead = (!settings.ingest_topic.is_empty()).then_some(&settings.dead_letter_topic);
    let named = [&settings.topic, &settings.ingest_topic].into_iter().chain(dead);
    let wanted: BTreeSet<&str> =
        named.map(String::as_str).filter(|topic| !topic.is_empty()).collect();
    let missing: Vec<&str> =
        wanted.iter().copied().filter(|topic| !told.topics.contains(*topic)).collect();
    if missing.len() < wanted.len() {
        let there: Vec<&str> =
            wanted.into_iter().filter(|topic| told.topics.contains(*topic)).collect();
        findings.push(well(SUBJECT, format!("has the topics {}", there.join(", "))));
    }
    if !missing.is_empty() {
        findings.push(not_there(&config, &told, &missing).await);
    }
    findings
}

fn client_config(settings: &Kafka) -> ClientConfig {
    let mut config = ClientConfig::new();
    let properties = settings.properties.expose().split(',').map(str::trim);
    for (name, value) in properties.filter_map(|setting| setting.split_once('=')) {
        config.set(name.trim(), value.trim());
    }
    config.set("bootstrap.servers", &settings.brokers);
    config
}

fn ask(config: &ClientConfig) -> Result<Told, String> {
    let words = FirstWords::default();
    let consumer: BaseConsumer<FirstWords> =
        config.create_with_context(words.clone()).map_err(|err| err.to_string())?;
    let metadata = consumer.fetch_metadata(None, ANSWER_WAIT).map_err(|err| {
        for _ in 0..EVENTS {
            let _ = consumer.poll(Duration::ZERO);
        }
        let first = words.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if first.is_empty() { err.to_string() } else { first }
    })?;
    Ok(Told {
        brokers: metadata.brokers().iter().map(rdkafka::metadata::MetadataBroker::id).collect(),
        topics: metadata.topics().iter().map(|topic| topic.name().to_owned()).collect(),
    })
}

/// Topics that are not there: whether the brokers make them.
async fn not_there(config: &ClientConfig, told: &Told, missing: &[&str]) -> Finding {
    let names = missing.join(", ");
    let hint = format!("make them (kafka-topics.sh --create --topic {})", missing[0]);
    match makes_topics(config, told).await {
        Ok(true) => {
            well(SUBJECT, format!("will make {names}, with its defaults for partitions and copies"))
        }
        Ok(false) => bad(
            SUBJECT,
            format!("has no {names} and makes no topics by itself; {hint}, or allow it to"),
        ),
        Err(what) => doubtful(
            SUBJECT,
            format!("shows no {names}, and whether it would make them is unknown ({what}); {hint}"),
        ),
    }
}

async fn makes_topics(config: &ClientConfig, told: &Told) -> Result<bool, String> {
    let broker = *told.brokers.first().ok_or("no broker")?;
    let admin: AdminClient<DefaultClientContext> =
        config.create().map_err(|err| err.to_string())?;
    let options = AdminOptions::new().request_timeout(Some(ANSWER_WAIT));
    let asked = [ResourceSpecifier::Broker(broker)];
    let answers = admin.describe_configs(&asked, &options).await.map_err(|err| err.to_string())?;
    let answer = answers.into_iter().next().ok_or("no answer")?.map_err(|err| err.to_string())?;
    let entry = answer.get("auto.create.topics.enable").and_then(|entry| entry.value.as_deref());
    Ok(entry == Some("true"))
}
