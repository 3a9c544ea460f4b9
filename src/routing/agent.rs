//! One agent: what it declared, what keeps it alive, what it has to do, and what follows of it.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::lane::{Class, Indexed};
use super::words::{AgentRestored, AgentSetup, AgentState, Exclusion};
use crate::model::{AgentStatus, ConversationId, Moment, StatusReason, UserId};

/// What an agent is, why, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) status: AgentStatus,
    pub(super) reason: StatusReason,
    pub(super) since: Moment,
}

/// Conversations with the places they take.
#[derive(Clone, Debug, Default)]
pub(super) struct Taken {
    by: BTreeMap<ConversationId, u32>,
    places: u32,
}

impl Taken {
    pub(super) fn put(&mut self, conversation: ConversationId, places: u32) {
        self.take(conversation);
        self.by.insert(conversation, places);
        self.places += places;
    }

    pub(super) fn take(&mut self, conversation: ConversationId) -> Option<u32> {
        let places = self.by.remove(&conversation)?;
        self.places -= places;
        Some(places)
    }

    pub(super) fn ids(&self) -> Vec<ConversationId> {
        self.by.keys().copied().collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by.is_empty()
    }
}

/// An agent.
#[derive(Clone, Debug)]
pub(super) struct Agent {
    pub(super) setup: AgentSetup,
    /// Administration told of it.
    pub(super) is_set_up: bool,
    /// Removed, and kept only for what it still has.
    pub(super) is_removed: bool,
    /// Whether the log had anything of it at the start.
    pub(super) is_restored: bool,
    /// What it declared; [`Agent::declare`] is how it changes.
    pub(super) declared: AgentStatus,
    pub(super) is_connected: bool,
    /// It works without a sign of life, and is not lost for want of one.
    pub(super) works_unseen: bool,
    pub(super) beat_until: Option<Moment>,
    pub(super) last_seen: Option<Moment>,
    came_by: StatusReason,
    lost_by: StatusReason,
    pub(super) calls: u32,
    /// What one call takes: the most that any of its departments says.
    pub(super) call_weight: u32,
    /// What it has.
    pub(super) serving: Taken,
    /// What it was given or offered by a decision the log has not confirmed.
    pub(super) held: Taken,
    /// Until when what it had still takes places.
    pub(super) wrapping: Vec<(Moment, u32)>,
    /// When its work changed last, or it came.
    pub(super) idle_since: Moment,
    /// When it last had its turn.
    pub(super) turn_at: Moment,
    /// Which turn of all that was: it tells turns of one moment apart.
    pub(super) turn: i64,
    pub(super) shown: Shown,
    /// What it was before it was lost, while it may still come back unnoticed.
    pub(super) before_loss: Option<Shown>,
    /// What was told of it last: effective and declared.
    pub(super) announced: (AgentStatus, AgentStatus),
    /// Where it stands in the indexes of its departments.
    pub(super) indexed: Vec<Indexed>,
}

impl Agent {
    /// An agent nobody has told anything of but its name.
    pub(super) fn unknown(id: UserId, now: Moment) -> Agent {
        let setup = AgentSetup {
            name: id.to_string(),
            id,
            departments: Vec::new(),
            skills: Vec::new(),
            languages: Vec::new(),
            max_chats: 0,
            is_disabled: false,
            is_routable: false,
        };
        Agent {
            setup,
            is_set_up: false,
            is_removed: false,
            is_restored: false,
            declared: AgentStatus::Online,
            is_connected: false,
            works_unseen: false,
            beat_until: None,
            last_seen: None,
            came_by: StatusReason::Connected,
            lost_by: StatusReason::Disconnected,
            calls: 0,
            call_weight: 0,
            serving: Taken::default(),
            held: Taken::default(),
            wrapping: Vec::new(),
            idle_since: now,
            turn_at: Moment::default(),
            turn: 0,
            shown: Shown {
                status: AgentStatus::Offline,
                reason: StatusReason::Disconnected,
                since: now,
            },
            before_loss: None,
            announced: (AgentStatus::Offline, AgentStatus::Online),
            indexed: Vec::new(),
        }
    }

    /// Whether administration told of it and it is there still.
    pub(super) fn is_known(&self) -> bool {
        self.is_set_up && !self.is_removed
    }

    pub(super) fn restore(&mut self, kept: &AgentRestored) {
        self.is_restored = true;
        self.declared = kept.declared;
        self.beat_until = kept.beat_until;
        self.last_seen = kept.last_seen;
        self.shown = Shown { status: kept.status, reason: kept.reason, since: kept.since };
        self.announced = (kept.status, kept.declared);
        self.turn_at = kept.last_assigned_at.unwrap_or_default();
        self.idle_since = kept.idle_since.unwrap_or_default().max(kept.since);
        if kept.status == AgentStatus::Online {
            self.came_by = kept.reason;
        }
    }

    pub(super) fn is_alive(&self, now: Moment) -> bool {
        self.is_connected || self.beat_until.is_some_and(|until| until > now)
    }

    pub(super) fn beat(&mut self, now: Moment, until: Moment) {
        if !self.is_alive(now) || self.declared == AgentStatus::Offline {
            self.came_by = StatusReason::Heartbeat;
        }
        if self.declared == AgentStatus::Offline {
            self.declared = AgentStatus::Online;
        }
        self.works_unseen = false;
        self.beat_until = Some(until);
        self.last_seen = Some(now);
    }

