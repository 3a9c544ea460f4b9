//! What webhooks are told, how it is signed, and what administrators can do about it. Receivers that
//! misbehave are in `webhook_receivers`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use switchboard::log::Retention;
use switchboard::model::{Cursor, Moment, TenantId};
use tempfile::TempDir;

use crate::clock::real_pause;
use crate::hooks::{Hooks, call_event};
use crate::receiver::{Does, Receiver, Told};

fn kinds(told: &[Told]) -> Vec<&str> {
    told.iter().map(Told::kind).collect()
}

#[tokio::test]
async fn what_happens_is_told_as_the_hub_says_it_and_signed() {
    let (hooks, receiver) = (Hooks::start(&[]).await, Receiver::start().await);
    let hook = hooks.hook(&receiver.url, json!({ "events": ["call.*"] })).await;
    let before = Moment::now();
    let mut event = call_event("1737714600.42", "incoming");
    event["id"] = json!("exchange-1.8841");
    hooks.admin("POST", "/api/events", event.clone()).await;
    let told = receiver.took(1).await.remove(0);
    let cursor = told.body["cursor"].as_str().unwrap();
    assert_eq!(told.id, format!("evt_{cursor}"));
    let happened = Moment::parse(told.body["timestamp"].as_str().unwrap()).unwrap();
    assert!(happened.ms_since(before) < 60_000);
    let expected = json!({
        "type": "call.incoming", "payload": event["payload"], "id": "exchange-1.8841",
        "timestamp": told.body["timestamp"], "cursor": cursor, "tenant": "default",
    });
    assert_eq!(told.body, expected);
    assert_eq!(told.signatures.len(), 1);
    assert!(told.is_signed_by(&hook.secret));
    assert!((Moment::now().unix_seconds() - told.timestamp).abs() < 60);

    let shown = hooks.has_all(&hook).await;
    assert_eq!((&shown["cursor"], &shown["dead"]), (&json!(cursor), &json!(0)));
    let delivered = hooks.deliveries(&hook, "delivered").await;
    assert_eq!((&delivered[0]["id"], &delivered[0]["attempts"]), (&json!(told.id), &json!(1)));
    assert_eq!(
        (&delivered[0]["last_status"], &delivered[0]["last_error"]),
        (&json!(200), &json!(null))
    );
    assert!(delivered[0]["took_ms"].as_u64().unwrap() < 2_000);
}

#[tokio::test]
async fn each_hears_what_it_wants_and_only_of_its_tenant() {
    let hooks = Hooks::start(&[]).await;
    let (calls, all, audit) =
        (Receiver::start().await, Receiver::start().await, Receiver::start().await);
    hooks.hook(&calls.url, json!({ "events": ["call.ended", "alert"] })).await;
    let last = hooks.hook(&all.url, json!({})).await;
    hooks.hook(&audit.url, json!({ "events": ["audit.entry"] })).await;
    for body in [
        call_event("1", "incoming"),
        json!({ "type": "alert", "payload": { "title": "T", "body": "B" },
                "target": { "role": "agent" } }),
        json!({ "type": "notification", "payload": { "user_id": "u1", "title": "T" } }),
        call_event("1", "ended"),
    ] {
        hooks.admin_of("acme", "POST", "/api/events", body.clone()).await;
        hooks.admin("POST", "/api/events", body).await;
    }
    assert_eq!(kinds(&calls.took(2).await), ["alert", "call.ended"]);
    hooks.has_all(&last).await;
    let told = all.took(4).await;
    let mut heard = kinds(&told);
    heard.sort_unstable();
    assert_eq!(heard, ["alert", "call.ended", "call.incoming", "notification"]);
    assert!(told.iter().all(|told| told.body["tenant"] == "default"), "the tenant wall");
    let acts = audit.took(1).await;
    assert_eq!(acts[0].body["payload"]["action"], "webhook.created", "its own, as it was named");
}

