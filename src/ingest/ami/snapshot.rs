//! What a snapshot is made of while it is read: two lists, and what happens meanwhile. The items of
//! a list bear the id of the action that asked for it.

use super::machine::is_of_interest;
use super::wire::Packet;
use crate::limits::AMI_SNAPSHOT_BYTES_MAX;

/// Why what is known cannot be made whole on this connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    /// The manager may not ask.
    #[error(
        "it refuses CoreShowChannels ({0}); give the manager write = system or reporting in \
         manager.conf"
    )]
    Refused(String),
    /// More happens, or is there, than memory is given to.
    #[error(
        "the snapshot and what happened meanwhile are more than {AMI_SNAPSHOT_BYTES_MAX} bytes"
    )]
    TooMuch,
}

/// A snapshot that is being read.
#[derive(Debug)]
pub(super) struct Snapshot {
    ids: [String; 2],
    pub(super) channels: Vec<Packet>,
    pub(super) queues: Vec<Packet>,
    /// What happened meanwhile, in its order.
    pub(super) held: Vec<Packet>,
    is_done: [bool; 2],
    has_begun: bool,
    bytes: usize,
}

impl Snapshot {
    pub(super) fn new(ids: [String; 2]) -> Snapshot {
        Snapshot {
            ids,
            channels: vec![],
            queues: vec![],
            held: vec![],
            is_done: [false; 2],
            has_begun: false,
            bytes: 0,
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.is_done == [true; 2]
    }

    pub(super) fn take(&mut self, packet: Packet) -> Result<(), Trouble> {
        let list = packet.get("ActionID").and_then(|id| self.ids.iter().position(|its| its == id));
        self.has_begun |= list.is_some();
        match (list, packet.response()) {
            (Some(0), Some(false)) => {
                let said = packet.get("Message").unwrap_or("no reason given");
                return Err(Trouble::Refused(said.chars().take(80).collect()));
            }
            // A telephone system without queues.
            (Some(_), Some(false)) => self.is_done[1] = true,
            (Some(_), Some(true)) => {}
            (Some(list), None) if is_end(&packet) => self.is_done[list] = true,
            (Some(0), None) => self.keep(packet, |own| &mut own.channels)?,
            (Some(_), None) => self.keep(packet, |own| &mut own.queues)?,
            (None, _) => self.hold(packet)?,
        }
        Ok(())
    }

    fn hold(&mut self, packet: Packet) -> Result<(), Trouble> {
        let Some(name) = packet.event() else { return Ok(()) };
        // Whoever logs in is told that the system has started, and that was before the lists.
        let is_of_login = name == "FullyBooted" && !self.has_begun;
        if is_of_login || !is_of_interest(name) || name == "QueueSummary" {
            return Ok(());
        }
        self.keep(packet, |own| &mut own.held)
    }

    fn keep(
        &mut self,
        packet: Packet,
        of: impl FnOnce(&mut Snapshot) -> &mut Vec<Packet>,
    ) -> Result<(), Trouble> {
        self.bytes += packet.bytes();
        if self.bytes > AMI_SNAPSHOT_BYTES_MAX {
            return Err(Trouble::TooMuch);
        }
        of(self).push(packet);
        Ok(())
    }
}

fn is_end(packet: &Packet) -> bool {
    let says = packet.get("EventList").is_some_and(|list| list.eq_ignore_ascii_case("Complete"));
    says || packet.event().is_some_and(|name| name.ends_with("Complete"))
}
