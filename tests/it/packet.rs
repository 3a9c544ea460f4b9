//! Packets of Engine.IO and Socket.IO as tests write and compare them: JSON of two parts, what
//! stands before the payload and the payload. `42["hi",{}]` is `["42", ["hi", {}]]`; a packet
//! without a payload has null.

use serde_json::{Value, json};

use crate::client::Seen;

/// The answer to a ping.
pub const PONG: &str = "3";

/// What stands between the packets of a payload of long-polling.
pub const SEPARATOR: char = '\u{1e}';

/// Reads a packet, or says what is wrong with it.
pub fn read(text: &str) -> Result<Value, String> {
    let Some(at) = text.find(['[', '{']) else { return Ok(json!([text, null])) };
    let payload: Value =
        serde_json::from_str(&text[at..]).map_err(|err| format!("packet {text}: {err}"))?;
    Ok(json!([&text[..at], payload]))
}

/// What a client sees in a packet.
pub fn seen(text: &str) -> Seen {
    match text {
        "2" => Seen::Ping,
        "1" => Seen::Closed(0),
        _ => Seen::Frame(read(text).expect("every packet can be read")),
    }
}

/// The name and the arguments of an event.
pub fn event(packet: &Value) -> Option<(&str, &[Value])> {
    let (name, arguments) = packet[1].as_array()?.split_first()?;
    Some((name.as_str().filter(|_| packet[0] == "42")?, arguments))
}

/// The offset that a `cursor` event tells, and its position in the log.
pub fn cursor(packet: &Value) -> Option<(&str, u64)> {
    let ("cursor", [Value::String(offset)]) = event(packet)? else { return None };
    Some((offset, position(offset)))
}

/// Where a cursor stands in the log. The tests know that it ends in its position; clients do not.
pub fn position(cursor: &str) -> u64 {
    cursor.rsplit('-').next().and_then(|position| position.parse().ok()).expect("a cursor")
}