#[tokio::test]
async fn both_secrets_sign_after_a_rotation() {
    let (hooks, receiver) = (Hooks::start(&[]).await, Receiver::start().await);
    let hook = hooks.hook(&receiver.url, json!({ "events": ["call.*"] })).await;
    let path = format!("{}/rotate", hook.path);
    let rotated = hooks.admin("POST", &path, Value::Null).await;
    hooks.calls(&[("1", "incoming")]).await;
    let told = receiver.took(1).await.remove(0);
    assert_eq!(told.signatures.len(), 2);
    assert!(told.is_signed_by(rotated["secret"].as_str().unwrap()));
    assert!(told.is_signed_by(&hook.secret));
    assert!(!told.is_signed_by("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="));
}

#[tokio::test]
async fn a_webhook_is_tried_out_by_a_ping_that_no_list_has() {
    let (hooks, receiver) = (Hooks::start(&[]).await, Receiver::start().await);
    let hook = hooks.hook(&receiver.url, json!({ "is_disabled": true })).await;
    let path = format!("{}/test", hook.path);
    let tried = hooks.admin("POST", &path, Value::Null).await;
    assert_eq!((&tried["delivered"], &tried["status"]), (&json!(true), &json!(200)));
    let ping = receiver.took(1).await.remove(0);
    assert_eq!(
        (ping.kind(), &ping.body["payload"]["webhook_id"]),
        ("webhook.test", &json!(hook.id))
    );
    assert!(ping.is_signed_by(&hook.secret) && ping.body.get("cursor").is_none());
    receiver.will(|_| Does::Answer(500));
    let tried = hooks.admin("POST", &path, Value::Null).await;
    assert_eq!((&tried["delivered"], &tried["status"]), (&json!(false), &json!(500)));
    assert_eq!(tried["error"], "500: the receiver did not take it");
    let page = hooks.admin("GET", &format!("{}/deliveries", hook.path), Value::Null).await;
    assert_eq!(page["deliveries"], json!([]));
}

#[tokio::test]
async fn a_webhook_starts_where_it_is_told_to() {
    let (hooks, receiver) = (Hooks::start(&[]).await, Receiver::start().await);
    hooks.calls(&[("1", "incoming"), ("2", "incoming"), ("3", "incoming")]).await;
    let tenant = TenantId::default_tenant();
    let head = hooks.server.running.app.log.head(&tenant).await.unwrap();
    let start = Cursor { position: head.position - 2, ..head }.to_string();
    hooks.hook(&receiver.url, json!({ "events": ["call.*"], "start": start })).await;
    let mut told = receiver.took(2).await;
    told.sort_by_key(Told::position);
    let calls: Vec<_> = told.iter().map(|told| &told.body["payload"]["unique_id"]).collect();
    assert_eq!(calls, ["2", "3"]);
}

#[tokio::test]
async fn everything_after_a_cursor_is_sent_again_under_the_same_ids() {
    let (hooks, receiver) = (Hooks::start(&[]).await, Receiver::start().await);
    let hook = hooks.hook(&receiver.url, json!({ "events": ["call.*"] })).await;
    hooks.calls(&[("1", "incoming"), ("1", "hold"), ("1", "unhold"), ("1", "ended")]).await;
    let first = receiver.took(4).await;
    hooks.has_all(&hook).await;
    let after = first[1].body["cursor"].clone();
    hooks.admin("POST", &format!("{}/replay", hook.path), json!({ "after": after })).await;
    receiver.until("the replay", |told| told.len() >= 6).await;
    hooks.calls(&[("1", "hold")]).await;
    receiver.took(5).await;
    let ids: Vec<_> = receiver.told().iter().map(|told| told.id.clone()).collect();
    let expected = [0, 1, 2, 3, 2, 3].map(|at: usize| first[at].id.clone());
    assert_eq!((ids.len(), &ids[..6]), (7, &expected[..]));
    let page = hooks.deliveries(&hook, "delivered").await;
    assert_eq!(page.len(), 5, "an event is one delivery, however often it was sent");
}

