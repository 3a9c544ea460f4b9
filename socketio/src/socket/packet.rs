//! One Socket.IO packet: `<type>[<attachments>-][<namespace>,][<ack id>][<JSON>]`, read without
//! copying. (Socket.IO protocol v5, "Packet encoding".)
//!
//! JSON is checked but not built: arguments stay text until somebody wants them as something.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::Config;
use super::json::{elements, is_within_depth};

/// A packet as it came in, borrowed from its text.
#[derive(Clone, Debug)]
pub struct Packet<'a> {
    /// The namespace; `/` when the packet names none.
    pub namespace: &'a str,
    /// What it says.
    pub body: Body<'a>,
}

/// What a packet says.
#[derive(Clone, Debug)]
pub enum Body<'a> {
    /// `0`: the client wants into the namespace.
    Connect {
        /// Its credentials, a JSON object.
        auth: Option<&'a RawValue>,
    },
    /// `1`: the client leaves the namespace.
    Disconnect,
    /// `2` or `5`: an event.
    Event {
        /// Its name.
        name: Cow<'a, str>,
        /// Its arguments.
        args: Vec<&'a RawValue>,
        /// The number under which the client waits for an acknowledgement.
        ack: Option<u64>,
        /// The attachments that follow, for a binary event (`5`).
        attachments: Option<usize>,
    },
    /// `3` or `6`: an acknowledgement.
    Ack {
        /// The number under which it was asked for.
        id: u64,
        /// Its arguments.
        args: Vec<&'a RawValue>,
        /// The attachments that follow, for a binary acknowledgement (`6`).
        attachments: Option<usize>,
    },
    /// `4`: the namespace was refused. Only servers have reason to say so.
    ConnectError {
        /// Why, a JSON object or string.
        reason: Option<&'a RawValue>,
    },
}

/// Why a text is no packet, or not one that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// There is not even a type.
    #[error("the packet is empty")]
    Empty,
    /// The first character is none of `0` to `6`.
    #[error("the packet's type is unknown")]
    UnknownType,
    /// A binary packet does not say how many attachments it has, or not as a plain number.
    #[error("the number of attachments cannot be read")]
    BadAttachments,
    /// More attachments than [`Config::attachments_max`].
    #[error("the packet has too many attachments")]
    TooManyAttachments,
    /// The namespace's name is longer than [`Config::namespace_bytes_max`].
    #[error("the namespace's name is too long")]
    NamespaceTooLong,
    /// An ack id that does not fit into 64 bits, or none where one is needed.
    #[error("the ack id cannot be read")]
    BadAckId,
    /// The JSON is missing, malformed, of the wrong kind for the type, or has too many arguments.
    #[error("the payload does not fit the packet")]
    BadPayload,
    /// The JSON is nested deeper than [`Config::json_depth_max`].
    #[error("the payload is nested too deep")]
    TooDeep,
    /// An event has a name with a meaning of its own, see [`is_reserved`].
    #[error("the event's name is reserved")]
    ReservedName,
}

/// Whether an event must not have this name, because clients or servers use it for themselves.
pub fn is_reserved(name: &str) -> bool {
    matches!(
        name,
        "connect"
            | "connect_error"
            | "disconnect"
            | "disconnecting"
            | "newListener"
            | "removeListener"
    )
}

