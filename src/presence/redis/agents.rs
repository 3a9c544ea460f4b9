//! What document 001 keeps of agents, for whoever reads Redis itself, and heartbeats for the other
//! nodes. Nothing here decides anything: the agents' truth is in the log and in routing.
//!
//! The keys have no hash tag, as the document names them, so what is sent together is about one of
//! them.

use futures_util::StreamExt;
use futures_util::stream;
use redis::Pipeline;
use serde_json::json;
use std::sync::PoisonError;
use uuid::Uuid;

use super::{AgentSheet, Error, Shared, State, keys, ms};
use crate::limits::PRESENCE_AT_ONCE;
use crate::model::{AgentStatus, Moment, TenantId, UserId};

use super::AWAY;
use crate::redis::Error as Refused;

impl Shared {
    /// Writes what agents are; removes those that are offline.
    pub(super) async fn write_sheets(
        &self,
        of: &TenantId,
        agents: Vec<AgentSheet>,
    ) -> Result<(), Error> {
        if self.state() == State::Away {
            return Err(Error(AWAY.into()));
        }
        let mut commands = Vec::new();
        for sheet in &agents {
            commands.extend(self.answer(self.commands_for(of, sheet))?);
        }
        let mut asked = stream::iter(commands)
            .map(|command| async move { self.redis.ask_all::<()>(&command).await })
            .buffered(PRESENCE_AT_ONCE);
        while let Some(asked) = asked.next().await {
            self.answer(asked)?;
        }
        Ok(())
    }

    fn commands_for(&self, of: &TenantId, sheet: &AgentSheet) -> Result<Vec<Pipeline>, Refused> {
        let (prefix, agent) = (keys::prefix(of), sheet.agent.as_str());
        let all = format!("{prefix}agents:all");
        let set_of = |department: &Uuid| format!("{prefix}agents:dept:{department}");
        let key = format!("{prefix}agent:online:{agent}");
        let is_here = sheet.status != AgentStatus::Offline;
        let now: &[Uuid] = if is_here { &sheet.departments } else { &[] };
        let before = self.show(of, sheet, now);
        let mut commands = Vec::new();
        let left = before.iter().chain(sheet.departments.iter().filter(|_| !is_here));
        for department in left.filter(|department| !now.contains(department)) {
            commands.push(about(&set_of(department), &[&["SREM", agent]]));
        }
        if !is_here {
            commands.push(about(&all, &[&["SREM", agent]]));
            commands.push(about(&key, &[&["DEL"]]));
            return Ok(commands);
        }
        let (ttl, twice) = (ms(self.settings.status_ttl), ms(self.settings.status_ttl * 2));
        let value = self.sealed(&key, sheet_of(sheet))?;
        commands.push(about(&key, &[&["SET", &value, "PX", &ttl]]));
        for set in now.iter().map(set_of).chain([all]) {
            commands.push(about(&set, &[&["SADD", agent], &["PEXPIRE", &twice]]));
        }
        Ok(commands)
    }

    /// Notes in which departments an agent is shown; returns where it was.
    fn show(&self, of: &TenantId, sheet: &AgentSheet, now: &[Uuid]) -> Vec<Uuid> {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let who = (of.clone(), sheet.agent.clone());
        let before = match now.is_empty() {
            true => shown.remove(&who),
            false => shown.insert(who, now.to_vec()),
        };
        before.unwrap_or_default()
    }

    /// Notes until when a heartbeat lasts; an earlier end does not replace a later one.
    pub(super) async fn write_beat(
        &self,
        of: &TenantId,
        who: &UserId,
        until: Moment,
    ) -> Result<(), Error> {
        if self.state() == State::Away {
            return Err(Error(AWAY.into()));
        }
        let (key, now) = (keys::beats(of), Moment::now());
        if until <= now {
            // It says itself that it went.
            let mut gone = redis::cmd("ZREM");
            return self.answer(self.redis.ask(gone.arg(&key).arg(who.as_str())).await);
        }
        let lasts_ms = until.ms_since(now).max(1);
        let mut commands = redis::pipe();
        commands.cmd("ZADD").arg(&key).arg("GT").arg(until.0).arg(who.as_str()).ignore();
        commands.cmd("ZREMRANGEBYSCORE").arg(&key).arg("-inf").arg(now.0).ignore();
        commands.cmd("PEXPIRE").arg(&key).arg(lasts_ms).arg("GT").ignore();
        commands.cmd("PEXPIRE").arg(&key).arg(lasts_ms).arg("NX").ignore();
        self.answer(self.redis.ask_all(&commands).await)
    }

    /// The heartbeats that last.
    pub(super) async fn read_beats(&self, of: &TenantId) -> Result<Vec<(UserId, Moment)>, Error> {
        self.check_up()?;
        let mut range = redis::cmd("ZRANGEBYSCORE");
        range.arg(keys::beats(of)).arg(format!("({}", Moment::now().0)).arg("+inf");
        let asked = self.redis.ask(range.arg("WITHSCORES")).await;
        let beats: Vec<(String, f64)> = self.answer(asked)?;
        // Milliseconds of Unix time are whole numbers far below what a double holds exactly.
        #[allow(clippy::cast_possible_truncation, reason = "see above")]
        let read = |(who, until): (String, f64)| {
            Some((UserId::parse(&who).ok()?, Moment(until.round() as i64)))
        };
        Ok(beats.into_iter().filter_map(read).collect())
    }
}

/// Document 001's record.
fn sheet_of(sheet: &AgentSheet) -> String {
    let (department_id, department) = sheet.department.clone().unzip();
    json!({
        "agent_id": sheet.agent,
        "name": sheet.name,
        "email": sheet.email.clone().unwrap_or_default(),
        "department_id": department_id,
        "department": department.unwrap_or_default(),
        "status": sheet.status,
        "last_heartbeat": sheet.last_heartbeat.map(Moment::to_seconds_string),
        "current_chats": sheet.current_chats,
        "max_chats": sheet.max_chats,
    })
    .to_string()
}

/// Commands about one key, each its name and what follows the key.
fn about(key: &str, commands: &[&[&str]]) -> Pipeline {
    let mut pipeline = redis::pipe();
    for command in commands {
        pipeline.cmd(command[0]).arg(key).arg(&command[1..]).ignore();
    }
    pipeline
}
