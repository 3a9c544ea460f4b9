//! What a frame of the hub means, and where in the log the subscriber is after it: pure, without a
//! line.

use serde::Deserialize;
use serde_json::Value;

use super::{Connected, HubEvent, Incoming, Refused, Resync};

/// What the hub sends (contract 7).
#[derive(Deserialize)]
struct Frame {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    payload: Value,
    id: Option<String>,
    timestamp: Option<String>,
    cursor: Option<String>,
}

/// What to do about a frame.
#[derive(Debug, PartialEq)]
pub(super) enum Told {
    /// The owner hears it.
    Owner(Incoming),
    /// The server asks for a sign of life.
    Ping,
    /// Nothing.
    Nothing,
}

/// How far the log has been heard.
#[derive(Debug)]
pub(super) struct Place {
    /// Where a new line begins.
    after: Option<String>,
    /// The name and id of the event there; none when there is no event there, or none known.
    last: Option<(String, String)>,
    /// Where the log was when the line at hand was made.
    at_connect: Option<String>,
}

impl Place {
    pub(super) fn new(after: Option<String>) -> Place {
        Place { after, last: None, at_connect: None }
    }

    pub(super) fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// Reads a frame.
    pub(super) fn read(&mut self, text: &str) -> serde_json::Result<Told> {
        let frame: Frame = serde_json::from_str(text)?;
        Ok(match frame.kind.as_str() {
            "connected" => Told::Owner(Incoming::Connected(self.connected(frame.payload)?)),
            "resync" => Told::Owner(Incoming::Resync(self.resync(&frame.payload))),
            "error" => {
                Told::Owner(Incoming::Refused(serde_json::from_value::<Refused>(frame.payload)?))
            }
            "ping" => Told::Ping,
            "pong" | "subscribed" | "unsubscribed" | "authenticated" | "ack" => Told::Nothing,
            _ => {
                self.event(frame).map_or(Told::Nothing, |event| Told::Owner(Incoming::Event(event)))
            }
        })
    }

    /// Without an event of its own a new line begins where the first one did: something may happen
    /// while there is none.
    fn connected(&mut self, payload: Value) -> serde_json::Result<Connected> {
        let connected: Connected = serde_json::from_value(payload)?;
        self.at_connect.clone_from(&connected.cursor);
        if self.after.is_none() {
            self.after.clone_from(&connected.cursor);
        }
        Ok(connected)
    }

    /// The old place leads nowhere; what is told from now on begins where the line did.
    fn resync(&mut self, payload: &Value) -> Resync {
        let text = |field| payload.get(field).and_then(Value::as_str).map(str::to_owned);
        self.after = text("cursor").or_else(|| self.at_connect.clone());
        self.last = None;
        Resync { reason: text("reason").unwrap_or_default() }
    }

    /// None for the event that was the last one already.
    fn event(&mut self, frame: Frame) -> Option<HubEvent> {
        let Frame { kind, payload, id, timestamp, cursor } = frame;
        let id = id.unwrap_or_default();
        if cursor.is_some() {
            let this = Some((kind.clone(), id.clone()));
            if self.after == cursor && self.last == this {
                return None;
            }
            self.after.clone_from(&cursor);
            self.last = this;
        }
        Some(HubEvent { kind, payload, id, timestamp: timestamp.unwrap_or_default(), cursor })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, cursor: &str) -> String {
        format!(
            r#"{{"type":"{kind}","payload":{{}},"id":"e-{cursor}","timestamp":"2025-01-24T10:30:00.000Z","cursor":"{cursor}"}}"#
        )
    }

    fn connected(cursor: &str) -> String {
        format!(
            r#"{{"type":"connected","payload":{{"user_id":"u1","role":"admin","cursor":"{cursor}"}}}}"#
        )
    }

    #[test]
    fn an_event_moves_the_place_and_is_told_once() {
        let mut place = Place::new(None);
        let Told::Owner(Incoming::Event(heard)) = place.read(&event("call.hold", "c-7")).unwrap()
        else {
            panic!("no event");
        };
        assert_eq!((heard.id.as_str(), heard.cursor.as_deref()), ("e-c-7", Some("c-7")));
        assert_eq!(place.after(), Some("c-7"));
        assert_eq!(place.read(&event("call.hold", "c-7")).unwrap(), Told::Nothing);
        // Two events of one entry of the log are two events.
        assert_ne!(place.read(&event("call.unhold", "c-7")).unwrap(), Told::Nothing);
    }

    #[test]
    fn a_volatile_event_leaves_the_place_and_is_never_taken_for_a_repeat() {
        let mut place = Place::new(Some("c-7".into()));
        for _ in 0..2 {
            let told = place.read(r#"{"type":"chat.typing","payload":{}}"#).unwrap();
            assert!(matches!(told, Told::Owner(Incoming::Event(_))));
        }
        assert_eq!(place.after(), Some("c-7"));
    }

    #[test]
    fn the_place_of_the_connection_counts_only_while_there_is_no_other() {
        let mut place = Place::new(None);
        place.read(&connected("c-5")).unwrap();
        assert_eq!(place.after(), Some("c-5"));
        place.read(&connected("c-9")).unwrap();
        assert_eq!(place.after(), Some("c-5"), "what lies between is still to be told");
    }

    #[test]
    fn after_a_resync_the_place_is_where_the_line_began() {
        let mut place = Place::new(Some("c-1".into()));
        place.read(&connected("c-9")).unwrap();
        let told =
            place.read(r#"{"type":"resync","payload":{"reason":"cursor_expired"}}"#).unwrap();
        let reason = "cursor_expired".to_owned();
        assert_eq!(told, Told::Owner(Incoming::Resync(Resync { reason })));
        assert_eq!(place.after(), Some("c-9"));
        place.read(r#"{"type":"resync","payload":{"cursor":"c-11"}}"#).unwrap();
        assert_eq!(place.after(), Some("c-11"));
    }

    #[test]
    fn an_unknown_name_is_told_with_the_nearest_one() {
        let frame = r#"{"type":"error","payload":{"code":"unknown_event","message":"m","nearest":"call.hold"}}"#;
        let Told::Owner(Incoming::Refused(refused)) = Place::new(None).read(frame).unwrap() else {
            panic!("not told");
        };
        assert_eq!(
            (refused.code.as_str(), refused.nearest.as_deref()),
            ("unknown_event", Some("call.hold"))
        );
    }

    #[test]
    fn the_protocols_own_frames_are_no_events() {
        let mut place = Place::new(None);
        for kind in ["pong", "subscribed", "unsubscribed", "authenticated", "ack"] {
            let frame = format!(r#"{{"type":"{kind}","payload":{{}}}}"#);
            assert_eq!(place.read(&frame).unwrap(), Told::Nothing);
        }
        assert_eq!(place.read(r#"{"type":"ping"}"#).unwrap(), Told::Ping);
        for bad in ["", "[]", "{}", r#"{"type":7}"#] {
            assert!(place.read(bad).is_err(), "{bad:?}");
        }
    }
}
