//! Events from Kafka: a consumer group reads a topic whose records are what `POST /api/events` takes,
//! and posts them the same way (document 004, contract 7).
//!
//! `arrived` is a record and how it is read, `intake` brings records to the log, `dead` sends what
//! cannot be an event to the dead-letter topic, `consumer` keeps the line. An offset is committed
//! once the log, or the dead-letter topic, has what stands there. Every node may be in the group.

mod arrived;
mod consumer;
mod dead;
mod intake;
#[cfg(test)]
mod tests;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::limits::{KAFKA_CLOSE_WAIT, KAFKA_RETRY_PAUSE};
use crate::model::TenantId;
use crate::sink::kafka::{BadSettings, Producer, Settings, drop_aside};
use consumer::{Consumer, Lost};
use dead::DeadLetters;
use intake::Intake;

/// What is read, and what becomes of what cannot be read.
#[derive(Clone)]
pub struct Ingest {
    /// Where Kafka is.
    pub settings: Settings,
    /// The topic that is read.
    pub topic: String,
    /// The consumer group.
    pub group: String,
    /// Where records go that cannot be events; empty: nowhere.
    pub dead_letter_topic: String,
    /// The tenant of records that name none.
    pub default_tenant: Option<TenantId>,
}

/// Posts what the topic brings until it is told to stop.
///
/// # Errors
/// [`BadSettings`].
pub async fn serve(app: App, ingest: Ingest, until: CancellationToken) -> Result<(), BadSettings> {
    let producer = Producer::of_dead_letters(&ingest.settings)?;
    let dead = DeadLetters::new(producer, ingest.dead_letter_topic.clone());
    let intake = Intake::new(app, ingest.default_tenant.clone(), dead);
    while !until.is_cancelled() {
        let mut consumer = Consumer::open(&ingest)?;
        let lost = until.run_until_cancelled(follow(&mut consumer, &intake)).await;
        // Its offsets are committed meanwhile; if they cannot be, it is known when it comes again.
        consumer.leave().await;
        drop_aside(consumer, KAFKA_CLOSE_WAIT).await;
        if let Some(Lost(reason)) = lost {
            tracing::error!(topic = ingest.topic, reason, "the line to Kafka is made anew");
            until.run_until_cancelled(sleep(KAFKA_RETRY_PAUSE)).await;
        }
    }
    intake.close().await;
    Ok(())
}

/// Takes in one handful after the other.
async fn follow(consumer: &mut Consumer, intake: &Intake) -> Lost {
    loop {
        let handful = match consumer.next().await {
            Ok(handful) => handful,
            Err(lost) => return lost,
        };
        consumer.alive_while(intake.take(&handful)).await;
        consumer.note_done(&handful);
    }
}
