//! What arrives for an application, and how a packet with attachments is put together from its
//! frames.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::json::{are_placeholders_within, placeholder};
use super::packet::{Body, Packet, PacketError};
use super::{Config, Fault};
use crate::Text;

/// Something for the application, borrowed from the message it came in.
#[derive(Clone, Debug)]
pub enum Arrival<'a> {
    /// The client wants into a namespace: answer with
    /// [`Connection::accept`](super::Connection::accept) or
    /// [`Connection::refuse`](super::Connection::refuse).
    Connect {
        /// The namespace.
        namespace: &'a str,
        /// Its credentials, a JSON object.
        auth: Option<&'a RawValue>,
    },
    /// The client left a namespace.
    Disconnect {
        /// The namespace.
        namespace: &'a str,
    },
    /// An event.
    Event {
        /// The namespace.
        namespace: &'a str,
        /// Its name, never a reserved one.
        name: Cow<'a, str>,
        /// Its arguments.
        args: Vec<&'a RawValue>,
        /// The number for [`Builder::ack`](super::Builder::ack), if the client wants an answer.
        ack: Option<u64>,
        /// The bytes that placeholders in the arguments stand for, see [`Arrival::attachment`].
        attachments: &'a [Bytes],
    },
    /// An acknowledgement that was waited for.
    Ack {
        /// The namespace.
        namespace: &'a str,
        /// The number that [`Connection::expect_ack`](super::Connection::expect_ack) gave.
        id: u64,
        /// Its arguments.
        args: Vec<&'a RawValue>,
        /// The bytes that placeholders in the arguments stand for.
        attachments: &'a [Bytes],
    },
}

impl<'a> Arrival<'a> {
    pub(super) fn of(packet: Packet<'a>, attachments: &'a [Bytes]) -> Option<Arrival<'a>> {
        let namespace = packet.namespace;
        Some(match packet.body {
            Body::Connect { auth } => Arrival::Connect { namespace, auth },
            Body::Disconnect => Arrival::Disconnect { namespace },
            Body::Event { name, args, ack, .. } => {
                Arrival::Event { namespace, name, args, ack, attachments }
            }
            Body::Ack { id, args, .. } => Arrival::Ack { namespace, id, args, attachments },
            Body::ConnectError { .. } => return None,
        })
    }

    /// The namespace that it is about.
    pub fn namespace(&self) -> &'a str {
        match self {
            Arrival::Connect { namespace, .. }
            | Arrival::Disconnect { namespace }
            | Arrival::Event { namespace, .. }
            | Arrival::Ack { namespace, .. } => namespace,
        }
    }

    /// The bytes that an argument, or a part of one, stands for; `None` when it is no placeholder.
    pub fn attachment(&self, value: &RawValue) -> Option<&'a Bytes> {
        match self {
            Arrival::Event { attachments, .. } | Arrival::Ack { attachments, .. } => {
                attachments.get(placeholder(value)?)
            }
            Arrival::Connect { .. } | Arrival::Disconnect { .. } => None,
        }
    }
}

/// A packet whose attachments have all come.
#[derive(Clone, Debug)]
pub struct Assembled {
    text: Text,
    attachments: Vec<Bytes>,
}

impl Assembled {
    /// What arrived. Fails when a placeholder stands for none of the attachments.
    pub fn arrival(&self, config: &Config) -> Result<Arrival<'_>, Fault> {
        let packet = Packet::parse(self.text.as_str(), config)?;
        let args = match &packet.body {
            Body::Event { args, .. } | Body::Ack { args, .. } => args.as_slice(),
            _ => &[],
        };
        let count = self.attachments.len();
        if !args.iter().all(|arg| are_placeholders_within(arg, count)) {
            return Err(Fault::BadPlaceholder);
        }
        Arrival::of(packet, &self.attachments).ok_or(Fault::Packet(PacketError::BadPayload))
    }
}

/// A packet that still waits for attachments.
#[derive(Debug)]
pub(super) struct Assembly {
    assembled: Assembled,
    expected: usize,
    bytes: usize,
    until: Instant,
}

impl Assembly {
    /// What is kept is copied, because it may be a small part of a large buffer, which would stay
    /// for as long as the client likes.
    pub(super) fn begin(text: &str, expected: usize, config: &Config, now: Instant) -> Assembly {
        let text = Text::from(text.to_owned());
        let assembled = Assembled { text, attachments: Vec::new() };
        Assembly { assembled, expected, bytes: 0, until: now + config.attachments_timeout }
    }

    pub(super) fn until(&self) -> Instant {
        self.until
    }

    pub(super) fn add(&mut self, attachment: &[u8], config: &Config) -> Result<(), Fault> {
        self.bytes = self.bytes.saturating_add(attachment.len());
        if self.bytes > config.attachment_bytes_max {
            return Err(Fault::AttachmentsTooLarge);
        }
        self.assembled.attachments.push(Bytes::copy_from_slice(attachment));
        Ok(())
    }

    pub(super) fn is_complete(&self) -> bool {
        self.assembled.attachments.len() >= self.expected
    }

    pub(super) fn finish(self) -> Assembled {
        self.assembled
    }
}
