//! Joins and leaves: each stay has both, whoever was lost is told so once, and at the end those are
//! there who are.

use std::collections::BTreeMap;

use super::Evidence;
use crate::log::Entry;
use crate::presence::{Present, difference};
use crate::report::Promise;

/// Joins and leaves of a user in a conversation, in log order.
fn stays<'a>(evidence: &Evidence<'a>) -> BTreeMap<(&'a str, &'a str), Vec<&'a Entry>> {
    let mut found: BTreeMap<(&str, &str), Vec<&Entry>> = BTreeMap::new();
    for entry in evidence.log {
        if is_join(entry) || entry.kind == "conversation.left" {
            let who = (entry.conversation(), entry.text("user_id"));
            found.entry(who).or_default().push(entry);
        }
    }
    found
}

fn is_join(entry: &Entry) -> bool {
    entry.kind == "conversation.joined"
}

/// Contract 5: exactly one per join and per leave of a user.
pub(super) fn bracketed(evidence: &Evidence<'_>) -> Promise {
    let mut promise = Promise::new("every join has one leave, and the other way round");
    let mut joins = 0;
    for ((conversation, user), entries) in stays(evidence) {
        joins += entries.iter().filter(|entry| is_join(entry)).count();
        for (number, entry) in entries.iter().enumerate() {
            promise.holds(is_join(entry) == (number % 2 == 0), || {
                let what = if is_join(entry) { "a second join" } else { "a leave too many" };
                let reason = entry.text("reason");
                format!("{user} in {conversation}: {what} at {} {reason}", entry.position)
            });
        }
        promise.holds(entries.len() % 2 == 0, || format!("{user} in {conversation} never left"));
    }
    promise.of(format!("{joins} joins"))
}

/// The fold of the log up to when everybody sat still is who sat there.
pub(super) fn at_the_end(evidence: &Evidence<'_>) -> Promise {
    let mut promise = Promise::new("no ghost: by the log those are present who are connected");
    let mut present = Present::new();
    for ((conversation, user), entries) in stays(evidence) {
        let mut before = entries.iter().filter(|entry| entry.position <= evidence.settled);
        if before.next_back().is_some_and(|entry| is_join(entry)) {
            present.insert((conversation.to_owned(), user.to_owned()));
        }
    }
    if let Some(difference) = difference(&present, evidence.present) {
        promise.broke(difference);
    }
    promise.of(format!("{} present", evidence.present.len()))
}

/// Contract 9: a dead node leaves no ghost for longer than 10 s; told with `node_lost`, once.
pub(super) fn lost(evidence: &Evidence<'_>) -> Promise {
    let mut promise =
        Promise::new("users of a killed node are told as gone (node_lost) within 10 s");
    let stays = stays(evidence);
    let (mut users, mut longest_ms) = (0, 0);
    for lost in &evidence.books.lost {
        let entries = stays.get(&(lost.conversation.as_str(), lost.user.as_str()));
        let entries = entries.map_or(&[][..], Vec::as_slice);
        let behind = entries.partition_point(|entry| entry.at_ms < lost.at_ms);
        // Who had just come was not in the log yet, and nobody was told.
        if !entries[..behind].last().is_some_and(|entry| is_join(entry)) {
            continue;
        }
        // Whoever came back elsewhere before it was told as gone was never away.
        let told_ms = entries.get(behind).map_or(i64::MAX, |entry| entry.at_ms);
        let came_back = evidence.books.came.iter().any(|(conversation, user, at_ms)| {
            (conversation, user) == (&lost.conversation, &lost.user)
                && (lost.at_ms..told_ms).contains(at_ms)
        });
        if came_back {
            continue;
        }
        users += 1;
        let who = || format!("{} in {}", lost.user, lost.conversation);
        match entries.get(behind) {
            Some(entry) if entry.text("reason") == "node_lost" => {
                let after_ms = entry.at_ms - lost.at_ms;
                longest_ms = longest_ms.max(after_ms);
                let is_soon = after_ms <= evidence.told_within_ms;
                promise.holds(is_soon, || format!("{}: after {after_ms} ms", who()));
            }
            Some(entry) => {
                let (kind, reason) = (&entry.kind, entry.text("reason"));
                promise.broke(format!("{}: {kind} {reason} at {}", who(), entry.position));
            }
            None => promise.broke(format!("{}: never", who())),
        }
    }
    promise.of(format!("{users} users, the last after {:.1} s", longest_ms as f64 / 1_000.0))
}

/// Contract 6: on the same or another node, for two minutes.
pub(super) fn taken_up(evidence: &Evidence<'_>) -> Promise {
    let mut promise = Promise::new("Socket.IO clients that come back are taken up where they were");
    for forgotten in &evidence.books.forgotten {
        let at = crate::report::clock(forgotten.at);
        promise.broke(format!("at {at}, {}: {}", forgotten.user, forgotten.what));
    }
    promise.of(format!("{} times", evidence.books.taken_up))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{entry, holds};
    use super::*;
    use crate::books::{Books, Lost};
    use serde_json::json;

    fn came(position: u64) -> Entry {
        entry(position, "conversation.joined", json!({"session_id": "c", "user_id": "ana"}))
    }

    fn went(position: u64, reason: &str) -> Entry {
        let payload = json!({"session_id": "c", "user_id": "ana", "reason": reason});
        entry(position, "conversation.left", payload)
    }

    #[test]
    fn joins_and_leaves_take_turns() {
        let books = Books::default();
        let whole = [came(1), went(2, "client_close"), came(3), went(4, "client_close")];
        assert!(holds(bracketed, &books, &whole));
        assert!(!holds(bracketed, &books, &whole[..3]));
        assert!(!holds(bracketed, &books, &[came(1), came(2), went(3, ""), went(4, "")]));
        assert!(!holds(bracketed, &books, &[came(1), went(2, ""), went(3, "")]));
    }

    #[test]
    fn whoever_is_there_by_the_log_alone_is_a_ghost() {
        let mut books = Books::default();
        assert!(!holds(at_the_end, &books, &[came(1)]));
        books.enter("c", "ana", 1, 0);
        assert!(holds(at_the_end, &books, &[came(1)]));
        assert!(!holds(at_the_end, &books, &[came(1), went(2, "network_error")]));
    }

    #[test]
    fn a_lost_user_is_told_as_gone_soon_and_for_that_reason() {
        let lost = Lost { conversation: "c".into(), user: "ana".into(), at_ms: 2_000 };
        let mut books = Books::default();
        books.lost.push(lost);
        assert!(holds(super::lost, &books, &[came(1), went(5, "node_lost")]));
        assert!(!holds(super::lost, &books, &[came(1), went(14, "node_lost")]));
        assert!(!holds(super::lost, &books, &[came(1), went(5, "network_error")]));
        assert!(!holds(super::lost, &books, &[came(1)]));
        assert!(holds(super::lost, &books, &[came(5)]));
    }
}
