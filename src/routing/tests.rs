//! The engine by itself: a world of a few agents and customers, with a log that keeps what the
//! engine decides at once.

mod escalation;
mod offers;
mod order;
mod properties;
mod restart;
mod scale;
mod status;

use uuid::Uuid;

use super::*;
use crate::model::{AgentStatus, ConversationId, Moment, UserId};

/// 2026-11-20T10:00:00Z, a Friday.
const MORNING: Moment = Moment(1_795_168_800_000);
const HOUR: u64 = 3_600;

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn talk(number: u128) -> ConversationId {
    ConversationId(Uuid::from_u128(number))
}

const SALES: Uuid = Uuid::from_u128(0x5a1e5);
const SUPPORT: Uuid = Uuid::from_u128(0x5d99);

fn setup(name: &str, departments: &[Uuid]) -> AgentSetup {
    AgentSetup {
        id: user(name),
        name: name.to_owned(),
        departments: departments.to_vec(),
        skills: vec![],
        languages: vec![],
        max_chats: 1,
        is_disabled: false,
        is_routable: true,
    }
}

struct World {
    engine: Engine,
    now: Moment,
}

impl World {
    /// A world with the department Sales of this policy.
    fn with(policy: Policy) -> World {
        let mut world = World { engine: Engine::new(Settings::default()), now: MORNING };
        world.department(SALES, policy);
        world.tell(Input::Started);
        world
    }

    fn new() -> World {
        World::with(Policy::default())
    }

    fn department(&mut self, id: Uuid, policy: Policy) -> Vec<Decision> {
        policy.check().unwrap();
        self.tell(Input::Department { id, name: "Sales".into(), policy, is_empty: None })
    }

    /// Tells the engine, and nothing of what comes of its decisions.
    fn tell(&mut self, input: Input) -> Vec<Decision> {
        let mut out = Vec::new();
        self.engine.apply(self.now, input, &mut out);
        out
    }

    /// Tells the engine, and keeps whatever it decides.
    fn keep(&mut self, input: Input) -> Vec<Decision> {
        let mut all = self.tell(input);
        let mut next = 0;
        while next < all.len() {
            if let Decision::Assign { conversation, agent, .. } = &all[next] {
                let (conversation, agent) = (*conversation, agent.clone());
                let given = Input::Given { conversation, agent, department: Some(SALES) };
                let more = self.tell(given);
                all.extend(more);
            }
            next += 1;
        }
        all
    }

    /// An agent of Sales with so many places, who comes.
    fn agent(&mut self, name: &str, max_chats: u32) -> Vec<Decision> {
        self.employ(AgentSetup { max_chats, ..setup(name, &[SALES]) })
    }

    fn employ(&mut self, setup: AgentSetup) -> Vec<Decision> {
        let id = setup.id.clone();
        let mut all = self.keep(Input::Agent(setup));
        all.extend(self.keep(Input::Connected(id)));
        all
    }

    fn customer(&mut self, number: u128) -> Vec<Decision> {
        let waiting = self.waiting(number);
        self.keep(Input::Waits(waiting))
    }

    fn waiting(&self, number: u128) -> Waiting {
        Waiting {
            conversation: talk(number),
            stint: 1,
            department: Some(SALES),
            also: vec![],
            priority: 0,
            skills: vec![],
            language: None,
            queued_at: self.now,
            is_head: false,
            last_agent: None,
            escalations_done: 0,
            offer: None,
            is_told_closed: false,
        }
    }

    fn close(&mut self, number: u128) -> Vec<Decision> {
        self.keep(Input::Gone(talk(number)))
    }

    /// Lets time pass, from deadline to deadline.
    fn pass(&mut self, seconds: u64) -> Vec<Decision> {
        let end = Moment(self.now.0 + i64::try_from(seconds * 1000).unwrap());
        let mut all = Vec::new();
        while let Some(at) = self.engine.next_deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            all.extend(self.keep(Input::Tick));
        }
        self.now = end;
        all.extend(self.keep(Input::Tick));
        all
    }

    fn status(&self, name: &str) -> AgentStatus {
        self.engine.agent(self.now, &user(name)).unwrap().status
    }

    fn chats(&self, name: &str) -> u32 {
        self.engine.agent(self.now, &user(name)).unwrap().current_chats
    }

    fn queue(&self, department: Option<Uuid>) -> Vec<ConversationId> {
        self.engine.waiting_in(department, 0, 1_000).collect()
    }
}

/// Who was given what, in order.
fn assigned(decisions: &[Decision]) -> Vec<(u128, &str)> {
    let given = decisions.iter().filter_map(|decision| match decision {
        Decision::Assign { conversation, agent, .. } => {
            Some((conversation.0.as_u128(), agent.as_str()))
        }
        _ => None,
    });
    given.collect()
}

/// Who was asked for what, in order.
fn offered(decisions: &[Decision]) -> Vec<(u128, &str)> {
    let asked = decisions.iter().filter_map(|decision| match decision {
        Decision::Offer { conversation, agent, .. } => {
            Some((conversation.0.as_u128(), agent.as_str()))
        }
        _ => None,
    });
    asked.collect()
}

fn announced(decisions: &[Decision]) -> Vec<(&str, AgentStatus)> {
    let told = decisions.iter().filter_map(|decision| match decision {
        Decision::Announce(state) => Some((state.agent.as_str(), state.status)),
        _ => None,
    });
    told.collect()
}

fn returned(decisions: &[Decision]) -> Vec<u128> {
    let back = decisions.iter().filter_map(|decision| match decision {
        Decision::Return { conversation, .. } => Some(conversation.0.as_u128()),
        _ => None,
    });
    back.collect()
}
