//! The export against a Kafka: the mock cluster in this process, and the broker of
//! `SWITCHBOARD_TEST_KAFKA`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::testing::{Kafka, Seen, app_on, open_log, until};
use super::{App, Export, ExportEnd, READER};
use crate::log::{Change, Location, Log, Tail, Told};
use crate::model::{CallEnded, Event, TenantId};
use crate::sink::kafka::BadSettings;

const TENANTS: [&str; 2] = ["default", "acme"];

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

/// An event of a call, with a text of so many bytes.
fn event(call: usize, duration: u64, bytes: usize) -> Change {
    Change::of(
        CallEnded {
            unique_id: format!("call-{call}"),
            duration,
            agent_id: None,
            reason: Some("x".repeat(bytes)),
            corrected: false,
        }
        .into(),
    )
}

impl From<CallEnded> for Event {
    fn from(ended: CallEnded) -> Event {
        crate::model::Call::CallEnded(ended).into()
    }
}

/// Events of seven calls in each tenant.
async fn fill(log: &Arc<dyn Log>, count: usize) {
    for name in TENANTS {
        let mut pending = Vec::new();
        for n in 0..count {
            let change = event(n % 7, n as u64, 3);
            pending.push(log.append(&tenant(name), change).await.unwrap());
        }
        for pending in pending {
            pending.committed().await.unwrap();
        }
    }
}

/// Hands what the log tells to every node.
fn follow(mut tail: Tail, apps: Vec<App>) {
    tokio::spawn(async move {
        while let Some(told) = tail.recv().await {
            let Told::Events { events, .. } = told else { continue };
            for envelope in events {
                apps.iter().for_each(|app| app.hand_to_export(&envelope));
            }
        }
    });
}

struct Running {
    until: CancellationToken,
    task: JoinHandle<Result<ExportEnd, BadSettings>>,
}

fn export(app: &App, kafka: &Kafka, topic: &str, under: Option<u64>) -> Running {
    let until = CancellationToken::new();
    let (settings, topic) = (kafka.settings.clone(), topic.to_owned());
    let (app, stop) = (app.clone(), until.clone());
    let export = Export { settings, topic, under };
    let task = tokio::spawn(async move { app.export_log(export, stop).await });
    Running { until, task }
}

impl Running {
    async fn stop(self) -> ExportEnd {
        self.until.cancel();
        self.task.await.unwrap().unwrap()
    }
}

async fn heads(log: &Arc<dyn Log>) -> [u64; 2] {
    let mut heads = [0; 2];
    for (head, name) in heads.iter_mut().zip(TENANTS) {
        *head = log.head(&tenant(name)).await.unwrap().position;
    }
    heads
}

async fn kept(log: &Arc<dyn Log>) -> [u64; 2] {
    let mut kept = [0; 2];
    for (kept, name) in kept.iter_mut().zip(TENANTS) {
        *kept = log.read_by(&tenant(name), READER).await.unwrap().unwrap_or(0);
    }
    kept
}

async fn exported(log: &Arc<dyn Log>) {
    until("all is exported", async || kept(log).await == heads(log).await).await;
}

fn position(seen: &Seen) -> u64 {
    seen.header("cursor").unwrap().rsplit('-').next().unwrap().parse().unwrap()
}

/// The positions in a topic, by their tenants; checks the order of each key as it must be where
/// nothing was sent twice.
fn positions(seen: &[Seen]) -> BTreeMap<String, Vec<u64>> {
    let mut last: BTreeMap<(i32, &str), u64> = BTreeMap::new();
    let mut partitions: BTreeMap<&str, i32> = BTreeMap::new();
    let mut positions: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for seen in seen {
        let key = seen.key.as_deref().unwrap();
        assert_eq!(*partitions.entry(key).or_insert(seen.partition), seen.partition, "{key}");
        let before = last.insert((seen.partition, key), position(seen));
        assert!(before.is_none_or(|before| before < position(seen)), "{key}: {seen:?}");
        positions.entry(seen.header("tenant").unwrap().into()).or_default().push(position(seen));
    }
    positions.values_mut().for_each(|list| list.sort_unstable());
    positions
}

