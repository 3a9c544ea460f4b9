//! Where an event is heard, and how far a reader has read.

use std::fmt;

use super::{ConversationId, Role, TenantId, UserId};

/// An address connections subscribe to.
///
/// Every topic carries its tenant, so a delivery across tenants cannot be written down.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// The consoles of a tenant.
    Tenant(TenantId),
    /// The participants of one conversation.
    Conversation(TenantId, ConversationId),
    /// The agents and admins of a tenant.
    Staff(TenantId),
    /// One user, wherever it is connected.
    User(TenantId, UserId),
    /// Everybody of a role, where what is meant for a role is heard.
    Role(TenantId, Role),
}

impl Topic {
    /// Whose it is.
    pub fn tenant(&self) -> &TenantId {
        match self {
            Topic::Tenant(tenant)
            | Topic::Conversation(tenant, _)
            | Topic::Staff(tenant)
            | Topic::User(tenant, _)
            | Topic::Role(tenant, _) => tenant,
        }
    }
}

/// How far a reader has read a tenant's log: the log's own number and a position in it.
///
/// On the wire it is one opaque string that is never all digits (contract 1), so that it cannot
/// be taken for a message's `seq`. The number tells a cursor of another log (a restored or
/// foreign database) from one of this log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// Random, made with the tenant's log.
    pub log: u32,
    /// The position of the last event read; 0 before the first.
    pub position: u64,
}

impl Cursor {
    /// Reads the wire form.
    pub fn parse(text: &str) -> Option<Cursor> {
        let (log, position) = text.strip_prefix('L')?.split_once('-')?;
        let log = u32::from_str_radix(log, 16).ok()?;
        Some(Cursor { log, position: position.parse().ok()? })
    }

    /// Our own id of the event that stands here.
    pub fn event_id(self) -> String {
        format!("evt_{self}")
    }

    /// Reads [`Cursor::event_id`].
    pub fn of_event_id(text: &str) -> Option<Cursor> {
        text.strip_prefix("evt_").and_then(Cursor::parse)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "L{:08x}-{}", self.log, self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_wire_form_and_is_never_all_digits() {
        let cursor = Cursor { log: 7, position: 42 };
        assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        assert!(cursor.to_string().parse::<u64>().is_err());
        assert_eq!(Cursor::of_event_id(&cursor.event_id()), Some(cursor));
        assert_eq!(Cursor::of_event_id(&cursor.to_string()), None);
        for bad in ["42", "", "L-", "Lzz-1", "L1", "L00000001-x"] {
            assert_eq!(Cursor::parse(bad), None, "{bad:?}");
        }
    }
}
