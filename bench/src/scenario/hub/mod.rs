//! The scenarios of the hub: events that producers post, the consoles that hear them, and the log
//! that is told again. What is posted is the same everywhere, and is made in `calls.rs`.

mod calls;
pub(super) mod ingest;
pub(super) mod live;
pub(super) mod replay;
pub(super) mod tenants;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use uuid::Uuid;

use super::Bench;
use crate::http::{Answer, Http, request};
use crate::server::Server;

/// Where producers post.
const PATH: &str = "/api/events";

/// A new API key with these scopes.
async fn api_key(bench: &Bench, server: &Server, scopes: &[&str]) -> Result<String> {
    let admin = bench.launch.secret.sign(&Uuid::new_v4().to_string(), "admin", &[])?;
    let body = json!({"name": "Telephone exchange", "scopes": scopes}).to_string();
    let mut http = Http::connect(server.address).await?;
    let answer = http.exchange(&request("POST", "/api/keys", Some(&admin), &body)).await?;
    answer.text_at("/data/key").with_context(|| format!("no key: {}", text(&answer)))
}

/// Where the tenant's log ends with a post of which every event counts.
fn accepted(answer: &Answer, events: u64) -> Result<String> {
    let json = answer.json();
    let is_whole = answer.status == 202 && json["data"]["accepted"] == events;
    ensure!(is_whole, "answered {}: {}", answer.status, text(answer));
    answer.text_at("/data/cursor").context("an answer without a cursor")
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

/// The position that a cursor stands for.
fn position(cursor: &str) -> Result<u64> {
    let (_, position) = cursor.rsplit_once('-').with_context(|| format!("cursor {cursor:?}"))?;
    position.parse().with_context(|| format!("cursor {cursor:?}"))
}
