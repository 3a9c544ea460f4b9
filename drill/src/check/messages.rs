//! Messages: what was acknowledged, what was heard, and that everybody is told one and the same log.

use std::collections::BTreeMap;

use super::Evidence;
use crate::books::{Console, Ear, Fate};
use crate::log::Entry;
use crate::report::Promise;

/// What consoles hear only if they ask for it.
const UNASKED: [&str; 3] = ["audit.", "routing.", "presence."];

fn messages<'a>(evidence: &Evidence<'a>) -> impl Iterator<Item = &'a Entry> {
    evidence.log.iter().filter(|entry| entry.kind == "chat.message")
}

/// By their senders' own ids.
fn by_client_id<'a>(evidence: &Evidence<'a>) -> BTreeMap<&'a str, Vec<&'a Entry>> {
    let mut found: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    messages(evidence).for_each(|m| found.entry(m.text("client_id")).or_default().push(m));
    found
}

/// By conversation, in log order.
fn by_conversation<'a>(evidence: &Evidence<'a>) -> BTreeMap<&'a str, Vec<&'a Entry>> {
    let mut found: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    messages(evidence).for_each(|m| found.entry(m.conversation()).or_default().push(m));
    found
}

/// Contract 3: acknowledged is on disk; a repeat is the first one.
pub(super) fn acknowledged(evidence: &Evidence<'_>) -> Promise {
    let mut promise = Promise::new("every acknowledged message is in the log, exactly once");
    let in_log = by_client_id(evidence);
    let (mut kept, mut again) = (0, 0);
    for (client_id, sent) in &evidence.books.sent {
        let found = in_log.get(client_id.as_str()).map_or(&[][..], Vec::as_slice);
        again += u32::from(sent.tries > 1);
        if let Fate::Kept { id, seq } = &sent.fate {
            kept += 1;
            let is_it = |entry: &&Entry| {
                entry.text("message_id") == id
                    && entry.seq() == *seq
                    && entry.conversation() == sent.conversation
                    && entry.text("sender_id") == sent.user
            };
            promise.holds(found.len() == 1 && found.iter().all(is_it), || {
                format!(
                    "{client_id}, acknowledged as {seq} of {}: {} times there",
                    sent.conversation,
                    found.len()
                )
            });
        }
        promise.holds(found.len() <= 1, || format!("{client_id} is there {} times", found.len()));
    }
    promise.of(format!("{kept} acknowledged, {again} sent more than once"))
}

/// What was refused at the first try is not there. One that was sent before may be: then the refusal
/// came to the repeat.
pub(super) fn refused(evidence: &Evidence<'_>) -> Promise {
    let mut promise = Promise::new("no message that was refused is in the log");
    let in_log = by_client_id(evidence);
    let mut looked_at = 0;
    for (client_id, sent) in &evidence.books.sent {
        if let Fate::Refused(code) = &sent.fate
            && sent.tries == 1
        {
            looked_at += 1;
            promise.holds(!in_log.contains_key(client_id.as_str()), || {
                format!("{client_id}, refused with {code}")
            });
        }
    }
    promise.of(format!("{looked_at} refused"))
}

/// Contract 3: 1, 2, 3 ... in each conversation, no holes.
pub(super) fn numbered(evidence: &Evidence<'_>) -> Promise {
    let mut promise = Promise::new("messages are numbered 1, 2, 3 ... in each conversation");
    let conversations = by_conversation(evidence);
    for (conversation, said) in &conversations {
        let numbers: Vec<u64> = said.iter().map(|entry| entry.seq()).collect();
        let is_whole = numbers.iter().zip(1..).all(|(number, should_be)| *number == should_be);
        promise.holds(is_whole, || format!("{conversation}: {numbers:?}"));
    }
    promise.of(format!("{} conversations", conversations.len()))
}

/// Everybody waits for one acknowledgement before the next message, so their order is known.
pub(super) fn in_order_of_their_senders(evidence: &Evidence<'_>) -> Promise {
    let mut promise = Promise::new("a sender's messages are in the order it sent them");
    let mut last: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for message in messages(evidence) {
        let client_id = message.text("client_id");
        let Some((sender, number)) = client_id.rsplit_once('/') else { continue };
        let number: u64 = number.parse().unwrap_or(0);
        let before = last.insert((message.conversation(), sender), number).unwrap_or(0);
        promise.holds(before < number, || format!("{client_id} came after number {before}"));
    }
    promise.of(format!("{} senders in conversations", last.len()))
}

