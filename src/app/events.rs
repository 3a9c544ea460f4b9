//! What producers post: announcements to the tenant, and chat events of conversations that are kept
//! here, which are the real thing (contract 7).
//!
//! A post is checked by itself. What is left goes to the log in one batch, in the order it came in,
//! so that a post that is repeated is known whole. What a verb has to do - ending a conversation,
//! giving it away - is done in its place between two batches.

mod posting;
mod reading;

use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio::sync::SemaphorePermit;
use tokio::time::timeout;
use uuid::Uuid;

use super::App;
use super::conversations::TransferTo;
use super::messages::{check_client_id, check_text, reopen};
use crate::limits::POST_WAIT;
use crate::log::{Change, Once};
use crate::model::{
    Announced, Audience, BadPost, Conversation, ConversationId, Cursor, Envelope, Error, Event,
    ExternalId, Identity, Message, MessageAnnounced, Origin, Role, Scope, Status, Target,
    TransferAnnounced, Typing, TypingAnnounced, UserId,
};
use posting::Posting;
pub use reading::{EventIn, read_post_lines, read_posts};

/// An event that somebody posts.
#[derive(Clone)]
pub struct Post {
    /// What it says.
    pub event: Event,
    /// For whom it is, if not for all who may hear it. A conversation may be called by another
    /// system's name.
    pub target: Option<PostTarget>,
    /// The producer's own id for it, by which a repeat is known.
    pub id: Option<String>,
    /// SHA-256 of what was said, to tell a repeat from another event under its id.
    pub digest: [u8; 32],
    /// By what a repeat is known if it has no id, and where its delivery may be repeated.
    pub fallback: Option<Once>,
}

/// For whom a post is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostTarget {
    /// One user.
    User(UserId),
    /// Everybody of a role.
    Role(Role),
    /// A conversation, by its id or another system's name for it.
    Conversation(ExternalId),
}

/// What became of a post of many.
pub struct Posted {
    /// How many count.
    pub accepted: usize,
    /// Those that do not, by their place.
    pub rejected: Vec<(usize, Error)>,
    /// Where the tenant's log ends with them.
    pub cursor: Cursor,
}

/// What is to be done with a post that holds.
enum Plan {
    /// To be kept with others.
    Keep(Box<Change>),
    /// To be told and not kept, unless it came before.
    Tell(Box<Envelope>, Option<Once>),
    /// That somebody types in a conversation.
    Type(Typing, Arc<Conversation>),
    /// To be ended.
    Close(ConversationId, Option<Once>),
    /// To be given away.
    Transfer(ConversationId, TransferTo, Option<String>, Option<Once>),
}

impl Plan {
    /// The same, known again by this key if it has none of its own.
    fn known_by(mut self, key: Option<Once>) -> Plan {
        if let Plan::Close(_, once) | Plan::Transfer(.., once) = &mut self
            && once.is_none()
        {
            *once = key;
        }
        self
    }
}

