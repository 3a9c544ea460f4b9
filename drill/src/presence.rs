//! Who is where by what Redis keeps and by what the nodes say, to be held against who really is.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use redis::AsyncTypedCommands as _;
use serde_json::Value;
use tokio::time::timeout;

use crate::line::ask;
use crate::world::World;

/// Users, each with its conversation.
pub(crate) type Present = BTreeSet<(String, String)>;

/// How long Redis may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Who is where by Redis' keys, read past all lines: `session:{id}:users`, as document 000 names it.
pub(crate) async fn in_redis(redis: SocketAddr) -> Result<Present> {
    timeout(ANSWER_TIMEOUT, read_keys(redis)).await.context("Redis does not answer")?
}

async fn read_keys(redis: SocketAddr) -> Result<Present> {
    let client = redis::Client::open(format!("redis://{redis}"))?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let keys = connection.keys("session:*:users").await?;
    let mut present = Present::new();
    for key in keys {
        let conversation = key.trim_start_matches("session:").trim_end_matches(":users").to_owned();
        let users = connection.hkeys(&key).await?;
        present.extend(users.into_iter().map(|user| (conversation.clone(), user)));
    }
    Ok(present)
}

/// Who is in a conversation by what a node answers.
pub(crate) async fn by_node(
    world: &World,
    node: SocketAddr,
    conversation: &str,
) -> Result<BTreeSet<String>> {
    let path = format!("/api/session/{conversation}/connection-status");
    let answer = ask(&world.http, node, &path, Some(&world.admin), None).await?;
    let users = answer.body.pointer("/data/users").and_then(Value::as_object);
    let users = users.with_context(|| format!("{} {}", answer.status, answer.body))?;
    Ok(users.keys().cloned().collect())
}

/// What is in one and not in the other, as text; `None` when they are the same.
pub(crate) fn difference(is: &Present, should_be: &Present) -> Option<String> {
    let (more, fewer) = (is - should_be, should_be - is);
    let show = |some: &Present| {
        let shown: Vec<String> =
            some.iter().take(3).map(|(place, user)| format!("{user} in {place}")).collect();
        format!("{} ({})", some.len(), shown.join(", "))
    };
    match (more.is_empty(), fewer.is_empty()) {
        (true, true) => None,
        (false, true) => Some(format!("too many: {}", show(&more))),
        (true, false) => Some(format!("missing: {}", show(&fewer))),
        (false, false) => Some(format!("too many: {}; missing: {}", show(&more), show(&fewer))),
    }
}
