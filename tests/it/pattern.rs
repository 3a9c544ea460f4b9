//! Patterns of frames: JSON with placeholders.
//!
//! A pattern's object matches one with more fields, unless the match is exact; arrays and plain
//! values match themselves. A text of one placeholder stands for a value: `{any}`, `{absent}`,
//! `{uuid}`, `{number}`, `{cursor}`, `{time:s}` and `{time:ms}` (RFC 3339 in UTC, with seconds or
//! milliseconds), and `{=name}`, which takes any value and keeps it under that name.

use std::collections::BTreeMap;

use serde_json::Value;

/// Values kept by `{=name}`.
pub type Names = BTreeMap<String, String>;

/// Whether `value` is as `pattern` says; if not, where it differs.
pub fn check(
    pattern: &Value,
    value: &Value,
    is_exact: bool,
    names: &mut Names,
) -> Result<(), String> {
    match (pattern, value) {
        (Value::String(text), _) if text.starts_with('{') && text.ends_with('}') => {
            check_placeholder(&text[1..text.len() - 1], value, names)
        }
        (Value::Object(wanted), Value::Object(got)) => {
            for (key, pattern) in wanted {
                match got.get(key) {
                    None if pattern == "{absent}" => {}
                    None => return Err(format!("{key} is missing")),
                    Some(value) => check(pattern, value, is_exact, names)
                        .map_err(|why| format!("{key}: {why}"))?,
                }
            }
            match got.keys().find(|key| is_exact && !wanted.contains_key(*key)) {
                Some(key) => Err(format!("{key} is not expected")),
                None => Ok(()),
            }
        }
        (Value::Array(wanted), Value::Array(got)) if wanted.len() == got.len() => {
            for (index, (pattern, value)) in wanted.iter().zip(got).enumerate() {
                check(pattern, value, is_exact, names)
                    .map_err(|why| format!("[{index}]: {why}"))?;
            }
            Ok(())
        }
        _ if pattern == value => Ok(()),
        _ => Err(format!("expected {pattern}, got {value}")),
    }
}

fn check_placeholder(name: &str, value: &Value, names: &mut Names) -> Result<(), String> {
    let text = value.as_str().unwrap_or_default();
    let fits = match name {
        "any" => true,
        "absent" => false,
        "uuid" => uuid::Uuid::try_parse(text).is_ok() && text.len() == 36,
        "number" => value.is_u64(),
        // Opaque, and never all digits, so that it cannot be taken for a seq.
        "cursor" => !text.is_empty() && !text.bytes().all(|b| b.is_ascii_digit()),
        "time:s" => is_time(text, "2025-01-24T10:30:00Z".len()),
        "time:ms" => is_time(text, "2025-01-24T10:30:00.000Z".len()),
        _ => match name.strip_prefix('=') {
            Some(name) => {
                let kept = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                names.insert(name.to_owned(), kept);
                true
            }
            None => return Err(format!("no such placeholder: {{{name}}}")),
        },
    };
    if fits { Ok(()) } else { Err(format!("expected {{{name}}}, got {value}")) }
}

fn is_time(text: &str, length: usize) -> bool {
    text.len() == length && text.ends_with('Z') && switchboard::model::Moment::parse(text).is_some()
}

#[test]
fn a_pattern_sees_what_is_missing_wrong_or_too_much() {
    let got = serde_json::json!({"a": 1, "b": {"c": "x", "at": "2025-01-24T10:30:00Z"}});
    let fits = |pattern: Value, is_exact| check(&pattern, &got, is_exact, &mut Names::new());
    assert_eq!(fits(serde_json::json!({"b": {"at": "{time:s}"}}), false), Ok(()));
    for wrong in [
        serde_json::json!({"a": 2}),
        serde_json::json!({"a": "{absent}"}),
        serde_json::json!({"z": "{any}"}),
        serde_json::json!({"b": {"at": "{time:ms}"}}),
        serde_json::json!({"b": {"c": "{uuid}"}}),
        serde_json::json!({"b": {"c": "{number}"}}),
    ] {
        assert!(fits(wrong.clone(), false).is_err(), "{wrong}");
    }
    assert!(fits(serde_json::json!({"a": 1, "b": {"c": "x"}}), true).is_err(), "at is too much");
}
