//! The words of the questions that the log is asked, and of what it answers. How a backend finds the
//! answer is its own matter.

use std::sync::Arc;

use uuid::Uuid;

use crate::model::{
    ConversationId, Envelope, Event, Member, Moment, Role, Status, TenantId, UserId,
};

/// Which events a reader wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// All of the tenant.
    All,
    /// Those of one conversation.
    Conversation(ConversationId),
    /// What happened around one conversation: all but what was said and read, and the reasons of
    /// routing.
    Recorder(ConversationId),
    /// Why one conversation went to whom it went.
    Decisions(ConversationId),
    /// Those meant for one user.
    User(UserId),
    /// Those meant for everybody of a role.
    Role(Role),
    /// The audit trail.
    Audit,
}

/// A stretch of the log, ascending.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The events.
    pub events: Vec<Arc<Envelope>>,
    /// Whether nothing follows at the time of reading.
    pub is_end: bool,
}

/// Which conversations a list shows.
#[derive(Clone, Debug, Default)]
pub struct ConversationFilter {
    /// Only those in this state; `None` means all that are not closed.
    pub status: Option<Status>,
    /// Only those of this department.
    pub department: Option<Uuid>,
    /// Only those after this one, in the order of the list (newest first).
    pub after: Option<(Moment, ConversationId)>,
    /// At most so many.
    pub limit: usize,
}

/// A user the last run left in a conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct LeftBehind {
    /// Whose conversation.
    pub tenant: TenantId,
    /// Where.
    pub conversation: ConversationId,
    /// Who.
    pub member: Member,
}

/// A user who left a conversation not long ago.
#[derive(Clone, Debug, PartialEq)]
pub struct RecentLeave {
    /// Whose conversation.
    pub tenant: TenantId,
    /// Which.
    pub conversation: ConversationId,
    /// Who.
    pub user: UserId,
    /// When.
    pub at: Moment,
}

impl RecentLeave {
    pub(super) fn of(envelope: &Envelope) -> Option<RecentLeave> {
        let Event::Left(left) = &envelope.event else { return None };
        Some(RecentLeave {
            tenant: envelope.tenant.clone(),
            conversation: left.session_id,
            user: left.user_id.clone(),
            at: envelope.at,
        })
    }
}

/// How long what is kept (contract 10); `None` is for ever.
#[derive(Clone, Copy, Debug, Default)]
pub struct Retention {
    /// Connection events older than this go.
    pub connections_before: Option<Moment>,
    /// Everything else older than this goes.
    pub all_before: Option<Moment>,
    /// Where connections were that ended before this goes.
    pub recoveries_before: Option<Moment>,
    /// What repeats of posts are known by, older than this.
    pub posts_before: Option<Moment>,
    /// Calls whose end was never told and that began before this.
    pub calls_before: Option<Moment>,
    /// Deliveries that a receiver got before this.
    pub delivered_before: Option<Moment>,
    /// Deliveries that were given up before this.
    pub dead_before: Option<Moment>,
}
