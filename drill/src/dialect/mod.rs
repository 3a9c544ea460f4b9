//! The dialects as their clients speak them: what a client sends, what it keeps to come back, and
//! what a frame tells. Pure: no line, no clock, no books.
//!
//! To add one: a type that is a [`Dialect`] beside the others, and somebody who speaks it in `load`.

mod console;
mod session;
mod socketio;
mod visitor;

use serde_json::Value;

use crate::books::{Fate, Heard};
use crate::log::position;

pub(crate) use console::{Console, Shown};
pub(crate) use session::Seat;
pub(crate) use socketio::Socket;
pub(crate) use visitor::Visitor;

/// What a frame says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// This has to be sent at once.
    Reply(String),
    /// The client is known, and may speak.
    Ready,
    /// It hears a conversation from now on; from its beginning, or from now.
    In {
        /// The conversation.
        conversation: String,
        /// Whether it gets everything that was said in it.
        is_from_the_beginning: bool,
    },
    /// It may not hear it, or does not any more.
    Out(String),
    /// It was heard that the client wants to be in a conversation no more.
    Left(String),
    /// It is where it was: of a conversation that it heard before, the rest is told.
    Back,
    /// It came back and is not where it was.
    Forgotten(String),
    /// Somebody said something.
    Message(String, Heard),
    /// What became of a message of the client.
    Answer(String, Fate),
    /// What came until now is not told again.
    Certain,
    /// A conversation was closed.
    Closed(String),
    /// A conversation has an agent.
    Given {
        /// The conversation.
        conversation: String,
        /// The agent.
        agent: String,
    },
    /// A conversation is offered to an agent.
    Offered {
        /// The conversation.
        conversation: String,
        /// The agent.
        agent: String,
    },
    /// What should not come.
    Trouble(String),
    /// The node lets nobody in now.
    End(String),
}

/// A client's side of a dialect.
pub(crate) trait Dialect {
    /// Its name, for people.
    const NAME: &'static str;

    /// Where to connect to, behind what was heard before.
    fn path(&self) -> String;

    /// Who the client is, where the head says so.
    fn token(&self) -> Option<&str>;

    /// Who the client is, if that is told by the node alone.
    fn user(&self) -> Option<&str> {
        None
    }

    /// A new line is open.
    fn begin(&mut self) {}

    /// What a text says.
    fn take(&mut self, text: &str) -> Vec<Told>;

    /// The frame that says something.
    fn say(&mut self, conversation: &str, client_id: &str) -> String;

    /// The frame that asks to hear a conversation, where that needs one.
    fn join(&mut self, _conversation: &str) -> Option<String> {
        None
    }

    /// The frame that asks to hear it no more.
    fn leave(&mut self, _conversation: &str) -> Option<String> {
        None
    }
}

/// What to make of a refused message: what may help another time is not known to be refused.
fn refused(code: &str) -> Fate {
    match code {
        "unavailable" | "internal" | "rate_limited" | "presence_unavailable" => Fate::Unknown,
        code => Fate::Refused(code.to_owned()),
    }
}

/// A text of an object.
fn text(of: &Value, name: &str) -> String {
    of[name].as_str().unwrap_or_default().to_owned()
}

/// A message as an object tells it, with the names that this dialect has for its id.
fn heard(of: &Value, id: &str, cursor: &Value) -> Heard {
    let position = cursor.as_str().and_then(position);
    Heard { id: text(of, id), seq: of["seq"].as_u64().unwrap_or(0), position }
}

/// The fate that an acknowledgement tells.
fn fate(ack: &Value, id: &str) -> Fate {
    match ack["success"].as_bool() {
        Some(true) => Fate::Kept { id: text(ack, id), seq: ack["seq"].as_u64().unwrap_or(0) },
        _ => refused(ack["code"].as_str().unwrap_or_default()),
    }
}

/// What happens to conversations, under the names that the session dialect and Socket.IO share.
fn lives(name: &str, data: &Value) -> Option<Told> {
    let conversation = text(data, "session_id");
    match name {
        "conversation_closed" => Some(Told::Closed(conversation)),
        "conversation_assigned" => {
            Some(Told::Given { conversation, agent: text(data, "agent_id") })
        }
        "conversation_offered" => {
            Some(Told::Offered { conversation, agent: text(data, "agent_id") })
        }
        "resync" => Some(Told::Trouble(format!("resync: {}", text(data, "reason")))),
        _ => None,
    }
}
