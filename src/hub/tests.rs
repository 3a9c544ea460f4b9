//! The hub alone: who hears what, what a full outbox loses, and how often a frame is made.

use super::*;
use crate::model::{ConversationId, Cursor, EventSet, Role, SessionEnded, TenantId, Typing};

fn tenant() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn outbox(user: &str) -> Arc<Outbox> {
    Outbox::new(UserId::parse(user).unwrap(), 4)
}

fn durable(id: ConversationId, position: u64) -> Arc<Publication> {
    let event = Event::SessionEnded(SessionEnded { session_id: id });
    let mut envelope = Envelope::volatile(tenant(), event);
    envelope.cursor = Some(Cursor { log: 1, position });
    Publication::new(Arc::new(envelope))
}

fn typing(id: ConversationId, user: &str, is_typing: bool) -> Arc<Publication> {
    let event = Event::Typing(Typing {
        session_id: id,
        user_id: UserId::parse(user).unwrap(),
        sender_type: Role::Agent,
        name: None,
        is_typing,
    });
    Publication::new(Arc::new(Envelope::volatile(tenant(), event)))
}

fn taken(outbox: &Outbox) -> Vec<Arc<Publication>> {
    let mut batch = VecDeque::new();
    assert_eq!(outbox.poll(Some(&mut batch)), Some(Todo::Write));
    batch.into()
}

#[test]
fn a_listener_of_two_topics_hears_an_event_once() {
    let (hub, mine, console) = (Hub::default(), outbox("agent_456"), outbox("sari"));
    let assigned = Event::samples().into_iter().find(|e| matches!(e, Event::Assigned(_))).unwrap();
    let id = assigned.conversation().unwrap();
    let user = Topic::User(tenant(), UserId::parse("agent_456").unwrap());
    hub.subscribe(Topic::Conversation(tenant(), id), ConnId(1), mine.clone());
    hub.subscribe(user, ConnId(1), mine.clone());
    hub.subscribe(Topic::Tenant(tenant()), ConnId(2), console.clone());
    let envelope = Envelope::volatile(tenant(), assigned);
    let reach = hub.publish(&Publication::new(Arc::new(envelope)));
    assert_eq!(reach, Reach { listeners: 2, taken: 2, closed_as_slow: 0 });
    assert_eq!((mine.depth(), console.depth()), (1, 1));
}

#[test]
fn what_is_not_wanted_is_left_but_for_what_is_personal() {
    let (hub, mine) = (Hub::default(), Outbox::new(UserId::parse("sari").unwrap(), 64));
    hub.subscribe(Topic::Tenant(tenant()), ConnId(1), mine.clone());
    assert_eq!(mine.take_only(EventSet::parse("call.*").unwrap()), 0);
    for (position, event) in Event::samples().into_iter().enumerate() {
        let cursor = Some(Cursor { log: 1, position: position as u64 + 1 });
        let envelope = Envelope { cursor, ..Envelope::volatile(tenant(), event) };
        hub.publish(&Publication::new(Arc::new(envelope)));
    }
    let heard = taken(&mine);
    let is_call = |e: &Event| e.name().starts_with("call.");
    let calls = heard.iter().filter(|p| is_call(&p.envelope.event)).count();
    assert_eq!(calls, 6);
    let others = heard.iter().filter(|p| !is_call(&p.envelope.event));
    assert!(others.clone().count() > 0 && others.clone().all(|p| p.envelope.is_personal()));
    // Whoever wants more from here on knows what it was offered before.
    assert_eq!(mine.take_only(EventSet::ALL), Event::samples().len() as u64);
}

#[test]
fn another_tenant_hears_nothing() {
    let (hub, id, theirs) = (Hub::default(), ConversationId::random(), outbox("u"));
    let other = TenantId::parse("globex").unwrap();
    hub.subscribe(Topic::Conversation(other.clone(), id), ConnId(1), theirs.clone());
    hub.subscribe(Topic::Tenant(other), ConnId(1), theirs.clone());
    assert_eq!(hub.publish(&durable(id, 1)), Reach::default());
}

#[test]
fn a_full_outbox_ends_its_connection_and_nobody_elses() {
    let (hub, id) = (Hub::default(), ConversationId::random());
    let (slow, quick) = (outbox("slow"), outbox("quick"));
    hub.subscribe(Topic::Conversation(tenant(), id), ConnId(1), slow.clone());
    hub.subscribe(Topic::Conversation(tenant(), id), ConnId(2), quick.clone());
    for n in 1..=5 {
        hub.publish(&durable(id, n));
        assert_eq!(taken(&quick).len(), 1);
    }
    let mut batch = VecDeque::new();
    assert_eq!(slow.poll(Some(&mut batch)), Some(Todo::Close(CloseReason::SlowConsumer)));
}

#[test]
fn a_full_outbox_misses_volatile_events_and_stays() {
    let (hub, id, mine) = (Hub::default(), ConversationId::random(), outbox("u"));
    hub.subscribe(Topic::Conversation(tenant(), id), ConnId(1), mine.clone());
    for n in 1..=4 {
        hub.publish(&durable(id, n));
    }
    assert_eq!(hub.publish(&typing(id, "other", true)).taken, 0);
    assert_eq!(taken(&mine).len(), 4);
}

