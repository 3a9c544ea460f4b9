//! The codecs of the hub dialect. Consoles and visitors speak it alike; what differs is what they
//! are told of what happened, and that a visitor is in one conversation. Pure.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::frames::{
    AckOut, AuthenticatedOut, ConnectedOut, Empty, ErrorOut, ResyncOut, SubscribedOut, event,
    event_for_visitor, own,
};
use super::requests::{
    AuthenticateIn, ClientIdOnly, FrameIn, MessageIn, ReadIn, SubscribeIn, TypingIn, UnsubscribeIn,
    payload,
};
use crate::app::{Connection, Start};
use crate::hub::Encoding;
use crate::model::{
    CloseReason, Command, ConnectionStatus, ConversationId, ConversationName, Credential, Dialect,
    Envelope, Error, ExternalId, History, Reply, Subscribed, UnknownEvent,
};
use crate::wire::socket::{Frame, Socket};
use crate::wire::{Codec, Decoded};

pub(super) use super::frames::Greeting;

/// The codec of a console.
pub(super) struct Console(Greeting);

/// The codec of a visitor.
pub(super) struct Visitor(Greeting);

impl Console {
    pub(super) fn new(greeting: Greeting) -> Console {
        Console(greeting)
    }
}

impl Visitor {
    pub(super) fn new(greeting: Greeting) -> Visitor {
        Visitor(greeting)
    }
}

/// What the answer to a frame repeats.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tag {
    /// A message, with the `client_id` it came with.
    Message(Option<String>),
    /// A sign of life, which needs no answer.
    Pong,
    /// Anything else.
    Other,
}

fn decode(frame: Frame) -> Decoded<Tag> {
    match frame {
        Frame::Text(text) => {
            let (tag, command) = read(&text);
            Decoded::Request(tag, command)
        }
        Frame::Binary(_) => Decoded::End(CloseReason::NotText),
    }
}

fn read(text: &str) -> (Tag, Result<Command, Error>) {
    let shape = || Error::BadFrame("expected {\"type\": \"...\", \"payload\": {...}}".into());
    // The library would also take an array of the two.
    let is_object = text.trim_ascii_start().starts_with('{');
    let frame = is_object.then(|| serde_json::from_str(text).ok()).flatten();
    let Some(FrameIn { kind, payload }) = frame else { return (Tag::Other, Err(shape())) };
    let Ok(kind) = serde_json::from_str::<String>(kind.get()) else {
        return (Tag::Other, Err(shape()));
    };
    let command = command(&kind, payload);
    let tag = match &command {
        Ok(Command::Send { client_id, .. }) => Tag::Message(client_id.clone()),
        Err(_) if kind == "chat.message" => Tag::Message(payload.and_then(client_id_of)),
        Ok(_) if kind == "pong" => Tag::Pong,
        _ => Tag::Other,
    };
    (tag, command)
}

fn client_id_of(payload: &RawValue) -> Option<String> {
    serde_json::from_str::<ClientIdOnly>(payload.get()).ok().and_then(|known| known.client_id)
}

fn command(kind: &str, raw: Option<&RawValue>) -> Result<Command, Error> {
    Ok(match kind {
        "subscribe" => {
            let SubscribeIn { events, after } = payload(kind, raw)?;
            Command::Subscribe { events, after: after.filter(|after| !after.is_empty()) }
        }
        "unsubscribe" => {
            let UnsubscribeIn { events } = payload(kind, raw)?;
            Command::Unsubscribe { events }
        }
        "chat.message" => {
            let MessageIn { session_id, body, client_id } = payload(kind, raw)?;
            let conversation = conversation(session_id)?;
            Command::Send { conversation, content: body, client_id }
        }
        "chat.typing" => {
            let TypingIn { session_id, is_typing } = payload(kind, raw)?;
            Command::Typing { conversation: conversation(session_id)?, is_typing }
        }
        "notification.read" => {
            let ReadIn { notification_ids } = payload(kind, raw)?;
            Command::ReadNotifications(notification_ids)
        }
        "authenticate" => {
            let AuthenticateIn { token } = payload(kind, raw)?;
            Command::Authenticate(Credential::Token(token))
        }
        "ping" | "pong" => Command::Ping,
        other => return Err(Error::UnknownType(other.chars().take(64).collect())),
    })
}

