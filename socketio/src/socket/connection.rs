//! The Socket.IO side of one session, without a socket and without a clock: which namespaces the
//! client is in, what it still has to send, which acknowledgements are waited for.
//!
//! It is fed with messages and says what they mean; what goes out is made by
//! [`Builder`](super::Builder) and sent by whoever owns the session. A [`Fault`] ends the session.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::value::RawValue;
use tokio::time::Instant;

use super::Config;
use super::assembly::{Arrival, Assembled, Assembly};
use super::build::{connect_error, connected, disconnected};
use super::packet::{Body, Packet, PacketError};
use crate::{Frame, Sid, Text};

/// The Socket.IO state of one client. Small, and without allocations of its own while the client
/// is in the main namespace only and nothing is under way.
#[derive(Debug)]
pub struct Connection {
    config: Arc<Config>,
    main: Stage,
    others: Vec<(Box<str>, Stage)>,
    assembly: Option<Box<Assembly>>,
    acks: VecDeque<PendingAck>,
    next_ack: u64,
    /// Until when the client has to be in a namespace; `None` once it was.
    connect_by: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Outside,
    /// It asked to be let in.
    Asking,
    Inside,
}

#[derive(Debug)]
struct PendingAck {
    namespace: Box<str>,
    id: u64,
    until: Instant,
}

/// Why a session has to end: the client broke the protocol or did not keep a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A message is no packet, or not one that is taken.
    #[error(transparent)]
    Packet(#[from] PacketError),
    /// A text came where an attachment was due.
    #[error("a text came where an attachment was due")]
    AttachmentMissing,
    /// Bytes came that belong to no packet.
    #[error("an attachment came without its packet")]
    UnexpectedAttachment,
    /// The attachments of a packet are over [`Config::attachment_bytes_max`].
    #[error("the attachments are too large")]
    AttachmentsTooLarge,
    /// A placeholder stands for none of the attachments.
    #[error("a placeholder stands for no attachment")]
    BadPlaceholder,
    /// A packet for a namespace that the client is not in.
    #[error("the client is not in this namespace")]
    NotConnected,
    /// A second `CONNECT` to the same namespace.
    #[error("the client is in this namespace already")]
    AlreadyConnected,
    /// A packet that only servers send.
    #[error("only servers send this packet")]
    UnexpectedPacket,
    /// More namespaces than [`Config::namespaces_max`].
    #[error("the client is in too many namespaces")]
    TooManyNamespaces,
    /// The client was not let into any namespace in time.
    #[error("the client did not connect in time")]
    ConnectTimeout,
    /// Attachments did not come in time.
    #[error("attachments did not come in time")]
    AttachmentsTimeout,
}

/// [`Config::acks_pending_max`] acknowledgements are being waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many acknowledgements are being waited for")]
pub struct AcksFull;

impl Connection {
    /// A client that is in no namespace yet.
    pub fn new(config: Arc<Config>, now: Instant) -> Connection {
        let connect_by = Some(now + config.connect_timeout);
        Connection {
            config,
            main: Stage::Outside,
            others: Vec::new(),
            assembly: None,
            acks: VecDeque::new(),
            next_ack: 0,
            connect_by,
        }
    }

