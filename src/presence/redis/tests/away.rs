//! Redis that goes away, forgets, or is slow.

use std::sync::atomic::Ordering;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::time::Instant;

use super::*;
use crate::redis::testing::{Private, PrivateCluster};

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_restarted_empty_is_whole_again_within_five_seconds() {
    let Some(mut server) = Private::start(&[]).await else { return };
    let (cluster, of) = (Cluster::on(server.settings()), tenant());
    let (mut a, mut b) = (cluster.node().await, cluster.node().await);
    let (place, names) = (somewhere(), crowd(2_000));
    let (left, right) = names.split_at(1_000);
    for (node, names) in [(&a, left), (&b, right)] {
        stream::iter(names)
            .for_each_concurrent(64, |name| async {
                node.enter(&of, place, name, 1).await;
            })
            .await;
    }
    // One of all has connections on both.
    b.enter(&of, place, &left[0], 1).await;
    let before = a.presence.members(&of, place).await.unwrap();
    server.kill();
    server.start_again().await;
    until(Duration::from_secs(5), async || {
        a.presence.members(&of, place).await.is_ok_and(|members| members == before)
            && b.presence.members(&of, place).await.is_ok()
    })
    .await;
    for (node, count) in [(&mut a, 1_000), (&mut b, 1_001)] {
        until(Duration::from_secs(2), async || node.found.len() >= count).await;
        let findings = node.findings();
        assert!(findings.iter().all(|f| matches!(f, Finding::Here { .. })), "nobody left");
        assert_eq!(findings.len(), count);
    }
    sleep(LEASE * 3).await;
    assert_eq!(b.presence.members(&of, place).await.unwrap(), before, "somebody was ended");
    assert!(a.findings().is_empty() && b.findings().is_empty());
}

// 000: acceptance 24
#[tokio::test]
async fn without_redis_a_node_goes_on_by_what_it_knows_and_nobody_waits() {
    let Some(mut server) = Private::start(&[]).await else { return };
    let (cluster, of, place) = (Cluster::on(server.settings()), tenant(), somewhere());
    let (mut a, b) = (cluster.node().await, cluster.node().await);
    a.enter(&of, place, "stays", 1).await;
    a.enter(&of, place, "goes", 1).await;
    b.enter(&of, place, "goes", 1).await;
    a.enter(&of, place, "returns", 1).await;
    server.kill();
    until(Duration::from_secs(3), async || !a.presence.is_up()).await;
    let started = Instant::now();
    assert_eq!(a.leave(&of, place, "goes", 1).await, Left::Last);
    assert_eq!(a.leave(&of, place, "returns", 1).await, Left::Last);
    assert!(is_first(&a.enter(&of, place, "returns", 2).await));
    assert!(is_first(&a.enter(&of, place, "new", 1).await));
    assert_eq!(a.enter(&of, place, "new", 2).await, Entered::Another);
    let err = a.presence.members(&of, place).await.unwrap_err();
    assert_eq!(err.0, "redis connection failed");
    assert!(a.presence.connections_of(&of, &user("new")).await.is_err());
    assert!(started.elapsed() < Duration::from_millis(200), "it waited");
    server.start_again().await;
    let all = ["goes", "new", "returns", "stays"];
    until(Duration::from_secs(5), async || a.names(&of, place).await == all).await;
    until(Duration::from_secs(5), async || a.found.len() >= 4).await;
    let mut found: Vec<_> = a
        .findings()
        .into_iter()
        .map(|finding| match finding {
            Finding::Here { member, .. } => format!("here {}", member.user_id),
            Finding::Unsure { member, .. } => format!("unsure {}", member.user_id),
            other => panic!("{other:?}"),
        })
        .collect();
    found.sort();
    assert_eq!(found, ["here new", "here returns", "here stays", "unsure goes"]);
}

