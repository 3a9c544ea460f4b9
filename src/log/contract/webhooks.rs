//! Webhooks: what they read and took, and what became of that.

use super::*;
use crate::log::{
    DeliveryCounts, DeliveryFilter, DeliveryState, DeliveryTried, Disabled, DisabledBy, OldSecret,
    SigningSecret, Taken, Tries, Webhook, WebhookRead,
};

pub(super) async fn suite(log: &dyn Log) {
    webhooks_are_kept_changed_and_go(log).await;
    what_is_read_and_what_is_taken_go_together(log).await;
    a_try_is_kept_with_all_that_came_of_it(log).await;
    deliveries_are_listed_newest_first_by_their_state(log).await;
    what_is_taken_or_revived_anew_is_pending_anew(log).await;
    deliveries_go_when_they_are_too_old_or_their_webhook_is_gone(log).await;
    webhooks_are_their_tenants_alone(log).await;
}

fn webhook(id: u128, cursor: u64) -> Webhook {
    Webhook {
        id: Uuid::from_u128(id),
        url: "https://hooks.example.com/a".into(),
        description: None,
        events: vec!["call.*".into(), "alert".into()],
        secret: SigningSecret("whsec_AAAA".into()),
        old_secrets: vec![],
        disabled: None,
        created_at: Moment(5),
        cursor,
    }
}

fn taken(position: u64) -> Taken {
    let lane = -3 - i64::try_from(position).unwrap() % 2;
    Taken { position, name: "call.incoming".into(), lane, at: Moment(100) }
}

fn read(id: u128, cursor: u64, positions: impl IntoIterator<Item = u64>) -> Record {
    let taken = positions.into_iter().map(taken).collect();
    Record::WebhookRead(WebhookRead { webhook: Uuid::from_u128(id), cursor, taken })
}

fn tried(id: u128, position: u64, state: DeliveryState, tried_at: i64) -> Record {
    let tries = Tries {
        attempts: 2,
        first_at: Some(Moment(200)),
        next_at: (state == DeliveryState::Pending).then_some(Moment(900)),
        tried_at: Some(Moment(tried_at)),
        status: Some(503),
        error: Some("503: not now".into()),
        took_ms: Some(12),
    };
    Record::DeliveryTried(DeliveryTried { webhook: Uuid::from_u128(id), position, state, tries })
}

async fn keep(log: &dyn Log, of: &TenantId, record: Record) {
    log.commit(of, Change::record(record)).await.unwrap();
}

async fn listed(log: &dyn Log, of: &TenantId, state: Option<DeliveryState>) -> Vec<u64> {
    let filter = DeliveryFilter { state, before: None, limit: 99 };
    let found = log.deliveries(of, Uuid::from_u128(1), filter).await.unwrap();
    found.iter().map(|delivery| delivery.taken.position).collect()
}

async fn pending(log: &dyn Log, of: &TenantId) -> Vec<u64> {
    let found = log.pending_deliveries(of, Uuid::from_u128(1)).await.unwrap();
    assert!(found.iter().all(|delivery| delivery.state == DeliveryState::Pending));
    found.iter().map(|delivery| delivery.taken.position).collect()
}

async fn webhooks_are_kept_changed_and_go(log: &dyn Log) {
    let of = tenant("hooks-kept");
    let (one, two) = (webhook(1, 7), Webhook { created_at: Moment(4), ..webhook(2, 0) });
    keep(log, &of, Record::Webhook(one.clone())).await;
    keep(log, &of, Record::Webhook(two.clone())).await;
    assert_eq!(log.webhooks(&of).await.unwrap(), [two.clone(), one.clone()], "the oldest first");
    let until = Moment(77);
    let changed = Webhook {
        url: "https://hooks.example.com/b".into(),
        description: Some("Orders".into()),
        events: vec!["*".into()],
        secret: SigningSecret("whsec_BBBB".into()),
        old_secrets: vec![OldSecret { secret: one.secret.clone(), until }],
        disabled: Some(Disabled { by: DisabledBy::Receiver, at: Moment(66) }),
        cursor: 99,
        ..one.clone()
    };
    keep(log, &of, Record::Webhook(changed.clone())).await;
    let kept = Webhook { cursor: 7, ..changed };
    assert_eq!(log.webhooks(&of).await.unwrap()[1], kept, "a change moves no cursor");
    let all = log.all_webhooks().await.unwrap();
    assert!(all.contains(&(of.clone(), kept)) && all.contains(&(of.clone(), two.clone())));
    keep(log, &of, Record::WebhookRemoved(one.id)).await;
    assert_eq!(log.webhooks(&of).await.unwrap(), [two]);
    assert!(!log.all_webhooks().await.unwrap().iter().any(|(t, w)| *t == of && w.id == one.id));
    assert!(!format!("{one:?}").contains("whsec_"), "a secret is not printed");
}

