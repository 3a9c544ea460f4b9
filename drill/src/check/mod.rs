//! The checker: holds what every client saw against the log, when all is over. Pure: it is given
//! the books and the log, and says which promises held.
//!
//! To add a promise: a function that makes a [`Promise`] beside the others, and a line in [`all`].

mod messages;
mod owners;
mod presence;

use crate::books::Books;
use crate::log::Entry;
use crate::presence::Present;
use crate::report::Promise;

/// What is looked at.
pub(crate) struct Evidence<'a> {
    /// What the clients know.
    pub(crate) books: &'a Books,
    /// The log, as the first node tells it.
    pub(crate) log: &'a [Entry],
    /// As others tell it: the other nodes, and the database itself.
    pub(crate) others: &'a [(String, Vec<Entry>)],
    /// Up to where the log was when the last thing had been said.
    pub(crate) settled: u64,
    /// Who was where at that time.
    pub(crate) present: &'a Present,
    /// By when a dead node's users must be told as gone, in milliseconds.
    pub(crate) told_within_ms: i64,
}

/// Looks at everything.
pub(crate) fn all(evidence: &Evidence<'_>) -> Vec<Promise> {
    vec![
        messages::acknowledged(evidence),
        messages::refused(evidence),
        messages::numbered(evidence),
        messages::in_order_of_their_senders(evidence),
        messages::heard(evidence),
        messages::consoles(evidence),
        messages::one_log(evidence),
        presence::bracketed(evidence),
        presence::at_the_end(evidence),
        presence::lost(evidence),
        presence::taken_up(evidence),
        owners::one_at_a_time(evidence),
        owners::offers(evidence),
        owners::listed(evidence),
        troubles(evidence),
    ]
}

/// Nobody may be told that the log could not be followed, or be refused what is its own.
fn troubles(evidence: &Evidence<'_>) -> Promise {
    let mut promise = Promise::new("no client is told to start anew, or refused what is its own")
        .of(format!("{} listeners", evidence.books.ears.len() + evidence.books.consoles.len()));
    for trouble in &evidence.books.troubles {
        let at = crate::report::clock(trouble.at);
        promise.broke(format!("at {at}, {}: {}", trouble.user, trouble.what));
    }
    promise
}

#[cfg(test)]
mod testing {
    //! Logs and books by hand.

    use super::*;
    use serde_json::{Value, json};

    /// An event at a place.
    pub(super) fn entry(position: u64, kind: &str, payload: Value) -> Entry {
        let at_ms = i64::try_from(position).unwrap() * 1_000;
        Entry { position, at_ms, kind: kind.into(), payload }
    }

    /// A message in conversation `c`.
    pub(super) fn message(position: u64, seq: u64, client_id: &str) -> Entry {
        let payload = json!({"session_id": "c", "seq": seq, "message_id": format!("m{seq}"),
            "client_id": client_id, "sender_id": "ana"});
        entry(position, "chat.message", payload)
    }

    /// Whether a promise holds of these.
    pub(super) fn holds(
        check: impl Fn(&Evidence<'_>) -> Promise,
        books: &Books,
        log: &[Entry],
    ) -> bool {
        let settled = log.last().map_or(0, |last| last.position);
        let evidence = Evidence {
            books,
            log,
            others: &[],
            settled,
            present: &books.present(),
            told_within_ms: 10_000,
        };
        check(&evidence).broken.is_empty()
    }
}
