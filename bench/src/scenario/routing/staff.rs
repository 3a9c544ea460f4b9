//! Who works at the server, and who writes to it: agents that come online, customers that begin
//! conversations, and the admin who looks on.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::bulk;
use crate::http::{Http, request};
use crate::scenario::Bench;
use crate::server::Server;

/// An agent's id and token.
#[derive(Debug, Clone)]
pub(super) struct Agent {
    pub(super) id: String,
    pub(super) token: String,
}

impl Agent {
    fn new(bench: &Bench, id: String) -> Result<Self> {
        let token = bench.launch.secret.sign(&id, "agent", &[])?;
        Ok(Self { id, token })
    }

    /// What it sends to stay online.
    pub(super) fn heartbeat(&self) -> Vec<u8> {
        let body = r#"{"status":"online"}"#;
        request("POST", "/api/agent-status/heartbeat", Some(&self.token), body)
    }

    /// What it sends to end a conversation.
    pub(super) fn close(&self, conversation: &str) -> Vec<u8> {
        let path = format!("/api/sessions/{conversation}/close");
        request("POST", &path, Some(&self.token), "{}")
    }
}

/// Agents whom the server does not know: their first heartbeat makes them.
pub(super) fn strangers(bench: &Bench, count: usize) -> Result<Vec<Agent>> {
    (0..count).map(|_| Agent::new(bench, Uuid::new_v4().to_string())).collect()
}

/// Agents whom an admin makes, with so many places each.
pub(super) async fn hire(
    bench: &Bench,
    server: &Server,
    count: usize,
    max_chats: usize,
) -> Result<Vec<Agent>> {
    let admin = admin(bench)?;
    let hire = move |number| {
        let body = json!({"name": format!("Agent {number}"), "max_chats": max_chats}).to_string();
        request("POST", "/api/agents", Some(&admin), &body)
    };
    let read_id = |answer: &_| crate::http::Answer::text_at(answer, "/data/id");
    let ids = bulk::ask(server.address, count, 201, hire, read_id).await?;
    ids.into_iter().map(|id| Agent::new(bench, id)).collect()
}

/// Lets agents send their first heartbeat.
pub(super) async fn come_online(server: &Server, agents: &[Agent]) -> Result<()> {
    let beats: Vec<Vec<u8>> = agents.iter().map(Agent::heartbeat).collect();
    let beat = move |index: usize| beats[index].clone();
    bulk::ask(server.address, agents.len(), 200, beat, |_| Some(())).await?;
    Ok(())
}

/// Lets so many customers begin a conversation.
pub(super) async fn begin_conversations(server: &Server, count: usize) -> Result<()> {
    let begin = |_| request("POST", "/api/sessions", None, "{}");
    bulk::ask(server.address, count, 201, begin, |_| Some(())).await?;
    Ok(())
}

/// An admin's token.
pub(super) fn admin(bench: &Bench) -> Result<String> {
    bench.launch.secret.sign(&Uuid::new_v4().to_string(), "admin", &[])
}

/// What an admin asks to see who is online.
pub(super) fn who_is_online(admin: &str) -> Vec<u8> {
    request("GET", "/api/agent-status/online", Some(admin), "")
}

/// How many agents have this status.
pub(super) async fn count_with(http: &mut Http, admin: &str, status: &str) -> Result<usize> {
    let answer = http.exchange(&who_is_online(admin)).await?;
    ensure!(answer.status == 200, "refused with {}", answer.status);
    let json = answer.json();
    let agents = json["data"].as_array().context("no list of agents")?;
    let has_it = |agent: &&Value| agent["status"] == status;
    Ok(agents.iter().filter(has_it).count())
}