async fn what_is_read_and_what_is_taken_go_together(log: &dyn Log) {
    let of = tenant("hooks-read");
    keep(log, &of, Record::Webhook(webhook(1, 0))).await;
    keep(log, &of, read(1, 9, [3, 8])).await;
    assert_eq!(log.webhooks(&of).await.unwrap()[0].cursor, 9);
    assert_eq!(pending(log, &of).await, [3, 8]);
    let found = log.pending_deliveries(&of, Uuid::from_u128(1)).await.unwrap();
    assert_eq!((&found[0].taken, &found[0].tries), (&taken(3), &Tries::default()));
    // Together with an event, or not at all.
    let conflict = Change::new(vec![started(begin(log, &of).await)], vec![read(1, 20, [15])]);
    let unchanged = log.commit(&of, conflict).await.unwrap();
    assert!(matches!(unchanged[0], Outcome::Unchanged));
    assert_eq!(pending(log, &of).await, [3, 8, 15], "a record of its own is kept all the same");
    let refused =
        Change::new(vec![message(ConversationId::random(), None, "x")], vec![read(1, 30, [25])]);
    assert!(log.commit(&of, refused).await.is_err());
    assert_eq!(
        (log.webhooks(&of).await.unwrap()[0].cursor, pending(log, &of).await.len()),
        (20, 3)
    );
    keep(log, &of, read(2, 5, [4])).await;
    let unknown = log.pending_deliveries(&of, Uuid::from_u128(2)).await.unwrap();
    assert_eq!(unknown, [], "nobody reads for a webhook that is not there");
}

async fn a_try_is_kept_with_all_that_came_of_it(log: &dyn Log) {
    let of = tenant("hooks-tried");
    keep(log, &of, Record::Webhook(webhook(1, 0))).await;
    keep(log, &of, read(1, 9, [1])).await;
    let record = tried(1, 1, DeliveryState::Pending, 250);
    let Record::DeliveryTried(expected) = record.clone() else { panic!() };
    keep(log, &of, record).await;
    let found = log.pending_deliveries(&of, Uuid::from_u128(1)).await.unwrap();
    assert_eq!((&found[0].taken, &found[0].tries), (&taken(1), &expected.tries));
    keep(log, &of, tried(1, 2, DeliveryState::Dead, 250)).await;
    assert_eq!(listed(log, &of, None).await, [1], "a delivery that is gone does not come back");
}

async fn deliveries_are_listed_newest_first_by_their_state(log: &dyn Log) {
    let of = tenant("hooks-listed");
    keep(log, &of, Record::Webhook(webhook(1, 0))).await;
    keep(log, &of, read(1, 9, 1..=6)).await;
    for (position, state) in [
        (1, DeliveryState::Dead),
        (2, DeliveryState::Delivered),
        (4, DeliveryState::Dead),
        (6, DeliveryState::Delivered),
    ] {
        keep(log, &of, tried(1, position, state, 300)).await;
    }
    assert_eq!(listed(log, &of, None).await, [6, 5, 4, 3, 2, 1]);
    assert_eq!(listed(log, &of, Some(DeliveryState::Pending)).await, [5, 3]);
    assert_eq!(listed(log, &of, Some(DeliveryState::Delivered)).await, [6, 2]);
    assert_eq!(listed(log, &of, Some(DeliveryState::Dead)).await, [4, 1]);
    let filter = DeliveryFilter { state: None, before: Some(5), limit: 2 };
    let page = log.deliveries(&of, Uuid::from_u128(1), filter).await.unwrap();
    assert_eq!(page.iter().map(|d| d.taken.position).collect::<Vec<_>>(), [4, 3]);
    let counts = log.delivery_counts(&of, Uuid::from_u128(1)).await.unwrap();
    assert_eq!(counts, DeliveryCounts { pending: 2, dead: 2 });
    assert_eq!(log.dead_deliveries(&of, Uuid::from_u128(1), 1).await.unwrap(), [1]);
    assert_eq!(log.dead_deliveries(&of, Uuid::from_u128(1), 9).await.unwrap(), [1, 4]);
}

