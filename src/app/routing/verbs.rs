//! What people do about routing: answer an offer, say what a conversation needs, ask why it went
//! to whom.

use std::sync::Arc;

use super::super::App;
use super::super::audit::audit_entry;
use super::super::staff::checked_words;
use crate::limits::{PRIORITY_MAX, ROUTING_DECISIONS_MAX};
use crate::log::{Change, Outcome, Reading};
use crate::model::{
    ConversationId, Envelope, Error, Event, Identity, OfferEnded, OfferOutcome, Requirements, Role,
};

/// What is to change of what a conversation needs; `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct NewRequirements {
    /// How much it matters.
    pub priority: Option<i32>,
    /// The skills its agent must have, all of them.
    pub skills: Option<Vec<String>>,
    /// The language its agent must speak; `Some(None)` for any.
    pub language: Option<Option<String>>,
}

impl App {
    /// An agent does not take what is offered to it; the next one is asked.
    ///
    /// # Errors
    /// 403 for anybody but agents, 404, 409 when nothing is offered to it.
    pub async fn decline(&self, who: &Identity, id: ConversationId) -> Result<OfferEnded, Error> {
        if who.role != Role::Agent {
            return Err(Error::Forbidden("for agents only".into()));
        }
        self.conversation_for(who, id).await?;
        let agent_id = who.subject.clone();
        let ended = OfferEnded { session_id: id, agent_id, outcome: OfferOutcome::Declined };
        let change = Change::of(Event::OfferEnded(ended.clone()));
        let kept = self.log.commit(&who.tenant, change).await.map_err(|e| self.fault(e))?;
        match kept.first() {
            Some(Outcome::Kept(_)) => Ok(ended),
            _ => Err(Error::Conflict { message: "it is not offered to you".into(), holder: None }),
        }
    }

    /// Says what a conversation needs.
    ///
    /// # Errors
    /// 403 for customers and for agents who do not have it, 404, 422.
    pub async fn require(
        &self,
        who: &Identity,
        id: ConversationId,
        new: NewRequirements,
    ) -> Result<Requirements, Error> {
        let conversation = self.conversation_for(who, id).await?;
        if !who.is_admin() && !conversation.is_assigned_to(who) {
            return Err(Error::Forbidden("for its agent and admins only".into()));
        }
        let before = &conversation.routing;
        let wanted = Requirements {
            session_id: id,
            priority: check_priority(new.priority.unwrap_or(before.priority))?,
            skills: check_skills(new.skills.unwrap_or_else(|| before.skills.clone()))?,
            language: check_language(new.language.unwrap_or_else(|| before.language.clone()))?,
        };
        let mut events = vec![Event::Requirements(wanted.clone())];
        if who.is_admin() {
            let target = Some(id.to_string());
            events.push(audit_entry(who, "conversation.requirements", target));
        }
        let change = Change::events(events);
        let kept = self.log.commit(&who.tenant, change).await.map_err(|e| self.fault(e))?;
        self.routed(&who.tenant, &kept).await;
        Ok(wanted)
    }

    /// Why a conversation went to whom: the newest decisions, ascending.
    ///
    /// # Errors
    /// 403 for customers, and for agents it is not open to; 404.
    pub async fn routing_decisions(
        &self,
        who: &Identity,
        id: ConversationId,
    ) -> Result<Vec<Arc<Envelope>>, Error> {
        if who.role == Role::Customer {
            return Err(Error::Forbidden("for agents and admins only".into()));
        }
        let conversation = self.conversation_for(who, id).await?;
        self.audit_look(who, &conversation).await?;
        let reading = Reading::Decisions(id);
        let page = self.log.read_latest(&who.tenant, reading, ROUTING_DECISIONS_MAX).await;
        Ok(page.map_err(|e| self.fault(e))?.events)
    }
}

fn check_priority(priority: i32) -> Result<i32, Error> {
    if (-PRIORITY_MAX..=PRIORITY_MAX).contains(&priority) {
        return Ok(priority);
    }
    let reason = format!("must be from -{PRIORITY_MAX} to {PRIORITY_MAX}");
    Err(Error::Invalid { field: "priority", reason })
}

/// Skills in the form in which they are compared, as those of agents.
pub(in crate::app) fn check_skills(skills: Vec<String>) -> Result<Vec<String>, Error> {
    let mut skills = checked_words("skills", &skills)?;
    skills.sort();
    Ok(skills)
}

/// A language in the form in which it is kept.
pub(in crate::app) fn check_language(language: Option<String>) -> Result<Option<String>, Error> {
    let checked = checked_words("language", &Vec::from_iter(language));
    let checked = checked.map_err(|err| match err {
        // There is but one.
        Error::InvalidAt { reason, .. } => Error::Invalid { field: "language", reason },
        err => err,
    });
    Ok(checked?.into_iter().next())
}