#[tokio::test]
async fn a_redis_that_stands_still_for_longer_than_the_lease_loses_nobody() {
    let Some(server) = Private::start(&[]).await else { return };
    let settings = redis::Settings { timeout: Duration::from_millis(300), ..server.settings() };
    let (cluster, of, place) = (Cluster::on(settings), tenant(), somewhere());
    let (mut a, mut b) = (cluster.node().await, cluster.node().await);
    a.enter(&of, place, "a", 1).await;
    b.enter(&of, place, "b", 1).await;
    sleep(LEASE).await;
    server.pause(true);
    sleep(LEASE * 2).await;
    assert!(a.presence.members(&of, place).await.is_err());
    server.pause(false);
    until(Duration::from_secs(5), async || a.names(&of, place).await == ["a", "b"]).await;
    sleep(LEASE * 3).await;
    assert_eq!(a.names(&of, place).await, ["a", "b"]);
    assert!(a.left().is_empty() && b.left().is_empty(), "a node was taken for dead");
}

#[tokio::test]
async fn what_is_deleted_by_hand_is_noted_anew_with_the_next_round() {
    let Some(server) = server(SINGLE) else { return };
    let (cluster, of, place) = (Cluster::on(server), tenant(), somewhere());
    let a = cluster.node().await;
    a.enter(&of, place, "u", 1).await;
    let keys = super::super::keys::PlaceKeys::of(&of, place);
    let delete = ::redis::cmd("DEL").arg(&keys.stays).arg(keys.users.as_ref().unwrap()).clone();
    a.presence.redis.ask::<()>(&delete).await.unwrap();
    a.presence.refresh().await;
    until(Duration::from_secs(3), async || a.names(&of, place).await == ["u"]).await;
}

#[tokio::test]
async fn a_place_that_was_left_leaves_the_index() {
    let Some(server) = server(SINGLE) else { return };
    let (cluster, of) = (Cluster::on(server), tenant());
    let (a, left, stays) = (cluster.node().await, somewhere(), somewhere());
    for place in [left, stays] {
        a.enter(&of, place, "u", 1).await;
    }
    a.leave(&of, left, "u", 1).await;
    a.presence.refresh().await;
    let range = ::redis::cmd("ZRANGE").arg(a.presence.holder().held()).arg(0).arg(-1).clone();
    let names: Vec<String> = a.presence.redis.ask(&range).await.unwrap();
    assert_eq!(names, [super::super::keys::PlaceKeys::of(&of, stays).name]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_of_a_cluster_that_returns_empty_is_noted_anew() {
    let Some(mut server) = PrivateCluster::start().await else { return };
    let (cluster, of) = (Cluster::on(server.settings()), tenant());
    let (mut a, mut b) = (cluster.node().await, cluster.node().await);
    let places: Vec<_> = (0..60).map(|_| somewhere()).collect();
    for place in &places {
        a.enter(&of, *place, "a", 1).await;
        b.enter(&of, *place, "b", 1).await;
    }
    server.shards[0].kill();
    until(Duration::from_secs(10), async || !a.presence.is_up()).await;
    server.shards[0].start_again().await;
    // The cluster itself takes some seconds until it serves again.
    server.serves().await;
    until(Duration::from_secs(5), async || {
        let whole = stream::iter(&places).all(async |place| {
            a.names(&of, *place).await == ["a", "b"] && b.names(&of, *place).await == ["a", "b"]
        });
        whole.await
    })
    .await;
    sleep(LEASE * 3).await;
    assert!(a.left().is_empty() && b.left().is_empty(), "a node was taken for dead");
}

#[tokio::test]
async fn who_left_unnoticed_by_redis_and_comes_back_is_told_as_here_again() {
    let Some(server) = server(SINGLE) else { return };
    let (cluster, of, place) = (Cluster::on(server), tenant(), somewhere());
    let mut a = cluster.node().await;
    a.kill();
    a.enter(&of, place, "u", 1).await;
    a.presence.fail(&redis::Error::Gone("a test".into()));
    assert_eq!(a.leave(&of, place, "u", 1).await, Left::Last);
    a.presence.state.store(super::super::State::Back as u8, Ordering::SeqCst);
    assert!(a.presence.members(&of, place).await.is_err(), "it does not know of all yet");
    assert!(is_first(&a.enter(&of, place, "u", 2).await), "Redis still had the earlier one");
    assert!(a.presence.unsure().is_empty());
}
