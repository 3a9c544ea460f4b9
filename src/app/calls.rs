//! Telephone calls: what a telephone system reports is kept, whose line is whose, and who has which
//! call. That a call takes places of its agent is `crate::routing`'s; which system reports it, and
//! how, is nobody's here.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::App;
use crate::log::{Agent, Batch, Change, OpenCall};
use crate::model::{Call, Cursor, Error, Event, Moment, TenantId, UserId};

impl App {
    /// Keeps what another system reports, in one transaction and in this order, and tells what is
    /// volatile once that is on disk. Where the log ends then.
    ///
    /// # Errors
    /// 503 when the log cannot keep it; nothing of it is kept or told then.
    pub async fn report(&self, tenant: &TenantId, events: Vec<Event>) -> Result<Cursor, Error> {
        let is_durable = |event: &Event| event.facts().is_durable;
        let (durable, volatile): (Vec<_>, Vec<_>) = events.into_iter().partition(is_durable);
        let cursor = match durable.is_empty() {
            true => self.log.head(tenant).await.map_err(|e| self.fault(e))?,
            false => self.keep_reported(tenant, durable).await?,
        };
        for event in volatile {
            self.publish(tenant, event);
        }
        Ok(cursor)
    }

    async fn keep_reported(&self, tenant: &TenantId, events: Vec<Event>) -> Result<Cursor, Error> {
        let changes = events.into_iter().map(Change::of).collect();
        let batch = Batch { changes, once: None };
        let pending = self.log.append_batch(tenant, batch).await.map_err(|e| self.fault(e))?;
        let kept = pending.committed().await.map_err(|e| self.fault(e))?;
        for refused in kept.changes.into_iter().filter_map(Result::err) {
            // A repeat of it would be refused again. What is reported has happened, and nothing
            // that could be in its way is in the log.
            tracing::error!(error = %refused, "a reported event was refused");
            self.metrics.faults_total.inc();
        }
        Ok(kept.cursor)
    }

    /// The calls of a tenant that have not ended, as far as the log knows.
    ///
    /// # Errors
    /// 503 when the log does not answer.
    pub async fn open_calls(&self, tenant: &TenantId) -> Result<Vec<OpenCall>, Error> {
        self.log.open_calls(tenant).await.map_err(|e| self.fault(e))
    }

    /// The agent at a telephone's extension, and its name.
    pub fn agent_at(&self, tenant: &TenantId, extension: &str) -> Option<(UserId, Arc<str>)> {
        self.ask_floor(tenant, |floor, _| floor.lines.agent_at(extension))
    }
}

/// Whose telephone has which extension.
#[derive(Debug, Default)]
pub(super) struct Lines {
    extensions: HashMap<UserId, Arc<str>>,
    /// Nothing keeps two agents from having the same one; the first of them counts.
    agents: HashMap<Arc<str>, BTreeMap<UserId, Arc<str>>>,
}

impl Lines {
    /// Notes an agent's extension and name as they are now.
    pub(super) fn note(&mut self, agent: &Agent) {
        self.forget(&agent.id);
        let Some(extension) = &agent.extension else { return };
        let extension: Arc<str> = extension.as_str().into();
        self.extensions.insert(agent.id.clone(), extension.clone());
        let there = self.agents.entry(extension).or_default();
        there.insert(agent.id.clone(), agent.name.as_str().into());
    }

    /// Somebody has no telephone any more.
    pub(super) fn forget(&mut self, agent: &UserId) {
        let Some(extension) = self.extensions.remove(agent) else { return };
        if let Some(there) = self.agents.get_mut(&extension) {
            there.remove(agent);
            if there.is_empty() {
                self.agents.remove(&extension);
            }
        }
    }

    fn agent_at(&self, extension: &str) -> Option<(UserId, Arc<str>)> {
        let (id, name) = self.agents.get(extension)?.first_key_value()?;
        Some((id.clone(), name.clone()))
    }
}

/// Who has which call, as the log tells it. A call counts once, however often it is answered.
#[derive(Debug, Default)]
pub(super) struct CallsTaken {
    calls: HashMap<String, Taken>,
    counts: HashMap<UserId, u32>,
}

#[derive(Debug)]
struct Taken {
    agent: UserId,
    /// When it was answered.
    at: Moment,
}

impl CallsTaken {
    /// Takes in what the log kept of the calls that have not ended.
    pub(super) fn restore(&mut self, open: Vec<OpenCall>) {
        for call in open {
            if let Some(agent) = call.agent {
                let at = call.answered_at.unwrap_or(call.began_at);
                self.give(call.unique_id, agent, at);
            }
        }
    }

    /// Takes in what is told of a call. Returns who has more or fewer calls now.
    pub(super) fn note(&mut self, call: &Call, at: Moment) -> Vec<UserId> {
        match call {
            Call::CallAnswered(e) => self.give(e.unique_id.clone(), e.agent_id.clone(), at),
            // Who gave it away is free at once, wherever the caller is led now.
            Call::CallTransferred(e) if self.holder(&e.unique_id) == e.agent_id.as_ref() => {
                self.take_away(&e.unique_id).into_iter().collect()
            }
            Call::CallEnded(e) => self.take_away(&e.unique_id).into_iter().collect(),
            Call::CallIncoming(_)
            | Call::CallTransferred(_)
            | Call::CallHold(_)
            | Call::CallUnhold(_) => vec![],
        }
    }

    /// Forgets calls that were answered before then. Returns whose they were.
    pub(super) fn forget(&mut self, before: Moment) -> Vec<UserId> {
        let old = self.calls.iter().filter(|(_, taken)| taken.at < before);
        let old: Vec<String> = old.map(|(id, _)| id.clone()).collect();
        old.iter().filter_map(|id| self.take_away(id)).collect()
    }

    /// How many calls somebody has.
    pub(super) fn count(&self, agent: &UserId) -> u32 {
        self.counts.get(agent).copied().unwrap_or_default()
    }

    /// Everybody who has one.
    pub(super) fn agents(&self) -> Vec<UserId> {
        self.counts.keys().cloned().collect()
    }

    fn holder(&self, unique_id: &str) -> Option<&UserId> {
        self.calls.get(unique_id).map(|taken| &taken.agent)
    }

    fn give(&mut self, unique_id: String, agent: UserId, at: Moment) -> Vec<UserId> {
        if self.holder(&unique_id) == Some(&agent) {
            return vec![];
        }
        let before = self.take_away(&unique_id);
        *self.counts.entry(agent.clone()).or_default() += 1;
        self.calls.insert(unique_id, Taken { agent: agent.clone(), at });
        before.into_iter().chain([agent]).collect()
    }

    fn take_away(&mut self, unique_id: &str) -> Option<UserId> {
        let agent = self.calls.remove(unique_id)?.agent;
        if let Some(count) = self.counts.get_mut(&agent) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&agent);
            }
        }
        Some(agent)
    }
}

#[cfg(test)]
mod tests;
