//! The alert rules under `deploy/` speak of metrics, labels and paths that there are, and each
//! says what to do. Whether an expression means what it should is Prometheus' business
//! (`promtool check rules`).

use std::fs;
use std::path::Path;

use switchboard::http::openapi;
use switchboard::model::{AgentStatus, Error};
use switchboard::telemetry;

/// What is no metric of ours: Prometheus' own, and the blackbox exporter's.
const FOREIGN: &[&str] = &["up", "probe_success"];
const SEVERITIES: &[&str] = &["critical", "warning", "info"];

/// A rule, as far as it is looked at: its name, its expression, and its other lines.
struct Rule {
    name: String,
    expr: String,
    fields: Vec<(String, String)>,
}

impl Rule {
    fn field(&self, key: &str) -> &str {
        self.fields.iter().find(|(k, _)| k == key).map_or("", |(_, value)| value)
    }
}

fn text() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus/alerts.yml");
    fs::read_to_string(path).unwrap()
}

/// Reads the shape of YAML that the file keeps to, and refuses any other.
fn rules(text: &str) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    let mut is_in_expr = false;
    for line in text.lines().filter(|l| !l.trim_start().starts_with('#') && !l.is_empty()) {
        assert!(!line.contains('\t') && line.trim_end() == line, "blanks: {line:?}");
        let indent = line.len() - line.trim_start().len();
        assert_eq!(indent % 2, 0, "{line:?}");
        if is_in_expr && indent == 10 {
            let rule = rules.last_mut().unwrap();
            rule.expr = format!("{} {}", rule.expr, line.trim());
            continue;
        }
        let (key, value) = line.trim().split_once(':').unwrap_or_else(|| panic!("{line:?}"));
        let value = value.trim();
        is_in_expr = key == "expr";
        match (indent, key) {
            (0, "groups") | (2, "- name") | (4, "rules") | (8, "labels" | "annotations") => {}
            (6, "- alert") => {
                let name = value.to_owned();
                rules.push(Rule { name, expr: String::new(), fields: vec![] });
            }
            (8, "expr") => rules.last_mut().unwrap().expr = value.trim_start_matches(">-").into(),
            (8, "for") | (10, "severity" | "summary" | "description") => {
                let field = (key.to_owned(), value.to_owned());
                rules.last_mut().unwrap().fields.push(field);
            }
            _ => panic!("not a line of a rule: {line:?}"),
        }
    }
    rules
}

/// The words of an expression outside its quotes, each with what stands before it.
fn words(expr: &str) -> Vec<(&str, &str)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = expr[at..].find(|c: char| is_word(c) || c == '"').map(|n| at + n) {
        let rest = &expr[start..];
        at = match rest.strip_prefix('"') {
            Some(quoted) => start + 2 + quoted.find('"').unwrap(),
            None => start + rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
        };
        found.push((&expr[..start], &expr[start..at]));
    }
    found.retain(|(_, word)| !word.starts_with('"'));
    found
}

/// What is wrong with how an expression speaks of our metrics.
pub(super) fn wrong_metrics(expr: &str) -> Vec<String> {
    let catalogue = telemetry::catalogue();
    let kind_of = |word: &str| {
        let plain = catalogue.iter().find(|(name, kind, _)| *name == word && *kind != "histogram");
        let part = ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end));
        let histogram =
            catalogue.iter().find(|(name, kind, _)| Some(*name) == part && *kind == "histogram");
        plain.or(histogram).map(|(_, kind, _)| *kind)
    };
    let mut wrong = Vec::new();
    for (before, word) in words(expr).into_iter().filter(|(_, w)| w.starts_with("switchboard")) {
        let is_rate = before.ends_with("rate(") || before.ends_with("increase(");
        match kind_of(word) {
            None => wrong.push(format!("there is no {word}")),
            Some("gauge") if is_rate => wrong.push(format!("{word} goes up and down")),
            Some("counter" | "histogram") if !is_rate => {
                wrong.push(format!("{word} only ever rises"));
            }
            Some(_) => {}
        }
    }
    wrong
}

/// The values that an expression wants of a label.
fn values<'a>(expr: &'a str, label: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    for operator in ["=\"", "=~\""] {
        for (at, matched) in expr.match_indices(&format!("{label}{operator}")) {
            let value = expr[at + matched.len()..].split('"').next().unwrap();
            found.extend(value.split('|'));
        }
    }
    found
}

#[test]
fn every_rule_says_how_bad_it_is_and_what_to_do() {
    let rules = rules(&text());
    assert!(rules.len() > 10);
    for rule in &rules {
        let name = &rule.name;
        assert!(name.starts_with("Switchboard"), "{name}");
        assert_eq!(rules.iter().filter(|r| r.name == *name).count(), 1, "{name} twice");
        assert!(SEVERITIES.contains(&rule.field("severity")), "{name}");
        for key in ["summary", "description"] {
            let value = rule.field(key);
            assert!(value.len() > 20 && value.starts_with('"') && value.ends_with('"'), "{name}");
        }
        assert!(rule.expr.len() > 10, "{name}");
    }
}

#[test]
fn the_metrics_of_every_rule_exist_and_are_used_as_what_they_are() {
    let mut wrong = Vec::new();
    for rule in rules(&text()) {
        let is_ours = words(&rule.expr).iter().any(|(_, word)| word.starts_with("switchboard_"));
        let is_foreign = words(&rule.expr).iter().any(|(_, word)| FOREIGN.contains(word));
        assert!(is_ours || is_foreign, "{} speaks of nothing: {}", rule.name, rule.expr);
        wrong.extend(wrong_metrics(&rule.expr).iter().map(|w| format!("{}: {w}", rule.name)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_metric_that_is_not_there_or_used_as_another_kind_is_seen() {
    for expr in [
        "switchboard_agent > 0",
        "switchboard_commit_seconds > 1",
        "switchboard_agents_total > 1",
        "rate(switchboard_agents_bucket[5m]) > 1",
        "rate(switchboard_waiting[5m]) > 1",
        "switchboard_faults_total > 1",
    ] {
        assert_eq!(wrong_metrics(expr).len(), 1, "{expr}");
    }
    for expr in [
        "switchboard_waiting{department=\"switchboard_nothing\"} > 0",
        "increase(switchboard_faults_total[5m]) > 0",
        "sum by (le) (rate(switchboard_commit_seconds_bucket[5m]))",
    ] {
        assert!(wrong_metrics(expr).is_empty(), "{expr}");
    }
}

#[test]
fn the_labels_of_every_rule_have_values_that_occur() {
    let document = openapi::document();
    let codes: Vec<_> = Error::samples().iter().map(Error::code).collect();
    let mut checked = 0;
    for rule in rules(&text()) {
        let Rule { name, expr, .. } = &rule;
        for code in values(expr, "code") {
            assert!(codes.contains(&code), "{name}: {code}");
            checked += 1;
        }
        for path in values(expr, "path") {
            assert!(document.paths.paths.contains_key(path), "{name}: {path}");
            checked += 1;
        }
        for status in values(expr, "status") {
            assert!(AgentStatus::parse(status).is_some(), "{name}: {status}");
            checked += 1;
        }
    }
    assert!(checked > 5, "{checked}");
}
