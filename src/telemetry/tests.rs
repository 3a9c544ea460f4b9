//! What is counted can be read, and what is logged says nothing it must not.

use std::sync::Mutex;

use super::*;
use crate::config::{Log, LogFormat};

#[test]
fn every_metric_of_the_catalogue_is_exposed_with_its_kind() {
    let metrics = Metrics::new();
    metrics.kafka_ingested(1, 1);
    metrics.nodes_are(&Between { words: [1, 2, 3], ..Between::default() });
    metrics.opened(Dialect::Session);
    metrics.closed(Dialect::Session, CloseReason::SlowConsumer);
    metrics.refused(&Error::MethodNotAllowed);
    metrics.answered(&Method::GET, Some("/health"), StatusCode::OK, Duration::ZERO);
    metrics.bot_answered("faq", "answered", Duration::ZERO);
    metrics.heartbeat(true);
    metrics.posted(2, 1);
    let of = ByTenant { tenant: "default".into() };
    metrics.ami_connected.get_or_create(&of).set(1);
    metrics.ami_disconnects_total.get_or_create(&of).inc();
    metrics.ami_events_total.get_or_create(&of).inc();
    metrics.webhook_tried(true, Duration::from_millis(5));
    metrics.routed("assigned");
    metrics.department(&DepartmentFigures {
        tenant: "default",
        department: "",
        agents: [("online", 1), ("busy", 0), ("away", 0)],
        waiting: 1,
        longest_wait_seconds: 2,
        is_empty: false,
    });
    let text = metrics.encode();
    for (name, kind, help) in catalogue() {
        let family = name.trim_end_matches("_total");
        assert!(text.contains(&format!("# TYPE {family} {kind}\n")), "{name}\n{text}");
        assert!(text.contains(&format!("# HELP {family} {help}\n")), "{name}\n{text}");
        let sampled = text.lines().any(|l| l.starts_with(name) && !l.starts_with('#'));
        assert!(sampled, "{name} has no sample\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn a_connection_is_counted_from_its_opening_to_its_end() {
    let metrics = Metrics::new();
    metrics.opened(Dialect::Session);
    metrics.opened(Dialect::Session);
    metrics.clone().closed(Dialect::Session, CloseReason::SlowConsumer);
    let text = metrics.encode();
    for line in [
        "switchboard_connections{dialect=\"session\"} 1\n",
        "switchboard_connections_opened_total{dialect=\"session\"} 2\n",
        "switchboard_slow_consumers_total 1\n",
        "connections_closed_total{dialect=\"session\",reason=\"slow consumer\"} 1\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
}

#[test]
fn a_fault_is_a_refusal_and_a_fault() {
    let metrics = Metrics::new();
    metrics.refused(&Error::Fault { id: "1".into() });
    let text = metrics.encode();
    assert!(text.contains("switchboard_refusals_total{code=\"internal\"} 1\n"), "{text}");
    assert!(text.contains("switchboard_faults_total 1\n"), "{text}");
}

#[test]
fn a_request_is_counted_by_its_route_and_invented_methods_together() {
    let metrics = Metrics::new();
    let odd = Method::from_bytes(b"BREW").unwrap();
    metrics.answered(&odd, None, StatusCode::NOT_FOUND, Duration::from_millis(3));
    let text = metrics.encode();
    let labels = "{method=\"other\",path=\"unmatched\",status=\"404\"} 1\n";
    assert!(text.contains(&format!("switchboard_http_requests_total{labels}")), "{text}");
    let bucket = "http_request_seconds_bucket{le=\"0.005\",path=\"unmatched\"} 1\n";
    assert!(text.contains(bucket), "{text}");
}

#[test]
fn a_scrape_begins_a_new_maximum_of_the_outboxes() {
    let metrics = Metrics::new();
    metrics.outbox_depth(7);
    metrics.outbox_depth(3);
    assert!(metrics.encode().contains("switchboard_outbox_depth_max 7\n"));
    assert!(metrics.encode().contains("switchboard_outbox_depth_max 0\n"));
}

#[test]
fn the_process_has_memory() {
    assert!(resident_memory_bytes().unwrap() > 1_024 * 1_024);
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn logged(format: LogFormat, level: &str) -> String {
    let lines = Lines::default();
    let writer = lines.clone();
    let log = Log { format, level: level.into() };
    let dispatch = lines::subscriber(&log, move || writer.clone(), false).unwrap();
    tracing::dispatcher::with_default(&dispatch, || {
        tracing::info!(user = "u1", "connected");
        tracing::debug!("detail");
    });
    let bytes = lines.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_log_line_is_text_or_one_json_object() {
    let text = logged(LogFormat::Text, "info");
    assert!(text.contains("connected user=\"u1\"") && text.lines().count() == 1, "{text}");
    let json: serde_json::Value = serde_json::from_str(&logged(LogFormat::Json, "info")).unwrap();
    assert_eq!((&json["message"], &json["user"]), (&"connected".into(), &"u1".into()));
    assert_eq!(json["level"], "INFO");
}

#[test]
fn the_level_takes_filters_per_module() {
    assert_eq!(logged(LogFormat::Text, "error,switchboard=debug").lines().count(), 2);
    assert_eq!(logged(LogFormat::Text, "debug,switchboard=warn"), "");
}
