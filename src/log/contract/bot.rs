//! What every log backend must do for the bot: who is in charge is decided in the commit, an answer
//! is found again by the question it belongs to, and the FAQ is kept and searched.

use super::*;
use crate::model::{FaqEntry, Handoff, HandoffReason, InCharge};

pub(super) async fn suite(log: &dyn Log) {
    an_answer_is_kept_only_while_the_bot_is_in_charge(log).await;
    what_the_bot_gave_up_it_does_not_take_again(log).await;
    conversations_of_the_bot_are_found(log).await;
    a_message_is_found_by_its_client_id(log).await;
    the_faq_is_kept_in_the_order_of_its_ids(log).await;
    the_faq_is_searched_by_beginnings_of_words(log).await;
}

fn handoff(session_id: ConversationId, from: InCharge, to: InCharge) -> Event {
    Event::Handoff(Handoff {
        session_id,
        from,
        to,
        reason: HandoffReason::Asked,
        agent_id: None,
        stint: None,
    })
}

fn claim(session_id: ConversationId, agent: &str) -> Change {
    let assigned = Event::Assigned(Assigned {
        session_id,
        agent_id: user(agent),
        agent_name: agent.into(),
        department_id: None,
    });
    let events = vec![handoff(session_id, InCharge::Bot, InCharge::Agent), assigned];
    Change::events(events)
}

fn answer(id: ConversationId) -> Change {
    let events = vec![handoff(id, InCharge::Bot, InCharge::Bot), message(id, None, "an answer")];
    Change::events(events)
}

fn are_kept(outcomes: &[Outcome]) -> Vec<bool> {
    outcomes.iter().map(|outcome| matches!(outcome, Outcome::Kept(_))).collect()
}

async fn an_answer_is_kept_only_while_the_bot_is_in_charge(log: &dyn Log) {
    let of = tenant("in-charge");
    let id = begin(log, &of).await;
    assert!(matches!(log.commit(&of, answer(id)).await, Err(Error::Conflict(_, None))));
    commit(log, &of, handoff(id, InCharge::Queue, InCharge::Bot)).await;
    let outcomes = log.commit(&of, answer(id)).await.unwrap();
    assert_eq!(are_kept(&outcomes), [false, true], "the question put to the log is no event");
    let outcomes = log.commit(&of, claim(id, "ana")).await.unwrap();
    assert_eq!(are_kept(&outcomes), [true, true]);
    let head = log.head(&of).await.unwrap();
    let late = log.commit(&of, answer(id)).await.unwrap_err();
    let Error::Conflict(_, Some(holder)) = late else { panic!("{late:?}") };
    assert_eq!(holder.agent_id, "ana");
    assert_eq!(log.head(&of).await.unwrap(), head, "nothing of it was kept");
}

async fn what_the_bot_gave_up_it_does_not_take_again(log: &dyn Log) {
    let of = tenant("given-up");
    let id = begin(log, &of).await;
    for (from, to) in [(InCharge::Queue, InCharge::Bot), (InCharge::Bot, InCharge::Queue)] {
        let kept = commit(log, &of, handoff(id, from, to)).await;
        assert!(matches!(kept, Outcome::Kept(_)), "{kept:?}");
    }
    let record = log.conversation(&of, id).await.unwrap().unwrap();
    assert!(record.needs_person && record.status == Status::Open);
    let again = commit(log, &of, handoff(id, InCharge::Queue, InCharge::Bot)).await;
    assert!(matches!(again, Outcome::Unchanged), "{again:?}");
    let outcomes = log.commit(&of, claim(id, "ana")).await.unwrap();
    assert_eq!(are_kept(&outcomes), [false, true], "it was not taken from the bot");
}

async fn conversations_of_the_bot_are_found(log: &dyn Log) {
    let of = tenant("of-the-bot");
    let (with, without) = (begin(log, &of).await, begin(log, &of).await);
    for id in [with, without] {
        commit(log, &of, handoff(id, InCharge::Queue, InCharge::Bot)).await;
    }
    commit(log, &of, handoff(without, InCharge::Bot, InCharge::Queue)).await;
    let found = log.with_the_bot().await.unwrap();
    let found: Vec<_> = found.into_iter().filter(|(tenant, _)| *tenant == of).collect();
    assert_eq!(found, [(of.clone(), with)]);
    let filter =
        ConversationFilter { status: Some(Status::Bot), limit: 9, ..ConversationFilter::default() };
    let listed = log.conversations(&of, filter).await.unwrap();
    assert_eq!(listed.iter().map(|c| c.id).collect::<Vec<_>>(), [with]);
}

