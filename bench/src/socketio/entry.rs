//! The way in: from the open WebSocket over the namespace to the last conversation joined.

use std::rc::Rc;

use anyhow::{Result, bail};

use super::packet::{self, Packet};
use super::{Guest, Recovery};
use crate::ws::Writer;

/// One client's way in.
#[derive(Debug)]
pub(crate) struct Entry {
    guest: Guest,
    recovery: Option<Recovery>,
    /// Whether the server took it up where it was.
    is_recovered: bool,
    /// Joins that are not answered yet, once the client is known.
    joining: Option<usize>,
    refusal: Option<String>,
}

impl Entry {
    /// Nothing has come yet.
    pub(crate) fn new(guest: Guest, recovery: Option<Recovery>) -> Self {
        Self { guest, recovery, is_recovered: false, joining: None, refusal: None }
    }

    /// Whether the client is in all its conversations; an error when it may not.
    pub(crate) fn is_in(&self) -> Result<bool> {
        match &self.refusal {
            Some(refusal) => bail!("{refusal}"),
            None => Ok(self.joining == Some(0)),
        }
    }

    /// Whether the server took it up where it was, with its conversations.
    pub(crate) fn is_recovered(&self) -> bool {
        self.is_recovered
    }

    /// Takes the next packet and answers it. Pings too: they come for as long as the connection
    /// lasts, so this is to be called for every packet.
    pub(crate) fn take(&mut self, packet: Packet<'_>, writer: &Rc<Writer>) {
        match packet {
            Packet::Open => {
                let token = self.guest.token();
                writer.queue_text(packet::connect(token, self.recovery.as_ref()).as_bytes());
            }
            Packet::Connected(pid) => {
                let known = self.recovery.as_ref().map(|known| known.pid.as_str());
                self.is_recovered = pid.is_some() && pid == known;
            }
            Packet::Authenticated(_) => self.join_all(writer),
            Packet::Ack(answer) if answer.success() => {
                self.joining = self.joining.map(|joining| joining.saturating_sub(1));
            }
            Packet::Ack(answer) => self.refuse(answer.0),
            Packet::Refusal(text) => self.refuse(text),
            Packet::Ping => writer.queue_text(packet::PONG),
            Packet::Message(_) | Packet::Assigned(_) | Packet::Cursor(_) | Packet::Other => return,
        }
        writer.flush();
    }

    /// Who was taken up again is in its conversations already.
    fn join_all(&mut self, writer: &Rc<Writer>) {
        let missing = match self.is_recovered {
            true => &[][..],
            false => self.guest.conversations(),
        };
        for (number, conversation) in missing.iter().enumerate() {
            writer.queue_text(packet::join(number, conversation).as_bytes());
        }
        self.joining = Some(missing.len());
    }

    fn refuse(&mut self, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        self.refusal.get_or_insert_with(|| format!("refused: {text}"));
    }
}
