//! `switchboard routing simulate`: reads a load and two sets of policies, has the engine serve the
//! one under the other, and shows what came of it side by side. Of a database it changes at most the
//! schema, if that is an older program's.
//!
//! How a load is served is the business of [`crate::routing::simulate`]; here it is only found and
//! shown.

mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::app::policy_of;
use crate::config::StoreUrl;
use crate::log::{self, Location, Log, Reading};
use crate::model::{Role, TenantId};
use crate::routing::simulate::{Generation, Load, Policies, Recorder, Report, simulate};
use crate::routing::{AgentSetup, Policy};

/// What a load that is drawn begins with.
const GENERATED: &str = "generated:";
/// Events read at once.
const PAGE_EVENTS: usize = 4_096;

/// What to simulate.
#[derive(Args, Clone, Debug)]
pub struct SimulateArgs {
    /// The other policy, as TOML or JSON: {default, departments: {ID: policy}}. Departments it does
    /// not name follow its default or, without one, keep what they have.
    #[arg(long, value_name = "FILE")]
    pub policy: PathBuf,
    /// The load: the database of a server (a path, or sqlite:PATH; absent, the configured one), or
    /// drawn by lot as generated:agents=20,hours=8,per_hour=120,handle=300,patience=180,seed=1 (times in seconds;
    /// patience=0 is for ever; max_chats=1).
    #[arg(long, value_name = "LOG")]
    pub from: Option<String>,
    /// Whose log is read.
    #[arg(long, default_value = "default")]
    pub tenant: String,
    /// Seconds that recorded customers who were answered would have waited; for ever, if absent.
    #[arg(long, value_name = "SECONDS")]
    pub patience: Option<u32>,
    /// As JSON: {recorded, proposed}.
    #[arg(long)]
    pub json: bool,
}

/// Why nothing was simulated.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was asked for cannot be read.
    #[error("{0}")]
    Usage(String),
    /// The log could not be read.
    #[error("{0}")]
    Failed(#[from] log::Error),
}

fn usage(message: impl Into<String>) -> Error {
    Error::Usage(message.into())
}

/// A file of policies.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    default: Option<Policy>,
    #[serde(default)]
    departments: BTreeMap<Uuid, Policy>,
}

/// Both outcomes.
#[derive(Debug, Serialize)]
struct Comparison {
    recorded: Report,
    proposed: Report,
}

/// Simulates, and says what came of it.
///
/// # Errors
/// What is wrong with the policy, the load's description or the log, in one line.
pub async fn run(wanted: &SimulateArgs, configured: &StoreUrl) -> Result<String, Error> {
    let file = read_policies(&wanted.policy)?;
    let from = wanted.from.as_deref();
    let (load, recorded) = match from.and_then(|from| from.strip_prefix(GENERATED)) {
        Some(text) => {
            let generation: Generation =
                text.parse().map_err(|err| usage(format!("--from {GENERATED}{err}")))?;
            (generation.draw(), Policies::default())
        }
        None => from_log(wanted, path_of(from, configured)?).await?,
    };
    let proposed = propose(file, &load, &recorded)?;
    let both =
        Comparison { recorded: simulate(&load, &recorded), proposed: simulate(&load, &proposed) };
    match wanted.json {
        true => serde_json::to_string_pretty(&both).map_err(|err| usage(err.to_string())),
        false => Ok(table::show(&both)),
    }
}

// === policies ===

