//! The codec against whatever a client may send, and every event it may write.

use std::sync::Arc;

use engineio_socketio::Text;
use engineio_socketio::socket::Config;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::model::{
    Command, ConversationName, Credential, HistoryRange, Message as Said, Notification, Role,
    TenantId,
};
use crate::wire::any_json::any_json;

/// A client that is in the namespace.
fn codec() -> SocketIo {
    let mut packets = Packets::new(Arc::new(Config::default()), Instant::now());
    let entered = Text::try_from(Bytes::from_static(b"0")).unwrap();
    packets.text(&entered, Instant::now()).unwrap();
    let sid = Sid::parse("AAAAAAAAAAAAAAAAAAAA").unwrap();
    packets.accept("/", sid, None);
    SocketIo::new(packets, None, vec![])
}

fn decode(packet: &str) -> Decoded<Tag> {
    let text = Text::try_from(Bytes::copy_from_slice(packet.as_bytes())).unwrap();
    codec().decode(Message::Packet(text))
}

/// What an event with these arguments asks for.
fn command(event: &Value) -> Result<Command, Error> {
    match decode(&format!("2{event}")) {
        Decoded::Request(_, command) => command,
        _ => panic!("no request: {event}"),
    }
}

fn reply(tag: Tag, result: Result<Reply, Error>) -> Vec<Value> {
    let mut frames = Vec::new();
    codec().reply(tag, result, &mut frames);
    frames.into_iter().map(|frame| parsed(Some(frame))).collect()
}

/// A frame without what says that it is an event or an answer: an array.
fn parsed(frame: Option<Bytes>) -> Value {
    let frame = frame.expect("a frame");
    let text = std::str::from_utf8(&frame).unwrap();
    // Whoever asks for another namespace is refused in its name, which may hold anything but a comma.
    let payload = match text.strip_prefix("44/") {
        Some(refusal) => refusal.split_once(',').expect("a payload").1,
        None => {
            let at = text.find(['[', '{']).expect("a payload");
            assert!(text[..at].starts_with("42") || text[..at].starts_with("43"), "{text}");
            &text[at..]
        }
    };
    serde_json::from_str(payload).unwrap()
}

fn durable(event: Event) -> Envelope {
    Envelope {
        cursor: Some(Cursor { log: 1, position: 9 }),
        present: Some([].into()),
        ..Envelope::volatile(TenantId::default_tenant(), event)
    }
}

/// The words of the protocol.
const WORDS: &[&str] = &[
    "conversationId",
    "content",
    "clientId",
    "seq",
    "before",
    "after",
    "limit",
    "token",
    "sessionId",
    "conv-1",
];

fn a_known_event() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("send_message"),
        Just("join_conversation"),
        Just("leave_conversation"),
        Just("typing_start"),
        Just("typing_stop"),
        Just("message_read"),
        Just("history"),
        Just("authenticate"),
    ]
}