/// Contract 3: live delivery is in log order; whoever comes back gets what it missed: no hole,
/// nothing doubled.
pub(super) fn heard(evidence: &Evidence<'_>) -> Promise {
    let mut promise = Promise::new("every listener heard each message once and in order");
    let conversations = by_conversation(evidence);
    let (mut heard, mut repeats) = (0, 0);
    for ear in &evidence.books.ears {
        let said = conversations.get(ear.conversation.as_str()).map_or(&[][..], Vec::as_slice);
        heard += ear.heard.len();
        repeats += ear.repeats;
        if let Err(flaw) = check_ear(ear, said) {
            let Ear { user, dialect, conversation, .. } = ear;
            let numbers: Vec<u64> = ear.heard.iter().map(|heard| heard.seq).collect();
            promise.broke(format!("{user} in {conversation} by {dialect}: {flaw}: {numbers:?}"));
        }
    }
    let ears = evidence.books.ears.len();
    promise
        .of(format!("{heard} heard by {ears} listeners; {repeats} told again where 003 allows it"))
}

fn check_ear(ear: &Ear, said: &[&Entry]) -> Result<(), String> {
    let numbers = || ear.heard.iter().map(|heard| heard.seq);
    if let Some((before, after)) = numbers().zip(numbers().skip(1)).find(|(a, b)| a + 1 != *b) {
        return Err(format!("heard {after} after {before}"));
    }
    for heard in &ear.heard {
        let place = usize::try_from(heard.seq).unwrap_or(0).checked_sub(1);
        let Some(entry) = place.and_then(|place| said.get(place)) else {
            return Err(format!("heard {}, which is not in the log", heard.seq));
        };
        let is_it = entry.text("message_id") == heard.id
            && heard.position.is_none_or(|position| position == entry.position);
        if !is_it {
            return Err(format!("heard another message as {}", heard.seq));
        }
    }
    if let Some(first) = numbers().next()
        && ear.is_from_the_beginning
        && first != 1
    {
        return Err(format!("asked for everything and heard {first} first"));
    }
    if ear.has_left {
        return Ok(());
    }
    let is_meant = |entry: &&&Entry| ear.is_from_the_beginning || entry.at_ms > ear.began_ms;
    let should_hear = said.iter().find(is_meant).map(|entry| entry.seq());
    let last_said = said.last().map_or(0, |entry| entry.seq());
    match (should_hear, numbers().next()) {
        (Some(first), None) => Err(format!("heard nothing of {first} to {last_said}")),
        (Some(first), Some(heard)) if heard > first => {
            Err(format!("heard {heard} first, and should have heard {first}"))
        }
        (Some(_), Some(_)) if numbers().next_back() != Some(last_said) => {
            let last = numbers().next_back().unwrap_or(0);
            Err(format!("heard up to {last} of {last_said}"))
        }
        _ => Ok(()),
    }
}

/// A console hears everything that happens in its tenant.
pub(super) fn consoles(evidence: &Evidence<'_>) -> Promise {
    let mut promise = Promise::new("every console heard the whole log, once and in order");
    let mut told = 0;
    for console in &evidence.books.consoles {
        told += console.heard.len();
        if let Err(flaw) = check_console(console, evidence) {
            promise.broke(format!("{}: {flaw}", console.user));
        }
    }
    promise.of(format!("{told} events at {} consoles", evidence.books.consoles.len()))
}

fn check_console(console: &Console, evidence: &Evidence<'_>) -> Result<(), String> {
    let began_at = console.began_at.ok_or("was never let in")?;
    let last = console.heard.last().map_or(began_at, |(position, _)| *position);
    // What came when everybody left may have come too late for it.
    let end = last.max(evidence.settled);
    let is_told = |entry: &&Entry| {
        (began_at + 1..=end).contains(&entry.position)
            && !UNASKED.iter().any(|unasked| entry.kind.starts_with(unasked))
    };
    let mut should_hear = evidence.log.iter().filter(is_told);
    for (position, kind) in &console.heard {
        match should_hear.next() {
            Some(entry) if entry.position == *position && entry.kind == *kind => {}
            Some(entry) => {
                return Err(format!(
                    "heard {kind} at {position}, and should have heard {} at {}",
                    entry.kind, entry.position
                ));
            }
            None => return Err(format!("heard {kind} at {position}, which is not in the log")),
        }
    }
    match should_hear.next() {
        Some(entry) => Err(format!("did not hear {} at {}", entry.kind, entry.position)),
        None => Ok(()),
    }
}