impl<'a> Packet<'a> {
    /// Reads a packet, checking it against the bounds of `config`.
    pub fn parse(text: &'a str, config: &Config) -> Result<Packet<'a>, PacketError> {
        let kind = *text.as_bytes().first().ok_or(PacketError::Empty)?;
        if !(b'0'..=b'6').contains(&kind) {
            return Err(PacketError::UnknownType);
        }
        // The type is ASCII, so what follows begins at a character.
        let rest = &text[1..];
        let (attachments, rest) = match kind {
            b'5' | b'6' => split_attachments(rest, config)?,
            _ => (None, rest),
        };
        let (namespace, rest) = split_namespace(rest, config)?;
        let (id, json) = split_id(rest)?;
        if !is_within_depth(json, config.json_depth_max) {
            return Err(PacketError::TooDeep);
        }
        let body = match kind {
            b'0' => Body::Connect { auth: optional(json, b"{")? },
            b'1' if json.is_empty() => Body::Disconnect,
            b'1' => return Err(PacketError::BadPayload),
            b'2' | b'5' => read_event(json, id, attachments, config)?,
            b'4' => Body::ConnectError { reason: optional(json, b"{\"")? },
            _ => {
                let args = read_args(json, config)?;
                Body::Ack { id: id.ok_or(PacketError::BadAckId)?, args, attachments }
            }
        };
        Ok(Packet { namespace, body })
    }
}

/// `<n>-`, where `n` is digits and nothing else: a sign, a fraction or an exponent would be read
/// differently by different parsers.
fn split_attachments<'a>(
    text: &'a str,
    config: &Config,
) -> Result<(Option<usize>, &'a str), PacketError> {
    let (digits, rest) = text.split_once('-').ok_or(PacketError::BadAttachments)?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(PacketError::BadAttachments);
    }
    match digits.parse() {
        Ok(count) if count <= config.attachments_max => Ok((Some(count), rest)),
        // Digits fail to parse only when they are too many.
        _ => Err(PacketError::TooManyAttachments),
    }
}

/// `/<name>,`; the comma may be missing at the end of the packet.
fn split_namespace<'a>(text: &'a str, config: &Config) -> Result<(&'a str, &'a str), PacketError> {
    if !text.starts_with('/') {
        return Ok(("/", text));
    }
    let (namespace, rest) = text.split_once(',').unwrap_or((text, ""));
    match namespace.len() <= config.namespace_bytes_max {
        true => Ok((namespace, rest)),
        false => Err(PacketError::NamespaceTooLong),
    }
}

fn split_id(text: &str) -> Result<(Option<u64>, &str), PacketError> {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    match digits {
        "" => Ok((None, rest)),
        _ => Ok((Some(digits.parse().map_err(|_| PacketError::BadAckId)?), rest)),
    }
}

/// JSON that may be missing, and otherwise begins with one of these.
fn optional<'a>(json: &'a str, begins: &[u8]) -> Result<Option<&'a RawValue>, PacketError> {
    if json.is_empty() {
        return Ok(None);
    }
    let value: &RawValue = serde_json::from_str(json).map_err(|_| PacketError::BadPayload)?;
    let is_right = value.get().bytes().next().is_some_and(|first| begins.contains(&first));
    is_right.then_some(Some(value)).ok_or(PacketError::BadPayload)
}

fn read_args<'a>(json: &'a str, config: &Config) -> Result<Vec<&'a RawValue>, PacketError> {
    elements(json, config.args_max).map_err(|_| PacketError::BadPayload)
}

fn read_event<'a>(
    json: &'a str,
    ack: Option<u64>,
    attachments: Option<usize>,
    config: &Config,
) -> Result<Body<'a>, PacketError> {
    let mut args = elements(json, config.args_max + 1).map_err(|_| PacketError::BadPayload)?;
    if args.is_empty() {
        return Err(PacketError::BadPayload);
    }
    let name = read_name(args.remove(0))?;
    if is_reserved(&name) {
        return Err(PacketError::ReservedName);
    }
    Ok(Body::Event { name, args, ack, attachments })
}

/// The name of an event: a string, or a number as the reference allows.
fn read_name(value: &RawValue) -> Result<Cow<'_, str>, PacketError> {
    let json = value.get();
    match json.as_bytes() {
        [b'"', name @ .., b'"'] if !name.contains(&b'\\') => {
            Ok(Cow::Borrowed(&json[1..json.len() - 1]))
        }
        [b'"', ..] => {
            serde_json::from_str(json).map(Cow::Owned).map_err(|_| PacketError::BadPayload)
        }
        [b'-' | b'0'..=b'9', ..] => Ok(Cow::Borrowed(json)),
        _ => Err(PacketError::BadPayload),
    }
}

#[cfg(test)]
mod tests;
