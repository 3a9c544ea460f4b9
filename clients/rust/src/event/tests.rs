//! What an event looks like on the wire.

use serde_json::json;

use super::*;

fn encoded(event: impl Into<NewEvent>) -> Value {
    serde_json::from_str(&event.into().encode().unwrap().json).unwrap()
}

#[test]
fn an_event_has_its_name_its_payload_its_target_and_its_id() {
    let event = CallIncoming {
        unique_id: "1737714600.42".into(),
        caller_id: "+6281234567890".into(),
        destination: "1500".into(),
        queue_name: Some("support".into()),
        ..Default::default()
    };
    let new = NewEvent::from(event).id("cdr-17").to(Target::Role("agent".into()));
    let payload = json!({
        "unique_id": "1737714600.42", "caller_id": "+6281234567890", "destination": "1500",
        "queue_name": "support",
    });
    let whole = json!({"type": "call.incoming", "payload": payload, "target": {"role": "agent"}, "id": "cdr-17"});
    assert_eq!(encoded(new), whole);
}

#[test]
fn each_target_has_a_field_of_its_own() {
    let targets = [
        (Target::User("u1".into()), json!({"user_id": "u1"})),
        (Target::Role("admin".into()), json!({"role": "admin"})),
        (Target::Conversation("c1".into()), json!({"conversation_id": "c1"})),
    ];
    for (target, want) in targets {
        assert_eq!(encoded(NewEvent::from(Alert::default()).to(target))["target"], want);
    }
    assert_eq!(encoded(Alert::default()).get("target"), None);
}

#[test]
fn an_event_without_an_id_gets_a_random_one() {
    let ids = [encoded(Alert::default()), encoded(Alert::default())];
    assert_ne!(ids[0]["id"], ids[1]["id"]);
    assert_eq!(ids[0]["id"].as_str().unwrap().len(), 36);
}

#[test]
fn what_is_left_out_is_not_sent_as_null() {
    let left = ChatMessage { sender_type: SenderType::Agent, ..Default::default() };
    let want = json!({"session_id": "", "sender_id": "", "sender_type": "agent", "body": ""});
    assert_eq!(encoded(left)["payload"], want);
    let call = CallTransferred { kind: Some(TransferKind::Blind), ..Default::default() };
    let want = json!({"unique_id": "", "new_destination": "", "kind": "blind"});
    assert_eq!(encoded(call)["payload"], want);
}

// 004: acceptance 307 to 329
#[test]
fn every_event_comes_back_as_what_it_was() {
    let full = |kind: &str| {
        json!({
            "user_id": "u", "state": "break", "unique_id": "1.2", "caller_id": "1",
            "destination": "2", "agent_id": "a", "duration": 3, "new_destination": "4",
            "queue_name": "q", "calls_waiting": 1, "available_agents": 2, "logged_in_agents": 3,
            "session_id": "s", "sender_id": "u", "sender_type": "visitor", "body": "b",
            "is_typing": true, "title": "t", "kind": if kind.starts_with("call.") { "attended" } else { "k" },
            "a_field_of_tomorrow": 1,
        })
    };
    assert_eq!(Event::KINDS.len(), 23);
    for kind in Event::KINDS {
        let event = Event::from_parts(kind, full(kind)).unwrap();
        assert_eq!(event.kind(), *kind);
        let sent = encoded(event.clone());
        assert_eq!(sent["type"], *kind);
        assert_eq!(Event::from_parts(kind, sent["payload"].clone()).unwrap(), event);
    }
}

#[test]
fn an_event_of_tomorrow_can_be_told_and_heard() {
    let event = Event::from_parts("call.parked", json!({"lot": 7})).unwrap();
    assert_eq!(event.kind(), "call.parked");
    assert_eq!(encoded(event)["payload"], json!({"lot": 7}));
}

#[test]
fn only_an_object_or_nothing_can_be_attached() {
    assert_eq!(attachment(()).unwrap(), None);
    assert_eq!(attachment(json!({"ticket_id": 1234})).unwrap().unwrap()["ticket_id"], 1234);
    assert!(attachment("1234").is_err());
}
