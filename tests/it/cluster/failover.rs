//! Clients that go on at another node: nothing lost, nothing doubled.

use serde_json::json;
use switchboard::model::Role;

use super::Cluster;
use crate::client::{Client, Seen};
use crate::server::token;

// Contract 3: a reader that comes back with its cursor gets what it missed, then live.
#[tokio::test]
async fn a_client_of_a_node_that_was_killed_goes_on_at_another() {
    let Some(cluster) = Cluster::open().await else { return };
    let dies = cluster.process().await;
    let b = cluster.node().await;
    let answer = b.request("POST", "/api/sessions", "{}").await;
    let id = answer.body["data"]["session_id"].as_str().unwrap().to_owned();
    let path = format!("/ws/{id}/boss/admin?token={}", token(Role::Admin, "boss"));
    let mut here = Client::open(dies.addr, &path, &[]).await.unwrap();
    let mut writes =
        b.open(&format!("/ws/{id}/eve/admin?token={}", token(Role::Admin, "eve"))).await;
    writes.frame_of("connection_established").await;
    for number in 1..=10 {
        writes.say(&format!("m{number}"), &format!("c{number}")).await;
    }
    let (mut seqs, mut cursor) = (vec![], String::new());
    while seqs.len() < 5 {
        let message = here.frame_of("message").await;
        seqs.push(message["seq"].as_u64().unwrap());
        cursor = message["cursor"].as_str().unwrap().to_owned();
    }
    dies.kill().await;
    while !matches!(here.next().await, Seen::Lost | Seen::Closed(_)) {}
    for number in 11..=20 {
        writes.say(&format!("m{number}"), &format!("c{number}")).await;
    }
    let mut again = b.open(&format!("{path}&after={cursor}")).await;
    while seqs.len() < 20 {
        seqs.push(again.frame_of("message").await["seq"].as_u64().unwrap());
    }
    assert_eq!(json!(seqs), json!((1..=20).collect::<Vec<u64>>()));
    drop((again, writes));
    b.running.drain().await;
    cluster.close().await;
}
