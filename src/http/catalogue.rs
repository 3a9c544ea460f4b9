//! The catalogue of events for programs: each event with its payload as a JSON Schema. Owns
//! `docs/reference/events.schema.json` and how a frame of the hub looks; what happens, and to whom
//! it is told, is the model's (`src/model/event.rs`). To add an event is to add it there.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::model::{Event, Facts, PayloadSchema};

/// Where a schema of this name is, in an OpenAPI or AsyncAPI document.
pub(super) const IN_COMPONENTS: &str = "#/components/schemas/";
/// And in a JSON Schema.
const IN_DEFS: &str = "#/$defs/";

/// An event as listeners know it: the real one, and the form of it that is only announced.
pub struct Entry {
    /// What the catalogue says of it.
    pub facts: &'static Facts,
    /// What it says of the announced form, if there is one.
    pub announced: Option<&'static Facts>,
}

/// Every event, in the order of the catalogue.
pub fn entries() -> impl Iterator<Item = Entry> {
    let all = || Event::catalogue().map(|(_, facts)| facts);
    all().filter(|facts| !facts.is_announcement()).map(move |facts| Entry {
        facts,
        announced: all()
            .find(|other| other.is_announcement() && other.public_name() == facts.public_name()),
    })
}

/// The whole catalogue as a JSON Schema with the events beside its `$defs`: pretty JSON.
pub fn document() -> String {
    let (mut defs, mut events) = (Map::new(), Map::new());
    for Entry { facts, announced } in entries() {
        let mut event = json!({
            "description": facts.about,
            "durable": facts.is_durable,
            "roles": facts.roles,
            "producible": facts.is_producible(),
            "payload": in_defs((facts.schema)(), &mut defs),
        });
        if let Some(announced) = announced {
            event["announced"] = in_defs((announced.schema)(), &mut defs);
        }
        events.insert(facts.name.to_owned(), event);
    }
    let document = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": defs,
        "events": events,
    });
    format!("{document:#}\n")
}

/// A payload's schema, whose parts go to `$defs`.
fn in_defs(payload: PayloadSchema, defs: &mut Map<String, Value>) -> Value {
    for (name, schema) in payload.parts {
        defs.insert(name, moved(value_of(&schema)));
    }
    moved(value_of(&payload.schema))
}

/// What cannot be written as JSON does not occur in a schema; `true` allows anything.
pub(super) fn value_of(schema: &impl Serialize) -> Value {
    serde_json::to_value(schema).unwrap_or(Value::Bool(true))
}

/// The same schema, with references into `$defs`.
fn moved(schema: Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(key, value)| match value {
                Value::String(to) if key == "$ref" => {
                    (key, Value::String(to.replace(IN_COMPONENTS, IN_DEFS)))
                }
                value => (key, moved(value)),
            });
            Value::Object(fields.collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(moved).collect()),
        other => other,
    }
}

/// A frame of the hub that tells of an event, as samples show it.
#[derive(Serialize)]
pub struct SampleFrame<'a> {
    #[serde(flatten)]
    event: &'a Event,
    id: &'static str,
    timestamp: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<&'static str>,
}

impl SampleFrame<'_> {
    /// The frame of this event.
    pub fn of(event: &Event) -> SampleFrame<'_> {
        let (id, cursor) = match event.facts().is_durable {
            true => (SAMPLE_DURABLE_ID, Some(SAMPLE_CURSOR)),
            false => (SAMPLE_ID, None),
        };
        SampleFrame { event, id, timestamp: SAMPLE_TIME, cursor }
    }
}

pub(super) const SAMPLE_ID: &str = "01949802-3b8c-7180-a193-d0be7092ab34";
/// As the model makes the id of what is in the log, unless its producer gave it one.
const SAMPLE_DURABLE_ID: &str = "evt_Lc16fe4e1-6";
pub(super) const SAMPLE_TIME: &str = "2025-01-24T10:30:00.132Z";
pub(super) const SAMPLE_CURSOR: &str = "Lc16fe4e1-6";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_name_stands_for_one_schema_only() {
        let mut known: BTreeMap<String, Value> = BTreeMap::new();
        for (_, facts) in Event::catalogue() {
            let payload = (facts.schema)();
            let own = (payload.name.into_owned(), payload.schema);
            for (name, schema) in [own].into_iter().chain(payload.parts) {
                let schema = value_of(&schema);
                let first = known.entry(name.clone()).or_insert_with(|| schema.clone());
                assert_eq!(*first, schema, "{name}");
            }
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_field_is_explained() {
        let document: Value = serde_json::from_str(&document()).unwrap();
        let text = document.to_string();
        for rest in text.split("\"$ref\":\"#").skip(1) {
            let pointer = rest.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
        for (name, event) in document["events"].as_object().unwrap() {
            for form in ["payload", "announced"].iter().filter_map(|form| event.get(form)) {
                for (field, schema) in form["properties"].as_object().unwrap() {
                    let nullable = schema["oneOf"].as_array().into_iter().flatten();
                    let mut places = [schema].into_iter().chain(nullable);
                    let is_explained = places.any(|place| place["description"].is_string());
                    assert!(is_explained, "{name}: {field}");
                }
            }
        }
    }

    #[test]
    fn what_is_announced_goes_under_the_name_of_the_real_thing() {
        let forms = entries().filter(|entry| entry.announced.is_some());
        let names: Vec<_> = forms.map(|entry| entry.facts.name).collect();
        let announced = [
            "chat.session.started",
            "chat.message",
            "chat.typing",
            "chat.session.ended",
            "chat.transferred",
            "agent.state.changed",
        ];
        assert_eq!(names, announced);
        assert!(entries().all(|entry| !entry.facts.is_announcement()));
    }
}
