//! What holds whatever happens, in whatever order, and however late the log is.

mod acts;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::routing::Strategy;
use acts::{Act, act};

const TALKS: u128 = 12;
const AGENTS: usize = 4;
const SKILLS: [&str; 2] = ["billing", "repair"];

/// What the log knows, kept apart from the engine.
struct Model {
    engine: Engine,
    now: Moment,
    waiting: BTreeMap<ConversationId, Waiting>,
    serving: BTreeMap<ConversationId, (UserId, Option<Uuid>)>,
    setups: BTreeMap<UserId, AgentSetup>,
    calls: BTreeMap<UserId, u32>,
    policies: BTreeMap<Option<Uuid>, Policy>,
    /// Decisions that were made and not yet kept, the oldest first.
    open: Vec<Decision>,
    /// What is offered: the offer is in the log.
    offers: BTreeMap<ConversationId, UserId>,
    /// Who was asked before, and until when that counts.
    asked: BTreeMap<(ConversationId, UserId), Moment>,
    /// Refused decisions: they rest until then at the latest.
    resting: BTreeMap<ConversationId, Moment>,
    ended: Vec<(UserId, Moment, u32)>,
}

fn department(index: usize) -> Option<Uuid> {
    [None, Some(SALES), Some(SUPPORT)][index]
}

fn name(index: usize) -> UserId {
    user(&format!("agent-{index}"))
}

impl Model {
    fn new() -> Model {
        let mut model = Model {
            engine: Engine::new(Settings::default()),
            now: MORNING,
            waiting: BTreeMap::new(),
            serving: BTreeMap::new(),
            setups: BTreeMap::new(),
            calls: BTreeMap::new(),
            policies: BTreeMap::new(),
            open: vec![],
            offers: BTreeMap::new(),
            asked: BTreeMap::new(),
            resting: BTreeMap::new(),
            ended: vec![],
        };
        model.policies.insert(None, Policy::default());
        for id in [SALES, SUPPORT] {
            model.set_policy(Some(id), Policy::default());
        }
        model.tell(Input::Started);
        for index in 0..AGENTS {
            let setup = AgentSetup { max_chats: 2, ..setup(name(index).as_str(), &[SALES]) };
            model.setups.insert(setup.id.clone(), setup.clone());
            model.tell(Input::Agent(setup));
        }
        model
    }

    fn set_policy(&mut self, id: Option<Uuid>, policy: Policy) {
        policy.check().unwrap();
        self.policies.insert(id, policy.clone());
        self.tell(match id {
            None => Input::DefaultPolicy(policy),
            Some(id) => Input::Department { id, name: "x".into(), policy, is_empty: None },
        });
    }

    fn tell(&mut self, input: Input) {
        let mut out = Vec::new();
        self.engine.apply(self.now, input, &mut out);
        for decision in out {
            self.see(decision);
        }
    }

    fn is_decided(&self, id: ConversationId) -> bool {
        let decided = |decision: &Decision| match decision {
            Decision::Assign { conversation, .. } | Decision::Offer { conversation, .. } => {
                *conversation == id
            }
            _ => false,
        };
        self.offers.contains_key(&id) || self.open.iter().any(decided)
    }

    /// Places taken of an agent, as the log and the open decisions have it.
    fn load(&self, id: &UserId) -> u32 {
        let serving = self.serving.values().filter(|(agent, _)| agent == id).count();
        let offered = self.offers.values().filter(|agent| *agent == id).count();
        let open = self.open.iter().filter(|decision| match decision {
            Decision::Assign { agent, .. } | Decision::Offer { agent, .. } => agent == id,
            _ => false,
        });
        let wrapping =
            self.ended.iter().filter(|(agent, until, _)| agent == id && *until > self.now);
        let calls = self.calls.get(id).copied().unwrap_or(0) * self.call_weight(id);
        u32::try_from(serving + offered + open.count() + wrapping.count()).unwrap() + calls
    }

    fn call_weight(&self, id: &UserId) -> u32 {
        let departments = self.setups[id].departments.iter().copied().map(Some);
        let most =
            departments.filter_map(|id| self.policies.get(&id)).map(|p| p.weights.call).max();
        most.unwrap_or(self.policies[&None].weights.call)
    }

