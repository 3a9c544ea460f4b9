//! A conversation's state, as a pure fold of its events.
//!
//! A log backend loads the record, lets [`Conversation::apply`] decide, and stores record and
//! event in one transaction; so every backend agrees on what a second claim or a repeat means.

mod access;
mod routing;
mod stint;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    ConversationId, Event, ExternalId, Handoff, HandoffReason, Holder, InCharge, Message, Moment,
    Receipt, Role, UserId,
};

pub use routing::{Offer, Routing};
pub use stint::{Stint, StintOutcome};

/// Where a conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// No customer has come yet.
    Open,
    /// Waits for an agent.
    Waiting,
    /// The bot answers.
    Bot,
    /// An agent has it.
    Assigned,
    /// Ended; a message reopens it.
    Closed,
}

impl Status {
    /// The status as REST and the database name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Open => "open",
            Status::Waiting => "waiting",
            Status::Bot => "bot",
            Status::Assigned => "assigned",
            Status::Closed => "closed",
        }
    }

    /// Reads a status' name.
    pub fn parse(text: &str) -> Option<Status> {
        [Status::Open, Status::Waiting, Status::Bot, Status::Assigned, Status::Closed]
            .into_iter()
            .find(|s| s.as_str() == text)
    }
}

/// What is known of a conversation after its latest event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// Names other systems know it by.
    pub external_ids: Vec<ExternalId>,
    /// Whose it is; nobody's until a customer has come.
    pub customer: Option<UserId>,
    /// The name the customer gave.
    pub name: Option<String>,
    /// The e-mail address the customer gave.
    pub email: Option<String>,
    /// The department asked for.
    pub department: Option<Uuid>,
    /// Where it stands.
    pub status: Status,
    /// Who has it; kept after closing.
    pub agent: Option<UserId>,
    /// That agent's name.
    pub agent_name: Option<String>,
    /// When it began.
    pub created_at: Moment,
    /// When it entered the queue it waits in or was taken from.
    pub queued_at: Option<Moment>,
    /// When the agent that has it got it.
    pub assigned_at: Option<Moment>,
    /// When it was closed last.
    pub closed_at: Option<Moment>,
    /// The number of its latest message; 0 before the first.
    pub last_seq: u64,
    /// Messages up to here were written to another participant.
    pub delivered_seq: u64,
    /// A person is or was asked for since it began or was reopened; the bot takes it no more.
    #[serde(default)]
    pub needs_person: bool,
    /// What decides to whom it goes, and when.
    #[serde(default)]
    pub routing: Routing,
    /// The customer's rating.
    pub score: Option<u8>,
    /// Whatever the customer's page attached.
    pub metadata: Option<serde_json::Map<String, serde_json::Value>>,
}

/// Why an event cannot follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It changes nothing, so nothing is told.
    Unchanged,
    /// Nothing is said in a closed conversation.
    Closed,
    /// Somebody else was first, or the conversation is not in the state for it.
    Conflict(String, Option<Holder>),
}

impl Conversation {
    /// A conversation that just began, as `chat.session.started` tells it.
    pub fn begin(started: &super::SessionStarted, at: Moment) -> Conversation {
        Conversation {
            id: started.session_id,
            external_ids: started.external_ids.clone(),
            customer: started.customer_id.clone(),
            name: started.visitor_name.clone(),
            email: started.visitor_email.clone(),
            department: started.department_id,
            status: Status::Open,
            agent: None,
            agent_name: None,
            created_at: at,
            queued_at: None,
            assigned_at: None,
            closed_at: None,
            last_seq: 0,
            delivered_seq: 0,
            needs_person: false,
            routing: Routing {
                skills: started.skills.clone(),
                language: started.language.clone(),
                ..Routing::default()
            },
            score: None,
            metadata: started.metadata.clone(),
        }
    }

    /// Takes the next event into account, numbering it if it is a message.
    ///
    /// # Errors
    /// [`Refused`] when the event cannot follow; the record is unchanged then.
    pub fn apply(&mut self, event: &mut Event, at: Moment) -> Result<(), Refused> {
        match event {
            Event::Message(message) => self.say(message, at)?,
            Event::MessageStatus(status) => return self.apply_status(status),
            Event::Joined(joined) => {
                if joined.user_type == Role::Customer && self.customer.is_none() {
                    self.customer = Some(joined.user_id.clone());
                }
            }
            Event::Queued(_) => self.queue(at)?,
            Event::Assigned(assigned) => {
                self.check_free_for(&assigned.agent_id)?;
                self.give_to(assigned.agent_id.clone(), assigned.agent_name.clone(), at);
            }
            Event::Transferred(to) => self.apply_transfer(to, at)?,
            Event::Handoff(handoff) => self.hand_over(handoff)?,
            Event::Closed(closed) => {
                if self.status == Status::Closed {
                    return Err(Refused::Conflict("closed already".into(), None));
                }
                closed.agent_id.clone_from(&self.agent);
                self.status = Status::Closed;
                self.closed_at = Some(at);
            }
            Event::Reopened(reopened) => {
                if self.status != Status::Closed {
                    return Err(Refused::Unchanged);
                }
                reopened.agent_id = self.agent.take();
                self.status = Status::Open;
                self.agent_name = None;
                self.needs_person = false;
                self.routing.is_head = false;
            }
            Event::Rated(rated) => {
                rated.agent_id.clone_from(&self.agent);
                self.score = Some(rated.score);
            }
            Event::Offered(_)
            | Event::OfferEnded(_)
            | Event::Escalated(_)
            | Event::OutsideHours(_)
            | Event::Requirements(_) => return self.route(event),
            Event::SessionStarted(_)
            | Event::SessionEnded(_)
            | Event::Left(_)
            | Event::Typing(_)
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
            | Event::Notification(_)
            | Event::PresenceChanged(_)
            | Event::Audit(_) => {}
        }
        Ok(())
    }

