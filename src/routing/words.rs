//! What the engine is told, and what it answers. Plain data, so that whoever drives it may keep
//! it, send it, or make it up.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::policy::{Action, Policy, Strategy};
use crate::model::{AgentStatus, ConversationId, Moment, StatusReason, UserId};

/// Something that happened, as the engine wants to know it.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A department is new, or has changed.
    Department {
        /// Which.
        id: Uuid,
        /// Its name.
        name: String,
        /// How its queue is served.
        policy: Policy,
        /// Whether the alert that nobody is there stands, as the log has it at a start; `None`
        /// leaves it as it is.
        is_empty: Option<bool>,
    },
    /// A department is no more. Who waits there waits for any agent from now on.
    DepartmentGone(Uuid),
    /// How the queue of those without a department is served.
    DefaultPolicy(Policy),
    /// An agent is new, or has changed.
    Agent(AgentSetup),
    /// An agent is no more.
    AgentGone(UserId),
    /// What the log has of an agent's status; only before [`Input::Started`].
    AgentRestored(AgentRestored),
    /// The place of a conversation that left its agent at `ended_at` may still be taken; only
    /// before [`Input::Started`].
    WrappingUp {
        /// Whose place.
        agent: UserId,
        /// The conversation's department.
        department: Option<Uuid>,
        /// When it left the agent.
        ended_at: Moment,
    },
    /// When service began lately in a department, ascending; only before [`Input::Started`].
    Starts {
        /// Where.
        department: Option<Uuid>,
        /// When.
        times: Vec<Moment>,
    },
    /// All that the log has is told: decide from now on.
    Started,
    /// A heartbeat came; it counts until then. Ends a declared `offline`.
    Beat {
        /// Whose.
        agent: UserId,
        /// Until when it counts.
        until: Moment,
        /// What the agent says with it. At once, because whoever comes to say that it is away was
        /// never there for anybody.
        status: Option<AgentStatus>,
    },
    /// An agent's first socket, of any dialect, came.
    Connected(UserId),
    /// An agent's last one went.
    Disconnected(UserId),
    /// An agent says what it is.
    Declare {
        /// Who.
        agent: UserId,
        /// What.
        status: AgentStatus,
    },
    /// An agent takes something by its own hand, and shows itself in no other way: what it has stays
    /// with it until it has come and gone.
    WorksUnseen(UserId),
    /// So many calls an agent has now.
    Calls {
        /// Who.
        agent: UserId,
        /// How many.
        calls: u32,
    },
    /// A conversation entered a queue.
    Waits(Waiting),
    /// What a conversation asks for has changed.
    Requires {
        /// Which.
        conversation: ConversationId,
        /// As in [`Waiting`].
        priority: i32,
        /// As in [`Waiting`].
        skills: Vec<String>,
        /// As in [`Waiting`].
        language: Option<String>,
    },
    /// An agent has a conversation: by a decision of ours, a claim, or a transfer.
    Given {
        /// Which.
        conversation: ConversationId,
        /// Who.
        agent: UserId,
        /// The conversation's department.
        department: Option<Uuid>,
    },
    /// A conversation neither waits nor is with an agent any more.
    Gone(ConversationId),
    /// An agent declined what was offered to it.
    Declined {
        /// Which.
        conversation: ConversationId,
        /// Who.
        agent: UserId,
    },
    /// The log refused our decision about a conversation: think again.
    Failed(ConversationId),
    /// Time passed.
    Tick,
}

/// An agent, as administration has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentSetup {
    /// Who.
    pub id: UserId,
    /// Its name.
    pub name: String,
    /// Where it works.
    pub departments: Vec<Uuid>,
    /// What it can do; compared letter for letter.
    pub skills: Vec<String>,
    /// What it speaks; compared letter for letter.
    pub languages: Vec<String>,
    /// How many places it has.
    pub max_chats: u32,
    /// Whether an administrator disabled it.
    pub is_disabled: bool,
    /// Whether conversations may be routed to it: agents only, never admins (contract 11).
    pub is_routable: bool,
}