/// By its id or a name another system gave it; a visitor need not say which.
fn conversation(session_id: Option<String>) -> Result<ConversationName, Error> {
    let Some(text) = session_id else { return Ok(ConversationName::Here) };
    match ConversationId::parse(&text) {
        Some(id) => Ok(id.into()),
        None => match ExternalId::parse(&text) {
            Ok(name) => Ok(ConversationName::Given(name)),
            Err(err) => Err(Error::InvalidId(format!("session_id: {err}"))),
        },
    }
}

/// A refusal that names a field, by the name it has here.
fn in_own_words(refusal: Error) -> Error {
    match refusal {
        Error::Invalid { field: "content", reason } => Error::Invalid { field: "body", reason },
        Error::Invalid { field: "conversationId", reason } => {
            Error::Invalid { field: "session_id", reason }
        }
        refusal => refusal,
    }
}

fn reply(tag: Tag, result: Result<Reply, Error>, out: &mut Vec<Bytes>) {
    let result = result.map_err(in_own_words);
    out.extend(match (tag, result) {
        (Tag::Pong, Ok(_)) => None,
        (Tag::Message(client_id), Ok(Reply::Sent(sent))) => {
            own("ack", AckOut::sent(client_id, &sent))
        }
        (Tag::Message(client_id), Err(error)) => own("ack", AckOut::refused(client_id, &error)),
        (_, Err(error)) => own("error", ErrorOut::from(&error)),
        (_, Ok(Reply::Pong)) => own("pong", Empty {}),
        (_, Ok(Reply::Authenticated(who))) => own("authenticated", AuthenticatedOut::from(&*who)),
        (_, Ok(Reply::Subscribed(subscribed))) => return answer(*subscribed, out),
        (
            _,
            Ok(
                Reply::Done
                | Reply::Sent(_)
                | Reply::History(_)
                | Reply::Joined(_)
                | Reply::Left(_),
            ),
        ) => None,
    });
}

fn answer(subscribed: Subscribed, out: &mut Vec<Bytes>) {
    let name = if subscribed.is_end { "unsubscribed" } else { "subscribed" };
    let answered = own(name, SubscribedOut::from(&subscribed));
    out.extend(subscribed.unknown.into_iter().filter_map(unknown));
    out.extend(answered);
    out.extend(subscribed.resync.and_then(resync));
}

fn unknown(unknown: UnknownEvent) -> Option<Bytes> {
    own("error", ErrorOut::from(&Error::UnknownEvent(unknown)))
}

fn resync(reason: &str) -> Option<Bytes> {
    own("resync", ResyncOut { reason })
}

fn established(greeting: &mut Greeting, conn: &Connection, start: &Start, out: &mut Vec<Bytes>) {
    out.extend(own("connected", ConnectedOut::of(conn, start, greeting)));
    out.extend(std::mem::take(&mut greeting.unknown).into_iter().filter_map(unknown));
}

macro_rules! codec {
    ($Codec:ident, $encoding:ident, $encode:path) => {
        impl Codec for $Codec {
            const DIALECT: Dialect = Dialect::Hub;
            const ENCODING: Encoding = Encoding::$encoding;
            const HEARS_BEYOND_ROOMS: bool = false;
            type Line = Socket;
            type Tag = Tag;

            fn decode(&mut self, frame: Frame) -> Decoded<Tag> {
                decode(frame)
            }

            fn encode(envelope: &Envelope, _name: Option<&ExternalId>) -> Option<Bytes> {
                $encode(envelope)
            }

            fn reply(&self, tag: Tag, result: Result<Reply, Error>, out: &mut Vec<Bytes>) {
                reply(tag, result, out);
            }

            fn established(&mut self, conn: &Connection, start: &Start, out: &mut Vec<Bytes>) {
                established(&mut self.0, conn, start, out);
            }

            /// Who is here is told by events alone.
            fn status(
                &self,
                _id: ConversationId,
                _name: Option<&ExternalId>,
                _status: &ConnectionStatus,
            ) -> Option<Bytes> {
                None
            }

            fn resync(&self, reason: &str) -> Option<Bytes> {
                resync(reason)
            }

            /// What was said is told as it was the first time.
            fn history(&self, history: &History) -> Vec<Bytes> {
                history.messages.iter().filter_map(|message| $encode(message)).collect()
            }

            /// Without its conversation a visitor has nothing left to hear; consoles have none.
            fn put_out(&self, _id: ConversationId, _name: Option<&ExternalId>) -> Option<Bytes> {
                None
            }
        }
    };
}

codec!(Console, Console, event);
codec!(Visitor, Visitor, event_for_visitor);

#[cfg(test)]
mod tests;
