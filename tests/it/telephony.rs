//! A tenant's telephone system: conversations with an Asterisk, cuts at any moment, and what a call
//! means for the routing of chats. What each packet means is tested beside `src/ingest/ami`.

mod conversation;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rusqlite::Connection;
use serde_json::{Value, json};
use switchboard::model::{Call, CallQueue, Event};
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::asterisk::{Asterisk, Cut, SECRET, pbx::Pbx};
use crate::clock::{self, within};
use crate::dice::Dice;
use crate::office::Office;
use crate::process::Process;
use crate::server::Server;
use conversation::calls;

const SECOND: Duration = Duration::from_secs(1);
/// The longest pause before a new connection, and a bit.
const PAUSE: Duration = Duration::from_secs(31);

macro_rules! conversations {
    ($($name:ident)*) => {
        $(#[tokio::test]
        async fn $name() {
            conversation::run(stringify!($name)).await;
        })*

        const ALL: &[&str] = &[$(stringify!($name)),*];
    };
}

conversations! {
    a_call_through_a_queue
    a_call_that_changes_hands
    a_cut_in_a_call
    a_cut_in_a_queue
    a_cut_before_and_while_all_is_listed
}

#[test]
fn every_conversation_is_run() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/ami");
    for entry in dir.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(ALL.contains(&name), "{name} is not run");
    }
}

/// A telephone system and the server that listens to it.
struct Scene {
    asterisk: Asterisk,
    pbx: Pbx,
    office: Office,
}

impl Scene {
    async fn set() -> Scene {
        let asterisk = Asterisk::start().await;
        let office = Office::open(&asterisk.options()).await;
        Scene::of(asterisk, office).await
    }

    async fn of(asterisk: Asterisk, office: Office) -> Scene {
        asterisk.has_listed(1).await;
        clock::settle().await;
        Scene { asterisk, pbx: Pbx::default(), office }
    }

    /// People do this on their telephones, and whoever listens is told.
    async fn act<T>(&mut self, act: impl FnOnce(&mut Pbx) -> T) -> T {
        let done = act(&mut self.pbx);
        let told = std::mem::take(&mut self.pbx.told).concat();
        {
            let mut inner = self.asterisk.inner();
            inner.channels = items(self.pbx.list_channels("x"));
            inner.queues = items(self.pbx.list_queues("x"));
        }
        self.asterisk.tell(&told).await;
        done
    }

    async fn told(&self) -> Vec<Event> {
        clock::settle().await;
        calls(self.office.log().await)
    }

