//! What a telephone exchange tells of its calls: many go on at once, and each comes in, waits, is
//! taken, held, given away and ends. Every event has the bench's stamp in a text of its own.
//!
//! If that is wanted, customers write to the tenant's conversations in between.
//!
//! What is volatile, as `queue.stats`, is left out: it may be lost, and costs no disk.

use std::fmt::{self, Write as _};
use std::rc::Rc;

use crate::client::{Body, Stamp};
use crate::http::request_with;
use crate::stats::{Flaws, Sequence};

/// Calls that one producer has going on at once.
const CALLS_AT_ONCE: u64 = 64;
/// Events of a call, its agent's pause included.
const STEPS: u64 = WORDS.len() as u64;
/// Where there are messages, of so many events one is.
const CYCLE: u64 = 10;
/// Agents of the exchange.
const AGENTS: u64 = 50;

/// What happens in a call, in this order: the event, and what its payload begins with up to the
/// name of the text that is the stamp.
const WORDS: [(&str, &str); 10] = [
    (
        "call.incoming",
        r#""caller_id":"+6281234567890","destination":"1500","queue_name":"support","caller_name""#,
    ),
    ("queue.joined", r#""queue_name":"support","position":3,"calls_waiting":12,"caller_id""#),
    ("queue.left", r#""queue_name":"support","waited_seconds":14,"calls_waiting":11,"reason""#),
    ("call.answered", r#""queue_name":"support","agent_name""#),
    ("queue.member.paused", r#""queue_name":"support","reason":"In a call","username""#),
    ("call.hold", r#""agent_name""#),
    ("call.unhold", r#""agent_name""#),
    ("call.transferred", r#""kind":"attended","new_destination""#),
    ("call.ended", r#""duration":185,"reason""#),
    ("queue.member.unpaused", r#""queue_name":"support","username""#),
];

/// A producer that posts batches over a connection of its own. Producers of one scenario are
/// numbered, and the stamps' numbers tell whose an event is.
#[derive(Debug)]
pub(super) struct Producer {
    credential: String,
    index: u64,
    /// How many producers there are.
    of: u64,
    /// Events of a post.
    batch: u64,
    /// Whether each event has an id of its producer's.
    has_ids: bool,
    /// Conversations in which every tenth event is a message.
    conversations: Rc<[String]>,
    events: u64,
    posts: u64,
}

/// What somebody heard of all producers.
#[derive(Debug)]
pub(super) struct Heard(Vec<Sequence>);

impl Producer {
    /// The producers with these indices, from 0.
    pub(super) fn all(credential: &str, of: u64, batch: u64) -> Vec<Self> {
        let one = |index| Self {
            credential: credential.to_owned(),
            index,
            of,
            batch,
            has_ids: false,
            conversations: Rc::from([]),
            events: 0,
            posts: 0,
        };
        (0..of).map(one).collect()
    }

    /// The same with an id for each event.
    pub(super) fn with_ids(self) -> Self {
        Self { has_ids: true, ..self }
    }

    /// The same with messages in these conversations, in turn.
    pub(super) fn with_messages(self, conversations: &Rc<[String]>) -> Self {
        Self { conversations: Rc::clone(conversations), ..self }
    }

    /// How many events it has posted.
    pub(super) fn events(&self) -> u64 {
        self.events
    }

    /// The next post, a whole request with a key by which a repeat is known.
    pub(super) fn post(&mut self, sent_ns: u64) -> Vec<u8> {
        let mut body = String::with_capacity(64 + 256 * self.batch as usize);
        if self.batch > 1 {
            body.push_str(r#"{"events":["#);
        }
        for place in 0..self.batch {
            if place > 0 {
                body.push(',');
            }
            self.write_event(sent_ns, &mut body);
        }
        if self.batch > 1 {
            body.push_str("]}");
        }
        self.posts += 1;
        let lines = format!(
            "Authorization: Bearer {}\r\nIdempotency-Key: exchange-{}-post-{}\r\n",
            self.credential, self.index, self.posts
        );
        request_with("POST", super::PATH, &lines, &body)
    }

    fn write_event(&mut self, sent_ns: u64, out: &mut String) {
        let place = self.events;
        let stamp = Stamp { number: place * self.of + self.index + 1, sent_ns };
        self.events += 1;
        // Writing to memory does not fail.
        let _ = match self.conversation(place) {
            Some(conversation) => write_message(conversation, stamp, out),
            None => self.write_step(place, stamp, out),
        };
        if self.has_ids {
            let _ = write!(out, r#","id":"exchange-{}-event-{place}""#, self.index);
        }
        out.push('}');
    }

    /// The conversation in which the event with this place is a message.
    fn conversation(&self, place: u64) -> Option<&str> {
        let is_message = !self.conversations.is_empty() && place % CYCLE == CYCLE - 1;
        let turn = (place / CYCLE) as usize % self.conversations.len().max(1);
        is_message.then(|| self.conversations[turn].as_str())
    }

    /// What happens in a call, without its end.
    fn write_step(&self, place: u64, stamp: Stamp, out: &mut String) -> fmt::Result {
        let messages = if self.conversations.is_empty() { 0 } else { place / CYCLE };
        let place = place - messages;
        // All calls take a step, and then all the next one, so as many are open all the time.
        let round = place / CALLS_AT_ONCE;
        let (step, call) = (round % STEPS, round / STEPS * CALLS_AT_ONCE + place % CALLS_AT_ONCE);
        let (kind, payload) = WORDS[step as usize];
        let (exchange, agent) = (self.index, 1000 + call % AGENTS);
        write!(out, r#"{{"type":"{kind}","payload":{{{payload}:"{stamp}""#)?;
        match step {
            4 | 9 => write!(out, r#","user_id":"ext-{agent}","interface":"PJSIP/{agent}""#)?,
            _ => write!(out, r#","unique_id":"17377146{exchange:02}.{call}""#)?,
        }
        if matches!(step, 3 | 5..=8) {
            write!(out, r#","agent_id":"ext-{agent}""#)?;
        }
        out.push('}');
        Ok(())
    }
}

/// What a customer says, without its end.
fn write_message(conversation: &str, stamp: Stamp, out: &mut String) -> fmt::Result {
    write!(
        out,
        r#"{{"type":"chat.message","payload":{{"session_id":"{conversation}","sender_id":"visitor-1","sender_type":"visitor","sender_name":"Budi","body":"{stamp} is where my parcel got stuck, can you look it up?"}}"#
    )
}

impl Heard {
    /// Nothing so far, of so many producers.
    pub(super) fn of(producers: u64) -> Self {
        Self((0..producers).map(|_| Sequence::default()).collect())
    }

    /// Takes an event, and says when it was meant to be posted.
    pub(super) fn take(&mut self, event: Body<'_>) -> Option<u64> {
        let Stamp { number, sent_ns } = event.stamp()?;
        let (producers, place) = (self.0.len() as u64, number.checked_sub(1)?);
        self.0[(place % producers) as usize].take(place / producers + 1);
        Some(sent_ns)
    }

    /// How many different events came.
    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(Sequence::count).sum()
    }

    /// What is wrong, when the producers posted so many.
    pub(super) fn flaws(&self, posted: &[u64]) -> Flaws {
        let mut sum = Flaws::default();
        self.0.iter().zip(posted).for_each(|(heard, posted)| sum += heard.flaws(*posted));
        sum
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn events(request: &[u8]) -> Vec<Value> {
        let text = std::str::from_utf8(request).unwrap();
        let body: Value = serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap();
        body["events"].as_array().cloned().unwrap_or(vec![body])
    }

    #[test]
    fn a_call_has_all_its_events_in_order() {
        let mut producer = Producer::all("key", 1, CALLS_AT_ONCE * STEPS).remove(0);
        let posted = events(&producer.post(7));
        let of_first = posted.iter().step_by(CALLS_AT_ONCE as usize);
        let names: Vec<&str> = of_first.map(|event| event["type"].as_str().unwrap()).collect();
        assert_eq!(names[0], "call.incoming");
        assert_eq!(names[8], "call.ended");
        assert_eq!(names.len(), 10);
        let ids = posted.iter().filter_map(|event| event["payload"]["unique_id"].as_str());
        let ids: std::collections::HashSet<&str> = ids.collect();
        assert_eq!(ids.len(), CALLS_AT_ONCE as usize);
    }

    #[test]
    fn who_hears_all_producers_tells_them_apart() {
        let mut producers = Producer::all("key", 3, 2);
        let mut heard = Heard::of(3);
        for producer in producers.iter_mut().rev() {
            for event in events(&producer.post(7)) {
                assert_eq!(heard.take(Body(event.to_string().as_bytes())), Some(7));
            }
        }
        assert_eq!(heard.count(), 6);
        assert_eq!(heard.flaws(&[2, 2, 2]), Flaws::default());
        assert_eq!(heard.flaws(&[2, 3, 2]), Flaws { lost: 1, ..Flaws::default() });
    }

    #[test]
    fn messages_come_between_the_events_of_calls_and_displace_none() {
        let conversations: Rc<[String]> = ["c-0".to_owned(), "c-1".to_owned()].into();
        let plain = Producer::all("key", 1, 90).remove(0).post(7);
        let mut producer = Producer::all("key", 1, 100).remove(0).with_messages(&conversations);
        let (messages, calls): (Vec<Value>, Vec<Value>) =
            events(&producer.post(7)).into_iter().partition(|e| e["type"] == "chat.message");
        assert_eq!(messages.len(), 10);
        assert_eq!(messages[1]["payload"]["session_id"], "c-1");
        let ids = |events: &[Value]| -> Vec<Value> {
            events.iter().map(|event| event["payload"]["unique_id"].clone()).collect()
        };
        assert_eq!(ids(&calls), ids(&events(&plain)));
        assert!(Body(messages[9].to_string().as_bytes()).stamp().is_some_and(|s| s.number == 100));
    }

    #[test]
    fn an_event_alone_is_no_batch_and_may_have_an_id() {
        let mut producer = Producer::all("key", 1, 1).remove(0).with_ids();
        let posted = events(&producer.post(7));
        assert_eq!(posted[0]["id"], "exchange-0-event-0");
        assert_eq!(producer.events(), 1);
    }
}
