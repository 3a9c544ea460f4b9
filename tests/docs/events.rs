//! `docs/events.md`: every event and every frame of the hub, for people. All of it comes from the
//! catalogue and from the description of the frames; how it is put is decided here.

use std::fmt::Write as _;

use serde_json::{Map, Value};
use switchboard::http::asyncapi::frames::{self, Sender};
use switchboard::http::asyncapi::made_by;
use switchboard::http::catalogue::{self, Entry, SampleFrame};
use switchboard::model::{Event, Facts};

const INTRO: &str = "\
# Events

Everything that happens and is told to somebody. This is how the hub (`/ws`, `/ws/public`) tells it: one
JSON object in one text message, `{type, payload, id, timestamp}` and, on durable events, `cursor`. What
another socket dialect makes of an event is in its page under [protocols](protocols/).

- *Durable* events are in the tenant's log, in order, and can be read again from a `cursor`. A *volatile* one
  may be missed by a slow reader, and is gone afterwards.
- *Heard by* are the roles that may hear an event at all. An agent hears of the conversations it has or may
  take, a customer of its own alone, and what is addressed to a user is for that user. Who names no events hears
  all of them but `audit.*`, `routing.*` and `presence.*`, which must be asked for.
- *Made by*: \"the server\" means of what it sees itself; \"producers\" are those who post to
  `POST /api/events`, and the connector to the telephone system.
- Fields that are there *always* may still be null where the type says so. Take fields you do not know for
  additions. Times are RFC 3339 in UTC with milliseconds; ids that are no UUID are 1 to 128 characters.
- *Source* is the description that asks for an event: one of the documents 000 to 004 that Switchboard began
  with, or a section of its contract.

For programs: [JSON Schemas](reference/events.schema.json) of every payload, an AsyncAPI 3 document of the
hub at `/asyncapi.json`, and `switchboard events --json`.

";

/// The whole page.
pub(super) fn page() -> String {
    let families = families();
    let mut text = INTRO.to_owned();
    text += "| event | kept | heard by | made by |\n|---|---|---|---|\n";
    for Entry { facts, .. } in families.iter().flat_map(|(_, entries)| entries) {
        let (link, made_by) = (link(facts.name), made_by(facts.maker));
        let _ = writeln!(text, "| {link} | {} | {} | {made_by} |", kept(facts), heard_by(facts));
    }
    text += "\n[Frames that tell of no event](#frames-of-the-protocol) and the [types](#types) come last.\n";
    let samples = Event::samples();
    for (family, entries) in &families {
        let _ = write!(text, "\n## {family}\n");
        for entry in entries {
            text += &event(entry, &samples);
        }
    }
    text + &protocol() + &types()
}

/// The events by the first word of their names, in the order of the catalogue.
fn families() -> Vec<(&'static str, Vec<Entry>)> {
    let mut families: Vec<(&str, Vec<Entry>)> = Vec::new();
    for entry in catalogue::entries() {
        let family = entry.facts.name.split('.').next().unwrap();
        match families.iter_mut().find(|(name, _)| *name == family) {
            Some((_, entries)) => entries.push(entry),
            None => families.push((family, vec![entry])),
        }
    }
    families
}

/// A link to the heading of a name, as GitHub makes its anchors.
fn link(name: &str) -> String {
    format!("[`{name}`](#{})", name.replace('.', ""))
}

fn kept(facts: &Facts) -> &'static str {
    if facts.is_durable { "durable" } else { "volatile" }
}

fn heard_by(facts: &Facts) -> String {
    let roles: Vec<&str> = facts.roles.iter().map(|role| role.as_str()).collect();
    roles.join(", ")
}

fn event(Entry { facts, announced }: &Entry, samples: &[Event]) -> String {
    let mut text = format!("\n### {}\n\n{}\n\n", facts.name, facts.about);
    let (kept, roles, makers) = (kept(facts), heard_by(facts), made_by(facts.maker));
    let source = facts.source;
    let _ = write!(
        text,
        "Kept: {kept}. Heard by: {roles}. Made by: {makers}. Source: {source}.\n\n{}",
        form(facts, samples)
    );
    if let Some(announced) = announced {
        let (about, roles) = (announced.about, heard_by(announced));
        let form = form(announced, samples);
        let _ = write!(text, "\n**Announced**: {about} Heard by: {roles}.\n\n{form}");
    }
    text
}

/// The fields of a payload, and a frame with one.
fn form(facts: &Facts, samples: &[Event]) -> String {
    let schema = serde_json::to_value((facts.schema)().schema).unwrap();
    let sample = samples.iter().find(|event| event.name() == facts.name).unwrap();
    let sample = serde_json::to_string_pretty(&SampleFrame::of(sample)).unwrap();
    format!("{}\n```json\n{sample}\n```\n", fields(&schema))
}

