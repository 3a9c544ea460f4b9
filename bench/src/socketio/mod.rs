//! The Socket.IO dialect, as little of it as the bench needs: who comes, how it comes in, and
//! what its packets are. It serves Switchboard and the reference server alike.

mod entry;
mod packet;

use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::Result;

use crate::client::{Body, Client, Frame, Speaker, Stamp};
use crate::token::Secret;
use crate::ws::{self, Reader};

pub(crate) use entry::Entry;
pub(crate) use packet::{PATH, Packet};

/// Somebody with a token and the conversations to join.
#[derive(Debug, Clone)]
pub(crate) struct Guest(Rc<Known>);

#[derive(Debug)]
struct Known {
    user: String,
    token: String,
    conversations: Vec<String>,
}

/// What a client that was cut says to be taken up again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recovery {
    /// The number the server gave it.
    pub(crate) pid: String,
    /// The last cursor it was told.
    pub(crate) offset: String,
}

impl Guest {
    /// A customer whose token names its conversations.
    pub(crate) fn customer(
        secret: &Secret,
        number: usize,
        conversations: Vec<String>,
    ) -> Result<Self> {
        Self::new(secret, format!("bench-customer-{number}"), "customer", conversations)
    }

    /// An agent; it may see every conversation that nobody has.
    pub(crate) fn agent(
        secret: &Secret,
        number: usize,
        conversations: Vec<String>,
    ) -> Result<Self> {
        Self::new(secret, format!("bench-agent-{number}"), "agent", conversations)
    }

    /// An agent whose id the server made, in no conversation: those it is given it hears of.
    pub(crate) fn hired(secret: &Secret, id: String) -> Result<Self> {
        Self::new(secret, id, "agent", Vec::new())
    }

    fn new(secret: &Secret, user: String, role: &str, conversations: Vec<String>) -> Result<Self> {
        let token = secret.sign(&user, role, &conversations)?;
        Ok(Self(Rc::new(Known { user, token, conversations })))
    }

    /// The conversations it joins.
    pub(crate) fn conversations(&self) -> &[String] {
        &self.0.conversations
    }

    /// Its token.
    pub(crate) fn token(&self) -> &str {
        &self.0.token
    }
}

impl Client for Guest {
    fn user(&self) -> &str {
        &self.0.user
    }

    async fn enter(&self, address: SocketAddr) -> Result<Reader> {
        let mut reader = ws::open(address, PATH).await?;
        let writer = Rc::clone(reader.writer());
        let mut entry = Entry::new(self.clone(), None);
        while !entry.is_in()? {
            reader.read(|text| entry.take(Packet::of(text), &writer)).await?;
        }
        Ok(reader)
    }

    fn frame(text: &[u8]) -> Frame<'_> {
        Packet::of(text).frame()
    }
}

impl Speaker for Guest {
    fn say(&self, stamp: Stamp, content_bytes: usize, out: &mut Vec<u8>) {
        let first = self.conversations().first().map_or("", String::as_str);
        packet::send(first, stamp, content_bytes, out);
    }

    fn answered(ack: Body<'_>) -> Option<u64> {
        packet::ack_number(ack)
    }
}