    fn key(&self, waiting: &Waiting) -> (bool, i64, ConversationId) {
        let step = i64::from(self.policies[&waiting.department].priority_step_seconds) * 1000;
        let at = waiting.queued_at.0 - i64::from(waiting.priority) * step;
        (!waiting.is_head, at, waiting.conversation)
    }

    /// Whether an agent could be given a conversation now.
    fn fits(&self, waiting: &Waiting, id: &UserId) -> bool {
        let setup = &self.setups[id];
        let state = self.engine.agent(self.now, id).unwrap();
        let is_asked = self.asked.get(&(waiting.conversation, id.clone()));
        !self.is_decided(waiting.conversation)
            && is_asked.is_none_or(|until| *until <= self.now)
            && state.status == AgentStatus::Online
            && !setup.is_disabled
            && self.load(id) < setup.max_chats
            && waiting.skills.iter().all(|skill| setup.skills.contains(skill))
            && waiting.department.is_none_or(|id| setup.departments.contains(&id))
    }

    /// Whether it has to be given one now, apart from all others that wait.
    fn is_due(&self, waiting: &Waiting, id: &UserId) -> bool {
        let rests = self.resting.get(&waiting.conversation);
        rests.is_none_or(|until| *until <= self.now) && self.fits(waiting, id)
    }

    /// Checks a decision when it is made.
    fn see(&mut self, decision: Decision) {
        match &decision {
            Decision::Assign { conversation, agent, why }
            | Decision::Offer { conversation, agent, why, .. } => {
                let waiting = self.waiting.get(conversation).expect("it waits");
                assert!(self.fits(waiting, agent), "{agent} does not fit: {decision:?}");
                for other in self.waiting.values().filter(|other| self.is_due(other, agent)) {
                    assert!(
                        self.key(waiting) <= self.key(other),
                        "{conversation:?} overtakes {other:?}"
                    );
                }
                assert!(why.candidates.iter().any(|c| c.agent == *agent && c.excluded.is_none()));
                self.open.push(decision);
            }
            Decision::EndOffer { conversation, agent, .. } => {
                let is_unkept = |open: &Decision| {
                    matches!(open, Decision::Offer { conversation: id, agent: asked, .. }
                        if id == conversation && asked == agent)
                };
                let until = self.retry_from_now(self.home(*conversation));
                if let Some(at) = self.open.iter().position(is_unkept) {
                    self.open.remove(at);
                } else {
                    assert_eq!(self.offers.remove(conversation).as_ref(), Some(agent));
                }
                if matches!(decision, Decision::EndOffer { outcome: OfferEnd::Expired, .. }) {
                    self.asked.insert((*conversation, agent.clone()), until);
                }
            }
            Decision::Return { conversation, agent } => {
                assert_eq!(&self.serving[conversation].0, agent);
                self.open.push(decision);
            }
            _ => {}
        }
    }

    fn home(&self, id: ConversationId) -> Option<Uuid> {
        self.waiting.get(&id).and_then(|waiting| waiting.department)
    }

    fn retry_from_now(&self, department: Option<Uuid>) -> Moment {
        Moment(self.now.0 + i64::from(self.policies[&department].offer_retry_seconds) * 1000)
    }

    fn give(&mut self, conversation: ConversationId, agent: &UserId) {
        let department = match self.waiting.remove(&conversation) {
            Some(waiting) => waiting.department,
            None => self.leave(conversation),
        };
        self.serving.insert(conversation, (agent.clone(), department));
        self.drop_decisions(conversation, agent);
        let agent = agent.clone();
        self.tell(Input::Given { conversation, agent, department });
    }

    /// Whoever gets it, the decisions about it are history, except an offer to somebody else,
    /// whose end the engine tells.
    fn drop_decisions(&mut self, id: ConversationId, winner: &UserId) {
        self.open.retain(|decision| match decision {
            Decision::Assign { conversation, .. } | Decision::Return { conversation, .. } => {
                *conversation != id
            }
            Decision::Offer { conversation, agent, .. } => *conversation != id || agent != winner,
            _ => true,
        });
        if self.offers.get(&id) == Some(winner) {
            self.offers.remove(&id);
        }
        self.resting.remove(&id);
        self.asked.retain(|(conversation, _), _| *conversation != id);
    }

