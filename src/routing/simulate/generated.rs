//! A load drawn by lot: customers come at random moments, each with a need and a patience of its
//! own. The same seed draws the same load, on every machine.

use std::str::FromStr;

use uuid::Uuid;

use super::{Arrival, Load, Shift};
use crate::model::{AgentStatus, Moment, UserId};
use crate::routing::words::AgentSetup;

/// 2026-01-05T00:00:00Z, a Monday: loads that are drawn begin then.
const MONDAY: Moment = Moment(1_767_571_200_000);
const HOUR_MS: f64 = 3_600_000.0;
/// Customers in one load: more than a year of a large contact centre's day.
const ARRIVALS_MAX: f64 = 2_000_000.0;
const AGENTS_MAX: u32 = 10_000;

/// What is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Generation {
    /// Agents, all of them there all the time.
    pub agents: u32,
    /// Places each has.
    pub max_chats: u32,
    /// Hours during which customers come.
    pub hours: f64,
    /// Customers an hour.
    pub per_hour: f64,
    /// Seconds a conversation takes, on average.
    pub handle: f64,
    /// Seconds a customer waits before it leaves, on average; 0 for ever.
    pub patience: f64,
    /// What the lot begins with.
    pub seed: u64,
}

impl Default for Generation {
    fn default() -> Generation {
        Generation {
            agents: 20,
            max_chats: 1,
            hours: 8.0,
            per_hour: 120.0,
            handle: 300.0,
            patience: 180.0,
            seed: 1,
        }
    }
}

/// What is wrong with a description of a load.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadGeneration {
    /// Not of the form.
    #[error("{0:?}: expected name=value, with commas between")]
    Form(String),
    /// A name nobody knows.
    #[error("{0:?}: there are agents, max_chats, hours, per_hour, handle, patience and seed")]
    Name(String),
    /// A value out of bounds.
    #[error("{name}={value}: {expected}")]
    Value {
        /// Of what.
        name: String,
        /// As given.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// Too much altogether.
    #[error("hours times per_hour: at most two million customers")]
    TooMany,
}

impl FromStr for Generation {
    type Err = BadGeneration;

    /// Reads `agents=20,hours=8,per_hour=120,handle=300,patience=180,seed=1`; what is left out has
    /// the value shown, and `max_chats` is 1.
    fn from_str(text: &str) -> Result<Generation, BadGeneration> {
        let mut read = Generation::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (name, value) =
                part.split_once('=').ok_or_else(|| BadGeneration::Form(part.to_owned()))?;
            read.set(name.trim(), value.trim())?;
        }
        match read.hours * read.per_hour > ARRIVALS_MAX {
            true => Err(BadGeneration::TooMany),
            false => Ok(read),
        }
    }
}

impl Generation {
    fn set(&mut self, name: &str, value: &str) -> Result<(), BadGeneration> {
        let bad = |expected| BadGeneration::Value {
            name: name.to_owned(),
            value: value.to_owned(),
            expected,
        };
        let number = |max: f64| match value.parse::<f64>() {
            Ok(number) if (0.0..=max).contains(&number) => Ok(number),
            _ => Err(bad("a number, not negative and not too large")),
        };
        let whole = |max: u32| match value.parse::<u32>() {
            Ok(number) if (1..=max).contains(&number) => Ok(number),
            _ => Err(bad("a whole number, 1 or more and not too large")),
        };
        match name {
            "agents" => self.agents = whole(AGENTS_MAX)?,
            "max_chats" => self.max_chats = whole(1_000)?,
            "hours" => self.hours = number(10_000.0)?,
            "per_hour" => self.per_hour = number(1e6)?,
            "handle" => self.handle = number(1e6)?,
            "patience" => self.patience = number(1e6)?,
            "seed" => self.seed = value.parse().map_err(|_| bad("a whole number"))?,
            _ => return Err(BadGeneration::Name(name.to_owned())),
        }
        Ok(())
    }

    /// Draws the load. All of these are exponential: the time from one customer to the next, what
    /// a conversation takes, and what a customer puts up with.
    pub fn draw(&self) -> Load {
        let mut lot = Lot(self.seed);
        let agents: Vec<AgentSetup> = (1..=self.agents).filter_map(|n| self.agent(n)).collect();
        let on_duty = |agent: &AgentSetup| Shift {
            at: MONDAY,
            agent: agent.id.clone(),
            status: AgentStatus::Online,
        };
        let end_ms = self.hours * HOUR_MS;
        let mut arrivals = Vec::new();
        // Without customers the first one never comes.
        let mut at_ms = lot.exponential(HOUR_MS / self.per_hour);
        while at_ms < end_ms {
            let handle_ms = lot.exponential(self.handle * 1000.0) as u64;
            let patience_ms = lot.exponential(self.patience * 1000.0) as u64;
            arrivals.push(Arrival {
                at: Moment(MONDAY.0 + at_ms as i64),
                department: None,
                priority: 0,
                skills: Vec::new(),
                language: None,
                handle_ms,
                patience_ms: (self.patience > 0.0).then_some(patience_ms),
            });
            at_ms += lot.exponential(HOUR_MS / self.per_hour);
        }
        Load {
            from: MONDAY,
            until: Moment(MONDAY.0 + end_ms as i64),
            departments: Default::default(),
            shifts: agents.iter().map(on_duty).collect(),
            agents,
            arrivals,
        }
    }

    fn agent(&self, number: u32) -> Option<AgentSetup> {
        Some(AgentSetup {
            id: UserId::parse(&Uuid::from_u128(number.into()).to_string()).ok()?,
            name: format!("agent {number}"),
            departments: Vec::new(),
            skills: Vec::new(),
            languages: Vec::new(),
            max_chats: self.max_chats,
            is_disabled: false,
            is_routable: true,
        })
    }
}

/// SplitMix64: small, and the same everywhere.
struct Lot(u64);

impl Lot {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Above 0, at most 1.
    fn unit(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -self.unit().ln() * mean
    }
}