    /// The bounds of this connection.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// A text message came. `None` means that there is nothing to do for the application: its
    /// attachments have to come first, or it is an acknowledgement that nobody waits for any more.
    pub fn text<'t>(&mut self, text: &'t Text, now: Instant) -> Result<Option<Arrival<'t>>, Fault> {
        if self.assembly.is_some() {
            return Err(Fault::AttachmentMissing);
        }
        let packet = Packet::parse(text.as_str(), &self.config)?;
        self.check_place(&packet)?;
        let expected = match &packet.body {
            Body::Event { attachments, .. } | Body::Ack { attachments, .. } => {
                attachments.unwrap_or(0)
            }
            _ => 0,
        };
        if expected > 0 {
            let assembly = Assembly::begin(text.as_str(), expected, &self.config, now);
            self.assembly = Some(Box::new(assembly));
            return Ok(None);
        }
        Ok(Arrival::of(packet, &[]).filter(|arrival| self.note(arrival)))
    }

    /// A binary message came. Returns the packet that it completes.
    pub fn binary(&mut self, attachment: &[u8]) -> Result<Option<Assembled>, Fault> {
        let assembly = self.assembly.as_mut().ok_or(Fault::UnexpectedAttachment)?;
        assembly.add(attachment, &self.config)?;
        if !assembly.is_complete() {
            return Ok(None);
        }
        let Some(assembly) = self.assembly.take() else { return Ok(None) };
        let assembled = assembly.finish();
        let arrival = assembled.arrival(&self.config)?;
        // We may have put the client out of the namespace meanwhile.
        let is_wanted = self.is_connected(arrival.namespace()) && self.note(&arrival);
        Ok(is_wanted.then_some(assembled))
    }

    /// Whether a packet may come for its namespace now.
    fn check_place(&self, packet: &Packet<'_>) -> Result<(), Fault> {
        match (&packet.body, self.stage(packet.namespace)) {
            (Body::ConnectError { .. }, _) => Err(Fault::UnexpectedPacket),
            (Body::Connect { .. }, Stage::Outside) => self.check_room(packet.namespace),
            (Body::Connect { .. }, _) => Err(Fault::AlreadyConnected),
            (_, Stage::Inside) => Ok(()),
            _ => Err(Fault::NotConnected),
        }
    }

    fn check_room(&self, namespace: &str) -> Result<(), Fault> {
        let count = self.others.len() + usize::from(self.main != Stage::Outside);
        match namespace == "/" || count < self.config.namespaces_max {
            true => Ok(()),
            false => Err(Fault::TooManyNamespaces),
        }
    }

    /// Takes note of what arrives; `false` when the application need not hear of it.
    fn note(&mut self, arrival: &Arrival<'_>) -> bool {
        match arrival {
            Arrival::Connect { namespace, .. } => self.set_stage(namespace, Stage::Asking),
            Arrival::Disconnect { namespace } => self.leave(namespace),
            Arrival::Event { .. } => {}
            Arrival::Ack { namespace, id, .. } => return self.take_ack(namespace, *id),
        }
        true
    }

    /// Lets the client into a namespace that it asked for; the answer is to be sent.
    pub fn accept(&mut self, namespace: &str, sid: Sid, pid: Option<&str>) -> Frame {
        self.set_stage(namespace, Stage::Inside);
        self.connect_by = None;
        connected(namespace, sid, pid)
    }

    /// Does not let the client in; the answer is to be sent. It may ask again.
    pub fn refuse(&mut self, namespace: &str, message: &str, data: Option<&RawValue>) -> Frame {
        self.leave(namespace);
        connect_error(namespace, message, data)
    }

    /// Puts the client out of a namespace; the packet is to be sent.
    pub fn disconnect(&mut self, namespace: &str) -> Frame {
        self.leave(namespace);
        disconnected(namespace)
    }

    /// Whether the client is in this namespace.
    pub fn is_connected(&self, namespace: &str) -> bool {
        self.stage(namespace) == Stage::Inside
    }

    /// The number under which an acknowledgement will be waited for, to be used for one event.
    pub fn expect_ack(&mut self, namespace: &str, now: Instant) -> Result<u64, AcksFull> {
        if self.acks.len() >= self.config.acks_pending_max {
            return Err(AcksFull);
        }
        let id = self.next_ack;
        self.next_ack += 1;
        let until = now + self.config.ack_timeout;
        self.acks.push_back(PendingAck { namespace: namespace.into(), id, until });
        Ok(id)
    }

    /// When [`expire`](Connection::expire) has to be called at the latest; `None` means that
    /// nothing is timed.
    pub fn deadline(&self) -> Option<Instant> {
        // All acknowledgements have the same time, so the first one is due first.
        let ack = self.acks.front().map(|ack| ack.until);
        let assembly = self.assembly.as_ref().map(|assembly| assembly.until());
        [self.connect_by, assembly, ack].into_iter().flatten().min()
    }

    /// What has become due: the number of an acknowledgement that did not come, one at a time
    /// until it returns `None`, or the fault that ends the session.
    pub fn expire(&mut self, now: Instant) -> Result<Option<u64>, Fault> {
        if self.connect_by.is_some_and(|by| by <= now) {
            return Err(Fault::ConnectTimeout);
        }
        if self.assembly.as_ref().is_some_and(|assembly| assembly.until() <= now) {
            return Err(Fault::AttachmentsTimeout);
        }
        match self.acks.front() {
            Some(ack) if ack.until <= now => Ok(self.acks.pop_front().map(|ack| ack.id)),
            _ => Ok(None),
        }
    }

    fn take_ack(&mut self, namespace: &str, id: u64) -> bool {
        let at = self.acks.iter().position(|ack| ack.id == id && *ack.namespace == *namespace);
        at.and_then(|at| self.acks.remove(at)).is_some()
    }

    fn stage(&self, namespace: &str) -> Stage {
        if namespace == "/" {
            return self.main;
        }
        let other = self.others.iter().find(|(name, _)| **name == *namespace);
        other.map_or(Stage::Outside, |(_, stage)| *stage)
    }

    fn set_stage(&mut self, namespace: &str, stage: Stage) {
        if namespace == "/" {
            self.main = stage;
            return;
        }
        match self.others.iter_mut().find(|(name, _)| **name == *namespace) {
            Some((_, known)) => *known = stage,
            None => self.others.push((namespace.into(), stage)),
        }
    }

    fn leave(&mut self, namespace: &str) {
        if namespace == "/" {
            self.main = Stage::Outside;
        }
        self.others.retain(|(name, _)| **name != *namespace);
        self.acks.retain(|ack| *ack.namespace != *namespace);
    }
}

#[cfg(test)]
mod tests;
