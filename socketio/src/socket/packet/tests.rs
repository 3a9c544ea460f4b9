//! Packets as clients send them, and as attackers do.

use proptest::prelude::*;

use super::*;
use crate::Frame;
use crate::socket::Builder;

fn parse(text: &str) -> Result<Packet<'_>, PacketError> {
    Packet::parse(text, &Config::default())
}

fn refusal(text: &str) -> PacketError {
    parse(text).map(|_| ()).expect_err(text)
}

fn event(text: &str) -> (&str, String, Vec<&str>, Option<u64>, Option<usize>) {
    let packet = parse(text).expect(text);
    let Body::Event { name, args, ack, attachments } = packet.body else { panic!("no event") };
    let args = args.into_iter().map(RawValue::get).collect();
    (packet.namespace, name.into_owned(), args, ack, attachments)
}

#[test]
fn events_have_namespace_ack_and_arguments_or_not() {
    assert_eq!(event(r#"2["foo"]"#), ("/", "foo".into(), vec![], None, None));
    assert_eq!(event(r#"2/admin,12["a",1,{"b":[]}]"#).2, ["1", r#"{"b":[]}"#]);
    assert_eq!(event(r#"2/admin,12["a"]"#), ("/admin", "a".into(), vec![], Some(12), None));
    assert_eq!(event(r#"52-/x,0["a"]"#), ("/x", "a".into(), vec![], Some(0), Some(2)));
    assert_eq!(event(r#"20["a"]"#).3, Some(0));
}

#[test]
fn names_are_strings_or_numbers() {
    assert_eq!(event(r#"2["caf\u00e9 \"x\""]"#).1, "café \"x\"");
    assert_eq!(event(r#"2["😀"]"#).1, "😀");
    assert_eq!(event("2[7]").1, "7");
    for json in ["2[null]", "2[{}]", "2[[]]", "2[true]", "2[]", "2{}", "2", r#"2"a""#] {
        assert_eq!(refusal(json), PacketError::BadPayload, "{json}");
    }
}

#[test]
fn reserved_names_are_refused_however_they_are_written() {
    for name in
        ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"]
    {
        assert_eq!(refusal(&format!(r#"2["{name}"]"#)), PacketError::ReservedName, "{name}");
    }
    assert_eq!(refusal(r#"2["\u0063onnect"]"#), PacketError::ReservedName);
    assert_eq!(refusal(r#"51-["disconnect"]"#), PacketError::ReservedName);
}

#[test]
fn names_that_mean_something_to_javascript_are_names_like_others() {
    for name in ["__proto__", "constructor", "toString", "hasOwnProperty"] {
        assert_eq!(event(&format!(r#"2["{name}",{{"__proto__":1}}]"#)).1, name);
    }
}

#[test]
fn connections_come_with_an_object_or_nothing() {
    let auth = |text| match parse(text).expect(text).body {
        Body::Connect { auth } => auth.map(RawValue::get).unwrap_or_default().to_owned(),
        _ => panic!("no connection"),
    };
    assert_eq!(auth("0"), "");
    assert_eq!(auth(r#"0{"token":"x"}"#), r#"{"token":"x"}"#);
    assert_eq!(auth("0/admin"), "");
    assert_eq!(auth("0/admin,{}"), "{}");
    for text in ["0[]", "0\"a\"", "0null", "0{", "0{}x"] {
        assert_eq!(refusal(text), PacketError::BadPayload, "{text}");
    }
}

#[test]
fn a_namespace_ends_at_the_comma_or_with_the_packet() {
    assert_eq!(parse("0/a/b?c=d,").unwrap().namespace, "/a/b?c=d");
    assert_eq!(parse("1/é").unwrap().namespace, "/é");
    assert_eq!(refusal(&format!("0/{}", "n".repeat(256))), PacketError::NamespaceTooLong);
}

#[test]
fn disconnections_carry_nothing() {
    assert!(matches!(parse("1").unwrap().body, Body::Disconnect));
    assert!(matches!(parse("1/admin,").unwrap().body, Body::Disconnect));
    assert_eq!(refusal("1{}"), PacketError::BadPayload);
}

#[test]
fn acknowledgements_need_their_number() {
    let packet = parse("61-/a,18446744073709551615[1]").unwrap();
    let Body::Ack { id, args, attachments } = packet.body else { panic!("no ack") };
    assert_eq!((id, args.len(), attachments), (u64::MAX, 1, Some(1)));
    assert_eq!(refusal("3[]"), PacketError::BadAckId);
    assert_eq!(refusal("31{}"), PacketError::BadPayload);
}

#[test]
fn a_number_that_is_too_large_is_refused_and_not_wrapped() {
    assert_eq!(refusal("318446744073709551616[]"), PacketError::BadAckId);
    assert_eq!(refusal(r#"299999999999999999999999["a"]"#), PacketError::BadAckId);
}

#[test]
fn a_number_of_attachments_is_digits_and_nothing_else() {
    for text in
        ["5[\"a\"]", "5-[\"a\"]", "5-1-[\"a\"]", "5+1-[\"a\"]", "51.0-[\"a\"]", "51e0-[]", "5"]
    {
        assert_eq!(refusal(text), PacketError::BadAttachments, "{text}");
    }
    assert_eq!(event("5007-[\"a\"]").4, Some(7));
    for text in ["511-[\"a\"]", "599999999999999999999999999-[\"a\"]"] {
        assert_eq!(refusal(text), PacketError::TooManyAttachments, "{text}");
    }
}

#[test]
fn what_is_no_packet_is_refused() {
    assert_eq!(refusal(""), PacketError::Empty);
    for text in ["7", "abc", "é", "-1", " 2[\"a\"]", "\u{0}"] {
        assert_eq!(refusal(text), PacketError::UnknownType, "{text}");
    }
    for text in
        [r#"2abc["a"]"#, r#"2["a""#, r#"2["a"]x"#, r#"2["a",]"#, "2[\"a\",nul]", "2-1[\"a\"]"]
    {
        assert_eq!(refusal(text), PacketError::BadPayload, "{text}");
    }
}

#[test]
fn bounds_on_depth_and_arguments_hold() {
    let config = Config { json_depth_max: 3, args_max: 2, ..Config::default() };
    let parse = |text: &str| Packet::parse(text, &config).map(|_| ());
    assert_eq!(parse(r#"2["a",[[1]]]"#), Ok(()));
    assert_eq!(parse(r#"2["a",[[[1]]]]"#), Err(PacketError::TooDeep));
    assert_eq!(parse(r#"2["a",1,2]"#), Ok(()));
    assert_eq!(parse(r#"2["a",1,2,3]"#), Err(PacketError::BadPayload));
    assert_eq!(parse("31[1,2,3]"), Err(PacketError::BadPayload));
    assert_eq!(parse(r#"0{"a":{"b":{"c":{}}}}"#), Err(PacketError::TooDeep));
}

proptest! {
    #[test]
    fn what_is_built_reads_back(
        namespace in "/[a-zé]{0,5}",
        name in ".*".prop_filter("not a reserved name", |name| !is_reserved(name)),
        id in any::<u64>(),
        text in ".*",
        number in any::<i64>(),
        attachments in 0_usize..5,
    ) {
        let event = Builder::event_with_ack(&namespace, id, &name);
        let event = event.arg(&text).unwrap().arg(&number).unwrap();
        let frames = event.build_with(vec![bytes::Bytes::new(); attachments]);
        let Frame::Text(packet) = &frames[0] else { panic!("not text") };
        let packet = std::str::from_utf8(packet).unwrap().strip_prefix('4').unwrap();
        let packet = parse(packet).unwrap();
        prop_assert_eq!(packet.namespace, namespace);
        let Body::Event { name: read, args, ack, attachments: count } = packet.body else {
            panic!("no event")
        };
        prop_assert_eq!(read, name);
        prop_assert_eq!(ack, Some(id));
        prop_assert_eq!(count.unwrap_or(0), attachments);
        prop_assert_eq!(serde_json::from_str::<String>(args[0].get()).unwrap(), text);
        prop_assert_eq!(serde_json::from_str::<i64>(args[1].get()).unwrap(), number);
    }

    #[test]
    fn no_text_makes_the_parser_panic(
        text in r#"[0-7]?([0-9]{0,3}-)?(/.{0,3},)?[0-9]{0,22}[\[{]?.{0,20}[\]}]?"#
    ) {
        let _ = parse(&text);
    }
}
