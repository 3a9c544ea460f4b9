//! The log of the tenant, read in two ways: as a console is told it from its beginning, and straight
//! from PostgreSQL.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::time::timeout;

use crate::line::Line;

/// How long a console may be told nothing before the end of the log counts as reached.
const QUIET: Duration = Duration::from_secs(5);

/// How long PostgreSQL may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// An event of the log.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// Its place: 1, 2, 3 ...
    pub(crate) position: u64,
    /// When it was committed, in milliseconds of Unix time.
    pub(crate) at_ms: i64,
    /// Its name in the catalogue.
    pub(crate) kind: String,
    /// The rest.
    pub(crate) payload: Value,
}

impl Entry {
    /// An event as the hub tells it; `None` for a frame that is in no log.
    pub(crate) fn of_frame(frame: &Value) -> Option<Self> {
        let at: jiff::Timestamp = frame["timestamp"].as_str()?.parse().ok()?;
        Some(Self {
            position: position(frame["cursor"].as_str()?)?,
            at_ms: at.as_millisecond(),
            kind: frame["type"].as_str()?.to_owned(),
            payload: frame["payload"].clone(),
        })
    }

    /// A text of the payload; empty if there is none of this name.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.payload[name].as_str().unwrap_or_default()
    }

    /// The conversation it is about.
    pub(crate) fn conversation(&self) -> &str {
        self.text("session_id")
    }

    /// The message's number in its conversation.
    pub(crate) fn seq(&self) -> u64 {
        self.payload["seq"].as_u64().unwrap_or(0)
    }

    /// What both ways of reading must agree on.
    pub(crate) fn essence(&self) -> (u64, &str, &str, &str) {
        (self.position, &self.kind, self.conversation(), self.text("client_id"))
    }
}

/// The place that a cursor names. Clients must not look into one; the drill may.
pub(crate) fn position(cursor: &str) -> Option<u64> {
    cursor.rsplit_once('-')?.1.parse().ok()
}

/// The cursor of the log's end, as a node tells it.
pub(crate) async fn end_at(node: SocketAddr, token: &str) -> Result<String> {
    let mut line = Line::open(node, "/ws", Some(token)).await.context("open a console")?;
    let hello = told(&mut line).await.context("a console is not greeted")?;
    line.close().await;
    let end = hello["payload"]["cursor"].as_str().context("a greeting without a cursor")?;
    Ok(end.to_owned())
}

/// Reads the whole log from a node, as an admin's console.
pub(crate) async fn read_from(node: SocketAddr, token: &str) -> Result<Vec<Entry>> {
    let end = end_at(node, token).await?;
    let (log, head_position) = end.rsplit_once('-').context("no cursor")?;
    let head_position: u64 = head_position.parse()?;

    let path = format!("/ws?events=*,routing.*,audit.*&after={log}-0");
    let mut line = Line::open(node, &path, Some(token)).await.context("open a console")?;
    let mut entries: Vec<Entry> = Vec::new();
    while entries.last().is_none_or(|entry| entry.position < head_position) {
        let Some(frame) = told(&mut line).await else { break };
        ensure!(frame["type"] != "resync", "the beginning of the log cannot be told: {frame}");
        entries.extend(Entry::of_frame(&frame));
    }
    line.close().await;
    Ok(entries)
}

async fn told(line: &mut Line) -> Option<Value> {
    let text = timeout(QUIET, line.next()).await.ok()?.ok()?;
    serde_json::from_str(&text).ok()
}

/// A connection to PostgreSQL itself, past all proxies.
pub(crate) async fn connect(address: SocketAddr) -> Result<tokio_postgres::Client> {
    let url = crate::services::Service::postgres_url(address);
    let connecting = tokio_postgres::connect(&url, tokio_postgres::NoTls);
    let (client, connection) = timeout(ANSWER_TIMEOUT, connecting).await??;
    tokio::task::spawn_local(connection);
    Ok(client)
}

/// Reads the whole log of the default tenant from its table.
pub(crate) async fn read_table(address: SocketAddr) -> Result<Vec<Entry>> {
    Tail::since(address, 0).await?.read().await
}

/// The table, read bit by bit.
pub(crate) struct Tail {
    client: tokio_postgres::Client,
    since_ms: i64,
    position: u64,
}

impl Tail {
    /// What was committed from this moment of Unix time on, in milliseconds.
    pub(crate) async fn since(address: SocketAddr, since_ms: i64) -> Result<Self> {
        Ok(Self { client: connect(address).await?, since_ms, position: 0 })
    }

    /// What came since the last call.
    pub(crate) async fn read(&mut self) -> Result<Vec<Entry>> {
        let query = "SELECT position, at, type, payload FROM events \
                     WHERE tenant = 'default' AND position > $1 AND at >= $2 ORDER BY position";
        let behind = i64::try_from(self.position)?;
        let asking = async { self.client.query(query, &[&behind, &self.since_ms]).await };
        let rows = timeout(ANSWER_TIMEOUT, asking).await??;
        let entries = rows.into_iter().map(entry_of).collect::<Result<Vec<Entry>>>()?;
        self.position = entries.last().map_or(self.position, |last| last.position);
        Ok(entries)
    }
}

fn entry_of(row: tokio_postgres::Row) -> Result<Entry> {
    Ok(Entry {
        position: u64::try_from(row.try_get::<_, i64>(0)?)?,
        at_ms: row.try_get(1)?,
        kind: row.try_get(2)?,
        payload: serde_json::from_str(row.try_get(3)?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_from_its_frame_and_a_volatile_one_is_none() {
        let mut frame = serde_json::json!({"type": "chat.message", "id": "evt_La-7", "cursor": "La-7",
            "timestamp": "2025-01-24T10:30:00.132Z", "payload": {"session_id": "c", "seq": 3}});
        let entry = Entry::of_frame(&frame).unwrap();
        assert_eq!((entry.position, entry.conversation(), entry.seq()), (7, "c", 3));
        assert_eq!(entry.at_ms % 1_000, 132);
        frame.as_object_mut().unwrap().remove("cursor");
        assert_eq!(Entry::of_frame(&frame), None);
    }
}
