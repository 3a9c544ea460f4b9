//! The codec against whatever a client may send, and every event it may write.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::model::TenantId;
use crate::wire::any_json::any_json;

fn codec() -> Session {
    Session::new(ConversationId(Uuid::from_u128(7)), Duration::from_secs(180))
}

fn parsed(frame: Option<Bytes>) -> Value {
    let frame = frame.expect("a frame");
    let value: Value = serde_json::from_slice(&frame).expect("JSON");
    assert!(value["type"].is_string() && value["data"].is_object(), "{value}");
    value
}

fn decode(text: &str) -> (Tag, Result<Command, Error>) {
    match codec().decode(Frame::Text(text.into())) {
        Decoded::Request(tag, command) => (tag, command),
        _ => panic!("every text is a request"),
    }
}

fn reply(tag: Tag, result: Result<Reply, Error>) -> Option<Bytes> {
    let mut frames = Vec::new();
    codec().reply(tag, result, &mut frames);
    assert!(frames.len() < 2, "one answer at most");
    frames.pop()
}

/// Decodes, and checks that a refusal is answered as its frame wants it.
fn check_refusal(text: &str) -> Result<Command, Error> {
    let (tag, command) = decode(text);
    let Err(refusal) = &command else { return command };
    let answer = match &tag {
        Tag::Message(client_id) => {
            let ack = parsed(reply(Tag::Message(client_id.clone()), Err(refusal.clone())));
            assert_eq!((&ack["type"], &ack["data"]["success"]), (&json!("ack"), &json!(false)));
            assert_eq!(ack["data"].get("client_id").and_then(Value::as_str), client_id.as_deref());
            ack
        }
        Tag::Other => {
            let error = parsed(reply(Tag::Other, Err(refusal.clone())));
            assert_eq!(error["type"], "error");
            error
        }
    };
    assert_eq!(answer["data"]["code"], refusal.code());
    command
}

/// The words of the protocol.
const WORDS: &[&str] = &[
    "type",
    "data",
    "content",
    "client_id",
    "is_typing",
    "seq",
    "before",
    "after",
    "limit",
    "token",
    "message",
    "read",
    "history",
    "close",
    "ping",
    "typing_indicator",
    "authenticate",
];

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        let _ = check_refusal(&text);
    }

    #[test]
    fn any_json_is_read_or_refused(frame in any_json(WORDS)) {
        let _ = check_refusal(&frame.to_string());
    }

    #[test]
    fn a_frame_of_a_known_type_is_read_or_refused(
        kind in prop_oneof![
            Just("message"), Just("typing_indicator"), Just("read"), Just("history"),
            Just("close"), Just("ping"), Just("authenticate"),
        ],
        data in any_json(WORDS),
    ) {
        let text = json!({ "type": kind, "data": data }).to_string();
        let (tag, _) = decode(&text);
        let _ = check_refusal(&text);
        // Every message is to be acknowledged, by the client_id it came with.
        prop_assert_eq!(kind == "message", matches!(tag, Tag::Message(_)));
        if let Tag::Message(client_id) = tag {
            let sent = data.get("client_id").and_then(Value::as_str);
            prop_assert_eq!(client_id.as_deref(), sent);
        }
    }

    #[test]
    fn a_message_is_read_as_it_was_written(
        content in any::<String>(),
        client_id in prop::option::of(any::<String>()),
    ) {
        let data = json!({ "content": content, "client_id": client_id });
        let (tag, command) = decode(&json!({ "type": "message", "data": data }).to_string());
        prop_assert_eq!(tag, Tag::Message(client_id.clone()));
        let conversation = codec().conversation.into();
        prop_assert_eq!(command.unwrap(), Command::Send { conversation, content, client_id });
    }

    #[test]
    fn numbers_are_read_as_they_were_written(
        seq: u64, before in prop::option::of(any::<u64>()), limit in prop::option::of(any::<u64>()),
    ) {
        let conversation = codec().conversation.into();
        let read = json!({ "type": "read", "data": { "seq": seq } }).to_string();
        let expected = Command::Read { conversation, seq };
        prop_assert_eq!(decode(&read).1.unwrap(), expected);
        let conversation = codec().conversation.into();
        let data = json!({ "before": before, "limit": limit });
        let history = json!({ "type": "history", "data": data }).to_string();
        let range = HistoryRange { before, after: None, limit };
        let expected = Command::History { conversation, range };
        prop_assert_eq!(decode(&history).1.unwrap(), expected);
    }

    #[test]
    fn a_text_is_written_so_that_it_can_be_read(body in any::<String>(), name in any::<String>()) {
        let Some(Event::Message(sample)) =
            Event::samples().into_iter().find(|e| matches!(e, Event::Message(_)))
        else { unreachable!("a sample of each") };
        let message = Message { body: body.clone(), sender_name: Some(name.as_str().into()), ..sample };
        let frame = parsed(Session::encode(&durable(Event::Message(message)), None));
        prop_assert_eq!(frame["data"]["content"].as_str(), Some(body.as_str()));
        prop_assert_eq!(frame["data"]["user_name"].as_str(), Some(name.as_str()));
    }
}

fn durable(event: Event) -> Envelope {
    Envelope {
        cursor: Some(Cursor { log: 1, position: 9 }),
        present: Some([].into()),
        ..Envelope::volatile(TenantId::default_tenant(), event)
    }
}

#[test]
fn every_event_has_the_frame_of_its_name_or_none() {
    let told = [
        ("chat.message", "message"),
        ("chat.message.status", "message_status"),
        ("chat.typing", "typing_indicator"),
        ("conversation.joined", "connection_status_update"),
        ("conversation.left", "connection_status_update"),
        ("conversation.queued", "conversation_queued"),
        ("conversation.assigned", "conversation_assigned"),
        ("conversation.transferred", "conversation_transferred"),
        ("conversation.handoff", "conversation_handoff"),
        ("conversation.closed", "conversation_closed"),
        ("conversation.reopened", "conversation_reopened"),
        ("conversation.rated", "conversation_rated"),
        ("conversation.offered", "conversation_offered"),
        ("conversation.offer.ended", "conversation_offer_ended"),
        ("conversation.escalated", "conversation_escalated"),
        ("conversation.outside_hours", "conversation_outside_hours"),
        ("conversation.requirements", "conversation_requirements"),
        ("alert", "alert"),
        ("notification", "notification"),
    ];
    for event in Event::samples() {
        let (name, is_durable) = (event.name(), event.facts().is_durable);
        let payload: Value = serde_json::from_str(&event.payload().unwrap()).unwrap();
        let mut envelope = durable(event);
        if !is_durable {
            envelope.cursor = None;
        }
        let frame = Session::encode(&envelope, None);
        let Some((_, kind)) = told.iter().find(|(known, _)| *known == name) else {
            assert!(frame.is_none(), "{name}: a frame nobody knows of");
            continue;
        };
        let frame = parsed(frame);
        assert_eq!(frame["type"], *kind, "{name}");
        assert_eq!(frame["data"]["session_id"], payload["session_id"], "{name}");
        // A durable frame says where it stands, and no other does (contract 3).
        assert_eq!(frame["data"]["cursor"].is_string(), is_durable, "{frame}");
    }
}

#[test]
fn a_join_of_the_past_is_not_told_again() {
    let joined = Event::samples().into_iter().find(|e| matches!(e, Event::Joined(_))).unwrap();
    let replayed = Envelope { present: None, ..durable(joined) };
    assert_eq!(Session::encode(&replayed, None), None);
}
