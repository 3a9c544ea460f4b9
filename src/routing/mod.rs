//! Who takes the next conversation: a pure machine, `(policy, state, input, now) -> decisions`.
//!
//! It knows no clock, no task, no log and no socket. Whoever drives it ([`crate::app`], the
//! simulator, a test) tells it what happens as [`Input`]s with the moment, does what its
//! [`Decision`]s say, and tells it what came of that. One [`Engine`] per tenant. The methods are
//! described in `docs/routing.md`.

mod agent;
mod alarms;
mod engine;
mod hours;
mod lane;
mod policy;
mod ranked;
mod settings;
pub mod simulate;
#[cfg(test)]
mod tests;
mod words;

pub use engine::Engine;
pub use hours::Hours;
pub use policy::{Action, OfferMode, Policy, PolicyError, Rule, Strategy, Weights};
pub use settings::Settings;
pub use words::{
    AgentRestored, AgentSetup, AgentState, Candidate, Decision, DepartmentState, Exclusion,
    Explanation, Input, OfferEnd, Trigger, Waiting,
};
