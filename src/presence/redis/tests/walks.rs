//! Whatever happens, in whatever order: random walks over three nodes.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::*;
use crate::model::UserId;
use crate::redis::testing::Private;

/// What may happen.
#[derive(Clone, Debug)]
enum Step {
    Enter(usize, usize, u64),
    Leave(usize, usize, u64),
    Kill(usize),
    Flush,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let whose = || (0..3usize, 0..3usize, 0..2u64);
    let step = prop_oneof![
        20 => whose().prop_map(|(node, who, conn)| Step::Enter(node, who, conn)),
        16 => whose().prop_map(|(node, who, conn)| Step::Leave(node, who, conn)),
        1 => (1..3usize).prop_map(Step::Kill),
        1 => Just(Step::Flush),
    ];
    prop::collection::vec(step, 10..60)
}

const NAMES: [&str; 3] = ["a", "b", "c"];

type Open = BTreeMap<usize, BTreeSet<(usize, u64)>>;

fn present(open: &Open) -> Vec<String> {
    let all: BTreeSet<_> = open.values().flatten().map(|(who, _)| NAMES[*who].into()).collect();
    all.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_failures_one_first_and_one_last_bracket_each_stay_on_whatever_nodes() {
    for variable in [SINGLE, CLUSTER] {
        let Some(server) = server(variable) else { continue };
        let (cluster, of) = (Cluster::on(server), tenant());
        let nodes = [cluster.node().await, cluster.node().await, cluster.node().await];
        let mut runner = TestRunner::deterministic();
        for _ in 0..24 {
            let walk = steps().new_tree(&mut runner).unwrap().current();
            let (mut open, mut told, place) = (Open::new(), BTreeSet::new(), somewhere());
            for step in walk {
                match step {
                    Step::Enter(node, who, conn) => {
                        open.entry(node).or_default().insert((who, conn));
                        if is_first(&nodes[node].enter(&of, place, NAMES[who], conn).await) {
                            assert!(told.insert(NAMES[who].to_owned()), "came twice");
                        }
                    }
                    Step::Leave(node, who, conn) => {
                        open.entry(node).or_default().remove(&(who, conn));
                        if nodes[node].leave(&of, place, NAMES[who], conn).await == Left::Last {
                            assert!(told.remove(NAMES[who]), "left twice");
                        }
                    }
                    Step::Kill(_) | Step::Flush => {}
                }
                assert_eq!(told.iter().cloned().collect::<Vec<_>>(), present(&open));
            }
            assert_eq!(nodes[0].names(&of, place).await, present(&open));
        }
    }
}

/// What a log makes of it: joins and leaves, each of which counts if it changes something.
#[derive(Default)]
struct Fold(BTreeSet<UserId>);

impl Fold {
    async fn take(&mut self, finding: Finding, node: &Node, of: &TenantId, place: Place) {
        match finding {
            Finding::Here { member, .. } => drop(self.0.insert(member.user_id)),
            // What happened meanwhile may be told already, so presence is asked.
            Finding::Left { tenant, place, member } | Finding::Unsure { tenant, place, member } => {
                let Ok(members) = node.presence.members(&tenant, place).await else { return };
                match members.iter().any(|m| m.user_id == member.user_id) {
                    true => drop(self.0.insert(member.user_id)),
                    false => drop(self.0.remove(&member.user_id)),
                }
            }
            // If Redis had forgotten it, nobody else tells whom it had.
            Finding::NodeLost(_) => {
                let Ok(members) = node.presence.members(of, place).await else { return };
                self.0.retain(|user| members.iter().any(|m| m.user_id == *user));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_kills_and_flushes_what_was_told_is_who_is_here() {
    let mut runner = TestRunner::deterministic();
    for _ in 0..4 {
        let Some(server) = Private::start(&[]).await else { return };
        let walk = steps().new_tree(&mut runner).unwrap().current();
        let (cluster, of, place) = (Cluster::on(server.settings()), tenant(), somewhere());
        let mut nodes = [cluster.node().await, cluster.node().await, cluster.node().await];
        // Until each has seen the others.
        sleep(LEASE * 2).await;
        let (mut open, mut fold, mut dead) = (Open::new(), Fold::default(), BTreeSet::new());
        for step in walk.into_iter().chain([Step::Flush, Step::Kill(1)]) {
            match step {
                Step::Enter(node, who, conn) if !dead.contains(&node) => {
                    open.entry(node).or_default().insert((who, conn));
                    if is_first(&nodes[node].enter(&of, place, NAMES[who], conn).await) {
                        fold.0.insert(user(NAMES[who]));
                    }
                }
                Step::Leave(node, who, conn) if !dead.contains(&node) => {
                    open.entry(node).or_default().remove(&(who, conn));
                    if nodes[node].leave(&of, place, NAMES[who], conn).await == Left::Last {
                        fold.0.remove(&user(NAMES[who]));
                    }
                }
                Step::Kill(node) => {
                    nodes[node].kill();
                    open.remove(&node);
                    dead.insert(node);
                }
                Step::Flush => {
                    let flush = ::redis::cmd("FLUSHALL");
                    nodes[0].presence.redis.ask::<()>(&flush).await.unwrap();
                }
                _ => {}
            }
        }
        let settled = async {
            loop {
                // What a dead one had found, it has not told.
                for number in (0..3).filter(|number| !dead.contains(number)) {
                    let node = &mut nodes[number];
                    for finding in node.findings() {
                        fold.take(finding, node, &of, place).await;
                    }
                }
                let told: Vec<_> = fold.0.iter().map(UserId::to_string).collect();
                if told == present(&open) && nodes[0].names(&of, place).await == told {
                    return;
                }
                sleep(Duration::from_millis(50)).await;
            }
        };
        let settled = timeout(Duration::from_secs(10), settled).await;
        let here = nodes[0].names(&of, place).await;
        assert!(settled.is_ok(), "told {:?}, here {here:?}, true {:?}", fold.0, present(&open));
    }
}
