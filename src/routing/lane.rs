//! One department, or the place of those without one: its agents by the order in which they are
//! taken, and its queue.
//!
//! What is looked for often is kept in order, so that no search walks the queue: free agents by the
//! strategy's key, once all and once for each skill and language; conversations ready to be given
//! by their place, apart for each class of what they ask for.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use uuid::Uuid;

use super::hours::{Calendar, Shift};
use super::policy::{Policy, Rule, Strategy};
use super::ranked::Ranked;
use crate::model::{AgentStatus, ConversationId, Moment, UserId};

/// A department; `None` is those who ask for none, served by all agents.
pub(super) type LaneId = Option<Uuid>;

/// Starts of service the estimate looks back on.
pub(super) const STARTS_MAX: usize = 20;

/// Starts closer together than this are one moment's.
const RATE_SPAN_MS_MIN: u64 = 1_000;

/// Where a conversation stands: heads first, then by the time it entered, its priority allowed
/// for. It never changes while it waits, so an old one is overtaken by fewer and fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// False comes first.
    pub(super) is_no_head: bool,
    /// Milliseconds.
    pub(super) at: i64,
    pub(super) conversation: ConversationId,
}

/// What conversations ask of an agent; all of a class can be taken by the same agents.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Class {
    /// Ascending, none twice.
    pub(super) skills: Vec<String>,
    pub(super) language: Option<String>,
    /// Places it takes.
    pub(super) places: u32,
}

impl Class {
    pub(super) fn new(skills: &[String], language: Option<&String>, places: u32) -> Class {
        let skills: BTreeSet<&String> = skills.iter().collect();
        Class { skills: skills.into_iter().cloned().collect(), language: language.cloned(), places }
    }

    /// Everything it asks for.
    pub(super) fn tags(&self) -> impl Iterator<Item = Tag> {
        let skills = self.skills.iter().cloned().map(Tag::Skill);
        self.language.iter().cloned().map(Tag::Language).chain(skills)
    }

    /// The one it is filed under: an agent looks under its own tags only, so what nobody can do
    /// costs nobody a look.
    fn first_tag(&self) -> Option<Tag> {
        self.tags().next()
    }
}

/// Something an agent has and a conversation asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Tag {
    Language(String),
    Skill(String),
}

/// Where an agent stands among the free ones; the smallest is taken.
pub(super) type FreeKey = (i64, i64, i64);

/// Whether an agent can be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Free(FreeKey),
    /// It is there and has no place.
    Full,
    /// It is not there, or takes nothing.
    Out,
}

/// How an agent is entered in one lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Indexed {
    pub(super) lane: LaneId,
    pub(super) status: AgentStatus,
    pub(super) slot: Slot,
    pub(super) tags: Arc<[Tag]>,
}

type FreeSet = BTreeSet<(FreeKey, UserId)>;

/// The agents of a lane.
#[derive(Clone, Debug, Default)]
pub(super) struct Pool {
    pub(super) members: BTreeSet<UserId>,
    by_status: BTreeMap<&'static str, u32>,
    pub(super) full: u32,
    pub(super) free: FreeSet,
    free_by_tag: HashMap<Tag, FreeSet>,
}

impl Pool {
    pub(super) fn enter(&mut self, agent: &UserId, as_: &Indexed) {
        self.members.insert(agent.clone());
        *self.by_status.entry(as_.status.as_str()).or_default() += 1;
        match as_.slot {
            Slot::Free(key) => {
                self.free.insert((key, agent.clone()));
                for tag in as_.tags.iter() {
                    let set = self.free_by_tag.entry(tag.clone()).or_default();
                    set.insert((key, agent.clone()));
                }
            }
            Slot::Full => self.full += 1,
            Slot::Out => {}
        }
    }

    pub(super) fn leave(&mut self, agent: &UserId, as_: &Indexed) {
        self.members.remove(agent);
        *self.by_status.entry(as_.status.as_str()).or_default() -= 1;
        match as_.slot {
            Slot::Free(key) => {
                let entry = (key, agent.clone());
                self.free.remove(&entry);
                for tag in as_.tags.iter() {
                    let is_empty = self.free_by_tag.get_mut(tag).is_some_and(|set| {
                        set.remove(&entry);
                        set.is_empty()
                    });
                    if is_empty {
                        self.free_by_tag.remove(tag);
                    }
                }
            }
            Slot::Full => self.full -= 1,
            Slot::Out => {}
        }
    }

    pub(super) fn count(&self, status: AgentStatus) -> u32 {
        self.by_status.get(status.as_str()).copied().unwrap_or(0)
    }

    /// Those who are there, whether they take something now or not.
    pub(super) fn on_duty(&self) -> u32 {
        self.count(AgentStatus::Online) + self.count(AgentStatus::Busy)
    }

    /// The free agents that have the rarest of what is asked for; all, if nothing is.
    pub(super) fn free_for(&self, class: &Class) -> impl Iterator<Item = &UserId> {
        let sets = class.tags().map(|tag| self.free_by_tag.get(&tag));
        let rarest = sets.min_by_key(|set| set.map_or(0, BTreeSet::len));
        let set = rarest.unwrap_or(Some(&self.free));
        set.into_iter().flatten().map(|(_, agent)| agent)
    }
}