proptest! {
    #[test]
    fn any_packet_is_read_refused_or_the_end(packet in any::<String>()) {
        if let Decoded::Request(tag, Err(refusal)) = decode(&packet) {
            prop_assert!(!reply(tag, Err(refusal)).is_empty());
        }
    }

    #[test]
    fn any_event_is_read_or_refused_as_it_wants_it(
        name in prop_oneof![a_known_event().prop_map(str::to_owned), any::<String>()],
        arguments in prop::collection::vec(any_json(WORDS), 0..3),
        ack in prop::option::of(0_u64..1_000),
    ) {
        let event = Value::from_iter([json!(name)].into_iter().chain(arguments));
        let id = ack.map(|id| id.to_string()).unwrap_or_default();
        let Decoded::Request(tag, command) = decode(&format!("2{id}{event}")) else {
            // Reserved names and what looks like an attachment break the protocol.
            return Ok(());
        };
        let Err(refusal) = command else { return Ok(()) };
        let code = refusal.code();
        let changes_rooms = ["join_conversation", "leave_conversation"].contains(&name.as_str());
        let frames = reply(tag, Err(refusal));
        let errors = frames.iter().filter(|frame| frame[0] == "error");
        let answers = frames.iter().filter(|frame| frame[0]["success"] == false);
        prop_assert_eq!(errors.clone().count(), usize::from(ack.is_none() || changes_rooms));
        prop_assert_eq!(answers.clone().count(), usize::from(ack.is_some()));
        for told in errors.map(|frame| &frame[1]).chain(answers.map(|frame| &frame[0])) {
            prop_assert_eq!(&told["code"], code);
        }
    }

    #[test]
    fn a_message_is_read_as_it_was_written(
        content in any::<String>(), client_id in prop::option::of(any::<String>()),
    ) {
        let data = json!({ "conversationId": "conv-1", "content": content, "clientId": client_id });
        let conversation = ConversationName::Given(ExternalId::parse("conv-1").unwrap());
        let expected = Command::Send { conversation, content, client_id };
        prop_assert_eq!(command(&json!(["send_message", data])), Ok(expected));
    }

    #[test]
    fn numbers_are_read_as_they_were_written(
        seq: u64, before in prop::option::of(any::<u64>()), limit in prop::option::of(any::<u64>()),
    ) {
        let name = || ConversationName::Given(ExternalId::parse("conv-1").unwrap());
        let read = json!(["message_read", { "conversationId": "conv-1", "seq": seq }]);
        prop_assert_eq!(command(&read), Ok(Command::Read { conversation: name(), seq }));
        let data = json!({ "conversationId": "conv-1", "before": before, "limit": limit });
        let range = HistoryRange { before, after: None, limit };
        let expected = Command::History { conversation: name(), range };
        prop_assert_eq!(command(&json!(["history", data])), Ok(expected));
    }

    #[test]
    fn a_text_is_written_so_that_it_can_be_read(body in any::<String>(), name in any::<String>()) {
        let Some(Event::Message(sample)) =
            Event::samples().into_iter().find(|e| matches!(e, Event::Message(_)))
        else { unreachable!("a sample of each") };
        let sender_name = Some(name.as_str().into());
        let message = Said { body: body.clone(), sender_name, ..sample };
        let frame = parsed(SocketIo::encode(&durable(Event::Message(message)), None));
        prop_assert_eq!(frame[1]["content"].as_str(), Some(body.as_str()));
        prop_assert_eq!(frame[1]["sender"]["userName"].as_str(), Some(name.as_str()));
    }

    /// Clients take a last argument that is text for an offset, so whatever an event is called,
    /// and whatever it says, it has one argument, and that is an object.
    #[test]
    fn no_event_but_the_cursor_ends_in_a_text(
        event in prop::option::of("[a-z_.]{1,20}"), text in any::<String>(), data in any_json(WORDS),
    ) {
        let data = Some([(text.clone(), data)].into_iter().collect());
        let (kind, title, body) = (Some(text.clone()), None, Some(text));
        let user_id = crate::model::UserId::parse("u").unwrap();
        let told = Notification {
            user_id,
            notification_id: None,
            event: event.clone(),
            kind,
            title,
            body,
            data,
        };
        let frame = parsed(SocketIo::encode(&durable(Event::Notification(told)), None));
        prop_assert_eq!(frame[0].as_str(), event.as_deref().or(Some("notification")));
        prop_assert!(frame[1].is_object() && frame[2].is_null(), "{frame}");
    }
}

