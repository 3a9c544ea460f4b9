//! A page of a tenant's log on its way to Kafka: sent as fast as the producer takes it, and again
//! whatever was refused, until all of it is acknowledged.
//!
//! A record that is refused holds back those behind it of the same key: they are sent again after
//! it, so that the last one Kafka has of a key is the last one that happened.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::time::sleep;

use super::serve::Exporting;
use crate::limits::{KAFKA_FULL_PAUSE, KAFKA_RETRY_PAUSE};
use crate::model::Envelope;
use crate::sink::kafka::{Fault, Outgoing, Receipt, Record};

/// What is still to be sent of a stretch of the log.
pub(super) struct Page {
    records: Vec<Record>,
    /// Where the stretch ends.
    through: u64,
    /// Whether a batch was too large: then each record goes by itself, to find out which one is.
    is_one_by_one: bool,
}

/// What became of a record.
enum Fate {
    Taken,
    /// Too large by itself.
    Dead,
    Refused(Fault),
}

/// Nobody waits for it any longer.
struct GivenUp;

impl Page {
    pub(super) fn of(events: &[Arc<Envelope>], through: u64) -> Page {
        let record = |envelope: &Arc<Envelope>| match Record::of(envelope) {
            Ok(record) => Some(record),
            Err(err) => {
                let (tenant, position) = (&envelope.tenant, envelope.position());
                tracing::error!(%tenant, position, error = %err, "an event cannot be said as JSON");
                None
            }
        };
        Page { records: events.iter().filter_map(record).collect(), through, is_one_by_one: false }
    }

    /// Sends all of it, and tells `advance` up to where everything is acknowledged and how many
    /// events that took. Ends early when the export stops.
    pub(super) async fn send(mut self, by: &Exporting, advance: &(dyn Fn(u64, usize) + Sync)) {
        loop {
            let before = self.records.len();
            let Ok(trouble) = self.try_all(by).await else { return };
            let sent = match self.records.first() {
                Some(record) => record.position - 1,
                None => self.through,
            };
            advance(sent, before - self.records.len());
            let Some(trouble) = trouble else { break };
            by.note_trouble(Some((self.records.first().map_or("", Record::cursor), &trouble)));
            // No more of it once the export stops: it may be the same for hours.
            if by.until.run_until_cancelled(sleep(KAFKA_RETRY_PAUSE)).await.is_none() {
                return;
            }
        }
        by.note_trouble(None);
    }

    /// Sends what is left once, and leaves what is to be sent again. Returns why.
    async fn try_all(&mut self, by: &Exporting) -> Result<Option<Fault>, GivenUp> {
        let producer = by.producer();
        let mut fates = Vec::with_capacity(self.records.len());
        if self.is_one_by_one {
            for record in &self.records {
                let fate = match begin(by, &producer, record).await? {
                    Ok(receipt) => end(by, receipt, true).await?,
                    Err(fate) => fate,
                };
                fates.push(fate);
            }
        } else {
            let mut begun = Vec::with_capacity(self.records.len());
            for record in &self.records {
                begun.push(begin(by, &producer, record).await?);
            }
            for begun in begun {
                fates.push(match begun {
                    Ok(receipt) => end(by, receipt, false).await?,
                    Err(fate) => fate,
                });
            }
        }
        let trouble = self.leave(by, fates);
        match &trouble {
            Some(Fault::TooLarge) => self.is_one_by_one = true,
            Some(Fault::Fatal(_)) => by.renew(&producer),
            _ => {}
        }
        Ok(trouble)
    }

    /// Leaves what was refused, and what follows it under the same key.
    fn leave(&mut self, by: &Exporting, fates: Vec<Fate>) -> Option<Fault> {
        let (mut trouble, mut held, mut left) = (None, HashSet::new(), Vec::new());
        for (record, fate) in std::mem::take(&mut self.records).into_iter().zip(fates) {
            match fate {
                Fate::Refused(fault) => {
                    held.insert(record.key.clone());
                    trouble = Some(worse(trouble, fault));
                    left.push(record);
                }
                _ if held.contains(&record.key) => left.push(record),
                Fate::Taken => {}
                Fate::Dead => bury(by, &record),
            }
        }
        self.records = left;
        trouble
    }
}

/// Of two reasons the one that decides what is done next.
fn worse(known: Option<Fault>, other: Fault) -> Fault {
    match (known, other) {
        (Some(fatal @ Fault::Fatal(_)), _) | (_, fatal @ Fault::Fatal(_)) => fatal,
        (Some(Fault::TooLarge), _) | (_, Fault::TooLarge) => Fault::TooLarge,
        (known, other) => known.unwrap_or(other),
    }
}

/// Kafka will never take it, and what is behind it must not wait for that.
fn bury(by: &Exporting, record: &Record) {
    by.app.metrics.kafka_export_dead_total.inc();
    tracing::error!(
        topic = by.export.topic,
        cursor = record.cursor(),
        bytes = record.value.len(),
        "an event is larger than Kafka takes; it is not exported"
    );
}

/// Puts a record into the producer's queue, once there is room.
async fn begin(
    by: &Exporting,
    producer: &crate::sink::kafka::Producer,
    record: &Record,
) -> Result<Result<Receipt, Fate>, GivenUp> {
    let headers = record.headers.each_ref().map(|(name, value)| (*name, value.as_bytes()));
    let outgoing = Outgoing {
        topic: &by.export.topic,
        key: Some(record.key.as_bytes()),
        value: Some(&record.value),
        at_ms: Some(record.at.0),
        headers: &headers,
    };
    loop {
        match producer.send(&outgoing) {
            Ok(receipt) => return Ok(Ok(receipt)),
            Err(Fault::Full) => {
                let waited = by.given_up.run_until_cancelled(sleep(KAFKA_FULL_PAUSE)).await;
                waited.ok_or(GivenUp)?;
            }
            // The client says so, of this record alone.
            Err(Fault::TooLarge) => return Ok(Err(Fate::Dead)),
            Err(fault) => return Ok(Err(Fate::Refused(fault))),
        }
    }
}

async fn end(by: &Exporting, receipt: Receipt, is_alone: bool) -> Result<Fate, GivenUp> {
    let taken = by.given_up.run_until_cancelled(receipt.taken()).await.ok_or(GivenUp)?;
    Ok(match taken {
        Ok(()) => Fate::Taken,
        Err(Fault::TooLarge) if is_alone => Fate::Dead,
        Err(fault) => Fate::Refused(fault),
    })
}