async fn a_message_is_found_by_its_client_id(log: &dyn Log) {
    let of = tenant("known-as");
    let id = begin(log, &of).await;
    let kept = commit(log, &of, message(id, Some("m"), "one")).await;
    let known = |sender: &'static str, client_id: &'static str| async move {
        log.message_known_as(&tenant("known-as"), id, &user(sender), client_id).await.unwrap()
    };
    let found = known("cust", "m").await.unwrap();
    assert_eq!(found.cursor, kept.envelope().unwrap().cursor);
    assert!(known("cust", "n").await.is_none() && known("other", "m").await.is_none());
}

fn entry(number: u128, question: &str, wordings: &[&str], answer: &str) -> FaqEntry {
    FaqEntry {
        id: Uuid::from_u128(number),
        language: "en".into(),
        question: question.into(),
        wordings: wordings.iter().map(|w| (*w).to_owned()).collect(),
        answer: answer.into(),
        is_enabled: true,
        updated_at: Moment(7),
    }
}

async fn the_faq_is_kept_in_the_order_of_its_ids(log: &dyn Log) {
    let of = tenant("faq");
    let [one, two, three] = [1, 2, 3].map(|n| entry(n, "Question?", &["other", "third"], "Yes."));
    for entry in [&two, &three, &one] {
        log.commit(&of, Change::record(Record::Faq(entry.clone()))).await.unwrap();
    }
    assert_eq!(log.faq_entry(&of, two.id).await.unwrap().as_ref(), Some(&two));
    assert_eq!(log.faq_entries(&of, None, 2).await.unwrap(), [one.clone(), two.clone()]);
    assert_eq!(log.faq_entries(&of, Some(two.id), 2).await.unwrap(), [three]);
    let changed = FaqEntry { answer: "No.".into(), is_enabled: false, ..two.clone() };
    log.commit(&of, Change::record(Record::Faq(changed.clone()))).await.unwrap();
    assert_eq!(log.faq_entry(&of, two.id).await.unwrap(), Some(changed));
    log.commit(&of, Change::record(Record::FaqRemoved(one.id))).await.unwrap();
    assert_eq!(log.faq_entry(&of, one.id).await.unwrap(), None);
    assert_eq!(log.faq_count(&of).await.unwrap(), 2);
    assert_eq!(log.faq_count(&tenant("faq-of-nobody")).await.unwrap(), 0);
}

async fn the_faq_is_searched_by_beginnings_of_words(log: &dyn Log) {
    let of = tenant("faq-search");
    let refund = entry(1, "How do I get a refund?", &["money back"], "Within 14 days.");
    let hours = entry(2, "When are you open?", &["opening hours"], "From 9. Refunds until 5.");
    let off = FaqEntry { is_enabled: false, ..entry(3, "refund", &[], "Off.") };
    for entry in [&hours, &refund, &off] {
        log.commit(&of, Change::record(Record::Faq(entry.clone()))).await.unwrap();
    }
    let elsewhere = tenant("faq-search-elsewhere");
    log.commit(&elsewhere, Change::record(Record::Faq(entry(4, "refund", &[], "x"))))
        .await
        .unwrap();
    let search = |words: &'static [&'static str], limit| async move {
        let words = words.iter().map(|w| (*w).to_owned()).collect();
        let found = log.search_faq(&tenant("faq-search"), words, limit).await.unwrap();
        found.iter().map(|e| e.id.as_u128()).collect::<Vec<_>>()
    };
    assert_eq!(search(&["refund"], 9).await, [1, 2], "a question counts more than an answer");
    assert_eq!(search(&["refund"], 1).await, [1]);
    assert_eq!(search(&["money"], 9).await, [1], "other wordings are searched too");
    assert_eq!(search(&["open", "hour"], 9).await, [2]);
    assert!(search(&["parcel"], 9).await.is_empty() && search(&[], 9).await.is_empty());
    // Not a query language: what would be an operator is a word.
    assert!(search(&["or", "near"], 9).await.is_empty());
    let moved = FaqEntry { question: "Where is my parcel?".into(), ..refund.clone() };
    log.commit(&of, Change::record(Record::Faq(moved))).await.unwrap();
    assert_eq!(search(&["parcel"], 9).await, [1], "the index follows a change");
    log.commit(&of, Change::record(Record::FaqRemoved(refund.id))).await.unwrap();
    assert!(search(&["parcel", "money"], 9).await.is_empty(), "and a removal");
}
