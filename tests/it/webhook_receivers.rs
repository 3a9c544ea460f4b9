//! Receivers that refuse, redirect, hang, are busy, are gone, or come back: everything gets to them in
//! the end, in the order of its conversation, and nobody else waits for them.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::clock::{real_pause, within};
use crate::hooks::{Hook, Hooks};
use crate::receiver::{Does, Receiver, Told, distinct};

fn call(told: &Told) -> String {
    told.body["payload"]["unique_id"].as_str().unwrap().to_owned()
}

/// Checks that of each call what was taken is in log order.
fn is_in_order(taken: &[Told]) {
    let mut latest: HashMap<String, u64> = HashMap::new();
    for told in distinct(taken) {
        let before = latest.insert(call(&told), told.position());
        assert!(
            before.is_none_or(|before| before < told.position()),
            "{}: {}",
            call(&told),
            told.id
        );
    }
}

async fn error_of(hooks: &Hooks, hook: &Hook) -> String {
    within("a failed try", async {
        loop {
            let waits = hooks.deliveries(hook, "pending").await;
            // The newest first, and the oldest of a call is tried first.
            if let Some(error) = waits.iter().rev().find_map(|waits| waits["last_error"].as_str()) {
                return error.to_owned();
            }
            real_pause(Duration::from_millis(5)).await;
        }
    })
    .await
}

#[tokio::test]
async fn a_call_waits_for_what_came_before_and_others_do_not() {
    let (hooks, receiver) = (Hooks::start(&[]).await, Receiver::start().await);
    let hook = hooks.hook(&receiver.url, json!({ "events": ["call.*"] })).await;
    receiver.will(|told| Does::Answer(if call(told) == "bad" { 500 } else { 200 }));
    hooks
        .calls(&[("bad", "incoming"), ("bad", "hold"), ("good", "incoming"), ("bad", "ended")])
        .await;
    hooks.calls(&[("good", "ended")]).await;
    receiver
        .until("three tries", |told| told.iter().filter(|t| call(t) == "bad").count() >= 3)
        .await;
    let tries: Vec<_> = receiver.told().into_iter().filter(|told| call(told) == "bad").collect();
    assert!(tries.iter().all(|told| told.kind() == "call.incoming"), "the first of its call alone");
    assert!(tries.iter().all(|told| told.id == tries[0].id && told.is_signed_by(&hook.secret)));
    receiver.took(2).await;
    receiver.will(|_| Does::Answer(200));
    let taken = receiver.took(5).await;
    is_in_order(&taken);
    let shown = hooks.has_all(&hook).await;
    assert_eq!(shown["dead"], 0);
}

#[tokio::test]
async fn a_receiver_that_comes_back_gets_everything_in_order() {
    let hooks = Hooks::start(&[]).await;
    let mut receiver = Receiver::start().await;
    let hook = hooks.hook(&receiver.url, json!({ "events": ["call.*"] })).await;
    receiver.stop().await;
    let calls: Vec<String> = (0..10).map(|n| format!("c{n}")).collect();
    for what in ["incoming", "hold", "unhold", "ended"] {
        let events: Vec<_> = calls.iter().map(|call| (call.as_str(), what)).collect();
        hooks.calls(&events).await;
    }
    let error = error_of(&hooks, &hook).await;
    assert!(error.starts_with("no connection: "), "{error}");
    receiver.come_back().await;
    let taken = receiver.took(40).await;
    is_in_order(&taken);
    assert_eq!(hooks.has_all(&hook).await["dead"], 0);
}

#[tokio::test]
async fn a_redirect_is_an_error_that_says_so() {
    let (hooks, elsewhere) = (Hooks::start(&[]).await, Receiver::start().await);
    let url = elsewhere.url.clone();
    let receiver = Receiver::with(move |_| Does::AnswerWith(308, "location", url.clone())).await;
    let hook = hooks.hook(&receiver.url, json!({ "events": ["call.*"] })).await;
    hooks.calls(&[("1", "incoming")]).await;
    let error = error_of(&hooks, &hook).await;
    assert_eq!(error, "308: redirects are not followed; give the webhook its new address");
    assert!(elsewhere.told().is_empty());
    hooks.admin("PATCH", &hook.path, json!({ "url": elsewhere.url })).await;
    elsewhere.took(1).await;
}

