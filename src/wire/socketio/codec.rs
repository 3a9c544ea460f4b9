//! The packets of the dialect: Socket.IO events in and out. Pure, but for what the protocol itself
//! has to remember of a client.

use bytes::Bytes;
use engineio_socketio::socket::{Arrival, Connection as Packets};
use engineio_socketio::{Link, Sid};
use tokio::time::Instant;
use uuid::Uuid;

use super::frames::{
    self, AckOut, AuthenticatedOut, Called, ErrorOut, MessageOut, PresenceOut, ReceiptOut,
    ResyncOut, RoomOut, TypingOut, Within, ack, bytes_of, event,
};
use super::line::Message;
use super::requests;
use crate::app::{Connection, Start};
use crate::hub::Encoding;
use crate::model::{
    CloseReason, ConnectionStatus, ConversationId, Cursor, Dialect, Envelope, Error, Event,
    ExternalId, History, Reply,
};
use crate::wire::shapes::{NotificationOut, StatusOut, TransferredOut};
use crate::wire::socket::Socket;
use crate::wire::{Codec, Decoded};

/// The codec of one client, once it is known who it is.
pub(super) struct SocketIo {
    packets: Packets,
    /// The client's CONNECT waits for its answer: under which ids.
    answer: Option<(Sid, Uuid)>,
    /// The conversations it took part in before and may no longer.
    lost: Vec<(ConversationId, Option<ExternalId>)>,
    /// Where it began; told again when it renews its token.
    began: Option<Cursor>,
}

/// What the answer to an event repeats.
pub(super) struct Tag {
    event: Box<str>,
    /// Under which number the client waits for it.
    ack: Option<u64>,
    /// What the client called the conversation.
    name: Option<ExternalId>,
    /// The whole answer, where it is no event's.
    answer: Option<Bytes>,
}

impl SocketIo {
    pub(super) fn new(
        packets: Packets,
        answer: Option<(Sid, Uuid)>,
        lost: Vec<(ConversationId, Option<ExternalId>)>,
    ) -> SocketIo {
        SocketIo { packets, answer, lost, began: None }
    }

    fn read(arrival: Arrival) -> Decoded<Tag> {
        match arrival {
            Arrival::Event { name, args, ack, attachments, .. } => {
                let (named, command) = match attachments.is_empty() {
                    true => requests::command(&name, &args),
                    false => (None, Err(Error::BadFrame(format!("{name} takes no attachments")))),
                };
                let event = name.chars().take(EVENT_CHARS_MAX).collect();
                Decoded::Request(Tag { event, ack, name: named, answer: None }, command)
            }
            Arrival::Disconnect { .. } => Decoded::End(CloseReason::ClientClosed),
            // We ask for none, and other namespaces are refused before.
            Arrival::Ack { .. } | Arrival::Connect { .. } => Decoded::Nothing,
        }
    }

    /// A client may ask for other namespaces on the line of the one that it is in.
    fn refuse(&mut self, namespace: &str) -> Decoded<Tag> {
        let refused = self.packets.refuse(namespace, INVALID_NAMESPACE, None);
        let answer = Some(bytes_of(refused));
        let tag = Tag { event: "connect".into(), ack: None, name: None, answer };
        Decoded::Request(tag, Err(Error::NotFound("namespace")))
    }

    fn answer_of(tag: &Tag, reply: &Reply) -> Option<Bytes> {
        let id = tag.ack;
        let name = tag.name.as_ref().map(ExternalId::as_str).unwrap_or_default();
        match reply {
            Reply::Sent(sent) => id.and_then(|id| ack(id, &AckOut::sent(sent))),
            Reply::History(history) => {
                id.and_then(|id| ack(id, &AckOut::history(history, tag.name.as_ref())))
            }
            Reply::Joined(_) | Reply::Left(_) => id.and_then(|id| ack(id, &AckOut::room(name))),
            Reply::Done | Reply::Pong | Reply::Subscribed(_) | Reply::Authenticated(_) => {
                id.and_then(|id| ack(id, &AckOut::done()))
            }
        }
    }
}

/// What a client is told of every namespace but `/`.
pub(super) const INVALID_NAMESPACE: &str = "Invalid namespace";

/// Longest name of an event that an answer repeats.
const EVENT_CHARS_MAX: usize = 64;

impl Codec for SocketIo {
    const DIALECT: Dialect = Dialect::SocketIo;
    const ENCODING: Encoding = Encoding::SocketIo;
    const HEARS_BEYOND_ROOMS: bool = true;
    type Line = Link<Socket>;
    type Tag = Tag;

