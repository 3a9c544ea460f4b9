//! Nodes that die, are paused, or stop.

use futures_util::StreamExt;
use futures_util::stream;

use super::*;
use crate::redis::testing::Private;

/// Lets many users in, each into a conversation of its own and into the tenant.
async fn fill(node: &Node, of: &TenantId, names: &[String]) -> Vec<Place> {
    let entered = stream::iter(names).map(|name| async move {
        let place = somewhere();
        assert!(is_first(&node.enter(of, place, name, 1).await));
        node.enter(of, Place::Tenant, name, 1).await;
        place
    });
    entered.buffered(64).collect().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_nodes_users_are_told_once_by_a_survivor_and_its_keys_are_gone() {
    for variable in [SINGLE, CLUSTER] {
        let Some(server) = server(variable) else { continue };
        let (cluster, of) = (Cluster::on(server), tenant());
        let (mut a, mut b, mut c) =
            (cluster.node().await, cluster.node().await, cluster.node().await);
        let names = crowd(1_500);
        let places = fill(&a, &of, &names).await;
        // Somebody has a connection elsewhere too.
        assert_eq!(b.enter(&of, places[7], &names[7], 1).await, Entered::Another);
        a.kill();
        let lost = a.presence.settings.node;
        let told = async {
            let (mut left, mut lost_times) = (vec![], 0);
            while lost_times == 0 {
                sleep(Duration::from_millis(50)).await;
                for finding in b.findings().into_iter().chain(c.findings()) {
                    match finding {
                        Finding::Left { place, member, .. } => left.push((place, member.user_id)),
                        Finding::NodeLost(node) => {
                            assert_eq!(node, lost);
                            lost_times += 1;
                        }
                        other => panic!("{other:?}"),
                    }
                }
            }
            assert_eq!(lost_times, 1);
            left
        };
        let mut left = timeout(Duration::from_secs(10), told).await.expect("within 10 s");
        sleep(LEASE).await;
        assert!(b.findings().is_empty() && c.findings().is_empty(), "told again");
        let of_conversations = left.iter().filter(|(place, _)| *place != Place::Tenant);
        assert_eq!(of_conversations.count(), names.len() - 1, "the one with another is here");
        left.sort();
        let count = left.len();
        left.dedup();
        assert_eq!((left.len(), count), (2 * names.len() - 1, 2 * names.len() - 1), "twice");
        assert_eq!(b.names(&of, places[7]).await, [names[7].clone()]);
        assert!(b.names(&of, Place::Tenant).await.is_empty());
        assert_eq!(b.leave(&of, places[7], &names[7], 1).await, Left::Last);
        let redis = &b.presence.redis;
        let keys: Vec<String> =
            redis.ask(::redis::cmd("KEYS").arg(format!("*{lost}*"))).await.unwrap();
        assert_eq!(
            keys,
            [super::super::keys::claim(lost)],
            "for a minute, so that it is not told again"
        );
        let back = c.enter(&of, places[3], &names[3], 1).await;
        assert!(matches!(back, Entered::First { away_ms: Some(_), .. }), "{back:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dying_survivor_left_over_the_next_one_tells() {
    let Some(server) = server(SINGLE) else { return };
    let (cluster, of) = (Cluster::on(server), tenant());
    let mut a = cluster.node().await;
    let names = crowd(200);
    fill(&a, &of, &names).await;
    // Nobody takes what this one finds, so it stands still in the middle.
    let mut b = cluster.node_with(settings(), 20).await;
    a.kill();
    until(Duration::from_secs(10), async || b.found.len() == 20).await;
    b.kill();
    let mut told = b.left();
    let mut c = cluster.node().await;
    until(Duration::from_secs(10), async || c.found.len() >= 2 * names.len() - 20).await;
    until(Duration::from_secs(10), async || c.presence.holders().await.unwrap().len() == 1).await;
    told.extend(c.left());
    told.sort();
    told.dedup();
    assert_eq!(told, names, "somebody was forgotten");
}

#[tokio::test]
async fn a_node_that_was_paused_for_too_long_notes_everything_anew() {
    let Some(server) = server(SINGLE) else { return };
    let (cluster, of, place) = (Cluster::on(server), tenant(), somewhere());
    let (mut a, mut b) = (cluster.node().await, cluster.node().await);
    a.enter(&of, place, "u", 1).await;
    let since = a.presence.members(&of, place).await.unwrap();
    a.kill();
    until(Duration::from_secs(10), async || b.names(&of, place).await.is_empty()).await;
    assert_eq!(b.left(), ["u"]);
    a.wake();
    until(Duration::from_secs(5), async || b.names(&of, place).await == ["u"]).await;
    assert_eq!(b.presence.members(&of, place).await.unwrap(), since);
    until(Duration::from_secs(5), async || !a.found.is_empty()).await;
    assert!(matches!(&a.findings()[..], [Finding::Here { member, .. }] if member == &since[0]));
    sleep(LEASE * 2).await;
    assert_eq!(b.names(&of, place).await, ["u"], "its earlier end caught up with it");
    assert_eq!(a.leave(&of, place, "u", 1).await, Left::Last);
    assert_eq!(b.left(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_survivor_does_not_end_what_a_returned_node_noted_anew() {
    let Some(server) = server(SINGLE) else { return };
    let (cluster, of) = (Cluster::on(server), tenant());
    let mut a = cluster.node().await;
    let names = crowd(200);
    let places = fill(&a, &of, &names).await;
    let mut b = cluster.node_with(settings(), 1).await;
    a.kill();
    until(Duration::from_secs(10), async || b.found.len() == 1).await;
    a.wake();
    until(Duration::from_secs(10), async || a.found.len() >= 2 * names.len()).await;
    // Now it goes on where it stood.
    let ended = async { while !matches!(b.found.recv().await, Some(Finding::NodeLost(_))) {} };
    timeout(Duration::from_secs(10), ended).await.expect("it comes to an end");
    for (place, name) in places.iter().zip(&names) {
        assert_eq!(
            a.names(&of, *place).await,
            std::slice::from_ref(name),
            "its end caught up with it"
        );
    }
}

#[tokio::test]
async fn after_redis_forgot_all_the_others_get_the_time_to_come_back() {
    let Some(server) = Private::start(&[]).await else { return };
    let cluster = Cluster::on(server.settings());
    let (mut a, mut b) = (cluster.node().await, cluster.node().await);
    sleep(LEASE * 2).await;
    b.kill();
    a.presence.redis.ask::<()>(&::redis::cmd("FLUSHALL")).await.unwrap();
    // Shorter than the lease.
    sleep(LEASE * 7 / 10).await;
    b.wake();
    sleep(LEASE * 2).await;
    assert_eq!((a.findings(), b.findings()), (vec![], vec![]));
}

#[tokio::test]
async fn a_node_that_stops_gives_up_its_lease_at_once() {
    let Some(server) = server(SINGLE) else { return };
    let (cluster, of, place) = (Cluster::on(server), tenant(), somewhere());
    let long = Settings { lease: Duration::from_secs(8), ..settings() };
    let (a, idle) = (cluster.node_with(long.clone(), 9).await, cluster.node().await);
    let mut b = cluster.node().await;
    a.enter(&of, place, "u", 1).await;
    // After its own start a node waits for a lease's time.
    sleep(LEASE).await;
    idle.presence.retire().await;
    a.presence.retire().await;
    until(Duration::from_secs(3), async || b.names(&of, place).await.is_empty()).await;
    let found = async {
        let mut found = vec![];
        while found.len() < 2 {
            found.extend(b.found.recv().await);
        }
        found
    };
    let found = timeout(Duration::from_secs(3), found).await.unwrap();
    assert!(matches!(found[0], Finding::Left { .. }));
    assert_eq!(found[1], Finding::NodeLost(a.presence.settings.node), "not the idle one");
}

#[tokio::test]
async fn nodes_that_write_another_log_are_not_let_in() {
    let Some(server) = server(SINGLE) else { return };
    let cluster = Cluster::on(server);
    let first = cluster.node().await;
    let other = Settings { log: "another log".into(), ..settings() };
    let refused = cluster.shared(other.clone()).await.begin().await.unwrap_err().to_string();
    assert!(refused.contains("REDIS_DB") && !refused.contains('\n'), "{refused}");
    let left = first.presence.holders().await.unwrap();
    assert_eq!(left, [first.presence.holder()], "it left a trace");
    first.presence.retire().await;
    cluster.shared(other).await.begin().await.unwrap();
}
