//! A customer on one node and an agent on another, whatever they speak.

use serde_json::{Value, json};
use switchboard::model::Role;
use uuid::Uuid;

use super::Cluster;
use crate::clock::within;
use crate::console::Console;
use crate::office::Office;
use crate::recovery::{begin, customer};
use crate::server::token;
use crate::socketio::{Socket, Told};

// Contract 1 and 3, line 258: the dialects are one core, and so are the nodes.
#[tokio::test]
async fn whoever_talks_on_one_node_is_heard_on_the_other_in_every_dialect() {
    let Some(cluster) = Cluster::open().await else { return };
    in_every_dialect(cluster).await;
}

// Contract 9, lines 61 and 138.
#[tokio::test]
async fn so_is_whoever_talks_over_a_redis_cluster() {
    let Some(cluster) = Cluster::on_redis_cluster().await else { return };
    in_every_dialect(cluster).await;
}

async fn in_every_dialect(cluster: Cluster) {
    let (a, b) = (cluster.node().await, cluster.node().await);
    let office = Office::of(b);
    let department = office.department("Billing", Value::Null).await;
    let agent = office.agent("Sari", &[&department], json!({})).await;
    office.beat(&agent, json!({ "status": "online" })).await;
    let mut board = Console::open_as(&office.server, Role::Admin, "boss", "").await;

    let body = json!({ "name": "Budi", "department_id": department }).to_string();
    let started = a.request("POST", "/api/sessions", &body).await.body["data"].clone();
    let id = started["session_id"].as_str().unwrap().to_owned();
    let mut visitor = customer(&a, &started).await;
    visitor.join(&id).await;
    let chat = crate::office::Chat { id: id.clone(), token: String::new() };
    within("assigned", async { while office.holder(&chat).await.as_ref() != Some(&agent.id) {} })
        .await;

    let mut line = office.server.open(&office.path(&agent, &chat)).await;
    line.frame_of("connection_established").await;
    visitor.say(&id, "hello from node a").await;
    let heard = line.frame_of("message").await;
    assert_eq!((&heard["content"], &heard["seq"]), (&json!("hello from node a"), &json!(1)));
    line.send(&json!({ "type": "typing_indicator", "data": { "is_typing": true } })).await;
    assert_eq!(visitor.event_of("typing_indicator").await["userId"], agent.id);
    line.say("hello from node b", "c1").await;
    loop {
        let told = visitor.event_of("message_received").await;
        if told["content"] == "hello from node b" {
            assert_eq!(told["seq"], 2);
            break;
        }
    }
    for said in ["hello from node a", "hello from node b"] {
        assert_eq!(board.frame_of("chat.message").await["payload"]["body"], said);
    }

    drop((visitor, line, board));
    assert!(a.running.drain().await && office.server.running.drain().await);
    cluster.close().await;
}

// Contract 6: on the same or another node.
#[tokio::test]
async fn a_socketio_client_is_taken_up_again_on_another_node() {
    let Some(cluster) = Cluster::open().await else { return };
    let (a, b) = (cluster.node().await, cluster.node().await);
    let started = begin(&a, &format!("conv-{}", Uuid::new_v4())).await;
    let id = started["session_id"].as_str().unwrap().to_owned();
    let mut visitor = customer(&a, &started).await;
    visitor.join(&id).await;
    visitor.say(&id, "one").await;
    until_heard(&mut visitor, "one").await;
    visitor.client.cut().await;

    let staff = token(Role::Admin, "boss");
    let post = json!({ "conversationId": id, "content": "two" }).to_string();
    let path = format!("/api/messages?token={staff}");
    assert_eq!(b.request("POST", &path, &post).await.status, 201);
    let key = started["session_key"].as_str().unwrap();
    let auth = json!({ "sessionId": key, "pid": visitor.pid, "offset": visitor.offset });
    let mut back = Socket::open(&b, auth).await;
    assert_eq!(back.pid, visitor.pid, "it was taken up");
    let told = back.event_of("message_received").await;
    assert_eq!((&told["content"], &told["seq"]), (&json!("two"), &json!(2)));
    drop(back);
    a.running.drain().await;
    b.running.drain().await;
    cluster.close().await;
}

/// Reads on until a message came and it is certain that it is not told again.
async fn until_heard(socket: &mut Socket, content: &str) {
    let mut has_come = false;
    loop {
        match socket.told().await {
            Told::Event(name, data) if name == "message_received" => {
                has_come |= data["content"] == content;
            }
            Told::Offset if has_come => return,
            Told::Event(..) | Told::Offset => {}
            Told::End(code) => panic!("it ended: {code:?}"),
        }
    }
}