/// Every position of each tenant, up to the end of its log.
fn whole(heads: [u64; 2]) -> BTreeMap<String, Vec<u64>> {
    TENANTS.iter().zip(heads).map(|(name, head)| ((*name).into(), (1..=head).collect())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_of_every_tenant_is_in_kafka_once_and_in_the_order_of_its_key() {
    for kafka in Kafka::each() {
        let (log, tail) = open_log(&Location::Memory, &TENANTS).await;
        let app = app_on(&log);
        follow(tail, vec![app.clone()]);
        let topic = kafka.topic("events");
        // More than a page before it begins, and some while it goes on.
        fill(&log, 1_300).await;
        let running = export(&app, &kafka, &topic, Some(1));
        fill(&log, 300).await;
        exported(&log).await;
        assert_eq!(running.stop().await, ExportEnd::Stopped);

        let seen = kafka.read(&topic, 3_200).await;
        assert_eq!(positions(&seen), whole(heads(&log).await));
        let first = seen.iter().find(|seen| seen.header("tenant") == Some("acme")).unwrap();
        assert_eq!(first.header("schema"), Some("switchboard.events/1#call.ended"));
        let (key, value) = (first.key.as_deref().unwrap(), first.value.as_deref().unwrap());
        let unique_id = key.strip_prefix("acme/").unwrap();
        assert!(value.contains(&format!("\"unique_id\":\"{unique_id}\"")), "{key}: {value}");
        let cursor = first.header("cursor").unwrap();
        assert!(value.contains(&format!("\"cursor\":\"{cursor}\"")), "{value}");
        assert_eq!(app.metrics.kafka_exported_total.get(), 3_200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_takes_over_goes_on_where_the_last_one_stopped() {
    for kafka in Kafka::each() {
        let (log, tail) = open_log(&Location::Memory, &TENANTS).await;
        let nodes = [app_on(&log), app_on(&log), app_on(&log)];
        follow(tail, nodes.to_vec());
        let topic = kafka.topic("events");
        for (round, node) in nodes.iter().enumerate() {
            let running = export(node, &kafka, &topic, Some(1));
            fill(&log, 200).await;
            until("some is exported", async || node.metrics.kafka_exported_total.get() > 0).await;
            assert_eq!(running.stop().await, ExportEnd::Stopped, "{round}");
        }
        let running = export(&nodes[0], &kafka, &topic, Some(1));
        exported(&log).await;
        running.stop().await;
        // In good order: nothing twice either.
        assert_eq!(positions(&kafka.read(&topic, 1_200).await), whole(heads(&log).await));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whenever_the_exporter_dies_nothing_is_missing_and_the_last_of_a_key_is_the_last() {
    for kafka in Kafka::each() {
        let (log, tail) = open_log(&Location::Memory, &TENANTS).await;
        let nodes: Vec<_> = (0..8).map(|_| app_on(&log)).collect();
        follow(tail, nodes.clone());
        let topic = kafka.topic("events");
        kafka.slow_down();
        for (round, node) in nodes.iter().enumerate() {
            let running = export(node, &kafka, &topic, Some(1));
            // More than a page, and enough for a cursor to be kept in the middle of it.
            fill(&log, 1_200).await;
            // From before the first record to after the first cursor that is kept.
            sleep(Duration::from_millis([0, 3, 10, 30, 60, 100, 300, 1_200][round])).await;
            running.task.abort();
            let _ = running.task.await;
        }
        let running = export(&app_on(&log), &kafka, &topic, Some(1));
        exported(&log).await;
        running.stop().await;

        let heads = heads(&log).await;
        let is_whole = |seen: &[Seen]| {
            let all = seen.iter().map(|s| (s.header("tenant").unwrap().to_owned(), position(s)));
            all.collect::<BTreeSet<_>>().len() as u64 == heads.iter().sum::<u64>()
        };
        let seen = kafka.read_until(&topic, is_whole).await;
        let (mut last, mut newest) = (BTreeMap::new(), BTreeMap::new());
        for seen in &seen {
            last.insert(seen.key.clone(), position(seen));
            let newest = newest.entry(seen.key.clone()).or_default();
            *newest = position(seen).max(*newest);
        }
        assert_eq!(last, newest);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_kafka_is_gone_the_reader_stays_where_it_is_and_then_nothing_is_missing() {
    let kafka = Kafka::mock();
    let (log, tail) = open_log(&Location::Memory, &TENANTS).await;
    let app = app_on(&log);
    follow(tail, vec![app.clone()]);
    let topic = kafka.topic("events");
    let running = export(&app, &kafka, &topic, Some(1));
    fill(&log, 100).await;
    exported(&log).await;
    let before = kept(&log).await;

    kafka.go_down();
    fill(&log, 2_000).await;
    sleep(Duration::from_secs(2)).await;
    assert_eq!(kept(&log).await, before);
    app.measure_export();
    assert_eq!(app.metrics.kafka_export_lag_events.get(), 4_000);
    assert!(app.metrics.kafka_export_lag_seconds.get() >= 1);

    kafka.come_back();
    exported(&log).await;
    app.measure_export();
    assert_eq!(app.metrics.kafka_export_lag_events.get(), 0);
    assert_eq!(app.metrics.kafka_export_lag_seconds.get(), 0);
    running.stop().await;
    assert_eq!(positions(&kafka.read(&topic, 4_200).await), whole(heads(&log).await));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_that_is_stopped_while_kafka_is_gone_ends_soon_and_its_successor_misses_nothing()
{
    let kafka = Kafka::mock();
    let (log, tail) = open_log(&Location::Memory, &TENANTS).await;
    let app = app_on(&log);
    follow(tail, vec![app.clone()]);
    let topic = kafka.topic("events");
    kafka.go_down();
    let running = export(&app, &kafka, &topic, Some(1));
    fill(&log, 100).await;
    sleep(Duration::from_millis(100)).await;
    let stopped = tokio::time::timeout(Duration::from_secs(8), running.stop()).await;
    assert_eq!(stopped, Ok(ExportEnd::Stopped));
    assert_eq!(kept(&log).await, [0, 0]);

    kafka.come_back();
    let running = export(&app, &kafka, &topic, Some(1));
    exported(&log).await;
    running.stop().await;
    let seen = kafka.read(&topic, 200).await;
    assert_eq!(positions(&seen), whole(heads(&log).await));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_lost_its_duties_does_not_move_the_cursor() {
    let kafka = Kafka::mock();
    let (log, tail) = open_log(&Location::Memory, &TENANTS).await;
    let app = app_on(&log);
    follow(tail, vec![app.clone()]);
    fill(&log, 10).await;
    let running = export(&app, &kafka, &kafka.topic("events"), Some(7));
    let end = tokio::time::timeout(Duration::from_secs(10), running.task).await.unwrap();
    assert_eq!(end.unwrap().unwrap(), ExportEnd::Superseded);
    assert_eq!(kept(&log).await, [0, 0]);
}

/// The brokers answer the next produce requests with these.
fn refuse(cluster: &MockCluster<'static, DefaultProducerContext>, errors: &[RDKafkaRespErr]) {
    cluster.request_errors(RDKafkaApiKey::Produce, errors);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_kafka_refuses_is_sent_again_and_so_is_what_follows_it() {
    use RDKafkaRespErr as E;
    for error in [
        E::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        E::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        E::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
        E::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
        // A batch that is too large, of records that are not.
        E::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
    ] {
        let kafka = Kafka::mock();
        let (log, tail) = open_log(&Location::Memory, &TENANTS).await;
        let app = app_on(&log);
        follow(tail, vec![app.clone()]);
        let topic = kafka.topic("events");
        fill(&log, 60).await;
        refuse(kafka.cluster(), &[error]);
        let running = export(&app, &kafka, &topic, None);
        exported(&log).await;
        running.stop().await;

        let seen = kafka.read(&topic, 120).await;
        let mut all: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
        let mut last = BTreeMap::new();
        for seen in &seen {
            all.entry(seen.header("tenant").unwrap().into()).or_default().insert(position(seen));
            last.insert(seen.key.clone(), position(seen));
        }
        let all: BTreeMap<String, Vec<u64>> =
            all.into_iter().map(|(name, set)| (name, set.into_iter().collect())).collect();
        assert_eq!(all, whole(heads(&log).await), "{error:?}");
        let newest = |key: &Option<String>| {
            seen.iter().filter(|seen| seen.key == *key).map(position).max().unwrap()
        };
        assert!(last.iter().all(|(key, at)| *at == newest(key)), "{error:?}");
        assert_eq!(app.metrics.kafka_export_dead_total.get(), 0, "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_kafka_never_takes_is_counted_and_the_others_go_on() {
    let mut kafka = Kafka::mock();
    kafka.settings.properties.push(("message.max.bytes".into(), "2000".into()));
    let (log, tail) = open_log(&Location::Memory, &TENANTS).await;
    let app = app_on(&log);
    follow(tail, vec![app.clone()]);
    let topic = kafka.topic("events");
    let acme = tenant("acme");
    for (n, bytes) in [10, 5_000, 10].into_iter().enumerate() {
        log.commit(&acme, event(1, n as u64, bytes)).await.unwrap();
    }
    let running = export(&app, &kafka, &topic, None);
    exported(&log).await;
    running.stop().await;
    assert_eq!(positions(&kafka.read(&topic, 2).await)["acme"], [1, 3]);
    assert_eq!(app.metrics.kafka_export_dead_total.get(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_is_too_large_for_the_broker_by_itself_is_counted() {
    let kafka = Kafka::mock();
    let (log, tail) = open_log(&Location::Memory, &TENANTS).await;
    let app = app_on(&log);
    follow(tail, vec![app.clone()]);
    let topic = kafka.topic("events");
    log.commit(&tenant("acme"), event(1, 1, 1)).await.unwrap();
    // With others, and by itself.
    refuse(kafka.cluster(), &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE; 2]);
    let running = export(&app, &kafka, &topic, None);
    exported(&log).await;
    log.commit(&tenant("acme"), event(1, 2, 1)).await.unwrap();
    exported(&log).await;
    running.stop().await;
    assert_eq!(positions(&kafka.read(&topic, 1).await)["acme"], [2]);
    assert_eq!(app.metrics.kafka_export_dead_total.get(), 1);
}