async fn what_is_taken_or_revived_anew_is_pending_anew(log: &dyn Log) {
    let of = tenant("hooks-anew");
    keep(log, &of, Record::Webhook(webhook(1, 0))).await;
    keep(log, &of, read(1, 9, 1..=4)).await;
    keep(log, &of, tried(1, 1, DeliveryState::Delivered, 300)).await;
    keep(log, &of, tried(1, 2, DeliveryState::Dead, 300)).await;
    keep(log, &of, tried(1, 3, DeliveryState::Pending, 300)).await;
    keep(log, &of, Record::DeliveriesRevived(Uuid::from_u128(1), vec![2, 3, 77])).await;
    let of_pending = async || log.pending_deliveries(&of, Uuid::from_u128(1)).await.unwrap();
    let found = of_pending().await;
    assert_eq!(found.iter().map(|d| d.taken.position).collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!(found[0].tries, Tries::default());
    assert_eq!(found[1].tries.attempts, 2, "what is pending stays as it is");
    // A replay from the beginning.
    keep(log, &of, read(1, 0, [])).await;
    assert_eq!(log.webhooks(&of).await.unwrap()[0].cursor, 0);
    keep(log, &of, read(1, 3, 1..=3)).await;
    let found = of_pending().await;
    assert_eq!(found.iter().map(|d| d.tries.attempts).collect::<Vec<_>>(), [0, 0, 2, 0]);
}

async fn deliveries_go_when_they_are_too_old_or_their_webhook_is_gone(log: &dyn Log) {
    let of = tenant("hooks-old");
    keep(log, &of, Record::Webhook(webhook(1, 0))).await;
    keep(log, &of, read(1, 9, 1..=5)).await;
    for (position, state, at) in [
        (1, DeliveryState::Delivered, 300),
        (2, DeliveryState::Delivered, 400),
        (3, DeliveryState::Dead, 300),
        (4, DeliveryState::Dead, 400),
    ] {
        keep(log, &of, tried(1, position, state, at)).await;
    }
    let delivered = Retention { delivered_before: Some(Moment(400)), ..Retention::default() };
    assert_eq!(log.prune(delivered).await.unwrap(), 0, "events alone are counted");
    assert_eq!(listed(log, &of, None).await, [5, 4, 3, 2]);
    let dead = Retention { dead_before: Some(Moment(400)), ..Retention::default() };
    log.prune(dead).await.unwrap();
    assert_eq!(listed(log, &of, None).await, [5, 4, 2]);
    keep(log, &of, Record::WebhookRemoved(Uuid::from_u128(1))).await;
    log.prune(Retention::default()).await.unwrap();
    assert_eq!(listed(log, &of, None).await, [0; 0]);
    assert_eq!(log.webhooks(&of).await.unwrap(), []);
}

async fn webhooks_are_their_tenants_alone(log: &dyn Log) {
    let (of, other) = (tenant("hooks-own"), tenant("hooks-foreign"));
    keep(log, &of, Record::Webhook(webhook(1, 0))).await;
    keep(log, &of, read(1, 9, [1])).await;
    keep(log, &other, read(1, 50, [2])).await;
    keep(log, &other, tried(1, 1, DeliveryState::Dead, 300)).await;
    keep(log, &other, Record::WebhookRemoved(Uuid::from_u128(1))).await;
    assert_eq!(log.webhooks(&other).await.unwrap(), []);
    assert_eq!(pending(log, &other).await, [0; 0]);
    assert_eq!(log.webhooks(&of).await.unwrap()[0].cursor, 9);
    assert_eq!(pending(log, &of).await, [1]);
}
