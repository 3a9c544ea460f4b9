//! How a client of Kafka is set up: our defaults, the operator's settings over them, and over both
//! what the promises of the export and of the ingest rest on.

use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::client::OAuthToken;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Where Kafka is, and what the operator wants of its clients beside.
#[derive(Clone)]
pub struct Settings {
    /// Brokers to begin with: `host:port,host:port`.
    pub brokers: String,
    /// Settings of librdkafka; there may be a password among them.
    pub properties: Vec<(String, String)>,
}

/// A client cannot be made of these settings. Never quotes a value: it may be a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSettings {
    /// There is no such setting.
    #[error("kafka.properties: librdkafka has no setting {0:?}")]
    Unknown(String),
    /// It does not take the value.
    #[error(
        "kafka.properties: librdkafka does not take this value of {0:?}, or was built without it"
    )]
    Refused(String),
    /// They do not go together.
    #[error("kafka.properties: {0}")]
    Together(String),
}

impl From<KafkaError> for BadSettings {
    fn from(err: KafkaError) -> BadSettings {
        match err {
            KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, _, key, _) => {
                BadSettings::Unknown(key)
            }
            KafkaError::ClientConfig(_, _, key, _) => BadSettings::Refused(key),
            err => BadSettings::Together(err.to_string()),
        }
    }
}

/// For every client. A broker that comes back is found within seconds.
const DEFAULTS: &[(&str, &str)] = &[
    ("client.id", "switchboard"),
    ("socket.keepalive.enable", "true"),
    ("reconnect.backoff.max.ms", "2000"),
];

impl Settings {
    /// A client's configuration: `defaults` may be changed by the operator, `fixed` may not.
    pub fn client(&self, defaults: &[(&str, &str)], fixed: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (name, value) in DEFAULTS.iter().chain(defaults) {
            config.set(*name, *value);
        }
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        config.set("bootstrap.servers", &self.brokers);
        for (name, value) in fixed {
            config.set(*name, *value);
        }
        config
    }
}

/// Whoever looks for a fault hears what librdkafka says (`log.level`, debug). Operators are told by
/// those who use a client, once for each change, where librdkafka says the same again and again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Murmur;

impl ClientContext for Murmur {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(facility, message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(error = %error, reason, "librdkafka");
    }

    fn generate_oauth_token(
        &self,
        _: Option<&str>,
    ) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        Err("tokens of OAUTHBEARER are not made here".into())
    }
}

impl ConsumerContext for Murmur {}

/// Drops a client on a thread of its own, and waits for that as long as it may take: it says goodbye
/// to brokers, which may not answer. The runtime's own threads would keep the process from ending.
pub async fn drop_aside<T: Send + 'static>(client: T, patience: Duration) {
    let (done, wait) = oneshot::channel();
    let aside = std::thread::Builder::new().name("kafka-close".into()).spawn(move || {
        drop(client);
        let _ = done.send(());
    });
    if aside.is_ok() {
        let _ = timeout(patience, wait).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::kafka::Producer;

    fn settings(properties: &[(&str, &str)]) -> Settings {
        let properties = properties.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Settings { brokers: "127.0.0.1:1".into(), properties: properties.collect() }
    }

    #[test]
    fn a_bad_setting_is_named_and_its_value_is_not() {
        let told = |name, value| {
            let bad = Producer::of_export(&settings(&[(name, value)])).err().unwrap();
            assert!(!bad.to_string().contains("hunter2"), "{bad}");
            bad
        };
        assert_eq!(told("sasl.pasword", "hunter2"), BadSettings::Unknown("sasl.pasword".into()));
        assert_eq!(told("acks.no", "hunter2"), BadSettings::Unknown("acks.no".into()));
        let protocol = "security.protocol";
        assert_eq!(told(protocol, "hunter2"), BadSettings::Refused(protocol.into()));
    }

    #[test]
    fn a_password_without_encryption_is_understood() {
        let plain = [
            ("security.protocol", "sasl_plaintext"),
            ("sasl.mechanism", "PLAIN"),
            ("sasl.username", "switchboard"),
            ("sasl.password", "hunter2"),
        ];
        assert!(Producer::of_export(&settings(&plain)).is_ok());
    }

    #[test]
    fn the_operator_changes_defaults_and_not_what_promises_rest_on() {
        let settings = settings(&[("client.id", "mine"), ("acks", "0"), ("linger.ms", "50")]);
        let config = settings.client(&[("linger.ms", "5")], &[("acks", "all")]);
        let of = |name| config.get(name);
        assert_eq!(of("client.id"), Some("mine"));
        assert_eq!(of("linger.ms"), Some("50"));
        assert_eq!(of("acks"), Some("all"));
        assert_eq!(of("bootstrap.servers"), Some("127.0.0.1:1"));
    }
}
