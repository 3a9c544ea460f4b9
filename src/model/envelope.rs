//! An event on its way: whose it is, where it stands in the log, and where it is heard.

use std::sync::Arc;

use super::{Cursor, Event, Member, Moment, TenantId, Topic};

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
}

impl Envelope {
    /// A volatile event, happening now.
    pub fn volatile(tenant: TenantId, event: Event) -> Envelope {
        Envelope { tenant, cursor: None, at: Moment::now(), event, present: None }
    }

    /// The position in the log, 0 for volatile events.
    pub fn position(&self) -> u64 {
        self.cursor.map_or(0, |c| c.position)
    }

    /// Where it is heard. A connection that listens at several of these hears it once.
    pub fn topics(&self) -> impl Iterator<Item = Topic> {
        let tenant = &self.tenant;
        // Why it went to whom it went is not for those who talk in it.
        let is_heard_there = !matches!(self.event, Event::Decided(_));
        let conversation = self.event.conversation().filter(|_| is_heard_there);
        let conversation = conversation.map(|id| Topic::Conversation(tenant.clone(), id));
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
        conversation.into_iter().chain(others).chain([Topic::Tenant(tenant.clone())])
    }
}