    async fn names(&self) -> Vec<&'static str> {
        self.told().await.iter().map(Event::name).collect()
    }

    /// Waits until the server knows all that was listed.
    async fn is_connected(&self) {
        within("a connection", async {
            while self.metric("ami_connected").await == 0 {
                clock::real_pause(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// A metric of the tenant's.
    async fn metric(&self, name: &str) -> u64 {
        let text = self.office.server.request("GET", "/metrics", "").await.text;
        let line = format!("switchboard_{name}{{tenant=\"default\"}} ");
        let found = text.lines().find_map(|l| l.strip_prefix(&line));
        found.unwrap_or_else(|| panic!("{name}: {text}")).parse().unwrap()
    }
}

/// The items of a list without what names the action.
fn items(list: Vec<String>) -> Vec<String> {
    let items = list[1..list.len() - 1].iter();
    items.map(|item| item.replacen("ActionID: x\r\n", "", 1)).collect()
}

#[tokio::test]
async fn a_wrong_secret_is_tried_again_slowly_until_it_is_right() {
    let _stopped = clock::stop();
    let asterisk = Asterisk::start().await;
    asterisk.inner().secret = Some("another");
    let office = Office::open(&asterisk.options()).await;
    asterisk.is_asked("Login", 1).await;
    clock::settle().await;
    clock::advance(300 * SECOND).await;
    let logins = |asterisk: &Asterisk| {
        asterisk.inner().actions.iter().filter(|action| *action == "Login").count()
    };
    assert!((5..=12).contains(&logins(&asterisk)), "{}", logins(&asterisk));
    let scene = Scene { asterisk, pbx: Pbx::default(), office };
    assert_eq!(scene.metric("ami_connected").await, 0);
    scene.asterisk.inner().secret = None;
    clock::advance(60 * SECOND).await;
    scene.asterisk.has_listed(1).await;
    clock::settle().await;
    assert_eq!(scene.metric("ami_connected").await, 1);
    assert!(scene.metric("ami_disconnects_total").await >= 5);
    assert!(!scene.asterisk.inner().heard.contains(SECRET), "it is proved, not said");
}

#[tokio::test]
async fn a_refused_login_is_named_without_the_secret() {
    let asterisk = Asterisk::start().await;
    asterisk.inner().secret = Some("another");
    let dir = TempDir::new().unwrap();
    let process = Process::serve(&dir.path().join("data"), &asterisk.options()).await;
    within("the reason", async {
        while !process.log().contains("it refuses the login: Authentication failed") {
            clock::real_pause(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert!(!process.log().contains(SECRET), "{}", process.log());
}

#[tokio::test]
async fn a_system_that_takes_no_proof_is_told_the_secret() {
    let asterisk = Asterisk::start().await;
    asterisk.inner().is_old = true;
    let office = Office::open(&asterisk.options()).await;
    Scene::of(asterisk, office).await.is_connected().await;
}

#[tokio::test]
async fn the_line_may_be_encrypted_and_the_secret_in_a_file() {
    let dir = TempDir::new().unwrap();
    let (ca_file, secret_file) = (dir.path().join("ca.pem"), dir.path().join("secret"));
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(vec![]).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_certificate = ca.self_signed(&ca_key).unwrap();
    std::fs::write(&ca_file, ca_certificate.pem()).unwrap();
    std::fs::write(&secret_file, format!("{SECRET}\n")).unwrap();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".into()]).unwrap();
    let certificate = certificate.signed_by(&key, &issuer).unwrap();
    switchboard::auth::install_crypto();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![certificate.der().clone()], key).unwrap();
    let asterisk = Asterisk::start_with_tls(TlsAcceptor::from(Arc::new(config))).await;
    let options = [
        ("ami.default.address", asterisk.address.as_str()),
        ("ami.default.username", "switchboard"),
        ("ami.default.secret_file", secret_file.to_str().unwrap()),
        ("ami.default.tls", "true"),
        ("ami.default.tls_ca", ca_file.to_str().unwrap()),
    ];
    let office = Office::open(&options).await;
    Scene::of(asterisk.clone(), office).await.is_connected().await;
}

#[tokio::test]
async fn a_system_that_falls_silent_is_left_and_found_again() {
    let _stopped = clock::stop();
    let mut scene = Scene::set().await;
    let caller = scene.act(|pbx| pbx.call_in("+6281", "1500")).await;
    scene.act(|pbx| pbx.queue(&caller, "support")).await;
    assert_eq!(scene.names().await, ["call.incoming", "queue.joined"]);
    clock::advance(200 * SECOND).await;
    assert_eq!((scene.asterisk.listed(), scene.metric("ami_connected").await), (1, 1));
    scene.asterisk.inner().is_mute = true;
    clock::advance(95 * SECOND).await;
    assert_eq!(scene.metric("ami_connected").await, 0);
    scene.asterisk.inner().is_mute = false;
    clock::advance(PAUSE).await;
    clock::advance(PAUSE).await;
    scene.asterisk.has_listed(2).await;
    clock::settle().await;
    assert_eq!(scene.metric("ami_connected").await, 1);
    assert_eq!(scene.names().await.len(), 2, "nothing has changed");
}

#[tokio::test]
async fn figures_of_queues_are_asked_for_now_and_then_and_soon_after_a_change() {
    let _stopped = clock::stop();
    let mut scene = Scene::set().await;
    scene.asterisk.inner().summaries = vec![
        "Event: QueueSummary\r\nQueue: support\r\nLoggedIn: 2\r\nAvailable: 1\r\nCallers: 3\r\n\
         HoldTime: 41\r\nTalkTime: 185\r\nLongestHoldTime: 77\r\n\r\n"
            .into(),
    ];
    let asked = |scene: &Scene| {
        scene.asterisk.inner().actions.iter().filter(|action| *action == "QueueSummary").count()
    };
    scene.asterisk.is_asked("QueueSummary", 1).await;
    let first = asked(&scene);
    clock::advance(30 * SECOND).await;
    scene.asterisk.is_asked("QueueSummary", first + 2).await;
    assert!(asked(&scene) - first <= 4, "{}", asked(&scene) - first);
    let before = asked(&scene);
    for n in 0..8 {
        let caller = scene.act(|pbx| pbx.call_in(&format!("+{n}"), "1500")).await;
        scene.act(|pbx| pbx.queue(&caller, "support")).await;
        // Each is read for itself.
        clock::settle().await;
    }
    clock::advance(SECOND).await;
    scene.asterisk.is_asked("QueueSummary", before + 1).await;
    let more = asked(&scene) - before;
    assert!(more <= 3, "{more} for eight changes at once");
    assert!(scene.told().await.iter().all(|event| event.name() != "queue.stats"), "not kept");
}

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
        (alive.sort(), alive.dedup()).1;
        assert_eq!(known, alive, "round {round}");
    }
    for channel in scene.pbx.channels.keys().cloned().collect::<Vec<_>>() {
        scene.act(|pbx| pbx.hang_up(&channel)).await;
    }
    let mut count = std::collections::BTreeMap::<String, [u32; 2]>::new();
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

fn tenant() -> switchboard::model::TenantId {
    switchboard::model::TenantId::default_tenant()
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

/// A call uses up its agent's only place.
fn calls_weigh() -> Value {
    json!({"weights": {"chat": 1, "call": 1}})
}

// Contract 11: on a call that uses up its capacity an agent is busy.
#[tokio::test]
async fn an_agent_on_a_call_gets_no_chat_until_it_ends() {
    let _stopped = clock::stop();
    let mut scene = Scene::set().await;
    let sales = scene.office.department("Sales", calls_weigh()).await;
    let of_one = json!({"max_chats": 1, "extension": "1001"});
    let dewi = scene.office.agent("Dewi", &[&sales], of_one).await;
    scene.office.beat(&dewi, json!({})).await;
    let caller = scene.act(|pbx| pbx.call_in("+6281", "1001")).await;
    let leg = scene.act(|pbx| pbx.ring(&caller, "PJSIP/1001")).await;
    scene.act(|pbx| pbx.answer(&caller, &leg)).await;
    assert_eq!(scene.names().await, ["call.incoming", "call.answered"]);
    assert_eq!(scene.office.status(&dewi).await, "busy");
    let chat = scene.office.customer_of(&sales).await;
    scene.office.waits(&chat).await;
    // She gave it away: whoever the caller is led to now, she is free.
    scene.act(|pbx| pbx.transfer_blindly(&leg, "1002")).await;
    scene.office.is_with(&chat, &dewi).await;
    scene.act(|pbx| pbx.hang_up(&caller)).await;
    let Some(Event::Call(Call::CallEnded(end))) = scene.told().await.pop() else { panic!() };
    assert_eq!(end.agent_id.map(|id| id.to_string()), Some(dewi.id.clone()));
}

#[tokio::test]
async fn a_posted_call_takes_the_agents_place_once_and_across_a_restart() {
    let _stopped = clock::stop();
    let data = Arc::new(TempDir::new().unwrap());
    let office = Office::of(Server::on_disk(data.clone(), &[]).await);
    let sales = office.department("Sales", calls_weigh()).await;
    let dewi = office.agent("Dewi", &[&sales], json!({"max_chats": 1})).await;
    office.beat(&dewi, json!({})).await;
    let post = async |office: &Office, name: &str, more: Value| {
        let mut payload = more;
        payload["unique_id"] = "crm-77".into();
        office.admin("POST", "/api/events", json!({ "type": name, "payload": payload })).await;
    };
    let answered = || json!({ "agent_id": dewi.id });
    post(&office, "call.answered", answered()).await;
    post(&office, "call.answered", answered()).await;
    clock::settle().await;
    assert_eq!(office.status(&dewi).await, "busy");
    let chat = office.customer_of(&sales).await;
    office.waits(&chat).await;
    assert!(office.server.running.drain().await);
    let office = Office::of(Server::on_disk(data, &[]).await);
    office.beat(&dewi, json!({})).await;
    assert_eq!(office.status(&dewi).await, "busy", "the call goes on");
    office.waits(&chat).await;
    post(&office, "call.ended", json!({ "duration": 7 })).await;
    office.is_with(&chat, &dewi).await;
}

#[tokio::test]
async fn a_call_whose_end_nobody_tells_is_over_after_a_day() {
    let _stopped = clock::stop();
    let scene = Scene::set().await;
    let sales = scene.office.department("Sales", calls_weigh()).await;
    let dewi = scene.office.agent("Dewi", &[&sales], json!({"max_chats": 1})).await;
    scene.office.beat(&dewi, json!({})).await;
    let payload = json!({ "unique_id": "crm-78", "agent_id": dewi.id });
    let event = json!({ "type": "call.answered", "payload": payload });
    scene.office.admin("POST", "/api/events", event).await;
    clock::settle().await;
    assert_eq!(scene.office.status(&dewi).await, "busy");
    // The log's moments are those of the real clock, so the day is over when somebody says so.
    let app = &scene.office.server.running.app;
    app.forget_calls(switchboard::model::Moment(i64::MAX));
    clock::settle().await;
    assert_eq!(scene.office.status(&dewi).await, "online");
}
