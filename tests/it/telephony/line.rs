//! The line to a telephone system: who is let in, how it is kept, and what is asked over it.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use serde_json::json;
use switchboard::doctor::{self, Verdict};
use switchboard::model::Role;
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::scene::Scene;
use super::{PAUSE, SECOND};
use crate::asterisk::{Asterisk, SECRET, pbx::Pbx};
use crate::clock::{self, within};
use crate::office::Office;
use crate::process::Process;
use crate::server::{Server, config, token};

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
async fn the_doctor_looks_whether_it_is_there() {
    let asterisk = Asterisk::start().await;
    let look = async |address: &str| {
        let dir = TempDir::new().unwrap();
        let options = [
            ("ami.acme.address", address),
            ("ami.acme.username", "switchboard"),
            ("ami.acme.secret", SECRET),
        ];
        let config = config(dir.path(), &options);
        // It blocks while it waits for a greeting, and the one who greets runs here.
        let runtime = tokio::runtime::Handle::current();
        let examining = move || runtime.block_on(doctor::examine(&config));
        let findings = tokio::task::spawn_blocking(examining).await.unwrap();
        findings.into_iter().find(|finding| finding.subject == "telephones").unwrap()
    };
    let found = look(&asterisk.address).await;
    assert_eq!(found.verdict, Verdict::Ok, "{found}");
    assert!(found.detail.ends_with("Asterisk Call Manager/9.0.0"), "{found}");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let found = look(&nobody.to_string()).await;
    assert_eq!(found.verdict, Verdict::Warn, "{found}");
    let http = Server::start(&[]).await;
    let found = look(&http.addr.to_string()).await;
    assert!(
        found.detail.contains("does not greet") || found.detail.contains("no manager"),
        "{found}"
    );
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
    let path = format!("/ws?events=queue.stats&token={}", token(Role::Admin, "boss"));
    let mut console = scene.office.server.open(&path).await;
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
    let stats = loop {
        let mut frame = console.frame().await;
        if frame["type"] == "queue.stats" {
            break frame["payload"].take();
        }
    };
    let expected = json!({
        "queue_name": "support", "calls_waiting": 3, "available_agents": 1, "logged_in_agents": 2,
        "longest_wait_seconds": 77, "average_hold_seconds": 41, "average_talk_seconds": 185
    });
    assert_eq!(stats, expected);
    assert!(scene.told().await.iter().all(|event| event.name() != "queue.stats"), "not kept");
}
