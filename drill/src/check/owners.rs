//! Who has a conversation: never two at once, and every offer ends once.

use std::collections::BTreeMap;

use super::Evidence;
use crate::books::Missed;
use crate::log::Entry;
use crate::report::Promise;

/// From an assignment to what ends it: a transfer, the way back to the queue, a close.
pub(super) fn one_at_a_time(evidence: &Evidence<'_>) -> Promise {
    let mut promise = Promise::new("no conversation ever has two agents at once");
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    let mut given = 0;
    for entry in evidence.log {
        let conversation = entry.conversation();
        match entry.kind.as_str() {
            "conversation.assigned" => {
                given += 1;
                let agent = entry.text("agent_id");
                if let Some(owner) = owners.insert(conversation, agent) {
                    promise.broke(at(entry, &format!("given to {agent} while {owner} has it")));
                }
            }
            "conversation.transferred" => {
                let (from, to) = (entry.text("from_agent_id"), entry.text("to_agent_id"));
                let owner = owners.remove(conversation).unwrap_or_default();
                promise.holds(owner == from, || {
                    at(entry, &format!("passed on by {from:?} while {owner:?} has it"))
                });
                if !to.is_empty() {
                    owners.insert(conversation, to);
                }
            }
            "conversation.handoff" if entry.text("from") == "agent" => {
                let from = entry.text("agent_id");
                let owner = owners.remove(conversation).unwrap_or_default();
                promise.holds(owner == from, || {
                    at(entry, &format!("taken from {from:?} while {owner:?} has it"))
                });
            }
            "conversation.closed" | "conversation.reopened" => {
                owners.remove(conversation);
            }
            _ => {}
        }
    }
    promise.of(format!("{given} assignments"))
}

/// Each offer is the only one of its conversation, and has one end.
pub(super) fn offers(evidence: &Evidence<'_>) -> Promise {
    let mut promise = Promise::new("every offer is the only one of its time, and ends once");
    let mut open: BTreeMap<&str, &Entry> = BTreeMap::new();
    let mut made = 0;
    for entry in evidence.log {
        let (conversation, agent) = (entry.conversation(), entry.text("agent_id"));
        match entry.kind.as_str() {
            "conversation.offered" => {
                made += 1;
                if let Some(other) = open.insert(conversation, entry) {
                    let other = other.text("agent_id");
                    promise.broke(at(entry, &format!("offered to {agent} while {other} is asked")));
                }
            }
            "conversation.offer.ended" => match open.remove(conversation) {
                Some(offer) if offer.text("agent_id") == agent => {}
                Some(offer) => {
                    let asked = offer.text("agent_id");
                    promise
                        .broke(at(entry, &format!("{asked} is asked, and {agent}'s offer ends")));
                }
                None => {
                    promise.broke(at(entry, &format!("{agent}'s offer ends, which was not made")))
                }
            },
            _ => {}
        }
    }
    for offer in open.values() {
        promise.broke(at(offer, &format!("the offer to {} has no end", offer.text("agent_id"))));
    }
    promise.of(format!("{made} offers"))
}

/// A list of the assigned conversations has all that were assigned before it was asked for, at
/// whichever node.
pub(super) fn listed(evidence: &Evidence<'_>) -> Promise {
    let mut promise =
        Promise::new("an agent's list has every conversation that was assigned to it");
    for missed in &evidence.books.missed {
        let changes = evidence.log.iter().filter(|entry| {
            entry.conversation() == missed.conversation && CHANGES.contains(&entry.kind.as_str())
        });
        let before = changes.clone().take_while(|entry| entry.at_ms < missed.asked_ms);
        let was_given = before.last().is_some_and(|entry| {
            let is_given = entry.kind == "conversation.assigned"
                && entry.text("agent_id") == missed.agent
                || entry.text("to_agent_id") == missed.agent;
            is_given && entry.at_ms + CLOCKS_MS < missed.asked_ms
        });
        let mut meanwhile = changes.skip_while(|entry| entry.at_ms < missed.asked_ms);
        let stays = meanwhile.next().is_none_or(|next| next.at_ms > missed.told_ms + CLOCKS_MS);
        promise.holds(!(was_given && stays), || {
            let Missed { agent, conversation, asked_ms, .. } = missed;
            format!("{conversation} was missing from {agent}'s at {asked_ms}")
        });
    }
    promise.of(format!("{} that were missing", evidence.books.missed.len()))
}

/// What changes to whom a conversation belongs.
const CHANGES: [&str; 5] = [
    "conversation.assigned",
    "conversation.transferred",
    "conversation.handoff",
    "conversation.closed",
    "conversation.reopened",
];

/// By how much the log's times may differ from the drill's own: what is under way counts from when
/// it began.
const CLOCKS_MS: i64 = 1_000;

fn at(entry: &Entry, what: &str) -> String {
    format!("{} at {}: {what}", entry.conversation(), entry.position)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{entry, holds};
    use super::*;
    use crate::books::Books;
    use serde_json::json;

    fn about(position: u64, kind: &str, agent: &str) -> Entry {
        let payload = json!({"session_id": "c", "agent_id": agent, "from": "agent"});
        entry(position, kind, payload)
    }

    #[test]
    fn a_second_agent_must_wait_for_the_end_of_the_first() {
        let books = Books::default();
        let (given, taken) = ("conversation.assigned", "conversation.handoff");
        let in_turn = [about(1, given, "a"), about(2, taken, "a"), about(3, given, "b")];
        assert!(holds(one_at_a_time, &books, &in_turn));
        assert!(!holds(one_at_a_time, &books, &[about(1, given, "a"), about(2, given, "b")]));
        assert!(!holds(one_at_a_time, &books, &[about(1, given, "a"), about(2, taken, "b")]));
    }

    #[test]
    fn a_list_without_what_was_assigned_long_ago_is_a_flaw() {
        let mut books = Books::default();
        let missed = |asked_ms| Missed {
            agent: "a".into(),
            conversation: "c".into(),
            asked_ms,
            told_ms: asked_ms + 10,
        };
        books.missed.push(missed(4_500));
        let given = about(1, "conversation.assigned", "a");
        assert!(!holds(listed, &books, std::slice::from_ref(&given)));
        assert!(holds(listed, &books, &[given.clone(), about(4, "conversation.closed", "a")]));
        assert!(holds(listed, &books, &[given.clone(), about(5, "conversation.closed", "a")]));
        books.missed = vec![missed(1_500)];
        assert!(holds(listed, &books, &[given]));
    }

    #[test]
    fn an_offer_without_an_end_or_with_two_is_seen() {
        let books = Books::default();
        let (made, ended) = ("conversation.offered", "conversation.offer.ended");
        let once =
            [about(1, made, "a"), about(2, ended, "a"), about(3, made, "b"), about(4, ended, "b")];
        assert!(holds(offers, &books, &once));
        assert!(!holds(offers, &books, &once[..3]));
        assert!(!holds(offers, &books, &[about(1, made, "a"), about(2, made, "b")]));
        assert!(!holds(
            offers,
            &books,
            &[about(1, made, "a"), about(2, ended, "a"), about(3, ended, "a")]
        ));
    }
}