/// The queue of a lane.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    /// Everybody whose home it is.
    pub(super) order: Ranked<Place>,
    /// By when they came.
    pub(super) by_age: BTreeSet<(Moment, ConversationId)>,
    /// Whoever could be given now, those from other lanes included.
    ready: HashMap<Option<Tag>, BTreeMap<Arc<Class>, BTreeSet<Place>>>,
}

impl Queue {
    pub(super) fn put_ready(&mut self, class: &Arc<Class>, place: Place) {
        let classes = self.ready.entry(class.first_tag()).or_default();
        classes.entry(class.clone()).or_default().insert(place);
    }

    pub(super) fn take_ready(&mut self, class: &Arc<Class>, place: &Place) {
        let tag = class.first_tag();
        let Some(classes) = self.ready.get_mut(&tag) else { return };
        let Some(places) = classes.get_mut(class) else { return };
        places.remove(place);
        if places.is_empty() {
            classes.remove(class);
        }
        if classes.is_empty() {
            self.ready.remove(&tag);
        }
    }

    /// The classes somebody with this tag may be able to take, each with who waits, in order.
    pub(super) fn ready_with(
        &self,
        tag: Option<&Tag>,
    ) -> impl Iterator<Item = (&Arc<Class>, &BTreeSet<Place>)> {
        self.ready.get(&tag.cloned()).into_iter().flatten()
    }
}

/// A lane.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    pub(super) name: String,
    pub(super) policy: Policy,
    /// What conversations ask for that ask for nothing: most of them, so they share it.
    pub(super) plain: Arc<Class>,
    /// The policy's, in order of time.
    pub(super) rules: Vec<Rule>,
    calendar: Option<Calendar>,
    pub(super) shift: Shift,
    pub(super) pool: Pool,
    pub(super) queue: Queue,
    /// The latest starts of service, ascending.
    pub(super) starts: VecDeque<Moment>,
    /// Whether it is told that nobody is here.
    pub(super) is_empty: bool,
    /// Whether somebody was here since it was last told that nobody is.
    pub(super) had_somebody: bool,
}

impl Lane {
    pub(super) fn new(name: String, policy: Policy) -> Lane {
        let mut lane = Lane {
            name,
            policy: Policy::default(),
            plain: Arc::default(),
            rules: Vec::new(),
            calendar: None,
            shift: Shift::ALWAYS,
            pool: Pool::default(),
            queue: Queue::default(),
            starts: VecDeque::new(),
            is_empty: false,
            had_somebody: false,
        };
        lane.follow(policy);
        lane
    }

    /// Follows this policy from now on. Hours that cannot be read are no hours: refusing them is
    /// for [`Policy::check`].
    pub(super) fn follow(&mut self, policy: Policy) {
        self.rules.clone_from(&policy.escalations);
        self.rules.sort_by_key(|rule| rule.after_seconds);
        self.calendar = policy.hours.as_ref().and_then(|hours| Calendar::new(hours).ok());
        self.plain = Arc::new(Class::new(&[], None, policy.weights.chat));
        self.policy = policy;
    }

    pub(super) fn shift_at(&self, now: Moment) -> Shift {
        self.calendar.as_ref().map_or(Shift::ALWAYS, |calendar| calendar.at(now))
    }

    pub(super) fn place(&self, waiting: &super::words::Waiting) -> Place {
        let step_ms = i64::from(self.policy.priority_step_seconds) * 1000;
        Place {
            is_no_head: !waiting.is_head,
            at: waiting.queued_at.0 - i64::from(waiting.priority) * step_ms,
            conversation: waiting.conversation,
        }
    }

    pub(super) fn free_key(&self, agent: &super::agent::Agent) -> FreeKey {
        match self.policy.strategy {
            Strategy::LeastLoaded => (i64::from(agent.load()), agent.idle_since.0, agent.turn),
            Strategy::RoundRobin => (0, agent.turn_at.0, agent.turn),
            Strategy::LongestIdle => (0, agent.idle_since.0, agent.turn),
        }
    }

    /// When a conversation's next rule of escalation is due; not while the lane is closed.
    pub(super) fn escalates_at(&self, waiting: &super::words::Waiting) -> Option<Moment> {
        let rule = self.rules.get(usize::try_from(waiting.escalations_done).ok()?)?;
        if !self.shift.is_open {
            return None;
        }
        let from = self.shift.since.map_or(waiting.queued_at, |s| s.max(waiting.queued_at));
        Some(Moment(from.0 + i64::from(rule.after_seconds) * 1000))
    }

    /// Whether what was served lately tells no rate: too few, or all at once, as when a department
    /// opens.
    pub(super) fn knows_no_rate(&self) -> bool {
        let (Some(first), Some(last)) = (self.starts.front(), self.starts.back()) else {
            return true;
        };
        last.ms_since(*first) < RATE_SPAN_MS_MIN
    }

    pub(super) fn started_service(&mut self, at: Moment) {
        if self.starts.len() == STARTS_MAX {
            self.starts.pop_front();
        }
        self.starts.push_back(at);
    }
}
