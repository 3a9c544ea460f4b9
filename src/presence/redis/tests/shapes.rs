//! What the seeds say of keys, word for word as `redis-cli` shows it; and what may not be shown.

use std::process::Command;

use serde_json::{Value, json};

use super::*;
use crate::model::{AgentStatus, ConnId, ConversationId, Moment, Role};
use crate::presence::{AgentSheet, Entry, Turn};
use crate::redis::testing::Private;

/// What `redis-cli` prints, line by line.
fn shown(server: &redis::Settings, words: &[&str]) -> Vec<String> {
    let port = server.hosts[0].1.to_string();
    let printed = Command::new("redis-cli").args(["-p", &port]).args(words).output().unwrap();
    String::from_utf8(printed.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn ttl(server: &redis::Settings, key: &str) -> i64 {
    shown(server, &["TTL", key])[0].parse().unwrap()
}

// 000: acceptance 4-6, 55, 56, 59
#[tokio::test]
async fn a_session_is_a_hash_of_its_users() {
    let Some(server) = Private::start(&[]).await else { return };
    let node = Cluster::on(server.settings()).node().await;
    let id = ConversationId::parse("550e8400-e29b-41d4-a716-446655440000").unwrap();
    let (default, acme) = (TenantId::default_tenant(), TenantId::parse("acme").unwrap());
    let place = Place::Conversation(id);
    for (who, role) in [("customer_123", Role::Customer), ("agent_456", Role::Agent)] {
        let entry = Entry { user: user(who), role, conn: ConnId(1) };
        node.presence.enter(&default, place, entry.clone()).await.unwrap();
        node.presence.enter(&acme, place, entry).await.unwrap();
    }
    let server = server.settings();
    let key = "session:550e8400-e29b-41d4-a716-446655440000:users";
    assert_eq!(shown(&server, &["KEYS", "session:*:users"]), [key]);
    assert_eq!(shown(&server, &["TYPE", key]), ["hash"]);
    let printed = shown(&server, &["HGETALL", key]);
    let at = printed.iter().position(|line| line == "customer_123").unwrap();
    let joined = node.presence.members(&default, place).await.unwrap()[1].joined_at;
    let value: Value = serde_json::from_str(&printed[at + 1]).unwrap();
    let joined_at = joined.to_seconds_string();
    let expected = json!({
        "user_id": "customer_123", "user_type": "customer", "joined_at": joined_at
    });
    assert_eq!(value, expected);
    assert!((1..=120).contains(&ttl(&server, key)));
    assert_eq!(shown(&server, &["HLEN", &format!("t:acme:{key}")]), ["2"]);
    for who in ["customer_123", "agent_456"] {
        node.presence.leave(&default, place, &user(who), ConnId(1)).await.unwrap();
    }
    assert_eq!(shown(&server, &["EXISTS", key]), ["0"]);
}

fn sheet(agent: &str, department: Uuid, status: AgentStatus) -> AgentSheet {
    AgentSheet {
        agent: user(agent),
        name: "Ana".into(),
        email: Some("ana@example.com".into()),
        department: Some((department, "Support".into())),
        departments: vec![department],
        status,
        last_heartbeat: Moment::parse("2025-01-24T10:30:00Z"),
        current_chats: 2,
        max_chats: 5,
    }
}

// 001: acceptance 85-88, 99
#[tokio::test]
async fn agents_are_kept_as_document_001_names_them() {
    let Some(server) = Private::start(&[]).await else { return };
    let node = Cluster::on(server.settings()).node().await;
    let (of, department, other) = (TenantId::default_tenant(), Uuid::new_v4(), Uuid::new_v4());
    let online = sheet("ana", department, AgentStatus::Online);
    node.presence.show_agents(&of, vec![online.clone()]).await.unwrap();
    let server = server.settings();
    let record = shown(&server, &["GET", "agent:online:ana"]).join("");
    let expected = json!({
        "agent_id": "ana", "name": "Ana", "email": "ana@example.com",
        "department_id": department, "department": "Support", "status": "online",
        "last_heartbeat": "2025-01-24T10:30:00Z", "current_chats": 2, "max_chats": 5,
    });
    assert_eq!(serde_json::from_str::<Value>(&record).unwrap(), expected);
    let dept = format!("agents:dept:{department}");
    for set in ["agents:all", &dept] {
        assert_eq!(shown(&server, &["TYPE", set]), ["set"]);
        assert_eq!(shown(&server, &["SMEMBERS", set]), ["ana"]);
        assert!((590..=600).contains(&ttl(&server, set)));
    }
    assert!((290..=300).contains(&ttl(&server, "agent:online:ana")));
    let moved = AgentSheet { departments: vec![other], ..online };
    node.presence.show_agents(&of, vec![moved]).await.unwrap();
    assert_eq!(shown(&server, &["EXISTS", &dept]), ["0"], "it is in its old department");
    let offline = sheet("ana", other, AgentStatus::Offline);
    node.presence.show_agents(&of, vec![offline]).await.unwrap();
    assert_eq!(shown(&server, &["KEYS", "agent*"]), [""]);
}

#[tokio::test]
async fn heartbeats_last_until_their_end_whichever_node_noted_them() {
    for variable in [SINGLE, CLUSTER] {
        let Some(server) = server(variable) else { continue };
        let (cluster, of) = (Cluster::on(server), tenant());
        let (a, b) = (cluster.node().await, cluster.node().await);
        let later = |s: i64| Moment(Moment::now().0 + s * 1000);
        let (soon, late) = (later(60), later(300));
        a.presence.note_beat(&of, &user("x"), late).await.unwrap();
        a.presence.note_beat(&of, &user("y"), late).await.unwrap();
        b.presence.note_beat(&of, &user("x"), soon).await.unwrap();
        b.presence.note_beat(&of, &user("past"), later(-1)).await.unwrap();
        let mut beats = b.presence.beats(&of).await.unwrap();
        beats.sort();
        assert_eq!(beats, [(user("x"), late), (user("y"), late)]);
    }
}

#[tokio::test]
async fn turns_are_those_of_all_nodes() {
    for variable in [SINGLE, CLUSTER] {
        let Some(server) = server(variable) else { continue };
        let cluster = Cluster::on(server);
        let (a, b) = (cluster.node().await, cluster.node().await);
        let who = Uuid::new_v4().to_string();
        for node in [&a, &b, &a, &b, &a, &b] {
            assert_eq!(node.presence.take_turn(&who, 6).await.unwrap(), Some(Turn::Taken));
        }
        let wait = b.presence.take_turn(&who, 6).await.unwrap();
        let Some(Turn::After(wait)) = wait else { panic!("{wait:?}") };
        assert!((Duration::from_secs(9)..=Duration::from_secs(10)).contains(&wait), "{wait:?}");
        assert_eq!(a.presence.take_turn("anybody", 0).await.unwrap(), Some(Turn::Taken));
    }
}

#[tokio::test]
async fn with_a_key_values_that_name_people_are_ciphertext_and_presence_is_the_same() {
    let Some(server) = Private::start(&[]).await else { return };
    let cluster = Cluster::on(server.settings());
    let sealed = Settings { encryption_key: Some("sixteen letters!".into()), ..settings() };
    let node = cluster.node_with(sealed, 9).await;
    let (of, place) = (TenantId::default_tenant(), somewhere());
    assert!(is_first(&node.enter(&of, place, "u", 1).await));
    let online = sheet("ana", Uuid::new_v4(), AgentStatus::Online);
    node.presence.show_agents(&of, vec![online]).await.unwrap();
    assert_eq!(node.names(&of, place).await, ["u"]);
    let Place::Conversation(id) = place else { unreachable!() };
    let key = format!("session:{id}:users");
    let server = server.settings();
    let value = shown(&server, &["HGET", &key, "u"]).join("");
    let record = shown(&server, &["GET", "agent:online:ana"]).join("");
    assert!(!value.contains("user_id") && !record.contains("ana@example.com"));
    let seal = node.presence.seal.as_ref().unwrap();
    assert!(seal.open(&key, &value).unwrap().contains("\"user_id\":\"u\""));
    assert!(seal.open("agent:online:ana", &record).unwrap().contains("ana@example.com"));
    assert_eq!(node.leave(&of, place, "u", 1).await, Left::Last);
}
