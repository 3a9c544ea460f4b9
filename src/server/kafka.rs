//! From the options of `[kafka]` to those who export, who take in, and who look whether Kafka answers.

use anyhow::{Context, Result};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::{App, Export, ExportEnd, KafkaStatus};
use crate::config::Config;
use crate::ingest::kafka::{self, Ingest};
use crate::limits::KAFKA_PROBE_INTERVAL;
use crate::model::TenantId;
use crate::sink::kafka::{Producer, Settings};

fn settings(config: &Config) -> Settings {
    Settings { brokers: config.kafka.brokers.clone(), properties: config.kafka_properties() }
}

/// Whether clients of Kafka can be made of the configuration. Asks nobody.
///
/// # Errors
/// Which setting is wrong, in one line.
pub(super) fn check(config: &Config) -> Result<()> {
    let options = &config.kafka;
    if config.has_kafka() {
        TenantId::parse(&options.default_tenant)
            .map(drop)
            .or_else(|err| if options.default_tenant.is_empty() { Ok(()) } else { Err(err) })
            .context("kafka.default_tenant")?;
        Producer::of_export(&settings(config))?;
    }
    Ok(())
}

/// Exports the log until it is told to stop, or has lost the duties of this number
/// (`log::Nodes::hold_duties`). Wait for it before the log is closed, and before another one begins:
/// the last thing it does is to keep how far it got. Returns at once where nothing is exported.
pub(super) async fn export(app: App, under: Option<u64>, until: CancellationToken) {
    let options = &app.config.kafka;
    if !app.config.has_kafka() || options.topic.is_empty() {
        return;
    }
    let export = Export { settings: settings(&app.config), topic: options.topic.clone(), under };
    match app.export_log(export, until).await {
        Ok(ExportEnd::Stopped | ExportEnd::Superseded) => {}
        Err(err) => tracing::error!(error = %err, "nothing is exported to Kafka"),
    }
}

/// Takes in what others put into the ingest topic, and looks whether Kafka answers, until the server
/// stops. On every node.
pub(super) fn spawn_ingest(app: &App, background: &TaskTracker, until: &CancellationToken) {
    if !app.config.has_kafka() {
        return;
    }
    app.note_kafka(KafkaStatus::Unavailable);
    background.spawn(watch(app.clone(), until.clone()));
    let options = &app.config.kafka;
    if options.ingest_topic.is_empty() {
        return;
    }
    let ingest = Ingest {
        settings: settings(&app.config),
        topic: options.ingest_topic.clone(),
        group: options.group.clone(),
        dead_letter_topic: options.dead_letter_topic.clone(),
        default_tenant: TenantId::parse(&options.default_tenant).ok(),
    };
    let (app, until) = (app.clone(), until.clone());
    background.spawn(async move {
        if let Err(err) = kafka::serve(app, ingest, until).await {
            tracing::error!(error = %err, "nothing is taken in from Kafka");
        }
    });
}

/// Looks every few seconds whether Kafka answers.
async fn watch(app: App, until: CancellationToken) {
    let options = &app.config.kafka;
    let topics = [&options.topic, &options.ingest_topic];
    let topics: Vec<_> = topics.into_iter().filter(|topic| !topic.is_empty()).collect();
    let producer = match Producer::of_dead_letters(&settings(&app.config)) {
        Ok(producer) => producer,
        Err(err) => return tracing::error!(error = %err, "nobody looks whether Kafka answers"),
    };
    let looking = async {
        let mut was_told = false;
        loop {
            let mut found = Ok(());
            for topic in &topics {
                found = found.and(producer.probe((*topic).clone()).await);
            }
            match found {
                Ok(()) if app.note_kafka(KafkaStatus::Healthy) => {
                    was_told = false;
                    tracing::info!(brokers = options.brokers, "Kafka answers");
                }
                Ok(()) => {}
                Err(reason) => {
                    app.note_kafka(KafkaStatus::Unavailable);
                    if !std::mem::replace(&mut was_told, true) {
                        tracing::warn!(brokers = options.brokers, reason, "Kafka does not answer");
                    }
                }
            }
            sleep(KAFKA_PROBE_INTERVAL).await;
        }
    };
    until.run_until_cancelled(looking).await;
    producer.close().await;
}
