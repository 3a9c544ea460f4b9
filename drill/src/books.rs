//! What the clients of the drill know: what they sent, what they heard, and where they are. The
//! checker holds it against the log.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

/// Everything that is known.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// Messages by their sender's own id.
    pub(crate) sent: BTreeMap<String, Sent>,
    /// What each listener heard.
    pub(crate) ears: Vec<Ear>,
    /// What each console was told.
    pub(crate) consoles: Vec<Console>,
    /// Who is where now.
    present: BTreeMap<u64, Present>,
    /// Who came where, and when in milliseconds of Unix time.
    pub(crate) came: Vec<(String, String, i64)>,
    /// Conversations that were not in an agent's list, which it thought to have.
    pub(crate) missed: Vec<Missed>,
    /// Who was cut off with a killed node and stayed away.
    pub(crate) lost: Vec<Lost>,
    /// The department whose conversations wait for nothing but a decision.
    pub(crate) pulse_department: String,
    /// Socket.IO clients that came back: how many were taken up where they were.
    pub(crate) taken_up: u64,
    /// And those that were not.
    pub(crate) forgotten: Vec<Trouble>,
    /// What no client should see, with who saw it.
    pub(crate) troubles: Vec<Trouble>,
    keys: u64,
}

/// A message.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    /// Who sent it.
    pub(crate) user: String,
    /// To which conversation.
    pub(crate) conversation: String,
    /// What became of it.
    pub(crate) fate: Fate,
    /// How often it was sent.
    pub(crate) tries: u32,
}

/// What became of a message, by what its sender was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing is known: it may be there or not.
    Unknown,
    /// It is there, under this id and number.
    Kept {
        /// The message's id.
        id: String,
        /// Its number.
        seq: u64,
    },
    /// It is not there, for this reason; sending it again would not help.
    Refused(String),
}

/// One listener of one conversation, from when it came in until it left.
#[derive(Debug, Clone)]
pub(crate) struct Ear {
    /// Whose.
    pub(crate) user: String,
    /// By which dialect.
    pub(crate) dialect: &'static str,
    /// Of which conversation.
    pub(crate) conversation: String,
    /// Whether it asked for everything from the beginning.
    pub(crate) is_from_the_beginning: bool,
    /// When it was let in, in milliseconds of Unix time.
    pub(crate) began_ms: i64,
    /// Whether it left before the end.
    pub(crate) has_left: bool,
    /// What it heard, in order.
    pub(crate) heard: Vec<Heard>,
    /// Messages from here on may be told again, when the line breaks now.
    certain: usize,
    /// Messages that came again where that may be.
    pub(crate) repeats: u64,
}

/// A message as a listener heard it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    /// The message's id.
    pub(crate) id: String,
    /// Its number.
    pub(crate) seq: u64,
    /// Its place in the log, where the dialect tells.
    pub(crate) position: Option<u64>,
}

/// A console that hears the tenant.
#[derive(Debug, Clone, Default)]
pub(crate) struct Console {
    /// Whose.
    pub(crate) user: String,
    /// The place behind which it began to hear.
    pub(crate) began_at: Option<u64>,
    /// The places and names of what it was told, in order.
    pub(crate) heard: Vec<(u64, String)>,
}

/// A user in a conversation, by one connection.
#[derive(Debug, Clone)]
pub(crate) struct Present {
    /// The conversation.
    pub(crate) conversation: String,
    /// The user.
    pub(crate) user: String,
    /// The number of its client.
    pub(crate) number: u64,
    /// At which node.
    pub(crate) node: usize,
    /// Since when.
    pub(crate) since: Instant,
}

/// Somebody who was cut off and stays away for a while.
#[derive(Debug, Clone)]
pub(crate) struct Lost {
    /// The conversation.
    pub(crate) conversation: String,
    /// The user.
    pub(crate) user: String,
    /// When the node was killed, in milliseconds of Unix time.
    pub(crate) at_ms: i64,
}

/// A list of an agent's conversations that had not got one of them.
#[derive(Debug, Clone)]
pub(crate) struct Missed {
    /// The agent.
    pub(crate) agent: String,
    /// The conversation.
    pub(crate) conversation: String,
    /// When the list was asked for, in milliseconds of Unix time.
    pub(crate) asked_ms: i64,
    /// When it came.
    pub(crate) told_ms: i64,
}

