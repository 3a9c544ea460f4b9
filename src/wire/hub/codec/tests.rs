//! The frames of the hub, both ways.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::model::{Cursor, Event, Moment, Origin, Subscribed, TenantId};

fn said(text: &str) -> (Tag, Result<Command, Error>) {
    let mut codec = Console::new(Greeting::default());
    match codec.decode(Frame::Text(text.into())) {
        Decoded::Request(tag, command) => (tag, command),
        Decoded::Nothing | Decoded::End(_) => panic!("no request: {text}"),
    }
}

fn parsed(frame: Option<Bytes>) -> Value {
    serde_json::from_slice(&frame.expect("a frame")).unwrap()
}

fn durable(event: Event) -> Envelope {
    let cursor = event.facts().is_durable.then_some(Cursor { log: 9, position: 4 });
    let tenant = TenantId::default_tenant();
    let (present, origin, audience) = (None, None, None);
    Envelope { tenant, cursor, at: Moment(1_737_714_600_123), event, present, origin, audience }
}

/// 004: acceptance 303, 307 to 329.
#[test]
fn every_event_has_one_frame_under_its_public_name() {
    for event in Event::samples() {
        let (name, facts) = (event.public_name(), event.facts());
        let payload: Value = serde_json::from_str(&event.payload().unwrap()).unwrap();
        let envelope = durable(event);
        let frame = parsed(Console::encode(&envelope, None));
        assert_eq!(frame["type"], name);
        assert_eq!(frame["payload"], payload, "{name}");
        assert_eq!(frame["timestamp"], "2025-01-24T10:30:00.123Z");
        assert!(frame["id"].as_str().is_some_and(|id| !id.is_empty()), "{name}");
        assert_eq!(frame["cursor"].is_string(), facts.is_durable, "{name}");
        // What is in the log is called the same whenever it is read.
        let again = parsed(Console::encode(&envelope, None));
        assert_eq!(again["id"] == frame["id"], facts.is_durable, "{name}");
    }
}

#[test]
fn a_producers_id_is_the_frames() {
    let origin = Some(Arc::new(Origin { id: Some("e-1".into()), target: None }));
    let event = Event::samples().into_iter().find(|e| e.name() == "call.hold").unwrap();
    let frame = parsed(Console::encode(&Envelope { origin, ..durable(event) }, None));
    assert_eq!(frame["id"], "e-1");
}

#[test]
fn a_visitor_does_not_read_what_agents_tell_each_other() {
    let is_it = |e: &Event| matches!(e, Event::Transferred(_));
    let envelope = durable(Event::samples().into_iter().find(is_it).unwrap());
    let (console, visitor) = (Console::encode(&envelope, None), Visitor::encode(&envelope, None));
    assert!(parsed(console)["payload"]["note"].is_string());
    let frame = parsed(visitor);
    assert!(frame["payload"].get("note").is_none());
    assert_eq!(frame["type"], "conversation.transferred");
}

