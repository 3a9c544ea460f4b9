//! What every log backend must do; run on each of them.

mod bot;
mod hub;
mod people;
mod routing;
mod staff;
mod webhooks;

use super::*;
use crate::model::{
    Assigned, Closed, Joined, Left, Message, MessageStatus, Notification, Queued, Rated, Receipt,
    Reopened, Role, Scope, SessionStarted, Status,
};

/// A log under test and its tail.
pub(super) struct Subject {
    pub(super) log: Arc<dyn Log>,
    pub(super) tail: Tail,
}

pub(super) fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

pub(super) fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

pub(super) fn started(id: ConversationId) -> Event {
    Event::SessionStarted(SessionStarted {
        session_id: id,
        customer_id: Some(user("cust")),
        visitor_name: None,
        visitor_email: None,
        department_id: None,
        skills: vec![],
        language: None,
        external_ids: vec![ExternalId::parse(&format!("ext-{id}")).unwrap()],
        metadata: None,
    })
}

pub(super) fn message(id: ConversationId, client_id: Option<&str>, body: &str) -> Event {
    Event::Message(Message {
        session_id: id,
        message_id: Uuid::now_v7(),
        seq: 0,
        client_id: client_id.map(Into::into),
        sender_id: user("cust"),
        sender_type: Role::Customer,
        sender_name: None,
        body: body.into(),
    })
}

fn joined(id: ConversationId, who: &str) -> Event {
    let user_id = user(who);
    let (user_type, joined_at) = (Role::Agent, Moment(1));
    Event::Joined(Joined { session_id: id, user_id, user_type, joined_at, away_ms: None })
}

fn left(id: ConversationId, who: &str) -> Event {
    let reason = crate::model::DisconnectReason::ClientClose;
    Event::Left(Left { session_id: id, user_id: user(who), user_type: Role::Agent, reason })
}

/// The next events of the tail.
async fn next(tail: &mut Tail) -> Vec<Arc<Envelope>> {
    loop {
        if let Told::Events { events, .. } = tail.recv().await.unwrap() {
            return events;
        }
    }
}

async fn commit(log: &dyn Log, of: &TenantId, event: Event) -> Outcome {
    log.commit(of, Change::of(event)).await.unwrap().remove(0)
}

async fn begin(log: &dyn Log, of: &TenantId) -> ConversationId {
    let id = ConversationId::random();
    commit(log, of, started(id)).await;
    id
}

fn seq(outcome: &Outcome) -> u64 {
    match &outcome.envelope().unwrap().event {
        Event::Message(m) => m.seq,
        other => panic!("no message: {other:?}"),
    }
}

/// Runs the whole contract; each part on tenants of its own.
pub(super) async fn suite(mut subject: Subject) {
    let log = subject.log.clone();
    positions_rise_and_the_tail_tells_what_a_reader_reads(&log, &mut subject.tail).await;
    messages_are_numbered_without_holes(&*log).await;
    a_repeat_by_client_id_is_the_first_one(&*log).await;
    a_refused_change_leaves_no_trace(&*log).await;
    a_message_to_a_closed_conversation_leaves_no_trace(&*log).await;
    what_reopens_a_conversation_is_kept_where_it_is_closed_alone(&*log).await;
    a_repeat_after_the_close_reopens_nothing(&*log, &mut subject.tail).await;
    receipts_only_rise(&*log).await;
    who_is_present_is_the_fold_of_joins_and_leaves(&*log, &mut subject.tail).await;
    // Nobody looks at the tail from here on, and a full one would stop the writer.
    tokio::spawn(async move { while subject.tail.recv().await.is_some() {} });
    history_pages_both_ways(&*log).await;
    lists_and_queues_tell_what_was_committed(&*log).await;
    nothing_is_visible_to_another_tenant(&*log).await;
    old_events_go_and_readers_can_tell(&*log).await;
    people::suite(&*log).await;
    bot::suite(&*log).await;
    routing::suite(&*log).await;
    staff::suite(&*log).await;
    hub::suite(&*log).await;
    webhooks::suite(&*log).await;
    log.close().await;
    assert!(log.append(&tenant("late"), Change::default()).await.is_err());
}

