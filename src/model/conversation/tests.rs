//! What events do to a conversation, one after another.

use super::*;
use crate::model::{
    Assigned, Escalated, EscalationAction, Handoff, HandoffReason, Identity, MessageStatus,
    OfferEnded, OfferOutcome, Offered, OutsideHours, Queued, Reopened, Requirements,
    SessionStarted,
};

fn begun() -> Conversation {
    let started = SessionStarted {
        session_id: ConversationId::random(),
        customer_id: None,
        visitor_name: None,
        visitor_email: None,
        department_id: None,
        skills: vec![],
        language: None,
        external_ids: vec![],
        metadata: None,
    };
    Conversation::begin(&started, Moment(1))
}

fn assigned(c: &Conversation, agent: &str) -> Event {
    Event::Assigned(Assigned {
        session_id: c.id,
        agent_id: UserId::parse(agent).unwrap(),
        agent_name: agent.to_uppercase(),
        department_id: None,
    })
}

#[test]
fn the_second_claim_learns_who_won() {
    let mut c = begun();
    c.apply(&mut assigned(&c.clone(), "ana"), Moment(2)).unwrap();
    assert_eq!(
        c.apply(&mut assigned(&c.clone(), "ana"), Moment(3)),
        Err(Refused::Unchanged),
        "claiming twice changes nothing"
    );
    let Err(Refused::Conflict(_, Some(holder))) =
        c.apply(&mut assigned(&c.clone(), "ben"), Moment(3))
    else {
        panic!("the second claim must be refused with the holder");
    };
    assert_eq!((holder.agent_id.as_str(), holder.name.as_str()), ("ana", "ANA"));
}

fn handoff(c: &Conversation, from: InCharge, to: InCharge) -> Event {
    Event::Handoff(Handoff {
        session_id: c.id,
        from,
        to,
        reason: HandoffReason::Asked,
        agent_id: None,
        stint: None,
    })
}

#[test]
fn the_bot_takes_what_waits_and_gives_it_up_once() {
    use InCharge::{Agent, Bot, Queue};
    let mut c = begun();
    let hand = |c: &mut Conversation, from, to| {
        let mut event = handoff(c, from, to);
        c.apply(&mut event, Moment(2))
    };
    assert_eq!(hand(&mut c, Queue, Bot), Ok(()));
    assert_eq!(hand(&mut c, Queue, Bot), Err(Refused::Unchanged), "it has it already");
    assert_eq!(hand(&mut c, Bot, Bot), Err(Refused::Unchanged), "asked whether it is in charge");
    assert_eq!(hand(&mut c, Bot, Queue), Ok(()));
    assert_eq!((c.status, c.needs_person), (Status::Open, true));
    assert_eq!(hand(&mut c, Queue, Bot), Err(Refused::Unchanged), "a person was asked for");
    assert!(matches!(hand(&mut c, Bot, Bot), Err(Refused::Conflict(..))));
    assert_eq!(hand(&mut c, Bot, Agent), Err(Refused::Unchanged));
}

#[test]
fn an_agent_takes_a_conversation_from_the_bot_until_it_is_reopened() {
    use InCharge::{Agent, Bot, Queue};
    let mut c = begun();
    for (from, to) in [(Queue, Bot), (Bot, Agent)] {
        c.apply(&mut handoff(&c.clone(), from, to), Moment(2)).unwrap();
    }
    assert_eq!(c.in_charge(), Some(Bot), "until the assignment that comes with it");
    c.apply(&mut assigned(&c.clone(), "ana"), Moment(2)).unwrap();
    let asked = c.apply(&mut handoff(&c.clone(), Bot, Bot), Moment(3));
    let Err(Refused::Conflict(_, Some(holder))) = asked else { panic!("{asked:?}") };
    assert_eq!(holder.agent_id, "ana");
    let (session_id, by) = (c.id, UserId::parse("cust").unwrap());
    c.status = Status::Closed;
    c.apply(&mut Event::Reopened(Reopened { session_id, by, agent_id: None }), Moment(4)).unwrap();
    c.apply(&mut handoff(&c.clone(), Queue, Bot), Moment(5)).unwrap();
    assert_eq!(c.in_charge(), Some(Bot));
}