impl App {
    /// A turn to post, to be had before a post is read.
    ///
    /// # Errors
    /// 503 when the disk does not keep up with those who were there before.
    pub async fn turn_to_post(&self) -> Result<SemaphorePermit<'_>, Error> {
        match timeout(POST_WAIT, self.0.posts.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(Error::Unavailable("too many events are being kept; try again".into())),
        }
    }

    /// Takes what a producer posts. `once` is by what a repeat of the whole is known; each post is
    /// known by its own id, if it has one.
    ///
    /// # Errors
    /// 403 for anybody but admins and keys with `events:write`, 409 for a key that came with
    /// something else, 503. What is wrong with a single post is in the answer.
    pub async fn post(
        &self,
        who: &Identity,
        posts: Vec<Result<Post, Error>>,
        once: Option<Once>,
    ) -> Result<Posted, Error> {
        check_producer(who)?;
        let mut posting = Posting::new(self, who, posts.len(), once);
        for (at, post) in posts.into_iter().enumerate() {
            match self.plan(who, post).await {
                Ok(plan) => posting.take(at, plan).await?,
                Err(Error::Unavailable(reason)) => return Err(Error::Unavailable(reason)),
                Err(refusal) => posting.reject(at, refusal),
            }
        }
        posting.finish().await
    }

    async fn plan(&self, who: &Identity, post: Result<Post, Error>) -> Result<Plan, Error> {
        let Post { event, target, id, digest, fallback } = post?;
        if !who.events.contains(&event) {
            let reason = format!("the key may not post {}", event.public_name());
            return Err(Error::Forbidden(reason));
        }
        check_id(id.as_deref())?;
        let once = id.as_ref().map(|id| Once { key: format!("e:{id}"), digest });
        // What nobody keeps may be told twice: the latest of it wins.
        let once = once.or(fallback.filter(|_| event.facts().is_durable));
        let target = self.target_of(who, target, &event).await?;
        let is_plain = id.is_none() && target.is_none();
        let origin = (!is_plain).then(|| Arc::new(Origin { id, target }));
        if let Event::Announced(announced) = &event
            && let Some(plan) =
                self.real_thing(who, announced, origin.as_ref(), once.as_ref()).await?
        {
            return Ok(plan);
        }
        if !event.facts().is_durable {
            let audience = self.audience_of(who, origin.as_deref()).await?;
            let envelope = Envelope::volatile(who.tenant.clone(), event);
            return Ok(Plan::Tell(Box::new(Envelope { origin, audience, ..envelope }), once));
        }
        let change = Change { origin, once, ..Change::of(numbered(event)) };
        Ok(Plan::Keep(Box::new(change)))
    }

    async fn target_of(
        &self,
        who: &Identity,
        target: Option<PostTarget>,
        event: &Event,
    ) -> Result<Option<Target>, Error> {
        let invalid =
            |reason: &str| Err(Error::Invalid { field: "target", reason: reason.to_owned() });
        if let Event::Notification(told) = event {
            return match target {
                None => Ok(None),
                Some(PostTarget::User(user)) if user == told.user_id => Ok(None),
                Some(_) => invalid("a notification is for the user that its payload names"),
            };
        }
        Ok(Some(match target {
            None => return Ok(None),
            Some(PostTarget::User(user)) => Target::User(user),
            Some(PostTarget::Role(role)) => Target::Role(role),
            Some(PostTarget::Conversation(name)) => {
                let found = self.known_conversation(who, name.as_str()).await?;
                Target::Conversation(found.ok_or(Error::NotFound("conversation"))?.id)
            }
        }))
    }

    /// Which agents hear what is told to a conversation. The log says it of what it keeps.
    async fn audience_of(
        &self,
        who: &Identity,
        origin: Option<&Origin>,
    ) -> Result<Option<Arc<Audience>>, Error> {
        let Some(Target::Conversation(id)) = origin.and_then(|origin| origin.target.as_ref())
        else {
            return Ok(None);
        };
        let found = self.log.conversation(&who.tenant, *id).await.map_err(|e| self.fault(e))?;
        Ok(found.map(|conversation| Arc::new(conversation.audience())))
    }

    /// A conversation that is kept here, by its id or another system's name for it.
    async fn known_conversation(
        &self,
        who: &Identity,
        name: &str,
    ) -> Result<Option<Arc<Conversation>>, Error> {
        let Ok(name) = ExternalId::parse(name) else { return Ok(None) };
        let id = match self.conversation_named(&who.tenant, &name).await {
            Ok(id) => id,
            Err(Error::NotFound(_)) => return Ok(None),
            Err(fault) => return Err(fault),
        };
        self.log.conversation(&who.tenant, id).await.map_err(|e| self.fault(e))
    }

    /// What an announcement does to a conversation that is kept here; nothing if it is not.
    async fn real_thing(
        &self,
        who: &Identity,
        announced: &Announced,
        origin: Option<&Arc<Origin>>,
        once: Option<&Once>,
    ) -> Result<Option<Plan>, Error> {
        let Some(name) = announced.session_id() else { return Ok(None) };
        let Some(conversation) = self.known_conversation(who, name).await? else { return Ok(None) };
        let id = conversation.id;
        Ok(Some(match announced {
            // It began when it did, and was told then.
            Announced::SessionStartedAnnounced(_) => Plan::Keep(Box::default()),
            Announced::MessageAnnounced(said) => {
                let events = self.what_was_said(who, &conversation, said)?;
                let (origin, once) = (origin.cloned(), once.cloned());
                Plan::Keep(Box::new(Change { origin, once, ..Change::events(events) }))
            }
            Announced::SessionEndedAnnounced(_) => Plan::Close(id, once.cloned()),
            Announced::TransferAnnounced(to) => {
                Plan::Transfer(id, transfer_to(to)?, to.note.clone(), once.cloned())
            }
            Announced::TypingAnnounced(typing) => Plan::Type(typed(who, id, typing)?, conversation),
            Announced::AgentStateAnnounced(_) => return Ok(None),
        }))
    }

    fn what_was_said(
        &self,
        who: &Identity,
        conversation: &Conversation,
        said: &MessageAnnounced,
    ) -> Result<Vec<Event>, Error> {
        let body = check_text(said.body.clone(), self.config.limits.message_bytes);
        let body = body.map_err(|err| in_payload("body", err))?;
        // The producer's name for a message is as good as a client's to know a repeat by.
        let client_id = said.client_id.clone().or_else(|| said.message_id.clone());
        check_client_id(client_id.as_deref())?;
        let given = said.message_id.as_deref().and_then(|id| Uuid::try_parse(id).ok());
        let message = Message {
            session_id: conversation.id,
            message_id: given.unwrap_or_else(Uuid::now_v7),
            seq: 0,
            client_id,
            sender_id: user(&said.sender_id, "sender_id")?,
            sender_type: said.sender_type,
            sender_name: said.sender_name.as_deref().map(Arc::from),
            body,
        };
        let mut events = vec![Event::Message(message)];
        if conversation.status == Status::Closed {
            events.splice(0..0, reopen(self, who, conversation));
        }
        Ok(events)
    }

    /// Carries out what the posts before it have to come before.
    async fn do_posted(&self, who: &Identity, plan: Plan) -> Result<(), Error> {
        // The key may post this, which is leave enough (contract 7).
        let scopes = [Scope::Admin].into();
        let who = Identity { scopes, ..who.clone() };
        match plan {
            Plan::Close(id, once) => self.close_once(&who, id, once).await.map(drop),
            Plan::Transfer(id, to, note, once) => {
                self.transfer_once(&who, id, to, note, once).await.map(drop)
            }
            Plan::Keep(_) | Plan::Tell(..) | Plan::Type(..) => Ok(()),
        }
    }
}

