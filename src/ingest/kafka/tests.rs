//! Events from a Kafka: the mock cluster in this process, and the broker of
//! `SWITCHBOARD_TEST_KAFKA`.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::consumer::Consumer;
use super::{Ingest, serve};
use crate::app::kafka_testing::{Kafka, Names, Seen, app_on, open_log, until};
use crate::limits::EVENT_PAYLOAD_BYTES_MAX;
use crate::log::{Location, Log, Reading};
use crate::model::{Event, TenantId};
use crate::sink::kafka::BadSettings;

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

fn ingest(kafka: &Kafka, group: &str) -> Ingest {
    Ingest {
        settings: kafka.settings.clone(),
        topic: kafka.name("calls"),
        group: kafka.name(group),
        dead_letter_topic: kafka.name("dead"),
        default_tenant: Some(tenant("default")),
    }
}

struct Running {
    until: CancellationToken,
    task: JoinHandle<Result<(), BadSettings>>,
}

fn run(log: &Arc<dyn Log>, ingest: &Ingest) -> Running {
    let until = CancellationToken::new();
    let task = tokio::spawn(serve(app_on(log), ingest.clone(), until.clone()));
    Running { until, task }
}

impl Running {
    async fn stop(self) {
        self.until.cancel();
        self.task.await.unwrap().unwrap();
    }
}

fn ended(call: &str, duration: u64) -> String {
    format!(
        r#"{{"type": "call.ended", "payload": {{"unique_id": "{call}", "duration": {duration}}}}}"#
    )
}

/// A log whose tail nobody needs.
async fn quiet_log(location: &Location, tenants: &[&str]) -> Arc<dyn Log> {
    let (log, mut tail) = open_log(location, tenants).await;
    tokio::spawn(async move { while tail.recv().await.is_some() {} });
    log
}

fn with_id(event: &str, id: &str) -> String {
    format!("{}, \"id\": \"{id}\"}}", event.strip_suffix('}').unwrap())
}

/// The calls in a tenant's log with their durations, in its order.
async fn calls(log: &Arc<dyn Log>, of: &str) -> Vec<(String, u64)> {
    let page = log.read(&tenant(of), Reading::All, 0, 10_000).await.unwrap();
    let call = |event: &Event| match event {
        Event::Call(crate::model::Call::CallEnded(e)) => Some((e.unique_id.clone(), e.duration)),
        _ => None,
    };
    page.events.iter().filter_map(|envelope| call(&envelope.event)).collect()
}