#[test]
fn every_event_has_the_frame_of_its_name_or_none() {
    let told = [
        ("chat.message", "message_received"),
        ("chat.message.status", "message_status"),
        ("chat.typing", "typing_indicator"),
        ("conversation.joined", "connection_status_update"),
        ("conversation.left", "connection_status_update"),
        ("conversation.queued", "conversation_queued"),
        ("conversation.assigned", "conversation_assigned"),
        ("conversation.transferred", "conversation_transferred"),
        ("conversation.closed", "conversation_closed"),
        ("conversation.reopened", "conversation_reopened"),
        ("conversation.rated", "conversation_rated"),
        ("conversation.handoff", "conversation_handoff"),
        ("conversation.offered", "conversation_offered"),
        ("conversation.offer.ended", "conversation_offer_ended"),
        ("conversation.escalated", "conversation_escalated"),
        ("conversation.outside_hours", "conversation_outside_hours"),
        ("conversation.requirements", "conversation_requirements"),
        ("agent.department.empty", "agent_department_empty"),
        ("agent.department.covered", "agent_department_covered"),
        ("alert", "alert"),
        ("notification", "notification"),
        ("presence.changed", "presence_update"),
    ];
    let external = ExternalId::parse("conv-1").unwrap();
    for event in Event::samples() {
        let (name, conversation) = (event.name(), event.conversation());
        let envelope = durable(event);
        let frame = SocketIo::encode(&envelope, None);
        let Some((_, kind)) = told.iter().find(|(known, _)| *known == name) else {
            assert!(frame.is_none(), "{name}: a frame nobody knows of");
            continue;
        };
        let frame = parsed(frame);
        assert_eq!(frame[0], *kind, "{name}");
        assert!(frame[1].is_object() && frame[2].is_null(), "one argument, an object: {frame}");
        let id = conversation.map_or(Value::Null, |id| json!(id.to_string()));
        assert_eq!(frame[1]["conversationId"], id, "{name}");
        // By another name it is the same but for the name.
        let mut named = parsed(SocketIo::encode(&envelope, Some(&external)));
        if conversation.is_some() {
            assert_eq!(named[1]["conversationId"], "conv-1", "{name}");
            named[1]["conversationId"] = id;
        }
        assert_eq!(named, frame);
        assert!(!frame.to_string().contains("invoice"), "a note for agents: {frame}");
    }
}

#[test]
fn a_join_of_the_past_is_not_told_again() {
    let joined = Event::samples().into_iter().find(|e| matches!(e, Event::Joined(_))).unwrap();
    let replayed = Envelope { present: None, ..durable(joined) };
    assert_eq!(SocketIo::encode(&replayed, None), None);
}

#[test]
fn the_role_of_003_stands_beside_ours() {
    for (role, of_003) in [
        (Role::Customer, "customer"),
        (Role::Bot, "bot"),
        (Role::Agent, "admin"),
        (Role::Admin, "admin"),
        (Role::Service, "admin"),
    ] {
        let Some(Event::Message(sample)) =
            Event::samples().into_iter().find(|e| matches!(e, Event::Message(_)))
        else {
            unreachable!("a sample of each")
        };
        let message = Event::Message(Said { sender_type: role, ..sample });
        let sender = &parsed(SocketIo::encode(&durable(message), None))[1]["sender"];
        // 003: acceptance 204
        assert_eq!((&sender["role"], &sender["userType"]), (&json!(of_003), &json!(role.as_str())));
    }
}

#[test]
fn a_conversation_may_be_named_in_an_object_or_not_at_all_by_a_typist() {
    let named = || ConversationName::Given(ExternalId::parse("conv-1").unwrap());
    let typing = |conversation| Ok(Command::Typing { conversation, is_typing: true });
    assert_eq!(command(&json!(["typing_start"])), typing(ConversationName::Here));
    assert_eq!(command(&json!(["typing_start", null])), typing(ConversationName::Here));
    assert_eq!(command(&json!(["typing_start", "conv-1"])), typing(named()));
    let inside = json!({ "conversationId": "conv-1" });
    assert_eq!(command(&json!(["typing_start", inside])), typing(named()));
    assert_eq!(command(&json!(["join_conversation", inside])), Ok(Command::Join(named())));
    for wrong in [json!([]), json!(5), json!({}), json!("no id!"), json!("")] {
        assert!(command(&json!(["typing_start", wrong])).is_err(), "{wrong}");
    }
    for event in ["join_conversation", "leave_conversation"] {
        assert!(matches!(command(&json!([event])), Err(Error::BadFrame(_))), "{event}");
    }
}