    pub(super) fn connect(&mut self, now: Moment) {
        if !self.is_alive(now) {
            self.came_by = StatusReason::Connected;
        }
        self.is_connected = true;
        self.works_unseen = false;
        self.last_seen = Some(now);
    }

    pub(super) fn disconnect(&mut self, now: Moment) {
        self.is_connected = false;
        self.last_seen = Some(now);
        self.lost_by = StatusReason::Disconnected;
    }

    pub(super) fn end_beat(&mut self) {
        self.beat_until = None;
        if !self.is_connected {
            self.lost_by = StatusReason::HeartbeatEnded;
        }
    }

    pub(super) fn declare(&mut self, status: AgentStatus) {
        if self.declared != status {
            self.came_by = StatusReason::Declared;
        }
        self.declared = status;
        if status == AgentStatus::Offline {
            // Whoever logs in later has to show itself anew.
            self.beat_until = None;
        }
    }

    fn wrap_places(&self) -> u32 {
        self.wrapping.iter().map(|(_, places)| places).sum()
    }

    fn call_places(&self) -> u32 {
        self.calls.saturating_mul(self.call_weight)
    }

    /// Places taken by what it really has to do.
    fn taken(&self) -> u32 {
        let places = self.serving.places + self.wrap_places();
        places.saturating_add(self.call_places())
    }

    /// Places taken, by what it was offered as well.
    pub(super) fn load(&self) -> u32 {
        self.taken().saturating_add(self.held.places)
    }

    /// Places free.
    pub(super) fn room(&self) -> u32 {
        self.setup.max_chats.saturating_sub(self.load())
    }

    /// What it is now (contract 11).
    fn sees(&self, now: Moment) -> (AgentStatus, StatusReason) {
        if self.setup.is_disabled {
            return (AgentStatus::Offline, StatusReason::Disabled);
        }
        if self.declared == AgentStatus::Offline {
            return (AgentStatus::Offline, StatusReason::Declared);
        }
        if !self.is_alive(now) {
            return (AgentStatus::Offline, self.lost_by);
        }
        if self.declared != AgentStatus::Online {
            return (self.declared, StatusReason::Declared);
        }
        let max = self.setup.max_chats;
        if !self.setup.is_routable || self.taken() < max {
            return (AgentStatus::Online, self.came_by);
        }
        let without_wrap_up = self.serving.places.saturating_add(self.call_places());
        let reason = match () {
            () if self.serving.places >= max => StatusReason::Capacity,
            () if without_wrap_up >= max => StatusReason::Call,
            () => StatusReason::WrapUp,
        };
        (AgentStatus::Busy, reason)
    }

    /// Takes a new look at it. Whoever comes back before its loss was told was never away.
    pub(super) fn observe(&mut self, now: Moment) {
        let (status, reason) = self.sees(now);
        let before = self.shown;
        if status == before.status {
            self.shown.reason = reason;
            if !is_loss(reason) {
                self.before_loss = None;
            }
            return;
        }
        self.shown = Shown { status, reason, since: now };
        if is_loss(reason) && status == AgentStatus::Offline {
            self.before_loss = Some(before);
        } else if let Some(kept) = self.before_loss.take() {
            if kept.status == status {
                self.shown.since = kept.since;
            }
        } else if matches!(before.status, AgentStatus::Offline | AgentStatus::Away) {
            self.idle_since = now;
        }
    }

    /// Whether it may be given something, if it has room.
    pub(super) fn is_on_duty(&self) -> bool {
        let is_full = is_full(self.shown);
        self.setup.is_routable && (self.shown.status == AgentStatus::Online || is_full)
    }

    /// Whether it is there but has no place, for whatever it does.
    pub(super) fn is_full(&self) -> bool {
        is_full(self.shown)
    }

    /// What keeps it from a conversation of this class, apart from its status.
    pub(super) fn lacks(&self, class: &Class) -> Option<Exclusion> {
        if !class.skills.iter().all(|skill| self.setup.skills.contains(skill)) {
            return Some(Exclusion::Skills);
        }
        let speaks = |language| self.setup.languages.contains(language);
        if !class.language.as_ref().is_none_or(speaks) {
            return Some(Exclusion::Language);
        }
        None
    }

    pub(super) fn works_in(&self, department: Uuid) -> bool {
        self.setup.departments.contains(&department)
    }

    pub(super) fn state(&self, now: Moment) -> AgentState {
        AgentState {
            agent: self.setup.id.clone(),
            name: self.setup.name.clone(),
            status: self.shown.status,
            announced: self.announced.0,
            declared: self.declared,
            reason: self.shown.reason,
            since: self.shown.since,
            last_seen: if self.is_connected { Some(now) } else { self.last_seen },
            current_chats: u32::try_from(self.serving.by.len()).unwrap_or(u32::MAX),
            max_chats: self.setup.max_chats,
            load: self.load(),
            calls: self.calls,
            departments: self.setup.departments.clone(),
            is_routable: self.setup.is_routable,
        }
    }
}

/// Whether it went without saying so.
pub(super) fn is_loss(reason: StatusReason) -> bool {
    matches!(reason, StatusReason::Disconnected | StatusReason::HeartbeatEnded)
}

fn is_full(shown: Shown) -> bool {
    let by_work = [StatusReason::Capacity, StatusReason::Call, StatusReason::WrapUp];
    shown.status == AgentStatus::Busy && by_work.contains(&shown.reason)
}
