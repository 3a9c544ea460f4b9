//! The scenarios of agents: their heartbeats, who of them is online, and how soon a place that one
//! of them frees is filled. The agents are of one tenant and of no department, and the
//! conversations name none, so that every agent can have each of them: the longest queue there is.

mod beats;
mod floor;
pub(super) mod freed;
pub(super) mod heartbeats;
pub(super) mod large;
pub(super) mod online;
mod staff;