    fn say(&mut self, message: &mut Message, at: Moment) -> Result<(), Refused> {
        if self.status == Status::Closed {
            return Err(Refused::Closed);
        }
        self.last_seq += 1;
        message.seq = self.last_seq;
        if self.status == Status::Assigned && message.sender_type == Role::Agent {
            self.routing.first_response_at.get_or_insert(at);
        }
        Ok(())
    }

    fn apply_status(&mut self, status: &mut super::MessageStatus) -> Result<(), Refused> {
        status.seq = status.seq.min(self.last_seq);
        if status.seq == 0 {
            return Err(Refused::Unchanged);
        }
        // Whether a `read` is news depends on the reader; the backend keeps a mark for each.
        if status.status == Receipt::Delivered {
            if status.seq <= self.delivered_seq {
                return Err(Refused::Unchanged);
            }
            self.delivered_seq = status.seq;
        }
        Ok(())
    }

    fn queue(&mut self, at: Moment) -> Result<(), Refused> {
        if self.status != Status::Open {
            return Err(Refused::Unchanged);
        }
        self.status = Status::Waiting;
        self.queued_at = Some(at);
        self.routing.begin_wait();
        Ok(())
    }

    fn check_free_for(&self, agent: &UserId) -> Result<(), Refused> {
        match (self.status, &self.agent) {
            (Status::Closed, _) => Err(Refused::Conflict("closed".into(), None)),
            (Status::Assigned, Some(holder)) if holder == agent => Err(Refused::Unchanged),
            (Status::Assigned, Some(_)) => {
                Err(Refused::Conflict("assigned already".into(), self.holder()))
            }
            _ => Ok(()),
        }
    }

    fn apply_transfer(&mut self, to: &mut super::Transferred, at: Moment) -> Result<(), Refused> {
        if self.status == Status::Closed {
            return Err(Refused::Conflict("closed".into(), None));
        }
        if to.from_agent_id != self.agent {
            return Err(Refused::Conflict("assigned to another agent".into(), self.holder()));
        }
        if let Some(agent) = &to.to_agent_id {
            let name = to.to_agent_name.clone().unwrap_or_else(|| agent.to_string());
            self.give_to(agent.clone(), name, at);
        } else {
            self.department = to.to_department_id;
            self.take_back();
        }
        Ok(())
    }

    /// Who answers now; nobody in a closed conversation.
    pub fn in_charge(&self) -> Option<InCharge> {
        match self.status {
            Status::Open | Status::Waiting => Some(InCharge::Queue),
            Status::Bot => Some(InCharge::Bot),
            Status::Assigned => Some(InCharge::Agent),
            Status::Closed => None,
        }
    }

    fn hand_over(&mut self, handoff: &Handoff) -> Result<(), Refused> {
        let Handoff { from, to, .. } = *handoff;
        let holds = self.in_charge() == Some(from);
        let is_escalated = handoff.reason == HandoffReason::Escalated;
        match (from, to) {
            (from, to) if from == to => {
                let refused = || Refused::Conflict("in other hands".into(), self.holder());
                let is_meant = handoff.stint.is_none_or(|stint| stint == self.routing.stint);
                return Err(if holds && is_meant { Refused::Unchanged } else { refused() });
            }
            (InCharge::Queue, InCharge::Bot) if holds && (!self.needs_person || is_escalated) => {
                self.status = Status::Bot;
                // What it waited for an agent before the bot came is no wait of an agent's.
                self.queued_at = None;
                self.needs_person = false;
                self.routing.is_head = false;
            }
            (InCharge::Bot, InCharge::Queue) if holds => {
                self.status = Status::Open;
                self.needs_person = true;
            }
            // The assignment behind it does the rest: nobody's in between.
            (InCharge::Bot, InCharge::Agent) if holds => {}
            (InCharge::Agent, InCharge::Queue) if holds && self.is_with(&handoff.agent_id) => {
                self.take_back();
                self.routing.is_head = true;
            }
            _ => return Err(Refused::Unchanged),
        }
        Ok(())
    }

    fn is_with(&self, agent: &Option<UserId>) -> bool {
        agent.is_some() && self.agent == *agent
    }

    /// It is nobody's, until what comes behind puts it in a queue.
    fn take_back(&mut self) {
        self.agent = None;
        self.agent_name = None;
        self.status = Status::Open;
        self.needs_person = true;
    }

    fn give_to(&mut self, agent: UserId, name: String, at: Moment) {
        self.routing.begin_service(&agent, self.status == Status::Waiting);
        self.status = Status::Assigned;
        self.needs_person = true;
        self.agent = Some(agent);
        self.agent_name = Some(name);
        self.assigned_at = Some(at);
    }

    /// Who has it, if somebody does.
    pub fn holder(&self) -> Option<Holder> {
        let agent_id = self.agent.as_ref()?.to_string();
        let name = self.agent_name.clone().unwrap_or_else(|| agent_id.clone());
        Some(Holder { agent_id, name })
    }
}

#[cfg(test)]
mod tests;
