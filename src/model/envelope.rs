//! An event on its way: whose it is, where it stands in the log, and where it is heard.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    ConversationId, Cursor, Event, Identity, Member, Moment, Role, Scope, TenantId, Topic, UserId,
};

/// An event on its way: what happened, when, and where it stands in the log.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// Whose log.
    pub tenant: TenantId,
    /// Where it stands; `None` for a volatile event, which no log keeps.
    pub cursor: Option<Cursor>,
    /// When it was committed, or published if volatile.
    pub at: Moment,
    /// What happened.
    pub event: Event,
    /// Who is in the conversation after it, on joins and leaves heard live.
    pub present: Option<Arc<[Member]>>,
    /// What its producer said of it beside what happened; nothing for what comes from here.
    pub origin: Option<Arc<Origin>>,
    /// Whose conversation it is about, as far as that decides who may hear it.
    pub audience: Option<Arc<Audience>>,
}

/// What a producer says of an event beside what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The producer's own id for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// For whom it is, if not for all who may hear it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
}

/// For whom an event is (document 004: one user, a role, or all of the tenant).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// One user, wherever it is connected.
    #[serde(rename = "user_id")]
    User(UserId),
    /// Everybody of a role.
    #[serde(rename = "role")]
    Role(Role),
    /// Those who take part in a conversation, or may see it.
    #[serde(rename = "conversation_id")]
    Conversation(ConversationId),
}

/// Whose conversation an event is about: what decides which agents may hear it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audience {
    /// The departments whose agents see it in their queue; none means all.
    pub departments: Vec<Uuid>,
    /// The agent who has it, or is asked to take it.
    pub agent: Option<UserId>,
    /// Whether any agent of the departments may see what is said in it: nobody has it yet.
    pub is_for_all: bool,
}

impl Envelope {
    /// A volatile event, happening now.
    pub fn volatile(tenant: TenantId, event: Event) -> Envelope {
        let at = Moment::now();
        Envelope { tenant, cursor: None, at, event, present: None, origin: None, audience: None }
    }

    /// The position in the log, 0 for volatile events.
    pub fn position(&self) -> u64 {
        self.cursor.map_or(0, |c| c.position)
    }