    fn leave(&mut self, id: ConversationId) -> Option<Uuid> {
        let (agent, department) = self.serving.remove(&id)?;
        let seconds = i64::from(self.policies[&department].wrap_up_seconds);
        self.ended.push((agent, Moment(self.now.0 + seconds * 1000), 1));
        department
    }

    fn wait(&mut self, waiting: Waiting) {
        let id = waiting.conversation;
        let left = self.serving.get(&id).map(|(agent, _)| agent.clone());
        self.leave(id);
        self.drop_decisions(id, &user("nobody"));
        if let Some(agent) = left.filter(|_| !waiting.is_head) {
            self.asked.insert((id, agent), self.retry_from_now(waiting.department));
        }
        self.waiting.insert(waiting.conversation, waiting.clone());
        self.tell(Input::Waits(waiting));
    }

    fn commit(&mut self) {
        if self.open.is_empty() {
            return;
        }
        match self.open.remove(0) {
            Decision::Assign { conversation, agent, .. } => self.give(conversation, &agent),
            Decision::Offer { conversation, agent, .. } => {
                self.offers.insert(conversation, agent);
            }
            Decision::Return { conversation, .. } => {
                let department = self.serving[&conversation].1;
                let waiting = Waiting { department, is_head: true, ..self.blank(conversation) };
                self.wait(waiting);
            }
            _ => {}
        }
    }

    fn refuse(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let (Decision::Assign { conversation, .. }
        | Decision::Offer { conversation, .. }
        | Decision::Return { conversation, .. }) = self.open.remove(0)
        else {
            return;
        };
        // At the longest; it may be given before.
        self.resting.insert(conversation, Moment(self.now.0 + 32_000));
        self.tell(Input::Failed(conversation));
    }