#[test]
fn a_token_counts_before_a_session_and_nothing_is_neither() {
    let of = |auth: Value| command(&json!(["authenticate", auth]));
    let token = Ok(Command::Authenticate(Credential::Token("t".into())));
    assert_eq!(of(json!({ "token": "t", "sessionId": "s" })), token);
    let session = Ok(Command::Authenticate(Credential::Session("s".into())));
    assert_eq!(of(json!({ "token": "", "sessionId": "s" })), session);
    // What a page sends that has none; it is refused as one that does not hold.
    for empty in [json!({ "token": "" }), json!({ "token": null })] {
        let empty = of(empty);
        assert_eq!(empty, Ok(Command::Authenticate(Credential::Token(String::new()))));
    }
    for nothing in [json!({}), json!("t"), json!(null)] {
        assert!(matches!(of(nothing), Err(Error::BadFrame(_))));
    }
}

#[test]
fn an_event_with_attachments_is_refused_whole() {
    let mut codec = codec();
    let head = Text::try_from(Bytes::from_static(
        br#"51-7["send_message",{"_placeholder":true,"num":0}]"#,
    ));
    assert!(matches!(codec.decode(Message::Packet(head.unwrap())), Decoded::Nothing));
    let attachment = Message::Attachment(Bytes::from_static(b"\x00\xff"));
    let Decoded::Request(tag, Err(refusal)) = codec.decode(attachment) else {
        panic!("it was not refused");
    };
    let answer = reply(tag, Err(refusal));
    assert_eq!(answer[0][0]["code"], "bad_frame");
    // Bytes that belong to nothing break the protocol.
    let stray = codec.decode(Message::Attachment(Bytes::from_static(b"x")));
    assert!(matches!(stray, Decoded::End(CloseReason::ProtocolError)));
}

#[test]
fn another_namespace_is_refused_and_the_socket_stays() {
    let Decoded::Request(tag, Err(refusal)) = decode("0/admin,") else { panic!("no request") };
    let mut frames = Vec::new();
    codec().reply(tag, Err(refusal), &mut frames);
    assert_eq!(frames, [&br#"44/admin,{"message":"Invalid namespace"}"#[..]]);
    assert!(matches!(decode("0"), Decoded::End(CloseReason::ProtocolError)), "it is in already");
}

#[test]
fn what_breaks_the_protocol_is_the_end() {
    for packet in ["", "9", "2", "2{}", "2[]", "2[\"a\"", "2/admin,[\"a\"]", "4{}", "5[]"] {
        let end = decode(packet);
        assert!(matches!(end, Decoded::End(CloseReason::ProtocolError)), "{packet:?}");
    }
    assert!(matches!(decode("1"), Decoded::End(CloseReason::ClientClosed)));
    assert!(matches!(decode("37[]"), Decoded::Nothing), "an answer nobody waits for");
}

#[test]
fn a_cursor_is_an_event_of_its_own_with_a_text() {
    let cursor = Cursor { log: 7, position: 12 };
    assert_eq!(parsed(SocketIo::mark(cursor)), json!(["cursor", cursor.to_string()]));
    let resync = parsed(codec().resync("cursor_expired"));
    assert_eq!(resync, json!(["resync", { "reason": "cursor_expired" }]));
}

#[test]
fn a_wait_is_told_in_seconds() {
    let Decoded::Request(tag, _) = decode(r#"23["send_message",{}]"#) else { panic!("none") };
    let refused = Err(Error::RateLimited { retry_after_s: 7 });
    assert_eq!(reply(tag, refused.clone())[0][0]["retry_after"], 7);
    let Decoded::Request(tag, _) = decode(r#"2["typing_start"]"#) else { panic!("none") };
    let error = &reply(tag, refused)[0][1];
    assert_eq!((&error["retry_after"], &error["event"]), (&json!(7), &json!("typing_start")));
}
