//! Posts, calls and notifications.

use super::*;
use crate::log::{Batch, Once};
use crate::model::{
    Alert, Call, CallAnswered, CallEnded, CallIncoming, CallQueue, Notification, NotificationRead,
    Origin, QueueJoined, QueueLeft, Target,
};

pub(super) async fn suite(log: &dyn Log) {
    a_repeat_of_a_post_is_known(log).await;
    what_a_producer_says_is_read_again(log).await;
    calls_are_open_until_they_end(log).await;
    notifications_wait_for_their_user(log).await;
    an_event_says_who_may_hear_it(log).await;
}

fn incoming(unique_id: &str) -> Event {
    Event::Call(Call::CallIncoming(CallIncoming {
        unique_id: unique_id.into(),
        caller_id: "+6281".into(),
        caller_name: None,
        destination: "1500".into(),
        queue_name: None,
        corrected: false,
    }))
}

fn once(key: &str, digest: u8) -> Option<Once> {
    Some(Once { key: key.into(), digest: [digest; 32] })
}

fn posted(event: Event, key: Option<Once>) -> Change {
    Change { once: key, ..Change::of(event) }
}

/// Contract 7.
async fn a_repeat_of_a_post_is_known(log: &dyn Log) {
    let of = tenant("posts");
    let batch = |digest| Batch {
        changes: vec![
            posted(incoming("a"), None),
            posted(incoming("b"), once("e:b", 1)),
            posted(incoming("e"), once("e:b", 2)),
        ],
        once: once("k:1", digest),
    };
    let commit = async |batch| log.append_batch(&of, batch).await.unwrap().committed().await;
    let first = commit(batch(9)).await.unwrap();
    assert!(!first.is_repeat && first.changes[..2].iter().all(Result::is_ok));
    assert!(matches!(first.changes[2], Err(Error::KeyReused(_))));
    assert_eq!(first.cursor, log.head(&of).await.unwrap());
    let again = commit(batch(9)).await.unwrap();
    assert!(again.is_repeat);
    for change in &again.changes[..2] {
        assert!(matches!(change.as_deref(), Ok([Outcome::Repeated(c)]) if *c == first.cursor));
    }
    assert!(matches!(again.changes[2], Err(Error::KeyReused(_))), "it is refused again");
    assert_eq!(again.cursor, first.cursor);
    let Err(Error::KeyReused(key)) = commit(batch(8)).await else { panic!("another body") };
    assert_eq!(key, "k:1");
    assert_eq!(log.head(&of).await.unwrap(), first.cursor, "nothing was kept twice");
    // The key of one event, in another batch, beside one that is new, and one that is not the same.
    let mixed = Batch {
        changes: vec![
            posted(incoming("b"), once("e:b", 1)),
            posted(incoming("c"), once("e:c", 1)),
            posted(incoming("d"), once("e:b", 2)),
        ],
        once: None,
    };
    let mixed = commit(mixed).await.unwrap();
    assert!(
        matches!(mixed.changes[0].as_deref(), Ok([Outcome::Repeated(c)]) if *c == first.cursor)
    );
    assert!(matches!(mixed.changes[1].as_deref(), Ok([Outcome::Kept(_)])));
    assert!(matches!(mixed.changes[2], Err(Error::KeyReused(_))));
    assert_eq!(log.head(&of).await.unwrap().position, first.cursor.position + 1);
    // Another tenant's keys are its own.
    let other = log.append_batch(&tenant("posts2"), batch(8)).await.unwrap().committed().await;
    assert!(!other.unwrap().is_repeat);
    let old = Retention { posts_before: Some(Moment(i64::MAX)), ..Retention::default() };
    log.prune(old).await.unwrap();
    assert!(!commit(batch(8)).await.unwrap().is_repeat, "forgotten after a day");
}

async fn what_a_producer_says_is_read_again(log: &dyn Log) {
    let (of, id) = (tenant("origins"), ConversationId::random());
    log.commit(&of, Change::of(started(id))).await.unwrap();
    let alert = || {
        let (title, body) = ("Maintenance".into(), "Soon".into());
        Event::Alert(Alert { title, body, kind: None, data: None })
    };
    let targets = [
        Target::User(user("ana")),
        Target::Role(crate::model::Role::Customer),
        Target::Conversation(id),
    ];
    for target in targets {
        let origin = Origin { id: Some("p-1".into()), target: Some(target.clone()) };
        let change = Change { origin: Some(Arc::new(origin)), ..Change::of(alert()) };
        let kept = log.commit(&of, change).await.unwrap();
        assert_eq!(kept[0].envelope().unwrap().target(), Some(&target));
        let latest = log.read_latest(&of, Reading::All, 1).await.unwrap().events;
        assert_eq!(latest[0].target(), Some(&target));
        assert_eq!(latest[0].origin.as_ref().unwrap().id.as_deref(), Some("p-1"));
    }
    let of_user = log.read(&of, Reading::User(user("ana")), 0, 10).await.unwrap().events;
    assert_eq!(of_user.len(), 1, "what is for a user is found again by the user");
    let told = log.read(&of, Reading::Conversation(id), 0, 10).await.unwrap().events;
    assert_eq!(told.len(), 2, "what is told to a conversation is found there");
    assert!(told[1].conversation() == Some(id) && told[1].event.conversation().is_none());
}

