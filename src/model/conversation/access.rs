//! Who may do what in a conversation.

use super::{Conversation, Status};
use crate::model::{Audience, Identity, Role, Scope};

impl Conversation {
    /// Which agents may hear what happens in it: the same rule as [`Conversation::is_open_to`], in
    /// a form that does without the record.
    pub fn audience(&self) -> Audience {
        let is_for_all = matches!(self.status, Status::Open | Status::Waiting | Status::Bot);
        let departments = self.department.into_iter().chain(self.routing.also.iter().copied());
        let asked = self.routing.offer.as_ref().map(|offer| &offer.agent_id);
        let agent = if is_for_all { asked } else { self.agent.as_ref() };
        Audience {
            // Of no department is of all, whoever else was asked.
            departments: self.department.map_or(vec![], |_| departments.collect()),
            agent: agent.cloned(),
            is_for_all,
        }
    }

    /// Whether `who` may see it (contract 4).
    pub fn is_open_to(&self, who: &Identity) -> bool {
        if who.is_open {
            return true;
        }
        match who.role {
            Role::Admin => true,
            Role::Customer => {
                self.customer.as_ref() == Some(&who.subject) || who.conversations.contains(&self.id)
            }
            Role::Agent => match self.status {
                Status::Assigned | Status::Closed => self.agent.as_ref() == Some(&who.subject),
                Status::Open | Status::Waiting | Status::Bot => {
                    self.department.is_none_or(|d| who.departments.contains(&d))
                        || self.routing.also.iter().any(|d| who.departments.contains(d))
                        || self.is_offered_to(who)
                }
            },
            Role::Bot => true,
            Role::Service => {
                let may_read = who.scopes.contains(&Scope::EventsRead);
                who.is_admin() || (may_read && who.events.has("chat.message"))
            }
        }
    }

    /// Whether `who` is asked to take it. Routing goes by what administration says of an agent, and
    /// its token may be older than that.
    fn is_offered_to(&self, who: &Identity) -> bool {
        self.routing.offer.as_ref().is_some_and(|offer| offer.agent_id == who.subject)
    }

    /// Whether `who` may write in it.
    pub fn takes_messages_of(&self, who: &Identity) -> bool {
        match who.role {
            Role::Service => who.is_admin() || who.scopes.contains(&Scope::MessagesWrite),
            _ => self.is_open_to(who),
        }
    }

    /// Whether `who` may end it or take it up again: its customer, its agent, an admin.
    pub fn is_in_the_hands_of(&self, who: &Identity) -> bool {
        match who.role {
            _ if who.is_open || who.is_admin() => true,
            Role::Customer => self.is_open_to(who),
            Role::Agent => self.agent.as_ref() == Some(&who.subject),
            Role::Admin | Role::Bot | Role::Service => false,
        }
    }

    /// Whether it is assigned to `who`.
    pub fn is_assigned_to(&self, who: &Identity) -> bool {
        self.status == Status::Assigned && self.agent.as_ref() == Some(&who.subject)
    }
}