    fn blank(&self, conversation: ConversationId) -> Waiting {
        let world = World { engine: Engine::new(Settings::default()), now: self.now };
        Waiting { conversation, department: None, ..world.waiting(0) }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Pass(ms) => self.pass(ms),
            Act::Arrive { talk: id, department: index, priority, skill } => {
                let id = talk(id);
                if !self.waiting.contains_key(&id) && !self.serving.contains_key(&id) {
                    let skills = skill.map(|index| SKILLS[index].to_owned()).into_iter().collect();
                    let department = department(index);
                    self.wait(Waiting { department, priority, skills, ..self.blank(id) });
                }
            }
            Act::Close(id) => self.close(talk(id)),
            Act::Claim(id, agent) => {
                let id = talk(id);
                if self.waiting.contains_key(&id) {
                    self.give(id, &name(agent));
                }
            }
            Act::Transfer(id, index) => {
                let id = talk(id);
                if self.serving.contains_key(&id) {
                    self.wait(Waiting { department: department(index), ..self.blank(id) });
                }
            }
            Act::Priority(id, priority, skill) => self.require(talk(id), priority, skill),
            Act::Connect(agent) => self.tell(Input::Connected(name(agent))),
            Act::Disconnect(agent) => self.tell(Input::Disconnected(name(agent))),
            Act::Beat(agent, ms) => {
                let until = Moment(self.now.0 + i64::try_from(ms).unwrap());
                self.tell(Input::Beat { agent: name(agent), until, status: None });
            }
            Act::Declare(agent, status) => {
                self.tell(Input::Declare { agent: name(agent), status: AgentStatus::ALL[status] });
            }
            Act::Calls(agent, calls) => {
                self.calls.insert(name(agent), calls);
                self.tell(Input::Calls { agent: name(agent), calls });
            }
            Act::Employ { agent, max, departments, skills, is_disabled } => {
                self.employ(agent, max, departments, skills, is_disabled);
            }
            Act::Commit => self.commit(),
            Act::Refuse => self.refuse(),
            Act::Accept(id) => {
                if let Some(agent) = self.offers.get(&talk(id)).cloned() {
                    self.give(talk(id), &agent);
                }
            }
            Act::Decline(id) => self.decline(talk(id)),
            Act::Policy { department: index, strategy, is_asked, step, wrap_up } => {
                let offer = if is_asked { OfferMode::Accept } else { OfferMode::Direct };
                self.set_policy(
                    department(index),
                    Policy {
                        strategy: [
                            Strategy::LeastLoaded,
                            Strategy::RoundRobin,
                            Strategy::LongestIdle,
                        ][strategy],
                        offer,
                        priority_step_seconds: step * 30,
                        wrap_up_seconds: wrap_up * 10,
                        weights: Weights { chat: 1, call: step },
                        ..Policy::default()
                    },
                );
            }
        }
    }

    fn close(&mut self, id: ConversationId) {
        self.leave(id);
        if self.waiting.contains_key(&id) {
            self.drop_decisions(id, &user("nobody"));
        }
        self.open.retain(
            |open| !matches!(open, Decision::Return { conversation, .. } if *conversation == id),
        );
        self.waiting.remove(&id);
        self.tell(Input::Gone(id));
    }

    fn require(&mut self, id: ConversationId, priority: i32, skill: Option<usize>) {
        let Some(waiting) = self.waiting.get_mut(&id) else { return };
        waiting.priority = priority;
        waiting.skills = skill.map(|index| SKILLS[index].to_owned()).into_iter().collect();
        let skills = waiting.skills.clone();
        self.tell(Input::Requires { conversation: id, priority, skills, language: None });
    }

    fn employ(&mut self, agent: usize, max: u32, departments: u8, skills: u8, is_disabled: bool) {
        let pick = |bits: u8, index: usize| bits >> index & 1 == 1;
        let setup = AgentSetup {
            departments: [SALES, SUPPORT]
                .into_iter()
                .enumerate()
                .filter(|(index, _)| pick(departments, *index))
                .map(|(_, id)| id)
                .collect(),
            skills: SKILLS
                .iter()
                .enumerate()
                .filter(|(index, _)| pick(skills, *index))
                .map(|(_, skill)| (*skill).to_owned())
                .collect(),
            max_chats: max,
            is_disabled,
            ..setup(name(agent).as_str(), &[])
        };
        self.setups.insert(setup.id.clone(), setup.clone());
        self.tell(Input::Agent(setup));
    }

    fn decline(&mut self, id: ConversationId) {
        let Some(agent) = self.offers.remove(&id) else { return };
        let until = self.retry_from_now(self.home(id));
        self.asked.insert((id, agent.clone()), until);
        self.tell(Input::Declined { conversation: id, agent });
    }

    /// Time passes from deadline to deadline, and each leads to something.
    fn pass(&mut self, ms: u64) {
        let end = Moment(self.now.0 + i64::try_from(ms).unwrap());
        while let Some(at) = self.engine.next_deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.tell(Input::Tick);
            let next = self.engine.next_deadline();
            assert!(next.is_none_or(|next| next > self.now), "a deadline that leads to nothing");
            self.check();
        }
        self.now = end;
        self.tell(Input::Tick);
    }

    fn check(&self) {
        for waiting in self.waiting.values() {
            let free = self.setups.keys().find(|agent| self.is_due(waiting, agent));
            assert_eq!(free, None, "{waiting:?} waits although somebody is free");
        }
        let mut seen = BTreeSet::new();
        for index in 0..3 {
            let ids: Vec<_> = self.engine.waiting_in(department(index), 0, 100).collect();
            for (before, id) in ids.iter().enumerate() {
                assert_eq!(self.engine.position(*id), Some(before as u64 + 1));
            }
            let mut want: Vec<_> =
                self.waiting.values().filter(|w| w.department == department(index)).collect();
            want.sort_by_key(|waiting| self.key(waiting));
            let want: Vec<_> = want.into_iter().map(|waiting| waiting.conversation).collect();
            assert_eq!(ids, want);
            seen.extend(ids);
        }
        assert_eq!(seen.len(), self.waiting.len());
        for (agent, setup) in &self.setups {
            let state = self.engine.agent(self.now, agent).unwrap();
            assert_eq!(state.load, self.load(agent), "{setup:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nobody_is_overloaded_nobody_has_two_owners_and_nobody_waits_beside_a_free_agent(
        acts in prop::collection::vec(act(), 1..120),
    ) {
        let mut model = Model::new();
        for act in acts {
            model.act(act);
            model.check();
        }
    }
}