/// What was not wanted is not kept as read at once, and may be wanted by now.
#[tokio::test]
async fn a_replay_reads_anew_what_was_not_wanted_before() {
    let (hooks, receiver) = (Hooks::start(&[]).await, Receiver::start().await);
    let hook = hooks.hook(&receiver.url, json!({ "events": ["alert"] })).await;
    let start = hooks.shown(&hook).await["cursor"].clone();
    hooks.calls(&[("1", "incoming"), ("1", "ended")]).await;
    real_pause(Duration::from_millis(50)).await;
    hooks.admin("PATCH", &hook.path, json!({ "events": ["call.*"] })).await;
    real_pause(Duration::from_millis(50)).await;
    assert!(receiver.told().is_empty());
    hooks.admin("POST", &format!("{}/replay", hook.path), json!({ "after": start })).await;
    assert_eq!(kinds(&receiver.took(2).await), ["call.incoming", "call.ended"]);
}

#[tokio::test]
async fn one_delivery_is_sent_again() {
    let (hooks, receiver) = (Hooks::start(&[]).await, Receiver::start().await);
    let hook = hooks.hook(&receiver.url, json!({ "events": ["call.*"] })).await;
    hooks.calls(&[("1", "incoming"), ("2", "incoming")]).await;
    let first = receiver.took(2).await;
    hooks.has_all(&hook).await;
    let path = format!("{}/deliveries/{}/replay", hook.path, first[0].id);
    hooks.admin("POST", &path, Value::Null).await;
    receiver.until("the replay", |told| told.len() == 3).await;
    let again = receiver.told().pop().unwrap();
    assert_eq!((&again.id, &again.text), (&first[0].id, &first[0].text));
    assert!(again.is_signed_by(&hook.secret));
}

#[tokio::test]
async fn what_it_wants_from_now_on_counts_from_now_on() {
    let (hooks, receiver) = (Hooks::start(&[]).await, Receiver::start().await);
    let hook = hooks.hook(&receiver.url, json!({ "events": ["alert"] })).await;
    for round in 0..20 {
        hooks.admin("PATCH", &hook.path, json!({ "events": ["call.*"] })).await;
        hooks.calls(&[("1", "hold")]).await;
        assert_eq!(kinds(&receiver.took(round + 1).await), vec!["call.hold"; round + 1]);
        hooks.admin("PATCH", &hook.path, json!({ "events": ["alert"] })).await;
        hooks.calls(&[("1", "unhold")]).await;
    }
}

#[tokio::test]
async fn a_disabled_webhook_misses_nothing() {
    let (hooks, receiver) = (Hooks::start(&[]).await, Receiver::start().await);
    let hook = hooks.hook(&receiver.url, json!({ "events": ["call.*"] })).await;
    hooks.calls(&[("1", "incoming")]).await;
    receiver.took(1).await;
    hooks.has_all(&hook).await;
    hooks.admin("PATCH", &hook.path, json!({ "is_disabled": true })).await;
    hooks.calls(&[("1", "hold"), ("1", "unhold")]).await;
    real_pause(Duration::from_millis(100)).await;
    assert_eq!(receiver.told().len(), 1);
    hooks.admin("PATCH", &hook.path, json!({ "is_disabled": false })).await;
    assert_eq!(kinds(&receiver.took(3).await), ["call.incoming", "call.hold", "call.unhold"]);
}

#[tokio::test]
async fn what_is_taken_away_is_told_nothing_more() {
    let (hooks, receiver) = (Hooks::start(&[]).await, Receiver::start().await);
    let witness = Receiver::start().await;
    let hook = hooks.hook(&receiver.url, json!({ "events": ["call.*"] })).await;
    hooks.hook(&witness.url, json!({ "events": ["call.*"] })).await;
    receiver.will(|_| Does::Answer(500));
    hooks.calls(&[("1", "incoming")]).await;
    receiver.until("a try", |told| !told.is_empty()).await;
    hooks.admin("DELETE", &hook.path, Value::Null).await;
    let tries = receiver.told().len();
    hooks.calls(&[("1", "ended")]).await;
    witness.took(2).await;
    real_pause(Duration::from_millis(150)).await;
    assert!(receiver.told().len() <= tries + 1, "one may have been under way");
}

