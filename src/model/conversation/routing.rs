//! What of a conversation decides to whom it goes, and when: kept with its record, so that a restart
//! loses no place in a queue, no offer and no escalation.

use std::mem::replace;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Conversation, Refused, Status};
use crate::model::{Escalated, EscalationAction, Event, Moment, Requirements, UserId};

/// What decides to whom a conversation goes, and when.
///
/// A *stint* is one stay in the queue and with the agent that ends it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Routing {
    /// How much it matters; higher goes first.
    #[serde(skip_serializing_if = "is_default")]
    pub priority: i32,
    /// What its agent must know.
    #[serde(skip_serializing_if = "is_default")]
    pub skills: Vec<String>,
    /// The language its agent must speak.
    #[serde(skip_serializing_if = "is_default")]
    pub language: Option<String>,
    /// It lost its agent, and waits before all others until it has another.
    #[serde(skip_serializing_if = "is_default")]
    pub is_head: bool,
    /// Departments that may take it beside its own, in this stint.
    #[serde(skip_serializing_if = "is_default")]
    pub also: Vec<Uuid>,
    /// How many rules of escalation applied in this stint.
    #[serde(skip_serializing_if = "is_default")]
    pub escalations: u32,
    /// Who is asked to take it now.
    #[serde(skip_serializing_if = "is_default")]
    pub offer: Option<Offer>,
    /// Its customer was told in this stint that the department is closed.
    #[serde(skip_serializing_if = "is_default")]
    pub is_told_closed: bool,
    /// Which stint it is in, or was in last; 0 before the first.
    #[serde(skip_serializing_if = "is_default")]
    pub stint: u32,
    /// This stint began with an agent: it came from another one, or from the bot.
    #[serde(skip_serializing_if = "is_default")]
    pub is_direct: bool,
    /// When its agent said something first in this stint.
    #[serde(skip_serializing_if = "is_default")]
    pub first_response_at: Option<Moment>,
}

/// An agent that is asked to take a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Who is asked.
    pub agent_id: UserId,
    /// Until when it may answer.
    pub until: Moment,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Routing {
    /// A stint begins in the queue.
    pub(super) fn begin_wait(&mut self) {
        self.stint += 1;
        self.is_direct = false;
        self.escalations = 0;
        self.offer = None;
        self.also.clear();
        self.is_told_closed = false;
        self.first_response_at = None;
    }

    /// An agent has it now. An offer to another one stands until it is told to be withdrawn.
    pub(super) fn begin_service(&mut self, agent: &UserId, has_waited: bool) {
        // What waited before there were stints has no number yet.
        if !has_waited || self.stint == 0 {
            self.stint += 1;
            self.is_direct = !has_waited;
        }
        self.offer.take_if(|offer| offer.agent_id == *agent);
        self.is_head = false;
        self.first_response_at = None;
    }

    fn escalate(&mut self, escalated: &Escalated) {
        self.escalations += 1;
        if escalated.action == EscalationAction::Department {
            let more = escalated.department_id.filter(|more| !self.also.contains(more));
            self.also.extend(more);
        }
    }

    fn require(&mut self, wanted: &Requirements) -> bool {
        let Requirements { session_id: _, priority, skills, language } = wanted;
        let is_news =
            (self.priority, &self.skills, &self.language) != (*priority, skills, language);
        (self.priority, self.skills, self.language) = (*priority, skills.clone(), language.clone());
        is_news
    }
}

impl Conversation {
    /// Takes what routing does into account.
    pub(super) fn route(&mut self, event: &Event) -> Result<(), Refused> {
        let is_waiting = self.status == Status::Waiting;
        let routing = &mut self.routing;
        if let (Event::Offered(offered), Some(stands)) = (event, &routing.offer)
            && is_waiting
            && stands.agent_id != offered.agent_id
        {
            // Not to be taken for one that was made.
            return Err(Refused::Conflict("offered to another agent".into(), None));
        }
        let is_news = match event {
            Event::Offered(offered) if is_waiting && routing.offer.is_none() => {
                let (agent_id, until) = (offered.agent_id.clone(), offered.until);
                routing.offer = Some(Offer { agent_id, until });
                true
            }
            Event::OfferEnded(ended) => {
                routing.offer.take_if(|offer| offer.agent_id == ended.agent_id).is_some()
            }
            Event::Escalated(escalated) if is_waiting => {
                routing.escalate(escalated);
                true
            }
            Event::OutsideHours(_) => !replace(&mut routing.is_told_closed, true),
            Event::Requirements(wanted) => routing.require(wanted),
            _ => false,
        };
        if is_news { Ok(()) } else { Err(Refused::Unchanged) }
    }
}
