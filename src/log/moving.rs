//! Moving a log from a SQLite file to a PostgreSQL database while its server goes on: positions, ids
//! and cursors stay what they are.
//!
//! Events are copied first, and what comes meanwhile behind them, as often as is wanted. Once the
//! server has stopped, the rest of them and all state follows in one transaction; so at every moment
//! the new database is either not begun, not finished and refused, or whole.

use std::path::Path;

use tokio::sync::mpsc;

use super::postgres::Target;
use super::sqlite::{Guard, Source};
use super::{Error, PostgresUrl};
use crate::limits::{MOVE_BATCH_EVENTS, MOVE_BATCHES_WAITING_MAX};

/// A value of a row, whatever the database.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// A row.
pub(super) type Cells = Vec<Cell>;

/// A table of state: what the source is asked for, and the columns of the target that get it.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) source: &'static str,
    pub(super) target: &'static str,
}

/// One whose columns have the same names on both sides.
const fn same(name: &'static str, columns: &'static str) -> Table {
    Table { name, source: columns, target: columns }
}

/// The columns of an event, on both sides.
pub(super) const EVENT: &str =
    "tenant, position, at, type, conversation, seq, sender, client_id, payload, addressee, origin";

/// Everything but the events.
pub(super) const TABLES: &[Table] = &[
    same("tenants", "id, name, log, head, pruned, last_at"),
    same(
        "conversations",
        "tenant, id, external_ids, customer, name, email, department, status, agent, agent_name,
        created_at, queued_at, assigned_at, closed_at, last_seq, delivered_seq, needs_person,
        score, metadata, routing",
    ),
    same("external_ids", "tenant, external_id, conversation"),
    same("session_keys", "digest, tenant, conversation"),
    Table {
        name: "read_marks",
        source: "tenant, conversation, user, seq",
        target: "tenant, conversation, user_id, seq",
    },
    Table {
        name: "members",
        source: "tenant, conversation, user, user_type, joined_at",
        target: "tenant, conversation, user_id, user_type, joined_at",
    },
    same("departments", "tenant, id, name, routing"),
    same(
        "agents",
        "tenant, id, role, name, email, password, departments, max_chats, skills, languages,
        is_disabled, created_at, extension",
    ),
    same("former_agents", "tenant, id, removed_at"),
    same("api_keys", "id, tenant, name, digest, scopes, events, created_at, revoked_at"),
    Table {
        name: "recoveries",
        source: "id, tenant, user, rooms, ended_at, noted_at",
        target: "id, tenant, user_id, rooms, ended_at, noted_at",
    },
    same("faq", "tenant, id, language, question, wordings, answer, is_enabled, updated_at"),
    same(
        "stints",
        "tenant, conversation, number, customer, department, agent, began_at, queued_at,
        assigned_at, answered_at, ended_at, outcome, score",
    ),
    same("agent_work", "tenant, agent, last_assigned_at, last_ended_at"),
    same("agent_states", "tenant, agent, declared, status, reason, since"),
    same("beats", "tenant, agent, until"),
    same("department_alerts", "tenant, department"),
    same("posts", "tenant, key, digest, position, at"),
    same("calls", "tenant, unique_id, agent, queue, began_at, answered_at"),
    Table {
        name: "notices",
        source: "tenant, user, position, id, is_delivered, read_at",
        target: "tenant, user_id, position, id, is_delivered, read_at",
    },
    same(
        "webhooks",
        "tenant, id, url, description, events, secret, old_secrets, disabled_by, disabled_at,
        created_at, cursor, removed_at",
    ),
    same(
        "deliveries",
        "tenant, webhook, position, type, lane, at, state, attempts, first_at, next_at, tried_at,
        status, error, took_ms",
    ),
    same("readers", "tenant, name, position"),
];

/// What a finished move brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Tenants.
    pub tenants: u64,
    /// Events, those that were copied before included.
    pub events: u64,
    /// Rows of state.
    pub rows: u64,
}

/// A move that is under way.
pub struct Move {
    source: Source,
    target: Target,
}

impl Move {
    /// Looks at both sides, and begins or goes on.
    ///
    /// # Errors
    /// What is wrong with which side, and how to mend it, in one line.
    pub async fn begin(from: &Path, to: &PostgresUrl) -> Result<Move, Error> {
        let path = from.to_owned();
        let source = blocking(move || Source::open(&path)).await?;
        let target = Target::begin(to, source.name()).await?;
        Ok(Move { source, target })
    }

    /// Copies the events that are not there yet, and returns how many that were.
    ///
    /// # Errors
    /// [`Error::Failed`]; what was copied stays.
    pub async fn copy_events(&mut self) -> Result<u64, Error> {
        let mut copied = 0;
        let source = self.source.clone();
        for (tenant, head) in blocking(move || source.heads()).await? {
            let mut after = self.target.copied(&tenant).await?;
            while after < head {
                let (source, of) = (self.source.clone(), tenant.clone());
                let limit = MOVE_BATCH_EVENTS;
                let batch = blocking(move || source.events(&of, after, limit)).await?;
                let Some(last) = batch.last().and_then(position) else { break };
                copied += self.target.add("events", EVENT, &batch).await?;
                after = last;
            }
        }
        Ok(copied)
    }

    /// Copies the rest, all state, and finishes. The server must have stopped: one that goes on finds
    /// its file locked meanwhile.
    ///
    /// # Errors
    /// What does not fit; the move can be begun again then.
    pub async fn finish(mut self) -> Result<Moved, Error> {
        let source = self.source.clone();
        let guard = blocking(move || source.guard()).await?;
        self.copy_events().await?;
        let finished = self.finish_guarded().await;
        // Until here nobody could write to the file.
        blocking(move || Guard::release(guard)).await?;
        finished
    }

    async fn finish_guarded(&self) -> Result<Moved, Error> {
        self.target.open_state().await?;
        let mut moved = Moved::default();
        for table in TABLES {
            let rows = self.copy_table(table).await?;
            moved.rows += rows;
            if table.name == "tenants" {
                moved.tenants = rows;
            }
        }
        let source = self.source.clone();
        for (tenant, events, last) in blocking(move || source.ends()).await? {
            let (there, end) = self.target.end(&tenant).await?;
            // What was deleted because of its age since it was copied may still be there.
            if there < events || end != last {
                return Err(Error::failed(format!(
                    "tenant {tenant}: {events} events up to {last} became {there} up to {end}; \
                     make the database anew and begin again"
                )));
            }
            moved.events += there;
        }
        self.target.close_state().await?;
        Ok(moved)
    }

    async fn copy_table(&self, table: &'static Table) -> Result<u64, Error> {
        let (sender, mut batches) = mpsc::channel(MOVE_BATCHES_WAITING_MAX);
        let source = self.source.clone();
        let reading = tokio::task::spawn_blocking(move || source.rows(table, &sender));
        let mut written = 0;
        while let Some(batch) = batches.recv().await {
            written += self.target.add(table.name, table.target, &batch).await?;
        }
        let read = reading.await.map_err(Error::failed)??;
        if read == written {
            return Ok(written);
        }
        Err(Error::failed(format!("{}: {read} rows became {written}", table.name)))
    }
}

fn position(event: &Cells) -> Option<u64> {
    match event.get(1) {
        Some(Cell::Int(position)) => u64::try_from(*position).ok(),
        _ => None,
    }
}

async fn blocking<T: Send + 'static>(
    f: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(f).await.map_err(Error::failed)?
}