/// An agent's status, as the log has it at a start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentRestored {
    /// Who.
    pub agent: UserId,
    /// What it declared last.
    pub declared: AgentStatus,
    /// What was told of it last.
    pub status: AgentStatus,
    /// Why it was that.
    pub reason: StatusReason,
    /// Since when it was that.
    pub since: Moment,
    /// Until when its last heartbeat counts.
    pub beat_until: Option<Moment>,
    /// When it was last seen.
    pub last_seen: Option<Moment>,
    /// When it was given a conversation last.
    pub last_assigned_at: Option<Moment>,
    /// When its work changed last: a conversation came or went.
    pub idle_since: Option<Moment>,
}

/// A conversation that waits for an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Which.
    pub conversation: ConversationId,
    /// Which of its stays in a queue it is; a decision is about this one alone.
    pub stint: u32,
    /// Whose queue it is in; `None` for any agent's.
    pub department: Option<Uuid>,
    /// Departments it was widened to.
    pub also: Vec<Uuid>,
    /// 0 is usual; each level is worth the policy's `priority_step_seconds` of waiting.
    pub priority: i32,
    /// Skills its agent must have, all of them.
    pub skills: Vec<String>,
    /// The language its agent must speak.
    pub language: Option<String>,
    /// When it entered the queue.
    pub queued_at: Moment,
    /// Whether it lost its agent and waits before all others.
    pub is_head: bool,
    /// Who the customer's last agent was.
    pub last_agent: Option<UserId>,
    /// How many rules of escalation have fired in this stint.
    pub escalations_done: u32,
    /// The offer that stands: to whom, until when.
    pub offer: Option<(UserId, Moment)>,
    /// Whether the customer was told in this stint that nobody serves now.
    pub is_told_closed: bool,
}

/// What is to be done. Whoever drives the engine does it, and says by an [`Input`] what came of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Give it to this agent.
    Assign {
        /// Which.
        conversation: ConversationId,
        /// To whom.
        agent: UserId,
        /// Why.
        why: Explanation,
    },
    /// Ask this agent whether it takes it.
    Offer {
        /// Which.
        conversation: ConversationId,
        /// Whom.
        agent: UserId,
        /// Until when it may answer.
        until: Moment,
        /// The how many-th of this stint, from 1.
        attempt: u32,
        /// Why.
        why: Explanation,
    },
    /// An offer is over without an answer.
    EndOffer {
        /// Which.
        conversation: ConversationId,
        /// Who was asked.
        agent: UserId,
        /// How it ended.
        outcome: OfferEnd,
    },
    /// It has waited for so long that a rule says what to do.
    Escalate {
        /// Which.
        conversation: ConversationId,
        /// The rule's number among the policy's rules in order of time, from 0.
        rule: u32,
        /// The rule's name.
        name: String,
        /// For how long it has waited.
        waited_seconds: u64,
        /// What to do. The engine widens to a department by itself.
        action: Action,
    },
    /// Its agent is lost: back to the head of the queue.
    Return {
        /// Which.
        conversation: ConversationId,
        /// Who had it.
        agent: UserId,
    },
    /// An agent's effective or declared status has changed.
    Announce(AgentState),
    /// A department has nobody.
    DepartmentEmpty {
        /// Which.
        department: Uuid,
        /// How many wait there.
        waiting: u64,
    },
    /// And has somebody again.
    DepartmentCovered {
        /// Which.
        department: Uuid,
    },
    /// The customer is to be told that nobody serves now.
    OutsideHours {
        /// Which.
        conversation: ConversationId,
        /// When the department opens; `None` if that is not to be foreseen.
        opens_at: Option<Moment>,
    },
    /// Positions or the estimate in a queue have changed.
    QueueMoved {
        /// Whose queue.
        department: Option<Uuid>,
    },
}

/// How an offer ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfferEnd {
    /// The agent let it pass.
    Expired,
    /// It was taken back.
    Withdrawn,
}

/// What an agent is, as it is answered and told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentState {
    /// Who.
    pub agent: UserId,
    /// Its name.
    pub name: String,
    /// What it is.
    pub status: AgentStatus,
    /// What was announced of it last.
    pub announced: AgentStatus,
    /// What it declared.
    pub declared: AgentStatus,
    /// Why it is what it is.
    pub reason: StatusReason,
    /// Since when.
    pub since: Moment,
    /// When it last gave a sign of life.
    pub last_seen: Option<Moment>,
    /// Conversations it has.
    pub current_chats: u32,
    /// Places it has.
    pub max_chats: u32,
    /// Places taken: by chats, calls, offers and what it still writes notes about.
    pub load: u32,
    /// Calls it has.
    pub calls: u32,
    /// Where it works.
    pub departments: Vec<Uuid>,
    /// Whether conversations may be routed to it.
    pub is_routable: bool,
}