/// Every node tells the same, and the database has the same.
pub(super) fn one_log(evidence: &Evidence<'_>) -> Promise {
    let mut promise =
        Promise::new("every node tells one and the same log, as it is in the database");
    for (teller, told) in evidence.others {
        let ours = evidence.log.iter().map(Entry::essence);
        let theirs = told.iter().map(Entry::essence);
        // To read a log is an event in it, too: the audit trail grows with each reader.
        let differ = ours.zip(theirs).find(|(ours, theirs)| ours != theirs);
        if let Some((ours, theirs)) = differ {
            promise.broke(format!("{teller} has {theirs:?} where the first node has {ours:?}"));
        } else if told.len() < evidence.log.len() {
            promise.broke(format!("{teller} has {} of {}", told.len(), evidence.log.len()));
        }
    }
    let positions = evidence.log.iter().map(|entry| entry.position);
    if let Some((hole, _)) = positions.zip(1..).find(|(position, should_be)| position != should_be)
    {
        promise.broke(format!("there is a hole before {hole}"));
    }
    let tellers: Vec<&str> = evidence.others.iter().map(|(teller, _)| teller.as_str()).collect();
    let events = evidence.log.len();
    promise.of(format!("{events} events; compared with: {}", tellers.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{holds, message};
    use super::*;
    use crate::books::{Books, Heard};

    fn kept(seq: u64) -> Fate {
        Fate::Kept { id: format!("m{seq}"), seq }
    }

    fn ear(seqs: &[u64]) -> Books {
        let mut books = Books::default();
        let ear = books.listen("ana", "session", "c", true);
        books.ears[ear].be_certain();
        for seq in seqs {
            let heard = Heard { id: format!("m{seq}"), seq: *seq, position: None };
            books.ears[ear].heard.push(heard);
        }
        books
    }

    #[test]
    fn what_was_acknowledged_must_be_there_once_as_it_was() {
        let mut books = Books::default();
        books.send("a/1", "ana", "c");
        books.answer("a/1", kept(1));
        assert!(holds(acknowledged, &books, &[message(1, 1, "a/1")]));
        assert!(!holds(acknowledged, &books, &[]));
        assert!(!holds(acknowledged, &books, &[message(1, 2, "a/1")]));
        let twice = [message(1, 1, "a/1"), message(2, 2, "a/1")];
        assert!(!holds(acknowledged, &books, &twice));
    }

    #[test]
    fn what_was_refused_may_be_there_only_if_it_was_sent_before() {
        let mut books = Books::default();
        books.send("a/1", "ana", "c");
        books.answer("a/1", Fate::Refused("forbidden".into()));
        assert!(!holds(refused, &books, &[message(1, 1, "a/1")]));
        books.send("a/1", "ana", "c");
        assert!(holds(refused, &books, &[message(1, 1, "a/1")]));
    }

    #[test]
    fn holes_and_turned_orders_are_seen() {
        let books = Books::default();
        let hole = [message(1, 1, "a/1"), message(2, 3, "a/2")];
        assert!(!holds(numbered, &books, &hole));
        assert!(holds(in_order_of_their_senders, &books, &hole));
        let turned = [message(1, 1, "a/2"), message(2, 2, "a/1")];
        assert!(holds(numbered, &books, &turned));
        assert!(!holds(in_order_of_their_senders, &books, &turned));
    }

    #[test]
    fn a_listener_must_hear_everything_once_and_to_the_end() {
        let log = [message(1, 1, "a/1"), message(2, 2, "a/2"), message(3, 3, "a/3")];
        assert!(holds(heard, &ear(&[1, 2, 3]), &log));
        for seqs in [&[1, 2][..], &[2, 3], &[1, 3], &[1, 2, 2, 3], &[2, 1, 3], &[1, 2, 3, 4], &[]] {
            assert!(!holds(heard, &ear(seqs), &log), "{seqs:?}");
        }
        let mut gone = ear(&[1, 2]);
        gone.ears[0].has_left = true;
        assert!(holds(heard, &gone, &log));
    }

    #[test]
    fn a_console_must_hear_all_behind_its_beginning() {
        let log = [message(1, 1, "a/1"), message(2, 2, "a/2"), message(3, 3, "a/3")];
        let console = |positions: &[u64]| {
            let mut books = Books::default();
            books.consoles.push(Console {
                user: "boss".into(),
                began_at: Some(1),
                heard: positions.iter().map(|at| (*at, "chat.message".into())).collect(),
            });
            books
        };
        assert!(holds(consoles, &console(&[2, 3]), &log));
        for positions in [&[2][..], &[3], &[2, 2, 3], &[3, 2], &[2, 3, 4], &[]] {
            assert!(!holds(consoles, &console(positions), &log), "{positions:?}");
        }
    }
}
