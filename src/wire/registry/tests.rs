//! The schedule, on a clock that stands still: however often a token is renewed, a connection is
//! looked at when something is due, and once.

use std::collections::VecDeque;

use futures_util::FutureExt;

use super::*;
use crate::hub::Todo;
use crate::model::{Role, UserId};

const PING_INTERVAL_S: u64 = 20;
const PING_TIMEOUT_S: u64 = 50;

fn registry() -> Registry {
    Registry::default()
}

fn who(expires_at: Option<i64>) -> Identity {
    let user = UserId::parse("budi").unwrap();
    Identity {
        tenant: TenantId::default_tenant(),
        subject: user.clone(),
        user,
        role: Role::Customer,
        user_type: Role::Customer,
        name: None,
        departments: [].into(),
        conversations: [].into(),
        scopes: [].into(),
        events: crate::model::EventSet::ALL,
        expires_at,
        is_open: false,
    }
}

fn register(registry: &Registry, expires_at: Option<i64>) -> Registered {
    register_as(registry, who(expires_at), None)
}

fn register_as(registry: &Registry, who: Identity, recovery: Option<Uuid>) -> Registered {
    let outbox = Outbox::new(who.user.clone(), 4);
    let s = Duration::from_secs;
    registry.register(Registration {
        id: ConnId(1),
        dialect: Dialect::Session,
        who: &who,
        outbox,
        session_id: Some(ConversationId::random()),
        recovery,
        beat: Beat::new(s(PING_INTERVAL_S), s(PING_TIMEOUT_S)),
    })
}

fn entries(registry: &Registry) -> usize {
    registry.schedule().values().map(Vec::len).sum()
}

/// An `exp` for which the connection ends in so many seconds of the runtime's clock.
fn exp_in(seconds: i64) -> i64 {
    Moment::now().unix_seconds() + seconds - crate::auth::LEEWAY_S
}

/// Moves the clock second by second; returns when it pinged, and when and why it ended. Whoever is
/// pinged answers.
async fn live(
    registry: &Registry,
    registered: &Registered,
    seconds: u64,
) -> (Vec<u64>, Option<(u64, CloseReason)>) {
    let (mut pings, mut batch) = (Vec::new(), VecDeque::new());
    for second in 1..=seconds {
        tokio::time::advance(Duration::from_secs(1)).await;
        registry.visit_due();
        let todo = tokio::select! {
            biased;
            todo = registered.heart.outbox.next(Some(&mut batch)) => Some(todo),
            () = std::future::ready(()) => None,
        };
        match todo {
            Some(Todo::Ping) => {
                pings.push(second);
                registry.seen(registered);
            }
            Some(Todo::Close(reason)) => return (pings, Some((second, reason))),
            Some(Todo::Write) | None => {}
        }
        assert!(entries(registry) <= 2, "at second {second}");
    }
    (pings, None)
}

#[tokio::test(start_paused = true)]
async fn a_thousand_renewals_are_one_entry_and_the_newest_end_counts() {
    let registry = registry();
    let registered = register(&registry, Some(exp_in(60)));
    for n in 1..=1_000 {
        registry.end_at(&registered, Some(exp_in(60 + n % 40)));
        assert_eq!(entries(&registry), 1, "after {n} renewals");
    }
    registry.end_at(&registered, Some(exp_in(110)));
    assert_eq!(entries(&registry), 1);
    let (pings, end) = live(&registry, &registered, 200).await;
    let (second, reason) = end.expect("the token ended");
    assert_eq!(reason, CloseReason::TokenEnded);
    // The wall clock, by which tokens count, goes on within its second while the test runs.
    assert!((109..=111).contains(&second), "ended at second {second}");
    let gaps: Vec<u64> = [&[0], &pings[..]].concat().windows(2).map(|w| w[1] - w[0]).collect();
    assert_eq!(gaps, [PING_INTERVAL_S; 5], "pinged at {pings:?}");
}

#[tokio::test(start_paused = true)]
async fn a_renewal_with_an_earlier_end_ends_the_connection_earlier() {
    let registry = registry();
    let registered = register(&registry, Some(exp_in(600)));
    registry.end_at(&registered, Some(exp_in(5)));
    let (pings, end) = live(&registry, &registered, 30).await;
    assert!(pings.is_empty());
    assert!(end.is_some_and(|(second, _)| (4..=6).contains(&second)), "{end:?}");
}

#[tokio::test(start_paused = true)]
async fn a_token_without_a_real_end_is_no_panic() {
    let registry = registry();
    for exp in [i64::MAX, i64::MAX / 1_000, i64::MAX - crate::auth::LEEWAY_S] {
        let registered = register(&registry, Some(exp));
        registry.end_at(&registered, Some(exp));
        let (pings, end) = live(&registry, &registered, 100).await;
        assert_eq!((pings.len(), end), (5, None), "exp {exp}");
        drop(registered);
        registry.schedule().clear();
    }
    // One that ended in the year dot ends the connection at the next look.
    let registered = register(&registry, Some(i64::MIN));
    let (_, end) = live(&registry, &registered, 2).await;
    assert_eq!(end, Some((1, CloseReason::TokenEnded)));
}

#[tokio::test(start_paused = true)]
async fn a_chatty_peer_is_pinged_all_the_same() {
    let registry = registry();
    let registered = register(&registry, None);
    let (mut pings, mut batch) = (0, VecDeque::new());
    for _ in 0..3 * PING_INTERVAL_S {
        tokio::time::advance(Duration::from_secs(1)).await;
        registry.seen(&registered);
        registry.visit_due();
        let outbox = &registered.heart.outbox;
        if outbox.next(Some(&mut batch)).now_or_never() == Some(Todo::Ping) {
            pings += 1;
        }
    }
    assert_eq!(pings, 3);
}

#[tokio::test(start_paused = true)]
async fn only_its_own_user_takes_a_connections_place() {
    let registry = registry();
    let (recovery, mine) = (Uuid::new_v4(), who(None));
    let registered = register_as(&registry, mine.clone(), Some(recovery));
    let other = Identity { user: UserId::parse("eve").unwrap(), ..mine.clone() };
    let acme = Identity { tenant: TenantId::parse("acme").unwrap(), ..mine.clone() };
    for (recovery, who) in [(recovery, &other), (recovery, &acme), (Uuid::new_v4(), &mine)] {
        registry.replace(recovery, who, true);
        assert_eq!(registered.heart.outbox.closed().now_or_never(), None);
        assert!(!registered.is_replaced());
    }
    registry.replace(recovery, &mine, true);
    let closed = registered.heart.outbox.closed().now_or_never();
    assert_eq!(closed, Some(CloseReason::NetworkError));
    assert!(registered.is_replaced());
}

#[tokio::test]
async fn an_agent_is_put_out_by_the_id_of_its_token_and_no_customer_of_that_id() {
    let registry = registry();
    let budi = UserId::parse("budi").unwrap();
    let agent = Identity {
        user: UserId::parse("agent_budi").unwrap(),
        role: Role::Agent,
        user_type: Role::Agent,
        ..who(None)
    };
    let acme = Identity { tenant: TenantId::parse("acme").unwrap(), ..agent.clone() };
    let other = Identity { subject: UserId::parse("sari").unwrap(), ..agent.clone() };
    for (who, expected) in
        [(agent, Some(CloseReason::Forbidden)), (acme, None), (other, None), (who(None), None)]
    {
        let registered = register_as(&registry, who.clone(), None);
        registry.put_out(&TenantId::default_tenant(), &budi);
        assert_eq!(registered.heart.outbox.closed().now_or_never(), expected, "{who:?}");
    }
}
