//! Who is here, on whatever node: told once, and never a ghost.

use std::time::Duration;

use serde_json::{Value, json};
use switchboard::model::Role;
use uuid::Uuid;

use super::Cluster;
use crate::client::Client;
use crate::clock::{real_pause, within};
use crate::console::MOMENT;
use crate::server::{Server, token};
use crate::services::{PrivateRedis, service};

async fn conversation(server: &Server) -> String {
    let answer = server.request("POST", "/api/sessions", "{}").await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body["data"]["session_id"].as_str().unwrap().to_owned()
}

fn admin_path(id: &str, user: &str) -> String {
    format!("/ws/{id}/{user}/admin?token={}", token(Role::Admin, user))
}

async fn next_status(client: &mut Client) -> Value {
    client.frame_of("connection_status_update").await
}

// Contract 5: one broadcast per join and per leave of a user, whichever node its tabs are on.
#[tokio::test]
async fn two_tabs_on_two_nodes_are_one_user() {
    let Some(cluster) = Cluster::open().await else { return };
    let (a, b) = (cluster.node().await, cluster.node().await);
    let id = conversation(&a).await;
    let mut watch = a.open(&admin_path(&id, "boss")).await;
    next_status(&mut watch).await;
    let one = a.open(&admin_path(&id, "eve")).await;
    let told = next_status(&mut watch).await;
    assert_eq!(
        (&told["event_type"], &told["event_user_id"]),
        (&json!("user_connected"), &json!("eve"))
    );
    let mut two = b.open(&admin_path(&id, "eve")).await;
    assert_eq!(next_status(&mut two).await["event_type"], Value::Null, "she was here already");
    one.close().await;
    assert_eq!(watch.next_soon(MOMENT).await, None, "she is still here");
    two.close().await;
    let told = next_status(&mut watch).await;
    assert_eq!(told["event_type"], "user_disconnected");
    assert_eq!(told["disconnect_reason"], "client_close");
    drop((watch, one, two));
    a.running.drain().await;
    b.running.drain().await;
    cluster.close().await;
}

// Lines 4 to 6 and 55, contract 9: the seeds' key, readable with redis-cli.
#[tokio::test]
async fn who_is_in_a_session_can_be_read_in_redis() {
    let Some(cluster) = Cluster::open().await else { return };
    let a = cluster.node().await;
    let id = conversation(&a).await;
    let mut watch = a.open(&admin_path(&id, "boss")).await;
    next_status(&mut watch).await;
    let mut redis = cluster.redis().await;
    let key = format!("session:{id}:users");
    let found: Vec<(String, String)> =
        redis::cmd("HGETALL").arg(&key).query_async(&mut redis).await.unwrap();
    assert_eq!(found.len(), 1);
    let member: Value = serde_json::from_str(&found[0].1).unwrap();
    assert_eq!((found[0].0.as_str(), &member["user_id"]), ("boss", &json!("boss")));
    assert_eq!(member["user_type"], "admin");
    assert!(member["joined_at"].as_str().unwrap().ends_with('Z'));
    let ttl: i64 = redis::cmd("TTL").arg(&key).query_async(&mut redis).await.unwrap();
    assert!(ttl > 0, "{ttl}");
    watch.close().await;
    within("the key to go", async {
        loop {
            let is_there: bool =
                redis::cmd("EXISTS").arg(&key).query_async(&mut redis).await.unwrap();
            if !is_there {
                break;
            }
            real_pause(Duration::from_millis(5)).await;
        }
    })
    .await;
    a.running.drain().await;
    cluster.close().await;
}