#[tokio::test]
async fn one_that_hangs_costs_its_own_call_its_time() {
    let hooks = Hooks::start(&[("webhooks.timeout", "300ms")]).await;
    let receiver = Receiver::start().await;
    let healthy = Receiver::start().await;
    let hook = hooks.hook(&receiver.url, json!({ "events": ["call.*"] })).await;
    hooks.hook(&healthy.url, json!({ "events": ["call.*"] })).await;
    receiver.will(|told| if call(told) == "stuck" { Does::Hang } else { Does::Answer(200) });
    hooks.calls(&[("stuck", "incoming"), ("1", "incoming"), ("1", "ended")]).await;
    receiver.took(2).await;
    healthy.took(3).await;
    assert_eq!(error_of(&hooks, &hook).await, "no answer within 300 ms");
    receiver.will(|_| Does::Answer(200));
    receiver.took(3).await;
}

#[tokio::test]
async fn a_slow_receiver_is_told_side_by_side_and_no_more_than_it_may() {
    let hooks = Hooks::start(&[("webhooks.requests_per_webhook", "4")]).await;
    let receiver = Receiver::with(|_| Does::Think(Duration::from_millis(60))).await;
    hooks.hook(&receiver.url, json!({ "events": ["call.*"] })).await;
    let calls: Vec<String> = (0..20).map(|n| format!("c{n}")).collect();
    let events: Vec<_> = calls.iter().map(|call| (call.as_str(), "incoming")).collect();
    hooks.calls(&events).await;
    receiver.took(20).await;
    assert_eq!(receiver.busiest(), 4);
}

#[tokio::test]
async fn all_webhooks_together_make_so_many_requests_and_no_more() {
    let hooks = Hooks::start(&[("webhooks.requests", "3")]).await;
    let receiver = Receiver::with(|_| Does::Think(Duration::from_millis(30))).await;
    for _ in 0..3 {
        hooks.hook(&receiver.url, json!({ "events": ["call.*"] })).await;
    }
    let calls: Vec<String> = (0..6).map(|n| format!("c{n}")).collect();
    let events: Vec<_> = calls.iter().map(|call| (call.as_str(), "incoming")).collect();
    hooks.calls(&events).await;
    receiver.until("everything", |told| told.len() == 18).await;
    assert_eq!(receiver.busiest(), 3);
}

/// 410: the receiver wants no more.
#[tokio::test]
async fn a_receiver_that_is_gone_disables_its_webhook_and_the_tenant_is_told() {
    let (hooks, console) = (Hooks::start(&[]).await, Receiver::start().await);
    let receiver = Receiver::with(|_| Does::Answer(410)).await;
    let hook = hooks.hook(&receiver.url, json!({ "events": ["call.*"] })).await;
    hooks.hook(&console.url, json!({ "events": ["alert"] })).await;
    hooks.calls(&[("1", "incoming"), ("2", "incoming"), ("1", "ended")]).await;
    let shown = hooks.until(&hook, "disabled", |shown| shown["is_disabled"] == true).await;
    assert_eq!(shown["disabled_by"], "receiver");
    let alert = console.took(1).await.remove(0);
    assert_eq!(alert.body["payload"]["kind"], "webhook.disabled");
    assert_eq!(alert.body["payload"]["data"], json!({ "webhook_id": hook.id }));
    real_pause(Duration::from_millis(150)).await;
    let tries = receiver.told().len();
    assert!(tries <= 2, "at most those that were under way: {tries}");
    assert_eq!(hooks.alerts().await.len(), 1, "told once");
    receiver.will(|_| Does::Answer(200));
    hooks.admin("PATCH", &hook.path, json!({ "is_disabled": false })).await;
    let taken = receiver.took(3).await;
    is_in_order(&taken);
}

