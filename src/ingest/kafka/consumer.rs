//! The line to Kafka: one member of the consumer group, which hands out records by the handful and
//! commits offsets once they are done with.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use futures_util::FutureExt;
use rdkafka::consumer::{CommitMode, Consumer as _, StreamConsumer};
use rdkafka::error::KafkaError;
use tokio::time::{sleep, timeout};

use super::Ingest;
use super::arrived::Arrived;
use crate::limits::{
    EVENTS_BODY_BYTES_MAX, KAFKA_CLOSE_WAIT, KAFKA_INGEST_PATIENCE, KAFKA_INGEST_RECORDS,
    KAFKA_RETRY_PAUSE,
};
use crate::sink::kafka::{BadSettings, Murmur};

/// The line cannot go on; another one may.
#[derive(Debug)]
pub(super) struct Lost(pub(super) String);

pub(super) struct Consumer {
    inner: StreamConsumer<Murmur>,
    topic: String,
    /// What came while the partitions were being paused.
    held: VecDeque<Arrived>,
    /// What was wrong last, which is told once.
    trouble: Option<String>,
}

/// Changed by the operator at will.
const DEFAULTS: &[(&str, &str)] = &[
    // Nothing is left out when the group is new.
    ("auto.offset.reset", "earliest"),
    // The partitions of a node that died are others' soon.
    ("session.timeout.ms", "10000"),
    // Of what is fetched ahead; 64 MiB a partition otherwise.
    ("queued.max.messages.kbytes", "8192"),
    // A topic that does not exist yet is found when it does.
    ("topic.metadata.refresh.interval.ms", "10000"),
];

/// What at-least-once rests on.
const FIXED: &[(&str, &str)] =
    &[("enable.auto.commit", "false"), ("enable.auto.offset.store", "false")];

impl Consumer {
    pub(super) fn open(ingest: &Ingest) -> Result<Consumer, BadSettings> {
        let mut config = ingest.settings.client(DEFAULTS, FIXED);
        config.set("group.id", &ingest.group);
        let inner: StreamConsumer<Murmur> = config.create_with_context(Murmur)?;
        inner.subscribe(&[&ingest.topic])?;
        let topic = ingest.topic.clone();
        Ok(Consumer { inner, topic, held: VecDeque::new(), trouble: None })
    }

    /// The next records: one at least, and whatever else is here already.
    pub(super) async fn next(&mut self) -> Result<Vec<Arrived>, Lost> {
        let mut handful = Vec::new();
        let mut bytes = 0;
        while handful.len() < KAFKA_INGEST_RECORDS && bytes < EVENTS_BODY_BYTES_MAX {
            let record = match self.held.pop_front() {
                Some(record) => record,
                None if handful.is_empty() => self.receive().await?,
                None => match self.inner.recv().now_or_never() {
                    Some(Ok(message)) => Arrived::of(&message),
                    // It will be told again, if it lasts.
                    Some(Err(_)) | None => break,
                },
            };
            bytes += record.bytes();
            handful.push(record);
        }
        Ok(handful)
    }

    async fn receive(&mut self) -> Result<Arrived, Lost> {
        loop {
            let err = match self.inner.recv().await {
                Ok(message) => {
                    let arrived = Arrived::of(&message);
                    drop(message);
                    self.note_trouble(None);
                    return Ok(arrived);
                }
                Err(err) => err,
            };
            if let KafkaError::MessageConsumptionFatal(_) = err {
                return Err(Lost(err.to_string()));
            }
            self.note_trouble(Some(err.to_string()));
            sleep(KAFKA_RETRY_PAUSE).await;
        }
    }

    fn note_trouble(&mut self, trouble: Option<String>) {
        if self.trouble == trouble {
            return;
        }
        match &trouble {
            Some(reason) => {
                tracing::warn!(topic = self.topic, reason, "no events can be had from Kafka");
            }
            None => tracing::info!(topic = self.topic, "events come from Kafka again"),
        }
        self.trouble = trouble;
    }

    /// Waits for the work, and stays in the group meanwhile: if it lasts, nothing more is fetched,
    /// but the group sees that somebody is there.
    pub(super) async fn alive_while(&mut self, work: impl Future<Output = ()>) {
        let mut work = std::pin::pin!(work);
        if timeout(KAFKA_INGEST_PATIENCE, &mut work).await.is_ok() {
            return;
        }
        self.pause();
        loop {
            let has_room = self.held.len() < KAFKA_INGEST_RECORDS;
            let poll = async {
                match has_room {
                    true => Some(self.inner.recv().await.map(|message| Arrived::of(&message))),
                    false => None,
                }
            };
            tokio::select! {
                () = &mut work => break,
                polled = poll => match polled {
                    // Fetched before the pause, or of a partition that is this node's only now.
                    Some(Ok(record)) => {
                        self.held.push_back(record);
                        self.pause();
                    }
                    Some(Err(_)) | None => sleep(POLL_PAUSE).await,
                },
            }
        }
        self.go_on();
    }

    fn pause(&self) {
        let paused = self.inner.assignment().and_then(|all| self.inner.pause(&all));
        if let Err(err) = paused {
            tracing::debug!(error = %err, "partitions cannot be paused");
        }
    }

    fn go_on(&self) {
        let resumed = self.inner.assignment().and_then(|all| self.inner.resume(&all));
        if let Err(err) = resumed {
            tracing::warn!(error = %err, "partitions cannot be resumed");
        }
    }

    /// The log, or the dead-letter topic, has these.
    pub(super) fn note_done(&self, handful: &[Arrived]) {
        let mut newest: BTreeMap<(&str, i32), i64> = BTreeMap::new();
        for record in handful {
            let offset = newest.entry((&record.topic, record.partition)).or_default();
            *offset = record.offset.max(*offset);
        }
        for ((topic, partition), offset) in newest {
            // A partition that is another node's by now: that one brings these again, and they are
            // known.
            if let Err(err) = self.inner.store_offset(topic, partition, offset) {
                tracing::debug!(topic, partition, error = %err, "an offset is not noted");
            }
        }
        if let Err(err) = self.inner.commit_consumer_state(CommitMode::Async) {
            tracing::debug!(error = %err, "offsets are not committed yet");
        }
    }

    /// Gives the partitions back, so that others have them at once.
    pub(super) async fn leave(&self) {
        self.inner.unsubscribe();
        let given_back = async {
            while self.inner.assignment().is_ok_and(|all| all.count() > 0) {
                // What comes now is somebody else's.
                let _ = timeout(POLL_PAUSE, self.inner.recv()).await;
            }
        };
        let _ = timeout(KAFKA_CLOSE_WAIT, given_back).await;
        // The word that it leaves goes out behind that, if the line is not closed before.
        let _ = timeout(GOODBYE_PAUSE, self.inner.recv()).await;
    }
}

/// How long the last word of a consumer is given.
const GOODBYE_PAUSE: Duration = Duration::from_millis(250);

/// Between two looks at what does not go on.
const POLL_PAUSE: Duration = Duration::from_millis(100);