fn read_policies(path: &Path) -> Result<PolicyFile, Error> {
    let wrong = |err: &dyn std::fmt::Display| usage(format!("--policy {}: {err}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|err| wrong(&err))?;
    let file: PolicyFile = if text.trim_start().starts_with('{') {
        serde_json::from_str(&text).map_err(|err| wrong(&err))?
    } else {
        toml::from_str(&text).map_err(|err| wrong(&in_one_line(&text, &err)))?
    };
    if let Some(policy) = &file.default {
        policy.check().map_err(|err| wrong(&format!("default.{err}")))?;
    }
    for (id, policy) in &file.departments {
        policy.check().map_err(|err| wrong(&format!("departments.{id}.{err}")))?;
    }
    Ok(file)
}

/// The library shows the line with a pointer below it.
fn in_one_line(text: &str, err: &toml::de::Error) -> String {
    let line = err.span().map(|span| text[..span.start].matches('\n').count() + 1);
    let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
    format!("{place}{}", err.message())
}

/// The policies of a file, in the places of those that are followed now.
fn propose(file: PolicyFile, load: &Load, recorded: &Policies) -> Result<Policies, Error> {
    let unknown = file.departments.keys().find(|id| !load.departments.contains_key(*id));
    if let Some(id) = unknown {
        return Err(usage(format!("--policy: departments.{id}: the load has no such department")));
    }
    let mut proposed = recorded.clone();
    if let Some(default) = file.default {
        proposed.departments.values_mut().for_each(|policy| policy.clone_from(&default));
        proposed.default = default;
    }
    proposed.departments.extend(file.departments);
    Ok(proposed)
}

// === the log ===

async fn from_log(wanted: &SimulateArgs, path: PathBuf) -> Result<(Load, Policies), Error> {
    let tenant = TenantId::parse(&wanted.tenant).map_err(|e| usage(format!("--tenant: {e}")))?;
    let wrong = |why: &str| usage(format!("--from {}: {why}", path.display()));
    match log::examine(&path).map_err(|err| wrong(&err.to_string()))? {
        None => return Err(wrong("there is no such file")),
        Some(0) => return Err(wrong("not a database of this program")),
        Some(_) => {}
    }
    let observer = Arc::new(|_: usize, _: std::time::Duration| {});
    let (log, tail) = log::open(&Location::Sqlite(path.clone()), observer, None).await?;
    let read = read_log(log.as_ref(), &tenant, wanted.patience).await;
    log.close().await;
    drop(tail);
    read?.ok_or_else(|| wrong(&format!("there is no tenant {tenant}")))
}

fn path_of(from: Option<&str>, configured: &StoreUrl) -> Result<PathBuf, Error> {
    match (from, configured) {
        (Some(from), _) => {
            let path = from.strip_prefix("sqlite:").unwrap_or(from);
            Ok(path.strip_prefix("//").unwrap_or(path).into())
        }
        (None, StoreUrl::Sqlite(path)) => Ok(path.clone()),
        (None, StoreUrl::Memory | StoreUrl::Postgres(_)) => {
            Err(usage(format!("--from: a path, sqlite:PATH or {GENERATED}... is needed")))
        }
    }
}

async fn read_log(
    log: &dyn Log,
    tenant: &TenantId,
    patience_seconds: Option<u32>,
) -> Result<Option<(Load, Policies)>, log::Error> {
    if log.tenant(tenant).await?.is_none() {
        return Ok(None);
    }
    let mut recorder = Recorder::default();
    let mut after = 0;
    loop {
        let page = log.read(tenant, Reading::All, after, PAGE_EVENTS).await?;
        for envelope in &page.events {
            recorder.note(envelope.at, &envelope.event);
            after = after.max(envelope.position());
        }
        if page.is_end || page.events.is_empty() {
            break;
        }
    }
    let mut names = BTreeMap::new();
    let mut policies = Policies::default();
    for department in log.departments(tenant).await? {
        policies.departments.insert(department.id, policy_of(&department));
        names.insert(department.id, department.name);
    }
    let agents: Vec<AgentSetup> = log.agents(tenant).await?.into_iter().map(setup_of).collect();
    let patience_ms = patience_seconds.map(|seconds| u64::from(seconds) * 1000);
    Ok(Some((recorder.finish(names, &agents, patience_ms), policies)))
}

/// An agent that is disabled by now worked when it was recorded.
fn setup_of(agent: log::Agent) -> AgentSetup {
    AgentSetup {
        is_routable: agent.role == Role::Agent,
        id: agent.id,
        name: agent.name,
        departments: agent.departments,
        skills: agent.skills,
        languages: agent.languages,
        max_chats: agent.max_chats,
        is_disabled: false,
    }
}
