//! What is in the log after the line was cut, the log refused, or the server was started again.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::Connection;
use switchboard::model::{Call, CallQueue, Event, TenantId};
use tempfile::TempDir;

use super::conversation::calls;
use super::scene::{Scene, items};
use super::{PAUSE, SECOND};
use crate::asterisk::{Asterisk, Cut};
use crate::clock;
use crate::dice::Dice;
use crate::office::Office;
use crate::server::Server;

#[tokio::test]
async fn what_the_log_refuses_is_kept_once_it_takes_it() {
    let _stopped = clock::stop();
    let data = Arc::new(TempDir::new().unwrap());
    let asterisk = Asterisk::start().await;
    let office = Office::of(Server::on_disk(data.clone(), &asterisk.options()).await);
    let db = Connection::open(data.path().join("switchboard.db")).unwrap();
    let mut scene = Scene::of(asterisk, office).await;
    let fill = "CREATE TRIGGER full BEFORE INSERT ON events
                BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END";
    // For a moment: the line stays.
    db.execute_batch(fill).unwrap();
    let first = scene.act(|pbx| pbx.call_in("+1", "1500")).await;
    scene.act(|pbx| pbx.queue(&first, "support")).await;
    clock::advance(3 * SECOND).await;
    assert_eq!(scene.names().await, [""; 0]);
    db.execute_batch("DROP TRIGGER full").unwrap();
    clock::advance(3 * SECOND).await;
    assert_eq!(scene.names().await, ["call.incoming", "queue.joined"]);
    assert_eq!(scene.asterisk.listed(), 1);
    // For long: the line is cut, and what happened meanwhile is found out by comparing.
    db.execute_batch(fill).unwrap();
    scene.act(|pbx| pbx.hang_up(&first)).await;
    clock::advance(20 * SECOND).await;
    let second = scene.act(|pbx| pbx.call_in("+2", "1500")).await;
    scene.act(|pbx| pbx.queue(&second, "sales")).await;
    assert_eq!(scene.metric("ami_connected").await, 0);
    db.execute_batch("DROP TRIGGER full").unwrap();
    clock::advance(PAUSE).await;
    scene.asterisk.has_listed(2).await;
    let expected = [
        "call.incoming",
        "queue.joined",
        "queue.left",
        "call.ended",
        "call.incoming",
        "queue.joined",
    ];
    assert_eq!(scene.names().await, expected);
    let told = scene.told().await;
    let corrected = |event: &Event| match event {
        Event::Call(Call::CallIncoming(e)) => e.corrected,
        Event::Call(Call::CallEnded(e)) => e.corrected,
        Event::CallQueue(CallQueue::QueueJoined(e)) => e.corrected,
        Event::CallQueue(CallQueue::QueueLeft(e)) => e.corrected,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        told.iter().map(corrected).collect::<Vec<_>>(),
        [false, false, false, false, true, true]
    );
}

#[tokio::test]
async fn a_restart_ends_what_ended_meanwhile_and_tells_nothing_twice() {
    let _stopped = clock::stop();
    let data = Arc::new(TempDir::new().unwrap());
    let asterisk = Asterisk::start().await;
    let office = Office::of(Server::on_disk(data.clone(), &asterisk.options()).await);
    let mut scene = Scene::of(asterisk.clone(), office).await;
    let [ends, stays] = [1, 2].map(|n| format!("+{n}"));
    let ends = scene.act(|pbx| pbx.call_in(&ends, "1500")).await;
    let stays = scene.act(|pbx| pbx.call_in(&stays, "1500")).await;
    for caller in [&ends, &stays] {
        scene.act(|pbx| pbx.queue(caller, "support")).await;
    }
    assert_eq!(scene.names().await.len(), 4);
    assert!(scene.office.server.running.drain().await);
    let mut pbx = scene.pbx;
    pbx.hang_up(&ends);
    let leg = pbx.ring(&stays, "PJSIP/1001");
    pbx.answer(&stays, &leg);
    pbx.told.clear();
    {
        let mut inner = asterisk.inner();
        inner.channels = items(pbx.list_channels("x"));
        inner.queues = items(pbx.list_queues("x"));
    }
    let office = Office::of(Server::on_disk(data, &asterisk.options()).await);
    asterisk.has_listed(2).await;
    clock::settle().await;
    let told = calls(office.log().await);
    let names: Vec<_> = told[4..].iter().map(Event::name).collect();
    assert_eq!(names, ["queue.left", "queue.left", "call.ended", "call.answered"]);
    let Event::Call(Call::CallEnded(end)) = &told[6] else { panic!() };
    assert_eq!((end.unique_id.as_str(), end.corrected), (ends.as_str(), true));
}