/// A department at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DepartmentState {
    /// Which; `None` for those without one.
    pub department: Option<Uuid>,
    /// Its name; empty for `None`.
    pub name: String,
    /// Agents that take conversations.
    pub online: u32,
    /// Agents that are there and take none.
    pub busy: u32,
    /// Agents that are away.
    pub away: u32,
    /// Conversations that wait.
    pub waiting: u64,
    /// Since when the first of them waits.
    pub waiting_since: Option<Moment>,
    /// Whether it serves now.
    pub is_open: bool,
    /// Closed: when it opens, if that can be foreseen.
    pub opens_at: Option<Moment>,
    /// Whether the alert stands that nobody is there.
    pub is_empty: bool,
}

/// Why a decision was made as it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The rule that chose.
    pub strategy: Strategy,
    /// What made it look.
    pub trigger: Trigger,
    /// Whose agents were looked at; `None` for all.
    pub department: Option<Uuid>,
    /// The first of those looked at, the winner always among them.
    pub candidates: Vec<Candidate>,
    /// How many free agents were looked at before the winner was found.
    pub considered: u32,
    /// How many agents of the department each filter left out, of those the search came across or
    /// the list has.
    pub excluded: BTreeMap<Exclusion, u32>,
}

/// What made the engine look for somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A conversation entered the queue.
    CustomerWaits,
    /// What it asks for has changed.
    RequirementsChanged,
    /// An agent has a place again.
    AgentFree,
    /// An agent came.
    AgentCame,
    /// An agent's status has changed.
    StatusChanged,
    /// Administration changed an agent.
    AgentChanged,
    /// An agent declined.
    Declined,
    /// An agent let an offer pass.
    OfferExpired,
    /// An offer was taken back.
    OfferWithdrawn,
    /// An agent who declined or let pass may be asked again.
    AskedAgain,
    /// It was widened to another department.
    Escalated,
    /// A policy has changed.
    PolicyChanged,
    /// The department opened.
    HoursBegan,
    /// The log refused what was decided before.
    Refused,
    /// The server started.
    Started,
}

impl Trigger {
    /// The trigger as the log names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Trigger::CustomerWaits => "customer_waits",
            Trigger::RequirementsChanged => "requirements_changed",
            Trigger::AgentFree => "agent_free",
            Trigger::AgentCame => "agent_came",
            Trigger::StatusChanged => "status_changed",
            Trigger::AgentChanged => "agent_changed",
            Trigger::Declined => "declined",
            Trigger::OfferExpired => "offer_expired",
            Trigger::OfferWithdrawn => "offer_withdrawn",
            Trigger::AskedAgain => "asked_again",
            Trigger::Escalated => "escalated",
            Trigger::PolicyChanged => "policy_changed",
            Trigger::HoursBegan => "hours_began",
            Trigger::Refused => "refused",
            Trigger::Started => "started",
        }
    }
}

/// One agent a decision looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Who.
    pub agent: UserId,
    /// What it was.
    pub status: AgentStatus,
    /// Conversations it had.
    pub current_chats: u32,
    /// Places taken.
    pub load: u32,
    /// Places it has.
    pub max_chats: u32,
    /// Since its work changed last.
    pub idle_ms: u64,
    /// What left it out; `None` for one that could have been taken.
    pub excluded: Option<Exclusion>,
    /// What the strategy compares, the highest first: places taken, negative, for least loaded;
    /// milliseconds since its last turn for round robin, and since its work changed for longest
    /// idle.
    pub score: i64,
}

/// Why an agent was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exclusion {
    /// It is not online.
    Status,
    /// It has no place.
    Capacity,
    /// It lacks a skill.
    Skills,
    /// It does not speak the language.
    Language,
    /// It declined or let pass a moment ago.
    AskedBefore,
}

impl Exclusion {
    /// The filter as the log names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Exclusion::Status => "status",
            Exclusion::Capacity => "capacity",
            Exclusion::Skills => "skills",
            Exclusion::Language => "language",
            Exclusion::AskedBefore => "asked_before",
        }
    }
}