/// Who may produce events.
///
/// # Errors
/// 403 for anybody but admins and keys with `events:write`.
pub fn check_producer(who: &Identity) -> Result<(), Error> {
    if who.is_admin() || who.scopes.contains(&Scope::EventsWrite) {
        return Ok(());
    }
    Err(Error::Forbidden("for admins and keys with events:write only".into()))
}

/// What is wrong with a post, as any other refusal.
pub fn refuse_post(bad: BadPost) -> Error {
    match bad {
        BadPost::Unknown(unknown) => Error::UnknownEvent(unknown),
        BadPost::NotProducible { .. } => Error::Invalid { field: "type", reason: bad.to_string() },
        BadPost::Field { path, reason } => Error::InvalidAt { path, reason },
    }
}

/// By what a repeat of an event is known: all that it says.
pub fn digest_of(parts: &[&[u8]]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

/// A notification has an id of its own, by which it is marked as read.
fn numbered(event: Event) -> Event {
    match event {
        Event::Notification(mut told) => {
            told.notification_id = Some(Uuid::now_v7());
            Event::Notification(told)
        }
        event => event,
    }
}

fn check_id(id: Option<&str>) -> Result<(), Error> {
    match id {
        Some(id) if id.is_empty() || id.len() > 128 || id.chars().any(char::is_control) => {
            Err(Error::Invalid { field: "id", reason: "must have 1 to 128 bytes of text".into() })
        }
        _ => Ok(()),
    }
}

fn in_payload(field: &str, err: Error) -> Error {
    let reason = match err {
        Error::Invalid { reason, .. } => reason,
        err => err.to_string(),
    };
    Error::InvalidAt { path: format!("payload.{field}"), reason }
}

fn user(text: &str, field: &str) -> Result<UserId, Error> {
    let invalid = |reason: String| {
        let path = format!("payload.{field}");
        Err(Error::InvalidAt { path, reason })
    };
    match UserId::parse(text) {
        Ok(user) if user.is_bot() => invalid("is the bot's own".into()),
        Ok(user) => Ok(user),
        Err(err) => invalid(err.to_string()),
    }
}

fn transfer_to(to: &TransferAnnounced) -> Result<TransferTo, Error> {
    match (&to.to_agent_id, &to.to_department_id) {
        (Some(agent), None) => Ok(TransferTo::Agent(user(agent, "to_agent_id")?)),
        (None, Some(department)) => match Uuid::try_parse(department) {
            Ok(id) => Ok(TransferTo::Department(id)),
            Err(_) => {
                let path = "payload.to_department_id".into();
                Err(Error::InvalidAt { path, reason: "invalid UUID format".into() })
            }
        },
        _ => {
            let reason = "needs to_agent_id or to_department_id, one of the two".into();
            Err(Error::InvalidAt { path: "payload".into(), reason })
        }
    }
}

/// Who types, if the producer does not say, is the producer.
fn typed(who: &Identity, session_id: ConversationId, t: &TypingAnnounced) -> Result<Typing, Error> {
    let user_id = match &t.user_id {
        Some(text) => user(text, "user_id")?,
        None => who.user.clone(),
    };
    Ok(Typing {
        session_id,
        user_id,
        sender_type: t.sender_type,
        name: t.name.as_deref().map(Arc::from),
        is_typing: t.is_typing,
    })
}