const ROUNDS: u64 = 12;

#[tokio::test]
async fn random_calls_and_cuts_end_with_every_call_ended_once() {
    let _stopped = clock::stop();
    let mut scene = Scene::set().await;
    let mut dice = Dice::new(41);
    let mut begun = Vec::new();
    for round in 0..ROUNDS {
        for _ in 0..8 {
            do_something(&mut scene, &mut dice, &mut begun).await;
        }
        clock::settle().await;
        let before = scene.asterisk.listed();
        let cut = match dice.below(5) {
            0 => Some(Cut::Greeting),
            1 => Some(Cut::Login),
            2 => Some(Cut::Channels(usize::try_from(dice.below(4)).unwrap())),
            3 => Some(Cut::Queues(usize::try_from(dice.below(3)).unwrap())),
            _ => None,
        };
        scene.asterisk.inner().cut = cut;
        scene.asterisk.cut().await;
        for _ in 0..4 {
            do_something(&mut scene, &mut dice, &mut begun).await;
        }
        clock::advance(PAUSE).await;
        clock::advance(PAUSE).await;
        scene.asterisk.has_listed(before + 1).await;
        clock::settle().await;
        let known = scene.office.server.running.app.open_calls(&tenant()).await.unwrap();
        let known: Vec<_> = known.into_iter().map(|call| call.unique_id).collect();
        let mut alive: Vec<_> = scene.pbx.channels.values().map(|c| c.linked.clone()).collect();
        alive.sort();
        alive.dedup();
        assert_eq!(known, alive, "round {round}");
    }
    for channel in scene.pbx.channels.keys().cloned().collect::<Vec<_>>() {
        scene.act(|pbx| pbx.hang_up(&channel)).await;
    }
    let mut count = BTreeMap::<String, [u32; 2]>::new();
    for event in scene.told().await {
        match event {
            Event::Call(Call::CallIncoming(e)) => count.entry(e.unique_id).or_default()[0] += 1,
            Event::Call(Call::CallEnded(e)) => count.entry(e.unique_id).or_default()[1] += 1,
            _ => {}
        }
    }
    assert!(count.len() > 10 && count.len() <= begun.len(), "{}", count.len());
    assert!(count.values().all(|counts| *counts == [1, 1]), "{count:?}");
}

fn tenant() -> TenantId {
    TenantId::default_tenant()
}

/// A customer calls, waits, is answered, or hangs up.
async fn do_something(scene: &mut Scene, dice: &mut Dice, begun: &mut Vec<String>) {
    let all: Vec<String> = scene.pbx.channels.keys().cloned().collect();
    let one = all.get(usize::try_from(dice.below(all.len().max(1) as u64)).unwrap()).cloned();
    match (dice.below(6), one) {
        (0 | 1, _) | (_, None) => {
            let caller = scene.act(|pbx| pbx.call_in("+6281", "1500")).await;
            begun.push(caller.clone());
            if dice.below(2) == 0 {
                scene.act(|pbx| pbx.queue(&caller, "support")).await;
            }
        }
        (2 | 3, Some(id)) if scene.pbx.channels[&id].bridge.is_none() => {
            scene
                .act(|pbx| {
                    let leg = pbx.ring(&id, "PJSIP/1001");
                    pbx.answer(&id, &leg);
                })
                .await;
        }
        (_, Some(id)) => scene.act(|pbx| pbx.hang_up(&id)).await,
    }
}