/// What no client should see.
#[derive(Debug, Clone)]
pub(crate) struct Trouble {
    /// When, from the start of the run.
    pub(crate) at: std::time::Duration,
    /// Who.
    pub(crate) user: String,
    /// What.
    pub(crate) what: String,
}

impl Books {
    /// Somebody sends a message, for the first time or again.
    pub(crate) fn send(&mut self, client_id: &str, user: &str, conversation: &str) {
        let sent = self.sent.entry(client_id.to_owned()).or_insert_with(|| Sent {
            user: user.to_owned(),
            conversation: conversation.to_owned(),
            fate: Fate::Unknown,
            tries: 0,
        });
        sent.tries += 1;
    }

    /// The answer to a message came.
    pub(crate) fn answer(&mut self, client_id: &str, fate: Fate) {
        if let Some(sent) = self.sent.get_mut(client_id) {
            sent.fate = fate;
        }
    }

    /// A new listener of a conversation; its number.
    pub(crate) fn listen(
        &mut self,
        user: &str,
        dialect: &'static str,
        conversation: &str,
        is_from_the_beginning: bool,
    ) -> usize {
        self.ears.push(Ear {
            user: user.to_owned(),
            dialect,
            conversation: conversation.to_owned(),
            is_from_the_beginning,
            began_ms: now_ms(),
            has_left: false,
            heard: Vec::new(),
            certain: 0,
            repeats: 0,
        });
        self.ears.len() - 1
    }

    /// A user is in a conversation; the key to take it out again.
    pub(crate) fn enter(
        &mut self,
        conversation: &str,
        user: &str,
        number: u64,
        node: usize,
    ) -> u64 {
        self.keys += 1;
        let (conversation, user) = (conversation.to_owned(), user.to_owned());
        let since = Instant::now();
        self.came.push((conversation.clone(), user.clone(), now_ms()));
        self.present.insert(self.keys, Present { conversation, user, number, node, since });
        self.keys
    }

    /// Its connection ended.
    pub(crate) fn leave(&mut self, key: u64) {
        self.present.remove(&key);
    }

    /// Who is in which conversation.
    pub(crate) fn present(&self) -> BTreeSet<(String, String)> {
        self.present_where(|_| true)
    }

    /// The same of those connections that fit.
    pub(crate) fn present_where(
        &self,
        fits: impl Fn(&Present) -> bool,
    ) -> BTreeSet<(String, String)> {
        let fitting = self.present.values().filter(|present| fits(present));
        fitting.map(|present| (present.conversation.clone(), present.user.clone())).collect()
    }
}

impl Ear {
    /// A message came.
    pub(crate) fn hear(&mut self, heard: Heard) {
        // 003: an event may be told again when the line breaks before its offset (contract 6).
        if self.heard[self.certain..].iter().any(|known| known.id == heard.id) {
            self.repeats += 1;
            return;
        }
        self.heard.push(heard);
    }

    /// What came until now is not told again.
    pub(crate) fn be_certain(&mut self) {
        self.certain = self.heard.len();
    }
}

/// Unix time in milliseconds.
pub(crate) fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(id: &str, seq: u64) -> Heard {
        Heard { id: id.into(), seq, position: None }
    }

    #[test]
    fn a_repeat_counts_as_one_only_before_it_is_certain() {
        let mut books = Books::default();
        let ear = books.listen("ana", "Socket.IO", "c", false);
        let ear = &mut books.ears[ear];
        ear.hear(heard("a", 1));
        ear.hear(heard("a", 1));
        assert_eq!((ear.heard.len(), ear.repeats), (1, 1));
        ear.be_certain();
        ear.hear(heard("a", 1));
        assert_eq!((ear.heard.len(), ear.repeats), (2, 1));
    }

    #[test]
    fn a_user_is_there_until_its_last_connection_goes() {
        let mut books = Books::default();
        let (one, two) = (books.enter("c", "ana", 1, 0), books.enter("c", "ana", 1, 1));
        books.leave(one);
        assert_eq!(books.present().len(), 1);
        assert!(books.present_where(|present| present.node == 0).is_empty());
        books.leave(two);
        assert!(books.present().is_empty());
    }
}
