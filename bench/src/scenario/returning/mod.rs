//! Clients that come back by themselves whenever they are cut, with the backoff of the clients that
//! people use, and say then where they were; and the messages that go on meanwhile. In the end
//! everybody must have heard every message of its conversations once and in order.

mod listener;
mod writers;

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use uuid::Uuid;

use crate::client::{Client as _, Frame, Stamp};
use crate::session::{self, Seat};
use crate::socketio::{Entry, Guest, PATH, Packet, Recovery};
use crate::ws::Writer;

pub(super) use listener::{Books, Listener};
pub(super) use writers::Writers;

/// Where somebody goes first, and where whenever that has failed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Route {
    pub(super) first: SocketAddr,
    pub(super) then: SocketAddr,
}

/// How a client waits before it tries again: a time that doubles, of which chance takes a part.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    first: Duration,
    max: Duration,
    /// The parts of the time between which chance decides.
    least: f64,
    most: f64,
}

/// A client of either dialect that knows where it was.
pub(super) trait Traveller: 'static {
    /// How it waits.
    const BACKOFF: Backoff;

    /// Who it is, for reports.
    fn user(&self) -> &str;

    /// The conversations it hears.
    fn conversations(&self) -> &[String];

    /// What it opens next, and so begins anew.
    fn begin(&mut self) -> String;

    /// Takes the next text of its connection, and answers it.
    fn take<'a>(&mut self, text: &'a [u8], writer: &Rc<Writer>) -> News<'a>;

    /// Whether it is in all its conversations; an error when it may not.
    fn is_in(&self) -> Result<bool>;

    /// Whether the server took it up where it was.
    fn is_recovered(&self) -> bool;
}

/// What a text was.
#[derive(Debug)]
pub(super) enum News<'a> {
    /// A message, by the conversation it was said in.
    Message(Option<usize>, Option<Stamp>),
    /// Something was refused.
    Refusal(&'a str),
    /// Anything else.
    Nothing,
}

/// A client of the Socket.IO dialect.
#[derive(Debug)]
pub(super) struct Wanderer {
    guest: Guest,
    entry: Entry,
    /// The number the server gave it, and the last cursor.
    pid: Option<String>,
    offset: Option<String>,
}

/// A client of the session dialect.
#[derive(Debug)]
pub(super) struct Pilgrim {
    seat: Seat,
    conversation: [String; 1],
    cursor: Option<String>,
    is_in: bool,
    is_recovered: bool,
}

impl Wanderer {
    pub(super) fn new(guest: Guest) -> Self {
        let entry = Entry::new(guest.clone(), None);
        Self { guest, entry, pid: None, offset: None }
    }
}

impl Traveller for Wanderer {
    /// `socket.io-client`'s defaults.
    const BACKOFF: Backoff = Backoff {
        first: Duration::from_secs(1),
        max: Duration::from_secs(5),
        least: 0.5,
        most: 1.5,
    };

    fn user(&self) -> &str {
        self.guest.user()
    }

    fn conversations(&self) -> &[String] {
        self.guest.conversations()
    }

    fn begin(&mut self) -> String {
        let known = self.pid.clone().zip(self.offset.clone());
        let recovery = known.map(|(pid, offset)| Recovery { pid, offset });
        self.entry = Entry::new(self.guest.clone(), recovery);
        PATH.to_owned()
    }

    fn take<'a>(&mut self, text: &'a [u8], writer: &Rc<Writer>) -> News<'a> {
        let packet = Packet::of(text);
        self.entry.take(packet, writer);
        match packet {
            Packet::Connected(pid) => self.pid = pid.map(str::to_owned),
            Packet::Cursor(offset) => self.offset = Some(offset.to_owned()),
            Packet::Message(body) => {
                let name = body.text_of("conversationId").unwrap_or_default();
                let place = self.conversations().iter().position(|known| known == name);
                return News::Message(place, body.stamp());
            }
            Packet::Refusal(text) => {
                return News::Refusal(str::from_utf8(text).unwrap_or("not UTF-8"));
            }
            _ => {}
        }
        News::Nothing
    }

    fn is_in(&self) -> Result<bool> {
        self.entry.is_in()
    }

    fn is_recovered(&self) -> bool {
        self.entry.is_recovered()
    }
}

impl Pilgrim {
    /// An agent in a conversation.
    pub(super) fn new(session: Uuid, number: usize) -> Self {
        Self {
            seat: Seat::agent(session, number),
            conversation: [session.to_string()],
            cursor: None,
            is_in: false,
            is_recovered: false,
        }
    }
}

impl Traveller for Pilgrim {
    /// Those of `clients/typescript`.
    const BACKOFF: Backoff = Backoff {
        first: Duration::from_secs(2),
        max: Duration::from_secs(32),
        least: 0.5,
        most: 1.0,
    };

    fn user(&self) -> &str {
        &self.seat.user
    }

    fn conversations(&self) -> &[String] {
        &self.conversation
    }

    fn begin(&mut self) -> String {
        (self.is_in, self.is_recovered) = (false, self.cursor.is_some());
        self.seat.path(self.cursor.as_deref())
    }

    fn take<'a>(&mut self, text: &'a [u8], _writer: &Rc<Writer>) -> News<'a> {
        match Seat::frame(text) {
            Frame::Established(body) => {
                self.is_in = true;
                // When resuming, this may tell the end of the log, before the replay.
                if self.cursor.is_none() {
                    self.cursor = session::cursor(body).map(str::to_owned);
                }
            }
            Frame::Message(body) => {
                self.cursor = session::cursor(body).map(str::to_owned);
                return News::Message(Some(0), body.stamp());
            }
            Frame::Refusal(text) => {
                // A resync, for instance: what was missed cannot be told.
                self.is_recovered = false;
                return News::Refusal(text);
            }
            _ => {}
        }
        News::Nothing
    }

    fn is_in(&self) -> Result<bool> {
        Ok(self.is_in)
    }

    fn is_recovered(&self) -> bool {
        self.is_recovered
    }
}

impl Backoff {
    /// The waits, one attempt after the other.
    fn waits(self) -> impl Iterator<Item = Duration> {
        let doubled = std::iter::successors(Some(self.first), |wait| Some(*wait * 2));
        doubled.map(move |wait| {
            let part = self.least + (self.most - self.least) * chance();
            wait.min(self.max).mul_f64(part)
        })
    }
}

/// A number from 0 to 1.
fn chance() -> f64 {
    const BITS: u32 = 32;
    (Uuid::new_v4().as_u128() >> (128 - BITS)) as f64 / 2_f64.powi(BITS as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_one() {
        let waits: Vec<f64> =
            Wanderer::BACKOFF.waits().take(6).map(|wait| wait.as_secs_f64()).collect();
        for (wait, full) in waits.iter().zip([1.0, 2.0, 4.0, 5.0, 5.0, 5.0]) {
            assert!((full * 0.5..=full * 1.5).contains(wait), "{waits:?}");
        }
    }
}