#[test]
fn of_a_typist_only_the_latest_is_kept_and_not_for_itself() {
    let (hub, id, mine) = (Hub::default(), ConversationId::random(), outbox("u"));
    hub.subscribe(Topic::Conversation(tenant(), id), ConnId(1), mine.clone());
    hub.publish(&typing(id, "a", true));
    hub.publish(&typing(id, "b", true));
    hub.publish(&typing(id, "a", false));
    hub.publish(&typing(id, "u", true));
    let states: Vec<_> = taken(&mine)
        .iter()
        .map(|p| match &p.envelope.event {
            Event::Typing(t) => (t.user_id.to_string(), t.is_typing),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(states, [("a".to_owned(), false), ("b".to_owned(), true)]);
}

#[test]
fn while_catching_up_a_full_outbox_asks_for_another_read() {
    let (hub, id, mine) = (Hub::default(), ConversationId::random(), outbox("u"));
    mine.begin_catch_up();
    hub.subscribe(Topic::Conversation(tenant(), id), ConnId(1), mine.clone());
    for n in 1..=5 {
        hub.publish(&durable(id, n));
    }
    assert!(!mine.end_catch_up(), "the fifth was lost");
    hub.publish(&durable(id, 6));
    assert!(mine.end_catch_up());
    assert_eq!(taken(&mine).len(), 1);
}

#[test]
fn of_a_users_comings_and_goings_only_the_latest_is_kept() {
    use crate::model::{AgentStatus, PresenceChanged};
    let (hub, mine) = (Hub::default(), outbox("u"));
    hub.subscribe(Topic::Staff(tenant()), ConnId(1), mine.clone());
    for (user, status) in [
        ("a", AgentStatus::Online),
        ("b", AgentStatus::Online),
        ("a", AgentStatus::Offline),
        ("b", AgentStatus::Offline),
        ("a", AgentStatus::Online),
    ] {
        let user_id = UserId::parse(user).unwrap();
        let changed = PresenceChanged { user_id, status, conversations: vec![] };
        let envelope = Envelope::volatile(tenant(), Event::PresenceChanged(changed));
        hub.publish(&Publication::new(Arc::new(envelope)));
    }
    let states: Vec<_> = taken(&mine)
        .iter()
        .map(|p| match &p.envelope.event {
            Event::PresenceChanged(p) => (p.user_id.to_string(), p.status),
            other => panic!("{other:?}"),
        })
        .collect();
    let (a, b) = ("a".to_owned(), "b".to_owned());
    assert_eq!(states, [(a, AgentStatus::Online), (b, AgentStatus::Offline)]);
}

#[test]
fn who_listens_no_longer_is_forgotten() {
    let (hub, id, mine) = (Hub::default(), ConversationId::random(), outbox("u"));
    let topic = Topic::Conversation(tenant(), id);
    for conn in [1, 2] {
        hub.subscribe(topic.clone(), ConnId(conn), mine.clone());
    }
    hub.unsubscribe(&topic, ConnId(1));
    assert_eq!(hub.publish(&durable(id, 1)).listeners, 1);
    hub.unsubscribe(&topic, ConnId(2));
    hub.unsubscribe(&topic, ConnId(2));
    assert_eq!(hub.publish(&durable(id, 2)), Reach::default());
    assert!(hub.lock().is_empty(), "a topic without listeners is kept");
}

#[test]
fn each_name_of_a_conversation_has_its_own_frame() {
    let publication = durable(ConversationId::random(), 1);
    let mut encodings = std::collections::BTreeMap::new();
    let names = ["conv-1", "conv-2"].map(|name| ExternalId::parse(name).unwrap());
    for name in [&names[0], &names[1], &names[0], &names[1]] {
        let count = std::cell::Cell::new(0);
        let frame = publication.frame_named(Encoding::SocketIo, name, |_, name| {
            count.set(count.get() + 1);
            Some(Bytes::from(name.to_string()))
        });
        assert_eq!(frame.unwrap(), name.as_str());
        *encodings.entry(name.as_str()).or_insert(0) += count.get();
    }
    assert_eq!(encodings["conv-1"], 1, "the first name's frame is shared");
    // The frame without a name, and another dialect's, are others.
    let bare = |dialect| publication.frame(dialect, |_| Some(Bytes::from_static(b"bare")));
    assert_eq!(bare(Encoding::SocketIo).unwrap(), "bare");
    assert_eq!(bare(Encoding::Session).unwrap(), "bare");
}

#[test]
fn an_offset_is_written_once_and_only_for_what_is_kept() {
    let id = ConversationId::random();
    let kept = durable(id, 7);
    let text = |cursor: Cursor| Some(Bytes::from(cursor.position.to_string()));
    assert_eq!(kept.mark(Encoding::SocketIo, text).unwrap(), "7");
    assert_eq!(kept.mark(Encoding::SocketIo, |_| panic!("written again")).unwrap(), "7");
    assert_eq!(typing(id, "a", true).mark(Encoding::SocketIo, text), None);
}

#[test]
fn ten_thousand_listeners_cost_one_encoding() {
    let publication = durable(ConversationId::random(), 1);
    let mut encodings = 0;
    for _ in 0..10_000 {
        publication.frame(Encoding::Session, |_| {
            encodings += 1;
            Some(Bytes::from_static(b"{}"))
        });
    }
    assert_eq!(encodings, 1);
}
