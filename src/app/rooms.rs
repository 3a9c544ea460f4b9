//! The conversations a connection takes part in: who may, by what name, and since when.

use super::access::RoomSeat;
use super::{App, Connection};
use crate::limits::ROOMS_PER_CONNECTION_MAX;
use crate::log::{self, Change, Pending, Record, RecoveredRoom, Recovery};
use crate::model::{
    Conversation, ConversationId, ConversationName, DisconnectReason, Error, ExternalId, Identity,
    Moment, Place, Reply, Topic,
};

/// A conversation a connection takes part in.
pub struct Room {
    /// Which.
    pub id: ConversationId,
    /// What the client calls it, if not by its id.
    pub name: Option<ExternalId>,
    /// Its events up to this position were told, or are not to be.
    pub told: u64,
    /// If offsets do not show how much of its past was told: how far it was told at first.
    pub told_at_first: Option<u64>,
    /// Once all of that past was told: the client has it if it has a later offset.
    pub past_until: Option<u64>,
    /// Whether it is being told of; one that was just joined is not yet.
    pub is_taken_up: bool,
    /// Whether its events reach the outbox.
    pub is_listening: bool,
    /// Whether the user is seen in it.
    pub is_present: bool,
    /// Joins and leaves were passed over since it was told who is here.
    pub is_status_due: bool,
    _seat: RoomSeat,
}

impl Room {
    pub(super) fn new(id: ConversationId, name: Option<ExternalId>, seat: RoomSeat) -> Room {
        Room {
            id,
            name,
            told: 0,
            told_at_first: None,
            past_until: None,
            is_taken_up: false,
            is_listening: false,
            is_present: false,
            is_status_due: false,
            _seat: seat,
        }
    }
}

impl Connection {
    /// The room of a conversation, if it takes part in it.
    pub fn room(&mut self, id: ConversationId) -> Option<&mut Room> {
        self.rooms.iter_mut().find(|room| room.id == id)
    }
}

impl App {
    /// Which conversation a connection means.
    ///
    /// # Errors
    /// 404 for a name nobody knows, 422 for none at all where it takes one to know.
    pub(super) async fn resolve(
        &self,
        conn: &Connection,
        name: &ConversationName,
    ) -> Result<ConversationId, Error> {
        match name {
            ConversationName::Id(id) => Ok(*id),
            ConversationName::Given(name) => {
                let known = conn.rooms.iter().find(|room| room.name.as_ref() == Some(name));
                match known {
                    Some(room) => Ok(room.id),
                    None => self.conversation_named(&conn.who.tenant, name).await,
                }
            }
            ConversationName::Here => match conn.rooms.as_slice() {
                [room] => Ok(room.id),
                rooms => {
                    let reason = format!("is needed: this connection is in {}", rooms.len());
                    Err(Error::Invalid { field: "conversationId", reason })
                }
            },
        }
    }

    /// Lets a connection take part in a conversation. It is not seen there yet: that comes with
    /// [`App::enter`], once it has been told what it missed.
    pub(super) async fn join(
        &self,
        conn: &mut Connection,
        name: ConversationName,
    ) -> Result<Reply, Error> {
        let id = self.resolve(conn, &name).await?;
        let given = called(name, id);
        if let Some(room) = conn.room(id) {
            room.name = given;
            return Ok(Reply::Joined(id));
        }
        let room = self.room_for(&conn.who, id, given, conn.rooms.len()).await?;
        conn.rooms.push(room);
        Ok(Reply::Joined(id))
    }

    /// The rooms of a connection that is taken up again, and those it may no longer have.
    ///
    /// # Errors
    /// 503 when the log does not answer.
    pub(super) async fn recovered_rooms(
        &self,
        who: &Identity,
        rooms: Vec<RecoveredRoom>,
        after: u64,
    ) -> Result<(Vec<Room>, Vec<RecoveredRoom>), Error> {
        let (mut recovered, mut lost) = (Vec::with_capacity(rooms.len()), Vec::new());
        for known in rooms {
            match self.seat_again(who, &known).await {
                Ok(mut room) => {
                    let has_past = known.past_until.is_some_and(|until| after > until);
                    room.told_at_first = known.told.filter(|told| *told < after && !has_past);
                    recovered.push(room);
                }
                Err(Error::Unavailable(reason)) => return Err(Error::Unavailable(reason)),
                // It was given to somebody else meanwhile.
                Err(refusal) => {
                    tracing::debug!(room = %known.id, %refusal, "not recovered");
                    lost.push(known);
                }
            }
        }
        Ok((recovered, lost))
    }

    /// The look into it goes on, so it is in the audit trail already.
    async fn seat_again(&self, who: &Identity, known: &RecoveredRoom) -> Result<Room, Error> {
        let conversation = self.conversation_for(who, known.id).await?;
        self.seat_in(who, &conversation, known.name.clone()).await
    }

