//! Stints: what the figures of queues and agents are made of, as the events of a conversation leave
//! them.

use uuid::Uuid;

use super::{Conversation, Status};
use crate::model::{ConversationId, Event, InCharge, Moment, UserId};

/// How a stint stands, or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StintOutcome {
    /// It waits for an agent.
    Waiting,
    /// An agent has it.
    Serving,
    /// Its agent had it until it was closed.
    Closed,
    /// It was closed while it waited.
    Abandoned,
    /// It was given to another agent or department.
    Transferred,
    /// Its agent was lost.
    Returned,
    /// The bot took it.
    Bot,
}

impl StintOutcome {
    const ALL: [StintOutcome; 7] = [
        StintOutcome::Waiting,
        StintOutcome::Serving,
        StintOutcome::Closed,
        StintOutcome::Abandoned,
        StintOutcome::Transferred,
        StintOutcome::Returned,
        StintOutcome::Bot,
    ];

    /// The outcome as the database names it.
    pub fn as_str(self) -> &'static str {
        match self {
            StintOutcome::Waiting => "waiting",
            StintOutcome::Serving => "serving",
            StintOutcome::Closed => "closed",
            StintOutcome::Abandoned => "abandoned",
            StintOutcome::Transferred => "transferred",
            StintOutcome::Returned => "returned",
            StintOutcome::Bot => "bot",
        }
    }

    /// Reads an outcome's name.
    pub fn parse(text: &str) -> Option<StintOutcome> {
        StintOutcome::ALL.into_iter().find(|outcome| outcome.as_str() == text)
    }
}

/// One stay of a conversation in the queue, and with the agent that ends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stint {
    /// Of which conversation.
    pub conversation: ConversationId,
    /// The how-manieth it is, from 1.
    pub number: u32,
    /// Whose conversation it is.
    pub customer: Option<UserId>,
    /// The department it waits in, or waited in.
    pub department: Option<Uuid>,
    /// Who has it, or had it.
    pub agent: Option<UserId>,
    /// When it began to wait, or an agent got it without a wait.
    pub began_at: Moment,
    /// When it began to wait; `None` if it came from another agent or from the bot.
    pub queued_at: Option<Moment>,
    /// When its agent got it.
    pub assigned_at: Option<Moment>,
    /// When its agent said something first.
    pub answered_at: Option<Moment>,
    /// When it was over.
    pub ended_at: Option<Moment>,
    /// How it stands.
    pub outcome: StintOutcome,
}

impl Stint {
    /// What is left of this one when `event` has ended it.
    fn ended(self, event: &Event, at: Moment) -> Stint {
        let outcome = match event {
            Event::Closed(_) if self.agent.is_none() => StintOutcome::Abandoned,
            Event::Closed(_) => StintOutcome::Closed,
            Event::Transferred(_) => StintOutcome::Transferred,
            Event::Handoff(handoff) if handoff.to == InCharge::Bot => StintOutcome::Bot,
            _ => StintOutcome::Returned,
        };
        Stint { ended_at: Some(at), outcome, ..self }
    }
}

impl Conversation {
    /// The stint that is going on, if it waits or an agent has it.
    pub fn stint(&self) -> Option<Stint> {
        let outcome = match self.status {
            Status::Waiting => StintOutcome::Waiting,
            Status::Assigned => StintOutcome::Serving,
            Status::Open | Status::Bot | Status::Closed => return None,
        };
        let is_served = outcome == StintOutcome::Serving;
        let queued_at = self.queued_at.filter(|_| !self.routing.is_direct);
        let assigned_at = self.assigned_at.filter(|_| is_served);
        Some(Stint {
            conversation: self.id,
            // What waited before there were stints has no number yet.
            number: Some(self.routing.stint).filter(|number| *number > 0)?,
            customer: self.customer.clone(),
            department: self.department,
            agent: self.agent.clone().filter(|_| is_served),
            began_at: queued_at.or(assigned_at)?,
            queued_at,
            assigned_at,
            answered_at: self.routing.first_response_at.filter(|_| is_served),
            ended_at: None,
            outcome,
        })
    }

    /// What `event` has changed of its stints, given the one that went on `before`: the one that
    /// ended, and the one that goes on now.
    pub fn stints_since(
        &self,
        before: Option<Stint>,
        event: &Event,
        at: Moment,
    ) -> impl Iterator<Item = Stint> + use<> {
        let now = self.stint();
        let goes_on = |old: &Stint| now.as_ref().is_some_and(|new| new.number == old.number);
        let ended = before.clone().filter(|old| !goes_on(old)).map(|old| old.ended(event, at));
        let is_news = now != before;
        let changed = now.filter(|_| is_news);
        ended.into_iter().chain(changed)
    }

    /// The number of the stint that a rating is of: the last one an agent had.
    pub fn rated_stint(&self) -> Option<u32> {
        self.agent.as_ref().and(Some(self.routing.stint)).filter(|number| *number > 0)
    }
}
