//! What a record says: the event as the hub's frames have it, under a key that keeps the order that
//! matters, and headers by which it can be told apart without reading it.

use crate::model::{Announced, CallQueue, Envelope, Event, Moment};
use crate::sink::frame::{cursor_of, frame_of};

/// The schema of what the records say, and its version: `docs/reference/events.schema.json`. It
/// rises when something that was there is said otherwise; what is only added does not raise it.
pub const SCHEMA: &str = "switchboard.events/1";

const CONTENT_TYPE: &str = "application/json";

/// A record of the export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place in the tenant's log.
    pub position: u64,
    /// When it happened.
    pub at: Moment,
    /// What it is about. Records of one key stay in their order.
    pub key: String,
    /// JSON.
    pub value: Vec<u8>,
    /// Names and values.
    pub headers: [(&'static str, String); 5],
}

impl Record {
    /// Of an event of the log.
    ///
    /// # Errors
    /// None that an event of the catalogue has; the library's own.
    pub fn of(envelope: &Envelope) -> Result<Record, serde_json::Error> {
        let event = &envelope.event;
        Ok(Record {
            position: envelope.position(),
            at: envelope.at,
            key: key_of(envelope),
            value: frame_of(envelope)?,
            headers: [
                ("schema", format!("{SCHEMA}#{}", event.name())),
                ("type", event.public_name().to_owned()),
                ("tenant", envelope.tenant.to_string()),
                ("cursor", cursor_of(envelope).to_string()),
                ("content-type", CONTENT_TYPE.to_owned()),
            ],
        })
    }

    /// Where it stands, for log lines.
    pub fn cursor(&self) -> &str {
        let [_, _, _, (_, cursor), _] = &self.headers;
        cursor
    }
}

/// The tenant, and the conversation or call the event is about. What is about neither keeps its
/// order within the tenant: of agents, queues and administration there is little, and one is often
/// understood by another.
fn key_of(envelope: &Envelope) -> String {
    let tenant = &envelope.tenant;
    if let Some(id) = envelope.conversation() {
        return format!("{tenant}/{id}");
    }
    let of = match &envelope.event {
        Event::Call(call) => call.unique_id(),
        Event::CallQueue(CallQueue::QueueJoined(e)) => &e.unique_id,
        Event::CallQueue(CallQueue::QueueLeft(e)) => &e.unique_id,
        Event::Announced(announced) => match announced {
            Announced::AgentStateAnnounced(_) => return tenant.to_string(),
            chat => chat.session_id().unwrap_or_default(),
        },
        _ => return tenant.to_string(),
    };
    format!("{tenant}/{of}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;
    use crate::model::{Cursor, TenantId};

    fn record(event: Event) -> Record {
        let tenant = TenantId::parse("acme").unwrap();
        let cursor = Some(Cursor { log: 42, position: 17 });
        let at = Moment(1_737_714_600_500);
        Record::of(&Envelope { cursor, at, ..Envelope::volatile(tenant, event) }).unwrap()
    }

    #[test]
    fn every_event_is_said_as_the_hub_says_it_with_whose_it_is() {
        for event in Event::samples() {
            let payload: Value = serde_json::from_str(&event.payload().unwrap()).unwrap();
            let (name, schema) = (event.public_name(), event.name());
            let record = record(event);
            let value: Value = serde_json::from_slice(&record.value).unwrap();
            let expected = json!({
                "type": name, "payload": payload, "id": "evt_L0000002a-17", "tenant": "acme",
                "timestamp": "2025-01-24T10:30:00.500Z", "cursor": "L0000002a-17",
            });
            assert_eq!(value, expected);
            let headers = [
                ("schema", format!("switchboard.events/1#{schema}")),
                ("type", name.into()),
                ("tenant", "acme".into()),
                ("cursor", "L0000002a-17".into()),
                ("content-type", "application/json".into()),
            ];
            assert_eq!(record.headers, headers);
            assert_eq!((record.position, record.cursor()), (17, "L0000002a-17"));
        }
    }

    #[test]
    fn what_is_of_one_conversation_or_call_has_one_key() {
        let mut keys: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for event in Event::samples() {
            let name = event.name();
            keys.entry(record(event).key).or_default().push(name);
        }
        let of = |event: &str| keys.iter().find(|(_, names)| names.contains(&event)).unwrap();
        assert_eq!(of("call.incoming").0, "acme/1737714600.42");
        assert!(of("call.incoming").1.contains(&"queue.joined"), "{keys:?}");
        assert!(of("chat.message").1.contains(&"conversation.closed"), "{keys:?}");
        assert!(of("chat.message").0.starts_with("acme/"));
        assert_eq!(of("agent.login").0, "acme");
        assert_eq!(of("audit.entry").0, "acme");
        assert!(of("chat.message.announced").1.contains(&"chat.session.ended.announced"));
        assert!(keys.keys().all(|key| key == "acme" || key.len() > "acme/".len()), "{keys:?}");
    }
}