/// A table of an object's fields: those that are always there first.
fn fields(schema: &Value) -> String {
    let empty = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&empty);
    if properties.is_empty() {
        return "No fields.\n".into();
    }
    let required = schema["required"].as_array().into_iter().flatten();
    let required: Vec<&str> = required.filter_map(Value::as_str).collect();
    let optional = properties.keys().map(String::as_str).filter(|name| !required.contains(name));
    let mut text = String::from("| field | type | when | meaning |\n|---|---|---|---|\n");
    for name in required.iter().copied().chain(optional) {
        let schema = &properties[name];
        let is_always = required.contains(&name);
        let when = if is_always { "always" } else { "optional" };
        let null = if is_always && is_nullable(schema) { " or null" } else { "" };
        let (kind, meaning) = (kind(schema), meaning(schema));
        let _ = writeln!(text, "| `{name}` | {kind}{null} | {when} | {meaning} |");
    }
    text
}

fn is_nullable(schema: &Value) -> bool {
    let is_null = |one: &Value| one == "null" || one["type"] == "null";
    [&schema["type"], &schema["oneOf"]]
        .iter()
        .any(|many| many.as_array().is_some_and(|many| many.iter().any(is_null)))
}

/// What a value is, but for that it may be null.
fn real(schema: &Value) -> &Value {
    let options = schema["oneOf"].as_array().into_iter().flatten();
    options.into_iter().find(|option| option["type"] != "null").unwrap_or(schema)
}

fn meaning(schema: &Value) -> String {
    let own = schema["description"].as_str().or(real(schema)["description"].as_str());
    own.unwrap_or_default().replace('\n', " ").replace('|', "\\|")
}

/// The type of a value in a word or two.
fn kind(schema: &Value) -> String {
    let schema = real(schema);
    if let Some(to) = schema["$ref"].as_str() {
        let name = to.rsplit('/').next().unwrap();
        return format!("[{name}](#types)");
    }
    let types =
        [&schema["type"]].into_iter().chain(schema["type"].as_array().into_iter().flatten());
    let name = types.filter_map(Value::as_str).find(|name| *name != "null").unwrap_or("anything");
    match (name, schema["format"].as_str()) {
        ("string", Some("uuid")) => "UUID".into(),
        ("string", Some("date-time")) => "time".into(),
        ("string", _) => "text".into(),
        ("integer", _) => "whole number".into(),
        ("boolean", _) if schema["enum"].is_array() => "`true`".into(),
        ("boolean", _) => "true or false".into(),
        ("array", _) => format!("list of {}", kind(&schema["items"])),
        ("object", _) if schema["additionalProperties"].is_object() => {
            format!("object of {}", kind(&schema["additionalProperties"]))
        }
        (name, _) => name.into(),
    }
}

fn protocol() -> String {
    let mut text = String::from(
        "\n## Frames of the protocol\n\nThey belong to a connection: nobody can produce them, and \
         they are in no log. Frames of the server have an `id` and a `timestamp`, too.\n\n\
         | frame | sent by | what it is for |\n|---|---|---|\n",
    );
    let frames = frames::all();
    let sent_by = |frame: &frames::ProtocolFrame| match frame.sender {
        Sender::Server => "server",
        Sender::Client => "client",
    };
    for frame in &frames {
        let (name, sender) = (frame.name, sent_by(frame));
        let _ = writeln!(text, "| `{name}` | {sender} | {} |", meaning(&frame.payload));
    }
    for frame in &frames {
        let (name, fields) = (frame.name, fields(&frame.payload));
        let sample = serde_json::to_string_pretty(&frame.sample).unwrap();
        let _ = write!(
            text,
            "\n### {name} (from the {})\n\n{fields}\n```json\n{sample}\n```\n",
            sent_by(frame)
        );
    }
    text
}

/// What the names in the tables stand for.
fn types() -> String {
    let mut schema: Value = serde_json::from_str(&catalogue::document()).unwrap();
    let defs = schema["$defs"].as_object_mut().unwrap();
    defs.extend(frames::all().into_iter().flat_map(|frame| frame.parts));
    let mut text = String::from("\n## Types\n\n| type | what it is | values |\n|---|---|---|\n");
    let mut shapes = String::new();
    for (name, schema) in defs {
        if schema["properties"].is_object() {
            let _ = write!(shapes, "\n### {name}\n\n{}\n\n{}", meaning(schema), fields(schema));
            continue;
        }
        let values = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let values: Vec<String> = values.map(|value| format!("`{value}`")).collect();
        let values = if values.is_empty() { kind(schema) } else { values.join(", ") };
        let _ = writeln!(text, "| {name} | {} | {values} |", meaning(schema));
    }
    text + &shapes
}