    fn decode(&mut self, message: Message) -> Decoded<Tag> {
        let now = Instant::now();
        let read = match message {
            Message::Packet(text) => match self.packets.text(&text, now) {
                Ok(Some(Arrival::Connect { namespace, .. })) => return self.refuse(namespace),
                Ok(arrival) => Ok(arrival.map_or(Decoded::Nothing, SocketIo::read)),
                Err(fault) => Err(fault),
            },
            Message::Attachment(bytes) => {
                let config = self.packets.config().clone();
                self.packets.binary(&bytes).and_then(|assembled| match &assembled {
                    Some(assembled) => Ok(SocketIo::read(assembled.arrival(&config)?)),
                    None => Ok(Decoded::Nothing),
                })
            }
        };
        read.unwrap_or_else(|fault| {
            tracing::debug!(%fault, "a Socket.IO client broke the protocol");
            Decoded::End(CloseReason::ProtocolError)
        })
    }

    fn check_overdue(&mut self) -> Result<(), CloseReason> {
        match self.packets.expire(Instant::now()) {
            Ok(_) => Ok(()),
            Err(_) => Err(CloseReason::ProtocolError),
        }
    }

    fn encode(envelope: &Envelope, name: Option<&ExternalId>) -> Option<Bytes> {
        let at = envelope.at;
        let called = |id| Called(id, name);
        match &envelope.event {
            Event::Message(m) => event("message_received", &MessageOut::of(m, at, name)),
            Event::Typing(t) => event("typing_indicator", &TypingOut::of(t, name)),
            Event::MessageStatus(s) => event(
                "message_status",
                &ReceiptOut {
                    conversation_id: called(s.session_id),
                    seq: s.seq,
                    user_id: &s.user_id,
                    status: s.status,
                    timestamp: at,
                },
            ),
            Event::PresenceChanged(p) => event(
                "presence_update",
                &PresenceOut { user_id: &p.user_id, status: p.status, timestamp: at },
            ),
            Event::Notification(n) => {
                let (name, payload) = NotificationOut::of(n);
                event(name, &payload)
            }
            Event::Joined(_) | Event::Left(_) => {
                let conversation_id = called(envelope.event.conversation()?);
                StatusOut::of(envelope, |payload| {
                    event(frames::STATUS, &Within { conversation_id, payload: &payload })
                })
            }
            Event::Alert(p) => event("alert", p),
            Event::DepartmentEmpty(p) => event("agent_department_empty", p),
            Event::DepartmentCovered(p) => event("agent_department_covered", p),
            other => encode_lifecycle(other, called(other.conversation()?)),
        }
    }

    fn mark(cursor: Cursor) -> Option<Bytes> {
        frames::cursor(cursor)
    }

    fn reply(&self, tag: Tag, result: Result<Reply, Error>, out: &mut Vec<Bytes>) {
        if let Some(answer) = tag.answer {
            out.push(answer);
            return;
        }
        let conversation_id = tag.name.as_ref().map(ExternalId::as_str).unwrap_or_default();
        let room = RoomOut { conversation_id, reason: None };
        match &result {
            Ok(reply) => {
                out.extend(match reply {
                    Reply::Joined(_) => event("joined_conversation", &room),
                    Reply::Left(_) => event("left_conversation", &room),
                    Reply::Authenticated(who) => self.began.and_then(|cursor| {
                        event("authenticated", &AuthenticatedOut::of(who, cursor))
                    }),
                    Reply::History(history) if tag.ack.is_none() => {
                        let history = AckOut::history(history, tag.name.as_ref());
                        event("history", &history.of(conversation_id))
                    }
                    _ => None,
                });
                out.extend(SocketIo::answer_of(&tag, reply));
            }
            Err(error) => {
                let error = &in_our_words(error.clone());
                let changes_rooms =
                    matches!(&*tag.event, "join_conversation" | "leave_conversation");
                if tag.ack.is_none() || changes_rooms {
                    out.extend(event("error", &ErrorOut::of(error, &tag.event)));
                }
                out.extend(tag.ack.and_then(|id| ack(id, &AckOut::refused(error))));
            }
        }
    }

    fn established(&mut self, conn: &Connection, start: &Start, out: &mut Vec<Bytes>) {
        if let Some((sid, recovery)) = self.answer.take() {
            let pid = recovery.simple().to_string();
            out.push(bytes_of(self.packets.accept("/", sid, Some(&pid))));
        }
        self.began = Some(start.cursor);
        out.extend(event("authenticated", &AuthenticatedOut::of(&conn.who, start.cursor)));
        out.extend(frames::cursor(start.cursor));
        let lost = std::mem::take(&mut self.lost);
        out.extend(lost.iter().filter_map(|(id, name)| self.put_out(*id, name.as_ref())));
    }