async fn has_calls(log: &Arc<dyn Log>, of: &str, count: usize) {
    until("the calls are in the log", async || calls(log, of).await.len() >= count).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_posted_for_their_tenants_in_their_order() {
    for kafka in Kafka::each() {
        let log = quiet_log(&Location::Memory, &["default", "acme"]).await;
        let topic = kafka.topic("calls");
        let first: Vec<String> = (0..40).map(|n| ended("a", n)).collect();
        let records: Vec<_> =
            first.iter().map(|event| ("a", event.as_str(), [("tenant", "acme")])).collect();
        let records: Vec<_> = records.iter().map(|(k, v, h)| (*k, *v, h.as_slice())).collect();
        kafka.put(&topic, &records).await;
        let many = format!(r#"{{"events": [{}, {}]}}"#, ended("b", 1), ended("b", 2));
        kafka.put(&topic, &[("b", &many, &[])]).await;
        kafka.topic("dead");

        let running = run(&log, &ingest(&kafka, "one"));
        has_calls(&log, "acme", 40).await;
        has_calls(&log, "default", 2).await;
        // And what comes while it runs.
        kafka.put(&topic, &[("c", &ended("c", 3), &[])]).await;
        has_calls(&log, "default", 3).await;
        running.stop().await;
        let expected: Vec<_> = (0..40).map(|n| ("a".to_owned(), n)).collect();
        assert_eq!(calls(&log, "acme").await, expected);
        let mut found = calls(&log, "default").await;
        found.sort();
        assert_eq!(found, [("b".into(), 1), ("b".into(), 2), ("c".into(), 3)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_goes_on_behind_what_the_log_has() {
    for kafka in Kafka::each() {
        let log = quiet_log(&Location::Memory, &["default"]).await;
        let topic = kafka.topic("calls");
        let ingest = ingest(&kafka, "one");
        kafka.put(&topic, &[("a", &ended("a", 1), &[])]).await;
        let running = run(&log, &ingest);
        has_calls(&log, "default", 1).await;
        running.stop().await;

        // Another log, so that a record that came again would be seen.
        let other = quiet_log(&Location::Memory, &["default"]).await;
        kafka.put(&topic, &[("a", &ended("a", 2), &[])]).await;
        let running = run(&other, &ingest);
        has_calls(&other, "default", 1).await;
        running.stop().await;
        assert_eq!(calls(&other, "default").await, [("a".into(), 2)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_kafka_brings_again_is_in_the_log_once() {
    for kafka in Kafka::each() {
        let log = quiet_log(&Location::Memory, &["default"]).await;
        let topic = kafka.topic("calls");
        let (plain, known) = (ended("a", 1), with_id(&ended("a", 2), "x-1"));
        let many = format!(r#"{{"events": [{}, {}]}}"#, ended("b", 1), ended("b", 1));
        // Said twice by its producer with an id, and without one.
        for value in [&plain, &known, &many, &known, &plain] {
            kafka.put(&topic, &[("a", value, &[])]).await;
        }
        // A group that never committed anything gets all of it again.
        for (round, group) in ["one", "two"].into_iter().enumerate() {
            // Behind all of it, in the same partition: once it is there, so is what came before.
            let end = ("end".to_owned(), round as u64);
            kafka.put(&topic, &[("a", &ended(&end.0, end.1), &[])]).await;
            let running = run(&log, &ingest(&kafka, group));
            until("all came", async || calls(&log, "default").await.contains(&end)).await;
            running.stop().await;
        }
        let expected = [("a", 1), ("a", 2), ("b", 1), ("b", 1), ("a", 1), ("end", 0), ("end", 1)];
        assert_eq!(calls(&log, "default").await, expected.map(|(call, n)| (call.to_owned(), n)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_nodes_share_the_work_and_double_nothing() {
    for kafka in Kafka::each() {
        let log = quiet_log(&Location::Memory, &["default"]).await;
        let topic = kafka.topic("calls");
        let ingest = ingest(&kafka, "one");
        let events: Vec<_> = (0..300).map(|n| (format!("call-{n}"), ended("a", n))).collect();
        let (head, tail) = events.split_at(150);
        let records = |part: &[(String, String)]| -> Vec<(String, String)> { part.to_vec() };
        let first = run(&log, &ingest);
        for (key, value) in records(head) {
            kafka.put(&topic, &[(&key, &value, &[])]).await;
        }
        // Partitions change hands while records are under way.
        let second = run(&log, &ingest);
        for (key, value) in records(tail) {
            kafka.put(&topic, &[(&key, &value, &[])]).await;
        }
        has_calls(&log, "default", 150).await;
        first.stop().await;
        has_calls(&log, "default", 300).await;
        second.stop().await;
        let mut found: Vec<_> = calls(&log, "default").await.into_iter().map(|(_, n)| n).collect();
        found.sort_unstable();
        assert_eq!(found, (0..300).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_an_event_is_a_dead_letter_with_the_reason() {
    for kafka in Kafka::each() {
        let log = quiet_log(&Location::Memory, &["default"]).await;
        let topic = kafka.topic("calls");
        let dead = kafka.topic("dead");
        let long = "x".repeat(EVENT_PAYLOAD_BYTES_MAX);
        let known = with_id(&ended("a", 1), "x-1");
        let cases: &[(&str, Names, &str)] = &[
            ("{", &[], "malformed: expected an event"),
            (r#"{"type": "call.endet", "payload": {}}"#, &[], "unknown_event: unknown event"),
            (
                r#"{"type": "call.ended", "payload": {"unique_id": "a", "duration": 1, "x": 1}}"#,
                &[],
                "invalid: payload.x: ",
            ),
            (
                r#"{"type": "call.ended", "payload": {"unique_id": "a"}}"#,
                &[],
                "invalid: payload: missing field `duration`",
            ),
            (
                r#"{"type": "routing.decided", "payload": {}}"#,
                &[],
                "invalid: type: routing.decided",
            ),
            (&ended("a", 9), &[("tenant", "nobody")], "not_found: tenant not found"),
            (&ended("a", 9), &[("tenant", "no one")], "invalid: header tenant: "),
            (&ended(&long, 9), &[], "too_large: "),
            ("", &[], "malformed: the record has no value"),
            (
                &format!(r#"{{"events": [{}, {{"type": "alert"}}]}}"#, ended("good", 2)),
                &[],
                "malformed: events[1]: missing field `payload`",
            ),
            (&with_id(&ended("a", 2), "x-1"), &[], "conflict: id \"x-1\" came with another"),
        ];
        kafka.put(&topic, &[("same", &known, &[])]).await;
        for (value, headers, _) in cases {
            kafka.put(&topic, &[("same", value, headers)]).await;
        }
        kafka.put(&topic, &[("same", &ended("last", 3), &[])]).await;
        let running = run(&log, &ingest(&kafka, "one"));
        let seen = kafka.read(&dead, cases.len()).await;
        has_calls(&log, "default", 3).await;
        running.stop().await;

        let of = |value: &str, error: &str| -> Option<&Seen> {
            let is_it = |seen: &&Seen| {
                seen.value.as_deref().unwrap_or_default() == value
                    && seen.header("error").is_some_and(|told| told.starts_with(error))
            };
            seen.iter().find(is_it)
        };
        for (value, headers, error) in cases {
            let found = of(value, error);
            let told: Vec<_> = seen.iter().map(|seen| seen.header("error")).collect();
            let found = found.unwrap_or_else(|| panic!("{error}: {told:?}"));
            assert_eq!(found.key.as_deref(), Some("same"));
            assert!(found.header("source").unwrap().starts_with(&format!("{topic}/")), "{error}");
            for (name, value) in *headers {
                assert_eq!(found.header(name), Some(*value));
            }
        }
        assert_eq!(seen.len(), cases.len());
        let expected = [("a", 1), ("good", 2), ("last", 3)];
        assert_eq!(calls(&log, "default").await, expected.map(|(call, n)| (call.to_owned(), n)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_log_fails_nothing_is_skipped() {
    let kafka = Kafka::mock();
    let dir = tempfile::tempdir().unwrap();
    let location = Location::Sqlite(dir.path().join("log.db"));
    let topic = kafka.topic("calls");
    kafka.topic("dead");
    let ingest = ingest(&kafka, "one");
    let log = quiet_log(&location, &["default"]).await;
    log.close().await;
    let running = run(&log, &ingest);
    for n in 0..20 {
        kafka.put(&topic, &[("a", &ended("a", n), &[])]).await;
    }
    // Longer than it waits before it pauses.
    sleep(Duration::from_secs(3)).await;
    running.stop().await;
    drop(log);

    let log = quiet_log(&location, &[]).await;
    assert_eq!(calls(&log, "default").await, []);
    let running = run(&log, &ingest);
    has_calls(&log, "default", 20).await;
    running.stop().await;
    let expected: Vec<_> = (0..20).map(|n| ("a".to_owned(), n)).collect();
    assert_eq!(calls(&log, "default").await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_while_the_partitions_are_paused_comes_afterwards_in_order() {
    for kafka in Kafka::each() {
        let topic = kafka.topic("calls");
        let mut consumer = Consumer::open(&ingest(&kafka, "one")).unwrap();
        kafka.put(&topic, &[("a", "0", &[])]).await;
        let first = consumer.next().await.unwrap();
        assert_eq!(first[0].value.as_deref(), Some(b"0".as_slice()));
        let work = async {
            for n in 1..30 {
                kafka.put(&topic, &[("a", &n.to_string(), &[])]).await;
            }
            sleep(Duration::from_secs(2)).await;
        };
        consumer.alive_while(work).await;
        let mut found = Vec::new();
        while found.len() < 29 {
            for record in consumer.next().await.unwrap() {
                let text = String::from_utf8(record.value.unwrap()).unwrap();
                found.push(text.parse::<u32>().unwrap());
            }
        }
        assert_eq!(found, (1..30).collect::<Vec<_>>());
        tokio::task::spawn_blocking(move || drop(consumer)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_dead_letter_topic_what_is_wrong_is_left_out() {
    let kafka = Kafka::mock();
    let log = quiet_log(&Location::Memory, &["default"]).await;
    let topic = kafka.topic("calls");
    kafka.put(&topic, &[("a", "{", &[]), ("a", &ended("a", 1), &[])]).await;
    let ingest = Ingest { dead_letter_topic: String::new(), ..ingest(&kafka, "one") };
    let running = run(&log, &ingest);
    has_calls(&log, "default", 1).await;
    running.stop().await;
}