/// 004: acceptance 304 to 306, 331 to 334.
#[test]
fn requests_are_read() {
    let subscribe = r#"{"type": "subscribe", "payload": {"events": ["call.*"], "after": "L1-2"}}"#;
    let events = vec!["call.*".to_owned()];
    let wanted = Command::Subscribe { events: events.clone(), after: Some("L1-2".into()) };
    assert_eq!(said(subscribe), (Tag::Other, Ok(wanted)));
    let unsubscribe = r#"{"type": "unsubscribe", "payload": {"events": ["call.*"]}}"#;
    assert_eq!(said(unsubscribe), (Tag::Other, Ok(Command::Unsubscribe { events })));
    assert_eq!(said(r#"{"type":"ping"}"#), (Tag::Other, Ok(Command::Ping)));
    assert_eq!(said(r#"{"type":"pong","payload":{}}"#), (Tag::Pong, Ok(Command::Ping)));
    let message = r#"{"type": "chat.message", "payload": {"body": "hi", "client_id": "m"}}"#;
    let (tag, command) = said(message);
    assert_eq!(tag, Tag::Message(Some("m".into())));
    let here = ConversationName::Here;
    let content = "hi".to_owned();
    let client_id = Some("m".to_owned());
    assert_eq!(command, Ok(Command::Send { conversation: here, content, client_id }));
}

#[test]
fn what_cannot_be_read_is_answered_with_the_path_to_it() {
    let refusal = |text: &str| said(text).1.unwrap_err().to_string();
    for shape in ["", "7", "[]", "{", r#"{"payload": {}}"#, r#"{"type": 7}"#, "\u{0}"] {
        assert!(refusal(shape).starts_with("expected {\"type\""), "{shape}");
    }
    assert_eq!(refusal(r#"{"type": "dance"}"#), "unknown frame type \"dance\"");
    assert_eq!(
        refusal(r#"{"type": "subscribe", "payload": []}"#),
        "subscribe: payload: expected an object"
    );
    let one = refusal(r#"{"type": "subscribe", "payload": {"events": ["a", 7]}}"#);
    assert!(one.starts_with("subscribe: payload.events[1]: invalid type"), "{one}");
    let broken = r#"{"type": "chat.message", "payload": {"body": 7, "client_id": "m"}}"#;
    let (tag, refused) = said(broken);
    assert_eq!(tag, Tag::Message(Some("m".into())), "so that its sender knows which");
    assert!(refused.is_err());
}

#[test]
fn an_unknown_name_is_told_before_the_answer_and_a_lost_past_behind_it() {
    let subscribed = Subscribed {
        is_end: false,
        events: vec!["call.hold".into()],
        unknown: vec![UnknownEvent::nearest_to("call.incomming")],
        cursor: Cursor { log: 9, position: 4 },
        resync: Some("cursor_expired"),
    };
    let mut out = Vec::new();
    let codec = Console::new(Greeting::default());
    codec.reply(Tag::Other, Ok(Reply::Subscribed(Box::new(subscribed))), &mut out);
    let frames: Vec<Value> = out.into_iter().map(|frame| parsed(Some(frame))).collect();
    let kinds: Vec<_> = frames.iter().map(|frame| frame["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["error", "subscribed", "resync"]);
    assert_eq!(frames[0]["payload"]["code"], "unknown_event");
    assert_eq!(frames[0]["payload"]["nearest"], "call.incoming");
    assert_eq!(frames[1]["payload"]["events"], json!(["call.hold"]));
    assert_eq!(frames[2]["payload"], json!({"reason": "cursor_expired"}));
}

#[test]
fn a_refusal_names_the_fields_of_this_dialect() {
    for (field, here) in [("content", "body"), ("conversationId", "session_id")] {
        let refusal = Error::Invalid { field, reason: "is empty".into() };
        let mut out = Vec::new();
        Console::new(Greeting::default()).reply(Tag::Message(None), Err(refusal), &mut out);
        let ack = parsed(out.pop());
        assert_eq!(ack["payload"]["error"], format!("{here}: is empty"));
    }
}

#[test]
fn a_binary_frame_ends_the_connection() {
    let mut codec = Visitor::new(Greeting::default());
    let decoded = codec.decode(Frame::Binary(Bytes::new()));
    assert!(matches!(decoded, Decoded::End(CloseReason::NotText)));
}

/// The blocks of the page that show what a client sends are read as they stand there.
#[test]
fn the_examples_of_the_page_are_read() {
    let page = include_str!("../../../../docs/protocols/hub.md");
    let blocks = page.split("```json client\n").skip(1);
    let frames: Vec<_> = blocks.filter_map(|block| block.split("\n```").next()).collect();
    assert_eq!(frames.len(), 8);
    for frame in frames {
        assert!(said(frame).1.is_ok(), "{frame}");
    }
}
