//! The dead-letter topic: records that cannot be events, as they came, with the reasons in headers.

use std::fmt;

use tokio::time::sleep;

use super::arrived::Arrived;
use crate::limits::{KAFKA_DEAD_LETTER_REASONS, KAFKA_RETRY_PAUSE};
use crate::model::Error;
use crate::sink::kafka::{Fault, Outgoing, Producer};

/// Why: `code: message`, one header for each reason.
const ERROR: &str = "error";
/// Where the record stood: `topic/partition/offset`.
const SOURCE: &str = "source";
/// Where the value was too large to go along: how many bytes it had.
const VALUE_BYTES: &str = "value-bytes";

/// What is wrong with a record, or with one of its events.
#[derive(Clone, Debug)]
pub(super) struct Reason {
    /// Which event, from 0, if there are several.
    pub(super) at: Option<usize>,
    pub(super) refusal: Error,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (code, refusal) = (self.refusal.code(), &self.refusal);
        match self.at {
            Some(at) => write!(f, "{code}: events[{at}]: {refusal}"),
            None => write!(f, "{code}: {refusal}"),
        }
    }
}

pub(super) struct DeadLetters {
    producer: Producer,
    /// Empty: there is none.
    topic: String,
}

impl DeadLetters {
    pub(super) fn new(producer: Producer, topic: String) -> DeadLetters {
        DeadLetters { producer, topic }
    }

    /// Sends a record there. Waits until it is there, however long that takes.
    pub(super) async fn bury(&self, record: &Arrived, reasons: &[Reason]) {
        let code = reasons.first().map_or("", |reason| reason.refusal.code());
        tracing::warn!(source = record.source(), code, "a record of Kafka cannot be an event");
        if self.topic.is_empty() {
            return;
        }
        let (mut has_value, mut is_told) = (true, false);
        loop {
            match self.send(record, reasons, has_value).await {
                Ok(()) => return,
                // With its headers it is larger than it was; or the topics differ in what they take.
                Err(Fault::TooLarge) if has_value => has_value = false,
                Err(fault) => {
                    if !std::mem::replace(&mut is_told, true) {
                        tracing::error!(
                            topic = self.topic, source = record.source(), error = %fault,
                            "a dead letter cannot be sent; nothing is taken in until it can"
                        );
                    }
                    sleep(KAFKA_RETRY_PAUSE).await;
                }
            }
        }
    }

    async fn send(
        &self,
        record: &Arrived,
        reasons: &[Reason],
        has_value: bool,
    ) -> Result<(), Fault> {
        let (source, bytes) = (record.source(), record.bytes().to_string());
        let reasons: Vec<String> = texts(reasons);
        let is_ours = |name: &str| [ERROR, SOURCE, VALUE_BYTES].contains(&name);
        let mut headers: Vec<(&str, &[u8])> = vec![(SOURCE, source.as_bytes())];
        headers.extend(reasons.iter().map(|reason| (ERROR, reason.as_bytes())));
        if !has_value {
            headers.push((VALUE_BYTES, bytes.as_bytes()));
        }
        // A dead letter that was posted anew and died again says what it died of last.
        let own = record.headers.iter().filter(|(name, _)| !is_ours(name));
        headers.extend(own.map(|(name, value)| (name.as_str(), value.as_slice())));
        let outgoing = Outgoing {
            topic: &self.topic,
            key: record.key.as_deref(),
            value: record.value.as_deref().filter(|_| has_value),
            at_ms: None,
            headers: &headers,
        };
        self.producer.send(&outgoing)?.taken().await
    }

    pub(super) async fn close(self) {
        self.producer.close().await;
    }
}

fn texts(reasons: &[Reason]) -> Vec<String> {
    let told = reasons.iter().take(KAFKA_DEAD_LETTER_REASONS);
    let mut texts: Vec<_> = told.map(ToString::to_string).collect();
    if reasons.len() > KAFKA_DEAD_LETTER_REASONS {
        texts.push(format!("and {} more", reasons.len() - KAFKA_DEAD_LETTER_REASONS));
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_told_with_their_codes_and_not_without_end() {
        let refusal = Error::Invalid { field: "target", reason: "is wrong".into() };
        let reason = Reason { at: None, refusal: refusal.clone() };
        assert_eq!(texts(&[reason]), ["invalid: target: is wrong"]);
        let reason = Reason { at: Some(3), refusal };
        assert_eq!(texts(std::slice::from_ref(&reason)), ["invalid: events[3]: target: is wrong"]);
        let many = texts(&vec![reason; 20]);
        assert_eq!(many.len(), KAFKA_DEAD_LETTER_REASONS + 1);
        assert_eq!(many.last().unwrap(), "and 4 more");
    }
}
