//! What every presence backend must do; run on each of them with paused time.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::*;
use crate::model::ConversationId;

fn tenant() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn entry(name: &str, conn: u64) -> Entry {
    Entry { user: user(name), role: Role::Customer, conn: ConnId(conn) }
}

fn somewhere() -> Place {
    Place::Conversation(ConversationId::random())
}

pub(super) async fn suite(presence: &dyn Presence) {
    two_tabs_are_one_user(presence).await;
    a_quick_return_is_told_with_the_time_away(presence).await;
    a_leave_of_an_earlier_run_is_remembered(presence).await;
    one_user_has_one_role_in_a_place(presence).await;
    tenants_do_not_see_each_other(presence).await;
    any_order_of_enters_and_leaves_brackets_each_stay(presence).await;
}

async fn two_tabs_are_one_user(presence: &dyn Presence) {
    let (of, place) = (tenant(), somewhere());
    let first = presence.enter(&of, place, entry("u", 1)).await.unwrap();
    assert!(matches!(first, Entered::First { away_ms: None, .. }));
    assert_eq!(presence.enter(&of, place, entry("u", 2)).await.unwrap(), Entered::Another);
    assert_eq!(presence.leave(&of, place, &user("u"), ConnId(1)).await.unwrap(), Left::NotLast);
    assert_eq!(presence.members(&of, place).await.unwrap().len(), 1);
    assert_eq!(presence.leave(&of, place, &user("u"), ConnId(1)).await.unwrap(), Left::NotLast);
    assert_eq!(presence.leave(&of, place, &user("u"), ConnId(2)).await.unwrap(), Left::Last);
    assert_eq!(presence.leave(&of, place, &user("u"), ConnId(2)).await.unwrap(), Left::NotLast);
    assert!(presence.members(&of, place).await.unwrap().is_empty());
}

async fn a_quick_return_is_told_with_the_time_away(presence: &dyn Presence) {
    let (of, place) = (tenant(), somewhere());
    for (away_s, told) in [(29, Some(29_000)), (30, None)] {
        presence.enter(&of, place, entry("u", 1)).await.unwrap();
        presence.leave(&of, place, &user("u"), ConnId(1)).await.unwrap();
        tokio::time::advance(Duration::from_secs(away_s)).await;
        let back = presence.enter(&of, place, entry("u", 2)).await.unwrap();
        let Entered::First { away_ms, .. } = back else { panic!("{back:?}") };
        assert_eq!(away_ms, told);
        presence.leave(&of, place, &user("u"), ConnId(2)).await.unwrap();
        tokio::time::advance(RECONNECT_WINDOW).await;
    }
}

async fn a_leave_of_an_earlier_run_is_remembered(presence: &dyn Presence) {
    for (away_s, told) in [(10, true), (30, false)] {
        let (of, place) = (tenant(), somewhere());
        tokio::time::advance(RECONNECT_WINDOW).await;
        let away = Duration::from_secs(away_s);
        presence.remember_leave(&of, place, &user("u"), away).await.unwrap();
        let back = presence.enter(&of, place, entry("u", 1)).await.unwrap();
        let Entered::First { away_ms, .. } = back else { panic!("{back:?}") };
        assert_eq!(away_ms, told.then_some(away_s * 1000));
        presence.leave(&of, place, &user("u"), ConnId(1)).await.unwrap();
    }
    tokio::time::advance(RECONNECT_WINDOW).await;
}

async fn one_user_has_one_role_in_a_place(presence: &dyn Presence) {
    let (of, place) = (tenant(), somewhere());
    presence.enter(&of, place, entry("u", 1)).await.unwrap();
    let as_agent = Entry { role: Role::Agent, ..entry("u", 2) };
    let refused = presence.enter(&of, place, as_agent).await.unwrap();
    assert_eq!(refused, Entered::WithRole(Role::Customer));
    assert_eq!(presence.leave(&of, place, &user("u"), ConnId(1)).await.unwrap(), Left::Last);
}

async fn tenants_do_not_see_each_other(presence: &dyn Presence) {
    let place = somewhere();
    let other = TenantId::parse("globex").unwrap();
    presence.enter(&tenant(), place, entry("u", 1)).await.unwrap();
    assert!(presence.members(&other, place).await.unwrap().is_empty());
    assert_eq!(presence.leave(&other, place, &user("u"), ConnId(1)).await.unwrap(), Left::NotLast);
    presence.leave(&tenant(), place, &user("u"), ConnId(1)).await.unwrap();
    assert_eq!(presence.counts().await.unwrap(), Counts::default());
}

/// Snapshot plus events since = new snapshot, for random walks of three users with three tabs.
async fn any_order_of_enters_and_leaves_brackets_each_stay(presence: &dyn Presence) {
    let step = (any::<bool>(), 0..3usize, 0..3u64);
    let walks = prop::collection::vec(step, 0..60);
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..64 {
        let walk = walks.new_tree(&mut runner).unwrap().current();
        let (of, place) = (tenant(), somewhere());
        let mut open: BTreeMap<UserId, BTreeSet<u64>> = BTreeMap::new();
        let mut announced = BTreeSet::new();
        for (comes, who, conn) in walk {
            let name = ["a", "b", "c"][who];
            let conns = open.entry(user(name)).or_default();
            if comes {
                conns.insert(conn);
                let entered = presence.enter(&of, place, entry(name, conn)).await.unwrap();
                if matches!(entered, Entered::First { .. }) {
                    assert!(announced.insert(user(name)), "came twice");
                }
            } else {
                conns.remove(&conn);
                let left = presence.leave(&of, place, &user(name), ConnId(conn)).await.unwrap();
                if left == Left::Last {
                    assert!(announced.remove(&user(name)), "left twice");
                }
            }
            let expected: Vec<_> =
                open.iter().filter(|(_, c)| !c.is_empty()).map(|(u, _)| u.clone()).collect();
            let members = presence.members(&of, place).await.unwrap();
            assert_eq!(members.into_iter().map(|m| m.user_id).collect::<Vec<_>>(), expected);
            assert_eq!(announced.iter().cloned().collect::<Vec<_>>(), expected);
        }
    }
}
