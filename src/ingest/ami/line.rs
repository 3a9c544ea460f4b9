//! Channels and interfaces by their names: `PJSIP/1001-0000002a` is a channel of the interface
//! `PJSIP/1001`, which is the line of extension 1001. Whose line it is comes from outside.

use crate::model::{ID_CHARS_MAX, UserId};

/// Who works at a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Agent {
    /// The agent; the interface itself, where no agent has it.
    pub id: UserId,
    /// The agent's name.
    pub name: Option<String>,
}

/// Whose lines are whose.
pub(super) trait Lines {
    /// The agent at an extension.
    fn agent_at(&self, extension: &str) -> Option<Agent>;

    /// Who is at the other end of an interface: an agent, or the interface as it is called.
    fn agent_of(&self, interface: &str) -> Agent {
        let agent = extension_of(interface).and_then(|extension| self.agent_at(extension));
        agent.unwrap_or_else(|| Agent { id: id_of(interface), name: None })
    }
}

/// The interface of a channel: its name without what makes it one of several.
pub(super) fn interface_of(channel: &str) -> &str {
    let name = channel.split(';').next().unwrap_or(channel);
    match name.rsplit_once('-') {
        Some((interface, number)) if is_number(number) => interface,
        _ => name,
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The extension an interface is the line of: what stands behind the technology, up to a context.
pub(super) fn extension_of(interface: &str) -> Option<&str> {
    let (_, rest) = interface.split_once('/')?;
    let extension = rest.split(['@', '/']).next()?;
    (!extension.is_empty()).then_some(extension)
}

/// Whether a channel is but a piece of wire inside the telephone system.
pub(super) fn is_local(channel: &str) -> bool {
    channel.starts_with("Local/")
}

/// An interface in the alphabet of ids: `PJSIP/1001` is `PJSIP:1001`, and what no id may have is
/// `_`.
fn id_of(interface: &str) -> UserId {
    let letter = |c: char| match c {
        '/' => ':',
        c if c.is_ascii_alphanumeric() || "_.:@-".contains(c) => c,
        _ => '_',
    };
    let id: String = interface.chars().map(letter).take(ID_CHARS_MAX).collect();
    UserId::parse(&id).unwrap_or_else(|_| nobody())
}

/// For a channel without a name, which no telephone system makes.
fn nobody() -> UserId {
    UserId::parse("unknown").unwrap_or_else(|_| UserId::bot())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nobody;

    impl Lines for Nobody {
        fn agent_at(&self, _: &str) -> Option<Agent> {
            None
        }
    }

    #[test]
    fn a_channel_is_of_an_interface_and_that_of_an_extension() {
        for (channel, interface, extension) in [
            ("PJSIP/1001-0000002a", "PJSIP/1001", Some("1001")),
            ("SIP/1001-0000001", "SIP/1001", Some("1001")),
            ("Local/1001@agents-0000001f;1", "Local/1001@agents", Some("1001")),
            ("PJSIP/desk-7-0000002a", "PJSIP/desk-7", Some("desk-7")),
            ("DAHDI/i1/5551234-1", "DAHDI/i1/5551234", Some("i1")),
            ("Local/1001@agents/n", "Local/1001@agents/n", Some("1001")),
            ("PJSIP/1001", "PJSIP/1001", Some("1001")),
            ("Console", "Console", None),
            ("PJSIP/", "PJSIP/", None),
        ] {
            assert_eq!(interface_of(channel), interface);
            assert_eq!(extension_of(interface), extension, "{interface}");
        }
    }

    #[test]
    fn an_interface_nobody_has_goes_by_its_own_name() {
        let id = |interface: &str| Nobody.agent_of(interface).id.to_string();
        assert_eq!(id("PJSIP/1001"), "PJSIP:1001");
        assert_eq!(id("Local/1001@agents/n"), "Local:1001@agents:n");
        assert_eq!(id("SIP/caf\u{e9} bar"), "SIP:caf__bar");
        assert_eq!(id(""), "unknown");
        assert_eq!(id(&"x".repeat(500)).len(), ID_CHARS_MAX);
    }
}
