//! The server is killed, or stopped, in the middle of deliveries: nothing is lost, what is sent twice
//! has the same id, and each call keeps its order.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::clock::{real_pause, within};
use crate::dice::Dice;
use crate::hooks::{Hooks, ask, make_hook, options, tell_calls};
use crate::process::Process;
use crate::receiver::{Does, Receiver, Told, distinct};

const KILLS: usize = 10;
const CALLS: usize = 6;
const WHAT: [&str; 4] = ["incoming", "hold", "unhold", "ended"];

fn call(told: &Told) -> &str {
    told.body["payload"]["unique_id"].as_str().unwrap()
}

async fn serve(data: &Path) -> Process {
    Process::serve(data, &options(&[("webhooks.timeout", "500ms")])).await
}

/// A fifth of the requests fail, and some are slow enough to be cut off.
fn moody(seed: u64) -> impl FnMut(&Told) -> Does + Send {
    let mut dice = Dice::new(seed);
    move |_| match dice.below(10) {
        0 | 1 => Does::Answer(500),
        2 => Does::Think(Duration::from_millis(dice.below(60))),
        _ => Does::Answer(200),
    }
}

#[tokio::test]
async fn nothing_is_lost_by_ten_kills_and_each_call_keeps_its_order() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    let receiver = Receiver::with(moody(7)).await;
    let mut process = serve(&data).await;
    let hook = make_hook(process.addr, &receiver.url, json!({ "events": ["call.*"] })).await;
    let mut dice = Dice::new(3);
    let mut told = 0;
    for round in 0..KILLS {
        let calls: Vec<String> = (0..CALLS).map(|n| format!("r{round}-c{n}")).collect();
        for what in WHAT {
            let events: Vec<_> = calls.iter().map(|call| (call.as_str(), what)).collect();
            tell_calls(process.addr, &events).await;
            told += events.len();
        }
        real_pause(Duration::from_millis(dice.below(120))).await;
        process.kill().await;
        process = serve(&data).await;
    }
    let taken = receiver.took(told).await;
    check(&receiver.told(), &taken, told);
    within("nothing pending", async {
        while ask(process.addr, "default", "GET", &hook.path, json!(null)).await["pending"] != 0 {
            real_pause(Duration::from_millis(10)).await;
        }
    })
    .await;
    process.terminate().await;
    assert!(process.ended().await.success());
}

/// Every event once at least, every repeat the same, every call in order.
fn check(told: &[Told], taken: &[Told], count: usize) {
    let positions: BTreeSet<u64> = taken.iter().map(Told::position).collect();
    assert_eq!((taken.len(), positions.len()), (count, count));
    let mut texts: HashMap<&str, &str> = HashMap::new();
    for told in told {
        let first = texts.entry(&told.id).or_insert(&told.text);
        assert_eq!(*first, told.text, "{} is another thing the second time", told.id);
    }
    let mut orders: HashMap<&str, Vec<&str>> = HashMap::new();
    for told in taken {
        orders.entry(call(told)).or_default().push(told.kind());
    }
    let expected = WHAT.map(|what| format!("call.{what}"));
    assert!(orders.values().all(|order| *order == expected), "{orders:?}");
}

#[tokio::test]
async fn a_server_that_stops_waits_for_answers_and_repeats_nothing_that_was_answered() {
    let data = Arc::new(TempDir::new().unwrap());
    let receiver = Receiver::with(|_| Does::Think(Duration::from_millis(300))).await;
    let hooks = Hooks::on_disk(data.clone(), &[]).await;
    let hook = hooks.hook(&receiver.url, json!({ "events": ["call.*"] })).await;
    hooks.calls(&[("1", "incoming"), ("2", "incoming"), ("1", "ended")]).await;
    within("requests", async {
        while receiver.busiest() < 2 {
            real_pause(Duration::from_millis(2)).await;
        }
    })
    .await;
    assert!(hooks.server.running.drain().await, "in time");
    assert_eq!(receiver.told().len(), 2);
    let hooks = Hooks::on_disk(data, &[]).await;
    hooks.has_all(&hook).await;
    let ids: Vec<_> = receiver.told().iter().map(|told| told.id.clone()).collect();
    let different: BTreeSet<_> = ids.iter().collect();
    assert_eq!((ids.len(), different.len()), (3, 3), "{ids:?}");
}

#[tokio::test]
async fn a_receiver_that_hangs_does_not_keep_the_server_from_stopping() {
    let data = Arc::new(TempDir::new().unwrap());
    let receiver = Receiver::with(|_| Does::Hang).await;
    let hooks = Hooks::on_disk(data.clone(), &[("webhooks.timeout", "60s")]).await;
    let hook = hooks.hook(&receiver.url, json!({ "events": ["call.*"] })).await;
    hooks.calls(&[("1", "incoming")]).await;
    receiver.until("a request", |told| told.len() == 1).await;
    let started = tokio::time::Instant::now();
    assert!(hooks.server.running.drain().await, "in time");
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    receiver.will(|_| Does::Answer(200));
    let hooks = Hooks::on_disk(data, &[]).await;
    hooks.has_all(&hook).await;
    let told = receiver.told();
    assert_eq!((told.len(), &told[0].id), (2, &told[1].id), "at least once, under the same id");
    assert_eq!(distinct(&told).len(), 1);
}
