//! What a request says: the event as the hub's frames have it, with whose it is.

use serde::Serialize;
use uuid::Uuid;

use crate::model::{Envelope, Moment, TenantId};
use crate::sink::frame::{cursor_of, frame_of};

/// A request's id and its body. Both are the same however often it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// `webhook-id`: our own id of the event, after its place in the log. Not its producer's: one that
    /// somebody else chose may hold the full stop that separates what is signed.
    pub id: String,
    /// JSON.
    pub body: Vec<u8>,
}

impl Message {
    /// Of an event of the log.
    ///
    /// # Errors
    /// None that an event of the catalogue has; the library's own.
    pub fn of(envelope: &Envelope) -> Result<Message, serde_json::Error> {
        let body = frame_of(envelope)?;
        Ok(Message { id: cursor_of(envelope).event_id(), body })
    }
}

#[derive(Serialize)]
struct Ping<'a> {
    r#type: &'static str,
    payload: PingPayload,
    id: &'a str,
    timestamp: Moment,
    tenant: &'a TenantId,
}

#[derive(Serialize)]
struct PingPayload {
    webhook_id: Uuid,
}

/// What tries a webhook out: `webhook.test`, which is no event, and so has no cursor.
///
/// # Errors
/// None that a ping has; the library's own.
pub fn ping_of(
    tenant: &TenantId,
    webhook_id: Uuid,
    at: Moment,
) -> Result<Message, serde_json::Error> {
    let id = format!("test-{}", Uuid::new_v4());
    let payload = PingPayload { webhook_id };
    let ping = Ping { r#type: "webhook.test", payload, id: &id, timestamp: at, tenant };
    let body = serde_json::to_vec(&ping)?;
    Ok(Message { id, body })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::model::{Cursor, Event, Origin};

    fn envelope(event: Event) -> Envelope {
        let tenant = TenantId::parse("acme").unwrap();
        let cursor = Some(Cursor { log: 42, position: 17 });
        Envelope { cursor, at: Moment(1_737_714_600_500), ..Envelope::volatile(tenant, event) }
    }

    fn body(message: &Message) -> Value {
        serde_json::from_slice(&message.body).unwrap()
    }

    #[test]
    fn every_event_is_said_as_it_is_with_whose_it_is_and_where_it_stands() {
        for event in Event::samples() {
            let payload: Value = serde_json::from_str(&event.payload().unwrap()).unwrap();
            let name = event.public_name();
            let message = Message::of(&envelope(event)).unwrap();
            assert_eq!(message.id, "evt_L0000002a-17");
            let expected = json!({
                "type": name, "payload": payload, "id": "evt_L0000002a-17", "tenant": "acme",
                "timestamp": "2025-01-24T10:30:00.500Z", "cursor": "L0000002a-17",
            });
            assert_eq!(body(&message), expected);
        }
    }

    #[test]
    fn a_producers_id_is_told_and_never_signed() {
        let event = Event::samples().remove(0);
        let origin = Origin { id: Some("a.b".into()), target: None };
        let message =
            Message::of(&Envelope { origin: Some(Arc::new(origin)), ..envelope(event) }).unwrap();
        assert_eq!(body(&message)["id"], "a.b");
        assert_eq!(message.id, "evt_L0000002a-17");
    }

    #[test]
    fn a_ping_says_which_webhook_is_tried_out() {
        let tenant = TenantId::parse("acme").unwrap();
        let ping = ping_of(&tenant, Uuid::from_u128(7), Moment(0)).unwrap();
        let said = body(&ping);
        assert_eq!((&said["type"], &said["tenant"]), (&json!("webhook.test"), &json!("acme")));
        assert_eq!(said["payload"]["webhook_id"], Uuid::from_u128(7).to_string());
        assert_eq!(said["id"], ping.id);
        assert!(!ping.id.contains('.') && said.get("cursor").is_none());
    }
}
