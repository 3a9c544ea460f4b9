//! What every presence backend must do; run on each of them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::*;
use crate::model::ConversationId;

/// A backend under test, with tenants of its own.
pub(super) struct Subject<'a> {
    /// The backend.
    pub presence: &'a dyn Presence,
    /// Lets its time pass.
    pub clock: &'a dyn Clock,
    /// A tenant that nobody else uses.
    pub tenant: TenantId,
}

/// How a backend's time is let pass.
#[async_trait]
pub(super) trait Clock: Sync {
    async fn pass(&self, time: Duration);
}

/// A tenant of one test.
pub(super) fn tenant() -> TenantId {
    TenantId::parse(&format!("test-{}", Uuid::new_v4())).unwrap()
}

pub(super) fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

pub(super) fn entry(name: &str, conn: u64) -> Entry {
    Entry { user: user(name), role: Role::Customer, conn: ConnId(conn) }
}

pub(super) fn somewhere() -> Place {
    Place::Conversation(ConversationId::random())
}

pub(super) async fn suite(presence: &dyn Presence, clock: &dyn Clock, tenant: TenantId) {
    let on = &Subject { presence, clock, tenant };
    two_tabs_are_one_user(on).await;
    connections_are_counted_in_the_tenant(on).await;
    a_quick_return_is_told_with_the_time_away(on).await;
    a_leave_of_an_earlier_run_is_remembered(on).await;
    one_user_has_one_role_in_a_place(on).await;
    tenants_do_not_see_each_other(on).await;
    any_order_of_enters_and_leaves_brackets_each_stay(on).await;
}

async fn two_tabs_are_one_user(on: &Subject<'_>) {
    let (presence, of) = (on.presence, on.tenant.clone());
    for place in [somewhere(), Place::Tenant, Place::Work] {
        let first = presence.enter(&of, place, entry("u", 1)).await.unwrap();
        assert!(matches!(first, Entered::First { away_ms: None, .. }));
        let Entered::First { joined_at, .. } = first else { unreachable!() };
        assert_eq!(presence.enter(&of, place, entry("u", 2)).await.unwrap(), Entered::Another);
        assert_eq!(presence.leave(&of, place, &user("u"), ConnId(1)).await.unwrap(), Left::NotLast);
        let members = presence.members(&of, place).await.unwrap();
        let member = Member { user_id: user("u"), user_type: Role::Customer, joined_at };
        assert_eq!(members, [member], "since the first connection, whichever is left");
        assert_eq!(presence.leave(&of, place, &user("u"), ConnId(1)).await.unwrap(), Left::NotLast);
        assert_eq!(presence.leave(&of, place, &user("u"), ConnId(2)).await.unwrap(), Left::Last);
        assert_eq!(presence.leave(&of, place, &user("u"), ConnId(2)).await.unwrap(), Left::NotLast);
        assert!(presence.members(&of, place).await.unwrap().is_empty());
    }
    on.clock.pass(RECONNECT_WINDOW).await;
}

async fn connections_are_counted_in_the_tenant(on: &Subject<'_>) {
    let (presence, of) = (on.presence, &on.tenant);
    for conn in 1..=3 {
        presence.enter(of, Place::Tenant, entry("u", conn)).await.unwrap();
        assert_eq!(presence.connections_of(of, &user("u")).await.unwrap(), conn as usize);
    }
    for conn in 1..=3 {
        presence.leave(of, Place::Tenant, &user("u"), ConnId(conn)).await.unwrap();
        assert_eq!(presence.connections_of(of, &user("u")).await.unwrap(), 3 - conn as usize);
    }
    on.clock.pass(RECONNECT_WINDOW).await;
}

/// A backend with a clock of its own takes some milliseconds.
fn is_about(told: Option<u64>, expected: Option<u64>) -> bool {
    match (told, expected) {
        (Some(told), Some(expected)) => (expected..expected + 900).contains(&told),
        (told, expected) => told == expected,
    }
}

async fn a_quick_return_is_told_with_the_time_away(on: &Subject<'_>) {
    let (presence, of, place) = (on.presence, &on.tenant, somewhere());
    for (away_s, told) in [(29, Some(29_000)), (30, None)] {
        presence.enter(of, place, entry("u", 1)).await.unwrap();
        presence.leave(of, place, &user("u"), ConnId(1)).await.unwrap();
        on.clock.pass(Duration::from_secs(away_s)).await;
        let back = presence.enter(of, place, entry("u", 2)).await.unwrap();
        let Entered::First { away_ms, .. } = back else { panic!("{back:?}") };
        assert!(is_about(away_ms, told), "{away_ms:?} for {told:?}");
        presence.leave(of, place, &user("u"), ConnId(2)).await.unwrap();
        on.clock.pass(RECONNECT_WINDOW).await;
    }
}

async fn a_leave_of_an_earlier_run_is_remembered(on: &Subject<'_>) {
    for (away_s, told) in [(10, Some(10_000)), (30, None)] {
        let (presence, of, place) = (on.presence, &on.tenant, somewhere());
        on.clock.pass(RECONNECT_WINDOW).await;
        let away = Duration::from_secs(away_s);
        presence.remember_leave(of, place, &user("u"), away).await.unwrap();
        let back = presence.enter(of, place, entry("u", 1)).await.unwrap();
        let Entered::First { away_ms, .. } = back else { panic!("{back:?}") };
        assert!(is_about(away_ms, told), "{away_ms:?} for {told:?}");
        presence.leave(of, place, &user("u"), ConnId(1)).await.unwrap();
    }
    on.clock.pass(RECONNECT_WINDOW).await;
}

async fn one_user_has_one_role_in_a_place(on: &Subject<'_>) {
    let (presence, of, place) = (on.presence, &on.tenant, somewhere());
    presence.enter(of, place, entry("u", 1)).await.unwrap();
    let as_agent = Entry { role: Role::Agent, ..entry("u", 2) };
    let refused = presence.enter(of, place, as_agent).await.unwrap();
    assert_eq!(refused, Entered::WithRole(Role::Customer));
    assert_eq!(presence.leave(of, place, &user("u"), ConnId(1)).await.unwrap(), Left::Last);
}

async fn tenants_do_not_see_each_other(on: &Subject<'_>) {
    let (presence, of, place) = (on.presence, &on.tenant, somewhere());
    let other = tenant();
    presence.enter(of, place, entry("u", 1)).await.unwrap();
    assert!(presence.members(&other, place).await.unwrap().is_empty());
    assert_eq!(presence.leave(&other, place, &user("u"), ConnId(1)).await.unwrap(), Left::NotLast);
    presence.leave(of, place, &user("u"), ConnId(1)).await.unwrap();
    assert_eq!(presence.counts().await.unwrap(), Counts::default());
}

/// Snapshot plus events since = new snapshot, for random walks of three users with three tabs.
async fn any_order_of_enters_and_leaves_brackets_each_stay(on: &Subject<'_>) {
    let presence = on.presence;
    let step = (any::<bool>(), 0..3usize, 0..3u64);
    let walks = prop::collection::vec(step, 0..60);
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..64 {
        let walk = walks.new_tree(&mut runner).unwrap().current();
        let (of, place) = (on.tenant.clone(), somewhere());
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
