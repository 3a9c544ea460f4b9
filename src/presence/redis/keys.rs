//! The names of keys, and what the helper keys hold (contract 9).
//!
//! A script may touch keys of one slot only, so the helpers of a place carry its whole name as their
//! hash tag: `session:550e...:users` and `sb:conns:{session:550e...:users}` lie together.

use std::fmt;

use uuid::Uuid;

use crate::model::{ConversationId, Member, Moment, NodeId, Place, Role, TenantId, UserId};

/// All nodes that are alive, or were a moment ago: a set of [`Holder`]s.
pub(super) const NODES: &str = "sb:nodes";

/// Whose log the users of this database write.
pub(super) const LOG: &str = "sb:log";

/// The keys of a place.
pub(super) struct PlaceKeys {
    /// What the index of a node calls it.
    pub name: String,
    /// User to [`Stay`]: the truth about who is here.
    pub stays: String,
    /// When users left, of the last half minute.
    pub away: String,
    /// Who was ended because its node is gone, until that has been told.
    pub lost: String,
    /// The hash that document 000 names, where it names one.
    pub users: Option<String>,
}

impl PlaceKeys {
    pub(super) fn of(tenant: &TenantId, place: Place) -> PlaceKeys {
        let prefix = prefix(tenant);
        let (name, is_public) = match place {
            Place::Conversation(id) => (format!("{prefix}session:{id}:users"), true),
            Place::Tenant => (format!("{prefix}tenant"), false),
            Place::Work => (format!("{prefix}work"), false),
        };
        PlaceKeys {
            stays: format!("sb:conns:{{{name}}}"),
            away: format!("sb:away:{{{name}}}"),
            lost: format!("sb:lost:{{{name}}}"),
            users: is_public.then(|| name.clone()),
            name,
        }
    }
}

/// What another tenant's keys begin with; those of `default` begin with nothing.
pub(super) fn prefix(tenant: &TenantId) -> String {
    if tenant.is_default() { String::new() } else { format!("t:{tenant}:") }
}

/// Reads [`PlaceKeys::name`].
pub(super) fn place_of(name: &str) -> Option<(TenantId, Place)> {
    let (prefix, place) = if let Some(rest) = name.strip_suffix(":users") {
        let (rest, id) = rest.split_at_checked(rest.len().checked_sub(36)?)?;
        let id = Uuid::try_parse(id).ok()?;
        (rest.strip_suffix("session:")?, Place::Conversation(ConversationId(id)))
    } else if let Some(prefix) = name.strip_suffix("tenant") {
        (prefix, Place::Tenant)
    } else {
        (name.strip_suffix("work")?, Place::Work)
    };
    let tenant = match prefix {
        "" => TenantId::default_tenant(),
        other => TenantId::parse(other.strip_prefix("t:")?.strip_suffix(':')?).ok()?,
    };
    Some((tenant, place))
}

/// A node, for as long as its lease has lasted without a gap. A node whose lease ran out although it
/// lives notes everything anew under the next number: whoever is still busy ending the old stays
/// cannot end the new ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Holder {
    pub node: NodeId,
    pub epoch: u32,
}

impl Holder {
    pub(super) fn parse(text: &str) -> Option<Holder> {
        let (node, epoch) = text.split_once('.')?;
        Some(Holder { node: NodeId::parse(node)?, epoch: epoch.parse().ok()? })
    }

    /// The names of the places where it has, or had, stays: a sorted set, whose scores tell a
    /// younger note from an older one.
    pub(super) fn held(&self) -> String {
        format!("sb:held:{self}")
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.node, self.epoch)
    }
}

/// A node's lease.
pub(super) fn lease(node: NodeId) -> String {
    format!("sb:node:{node}")
}

/// Who ends the stays of a node that is gone.
pub(super) fn claim(node: NodeId) -> String {
    format!("sb:claim:{node}")
}

/// When agents' heartbeats end: a sorted set.
pub(super) fn beats(tenant: &TenantId) -> String {
    format!("sb:beats:{tenant}")
}

/// The turns of somebody.
pub(super) fn turns(of: &str) -> String {
    format!("sb:turn:{of}")
}

/// What [`PlaceKeys::stays`] holds of a user: `role joined_at holder=connections,...`.
pub(super) struct Stay {
    pub role: Role,
    pub joined_at: Moment,
    pub connections: usize,
}

impl Stay {
    pub(super) fn parse(text: &str) -> Option<Stay> {
        let mut words = text.split(' ');
        let role = Role::parse(words.next()?)?;
        let joined_at = Moment(words.next()?.parse().ok()?);
        let counts = words.next().unwrap_or_default().split(',');
        let counts = counts.filter_map(|part| part.split_once('=')?.1.parse::<usize>().ok());
        Some(Stay { role, joined_at, connections: counts.sum() })
    }

    pub(super) fn member(self, user_id: UserId) -> Member {
        Member { user_id, user_type: self.role, joined_at: self.joined_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_again_by_its_name() {
        let conversation = Place::Conversation(ConversationId::random());
        for tenant in ["default", "acme", "a:tenant", "x:session:y"] {
            let tenant = TenantId::parse(tenant).unwrap();
            for place in [Place::Tenant, Place::Work, conversation] {
                let name = PlaceKeys::of(&tenant, place).name;
                assert_eq!(place_of(&name), Some((tenant.clone(), place)), "{name}");
            }
        }
        for bad in ["", ":users", "session:1:users", "t::work", "xwork", "t:a b:tenant"] {
            assert_eq!(place_of(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_holder_survives_its_written_form() {
        let holder = Holder { node: NodeId::random(), epoch: 3 };
        assert_eq!(Holder::parse(&holder.to_string()), Some(holder));
        assert_eq!(Holder::parse("0123456789abcdef"), None);
    }
}
