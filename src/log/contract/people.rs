//! People: who they are, their keys, what is meant for them, and where they were connected.

use super::*;

pub(super) async fn suite(log: &dyn Log) {
    people_and_keys_are_kept(log).await;
    what_is_meant_for_a_user_is_read_by_user(log).await;
    a_connection_is_found_again_until_it_is_too_old(log).await;
}

async fn people_and_keys_are_kept(log: &dyn Log) {
    let of = tenant("people");
    let department = Department { id: Uuid::new_v4(), name: "Support".into(), routing: None };
    let agent = Agent {
        id: user("ana"),
        role: Role::Agent,
        name: "Ana".into(),
        email: Some("ana@example.com".into()),
        password: Some("$argon2id$x".into()),
        departments: vec![department.id],
        max_chats: 5,
        skills: vec!["billing".into()],
        languages: vec!["id".into(), "en".into()],
        is_disabled: false,
        extension: None,
        created_at: Moment(3),
    };
    let key = ApiKey {
        id: Uuid::new_v4(),
        name: "switch".into(),
        digest: [7; 32],
        events: vec!["call.*".into()],
        scopes: vec![Scope::EventsWrite],
        created_at: Moment(5),
    };
    let id = begin(log, &of).await;
    for record in [
        Record::Tenant("People Ltd".into()),
        Record::Department(department.clone()),
        Record::Agent(agent.clone()),
        Record::ApiKey(key.clone()),
        Record::SessionKey(id, [9; 32]),
    ] {
        log.commit(&of, Change::record(record)).await.unwrap();
    }
    assert_eq!(log.tenant(&of).await.unwrap().as_deref(), Some("People Ltd"));
    assert_eq!(log.tenant(&tenant("nobody")).await.unwrap(), None);
    assert_eq!(log.department(&of, department.id).await.unwrap(), Some(department));
    assert_eq!(log.agent(&of, &agent.id).await.unwrap().as_ref(), Some(&agent));
    let found = log.agents_by_email("ana@example.com").await.unwrap();
    assert_eq!(found, [(of.clone(), agent)]);
    assert_eq!(log.api_keys(&of).await.unwrap(), std::slice::from_ref(&key));
    assert_eq!(log.api_key(&[7; 32]).await.unwrap(), Some((of.clone(), key.clone())));
    assert_eq!(log.conversation_by_session_key(&[9; 32]).await.unwrap(), Some((of.clone(), id)));
    log.commit(&of, Change::record(Record::ApiKeyRevoked(key.id))).await.unwrap();
    assert_eq!(log.api_key(&[7; 32]).await.unwrap(), None);
}

async fn what_is_meant_for_a_user_is_read_by_user(log: &dyn Log) {
    let of = tenant("meant");
    let id = begin(log, &of).await;
    let notification = |user_id| {
        Event::Notification(Notification {
            notification_id: None,
            user_id,
            event: None,
            kind: Some("ticket_assigned".into()),
            title: None,
            body: None,
            data: None,
        })
    };
    commit(log, &of, notification(user("ana"))).await;
    commit(log, &of, notification(user("ben"))).await;
    commit(log, &of, message(id, None, "to all")).await;
    let claim = Event::Assigned(Assigned {
        session_id: id,
        agent_id: user("ana"),
        agent_name: "Ana".into(),
        department_id: None,
    });
    commit(log, &of, claim).await;
    let ana = Reading::User(user("ana"));
    let page = log.read(&of, ana.clone(), 0, 10).await.unwrap();
    let names: Vec<_> = page.events.iter().map(|e| e.event.name()).collect();
    assert_eq!(names, ["notification", "conversation.assigned"]);
    let latest = log.read_latest(&of, ana, 1).await.unwrap().events;
    assert_eq!(latest[0].position(), page.events[1].position());
    let readings = vec![(Reading::Conversation(id), 0), (Reading::User(user("ana")), 2)];
    let (head, pages) = log.read_each(&of, readings, 10).await.unwrap();
    let names = |page: &Page| page.events.iter().map(|e| e.event.name()).collect::<Vec<_>>();
    assert_eq!(head, log.head(&of).await.unwrap().position);
    let said = ["chat.session.started", "chat.message", "conversation.assigned"];
    assert_eq!(names(&pages[0]), said);
    assert_eq!(names(&pages[1]), ["conversation.assigned"], "after a position of its own");
    assert_eq!(log.assigned_to(&of, &user("ana"), 10).await.unwrap(), [id]);
    assert_eq!(log.assigned_to(&of, &user("ben"), 10).await.unwrap(), []);
}

async fn a_connection_is_found_again_until_it_is_too_old(log: &dyn Log) {
    let of = tenant("recovered");
    let room = |told| RecoveredRoom {
        id: ConversationId::random(),
        name: Some(ExternalId::parse("conv-1").unwrap()),
        told,
        past_until: told.map(|told| told + 1),
    };
    let open = Recovery {
        id: Uuid::new_v4(),
        user: user("ana"),
        rooms: vec![room(None), room(Some(7))],
        ended_at: None,
    };
    let ended = Recovery { ended_at: Some(Moment(5)), ..open.clone() };
    let old = |before| Retention { recoveries_before: Some(before), ..Retention::default() };
    let events = Retention {
        connections_before: Some(Moment(i64::MAX)),
        all_before: Some(Moment(i64::MAX)),
        ..Retention::default()
    };
    for known in [open, ended] {
        // Found though nobody has waited for it to be on disk.
        let _pending = log.append(&of, Change::record(Record::Recovery(known.clone()))).await;
        assert_eq!(log.recovery(&of, known.id).await.unwrap().as_ref(), Some(&known));
        assert_eq!(log.recovery(&tenant("recovered2"), known.id).await.unwrap(), None);
        log.prune(old(Moment(6))).await.unwrap();
        log.prune(events).await.unwrap();
        assert!(log.recovery(&of, known.id).await.unwrap().is_some(), "noted a moment ago");
        log.prune(old(Moment(i64::MAX))).await.unwrap();
        let is_open = known.ended_at.is_none();
        assert_eq!(log.recovery(&of, known.id).await.unwrap().is_some(), is_open);
        log.end_recoveries(Moment(9)).await.unwrap();
        let ended_at = log.recovery(&of, known.id).await.unwrap().map(|found| found.ended_at);
        assert_eq!(ended_at, is_open.then_some(Some(Moment(9))), "a crash ends what was open");
        assert_eq!(log.prune(old(Moment(i64::MAX))).await.unwrap(), 0, "events alone are counted");
        assert_eq!(log.recovery(&of, known.id).await.unwrap(), None);
    }
}