    async fn room_for(
        &self,
        who: &Identity,
        id: ConversationId,
        name: Option<ExternalId>,
        has: usize,
    ) -> Result<Room, Error> {
        if has >= ROOMS_PER_CONNECTION_MAX {
            let reason = format!("a connection takes part in {ROOMS_PER_CONNECTION_MAX} at most");
            return Err(Error::Invalid { field: "conversationId", reason });
        }
        let conversation = self.conversation_for(who, id).await?;
        self.admit_to(who, &conversation, name).await
    }

    /// Whether somebody who may see a conversation may also be seen in it, and a seat there.
    pub(super) async fn admit_to(
        &self,
        who: &Identity,
        conversation: &Conversation,
        name: Option<ExternalId>,
    ) -> Result<Room, Error> {
        let room = self.seat_in(who, conversation, name).await?;
        self.audit_look(who, conversation).await?;
        Ok(room)
    }

    async fn seat_in(
        &self,
        who: &Identity,
        conversation: &Conversation,
        name: Option<ExternalId>,
    ) -> Result<Room, Error> {
        self.check_type(who, conversation.id).await?;
        let limit = self.config.limits.connections_per_session;
        let seat = self.0.seats.take_in_room(who, conversation.id, limit)?;
        Ok(Room::new(conversation.id, name, seat))
    }

    /// One user has one type in a conversation.
    async fn check_type(&self, who: &Identity, id: ConversationId) -> Result<(), Error> {
        let members = self.presence.members_known(&who.tenant, Place::Conversation(id)).await;
        match members.iter().find(|m| m.user_id == who.user && m.user_type != who.user_type) {
            Some(member) => Err(Error::UserTypeConflict {
                user: who.user.to_string(),
                present: member.user_type,
            }),
            None => Ok(()),
        }
    }

    /// Takes a connection out of a conversation at its own wish; being in it is not needed.
    pub(super) async fn part(
        &self,
        conn: &mut Connection,
        name: ConversationName,
    ) -> Result<Reply, Error> {
        let id = self.resolve(conn, &name).await?;
        if conn.room(id).is_none() {
            self.conversation_for(&conn.who, id).await?;
        }
        self.put_out(conn, id, DisconnectReason::ClientClose).await;
        self.keep_rooms(conn).await;
        Ok(Reply::Left(id))
    }

    /// Takes a connection out of a conversation: it hears it no longer, and is seen in it no
    /// longer.
    pub async fn put_out(
        &self,
        conn: &mut Connection,
        id: ConversationId,
        reason: DisconnectReason,
    ) -> Option<Room> {
        let at = conn.rooms.iter().position(|room| room.id == id)?;
        let room = conn.rooms.swap_remove(at);
        if room.is_listening {
            self.hub.unsubscribe(&Topic::Conversation(conn.who.tenant.clone(), id), conn.id);
        }
        if room.is_present {
            self.leave(conn, id, reason).await;
        }
        Some(room)
    }

    /// Notes where a connection is, so that it can be taken up again after a cut. It has its place
    /// in the order then; the disk has it when what is returned is committed.
    pub async fn note_rooms(&self, conn: &Connection, ended_at: Option<Moment>) -> Option<Pending> {
        let id = conn.recovery?;
        let rooms = conn.rooms.iter().map(|room| RecoveredRoom {
            id: room.id,
            name: room.name.clone(),
            told: room.told_at_first,
            past_until: room.past_until,
        });
        let recovery =
            Recovery { id, user: conn.who.subject.clone(), rooms: rooms.collect(), ended_at };
        let change = Change::record(Record::Recovery(recovery));
        let noted = self.log.append(&conn.who.tenant, change).await;
        noted.inspect_err(|err| not_noted(conn, err)).ok()
    }

    /// As [`App::note_rooms`], and waits for the disk: after it a crash takes nothing away.
    pub async fn keep_rooms(&self, conn: &Connection) {
        let noted = self.note_rooms(conn, None).await;
        self.noted(conn, noted).await;
    }

    /// Waits until the disk has what was noted.
    pub async fn noted(&self, conn: &Connection, noted: Option<Pending>) {
        let Some(noted) = noted else { return };
        if let Err(err) = noted.committed().await {
            not_noted(conn, &err);
        }
    }
}

/// The next recovery of this connection is refused, or brings back where it was before.
fn not_noted(conn: &Connection, err: &log::Error) {
    tracing::warn!(connection = %conn.id, error = %err, "a recovery was not noted");
}

/// The name to answer with, if it is not the id as we write it.
fn called(name: ConversationName, id: ConversationId) -> Option<ExternalId> {
    match name {
        ConversationName::Given(name) if name.as_str() != id.to_string() => Some(name),
        _ => None,
    }
}