    /// Its id, the same whenever it is read: its producer's, or one of its place in the log. What is
    /// in no log has a new one.
    pub fn id(&self) -> Cow<'_, str> {
        match (self.origin.as_ref().and_then(|origin| origin.id.as_deref()), self.cursor) {
            (Some(id), _) => Cow::Borrowed(id),
            (None, Some(cursor)) => Cow::Owned(cursor.event_id()),
            (None, None) => Cow::Owned(Uuid::now_v7().to_string()),
        }
    }

    /// The same, told behind what stands here: whoever goes on from its cursor is not told again
    /// what it had before.
    pub fn told_at(&self, cursor: Cursor) -> Envelope {
        let (id, target) = (Some(self.id().into_owned()), self.target().cloned());
        let origin = Some(Arc::new(Origin { id, target }));
        Envelope { cursor: Some(cursor), origin, ..self.clone() }
    }

    /// For whom its producer meant it, if for somebody.
    pub fn target(&self) -> Option<&Target> {
        self.origin.as_ref().and_then(|origin| origin.target.as_ref())
    }

    /// The conversation it belongs to, or is told to.
    pub fn conversation(&self) -> Option<ConversationId> {
        self.event.conversation().or_else(|| match self.target() {
            Some(Target::Conversation(id)) => Some(*id),
            _ => None,
        })
    }

    /// The user it is meant for, who hears it wherever it is, and when it comes back.
    pub fn addressee(&self) -> Option<&UserId> {
        match self.target() {
            Some(Target::User(user)) => Some(user),
            _ => self.event.addressee(),
        }
    }

    /// Whether it is meant for somebody in person: nobody leaves that out.
    pub fn is_personal(&self) -> bool {
        match self.target() {
            Some(Target::User(_) | Target::Role(_)) => true,
            Some(Target::Conversation(_)) | None => {
                self.event.addressees().iter().any(Option::is_some)
            }
        }
    }

    /// Whether it is meant for this speaker in person.
    pub fn is_addressed_to(&self, who: &Identity) -> bool {
        match self.target() {
            Some(Target::User(user)) => *user == who.subject,
            Some(Target::Role(role)) => *role == who.role,
            Some(Target::Conversation(_)) => false,
            // What becomes of a conversation is for the agent of that id, not for a customer who
            // has the same.
            None => {
                let is_for_its_role = who.role != Role::Customer || self.event.is_personal();
                is_for_its_role && self.event.addressees().contains(&Some(&who.subject))
            }
        }
    }

    /// Whether somebody who takes part where it is told may hear it. What is for the staff is kept
    /// from customers, unless its producer meant it for them.
    pub fn may_be_heard_there_by(&self, who: &Identity) -> bool {
        if !who.events.contains(&self.event) {
            return false;
        }
        let is_meant = match self.target() {
            Some(Target::Conversation(_)) => true,
            Some(Target::User(_) | Target::Role(_)) => return self.is_addressed_to(who),
            None => false,
        };
        is_meant || self.event.may_be_heard_by(who.role)
    }

    /// Whether a console of this speaker may hear it: one that hears the whole tenant as far as
    /// its role goes (contract 7). What it wants to hear is another question.
    pub fn may_be_heard_by(&self, who: &Identity) -> bool {
        if !who.events.contains(&self.event) {
            return false;
        }
        if self.is_addressed_to(who) {
            return self.event.may_be_heard_by(who.role) || self.target().is_some();
        }
        if matches!(self.target(), Some(Target::User(_) | Target::Role(_))) {
            return false;
        }
        if who.role == Role::Service && !who.is_admin() && !who.scopes.contains(&Scope::EventsRead)
        {
            return false;
        }
        let role = if who.is_admin() { Role::Admin } else { who.role };
        // A notification is for its user alone, but for programs that read the log.
        self.event.may_be_heard_by(role)
            && (role != Role::Agent || self.is_in_audience(who))
            && (!self.event.is_personal() || who.role == Role::Service)
    }

    /// Whether an agent may hear what happens in this conversation: what is said and who is there,
    /// if it has it or may take it; what becomes of it, in its departments.
    fn is_in_audience(&self, who: &Identity) -> bool {
        let Some(audience) = &self.audience else { return self.conversation().is_none() };
        let is_of_department = audience.departments.is_empty()
            || audience.departments.iter().any(|d| who.departments.contains(d));
        let is_its_agent = audience.agent.as_ref() == Some(&who.subject);
        is_its_agent || (is_of_department && (audience.is_for_all || self.event.is_of_the_queue()))
    }

    /// Where it is heard. A connection that listens at several of these hears it once.
    pub fn topics(&self) -> impl Iterator<Item = Topic> {
        let tenant = &self.tenant;
        // Why it went to whom it went is not for those who talk in it.
        let is_heard_there = !matches!(self.event, Event::Decided(_));
        let conversation = self.conversation().filter(|_| is_heard_there);
        let conversation = conversation.map(|id| Topic::Conversation(tenant.clone(), id));
        let target = match self.target() {
            Some(Target::User(user)) => Some(Topic::User(tenant.clone(), user.clone())),
            Some(Target::Role(role)) => Some(Topic::Role(tenant.clone(), *role)),
            Some(Target::Conversation(_)) | None => None,
        };
        // Empty for what is said most, and then nothing is allocated.
        let others: Vec<Topic> = match &self.event {
            Event::PresenceChanged(presence) => {
                let told = presence.conversations.iter();
                let told = told.map(|id| Topic::Conversation(tenant.clone(), *id));
                [Topic::Staff(tenant.clone())].into_iter().chain(told).collect()
            }
            event if event.is_for_all_staff() => vec![Topic::Staff(tenant.clone())],
            event => {
                let users = event.addressees().into_iter().flatten().cloned();
                users.map(|user| Topic::User(tenant.clone(), user)).collect()
            }
        };
        let consoles = Topic::Tenant(tenant.clone());
        conversation.into_iter().chain(target).chain(others).chain([consoles])
    }
}
