//! What one node does at a time, and who goes on when it dies.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use switchboard::model::Role;
use tempfile::TempDir;
use uuid::Uuid;

use super::Cluster;
use crate::clock::{real_pause, within};
use crate::office::{Chat, Office};
use crate::server::{Server, claims, sign, token};

async fn has_duties(server: &Server) {
    within("the duties", async {
        while server.running.app.duties().is_none() {
            real_pause(Duration::from_millis(20)).await;
        }
    })
    .await;
}

async fn is_with(office: &Office, chat: &Chat, agent: &str) {
    within("an agent", async {
        while office.kept(chat).await.agent.map(|a| a.to_string()).as_deref() != Some(agent) {
            real_pause(Duration::from_millis(20)).await;
        }
    })
    .await;
}

// Issue: routing decisions are made once in the whole cluster.
#[tokio::test]
async fn every_conversation_is_given_once_whichever_node_it_comes_to() {
    let Some(cluster) = Cluster::open().await else { return };
    let (a, b) = (cluster.node().await, cluster.node().await);
    let office = Office::of(a);
    let department = office.department("Billing", Value::Null).await;
    let mut agents = Vec::new();
    for name in ["one", "two", "three"] {
        let agent = office.agent(name, &[&department], json!({ "max_chats": 100 })).await;
        agents.push(agent);
    }
    for (number, agent) in agents.iter().enumerate() {
        let node = if number % 2 == 0 { &office.server } else { &b };
        let path = format!("/api/agent-status/heartbeat?token={}", agent.token);
        assert_eq!(node.request("POST", &path, "{}").await.status, 200);
    }
    let mut chats = Vec::new();
    for number in 0..30 {
        let node = if number % 2 == 0 { &office.server } else { &b };
        let body = json!({ "department_id": department }).to_string();
        let answer = node.request("POST", "/api/sessions", &body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let id = answer.body["data"]["session_id"].as_str().unwrap().to_owned();
        chats.push(Chat { id, token: String::new() });
    }
    for chat in &chats {
        within("an agent", async {
            while office.kept(chat).await.agent.is_none() {
                real_pause(Duration::from_millis(20)).await;
            }
        })
        .await;
        assert_eq!(office.told(chat, &["conversation.assigned"]).await.len(), 1);
    }
    office.server.running.drain().await;
    b.running.drain().await;
    cluster.close().await;
}

// Issue: a survivor takes over within 10 s without losing or doubling an offer.
#[tokio::test]
async fn whoever_survives_takes_the_duties_over() {
    let Some(cluster) = Cluster::open().await else { return };
    let dies = cluster.process().await;
    // Long enough for the first one to have them.
    real_pause(Duration::from_millis(1_500)).await;
    let b = cluster.node().await;
    assert_eq!(b.running.app.duties(), None, "they are the first one's");
    let office = Office::of(b);
    let department = office.department("Billing", Value::Null).await;
    let agent = Uuid::new_v4().to_string();
    let mut who = claims(Role::Agent, &agent);
    who.departments = vec![department.clone()];
    let path = format!("/api/agent-status/heartbeat?token={}", sign(&who));
    assert_eq!(office.server.request("POST", &path, "{}").await.status, 200);
    dies.kill().await;
    // It waits while nobody decides.
    let waiting = office.customer_of(&department).await;
    has_duties(&office.server).await;
    is_with(&office, &waiting, &agent).await;
    assert_eq!(office.told(&waiting, &["conversation.assigned"]).await.len(), 1);
    office.server.running.drain().await;
    cluster.close().await;
}

// Contract 2: SIGTERM drains; the duties are free at once.
#[tokio::test]
async fn a_node_that_stops_hands_its_duties_over() {
    let Some(cluster) = Cluster::with(&[("cluster.lease", "8s")]).await else { return };
    let a = cluster.node().await;
    has_duties(&a).await;
    let b = cluster.node().await;
    assert!(a.running.drain().await);
    let began = tokio::time::Instant::now();
    has_duties(&b).await;
    assert!(began.elapsed() < Duration::from_secs(7), "it did not wait for the lease to end");
    b.running.drain().await;
    cluster.close().await;
}

// Only one node may write a log alone.
#[tokio::test]
async fn a_second_node_without_redis_does_not_start() {
    let Some(cluster) = Cluster::with(&[("redis.host", "")]).await else { return };
    let a = cluster.node().await;
    let data = Arc::new(TempDir::new().unwrap());
    let options = cluster.options();
    let refused = Server::try_start(data, &options);
    let refused = within("a refusal", refused).await.err().expect("it starts").to_string();
    assert!(refused.contains("another node uses this database"), "{refused}");
    let path = format!("/api/sessions?token={}", token(Role::Admin, "boss"));
    assert_eq!(a.request("GET", &path, "").await.status, 200);
    a.running.drain().await;
}