// Lines 85 to 99, contract 9: what an agent says on one node is known on the other, and in Redis.
#[tokio::test]
async fn a_heartbeat_on_one_node_counts_on_all() {
    let Some(cluster) = Cluster::open().await else { return };
    let (a, b) = (cluster.node().await, cluster.node().await);
    let agent = Uuid::new_v4().to_string();
    let beat = format!("/api/agent-status/heartbeat?token={}", token(Role::Agent, &agent));
    let admin = token(Role::Admin, &Uuid::new_v4().to_string());
    for (node, other, status) in [(&a, &b, "online"), (&b, &a, "away")] {
        let body = json!({ "status": status }).to_string();
        assert_eq!(node.request("POST", &beat, &body).await.status, 200);
        let mut redis = cluster.redis().await;
        let key = format!("agent:online:{agent}");
        let kept: String = redis::cmd("GET").arg(&key).query_async(&mut redis).await.unwrap();
        let kept: Value = serde_json::from_str(&kept).unwrap();
        assert_eq!((&kept["agent_id"], &kept["status"]), (&json!(agent), &json!(status)));
        let all: Vec<String> =
            redis::cmd("SMEMBERS").arg("agents:all").query_async(&mut redis).await.unwrap();
        assert_eq!(all, [agent.as_str()]);
        let path = format!("/api/agent-status/agent/{agent}?token={admin}");
        within("the other node to know", async {
            while other.request("GET", &path, "").await.body["data"]["status"] != status {
                real_pause(Duration::from_millis(10)).await;
            }
        })
        .await;
    }
    let path = format!("/api/agent-status/offline?token={}", token(Role::Agent, &agent));
    assert_eq!(a.request("POST", &path, "").await.status, 200);
    let mut redis = cluster.redis().await;
    let key = format!("agent:online:{agent}");
    let is_there: bool = redis::cmd("EXISTS").arg(&key).query_async(&mut redis).await.unwrap();
    assert!(!is_there);
    a.running.drain().await;
    b.running.drain().await;
    cluster.close().await;
}

// Contract 9: a dead node leaves no ghost for longer than 10 s, and it is told once.
#[tokio::test]
async fn the_users_of_a_node_that_is_killed_are_told_as_gone_once() {
    let Some(cluster) = Cluster::open().await else { return };
    let a = cluster.node().await;
    let dies = cluster.process().await;
    let id = conversation(&a).await;
    let mut watch = a.open(&admin_path(&id, "boss")).await;
    next_status(&mut watch).await;
    let theirs = Client::open(dies.addr, &admin_path(&id, "eve"), &[]).await.unwrap();
    let told = next_status(&mut watch).await;
    assert_eq!(told["event_user_id"], "eve");
    dies.kill().await;
    let told = next_status(&mut watch).await;
    assert_eq!(told["event_type"], "user_disconnected");
    assert_eq!(told["disconnect_reason"], "node_lost");
    assert_eq!(watch.next_soon(Duration::from_secs(2)).await, None, "once");
    drop((watch, theirs));
    a.running.drain().await;
    cluster.close().await;
}

// Contract 9: also when Redis, back and empty, cannot say whom the node had.
#[tokio::test]
async fn the_users_of_a_node_that_died_together_with_redis_are_told_as_gone() {
    if service("SWITCHBOARD_TEST_POSTGRES").is_none() {
        return;
    }
    let redis = PrivateRedis::start(&[]).await;
    let port = redis.port;
    let text = port.to_string();
    let options = [("redis.host", "127.0.0.1"), ("redis.port", text.as_str()), ("redis.db", "0")];
    let Some(cluster) = Cluster::with(&options).await else { return };
    let a = cluster.node().await;
    let dies = cluster.process().await;
    let id = conversation(&a).await;
    let mut watch = a.open(&admin_path(&id, "boss")).await;
    next_status(&mut watch).await;
    let theirs = Client::open(dies.addr, &admin_path(&id, "eve"), &[]).await.unwrap();
    assert_eq!(next_status(&mut watch).await["event_user_id"], "eve");
    drop(redis);
    dies.kill().await;
    let _redis = PrivateRedis::start_at(port, &[]).await;
    let told = next_status(&mut watch).await;
    assert_eq!(
        (&told["event_user_id"], &told["disconnect_reason"]),
        (&json!("eve"), &json!("node_lost"))
    );
    drop((watch, theirs));
    a.running.drain().await;
    cluster.close().await;
}