    fn status(
        &self,
        id: ConversationId,
        name: Option<&ExternalId>,
        status: &ConnectionStatus,
    ) -> Option<Bytes> {
        let payload = &StatusOut::now(id, status);
        event(frames::STATUS, &Within { conversation_id: Called(id, name), payload })
    }

    fn resync(&self, reason: &str) -> Option<Bytes> {
        event("resync", &ResyncOut { reason })
    }

    /// Its clients are in no conversation before they join one, and ask for what they lack.
    fn history(&self, _history: &History) -> Vec<Bytes> {
        vec![]
    }

    fn put_out(&self, id: ConversationId, name: Option<&ExternalId>) -> Option<Bytes> {
        let called = name.map_or_else(|| id.to_string(), ToString::to_string);
        event("left_conversation", &RoomOut { conversation_id: &called, reason: Some("forbidden") })
    }
}

/// A refusal names a field as this dialect's requests do.
fn in_our_words(error: Error) -> Error {
    match error {
        Error::Invalid { field: "client_id", reason } => {
            Error::Invalid { field: "clientId", reason }
        }
        error => error,
    }
}

/// Who has the conversation, and whether it goes on.
fn encode_lifecycle(of: &Event, conversation_id: Called) -> Option<Bytes> {
    match of {
        Event::Queued(payload) => {
            event("conversation_queued", &Within { conversation_id, payload })
        }
        Event::Assigned(payload) => {
            event("conversation_assigned", &Within { conversation_id, payload })
        }
        Event::Transferred(t) => {
            let payload = &TransferredOut::of(t);
            event("conversation_transferred", &Within { conversation_id, payload })
        }
        Event::Closed(payload) => {
            event("conversation_closed", &Within { conversation_id, payload })
        }
        Event::Reopened(payload) => {
            event("conversation_reopened", &Within { conversation_id, payload })
        }
        Event::Handoff(payload) => {
            event("conversation_handoff", &Within { conversation_id, payload })
        }
        Event::Rated(payload) => event("conversation_rated", &Within { conversation_id, payload }),
        Event::Offered(payload) => {
            event("conversation_offered", &Within { conversation_id, payload })
        }
        Event::OfferEnded(payload) => {
            event("conversation_offer_ended", &Within { conversation_id, payload })
        }
        Event::Escalated(payload) => {
            event("conversation_escalated", &Within { conversation_id, payload })
        }
        Event::OutsideHours(payload) => {
            event("conversation_outside_hours", &Within { conversation_id, payload })
        }
        Event::Requirements(payload) => {
            event("conversation_requirements", &Within { conversation_id, payload })
        }
        // A closed conversation is conversation_closed here; the rest is for consoles, or written
        // by `encode`.
        Event::SessionStarted(_)
        | Event::Decided(_)
        | Event::ChatTransferred(_)
        | Event::Call(_)
        | Event::CallQueue(_)
        | Event::Announced(_)
        | Event::AgentStateChanged(_)
        | Event::AgentLogin(_)
        | Event::AgentLogout(_)
        | Event::NotificationRead(_)
        | Event::Alert(_)
        | Event::DepartmentEmpty(_)
        | Event::DepartmentCovered(_)
        | Event::QueueStats(_)
        | Event::SessionEnded(_)
        | Event::Audit(_)
        | Event::Message(_)
        | Event::MessageStatus(_)
        | Event::Typing(_)
        | Event::Joined(_)
        | Event::Left(_)
        | Event::Notification(_)
        | Event::PresenceChanged(_) => None,
    }
}

/// What any bytes do to the codec; for `fuzz/`.
pub(super) fn fuzz_decode(packet: Bytes) {
    let config = std::sync::Arc::new(engineio_socketio::socket::Config::default());
    let packets = Packets::new(config, Instant::now());
    let mut codec = SocketIo::new(packets, None, vec![]);
    let Ok(text) = engineio_socketio::Text::try_from(packet) else { return };
    if let Decoded::Request(tag, Err(refusal)) = codec.decode(Message::Packet(text)) {
        let mut answer = Vec::<Bytes>::new();
        codec.reply(tag, Err::<Reply, Error>(refusal), &mut answer);
        assert!(!answer.is_empty(), "a refusal is answered");
    }
}

#[cfg(test)]
mod tests;