async fn calls_are_open_until_they_end(log: &dyn Log) {
    let of = tenant("calls");
    let answered = Event::Call(Call::CallAnswered(CallAnswered {
        unique_id: "1".into(),
        agent_id: user("ana"),
        agent_name: None,
        queue_name: None,
        corrected: false,
    }));
    let ended = |id: &str| {
        Event::Call(Call::CallEnded(CallEnded {
            unique_id: id.into(),
            duration: 3,
            agent_id: None,
            reason: None,
            corrected: false,
        }))
    };
    let joined = Event::CallQueue(CallQueue::QueueJoined(QueueJoined {
        queue_name: "support".into(),
        unique_id: "2".into(),
        caller_id: None,
        position: None,
        calls_waiting: None,
        corrected: false,
    }));
    let left = Event::CallQueue(CallQueue::QueueLeft(QueueLeft {
        queue_name: "support".into(),
        unique_id: "2".into(),
        reason: None,
        waited_seconds: None,
        calls_waiting: None,
        corrected: false,
    }));
    for event in [incoming("1"), incoming("2"), joined] {
        log.commit(&of, Change::of(event)).await.unwrap();
    }
    let open = log.open_calls(&of).await.unwrap();
    assert_eq!(open.iter().map(|c| c.unique_id.as_str()).collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(open[1].queue.as_deref(), Some("support"));
    log.commit(&of, Change::of(left)).await.unwrap();
    log.commit(&of, Change::of(answered)).await.unwrap();
    let open = log.open_calls(&of).await.unwrap();
    assert_eq!((open[0].agent.clone(), open[1].queue.clone()), (Some(user("ana")), None));
    assert!(open[0].answered_at.is_some() && open[1].answered_at.is_none());
    let kept = log.commit(&of, Change::of(ended("1"))).await.unwrap();
    let Event::Call(Call::CallEnded(end)) = &kept[0].envelope().unwrap().event else { panic!() };
    assert_eq!(end.agent_id, Some(user("ana")), "who had it is known");
    log.commit(&of, Change::of(ended("unknown"))).await.unwrap();
    assert_eq!(log.open_calls(&of).await.unwrap().len(), 1);
    assert!(log.open_calls(&tenant("calls2")).await.unwrap().is_empty());
    let old = Retention { calls_before: Some(Moment(i64::MAX)), ..Retention::default() };
    log.prune(old).await.unwrap();
    assert!(log.open_calls(&of).await.unwrap().is_empty());
}

async fn notifications_wait_for_their_user(log: &dyn Log) {
    let (of, ana) = (tenant("notices"), user("ana"));
    let ids: Vec<Uuid> = (0..3).map(|_| Uuid::new_v4()).collect();
    for id in &ids {
        let told = Notification {
            user_id: ana.clone(),
            notification_id: Some(*id),
            event: None,
            kind: None,
            title: Some("T".into()),
            body: None,
            data: None,
        };
        log.commit(&of, Change::of(Event::Notification(told))).await.unwrap();
    }
    let due = log.undelivered(&of, &ana, 2).await.unwrap();
    assert_eq!(due.iter().map(|e| e.position()).collect::<Vec<_>>(), [1, 2]);
    log.commit(&of, Change::record(Record::NoticesDelivered(ana.clone(), 2))).await.unwrap();
    let due = log.undelivered(&of, &ana, 9).await.unwrap();
    assert_eq!(due.iter().map(|e| e.position()).collect::<Vec<_>>(), [3]);
    assert!(log.undelivered(&of, &user("ben"), 9).await.unwrap().is_empty());
    assert!(log.undelivered(&tenant("notices2"), &ana, 9).await.unwrap().is_empty());

    let read = |ids: &[Uuid]| {
        let (user_id, notification_ids) = (ana.clone(), ids.to_vec());
        Change::of(Event::NotificationRead(NotificationRead { user_id, notification_ids }))
    };
    let kept = log.commit(&of, read(&[ids[1], Uuid::new_v4()])).await.unwrap();
    let Event::NotificationRead(told) = &kept[0].envelope().unwrap().event else { panic!() };
    assert_eq!(told.notification_ids, [ids[1]], "only what there was to read");
    let again = log.commit(&of, read(&ids[1..2])).await.unwrap();
    assert!(matches!(again[0], Outcome::Unchanged));
    let unread = log.notices(&of, &ana, true, None, 9).await.unwrap();
    assert_eq!(unread.iter().map(|n| n.envelope.position()).collect::<Vec<_>>(), [3, 1]);
    let all = log.notices(&of, &ana, false, Some(3), 9).await.unwrap();
    assert_eq!(all.iter().map(|n| n.read_at.is_some()).collect::<Vec<_>>(), [true, false]);
}

async fn an_event_says_who_may_hear_it(log: &dyn Log) {
    let (of, id, billing) = (tenant("audience"), ConversationId::random(), Uuid::new_v4());
    let Event::SessionStarted(begun) = started(id) else { panic!() };
    let begun = SessionStarted { department_id: Some(billing), ..begun };
    let audience =
        |kept: &[Outcome]| kept.last().unwrap().envelope().unwrap().audience.clone().unwrap();
    let kept = log.commit(&of, Change::of(Event::SessionStarted(begun))).await.unwrap();
    assert_eq!(audience(&kept).departments, [billing]);
    assert!(audience(&kept).is_for_all);
    let assigned = Event::Assigned(Assigned {
        session_id: id,
        agent_id: user("ana"),
        agent_name: "Ana".into(),
        department_id: None,
    });
    let kept = log.commit(&of, Change::of(assigned)).await.unwrap();
    assert_eq!(audience(&kept).agent, Some(user("ana")));
    assert!(!audience(&kept).is_for_all);
    let kept = log.commit(&of, Change::of(message(id, None, "hi"))).await.unwrap();
    assert_eq!(audience(&kept).agent, Some(user("ana")));
}