#[tokio::test]
async fn a_receiver_that_asks_for_time_gets_it() {
    for status in [429, 503] {
        let (hooks, receiver) = (Hooks::start(&[]).await, Receiver::start().await);
        hooks.hook(&receiver.url, json!({ "events": ["call.*"] })).await;
        let mut is_first = true;
        receiver.will(move |_| match std::mem::take(&mut is_first) {
            true => Does::AnswerWith(status, "retry-after", "1".into()),
            false => Does::Answer(200),
        });
        hooks.calls(&[("1", "incoming")]).await;
        receiver.until("a try", |told| told.len() == 1).await;
        // Once that is settled.
        real_pause(Duration::from_millis(100)).await;
        hooks.calls(&[("2", "incoming")]).await;
        receiver.took(2).await;
        let told = receiver.told();
        for later in &told[1..] {
            let pause = later.at - told[0].at;
            assert!(pause >= Duration::from_millis(990), "{status}: {pause:?}");
        }
    }
}

#[tokio::test]
async fn what_fails_for_too_long_is_dead_and_its_call_goes_on() {
    let hooks = Hooks::start(&[("webhooks.give_up_after", "200ms")]).await;
    let receiver =
        Receiver::with(|told| Does::Answer(if told.kind() == "call.incoming" { 500 } else { 200 }))
            .await;
    let hook = hooks.hook(&receiver.url, json!({ "events": ["call.*"] })).await;
    hooks.calls(&[("1", "incoming"), ("1", "ended")]).await;
    let taken = receiver.took(1).await;
    assert_eq!(taken[0].kind(), "call.ended");
    let dead = hooks.deliveries(&hook, "dead").await;
    assert_eq!((dead.len(), &dead[0]["type"]), (1, &json!("call.incoming")));
    assert_eq!((&dead[0]["last_status"], &dead[0]["next_attempt_at"]), (&json!(500), &json!(null)));
    let tries = receiver.told().iter().filter(|told| told.kind() == "call.incoming").count();
    assert_eq!(dead[0]["attempts"], tries);
    // At once, and after 20, 40 and 80 ms, each a fifth more or less, and at the end.
    assert!((3..=6).contains(&tries), "{tries}");
    assert_eq!(hooks.shown(&hook).await["dead"], 1);

    receiver.will(|_| Does::Answer(200));
    let path = format!("{}/replay", hook.path);
    let replayed = hooks.admin("POST", &path, json!({ "dead": true })).await;
    assert_eq!(replayed, json!({ "replayed": 1, "left": 0 }));
    let taken = receiver.took(2).await;
    assert_eq!(taken[1].id, dead[0]["id"].as_str().unwrap());
    hooks.until(&hook, "none dead", |shown| shown["dead"] == 0 && shown["pending"] == 0).await;
}

#[tokio::test]
async fn with_a_full_backlog_the_rest_waits_in_the_log() {
    let hooks = Hooks::start(&[("webhooks.backlog", "16")]).await;
    let mut receiver = Receiver::start().await;
    let hook = hooks.hook(&receiver.url, json!({ "events": ["call.*"] })).await;
    receiver.stop().await;
    let calls: Vec<String> = (0..5).map(|n| format!("c{n}")).collect();
    let round = |what| calls.iter().map(move |call| (call.as_str(), what));
    let events: Vec<_> = (0..20).flat_map(|_| round("hold").chain(round("unhold"))).collect();
    hooks.calls(&events).await;
    // The last places are not filled one by one.
    let is_full = |shown: &Value| (15..=16).contains(&shown["pending"].as_u64().unwrap());
    hooks.until(&hook, "a full backlog", is_full).await;
    real_pause(Duration::from_millis(100)).await;
    assert!(is_full(&hooks.shown(&hook).await));
    receiver.come_back().await;
    let taken = receiver.took(200).await;
    is_in_order(&taken);
    hooks.has_all(&hook).await;
    let path = format!("{}/deliveries?state=delivered", hook.path);
    let page = hooks.admin("GET", &path, Value::Null).await;
    assert_eq!(page["deliveries"].as_array().unwrap().len(), 50);
}