/// Contract 3: never a silent gap.
#[tokio::test]
async fn a_webhook_that_comes_back_after_the_retention_is_told_what_is_kept_and_an_alert() {
    let (hooks, receiver) = (Hooks::start(&[]).await, Receiver::start().await);
    let hook = hooks.hook(&receiver.url, json!({ "events": ["call.*"] })).await;
    hooks.calls(&[("0", "incoming")]).await;
    receiver.took(1).await;
    hooks.has_all(&hook).await;
    hooks.admin("PATCH", &hook.path, json!({ "is_disabled": true })).await;
    hooks.calls(&[("1", "incoming"), ("2", "incoming")]).await;
    let log = &hooks.server.running.app.log;
    let all = Retention { all_before: Some(Moment(i64::MAX)), ..Retention::default() };
    log.prune(all).await.unwrap();
    let through = log.head(&TenantId::default_tenant()).await.unwrap();
    hooks.calls(&[("3", "incoming")]).await;
    hooks.admin("PATCH", &hook.path, json!({ "is_disabled": false })).await;
    let told = receiver.took(2).await;
    assert_eq!(told[1].body["payload"]["unique_id"], "3");
    hooks.calls(&[("4", "incoming")]).await;
    receiver.took(3).await;
    let alerts = hooks.alerts().await;
    let [(kind, data)] = alerts.as_slice() else { panic!("told once: {alerts:?}") };
    assert_eq!((kind.as_str(), &data["webhook_id"]), ("webhook.gap", &json!(hook.id)));
    assert_eq!(data["through"], through.to_string());
    // Its own audit entries in between it did not want, so it may be behind them.
    let after = Cursor::parse(data["after"].as_str().unwrap()).unwrap().position;
    assert!(after >= told[0].position() && after < through.position - 1, "{after}");
}

#[tokio::test]
async fn an_address_that_was_allowed_before_is_not_asked_when_it_is_no_more() {
    let (data, receiver) = (Arc::new(TempDir::new().unwrap()), Receiver::start().await);
    let hooks = Hooks::on_disk(data.clone(), &[]).await;
    let hook = hooks.hook(&receiver.url, json!({ "events": ["call.*"] })).await;
    let tls = receiver.url.replace("http:", "https:");
    let other = hooks.hook(&tls, json!({ "events": ["call.*"] })).await;
    assert!(hooks.server.running.drain().await);
    let public = [("webhooks.allow_private_networks", "false")];
    let hooks = Hooks::on_disk(data, &public).await;
    hooks.calls(&[("1", "incoming")]).await;
    for (hook, reason) in [
        (hook, "the address must begin with https://"),
        (other, "the address leads to this machine; webhooks go to public addresses only"),
    ] {
        hooks.until(&hook, "a try", |shown| shown["pending"] == 1).await;
        let error = crate::clock::within("a refusal", async {
            loop {
                let waits = hooks.deliveries(&hook, "pending").await;
                if let Some(error) = waits[0]["last_error"].as_str() {
                    return error.to_owned();
                }
                real_pause(Duration::from_millis(5)).await;
            }
        });
        assert_eq!(error.await, reason);
    }
    assert!(receiver.told().is_empty());
}

#[tokio::test]
async fn what_waits_and_what_failed_is_counted() {
    let (hooks, receiver) = (Hooks::start(&[]).await, Receiver::start().await);
    let hook = hooks.hook(&receiver.url, json!({ "events": ["call.*"] })).await;
    hooks.calls(&[("1", "incoming")]).await;
    receiver.took(1).await;
    hooks.has_all(&hook).await;
    receiver.will(|_| Does::Answer(500));
    hooks.calls(&[("1", "hold"), ("1", "unhold")]).await;
    receiver.until("tries", |told| told.len() >= 3).await;
    let metrics = hooks.server.request("GET", "/metrics", "").await.text;
    let value = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name}")).trim().parse::<f64>().unwrap()
    };
    assert!(value("switchboard_webhook_requests_total{outcome=\"ok\"}") == 1.0);
    assert!(value("switchboard_webhook_requests_total{outcome=\"failed\"}") >= 1.0);
    assert!(value("switchboard_webhook_pending ") == 2.0);
    assert!(value("switchboard_webhook_lag_seconds ") < 60.0);
}
