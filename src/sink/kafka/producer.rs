//! Records on their way to Kafka: put into a bounded queue, and acknowledged by all replicas or
//! refused with a reason.

use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};

use super::settings::{BadSettings, Murmur, Settings, drop_aside};
use crate::limits::{
    KAFKA_CLOSE_WAIT, KAFKA_DEAD_LETTER_PATIENCE, KAFKA_PROBE_TIMEOUT, KAFKA_QUEUE_KIB,
    KAFKA_QUEUE_RECORDS,
};

/// Whoever sends records.
pub struct Producer {
    inner: FutureProducer<Murmur>,
}

/// A record to be sent.
#[derive(Clone, Copy)]
pub struct Outgoing<'a> {
    /// Where to.
    pub topic: &'a str,
    /// Records of one key stay in their order.
    pub key: Option<&'a [u8]>,
    /// What it says.
    pub value: Option<&'a [u8]>,
    /// In milliseconds of Unix time; now, if it is not said.
    pub at_ms: Option<i64>,
    /// Names and values, in this order; a name may be there twice.
    pub headers: &'a [(&'a str, &'a [u8])],
}

/// Why a record is not with Kafka.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The queue has no room for it now.
    #[error("the queue is full")]
    Full,
    /// It, or the batch it went in, is larger than Kafka takes.
    #[error("it is larger than Kafka takes")]
    TooLarge,
    /// This producer is of no use any more; another one may be.
    #[error("the producer failed: {0}")]
    Fatal(String),
    /// Anything else.
    #[error("{0}")]
    Refused(String),
}

impl From<KafkaError> for Fault {
    fn from(err: KafkaError) -> Fault {
        match err.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) => Fault::Full,
            Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidMessageSize) => {
                Fault::TooLarge
            }
            Some(RDKafkaErrorCode::Fatal) => Fault::Fatal(err.to_string()),
            Some(code) => Fault::Refused(code.to_string()),
            None => Fault::Refused(err.to_string()),
        }
    }
}

/// A record that is on its way.
pub struct Receipt(DeliveryFuture);

impl Receipt {
    /// Waits until all replicas have it.
    ///
    /// # Errors
    /// Why they have not.
    pub async fn taken(self) -> Result<(), Fault> {
        match self.0.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err((err, _))) => Err(err.into()),
            Err(_) => Err(Fault::Refused("the producer is gone".into())),
        }
    }
}

/// The same partition for a key as Kafka's own clients choose, so that a key's records stay together
/// whoever writes them.
const PARTITIONER: (&str, &str) = ("partitioner", "murmur2_random");

impl Producer {
    /// For the export: each record once and in order while this producer lives, and none given up
    /// for its age, however long Kafka is gone.
    ///
    /// # Errors
    /// [`BadSettings`].
    pub fn of_export(settings: &Settings) -> Result<Producer, BadSettings> {
        let (records, kib) = (KAFKA_QUEUE_RECORDS.to_string(), KAFKA_QUEUE_KIB.to_string());
        let defaults = [
            PARTITIONER,
            ("linger.ms", "5"),
            ("queue.buffering.max.messages", records.as_str()),
            ("queue.buffering.max.kbytes", kib.as_str()),
        ];
        let fixed = [("enable.idempotence", "true"), ("acks", "all"), ("message.timeout.ms", "0")];
        Producer::open(&settings.client(&defaults, &fixed))
    }

    /// For dead letters: whoever sends one waits for it and tries again. What came from Kafka is
    /// not too large for this producer.
    ///
    /// # Errors
    /// [`BadSettings`].
    pub fn of_dead_letters(settings: &Settings) -> Result<Producer, BadSettings> {
        let patience = KAFKA_DEAD_LETTER_PATIENCE.as_millis().to_string();
        let defaults = [PARTITIONER, ("linger.ms", "0"), ("message.max.bytes", "104857600")];
        let fixed = [
            ("enable.idempotence", "true"),
            ("acks", "all"),
            ("message.timeout.ms", patience.as_str()),
        ];
        Producer::open(&settings.client(&defaults, &fixed))
    }

    fn open(config: &ClientConfig) -> Result<Producer, BadSettings> {
        Ok(Producer { inner: config.create_with_context(Murmur)? })
    }

    /// Puts a record into the queue.
    ///
    /// # Errors
    /// [`Fault`]; the record is not on its way then. [`Fault::TooLarge`] is of this record alone.
    pub fn send(&self, record: &Outgoing<'_>) -> Result<Receipt, Fault> {
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        for (key, value) in record.headers {
            headers = headers.insert(Header { key, value: Some(*value) });
        }
        let mut sent = FutureRecord::to(record.topic).headers(headers);
        (sent.key, sent.payload, sent.timestamp) = (record.key, record.value, record.at_ms);
        self.inner.send_result::<[u8], [u8]>(sent).map(Receipt).map_err(|(err, _)| err.into())
    }

    /// Asks a broker about a topic.
    ///
    /// # Errors
    /// Why nobody answers, or what is wrong with the topic.
    pub async fn probe(&self, topic: String) -> Result<(), String> {
        let inner = self.inner.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let found = inner.client().fetch_metadata(Some(&topic), KAFKA_PROBE_TIMEOUT);
            let found = found.map_err(|err| Fault::from(err).to_string())?;
            let error = found.topics().iter().find_map(|topic| topic.error());
            error.map_or(Ok(()), |error| {
                let code = RDKafkaErrorCode::from(error);
                Err(format!("topic {topic}: {code}"))
            })
        });
        asked.await.unwrap_or_else(|_| Err("the question was cut off".into()))
    }

    /// Ends it. What is still on its way is given up: it may arrive, or not.
    pub async fn close(self) {
        drop_aside(self, KAFKA_CLOSE_WAIT).await;
    }
}