#[test]
fn a_delivery_mark_only_rises_and_never_passes_the_last_message() {
    let mut c = begun();
    c.last_seq = 3;
    let mark = |seq| {
        Event::MessageStatus(MessageStatus {
            session_id: c.id,
            seq,
            user_id: UserId::parse("u").unwrap(),
            status: Receipt::Delivered,
        })
    };
    let (mut two, mut one, mut nine) = (mark(2), mark(1), mark(9));
    assert_eq!(c.apply(&mut two, Moment(1)), Ok(()));
    assert_eq!(c.apply(&mut one, Moment(1)), Err(Refused::Unchanged));
    assert_eq!(c.apply(&mut nine, Moment(1)), Ok(()));
    assert_eq!(c.delivered_seq, 3);
}

fn user(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

fn queued(c: &Conversation) -> Event {
    let (position, estimated_wait_seconds) = (1, 0);
    Event::Queued(Queued {
        session_id: c.id,
        position,
        estimated_wait_seconds,
        department_id: None,
    })
}

fn offered(c: &Conversation, agent: &str) -> Event {
    Event::Offered(Offered {
        session_id: c.id,
        agent_id: user(agent),
        agent_name: agent.into(),
        until: Moment(20_000),
        attempt: 1,
    })
}

fn offer_ended(c: &Conversation, agent: &str) -> Event {
    let (agent_id, outcome) = (user(agent), OfferOutcome::Declined);
    Event::OfferEnded(OfferEnded { session_id: c.id, agent_id, outcome })
}

fn escalated(c: &Conversation, to: Option<Uuid>) -> Event {
    Event::Escalated(Escalated {
        session_id: c.id,
        waited_seconds: 60,
        rule: "after 60 s".into(),
        action: EscalationAction::Department,
        department_id: to,
    })
}

fn taken_from(c: &Conversation, agent: Option<&str>) -> Event {
    Event::Handoff(Handoff {
        session_id: c.id,
        from: InCharge::Agent,
        to: InCharge::Queue,
        reason: HandoffReason::AgentLost,
        agent_id: agent.map(user),
        stint: None,
    })
}

fn message_of(c: &Conversation, sender_type: Role) -> Event {
    Event::Message(Message {
        session_id: c.id,
        message_id: Uuid::nil(),
        seq: 0,
        client_id: None,
        sender_id: user("whoever"),
        sender_type,
        sender_name: None,
        body: "hello".into(),
    })
}

/// Applies an event, and tells what it has done to the stints: number, outcome, begin and end.
fn stints(
    c: &mut Conversation,
    mut event: Event,
    at: i64,
) -> Vec<(u32, StintOutcome, i64, Option<i64>)> {
    let before = c.stint();
    c.apply(&mut event, Moment(at)).unwrap();
    let changed = c.stints_since(before, &event, Moment(at));
    changed.map(|s| (s.number, s.outcome, s.began_at.0, s.ended_at.map(|at| at.0))).collect()
}

#[test]
fn a_lost_agents_conversation_waits_at_the_head_until_somebody_has_it() {
    let mut c = begun();
    let unchanged = Err(Refused::Unchanged);
    assert_eq!(c.apply(&mut taken_from(&c.clone(), Some("ana")), Moment(2)), unchanged);
    c.apply(&mut assigned(&c.clone(), "ana"), Moment(2)).unwrap();
    for other in [Some("ben"), None] {
        assert_eq!(c.apply(&mut taken_from(&c.clone(), other), Moment(3)), unchanged, "{other:?}");
    }
    c.apply(&mut taken_from(&c.clone(), Some("ana")), Moment(3)).unwrap();
    assert_eq!((c.status, &c.agent, c.routing.is_head), (Status::Open, &None, true));
    c.apply(&mut queued(&c.clone()), Moment(3)).unwrap();
    assert_eq!(
        (c.status, c.queued_at, c.routing.is_head),
        (Status::Waiting, Some(Moment(3)), true)
    );
    c.apply(&mut assigned(&c.clone(), "ben"), Moment(4)).unwrap();
    assert!(!c.routing.is_head);
}

#[test]
fn one_agent_at_a_time_is_asked_and_only_while_it_waits() {
    let mut c = begun();
    let mut try_it = |event: fn(&Conversation) -> Event| {
        let mut event = event(&c);
        let is_news = c.apply(&mut event, Moment(5)).is_ok();
        (is_news, c.routing.offer.as_ref().map(|offer| offer.agent_id.to_string()))
    };
    let ana = Some("ana".to_owned());
    assert_eq!(try_it(|c| offered(c, "ana")), (false, None), "it does not wait");
    assert_eq!(try_it(queued), (true, None));
    assert_eq!(try_it(|c| offered(c, "ana")), (true, ana.clone()));
    assert_eq!(try_it(|c| offered(c, "ben")), (false, ana.clone()));
    assert_eq!(try_it(|c| offer_ended(c, "ben")), (false, ana.clone()));
    assert_eq!(try_it(|c| offer_ended(c, "ana")), (true, None));
    assert_eq!(try_it(|c| offer_ended(c, "ana")), (false, None));
    assert_eq!(try_it(|c| offered(c, "ana")), (true, ana.clone()));
    assert_eq!(try_it(|c| assigned(c, "ben")), (true, ana.clone()), "told to be withdrawn behind");
    assert_eq!(try_it(|c| offer_ended(c, "ana")), (true, None));
    assert_eq!(try_it(|c| taken_from(c, Some("ben"))), (true, None));
    assert_eq!(try_it(queued), (true, None));
    assert_eq!(try_it(|c| offered(c, "ana")), (true, ana));
    assert_eq!(try_it(|c| assigned(c, "ana")), (true, None), "accepted by taking it");
}

#[test]
fn an_escalation_opens_it_to_one_more_department_for_this_stint() {
    let mut c = begun();
    let [own, other] = [Uuid::from_u128(1), Uuid::from_u128(2)];
    c.department = Some(own);
    let unchanged = Err(Refused::Unchanged);
    assert_eq!(c.apply(&mut escalated(&c.clone(), Some(other)), Moment(1)), unchanged);
    c.apply(&mut queued(&c.clone()), Moment(1)).unwrap();
    let ben = Identity {
        tenant: crate::model::TenantId::default_tenant(),
        user: user("ben"),
        subject: user("ben"),
        role: Role::Agent,
        user_type: Role::Agent,
        name: None,
        departments: [other].into(),
        conversations: [].into(),
        scopes: [].into(),
        events: crate::model::EventSet::ALL,
        expires_at: None,
        is_open: false,
    };
    assert!(!c.is_open_to(&ben));
    for escalations in 1..=2 {
        c.apply(&mut escalated(&c.clone(), Some(other)), Moment(2)).unwrap();
        assert_eq!((c.routing.escalations, &c.routing.also), (escalations, &vec![other]));
    }
    assert!(c.is_open_to(&ben));
    c.apply(&mut assigned(&c.clone(), "ana"), Moment(3)).unwrap();
    c.apply(&mut taken_from(&c.clone(), Some("ana")), Moment(4)).unwrap();
    c.apply(&mut queued(&c.clone()), Moment(4)).unwrap();
    assert_eq!((c.routing.escalations, c.is_open_to(&ben)), (0, false));
}

#[test]
fn what_it_needs_and_that_nobody_is_there_is_told_once() {
    let mut c = begun();
    let wanted = Requirements {
        session_id: c.id,
        priority: -2,
        skills: vec!["billing".into()],
        language: Some("id".into()),
    };
    let closed = OutsideHours { session_id: c.id, opens_at: None };
    c.apply(&mut queued(&c.clone()), Moment(1)).unwrap();
    for event in [Event::Requirements(wanted), Event::OutsideHours(closed)] {
        assert_eq!(c.apply(&mut event.clone(), Moment(2)), Ok(()));
        assert_eq!(c.apply(&mut event.clone(), Moment(2)), Err(Refused::Unchanged));
    }
    assert_eq!((c.routing.priority, c.routing.language.as_deref()), (-2, Some("id")));
}

#[test]
fn an_escalation_gives_to_the_bot_what_asked_for_a_person() {
    use InCharge::{Bot, Queue};
    let mut c = begun();
    c.needs_person = true;
    c.routing.is_head = true;
    c.apply(&mut queued(&c.clone()), Moment(1)).unwrap();
    let hand = |c: &mut Conversation, reason| {
        let (session_id, agent_id) = (c.id, None);
        let handoff = Handoff { session_id, from: Queue, to: Bot, reason, agent_id, stint: None };
        c.apply(&mut Event::Handoff(handoff), Moment(2))
    };
    assert_eq!(hand(&mut c, HandoffReason::Asked), Err(Refused::Unchanged));
    assert_eq!(hand(&mut c, HandoffReason::Escalated), Ok(()));
    assert_eq!((c.status, c.needs_person, c.routing.is_head), (Status::Bot, false, false));
}

#[test]
fn a_stint_lasts_from_the_queue_to_the_end_with_the_agent_it_got() {
    use StintOutcome::{Abandoned, Bot, Closed, Returned, Serving, Transferred, Waiting};
    let mut c = begun();
    let id = c.id;
    let transferred = |from: &str, to: Option<&str>| {
        Event::Transferred(crate::model::Transferred {
            session_id: id,
            from_agent_id: Some(user(from)),
            to_agent_id: to.map(user),
            to_agent_name: None,
            to_department_id: None,
            note: None,
        })
    };
    let by = || user("cust");
    let closed =
        || Event::Closed(crate::model::Closed { session_id: id, by: by(), agent_id: None });
    let reopened = || Event::Reopened(Reopened { session_id: id, by: by(), agent_id: None });
    let to_bot = handoff(&c, InCharge::Queue, InCharge::Bot);
    let (q, ana, cleo) = (queued(&c), assigned(&c, "ana"), assigned(&c, "cleo"));
    let lost = taken_from(&c, Some("ben"));
    let steps: Vec<(Event, i64, Vec<_>)> = vec![
        (q.clone(), 1, vec![(1, Waiting, 1, None)]),
        (message_of(&c, Role::Customer), 2, vec![]),
        (to_bot, 3, vec![(1, Bot, 1, Some(3))]),
        (ana.clone(), 4, vec![(2, Serving, 4, None)]),
        (message_of(&c, Role::Customer), 5, vec![]),
        (message_of(&c, Role::Agent), 6, vec![(2, Serving, 4, None)]),
        (message_of(&c, Role::Agent), 7, vec![]),
        (
            transferred("ana", Some("ben")),
            8,
            vec![(2, Transferred, 4, Some(8)), (3, Serving, 8, None)],
        ),
        (lost, 9, vec![(3, Returned, 8, Some(9))]),
        (q.clone(), 9, vec![(4, Waiting, 9, None)]),
        (cleo, 10, vec![(4, Serving, 9, None)]),
        (transferred("cleo", None), 11, vec![(4, Transferred, 9, Some(11))]),
        (q.clone(), 11, vec![(5, Waiting, 11, None)]),
        (closed(), 12, vec![(5, Abandoned, 11, Some(12))]),
        (reopened(), 13, vec![]),
        (q, 13, vec![(6, Waiting, 13, None)]),
        (ana, 14, vec![(6, Serving, 13, None)]),
        (closed(), 15, vec![(6, Closed, 13, Some(15))]),
    ];
    for (event, at, expected) in steps {
        let name = event.name();
        assert_eq!(stints(&mut c, event, at), expected, "{name} at {at}");
    }
    assert_eq!(c.rated_stint(), Some(6));
}

#[test]
fn an_offer_beside_another_is_refused_and_not_taken_for_one_that_was_made() {
    let mut c = begun();
    c.apply(&mut queued(&c.clone()), Moment(1)).unwrap();
    c.apply(&mut offered(&c.clone(), "ana"), Moment(2)).unwrap();
    assert_eq!(c.apply(&mut offered(&c.clone(), "ana"), Moment(3)), Err(Refused::Unchanged));
    let beside = c.apply(&mut offered(&c.clone(), "ben"), Moment(3));
    assert!(matches!(beside, Err(Refused::Conflict(..))), "{beside:?}");
    c.apply(&mut offer_ended(&c.clone(), "ana"), Moment(4)).unwrap();
    c.apply(&mut offered(&c.clone(), "ben"), Moment(5)).unwrap();
}

#[test]
fn a_question_about_an_earlier_wait_is_answered_with_no() {
    let mut c = begun();
    c.apply(&mut queued(&c.clone()), Moment(1)).unwrap();
    let asked = |c: &mut Conversation, stint| {
        let (session_id, queue) = (c.id, InCharge::Queue);
        let (reason, agent_id) = (HandoffReason::Taken, None);
        let question = Handoff { session_id, from: queue, to: queue, reason, agent_id, stint };
        c.apply(&mut Event::Handoff(question), Moment(9))
    };
    assert_eq!(asked(&mut c, Some(1)), Err(Refused::Unchanged));
    c.apply(&mut assigned(&c.clone(), "ana"), Moment(2)).unwrap();
    let back = Handoff {
        session_id: c.id,
        from: InCharge::Agent,
        to: InCharge::Queue,
        reason: HandoffReason::AgentLost,
        agent_id: c.agent.clone(),
        stint: None,
    };
    c.apply(&mut Event::Handoff(back), Moment(3)).unwrap();
    c.apply(&mut queued(&c.clone()), Moment(3)).unwrap();
    assert!(matches!(asked(&mut c, Some(1)), Err(Refused::Conflict(..))));
    assert_eq!(asked(&mut c, Some(2)), Err(Refused::Unchanged));
    assert_eq!(asked(&mut c, None), Err(Refused::Unchanged), "whichever it is");
}