async fn positions_rise_and_the_tail_tells_what_a_reader_reads(
    log: &Arc<dyn Log>,
    tail: &mut Tail,
) {
    let of = tenant("order");
    let id = begin(&**log, &of).await;
    let writers: Vec<_> = (0..8)
        .map(|w| {
            let (log, of) = (log.clone(), of.clone());
            tokio::spawn(async move {
                for n in 0..25 {
                    commit(&*log, &of, message(id, None, &format!("{w}-{n}"))).await;
                }
            })
        })
        .collect();
    let mut told = Vec::new();
    while told.len() < 201 {
        let batch = next(tail).await;
        told.extend(batch.into_iter().filter(|e| e.tenant == of));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let positions: Vec<u64> = told.iter().map(|e| e.position()).collect();
    assert_eq!(positions, (1..=201).collect::<Vec<u64>>(), "in order, without holes");
    assert!(told.windows(2).all(|w| w[0].at <= w[1].at), "time never runs backwards");
    let mut read = Vec::new();
    loop {
        let after = read.last().map_or(0, |e: &Arc<Envelope>| e.position());
        let page = log.read(&of, Reading::All, after, 64).await.unwrap();
        read.extend(page.events);
        if page.is_end {
            break;
        }
    }
    let plain = |e: &Arc<Envelope>| (e.cursor, e.at, e.event.clone());
    assert_eq!(
        read.iter().map(plain).collect::<Vec<_>>(),
        told.iter().map(plain).collect::<Vec<_>>()
    );
    assert_eq!(log.head(&of).await.unwrap(), told.last().unwrap().cursor.unwrap());
    let middle = told[100].at;
    let at = log.position_at(&of, middle).await.unwrap();
    assert_eq!(at, told.iter().filter(|e| e.at < middle).map(|e| e.position()).max().unwrap_or(0));
}

async fn messages_are_numbered_without_holes(log: &dyn Log) {
    let of = tenant("numbers");
    let (a, b) = (begin(log, &of).await, begin(log, &of).await);
    for n in 1..=3 {
        assert_eq!(seq(&commit(log, &of, message(a, None, "a")).await), n);
        assert_eq!(seq(&commit(log, &of, message(b, None, "b")).await), n);
    }
    assert_eq!(log.conversation(&of, a).await.unwrap().unwrap().last_seq, 3);
    let position = log.position_of(&of, a, 2).await.unwrap().unwrap();
    let page = log.read(&of, Reading::Conversation(a), position, 10).await.unwrap();
    assert_eq!(page.events.len(), 1, "one message follows the second");
    assert_eq!(log.position_of(&of, a, 4).await.unwrap(), None);
}

async fn a_repeat_by_client_id_is_the_first_one(log: &dyn Log) {
    let of = tenant("repeats");
    let id = begin(log, &of).await;
    let first = commit(log, &of, message(id, Some("m1"), "one")).await;
    let again = commit(log, &of, message(id, Some("m1"), "one")).await;
    let Outcome::Known(known) = &again else { panic!("the repeat was kept: {again:?}") };
    assert_eq!(known.cursor, first.envelope().unwrap().cursor);
    assert_eq!(seq(&commit(log, &of, message(id, Some("m2"), "two")).await), 2);
}

async fn a_refused_change_leaves_no_trace(log: &dyn Log) {
    let of = tenant("refusals");
    let id = begin(log, &of).await;
    let assigned = |agent: &str| {
        Event::Assigned(Assigned {
            session_id: id,
            agent_id: user(agent),
            agent_name: agent.into(),
            department_id: None,
        })
    };
    commit(log, &of, assigned("ana")).await;
    let head = log.head(&of).await.unwrap();
    let change = Change::events(vec![message(id, None, "lost"), assigned("ben")]);
    let err = log.commit(&of, change).await.unwrap_err();
    let Error::Conflict(_, Some(holder)) = err else { panic!("not a conflict: {err:?}") };
    assert_eq!(holder.agent_id, "ana");
    let unknown = log.commit(&of, Change::of(message(ConversationId::random(), None, "x"))).await;
    assert!(matches!(unknown, Err(Error::UnknownConversation)));
    assert_eq!(log.head(&of).await.unwrap(), head);
    assert_eq!(log.conversation(&of, id).await.unwrap().unwrap().last_seq, 0);
}

fn closed(id: ConversationId) -> Event {
    Event::Closed(Closed { session_id: id, by: user("cust"), agent_id: None })
}

/// A message as it is sent to a conversation that was closed when somebody looked.
fn reopening(id: ConversationId, client_id: Option<&str>, body: &str) -> Change {
    let queued =
        Queued { session_id: id, position: 1, estimated_wait_seconds: 0, department_id: None };
    let reopened = Reopened { session_id: id, by: user("cust"), agent_id: None };
    let message = message(id, client_id, body);
    Change::events(vec![Event::Reopened(reopened), Event::Queued(queued), message])
}

async fn status(log: &dyn Log, of: &TenantId, id: ConversationId) -> Status {
    log.conversation(of, id).await.unwrap().unwrap().status
}

async fn a_message_to_a_closed_conversation_leaves_no_trace(log: &dyn Log) {
    let of = tenant("closed");
    let id = begin(log, &of).await;
    commit(log, &of, message(id, None, "before")).await;
    commit(log, &of, closed(id)).await;
    let head = log.head(&of).await.unwrap();
    for client_id in [None, Some("m")] {
        let refused = log.commit(&of, Change::of(message(id, client_id, "lost"))).await;
        assert!(matches!(refused, Err(Error::Closed)), "{refused:?}");
    }
    assert_eq!(log.head(&of).await.unwrap(), head);
    let record = log.conversation(&of, id).await.unwrap().unwrap();
    assert_eq!((record.status, record.last_seq), (Status::Closed, 1));
    // What was refused is not known either: with what reopens, it is a first one.
    let outcomes = log.commit(&of, reopening(id, Some("m"), "said")).await.unwrap();
    assert!(matches!(outcomes[2], Outcome::Kept(_)), "{outcomes:?}");
    assert_eq!(seq(&outcomes[2]), 2, "no number was used up");
}

async fn what_reopens_a_conversation_is_kept_where_it_is_closed_alone(log: &dyn Log) {
    let of = tenant("reopened");
    let id = begin(log, &of).await;
    commit(log, &of, closed(id)).await;
    let outcomes = log.commit(&of, reopening(id, None, "one")).await.unwrap();
    assert!(outcomes.iter().all(|o| matches!(o, Outcome::Kept(_))), "{outcomes:?}");
    assert_eq!(status(log, &of, id).await, Status::Waiting);
    // Waiting, then assigned: whoever looked before the first message sends the same with its own.
    for (expected, number) in [(Status::Waiting, 2), (Status::Assigned, 3)] {
        if expected == Status::Assigned {
            let assigned = Assigned {
                session_id: id,
                agent_id: user("ana"),
                agent_name: "Ana".into(),
                department_id: None,
            };
            commit(log, &of, Event::Assigned(assigned)).await;
        }
        let head = log.head(&of).await.unwrap();
        let outcomes = log.commit(&of, reopening(id, None, "more")).await.unwrap();
        let [Outcome::Unchanged, Outcome::Unchanged, kept @ Outcome::Kept(_)] = &outcomes[..]
        else {
            panic!("{expected:?}: {outcomes:?}");
        };
        assert_eq!(seq(kept), number);
        assert_eq!(log.head(&of).await.unwrap().position, head.position + 1);
        let record = log.conversation(&of, id).await.unwrap().unwrap();
        let agent = (expected == Status::Assigned).then(|| user("ana"));
        assert_eq!((record.status, &record.agent), (expected, &agent));
    }
}

async fn a_repeat_after_the_close_reopens_nothing(log: &dyn Log, tail: &mut Tail) {
    let of = tenant("repeats-late");
    let id = begin(log, &of).await;
    let first = commit(log, &of, message(id, Some("m"), "one")).await;
    commit(log, &of, closed(id)).await;
    let head = log.head(&of).await.unwrap();
    for change in [Change::of(message(id, Some("m"), "one")), reopening(id, Some("m"), "one")] {
        let outcomes = log.commit(&of, change).await.unwrap();
        let Some((Outcome::Known(known), others)) = outcomes.split_last() else {
            panic!("the repeat was not known: {outcomes:?}");
        };
        assert_eq!(known.cursor, first.envelope().unwrap().cursor);
        assert!(others.iter().all(|o| matches!(o, Outcome::Unchanged)), "{outcomes:?}");
        assert_eq!(log.head(&of).await.unwrap(), head);
        assert_eq!(status(log, &of, id).await, Status::Closed);
    }
    // What the tail tells next is what was kept next.
    commit(
        log,
        &of,
        Event::Rated(Rated { session_id: id, score: 5, comment: None, agent_id: None }),
    )
    .await;
    let mut told = Vec::new();
    while !told.iter().any(|e: &Arc<Envelope>| matches!(e.event, Event::Rated(_))) {
        told.extend(next(tail).await.into_iter().filter(|e| e.tenant == of));
    }
    let positions: Vec<u64> = told.iter().map(|e| e.position()).collect();
    assert_eq!(positions, [1, 2, 3, 4], "begun, said, closed, rated");
}

async fn receipts_only_rise(log: &dyn Log) {
    let of = tenant("receipts");
    let id = begin(log, &of).await;
    for _ in 0..3 {
        commit(log, &of, message(id, None, "x")).await;
    }
    let status = |seq, status| {
        Event::MessageStatus(MessageStatus { session_id: id, seq, user_id: user("ana"), status })
    };
    for kind in [Receipt::Delivered, Receipt::Read] {
        assert!(matches!(commit(log, &of, status(2, kind)).await, Outcome::Kept(_)));
        assert!(matches!(commit(log, &of, status(2, kind)).await, Outcome::Unchanged));
        assert!(matches!(commit(log, &of, status(1, kind)).await, Outcome::Unchanged));
        let Outcome::Kept(e) = commit(log, &of, status(99, kind)).await else { panic!() };
        let Event::MessageStatus(s) = &e.event else { panic!() };
        assert_eq!(s.seq, 3, "no receipt goes beyond the last message");
    }
}

async fn who_is_present_is_the_fold_of_joins_and_leaves(log: &dyn Log, tail: &mut Tail) {
    let of = tenant("present");
    let id = begin(log, &of).await;
    for event in [joined(id, "b"), joined(id, "a"), left(id, "b"), left(id, "nobody")] {
        commit(log, &of, event).await;
    }
    let mut folded = std::collections::BTreeSet::new();
    let mut seen = 0;
    while seen < 3 {
        for envelope in next(tail).await.into_iter().filter(|e| e.tenant == of) {
            match &envelope.event {
                Event::Joined(j) => assert!(folded.insert(j.user_id.clone())),
                Event::Left(l) => assert!(folded.remove(&l.user_id)),
                _ => continue,
            }
            seen += 1;
            let present = envelope.present.as_ref().expect("told with who is present");
            let present: Vec<_> = present.iter().map(|m| m.user_id.clone()).collect();
            assert_eq!(present, folded.iter().cloned().collect::<Vec<_>>());
        }
    }
    let leaves = log.recent_leaves(Moment(0)).await.unwrap();
    let leaves: Vec<_> = leaves.iter().filter(|l| l.tenant == of).collect();
    assert_eq!(leaves.len(), 1, "the leave of nobody is none");
    assert_eq!((leaves[0].conversation, &leaves[0].user), (id, &user("b")));
    let later = Moment(leaves[0].at.0 + 1);
    assert!(log.recent_leaves(later).await.unwrap().iter().all(|l| l.tenant != of));
    let behind = log.left_behind().await.unwrap();
    let behind: Vec<_> = behind.iter().filter(|l| l.tenant == of).collect();
    assert_eq!(behind.len(), 1);
    assert_eq!((behind[0].conversation, &behind[0].member.user_id), (id, &user("a")));
}

async fn history_pages_both_ways(log: &dyn Log) {
    let of = tenant("history");
    let id = begin(log, &of).await;
    for n in 1..=5 {
        commit(log, &of, message(id, None, &n.to_string())).await;
        commit(log, &of, joined(id, &format!("u{n}"))).await;
    }
    let page = |before, after, limit| async move {
        let range = HistoryRange { before, after, limit };
        let history = log.messages(&of, id, range).await.unwrap();
        let seqs: Vec<u64> =
            history.messages.iter().map(|e| seq(&Outcome::Kept(e.clone()))).collect();
        (seqs, history.has_more)
    };
    assert_eq!(page.clone()(None, None, Some(2)).await, (vec![4, 5], true));
    assert_eq!(page.clone()(Some(4), None, Some(2)).await, (vec![2, 3], true));
    assert_eq!(page.clone()(Some(3), None, Some(2)).await, (vec![1, 2], false));
    assert_eq!(page.clone()(None, Some(3), Some(9)).await, (vec![4, 5], false));
    assert_eq!(page.clone()(None, Some(0), Some(2)).await, (vec![1, 2], true));
    assert_eq!(page(Some(5), Some(1), Some(9)).await, (vec![2, 3, 4], false));
}

async fn lists_and_queues_tell_what_was_committed(log: &dyn Log) {
    let of = tenant("lists");
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(begin(log, &of).await);
        // Distinct creation times, so that the order of the list is certain.
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    for id in &ids {
        let queued = crate::model::Queued {
            session_id: *id,
            position: 1,
            estimated_wait_seconds: 0,
            department_id: None,
        };
        commit(log, &of, Event::Queued(queued)).await;
    }
    let list = |status, after| async move {
        let filter = ConversationFilter { status, department: None, after, limit: 2 };
        log.conversations(&of, filter).await.unwrap()
    };
    let first = list.clone()(None, None).await;
    assert_eq!(first.iter().map(|c| c.id).collect::<Vec<_>>(), [ids[2], ids[1]]);
    let after = Some((first[1].created_at, first[1].id));
    assert_eq!(list.clone()(None, after).await.iter().map(|c| c.id).collect::<Vec<_>>(), [ids[0]]);
    assert!(list(Some(Status::Closed), None).await.is_empty());
    let of = tenant("lists");
    assert_eq!(log.waiting(&of).await.unwrap().len(), 3);
    let external = ExternalId::parse(&format!("ext-{}", ids[0])).unwrap();
    assert_eq!(log.conversation_by_external_id(&of, &external).await.unwrap(), Some(ids[0]));
    let claim = Event::Assigned(Assigned {
        session_id: ids[0],
        agent_id: user("ana"),
        agent_name: "Ana".into(),
        department_id: None,
    });
    commit(log, &of, claim).await;
    assert_eq!(log.assigned_to(&of, &user("ana"), 9).await.unwrap(), [ids[0]]);
    assert_eq!(log.waiting(&of).await.unwrap().len(), 2);
    let back = Event::Transferred(crate::model::Transferred {
        session_id: ids[0],
        from_agent_id: Some(user("ana")),
        to_agent_id: None,
        to_agent_name: None,
        to_department_id: None,
        note: None,
    });
    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    commit(log, &of, back).await;
    let queued = crate::model::Queued {
        session_id: ids[0],
        position: 3,
        estimated_wait_seconds: 0,
        department_id: None,
    };
    commit(log, &of, Event::Queued(queued)).await;
    assert_eq!(log.waiting(&of).await.unwrap().len(), 3, "an unfinished wait");
}

async fn nothing_is_visible_to_another_tenant(log: &dyn Log) {
    let (ours, theirs) = (tenant("ours"), tenant("theirs"));
    let id = begin(log, &ours).await;
    commit(log, &ours, message(id, Some("m"), "secret")).await;
    begin(log, &theirs).await;
    assert!(log.conversation(&theirs, id).await.unwrap().is_none());
    assert!(log.messages(&theirs, id, HistoryRange::default()).await.unwrap().messages.is_empty());
    let page = log.read(&theirs, Reading::Conversation(id), 0, 10).await.unwrap();
    assert!(page.events.is_empty());
    assert_eq!(log.position_of(&theirs, id, 1).await.unwrap(), None);
    assert!(matches!(
        log.commit(&theirs, Change::of(message(id, None, "in"))).await,
        Err(Error::UnknownConversation)
    ));
    let (a, b) = (log.head(&ours).await.unwrap(), log.head(&theirs).await.unwrap());
    assert_ne!(a.log, b.log, "a cursor of one tenant is foreign to another");
}

async fn old_events_go_and_readers_can_tell(log: &dyn Log) {
    let of = tenant("old");
    let id = begin(log, &of).await;
    commit(log, &of, joined(id, "a")).await;
    commit(log, &of, message(id, None, "kept")).await;
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let before = Moment::now();
    let young = commit(log, &of, left(id, "a")).await.envelope().unwrap().position();
    let retention = Retention { connections_before: Some(before), ..Retention::default() };
    assert!(log.prune(retention).await.unwrap() >= 1);
    let left_over = log.read(&of, Reading::All, 0, 10).await.unwrap().events;
    let positions: Vec<u64> = left_over.iter().map(|e| e.position()).collect();
    assert_eq!(positions, [1, 3, young], "only the old join is gone");
    assert_eq!(log.pruned_through(&of).await.unwrap(), 2);
    let all = Retention { all_before: Some(Moment(i64::MAX)), ..Retention::default() };
    log.prune(all).await.unwrap();
    let next = commit(log, &of, message(id, None, "next")).await;
    assert_eq!(next.envelope().unwrap().position(), young + 1, "positions are never used again");
    assert_eq!(seq(&next), 2);
}
