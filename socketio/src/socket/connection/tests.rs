//! What a client may say when, and what becomes of it.

use std::time::Duration;

use bytes::Bytes;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn connection() -> Connection {
    Connection::new(Arc::new(Config::default()), Instant::now())
}

/// A client in the main namespace.
fn connected_client() -> Connection {
    let mut client = connection();
    say(&mut client, "0").unwrap();
    client.accept("/", Sid::random().unwrap(), None);
    client
}

/// What arrives, in short.
fn say(client: &mut Connection, text: &str) -> Result<Option<String>, Fault> {
    let text = Text::from(text.to_owned());
    let arrival = client.text(&text, Instant::now())?;
    Ok(arrival.map(|arrival| short(&arrival)))
}

fn short(arrival: &Arrival<'_>) -> String {
    let raw = |args: &[&RawValue]| args.iter().map(|arg| arg.get()).collect::<Vec<_>>().join(" ");
    match arrival {
        Arrival::Connect { namespace, auth } => {
            format!("connect {namespace} {}", auth.map_or("-", RawValue::get))
        }
        Arrival::Disconnect { namespace } => format!("disconnect {namespace}"),
        Arrival::Event { namespace, name, args, ack, attachments } => {
            format!("event {namespace} {name} {} {ack:?} {}", raw(args), attachments.len())
        }
        Arrival::Ack { namespace, id, args, .. } => format!("ack {namespace} {id} {}", raw(args)),
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_comes_speaks_and_leaves() {
    let mut client = connection();
    assert_eq!(say(&mut client, r#"0{"a":1}"#), Ok(Some(r#"connect / {"a":1}"#.into())));
    assert!(!client.is_connected("/"));
    client.accept("/", Sid::random().unwrap(), None);
    assert!(client.is_connected("/"));
    assert_eq!(say(&mut client, r#"25["hi",1]"#), Ok(Some("event / hi 1 Some(5) 0".into())));
    assert_eq!(say(&mut client, "1"), Ok(Some("disconnect /".into())));
    assert_eq!(say(&mut client, r#"2["hi"]"#), Err(Fault::NotConnected));
}

#[tokio::test(start_paused = true)]
async fn namespaces_are_independent() {
    let mut client = connected_client();
    assert_eq!(say(&mut client, r#"2/n,["hi"]"#), Err(Fault::NotConnected));
    assert_eq!(say(&mut client, "0/n,"), Ok(Some("connect /n -".into())));
    assert_eq!(say(&mut client, r#"2/n,["hi"]"#), Err(Fault::NotConnected), "not let in yet");
    client.accept("/n", Sid::random().unwrap(), None);
    assert_eq!(say(&mut client, r#"2/n,["hi"]"#), Ok(Some("event /n hi  None 0".into())));
    say(&mut client, "1/n,").unwrap();
    assert!(client.is_connected("/") && !client.is_connected("/n"));
}

#[tokio::test(start_paused = true)]
async fn who_was_refused_may_ask_again_but_not_twice_at_once() {
    let mut client = connection();
    say(&mut client, "0").unwrap();
    assert_eq!(say(&mut client, "0"), Err(Fault::AlreadyConnected));
    client.refuse("/", "no", None);
    assert!(say(&mut client, "0").is_ok());
    client.accept("/", Sid::random().unwrap(), None);
    assert_eq!(say(&mut client, "0"), Err(Fault::AlreadyConnected));
    client.disconnect("/");
    assert!(say(&mut client, "0").is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_only_servers_say_is_a_fault() {
    assert_eq!(say(&mut connected_client(), "4{}"), Err(Fault::UnexpectedPacket));
}

#[tokio::test(start_paused = true)]
async fn namespaces_of_a_client_are_bounded() {
    let mut client = connected_client();
    for number in 1..16 {
        say(&mut client, &format!("0/{number},")).unwrap();
    }
    assert_eq!(say(&mut client, "0/one-more,"), Err(Fault::TooManyNamespaces));
    client.refuse("/1", "no", None);
    assert!(say(&mut client, "0/one-more,").is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_is_let_in_nowhere_has_to_go() {
    let start = Instant::now();
    let mut client = connection();
    assert_eq!(client.deadline(), Some(start + 45 * SECOND));
    say(&mut client, "0").unwrap();
    client.refuse("/", "no", None);
    assert_eq!(client.expire(start + 44 * SECOND), Ok(None));
    assert_eq!(client.expire(start + 45 * SECOND), Err(Fault::ConnectTimeout));
    assert_eq!(connected_client().deadline(), None);
}

#[tokio::test(start_paused = true)]
async fn a_packet_is_put_together_from_its_attachments() {
    let mut client = connected_client();
    let text = r#"52-7["b",{"_placeholder":true,"num":1},{"x":{"_placeholder":true,"num":0}}]"#;
    assert_eq!(say(&mut client, text), Ok(None));
    assert!(client.binary(b"one").unwrap().is_none());
    let assembled = client.binary(b"two").unwrap().unwrap();
    let arrival = assembled.arrival(client.config()).unwrap();
    let Arrival::Event { name, args, ack, attachments, .. } = &arrival else { panic!("no event") };
    assert_eq!((name.as_ref(), *ack, attachments.len()), ("b", Some(7), 2));
    assert_eq!(arrival.attachment(args[0]), Some(&Bytes::from_static(b"two")));
    assert_eq!(arrival.attachment(args[1]), None);
    assert_eq!(client.deadline(), None);
    assert!(say(&mut client, r#"2["next"]"#).is_ok());
}

#[tokio::test(start_paused = true)]
async fn text_where_an_attachment_is_due_is_a_fault_and_so_is_the_reverse() {
    let mut client = connected_client();
    assert_eq!(client.binary(b"x").unwrap_err(), Fault::UnexpectedAttachment);
    say(&mut client, r#"51-["b"]"#).unwrap();
    assert_eq!(say(&mut client, r#"2["a"]"#), Err(Fault::AttachmentMissing));
}

#[tokio::test(start_paused = true)]
async fn attachments_have_a_size_and_a_time() {
    let mut client = connected_client();
    say(&mut client, r#"52-["b"]"#).unwrap();
    let until = Instant::now() + 30 * SECOND;
    assert_eq!(client.deadline(), Some(until));
    client.binary(&vec![0; 999_999]).unwrap();
    assert_eq!(client.expire(until), Err(Fault::AttachmentsTimeout));
    assert_eq!(client.binary(b"xx").unwrap_err(), Fault::AttachmentsTooLarge);
}

#[tokio::test(start_paused = true)]
async fn a_packet_for_a_namespace_that_we_closed_meanwhile_is_dropped() {
    let mut client = connected_client();
    say(&mut client, r#"51-["b"]"#).unwrap();
    client.disconnect("/");
    assert!(client.binary(b"x").unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_arrives_once_and_in_its_namespace() {
    let mut client = connected_client();
    let id = client.expect_ack("/", Instant::now()).unwrap();
    let other = client.expect_ack("/", Instant::now()).unwrap();
    assert_ne!(id, other);
    say(&mut client, "0/n,").unwrap();
    client.accept("/n", Sid::random().unwrap(), None);
    assert_eq!(say(&mut client, &format!("3/n,{id}[1]")), Ok(None), "another namespace");
    assert_eq!(say(&mut client, &format!("3{id}[1]")), Ok(Some(format!("ack / {id} 1"))));
    assert_eq!(say(&mut client, &format!("3{id}[1]")), Ok(None), "a second time");
    assert_eq!(say(&mut client, "3999[]"), Ok(None), "never asked for");
}

#[tokio::test(start_paused = true)]
async fn acknowledgements_that_do_not_come_are_given_up_in_order() {
    let start = Instant::now();
    let mut client = connected_client();
    let first = client.expect_ack("/", start).unwrap();
    let second = client.expect_ack("/", start + SECOND).unwrap();
    assert_eq!(client.deadline(), Some(start + 30 * SECOND));
    assert_eq!(client.expire(start + 30 * SECOND), Ok(Some(first)));
    assert_eq!(client.expire(start + 30 * SECOND), Ok(None));
    assert_eq!(client.expire(start + 31 * SECOND), Ok(Some(second)));
    assert_eq!(client.deadline(), None);
}

#[tokio::test(start_paused = true)]
async fn acknowledgements_waited_for_are_bounded() {
    let mut client = connected_client();
    for _ in 0..256 {
        client.expect_ack("/", Instant::now()).unwrap();
    }
    assert_eq!(client.expect_ack("/", Instant::now()), Err(AcksFull));
    client.disconnect("/");
    assert!(client.expect_ack("/", Instant::now()).is_ok(), "who left answers no more");
}

#[test]
fn an_idle_client_is_small() {
    assert!(size_of::<Connection>() <= 128, "{}", size_of::<Connection>());
}
